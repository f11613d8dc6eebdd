"""The issue table in memory: `library.aws.conditional_writes.Items` without DynamoDB, for tests of many schedules."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from types import NoneType
from typing import Any, TypeVar

from library.aws.conditional_writes import Check, WantedAttributes
from library.errors import ConflictError

Item = dict[str, Any]


_T = TypeVar("_T")


def clone(value: _T) -> _T:
    """A copy of what DynamoDB may hold: many times as fast as `copy.deepcopy`, which most of a long test was."""
    copied: Any = value
    kind = type(copied)
    if kind is dict:
        copied = {name: clone(each) for name, each in copied.items()}
    elif kind is list:
        copied = [clone(each) for each in copied]
    elif kind not in _NOT_CHANGED:
        copied = copy.deepcopy(copied)
    kept: _T = copied
    return kept


_NOT_CHANGED = {str, int, Decimal, bool, NoneType, float, bytes}


class MemoryItems:
    """Behaves as `Items` does.

    Args:
        before: called before each operation with its name: where another actor may come in between.
    """

    def __init__(self, before: Callable[[str], None] = lambda _: None) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.before = before

    def get(self, account_id: str, item_id: str) -> Item | None:
        self.before("get")
        return clone(self.items.get((account_id, item_id)))

    def get_many(self, account_id: str, item_ids: Iterable[str]) -> Iterator[Item]:
        wanted = list(dict.fromkeys(item_ids))
        if wanted:
            self.before("get_many")
        yield from [clone(self.items[account_id, name]) for name in wanted if (account_id, name) in self.items]

    def query(
        self,
        condition: str,
        values: Mapping[str, Any],
        *,
        index: str = "",
        only: str = "",
        wanted: WantedAttributes | None = None,
    ) -> Iterator[Item]:
        assert not only
        assert wanted is None
        self.before(f"query {index}")
        yield from [clone(item) for item in self.items.values() if holds(condition, item, values)]

    def with_prefix(self, account_id: str, prefix: str) -> Iterator[Item]:
        condition = "account_id = :account AND begins_with(issue_id, :prefix)"
        return self.query(condition, {":account": account_id, ":prefix": prefix})

    def put_new(self, item: Mapping[str, Any], checks: Sequence[Check] = ()) -> None:
        if not checks:
            self.before("put")
            key = (item["account_id"], item["issue_id"])
            if key in self.items:
                raise ConflictError(item["issue_id"])
            self.items[key] = clone(dict(item))
            return
        sets = {name: value for name, value in item.items() if name not in ("account_id", "issue_id")}
        new = "attribute_not_exists(issue_id)"
        self.update(item["account_id"], item["issue_id"], sets, condition=new, checks=checks)

    def update(
        self,
        account_id: str,
        item_id: str,
        sets: Mapping[str, Any],
        *,
        adds: Mapping[str, Any] | None = None,
        deletes: Mapping[str, Any] | None = None,
        removes: Iterable[str] = (),
        condition: str = "",
        values: Mapping[str, Any] | None = None,
        returning: bool = False,
        checks: Sequence[Check] = (),
    ) -> Item:
        self.before("transact" if checks else "update")
        key = (account_id, item_id)
        before = self.items.get(key, {})
        if condition and not holds(condition, before, values or {}):
            raise ConflictError(item_id)
        if not all(
            holds(each.condition, self.items.get((account_id, each.item_id), {}), each.values) for each in checks
        ):
            raise ConflictError(item_id)
        after = clone(before) | {"account_id": account_id, "issue_id": item_id}
        set_and_remove(after, sets, removes)
        for name, members in (adds or {}).items():
            after[name] = after.get(name, set()) | members
        for name, members in (deletes or {}).items():
            after[name] = after.get(name, set()) - members
        self.items[key] = after
        return clone(after) if returning else {}

    def update_together(
        self,
        account_id: str,
        item_id: str,
        sets: Mapping[str, Any],
        item: Mapping[str, Any],
        *,
        condition: str,
        values: Mapping[str, Any],
        only_if: str,
    ) -> None:
        self.before("update_together")
        key = (item["account_id"], item["issue_id"])
        is_met = holds(condition, self.items.get((account_id, item_id), {}), values)
        if not is_met or not holds(only_if, self.items.get(key, {}), {}):
            raise ConflictError(item_id)
        self.items[account_id, item_id] = clone({**self.items[account_id, item_id], **sets})
        self.items[key] = clone({**self.items.get(key, {}), **item})


class _Missing:
    """An attribute that is not there: no comparison with it holds."""

    def __eq__(self, other: object) -> bool:
        return False

    def __lt__(self, other: object) -> bool:
        return False

    __le__ = __gt__ = __ge__ = __lt__
    __hash__ = None  # type: ignore[assignment]


def _has(found: re.Match[str]) -> str:
    return f"({(found[1] and 'not') or ''} has('{found[2].replace('#', '')}'))"


def set_and_remove(item: Item, sets: Mapping[str, Any], removes: Iterable[str]) -> None:
    """Set attributes, or paths such as `timestamps.reported`, of an item, and remove others."""
    for path, value in sets.items():
        *parents, name = path.split(".")
        location = item
        for parent in parents:
            location = location[parent]
        location[name] = clone(value)
    for path in removes:
        *parents, name = path.split(".")
        location = item
        for parent in parents:
            location = location.get(parent, {})
        location.pop(name, None)


def holds(condition: str, item: Item, values: Mapping[str, Any]) -> bool:
    """Evaluate an expression of DynamoDB, as far as Hammer's go."""
    code = condition.replace(" AND ", " and ").replace(" OR ", " or ")
    code = re.sub(r"attribute_(not_)?exists\(([\w.#]+)\)", _has, code)
    code = re.sub(r"begins_with\(#?(\w+), :(\w+)\)", r"str(at('\1')).startswith(value('\2'))", code)
    code = re.sub(r"(?<![<>!])= ", "== ", code)
    code = re.sub(r"#\w+(?:\.#\w+)*", lambda path: f"at('{path[0].replace('#', '')}')", code)
    code = re.sub(r"\baccount_id\b", "at('account_id')", code)
    code = re.sub(r":(\w+)", r"value('\1')", code)
    missing = _Missing()

    def at(path: str) -> Any:
        found: Any = item
        for name in path.split("."):
            found = found.get(name, missing) if isinstance(found, dict) else missing
        return found

    names = {
        "has": lambda path: at(path) is not missing,
        "at": at,
        "value": lambda name: values[f":{name}"],
        "str": str,
    }
    return bool(eval(code, {"__builtins__": {}}, names))  # noqa: S307 - expressions of this repository
