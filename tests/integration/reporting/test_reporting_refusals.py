"""One issue that JIRA or Slack refuses keeps no other from being reported, and is named."""

from __future__ import annotations

import json

import pytest

from library.network.ports import PortSet
from library.security_groups.exposure import Exposure
from tests.standins.jira import User
from tests.standins.server import Answer, Fault, Request
from tests.worlds.reporting_world import RDP, SSH, World, reporting_world

pytestmark = pytest.mark.usefixtures("table_in_memory")

UNTRUSTED = {
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


@pytest.mark.parametrize("name", UNTRUSTED.values(), ids=UNTRUSTED)
def test_many_groups_with_untrusted_names_are_reported(name: str) -> None:
    with reporting_world() as world:
        slack_alone(world)
        for number in range(40):
            world.found(f"sg-{number}", name=name)
        assert world.report().problems == []
        assert len(reported(world)) == 40
        assert world.report().notified == {}


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
        reason = (
            f"#hammer, which slack.default_channel names, was not told of 123456789012/sg-7: Slack answered {answer}"
        )
        if owner:  # the default channel was asked for that one issue alone
            reason = f"#hammer, which slack.default_channel names, was not told: Slack answered {answer}"
            assert summary.notes == [
                f"#team was not told of 123456789012/sg-7: Slack answered {answer}; #hammer is told instead"
            ]
        assert summary.problems == [reason]
        assert reported(world) == set(world.groups) - {"sg-7"}
        world.slack.refuses = {}
        assert world.report().notified == {"new": 1}
        assert reported(world) == set(world.groups)


def test_what_slack_refuses_in_blocks_is_sent_as_plain_text() -> None:
    with reporting_world() as world:
        slack_alone(world)
        world.slack.most_characters = 100
        world.found("sg-1", name="evil")
        world.found("sg-2")
        assert world.report().problems == []
        assert [message.text for message in world.slack.messages] == [
            f'Security groups: sg-{number} "{name}", master (123456789012), eu-west-1: SSH (tcp/22) open to the '
            "whole Internet; Hammer will replace this rule on 2026-12-13 03:00 UTC or soon after"
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


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer({"ok": False, "error": code}), id=code)
        for code in ("team_access_not_granted", "restricted_action_thread_only_channel", "is_archived", "New code: 7!")
    ]
    + [pytest.param(Answer({"ok": False, "error": None}), id="no code"), pytest.param(Answer("no", 403), id="403")],
)
def test_a_channel_that_refuses_every_message_silences_nobody(answer: Answer) -> None:
    with reporting_world() as world:
        slack_alone(world)
        world.slack.channels |= {"#grid", "#other"}
        for number in range(45):
            world.found(f"sg-{number}", tags={"owner": "#grid"})
        world.found("sg-other", tags={"owner": "#other"})
        asked: list[str] = []

        def of_grid(request: Request) -> Answer | None:
            if (request.body or {}).get("channel") != "#grid":
                return None
            asked.append(request.path)
            return answer

        world.slack.instead = of_grid
        summary = world.report()
        assert summary.problems == []
        assert len(summary.notes) == 1
        assert len(asked) <= 6
        assert "sg-other" in world.slack.to("#other")[0].shown
        notified = json.dumps(
            [[message.shown, *(r.shown for r in message.replies)] for message in world.slack.to("#hammer")]
        )
        assert all(f"sg-{number} " in notified for number in range(45))
        assert "(meant for #grid)" in notified
        assert reported(world) == set(world.groups)
        assert world.report().notified == {}


@pytest.mark.parametrize("code", ["token_revoked", "account_inactive", "invalid_auth", "missing_scope"])
def test_a_login_that_slack_refuses_is_said_once_and_costs_one_request(code: str) -> None:
    with reporting_world() as world:
        slack_alone(world)
        for number in range(9):
            world.found(f"sg-{number}", tags={"owner": f"#owner-{number}"})
        world.slack.faults.append(Fault("POST /chat.postMessage", Answer({"ok": False, "error": code}), times=99))
        [problem] = world.report().problems
        assert problem.endswith(
            f"and 4 more were not told: Slack refused the login ({code}): check the secret 'hammer/slack'"
        )
        assert len(world.slack.requests) == 1
        assert reported(world) == set()


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


def jira_alone(world: World) -> None:
    world.sections["slack"] = {"enabled": False}


NOT_TAKEN = {
    "of the text": Answer({"errors": {"description": "Incorrect string value."}}, 400),
    "of the title": Answer({"errors": {"summary": "The summary is invalid."}}, 400),
    "in general": Answer({"errorMessages": ["Bad request"]}, 400),
    "too large": Answer("<html>too large</html>", 413),
}


@pytest.mark.parametrize("name", UNTRUSTED.values(), ids=UNTRUSTED)
def test_every_ticket_is_within_jiras_limits(name: str) -> None:
    with reporting_world() as world:
        jira_alone(world)
        world.jira.text_limit = 5000
        world.sections["jira"] = {"text_field_character_limit": 5000}
        world.found("sg-1", *(SSH._replace(cidr=f"8.8.{n}.0/24", status="open_partly") for n in range(90)), name=name)
        summary = world.report()
        assert (summary.problems, summary.notes) == ([], [])
        assert reported(world) == {"sg-1"}


