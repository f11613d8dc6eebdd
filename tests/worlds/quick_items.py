"""The emulator's table without two of its costs, for tests of many large rows.

Of every item of an account it counts the bytes for every query, so as to cut pages at 1 MB, and of every value in an
answer it asks for each kind of attribute under each of several names. These were most of what such a test took.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto.core.serialize import ResponseSerializer
from moto.dynamodb.models.dynamo_type import Item

_KINDS = frozenset(("S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS"))


@contextmanager
def quick_items() -> Iterator[None]:
    """Answers come in one page, whatever their size."""
    found = ResponseSerializer.get_value

    def get_value(self: Any, value: Any, key: str, shape: Any) -> Any:
        if type(value) is dict and len(value) == 1 and key in _KINDS and not _KINDS.isdisjoint(value):
            return value.get(key)
        return found(self, value, key, shape)

    with patch.object(ResponseSerializer, "get_value", get_value), patch.object(Item, "size", lambda _: 1):
        yield
