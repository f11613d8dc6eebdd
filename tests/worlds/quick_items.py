"""The emulator's table without two of its costs: they are most of what tests with many items take.

Of every value in an answer it asks for each of ten kinds of attribute, under several names, though a value has one. And
of every item of an account it counts the bytes for every query, so as to cut pages at 1 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb.models.dynamo_type import Item


@contextmanager
def quick_answers() -> Iterator[None]:
    """The same answers, for less."""
    real = BaseJSONSerializer._serialize_type_structure

    def serialize(self: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if shape.name != "AttributeValue" or type(value) is not dict or len(value) != 1 or not key:
            real(self, serialized, value, shape, key)
            return
        ((kind, inner),) = value.items()
        wrapper: dict[str, Any] = {}
        self._serialize(wrapper, inner, shape.members[kind], kind)
        self._default_serialize(serialized, wrapper, shape, key)

    with patch.object(BaseJSONSerializer, "_serialize_type_structure", serialize):
        yield


@contextmanager
def quick_items() -> Iterator[None]:
    """The same, and answers come in one page, whatever their size."""
    with quick_answers(), patch.object(Item, "size", lambda _: 1):
        yield
