"""One issue that JIRA or Slack refuses keeps no other from being reported, and is named."""

from __future__ import annotations

import pytest

from library.network.ports import PortSet
from library.security_groups.exposure import Exposure
from tests.standins.server import Answer, Fault
from tests.worlds.reporting_world import World, reporting_world

HOSTILE = {
    "letters": "x" * 255,
    "flames": "\U0001f525" * 255,
    "mentions": "<!channel>" * 25,
    "controls": "\x1b" * 255,
    "umlauts": "ä" * 255,
}


def slack_alone(world: World) -> None:
    world.sections["jira"] = {"enabled": False}


def reported(world: World) -> set[str]:
    return {group for group in world.groups if world.issue(group).timestamps.reported == world.clock}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_many_groups_with_hostile_names_are_reported(name: str) -> None:
    with reporting_world() as world:
        slack_alone(world)
        for number in range(40):
            world.found(f"sg-{number}", name=name)
        assert world.report().problems == []
        assert len(reported(world)) == 40
        assert world.report().told == {}


def test_groups_that_expose_sixty_restricted_ports_are_reported() -> None:
    with reporting_world() as world:
        slack_alone(world)
        ports = [*range(1000, 1120, 2)]
        world.sections["secgrp_unrestricted_access"] = {"restricted_ports": ports}
        rules = [Exposure("tcp", port, port, f"8.8.{port - 1000}.0/24", "open_partly") for port in ports]
        assert len(PortSet.parse(ports).protocol("tcp").spans) == 60
        for number in range(20):
            world.found(f"sg-{number}", *rules)
        assert world.report().problems == []
        assert len(reported(world)) == 20


@pytest.mark.parametrize("answer", ["msg_blocks_too_long", "invalid_blocks", "msg_too_long", "some_new_code", 403, 413])
@pytest.mark.parametrize("owner", [{}, {"owner": "#team"}], ids=["the default channel", "an owner's channel"])
def test_an_issue_that_slack_refuses_keeps_no_other_from_being_reported(
    answer: str | int, owner: dict[str, str]
) -> None:
    with reporting_world() as world:
        slack_alone(world)
        world.slack.channels.add("#team")
        for number in range(25):
            world.found(f"sg-{number}", name="evil" if number == 7 else "web", tags=owner)
        world.slack.refuses = {"sg-7 ": answer}
        summary = world.report()
        why = f"#hammer, which slack.default_channel names, was not told of 123456789012/sg-7: Slack answered {answer}"
        if owner:  # the default channel was asked for that one issue alone
            why = f"#hammer, which slack.default_channel names, was not told: Slack answered {answer}"
            assert summary.notes == [
                f"#team was not told of 123456789012/sg-7: Slack answered {answer}; #hammer is told instead"
            ]
        assert summary.problems == [why]
        assert reported(world) == set(world.groups) - {"sg-7"}
        world.slack.refuses = {}
        assert world.report().told == {"new": 1}
        assert reported(world) == set(world.groups)


def test_what_slack_refuses_in_blocks_is_sent_as_plain_text() -> None:
    with reporting_world() as world:
        slack_alone(world)
        world.slack.most_characters = 100
        world.found("sg-1", name="evil")
        world.found("sg-2")
        assert world.report().problems == []
        assert [message.text for message in world.slack.messages] == [
            f'Security groups that the Internet reaches: sg-{number} "{name}", master, eu-west-1: the whole Internet '
            "can reach tcp 22 (SSH)"
            for number, name in ((1, "evil"), (2, "web"))
        ]
        assert reported(world) == {"sg-1", "sg-2"}


def test_a_smaller_limit_than_ever_seen_makes_more_messages() -> None:
    with reporting_world() as world:
        slack_alone(world)
        world.slack.most_characters = 1000
        for number in range(12):
            world.found(f"sg-{number}")
        assert world.report().problems == []
        assert len(reported(world)) == 12
        assert all(message.blocks for message in world.slack.messages)


def test_a_server_error_at_one_message_keeps_no_other_from_being_sent() -> None:
    with reporting_world() as world:
        slack_alone(world)
        for number in range(6):
            world.found(f"sg-{number}")
        world.slack.refuses = {"sg-3 ": 500}
        assert world.report().problems == [
            "#hammer, which slack.default_channel names, was not told of 123456789012/sg-3: Slack answered 500"
        ]
        assert reported(world) == set(world.groups) - {"sg-3"}


def test_an_owner_whom_slack_cannot_look_up_for_a_reason_of_its_own_is_told_through_the_default_channel() -> None:
    with reporting_world() as world:
        slack_alone(world)
        world.found(tags={"owner": "evil@example.com"})
        world.slack.faults.append(
            Fault("POST /users.lookupByEmail", Answer({"ok": False, "error": "invalid_email"}), times=9)
        )
        summary = world.report()
        assert summary.problems == []
        assert [message.channel for message in world.slack.messages] == ["#hammer"]
        assert reported(world) == {"sg-1"}
