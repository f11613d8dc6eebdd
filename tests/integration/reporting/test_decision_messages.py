"""What the reporting run sends where people may decide: buttons, or the command; and that nobody listens."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from library.aws.decision_store import Decisions
from library.aws.records import ListenerRecords
from library.config.models import limits_of
from library.issues.decision_record import DecisionKind, Via
from library.issues.decision_rules import Request, Rights, seen_now
from library.issues.issue import Status
from reporting.decision_run import BUTTONS_A_RUN
from tests.worlds.reporting_world import MAIN, World, reporting_world

ALL = Rights(decides=True, extends=True, restores=True)


@pytest.fixture
def here() -> Iterator[World]:
    with reporting_world() as world:
        world.sections["decisions"] = {"enabled": True}
        world.secrets["HAMMER_SLACK_SECRET"] = json.dumps(world.slack.listener_secret)
        yield world


def decided(here: World, kind: DecisionKind, by: str = "U0JANE00001", **fields: object) -> None:
    """Somebody decides, in another process."""
    issue = here.issue()
    request = Request(kind, by, Via.SLACK, here.clock, seen_now(issue), ALL, key=f"{by}{here.clock}", **fields)  # type: ignore[arg-type]
    outcome = Decisions(here.table, lambda: here.clock).carry_out(
        MAIN, "sg-1", request, limits_of(here.configuration(), MAIN)
    )
    assert outcome is not None
    assert outcome.rejection == ""


def test_a_message_has_the_buttons_that_are_possible(here: World) -> None:
    here.found("sg-1")
    here.report()
    (message,) = here.slack.messages
    assert list(message.buttons) == ["hammer_close_now", "hammer_exempt", "hammer_not_mine"]
    assert all(len(value) < 2000 and "v1|123456789012|eu-west-1|sg-1|1|" in value for value in message.buttons.values())


def test_where_nothing_is_remediated_nothing_is_closed(here: World) -> None:
    here.sections["secgrp_unrestricted_access"] = {"remediation": False}
    here.found("sg-1")
    here.report()
    assert list(here.slack.messages[0].buttons) == ["hammer_exempt", "hammer_not_mine"]


def test_each_issue_has_a_message_of_its_own_up_to_a_limit(here: World) -> None:
    for number in range(BUTTONS_A_RUN + 2):
        here.found(f"sg-{number}")
    here.report()
    with_buttons = here.slack.with_buttons()
    assert len(with_buttons) == BUTTONS_A_RUN
    (listed,) = [message for message in here.slack.messages if not message.buttons]
    assert "2 new" in listed.shown
    assert "hammer decide" in listed.replies[0].shown


@pytest.mark.parametrize("token", [True, False], ids=["app token", "no app token"])
@pytest.mark.parametrize("enabled", [True, False], ids=["decisions", "no decisions"])
def test_without_a_listener_messages_name_the_command(here: World, token: bool, enabled: bool) -> None:
    here.sections["decisions"] = {"enabled": enabled}
    if not token:
        del here.secrets["HAMMER_SLACK_SECRET"]
    here.found("sg-1")
    here.report()
    (message,) = here.slack.messages
    assert bool(message.buttons) == (token and enabled)
    said = "\n".join(reply.shown for reply in message.replies)
    assert ("hammer decide" in said) == (enabled and not token)


def test_what_was_decided_elsewhere_is_shown_by_the_next_run(here: World) -> None:
    here.found("sg-1")
    here.report()
    (message,) = here.slack.messages
    decided(here, DecisionKind.CLOSE_NOW, reason="obvious")
    here.report()
    assert "hammer_close_now" not in message.buttons
    assert "Reason: obvious" in message.shown
    assert any("obvious" in comment for comment in here.jira.tickets["SEC-1"].comments)
    requests = len(here.slack.requests)
    here.report()
    assert len(here.slack.requests) == requests


def test_an_issue_that_is_over_has_no_buttons_any_more(here: World) -> None:
    here.found("sg-1")
    here.report()
    first = here.slack.messages[0]
    here.fixed("sg-1")
    here.report()
    assert first.buttons == {}
    assert "No longer exposed" in first.shown


def test_an_exempt_issue_is_not_reminded_of_and_its_author_is_told_when_it_ends(here: World) -> None:
    here.slack.people["U0JANE00001"] = ("jane", "jane@example.com")
    here.found("sg-1")
    here.report()
    here.passes(days=15)
    until = (here.clock.date()).fromordinal(here.clock.date().toordinal() + 6)
    decided(here, DecisionKind.EXEMPT, until=until, reason="migration until Friday")
    here.report()  # a week before it would be closed
    assert not any("closed" in message.text.lower() for message in here.slack.messages[1:])
    here.found("sg-1", exempt=True)
    here.report()
    assert here.issue().status is Status.WHITELISTED
    assert here.jira.tickets["SEC-1"].status == "Done"
    here.passes(days=4)
    here.report()
    (notified,) = here.slack.to("jane")
    assert f"ends on {until}" in notified.shown
    assert "migration until Friday (U0JANE00001)" in notified.shown


def test_who_owns_it_by_decision_is_told_from_then_on(here: World) -> None:
    here.sections["slack"] = {"notify_default_owner": False}
    here.found("sg-1")
    here.report()
    decided(here, DecisionKind.NOT_MINE, owner="ana@example.com")
    here.report()
    assert len(here.slack.to("ana")) == 1
    here.fixed("sg-1")
    here.report()
    here.passes(days=1)
    here.found("sg-1")
    here.report()
    assert len(here.slack.to("ana")) == 3
    assert "ana" not in here.slack.to("#hammer")[-1].shown


def test_nobody_listening_is_told_once(here: World) -> None:
    here.report()
    assert here.slack.messages == []
    here.passes(minutes=16)
    for _ in range(2):
        here.report()
    (message,) = here.slack.to("#hammer")
    assert "hammer listen is not connected to Slack and never was" in message.text
    records = ListenerRecords(here.table.items, MAIN, lambda: here.clock)
    records.connected("a host", 1)
    here.passes(minutes=14)
    here.report()
    assert len(here.slack.to("#hammer")) == 1
    here.passes(minutes=2)
    for _ in range(2):
        here.report()
    assert len(here.slack.to("#hammer")) == 2


def test_nobody_is_expected_to_listen_without_a_token_or_decisions(here: World) -> None:
    here.sections["decisions"] = {"enabled": False}
    here.report()
    here.passes(days=1)
    here.report()
    assert here.slack.messages == []


def test_a_dry_run_decides_and_tells_nothing(here: World) -> None:
    here.found("sg-1")
    here.report()
    decided(here, DecisionKind.CLOSE_NOW)
    requests = len(here.slack.requests)
    here.report(dry_run=True)
    assert len(here.slack.requests) == requests
    assert len(here.issue().decided.outbox) == 1


def test_a_new_owner_whom_slack_refuses_is_told_of_in_the_default_channel(here: World) -> None:
    """Slack says it with a word that nobody knows yet."""
    here.sections["slack"] = {"notify_default_owner": False}
    here.found("sg-1")
    here.report()
    before = len(here.slack.to("#hammer"))
    here.slack.refuses = {"U000000001": "some_new_code"}
    decided(here, DecisionKind.NOT_MINE, owner="ana@example.com")
    [problem] = here.report().problems
    assert problem.endswith("Slack answered some_new_code; #hammer is told instead")
    assert len(here.slack.to("#hammer")) == before + 1
    assert here.report().problems == []
