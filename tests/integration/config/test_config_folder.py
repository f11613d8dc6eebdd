"""A configuration in a folder, and `hammer check-config` on one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hammer.check_config import check_config
from library.config import ConfigurationError, load_configuration
from library.config.loader import NO_FOLDER
from tests.builders.config_files import MINIMAL, config_with

SAMPLE = str(Path(__file__).parents[3] / "config")
WHITELIST = {"secgrp_unrestricted_access": {"123456789012": ["sg-7c228307"]}}


def _write(folder: Path, name: str, content: object) -> None:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def _lines(location: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(str(location))
    return str(caught.value).splitlines()


@pytest.mark.parametrize("suffix", ["json", "yaml", "yml"])
def test_every_file_may_have_every_format(tmp_path: Path, suffix: str) -> None:
    _write(tmp_path, f"config.{suffix}", MINIMAL)
    _write(tmp_path, f"whitelist.{suffix}", WHITELIST)
    _write(tmp_path, f"ticket_owners.{suffix}", {"jira_project": "AWSSEC"})
    config = load_configuration(str(tmp_path))
    assert [exemption.group for exemption in config.exemptions("123456789012")] == ["sg-7c228307"]
    assert config.ticket_owners.resolve("123456789012").jira_project == "AWSSEC"


def test_whitelist_and_owners_may_be_absent(tmp_path: Path) -> None:
    _write(tmp_path, "config.json", MINIMAL)
    _write(tmp_path, "README.md", "not Hammer's business")
    config = load_configuration(str(tmp_path))
    assert config.exemptions("123456789012") == ()
    assert config.ticket_owners.resolve("123456789012").slack_owner == ()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("whitelists.json", "whitelist.json"),
        ("white-list.yaml", "whitelist.yaml"),
        ("Whitelist.JSON", "whitelist.json"),
        ("whitelist.jsn", "whitelist.json"),
        ("whitelist", "whitelist.json"),
        ("ticket-owners.yml", "ticket_owners.yml"),
    ],
)
def test_a_misnamed_file_is_a_mistake_and_never_an_empty_whitelist(tmp_path: Path, name: str, meant: str) -> None:
    _write(tmp_path, "config.json", MINIMAL)
    _write(tmp_path, name, WHITELIST)
    assert _lines(tmp_path) == [f"{name}: is not a file of a configuration: rename it to {meant}, or move it elsewhere"]


def test_other_files_of_the_formats_are_named_and_copies_of_editors_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _write(tmp_path, "config.json", MINIMAL)
    _write(tmp_path, "whitelist.json", WHITELIST)
    for name in ("exemptions.json", "out.yaml", "whitelist.json.bak", "whitelist.json~", ".hidden.json", "README.md"):
        _write(tmp_path, name, {})
    config = load_configuration(str(tmp_path))
    assert [exemption.group for exemption in config.exemptions("123456789012")] == ["sg-7c228307"]
    assert caplog.messages == ["Not read, because a configuration has no such files: exemptions.json, out.yaml"]


def test_there_is_no_such_folder(tmp_path: Path) -> None:
    location = tmp_path / "nowhere"
    assert _lines(location) == [f"{location}: {NO_FOLDER}"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    _write(tmp_path, "config.json", MINIMAL)
    location = tmp_path / "config.json"
    assert _lines(location) == [f"{location}: is not a folder: name the one that has it"]


def test_the_config_is_required(tmp_path: Path) -> None:
    _write(tmp_path, "whitelist.json", {"zebra": 1})
    assert _lines(tmp_path) == [
        f"{tmp_path}: the file config is missing: one of config.json, config.yaml, config.yml",
        "whitelist.json: zebra: unknown key",
    ]


def test_two_formats_of_one_file_are_a_mistake_and_the_other_files_are_still_checked(tmp_path: Path) -> None:
    for name in ("config.json", "config.yml", "whitelist.json", "whitelist.yaml"):
        _write(tmp_path, name, {})
    _write(tmp_path, "ticket_owners.yml", {"zebra": 1})
    assert _lines(tmp_path) == [
        "config.json: is there as config.yml too: keep one of them",
        "ticket_owners.yml: zebra: unknown key",
        "whitelist.json: is there as whitelist.yaml too: keep one of them",
    ]


def test_a_whitelist_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    _write(tmp_path, "config.json", config_with({"zebra": 1}))
    (tmp_path / "whitelist.json").mkdir()
    assert _lines(tmp_path) == [
        "config.json: zebra: unknown key",
        "whitelist.json: cannot be read: Is a directory",
    ]


def test_nor_is_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    _write(tmp_path, "config.json", MINIMAL)
    (tmp_path / "whitelist.json").symlink_to(tmp_path / "gone.json")
    assert _lines(tmp_path) == ["whitelist.json: cannot be read: No such file or directory"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_nor_is_one_without_permission(tmp_path: Path) -> None:
    _write(tmp_path, "config.json", MINIMAL)
    _write(tmp_path, "whitelist.json", WHITELIST)
    (tmp_path / "whitelist.json").chmod(0)
    assert _lines(tmp_path) == ["whitelist.json: cannot be read: Permission denied"]


def test_check_config_prints_what_the_sample_would_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_config(SAMPLE) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(
        f"{SAMPLE} is valid.\n\nSecurity groups   on\nAccounts          210987654321 (slave1)\n"
    )
    assert printed.err == ""


def test_five_different_mistakes_are_five_errors(tmp_path: Path) -> None:
    check = "secgrp_unrestricted_access"
    changes = {
        "aws/acounts": {},
        "cronjobs/reporting": "never",
        f"{check}/enabled": 1,
        f"{check}/restricted_ports": [22, "abc"],
    }
    _write(tmp_path, "config.json", config_with(changes))
    _write(tmp_path, "whitelist.json", {check: {"123456789012": [{"group": "sg-1", "cidrs": ["office"]}]}})
    command = [sys.executable, "-m", "hammer", "check-config", "--config", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        'config.json: aws.acounts: unknown key, did you mean "accounts"?',
        "config.json: cronjobs.reporting: 'never' is not a cron expression: write five fields such as \"55 * * * *\"",
        f"config.json: {check}.enabled: must be true or false, not 1",
        f'config.json: {check}.restricted_ports[1]: \'abc\' is not a port: write 22, "8000-8100" or "udp/161"',
        f"whitelist.json: {check}.123456789012[0].cidrs[0]: 'office' is not a CIDR: "
        'write "198.51.100.0/24" or "2001:db8::/32"',
    ]


@pytest.mark.parametrize(
    ("arguments", "environment", "folder"),
    [
        pytest.param(["--config", "option"], {"HAMMER_CONFIG": "variable"}, "option", id="the option"),
        pytest.param([], {"HAMMER_CONFIG": "variable"}, "variable", id="the environment variable"),
        pytest.param([], {}, "config", id="the folder config"),
    ],
)
def test_where_a_configuration_is_found(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], folder: str
) -> None:
    for name in ("option", "variable", "config"):
        (tmp_path / name).mkdir()
        _write(tmp_path / name, "config.json", config_with({f"aws/accounts/{'1' * 12}": name}))
    done = subprocess.run(
        [sys.executable, "-m", "hammer", "check-config", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(SAMPLE).parent), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"111111111111 ({folder})" in done.stdout


def test_importing_the_configuration_imports_nothing_that_it_may_not_need() -> None:
    code = "import sys, library.config; print(sorted({'boto3', 'typer'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
