"""Interval sets against Python's own sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.network.intervals import EMPTY, IntervalSet, Span

SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)).map(lambda pair: (pair[0], pair[0] + pair[1])))


def members(spans: list[Span]) -> set[int]:
    return {number for first, last in spans for number in range(first, last + 1)}


def listed(intervals: IntervalSet) -> set[int]:
    return members(list(intervals.spans))


@given(SPANS)
def test_of_holds_the_members_of_its_spans_in_one_form(spans: list[Span]) -> None:
    intervals = IntervalSet.of(spans)
    assert listed(intervals) == members(spans)
    assert intervals == IntervalSet.of(reversed(spans))
    assert all(before[1] + 1 < after[0] for before, after in zip(intervals.spans, intervals.spans[1:], strict=False))


@given(SPANS, SPANS)
def test_operations_are_those_of_sets(left: list[Span], right: list[Span]) -> None:
    a, b = IntervalSet.of(left), IntervalSet.of(right)
    mine, theirs = members(left), members(right)
    # Equal as values, not only in their members: the form is one whatever they came from.
    assert a | b == IntervalSet.of((number, number) for number in mine | theirs)
    assert a & b == IntervalSet.of((number, number) for number in mine & theirs)
    assert a - b == IntervalSet.of((number, number) for number in mine - theirs)
    assert a.covers(b) == (mine >= theirs)


@given(SPANS, st.integers(0, 40))
def test_size_truth_and_membership(spans: list[Span], number: int) -> None:
    intervals = IntervalSet.of(spans)
    assert intervals.size == len(members(spans))
    assert bool(intervals) == bool(members(spans))
    assert (number in intervals) == (number in members(spans))
    assert intervals.meets(number, number + 2) == bool({number, number + 1, number + 2} & members(spans))
    some = set(range(number, number + 8)) & members(spans)
    assert intervals.within(number, number + 7) == IntervalSet.of((member, member) for member in some)


def test_an_interval_that_ends_before_it_begins_is_none() -> None:
    with pytest.raises(ValueError, match="interval 3-2 ends before it begins"):
        IntervalSet.of([(3, 2)])


@pytest.mark.parametrize(
    ("few", "many", "covered"),
    [
        ([(1, 9)], [(1, 2), (4, 5), (8, 9)], True),
        ([(2, 9)], [(1, 2), (4, 5), (8, 9)], False),
        ([(1, 8)], [(1, 2), (4, 5), (8, 9)], False),
        ([(1, 2), (6, 9)], [(1, 1), (6, 6), (8, 9)], True),
        ([(1, 2), (5, 9)], [(1, 2), (4, 5), (8, 9)], False),
        ([(1, 4), (8, 9)], [(1, 2), (4, 5), (8, 9)], False),
        ([(1, 2), (4, 9)], [(1, 3), (5, 5), (8, 9)], False),
        ([(1, 3), (5, 9)], [(1, 2), (4, 5), (8, 9)], False),
        ([], [(1, 1)], False),
        ([(1, 2)], [(5, 6)], False),
        ([(0, 0), (9, 9)], [(1, 1), (3, 3), (5, 5)], False),
    ],
)
def test_covers_where_no_gap_holds_a_member(few: list[Span], many: list[Span], covered: bool) -> None:
    assert IntervalSet.of(few).covers(IntervalSet(tuple(many))) == covered


def test_the_empty_set() -> None:
    assert not EMPTY
    assert IntervalSet.of([]) == EMPTY
    assert EMPTY.covers(EMPTY)
    ports = IntervalSet.of([(22, 23)])
    assert ports - EMPTY is ports
