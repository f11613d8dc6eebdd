"""Issues as values and as items of the table."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from library.issues.history import PastOccurrence
from library.issues.issue import ClosingNotice, FindingDetails, Issue, IssueDetails, Status, Timestamps
from library.issues.opening_calls import OpenedBy
from library.issues.scan_coverage import Outcome, ScanCoverage
from library.issues.times import format_time, parse_time, shown_day, shown_time
from library.security_groups.exposure import Exposure
from library.security_groups.users import GroupUsers, User
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


@pytest.mark.parametrize(
    "change",
    [
        {"status": "lost"},
        {"timestamps": {"identified": "yesterday"}},
        # No write that names 1 would ever be made: the scan of the region failed for ever.
        {"revision": True},
        {"revision": "1"},
        {"revision": Decimal("1.5")},
        {"occurrence": True},
        {"occurrence": None},
    ],
    ids=str,
)
def test_an_item_that_is_none(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"lost|yesterday|is no whole number"):
        Issue.from_item({**an_issue().to_item(), **change})


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (None, None),
        ("", None),
        ("2026-11-22T03:00:00+00:00", NOW),
        ("2026-11-22T03:00:00Z", NOW),
        ("2026-11-22T03:00:00", NOW),
        ("2026-11-22T05:00:00+02:00", NOW),
    ],
)
def test_times_are_read(text: str | None, read: datetime | None) -> None:
    assert parse_time(text) == read
    assert read is None or parse_time(text).tzinfo is UTC  # type: ignore[union-attr]


def test_times_are_written_in_utc() -> None:
    assert format_time(NOW.astimezone(timezone(timedelta(hours=2)))) == "2026-11-22T03:00:00+00:00"
    assert format_time(None) is None


def test_scan_coverage_reads_back() -> None:
    scan = ScanCoverage(
        account_id="210987654321",
        region="eu-west-1",
        outcome=Outcome.FAILED,
        started=NOW,
        seconds=1.25,
        groups=77,
        reason="denied",
        last_complete=NOW - timedelta(days=1),
        interval=timedelta(minutes=5),
    )
    item = {**scan.to_item(), "account_id": "210987654321", "last_complete": "2026-11-21T03:00:00+00:00"}
    assert ScanCoverage.from_item(item) == scan
    del item["interval_minutes"]  # as versions before wrote it
    assert ScanCoverage.from_item(item) == replace(scan, interval=None)


RULE = DETAILS.perms[1]


def odd_rule(**parts: Any) -> Exposure:
    return RULE._replace(**parts)


def checked(issue: Issue, **details: Any) -> None:
    replace(issue, details=replace(issue.details, **details)).check()


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"name": 7}, "issue_details.name is no text"),
        ({"region": None}, "issue_details.region is no text"),
        ({"vpc_id": []}, "issue_details.vpc_id is no text"),
        ({"vpc_id": [], "name": 7}, "issue_details.name is no text"),
        ({"name": 7, "tags": []}, "issue_details.name is no text"),
        ({"tags": []}, "issue_details.tags is no map"),
        ({"tags": {"a": "b", "c": 7}}, "a tag is no text"),
        ({"perms": (odd_rule(protocol=6),)}, "the protocol 6 of issue_details.perms is no text"),
        ({"perms": (odd_rule(cidr=None),)}, "the cidr None of issue_details.perms is no text"),
        ({"perms": (RULE._replace(cidr="8.8.8.8/33"),)}, "'8.8.8.8/33' is not a CIDR"),
        ({"status": "open"}, "a status is neither open_completely nor open_partly"),
        ({"perms": (odd_rule(status="shut"),)}, "a status is neither open_completely nor open_partly"),
    ],
)
def test_the_first_part_of_an_issue_that_is_odd_is_named(details: dict[str, Any], reason: str) -> None:
    checked(an_issue(), perms=DETAILS.perms)
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        checked(an_issue(), **details)


@pytest.mark.parametrize("name", ["jira_details", "slack_details", "remediation_details"])
def test_what_is_kept_in_an_issue_is_a_map(name: str) -> None:
    change: dict[str, Any] = {name: ["x"]}
    with pytest.raises(ValueError, match=f"^{name} is no map$"):
        replace(an_issue(), **change).check()


def test_a_time_for_people_is_to_the_minute_in_utc() -> None:
    there = datetime(2026, 11, 23, 1, 5, 59, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert (shown_time(there), shown_day(there)) == ("2026-11-22 23:05 UTC", "2026-11-22")
    assert (shown_time(None), shown_day(None)) == ("", "")


def test_scan_coverage_without_a_start_names_its_place() -> None:
    item = {"account_id": "210987654321", "region": "eu-west-1", "started": None}
    with pytest.raises(ValueError, match=r"^scan coverage of 210987654321 eu-west-1 has no start$"):
        ScanCoverage.from_item(item)


@pytest.fixture
def _far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Pacific/Auckland")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_far_from_greenwich")
def test_the_machine_s_zone_is_not_asked() -> None:
    assert parse_time("2026-11-22T03:00:00") == NOW
    assert format_time(NOW) == "2026-11-22T03:00:00+00:00"
    assert shown_time(NOW) == "2026-11-22 03:00 UTC"
    assert shown_day(NOW.replace(hour=23)) == "2026-11-22"


def test_a_time_out_of_range_says_so() -> None:
    with pytest.raises(ValueError, match=r"^0001-01-01T00:00:00\+14:00 is out of range in UTC$"):
        parse_time("0001-01-01T00:00:00+14:00")


def test_an_issue_with_all_that_may_be_known_of_it_reads_back() -> None:
    used_by = GroupUsers((User("instance", "i-1", ("8.8.8.8",)),), 2, ({"owner": "ana"},))
    by = OpenedBy("ana", "203.0.113.7", "aws-cli/2", "AuthorizeSecurityGroupIngress", NOW, "e-1")
    past = PastOccurrence(NOW, NOW, "bob")
    known: dict[str, Any] = {
        "used_by": used_by,
        "opened_by": by,
        "history": (past,),
        "closing_notice": ClosingNotice(NOW, 3, True),
    }
    issue = replace(an_issue(), opener_sought=17, **known)
    item = issue.to_item()
    optional = {"used_by", "opened_by", "history", "closing_notice", "looked_up"}
    assert set(item) - set(an_issue().to_item()) == optional
    assert (item["used_by"], item["history"], item["looked_up"]) == (used_by.to_item(), [past.to_item()], 17)
    assert Issue.from_item({**item, "looked_up": Decimal(17)}) == issue
    assert Issue.from_item({**item, "looked_up": "long ago"}).opener_sought is None


@pytest.mark.parametrize("part", [{"title": 7}, {"path": ["igw-1", None]}])
def test_a_finding_s_part_that_is_no_text_says_so(part: dict[str, Any]) -> None:
    texts = {"arn": "a", "server_id": "i-1", "severity": "HIGH", "title": "t"}
    finding = {**texts, "path": [], "held_back": [], "notes": [], **part}
    with pytest.raises(ValueError, match=r"^issue_details.finding holds something that is no text$"):
        FindingDetails.from_item({**DETAILS.to_item(), "finding": finding})
