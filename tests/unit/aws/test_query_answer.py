"""DynamoDB's answer to a query: the same items as from botocore's parser."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser

from library.aws.conditional_writes import from_attribute, read_query_answer, serialized
from tests.builders.issues import an_issue

ITEM: dict[str, Any] = {
    "text": "ü",
    "empty": "",
    "number": Decimal("12345678901234567890.5"),
    "negative": Decimal(-1),
    "yes": True,
    "no": False,
    "nothing": None,
    "bytes": b"\x00\xff",
    "texts": {"a", "b"},
    "numbers": {Decimal(1), Decimal("2.5")},
    "bytes of several": {b"a", b"b"},
    "map": {"S": "a name like a type", "list": [1, [{}, []], {"N": {"N": "1"}}], "none": {}},
}


def body(*items: dict[str, Any], **more: Any) -> bytes:
    raw = [serialized(item) for item in items]
    return json.dumps({"Items": raw, **more}, default=lambda value: _base64(bytes(value))).encode()


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def by_botocore(content: bytes) -> list[dict[str, Any]]:
    model = botocore.session.get_session().get_service_model("dynamodb").operation_model("Query")
    response = {"body": content, "headers": {}, "status_code": 200}
    items = create_parser("json").parse(response, model.output_shape)["Items"]  # type: ignore[arg-type]
    return [{name: from_attribute(value) for name, value in item.items()} for item in items]


def test_the_items_are_those_that_botocore_and_item_values_make() -> None:
    content = body(ITEM, an_issue().to_item(), {})
    read = read_query_answer(content)
    assert read is not None
    assert read.items == by_botocore(content)
    assert read.items[0] == ITEM
    assert [type(value) for value in read.items[0].values()] == [
        type(value) for value in by_botocore(content)[0].values()
    ]


def test_the_rest_is_left_to_botocore() -> None:
    key = serialized({"account_id": "1", "issue_id": "sg-1"})
    read = read_query_answer(body(ITEM, Count=1, ScannedCount=1, LastEvaluatedKey=key))
    assert read is not None
    assert json.loads(read.rest) == {"Count": 1, "ScannedCount": 1, "LastEvaluatedKey": key}


def test_a_list_can_be_left_out() -> None:
    items: list[dict[str, Any]] = [
        {"a": {"b": {"long": [1, 2], "other": [3]}}},
        {"a": {"b": {}}},
        {"a": "text"},
        {"a": {"b": {"long": "x"}}},
        {},
    ]
    read = read_query_answer(body(*items), ("a", "b", "long"))
    assert read is not None
    assert read.items == [{"a": {"b": {"long": [], "other": [3]}}}, *items[1:]]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>Please log in</html>",
        b"[]",
        b"{}",
        b'{"Items": {"a": 1}}',
        b'{"Items": [{"a": "b"}]}',
        b'{"Items": [{"a": {}}]}',
        b'{"Items": [{"a": {"S": "x", "N": "1"}}]}',
        b'{"Items": [{"a": {"X": "x"}}]}',
        b'{"Items": [{"a": {"N": "1"}}',
    ],
)
def test_what_is_no_answer_is_left_to_botocore(content: bytes) -> None:
    assert read_query_answer(content) is None
