"""Python's garbage collector, told once how large the work of a process is. The only place that tunes it."""

from __future__ import annotations

import gc

_OBJECTS_BETWEEN_COLLECTIONS = 100_000


def expect_many_objects() -> None:
    """Let the collector run after every 100,000 new objects, and never over what is imported by now.

    Unless told, it looks through young objects after every 700 new ones. A page of EC2's answer, or an account's
    issues, is 100,000 objects that live and die together: it finds nothing among them, and looking costs as much as
    making them (`make bench` prints both).
    """
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
