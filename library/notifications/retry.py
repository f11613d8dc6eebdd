"""Calls of a service over HTTP: what may be sent again is sent again, and a service that is down is not asked any more.

JIRA and Slack share the loop. What an error means is known to the connection to the service: it turns each error into
a `Failure`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from math import ceil, isfinite
from typing import TypeVar

from library.issues.times import format_time

_T = TypeVar("_T")

ATTEMPTS = 5
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0
"""The longest that a run waits for a service. One that asks for more is not asked again in that run: a request before
its time is over is refused, and may make the time longer (Atlassian, "Rate limiting")."""
NETWORK_LIMIT, CONTENT_LIMIT = 3, 20
"""After how many failures in a row a service counts as down: if each costs time; if they may be about what was sent."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a failed call means.

    Attributes:
        error: what the caller gets if the call is not sent again.
        may_repeat: whether it is safe to send the call again, and may help.
        wait_s: how many seconds the service asks to wait; None: it does not say.
        down_after: `NETWORK_LIMIT` or `CONTENT_LIMIT`: how many such failures in a row show that the service is
            down; 0: it is no sign.
        is_answer: whether the service answered as one that works: earlier failures are no sign any more.
        down: why the service cannot be used at all in this run; empty: it may be.
    """

    error: Exception
    may_repeat: bool = False
    wait_s: float | None = None
    down_after: int = 0
    is_answer: bool = False
    down: str = ""


class RetryingCaller:
    """Calls one service in one run.

    Args:
        sleep: waits so many seconds.
        unavailable: makes the error that says why the service cannot be used in this run.
        now: the clock, in UTC.
    """

    def __init__(
        self,
        sleep: Callable[[float], None],
        unavailable: Callable[[str], Exception],
        now: Callable[[], datetime],
    ) -> None:
        self._sleep = sleep
        self._now = now
        self._unavailable = unavailable
        self._failures = {NETWORK_LIMIT: 0, CONTENT_LIMIT: 0}
        self._down = ""

    def check(self) -> None:
        """Raise what `unavailable` makes if the service was found to be down."""
        if self._down:
            raise self._unavailable(self._down)

    def give_up(self, reason: str) -> Exception:
        """Note that the service cannot be used in this run. Returns the error that says so."""
        self._down = reason
        return self._unavailable(reason)

    def call(
        self,
        call: Callable[[], _T],
        errors: tuple[type[Exception], ...],
        failure_of: Callable[[Exception], Failure],
    ) -> _T:
        """Call, and again as long as that is safe and may help.

        Args:
            call: sends one request.
            errors: what `call` raises when the service does not do what it was asked.
            failure_of: says what such an error means.

        Raises:
            Exception: the failure's error, without its cause, or what `unavailable` makes.
        """
        self.check()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = call()
            except errors as error:
                failure = failure_of(error)
            else:
                self._failures = {NETWORK_LIMIT: 0, CONTENT_LIMIT: 0}
                return answer
            if failure.wait_s is not None and failure.wait_s > LONGEST_WAIT_S:
                raise self._too_long(failure.error, failure.wait_s) from None
            if not failure.may_repeat or attempt == ATTEMPTS:
                break
            wait_s = FIRST_WAIT_S * 2 ** (attempt - 1) if failure.wait_s is None else failure.wait_s
            self._sleep(wait_s)
        if failure.is_answer:
            self._failures = {NETWORK_LIMIT: 0, CONTENT_LIMIT: 0}
        elif failure.down_after:
            self._failures[failure.down_after] += 1
        if failure.down:
            self._down = failure.down
        elif failure.down_after and self._failures[failure.down_after] >= failure.down_after:
            self._down = f"{failure.error}, {failure.down_after} times in a row"
        # An answer may carry session cookies and tokens, which a traceback would print: no cause.
        raise failure.error from None

    def wait_s(self, retry_after: str) -> float | None:
        """The seconds that a header `Retry-After` asks to wait, a number or a date (RFC 9110, 10.2.3).

        Returns:
            None: it is neither.
        """
        with suppress(ValueError, OverflowError):
            seconds = float(retry_after)
            return max(seconds, 0.0) if isfinite(seconds) else None
        with suppress(ValueError, TypeError):
            return max((parsedate_to_datetime(retry_after) - self._now()).total_seconds(), 0.0)
        return None

    def _too_long(self, error: Exception, wait_s: float) -> Exception:
        try:
            until = format_time(self._now() + timedelta(seconds=ceil(wait_s)))
        except OverflowError:
            until = "a day that no calendar has"
        return self.give_up(f"{error}: it may be asked again after {until}, and is not asked before in this run")
