"""A restore from Slack, with nothing in between left out: the service and the restore are processes of their own.

The press comes over a real WebSocket, the group is one of an emulated AWS behind HTTP.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from library.aws.decision_store import Decisions
from library.aws.secrets import SecretReader
from library.config import load_configuration
from library.config.models import limits_of
from library.notifications.clients import open_channels
from reporting.decision_notifications import DecisionNotifications
from tests.builders.decisions import pressed_restore
from tests.standins.server import Answer
from tests.standins.server import Request as HttpRequest
from tests.standins.slack import TEAM, Message, SlackStandIn
from tests.worlds.emulated_aws import EmulatedAws
from tests.worlds.remediation_world import ANYWHERE, MAIN, World, permission

BOB, CHANNEL = "U0BOB000001", "#hammer"
SSH = permission("tcp", (22, 22), ANYWHERE)


class WatchedSlack(SlackStandIn):
    """Notes what the group is like whenever a message is rewritten."""

    def __init__(self) -> None:
        super().__init__()
        self.watch: Any = None
        self.rewritten: list[tuple[str, Any]] = []
        self.says_done = threading.Event()

    def answer(self, request: HttpRequest) -> Answer:
        given = super().answer(request)
        if request.path.endswith("chat.update") and self.watch is not None:
            shown = self.messages[0].shown
            self.rewritten.append((shown, self.watch()))
            if "decided to restore the group" in shown and "being carried out" not in shown:
                self.says_done.set()
        return given


@dataclass
class Restorable:
    """A group that Hammer closed, with its message in Slack."""

    world: World
    slack: WatchedSlack
    group: str = ""
    before: set[tuple[str, int | None, int | None, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.group = self.world.group(SSH)
        self.world.issue(self.group)
        self.before = self.world.rules(self.group)
        self.world.batch()
        assert self.world.rules(self.group) != self.before
        path = self.world.folder / "config.json"
        sections = {
            "slack": {"enabled": True, "base_url": f"{self.slack.url}/api/"},
            "decisions": {"enabled": True, "allow": [], "allow_restore": [BOB]},
        }
        path.write_text(json.dumps({**json.loads(path.read_text()), **sections}))

    @property
    def secret(self) -> dict[str, str]:
        return {"HAMMER_SLACK_SECRET": json.dumps(self.slack.listener_secret)}

    def posted(self) -> Message:
        config = load_configuration(str(self.world.folder))
        client = self.world.sessions.client
        secrets = SecretReader(lambda: client("secretsmanager"), self.secret)
        slack = open_channels(config, secrets, lambda _: None).slack
        notification = DecisionNotifications(config, self.world.table, None, slack, lambda: self.world.clock)
        notification.post(self.world.stored(self.group), CHANNEL)
        assert notification.notify(self.world.stored(self.group)) == []
        return self.slack.messages[0]

    def press(self, message: Message) -> dict[str, Any]:
        action = {"action_id": "hammer_restore", "value": message.buttons["hammer_restore"], "action_ts": "1.1"}
        return {
            "type": "block_actions",
            "api_app_id": "A111",
            "user": {"id": BOB, "team_id": TEAM},
            "team": {"id": TEAM},
            "container": {"message_ts": message.ts, "channel_id": CHANNEL},
            "trigger_id": "t",
            "actions": [action],
        }

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Run `hammer listen` as a process; it is stopped as systemd does it."""
        command = [sys.executable, "-m", "reporting.listen_for_decisions", "--config", str(self.world.folder)]
        known = len(self.slack.socket.connections)
        with subprocess.Popen(command, env={**os.environ, **self.secret}, stderr=subprocess.PIPE) as process:
            try:
                assert self.slack.socket.wait(lambda: len(self.slack.socket.connections) > known, 120)
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                _, said = process.communicate(timeout=60)
            assert (process.returncode, b"Traceback" in said) == (0, False), said.decode()

    def check(self, message: Message) -> None:
        """The group is as it was, once, and no message said so before it was."""
        assert self.world.rules(self.group) == self.before
        issue = self.world.stored(self.group)
        assert [(str(this.kind), this.by, this.result) for this in issue.decided.decisions] == [
            ("restore", BOB, "done")
        ]
        assert issue.decided.restore is None
        assert issue.remediation_details["restored"]["by"] == BOB
        for shown, rules in self.slack.rewritten:
            assert rules == self.before or "decided to restore" not in shown or "It is being carried out." in shown
        assert "hammer_restore" not in message.buttons


@pytest.fixture
def here(aws: EmulatedAws, tmp_path: Path) -> Iterator[Restorable]:
    assert aws.endpoint
    slack = WatchedSlack()
    slack.people[BOB] = ("bob", "bob@example.com")
    with slack.running(), slack.socket.running():
        world = World(tmp_path)
        world.clock = datetime.now(UTC)
        made = Restorable(world, slack)
        slack.watch = lambda: world.rules(made.group)
        yield made


def test_a_press_restores_the_group_and_the_message_says_so_after_it(here: Restorable) -> None:
    message = here.posted()
    here.slack.rewritten.clear()
    at_the_time: list[Any] = []
    here.slack.socket.on_acknowledged = lambda _: at_the_time.append(here.world.rules(here.group) == here.before)
    with here.listening():
        here.slack.socket.envelope(here.press(message))
        assert here.slack.says_done.wait(120)
    assert at_the_time == [False]
    here.check(message)


def test_a_restore_that_a_dead_process_left_is_carried_out_by_the_next(here: Restorable) -> None:
    message, issue = here.posted(), here.world.stored(here.group)
    request = pressed_restore(issue, BOB, here.world.clock)
    limits = limits_of(here.world.config, MAIN)
    Decisions(here.world.table, here.world.now).carry_out(MAIN, here.group, request, limits)
    here.slack.rewritten.clear()
    with here.listening():
        assert here.slack.says_done.wait(120)
    here.check(message)
