"""Who opened the groups of which no event told: asked of CloudTrail's event history after a scan of a region.

A scan finds groups that were opened before Hammer was there, or whose events were lost. For each occurrence of such an
issue the history is asked once. A scan makes a limited number of calls, and the next one goes on with the other issues.
What the history tells is kept and judged as what events told.

AWS CloudTrail API Reference, LookupEvents: calls of the last 90 days by the resource that they named, 50 a page, the
newest first; two requests a second for each account and region, and a throttling error beyond that. A call may be in
the history only 15 minutes after it was made.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from identification.cloudtrail import parse_call
from identification.errors import MalformedEventError
from identification.event_hints import EventHintRecords, EventHints
from identification.events import HintScope, hint_of
from library.aws.failures import AWS_ERRORS, explain
from library.errors import ConflictError
from library.issues.opening_calls import OpeningCall, opened_by
from library.issues.reachability import Severity
from library.issues.reconcile import attribute

if TYPE_CHECKING:
    from identification.runtime import Runtime
    from library.issues.issue import Issue

_log = logging.getLogger(__name__)

CALLS_A_SCAN = 60
"""After so many calls the next scan goes on: at two calls a second that is half a minute of a function's five."""

ASKS_FOR = timedelta(minutes=1)
"""After this time it does, too: where others use up what CloudTrail allows, a call takes as long as the SDK's retries,
and a function that is ended in the middle of them fails with its whole batch."""

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
        ends = runtime.now() + ASKS_FOR
        for number, issue in enumerate(waiting):
            if history.calls >= CALLS_A_SCAN or runtime.now() >= ends:
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
            known = EventHintRecords(runtime.table.items).add(
                issue.account_id, hints, runtime.now(), runtime.evaluator()
            )
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
