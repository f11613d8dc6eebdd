"""Which flow log tells of an interface, and which objects are its own."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from identification.flow_logs.flow_log import (
    command_for,
    covering,
    day_prefixes,
    days_of,
    in_order,
    not_used,
    parse_flow_log,
    parse_key,
    same_streams,
)
from tests.builders.flow_records import an_interface

KEYS = (Path(__file__).parents[2] / "data" / "flow-logs" / "s3-keys.txt").read_text("utf-8").splitlines()[1:]
EXTENDED = (
    "${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} "
)
EXTENDED += "${action} ${log-status} ${tcp-flags} ${flow-direction}"


def raw(name: str = "fl-1", **changes: Any) -> dict[str, Any]:
    return {
        "FlowLogId": name,
        "FlowLogStatus": "ACTIVE",
        "DeliverLogsStatus": "SUCCESS",
        "ResourceId": "vpc-1",
        "TrafficType": "ALL",
        "LogDestinationType": "s3",
        "LogDestination": "arn:aws:s3:::bucket/some/prefix/",
        "CreationTime": datetime(2026, 11, 1, tzinfo=UTC),
        **changes,
    }


def test_where_it_goes() -> None:
    found = parse_flow_log(raw())
    assert (found.bucket, found.prefix, found.problem, found.location) == (
        "bucket",
        "some/prefix/",
        "",
        "bucket bucket",
    )
    assert parse_flow_log(raw(LogDestination="arn:aws-cn:s3:::bucket")).prefix == ""
    logs = {
        "LogDestinationType": "cloud-watch-logs",
        "LogDestination": "arn:aws:logs:eu-west-1:123456789012:log-group:a/b",
    }
    found = parse_flow_log(raw(**logs))
    assert (found.log_group, found.log_group_account, found.location) == ("a/b", "123456789012", "log group a/b")
    found = parse_flow_log(raw(LogDestinationType=None, LogDestination=None, LogGroupName="flows"))
    assert (found.log_group, found.log_group_account) == ("flows", "")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"FlowLogStatus": "INACTIVE"}, "is INACTIVE, not ACTIVE"),
        ({"DeliverLogsStatus": "FAILED", "DeliverLogsErrorMessage": "Access error"}, "fails to deliver: Access error"),
        ({"DeliverLogsStatus": "FAILED"}, "fails to deliver: AWS does not tell why"),
        ({"TrafficType": "REJECT"}, "is of type REJECT: it does not tell what was accepted"),
        ({"LogDestinationType": "kinesis-data-firehose"}, "goes to kinesis-data-firehose, which is not read"),
        ({"LogDestination": "arn:aws:sns:x"}, "has a destination that is not understood: arn:aws:sns:x"),
        ({"LogFormat": "${srcaddr}"}, "cannot be used: needed fields are missing: interface-id"),
        ({"DestinationOptions": {"FileFormat": "parquet"}}, "writes Parquet, which needs the extra"),
    ],
)
def test_what_cannot_be_read_says_why(changes: dict[str, Any], problem: str) -> None:
    found = parse_flow_log(raw(**changes), has_parquet=False)
    assert found.problem.startswith(problem)
    assert list(not_used([found], None)) == [f"Flow log fl-1 {found.problem}."]
    assert in_order([found]) == []


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ([raw("fl-2", LogFormat=EXTENDED)], "fl-2"),
        ([raw("fl-0", TrafficType="ACCEPT")], "fl-1"),
        ([raw("fl-2", CreationTime=datetime(2026, 10, 1, tzinfo=UTC))], "fl-2"),
        ([raw("fl-2", CreationTime=datetime(2026, 12, 1, tzinfo=UTC))], "fl-1"),
        ([raw("fl-2", LogFormat=EXTENDED, FlowLogStatus="INACTIVE")], "fl-1"),
        ([raw("fl-2", LogFormat=EXTENDED), raw("fl-3", LogFormat=EXTENDED, TrafficType="ACCEPT")], "fl-2"),
    ],
    ids=["more fields", "type ALL", "older", "younger", "inactive", "fields before type"],
)
def test_one_of_several_is_used(others: list[dict[str, Any]], chosen: str) -> None:
    found = list(map(parse_flow_log, (*others, raw())))
    first = in_order(found)[0]
    assert first.flow_log_id == chosen
    assert len(list(not_used(found, first))) == len(found) - 1
    assert chosen not in [each.flow_log_id for each in in_order(found, {chosen})]


def test_it_covers_an_interface_through_its_subnet_or_vpc() -> None:
    found = [
        parse_flow_log(raw(each, ResourceId=each)) for each in ("eni-0aa", "subnet-1", "vpc-1", "vpc-2", "eni-0bb")
    ]
    assert [each.resource_id for each in covering(an_interface(), found)] == ["eni-0aa", "subnet-1", "vpc-1"]


def test_flow_logs_of_the_same_streams() -> None:
    logs = {"LogDestinationType": "cloud-watch-logs", "LogDestination": None, "LogGroupName": "flows"}
    this, same, other, accept = (
        parse_flow_log(raw(name, **(logs | changes)))
        for name, changes in (
            ("fl-1", {}),
            ("fl-2", {}),
            ("fl-3", {"LogGroupName": "others"}),
            ("fl-4", {"TrafficType": "ACCEPT"}),
        )
    )
    assert same_streams(this, [this, same, other, accept, parse_flow_log(raw())]) == [same]


@pytest.mark.parametrize("line", KEYS)
def test_keys(line: str) -> None:
    key, kind, _ = (part.strip() for part in line.split("|", 2))
    name = parse_key(key, "fl-0a1b2c3d4e5f67890", "123456789012", "us-east-1")
    assert (name is not None) is (kind == "yes")
    if name:
        assert name.is_parquet is key.endswith("parquet")
        assert (name.closed.date(), name.closed.hour) == (date(2026, 11, 20), 10)


def test_a_time_that_there_is_not() -> None:
    key = "123456789012_vpcflowlogs_us-east-1_fl-1_20261399T1000Z_a.log.gz"
    assert parse_key(key, "fl-1", "123456789012", "us-east-1") is None


def test_where_the_objects_of_a_period_are() -> None:
    since, until = datetime(2026, 11, 28, 23, 0, tzinfo=UTC), datetime(2026, 11, 29, 1, 0, tzinfo=UTC)
    assert days_of(since, until) == [date(2026, 11, 30), date(2026, 11, 29), date(2026, 11, 28)]
    assert day_prefixes(parse_flow_log(raw()), "123456789012", "us-east-1", date(2026, 1, 2)) == (
        "some/prefix/AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/01/02/",
        "some/prefix/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/"
        "year=2026/month=01/day=02/",
    )


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")]
)
def test_the_command_that_switches_flow_logs_on_names_a_bucket_of_the_partition(region: str, partition: str) -> None:
    assert f" --log-destination arn:{partition}:s3:::BUCKET " in command_for(region, ["eni-1"])
