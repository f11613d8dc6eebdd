"""Scan targets as they come: records of SNS, of SQS, and of SQS with SNS's envelope in them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from identification.errors import MalformedEventError
from identification.messages import Deliveries, ScanTarget, events_item, merge, parse_target
from library.issues.opening_calls import OpenedBy, OpenedRule, OpeningCall, opened_item

MESSAGE = {"account_id": "210987654321", "account_name": "slave1", "region": "eu-west-1", "group_ids": ["sg-1", "sg-1"]}
TARGET = ScanTarget("210987654321", "eu-west-1", ("sg-1",))


def sqs(body: str, message_id: str = "m-1") -> dict[str, Any]:
    return {"messageId": message_id, "eventSource": "aws:sqs", "body": body}


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({"EventSource": "aws:sns", "Sns": {"Message": json.dumps(MESSAGE)}}, id="SNS"),
        pytest.param(sqs(json.dumps(MESSAGE)), id="SQS, raw delivery"),
        pytest.param(sqs(json.dumps({"Type": "Notification", "Message": json.dumps(MESSAGE)})), id="SQS of SNS"),
    ],
)
def test_a_target_is_read_however_it_comes(record: dict[str, Any]) -> None:
    assert parse_target(record) == TARGET


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "null",
        "[]",
        json.dumps({"Type": "Notification", "Message": "{"}),
        json.dumps({"Type": "Notification", "Message": None}),
        json.dumps(MESSAGE | {"group_ids": ["lock#remediation"]}),
        json.dumps(MESSAGE | {"group_ids": ["sg-1", 7]}),
        json.dumps(MESSAGE | {"group_ids": {"sg-1": "sg-1"}}),
        json.dumps(MESSAGE | {"account_id": 210987654321}),
        json.dumps(MESSAGE | {"region": ""}),
        json.dumps(MESSAGE | {"region": "eu-west-1 "}),
        json.dumps(MESSAGE | {"region": "EU (Ireland)"}),
        json.dumps(MESSAGE | {"region": "../sts"}),
        "[" * 100_000,
    ],
)
def test_what_is_none_is_malformed(body: str) -> None:
    with pytest.raises(MalformedEventError, match="not a scan target"):
        parse_target(sqs(body))


TIME = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
SSH = OpenedRule("tcp", 22, 22, "0.0.0.0/0")
CALL = OpeningCall(OpenedBy("ana", "203.0.113.7", "Terraform", "AuthorizeSecurityGroupIngress", TIME, "e-1"), (SSH,))
LATER = TIME + timedelta(seconds=1)


def test_a_target_carries_what_events_told_of_groups() -> None:
    """The table keeps other records under ids that are no group's."""
    notified = {
        "opened": opened_item([("sg-1", CALL), ("lock#remediation", CALL), ("sg-2", CALL)]),
        "events": events_item({"sg-1": TIME, "lock#remediation": TIME, "sg-2": LATER}),
        "takes_away_from": "2026-11-22T03:00:01+00:00",
        "only_interfaces": True,
    }
    assert parse_target(sqs(json.dumps(MESSAGE | notified))) == ScanTarget(
        "210987654321",
        "eu-west-1",
        ("sg-1",),
        (("sg-1", CALL), ("sg-2", CALL)),
        (("sg-1", TIME), ("sg-2", LATER)),
        LATER,
        only_interfaces=True,
    )


@pytest.mark.parametrize(
    "odd",
    [
        {"events": 7},
        {"events": [7, [], ["2026-11-22T03:00:00+00:00"], ["2026-11-22T03:00:00+00:00", "sg-1"]]},
        {"events": [["yesterday", ["sg-1"]], [None, ["sg-1"]], ["2026-11-22T03:00:00+00:00", [7]]]},
        {"opened": {"sg-1": "ana"}},
        {"takes_away_from": "soon"},
        {"takes_away_from": 5},
        {"only_interfaces": "true"},
    ],
)
def test_what_is_malformed_of_a_hint_is_left_out(odd: dict[str, Any]) -> None:
    assert parse_target(sqs(json.dumps(MESSAGE | odd))) == TARGET


