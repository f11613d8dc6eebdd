"""When Hammer last heard of an event, for each account and region, kept beside the issues in their table.

A missing trail, rule or bus permission makes no error anywhere: events just stay away. This is where it can be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from library.aws.conditional_writes import ConflictError
from library.issues.times import format_time, parse_time

if TYPE_CHECKING:
    from library.aws.conditional_writes import Items

_ITEM_PREFIX = "events#"


@dataclass(frozen=True, slots=True)
class HeardEvent:
    """The last event that came from an account and region.

    Attributes:
        at: when it came, in UTC.
        name: the call that it was about.
    """

    account_id: str
    region: str
    at: datetime
    name: str


class EventRecords:
    """What was heard of, in one table.

    Args:
        items: the issue table.
    """

    def __init__(self, items: Items) -> None:
        self._items = items

    def record(self, heard: HeardEvent) -> None:
        """Keep that an event came, unless a later one is kept already."""
        at = format_time(heard.at)
        with suppress(ConflictError):
            self._items.update(
                heard.account_id,
                _ITEM_PREFIX + heard.region,
                {"region": heard.region, "heard": at, "event_name": heard.name},
                condition="attribute_not_exists(#heard) OR #heard < :heard",
                values={":heard": at},
            )

    def of_account(self, account_id: str) -> Iterator[HeardEvent]:
        """The last event of each region of an account."""
        condition = "account_id = :account AND begins_with(issue_id, :prefix)"
        for item in self._items.query(condition, {":account": account_id, ":prefix": _ITEM_PREFIX}):
            at = parse_time(item.get("heard"))
            if at:
                yield HeardEvent(account_id, str(item["region"]), at, str(item.get("event_name", "")))
