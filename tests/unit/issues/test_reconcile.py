"""The life of an issue: every transition as one table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from library.issues.history import PastOccurrence
from library.issues.issue import Issue, Status, Timestamps
from library.issues.opening_calls import OpenedBy, OpenedRule, OpeningCall, opened_by
from library.issues.reachability import Reachability, Sources, Verdict
from library.issues.reconcile import Change, Detection, Event, attribute, reconcile, still_opened_by
from library.security_groups.exposure import Exposure
from library.security_groups.users import GroupUsers, User
from tests.builders.issues import DETAILS, EARLIER, NOW, RDP, SSH, a_detection, an_issue

BEGUN = Timestamps(identified=NOW, updated=NOW)
WIDER: dict[str, Any] = {"perms": (SSH, RDP)}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One look. What is not named about the result stays as it was before."""

    known: Issue | None
    detection: Detection | None
    event: Event | None
    status: Status | None = None
    occurrence: int = 3
    times: Timestamps | None = None


RECORDED = NOW + timedelta(minutes=20)
OPEN, WHITELISTED, RESOLVED, CLOSED = (an_issue(status) for status in Status)
CHANGED = replace(OPEN.timestamps, updated=NOW)

CASES = {
    "never seen, not exposed": Case(known=None, detection=None, event=None),
    "found": Case(
        known=None, detection=a_detection(), event=Event.FOUND, status=Status.OPEN, occurrence=1, times=BEGUN
    ),
    "found and exempt": Case(
        known=None,
        detection=a_detection(whitelisted=True),
        event=Event.FOUND,
        status=Status.WHITELISTED,
        occurrence=1,
        times=BEGUN,
    ),
    "open, as before": Case(known=OPEN, detection=a_detection(), event=None),
    "open, other rules": Case(
        known=OPEN, detection=a_detection(**WIDER), event=Event.CHANGED, status=Status.OPEN, times=CHANGED
    ),
    "open, another name": Case(
        known=OPEN, detection=a_detection(name="new"), event=Event.CHANGED, status=Status.OPEN, times=CHANGED
    ),
    "open, other tags": Case(
        known=OPEN, detection=a_detection(tags={}), event=Event.CHANGED, status=Status.OPEN, times=CHANGED
    ),
    "open, now exempt": Case(
        known=OPEN,
        detection=a_detection(whitelisted=True),
        event=Event.EXEMPTED,
        status=Status.WHITELISTED,
        times=CHANGED,
    ),
    "open, gone or fixed": Case(
        known=OPEN,
        detection=None,
        event=Event.RESOLVED,
        status=Status.RESOLVED,
        times=replace(OPEN.timestamps, resolved=NOW),
    ),
    "open, as before, but other tooling wrote it": Case(
        known=replace(OPEN, revision=0),
        detection=a_detection(),
        event=Event.ADOPTED,
        status=Status.OPEN,
        times=OPEN.timestamps,
    ),
    "exempt, as before": Case(known=WHITELISTED, detection=a_detection(whitelisted=True), event=None),
    "exempt, other rules": Case(
        known=WHITELISTED,
        detection=a_detection(whitelisted=True, **WIDER),
        event=Event.CHANGED,
        status=Status.WHITELISTED,
        times=CHANGED,
    ),
    "exempt, no longer: a new occurrence": Case(
        known=WHITELISTED,
        detection=a_detection(),
        event=Event.FOUND_AGAIN,
        status=Status.OPEN,
        occurrence=4,
        times=BEGUN,
    ),
    "exempt, gone or fixed": Case(
        known=WHITELISTED,
        detection=None,
        event=Event.RESOLVED,
        status=Status.RESOLVED,
        times=replace(OPEN.timestamps, resolved=NOW),
    ),
    "resolved, still so": Case(known=RESOLVED, detection=None, event=None),
    "resolved, found again: a new occurrence": Case(
        known=RESOLVED, detection=a_detection(), event=Event.FOUND_AGAIN, status=Status.OPEN, occurrence=4, times=BEGUN
    ),
    "resolved, found again and exempt: a new occurrence": Case(
        known=RESOLVED,
        detection=a_detection(whitelisted=True),
        event=Event.FOUND_AGAIN,
        status=Status.WHITELISTED,
        occurrence=4,
        times=BEGUN,
    ),
    "closed, still gone": Case(known=CLOSED, detection=None, event=None),
    "closed, found again: a new occurrence": Case(
        known=CLOSED, detection=a_detection(), event=Event.FOUND_AGAIN, status=Status.OPEN, occurrence=4, times=BEGUN
    ),
    "closed, found again and exempt: a new occurrence": Case(
        known=CLOSED,
        detection=a_detection(whitelisted=True),
        event=Event.FOUND_AGAIN,
        status=Status.WHITELISTED,
        occurrence=4,
        times=BEGUN,
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_reconcile(case: Case) -> None:
    change = reconcile(case.known, case.detection, NOW)
    if case.event is None:
        assert change is None
        return
    assert change is not None
    assert (change.event, change.issue.status) == (case.event, case.status)
    assert change.issue.timestamps == case.times
    assert change.issue.occurrence == case.occurrence
    assert change.issue.details == (case.detection.details if case.detection else DETAILS)
    assert change.before == case.known
    assert change.starts_occurrence == (case.event is Event.FOUND_AGAIN)
    assert (change.issue.account_id, change.issue.issue_id) == ("210987654321", "sg-1")
    if case.known:
        assert change.issue.revision == case.known.revision + 1
        others = ("jira_details", "slack_details", "remediation_details")
        assert all(getattr(change.issue, name) == getattr(case.known, name) for name in others)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("detection", [None, a_detection(), a_detection(whitelisted=True)])
def test_a_second_look_changes_nothing(status: Status, detection: Detection | None) -> None:
    change = reconcile(an_issue(status), detection, EARLIER)
    after = change.issue if change else an_issue(status)
    assert reconcile(after, detection, NOW) is None
    assert reconcile(Issue.from_item(after.to_item()), detection, NOW) is None


USED, OTHERWISE = (GroupUsers((User("instance", name),)) for name in ("i-1", "i-2"))
JUDGED = Reachability.of(Verdict.BLOCKED, None, "open_completely")
REACHABLE = Reachability.of(Verdict.INTERNET, Sources.ALL, "open_completely")


@pytest.mark.parametrize("known", [None, OPEN, RESOLVED, replace(OPEN, used_by=OTHERWISE)])
def test_what_uses_the_group_is_kept_with_each_change(known: Issue | None) -> None:
    change = reconcile(known, replace(a_detection(name="new"), used_by=USED), NOW)
    assert change is not None
    assert change.issue.used_by == USED


@pytest.mark.parametrize("known", [OPEN, RESOLVED])
def test_what_used_the_group_stays_where_it_was_not_read(known: Issue) -> None:
    change = reconcile(replace(known, used_by=OTHERWISE), a_detection(name="new"), NOW)
    assert change is not None
    assert change.issue.used_by == OTHERWISE


def test_what_throttling_left_of_the_users_replaces_none_that_are_known() -> None:
    throttled = replace(a_detection(), used_by=GroupUsers(unknown="throttled"), users_throttled=True)
    assert reconcile(replace(OPEN, used_by=USED), throttled, NOW) is None
    for known in (None, OPEN, RESOLVED):
        change = reconcile(known, throttled, NOW)
        assert change is not None
        assert change.issue.used_by == throttled.used_by


def test_what_throttling_left_of_the_users_tells_more_than_nothing() -> None:
    unread = GroupUsers(unknown="DescribeNetworkInterfaces was refused (RequestLimitExceeded)")
    without_tags = replace(a_detection(), used_by=USED, users_throttled=True)
    change = reconcile(replace(OPEN, used_by=unread), without_tags, NOW)
    assert change is not None
    assert change.issue.used_by == USED
    odd = replace(USED, unknown="a network interface was not understood")
    assert reconcile(replace(OPEN, used_by=odd), replace(without_tags, used_by=unread), NOW) is None


def test_a_new_occurrence_is_about_what_is_there_now() -> None:
    change = reconcile(RESOLVED, a_detection(**WIDER), NOW)
    assert change is not None
    assert change.issue.details == a_detection(**WIDER).details


@pytest.mark.parametrize(
    ("known", "detection", "is_new"),
    [
        pytest.param(OPEN, a_detection(reachability=JUDGED), False, id="judged for the first time"),
        pytest.param(OPEN, replace(a_detection(), used_by=USED), False, id="used by something"),
        pytest.param(OPEN, a_detection(reachability=JUDGED, name="new"), True, id="judged first, and renamed"),
        pytest.param(
            an_issue(details=replace(DETAILS, reachability=JUDGED)),
            a_detection(reachability=REACHABLE),
            True,
            id="reachable now",
        ),
        pytest.param(OPEN, a_detection(whitelisted=True), True, id="exempt now"),
    ],
)
def test_whether_a_change_counts_as_an_update(known: Issue, detection: Detection, is_new: bool) -> None:
    change = reconcile(known, detection, NOW)
    assert change is not None
    assert change.issue.timestamps == (CHANGED if is_new else OPEN.timestamps)


@pytest.mark.parametrize(
    ("known", "history"),
    [
        pytest.param(OPEN, (PastOccurrence(EARLIER, NOW, ""),), id="nobody knows who opened it"),
        pytest.param(WHITELISTED, (), id="an exempt group was not opened again"),
    ],
)
def test_what_history_keeps_of_an_end(known: Issue, history: tuple[PastOccurrence, ...]) -> None:
    change = reconcile(known, None, NOW)
    assert change is not None
    assert change.issue.history == history


@pytest.mark.parametrize(
    ("resolved", "expected"),
    [(NOW, RECORDED), (EARLIER, None)],
    ids=["of that end", "of an exempt group, which is none"],
)
def test_history_has_a_change_that_was_recorded_after_a_scan_saw_it(
    resolved: datetime, expected: datetime | None
) -> None:
    """EC2 shows a change late: the scan resolves the issue, and the next run completes the change and records it."""
    ended = reconcile(OPEN, None, NOW)
    assert ended is not None
    times = replace(ended.issue.timestamps, resolved=resolved, remediated=RECORDED)
    again = reconcile(replace(ended.issue, timestamps=times), a_detection(), RECORDED + timedelta(hours=1))
    assert again is not None
    assert [past.remediated for past in again.issue.history] == [expected]
    assert again.issue.timestamps.remediated is None


def test_who_opened_it_is_a_change_of_its_own() -> None:
    by = OpenedBy("ana", "203.0.113.7", "aws-cli/2", "AuthorizeSecurityGroupIngress", NOW, "e-1")
    named = replace(OPEN, opened_by=by, revision=OPEN.revision + 1)
    assert attribute(OPEN, by) == Change(Event.ATTRIBUTED, named, OPEN)
    assert attribute(named, None) == Change(
        Event.ATTRIBUTED, replace(named, opened_by=None, revision=named.revision + 1), named
    )
    assert attribute(OPEN, None) is None
    assert attribute(named, by) is None


@pytest.mark.parametrize(
    ("kept", "now_exposed", "named"),
    [
        pytest.param([], ["8.8.8.0/24"], "old", id="nothing else is known"),
        pytest.param([], ["8.8.8.0/24", "9.9.9.0/24"], "old", id="more is exposed"),
        pytest.param([], ["9.9.9.0/24"], None, id="something is not exposed any more"),
        pytest.param([("gone", 9, "7.7.7.0/24")], ["8.8.8.0/24"], "old", id="a call whose rule is not exposed"),
        pytest.param([("new", 9, "8.8.8.0/24")], ["8.8.8.0/24"], "new", id="a later call"),
        pytest.param([("late", 1, "8.8.8.0/24")], ["8.8.8.0/24"], "old", id="an earlier call that comes late"),
        pytest.param([("old", 5, "7.7.7.0/24")], ["8.8.8.0/24"], None, id="the call itself, whose rule is not exposed"),
    ],
)
def test_the_call_that_is_named_stays_named_when_it_is_not_kept_any_more(
    kept: list[tuple[str, int, str]], now_exposed: list[str], named: str | None
) -> None:
    def by(event_id: str, hour: int) -> OpenedBy:
        return OpenedBy("ana", "203.0.113.7", "cli", "Authorize", datetime(2026, 11, 22, hour, tzinfo=UTC), event_id)

    def exposed(cidr: str) -> Exposure:
        return Exposure("tcp", 22, 22, cidr, "open_partly")

    was_exposed = exposed("8.8.8.0/24")._replace(status="open_completely")
    before = replace(OPEN, opened_by=by("old", 5), details=replace(DETAILS, perms=(was_exposed,)))
    openings = [OpeningCall(by(name, hour), (OpenedRule("tcp", 22, 22, cidr),)) for name, hour, cidr in kept]
    perms = [exposed(cidr) for cidr in now_exposed]
    found = still_opened_by(openings, perms, before)
    assert (found.event_id if found else None) == named
    assert still_opened_by(openings, perms, None) == opened_by(openings, perms)
