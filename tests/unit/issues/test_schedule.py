"""What people decided, and who made the group, in the schedule of remediation."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from library.issues.decision_record import CloseNow, DecisionState
from library.issues.history import PastOccurrence
from library.issues.issue import ClosingNotice, Issue, IssueDetails, Status, Timestamps
from library.issues.notified_exposures import NotifiedExposures
from library.issues.reachability import Reachability, Severity, Sources, Verdict
from library.issues.schedule import MadeBy, RemediationTerms, SkipReason, exposure_times, remediation_schedule
from library.issues.times import format_time
from library.issues.use import Use, UseVerdict
from library.security_groups.exemptions import Exemption
from library.security_groups.exposure import exposure_key
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
    [
        {"occurrence": 4},
        {"timestamps": Timestamps(REPORTED, REPORTED, REPORTED, remediated=NOW)},
        {"remediation_details": {"carried_out": format_time(NOW)}},
    ],
    ids=["of another occurrence", "carried out", "carried out, and something else was left open"],
)
def test_a_decision_that_is_over_counts_no_longer(changes: dict[str, Any]) -> None:
    issue = replace(decided(), **changes)
    found = remediation_schedule(issue, TERMS, NOW)
    assert found.due == REPORTED_DUE
    assert found.skipped is not None
    assert found.skipped.reason is SkipReason.NOT_DUE


def test_a_decision_after_the_one_that_was_carried_out_counts() -> None:
    before = {"carried_out": format_time(NOW - timedelta(days=1))}
    assert remediation_schedule(replace(decided(), remediation_details=before), TERMS, NOW).skipped is None


@pytest.mark.parametrize("known", ["", format_time(NOW - timedelta(days=1))], ids=["of none", "of one before"])
def test_a_decision_during_a_change_that_knew_of_none_or_another_counts(known: str) -> None:
    times = Timestamps(REPORTED, REPORTED, REPORTED, remediated=NOW + timedelta(seconds=1))
    issue = replace(decided(), timestamps=times, remediation_details={"carried_out": known})
    assert remediation_schedule(issue, TERMS, NOW).skipped is None


def test_what_is_not_decided_on_only_waits() -> None:
    issue = decided()
    found = remediation_schedule(replace(issue, details=replace(issue.details, perms=(RDP,))), TERMS, NOW)
    assert found.due == REPORTED_DUE
    assert found.skipped is not None


@pytest.mark.parametrize(
    ("changes", "begun", "reason"),
    [({}, False, SkipReason.SERVICE), ({"service_groups": True}, False, None), ({}, True, None)],
    ids=["left to people", "remediation_service_groups", "begun"],
)
def test_a_group_of_a_controller(changes: dict[str, Any], begun: bool, reason: SkipReason | None) -> None:
    terms = replace(TERMS, made_by=lambda _: MadeBy("cluster prod", is_controller=True), **changes)
    found = remediation_schedule(decided(), terms, NOW, is_resumed=begun)
    assert (found.skipped.reason if found.skipped else None) is reason
    assert (found.due is None) is (reason is not None)


LONG_AGO = NOW - timedelta(days=22)
WORKING = Use(LONG_AGO, NOW, Decimal(1), UseVerdict.WORKING)
KEPT = {"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "0.0.0.0/0", "by": "ana"}
TEXT = "tcp 22 22 0.0.0.0/0"
FLAPS = (PastOccurrence(LONG_AGO, NOW - timedelta(days=2)), PastOccurrence(LONG_AGO, NOW - timedelta(days=1)))


def reported_long_ago(**changes: Any) -> Issue:
    """An issue whose retention period of 21 days is over, unless a change says otherwise."""
    return replace(an_issue(timestamps=Timestamps(LONG_AGO, LONG_AGO, LONG_AGO)), **changes)


def severe() -> IssueDetails:
    return replace(DETAILS, reachability=Reachability.of(Verdict.INTERNET, Sources.ALL, "open_completely"))


def test_an_issue_whose_period_is_over_is_due() -> None:
    found = remediation_schedule(reported_long_ago(), TERMS, NOW)
    assert (found.due, found.skipped) == (LONG_AGO + TERMS.retention, None)


@pytest.mark.parametrize(
    ("changes", "terms", "reason"),
    [
        pytest.param({"status": Status.WHITELISTED}, {}, SkipReason.EXEMPT, id="the table says that it is exempt"),
        pytest.param({}, {"exemptions": [Exemption("sg-1")]}, SkipReason.EXEMPT, id="exempt by now"),
        pytest.param({"status": Status.RESOLVED}, {}, SkipReason.NOT_OPEN, id="resolved"),
        pytest.param({"remediation_details": {"restored": {"by": "x"}}}, {}, SkipReason.RESTORED, id="restored"),
        pytest.param({}, {"scope": frozenset({"open_partly"})}, SkipReason.OUT_OF_SCOPE, id="out of scope"),
        pytest.param({}, {"is_on": False}, SkipReason.OFF, id="remediation is off"),
        pytest.param({"issue_id": "finding-1"}, {}, SkipReason.OFF, id="a finding"),
        pytest.param({"timestamps": Timestamps(LONG_AGO, LONG_AGO)}, {}, SkipReason.NOT_REPORTED, id="not reported"),
        pytest.param(
            {"jira_details": {"console": 3, "digest": "d"}},
            {"reaches_people": True},
            SkipReason.NOT_REPORTED,
            id="on the console only",
        ),
        pytest.param(
            {"notified_exposures": NotifiedExposures(3, ())},
            {},
            SkipReason.NOT_REPORTED,
            id="nobody was told of what is open",
        ),
        pytest.param(
            {
                "timestamps": Timestamps(NOW, NOW, NOW),
                "notified_exposures": NotifiedExposures(2, (), {LONG_AGO.isoformat(): (TEXT,)}),
            },
            {},
            SkipReason.NOT_DUE,
            id="told of the occurrence before",
        ),
        pytest.param(
            {"remediation_details": {"kept": [{**KEPT, "at": LONG_AGO.isoformat(), "occurrence": 3}]}},
            {},
            SkipReason.KEPT_BY_PERSON,
            id="a person keeps it",
        ),
        pytest.param({"use": WORKING}, {"wait_in_use": timedelta(days=3)}, SkipReason.NOT_DUE, id="somebody works"),
        pytest.param({"history": FLAPS}, {"stop_after": 2}, SkipReason.FLAPPING, id="opened again and again"),
    ],
)
def test_each_condition_alone_keeps_an_issue_from_being_due(
    changes: dict[str, Any], terms: dict[str, Any], reason: SkipReason
) -> None:
    found = remediation_schedule(reported_long_ago(**changes), replace(TERMS, **terms), NOW)
    assert found.skipped is not None
    assert found.skipped.reason is reason


def test_a_critical_issue_does_not_wait_for_people_who_work() -> None:
    terms = replace(TERMS, wait_in_use=timedelta(days=3))
    assert remediation_schedule(reported_long_ago(use=WORKING, details=severe()), terms, NOW).skipped is None


@pytest.mark.parametrize(
    ("notice", "is_due"),
    [
        pytest.param(ClosingNotice(REPORTED, 3), True, id="of this occurrence"),
        pytest.param(ClosingNotice(REPORTED, 2), False, id="of the one before"),
        pytest.param(ClosingNotice(REPORTED, 3, withdrawn=True), False, id="withdrawn"),
        pytest.param(None, False, id="none"),
    ],
)
def test_immediate_mode_closes_only_after_a_notice_that_counts(notice: ClosingNotice | None, is_due: bool) -> None:
    terms = replace(TERMS, immediate=frozenset({Severity.CRITICAL}))
    times = Timestamps(REPORTED, REPORTED, REPORTED)
    found = remediation_schedule(
        reported_long_ago(timestamps=times, details=severe(), closing_notice=notice), terms, NOW
    )
    assert (found.skipped is None) is is_due


def test_the_notice_of_the_occurrence_before_completes_no_change_either() -> None:
    terms = replace(TERMS, immediate=frozenset({Severity.CRITICAL}))
    issue = reported_long_ago(
        timestamps=Timestamps(REPORTED, REPORTED, REPORTED), closing_notice=ClosingNotice(REPORTED, 2)
    )
    assert remediation_schedule(issue, terms, NOW, is_resumed=True).due == REPORTED_DUE


def test_what_a_person_keeps_has_no_date() -> None:
    kept = {"kept": [{**KEPT, "at": LONG_AGO.isoformat(), "occurrence": 3}]}
    times = exposure_times(reported_long_ago(remediation_details=kept), TERMS)
    assert times is not None
    assert (times.due(SSH), times.is_due(SSH, NOW)) == (None, False)
