"""Sets of whole numbers as closed intervals: the arithmetic below ports and addresses.

Pure. A set is never listed member by member, so the whole IPv6 space costs as much as one port. `segments` walks along
an axis once, and says at each segment of it which of many intervals are there.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Generic, NamedTuple, TypeVar

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class IntervalSet:
    """An immutable set of whole numbers.

    Attributes:
        spans: `(first, last)` pairs, both included, sorted, disjoint and not adjacent, so that equal sets
            compare equal. Build one with `IntervalSet.of`, which brings any pairs into that form.

    >>> IntervalSet.of([(22, 22), (20, 21)]).spans
    ((20, 22),)
    """

    spans: tuple[Span, ...] = ()

    @classmethod
    def of(cls, spans: Iterable[Span]) -> IntervalSet:
        """The union of closed intervals in any order, overlapping or not.

        Raises:
            ValueError: an interval ends before it begins.
        """
        merged: list[Span] = []
        for first, last in sorted(spans):
            if last < first:
                raise ValueError(f"interval {first}-{last} ends before it begins")
            if merged and first <= merged[-1][1] + 1:
                if last > merged[-1][1]:
                    merged[-1] = (merged[-1][0], last)
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    @classmethod
    def union(cls, sets: Iterable[IntervalSet]) -> IntervalSet:
        """The union of many sets, in one step."""
        return cls.of(span for each in sets for span in each.spans)

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __contains__(self, number: int) -> bool:
        return self.meets(number, number)

    def meets(self, first: int, last: int) -> bool:
        """Whether any number from `first` to `last` is a member. Does not look at every span."""
        at = bisect_left(self.spans, first, key=itemgetter(1))
        return at < len(self.spans) and self.spans[at][0] <= last

    def within(self, first: int, last: int) -> IntervalSet:
        """The members from `first` to `last`. Does not look at every span."""
        start = bisect_left(self.spans, first, key=itemgetter(1))
        end = bisect_right(self.spans, last, lo=start, key=itemgetter(0))
        if start >= end:
            return EMPTY
        spans = list(self.spans[start:end])
        spans[0] = (max(first, spans[0][0]), spans[0][1])
        spans[-1] = (spans[-1][0], min(last, spans[-1][1]))
        return IntervalSet(tuple(spans))

    def __or__(self, other: IntervalSet) -> IntervalSet:
        if not other.spans:
            return self
        return IntervalSet.of(self.spans + other.spans) if self.spans else other

    def __and__(self, other: IntervalSet) -> IntervalSet:
        common: list[Span] = []
        mine, theirs = 0, 0
        while mine < len(self.spans) and theirs < len(other.spans):
            first = max(self.spans[mine][0], other.spans[theirs][0])
            last = min(self.spans[mine][1], other.spans[theirs][1])
            if first <= last:
                common.append((first, last))
            if self.spans[mine][1] < other.spans[theirs][1]:
                mine += 1
            else:
                theirs += 1
        return IntervalSet(tuple(common))

    def __sub__(self, other: IntervalSet) -> IntervalSet:
        if not other.spans:
            return self
        left: list[Span] = []
        start = 0
        for first, last in self.spans:
            # Neither side ever goes back: what ends before this interval cannot touch a later one.
            while start < len(other.spans) and other.spans[start][1] < first:
                start += 1
            at = start
            while at < len(other.spans) and other.spans[at][0] <= last:
                cut_first, cut_last = other.spans[at]
                if cut_first > first:
                    left.append((first, cut_first - 1))
                first = cut_last + 1
                at += 1
            if first <= last:
                left.append((first, last))
        return IntervalSet(tuple(left))

    def covers(self, other: IntervalSet) -> bool:
        """Whether every member of `other` is a member of this set."""
        if len(self.spans) >= len(other.spans):
            return all(self._covers_span(first, last) for first, last in other.spans)
        # Few spans against many: no gap of this set holds a member of the other.
        gaps_begin = (other.spans[0][0], *(last + 1 for _, last in self.spans))
        gaps_end = (*(first - 1 for first, _ in self.spans), other.spans[-1][1])
        return not any(
            other.meets(first, last) for first, last in zip(gaps_begin, gaps_end, strict=True) if first <= last
        )

    def _covers_span(self, first: int, last: int) -> bool:
        at = bisect_left(self.spans, first, key=itemgetter(1))
        return at < len(self.spans) and self.spans[at][0] <= first and last <= self.spans[at][1]

    @property
    def size(self) -> int:
        """How many numbers are members."""
        return sum(last - first + 1 for first, last in self.spans)


EMPTY = IntervalSet()


T = TypeVar("T", bound=Hashable)


class Segment(NamedTuple, Generic[T]):
    """A part of the axis within which nothing begins or ends.

    Attributes:
        first: its first position.
        last: its last position, included.
        begun: what is there and was not in the segment before.
        ended: what was in the segment before and is not here.
    """

    first: int
    last: int
    begun: list[T]
    ended: list[T]


def segments(items: Iterable[tuple[T, IntervalSet]]) -> Iterator[Segment[T]]:
    """The segments from the first position where an item is to the last, in order.

    Each item comes once, with the positions where it is.
    """
    begins: dict[int, list[T]] = {}
    ends: dict[int, list[T]] = {}
    for item, positions in items:
        for first, last in positions.spans:
            begins.setdefault(first, []).append(item)
            ends.setdefault(last + 1, []).append(item)
    edges = sorted(begins.keys() | ends.keys())
    for index, first in enumerate(edges[:-1]):
        yield Segment(first, edges[index + 1] - 1, begins.get(first, []), ends.get(first, []))
