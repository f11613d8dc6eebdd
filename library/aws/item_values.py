"""Values of DynamoDB's items, from Python's and back: the types S, N, B, BOOL, NULL, L, M, SS, NS and BS.

Pure. `boto3.dynamodb.types` does the same, with the same rules, but importing it imports all of boto3, and a Lambda
needs nothing else of that: a tenth of its cold start (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from decimal import Clamped, Context, Decimal, Inexact, Overflow, Rounded, Underflow
from typing import Any

# A number has up to 38 digits and is within 1E-130 and 9.9E+125 (DynamoDB, "Supported data types"). One that is not
# cannot be stored, and is never stored as another number.
_NUMBERS = Context(Emin=-128, Emax=126, prec=38, traps=[Clamped, Overflow, Inexact, Rounded, Underflow])


def to_attribute(value: Any) -> dict[str, Any]:
    """A value in the form that DynamoDB's API takes.

    >>> to_attribute({"port": 22, "tags": ["a"]})
    {'M': {'port': {'N': '22'}, 'tags': {'L': [{'S': 'a'}]}}}

    Raises:
        TypeError: DynamoDB has no such type; it has no float.
        decimal.DecimalException: a number that DynamoDB cannot keep as it is.
    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | Decimal():
            return {"N": _number(value)}
        case str():
            return {"S": value}
        case bytes() | bytearray():
            return {"B": bytes(value)}
        case Mapping():
            return {"M": {name: to_attribute(entry) for name, entry in value.items()}}
        case list() | tuple():
            return {"L": [to_attribute(entry) for entry in value]}
        case Set():
            return _set(value)
    raise TypeError(f"DynamoDB has no type for a {type(value).__name__}")


def from_attribute(attribute: Mapping[str, Any]) -> Any:
    """The value that DynamoDB's API gave; a number is a Decimal.

    Raises:
        TypeError: a type that DynamoDB did not have when this was written.
    """
    for name, value in attribute.items():  # there is one
        if read := _READ.get(name):
            return read(value)
    raise TypeError(f"the type {', '.join(attribute)} of DynamoDB is not known")


def _number(value: Decimal | int) -> str:
    number = _NUMBERS.create_decimal(value)
    if not number.is_finite():
        raise TypeError(f"DynamoDB has no {number}")
    return str(number)


def _set(value: Set[Any]) -> dict[str, Any]:
    entries = [to_attribute(entry) for entry in value]
    types = {name for entry in entries for name in entry}
    if len(types) != 1 or not types <= {"S", "N", "B"}:
        raise TypeError("a set of DynamoDB holds texts, numbers or bytes, of one kind and at least one")
    (name,) = types
    return {f"{name}S": [entry[name] for entry in entries]}


def _decimal(value: str) -> Decimal:
    return _NUMBERS.create_decimal(value)


_READ: Mapping[str, Callable[[Any], Any]] = {
    "NULL": lambda _: None,
    "BOOL": bool,
    "N": _decimal,
    "S": str,
    "B": bytes,
    "M": lambda value: {name: from_attribute(entry) for name, entry in value.items()},
    "L": lambda value: [from_attribute(entry) for entry in value],
    "SS": set,
    "NS": lambda value: {_decimal(entry) for entry in value},
    "BS": set,
}
