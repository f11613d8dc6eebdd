"""Keeping a lock for as long as a job works, without a call for every step.

lease = Lease(lock, now)
lease.renew()         # between steps: renews when a minute has passed
lease.before_write()  # before what must not be done twice: always renews
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from library.aws.failures import AWS_ERRORS, explain
from library.aws.lock import LEASE, Lock, LockedError

_log = logging.getLogger(__name__)
_RENEW_EVERY = timedelta(minutes=1)
_SAFE = LEASE / 2  # nobody takes the lock over this soon after it was renewed, even where clocks differ


class Lease:
    """A lock that was just acquired.

    Args:
        lock: the lock.
        now: the clock, in UTC.
    """

    def __init__(self, lock: Lock, now: Callable[[], datetime]) -> None:
        self._lock = lock
        self._now = now
        self._renewed = now()

    def renew(self) -> None:
        """Renew the lock if a minute has passed since it was renewed. Raises LockedError as `before_write` does."""
        if self._now() - self._renewed >= _RENEW_EVERY:
            self.before_write()

    def before_write(self) -> None:
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
