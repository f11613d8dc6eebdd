"""JSON with an indent, byte for byte as the standard library writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hammer.formats.indented_json import indented, pieces_of_lists

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)


@given(_VALUES)
def test_it_is_what_the_standard_library_writes(value: object) -> None:
    assert indented(value) == json.dumps(value, indent=2)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({}, id="empty map"),
        pytest.param([[], {}], id="empty parts"),
        pytest.param({"tags": {}, "perms": [{"cidr": "::/0", "to_port": None}], "text": 'é\n"'}, id="like an issue"),
        pytest.param((("a", 1), ()), id="tuples"),
    ],
)
def test_parts_without_anything_in_them(value: object) -> None:
    assert indented(value) == json.dumps(value, indent=2)


@pytest.mark.parametrize(
    "lists",
    [
        pytest.param({"a": [], "b": []}, id="empty lists"),
        pytest.param({"a": [{"x": [1, {"y": "é"}]}, {}, []], "b": [1, 2], "c": []}, id="lists of maps and of scalars"),
    ],
)
def test_a_map_of_lists_is_written_an_item_at_a_time(lists: dict[str, list[object]]) -> None:
    read: list[object] = []

    def items(listed: list[object]) -> Iterator[object]:
        for item in listed:
            read.append(item)
            yield item

    text = ""
    for number, piece in enumerate(pieces_of_lists({name: items(listed) for name, listed in lists.items()}), 1):
        text += piece
        assert len(read) <= number  # none is read ahead
    assert text == json.dumps(lists, indent=2)
