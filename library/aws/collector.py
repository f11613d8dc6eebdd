"""Python's garbage collector, paused while many objects are made that live and die together.

The collector looks through young objects after every 700 new ones. Among the hundred thousand of one page of an answer
it finds nothing, and looking costs as much as making them.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType


@contextmanager
def staying_objects_frozen() -> Iterator[None]:
    """Keep the collector from looking at what is there now, modules and the SDK's data among it: it stays.

    For a job that makes and lets go of many clients, which only the collector frees. Nothing is collected first: that
    would look at all of it once more, and what little is garbage by now can wait for the end of the job.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _Pause:
    """The pause that all threads share: the collector runs again when the last of them is done, if it ran before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._ran = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._ran = gc.isenabled()
                gc.disable()
            self._users += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and self._ran:
                gc.enable()


collector_paused = _Pause()
"""`with collector_paused:` keeps the collector from running."""
