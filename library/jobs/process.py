"""How a process starts, in a Lambda and on the host alike: logs of one JSON object a line, and Python's own settings.

The only place that tunes the garbage collector, and how threads take turns.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Mapping
from typing import Any

from pythonjsonlogger.json import JsonFormatter

_OBJECTS_BETWEEN_COLLECTIONS = 100_000
_FORMAT = "%(levelname)s %(name)s %(message)s"
_NAMES = {"levelname": "level", "name": "logger"}


def json_formatter(fields: Mapping[str, Any] | None = None) -> logging.Formatter:
    """A formatter that prints a record, its `extra` and these fields as one JSON object, with the time in UTC."""
    return JsonFormatter(_FORMAT, rename_fields=_NAMES, static_fields=dict(fields or {}), timestamp="time")


def log_as_json(fields: Mapping[str, Any]) -> None:
    """Log from now on as JSON through the root logger's handlers, or to standard error where it has none.

    Every line carries the fields, such as the Lambda's request id.
    """
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    for handler in root.handlers:
        handler.setFormatter(json_formatter(fields))
    root.setLevel(logging.INFO)
    # The SDK's own lines at INFO say where credentials were found, at every client.
    for noisy in ("boto3", "botocore", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def collect_rarely() -> None:
    """Let the collector run after every 100,000 new objects."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])


def expect_many_objects() -> None:
    """Let the collector run after every 100,000 new objects, and never over what is imported by now.

    Unless told, it looks through young objects after every 700 new ones. A page of EC2's answer, or an account's
    issues, is 100,000 objects that live and die together: it finds nothing among them, and looking costs as much as
    making them (`make bench` prints both).
    """
    gc.freeze()
    collect_rarely()


def take_long_turns() -> None:
    """Let a thread work 20 ms, not 5, before another one that waits gets its turn.

    For threads that compute more than they wait: some of a large reporting run's time goes into changing between them
    (`make bench`, the host's jobs).
    """
    sys.setswitchinterval(0.02)
