"""Structured logs: one JSON object a line, the same in a Lambda and on the host."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pythonjsonlogger.json import JsonFormatter

_FORMAT = "%(levelname)s %(name)s %(message)s"
_NAMES = {"levelname": "level", "name": "logger"}


def json_formatter(fields: Mapping[str, Any] | None = None) -> logging.Formatter:
    """A formatter that prints a record, its `extra` and these fields as one JSON object, with the time in UTC."""
    return JsonFormatter(_FORMAT, rename_fields=_NAMES, static_fields=dict(fields or {}), timestamp="time")


def log_as_json(fields: Mapping[str, Any] | None = None) -> None:
    """Log from now on as JSON through the root logger's handlers, or to standard error where it has none.

    Args:
        fields: what every line shall carry, such as the Lambda's request id.
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
