"""What events told about each group, kept beside the issues in their table: the calls that opened it, and the newest.

Events come in any order, late and more than once, and each leads to a scan of its own. So what one told is kept for
the scans that follow:

- The calls that added something, of which `opened_by` names the latest that is still exposed.
- When the newest event of the group was. EC2 may show a change only after five minutes. A scan that began before they
  were over may have an answer from before the change, so it takes nothing away from an issue.

Of groups that were opened before Hammer was there, or whose events were lost, CloudTrail's event history is asked who
opened them (`look_up_openers`), after a scan of a region and once for each occurrence of an issue. A scan makes a
limited number of calls, and the next one goes on with the other issues. What the history tells is kept and judged as
what events told.

AWS CloudTrail API Reference, LookupEvents: calls of the last 90 days by the resource that they named, 50 a page, the
newest first; two requests a second for each account and region, and a throttling error beyond that. A call may be in
the history only 15 minutes after it was made.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from identification.cloudtrail import parse_call
from identification.errors import MalformedEventError
from identification.events import HintScope, hint_of
from library.aws.conditional_writes import TIME_TO_LIVE_ATTRIBUTE, Check
from library.aws.failures import AWS_ERRORS, explain
from library.errors import ConflictError
from library.issues.opening_calls import OpeningCall, latest_per_rule, opened_by, superseded
from library.issues.reachability import Severity
from library.issues.reconcile import attribute
from library.issues.times import format_time, parse_time
from library.security_groups.group import EVENTUAL_CONSISTENCY

if TYPE_CHECKING:
    from identification.runtime import Runtime
    from library.aws.conditional_writes import Item, Items
    from library.issues.issue import Issue

_log = logging.getLogger(__name__)


CLOCK_MARGIN = timedelta(seconds=5)
"""How far the clocks of two machines may be apart. AWS keeps those of Lambda and EC2 within milliseconds (Amazon Time
Sync Service); this leaves room for a machine whose clock is being corrected."""

_KEPT = timedelta(days=90)  # as long as CloudTrail's own event history
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
    """The hints in one table (`look#<group>`)."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def of_groups(self, account_id: str, group_ids: Iterable[str]) -> dict[str, EventHints]:
        """What is kept about these groups; those about which nothing is are left out."""
        ids = {_item_id(group_id): group_id for group_id in group_ids}
        return {ids[item["issue_id"]]: _hints(item) for item in self._items.get_many(account_id, ids)} if ids else {}

    def add(self, account_id: str, new: Mapping[str, EventHints], now: datetime) -> dict[str, EventHints]:
        """Keep what events told about groups. Returns all that is kept about these."""
        with ThreadPoolExecutor(_CONCURRENT_WRITES) as pool:
            added = {
                group_id: pool.submit(self._add, account_id, group_id, hints, now) for group_id, hints in new.items()
            }
        return {group_id: each.result() for group_id, each in added.items()}

    def no_event_since(self, group_id: str, begun: datetime) -> Check:
        """The condition that EC2 had shown each call about a group when a scan began."""
        latest = format_time(begun - EVENTUAL_CONSISTENCY)
        condition = "attribute_not_exists(#newest_event) OR #newest_event <= :latest"
        return Check(_item_id(group_id), condition, {":latest": latest})

    def _add(self, account_id: str, group_id: str, new: EventHints, now: datetime) -> EventHints:
        sets: dict[str, object] = {TIME_TO_LIVE_ATTRIBUTE: int((now + _KEPT).timestamp())}
        # Limited before they are added: an item that is too big, even for a moment, is refused.
        openings = {opening.to_text() for opening in latest_per_rule(new.openings)}
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
        if more := superseded(found.openings):
            deletes = {"openings": {opening.to_text() for opening in more}}
            self._items.update(account_id, _item_id(group_id), {}, deletes=deletes)
        return found


def _hints(item: Item) -> EventHints:
    read = map(OpeningCall.from_text, sorted(item.get("openings") or ()))
    return EventHints([opening for opening in read if opening], parse_time(item.get("newest_event")))


def _item_id(group_id: str) -> str:
    return f"look#{group_id}"


CALLS_A_SCAN = 60
"""After so many calls the next scan goes on: at two calls a second that is half a minute of a function's five."""

COMPLETE_AFTER = timedelta(minutes=15)
"""How long after a call its event may still be missing."""

_EVENTS_A_PAGE = 50
_PAUSE_S = 0.5
_PAGES = 3  # of the calls that named one group: reads are among them
_PREFIX_LISTS = 3  # of one group


