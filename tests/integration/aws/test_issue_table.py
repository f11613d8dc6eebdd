"""The table of issues on an emulated DynamoDB: conditional writes, and who sees what."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from library.aws.conditional_writes import TABLE_DEFINITION, serialized
from library.aws.issue_table import IssueTable, UnreadableIssueError, backfill_index
from library.aws.records import CoverageRecords
from library.errors import ConflictError
from library.issues.issue import Issue, Status
from library.issues.reconcile import Change, Event, reconcile
from library.issues.scan_coverage import Outcome, ScanCoverage
from tests.builders.issues import DETAILS, NOW, a_detection, an_issue
from tests.worlds.emulated_aws import Call, EmulatedAws, Rejection

ACCOUNT = "210987654321"


@pytest.fixture
def client(aws: EmulatedAws) -> Any:
    made = boto3.client("dynamodb")
    made.create_table(TableName="issues", **TABLE_DEFINITION)
    aws.forget()
    return made


@pytest.fixture
def table(client: Any) -> IssueTable:
    return IssueTable(client, "issues")


def put(table: IssueTable, *issues: Issue) -> None:
    for issue in issues:
        table.write(Change(Event.FOUND, issue, None))


def decide(issue: Issue | None, *, whitelisted: bool = False, gone: bool = False, **details: Any) -> Change:
    change = reconcile(issue, None if gone else a_detection(whitelisted, **details), NOW)
    assert change
    return change


@pytest.mark.parametrize("status", Status)
def test_an_issue_reads_back(table: IssueTable, status: Status) -> None:
    put(table, an_issue(status))
    assert table.get(ACCOUNT, "sg-1") == an_issue(status)
    assert list(table.with_status(ACCOUNT, status)) == [an_issue(status)]


def test_none(table: IssueTable) -> None:
    assert table.get(ACCOUNT, "sg-1") is None
    assert table.get_many(ACCOUNT, []) == {}
    assert table.exposed(ACCOUNT, "eu-west-1") == {}
    assert list(CoverageRecords(table.items).of_account(ACCOUNT)) == []


def test_untrusted_text_is_kept_as_it_is(table: IssueTable) -> None:
    details = replace(DETAILS, name=":v0 #status", tags={"#a.b": "REMOVE x", "empty": "", "💥": "\u2028"})
    put(table, an_issue(details=details))
    issue = table.get(ACCOUNT, "sg-1")
    table.write(decide(issue, name="SET status = :x", tags={"a.b[0]": "1"}))
    changed = table.get(ACCOUNT, "sg-1")
    assert issue
    assert changed
    assert issue.details == details
    assert changed.details == replace(DETAILS, name="SET status = :x", tags={"a.b[0]": "1"})


CHANGES: dict[str, tuple[Status, Callable[[Issue], Change]]] = {
    "changed": (Status.OPEN, lambda issue: decide(issue, name="new")),
    "exempt": (Status.OPEN, lambda issue: decide(issue, whitelisted=True)),
    "resolved": (Status.OPEN, lambda issue: decide(issue, gone=True)),
    "no longer exempt": (Status.WHITELISTED, decide),
    "found again": (Status.RESOLVED, decide),
    "found again after it was closed": (Status.CLOSED, decide),
    "found again and exempt": (Status.CLOSED, lambda issue: decide(issue, whitelisted=True)),
}


@pytest.mark.parametrize(("status", "make"), [pytest.param(*case, id=name) for name, case in CHANGES.items()])
def test_a_change_is_the_whole_of_what_was_decided(
    table: IssueTable, client: Any, status: Status, make: Callable[[Issue], Change]
) -> None:
    put(table, an_issue(status))
    change = make(an_issue(status))
    table.write(change)
    assert table.get(ACCOUNT, "sg-1") == change.issue
    item = client.scan(TableName="issues")["Items"][0]
    assert ("open_region" in item) == change.issue.status.is_exposed


@pytest.mark.parametrize(("status", "make"), [pytest.param(*case, id=name) for name, case in CHANGES.items()])
def test_a_change_of_an_issue_that_changed_meanwhile_is_a_lost_race(
    table: IssueTable, status: Status, make: Callable[[Issue], Change]
) -> None:
    put(table, an_issue(status))
    table.write(make(an_issue(status)))
    after = table.get(ACCOUNT, "sg-1")
    with pytest.raises(ConflictError, match="sg-1"):
        table.write(make(an_issue(status)))
    assert table.get(ACCOUNT, "sg-1") == after


def test_a_change_of_an_issue_that_is_gone_is_a_lost_race(table: IssueTable) -> None:
    with pytest.raises(ConflictError):
        table.write(decide(an_issue(), name="new"))
    assert table.get(ACCOUNT, "sg-1") is None


def test_a_second_new_issue_is_a_lost_race(table: IssueTable) -> None:
    table.write(decide(None))
    with pytest.raises(ConflictError):
        table.write(decide(None, name="other"))
    issue = table.get(ACCOUNT, "sg-1")
    assert issue
    assert issue.details.name == "web"


@pytest.mark.parametrize(("status", "make"), [pytest.param(*case, id=name) for name, case in CHANGES.items()])
def test_identification_leaves_the_other_jobs_attributes_alone(
    table: IssueTable, status: Status, make: Callable[[Issue], Change]
) -> None:
    """Reporting and remediation write after identification has read, and before it writes."""
    put(table, an_issue(status))
    written = {"jira_details": {"ticket": "SEC-9"}, "slack_details": {"a": "b"}, "remediation_details": {"c": "d"}}
    table.update(an_issue(status), written)
    table.write(make(an_issue(status)))
    issue = table.get(ACCOUNT, "sg-1")
    assert issue
    assert {name: getattr(issue, name) for name in written} == written


def test_what_is_reported_meanwhile_stays_reported(table: IssueTable) -> None:
    put(table, an_issue())
    table.update(an_issue(), {"timestamps.reported": NOW.isoformat(), "timestamps.remediated": NOW.isoformat()})
    table.write(decide(an_issue(), gone=True))
    issue = table.get(ACCOUNT, "sg-1")
    assert issue
    assert (issue.timestamps.reported, issue.timestamps.remediated, issue.timestamps.resolved) == (NOW, NOW, NOW)


def test_what_is_meant_for_the_last_occurrence_does_not_land_in_the_next(table: IssueTable) -> None:
    put(table, an_issue(Status.RESOLVED))
    table.write(decide(an_issue(Status.RESOLVED)))
    with pytest.raises(ConflictError):
        table.update(an_issue(Status.RESOLVED), {"timestamps.reported": NOW.isoformat()})
    issue = table.get(ACCOUNT, "sg-1")
    assert issue
    assert issue.timestamps.reported is None


def test_an_update_of_an_issue_that_is_gone_makes_none(table: IssueTable) -> None:
    with pytest.raises(ConflictError):
        table.update(an_issue(), {"jira_details": {}})
    assert table.get(ACCOUNT, "sg-1") is None


def test_an_issue_that_other_tooling_wrote(table: IssueTable, client: Any) -> None:
    item = an_issue().to_item()
    for name in ("revision", "occurrence"):
        del item[name]
    client.put_item(TableName="issues", Item=serialized(item))
    issue = table.get(ACCOUNT, "sg-1")
    assert issue
    table.update(issue, {"jira_details": {"ticket": "SEC-9"}})
    table.write(decide(issue, name="new"))
    changed = table.get(ACCOUNT, "sg-1")
    assert changed
    assert (changed.details.name, changed.revision, changed.jira_details) == ("new", 1, {"ticket": "SEC-9"})


# Closing


def foreign(client: Any, group_id: str) -> None:
    """An issue with nothing but what the contract names."""
    item = an_issue(Status.OPEN).to_item() | {"issue_id": group_id}
    del item["open_region"]
    client.put_item(TableName="issues", Item=serialized(item))


@pytest.mark.parametrize("searched", [None, NOW - timedelta(days=2)], ids=["never searched", "two days ago"])
def test_of_scans_that_come_together_one_searches_for_them(
    table: IssueTable, client: Any, aws: EmulatedAws, searched: Any
) -> None:
    if searched:
        backfill_index(table, ACCOUNT, searched)
    foreign(client, "sg-2")
    begun: list[bool] = []

    def another(call: Call) -> None:
        if call.operation in ("Query", "UpdateItem") and not begun:
            begun.append(True)
            backfill_index(table, ACCOUNT, NOW)

    aws.forget()
    aws.hooks.append(another)
    backfill_index(table, ACCOUNT, NOW)
    assert aws.operations("dynamodb").count("Query") == 2, "open and whitelisted, once"
    assert set(table.exposed(ACCOUNT, "eu-west-1")) == {"sg-2"}


def test_only_those_that_lack_the_index_are_answered(table: IssueTable, client: Any, aws: EmulatedAws) -> None:
    put(table, an_issue(Status.OPEN))
    foreign(client, "sg-2")
    aws.forget()
    backfill_index(table, ACCOUNT, NOW)
    answered = [each.body["Items"] for each in aws.answers if each.call.operation == "Query"]
    assert [item["issue_id"]["S"] for items in answered for item in items] == ["sg-2"]
    assert set(table.exposed(ACCOUNT, "eu-west-1")) == {"sg-1", "sg-2"}


def test_what_a_search_that_failed_left_is_done_a_day_later(table: IssueTable, client: Any, aws: EmulatedAws) -> None:
    foreign(client, "sg-2")
    aws.refuse("Query", Rejection("AccessDeniedException"), times=1)
    with pytest.raises(ClientError):
        backfill_index(table, ACCOUNT, NOW)
    backfill_index(table, ACCOUNT, NOW + timedelta(hours=23))
    assert table.exposed(ACCOUNT, "eu-west-1") == {}
    backfill_index(table, ACCOUNT, NOW + timedelta(hours=24))
    assert set(table.exposed(ACCOUNT, "eu-west-1")) == {"sg-2"}


def test_closing(table: IssueTable) -> None:
    resolved = an_issue(Status.RESOLVED)
    put(table, resolved)
    table.close_resolved(resolved, NOW)
    assert table.get(ACCOUNT, "sg-1") == replace(
        resolved, status=Status.CLOSED, timestamps=replace(resolved.timestamps, closed=NOW), revision=8
    )


def test_closing_what_was_found_again_is_a_lost_race(table: IssueTable) -> None:
    resolved = an_issue(Status.RESOLVED)
    put(table, resolved)
    table.write(decide(resolved))
    with pytest.raises(ConflictError):
        table.close_resolved(resolved, NOW)
    issue = table.get(ACCOUNT, "sg-1")
    assert issue
    assert issue.status is Status.OPEN


@pytest.mark.parametrize("status", [Status.OPEN, Status.WHITELISTED, Status.CLOSED])
def test_only_what_is_resolved_is_closed(table: IssueTable, status: Status) -> None:
    put(table, an_issue(status))
    with pytest.raises(ConflictError):
        table.close_resolved(an_issue(status), NOW)


def test_ending_what_changed_meanwhile_is_a_lost_race(table: IssueTable) -> None:
    """The issue of a place that is not watched any more, which is scanned again by now."""
    put(table, an_issue())
    table.write(decide(an_issue(), name="new"))
    with pytest.raises(ConflictError):
        table.close_unwatched(an_issue(), NOW)


def test_finding_again_what_is_closed_meanwhile_is_a_lost_race(table: IssueTable) -> None:
    resolved = an_issue(Status.RESOLVED)
    put(table, resolved)
    table.close_resolved(resolved, NOW)
    with pytest.raises(ConflictError):
        table.write(decide(resolved))


# Reading


def test_reads_see_only_what_they_are_about(table: IssueTable) -> None:
    def in_region(number: int, status: Status, region: str, account_id: str = ACCOUNT) -> Issue:
        details = replace(DETAILS, region=region)
        return an_issue(status, issue_id=f"sg-{number}", details=details, account_id=account_id)

    statuses = list(Status)
    put(table, *(in_region(n, status, "eu-west-1") for n, status in enumerate(statuses)))
    put(table, *(in_region(10 + n, status, "us-east-1") for n, status in enumerate(statuses)))
    put(table, in_region(0, Status.OPEN, "eu-west-1", "123456789012"))
    CoverageRecords(table.items).record(ScanCoverage(ACCOUNT, "eu-west-1", Outcome.COMPLETE, NOW, 1, 2))

    assert table.exposed(ACCOUNT, "eu-west-1").keys() == {"sg-0", "sg-1"}
    assert {issue.issue_id for issue in table.with_status(ACCOUNT, Status.OPEN, Status.RESOLVED)} == {
        "sg-0",
        "sg-2",
        "sg-10",
        "sg-12",
    }
    assert table.get_many(ACCOUNT, ["sg-0", "sg-13", "sg-99"]).keys() == {"sg-0", "sg-13"}
    assert [scan.region for scan in CoverageRecords(table.items).of_account(ACCOUNT)] == ["eu-west-1"]


def test_many_are_read_in_batches_of_a_hundred(table: IssueTable, aws: EmulatedAws) -> None:
    put(table, an_issue(issue_id="sg-249"))
    ids = [f"sg-{number}" for number in range(250)]
    aws.forget()
    assert table.get_many(ACCOUNT, ids + ids).keys() == {"sg-249"}
    asked = [len(call.parameters["RequestItems"]["issues"]["Keys"]) for call in aws.calls]
    assert asked == [100, 100, 50]


def test_what_dynamodb_left_out_is_asked_for_again(table: IssueTable, aws: EmulatedAws) -> None:
    put(table, *(an_issue(issue_id=f"sg-{number}") for number in range(3)))
    aws.forget()

    def hold_back(call: Any, text: str) -> str:
        if len(aws.operations()) > 1:
            return text
        body = json.loads(text)
        held = body["Responses"]["issues"].pop()
        body["UnprocessedKeys"] = {"issues": {"Keys": [{name: held[name] for name in ("account_id", "issue_id")}]}}
        assert call.operation == "BatchGetItem"
        return str(json.dumps(body))

    aws.rewrites.append(hold_back)
    assert len(table.get_many(ACCOUNT, ["sg-0", "sg-1", "sg-2"])) == 3
    assert aws.operations() == ["BatchGetItem", "BatchGetItem"]


def test_all_pages_of_a_query_are_read(table: IssueTable) -> None:
    # DynamoDB gives 1 MB at a time.
    details = replace(DETAILS, tags={"long": "x" * 200_000})
    put(table, *(an_issue(issue_id=f"sg-{number}", details=details) for number in range(12)))
    assert len(table.exposed(ACCOUNT, "eu-west-1")) == 12


def test_every_read_is_strongly_consistent(table: IssueTable, aws: EmulatedAws) -> None:
    table.exposed(ACCOUNT, "eu-west-1")
    list(table.with_status(ACCOUNT, Status.OPEN))
    list(CoverageRecords(table.items).of_account(ACCOUNT))
    table.get(ACCOUNT, "sg-1")
    for call in aws.calls:
        request = call.parameters.get("RequestItems", {}).get("issues", call.parameters)
        assert request["ConsistentRead"] is True, call.operation


# Coverage


def scan(outcome: Outcome, minutes: int, reason: str = "") -> ScanCoverage:
    return ScanCoverage(ACCOUNT, "eu-west-1", outcome, NOW + timedelta(minutes=minutes), 1.5, 77, reason)


def test_coverage_keeps_the_last_success(table: IssueTable) -> None:
    def kept() -> ScanCoverage:
        return next(CoverageRecords(table.items).of_account(ACCOUNT))

    first = scan(Outcome.COMPLETE, 0)
    CoverageRecords(table.items).record(first)
    assert kept() == replace(first, last_complete=first.started)
    for minutes, outcome in enumerate((Outcome.FAILED, Outcome.PARTIAL, Outcome.REGION_OFF), 1):
        later = scan(outcome, minutes, "why")
        CoverageRecords(table.items).record(later)
        assert kept() == replace(later, last_complete=first.started)
    last = scan(Outcome.COMPLETE, 9)
    CoverageRecords(table.items).record(last)
    assert kept() == replace(last, last_complete=last.started)


def test_coverage_of_an_older_scan_is_not_kept(table: IssueTable) -> None:
    newer = scan(Outcome.COMPLETE, 5)
    CoverageRecords(table.items).record(newer)
    CoverageRecords(table.items).record(scan(Outcome.FAILED, 4, "too slow"))
    assert next(CoverageRecords(table.items).of_account(ACCOUNT)) == replace(newer, last_complete=newer.started)


def broken(**change: Any) -> dict[str, Any]:
    """The item of `an_issue`, as sg-bad, with parts changed; None: without them."""
    item = {**an_issue(Status.OPEN).to_item(), "issue_id": "sg-bad", **change}
    return {name: value for name, value in item.items() if value is not None}


def with_detail(name: str, value: Any) -> dict[str, Any]:
    return {**DETAILS.to_item(), name: value}


def with_perm(name: str, value: Any) -> dict[str, Any]:
    [perm] = DETAILS.to_item()["perms"]
    return with_detail("perms", [{**perm, name: value}])


MALFORMED = [
    pytest.param({"issue_details": None}, "'issue_details' is missing", id="no issue_details"),
    pytest.param({"issue_details": "x"}, "string indices", id="issue_details is a text"),
    pytest.param({"issue_details": {"region": "eu-west-1"}}, "'name' is missing", id="no name"),
    pytest.param({"timestamps": None}, "'timestamps' is missing", id="no timestamps"),
    pytest.param({"timestamps": {"identified": "yesterday"}}, "yesterday", id="no time"),
    pytest.param({"timestamps": {"identified": 5}}, "", id="a time is a number"),
    pytest.param({"timestamps": "x"}, "", id="timestamps is a text"),
]
# Identification writes these anew when it sees the group, so it need not mind them.
MISLEADING = [
    pytest.param({"jira_details": "SEC-1"}, "jira_details is no map", id="jira_details is a text"),
    pytest.param({"issue_details": with_detail("tags", ["x"])}, "issue_details.tags is no map", id="tags are a list"),
    pytest.param({"issue_details": with_detail("tags", {"a": 1})}, "a tag is no text", id="a tag is a number"),
    pytest.param({"issue_details": with_detail("vpc_id", 5)}, "issue_details.vpc_id is no text", id="vpc_id a number"),
    pytest.param({"issue_details": with_detail("status", "open")}, "neither open_completely", id="unknown status"),
    pytest.param({"issue_details": with_perm("cidr", "x")}, "'x'", id="no CIDR"),
    pytest.param({"issue_details": with_perm("cidr", None)}, "the cidr None", id="cidr is null"),
    pytest.param({"issue_details": with_perm("protocol", 6)}, "the protocol", id="protocol is a number"),
    pytest.param({"issue_details": with_perm("protocol", "tcp; x")}, "the protocol of", id="protocol is a command"),
    pytest.param({"issue_details": with_perm("to_port", 70_000)}, "the ports", id="no such port"),
    pytest.param({"issue_details": with_detail("region", "eu-west-1; x")}, "region cannot", id="region is a command"),
    pytest.param({"jira_details": {"ticket": "../../x"}}, "jira_details.ticket cannot", id="ticket is a path"),
]


@pytest.mark.parametrize(("change", "reason"), MALFORMED + MISLEADING)
def test_a_malformed_item_is_named_and_the_others_are_read(
    table: IssueTable, client: Any, change: dict[str, Any], reason: str
) -> None:
    put(table, an_issue())
    client.put_item(TableName="issues", Item=serialized(broken(**change)))
    named: list[UnreadableIssueError] = []
    assert list(table.with_status(ACCOUNT, Status.OPEN, unreadable=named.append)) == [an_issue()]
    [error] = named
    said = f"sg-bad in {ACCOUNT}: its item in the issue table is not as it should be: "
    assert str(error).startswith(said)
    assert reason in str(error).removeprefix(said)
    assert error.issue_id == "sg-bad"
    with pytest.raises(UnreadableIssueError, match="sg-bad"):
        list(table.with_status(ACCOUNT, Status.OPEN))


@pytest.mark.parametrize("status", ["bogus", "Closed", "opened", "zzz"])
def test_an_item_with_an_unknown_status_is_named_in_whatever_status_it_is_looked_for(
    table: IssueTable, client: Any, status: str
) -> None:
    put(table, an_issue())
    put(table, replace(an_issue(Status.CLOSED), issue_id="sg-closed"))
    client.put_item(TableName="issues", Item=serialized(broken(status=status)))
    client.put_item(TableName="issues", Item=serialized(broken(status=status) | {"issue_id": "coverage#x"}))
    for wanted, found in ((Status.OPEN, ["sg-1"]), (Status.CLOSED, ["sg-closed"]), (Status.RESOLVED, [])):
        named: list[UnreadableIssueError] = []
        issues = table.with_status(ACCOUNT, wanted, unreadable=named.append)
        assert [issue.issue_id for issue in issues] == found
        [error] = named
        assert str(error).endswith(
            f"its item in the issue table is not as it should be: {status!r} is not a valid Status"
        )


@pytest.mark.parametrize(("change", "reason"), MALFORMED)
def test_who_must_know_every_issue_gets_none_if_one_is_malformed(
    table: IssueTable, client: Any, change: dict[str, Any], reason: str
) -> None:
    put(table, an_issue())
    client.put_item(TableName="issues", Item=serialized(broken(**change)))
    with pytest.raises(UnreadableIssueError, match=f"sg-bad in {ACCOUNT}.*{reason}"):
        table.exposed(ACCOUNT, "eu-west-1")
    with pytest.raises(UnreadableIssueError, match=f"sg-bad in {ACCOUNT}.*{reason}"):
        table.get_many(ACCOUNT, ["sg-1", "sg-bad"])


def test_records_of_another_kind_are_no_issues(table: IssueTable, client: Any) -> None:
    put(table, an_issue())
    record = {"account_id": ACCOUNT, "issue_id": "run#7", "status": "open"}
    client.put_item(TableName="issues", Item=serialized(record))
    assert [issue.issue_id for issue in table.with_status(ACCOUNT, Status.OPEN)] == ["sg-1"]
