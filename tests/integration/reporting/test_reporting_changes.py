"""The reporting job delivers what remediation recorded, also where the table does not do as it should."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from library.aws.issue_table import IssueTable
from library.issues.change_notifications import REMEDIATED, new_notification, record_paths
from library.issues.issue import Issue, Status
from tests.standins.server import Answer
from tests.worlds.reporting_world import World, reporting_world

pytestmark = pytest.mark.usefixtures("table_in_memory")


def changed_by_remediation(world: World) -> None:
    world.found()
    world.report()
    issue = world.issue()
    notification = new_notification(issue.occurrence, world.clock, REMEDIATED, "Hammer replaced a rule.", [])
    sets, removes = record_paths((), notification)
    world.table.update(issue, sets, removes=removes)
    world.fixed()


@pytest.mark.parametrize("failing", [0, 1, 2, 3, 4])
def test_a_table_that_fails_once_keeps_no_other_issue_untold(failing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with reporting_world() as world:
        changed_by_remediation(world)
        world.found("sg-2")
        get, calls = IssueTable.get, 0

        def failing_once(table: IssueTable, account_id: str, group_id: str) -> Issue | None:
            nonlocal calls
            calls += 1
            if calls == failing + 1:
                raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "GetItem")
            return get(table, account_id, group_id)

        monkeypatch.setattr(IssueTable, "get", failing_once)
        world.report()
        monkeypatch.undo()
        assert len(world.jira.tickets) == 2
        world.passes(hours=1)
        assert world.report().problems == []
        said = [comment for comment in world.jira.tickets["SEC-1"].comments if "Hammer replaced a rule." in comment]
        assert len(said) == 1
        assert sum("Hammer replaced a rule." in message.shown for message in world.slack.messages) == 1
        assert world.issue("sg-1").status is Status.CLOSED
        assert world.jira.tickets["SEC-1"].status == "Done"


def test_what_jira_refuses_of_a_change_is_told_short_and_plain() -> None:
    with reporting_world() as world:
        world.found()
        world.report()
        issue = world.issue()
        text, details = "Hammer replaced a rule (\U0001f525).", [f"Revoked: tcp/{port}" for port in range(500)]
        notification = new_notification(issue.occurrence, world.clock, REMEDIATED, text, details)
        sets, removes = record_paths((), notification)
        world.table.update(issue, sets, removes=removes)
        world.jira.refuses = {"\U0001f525": Answer({"errorMessages": ["Incorrect string value"]}, 400)}
        assert world.report().problems == []
        (comment,) = world.jira.tickets["SEC-1"].comments
        assert "Hammer replaced a rule" in comment
        assert comment.endswith(f"\n\nReference: {notification.key}\n")
        assert len(comment) <= 1500
        assert world.report().notified == {}
        assert len(world.jira.tickets["SEC-1"].comments) == 1
