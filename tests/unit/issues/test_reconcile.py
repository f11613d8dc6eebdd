"""The life of an issue: every transition as one table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from library.issues.issue import Issue, Status, Timestamps
from library.issues.reconcile import Detection, Event, reconcile
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
