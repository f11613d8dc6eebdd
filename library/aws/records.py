"""What the issue table keeps beside issues: the last runs of jobs and their history, the listener, scans and events.

Of the whole installation, under the main account: how each job ran last, a day's numbers, whether `hammer listen` is
connected. Of each account and region: the last scan, and the last event.

The coverage record (`scan-coverage#<region>`) has how the last scan of the region ended, and when one last *began*: a
scan that began earlier must not take away what a later one saw and, because it had not changed, did not write.

The record of events (`events#<region>`) has when one last came: a missing trail, rule or bus permission makes no error
anywhere, events just stay away. There it can be seen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from library.aws.conditional_writes import TIME_TO_LIVE_ATTRIBUTE, Check
from library.aws.failures import AWS_ERRORS, explain
from library.documents.text import flattened
from library.errors import ConflictError
from library.issues import trends
from library.issues.scan_coverage import ITEM_PREFIX, Outcome, ScanCoverage
from library.issues.times import format_time, shown_time, stored_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from library.aws.conditional_writes import Item, Items

_log = logging.getLogger(__name__)

_RUN_PREFIX = "job-run#"
_WATCHED_ID = "watched#accounts"  # the id of the item that names every account whose issues were ever reported
_LISTENER_ID = "listener#slack"
_EVENTS_PREFIX = "events#"
_PROBLEMS_KEPT = 5
_PROBLEM_LIMIT = 300
_HISTORY_KEPT = timedelta(days=400)
_ATTEMPTS = 5  # of several scans that begin at the same moment
_TICK = timedelta(microseconds=1)


@dataclass(slots=True)
class JobRun:
    """The last run of a job.

    Attributes:
        job: its name, such as `reporting`.
        who: which process on which machine ran it.
        started: when it began, in UTC.
        ended: when it ended; None: it runs, or died.
        outcome: `running`, `done`, `incomplete` or `failed`.
        problems: what could not be done, one line each, at most five. Untrusted input.
    """

    job: str
    who: str
    started: datetime
    ended: datetime | None = None
    outcome: str = "running"
    problems: list[str] = field(default_factory=list)


class JobRecords:
    """The last runs of jobs, and the history, an item a day, in one table under the main account."""

    def __init__(self, items: Items, main_account_id: str) -> None:
        self._items = items
        self._account_id = main_account_id

    def runs(self) -> Iterator[JobRun]:
        """The last run of each job, by the job's name."""
        for item in self._items.with_prefix(self._account_id, _RUN_PREFIX):
            started, problems = stored_time(item.get("started")), item.get("problems")
            if started is not None:
                yield JobRun(
                    job=str(item["issue_id"]).removeprefix(_RUN_PREFIX),
                    who=str(item.get("who") or ""),
                    started=started,
                    ended=stored_time(item.get("ended")),
                    outcome=str(item.get("outcome") or "unknown"),
                    problems=list(map(str, problems)) if isinstance(problems, list) else [],
                )

    @contextmanager
    def recorded(self, job: str, who: str, now: Callable[[], datetime]) -> Iterator[list[str]]:
        """Record a run of a job: that it began, and how it ended. A record that cannot be written is logged.

        Yields:
            A list to which the run adds what it could not do.
        """
        run = JobRun(job, who, now())
        self._write(run)
        try:
            yield run.problems
        except BaseException as error:
            run.outcome = "failed"
            run.problems.append(str(error) or type(error).__name__)
            raise
        else:
            run.outcome = "incomplete" if run.problems else "done"
        finally:
            run.ended = now()
            self._write(run)

    def days(self, since: date) -> Iterator[trends.Day]:
        """The history from a day on, the oldest first. Records that are none are left out."""
        for item in self._items.with_prefix(self._account_id, trends.ITEM_PREFIX):
            try:
                day = trends.Day.from_item(item)
            except (AttributeError, KeyError, TypeError, ValueError):
                continue  # a trend without a day is better than none
            if day.day >= since:
                yield day

    def record_day(self, day: trends.Day) -> None:
        """Keep the record of a day; a later one of the same day replaces it."""
        expires = datetime.combine(day.day, time(), UTC) + _HISTORY_KEPT
        sets = day.to_item() | {TIME_TO_LIVE_ATTRIBUTE: int(expires.timestamp())}
        self._items.update(self._account_id, f"{trends.ITEM_PREFIX}{day.day.isoformat()}", sets)

    def _write(self, run: JobRun) -> None:
        try:
            self._put(run)
        except AWS_ERRORS as error:
            # The work itself matters more than the record of it.
            _log.warning("the run of %s is not recorded: %s", run.job, explain(error))

    def _put(self, run: JobRun) -> None:
        problems = [flattened(problem, _PROBLEM_LIMIT) for problem in run.problems[:_PROBLEMS_KEPT]]
        self._items.update(
            self._account_id,
            f"{_RUN_PREFIX}{run.job}",
            {
                "job": run.job,
                "who": run.who,
                "started": format_time(run.started),
                "ended": format_time(run.ended),
                "outcome": run.outcome,
                "problems": problems,
            },
        )

    def watched_accounts(self) -> frozenset[str]:
        """The accounts that the reporting job ever worked on, those that left the configuration since among them."""
        item = self._items.get(self._account_id, _WATCHED_ID) or {}
        accounts = item.get("accounts")
        return frozenset(map(str, accounts)) if isinstance(accounts, (set, frozenset)) else frozenset()

    def watch_accounts(self, account_ids: Iterable[str]) -> None:
        """Note that the reporting job works on these accounts."""
        if new := set(account_ids) - self.watched_accounts():
            self._items.update(self._account_id, _WATCHED_ID, {}, adds={"accounts": new})


