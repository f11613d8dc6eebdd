"""Immediate mode in the reporting job: what JIRA and Slack are told, and when the notice stands in the table."""

from __future__ import annotations

from dataclasses import replace

from library.issues.reachability import Reachability, Sources, Verdict
from library.issues.schedule import has_notice
from tests.standins.server import Answer, Fault
from tests.worlds.reporting_world import World, reporting_world

CRITICAL = Reachability.of(Verdict.INTERNET, Sources.ALL, "open_completely")
AT_ONCE = "Unless it is fixed or exempt by then, Hammer will replace this rule at its next run."
LATER = "Hammer does not change security group sg-1 at its next run any more."


def configure(world: World, *severities: str) -> None:
    world.sections["secgrp_unrestricted_access"] = {"remediation_immediate": {"*": list(severities)}}


def found_critical(world: World) -> None:
    issue = world.found()
    world.table.update(issue, {"issue_details": replace(issue.details, reachability=CRITICAL).to_item()})


def comments(world: World) -> list[str]:
    [ticket] = world.jira.tickets.values()
    return [str(comment) for comment in ticket.comments]


def test_from_a_date_to_the_next_run_and_back() -> None:
    with reporting_world() as world:
        found_critical(world)
        world.report()
        assert world.issue().closing_notice is None
        configure(world, "critical")
        world.passes(hours=1)
        assert world.report().notified == {"to be closed sooner or later than was told": 1}
        assert AT_ONCE in comments(world)[0]
        assert "Hammer will replace this rule at its next run" in world.slack.messages[-1].shown
        assert has_notice(world.issue())
        reported = world.issue().timestamps.reported
        assert world.report().notified == {}
        # The mode is switched off, and Slack is away: nobody may be closed who was told a date by one channel.
        configure(world)
        world.slack.faults.append(Fault("POST /chat.postMessage", Answer("", 500), times=9))
        world.report()
        assert LATER in comments(world)[1]
        assert not has_notice(world.issue())
        configure(world, "critical")
        world.slack.faults.clear()
        world.report()
        assert AT_ONCE in comments(world)[2]
        assert has_notice(world.issue())
        assert world.issue().timestamps.reported == reported


def test_a_date_that_may_have_been_told_is_taken_back() -> None:
    """JIRA's answer to the comment is lost, and the mode is switched off before the next run."""
    with reporting_world() as world:
        found_critical(world)
        world.report()
        configure(world, "critical")
        world.jira.faults.append(Fault("POST /comment", Answer("<html>", 502), done=True))
        world.report()
        assert AT_ONCE in comments(world)[0]
        assert not has_notice(world.issue())
        configure(world)
        world.passes(hours=1)
        world.report()
        assert len(comments(world)) == 2
        assert LATER in comments(world)[1]
        assert world.report().notified == {}


def test_a_ticket_that_was_filed_with_a_date_hears_that_its_group_is_changed_at_once() -> None:
    """JIRA's answer to the ticket is lost, and the mode is switched on before the next run."""
    with reporting_world() as world:
        world.jira.slow_index = False
        found_critical(world)
        world.jira.faults.append(Fault("POST /issue", done=True))
        assert len(world.report().problems) == 1
        configure(world, "critical")
        world.passes(hours=1)
        assert world.report().problems == []
        [comment] = comments(world)
        assert "Hammer will replace this rule in its next run." in comment
        assert has_notice(world.issue())
        assert world.report().notified == {}
