"""The first configuration that `hammer init` writes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hammer import init
from hammer.check_config import warnings
from library.config import load_configuration
from library.jobs.command_line import application

OPTIONS = ["--account", "123456789012", "--region", "eu-central-1"]


def test_what_it_writes_is_valid_and_does_nothing_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    done = CliRunner().invoke(application(init.command), [str(folder), *OPTIONS])
    assert done.exit_code == 0, done.output
    assert f"next: hammer check-config --config {folder}\n" in done.stdout
    config = load_configuration(str(folder))
    assert (config.aws.main_account_id, config.aws.region) == ("123456789012", "eu-central-1")
    assert config.scanned_accounts() == {"123456789012": "main"}
    section = config.secgrp_unrestricted_access
    assert (section.reporting, section.remediation) == (False, False)
    assert list(warnings(config, date(2026, 11, 29))) == []


@pytest.mark.parametrize(
    ("name", "written"), [("a b", "'{}/a b'"), ("$HOME", "'{}/$HOME'"), ("a\nb: c", "'{}/a\\nb: c'")]
)
def test_commands_take_the_folder_as_one_word(tmp_path: Path, name: str, written: str) -> None:
    folder, named = tmp_path / name, written.format(tmp_path)
    done = CliRunner().invoke(application(init.command), [str(folder), *OPTIONS])
    assert f"next: hammer check-config --config {named}\n      hammer scan --config {named}\n" in done.stdout
    assert f"`hammer check-config --config {named}`" in (folder / "config.yaml").read_text("utf-8")
    load_configuration(str(folder))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        pytest.param(["--account", "12"], "hammer: 12 is not an account id: 12 digits\n", id="no account id"),
        pytest.param(
            ["--account", "123456789012", "--region", "eu-west1"],
            "hammer: eu-west1 is not a region: write one such as eu-west-1\n",
            id="no region",
        ),
        pytest.param(OPTIONS, "config.json is there already: name another folder, or edit that file\n", id="there"),
    ],
)
def test_what_it_refuses(tmp_path: Path, arguments: list[str], line: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    done = CliRunner().invoke(application(init.command), [str(tmp_path), *arguments])
    assert done.exit_code == 2
    assert done.stderr.endswith(line)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json"]
