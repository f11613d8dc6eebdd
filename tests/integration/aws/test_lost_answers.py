"""Writes whose answer is lost: the SDK sends them again, and then their own condition does not hold any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws

from library.aws.conditional_writes import TABLE_DEFINITION
from library.aws.decision_store import Decisions, exemption_records
from library.aws.issue_table import IssueTable
from library.aws.lock import Lock
from library.errors import ConflictError
from library.issues.decision_record import DecidedExemption, DecisionKind, Via
from library.issues.decision_rules import Limits, Request, Rights, seen_now
from library.issues.issue import Issue
from library.network.ports import PortSet
from tests.builders.decisions import pressed_restore
from tests.builders.issues import NOW, an_issue
from tests.standins.lost_answers import lose_answer

ACCOUNT, GROUP, JANE = "210987654321", "sg-1", "jane"
LIMITS = Limits(remediation_is_on=True, account_is_remediated=True, exempt_days=7, restricted=PortSet.parse([22]))
RIGHTS = Rights(decides=True, extends=True, restores=True)

Lose = Callable[[str], None]


@pytest.fixture
def client() -> Iterator[Any]:
    with mock_aws():
        retries = Config(retries={"mode": "standard", "total_max_attempts": 2})
        made = boto3.client("dynamodb", region_name="eu-west-1", config=retries)
        made.create_table(TableName="issues", **TABLE_DEFINITION)
        yield made


@pytest.fixture
def table(client: Any) -> IssueTable:
    made = IssueTable(client, "issues")
    made.items.put_new(an_issue().to_item())
    return made


@pytest.fixture
def lose(client: Any, monkeypatch: pytest.MonkeyPatch) -> Lose:
    return lambda operation: lose_answer(monkeypatch, client, operation)


def asked(kind: DecisionKind, **fields: Any) -> Request:
    return Request(kind, "U1", Via.SLACK, NOW, seen_now(an_issue()), RIGHTS, key="k", **fields)


def now_in(table: IssueTable) -> Issue:
    issue = table.get(ACCOUNT, GROUP)
    assert issue is not None
    return issue


def an_exemption(table: IssueTable) -> DecidedExemption:
    until = (NOW + timedelta(days=7)).date()
    exempt = asked(DecisionKind.EXEMPT, until=until, reason="migration until Friday")
    Decisions(table, lambda: NOW).carry_out(ACCOUNT, GROUP, exempt, LIMITS)
    (record,) = exemption_records(table.items, ACCOUNT)
    return record


def test_a_change_is_made_whose_own_first_try_made_its_condition_false(table: IssueTable, lose: Lose) -> None:
    made = now_in(table)
    lose("UpdateItem")
    new = {":new": "SEC-9"}
    table.update(made, {"jira_details.ticket": "SEC-9"}, only_if="jira_details.ticket <> :new", values=new)
    assert now_in(table).jira_details["ticket"] == "SEC-9"


def test_an_item_is_new_whose_own_first_try_made_it(table: IssueTable, lose: Lose) -> None:
    lose("UpdateItem")
    table.items.put_new({"account_id": ACCOUNT, "issue_id": "x#1", "count": 1, "parts": [{"a": None}]})
    with pytest.raises(ConflictError):
        table.items.put_new({"account_id": ACCOUNT, "issue_id": "x#1", "count": 1, "parts": [{"a": None}]})


def test_a_change_that_somebody_else_made_differently_is_a_conflict(table: IssueTable, client: Any) -> None:
    """The first try is lost on its way there, and somebody else writes before the second."""
    mine = {"account_id": ACCOUNT, "issue_id": "x#1", "who": "me"}

    def lost(**_: Any) -> None:
        client.meta.events.unregister("before-send.dynamodb.UpdateItem", lost)
        table.items.put_new({**mine, "who": "somebody else"})
        raise ReadTimeoutError(endpoint_url="https://dynamodb")

    client.meta.events.register_first("before-send.dynamodb.UpdateItem", lost)
    with pytest.raises(ConflictError):
        table.items.put_new(mine)


def test_a_decision_counts_once_and_is_its_makers(table: IssueTable, lose: Lose) -> None:
    lose("UpdateItem")
    decided = asked(DecisionKind.NOT_MINE, owner="jane@example.com")
    outcome = Decisions(table, lambda: NOW).carry_out(ACCOUNT, GROUP, decided, LIMITS)
    assert outcome is not None
    assert not outcome.repeated
    assert [str(decision.kind) for decision in now_in(table).decided.decisions] == ["not-mine"]


def test_who_restores_a_group_records_that_it_is_over(table: IssueTable, lose: Lose) -> None:
    decisions = Decisions(table, lambda: NOW)
    journal = {"kind": "remediation", "backup": "key", "started": "2026-11-21T03:00:00+00:00", "step": "done"}
    table.update(now_in(table), {"remediation_details": {"journal": journal}})
    request = pressed_restore(now_in(table), "U1", NOW)
    assert decisions.carry_out(ACCOUNT, GROUP, request, LIMITS) is not None
    lose("UpdateItem")
    outcome = decisions.finish_restore(now_in(table), "")
    assert outcome is not None
    assert outcome.decision.is_done


def test_who_ends_an_exemption_is_told_that_it_is_ended(table: IssueTable, lose: Lose) -> None:
    record = an_exemption(table)
    lose("TransactWriteItems")
    outcome = Decisions(table, lambda: NOW).end_exemption(record, JANE)
    assert outcome is not None
    assert outcome.decision.kind is DecisionKind.END


def test_who_ends_an_exemption_whose_issue_is_gone_is_told_that_it_is_ended(
    table: IssueTable, client: Any, lose: Lose
) -> None:
    record = an_exemption(table)
    client.delete_item(TableName="issues", Key={"account_id": {"S": ACCOUNT}, "issue_id": {"S": GROUP}})
    lose("UpdateItem")
    decisions = Decisions(table, lambda: NOW)
    assert decisions.end_without_issue(record, JANE)
    assert not decisions.end_without_issue(record, JANE)


def test_a_lock_is_held_and_let_go(table: IssueTable, client: Any, lose: Lose) -> None:
    lock = Lock(client, "issues", ACCOUNT, JANE, lambda: NOW)
    for step in (lock.acquire, lock.renew, lock.release):
        lose("UpdateItem")
        step()
    assert lock.read().holder == ""
