"""Calls of a service over HTTP: what may be sent again is sent again, and a service that is down is not asked any more.

JIRA, Slack and the webhook share the loop. What an error means is known to the connection to the service: it turns each
error into a `Failure`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import ceil, isfinite
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from requests.exceptions import ConnectTimeout
from urllib3.exceptions import NewConnectionError

from library.aws.secrets import SecretError
from library.issues.times import format_time

_T = TypeVar("_T")
_Settings = TypeVar("_Settings")
_Secret = TypeVar("_Secret")
_Client = TypeVar("_Client")

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


def never_connected(error: BaseException) -> bool:
    """Whether not even a connection was made, by an error of requests: the request surely did not arrive."""
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else None
    return isinstance(error, ConnectTimeout) or isinstance(reason, NewConnectionError)


class ServiceConnection(ABC, Generic[_Settings, _Secret, _Client]):
    """One service in one run. It is not contacted, and its secret is not read, until something is needed.

    Args:
        settings: its section of the configuration.
        sleep: waits so many seconds.
        before_write: called before each request that changes something; what it raises keeps the request from being
            sent.

    Attributes:
        errors: what a client raises when the service does not do what it was asked.
        unavailable: the error that says why the service cannot be used in this run.
    """

    errors: ClassVar[tuple[type[Exception], ...]]
    unavailable: ClassVar[type[Exception]]

    def __init__(
        self,
        settings: _Settings,
        secret: Callable[[], _Secret],
        sleep: Callable[[float], None],
        before_write: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self._secret = secret
        self._sleep = sleep
        self._before_write = before_write
        self._now = now
        self._client: _Client | None = None
        self._failures = {NETWORK_LIMIT: 0, CONTENT_LIMIT: 0}
        self._down = ""

    @abstractmethod
    def _connect(self) -> _Client:
        """Make the client, once in a run."""

    @abstractmethod
    def _failure(self, error: Exception, *, writes: bool) -> Failure:
        """What one of `errors` means. `writes`: the call changes something."""

    def check(self) -> None:
        """Raise `unavailable` if the service was found to be down."""
        if self._down:
            raise self.unavailable(self._down)

    def read(self, call: Callable[[_Client], _T]) -> _T:
        """Send a request that changes nothing, again as long as that may help. Raises the failure's error."""
        client = self._connected()
        return self._call(lambda: call(client), writes=False)

    def write(self, call: Callable[[_Client], _T]) -> _T:
        """Send a request that changes something, again only if it surely did not arrive. Raises the failure's error."""
        client = self._connected()

        def send() -> _T:
            self._before_write()
            return call(client)

        return self._call(send, writes=True)

    def _connected(self) -> _Client:
        if self._client is None:
            self._client = self._call(self._connect, writes=False)
        return self._client

    def _read_secret(self) -> _Secret:
        try:
            return self._secret()
        except SecretError as error:
            raise self._give_up(str(error)) from None

    def _check_bundle(self, setting: str, bundle: str) -> None:
        """Give up if the file of certificates that a setting names is not there, or cannot be read by this job."""
        path = Path(bundle)
        try:
            if bundle and not path.is_dir():
                path.open("rb").close()
        except (FileNotFoundError, NotADirectoryError, ValueError):
            raise self._give_up(f"{setting} names {bundle!r}, which does not exist") from None
        except OSError as error:
            raise self._give_up(f"{setting} names {bundle!r}, which cannot be read: {error.strerror}") from None

    def _give_up(self, reason: str) -> Exception:
        """Note that the service cannot be used in this run. Returns the error that says so."""
        self._down = reason
        return self.unavailable(reason)

    def _call(self, call: Callable[[], _T], *, writes: bool) -> _T:
        """Call, and again as long as that is safe and may help. Raises the failure's error, without its cause."""
        self.check()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = call()
            except self.errors as error:
                failure = self._failure(error, writes=writes)
            else:
                self._failures = {NETWORK_LIMIT: 0, CONTENT_LIMIT: 0}
                return answer
            if failure.wait_s is not None and failure.wait_s > LONGEST_WAIT_S:
                raise self._too_long(failure.error, failure.wait_s) from None
            if not failure.may_repeat or attempt == ATTEMPTS:
                break
            # A date that is over, as of a service whose clock is behind, says as little as none.
            self._sleep(failure.wait_s or FIRST_WAIT_S * 2 ** (attempt - 1))
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

    def _wait_s(self, retry_after: str) -> float | None:
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
        return self._give_up(f"{error}: it may be asked again after {until}, and is not asked before in this run")
