"""Which look at security groups is the latest: tickets and marks, kept beside the issues in their table.

Several looks at the same group may be under way at once: a slow scan of the region, and looks that events caused. The
one that asked EC2 last must win, also if it found nothing to change. So each look takes a ticket of its account and
region, a number that only grows, before it reads the table and EC2, and marks what it is about to look at: the whole
region, or each group. A look that finds a later mark on what it wrote looks again, with a new ticket. Then the last of
them has read everything that the others wrote, and none of those writes after it.

No clock is involved: machines differ in theirs.

The marks of a group also keep what events told about it: a look that follows one event must know what the others told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from library.aws.conditional_writes import TIME_TO_LIVE_ATTRIBUTE, ConflictError, NextNumber
from library.issues.opening_calls import OpeningCall, needed, surplus
from library.issues.told import Told

if TYPE_CHECKING:
    from library.aws.conditional_writes import Item, Items

_KEPT = timedelta(days=90)  # as long as CloudTrail's own event history
_ATTEMPTS = 8
_CONCURRENT_MARKS = 8


_EXPECTATIONS_KEPT = 200  # of one group: an item of the table has room for 400 KB


@dataclass(frozen=True, slots=True)
class Marks:
    """What is kept about some groups.

    Attributes:
        overtaken: those that a look with a later ticket has marked, itself or with its whole region.
        told: what events told, by group id.
    """

    overtaken: frozenset[str] = frozenset()
    told: Mapping[str, Told] = field(default_factory=dict)


class Looks:
    """The marks in one table.

    Args:
        items: the issue table.
    """

    def __init__(self, items: Items) -> None:
        self._items = items

    def begin_whole(self, account_id: str, region: str) -> int:
        """Take a ticket for a look at a whole region, and mark the region with it."""
        sets = {"ticket": NextNumber("ticket"), "whole": NextNumber("ticket")}
        return int(self._items.update(account_id, _region_id(region), sets, returning=True)["ticket"])

    def begin_named(
        self, account_id: str, region: str, group_ids: Sequence[str], told: Mapping[str, Told], now: datetime
    ) -> tuple[int, Mapping[str, Told]]:
        """Take a ticket for a look at some groups of a region, and mark each of them with it.

        Args:
            account_id: the account.
            region: the region.
            group_ids: the groups.
            told: what events told: kept with the marks.
            now: the time in UTC.

        Returns:
            The ticket, and all that events told about these groups, now and before.

        Raises:
            ConflictError: others keep marking these groups.
        """
        for _ in range(_ATTEMPTS):
            taken = self._items.update(account_id, _region_id(region), {"ticket": NextNumber("ticket")}, returning=True)
            ticket = int(taken["ticket"])
            new = {group_id: told.get(group_id, Told()) for group_id in group_ids}
            marked = self._mark_all(account_id, new, now, ticket)
            if marked is not None:
                return ticket, marked
        raise ConflictError(f"looks at {', '.join(group_ids)}")

    def remember(self, account_id: str, told: Mapping[str, Told], now: datetime) -> Mapping[str, Told]:
        """Keep what events told about groups, without a mark. Returns all that they told about these."""
        return self._mark_all(account_id, told, now, None) or {}

    def marks(self, account_id: str, region: str, group_ids: Iterable[str], ticket: int) -> Marks:
        """What is kept about groups that a look with this ticket is about to change, or has changed."""
        ids = {_group_item_id(group_id): group_id for group_id in group_ids}
        overtaken: set[str] = set()
        told: dict[str, Told] = {}
        for item in self._items.get_many(account_id, [_region_id(region), *ids]) if ids else ():
            group_id = ids.get(item["issue_id"])
            if group_id is None:
                overtaken |= set(ids.values()) if _number(item, "whole") > ticket else set()
                continue
            told[group_id] = _told(item)
            if _number(item, "named") > ticket:
                overtaken.add(group_id)
        return Marks(frozenset(overtaken), told)

    def _mark_all(
        self, account_id: str, told: Mapping[str, Told], now: datetime, ticket: int | None
    ) -> Mapping[str, Told] | None:
        """Mark groups. Returns all that events told about them; None: a later look has marked one."""
        with ThreadPoolExecutor(_CONCURRENT_MARKS) as pool:
            marking = {
                group_id: pool.submit(self._mark, account_id, group_id, new, now, ticket)
                for group_id, new in told.items()
            }
        marked = {group_id: mark.result() for group_id, mark in marking.items()}
        found = {group_id: told for group_id, told in marked.items() if told is not None}
        return found if len(found) == len(marked) else None

    def _mark(self, account_id: str, group_id: str, new: Told, now: datetime, ticket: int | None) -> Told | None:
        sets = {TIME_TO_LIVE_ATTRIBUTE: int((now + _KEPT).timestamp())}
        # Limited before they are added: an item that is too big, even for a moment, is refused.
        adds = {
            "openings": {opening.to_text() for opening in needed(new.openings)},
            "expected": set(sorted(new.expected, reverse=True)[:_EXPECTATIONS_KEPT]),
        }
        condition: dict[str, Any] = {}
        if ticket is not None:
            sets["named"] = ticket
            condition = {
                "condition": "attribute_not_exists(#named) OR #named < :ticket",
                "values": {":ticket": ticket},
            }
        try:
            item = self._items.update(
                account_id,
                _group_item_id(group_id),
                sets,
                adds={name: texts for name, texts in adds.items() if texts},
                returning=True,
                **condition,
            )
        except ConflictError:
            return None
        found = _told(item)
        self._forget(
            account_id, group_id, surplus(found.openings), sorted(found.expected, reverse=True)[_EXPECTATIONS_KEPT:]
        )
        return found

    def forget_expected(self, account_id: str, group_id: str, texts: Collection[str]) -> None:
        """Forget what EC2 must show of a group."""
        self._forget(account_id, group_id, (), texts)

    def _forget(
        self, account_id: str, group_id: str, openings: Iterable[OpeningCall], expected: Collection[str]
    ) -> None:
        deletes = {"openings": {opening.to_text() for opening in openings}, "expected": set(expected)}
        if any(deletes.values()):
            known = {name: texts for name, texts in deletes.items() if texts}
            self._items.update(account_id, _group_item_id(group_id), {}, deletes=known)


def _told(item: Item) -> Told:
    read = map(OpeningCall.from_text, sorted(item.get("openings") or ()))
    return Told([opening for opening in read if opening], frozenset(item.get("expected") or ()))


def _region_id(region: str) -> str:
    return f"looks#{region}"


def _group_item_id(group_id: str) -> str:
    return f"look#{group_id}"


def _number(item: Item, name: str) -> int:
    return int(item.get(name, 0))
