"""Many issues: few messages, and nothing at all when nothing changed."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.client import BaseClient
from moto.dynamodb.models import dynamodb_backends

from library.aws.conditional_writes import serialized
from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from reporting.plan import state_as_notified
from tests.worlds.reporting_world import MAIN, REGION, SSH, START, World, reporting_world


def put_issues(world: World, count: int, status: Status, *, notified: bool, owners: int = 1) -> None:
    """Issues, straight into the emulator's table."""
    table = dynamodb_backends[MAIN][REGION].get_table("issues")
    for number in range(count):
        tags = {"owner": f"#owner-{number % owners}"}
        details = IssueDetails(f"web-{number}", REGION, "vpc-1", "open_completely", tags, (SSH,))
        times = Timestamps(START, START, START if notified else None)
        issue = Issue(MAIN, f"sg-{status}-{number}", status, details, times)
        item = issue.to_item()
        if notified:
            memory = state_as_notified(issue, closed=False)
            item |= {
                "jira_details": {**memory, "ticket": f"SEC-{number}", "told": []},
                "slack_details": {**memory, "destinations": ["#hammer"]},
            }
        table.put_item(serialized(item))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Every call of AWS."""
    made: list[tuple[str, dict[str, Any]]] = []
    inner = BaseClient._make_api_call  # type: ignore[attr-defined]

    def outer(self: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        made.append((operation, arguments))
        return inner(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", outer)
    return made


def test_2000_open_issues_of_which_none_changed(calls: list[tuple[str, dict[str, Any]]]) -> None:
    with reporting_world() as world:
        world.sections["secgrp_unrestricted_access"] = {"accounts": [MAIN]}
        put_issues(world, 2000, Status.OPEN, notified=True)
        put_issues(world, 50, Status.CLOSED, notified=True)
        calls.clear()
        summary = world.report()
        assert (summary.notified, summary.unchanged) == ({}, 2000)
        assert world.jira.requests == world.slack.requests == []
        assert {operation for operation, _ in calls} == {"Query"}
        # Beside them one query for each account, for the exemptions that people decided.
        queries = [arguments for _, arguments in calls if "IndexName" in arguments]
        assert len(calls) - len(queries) == len(world.configuration().scanned_accounts())
        assert {arguments["IndexName"] for arguments in queries} == {"by_status"}
        # What is not closed: "closed" is the first status in the order of the index, and what is before it is none.
        assert {arguments["KeyConditionExpression"] for arguments in queries} == {
            "account_id = :account AND #status > :value",
            "account_id = :account AND #status < :value",
        }
        read = [arguments["ExpressionAttributeValues"][":value"]["S"] for arguments in queries]
        assert set(read) == {"closed"}
        # A page holds 1 MB; each is asked for once.
        pages = {(each["KeyConditionExpression"], str(each.get("ExclusiveStartKey"))) for each in queries}
        assert len(pages) == len(queries) > 2


def test_210_new_issues_of_20_owners(calls: list[tuple[str, dict[str, Any]]]) -> None:
    with reporting_world() as world:
        world.slack.channels = {f"#owner-{number}" for number in range(20)}
        put_issues(world, 210, Status.OPEN, notified=False, owners=20)
        calls.clear()
        summary = world.report()
        assert (summary.notified, summary.problems) == ({"new": 210}, [])
        assert len(world.jira.tickets) == 210
        assert len(world.slack.messages) == 20
        notified = [
            line.removeprefix("• ").partition(" ")[0]
            for message in world.slack.messages
            for shown in (message, *message.replies)
            for line in shown.shown.splitlines()
            if line.removeprefix("• ").startswith("sg-")
        ]
        assert set(notified) == {f"sg-open-{number}" for number in range(210)}
        # One sweep for who uses the groups: filters hold 200 ids.
        assert [operation for operation, _ in calls].count("DescribeNetworkInterfaces") == 2
        calls.clear()
        assert world.report().notified == {}
        assert {operation for operation, _ in calls} == {"Query"}


def test_each_of_many_accounts_costs_three_queries(calls: list[tuple[str, dict[str, Any]]]) -> None:
    with reporting_world() as world:
        accounts = {f"{number:012}": f"a{number}" for number in range(1, 41)}
        world.more_accounts = accounts
        world.found("sg-1", account_id="000000000007")
        world.found("sg-2", account_id="000000000031")
        world.report()
        calls.clear()
        assert world.report().unchanged == 2
        assert [operation for operation, _ in calls] == ["Query"] * 3 * (40 + 2)
