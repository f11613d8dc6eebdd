"""One lock for everything that changes security groups: a lease in the issue table.

Whoever holds it renews it before each step. A holder that stops renewing loses it when the lease ends; one that died
on this machine loses it at once. The item also names the groups whose change was begun and not finished, so that the
next holder knows where to look first.
"""

from __future__ import annotations

import getpass
import os
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from library.aws.conditional_writes import ConflictError, Items
from library.errors import HammerError
from library.issues.times import shown_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from types_boto3_dynamodb import DynamoDBClient

LOCK_ID = "lock#remediation"
REPORTING_LOCK_ID = "lock#reporting"  # its own: two reports at once would file two tickets
USAGE_LOCK_ID = "lock#usage"  # its own: two would read the same logs
# Longer than any one call of AWS can take with all its retries: the holder renews between calls.
LEASE = timedelta(minutes=15)


class LockedError(HammerError):
    """Somebody else holds the lock, or took it over."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that may hold the lock.

    Attributes:
        who: for people.
        machine: tells this running system and its process ids from every other; empty: unknown.
        process: the process on the machine; empty: unknown.
    """

    who: str
    machine: str = ""
    process: str = ""


@dataclass(frozen=True, slots=True)
class LockState:
    """The lock as it is.

    Attributes:
        holder: None: nobody holds it.
        until: when the lease ends, in UTC.
        unfinished: (account id, region, group id) of changes that were begun and not finished.
    """

    holder: Holder | None
    until: datetime | None
    unfinished: frozenset[tuple[str, str, str]]
    token: str = ""


class Lock:
    """The lock, as one process sees it.

    Args:
        client: for DynamoDB, in the main account and region.
        table_name: the issue table.
        account_id: the main account.
        holder: this process.
        now: tells the time in UTC.
        lock_id: which lock.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table_name: str,
        account_id: str,
        holder: Holder,
        now: Callable[[], datetime],
        lock_id: str = LOCK_ID,
    ) -> None:
        self._items = Items(client, table_name)
        self._key = (account_id, lock_id)
        self._holder = holder
        self._now = now
        self._token = uuid.uuid4().hex

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            LockedError: somebody else holds it; says who, and until when.
        """
        if self._take("attribute_not_exists(lock_token) OR lease_ends <= :now", {":now": _epoch(self._now())}):
            return
        state = self.read()
        if state.token == self._token:
            return  # a retry of a write that had succeeded unseen
        if state.holder and _is_dead(state.holder, self._holder.machine):
            condition = "lock_token = :dead"
            if self._take(condition, {":dead": state.token}):
                return
            state = self.read()
        who = state.holder.who if state.holder else "somebody else"
        raise LockedError(f"another run holds the lock: {who}, until {shown_time(state.until)} unless it goes on")

    def renew(self) -> None:
        """Keep the lock for another lease.

        Raises:
            LockedError: somebody else took it over meanwhile.
        """
        self._while_mine(sets=self._lease())

    def mark_unfinished(self, account_id: str, region: str, group_id: str) -> None:
        """Note that a change of a group begins, and renew. Raises LockedError as `renew` does."""
        self._while_mine(sets=self._lease(), adds={"unfinished": {f"{account_id}/{region}/{group_id}"}})

    def mark_finished(self, account_id: str, region: str, group_id: str) -> None:
        """Note that nothing is left to do in a group, and renew. Raises LockedError as `renew` does."""
        self._while_mine(sets=self._lease(), deletes={"unfinished": {f"{account_id}/{region}/{group_id}"}})

    def release(self) -> None:
        """Let go, if it is still ours."""
        try:
            self._while_mine(removes=("lock_token", "lease_ends", "who", "machine", "process_id"))
        except LockedError:
            return

    def read(self) -> LockState:
        """The lock as it is, whoever holds it."""
        item = self._items.get(*self._key) or {}
        token = item.get("lock_token", "")
        who, machine, process = (item.get(name, "") for name in ("who", "machine", "process_id"))
        ends = item.get("lease_ends")
        return LockState(
            holder=Holder(who, machine, process) if token else None,
            until=datetime.fromtimestamp(float(ends), UTC) if ends else None,
            unfinished=frozenset(_place(text) for text in item.get("unfinished", ())),
            token=token,
        )

    def _lease(self) -> dict[str, Any]:
        return {"lease_ends": _epoch(self._now() + LEASE)}

    def _take(self, condition: str, values: Mapping[str, Any]) -> bool:
        mine = {
            "lock_token": self._token,
            "who": self._holder.who,
            "machine": self._holder.machine,
            "process_id": self._holder.process,
        }
        try:
            self._items.update(*self._key, mine | self._lease(), condition=condition, values=values)
        except ConflictError:
            return False
        return True

    def _while_mine(
        self,
        sets: Mapping[str, Any] | None = None,
        adds: Mapping[str, Any] | None = None,
        deletes: Mapping[str, Any] | None = None,
        removes: Iterable[str] = (),
    ) -> None:
        try:
            self._items.update(
                *self._key,
                sets or {},
                adds=adds,
                deletes=deletes,
                removes=removes,
                condition="lock_token = :token",
                values={":token": self._token},
            )
        except ConflictError as error:
            raise LockedError("the lock was taken over by another run: this one stops here") from error


def _epoch(time: datetime) -> Decimal:
    """Seconds since 1970, as DynamoDB takes them, to the microsecond."""
    return Decimal(repr(time.timestamp()))


def this_process() -> Holder:
    """This process, as precisely as the system tells."""
    pid = os.getpid()
    who = f"{login_name() or f'user {os.getuid()}'}@{socket.gethostname()}, process {pid}"
    try:
        machine = Path("/proc/sys/kernel/random/boot_id").read_text().strip() + str(
            Path("/proc/self/ns/pid").readlink()
        )
        return Holder(who, machine, f"{pid}:{_started(pid)}")
    except OSError:  # not Linux: only the end of the lease tells that a holder died
        return Holder(who)


def login_name() -> str:
    """The name of the account of this machine that this process runs as; empty: it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _is_dead(holder: Holder, machine: str) -> bool:
    """Whether a holder was a process of this machine that has ended. Unknown counts as alive."""
    if not machine or holder.machine != machine:
        return False
    pid, _, started = holder.process.partition(":")
    try:
        return _started(int(pid)) != started
    except (FileNotFoundError, ProcessLookupError):
        return True
    except (OSError, ValueError):
        return False


def _started(pid: int) -> str:
    """When a process began, in the kernel's ticks (proc(5), /proc/pid/stat, field 22): pids are used again."""
    # The second field, the program's name in brackets, may contain anything.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return "ended" if fields[0] in "ZX" else fields[19]


def _place(text: str) -> tuple[str, str, str]:
    account_id, region, group_id = text.split("/")
    return account_id, region, group_id
