"""Groups that are opened again after they were closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from library.issues.history import KEPT, PastOccurrence, flapping_text, is_flapping, reopeners, reopenings
from library.issues.issue import Issue
from library.issues.opening_calls import OpenedBy
from library.issues.reconcile import reconcile
from library.source.service import managed_by
from tests.builders.issues import NOW, a_detection, an_issue

DAY = timedelta(days=1)
ANA = OpenedBy("ana", "203.0.113.7", "HashiCorp Terraform/1.9", "AuthorizeSecurityGroupIngress", NOW, "e-1")


def closed_and_opened(issue: Issue, times: int) -> Issue:
    """The issue after it was resolved and found again so often, a day each."""
    for number in range(times):
        when = NOW + number * DAY
        resolved = reconcile(replace(issue, opened_by=ANA), None, when)
        assert resolved
        again = reconcile(resolved.issue, a_detection(), when)
        assert again
        issue = again.issue
    return issue


def test_the_last_occurrences_are_kept_with_who_opened_them() -> None:
    issue = closed_and_opened(an_issue(), 2)
    assert issue.history == (
        PastOccurrence(an_issue().timestamps.identified, NOW, "ana"),
        PastOccurrence(NOW, NOW + DAY, "ana"),
    )
    assert Issue.from_item(issue.to_item()) == issue
    assert len(closed_and_opened(issue, 30).history) == KEPT


def test_an_issue_that_was_never_opened_again_has_no_such_attribute() -> None:
    assert "history" not in an_issue().to_item()


@pytest.mark.parametrize("odd", ["x", [7], [{}], [{"resolved": "yesterday"}], {"a": 1}])
def test_an_odd_history_leaves_the_issue_readable(odd: object) -> None:
    assert Issue.from_item(an_issue().to_item() | {"history": odd}).history == ()


@pytest.mark.parametrize(
    ("tags", "user_agent", "manager"),
    [
        ({"aws:cloudformation:stack-name": "web\x1b"}, "Terraform", "CloudFormation stack web\x1b"),
        ({}, "APN/1.0 HashiCorp/1.0 Terraform/1.9.0", "Terraform"),
        ({}, "cloudformation.amazonaws.com", "CloudFormation"),
        ({}, "APN/1.0 Pulumi/1.0 (+https://www.pulumi.com) PulumiAWS/6.5 Terraform/1.5", "Pulumi"),
        ({"owner": "ana"}, "aws-cli/2.15", ""),
    ],
)
def test_what_manages_a_group(tags: dict[str, str], user_agent: str, manager: str) -> None:
    assert managed_by(tags, user_agent) == manager


def test_only_the_last_days_count() -> None:
    issue = closed_and_opened(an_issue(), 3)
    now = NOW + 2 * DAY
    assert flapping_text(issue.history, now, "") == "opened again 3 times in 7 days"
    assert flapping_text(issue.history, now, "Terraform") == (
        "opened again 3 times in 7 days; it is managed by Terraform, which may open it again"
    )
    assert flapping_text(issue.history, now + 20 * DAY, "Terraform") == ""


def past(days: float, principal: str = "") -> PastOccurrence:
    return PastOccurrence(None, NOW - days * DAY, principal)


@pytest.mark.parametrize(
    ("history", "times", "flaps"),
    [
        pytest.param((), 0, False, id="never"),
        pytest.param((past(1),), 1, False, id="once"),
        pytest.param((past(2), past(1)), 2, True, id="twice"),
        pytest.param((past(8), past(1)), 1, False, id="once in the last days"),
        pytest.param((past(7.001), past(7), past(0)), 2, True, id="to the second"),
    ],
)
def test_how_often_it_was_opened_again_lately(history: tuple[PastOccurrence, ...], times: int, flaps: bool) -> None:
    assert reopenings(history, NOW) == times
    assert is_flapping(history, NOW) is flaps


def test_who_opened_it_lately_is_named_once_in_order() -> None:
    history = (past(9, "eve"), past(7, "bob"), past(3, ""), past(2, "ana"), past(1, "bob"))
    assert reopeners(history, ANA, NOW) == ("bob", "ana")
    assert reopeners(history[:2], ANA, NOW) == ("bob", "ana")
    assert reopeners(history[:2], None, NOW) == ("bob",)
    assert reopeners((), None, NOW) == ()


def test_what_comes_after_a_malformed_occurrence_is_kept() -> None:
    good = past(1, "bob")
    item = an_issue().to_item() | {"history": [7, {"resolved": None}, good.to_item()]}
    assert Issue.from_item(item).history == (good,)
