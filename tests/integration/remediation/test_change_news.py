"""What remediation did is told once to each channel, whatever is away at that moment; reporting delivers the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from unittest.mock import patch

import pytest

from library.aws.issue_table import IssueTable
from library.issues.issue import Status
from remediation.notify import ChangeMessage, Notifier, is_known, notify, open_notifier
from reporting.run import Reporter
from tests.standins.server import Answer, Fault
from tests.worlds.reporting_world import World, kept_sessions, reporting_world

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


def tell(world: World, message: ChangeMessage = CHANGED) -> list[str]:
    """One remediation run tells this."""
    door = notifier(world)
    problem = notify(door, world.table, world.issue(), message, repeated=False, at=world.clock)
    return [*([problem] if problem else []), *door.send()]


def told(world: World, text: str = CHANGED.text) -> tuple[int, int]:
    """How often the ticket and Slack were told."""
    comments = [each for each in world.jira.tickets["SEC-1"].comments if text in each]
    return len(comments), sum(message.shown.count(text) for message in world.slack.messages)


def test_a_run_that_reaches_everybody_leaves_nothing_to_be_told(world: World) -> None:
    assert tell(world) == []
    assert told(world) == (1, 1)
    world.report()
    assert told(world) == (1, 1)
    (news,) = world.issue().change_news
    assert (news.in_jira, news.in_slack) == (True, True)


@pytest.mark.parametrize("channel", ["jira", "slack", "both"])
def test_reporting_tells_whoever_was_away(world: World, channel: str) -> None:
    if channel in ("jira", "both"):
        world.jira.faults.append(Fault("POST /comment", Answer("", 500)))
    if channel in ("slack", "both"):
        world.slack.faults.append(Fault("POST /chat.postMessage", Answer({"ok": False, "error": "fatal_error"})))
    assert tell(world)
    assert told(world) != (1, 1)
    world.jira.faults.clear()
    world.slack.faults.clear()
    world.report()
    assert told(world) == (1, 1)
    world.report()
    assert told(world) == (1, 1)


def test_what_reporting_told_before_the_run_ended_is_not_told_again(world: World) -> None:
    world.jira.faults.append(Fault("POST /comment", Answer("", 500)))
    door = notifier(world)
    notify(door, world.table, world.issue(), CHANGED, repeated=False, at=world.clock)
    world.jira.faults.clear()
    world.report()
    assert told(world) == (1, 1)
    assert door.send() == []
    assert told(world) == (1, 1)


def test_what_the_run_told_since_reporting_read_the_issue_is_not_told_again(world: World) -> None:
    door = notifier(world)
    notify(door, world.table, world.issue(), CHANGED, repeated=False, at=world.clock)
    renew = Reporter._deliver_changes

    def sends_first(self: Reporter) -> None:
        assert door.send() == []
        renew(self)

    with patch.object(Reporter, "_deliver_changes", sends_first):
        world.report()
    assert told(world) == (1, 1)


def test_a_run_that_dies_after_it_recorded_what_it_did(world: World) -> None:
    with patch.object(Notifier, "comment", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        tell(world)
    assert told(world) == (0, 0)
    world.report()
    assert told(world) == (1, 1)


def test_a_comment_whose_record_was_lost_is_not_written_twice(world: World) -> None:
    update = IssueTable.update

    def dies(self: IssueTable, issue: object, sets: dict[str, object], removes: object = ()) -> None:
        if any(name.endswith(".in_jira") for name in sets):
            raise KeyboardInterrupt
        update(self, issue, sets, removes)  # type: ignore[arg-type]

    with patch.object(IssueTable, "update", dies), pytest.raises(KeyboardInterrupt):
        tell(world)
    assert told(world) == (1, 0)
    world.report()
    assert told(world) == (1, 1)


def test_what_every_run_finds_again_is_told_once(world: World) -> None:
    assert not is_known(world.issue(), REFUSED)
    for _ in range(3):
        assert tell(world, REFUSED) == []
        world.passes(days=1)
        world.report()
    assert told(world, REFUSED.text) == (1, 1)
    assert is_known(world.issue(), REFUSED)


def test_a_ticket_is_closed_after_what_was_done_is_told(world: World) -> None:
    world.jira.faults.append(Fault("POST /comment", Answer("", 500)))
    tell(world)
    world.jira.faults.clear()
    world.fixed()
    world.report()
    comments = world.jira.tickets["SEC-1"].comments
    assert [CHANGED.text in each for each in comments[-2:]] == [True, False]
    assert world.jira.tickets["SEC-1"].status == "Done"
    assert told(world) == (1, 1)


def test_an_issue_stays_while_somebody_is_to_be_told_what_was_done(world: World) -> None:
    away = Fault("POST /chat.postMessage", Answer({"ok": False, "error": "fatal_error"}))
    world.slack.faults.append(replace(away))
    assert tell(world)
    world.fixed()
    world.slack.faults[:] = [replace(away)]
    world.report()
    assert told(world) == (1, 0)
    assert world.issue().status is Status.RESOLVED
    world.slack.faults.clear()
    world.report()
    assert told(world) == (1, 1)
    assert world.issue().status is Status.CLOSED


def test_old_news_goes_first_where_there_is_no_room(world: World) -> None:
    for number in range(25):
        tell(world, ChangeMessage("Remediated", f"change {number}"))
        world.passes(minutes=1)
    kept = [news.text for news in world.issue().change_news]
    assert len(kept) == 20
    assert kept[-1] == "change 24"
