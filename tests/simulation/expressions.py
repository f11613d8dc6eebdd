"""DynamoDB's expressions, as far as Hammer uses them, on items as the wire has them (`{"S": "text"}`).

Developer guide, "Condition and filter expressions" and "Update expressions".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

Item = dict[str, Any]
Value = Any
_TOKEN = re.compile(r"\s*(?:([#:]?[A-Za-z_][\w]*|[#:]\w+)|(<=|>=|<>|[=<>(),.+\-])|\[(\d+)\])")


class InvalidPathError(Exception):
    """An update names a path of which the part before the last is not there."""


@lru_cache(maxsize=1000)
def _tokens(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tokens of an expression: as they are; and in capitals, with an empty one for its end."""
    found = tuple(next(part for part in match if part) for match in _TOKEN.findall(text))
    return found, (*(token.upper() for token in found), "")


class _Parser:
    def __init__(self, text: str, names: Mapping[str, str], values: Mapping[str, Any]) -> None:
        self._tokens, self._upper = _tokens(text)
        self._next = 0
        self._names, self._values = names, values

    def at(self, *words: str) -> bool:
        return self._upper[self._next] in words

    def take(self, expected: str = "") -> str:
        token = self._tokens[self._next]
        if expected and token.upper() != expected:
            raise ValueError(f"{expected} expected, not {token}")
        self._next += 1
        return token

    @property
    def is_at_end(self) -> bool:
        return self._next == len(self._tokens)

    def condition(self, item: Item) -> bool:
        found = self._conjunction(item)
        while self.at("OR"):
            self.take()
            found = self._conjunction(item) or found
        return found

    def _conjunction(self, item: Item) -> bool:
        found = self._negation(item)
        while self.at("AND"):
            self.take()
            found = self._negation(item) and found
        return found

    def _negation(self, item: Item) -> bool:
        if self.at("NOT"):
            self.take()
            return not self._negation(item)
        if self.at("("):
            self.take()
            found = self.condition(item)
            self.take(")")
            return found
        return self._comparison(item)

    def _comparison(self, item: Item) -> bool:
        if self.at("ATTRIBUTE_EXISTS", "ATTRIBUTE_NOT_EXISTS", "BEGINS_WITH", "CONTAINS"):
            return self._function(item)
        left = self.operand(item)
        if self.at("IN"):
            self.take()
            self.take("(")
            found: bool = left == self.operand(item)
            while self.at(","):
                self.take()
                found = self.operand(item) == left or found
            self.take(")")
            return found
        if self.at("BETWEEN"):
            self.take()
            low = self.operand(item)
            self.take("AND")
            high = self.operand(item)
            return _compare(">=", left, low) and _compare("<=", left, high)
        return _compare(self.take(), left, self.operand(item))

    def _function(self, item: Item) -> bool:
        name = self.take().upper()
        self.take("(")
        first = self.operand(item)
        second: Value = None
        if self.at(","):
            self.take()
            second = self.operand(item)
        self.take(")")
        if name == "ATTRIBUTE_EXISTS":
            return first is not None
        if name == "ATTRIBUTE_NOT_EXISTS":
            return first is None
        if name == "BEGINS_WITH":
            return first is not None and "S" in first and str(first["S"]).startswith(second["S"])
        return first is not None and _scalar(second) in next(iter(first.values()))

    def operand(self, item: Item) -> Value:
        if self.at("IF_NOT_EXISTS"):
            self.take()
            self.take("(")
            known = self.operand(item)
            self.take(",")
            other = self.operand(item)
            self.take(")")
            value = other if known is None else known
        elif self._upper[self._next].startswith(":"):
            value = self._values[self.take()]
        else:
            value = resolve(item, self.path())
        if self.at("+", "-"):
            sign = 1 if self.take() == "+" else -1
            return {"N": str(Decimal(value["N"]) + sign * Decimal(self.operand(item)["N"]))}
        return value

    def path(self) -> list[str]:
        steps = [self._name()]
        while self.at("."):
            self.take()
            steps.append(self._name())
        return steps

    def _name(self) -> str:
        token = self.take()
        return self._names[token] if token.startswith("#") else token


def resolve(item: Item, path: list[str]) -> Value:
    """The value at a path; None: there is none."""
    value: Value = {"M": item}
    for step in path:
        value = value["M"].get(step) if isinstance(value, dict) and "M" in value else None
        if value is None:
            return None
    return value


def holds(expression: str, item: Item, names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    """Whether an item meets a condition. An item that is not there is an empty one."""
    parser = _Parser(expression, names, values)
    found = parser.condition(item)
    if not parser.is_at_end:
        raise ValueError(f"not understood: {expression}")
    return found


def updated(expression: str, item: Item, names: Mapping[str, str], values: Mapping[str, Any]) -> Item:
    """The item after an update. Raises InvalidPathError."""
    parser = _Parser(expression, names, values)
    changes: list[Callable[[Item], None]] = []
    while not parser.is_at_end:
        action = parser.take().upper()
        while True:
            path = parser.path()
            if action == "SET":
                parser.take("=")
                changes.append(_setting(path, parser.operand(item)))
            elif action == "REMOVE":
                changes.append(_removing(path))
            else:
                changes.append(_changing_set(path, values[parser.take()], adding=action == "ADD"))
            if not parser.at(","):
                break
            parser.take()
    result = dict(item)
    for change in changes:
        change(result)
    return result


def _parent(item: Item, path: list[str]) -> Item:
    """The map that a path's last part is in, in a new item: each map on the way becomes a copy."""
    for step in path[:-1]:
        value = item.get(step)
        if value is None or "M" not in value:
            raise InvalidPathError(".".join(path))
        inner = dict(value["M"])
        item[step] = {"M": inner}
        item = inner
    return item


def _setting(path: list[str], value: Value) -> Callable[[Item], None]:
    return lambda item: _parent(item, path).__setitem__(path[-1], value)


def _removing(path: list[str]) -> Callable[[Item], None]:
    return lambda item: _parent(item, path).pop(path[-1], None) and None


def _changing_set(path: list[str], value: Value, *, adding: bool) -> Callable[[Item], None]:
    def change(item: Item) -> None:
        (kind, entries) = next(iter(value.items()))
        parent = _parent(item, path)
        if kind == "N":
            parent[path[-1]] = {"N": str(Decimal(parent.get(path[-1], {"N": "0"})["N"]) + Decimal(entries))}
            return
        known = set(parent.get(path[-1], {kind: []})[kind])
        known = known | set(entries) if adding else known - set(entries)
        if known:
            parent[path[-1]] = {kind: sorted(known)}
        else:  # a set is never empty
            parent.pop(path[-1], None)

    return change


def _scalar(value: Value) -> Any:
    kind, content = next(iter(value.items()))
    return Decimal(content) if kind == "N" else content


def _compare(operator: str, left: Value, right: Value) -> bool:
    if left is None or right is None:
        return operator == "<>" and left is not right
    if left.keys() != right.keys():
        return operator == "<>"
    first, second = _scalar(left), _scalar(right)
    found: bool = {
        "=": lambda: first == second,
        "<>": lambda: first != second,
        "<": lambda: first < second,
        "<=": lambda: first <= second,
        ">": lambda: first > second,
        ">=": lambda: first >= second,
    }[operator]()
    return found
