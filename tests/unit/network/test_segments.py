"""A walk along the axis against asking at every place of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from library.network.intervals import IntervalSet, segments

SPANS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 6)).map(lambda pair: (pair[0], pair[0] + pair[1])))
ITEMS = st.dictionaries(st.integers(), SPANS.map(IntervalSet.of), max_size=6)


@given(ITEMS)
def test_what_is_there_at_each_place(items: dict[int, IntervalSet]) -> None:
    here: set[int] = set()
    seen: dict[int, set[int]] = {}
    edges = {edge for locations in items.values() for first, last in locations.spans for edge in (first, last + 1)}
    for segment in segments(items.items()):
        here = (here - set(segment.ended)) | set(segment.begun)
        assert {segment.first, segment.last + 1} <= edges
        seen |= {location: set(here) for location in range(segment.first, segment.last + 1)}
    assert {location: there for location, there in seen.items() if there} == {
        location: there
        for location in range(30)
        if (there := {item for item, locations in items.items() if location in locations})
    }


def test_nothing_is_no_stretch() -> None:
    assert list(segments([])) == []
    assert list(segments([(1, IntervalSet())])) == []
