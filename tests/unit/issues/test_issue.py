"""Issues as values and as items of the table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from library.issues.details import IssueDetails
from library.issues.issue import Issue, Status, Timestamps
from library.issues.scan_coverage import Outcome, ScanCoverage
from library.issues.times import format_time, parse_time
from library.security_groups.exposure import Exposure
from tests.builders.issues import NOW, an_issue

DETAILS = IssueDetails(
    name="web",
    region="eu-west-1",
    vpc_id="vpc-1",
    status="open_completely",
    tags={"Name": "web"},
    perms=(
        Exposure("-1", None, None, "::/0", "open_completely"),
        Exposure("tcp", 22, 22, "8.8.8.0/24", "open_partly", "pl-1"),
    ),
)


def test_the_item_is_what_the_contract_says() -> None:
    issue = Issue("210987654321", "sg-1", Status.OPEN, DETAILS, Timestamps(identified=NOW, updated=NOW))
    item = issue.to_item()
    assert {name: item[name] for name in ("account_id", "issue_id", "status", "issue_details", "timestamps")} == {
        "account_id": "210987654321",
        "issue_id": "sg-1",
        "status": "open",
        "issue_details": {
            "name": "web",
            "region": "eu-west-1",
            "vpc_id": "vpc-1",
            "status": "open_completely",
            "tags": {"Name": "web"},
            "perms": [
                {"protocol": "-1", "from_port": None, "to_port": None, "cidr": "::/0", "status": "open_completely"},
                {
                    "protocol": "tcp",
                    "from_port": 22,
                    "to_port": 22,
                    "cidr": "8.8.8.0/24",
                    "status": "open_partly",
                    "prefix_list_id": "pl-1",
                },
            ],
        },
        "timestamps": {
            "identified": "2026-11-22T03:00:00+00:00",
            "updated": "2026-11-22T03:00:00+00:00",
            "reported": None,
            "remediated": None,
            "resolved": None,
            "closed": None,
        },
    }
    assert item["jira_details"] == {}


@pytest.mark.parametrize("status", Status)
def test_an_item_reads_back(status: Status) -> None:
    issue = an_issue(status)
    assert Issue.from_item(issue.to_item()) == issue


def test_numbers_of_the_table_compare_equal() -> None:
    item = DETAILS.to_item()
    item["perms"][1] |= {"from_port": Decimal(22), "to_port": Decimal(22)}
    assert IssueDetails.from_item(item) == DETAILS


@pytest.mark.parametrize(
    ("status", "indexed"),
    [(Status.OPEN, True), (Status.WHITELISTED, True), (Status.RESOLVED, False), (Status.CLOSED, False)],
)
def test_only_exposed_issues_are_in_the_regions_index(status: Status, indexed: bool) -> None:
    assert an_issue(status).to_item().get("open_region") == ("eu-west-1" if indexed else None)


def test_other_tooling_may_leave_out_what_the_contract_does_not_promise() -> None:
    item = an_issue().to_item()
    for name in ("revision", "occurrence", "jira_details", "slack_details", "remediation_details", "open_region"):
        del item[name]
    issue = Issue.from_item(item)
    assert (issue.revision, issue.occurrence, issue.jira_details) == (0, 0, {})


@pytest.mark.parametrize("change", [{"status": "lost"}, {"timestamps": {"identified": "yesterday"}}])
def test_an_item_that_is_none(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"lost|yesterday"):
        Issue.from_item({**an_issue().to_item(), **change})


@pytest.mark.parametrize(
    ("text", "time"),
    [
        (None, None),
        ("", None),
        ("2026-11-22T03:00:00+00:00", NOW),
        ("2026-11-22T03:00:00Z", NOW),
        ("2026-11-22T03:00:00", NOW),
        ("2026-11-22T05:00:00+02:00", NOW),
    ],
)
def test_times_are_read(text: str | None, time: datetime | None) -> None:
    assert parse_time(text) == time
    assert time is None or parse_time(text).tzinfo is UTC  # type: ignore[union-attr]


def test_times_are_written_in_utc() -> None:
    assert format_time(NOW.astimezone(timezone(timedelta(hours=2)))) == "2026-11-22T03:00:00+00:00"
    assert format_time(None) is None


def test_scan_coverage_reads_back() -> None:
    scan = ScanCoverage("210987654321", "eu-west-1", Outcome.FAILED, NOW, 1.25, 77, "denied", NOW - timedelta(days=1))
    item = {**scan.to_item(), "account_id": "210987654321", "last_complete": "2026-11-21T03:00:00+00:00"}
    assert ScanCoverage.from_item(item) == scan
