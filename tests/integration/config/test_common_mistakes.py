"""Mistakes that people make in configurations: `hammer check-config` ends with 2 and names them, or warns of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hammer import check_config
from library.jobs.command_line import application

MAIN, OTHER = "123456789012", "210987654321"
JIRA = {"jira": {"enabled": True, "server": "https://j.example.com"}}


def folder(path: Path, aws: dict[str, Any], more: dict[str, Any], owners: dict[str, Any]) -> Path:
    given = {"main_account_id": MAIN, "region": "eu-west-1", "accounts": {MAIN: "main", OTHER: "shop"}, **aws}
    section = {"ddb.table_name": "issues", "reporting": True}
    (path / "config.json").write_text(json.dumps({"aws": given, "secgrp_unrestricted_access": section, **more}))
    (path / "ticket_owners.json").write_text(json.dumps(owners))
    return path


def checked(path: Path) -> tuple[int, str]:
    """The exit code, and what is said on either stream, on one line."""
    done = CliRunner().invoke(application(check_config.command), ["--config", str(path)], catch_exceptions=False)
    return done.exit_code, " ".join(done.output.split())


def a_case(said: str, *, id: str, **given: Any) -> Any:  # noqa: A002 - pytest's own word
    return pytest.param({"aws": {}, "more": {}, "owners": {}, **given}, said, id=id)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        a_case("us-east1", aws={"regions": ["us-east1"]}, id="a region that is misspelt"),
        a_case("us-east-11", aws={"regions": ["us-east-11"]}, id="a region that is not there"),
        a_case("eu-west-1a", aws={"regions": ["eu-west-1a"]}, id="a zone"),
        a_case("EU-WEST-1", aws={"region": "EU-WEST-1"}, id="a region in capitals"),
        a_case("eu_west_1", aws={"region": "eu_west_1"}, id="a region with underscores"),
        a_case("regions", aws={"regions": "all"}, id="all regions as a word"),
        a_case("accounts", aws={"accounts": [MAIN, OTHER]}, id="accounts as a list"),
        a_case("role_name_identification", aws={"role_name_identification": f"arn:aws:iam::{OTHER}:role/x"}, id="ARN"),
        a_case("default_channel", more={"slack": {"enabled": True, "default_channel": "hammer"}}, id="no #"),
        a_case("Security Team", more=JIRA, owners={"jira_project": "Security Team"}, id="a project's name"),
        a_case("jira_project", more=JIRA, owners={"jira_project": 7}, id="a project as a number"),
        a_case(
            "jira_parent_ticket",
            more=JIRA,
            owners={"jira_project": "SEC", "jira_parent_ticket": "https://j.example.com/browse/SEC-1"},
            id="a ticket's address",
        ),
    ],
)
def test_it_is_named(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    code, text = checked(folder(tmp_path, **given))
    assert said in text
    assert code == 2 or re.search(rf"warning: .*{re.escape(said)}", text), text


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        pytest.param(lambda text: f"// mine\n{text}", "line 1", id="a comment"),
        pytest.param(lambda text: f"{text[:-1]},}}", "line 1", id="a comma at the end"),
        pytest.param(lambda text: text.replace('"', "'"), "line 1", id="single quotes"),
        pytest.param(lambda text: text[:-1], "line 1", id="a brace is missing"),
    ],
)
def test_what_is_no_json_is_named_with_its_line(tmp_path: Path, edit: Callable[[str], str], said: str) -> None:
    file = folder(tmp_path, {}, {}, {}) / "config.json"
    file.write_text(edit(file.read_text()))
    code, text = checked(tmp_path)
    assert (code, said in text) == (2, True), text
