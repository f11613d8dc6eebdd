"""Who may write what in the issue table, by the deployed policies: the functions parse what others wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from library.aws.conditional_writes import Items
from library.aws.issue_table import IssueTable
from library.aws.lock import REPORTING_LOCK_ID, Lock
from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from library.issues.reconcile import Change, Event
from tests.deployment.iam import actions_of, call_of, calls_of, is_allowed
from tests.permission_recorder import ACCOUNT, REGION, policy

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
FUNCTIONS, HOST = [policy("identification-in-main")], [policy("host-in-main")]
FILTER = [policy("filter-in-main")]
ISSUE = Issue(
    ACCOUNT, "sg-1", Status.OPEN, IssueDetails("web", REGION, "vpc-1", "open_partly", {}, ()), Timestamps(NOW)
)


class Writes:
    """A client of DynamoDB that writes down what it is asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.meta = SimpleNamespace(events=SimpleNamespace(register=lambda *_, **__: None))

    def update_item(self, **params: Any) -> dict[str, Any]:
        self.calls.append(("UpdateItem", params))
        return {}

    def allowed(self, policies: list[Any]) -> list[bool]:
        """Whether each of the calls is."""
        return [is_allowed(call_of("dynamodb", name, params, ACCOUNT, REGION), policies) for name, params in self.calls]


@pytest.fixture(name="writes")
def _writes() -> Writes:
    return Writes()


@pytest.mark.parametrize(
    "sets",
    [
        pytest.param({"remediation_details": {}}, id="the journal, in its own item as well"),
        pytest.param({"remediation_details.restored": None}, id="the flag of a restore"),
        pytest.param({"slack_details": {}}, id="what Slack was told"),
        pytest.param({"closing_notice": {}}, id="that owners were warned"),
        pytest.param({"unfinished": {"a/b/c"}}, id="the groups that a run left"),
        pytest.param({"lock_token": "mine"}, id="the lock"),
        pytest.param({"status": "open", "lease_ends": 1}, id="the lease, among other things"),
        pytest.param({"job": "remediate"}, id="the record of a run"),
        pytest.param({"decisions": []}, id="what people decided"),
        pytest.param({"until": "2026-12-01", "exposures": []}, id="an exemption"),
    ],
)
def test_what_functions_may_not_write_and_the_host_may(writes: Writes, sets: Mapping[str, Any]) -> None:
    Items(cast(Any, writes), "issues").update(ACCOUNT, "sg-1", sets)
    assert (writes.allowed(FUNCTIONS), writes.allowed(FILTER), writes.allowed(HOST)) == ([False], [False], [True])


def test_functions_may_not_write_the_journal_s_own_item(writes: Writes) -> None:
    IssueTable(cast(Any, writes), "issues").write_journal(ACCOUNT, "sg-1", {"journal": {}})
    assert (writes.allowed(FUNCTIONS), writes.allowed(HOST)) == ([False], [True])


def test_the_filter_reads_single_items_and_queries_nothing() -> None:
    query = call_of("dynamodb", "Query", {"TableName": "issues"}, ACCOUNT, REGION)
    assert (is_allowed(query, FILTER), is_allowed(query, FUNCTIONS)) == (False, True)


@pytest.mark.parametrize(
    ("operation", "resource", "is_allowed_to"),
    [
        ("AuthorizeSecurityGroupIngress", "security-group-rule", True),
        ("RunInstances", "security-group-rule", False),
        ("AuthorizeSecurityGroupIngress", "instance", False),
    ],
)
def test_remediation_tags_the_rules_that_it_adds_and_nothing_else(
    operation: str, resource: str, is_allowed_to: bool
) -> None:
    params = {"GroupId": "sg-1", "TagSpecifications": [{"ResourceType": resource, "Tags": []}]}
    (*_, tagging) = calls_of("ec2", operation, params, ACCOUNT, REGION)
    assert is_allowed(tagging, [policy("remediation-in-account")]) is is_allowed_to


def test_what_functions_write(writes: Writes) -> None:
    table = IssueTable(cast(Any, writes), "issues")
    again = replace(ISSUE, occurrence=2, remediation_details={"restored": {}}, slack_details={"told": "them"})
    table.write(Change(Event.FOUND, ISSUE, None), seen=NOW)
    table.write(Change(Event.FOUND_AGAIN, again, ISSUE), seen=NOW)
    table.record_seen(ISSUE, NOW)
    table.update(ISSUE, {"looked_up": 1})
    assert writes.allowed(FUNCTIONS) == [True] * 4
    assert writes.calls[0][1]["ConditionExpression"] == "attribute_not_exists(issue_id)"
    assert "jira_details" in writes.calls[0][1]["ExpressionAttributeNames"].values()  # every issue has it


@pytest.mark.parametrize("lock_id", ["", REPORTING_LOCK_ID])
def test_functions_do_not_take_a_lock_or_let_go_of_one(writes: Writes, lock_id: str) -> None:
    more = {"lock_id": lock_id} if lock_id else {}
    lock = Lock(cast(Any, writes), "issues", ACCOUNT, "me", lambda: NOW, **more)
    lock.acquire()
    lock.renew()
    lock.mark_unfinished(ACCOUNT, REGION, "sg-1")
    lock.mark_finished(ACCOUNT, REGION, "sg-1")
    lock.release()
    allowed = writes.allowed(FUNCTIONS)
    # To renew names the token in its condition, and that too is an attribute of the request.
    assert allowed == [False] * 5
    assert all(writes.allowed(HOST))


def test_nobody_may_write_or_delete_a_whole_item() -> None:
    """PutItem takes the attributes away that it does not name, whatever a condition says of those that it does."""
    for policies, more in ((FUNCTIONS, {"dynamodb:ConditionCheckItem"}), (HOST, set[str]())):
        written = {action for action in actions_of(policies) if action.startswith("dynamodb:")}
        assert written == more | {f"dynamodb:{name}" for name in ("BatchGetItem", "GetItem", "Query", "UpdateItem")}


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("security_groups/123456789012/eu-west-1/sg-1_20261122T030000.000000Z.json", id="a backup"),
        pytest.param("closing/123456789012/eu-west-1/sg-1/20261122T030000.000000Z.json", id="what a change closed"),
    ],
)
def test_functions_may_not_touch_backups(key: str) -> None:
    for operation in ("PutObject", "GetObject"):
        call = call_of("s3", operation, {"Bucket": "b", "Key": key}, ACCOUNT, REGION)
        assert not is_allowed(call, FUNCTIONS)
        assert is_allowed(call, HOST)


@pytest.mark.parametrize(
    "operation",
    ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "ModifySecurityGroupRules", "DeleteSecurityGroup"],
)
def test_whoever_a_forged_message_reaches_changes_no_rule(operation: str) -> None:
    """Topics and queues but that of requests end in the functions, whose roles may describe."""
    call = call_of("ec2", operation, {"GroupId": "sg-1"}, ACCOUNT, REGION)
    roles = ("identification-in-main", "filter-in-main", "initiation-in-main", "identification-in-account")
    assert not any(is_allowed(call, [policy(name)]) for name in roles)
