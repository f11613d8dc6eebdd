"""DynamoDB's answer to a query, read from its JSON straight to items.

botocore copies an answer value by value as its model says, before items can be made of it. This gives the same items in
a tenth of the time.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from library.aws.item_values import from_attribute


class QueryAnswer(NamedTuple):
    """One page.

    Attributes:
        items: as `from_attribute` gives their values.
        rest: the answer without them, as JSON: what is left for botocore to read, the next page's key among it.
    """

    items: list[dict[str, Any]]
    rest: bytes


def read_query_answer(body: bytes, leave_out: Sequence[str] = ()) -> QueryAnswer | None:
    """Read one answer, or None if it is not as DynamoDB's are: then it is for botocore to say what is wrong.

    Args:
        body: the answer.
        leave_out: the path of a list that is not wanted: it is empty in the items that have it. Empty: there is none.
    """
    try:
        answer = json.loads(body)
        items = answer.pop("Items")
        if leave_out:
            for item in items:
                _leave_out(item, leave_out)
        items = [_map(item) for item in items]
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        return None
    return QueryAnswer(items, json.dumps(answer).encode())


def _leave_out(item: dict[str, Any], path: Sequence[str]) -> None:
    *parents, name = path
    for parent in parents:
        item = item.get(parent, {}).get("M", {})
    if "L" in item.get(name, {}):
        item[name] = {"L": []}


def _map(typed: dict[str, Any]) -> dict[str, Any]:
    """A map of attributes as a map of their values. The most frequent kinds need no call of a function."""
    found: dict[str, Any] = {}
    for name, attribute in typed.items():
        ((kind, value),) = attribute.items()
        if kind == "S":
            found[name] = value
        elif kind == "M":
            found[name] = _map(value)
        elif kind == "N":
            found[name] = _number(value)
        else:
            found[name] = _value(kind, value, attribute)
    return found


def _value(kind: str, value: Any, attribute: dict[str, Any]) -> Any:
    match kind:
        case "NULL":
            return None
        case "L":
            return [_map({"": entry})[""] for entry in value]
        case "B":  # in JSON the bytes are base64, which botocore would have decoded
            return base64.b64decode(value)
        case "BS":
            return {base64.b64decode(entry) for entry in value}
    return from_attribute(attribute)


@lru_cache(maxsize=1024)
def _number(text: str) -> Any:
    """A number as a Decimal. Most are few: ports, and counts of revisions and occurrences."""
    return from_attribute({"N": text})
