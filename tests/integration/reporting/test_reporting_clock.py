"""`timestamps.reported`: when people were told, and from when the retention period counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from library.issues.schedule import on_console_only
from tests.standins.server import Answer, Fault
from tests.worlds.reporting_world import RDP, SSH, World, reporting_world

JIRA, SLACK = {"jira": {"enabled": True}}, {"slack": {"enabled": True}}
OFF: dict[str, dict[str, bool]] = {"jira": {"enabled": False}, "slack": {"enabled": False}}


def enabled(world: World, *sections: dict[str, dict[str, bool]]) -> None:
    world.sections |= OFF
    for section in sections:
        world.sections |= section


def promised(world: World) -> list[str]:
    """The dates on which people were promised that Hammer closes the group."""
    texts = [ticket.fields["description"] for ticket in world.jira.tickets.values()]
    texts += [shown.shown for message in world.slack.messages for shown in (message, *message.replies)]
    when = f"{world.clock + timedelta(days=21):%Y-%m-%d %H:%M} UTC"
    assert all(when in text for text in texts if " UTC or soon after" in text)
    return [text for text in texts if when in text]


@pytest.mark.parametrize("channels", [[JIRA], [SLACK], [JIRA, SLACK]], ids=["JIRA", "Slack", "both"])
def test_a_channel_that_is_enabled_later_starts_the_retention_period_anew(
    channels: list[dict[str, dict[str, bool]]],
) -> None:
    with reporting_world() as world:
        enabled(world)
        world.found()
        world.report()
        assert world.issue().timestamps.reported == world.clock
        world.passes(days=22)
        enabled(world, *channels)
        assert world.report().notified == {"new": 1}
        assert world.issue().timestamps.reported == world.clock
        assert promised(world)
        world.passes(hours=1)
        assert world.report().notified == {}
        assert world.issue().timestamps.reported == world.clock - timedelta(hours=1)


def test_a_ticket_hears_of_an_occurrence_that_only_the_console_told() -> None:
    with reporting_world() as world:
        enabled(world, JIRA)
        world.found()
        world.report()
        world.fixed()
        world.report()
        [ticket] = world.jira.tickets.values()
        assert ticket.status == "Done"
        enabled(world)
        world.passes(days=1)
        world.found()
        assert world.report().notified == {"found again": 1}
        assert on_console_only(world.issue())
        world.passes(days=22)
        enabled(world, JIRA)
        assert world.report().notified == {"found again": 1}
        assert ticket.status != "Done"
        assert world.issue().timestamps.reported == world.clock
        assert not on_console_only(world.issue())
        assert world.report().notified == {}


def test_a_second_channel_that_is_enabled_later_starts_it_anew_as_well() -> None:
    with reporting_world() as world:
        enabled(world, JIRA)
        world.found()
        world.report()
        world.passes(days=22)
        enabled(world, JIRA, SLACK)
        world.report()
        assert world.issue().timestamps.reported == world.clock
        assert len(world.jira.tickets) == len(world.slack.messages) == 1


def test_while_one_of_two_channels_is_down_nothing_counts_as_reported() -> None:
    with reporting_world() as world:
        enabled(world)
        world.found()
        world.report()
        world.passes(days=22)
        enabled(world, JIRA, SLACK)
        world.slack.faults.append(Fault("POST /chat.postMessage", Answer("", 500), times=9))
        assert len(world.report().problems) == 1
        assert len(world.jira.tickets) == 1
        assert world.issue().timestamps.reported is None
        world.slack.faults.clear()
        world.passes(hours=1)
        assert world.report().problems == []
        assert world.issue().timestamps.reported == world.clock


def test_what_changes_later_leaves_the_retention_period_as_it_is() -> None:
    with reporting_world() as world:
        world.found()
        world.report()
        first = world.clock
        world.passes(days=5)
        world.found("sg-1", SSH, RDP)
        world.report()
        assert world.issue().timestamps.reported == first


def test_a_channel_that_is_switched_off_and_on_again_does_not_start_it_anew() -> None:
    with reporting_world() as world:
        enabled(world, JIRA)
        world.found()
        world.report()
        first = world.clock
        for sections in ([], [JIRA]):
            world.passes(days=5)
            enabled(world, *sections)
            assert world.report().notified == {}
        assert world.issue().timestamps.reported == first
