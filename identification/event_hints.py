"""What events told about each group, kept beside the issues in their table: the calls that opened it, and the newest.

Events come in any order, late and more than once, and each leads to a scan of its own. So what one told is kept for the
scans that follow:

- The calls that added something, of which `opened_by` names the latest that is still exposed.
- When the newest event of the group was. EC2 may show a change only after five minutes. A scan that began before they
  were over may have an answer from before the change, so it takes nothing away from an issue.
- Of a prefix list, the groups whose rules began to name it lately: an event of the list leads to them, too, although
  EC2 may not show yet that they name it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from library.aws.conditional_writes import TIME_TO_LIVE_ATTRIBUTE, Check
from library.errors import ConflictError
from library.issues.opening_calls import OpeningCall, exposing_by, latest_per_rule, superseded
from library.issues.times import format_time, parse_time
from library.security_groups.group import EVENTUAL_CONSISTENCY

if TYPE_CHECKING:
    from library.aws.conditional_writes import Item, Items
    from library.security_groups.exposure import Evaluator

CLOCK_MARGIN = timedelta(seconds=5)
"""How far the clocks of two machines may be apart. AWS keeps those of Lambda and EC2 within milliseconds (Amazon Time
Sync Service); this leaves room for a machine whose clock is being corrected."""

_KEPT = timedelta(days=90)  # as long as CloudTrail's own event history
_USERS_SPAN = timedelta(minutes=10)
"""How long a record of a prefix list's new users takes more. It is longer than EC2 takes to show a rule, so that the
record of now and the one before have all groups that EC2 may not show yet."""
_USERS_KEPT = timedelta(hours=1)
_CONCURRENT_WRITES = 8


@dataclass(frozen=True, slots=True)
class EventHints:
    """What events told about one group.

    Attributes:
        openings: the calls that opened something in it.
        newest: when the newest call about it was made, in UTC; None: not known.
    """

    openings: Sequence[OpeningCall] = ()
    newest: datetime | None = None

    @property
    def observed_from(self) -> datetime | None:
        """From when on EC2 surely shows the newest call, without a margin for clocks; None: no call is known."""
        return None if self.newest is None else self.newest + EVENTUAL_CONSISTENCY

    def are_observed_by(self, begun: datetime) -> bool:
        """Whether a scan that began then has seen the group as the newest call left it, or as it was changed since."""
        return self.observed_from is None or begun >= self.observed_from


class EventHintRecords:
    """The hints in one table (`look#<group>`, `look#<prefix list>#<minutes>`)."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def of_groups(self, account_id: str, group_ids: Iterable[str]) -> dict[str, EventHints]:
        """What is kept about these groups; those about which nothing is are left out."""
        ids = {_item_id(group_id): group_id for group_id in group_ids}
        return {ids[item["issue_id"]]: _hints(item) for item in self._items.get_many(account_id, ids)} if ids else {}

    def add(
        self, account_id: str, new: Mapping[str, EventHints], now: datetime, evaluator: Evaluator
    ) -> dict[str, EventHints]:
        """Keep what events told about groups. Returns all that is kept about these.

        Where there is no room for all calls, those that expose a group by the evaluator have it.
        """
        exposes = exposing_by(evaluator)
        with ThreadPoolExecutor(_CONCURRENT_WRITES) as pool:
            added = {
                group_id: pool.submit(self._add, account_id, group_id, hints, now, exposes)
                for group_id, hints in new.items()
            }
        return {group_id: each.result() for group_id, each in added.items()}

    def newest_event_was_shown(self, group_id: str, scan_start: datetime) -> Check:
        """The condition that EC2 had shown the newest call about a group when a scan began."""
        latest = format_time(scan_start - EVENTUAL_CONSISTENCY)
        condition = "attribute_not_exists(#newest_event) OR #newest_event <= :latest"
        return Check(_item_id(group_id), condition, {":latest": latest})

    def add_users(self, account_id: str, prefix_list_id: str, group_ids: Iterable[str], now: datetime) -> None:
        """Keep that events told of these groups that a rule of theirs names a prefix list.

        Each ten minutes have a record of their own: one that always grew would be refused in the end (400 KB).
        """
        sets = {TIME_TO_LIVE_ATTRIBUTE: int((now + _USERS_KEPT).timestamp())}
        self._items.update(account_id, _users_id(prefix_list_id, now), sets, adds={"users": set(group_ids)})

    def new_users(self, account_id: str, prefix_list_ids: Iterable[str], now: datetime) -> dict[str, set[str]]:
        """The groups of which events told in the last ten to twenty minutes that they name a prefix list.

        EC2 may not show that they do yet.
        """
        latest = now + CLOCK_MARGIN  # whoever wrote the newest record may have a clock that is ahead
        times = (latest, latest - _USERS_SPAN)
        ids = {_users_id(listed, time): listed for listed in prefix_list_ids for time in times}
        found: dict[str, set[str]] = {}
        for item in self._items.get_many(account_id, ids) if ids else ():
            found.setdefault(ids[item["issue_id"]], set()).update(_users(item))
        return found

    def _add(
        self, account_id: str, group_id: str, new: EventHints, now: datetime, exposes: Callable[[OpeningCall], bool]
    ) -> EventHints:
        sets: dict[str, object] = {TIME_TO_LIVE_ATTRIBUTE: int((now + _KEPT).timestamp())}
        # Limited before they are added: an item that is too big, even for a moment, is refused.
        openings = {opening.to_text() for opening in latest_per_rule(new.openings, exposes)}
        adds = {"openings": openings} if openings else {}
        # Not from the future: nothing would be resolved until then.
        newest = format_time(min(new.newest, now + CLOCK_MARGIN)) if new.newest else None
        try:
            item = self._items.update(
                account_id,
                _item_id(group_id),
                sets | ({"newest_event": newest} if newest else {}),
                adds=adds,
                returning=True,
                condition="attribute_not_exists(#newest_event) OR #newest_event < :newest" if newest else "",
                values={":newest": newest} if newest else None,
            )
        except ConflictError:  # a newer one is known
            item = self._items.update(account_id, _item_id(group_id), sets, adds=adds, returning=True)
        found = _hints(item)
        if more := superseded(found.openings, exposes):
            deletes = {"openings": {opening.to_text() for opening in more}}
            self._items.update(account_id, _item_id(group_id), {}, deletes=deletes)
        return found


def _hints(item: Item) -> EventHints:
    read = map(OpeningCall.from_text, sorted(item.get("openings") or ()))
    return EventHints([opening for opening in read if opening], parse_time(item.get("newest_event")))


def _users(item: Item) -> set[str]:
    users = item.get("users")
    return {user for user in users if str(user).startswith("sg-")} if isinstance(users, set) else set()


def _item_id(group_id: str) -> str:
    return f"look#{group_id}"


def _users_id(prefix_list_id: str, time: datetime) -> str:
    """The record of the ten minutes that a time is in, by the minute they begin, counted from 1970."""
    span = int(_USERS_SPAN.total_seconds())
    return f"look#{prefix_list_id}#{int(time.timestamp()) // span * span // 60}"
