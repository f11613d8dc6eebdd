"""The reporting world with a Slack that speaks Socket Mode, and the service that listens to it, in a thread."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any
from unittest.mock import patch

from slack_sdk.socket_mode.builtin.connection import Connection

from library.aws.records import ListenerRecords
from library.aws.secrets import SecretReader, SlackSecret
from library.config import Configuration, load_configuration
from library.errors import HammerError
from library.issues.issue import Issue
from library.notifications.clients import open_channels
from reporting import listen_for_decisions, slack_socket
from reporting.decision_notifications import DecisionNotifications
from reporting.listen_for_decisions import Service
from reporting.slack_socket import Hello, SlackSession
from tests.standins.slack import APP_TOKEN, TEAM, Message
from tests.worlds.reporting_world import MAIN, World, kept_sessions, reporting_world

JANE, BOB, EVE = "U0JANE00001", "U0BOB000001", "U0EVE000001"
CHANNEL = "#hammer"


class _PromptConnection(Connection):
    """slack_sdk's, which waits 3 seconds for a message before it notices that it is to end."""

    def connect(self) -> None:
        super().connect()
        if self.sock is not None:
            self.sock.settimeout(0.02)


class _PromptQueue(Queue[Any]):
    """The queue of its messages, which it waits for a second."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        return super().get(block, None if timeout is None else 0.02)


class _Workers(ThreadPoolExecutor):
    """Workers that note what they were given, so that a test can wait for it."""

    def __init__(self, number: int, begun: set[Future[Any]]) -> None:
        super().__init__(number)
        self._begun = begun

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(fn, *args, **kwargs)
        self._begun.add(future)
        return future


@dataclass
class ListeningWorld:
    """The world.

    Attributes:
        restored: the issues whose restore the service was to carry out.
        restores: carries one out; by default nothing does.
    """

    world: World
    folder: Path
    restored: list[Issue] = field(default_factory=list)
    restores: Callable[[Issue], object] = lambda _: None
    begun: set[Future[Any]] = field(default_factory=set)
    envelopes: int = 0
    finished: threading.Condition = field(default_factory=threading.Condition)

    def configuration(self) -> Configuration:
        """The configuration, which is also written where the service reads it."""
        section = self.world.sections.get("decisions", {})
        config = {**self.world.config_file(), "decisions": {"enabled": True, "allow": [JANE, BOB], **section}}
        (self.folder / "config.json").write_text(json.dumps(config))
        (self.folder / "ticket_owners.json").write_text(json.dumps(self.world.ticket_owners))
        return load_configuration(str(self.folder))

    def secrets(self) -> SecretReader:
        return SecretReader(
            lambda: kept_sessions().client("secretsmanager"),
            {
                "HAMMER_JIRA_SECRET": json.dumps(self.world.jira.secret),
                "HAMMER_SLACK_SECRET": json.dumps(self.world.slack.listener_secret),
            },
        )

    def notifications(self) -> DecisionNotifications:
        config = self.configuration()
        jira, slack, _ = open_channels(config, self.secrets(), self.world.sleep)
        return DecisionNotifications(config, self.world.table, jira, slack, lambda: self.world.clock)

    def posted(self, group_id: str = "sg-1") -> Message:
        """The message of an issue, with its buttons."""
        self.notifications().post(self.world.issue(group_id), CHANNEL)
        assert self.notifications().notify(self.world.issue(group_id)) == []
        return self.world.slack.messages[-1]

    def press(self, message: Message, action: str, by: str = JANE, **other: Any) -> dict[str, Any]:
        """The payload of a press."""
        number = len(self.world.slack.requests)
        return {
            "type": "block_actions",
            "user": {"id": by, "team_id": TEAM},
            "api_app_id": "A111",
            "team": {"id": TEAM},
            "enterprise": None,
            "container": {"type": "message", "message_ts": message.ts, "channel_id": CHANNEL},
            "channel": {"id": CHANNEL},
            "trigger_id": f"trigger-{number}",
            "message": {"text": "what is written here decides nothing", "ts": message.ts},
            "actions": [
                {
                    "action_id": action,
                    "type": "button",
                    "value": message.buttons.get(action, ""),
                    "action_ts": f"{number}.1",
                }
            ],
            **other,
        }

    def submitted(self, by: str = JANE, view: int = -1, *, fields: Mapping[str, str]) -> dict[str, Any]:
        """The payload of the view that was opened last, with these fields."""
        opened = self.world.slack.views[view][1]
        values = {
            name: {"x": {"type": "datepicker", "selected_date": text} if name == "until" else {"value": text}}
            for name, text in fields.items()
        }
        return {
            "type": "view_submission",
            "user": {"id": by, "team_id": TEAM},
            "api_app_id": "A111",
            "team": {"id": TEAM},
            "view": {
                "id": f"V{len(self.world.slack.views)}",
                "callback_id": opened["callback_id"],
                "private_metadata": opened["private_metadata"],
                "state": {"values": values},
            },
        }

    def send(self, payload: dict[str, Any], times: int = 1, envelope_id: str = "") -> Any:
        """Send a payload, and wait until the service has done what it asks. Returns what the answer carried."""
        socket = self.world.slack.socket
        envelope = socket.envelope(payload, envelope_id, times)
        self.settle()
        return socket.acknowledged[envelope]

    def settle(self) -> None:
        """Wait until the services have done what they were given."""
        socket = self.world.slack.socket
        acknowledged = [
            message for connection in socket.connections for message in connection.received if "envelope_id" in message
        ]
        with self.finished:
            assert self.finished.wait_for(lambda: self.envelopes >= len(acknowledged), 20)
        while self.begun:
            for each in list(self.begun):
                each.result()
                self.begun.discard(each)

    @contextmanager
    def listening(self) -> Iterator[Service]:
        """Run the service."""
        config = self.configuration()
        errors: list[HammerError] = []

        def run() -> None:
            try:
                service.run()
            except HammerError as error:
                errors.append(error)

        on_envelope = SlackSession._on_envelope

        def counted(*arguments: Any) -> None:
            on_envelope(*arguments)
            with self.finished:
                self.envelopes += 1
                self.finished.notify_all()

        on_connected, connected = Service._connected, threading.Event()

        def noted(service: Service, hello: Hello) -> None:
            on_connected(service, hello)
            connected.set()

        with (
            # A stop, and a connection that broke, are noticed at once instead of after seconds.
            patch("slack_sdk.socket_mode.builtin.client.Connection", _PromptConnection),
            patch("slack_sdk.socket_mode.builtin.client.Queue", _PromptQueue),
            patch.object(slack_socket, "_PING_EVERY_S", 0.05),
            patch.object(slack_socket, "_CHECK_EVERY_S", 0.02),
            patch.object(slack_socket, "FIRST_PAUSE_S", 0.01),
            patch.object(Service, "_connected", noted),
            patch.object(SlackSession, "_on_envelope", counted),
            patch.object(listen_for_decisions, "utc_now", lambda: self.world.clock),
            patch.object(listen_for_decisions, "ThreadPoolExecutor", lambda number: _Workers(number, self.begun)),
            patch("reporting.listen_for_decisions.subprocess.run", self._run),
        ):
            service = Service(config, str(self.folder), kept_sessions(), self.secrets(), self._secret())
            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            assert connected.wait(60)
            try:
                yield service
            finally:
                service.stopping.set()
                thread.join(60)
                assert not thread.is_alive()
        if errors:
            raise errors[0]

    def _run(self, command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        """The process that carries a restore out."""
        account_id, group_id = (command[command.index(option) + 1] for option in ("--account", "--group"))
        issue = self.world.issue(group_id, account_id)
        self.restored.append(issue)
        self.restores(issue)
        return subprocess.CompletedProcess(command, 0)

    def _secret(self) -> SlackSecret:
        return SlackSecret(self.world.slack.secret["api_token"], APP_TOKEN)

    @property
    def records(self) -> ListenerRecords:
        return ListenerRecords(self.world.table.items, MAIN, lambda: self.world.clock)


@contextmanager
def listening_world(folder: Path) -> Iterator[ListeningWorld]:
    """A fresh world with an issue, `sg-1`, and people who may decide."""
    with reporting_world() as world, world.slack.socket.running():
        world.slack.people |= {
            JANE: ("jane", "jane@example.com"),
            BOB: ("bob", "bob@example.com"),
            EVE: ("eve", "eve@example.com"),
        }
        world.found("sg-1")
        yield ListeningWorld(world, folder)
