"""Decisions in a real table: one conditional write each, with the exemption that follows, or neither."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from library.aws.conditional_writes import TABLE_DEFINITION
from library.aws.decision_store import (
    Decisions,
    UnreadableExemptionError,
    exemption_of_id,
    exemption_records,
    with_decided,
)
from library.aws.issue_table import IssueTable
from library.errors import ConflictError
from library.issues.decision_record import DecisionKind, Via
from library.issues.decision_rules import Limits, Request, Rights, seen_now
from library.issues.issue import Issue
from library.jobs.process import json_formatter
from library.network.ports import PortSet
from tests.builders.issues import NOW, an_issue

ACCOUNT, GROUP = "210987654321", "sg-1"
LIMITS = Limits(remediation_is_on=True, account_is_remediated=True, exempt_days=7, restricted=PortSet.parse([22]))
ALL = Rights(decides=True, extends=True, restores=True)


@pytest.fixture
def table() -> Iterator[IssueTable]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-west-1")
        client.create_table(TableName="issues", **TABLE_DEFINITION)
        made = IssueTable(client, "issues")
        made.items.put_new(an_issue().to_item())
        yield made


def asked(kind: DecisionKind, key: str, by: str = "U1", **other: Any) -> Request:
    fields: dict[str, Any] = {}
    if kind is DecisionKind.EXEMPT:
        fields = {"until": (NOW + timedelta(days=7)).date(), "reason": "migration until Friday"}
    if kind is DecisionKind.NOT_MINE:
        fields = {"owner": "jane@example.com"}
    return Request(kind, by, Via.SLACK, NOW, seen_now(an_issue()), ALL, key=key, **{**fields, **other})


def now_in(table: IssueTable) -> Issue:
    issue = table.get(ACCOUNT, GROUP)
    assert issue is not None
    return issue


def test_a_decision_is_in_the_table(table: IssueTable) -> None:
    outcome = Decisions(table, lambda: NOW).carry_out(ACCOUNT, GROUP, asked(DecisionKind.CLOSE_NOW, "k"), LIMITS)
    assert outcome is not None
    item = table.items.get(ACCOUNT, GROUP)
    assert item is not None
    assert [(each["kind"], each["by"], each["result"]) for each in item["decisions"]] == [("close-now", "U1", "done")]
    assert now_in(table) == outcome.issue
    assert now_in(table).decided.close_now is not None


@pytest.mark.parametrize(("may", "level"), [(True, "INFO"), (False, "WARNING")], ids=["done", "refused"])
def test_each_is_in_the_log(table: IssueTable, caplog: pytest.LogCaptureFixture, may: bool, level: str) -> None:
    request = replace(asked(DecisionKind.CLOSE_NOW, "k"), rights=Rights(decides=may))
    with caplog.at_level("INFO"):
        outcome = Decisions(table, lambda: NOW).carry_out(ACCOUNT, GROUP, request, LIMITS)
    assert outcome is not None
    (line,) = [json.loads(json_formatter().format(record)) for record in caplog.records if record.msg == "decision"]
    assert (line["level"], line["account_id"], line["group_id"]) == (level, ACCOUNT, GROUP)
    assert line["decision"] == outcome.decision.to_item()


def test_an_exemption_is_a_record_of_its_own(table: IssueTable) -> None:
    outcome = Decisions(table, lambda: NOW).carry_out(ACCOUNT, GROUP, asked(DecisionKind.EXEMPT, "k"), LIMITS)
    assert outcome is not None
    (record,) = exemption_records(table.items, ACCOUNT)
    assert exemption_of_id(table.items, record.id) == record
    # It is no issue, whatever index is read.
    assert list(table.exposed(ACCOUNT, "eu-west-1")) == [GROUP]
    assert [issue.issue_id for issue in table.not_closed(ACCOUNT, lambda _: None)] == [GROUP]
    assert [exemption.decided for exemption in with_decided((), [record])] == [record.id]


def test_an_issue_whose_row_was_lost_can_be_exempted_again(table: IssueTable) -> None:
    """Its decisions are counted from the beginning, and the exemptions from before are still there."""
    for key in ("k", "l", "m"):
        outcome = Decisions(table, lambda: NOW).carry_out(ACCOUNT, GROUP, asked(DecisionKind.EXEMPT, key, key), LIMITS)
        assert outcome is not None
    before = list(exemption_records(table.items, ACCOUNT))
    row = {"account_id": {"S": ACCOUNT}, "issue_id": {"S": GROUP}}
    boto3.client("dynamodb", region_name="eu-west-1").delete_item(TableName="issues", Key=row)
    table.items.put_new(an_issue().to_item())
    outcome = Decisions(table, lambda: NOW).carry_out(ACCOUNT, GROUP, asked(DecisionKind.EXEMPT, "n"), LIMITS)
    assert outcome is not None
    *others, record = exemption_records(table.items, ACCOUNT)
    assert len(before) == 3
    assert others == before
    assert record.number == now_in(table).decided.exempted[-1].number == now_in(table).decided.number == 4


def test_neither_is_written_where_the_issue_changed(table: IssueTable, monkeypatch: pytest.MonkeyPatch) -> None:
    read, calls = table.get, list[int]()

    def get(account_id: str, group_id: str) -> Issue | None:
        found = read(account_id, group_id)
        if not calls:
            calls.append(1)
            table.items.update(ACCOUNT, GROUP, {"revision": 99})
        return found

    monkeypatch.setattr(table, "get", get)
    outcome = Decisions(table, lambda: NOW).carry_out(ACCOUNT, GROUP, asked(DecisionKind.EXEMPT, "k"), LIMITS)
    assert outcome is not None
    assert len(list(exemption_records(table.items, ACCOUNT))) == 1
    assert len(now_in(table).decided.decisions) == 1


def test_of_two_at_the_same_moment_the_second_is_told_who_was_first(
    table: IssueTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, first = table.get, list[int]()
    decisions = Decisions(table, lambda: NOW)

    def get(account_id: str, group_id: str) -> Issue | None:
        found = read(account_id, group_id)
        if not first:
            first.append(1)
            decisions.carry_out(ACCOUNT, GROUP, asked(DecisionKind.CLOSE_NOW, "1", "U1"), LIMITS)
        return found

    monkeypatch.setattr(table, "get", get)
    outcome = decisions.carry_out(ACCOUNT, GROUP, asked(DecisionKind.CLOSE_NOW, "2", "U2"), LIMITS)
    assert outcome is not None
    assert outcome.rejection == "U1 decided that already, at 2026-11-22 03:00 UTC"
    assert [decision.is_done for decision in now_in(table).decided.decisions] == [True, False]


def test_an_answer_that_was_lost_is_no_second_decision(table: IssueTable, monkeypatch: pytest.MonkeyPatch) -> None:
    update, lost = table.items.update, list[int]()

    def lossy(*arguments: Any, **options: Any) -> Any:
        answer = update(*arguments, **options)
        if not lost:
            lost.append(1)
            raise ConflictError(GROUP)  # what the SDK's own second attempt gets
        return answer

    monkeypatch.setattr(table.items, "update", lossy)
    outcome = Decisions(table, lambda: NOW).carry_out(ACCOUNT, GROUP, asked(DecisionKind.NOT_MINE, "k"), LIMITS)
    assert outcome is not None
    assert outcome.repeated
    assert outcome.decision.is_done
    assert len(now_in(table).decided.decisions) == 1


@pytest.mark.parametrize("error", [ReadTimeoutError(endpoint_url="x"), ClientError({"Error": {"Code": "X"}}, "y")])
def test_what_is_no_conflict_travels_up(table: IssueTable, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(table.items._client, "transact_write_items", broken)
    with pytest.raises(type(error)):
        Decisions(table, lambda: NOW).carry_out(ACCOUNT, GROUP, asked(DecisionKind.EXEMPT, "k"), LIMITS)
    assert now_in(table).decided.version == 0


def test_an_exemption_is_ended_once(table: IssueTable) -> None:
    decisions = Decisions(table, lambda: NOW)
    outcome = decisions.carry_out(ACCOUNT, GROUP, asked(DecisionKind.EXEMPT, "k"), LIMITS)
    assert outcome is not None
    (exemption,) = exemption_records(table.items, ACCOUNT)
    over = decisions.end_exemption(exemption, "bob", "not needed")
    assert over is not None
    assert (over.decision.kind, over.decision.by) == (DecisionKind.END, "bob")
    assert decisions.end_exemption(exemption, "eve") is None
    (record,) = exemption_records(table.items, ACCOUNT)
    assert record.ended == f"bob at {NOW.isoformat()}"
    assert with_decided((), [record]) == ()


def test_one_that_cannot_be_read_is_named_and_never_left_out(table: IssueTable) -> None:
    table.items.put_new({"account_id": ACCOUNT, "issue_id": "exemption#sg-1#000001", "until": "tomorrow"})
    with pytest.raises(UnreadableExemptionError, match="exemption#sg-1#000001 in 210987654321"):
        list(exemption_records(table.items, ACCOUNT))


@pytest.mark.parametrize("name", ["", "x", f"{ACCOUNT}/{GROUP}", f"{ACCOUNT}/{GROUP}/x", f"{ACCOUNT}/{GROUP}/9"])
def test_no_other_name_is_an_exemption(table: IssueTable, name: str) -> None:
    assert exemption_of_id(table.items, name) is None


def test_what_is_told_is_claimed_by_one_process(table: IssueTable) -> None:
    clock = [NOW]
    decisions = Decisions(table, lambda: clock[0])
    outcome = decisions.carry_out(ACCOUNT, GROUP, asked(DecisionKind.NOT_MINE, "k"), LIMITS)
    assert outcome is not None
    issue, taken = decisions.claim_untold(outcome.issue)
    assert len(taken) == 1
    assert decisions.claim_untold(outcome.issue)[1] == ()
    clock[0] += timedelta(minutes=10)  # the process died
    issue, taken = decisions.claim_untold(issue)
    assert len(taken) == 1
    left = [replace(this, ticket=False) for this in taken]
    issue = decisions.notified(issue, left, taken)
    assert [(this.ticket, this.slack) for this in issue.decided.outbox] == [(False, True)]
    issue, taken = decisions.claim_untold(issue)
    issue = decisions.notified(issue, [replace(this, slack=False, webhook=False) for this in taken], taken)
    assert issue.decided.outbox == ()
    assert now_in(table).decided.outbox == ()


def test_there_is_no_decision_without_an_issue(table: IssueTable) -> None:
    decisions = Decisions(table, lambda: NOW)
    assert decisions.carry_out(ACCOUNT, "sg-2", asked(DecisionKind.CLOSE_NOW, "k"), LIMITS) is None


def test_an_issue_that_other_tooling_wrote_can_be_decided_about(table: IssueTable) -> None:
    item = {name: value for name, value in an_issue().to_item().items() if name not in ("revision", "occurrence")}
    table.items.put_new({**item, "issue_id": "sg-9"})
    issue = table.get(ACCOUNT, "sg-9")
    assert issue is not None
    request = replace(asked(DecisionKind.CLOSE_NOW, "k"), seen=seen_now(issue))
    outcome = Decisions(table, lambda: NOW).carry_out(ACCOUNT, "sg-9", request, LIMITS)
    assert outcome is not None
    assert outcome.rejection == ""
