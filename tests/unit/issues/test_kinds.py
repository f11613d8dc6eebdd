"""Kinds of issues: the id tells the kind, and each kind's details survive the table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from library.issues.issue import (
    INSPECTOR_FINDING,
    ISSUE_ID_PREFIXES,
    KINDS,
    SECURITY_GROUP,
    FindingDetails,
    Issue,
    IssueDetails,
    kind_of,
)
from tests.builders.issues import DETAILS, an_issue

FINDING = FindingDetails(
    name="web",
    region="eu-west-1",
    vpc_id="vpc-1",
    status="open_completely",
    tags={"Name": "web"},
    perms=DETAILS.perms,
    arn="arn:aws:inspector2:eu-west-1:210987654321:finding/1",
    server_id="i-1",
    inspector_severity="HIGH",
    title="Port 22 is reachable",
    path=("igw-1", "i-1"),
    held_back=("tcp/80: allowed_ports",),
    notes=("a note",),
)


@pytest.mark.parametrize(
    ("issue_id", "kind"), [("sg-7c228307", SECURITY_GROUP), ("finding-i-1-0123456789ab", INSPECTOR_FINDING)]
)
def test_the_id_tells_the_kind(issue_id: str, kind: object) -> None:
    assert kind_of(issue_id) is kind


@pytest.mark.parametrize("issue_id", ["", "bucket-1", "inspector#abc", "scan-coverage#eu-west-1", "SG-1"])
def test_other_ids_are_no_issues(issue_id: str) -> None:
    with pytest.raises(ValueError, match="is not the id of an issue"):
        kind_of(issue_id)


def test_no_prefix_begins_another() -> None:
    assert len(set(ISSUE_ID_PREFIXES)) == len(KINDS)
    assert not any(a != b and a.startswith(b) for a in ISSUE_ID_PREFIXES for b in ISSUE_ID_PREFIXES)


def test_a_look_at_a_region_finds_groups_alone() -> None:
    assert [kind for kind in KINDS if kind.open_region("eu-west-1") == "eu-west-1"] == [SECURITY_GROUP]


@pytest.mark.parametrize(
    ("issue_id", "details"), [("sg-1", DETAILS), ("finding-i-1-0", FINDING)], ids=["group", "finding"]
)
def test_details_survive_the_table(issue_id: str, details: IssueDetails) -> None:
    issue = replace(an_issue(), issue_id=issue_id, details=details)
    assert Issue.from_item(issue.to_item()) == issue


@pytest.mark.parametrize(
    "finding",
    [
        pytest.param({}, id="empty"),
        pytest.param("x", id="a text"),
        pytest.param(FINDING.to_item()["finding"] | {"path": None}, id="no path"),
        pytest.param(FINDING.to_item()["finding"] | {"path": [1]}, id="a number in the path"),
        pytest.param(FINDING.to_item()["finding"] | {"title": 7}, id="a number as title"),
    ],
)
def test_a_malformed_finding_is_refused(finding: Any) -> None:
    item = replace(an_issue(), issue_id="finding-i-1-0", details=FINDING).to_item()
    item["issue_details"]["finding"] = finding
    with pytest.raises((KeyError, TypeError, ValueError)):
        Issue.from_item(item)
