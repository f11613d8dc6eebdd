"""Flow logs are read after the ticket was filed: JIRA and Slack are told, once each, whatever fails on the way."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from library.issues.use import Use, UseVerdict
from library.notifications.jira_client import JiraClient
from tests.standins.server import Answer, Fault
from tests.unit.issues.test_use import use
from tests.worlds.reporting_world import RDP, SSH, World, reporting_world

SAID = "Flow logs show by now who uses what is open in security group sg-1."


def read(world: World, seen: Use) -> None:
    world.table.update(world.issue(), {"use": seen.to_item()})


def comments(world: World) -> list[str]:
    [ticket] = world.jira.tickets.values()
    return [str(comment) for comment in ticket.comments]


def delivered_to(world: World) -> int:
    return sum("Who works through it" in message.shown for message in world.slack.messages)


def test_who_works_is_told_once_when_it_is_known_and_again_only_when_more_is() -> None:
    with reporting_world() as world:
        world.found()
        world.report()
        reported = world.issue().timestamps.reported
        read(world, use(UseVerdict.UNKNOWN, rules=(), reason="No flow log covers eni-1"))
        assert world.report().notified == {}
        read(world, use(UseVerdict.NONE, rules=()))
        assert world.report().notified == {"flow logs show its use": 1}
        assert "no source was seen" in comments(world)[0]
        assert world.report().notified == {}
        read(world, use())
        assert world.report().notified == {"flow logs show its use": 1}
        assert [SAID in comment for comment in comments(world)] == [True, True]
        assert "9.9.9.7 worked through tcp/22" in comments(world)[1]
        assert delivered_to(world) == 2
        world.passes(hours=1)
        read(world, use(UseVerdict.TALKED))
        assert world.report().notified == {}
        assert world.issue().timestamps.reported == reported


def test_a_ticket_that_is_filed_with_it_gets_no_comment() -> None:
    with reporting_world() as world:
        world.found()
        read(world, use())
        world.report()
        [ticket] = world.jira.tickets.values()
        assert "2 sources worked" in str(ticket.fields["description"])
        assert world.report().notified == {}
        assert (comments(world), delivered_to(world)) == ([], 0)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("POST /comment", Answer("", 502), times=9), id="JIRA"),
        pytest.param(Fault("POST /comment", done=True), id="JIRA wrote it and its answer was lost"),
        pytest.param(Fault("POST /chat.postMessage", Answer("", 500), times=9), id="Slack"),
    ],
)
def test_a_channel_that_is_away_is_told_later_and_the_other_not_twice(fault: Fault) -> None:
    with reporting_world() as world:
        world.found()
        world.report()
        read(world, use())
        server = world.jira if "comment" in fault.on else world.slack
        server.faults.append(fault)
        assert world.report().problems or fault.done
        server.faults.clear()
        world.passes(hours=1)
        world.report()
        world.report()
        assert len(comments(world)) == 1
        assert delivered_to(world) == 1


def test_a_watcher_that_could_not_be_set_is_still_set_afterwards() -> None:
    with reporting_world() as world:
        world.found()
        world.report()
        issue = world.issue()
        world.table.update(issue, {"jira_details": {**issue.jira_details, "still": {"link": "SEC-99"}}})
        read(world, use())
        world.report()
        assert world.issue().jira_details["still"] == {"link": "SEC-99"}


@pytest.mark.parametrize("changed", [pytest.param(True, id="a rule is added"), pytest.param(False, id="nothing else")])
def test_a_comment_after_which_the_run_died_is_not_repeated_whatever_is_told_first(changed: bool) -> None:
    with reporting_world() as world:
        world.found()
        world.report()
        read(world, use())
        wrote = JiraClient.comment

        def dies(self: JiraClient, key: str, body: str) -> None:
            wrote(self, key, body)
            raise KeyboardInterrupt

        with patch.object(JiraClient, "comment", dies), pytest.raises(KeyboardInterrupt):
            world.report()
        assert len(comments(world)) == 1
        world.passes(hours=1)
        if changed:
            world.found("sg-1", SSH, RDP)
            world.report()
        world.report()
        world.report()
        assert sum(SAID in comment for comment in comments(world)) == 1
        read(world, use(UseVerdict.NONE, rules=()))
        world.report()
        assert sum(SAID in comment for comment in comments(world)) == 1