ELSEWHERE = ScanTarget("1", "eu-west-1", ("sg-2",))
WHOLE = ScanTarget("1", "eu-west-1")


@pytest.mark.parametrize(
    ("targets", "merged"),
    [
        pytest.param([WHOLE], WHOLE, id="one"),
        pytest.param([ELSEWHERE, WHOLE], WHOLE, id="the region includes the groups"),
        pytest.param(
            [ELSEWHERE, ScanTarget("1", "eu-west-1", ("sg-1", "sg-2"))],
            ScanTarget("1", "eu-west-1", ("sg-2", "sg-1")),
            id="groups, each once",
        ),
        pytest.param(
            [
                ScanTarget("1", "eu-west-1", ("sg-1",), (("sg-1", CALL),), (("sg-1", TIME),)),
                ScanTarget("1", "eu-west-1", ("sg-2",), (("sg-1", CALL), ("sg-2", CALL)), (("sg-2", TIME),)),
                ScanTarget("1", "eu-west-1", ("sg-1",), (), (("sg-1", TIME),)),
            ],
            ScanTarget(
                "1",
                "eu-west-1",
                ("sg-1", "sg-2"),
                (("sg-1", CALL), ("sg-2", CALL)),
                (("sg-1", TIME), ("sg-2", TIME)),
            ),
            id="what events told, each once",
        ),
        pytest.param(
            [
                replace(ELSEWHERE, earliest_start_to_take_away=LATER),
                replace(ELSEWHERE, earliest_start_to_take_away=TIME),
            ],
            replace(ELSEWHERE, earliest_start_to_take_away=TIME),
            id="what one may take away, all may",
        ),
        pytest.param(
            [replace(ELSEWHERE, earliest_start_to_take_away=TIME), ELSEWHERE], ELSEWHERE, id="any time is earliest"
        ),
        pytest.param(
            [replace(ELSEWHERE, only_interfaces=True), ELSEWHERE], ELSEWHERE, id="not only interfaces of one of them"
        ),
    ],
)
def test_targets_of_one_account_and_region_are_one_scan(targets: list[ScanTarget], merged: ScanTarget) -> None:
    assert merge(targets) == merged


@pytest.mark.parametrize(("groups", "is_whole"), [(0, True), (1, False), (500, False), (501, True)])
def test_of_many_groups_the_region_is_scanned(groups: int, is_whole: bool) -> None:
    assert ScanTarget("1", "eu-west-1", tuple(f"sg-{number}" for number in range(groups))).is_whole == is_whole


def test_of_sqs_only_the_records_that_failed_come_again() -> None:
    records = [sqs("", f"m-{number}") for number in range(4)]
    deliveries = Deliveries({"Records": records}, "scan targets")
    deliveries.fail(ValueError("no"), records[1], records[3])
    deliveries.fail(ValueError("no"), records[1])
    assert deliveries.answer({"changes": 7}) == {
        "batchItemFailures": [{"itemIdentifier": "m-1"}, {"itemIdentifier": "m-3"}]
    }


def test_of_sqs_nothing_comes_again_when_nothing_failed() -> None:
    assert Deliveries({"Records": [sqs("")]}, "scan targets").answer({"changes": 7}) == {"batchItemFailures": []}


def test_of_sns_a_single_error_is_raised_as_it_is() -> None:
    record: dict[str, object] = {"Sns": {}}
    deliveries = Deliveries({"Records": [record]}, "scan targets")
    assert deliveries.answer({"changes": 7}) == {"changes": 7}
    deliveries.fail(KeyError("why"), record)
    with pytest.raises(KeyError, match="why"):
        deliveries.answer({"changes": 7})


def test_a_record_of_sqs_without_an_id_fails_the_whole_event() -> None:
    """Lambda could not be told which one: an answer that does not name it would lose it."""
    records = [sqs("", "m-1"), sqs("", "")]
    deliveries = Deliveries({"Records": records}, "scan targets")
    deliveries.fail(ValueError("no"), records[1])
    with pytest.raises(ValueError, match="no"):
        deliveries.answer({})
