"""Items of Hammer's DynamoDB table: pages of them, and conditional writes.

The one place where an expression of DynamoDB is composed. Every read is strongly consistent, and a write says on what
it depends.

An expression names attributes as `#name` and values as `:name`: many attribute names are reserved words of DynamoDB.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from library.aws.failures import error_code
from library.aws.item_values import from_attribute, to_attribute
from library.aws.query_answer import read_query_answer
from library.errors import HammerError

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.paginator import QueryPaginator

_BATCH_GET_LIMIT = 100
_BEFORE_PARSE = "before-parse.dynamodb.Query"  # an older botocore has none

Item = dict[str, Any]


class ConflictError(HammerError):
    """Somebody else changed the item since it was read: read again and decide again."""


@dataclass(frozen=True, slots=True)
class NextNumber:
    """As a value to set: the number after the one that an attribute has; 1 if it has none."""

    attribute: str


@dataclass(frozen=True, slots=True)
class WantedAttributes:
    """What a query reads of each item.

    Attributes:
        attributes: these only. No paths: of an attribute that is no map an emulator may then fail for all items.
        leave_out: the path of a list that need not be read; empty: there is none.
    """

    attributes: tuple[str, ...]
    leave_out: tuple[str, ...] = ()


class Items:
    """One table, as items.

    Args:
        client: for DynamoDB, in the main account and region.
        table_name: the table.
    """

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._client = client
        self._table_name = table_name
        client.meta.events.register(_BEFORE_PARSE, _read_items, unique_id="hammer-read-items")

    @cached_property
    def _pages(self) -> QueryPaginator:
        # botocore makes a class for each paginator that it is asked for.
        return self._client.get_paginator("query")

    def get(self, account_id: str, item_id: str) -> Item | None:
        """One item, or None."""
        found = self._client.get_item(TableName=self._table_name, Key=_key(account_id, item_id), ConsistentRead=True)
        return _item(found["Item"]) if "Item" in found else None

    def get_many(self, account_id: str, item_ids: Iterable[str]) -> Iterator[Item]:
        """The items with these ids, in no particular order. Those that do not exist are left out."""
        # BatchGetItem refuses a key that is named twice.
        wanted = [_key(account_id, item_id) for item_id in dict.fromkeys(item_ids)]
        while wanted:
            batch, wanted = wanted[:_BATCH_GET_LIMIT], wanted[_BATCH_GET_LIMIT:]
            answer = self._client.batch_get_item(
                RequestItems={self._table_name: {"Keys": batch, "ConsistentRead": True}}
            )
            yield from map(_item, answer["Responses"].get(self._table_name, ()))
            # At most 16 MB come at a time (BatchGetItem, UnprocessedKeys): the rest goes to the end of the queue.
            wanted.extend(answer["UnprocessedKeys"].get(self._table_name, {"Keys": []})["Keys"])

    def query(
        self,
        condition: str,
        values: Mapping[str, Any],
        *,
        index: str = "",
        only: str = "",
        wanted: WantedAttributes | None = None,
    ) -> Iterator[Item]:
        """The items of a query, all pages of them.

        Args:
            condition: on the keys.
            values: of the placeholders in both expressions, such as `{":account": "210987654321"}`.
            index: the index to query; empty: the table itself.
            only: leaves out items that do not match. They are read all the same.
            wanted: what of each item; None: all.
        """
        projection = ", ".join(map(_path, wanted.attributes)) if wanted else ""
        optional = {"IndexName": index, "FilterExpression": only, "ProjectionExpression": projection}
        pages = self._pages.paginate(
            TableName=self._table_name,
            ConsistentRead=True,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=serialized(values),
            **_names(f"{condition} {only} {projection}"),
            **{name: value for name, value in optional.items() if value},  # type: ignore[arg-type]
        )
        for items in _read(iter(pages), wanted.leave_out if wanted else ()):
            yield from items

    def put(self, item: Mapping[str, Any], condition: str, values: Mapping[str, Any] | None = None) -> None:
        """Write all attributes of an item; those that it has beside them stay.

        By UpdateItem: PutItem takes other writers' attributes away, and no role may call it (deployment/policies).

        Raises:
            ConflictError: the condition does not hold.
        """
        sets = {name: value for name, value in item.items() if name not in ("account_id", "issue_id")}
        self.update(item["account_id"], item["issue_id"], sets, condition=condition, values=values)

    def put_new(self, item: Mapping[str, Any]) -> None:
        """Write an item that must not exist yet. Raises ConflictError if it does."""
        self.put(item, "attribute_not_exists(issue_id)")

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
    ) -> Item:
        """Change attributes of an item; one that does not exist is made, unless the condition forbids it.

        Args:
            account_id: the hash key.
            item_id: the range key.
            sets: attributes, or paths such as `timestamps.reported`, and their new values.
            adds: numbers to add to attributes, and members to add to sets; an attribute that is missing begins empty.
            deletes: members to take out of sets.
            removes: attributes to remove.
            condition: what must hold.
            values: of the placeholders in `condition`.
            returning: whether to return the whole item after the change.

        Returns:
            The item if it was asked for, else an empty map.

        Raises:
            ConflictError: the condition does not hold.
        """
        expression, all_values = _update_expression(sets, adds or {}, deletes or {}, removes)
        all_values |= values or {}
        arguments: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        if all_values:
            arguments["ExpressionAttributeValues"] = serialized(all_values)
        try:
            answer = self._client.update_item(
                TableName=self._table_name,
                Key=_key(account_id, item_id),
                UpdateExpression=expression,
                ReturnValues="ALL_NEW" if returning else "NONE",
                **_names(f"{expression} {condition}"),
                **arguments,
            )
        except ClientError as error:
            raise _as_conflict(error, item_id) from error
        return _item(answer.get("Attributes", {}))


# What to leave out of the answer that a client waits for. None: other callers of the same client get it from botocore.
_reading_items: ContextVar[Sequence[str] | None] = ContextVar("_reading_items", default=None)


class _Read(list[Item]):
    """The items of a page, read already."""


def _read(pages: Iterator[Any], leave_out: Sequence[str]) -> Iterator[Iterable[Item]]:
    while True:
        token = _reading_items.set(leave_out)
        try:
            page = next(pages, None)
        finally:
            _reading_items.reset(token)
        if page is None:
            return
        items = page["Items"]
        yield items if isinstance(items, _Read) else map(_item, items)


def _read_items(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Handler of botocore's `before-parse`: take the items out of the body before botocore parses the rest of it."""
    leave_out = _reading_items.get()
    if leave_out is None or response_dict["status_code"] != 200:
        return
    answer = read_query_answer(response_dict["body"], leave_out)
    if answer is not None:
        response_dict["body"] = answer.rest
        customized_response_dict["Items"] = _Read(answer.items)


