"""JSON with an indent, byte for byte as the standard library writes it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hammer.formats.indented_json import indented

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
