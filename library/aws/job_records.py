"""What the jobs leave in the issue table of themselves: their last run, and the history, an item a day."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from library.aws.conditional_writes import TIME_TO_LIVE_ATTRIBUTE
from library.aws.failures import AWS_ERRORS, explain
from library.documents.text import flattened
from library.issues import history
from library.issues.times import format_time, stored_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from library.aws.conditional_writes import Item, Items

_log = logging.getLogger(__name__)

_RUN_PREFIX = "job-run#"
_WATCHED_ID = "watched#accounts"  # the id of the item that names every account whose issues were ever reported
_PROBLEMS_KEPT = 5
_PROBLEM_LIMIT = 300
_HISTORY_KEPT = timedelta(days=400)


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
    """These records in one table.

    Args:
        items: the issue table.
        main_account_id: the account under which they are kept.
    """

    def __init__(self, items: Items, main_account_id: str) -> None:
        self._items = items
        self._account_id = main_account_id

    def runs(self) -> Iterator[JobRun]:
        """The last run of each job, by the job's name."""
        for item in self._query(_RUN_PREFIX):
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

        Args:
            job: the job's name.
            who: which process runs it.
            now: the clock, in UTC.

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

    def days(self, since: date) -> Iterator[history.Day]:
        """The history from a day on, the oldest first. Records that are none are left out."""
        for item in self._query(history.ITEM_PREFIX):
            try:
                day = history.Day.from_item(item)
            except (AttributeError, KeyError, TypeError, ValueError):
                continue  # a trend without a day is better than none
            if day.day >= since:
                yield day

    def record_day(self, day: history.Day) -> None:
        """Keep the record of a day; a later one of the same day replaces it."""
        expires = datetime.combine(day.day, time(), UTC) + _HISTORY_KEPT
        sets = day.to_item() | {TIME_TO_LIVE_ATTRIBUTE: int(expires.timestamp())}
        self._items.update(self._account_id, f"{history.ITEM_PREFIX}{day.day.isoformat()}", sets)

    def _query(self, prefix: str) -> Iterator[Item]:
        condition = "account_id = :account AND begins_with(issue_id, :prefix)"
        yield from self._items.query(condition, {":account": self._account_id, ":prefix": prefix})

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