def serialized(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values in the form that DynamoDB's API takes."""
    return {name: to_attribute(value) for name, value in values.items()}


def _item(raw: Mapping[str, Any]) -> Item:
    return {name: from_attribute(value) for name, value in raw.items()}


def _key(account_id: str, item_id: str) -> dict[str, Any]:
    return {"account_id": {"S": account_id}, "issue_id": {"S": item_id}}


def _as_conflict(error: ClientError, item_id: str) -> Exception:
    return ConflictError(item_id) if error_code(error) == "ConditionalCheckFailedException" else error


def _names(expression: str) -> dict[str, Any]:
    names = {placeholder: placeholder[1:] for placeholder in re.findall(r"#\w+", expression)}
    return {"ExpressionAttributeNames": names} if names else {}


def _update_expression(
    sets: Mapping[str, Any], adds: Mapping[str, Any], deletes: Mapping[str, Any], removes: Iterable[str]
) -> tuple[str, dict[str, Any]]:
    """An update expression, and the values of its placeholders."""
    values: dict[str, Any] = {}

    def placed(path: str, value: Any) -> tuple[str, str]:
        if isinstance(value, NextNumber):
            values.update({":none": 0, ":one": 1})
            return _path(path), f"if_not_exists({_path(value.attribute)}, :none) + :one"
        placeholder = f":v{len(values)}"
        values[placeholder] = value
        return _path(path), placeholder

    clauses = {
        "SET": [" = ".join(placed(path, value)) for path, value in sets.items()],
        "ADD": [" ".join(placed(path, value)) for path, value in adds.items()],
        "DELETE": [" ".join(placed(path, value)) for path, value in deletes.items()],
        "REMOVE": [_path(path) for path in removes],
    }
    return " ".join(f"{clause} {', '.join(parts)}" for clause, parts in clauses.items() if parts), values


def _path(path: str) -> str:
    """A document path with a placeholder for each of its steps."""
    return ".".join(f"#{step}" for step in path.split("."))
