"""When a connection to Slack is renewed: after growing pauses, and not at all where that makes no sense."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from library.aws.secrets import SlackSecret
from library.config.models import Configuration
from library.jobs.command_line import utc_now
from reporting.listen_for_decisions import notify_systemd, why_not_listening
from reporting.slack_socket import Hello, Listening, SocketError, SocketStoppedError
from tests.builders.config_files import config_with, parse

NOW = datetime(2026, 11, 29, 10, 0, tzinfo=UTC)


@dataclass
class _Session:
    """A connection that lasts so long."""

    world: World
    lasts: timedelta
    reason: str
    hello: Hello = field(default_factory=lambda: Hello("A1", 1))
    closed: bool = False

    def lost(self, timeout_s: float) -> str | None:
        self.world.clock += timedelta(seconds=timeout_s)
        self.lasts -= timedelta(seconds=timeout_s)
        return self.reason if self.lasts <= timedelta() else None

    def close(self) -> None:
        self.closed = True


@dataclass
class World:
    """What happens, one attempt after the other: an error, or how long a connection lasts and why it ends."""

    attempts: list[SocketError | SocketStoppedError | tuple[float, str]]
    clock: datetime = NOW
    opened: list[datetime] = field(default_factory=list)
    sessions: list[_Session] = field(default_factory=list)
    connected: list[datetime] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    ticks: int = 0

    def __post_init__(self) -> None:
        self.listening = Listening(
            open_session=self.open,
            wait=self.wait,
            now=lambda: self.clock,
            connected=lambda _: self.connected.append(self.clock),
            failed=self.failures.append,
            tick=self.tick,
        )

    def open(self) -> _Session:
        self.opened.append(self.clock)
        attempt = self.attempts.pop(0)
        if not self.attempts:
            self.listening.stopping.set()
        if isinstance(attempt, Exception):
            raise attempt
        session = _Session(self, timedelta(seconds=attempt[0]), attempt[1])
        self.sessions.append(session)
        return session

    def wait(self, seconds: float) -> None:
        self.clock += timedelta(seconds=seconds)

    def tick(self) -> None:
        self.ticks += 1

    @property
    def pauses(self) -> list[float]:
        return [(after - before).total_seconds() for before, after in zip(self.opened, self.opened[1:], strict=False)]


def test_pauses_grow_from_a_second_to_five_minutes() -> None:
    world = World([SocketError("no")] * 13)
    world.listening.run()
    assert world.pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert world.failures == ["no"] * 13


def test_they_begin_anew_after_a_connection_that_lasted() -> None:
    world = World([SocketError("no"), SocketError("no"), (3600, "refresh_requested"), (5, ""), (5, ""), (1, "")])
    world.listening.run()
    assert world.pauses == [1, 2, 3601, 7, 9]


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "too_many_websockets", ""])
def test_an_end_is_followed_by_another_connection(reason: str) -> None:
    world = World([(100, reason), (1, "")])
    world.listening.run()
    assert len(world.sessions) == 2
    assert all(session.closed for session in world.sessions)


def test_the_old_connection_stays_until_there_is_a_new_one() -> None:
    world = World([(100, "warning"), (1, "")])
    opened = world.open
    seen: list[bool] = []

    def open_() -> _Session:
        seen.extend(session.closed for session in world.sessions)
        return opened()

    world.listening.open_session = open_
    world.listening.run()
    assert seen == [False]


@pytest.mark.parametrize(
    ("reason", "counted"), [("warning", [1, 1, 3]), ("refresh_requested", [1, 1, 3]), ("", [1, 2, 4])]
)
def test_the_own_connection_that_is_replaced_is_not_counted(reason: str, counted: list[int]) -> None:
    """It is still open while the new one is greeted: nobody is to look for another host because of it."""
    world = World([(100, reason), (100, reason), (1, "")])
    opened, connections = world.open, [1, 2, 4]

    def open_() -> _Session:
        session = opened()
        session.hello = Hello("A1", connections.pop(0))
        return session

    hellos: list[Hello] = []
    world.listening.open_session, world.listening.connected = open_, hellos.append
    world.listening.run()
    assert list(dict.fromkeys(hello.connections for hello in hellos)) == list(dict.fromkeys(counted))
    assert len({id(hello) for hello in hellos}) == len(world.sessions)


def test_a_connection_that_ended_before_it_was_replaced_is_not_the_one_that_is_counted() -> None:
    """Slack keeps it open for seconds: where the next attempt failed, another host is what its hello counts."""
    world = World([(100, "warning"), SocketError("no"), (1, "")])
    opened = world.open

    def open_() -> _Session:
        session = opened()
        session.hello = Hello("A1", 2)
        return session

    hellos: list[Hello] = []
    world.listening.open_session, world.listening.connected = open_, hellos.append
    world.listening.run()
    assert {hello.connections for hello in hellos} == {2}


def test_switched_off_is_the_end() -> None:
    world = World([(100, "link_disabled"), (1, "")])
    with pytest.raises(SocketStoppedError, match="Socket Mode is switched off"):
        world.listening.run()
    assert len(world.opened) == 1
    assert world.sessions[0].closed


def test_a_refused_token_is_the_end() -> None:
    world = World([SocketStoppedError("Slack refused the app token"), (1, "")])
    with pytest.raises(SocketStoppedError):
        world.listening.run()
    assert len(world.opened) == 1


def test_that_it_is_connected_is_said_every_minute_and_the_watchdog_is_fed() -> None:
    world = World([(200, ""), (1, "")])
    world.listening.run()
    assert [(at - NOW).total_seconds() for at in world.connected[:4]] == [0, 60, 120, 180]
    assert world.ticks >= 200


def _config(**changes: object) -> Configuration:
    return parse(config_with({name.replace("__", "/"): value for name, value in changes.items()}))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: _config(slack__enabled=True), "decisions are off"),
        (lambda: _config(decisions__enabled=True), "Slack is off"),
        (lambda: _config(decisions__enabled=True, slack__enabled=True), ""),
    ],
)
def test_there_is_nothing_to_listen_to_where_it_is_off(make: Callable[[], Configuration], expected: str) -> None:
    assert why_not_listening(make()).startswith(expected)
    assert bool(why_not_listening(make())) == bool(expected)


def test_without_systemd_nobody_is_told() -> None:
    notify_systemd("READY=1", {})


def test_a_token_is_in_no_representation() -> None:
    assert "xapp" not in repr(SlackSecret("xoxb-1", "xapp-1"))


def test_the_day_of_a_decision_is_the_one_in_utc() -> None:
    assert utc_now().tzinfo is UTC
