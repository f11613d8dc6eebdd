"""DynamoDB's table and S3's bucket, in memory. Both are strongly consistent, as they are for Hammer's reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

from tests.simulation.errors import client_error, error_class, transaction_error
from tests.simulation.expressions import InvalidPathError, Item, holds, resolve, updated

EPOCH = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
MOST_BYTES = 400 * 1024
"""Of an item with its copies in local indexes (Developer Guide, "Quotas")."""
_INDEXES = {"by_status": "status", "by_open_region": "open_region"}


class Table:
    """One table with the keys `account_id` and `issue_id`.

    Attributes:
        items: by their keys.
        counts: whether an item that is too large is refused.
        watch: is told of an item that an update changes, before and after.
    """

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.watch: Callable[[Item, Item], None] = lambda *_: None
        self.counts = False

    def get_item(self, Key: Item, **_: Any) -> dict[str, Any]:  # noqa: N803 - as the SDK names its arguments
        found = self.items.get(_key(Key))
        return {"Item": found} if found is not None else {}

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        ((name, wanted),) = RequestItems.items()
        found = [self.items[_key(key)] for key in wanted["Keys"] if _key(key) in self.items]
        return {"Responses": {name: found}, "UnprocessedKeys": {}}

    def put_item(self, Item: Item, **arguments: Any) -> dict[str, Any]:  # noqa: N803
        self._check(self.items.get(_key(Item), {}), arguments)
        self._check_size(Item)
        self.items[_key(Item)] = Item
        return {}

    def delete_item(self, Key: Item, **arguments: Any) -> dict[str, Any]:  # noqa: N803
        self._check(self.items.get(_key(Key), {}), arguments)
        self.items.pop(_key(Key), None)
        return {}

    def update_item(self, Key: Item, UpdateExpression: str, **arguments: Any) -> dict[str, Any]:  # noqa: N803
        known = self.items.get(_key(Key), {})
        self._check(known, arguments)
        try:
            item = updated(UpdateExpression, known or dict(Key), *_placeholders(arguments))
        except InvalidPathError as error:
            raise client_error("ValidationException", f"document path invalid for update: {error}") from error
        self._check_size(item)
        self.items[_key(Key)] = item
        self.watch(known, item)
        return {"Attributes": item}

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Updates, with conditions on other items: all hold, or nothing is done."""
        updates = [each["Update"] for each in TransactItems if "Update" in each]
        checks = [each["ConditionCheck"] for each in TransactItems if "ConditionCheck" in each]
        try:
            for each in (*checks, *updates):
                self._check(self.items.get(_key(each["Key"]), {}), each)
        except error_class("ConditionalCheckFailedException") as error:
            raise transaction_error("ConditionalCheckFailed") from error
        for update in updates:
            self.update_item(**{name: value for name, value in update.items() if name != "TableName"})
        return {}

    def query(self, KeyConditionExpression: str, **arguments: Any) -> dict[str, Any]:  # noqa: N803
        names, values = _placeholders(arguments)
        index = arguments.get("IndexName")
        # Every query names one account: the condition says so, too, but need not be read for the items of others.
        of_account = sorted(key for key in self.items if key[0] == values[":account"]["S"])
        found = [
            item
            for item in map(self.items.__getitem__, of_account)
            if (index is None or _INDEXES[index] in item)
            and holds(KeyConditionExpression, item, names, values)
            and holds(arguments.get("FilterExpression") or "attribute_exists(issue_id)", item, names, values)
        ]
        return {"Items": found, "Count": len(found)}

    def describe_table(self, **_: Any) -> dict[str, Any]:
        return {"Table": {"TableStatus": "ACTIVE"}}

    def _check(self, item: Item, arguments: dict[str, Any]) -> None:
        condition = arguments.get("ConditionExpression")
        if condition and not holds(condition, item, *_placeholders(arguments)):
            raise client_error("ConditionalCheckFailedException")

    def _check_size(self, item: Item) -> None:
        """Refuse an item that is, with its copies in the indexes that it is in, larger than DynamoDB allows."""
        if self.counts:
            size = size_of({"M": item}) * (1 + sum(key in item for key in _INDEXES.values()))
            if size > MOST_BYTES:
                raise client_error("ValidationException", f"Item size has exceeded the maximum: {size}")

    def attribute(self, account_id: str, issue_id: str, *path: str) -> Any:
        """An attribute as the wire has it; None: there is none."""
        return resolve(self.items.get((account_id, issue_id), {}), list(path))


def size_of(value: Any) -> int:
    """How much an attribute counts (Developer Guide, "DynamoDB item sizes and formats")."""
    ((kind, content),) = value.items()
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + size_of(each) for name, each in content.items())
    if kind == "L":
        return 3 + sum(1 + size_of(each) for each in content)
    if kind == "N":
        return 2 + len(content) // 2
    if kind in ("SS", "NS", "BS"):
        return sum(len(each) for each in content)
    return len(content.encode()) if kind == "S" else len(content) if kind == "B" else 1


def _key(key: Item) -> tuple[str, str]:
    return key["account_id"]["S"], key["issue_id"]["S"]


def _placeholders(arguments: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    return arguments.get("ExpressionAttributeNames") or {}, arguments.get("ExpressionAttributeValues") or {}


class Bucket:
    """One bucket.

    Attributes:
        objects: content and time, by key.
        failing: the keys of objects that cannot be read now.
        now: tells the virtual time, for `LastModified`.
    """

    def __init__(self, now: Any) -> None:
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.failing: set[str] = set()
        self._now = now

    def put_object(self, Key: str, Body: bytes, IfNoneMatch: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        if IfNoneMatch and Key in self.objects:
            raise client_error("PreconditionFailed")
        self.objects[Key] = Body, EPOCH + timedelta(seconds=self._now())
        return {}

    def get_object(self, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        if Key not in self.objects:
            raise client_error("NoSuchKey")
        if Key in self.failing:
            raise client_error("SlowDown")
        return {"Body": BytesIO(self.objects[Key][0])}

    def list_objects_v2(self, Prefix: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        found = [
            {"Key": key, "LastModified": written, "Size": len(body)}
            for key, (body, written) in sorted(self.objects.items())
            if key.startswith(Prefix)
        ]
        return {"Contents": found} if found else {}
