"""A walk along the axis against asking at every place of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from library.network.intervals import IntervalSet, sweep

SPANS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 6)).map(lambda pair: (pair[0], pair[0] + pair[1])))
ITEMS = st.dictionaries(st.integers(), SPANS.map(IntervalSet.of), max_size=6)


@given(ITEMS)
def test_what_is_there_at_each_place(items: dict[int, IntervalSet]) -> None:
    here: set[int] = set()
    seen: dict[int, set[int]] = {}
    edges = {edge for places in items.values() for first, last in places.spans for edge in (first, last + 1)}
    for stretch in sweep(items.items()):
        here = (here - set(stretch.ended)) | set(stretch.begun)
        assert {stretch.first, stretch.last + 1} <= edges
        seen |= {place: set(here) for place in range(stretch.first, stretch.last + 1)}
    assert {place: there for place, there in seen.items() if there} == {
        place: there for place in range(30) if (there := {item for item, places in items.items() if place in places})
    }


def test_nothing_is_no_stretch() -> None:
    assert list(sweep([])) == []
    assert list(sweep([(1, IntervalSet())])) == []
