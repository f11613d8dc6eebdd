"""What is kept about each account and region beside the issues in their table: the last scan, and the last event.

The coverage record (`scan-coverage#<region>`) has how the last scan of the region ended, and when one last *began*: a
scan that began earlier must not take away what a later one saw and, because it had not changed, did not write.

The record of events (`events#<region>`) has when one last came: a missing trail, rule or bus permission makes no error
anywhere, events just stay away. There it can be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from library.aws.conditional_writes import Check
from library.errors import ConflictError
from library.issues.scan_coverage import ITEM_PREFIX, Outcome, ScanCoverage
from library.issues.times import format_time, stored_time

if TYPE_CHECKING:
    from library.aws.conditional_writes import Item, Items

_EVENTS_PREFIX = "events#"
_OF_ACCOUNT = "account_id = :account AND begins_with(issue_id, :prefix)"
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class RegionState:
    """What scans of an account and region left, as a scan finds it.

    Attributes:
        begun: when the last scan of the whole region began, in UTC; None: there was none.
        swept: when the last scan that read the region's whole network began, in UTC; None: there was none.
        last_groups: how many groups the last scan read that read the whole region, whether it understood all or not; 0:
            there was none.
    """

    begun: datetime | None = None
    swept: datetime | None = None
    last_groups: int = 0


class CoverageRecords:
    """Scan coverage in one table.

    Args:
        items: the issue table.
    """

    def __init__(self, items: Items) -> None:
        self._items = items

    def state(self, account_id: str, region: str) -> RegionState:
        """What scans of an account and region left."""
        item = self._items.get(account_id, ITEM_PREFIX + region) or {}
        return RegionState(stored_time(item.get("begun")), stored_time(item.get("swept")), _last_groups(item))

    def begin(self, account_id: str, region: str, begun: datetime) -> RegionState:
        """Record that a scan of a whole region begins.

        Returns:
            The state with this scan as the last one. Its `begun` is no other scan's, whatever the clocks show.
        """
        before = self.state(account_id, region)
        begun = begun if before.begun is None else max(begun, before.begun + _TICK)
        self._items.update(account_id, ITEM_PREFIX + region, {"region": region, "begun": format_time(begun)})
        return RegionState(begun, before.swept, before.last_groups)

    def check_begun(self, region: str, state: RegionState) -> Check:
        """The condition that no scan of the whole region has begun since its state was read."""
        if state.begun is None:
            return Check(ITEM_PREFIX + region, "attribute_not_exists(#begun)", {})
        return Check(ITEM_PREFIX + region, "#begun = :begun_read", {":begun_read": format_time(state.begun)})

    def record_sweep(self, account_id: str, region: str, begun: datetime) -> None:
        """Record that a scan which began then read the region's whole network."""
        self._items.update(account_id, ITEM_PREFIX + region, {"region": region, "swept": format_time(begun)})

    def record(self, scan: ScanCoverage) -> None:
        """Keep what a scan saw, unless a scan that began later is kept already.

        What the last complete scan saw stays if this one is not complete. One that did not understand all has read all
        groups, unless it read none: then its answer was not all that there is.
        """
        sets = scan.to_item()
        if scan.outcome is Outcome.COMPLETE:
            sets |= {"last_complete": sets["started"], "last_groups": sets["groups"]}
        elif scan.outcome is Outcome.PARTIAL and scan.groups:
            sets |= {"last_groups": sets["groups"]}
        # Two scans of a region overlap when one is slow: the slow one knows less.
        with suppress(ConflictError):
            self._items.update(
                scan.account_id,
                ITEM_PREFIX + scan.region,
                sets,
                condition="attribute_not_exists(#started) OR #started <= :started",
                values={":started": sets["started"]},
            )

    def of_account(self, account_id: str) -> Iterator[ScanCoverage]:
        """The newest scan of each region of an account. A region whose first scan has only begun is left out.

        One whose record cannot be read counts as not seen: its scan as failed.
        """
        for item in self._items.query(_OF_ACCOUNT, {":account": account_id, ":prefix": ITEM_PREFIX}):
            if "started" in item:
                yield _coverage(item)


def _coverage(item: Item) -> ScanCoverage:
    try:
        return ScanCoverage.from_item(item)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        region, last = str(item["issue_id"]).removeprefix(ITEM_PREFIX), stored_time(item.get("last_complete"))
        reason = (
            f"its record {item['issue_id']} in the issue table is not as it should be: delete that item, and the next "
            "scan writes it anew"
        )
        started = last or datetime.fromtimestamp(0, UTC)
        return ScanCoverage(str(item["account_id"]), region, Outcome.FAILED, started, 0.0, 0, reason, last)


def _last_groups(item: Item) -> int:
    # A version before kept the number of the last scan only.
    is_kept = "last_groups" in item
    if not is_kept and item.get("outcome") not in (Outcome.COMPLETE, Outcome.PARTIAL):
        return 0
    try:
        return int(item["last_groups" if is_kept else "groups"])
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return 1  # how many is not known: an answer without any group is not taken for all that there is


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
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
    """When events last came, in one table.

    Args:
        items: the issue table.
    """

    def __init__(self, items: Items) -> None:
        self._items = items

    def record(self, delivered_to: ReceivedEvent) -> None:
        """Keep that an event came, unless a later one is kept already."""
        at = format_time(delivered_to.at)
        sets: dict[str, Any] = {"region": delivered_to.region, "heard": at, "event_name": delivered_to.name}
        with suppress(ConflictError):
            self._items.update(
                delivered_to.account_id,
                _EVENTS_PREFIX + delivered_to.region,
                sets,
                condition="attribute_not_exists(#heard) OR #heard < :heard",
                values={":heard": at},
            )

    def of_account(self, account_id: str) -> Iterator[ReceivedEvent]:
        """The last event of each region of an account."""
        for item in self._items.query(_OF_ACCOUNT, {":account": account_id, ":prefix": _EVENTS_PREFIX}):
            at, region = stored_time(item.get("heard")), str(item["issue_id"]).removeprefix(_EVENTS_PREFIX)
            if at:
                yield ReceivedEvent(account_id, region, at, str(item.get("event_name", "")))
