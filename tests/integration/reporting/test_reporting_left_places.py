"""Accounts and regions that left the configuration: their issues end with a word to their owners."""

from __future__ import annotations

import pytest

from library.aws.decision_store import Decisions
from library.config.models import limits_of
from library.issues.decision_record import DecisionKind, Via
from library.issues.decision_rules import Request, Rights, seen_now
from library.issues.issue import Status
from tests.standins.server import Answer, Fault
from tests.worlds.reporting_world import MAIN, MEMBER, World, reporting_world


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


@pytest.mark.parametrize("has_ticket", [False, True])
def test_a_decision_that_no_ticket_takes_keeps_no_issue_of_a_region_that_left(*, has_ticket: bool) -> None:
    """The ticket was never filed, or takes no comment: nobody files another one where nothing is scanned any more."""
    with reporting_world() as world:
        world.ticket_owners = {"jira_project": "SEC"} if has_ticket else {}
        world.found("sg-1")
        world.report()
        world.jira.faults.append(Fault("POST /comment", Answer({"errorMessages": ["No."]}, 400), times=99))
        issue, rights = world.issue("sg-1"), Rights(decides=True)
        kind, by, seen = DecisionKind.CLOSE_NOW, "U0JANE00001", seen_now(issue)
        request = Request(kind, by, Via.SLACK, world.clock, seen, rights, key="1")
        limits = limits_of(world.configuration(), MAIN)
        assert Decisions(world.table, lambda: world.clock).carry_out(MAIN, "sg-1", request, limits)
        world.aws_sections["regions"] = ["us-east-1"]
        for _ in range(2):
            world.passes(hours=1)
            world.report()
        assert world.issue("sg-1").status is Status.CLOSED
