"""What appears in an issue after it was reported has a retention period of its own, from when every channel told it."""

from __future__ import annotations

from datetime import timedelta

from library.config.models import remediation_terms
from library.issues.notified_exposures import exposure_texts
from library.issues.schedule import RemediationSchedule, remediation_schedule
from tests.worlds.reporting_world import MAIN, RDP, SSH, START, World, reporting_world

RETENTION = timedelta(days=21)
SCOPE = {"secgrp_unrestricted_access": {"remediation_scope": ["open_completely", "open_partly"]}}


def schedule(world: World) -> RemediationSchedule:
    terms = remediation_terms(world.configuration(), MAIN)
    return remediation_schedule(world.issue(), terms, world.clock)


def test_a_new_rule_waits_until_both_channels_told_of_it_and_its_own_period_is_over() -> None:
    with reporting_world() as world:
        world.sections |= SCOPE
        world.found("sg-1", SSH)
        world.report()
        reported = world.issue().timestamps.reported
        assert reported is not None
        assert schedule(world).due == reported + RETENTION
        world.passes(days=10)
        world.found("sg-1", SSH, RDP)
        assert [(each.exposure, each.due) for each in schedule(world).waiting] == [(RDP, None)]
        world.slack.refuses = {"#hammer": 500}
        world.report()
        assert [each.due for each in schedule(world).waiting] == [None], "one channel has not told of it"
        assert "retention period of its own" in world.jira.tickets["SEC-1"].comments[-1]
        assert "Hammer will replace it in 21 days" in world.jira.tickets["SEC-1"].comments[-1]
        world.slack.refuses = {}
        world.passes(days=1)
        world.report()
        record = world.issue().notified_exposures
        assert record is not None
        assert record.at_report == exposure_texts([SSH])
        assert schedule(world).due == reported + RETENTION
        (waiting,) = schedule(world).waiting
        assert waiting.due is not None
        assert timedelta() <= waiting.due - RETENTION - (START + timedelta(days=11)) < timedelta(hours=1)
        assert world.report().notified == {}


def test_the_owner_is_warned_before_a_partial_exemption_ends() -> None:
    with reporting_world() as world:
        world.sections |= {"secgrp_unrestricted_access": {"remediation": False}}
        world.found("sg-1", SSH)
        world.exemptions = [{"group": "sg-1", "ports": ["tcp/3389"], "expires": "2026-12-10", "reason": "a partner"}]
        world.report()
        ticket = world.jira.tickets["SEC-1"]
        for days in (4, 11):  # 14 and 3 days before
            world.passes(days=days)
            comments = len(ticket.comments)
            assert world.report().notified == {"exemption ends": 1}
            assert len(ticket.comments) == comments + 1
            assert "An exemption of a part of security group sg-1 ends on 2026-12-10." in ticket.comments[-1]
            assert "An exemption of a part" in str(world.slack.messages[-1])
            assert ticket.status == "To Do"
            assert world.report().notified == {}