DEAF_AFTER = timedelta(minutes=15)
"""After how long without a connection people are told."""


@dataclass(frozen=True, slots=True)
class ListenerState:
    """The service, as the table knows it.

    Attributes:
        connected: when it was last seen to be connected, in UTC; None: never.
        expected: since when somebody expects it to be.
        problem: why it is not connected, on one line; empty: it is, or nobody knows.
        alerted: `alert_key` of the time without a connection of which people were told last; empty: of none.
    """

    connected: datetime | None = None
    expected: datetime | None = None
    problem: str = ""
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
    """Whether `hammer listen` is connected, in one table under the main account."""

    def __init__(self, items: Items, main_account_id: str, now: Callable[[], datetime]) -> None:
        self._items = items
        self._account_id = main_account_id
        self._now = now

    def read(self) -> ListenerState:
        """The record; an empty one where there is none."""
        item = self._items.get(self._account_id, _LISTENER_ID) or {}
        return ListenerState(
            connected=stored_time(item.get("connected")),
            expected=stored_time(item.get("expected")),
            problem=str(item.get("problem") or ""),
            alerted=str(item.get("alerted") or ""),
        )

    def connected(self, who: str, connections: int) -> None:
        """Record that a process is connected."""
        sets = {"who": who, "connected": format_time(self._now()), "connections": connections, "problem": ""}
        self._items.update(self._account_id, _LISTENER_ID, sets)

    def failed(self, problem: str) -> None:
        """Record why a process is not connected."""
        self._items.update(self._account_id, _LISTENER_ID, {"problem": flattened(problem, _PROBLEM_LIMIT)})

    def expect(self) -> None:
        """Record that the service is expected to be connected from now on."""
        self._items.update(self._account_id, _LISTENER_ID, {"expected": format_time(self._now())})

    def alerted(self, state: ListenerState) -> None:
        """Record that people were told that the service is not connected."""
        self._items.update(self._account_id, _LISTENER_ID, {"alerted": alert_key(state)})


def alert_key(state: ListenerState) -> str:
    """Tells one time without a connection from another."""
    return format_time(state.connected) or "never"


@dataclass(frozen=True, slots=True)
class RegionState:
    """What scans of an account and region left, as a scan finds it.

    Attributes:
        last_scan_begun: when the last scan of the whole region began, in UTC; None: there was none.
        swept: when the last scan that read the region's whole network began, in UTC; None: there was none.
        last_groups: how many groups the last scan of the whole region read, whether it understood all or not; 0: there
            was none.
    """

    last_scan_begun: datetime | None = None
    swept: datetime | None = None
    last_groups: int = 0


