"""The records of one event of Lambda, and the answer for those that failed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from identification.errors import MalformedEventError
from identification.messages import Deliveries, message_of

SNS: dict[str, Any] = {"EventSource": "aws:sns", "Sns": {"Message": "{}"}}
SQS: dict[str, Any] = {"messageId": "m-1", "eventSource": "aws:sqs", "body": "{}"}


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(None, id="null"),
        pytest.param([SQS], id="a list"),
        pytest.param({}, id="no records"),
        pytest.param({"Records": []}, id="an empty list"),
        pytest.param({"Records": {"0": SQS}}, id="records that are a map"),
        pytest.param({"Records": "records"}, id="records that are text"),
    ],
)
def test_an_event_without_records_is_malformed(event: object) -> None:
    with pytest.raises(MalformedEventError, match=r"^the event has no SNS records, and none of SQS$"):
        Deliveries(event, "scan targets")


@pytest.mark.parametrize(
    ("records", "supports_partial_failure"),
    [
        pytest.param([SQS, SQS | {"messageId": "m-2"}], True, id="SQS"),
        pytest.param([{"messageId": "m-1", "body": "{}"}], True, id="SQS, as people write an event by hand"),
        pytest.param([SNS], False, id="SNS"),
        pytest.param([SQS, SNS], False, id="of both"),
        pytest.param([{"messageId": "m-1", "eventSource": "aws:kinesis"}], False, id="an id of another service"),
        pytest.param([SQS | {"messageId": None}], False, id="SQS without an id"),
        pytest.param(["text"], False, id="a record that is none"),
    ],
)
def test_only_records_of_sqs_come_again(records: list[Any], supports_partial_failure: bool) -> None:
    assert Deliveries({"Records": records}, "scan targets").supports_partial_failure == supports_partial_failure


def test_of_sns_several_errors_are_raised_together() -> None:
    deliveries = Deliveries({"Records": [SNS, SNS]}, "scan targets")
    errors = [KeyError("one"), ValueError("two")]
    for error in errors:
        deliveries.fail(error, SNS)
    with pytest.raises(ExceptionGroup) as raised:
        deliveries.answer({})
    assert (raised.value.message, list(raised.value.exceptions)) == ("several scan targets failed", errors)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        pytest.param({"Sns": {"Message": "[1]"}}, [1], id="SNS"),
        pytest.param({"body": "[1]"}, [1], id="SQS"),
        pytest.param({"body": json.dumps({"Type": "Notification", "Message": "[1]"})}, [1], id="SNS's envelope"),
        pytest.param({"body": '{"Message": "[1]"}'}, {"Message": "[1]"}, id="a message that has a message"),
        pytest.param({"body": '{"Type": "Notification"}'}, {"Type": "Notification"}, id="a type without a message"),
        pytest.param(
            {"body": '{"Type": "Other", "Message": "[1]"}'}, {"Type": "Other", "Message": "[1]"}, id="another type"
        ),
    ],
)
def test_the_message_of_a_record(record: dict[str, Any], message: object) -> None:
    assert message_of(record, "a scan target") == message


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({}, id="neither"),
        pytest.param({"Sns": None}, id="SNS without an envelope"),
        pytest.param({"Sns": {"Message": "{"}}, id="no JSON"),
    ],
)
def test_a_record_without_json_is_malformed(record: dict[str, Any]) -> None:
    with pytest.raises(MalformedEventError) as raised:
        message_of(record, "a scan target")
    assert str(raised.value) == f"not a scan target: {record!r}"
