"""Two hosts: one of them waits for a JIRA that throttles, or loses the lock. Nobody gets a second ticket."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.client import BaseClient
from botocore.exceptions import EndpointConnectionError

from library.aws.lock import LEASE, LockedError
from tests.standins.server import Answer, Fault, Request
from tests.worlds.reporting_world import World, reporting_world

THROTTLED = Answer("", 429, {"Retry-After": "300"})


def take_over(world: World) -> None:
    """Another host takes the lock though it is held: its clock is wrong, say."""
    other = world.lock("another host")
    world.clock += LEASE + timedelta(seconds=1)
    other.acquire()


def test_the_lock_is_kept_while_jira_throttles_for_longer_than_a_lease() -> None:
    with reporting_world() as world:
        world.found()
        ours, theirs = world.lock(), world.lock("another host")
        ours.acquire()
        world.jira.faults.append(Fault("POST /issue", THROTTLED, times=4))
        refused = 0

        def try_to_take_it(_: Request) -> None:
            nonlocal refused
            with pytest.raises(LockedError):
                theirs.acquire()
            refused += 1

        world.jira.before = try_to_take_it
        assert world.report(lock=ours).problems == []
        assert sum(world.slept) == 1200 > LEASE.total_seconds()
        assert max(world.slept) <= 60
        assert refused > 4
        assert len(world.jira.tickets) == 1


@pytest.mark.parametrize(
    ("on", "tickets", "messages"),
    [
        pytest.param("GET /search", 0, 0, id="before the ticket is filed"),
        pytest.param("POST /issue", 1, 0, id="while the ticket is filed"),
        pytest.param("POST /chat.postMessage", 3, 1, id="while the message is sent"),
    ],
)
def test_a_run_whose_lock_was_taken_over_writes_no_more(on: str, tickets: int, messages: int) -> None:
    with reporting_world() as world:
        for number in range(3):
            world.found(f"sg-{number}")
        ours = world.lock()
        ours.acquire()
        method, _, part = on.partition(" ")

        def lose_it(request: Request) -> None:
            if request.method == method and part in request.path:
                world.jira.before = world.slack.before = lambda _: None
                take_over(world)

        world.jira.before = world.slack.before = lose_it
        with pytest.raises(LockedError, match="taken over by another run"):
            world.report(lock=ours)
        assert (len(world.jira.tickets), len(world.slack.messages)) == (tickets, messages)
        world.passes(hours=1)
        assert world.report().problems == []
        assert (len(world.jira.tickets), len(world.slack.messages)) == (3, 1)
        labels = [label for ticket in world.jira.tickets.values() for label in ticket.labels]
        assert len(labels) == len(set(labels)) + 2  # "hammer" is on each


def test_a_table_that_is_away_for_a_moment_does_not_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with reporting_world() as world:
        world.found()
        ours = world.lock()
        ours.acquire()
        failed: list[str] = []
        inner = BaseClient._make_api_call  # type: ignore[attr-defined]

        def outer(self: BaseClient, operation: str, arguments: dict[str, object]) -> object:
            if "lease_ends" in str(arguments.get("UpdateExpression")) and not failed:
                failed.append(operation)
                raise EndpointConnectionError(endpoint_url="https://dynamodb.example.com")
            return inner(self, operation, arguments)

        monkeypatch.setattr(BaseClient, "_make_api_call", outer)
        assert world.report(lock=ours).problems == []
        assert failed
        assert len(world.jira.tickets) == 1


def test_a_lock_that_cannot_be_renewed_for_half_a_lease_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with reporting_world() as world:
        world.found()
        ours = world.lock()
        ours.acquire()
        world.jira.faults.append(Fault("POST /issue", THROTTLED, times=4))
        inner = BaseClient._make_api_call  # type: ignore[attr-defined]

        def outer(self: BaseClient, operation: str, arguments: dict[str, object]) -> object:
            if "lease_ends" in str(arguments.get("UpdateExpression")):
                raise EndpointConnectionError(endpoint_url="https://dynamodb.example.com")
            return inner(self, operation, arguments)

        monkeypatch.setattr(BaseClient, "_make_api_call", outer)
        with pytest.raises(LockedError, match="could not be renewed"):
            world.report(lock=ours)
        assert world.jira.tickets == {}
        assert sum(world.slept) < LEASE.total_seconds()
