"""Walk along an axis once, and know at each stretch of it which of many intervals are there.

Pure.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from library.network.intervals import IntervalSet

T = TypeVar("T", bound=Hashable)


class Stretch(NamedTuple, Generic[T]):
    """A part of the axis within which nothing begins or ends.

    Attributes:
        first: its first place.
        last: its last place, included.
        begun: what is there and was not in the stretch before.
        ended: what was in the stretch before and is not here.
    """

    first: int
    last: int
    begun: list[T]
    ended: list[T]


def sweep(items: Iterable[tuple[T, IntervalSet]]) -> Iterator[Stretch[T]]:
    """The stretches from the first place where an item is to the last, in order.

    Args:
        items: each once, and the places where it is.
    """
    begins: dict[int, list[T]] = {}
    ends: dict[int, list[T]] = {}
    for item, places in items:
        for first, last in places.spans:
            begins.setdefault(first, []).append(item)
            ends.setdefault(last + 1, []).append(item)
    edges = sorted(begins.keys() | ends.keys())
    for index, first in enumerate(edges[:-1]):
        yield Stretch(first, edges[index + 1] - 1, begins.get(first, []), ends.get(first, []))
