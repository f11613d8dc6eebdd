"""How a job runs: it holds a lock, renews it in its waits, stops at a signal, lets go, and names what it could not do.

    with hold_lock(lock, LOG_STREAM, region):
        problems = do_the_work()
    end(problems)  # of library.jobs.command_line, as every command ends

A job sums up what it did in a `finally` of its own, inside the block: a lost lock (`LockedError`) and a signal
(`InterruptedRunError`) both end the work at whatever call it is. `Lease` keeps the lock without a call for every step:
`renew()` between steps renews when a minute has passed, `renew_now()` before what must not be done twice always.

`this_person` names who runs a job, for people who read of it later: a person, not a process. The lock names the
process.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import FrameType
from typing import NoReturn

import typer

from library.aws.failures import AWS_ERRORS, explain
from library.aws.lock import LEASE, Lock, LockedError, login_name
from library.aws.session import Sessions
from library.jobs.command_line import Exit
from library.jobs.host_logs import host_logging, logs_client

_log = logging.getLogger(__name__)

# Accounts of a machine that many people and schedules use: systemd's, and those of AWS's and others' images.
_SHARED = frozenset({"root", "hammer", "ec2-user", "ssm-user", "ubuntu", "admin", "debian", "centos", "nobody"})


def run_by(environment: Mapping[str, str], login: str, caller: Callable[[], str]) -> str:
    """The person, or else the AWS identity, that runs this process.

    Args:
        environment: tells in `SUDO_USER` who used sudo.
        login: the name of the machine's account that this process runs as; empty: unknown.
        caller: asks AWS whose credentials these are (STS, GetCallerIdentity); gives an ARN. Asked only where the names
            are unknown, or those of an account that several people use.
    """
    for name in (environment.get("SUDO_USER", ""), login):
        if name and name not in _SHARED:
            return name
    try:
        return caller()
    except AWS_ERRORS:
        return f"{login or 'somebody'}@{socket.gethostname()}"


def this_person(sessions: Sessions) -> str:
    """Who runs this process, as `run_by` has it."""
    return run_by(os.environ, login_name(), lambda: sessions.client("sts").get_caller_identity()["Arn"])


_RENEW_EVERY = timedelta(minutes=1)  # far below the lease
_SAFE = LEASE / 2  # nobody takes the lock over this soon after it was renewed, even where clocks differ


class Lease:
    """A lock that was just acquired."""

    def __init__(self, lock: Lock, now: Callable[[], datetime]) -> None:
        self._lock = lock
        self._now = now
        self._renewed = now()

    def renew(self) -> None:
        """Renew the lock if a minute has passed since it was renewed. Raises LockedError as `renew_now` does."""
        if self._now() - self._renewed >= _RENEW_EVERY:
            self.renew_now()

    def renew_now(self) -> None:
        """Renew the lock, and so make sure that it is still held.

        If the table cannot be reached, the lock counts as held for half of its lease.

        Raises:
            LockedError: another run took the lock over, or it cannot be known.
        """
        started = self._now()
        try:
            self._lock.renew()
        except AWS_ERRORS as error:
            if started - self._renewed >= _SAFE:
                raise LockedError(f"the lock could not be renewed: {explain(error)}: this run stops here") from error
            _log.warning("the lock could not be renewed: %s", explain(error))
        else:
            self._renewed = started


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class InterruptedRunError(KeyboardInterrupt):
    """A signal asked the run to stop. Its text names the signal.

    Not a `HammerError`, and no `Exception`: nothing that handles failures of a call may swallow it.
    """


@contextmanager
def stop_at_signals() -> Iterator[None]:
    """Have the first SIGINT or SIGTERM raise `InterruptedRunError` in the block; a second one ends the process.

    Does nothing in a thread that is not the main one, where Python allows no signal handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        del frame
        restore()
        raise InterruptedRunError(f"stopped by {signal.Signals(number).name}")

    for number in _SIGNALS:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore()


@contextmanager
def hold_lock(lock: Lock, stream: str, region: str) -> Iterator[None]:
    """Hold a lock and log to a stream of the host's log group until the block ends, also by a signal.

    Exits with 1, naming the other run, when another run holds the lock or took it over; and with 1 after a signal. The
    region is that of the log group.
    """
    try:
        with stop_at_signals(), host_logging(stream, lambda: logs_client(region)):
            lock.acquire()
            try:
                yield
            finally:
                _release(lock)
    except (LockedError, InterruptedRunError) as error:
        typer.echo(f"hammer: {error}", err=True)
        raise typer.Exit(Exit.INCOMPLETE) from error


def _release(lock: Lock) -> None:
    try:
        lock.release()
    except AWS_ERRORS as error:
        # Nothing else is lost: the next run sees that this process has ended, or waits for the lease to end.
        typer.echo(f"hammer: the lock could not be released: {explain(error)}", err=True)


def renewing_sleep(sleep: Callable[[float], None], renew: Callable[[], None]) -> Callable[[float], None]:
    """A sleep that renews the lock before each minute of it, so that no wait outlives the lease.

    `renew` raises LockedError when another run took the lock over.
    """

    def wait(seconds: float) -> None:
        while seconds > 0:
            renew()
            part = min(seconds, _RENEW_EVERY.total_seconds())
            sleep(part)
            seconds -= part

    return wait
