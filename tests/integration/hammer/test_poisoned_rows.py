"""Rows of the issue table that somebody else wrote: no job crashes, and no group is changed because a row asks for it.

Every attribute of a row is poisoned, each in a row of its own, all in one table: the wrong values take turns. Their
groups expose nothing. Beside them is one honest row, whose group is exposed and due: every job still does its work.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hammer.__main__ import application
from library.aws.conditional_writes import serialized
from tests.builders.poisoned_rows import EVIL, MAIN, REGION, cases, poisoned, row
from tests.worlds.remediation_world import ANYWHERE, TABLE, World, permission, world

pytestmark = pytest.mark.usefixtures("table_in_memory")

PRIVATE = permission("tcp", (22, 22), "10.1.2.0/24", about="theirs")
WEB = permission("tcp", (443, 443), ANYWHERE, about="web")


def put(made: World, item: dict[str, Any]) -> None:
    made.sessions.client("dynamodb").put_item(TableName=TABLE, Item=serialized(item))


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, reporting=True, remediation_limit_per_run=10_000) as made:
        made.configure()
        file = tmp_path / "config.json"
        config = json.loads(file.read_text())
        config |= {"usage": {"enabled": True}, "decisions": {"enabled": True}, "cronjobs": {"publishing": "0 6 * * *"}}
        config["aws"]["regions"] = [REGION]
        file.write_text(json.dumps(config))
        yield made


def hammer(made: World, *arguments: str) -> Result:
    """A command, whose exceptions are the test's."""
    given = (*arguments, "--config", str(made.folder))
    result = CliRunner().invoke(application(given), given, catch_exceptions=False)
    assert result.exit_code in (0, 1), (arguments, result.output)
    assert "Traceback" not in result.output
    assert "\x1b[31m" not in result.output
    return result


READING = (
    ("status",),
    ("issues",),
    ("issues", "--format", "html"),
    ("exemptions",),
    ("report", "--dry-run"),
    ("remediate", "--dry-run"),
)
WRITING = (("usage",), ("report",), ("remediate", "--batch"), ("publish",), ("identify",))
AFTERWARDS = (("status",), ("issues", "--format", "json"))


def test_every_job_does_its_work_beside_poisoned_rows_and_changes_no_group_for_them(made: World) -> None:
    open_group = made.group(permission("tcp", (22, 22), ANYWHERE))
    made.issue(open_group)
    private = made.group(PRIVATE, WEB)
    before = made.described(private)
    groups = []
    for number, (path, wrong) in enumerate(cases()):
        # One group in EC2 stands for all, whose rows have its name in their journals; the other rows' groups are gone.
        groups.append(f"sg-{number:017x}")
        put(made, poisoned(groups[-1], path, wrong))
    for wrong in (f"sg-{EVIL}", "sg-", "sg-../x", "finding-x"):
        put(made, {**row("sg-1"), "issue_id": wrong})
    put(made, poisoned(private, ("issue_details", "status"), "open_completely"))
    named = ("--account", MAIN, "--region", REGION, "--group", private)
    of_one = (("explain", *named), ("restore", "--batch", *named))
    for arguments in (*READING, *of_one, *WRITING, *AFTERWARDS):
        hammer(made, *arguments)
    assert made.described(private) == before
    assert made.exposed(open_group) == set(), "what is due is closed"
