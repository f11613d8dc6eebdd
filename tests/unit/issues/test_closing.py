"""When remediation may close an issue: the retention period and immediate mode, as a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from library.issues.issue import ClosingNotice, Issue, Timestamps
from library.issues.reachability import Reachability, Severity, Sources, Verdict
from library.issues.schedule import (
    RemediationTerms,
    due_by_retention,
    has_notice,
    on_console_only,
    remediation_schedule,
)
from library.security_groups.exposure import OpenStatus
from tests.builders.issues import DETAILS, an_issue

REPORTED = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
NOTICE = REPORTED + timedelta(hours=2)
LATER = REPORTED + timedelta(days=21)
CRITICAL = Reachability.of(Verdict.INTERNET, Sources.ALL, "open_completely")
HIGH = Reachability.of(Verdict.INTERNET, Sources.SOME, "open_completely")
TERMS = RemediationTerms(timedelta(days=21), frozenset({Severity.CRITICAL}))
NOTIFIED = ClosingNotice(NOTICE, occurrence=3)


def issue(reachability: Reachability | None = CRITICAL, notice: ClosingNotice | None = NOTIFIED, **other: Any) -> Issue:
    details = replace(DETAILS, reachability=reachability)
    return an_issue(details=details, **{"timestamps": Timestamps(reported=REPORTED), "closing_notice": notice, **other})


def due_of(given: Issue, terms: RemediationTerms) -> datetime | None:
    return remediation_schedule(given, terms, REPORTED).due


@pytest.mark.parametrize(
    ("given", "terms", "due"),
    [
        pytest.param(issue(), TERMS, NOTICE, id="told that it is closed at once"),
        pytest.param(issue(notice=None), TERMS, LATER, id="told a date only"),
        pytest.param(issue(HIGH), TERMS, LATER, id="less severe by now"),
        pytest.param(issue(None), TERMS, LATER, id="no verdict, which is high"),
        pytest.param(issue(), replace(TERMS, immediate=frozenset()), LATER, id="the mode was switched off"),
        pytest.param(issue(HIGH), replace(TERMS, immediate=frozenset(Severity)), NOTICE, id="every severity"),
        pytest.param(issue(notice=replace(NOTIFIED, withdrawn=True)), TERMS, LATER, id="told a later date since"),
        pytest.param(issue(notice=replace(NOTIFIED, occurrence=2)), TERMS, LATER, id="told of the occurrence before"),
        pytest.param(issue(notice=replace(NOTIFIED, at=REPORTED - timedelta(1))), TERMS, REPORTED, id="reported anew"),
        pytest.param(issue(timestamps=Timestamps()), TERMS, None, id="not reported"),
        pytest.param(issue(), replace(TERMS, retention=timedelta()), REPORTED, id="due before the notice"),
    ],
)
def test_when_it_is_due(given: Issue, terms: RemediationTerms, due: datetime | None) -> None:
    assert due_of(given, terms) == due


SHOWN = {"ticket": None, "digest": "d", "occurrence": 3, "console": 3}
IN_SLACK = {"digest": "d", "occurrence": 3}


@pytest.mark.parametrize(
    ("jira_details", "slack_details", "only"),
    [
        pytest.param(SHOWN, {}, True, id="the console alone"),
        pytest.param({"ticket": None, "digest": "d"}, {}, True, id="the console, as Hammer 0.1 wrote it"),
        pytest.param({**SHOWN, "ticket": "SEC-1"}, {}, True, id="a ticket of an occurrence before"),
        pytest.param({"ticket": "SEC-1", "digest": "d", "occurrence": 3}, {}, False, id="a ticket"),
        pytest.param({**SHOWN, "ticket": "SEC-1", "console": 2}, {}, False, id="a ticket since"),
        pytest.param({}, IN_SLACK, False, id="Slack"),
        pytest.param(SHOWN, IN_SLACK, False, id="Slack, too"),
        pytest.param(SHOWN, {**IN_SLACK, "occurrence": 2}, True, id="Slack of the occurrence before"),
        pytest.param(SHOWN, {"heard": {"by": ["#a"]}}, True, id="not all whom Slack tells"),
        pytest.param({}, {}, False, id="nobody says who was told"),
        pytest.param({"ticket": "SEC-1"}, {}, False, id="a ticket that other tooling filed"),
    ],
)
def test_what_only_the_console_told_counts_until_a_channel_is_enabled(
    jira_details: dict[str, Any], slack_details: dict[str, Any], *, only: bool
) -> None:
    given = issue(notice=None, jira_details=jira_details, slack_details=slack_details)
    assert on_console_only(given) is only
    assert due_of(given, TERMS) == LATER
    assert due_of(given, replace(TERMS, reaches_people=True)) == (None if only else LATER)


@pytest.mark.parametrize(
    ("given", "due"),
    [
        pytest.param(issue(HIGH), NOTICE, id="less severe since"),
        pytest.param(issue(HIGH, replace(NOTIFIED, withdrawn=True)), NOTICE, id="told a later date since"),
        pytest.param(issue(notice=None), LATER, id="never told"),
        pytest.param(issue(notice=replace(NOTIFIED, occurrence=2)), LATER, id="told of the occurrence before"),
        pytest.param(issue(timestamps=Timestamps()), None, id="not reported"),
    ],
)
def test_a_change_that_was_begun_after_a_notice_may_be_completed(given: Issue, due: datetime | None) -> None:
    assert remediation_schedule(given, TERMS, REPORTED, is_resumed=True).due == due


@pytest.mark.parametrize(
    ("reachability", "status", "immediate", "expected"),
    [
        pytest.param(CRITICAL, "open_completely", {"critical"}, True, id="as it was"),
        pytest.param(CRITICAL, "open_partly", {"critical"}, False, id="only a part is open by now"),
        pytest.param(CRITICAL, "open_partly", {"critical", "high"}, True, id="which is high"),
        pytest.param(HIGH, "open_completely", {"critical"}, False, id="opening more does not make it worse unseen"),
        pytest.param(None, "open_partly", {"high"}, False, id="no verdict, open in part: medium"),
        pytest.param(None, "open_completely", {"high"}, True, id="no verdict, open completely: high"),
    ],
)
def test_what_is_open_now_is_judged_again(
    reachability: Reachability | None, status: OpenStatus, immediate: set[str], expected: bool
) -> None:
    terms = replace(TERMS, immediate=frozenset(map(Severity, immediate)))
    assert terms.is_immediate_as(issue(reachability), status) is expected


def test_the_retention_period_alone() -> None:
    assert due_by_retention(issue(), TERMS) == LATER
    assert due_by_retention(issue(timestamps=Timestamps()), TERMS) is None


@pytest.mark.parametrize("status", ["open_completely", "open_partly"])
def test_of_a_verdict_without_sources_the_status_decides(status: OpenStatus) -> None:
    given = issue(Reachability.of(Verdict.BLOCKED, None, "open_completely"))
    severities = {"open_completely": Severity.MEDIUM, "open_partly": Severity.LOW}
    for severity in Severity:
        terms = replace(TERMS, immediate=frozenset({severity}))
        assert terms.is_immediate_as(given, status) is (severity is severities[status])


@pytest.mark.parametrize(
    "odd", ["x", 7, {"at": None, "occurrence": 1}, {"at": "2026-11-22T05:00:00Z", "occurrence": "x"}, {"occurrence": 1}]
)
def test_a_malformed_notice_is_none(odd: object) -> None:
    assert ClosingNotice.from_item(odd) is None


@pytest.mark.parametrize("withdrawn", [True, False])
def test_a_notice_reads_back(withdrawn: bool) -> None:
    notice = replace(NOTIFIED, withdrawn=withdrawn)
    assert ClosingNotice.from_item(notice.to_item()) == notice
    item = notice.to_item()
    del item["withdrawn"]
    assert ClosingNotice.from_item(item) == NOTIFIED


def test_a_notice_is_kept_in_the_item() -> None:
    given = issue()
    assert given.to_item()["closing_notice"] == {"at": "2026-11-22T05:00:00+00:00", "occurrence": 3, "withdrawn": False}
    assert Issue.from_item(given.to_item()).closing_notice == NOTIFIED
    assert "closing_notice" not in issue(notice=None).to_item()


@pytest.mark.parametrize("odd", ["yes", {}, {"at": "soon", "occurrence": 1}, {"at": "2026-11-22T05:00:00Z"}, None])
def test_a_notice_that_is_none_tells_nothing(odd: object) -> None:
    assert not has_notice(Issue.from_item(issue(notice=None).to_item() | {"closing_notice": odd}))
