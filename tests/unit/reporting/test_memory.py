"""What reporting keeps in an issue's item, and what else somebody may have written there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from reporting.read import check_memory

FOUND = datetime(2026, 11, 22, 3, 5, tzinfo=UTC)
TIME = "2026-11-22T03:05:00+00:00"
ISSUE = Issue(
    "1",
    "sg-1",
    Status.OPEN,
    IssueDetails("web", "eu-west-1", "vpc-1", "open_completely", {}, ()),
    Timestamps(FOUND, FOUND),
)
RIGHT: dict[str, list[Any]] = {
    "occurrence": [None, 1, Decimal(2)],
    "digest": [None, "0a1b", ""],
    "severity": ["high"],
    "exemption_told": ["2027-03-01, 3 days"],
    "at_once": [True, False],
}
WRONG: dict[str, list[Any]] = {
    "occurrence": ["1", True, Decimal("1.5"), []],
    "digest": [1, ["0a1b"]],
    "severity": [3],
    "exemption_told": [False],
    "at_once": ["true", 1],
}
RIGHT_OF_JIRA = RIGHT | {
    "console": [2],
    "ticket": ["SEC-1"],
    "intent": [{}, {"since": None}, {"since": TIME, "news": "new"}],
    "told": [[], ["tcp 22 from 0.0.0.0/0"], {"tcp 22"}],
    "still": [{}, {"watcher": "ana"}],
}
WRONG_OF_JIRA = WRONG | {
    "console": ["2"],
    "ticket": [7],
    "intent": ["new", {"since": "yesterday"}, {"since": 7}],
    "told": ["tcp 22", [22], {"tcp 22": "open"}],
    "still": ["ana", {"watcher": 7}, {7: "ana"}],
}
RIGHT_OF_SLACK = RIGHT | {
    "heard": [{}, {"by": ["C1"]}, {"by": {"C1"}, "at": TIME}],
    "destinations": [["#a"]],
    "reminded": [7, Decimal(1)],
}
WRONG_OF_SLACK = WRONG | {
    "heard": [["C1"], {"by": "C1"}, {"by": [1]}],
    "destinations": ["#a", [None]],
    "reminded": ["7", Decimal("0.5")],
}


def cases(parts: dict[str, list[Any]]) -> list[Any]:
    return [pytest.param(name, value, id=f"{name}={value!r}") for name, values in parts.items() for value in values]


@pytest.mark.parametrize(("name", "value"), cases(RIGHT_OF_JIRA))
def test_what_reporting_writes_about_a_ticket_is_right(name: str, value: Any) -> None:
    check_memory(replace(ISSUE, jira_details={name: value}))


@pytest.mark.parametrize(("name", "value"), cases(RIGHT_OF_SLACK))
def test_what_reporting_writes_about_slack_is_right(name: str, value: Any) -> None:
    check_memory(replace(ISSUE, slack_details={name: value}))


@pytest.mark.parametrize(("name", "value"), cases(WRONG_OF_JIRA))
def test_what_is_wrong_about_a_ticket_is_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^jira_details.{name} is not as it should be$"):
        check_memory(replace(ISSUE, jira_details={name: value}))


@pytest.mark.parametrize(("name", "value"), cases(WRONG_OF_SLACK))
def test_what_is_wrong_about_slack_is_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^slack_details.{name} is not as it should be$"):
        check_memory(replace(ISSUE, slack_details={name: value}))


def test_other_tooling_may_keep_more() -> None:
    check_memory(replace(ISSUE, jira_details={"sprint": 7}, slack_details={"thread": None}))
