"""What remediation did is told once to each channel, whatever is away at that moment; reporting delivers the rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ReadTimeoutError

from library.aws.conditional_writes import Items
from library.aws.issue_table import IssueTable
from library.issues.change_notifications import Channel
from library.issues.issue import Status
from library.notifications.jira_client import JiraClient
from library.notifications.slack_connection import SlackClient, SlackError
from remediation.notify import ChangeMessage, Notifier, is_known, notify, open_notifier
from reporting.run import Reporter
from tests.standins.server import Answer, Fault
from tests.worlds.aws_faults import Call, calls
from tests.worlds.reporting_world import World, kept_sessions, reporting_world

pytestmark = pytest.mark.usefixtures("table_in_memory")

CHANGED = ChangeMessage("Remediated", "Hammer closed the group.", ("Backup: s3://b/k",))
REFUSED = ChangeMessage("Not remediated", "Hammer could not close the group: quota.")


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    with reporting_world() as world:
        world.found()
        world.report()
        world.slack.messages.clear()
        yield world


def notifier(world: World) -> Notifier:
    secrets = {
        "HAMMER_JIRA_SECRET": json.dumps(world.jira.secret),
        "HAMMER_SLACK_SECRET": json.dumps(world.slack.secret),
    }
    return open_notifier(world.configuration(), kept_sessions(), secrets, world.sleep)


def notify_people(world: World, message: ChangeMessage = CHANGED) -> list[str]:
    """One remediation run tells this."""
    door = notifier(world)
    problem = notify(door, world.table, world.issue(), message, repeated=False, now=lambda: world.clock)
    return [*([problem] if problem else []), *door.send()]


def notified(world: World, text: str = CHANGED.text) -> tuple[int, int]:
    """How often the ticket and Slack were told."""
    comments = [each for each in world.jira.tickets["SEC-1"].comments if text in each]
    return len(comments), sum(message.shown.count(text) for message in world.slack.messages)


def test_a_run_that_reaches_everybody_leaves_nothing_to_be_told(world: World) -> None:
    assert notify_people(world) == []
    assert notified(world) == (1, 1)
    world.report()
    assert notified(world) == (1, 1)
    (notification,) = world.issue().change_notifications
    assert notification.notified >= {Channel.JIRA, Channel.SLACK}


@pytest.mark.parametrize("channel", ["jira", "slack", "both"])
def test_reporting_tells_whoever_was_away(world: World, channel: str) -> None:
    if channel in ("jira", "both"):
        world.jira.faults.append(Fault("POST /comment", Answer("", 500)))
    if channel in ("slack", "both"):
        world.slack.faults.append(Fault("POST /chat.postMessage", Answer({"ok": False, "error": "fatal_error"})))
    assert notify_people(world)
    assert notified(world) != (1, 1)
    world.jira.faults.clear()
    world.slack.faults.clear()
    world.report()
    assert notified(world) == (1, 1)
    world.report()
    assert notified(world) == (1, 1)


def test_what_reporting_told_before_the_run_ended_is_not_told_again(world: World) -> None:
    world.jira.faults.append(Fault("POST /comment", Answer("", 500)))
    door = notifier(world)
    notify(door, world.table, world.issue(), CHANGED, repeated=False, now=lambda: world.clock)
    world.jira.faults.clear()
    world.report()
    assert notified(world) == (1, 1)
    assert door.send() == []
    assert notified(world) == (1, 1)


def test_what_the_run_told_since_reporting_read_the_issue_is_not_told_again(world: World) -> None:
    door = notifier(world)
    notify(door, world.table, world.issue(), CHANGED, repeated=False, now=lambda: world.clock)
    renew = Reporter._deliver_changes

    def sends_first(self: Reporter) -> None:
        assert door.send() == []
        renew(self)

    with patch.object(Reporter, "_deliver_changes", sends_first):
        world.report()
    assert notified(world) == (1, 1)


def test_a_record_whose_answer_is_lost_while_reporting_tells_it(world: World) -> None:
    def lost(operation: str, call: Call) -> Any:
        del operation
        call()
        world.report()
        raise ReadTimeoutError(endpoint_url="https://aws.example")

    with calls(lost, 0, only=("UpdateItem",)):
        assert notify_people(world) == []
    assert notified(world) == (1, 1)


def test_a_run_that_dies_after_it_recorded_what_it_did(world: World) -> None:
    with patch.object(Notifier, "comment", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        notify_people(world)
    assert notified(world) == (0, 0)
    world.report()
    assert notified(world) == (1, 1)


def test_a_comment_whose_record_was_lost_is_not_written_twice(world: World) -> None:
    update = IssueTable.update

    def dies(self: IssueTable, issue: object, sets: dict[str, object], removes: object = (), **more: Any) -> None:
        if any(name.endswith(".in_jira") for name in sets):
            raise KeyboardInterrupt
        update(self, issue, sets, removes, **more)  # type: ignore[arg-type]

    with patch.object(IssueTable, "update", dies), pytest.raises(KeyboardInterrupt):
        notify_people(world)
    assert notified(world) == (1, 0)
    world.report()
    assert notified(world) == (1, 1)


def test_what_every_run_finds_again_is_told_once(world: World) -> None:
    assert not is_known(world.issue(), REFUSED)
    for _ in range(3):
        assert notify_people(world, REFUSED) == []
        world.passes(days=1)
        world.report()
    assert notified(world, REFUSED.text) == (1, 1)
    assert is_known(world.issue(), REFUSED)


def test_a_ticket_is_closed_after_what_was_done_is_told(world: World) -> None:
    world.jira.faults.append(Fault("POST /comment", Answer("", 500)))
    notify_people(world)
    world.jira.faults.clear()
    world.fixed()
    world.report()
    comments = world.jira.tickets["SEC-1"].comments
    assert [CHANGED.text in each for each in comments[-2:]] == [True, False]
    assert world.jira.tickets["SEC-1"].status == "Done"
    assert notified(world) == (1, 1)


def test_an_issue_stays_while_somebody_is_to_be_told_what_was_done(world: World) -> None:
    away = Fault("POST /chat.postMessage", Answer({"ok": False, "error": "fatal_error"}))
    world.slack.faults.append(replace(away))
    assert notify_people(world)
    world.fixed()
    world.slack.faults[:] = [replace(away)]
    world.report()
    assert notified(world) == (1, 0)
    assert world.issue().status is Status.RESOLVED
    world.slack.faults.clear()
    world.report()
    assert notified(world) == (1, 1)
    assert world.issue().status is Status.CLOSED


def test_old_news_goes_first_where_there_is_no_room(world: World) -> None:
    for number in range(25):
        notify_people(world, ChangeMessage("Remediated", f"change {number}"))
        world.passes(minutes=1)
    kept = [notification.text for notification in world.issue().change_notifications]
    assert len(kept) == 20
    assert kept[-1] == "change 24"


@contextmanager
def meanwhile(client: type, method: str, what: Callable[[], object], *, after: bool = False) -> Iterator[None]:
    """Have something happen once, right before or after the first call of a method of a channel's client."""
    real, waiting = getattr(client, method), [what]

    def called(self: object, *args: object, **named: object) -> object:
        if not after and waiting:
            waiting.pop()()
        answer = real(self, *args, **named)
        if after and waiting:
            waiting.pop()()
        return answer

    with patch.object(client, method, called):
        yield


