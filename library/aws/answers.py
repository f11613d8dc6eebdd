"""Answers that are read before botocore parses them: one hook, for what botocore reads many times slower.

botocore still signs, retries, pages, and reads errors and whatever the reader leaves of an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Reader = Callable[[bytes, dict[str, Any]], bytes]
"""Takes an answer's body and a dictionary, adds to it what it read, and returns what is left for botocore to parse."""

_reader: ContextVar[Reader | None] = ContextVar("_reader", default=None)


@contextmanager
def reading_answers(client: Any, operation: str, reader: Reader) -> Iterator[None]:
    """Within this, answers of an operation with status 200 go through a reader. Other threads' calls are not affected.

    Args:
        client: the client that makes the call.
        operation: its name in the API, such as `Query`.
        reader: what it adds to the dictionary is in the answer that the call returns.
    """
    event = f"before-parse.{client.meta.service_model.service_id.hyphenize()}.{operation}"
    client.meta.events.register(event, _read, unique_id=f"hammer-{event}")
    token = _reader.set(reader)
    try:
        yield
    finally:
        _reader.reset(token)


def _read(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Handler of botocore's event `before-parse`."""
    if (reader := _reader.get()) and response_dict["status_code"] == 200:
        response_dict["body"] = reader(response_dict["body"], customized_response_dict)
