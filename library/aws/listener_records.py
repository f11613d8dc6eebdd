"""When the service that takes decisions from Slack was connected last, for `hammer status` and the reporting run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from library.documents.text import flattened
from library.issues.times import format_time, shown_time, stored_time

if TYPE_CHECKING:
    from library.aws.conditional_writes import Items

_ITEM_ID = "listener#slack"
_PROBLEM_LIMIT = 300
DEAF_AFTER = timedelta(minutes=15)
"""After how long without a connection people are told."""


@dataclass(frozen=True, slots=True)
class ListenerState:
    """The service, as the table knows it.

    Attributes:
        who: which process on which machine was connected last.
        connected: when it was last seen to be connected, in UTC; None: never.
        expected: since when somebody expects it to be.
        problem: why it is not connected, on one line; empty: it is, or nobody knows.
        connections: how many connections Slack counted for the app.
        alerted: the `connected` of which people were told that it is the last; None: they were told of none.
    """

    who: str = ""
    connected: datetime | None = None
    expected: datetime | None = None
    problem: str = ""
    connections: int = 0
    alerted: str = ""

    def disconnected_reason(self, now: datetime) -> str:
        """That nobody listens, in one sentence; empty: somebody does, or did within 15 minutes."""
        since = self.connected or self.expected
        if since is not None and now - since < DEAF_AFTER:
            return ""
        last = f"since {shown_time(self.connected)}" if self.connected else "and never was"
        reason = f": {self.problem}" if self.problem else ""
        return f"hammer listen is not connected to Slack {last}{reason}. Buttons in messages do nothing meanwhile"


class ListenerRecords:
    """The record in one table.

    Args:
        items: the table.
        main_account_id: the account under which it is kept.
        now: the clock, in UTC.
    """

    def __init__(self, items: Items, main_account_id: str, now: Callable[[], datetime]) -> None:
        self._items = items
        self._account_id = main_account_id
        self._now = now

    def read(self) -> ListenerState:
        """The record; an empty one where there is none."""
        item = self._items.get(self._account_id, _ITEM_ID) or {}
        return ListenerState(
            who=str(item.get("who") or ""),
            connected=stored_time(item.get("connected")),
            expected=stored_time(item.get("expected")),
            problem=str(item.get("problem") or ""),
            connections=int(number) if isinstance(number := item.get("connections"), (int, Decimal)) else 0,
            alerted=str(item.get("alerted") or ""),
        )

    def connected(self, who: str, connections: int) -> None:
        """Record that a process is connected."""
        sets = {"who": who, "connected": format_time(self._now()), "connections": connections, "problem": ""}
        self._items.update(self._account_id, _ITEM_ID, sets)

    def failed(self, problem: str) -> None:
        """Record why a process is not connected."""
        self._items.update(self._account_id, _ITEM_ID, {"problem": flattened(problem, _PROBLEM_LIMIT)})

    def expect(self) -> None:
        """Record that the service is expected to be connected from now on."""
        self._items.update(self._account_id, _ITEM_ID, {"expected": format_time(self._now())})

    def alerted(self, state: ListenerState) -> None:
        """Record that people were told that the service is not connected."""
        self._items.update(self._account_id, _ITEM_ID, {"alerted": alert_key(state)})


def alert_key(state: ListenerState) -> str:
    """Tells one time without a connection from another."""
    return format_time(state.connected) or "never"