def dies() -> None:
    """The process is killed here."""
    raise KeyboardInterrupt


MOMENTS = pytest.mark.parametrize(
    ("client", "method", "after"),
    [
        pytest.param(JiraClient, "has_comment", False, id="before the comment is looked for"),
        pytest.param(JiraClient, "has_comment", True, id="after the comment was looked for"),
        pytest.param(JiraClient, "comment", False, id="before the comment"),
        pytest.param(JiraClient, "comment", True, id="after the comment"),
        pytest.param(SlackClient, "post", False, id="before the message"),
        pytest.param(SlackClient, "post", True, id="after the message"),
    ],
)


@MOMENTS
def test_a_report_while_remediation_tells(world: World, client: type, method: str, after: bool) -> None:
    with meanwhile(client, method, world.report, after=after):
        assert notify_people(world) == []
    assert notified(world) == (1, 1)
    world.report()
    assert notified(world) == (1, 1)


@MOMENTS
def test_remediation_tells_while_a_report_does(world: World, client: type, method: str, after: bool) -> None:
    with patch.object(Notifier, "comment", return_value="JIRA is away"), patch.object(Notifier, "send"):
        notify_people(world)
    with meanwhile(client, method, lambda: notify_people(world), after=after):
        world.report()
    assert notified(world) == (1, 1)
    world.report()
    assert notified(world) == (1, 1)


@pytest.mark.parametrize(
    ("client", "method", "after", "at_once", "later"),
    [
        pytest.param(JiraClient, "has_comment", True, (1, 1), (1, 1), id="after the comment was looked for"),
        pytest.param(JiraClient, "comment", False, (0, 1), (1, 1), id="before the comment"),
        pytest.param(JiraClient, "comment", True, (1, 1), (1, 1), id="after the comment"),
        pytest.param(SlackClient, "post", False, (1, 0), (1, 1), id="before the message"),
        # Slack cannot be asked for the message: twice is better than never.
        pytest.param(SlackClient, "post", True, (1, 1), (1, 2), id="after the message"),
    ],
)
def test_a_run_that_dies_while_it_tells(
    world: World, client: type, method: str, after: bool, at_once: tuple[int, int], later: tuple[int, int]
) -> None:
    with meanwhile(client, method, dies, after=after), pytest.raises(KeyboardInterrupt):
        notify_people(world)
    world.report()
    assert notified(world) == at_once
    world.passes(minutes=10)
    world.report()
    assert notified(world) == later
    world.report()
    assert notified(world) == later


def test_a_claim_whose_answer_was_lost_counts(world: World) -> None:
    real = Items.update

    def lost(self: Items, *args: Any, **named: Any) -> Any:
        real(self, *args, **named)
        return real(self, *args, **named)  # as botocore does where no answer came

    with patch.object(Items, "update", lost):
        assert notify_people(world) == []
    assert notified(world) == (1, 1)


def test_a_destination_that_was_told_is_not_told_again_because_another_is_away(world: World) -> None:
    world.slack.channels.add("#shop")
    world.ticket_owners["slack_owner"] = ["#hammer", "#shop"]
    world.found("sg-2")
    world.report()
    world.slack.messages.clear()
    real = SlackClient.post

    def away(self: SlackClient, channel: str, *args: Any) -> Any:
        if channel == "#shop":
            raise SlackError("no answer")
        return real(self, channel, *args)

    door = notifier(world)
    notify(door, world.table, world.issue("sg-2"), CHANGED, repeated=False, now=lambda: world.clock)
    with patch.object(SlackClient, "post", away):
        assert door.send()
    world.report()
    assert sorted(message.channel for message in world.slack.messages) == ["#hammer", "#shop"]
