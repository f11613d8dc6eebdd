"""What people decided, and who made the group, in the schedule of remediation."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from library.issues.decision_record import CloseNow, DecisionState, exposure_key
from library.issues.issue import Issue, Timestamps
from library.issues.schedule import MadeBy, RemediationTerms, SkipReason, remediation_schedule
from tests.builders.issues import DETAILS, NOW, RDP, SSH, an_issue

TERMS = RemediationTerms(timedelta(days=21))
REPORTED = NOW - timedelta(days=1)
REPORTED_DUE = REPORTED + timedelta(days=21)


def decided(at: datetime = NOW, *, reported: datetime | None = REPORTED, **changes: Any) -> Issue:
    close_now = CloseNow("ana", at, 3, frozenset({exposure_key(SSH)}))
    issue = an_issue(details=replace(DETAILS, perms=(SSH, RDP)), decided=DecisionState(close_now=close_now))
    return replace(issue, timestamps=Timestamps(REPORTED, REPORTED, reported), **changes)


@pytest.mark.parametrize(
    "at", [NOW - timedelta(hours=1), NOW + timedelta(minutes=9)], ids=["before", "by a clock that is ahead"]
)
def test_only_what_was_decided_on_is_due_now(at: datetime) -> None:
    found = remediation_schedule(decided(at), TERMS, NOW)
    assert (found.due, found.skipped) == (at, None)
    assert [(each.exposure, each.due) for each in found.waiting] == [(RDP, REPORTED_DUE)]
    assert found.times is not None
    assert [found.times.is_due(perm, NOW) for perm in (SSH, RDP)] == [True, False]


def test_what_was_decided_on_is_due_though_nobody_was_told() -> None:
    found = remediation_schedule(decided(reported=None), TERMS, NOW)
    assert (found.due, found.skipped) == (NOW, None)
    assert [(each.exposure, each.due) for each in found.waiting] == [(RDP, None)]


@pytest.mark.parametrize(
    "changes",
    [{"occurrence": 4}, {"timestamps": Timestamps(REPORTED, REPORTED, REPORTED, remediated=NOW)}],
    ids=["of another occurrence", "carried out"],
)
def test_a_decision_that_is_over_counts_no_longer(changes: dict[str, Any]) -> None:
    issue = replace(decided(), **changes)
    found = remediation_schedule(issue, TERMS, NOW)
    assert found.due == REPORTED_DUE
    assert found.skipped is not None
    assert found.skipped.reason is SkipReason.NOT_DUE


def test_what_is_not_decided_on_only_waits() -> None:
    issue = decided()
    found = remediation_schedule(replace(issue, details=replace(issue.details, perms=(RDP,))), TERMS, NOW)
    assert found.due == REPORTED_DUE
    assert found.skipped is not None


@pytest.mark.parametrize(
    ("changes", "begun", "why"),
    [({}, False, SkipReason.SERVICE), ({"service_groups": True}, False, None), ({}, True, None)],
    ids=["left to people", "remediation_service_groups", "begun"],
)
def test_a_group_of_a_controller(changes: dict[str, Any], begun: bool, why: SkipReason | None) -> None:
    terms = replace(TERMS, made_by=lambda _: MadeBy("cluster prod", is_controller=True), **changes)
    found = remediation_schedule(decided(), terms, NOW, begun=begun)
    assert (found.skipped.reason if found.skipped else None) is why
    assert (found.due is None) is (why is not None)
