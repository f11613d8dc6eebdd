"""Why a group is left as it is, in full, and what the configuration says about that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from library.config.models import remediation_terms
from library.issues.history import PastOccurrence
from library.issues.issue import Issue, Status, Timestamps
from library.issues.notified_exposures import NotifiedExposures
from library.issues.opening_calls import OpenedBy
from library.issues.reachability import Severity
from library.issues.schedule import RemediationTerms, Skipped, SkipReason
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.source.service import made_by
from remediation.eligibility import Policy, account_policy, why_not_at_once, why_not_due, why_not_resumed
from remediation.journal import ChangeKind, JournalEntry, JournalStep
from tests.builders.config_files import config_with, parse
from tests.builders.issues import an_issue

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
POLICY = Policy(
    PortSet.parse([22]),
    AddressSet(),
    frozenset({"open_completely"}),
    carve=False,
    terms=RemediationTerms(timedelta()),
)
DUE = an_issue(timestamps=Timestamps(reported=NOW), remediation_details={}, history=())
BY = OpenedBy("ana", "203.0.113.7", "Terraform/1.9", "AuthorizeSecurityGroupIngress", NOW, "e-1")
OFTEN = tuple(PastOccurrence(None, NOW - timedelta(days=days)) for days in (3, 2, 1))


def in_progress(kind: ChangeKind, step: JournalStep = JournalStep.ADDING, by: str = "ana") -> dict[str, Any]:
    entry = JournalEntry(kind, step, "key", by=by, started="2026-11-21T03:00:00+00:00")
    return {"journal": entry.to_item()}


@pytest.mark.parametrize(
    ("changes", "policy", "skipped"),
    [
        ({}, {}, None),
        ({"status": Status.WHITELISTED}, {}, Skipped(SkipReason.EXEMPT, "exempt now")),
        ({"status": Status.CLOSED}, {}, Skipped(SkipReason.NOT_OPEN, "its issue is closed")),
        (
            {"remediation_details": {"restored": "yes"}},
            {},
            Skipped(SkipReason.NOT_UNDERSTOOD, "remediation_details.restored is not a map"),
        ),
        (
            {"remediation_details": {"restored": {"note": "x"}}},
            {},
            Skipped(SkipReason.RESTORED, "restored by somebody at some time: left alone until somebody decides"),
        ),
        (
            {"remediation_details": in_progress(ChangeKind.RESTORE)},
            {},
            Skipped(SkipReason.RESTORED, "being restored by ana since 2026-11-21T03:00:00+00:00"),
        ),
        (
            {"remediation_details": in_progress(ChangeKind.RESTORE, by="")},
            {},
            Skipped(SkipReason.RESTORED, "being restored by somebody since 2026-11-21T03:00:00+00:00"),
        ),
        ({"remediation_details": in_progress(ChangeKind.RESTORE, JournalStep.DONE)}, {}, None),
        ({"remediation_details": in_progress(ChangeKind.REMEDIATION)}, {}, None),
        ({"timestamps": Timestamps()}, {}, Skipped(SkipReason.NOT_REPORTED, "not reported yet")),
        (
            {},
            {"terms": RemediationTerms(timedelta(days=1))},
            Skipped(SkipReason.NOT_DUE, "due at 2026-11-23 03:00 UTC"),
        ),
        (
            {},
            {"terms": RemediationTerms(timedelta(days=1), frozenset(Severity))},
            Skipped(
                SkipReason.NOT_DUE,
                "due at 2026-11-23 03:00 UTC, or as soon as people are told that it is closed at once",
            ),
        ),
        (
            {"history": OFTEN, "opened_by": BY},
            {"terms": RemediationTerms(timedelta(), stop_after=3, made_by=made_by)},
            Skipped(
                SkipReason.FLAPPING,
                "opened again 3 times in 7 days; it is managed by Terraform, which may open it again: "
                "somebody must decide",
            ),
        ),
        (
            {"history": OFTEN},
            {"terms": RemediationTerms(timedelta(), stop_after=3)},
            Skipped(SkipReason.FLAPPING, "opened again 3 times in 7 days: somebody must decide"),
        ),
        ({"history": OFTEN}, {"terms": RemediationTerms(timedelta(), stop_after=4)}, None),
    ],
)
def test_why_an_issue_is_not_due(changes: dict[str, Any], policy: dict[str, Any], skipped: Skipped | None) -> None:
    assert why_not_due(replace(DUE, **changes), replace(POLICY, **policy), NOW) == skipped


# Its owner edited the rule that people were told of, and of what became of it nobody was told.
EDITED = replace(DUE, notified_exposures=NotifiedExposures(DUE.occurrence, ("udp 1 1 0.0.0.0/0",)))


@pytest.mark.parametrize(
    ("issue", "skipped"),
    [
        (DUE, None),
        (replace(DUE, status=Status.RESOLVED), None),
        (replace(DUE, status=Status.CLOSED), None),
        (replace(DUE, status=Status.WHITELISTED), Skipped(SkipReason.EXEMPT, "exempt now")),
        (replace(DUE, timestamps=Timestamps()), Skipped(SkipReason.NOT_REPORTED, "not reported yet")),
        (
            replace(DUE, status=Status.CLOSED, timestamps=Timestamps()),
            Skipped(SkipReason.NOT_REPORTED, "not reported yet"),
        ),
        (EDITED, Skipped(SkipReason.NOT_REPORTED, "nothing of what is open now was reported yet")),
        (replace(EDITED, status=Status.RESOLVED), None),
        (replace(EDITED, status=Status.CLOSED), None),
        (replace(DUE, history=OFTEN), None),
    ],
)
def test_why_what_was_begun_is_not_completed(issue: Issue, skipped: Skipped | None) -> None:
    assert why_not_resumed(issue, replace(POLICY, terms=replace(POLICY.terms, stop_after=1)), NOW) == skipped


@pytest.mark.parametrize(
    ("retention", "immediate", "skipped"),
    [
        (timedelta(0), frozenset(), None),
        (timedelta(days=1), frozenset({Severity.HIGH}), None),
        (
            timedelta(days=1),
            frozenset(),
            Skipped(
                SkipReason.NOT_DUE, "due at 2026-11-23 03:00 UTC: open completely by now, which is not closed at once"
            ),
        ),
    ],
)
def test_why_it_is_not_closed_at_once_after_all(
    retention: timedelta, immediate: frozenset[Severity], skipped: Skipped | None
) -> None:
    policy = replace(POLICY, terms=RemediationTerms(retention, immediate))
    assert why_not_at_once(DUE, policy, "open_completely", NOW) == skipped
    assert why_not_at_once(replace(DUE, timestamps=Timestamps()), policy, "open_completely", NOW) is None


@pytest.mark.parametrize(("strategy", "carve"), [("carve_ports", True), ("replace_rule", False)])
def test_what_a_configuration_says(strategy: str, carve: bool) -> None:
    config = parse(
        config_with(
            {
                "secgrp_unrestricted_access/remediation_strategy": strategy,
                "secgrp_unrestricted_access/remediation_scope": ["open_partly"],
                "secgrp_unrestricted_access/remediation_stop_after_reopenings": 4,
                "secgrp_unrestricted_access/restricted_ports": [22],
                "secgrp_unrestricted_access/trusted_cidrs": ["8.8.8.0/24"],
            }
        ),
        whitelist={"secgrp_unrestricted_access": {"210987654321": ["sg-1"], "123456789012": ["sg-2"]}},
    )
    assert account_policy(config, "210987654321") == Policy(
        restricted=PortSet.parse([22]),
        trusted=AddressSet.parse("8.8.8.0/24"),
        scope=frozenset({"open_partly"}),
        carve=carve,
        terms=replace(remediation_terms(config, "210987654321"), is_on=True, scope=None),
        exemptions=config.exemptions("210987654321"),
    )
    assert [exemption.group for exemption in account_policy(config, "210987654321").exemptions] == ["sg-1"]


CONTROLLED = {"elbv2.k8s.aws/cluster": "prod", "ingress.k8s.aws/stack": "shop/web"}


@pytest.mark.parametrize(
    ("service_groups", "is_resumed", "reason"),
    [(False, False, SkipReason.SERVICE), (True, False, None), (False, True, None)],
    ids=["left to a person", "remediation_service_groups", "a change that was begun"],
)
def test_a_group_that_a_controller_made_is_left_to_a_person(
    *, service_groups: bool, is_resumed: bool, reason: SkipReason | None
) -> None:
    issue = replace(DUE, details=replace(DUE.details, tags=CONTROLLED))
    terms = RemediationTerms(timedelta(), service_groups=service_groups, made_by=made_by)
    skipped = why_not_due(issue, replace(POLICY, terms=terms, is_resumed=is_resumed), NOW)
    assert (skipped.reason if skipped else None) == reason
    assert not skipped or "AWS Load Balancer Controller, cluster prod" in skipped.text