@pytest.mark.parametrize("answer", NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_what_jira_refuses_to_store_is_filed_as_plain_text(answer: Answer) -> None:
    with reporting_world() as world:
        jira_alone(world)
        world.found("sg-1", name="web \U0001f525")
        world.found("sg-2")
        world.jira.refuses = {"\U0001f525": answer}
        summary = world.report()
        assert summary.problems == []
        [note] = summary.notes
        assert note.startswith(
            "sg-1 in 123456789012, eu-west-1: a short plain text was written, because JIRA answered 4"
        )
        assert reported(world) == {"sg-1", "sg-2"}
        assert 'sg-1 "web ?" in' in world.jira.tickets["SEC-1"].fields["description"]
        assert len(world.jira.tickets["SEC-1"].fields["description"]) <= 1500
        assert world.report().notified == {}


def test_a_limit_that_is_lower_than_configured() -> None:
    with reporting_world() as world:
        jira_alone(world)
        world.jira.text_limit = 2000
        world.found("sg-1", SSH, RDP)
        assert world.report().problems == []
        world.found("sg-1", *(SSH._replace(cidr=f"8.8.{n}.0/24", status="open_partly") for n in range(90)))
        assert world.report().problems == []
        assert [len(comment) <= 1500 for comment in world.jira.tickets["SEC-1"].comments] == [True]


def test_what_makes_jira_fail_is_plain_in_the_next_run_and_keeps_no_other_from_being_filed() -> None:
    with reporting_world() as world:
        jira_alone(world)
        for number in range(6):
            world.found(f"sg-{number}", name="web \U0001f525" if number < 4 else "web")
        world.jira.refuses = {"\U0001f525": Answer("<html>Incorrect string value</html>", 500)}
        assert len(world.report().problems) == 4
        assert reported(world) == {"sg-4", "sg-5"}
        world.passes(hours=1)
        assert world.report().problems == []
        assert reported(world) == {"sg-0", "sg-1", "sg-2", "sg-3"}
        assert len(world.jira.tickets) == 6


def test_an_owner_at_whom_jira_fails_is_not_looked_up() -> None:
    with reporting_world() as world:
        jira_alone(world)
        world.ticket_owners["jira_owner"] = "Security Team"
        world.jira.users.append(User("x", "evil"))
        world.found(tags={"owner": "evil"})
        world.jira.refuses = {'"query": "evil"': Answer({"errorMessages": ["no"]}, 400)}
        assert world.report().problems == []
        fields = world.jira.tickets["SEC-1"].fields
        assert fields["assignee"] == {"accountId": world.jira.users[1].user_id}
        assert 'The owner tag names "evil", whom JIRA could not look up.' in fields["description"]


def test_the_fields_of_a_ticket_by_configuration() -> None:
    with reporting_world() as world:
        world.sections = {
            "slack": {"enabled": False},
            "jira": {
                "priority": "Low",
                "priorities": {"high": "Highest"},
                "due_date": True,
                "components": "Network, Cloud",
                "security_level": "Internal",
                "fields": {"customfield_10010": {"value": "Security"}},
            },
        }
        world.jira.required = {"customfield_10010"}
        world.found("sg-1")
        world.found("sg-2", RDP)
        summary = world.report()
        assert (summary.problems, summary.notes) == ([], [])
        first, second = (ticket.fields for ticket in world.jira.tickets.values())
        assert {
            name: first[name] for name in ("priority", "duedate", "components", "security", "customfield_10010")
        } == {
            "priority": {"name": "Highest"},
            "duedate": "2026-12-13",
            "components": [{"name": "Network"}, {"name": "Cloud"}],
            "security": {"name": "Internal"},
            "customfield_10010": {"value": "Security"},
        }
        assert second["priority"] == {"name": "Low"}
        assert "duedate" not in second  # Hammer does not close it


def test_a_mandatory_field_is_named_and_other_projects_get_their_tickets() -> None:
    with reporting_world() as world:
        jira_alone(world)
        world.jira.required = {"customfield_10010"}
        world.found("sg-1")
        assert world.report().problems == [
            "sg-1 in 123456789012, eu-west-1: new: JIRA answered 400: customfield_10010 is required.: set "
            "customfield_10010 in jira.fields, or let the project do without"
        ]


def test_a_field_that_the_screen_lacks_is_left_out_and_named() -> None:
    with reporting_world() as world:
        jira_alone(world)
        world.sections["jira"] = {"due_date": True, "fields": {"customfield_7": "x"}}
        world.jira.absent = {"duedate", "customfield_7"}
        world.found("sg-1")
        summary = world.report()
        assert summary.problems == []
        assert sorted(note.partition(":")[0] for note in summary.notes) == [
            "SEC-1 has no customfield_7",
            "SEC-1 has no duedate",
        ]