def look_up_openers(account_id: str, region: str, runtime: Runtime) -> str:
    """Ask the history who opened the exposed groups of an account and region of which nothing is known.

    Returns:
        Why that could not be done, on one line; empty: it could. The issues are then as they were.
    """
    try:
        issues = runtime.table.exposed(account_id, region, unreadable=lambda _: None)
        waiting = sorted(filter(_is_unasked, issues.values()), key=_worst_first)
        if not waiting:
            return ""
        history = EventHistory(runtime.sessions.client("cloudtrail", account_id, region), runtime.sleep)
        for number, issue in enumerate(waiting):
            if history.calls >= CALLS_A_SCAN:
                _log.info("the next scan asks who opened %d more groups", len(waiting) - number)
                break
            _search_history(issue, history, runtime)
    except AWS_ERRORS as error:
        return f"who opened groups is not known: {explain(error, runtime.sessions.role_arn(account_id))}"
    return ""


def _is_unasked(issue: Issue) -> bool:
    return issue.opened_by is None and issue.opener_sought != issue.occurrence


def _worst_first(issue: Issue) -> tuple[int, bool, str]:
    details = issue.details
    return list(Severity).index(details.severity), details.status != "open_completely", issue.issue_id


def _search_history(issue: Issue, history: EventHistory, runtime: Runtime) -> None:
    """Ask about one issue, and keep the answer. An issue that changes meanwhile is asked about by the next scan."""
    found = [opening for name in _names(issue) for opening in _openings(name, issue, history, runtime)]
    asked = replace(issue, opener_sought=issue.occurrence)
    with suppress(ConflictError):
        if found:
            hints = {issue.issue_id: EventHints(found)}
            known = EventHintRecords(runtime.table.items).add(issue.account_id, hints, runtime.now())
            if change := attribute(asked, opened_by(known[issue.issue_id].openings, issue.details.perms)):
                runtime.table.write(change)
                _log.info(
                    str(change.event),
                    extra={
                        "account_id": issue.account_id,
                        "group_id": issue.issue_id,
                        "region": issue.details.region,
                        "principal": change.issue.opened_by and change.issue.opened_by.principal,
                    },
                )
        elif _history_is_complete(issue, runtime):
            runtime.table.update(issue, {"looked_up": issue.occurrence})


def _history_is_complete(issue: Issue, runtime: Runtime) -> bool:
    """Whether the history has every call that can have opened a group before it was found."""
    found = issue.timestamps.identified
    return found is None or runtime.now() - found >= COMPLETE_AFTER


def _names(issue: Issue) -> Sequence[str]:
    """What the history is asked for: the group, and the prefix lists through which it is exposed."""
    lists = sorted({perm.prefix_list_id for perm in issue.details.perms} - {""})
    return [issue.issue_id, *lists[:_PREFIX_LISTS]]


def _openings(name: str, issue: Issue, history: EventHistory, runtime: Runtime) -> Sequence[OpeningCall]:
    """The calls about a group or prefix list that opened what is exposed now, as far as the history must be read."""
    for records in history.pages(name, _PAGES):
        found = [opening for record in records for opening in _opening(name, record, issue, runtime)]
        if found:
            return found  # the newest are first
    return ()


def _opening(name: str, record: Mapping[str, Any], issue: Issue, runtime: Runtime) -> Iterator[OpeningCall]:
    try:
        call = parse_call({"account": issue.account_id, "region": issue.details.region, "detail": record})
    except MalformedEventError:
        return
    if not call.is_relevant:
        return
    hint = hint_of(call, runtime.own_roles())
    is_about = name in hint.group_ids or (hint.scope is HintScope.PREFIX_LIST and hint.prefix_list_id == name)
    if is_about and hint.opening and opened_by([hint.opening], issue.details.perms):
        yield hint.opening


class EventHistory:
    """The history of one account and region.

    Attributes:
        calls: how many calls of LookupEvents were made.
    """

    def __init__(self, client: Any, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._sleep = sleep
        self.calls = 0

    def pages(self, resource: str, at_most: int) -> Iterator[list[Mapping[str, Any]]]:
        """CloudTrail's records of the calls that named a security group or prefix list, the newest first.

        A record that is not readable is left out. They come a page at a time, no more than `at_most`.

        Raises:
            ClientError, BotoCoreError: the history could not be read, after the SDK's retries.
        """
        more: dict[str, str] = {}
        for _ in range(at_most):
            self._sleep(_PAUSE_S)  # before the first as well: the last scan may just have ended
            self.calls += 1
            page = self._client.lookup_events(
                LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": resource}],
                MaxResults=_EVENTS_A_PAGE,
                **more,
            )
            yield [record for event in page.get("Events", ()) if (record := _record(event)) is not None]
            if not page.get("NextToken"):
                return
            more = {"NextToken": page["NextToken"]}


def _record(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The record in an event of the history, which has it as text; None: it has none."""
    try:
        record = json.loads(event["CloudTrailEvent"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
