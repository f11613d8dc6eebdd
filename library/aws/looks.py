"""Which look at security groups is the latest: tickets and marks, kept beside the issues in their table.

Several looks at the same group may be under way at once: a slow scan of the region, and looks that events caused. The
one that asked EC2 last must win, also if it found nothing to change. So each look takes a ticket of its account and
region, a number that only grows, before it reads the table and EC2, and marks what it is about to look at: the whole
region, or each group. A look that finds a later mark on what it wrote looks again, with a new ticket. Then the last of
them has read everything that the others wrote, and none of those writes after it.

No clock is involved: machines differ in theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from library.aws.items import ConflictError, NextNumber
from library.aws.table_definition import TIME_TO_LIVE_ATTRIBUTE

if TYPE_CHECKING:
    from library.aws.items import Item, Items

_KEPT = timedelta(days=90)
_ATTEMPTS = 8
_CONCURRENT_MARKS = 8


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

    def begin_named(self, account_id: str, region: str, group_ids: Sequence[str], now: datetime) -> int:
        """Take a ticket for a look at some groups of a region, and mark each of them with it.

        Raises:
            ConflictError: others keep marking these groups.
        """
        expires = int((now + _KEPT).timestamp())

        for _ in range(_ATTEMPTS):
            taken = self._items.update(account_id, _region_id(region), {"ticket": NextNumber("ticket")}, returning=True)
            ticket = int(taken["ticket"])
            with ThreadPoolExecutor(_CONCURRENT_MARKS) as pool:
                marks = [pool.submit(self._mark, account_id, group_id, ticket, expires) for group_id in group_ids]
            if all(mark.result() for mark in marks):
                return ticket
        raise ConflictError(f"looks at {', '.join(group_ids)}")

    def overtaken(self, account_id: str, region: str, group_ids: Iterable[str], ticket: int) -> set[str]:
        """Of these groups, those that a look with a later ticket has marked."""
        marked = {_group_item_id(group_id): group_id for group_id in group_ids}
        if not marked:
            return set()
        later: set[str] = set()
        for item in self._items.get_many(account_id, [_region_id(region), *marked]):
            if item["issue_id"] == _region_id(region):
                later |= set(marked.values()) if _number(item, "whole") > ticket else set()
            elif _number(item, "named") > ticket:
                later.add(marked[item["issue_id"]])
        return later

    def _mark(self, account_id: str, group_id: str, ticket: int, expires: int) -> bool:
        """Mark one group, unless a later look has. Returns whether that was done."""
        try:
            self._items.update(
                account_id,
                _group_item_id(group_id),
                {"named": ticket, TIME_TO_LIVE_ATTRIBUTE: expires},
                condition="attribute_not_exists(#named) OR #named < :ticket",
                values={":ticket": ticket},
            )
        except ConflictError:
            return False
        return True


def _region_id(region: str) -> str:
    return f"looks#{region}"


def _group_item_id(group_id: str) -> str:
    return f"look#{group_id}"


def _number(item: Item, name: str) -> int:
    return int(item.get(name, 0))
