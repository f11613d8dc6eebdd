"""The door that other jobs use: comments on tickets and alerts, and what becomes of them when nobody answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from library.issues.change_notifications import ChangeNotification, new_notification
from library.notifications.change_delivery import Unrecorded
from remediation.notify import Notifier, open_notifier
from tests.standins.server import Answer, Fault
from tests.worlds.reporting_world import World, kept_sessions, reporting_world

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def notifier(world: World) -> Notifier:
    secrets = {
        "HAMMER_JIRA_SECRET": json.dumps(world.jira.secret),
        "HAMMER_SLACK_SECRET": json.dumps(world.slack.secret),
    }
    return open_notifier(world.configuration(), kept_sessions(), secrets, world.sleep)


def change(text: str, *details: str) -> ChangeNotification:
    return new_notification(1, NOW, "Remediated", text, details)


def test_a_comment_and_one_message_for_each_destination() -> None:
    with reporting_world() as world:
        world.slack.channels.add("#sec")
        world.ticket_owners["slack_owner"] = "#sec"
        for group in ("sg-1", "sg-2"):
            world.found(group, tags={"owner": "ana"})
        world.report()
        world.slack.messages.clear()
        door = notifier(world)
        notification = change("Rules of [~admin]", "were replaced.")
        assert door.comment(world.issue(), notification, Unrecorded()) == ""
        assert world.jira.tickets["SEC-1"].comments == [
            f"Rules of \\[\\~admin\\]\n\nwere replaced.\n\nReference: {notification.key}\n"
        ]
        for group in ("sg-1", "sg-2"):
            door.queue_alert(world.issue(group), change("2 rules <!channel>", "Backup: s3://b/k"), Unrecorded())
        assert world.slack.messages == []
        assert door.send() == []
        assert sorted(message.channel for message in world.slack.messages) == ["#sec", "ana"]
        for message in world.slack.messages:
            assert message.text == "Hammer changed security groups: 2 remediated"
            assert message.shown.count("2 rules &lt;!channel&gt;") == 2
            assert [reply.shown for reply in message.replies] == [
                'sg-1 "web"\nBackup: s3://b/k\nsg-2 "web"\nBackup: s3://b/k'
            ]
        assert door.send() == []
        assert len(world.slack.messages) == 2


def test_what_nobody_reported_goes_to_whom_the_tags_and_the_configuration_name() -> None:
    with reporting_world() as world:
        world.found("sg-1", tags={"Owner": "bo@example.com"})
        world.found("sg-2")
        door = notifier(world)
        assert door.comment(world.issue(), change("x"), Unrecorded()) == ""
        door.queue_alert(world.issue("sg-1"), change("x"), Unrecorded())
        door.queue_alert(world.issue("sg-2"), change("x"), Unrecorded())
        door.alert_operators("Stopped", "the *limit* was reached")
        assert door.send() == []
        assert {message.channel: message.shown.count("• ") for message in world.slack.messages} == {
            "bo": 1,
            "#hammer": 2,
        }
        assert world.jira.requests == []


def test_what_could_not_be_told_is_returned_and_nothing_is_raised() -> None:
    with reporting_world() as world:
        world.found()
        world.report()
        world.jira.faults.append(Fault("POST /comment", Answer("", 500)))
        world.slack.faults.append(Fault("POST /chat.postMessage", Answer({"ok": False, "error": "fatal_error"})))
        door = notifier(world)
        problem = door.comment(world.issue(), change("x"), Unrecorded())
        assert problem == "sg-1: no comment on SEC-1: JIRA answered 500: nothing"
        door.queue_alert(world.issue(), change("x"), Unrecorded())
        assert door.send() == ["#hammer, which slack.default_channel names, was not told: Slack answered fatal_error"]


def test_with_both_off_nobody_is_asked() -> None:
    with reporting_world() as world:
        world.found()
        world.report()
        issue = world.issue()
        world.sections |= {"jira": {"enabled": False}, "slack": {"enabled": False}}
        asked = len(world.jira.requests), len(world.slack.requests)
        door = notifier(world)
        assert door.comment(issue, change("x"), Unrecorded()) == ""
        door.queue_alert(issue, change("x"), Unrecorded())
        door.alert_operators("Stopped", "x")
        assert door.send() == []
        assert (len(world.jira.requests), len(world.slack.requests)) == asked
