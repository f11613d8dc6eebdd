"""Who opened a group, as a value and as a part of an item."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from library.issues.issue import Issue, IssueDetails, Status
from library.issues.opening_calls import OpenedBy
from library.issues.reconcile import Detection, reconcile
from tests.builders.issues import NOW, an_issue

ANA = OpenedBy(
    principal="arn:aws:sts::210987654321:assumed-role/deploy/ana@example.com",
    source_ip="203.0.113.7",
    user_agent="APN/1.0 HashiCorp/1.0 Terraform/1.9.0",
    event_name="AuthorizeSecurityGroupIngress",
    event_time=datetime(2026, 11, 22, 14, 2, tzinfo=UTC),
    event_id="4d2a5a6e-6c6c-4d4e-8f8e-000000000001",
)
ITEM = {
    "principal": "arn:aws:sts::210987654321:assumed-role/deploy/ana@example.com",
    "source_ip": "203.0.113.7",
    "user_agent": "APN/1.0 HashiCorp/1.0 Terraform/1.9.0",
    "event_name": "AuthorizeSecurityGroupIngress",
    "event_time": "2026-11-22T14:02:00+00:00",
    "event_id": "4d2a5a6e-6c6c-4d4e-8f8e-000000000001",
}


def test_the_item_is_what_the_contract_says() -> None:
    issue = replace(an_issue(), opened_by=ANA)
    assert issue.to_item()["opened_by"] == ITEM
    assert Issue.from_item(issue.to_item()) == issue


def test_an_issue_that_nobody_is_known_to_have_opened_has_no_such_attribute() -> None:
    assert "opened_by" not in an_issue().to_item()


@pytest.mark.parametrize(
    "item",
    [
        pytest.param("ana", id="text"),
        pytest.param(ITEM | {"event_time": "yesterday"}, id="a time that is none"),
        pytest.param(ITEM | {"event_time": 3}, id="a number as time"),
        pytest.param(ITEM | {"event_time": ""}, id="no time"),
        pytest.param(ITEM | {"principal": ["ana"]}, id="a list as principal"),
        pytest.param({}, id="an empty map"),
    ],
)
def test_nonsense_counts_as_unknown_and_leaves_the_issue_readable(item: Any) -> None:
    read = Issue.from_item(an_issue().to_item() | {"opened_by": item})
    assert read.opened_by is None


@pytest.mark.parametrize("name", sorted(ITEM.keys() - {"event_time"}))
def test_what_cloudtrail_left_out_is_an_empty_text(name: str) -> None:
    item = {key: value for key, value in ITEM.items() if key != name}
    left_out: dict[str, Any] = {name: ""}
    assert OpenedBy.from_item(item) == replace(ANA, **left_out)


def _detection(details: IssueDetails) -> Detection:
    return Detection("210987654321", "sg-1", details, whitelisted=False)


def test_who_opened_it_stays_when_an_issue_changes_and_goes_when_it_is_resolved() -> None:
    issue = replace(an_issue(), opened_by=ANA)
    changed = reconcile(issue, _detection(replace(issue.details, name="renamed")), NOW)
    assert changed is not None
    assert changed.issue.opened_by == ANA
    resolved = reconcile(issue, None, NOW)
    assert resolved is not None
    assert resolved.issue.opened_by is None
    assert resolved.before == issue


def test_a_new_occurrence_does_not_name_who_opened_the_one_before() -> None:
    issue = replace(an_issue(), opened_by=ANA, status=Status.RESOLVED)
    again = reconcile(issue, _detection(issue.details), NOW)
    assert again is not None
    assert again.issue.opened_by is None
