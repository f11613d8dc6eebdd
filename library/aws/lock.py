"""Locks for the jobs of which two runs must not meet. Each is a lease in the issue table.

Remediation and restore share one: it is held by whatever changes security groups. Reporting and the job `usage` have
one each. Whoever holds a lock renews it before each step. A holder that stops renewing, or dies, loses it when the
lease ends. The item of remediation's lock also names the groups whose change was begun and not finished, so that the
next holder knows where to look first.
"""

from __future__ import annotations

import getpass
import os
import socket
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from library.aws.conditional_writes import Items
from library.errors import ConflictError, HammerError
from library.issues.names import check_name
from library.issues.times import shown_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from types_boto3_dynamodb import DynamoDBClient

LOCK_ID = "lock#remediation"
REPORTING_LOCK_ID = "lock#reporting"  # its own: two reports at once would file two tickets
USAGE_LOCK_ID = "lock#usage"  # its own: two would read the same logs
# Longer than any one call of AWS can take with all its retries (library.aws.session: 6 attempts of 70 s): the holder
# renews between calls.
LEASE = timedelta(minutes=8)


class LockedError(HammerError):
    """Somebody else holds the lock, or took it over."""


@dataclass(frozen=True, slots=True)
class LockState:
    """The lock as it is.

    Attributes:
        holder: the process that holds it, for people; empty: nobody does.
        until: when the lease ends, in UTC.
        unfinished: (account id, region, group id) of changes that were begun and not finished.
        token: by which the holding process knows the lock as its own; empty: nobody holds it.
    """

    holder: str
    until: datetime | None
    unfinished: frozenset[tuple[str, str, str]]
    token: str = ""


class Lock:
    """The lock, as one process sees it. `holder` is this process, for people (`this_process`).

    `client` is for DynamoDB in the main account and region.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table_name: str,
        account_id: str,
        holder: str,
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
        is_free, now = "attribute_not_exists(lock_token) OR lease_ends <= :now", {":now": _epoch(self._now())}
        mine = {"lock_token": self._token, "who": self._holder, **self._lease()}
        with suppress(ConflictError):
            self._items.update(*self._key, mine, condition=is_free, values=now)
            return
        state = self.read()
        who = state.holder or "somebody else"
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
        with suppress(LockedError):
            self._while_mine(removes=("lock_token", "lease_ends", "who"))

    def read(self) -> LockState:
        """The lock as it is, whoever holds it."""
        item = self._items.get(*self._key) or {}
        token = item.get("lock_token", "")
        ends = item.get("lease_ends")
        return LockState(
            holder=item.get("who", "") or "somebody" if token else "",
            until=_time(ends),
            unfinished=frozenset(location for text in item.get("unfinished") or () if (location := _location(text))),
            token=token,
        )

    def _lease(self) -> dict[str, Any]:
        return {"lease_ends": _epoch(self._now() + LEASE)}

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


def this_process() -> str:
    """This process, for people: who runs it, where, and its id."""
    return f"{login_name() or f'user {os.getuid()}'}@{socket.gethostname()}, process {os.getpid()}"


def login_name() -> str:
    """The name of the account of this machine that this process runs as; empty: it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _time(ends: object) -> datetime | None:
    """When a lease ends, for people; None where nobody holds it, or what the table has is no time."""
    try:
        return datetime.fromtimestamp(float(ends), UTC) if isinstance(ends, (Decimal, float, int)) else None
    except (ValueError, OverflowError, OSError):
        return None


def _location(text: object) -> tuple[str, str, str] | None:
    """A group that is marked; None for what no run has written: the issues themselves tell what is unfinished, too."""
    parts = text.split("/") if isinstance(text, str) else []
    if len(parts) != 3:
        return None
    account_id, region, group_id = parts
    try:
        check_name("account_id", account_id)
        check_name("region", region)
        check_name("issue_id", group_id)
    except ValueError:
        return None
    return account_id, region, group_id
