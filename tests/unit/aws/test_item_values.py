"""Values of DynamoDB's items, held against boto3's own reading and writing of them."""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from library.aws.conditional_writes import from_attribute, to_attribute

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**37), 10**37)
    | st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**6), max_value=10**6)
    | st.text()
    | st.binary()
)
SETS = st.sets(st.text(), min_size=1) | st.sets(st.integers(0, 10**6), min_size=1) | st.sets(st.binary(), min_size=1)
VALUES = st.recursive(
    SCALARS | SETS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


def _sorted(value: Any) -> Any:
    """The members of a set have no order."""
    if isinstance(value, list):
        return [_sorted(entry) for entry in value]
    if isinstance(value, dict):
        return {key: sorted(entry) if key in ("SS", "NS", "BS") else _sorted(entry) for key, entry in value.items()}
    return value


@given(value=VALUES)
def test_a_value_is_written_as_boto3_writes_it_and_read_as_it_was(value: Any) -> None:
    written = to_attribute(value)
    assert _sorted(written) == _sorted(TypeSerializer().serialize(value))
    assert from_attribute(written) == value
    assert from_attribute(written) == TypeDeserializer().deserialize(written)  # type: ignore[arg-type]


def test_sequences_that_are_no_list_and_numbers_from_the_table() -> None:
    assert to_attribute(("a", frozenset({1}))) == {"L": [{"S": "a"}, {"NS": ["1"]}]}
    assert isinstance(from_attribute({"N": "1"}), Decimal)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(1.5, id="float"),
        pytest.param({1.5}, id="set of floats"),
        pytest.param({"a", 1}, id="mixed set"),
        pytest.param(set(), id="empty set"),
        pytest.param({None}, id="set of null"),
        pytest.param(object(), id="object"),
        pytest.param(Decimal("NaN"), id="not a number"),
        pytest.param(Decimal("Infinity"), id="infinity"),
    ],
)
def test_what_dynamodb_cannot_keep_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="DynamoDB"):
        to_attribute(value)


@pytest.mark.parametrize("value", [10**38 + 1, Decimal(1).scaleb(127), Decimal(1).scaleb(-166)])
def test_a_number_that_would_be_kept_as_another_is_refused(value: Any) -> None:
    with pytest.raises(DecimalException):
        to_attribute(value)


def test_a_type_that_is_not_known_is_refused() -> None:
    with pytest.raises(TypeError, match="SDK_UNKNOWN_MEMBER"):
        from_attribute({"SDK_UNKNOWN_MEMBER": {"name": "V"}})
