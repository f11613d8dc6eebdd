"""Items of Hammer's DynamoDB table: the table's definition, values, pages of items, and conditional writes.

Update and projection expressions are composed here: attributes are named as `#name` and values as `:name`, since many
attribute names are reserved words. What a write depends on, its condition, is stated by who writes, in the same
notation. Every read is strongly consistent.

Values go from Python's to DynamoDB's and back (S, N, B, BOOL, NULL, L, M, SS, NS and BS) by the rules of
`boto3.dynamodb.types`, which a Lambda cannot import without all of boto3. A query's answer is read from its JSON
straight to items: botocore copies it value by value first, which takes ten times as long (`make bench`, the host's
jobs).

Terraform makes the same table (deployment/terraform); a test compares the two.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Clamped, Context, Decimal, Inexact, Overflow, Rounded, Underflow
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from library.aws.failures import error_code
from library.aws.session import read_pages
from library.errors import ConflictError

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.paginator import QueryPaginator


class QueryAnswer(NamedTuple):
    """One page, and the rest of its answer, as JSON: what botocore is to read, the next page's key among it."""

    items: list[dict[str, Any]]
    rest: bytes


def read_query_answer(body: bytes, leave_out: Sequence[str] = ()) -> QueryAnswer | None:
    """Read one answer, or None if it is not as DynamoDB's are: then botocore reads it, and raises what is to be raised.

    `leave_out` is the path of a list that is not wanted: it is empty in the items that have it.
    """
    try:
        answer = json.loads(body)
        items = answer.pop("Items")
        if leave_out:
            for item in items:
                _leave_out(item, leave_out)
        items = [_map_of_answer(item) for item in items]
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        return None
    return QueryAnswer(items, json.dumps(answer).encode())


def _leave_out(item: dict[str, Any], path: Sequence[str]) -> None:
    *parents, name = path
    for parent in parents:
        item = item.get(parent, {}).get("M", {})
    if "L" in item.get(name, {}):
        item[name] = {"L": []}


def _map_of_answer(typed: dict[str, Any]) -> dict[str, Any]:
    """A map of attributes as a map of their values. The most frequent kinds need no call of a function."""
    found: dict[str, Any] = {}
    for name, attribute in typed.items():
        ((kind, value),) = attribute.items()
        if kind == "S":
            found[name] = value
        elif kind == "M":
            found[name] = _map_of_answer(value)
        elif kind == "N":
            found[name] = _cached_number(value)
        else:
            found[name] = _value_of_answer(kind, value, attribute)
    return found


def _value_of_answer(kind: str, value: Any, attribute: dict[str, Any]) -> Any:
    match kind:
        case "NULL":
            return None
        case "L":
            return [_map_of_answer({"": entry})[""] for entry in value]
        case "B":  # in JSON the bytes are base64, which botocore would have decoded
            return base64.b64decode(value)
        case "BS":
            return {base64.b64decode(entry) for entry in value}
    return from_attribute(attribute)


@lru_cache(maxsize=1024)
def _cached_number(text: str) -> Any:
    """A number as a Decimal. Most are few: ports, and counts of revisions and occurrences."""
    return from_attribute({"N": text})


STATUS_INDEX = "by_status"  # account_id, status
REGION_INDEX = "by_open_region"  # account_id, open_region: issues that are open or whitelisted

TIME_TO_LIVE_ATTRIBUTE = "expires_at"  # seconds since 1970; DynamoDB deletes the item after it. Issues have none.