def _as_read(item: Mapping[str, Any]) -> dict[str, Any]:
    """The condition that the begin of the last scan is as it was read. What is no text is written over."""
    if "begun" not in item:
        return {"condition": "attribute_not_exists(#begun)"}
    return {"condition": "#begun = :read", "values": {":read": item["begun"]}} if isinstance(item["begun"], str) else {}


def _region_state(item: Mapping[str, Any]) -> RegionState:
    return RegionState(stored_time(item.get("begun")), stored_time(item.get("swept")), _last_groups(item))


class CoverageRecords:
    """Scan coverage in one table."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def state(self, account_id: str, region: str) -> RegionState:
        """What scans of an account and region left."""
        return _region_state(self._items.get(account_id, ITEM_PREFIX + region) or {})

    def begin(self, account_id: str, region: str, scan_start: datetime) -> RegionState:
        """Record that a scan of a whole region begins. Returns the state with this scan as the last one.

        Its `last_scan_begun` is no other scan's, whatever the clocks show: of two that begin at the same moment one
        writes, and the other reads again.

        Raises:
            ConflictError: others were first each time.
        """
        for _ in range(_ATTEMPTS):
            item = self._items.get(account_id, ITEM_PREFIX + region) or {}
            before = _region_state(item)
            mine = scan_start if before.last_scan_begun is None else max(scan_start, before.last_scan_begun + _TICK)
            sets = {"region": region, "begun": format_time(mine)}
            with suppress(ConflictError):
                self._items.update(account_id, ITEM_PREFIX + region, sets, **_as_read(item))
                return RegionState(mine, before.swept, before.last_groups)
        raise ConflictError(f"scan target {account_id} {region}: other scans of it began at the same moment")

    def no_scan_begun_since(self, region: str, state: RegionState) -> Check:
        """The condition that no scan of the whole region has begun since its state was read."""
        if state.last_scan_begun is None:
            return Check(ITEM_PREFIX + region, "attribute_not_exists(#begun)", {})
        return Check(ITEM_PREFIX + region, "#begun = :begun_read", {":begun_read": format_time(state.last_scan_begun)})

    def record_sweep(self, account_id: str, region: str, scan_start: datetime) -> None:
        """Record that a scan which began then read the region's whole network."""
        self._items.update(account_id, ITEM_PREFIX + region, {"region": region, "swept": format_time(scan_start)})

    def record(self, scan: ScanCoverage) -> None:
        """Keep what a scan saw, unless a scan that began later is kept already.

        What the last complete scan saw stays if this one is not complete. A partial scan read all groups and did not
        understand some, so its count of groups is kept, unless it is 0: then EC2's answer was not all that there is.
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
        for item in self._items.with_prefix(account_id, ITEM_PREFIX):
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


def _last_groups(item: Mapping[str, Any]) -> int:
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
    """The last event that came from an account and region: when, and the call that it was about."""

    account_id: str
    region: str
    at: datetime
    name: str


class EventRecords:
    """When events last came, in one table."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def record(self, event: ReceivedEvent) -> None:
        """Keep that an event came, unless a later one is kept already."""
        at = format_time(event.at)
        sets: dict[str, Any] = {"region": event.region, "heard": at, "event_name": event.name}
        with suppress(ConflictError):
            self._items.update(
                event.account_id,
                _EVENTS_PREFIX + event.region,
                sets,
                condition="attribute_not_exists(#heard) OR #heard < :heard",
                values={":heard": at},
            )

    def of_account(self, account_id: str) -> Iterator[ReceivedEvent]:
        """The last event of each region of an account."""
        for item in self._items.with_prefix(account_id, _EVENTS_PREFIX):
            at, region = stored_time(item.get("heard")), str(item["issue_id"]).removeprefix(_EVENTS_PREFIX)
            if at:
                yield ReceivedEvent(account_id, region, at, str(item.get("event_name", "")))
