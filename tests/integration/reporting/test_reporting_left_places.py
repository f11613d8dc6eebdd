"""Accounts and regions that left the configuration: their issues end with a word to their owners."""

from __future__ import annotations

from library.issues.issue import Status
from tests.worlds.reporting_world import MEMBER, World, reporting_world


def without_member(world: World) -> None:
    world.sections["secgrp_unrestricted_access"] = {"accounts": ["123456789012"]}


def test_an_issue_of_an_account_that_left_ends_with_a_word_to_its_owner() -> None:
    with reporting_world() as world:
        world.found("sg-1", account_id=MEMBER)
        world.report()
        without_member(world)
        assert world.report(left=[MEMBER]).notified == {"not watched any more": 1}
        ticket = world.jira.tickets["SEC-1"]
        assert ticket.status == "Done"
        assert "not watched by Hammer any more" in ticket.comments[-1]
        assert "Not watched any more" in str(world.slack.messages[-1])
        ended = world.issue("sg-1", MEMBER)
        assert (ended.status, ended.timestamps.resolved) == (Status.CLOSED, None)
        assert world.report(left=[MEMBER]).notified == {}
        world.sections = {}
        world.found("sg-1", account_id=MEMBER)
        assert world.report().notified == {"found again": 1}


def test_an_issue_that_nobody_was_told_of_ends_quietly() -> None:
    with reporting_world() as world:
        world.found("sg-1", account_id=MEMBER)
        without_member(world)
        assert world.report(left=[MEMBER]).notified == {}
        assert not world.jira.tickets
        assert world.issue("sg-1", MEMBER).status is Status.CLOSED


def test_a_region_that_left() -> None:
    with reporting_world() as world:
        world.found("sg-1")
        world.report()
        world.aws_sections["regions"] = ["us-east-1"]
        assert world.report().notified == {"not watched any more": 1}
        assert world.issue("sg-1").status is Status.CLOSED