TABLE_DEFINITION: dict[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("account_id", "issue_id", "status", "open_region")
    ],
    "KeySchema": [
        {"AttributeName": "account_id", "KeyType": "HASH"},
        {"AttributeName": "issue_id", "KeyType": "RANGE"},
    ],
    "LocalSecondaryIndexes": [
        {
            "IndexName": index,
            "KeySchema": [
                {"AttributeName": "account_id", "KeyType": "HASH"},
                {"AttributeName": attribute, "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
        for index, attribute in ((STATUS_INDEX, "status"), (REGION_INDEX, "open_region"))
    ],
}
"""The table as CreateTable takes it, but for its name."""


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


_BATCH_GET_LIMIT = 100
_CONFLICTS = {
    *("ConditionalCheckFailed", "ConditionalCheckFailedException"),
    *("TransactionConflict", "TransactionConflictException", "TransactionInProgressException"),
}
_REFUSED_BY_CONDITION = {"ConditionalCheckFailedException", "TransactionCanceledException"}
_MISSING = object()
_PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # between calls for what was not read; the last one again and again

Item = dict[str, Any]


def _pauses() -> Iterator[float]:
    return itertools.chain(_PAUSES_S, itertools.repeat(_PAUSES_S[-1]))


@dataclass(frozen=True, slots=True)
class Check:
    """What must hold of another item of the same account, so that an update is made. The two are one transaction.

    Attributes:
        item_id: the range key. An item that does not exist has no attributes.
    """

    item_id: str
    condition: str
    values: Mapping[str, Any]


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
    """One table, as items. `client` is for the main account and region; `sleep` waits so many seconds."""

    def __init__(self, client: DynamoDBClient, table_name: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._sleep = sleep
        self._table_name = table_name

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
        pauses = _pauses()
        while wanted:
            batch, wanted = wanted[:_BATCH_GET_LIMIT], wanted[_BATCH_GET_LIMIT:]
            answer = self._client.batch_get_item(
                RequestItems={self._table_name: {"Keys": batch, "ConsistentRead": True}}
            )
            yield from map(_item, answer["Responses"].get(self._table_name, ()))
            # At most 16 MB come at a time, and less where DynamoDB throttles: the rest goes to the end of the queue,
            # after a pause that grows while nothing comes (API Reference, BatchGetItem).
            unprocessed = answer["UnprocessedKeys"].get(self._table_name, {"Keys": []})["Keys"]
            wanted.extend(unprocessed)
            if unprocessed:
                if len(unprocessed) < len(batch):
                    pauses = _pauses()
                self._sleep(next(pauses))

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
        projection = ", ".join(map(placeholders, wanted.attributes)) if wanted else ""
        optional = {"IndexName": index, "FilterExpression": only, "ProjectionExpression": projection}
        pages = self._pages.paginate(
            TableName=self._table_name,
            ConsistentRead=True,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=serialized(values),
            **_names(f"{condition} {only} {projection}"),
            **{name: value for name, value in optional.items() if value},  # type: ignore[arg-type]
        )
        for items in _read(self._client, iter(pages), wanted.leave_out if wanted else ()):
            yield from items

    def with_prefix(self, account_id: str, prefix: str) -> Iterator[Item]:
        """The items of an account whose id begins so, in the order of their ids."""
        condition = "account_id = :account AND begins_with(issue_id, :prefix)"
        return self.query(condition, {":account": account_id, ":prefix": prefix})

    def put_new(self, item: Mapping[str, Any], checks: Sequence[Check] = ()) -> None:
        """Write an item that must not exist yet. Raises ConflictError if it does, or if a check does not hold.

        By UpdateItem: PutItem takes other writers' attributes away, and no role may call it (deployment/policies).
        """
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
            returning: whether to return the whole item after the change. Not possible with `checks`.
            checks: what must hold of other items.

        Returns:
            The item if it was asked for, else an empty map.

        Raises:
            ConflictError: the condition or a check does not hold, or another transaction has one of these items.
        """
        removes = tuple(removes)
        update = self._update(
            account_id,
            item_id,
            _update_expression(sets, adds or {}, deletes or {}, removes),
            condition,
            values or {},
        )
        answer: Any = {}
        try:
            if checks:
                others: Any = [{"ConditionCheck": self._check(account_id, check)} for check in checks]
                self._client.transact_write_items(TransactItems=[{"Update": update}, *others])
            else:
                answer = self._client.update_item(ReturnValues="ALL_NEW" if returning else "NONE", **update)
        except ClientError as error:
            if not (adds or deletes) and self._is_made(error, account_id, item_id, sets, removes):
                return (self.get(account_id, item_id) or {}) if returning else {}
            keys = [(account_id, item_id), *((account_id, check.item_id) for check in checks)]
            raise _as_conflict(error, keys) from error
        return _item(answer.get("Attributes", {}))

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
        """Change attributes of two items, or of neither (TransactWriteItems). The other one is made if it is not there.

        Args:
            account_id: the hash key of the first item.
            item_id: its range key.
            sets: its attributes and their new values.
            item: the other item, with its keys, and the values of its attributes.
            condition: what must hold of the first item.
            values: of the placeholders in `condition`.
            only_if: what must hold of the other item.

        Raises:
            ConflictError: a condition does not hold, or another transaction is writing one of the items.
        """
        other_sets = {name: value for name, value in item.items() if name not in ("account_id", "issue_id")}
        first = self._update(account_id, item_id, _update_expression(sets, {}, {}, ()), condition, values)
        made = _update_expression(other_sets, {}, {}, ())
        other = self._update(str(item["account_id"]), str(item["issue_id"]), made, only_if, {})
        try:
            self._client.transact_write_items(TransactItems=[{"Update": first}, {"Update": other}])
        except ClientError as error:
            if self._is_made(error, account_id, item_id, sets):
                return
            keys = [(account_id, item_id), (item["account_id"], item["issue_id"])]
            raise _as_conflict(error, keys) from error

    def _is_made(
        self, error: ClientError, account_id: str, item_id: str, sets: Mapping[str, Any], removes: Iterable[str] = ()
    ) -> bool:
        """Whether a change that failed was made by an earlier try of it, of which the answer was lost.

        The SDK sends it again then, and the change itself is why its condition does not hold any more. DynamoDB knows
        a transaction again by its token, but not after ten minutes, and emulators do not.
        """
        tries: Any = error.response.get("ResponseMetadata", {})
        if error_code(error) not in _REFUSED_BY_CONDITION or not tries.get("RetryAttempts"):
            return False
        item = self.get(account_id, item_id) or {}
        return all(_at(item, path) == from_attribute(to_attribute(value)) for path, value in sets.items()) and all(
            _at(item, path) is _MISSING for path in removes
        )

    def _update(
        self,
        account_id: str,
        item_id: str,
        changes: tuple[str, dict[str, Any]],
        condition: str,
        values: Mapping[str, Any],
    ) -> Any:
        """The arguments of an update, whatever calls for it. `_check` has those of a check in a transaction.

        Args:
            account_id: the hash key.
            item_id: the range key.
            changes: the update expression and the values of its placeholders.
            condition: what must hold; empty: nothing.
            values: of the placeholders in `condition`.
        """
        expression, all_values = changes[0], {**changes[1], **values}
        arguments: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        if all_values:
            arguments["ExpressionAttributeValues"] = serialized(all_values)
        return {
            "TableName": self._table_name,
            "Key": _key(account_id, item_id),
            "UpdateExpression": expression,
            **_names(f"{expression} {condition}"),
            **arguments,
        }

    def _check(self, account_id: str, check: Check) -> dict[str, Any]:
        return {
            "TableName": self._table_name,
            "Key": _key(account_id, check.item_id),
            "ConditionExpression": check.condition,
            **({"ExpressionAttributeValues": serialized(check.values)} if check.values else {}),
            **_names(check.condition),
        }


class _Read(list[Item]):
    """The items of a page, read already."""


def _read(client: DynamoDBClient, pages: Iterator[Any], leave_out: Sequence[str]) -> Iterator[Iterable[Item]]:
    def read(body: bytes, customized: dict[str, Any]) -> bytes:
        answer = read_query_answer(body, leave_out)
        if answer is None:
            return body
        customized["Items"] = _Read(answer.items)
        return answer.rest

    for page in read_pages(client, "Query", read, pages):
        items = page["Items"]
        yield items if isinstance(items, _Read) else map(_item, items)


def serialized(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values in the form that DynamoDB's API takes."""
    return {name: to_attribute(value) for name, value in values.items()}


def _item(raw: Mapping[str, Any]) -> Item:
    return {name: from_attribute(value) for name, value in raw.items()}


def _key(account_id: str, item_id: str) -> dict[str, Any]:
    return {"account_id": {"S": account_id}, "issue_id": {"S": item_id}}


def _at(item: Item, path: str) -> Any:
    """What an item has at a path; `_MISSING`: nothing."""
    found: Any = item
    for step in path.split("."):
        found = found.get(step, _MISSING) if isinstance(found, Mapping) else _MISSING
    return found


def _as_conflict(error: ClientError, keys: Sequence[tuple[str, str]]) -> Exception:
    """What a write that failed raises. Where DynamoDB refuses an item itself, the text names it.

    `keys` are the account and id of each item that was written or checked, in the request's order. The first one was
    to be changed.
    """
    code, item_id = error_code(error), keys[0][1]
    if code in _CONFLICTS:
        return ConflictError(item_id)
    message = error.response["Error"].get("Message", "")
    if code == "TransactionCanceledException":
        # One for each item; that the transaction was cancelled is all that the message tells. If any item failed for
        # another reason than a conflict, such as a limit of the table, it is no conflict.
        reasons: Any = error.response.get("CancellationReasons") or ()
        failed = [(key, reason) for key, reason in zip(keys, reasons, strict=False) if reason.get("Code") != "None"]
        if failed and {str(reason.get("Code")) for _, reason in failed} <= _CONFLICTS:
            return ConflictError(item_id)
        named = [_named(key, reason.get("Message") or reason.get("Code")) for key, reason in failed]
        message = "; ".join(named) or message
    elif code == "ValidationException":
        message = _named(keys[0], message)
    else:
        return error
    return ClientError({**error.response, "Error": {"Code": code, "Message": message}}, error.operation_name)


def _named(key: tuple[str, str], reason: str) -> str:
    account_id, item_id = key
    return f"{item_id} in {account_id}: {reason}"


def _names(expression: str) -> dict[str, Any]:
    names = {placeholder: placeholder[1:] for placeholder in re.findall(r"#\w+", expression)}
    return {"ExpressionAttributeNames": names} if names else {}


def _update_expression(
    sets: Mapping[str, Any], adds: Mapping[str, Any], deletes: Mapping[str, Any], removes: Iterable[str]
) -> tuple[str, dict[str, Any]]:
    """An update expression, and the values of its placeholders."""
    values: dict[str, Any] = {}

    def placed(path: str, value: Any) -> tuple[str, str]:
        placeholder = f":v{len(values)}"
        values[placeholder] = value
        return placeholders(path), placeholder

    clauses = {
        "SET": [" = ".join(placed(path, value)) for path, value in sets.items()],
        "ADD": [" ".join(placed(path, value)) for path, value in adds.items()],
        "DELETE": [" ".join(placed(path, value)) for path, value in deletes.items()],
        "REMOVE": [placeholders(path) for path in removes],
    }
    return " ".join(f"{clause} {', '.join(parts)}" for clause, parts in clauses.items() if parts), values


def placeholders(path: str) -> str:
    """A document path with a placeholder for each of its steps."""
    return ".".join(f"#{step}" for step in path.split("."))
