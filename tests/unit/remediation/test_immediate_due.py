"""Immediate mode in remediation: what is due at once, and what is left although it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from library.issues.issue import ClosingNotice, Issue, Timestamps
from library.issues.reachability import Reachability, Severity, Sources, Verdict
from library.issues.schedule import RemediationTerms
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from remediation.eligibility import Policy, why_not_at_once, why_not_due, why_not_resumed
from tests.builders.issues import DETAILS, NOW, an_issue

CRITICAL = Reachability.of(Verdict.INTERNET, Sources.ALL, "open_completely")
HIGH = Reachability.of(Verdict.UNKNOWN, None, "open_completely")
NOTIFIED = ClosingNotice(NOW - timedelta(minutes=1), occurrence=3)
POLICY = Policy(
    restricted=PortSet.parse([22]),
    trusted=AddressSet(),
    scope=frozenset({"open_completely", "open_partly"}),
    carve=False,
    terms=RemediationTerms(timedelta(days=21), frozenset({Severity.CRITICAL})),
)


def issue(reachability: Reachability = CRITICAL, **other: Any) -> Issue:
    times = Timestamps(reported=NOW - timedelta(minutes=2))
    details = replace(DETAILS, reachability=reachability)
    return an_issue(**{"details": details, "timestamps": times, "closing_notice": NOTIFIED, **other})


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(issue(), "", id="due"),
        pytest.param(issue(HIGH), "due at 2026-12-13 02:58 UTC", id="less severe"),
        pytest.param(
            issue(closing_notice=None),
            "due at 2026-12-13 02:58 UTC, or as soon as people are told that it is closed at once",
            id="not told",
        ),
        pytest.param(issue(timestamps=Timestamps()), "not reported yet", id="not reported"),
        pytest.param(
            issue(remediation_details={"restored": {"by": "ana", "at": "noon"}}),
            "restored by ana at noon: left alone until somebody decides",
            id="restored",
        ),
    ],
)
def test_when_an_issue_is_due(given: Issue, reason: str) -> None:
    skipped = why_not_due(given, POLICY, NOW)
    assert (skipped.text if skipped else "") == reason


def test_a_change_that_was_begun_is_completed_although_it_is_less_severe_by_now() -> None:
    begun = issue(HIGH, closing_notice=replace(NOTIFIED, withdrawn=True))
    assert why_not_resumed(begun, POLICY, NOW) is None
    assert why_not_resumed(issue(HIGH, closing_notice=None), POLICY, NOW) is not None


def test_a_group_that_is_open_in_part_by_now_waits() -> None:
    assert why_not_at_once(issue(), POLICY, "open_completely", NOW) is None
    skipped = why_not_at_once(issue(), POLICY, "open_partly", NOW)
    assert skipped is not None
    assert skipped.text == "due at 2026-12-13 02:58 UTC: open partly by now, which is not closed at once"
    # Due by its date, it waits for nothing.
    assert why_not_at_once(issue(), POLICY, "open_partly", NOW + timedelta(days=21)) is None
