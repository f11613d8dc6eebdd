"""`hammer usage` against an embedded AWS: flow logs in S3 and CloudWatch Logs, from the issue to its use."""

from __future__ import annotations

import gzip
import json
import os
from datetime import timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
from moto.ec2.models import ec2_backends

from identification import read_security_group_usage
from library.aws.issue_table import IssueTable
from library.aws.records import JobRecords
from library.issues.after_care import ITEM_PREFIX, NO_FLOW_LOGS_AT_HAND
from library.issues.decision_record import CloseNow, KeptSource
from library.issues.use import Use, UseVerdict
from library.security_groups.exposure import exposure_key
from tests.worlds.usage_world import (
    BUCKET,
    HEADER,
    MAIN,
    REGION,
    SCANNER,
    TABLE,
    WORKER,
    UsageWorld,
    counts,
)

ALL_HOURS = range(14 * 24 + 1)


def test_a_worker_is_named_with_what_to_keep(world: UsageWorld) -> None:
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30), *world.both_ways(SCANNER, 20, packets=2)])
    use = world.usage()
    assert (use.verdict, use.covered, use.reason) == (UseVerdict.WORKING, Decimal(1), "")
    assert counts(use) == {"working": 1, "answered": 1}
    assert use.keep == (f"{WORKER}/32",)
    (source,) = use.rules[0].sources
    assert (source.source, source.port, source.connections, source.packets) == (WORKER, 22, 1, 1800)
    assert use.until - use.since == timedelta(days=14)
    assert "1 source worked" in world.output
    assert world.item()["use"]["rules"][0]["counts"] == {"working": 1, "answered": 1}


def test_silence_that_was_watched_is_none_and_silence_that_was_not_is_unknown(world: UsageWorld) -> None:
    use = world.usage()
    assert (use.verdict, use.covered) == (UseVerdict.UNKNOWN, Decimal(0))
    world.put(world.no_data(ALL_HOURS))
    use = world.usage()
    assert (use.verdict, use.covered, use.reason) == (UseVerdict.NONE, Decimal(1), "")


def test_each_object_is_read_once_and_late_ones_are_added(world: UsageWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put([*world.no_data(ALL_HOURS), world.line(WORKER, 50)])
    first = world.usage()
    assert counts(first) == {"seen": 1}
    got: list[str] = []
    world.put([world.line(WORKER, 50, incoming=False)], 1)
    from identification.flow_logs.read import S3Parts

    reads = S3Parts.read

    def counted(self: S3Parts, part: Any, *rest: Any) -> None:
        got.append(part.key)
        reads(self, part, *rest)

    monkeypatch.setattr(S3Parts, "read", counted)
    second = world.usage()
    assert len(got) == 1
    assert counts(second) == {"working": 1}
    assert counts(world.usage()) == {"working": 1}
    assert len(got) == 1


@pytest.mark.parametrize("layout", [{"hive": True}, {}], ids=["hive, hourly", "daily"])
def test_layouts(world: UsageWorld, layout: dict[str, Any]) -> None:
    world.put(world.both_ways(WORKER, 30), 29, **layout)
    assert counts(world.usage()) == {"working": 1}


def test_an_object_that_was_not_listed_for_once_is_not_counted_twice(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(world.both_ways(WORKER, 60), hours=60)
    world.put(world.no_data([1]), hours=1)
    assert world.usage().rules[0].sources[0].packets == 1800
    with monkeypatch.context() as few:
        few.setattr("identification.flow_logs.read._OBJECTS_LISTED", 0)
        assert "more than 0 objects" in " ".join(world.usage().gaps)
    assert world.usage().rules[0].sources[0].packets == 1800


def test_what_is_not_of_the_flow_log_is_not_read(world: UsageWorld) -> None:
    for key in (
        f"vpc/AWSLogs/{MAIN}/CloudTrail/{REGION}/{world.now:%Y/%m/%d}/x.json.gz",
        f"vpc/AWSLogs/{MAIN}/vpcflowlogs/{REGION}/{world.now:%Y/%m/%d}/notes.txt",
    ):
        world.s3.put_object(Bucket=BUCKET, Key=key, Body=b"not a flow log")
    world.put(world.both_ways(SCANNER, 5), 5, flow_log="fl-0000000000000other")
    world.put(world.both_ways(SCANNER, 5), 5, prefix="elsewhere/")
    use = world.usage()
    assert (counts(use), use.gaps) == ({}, ())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (gzip.compress(b"\n".join([HEADER.encode(), b"x" * 100]))[:-12], "not whole"),
        (b"no gzip", "no gzip file"),
        (b"", "it is empty"),
        (gzip.compress(b""), "needed fields are missing"),
        (gzip.compress(b"0" * (1 << 24)), "longer than any"),
        (gzip.compress(f"{HEADER}\n".encode() + b"0" * (1 << 24)), "longer than any"),
        (gzip.compress(b"srcaddr dstaddr\n1.1.1.1 2.2.2.2\n"), "needed fields are missing: interface-id"),
        (gzip.compress(b"2 123 eni-1 1.1.1.1 2.2.2.2 1 2 6 1 40 1 2 ACCEPT OK\n"), "needed fields are missing"),
    ],
    ids=["half", "text", "empty", "empty text", "bomb", "bomb with a header", "few fields", "no header"],
)
def test_a_broken_object_is_a_named_gap_and_the_others_are_read(world: UsageWorld, body: bytes, reason: str) -> None:
    world.put([], 10, body=body)
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)], 2)
    use = world.usage()
    assert use.verdict is UseVerdict.WORKING
    assert use.covered < 1
    assert any(reason in gap for gap in use.gaps), use.gaps


def test_an_object_with_a_header_alone_is_no_gap(world: UsageWorld) -> None:
    world.put([])
    assert world.usage().gaps == ()


def test_the_limit_leaves_the_oldest_for_the_next_run(world: UsageWorld) -> None:
    world.configure(limit_mb=1)
    noise = gzip.compress  # random enough not to shrink
    for hours in (100, 50, 1):
        rows = [*world.no_data(range(hours, hours + 20)), *world.both_ways(f"9.9.9.{hours}", hours)]
        body = noise("\n".join([HEADER, *rows, ""]).encode())
        world.put([], hours, body=body + b"\0" * (600_000 - len(body)))
    first = world.usage()
    assert counts(first) == {"working": 1}
    assert [source.source for source in first.rules[0].sources] == ["9.9.9.1"]
    assert any("2 objects" in gap and "limit_mb" in gap for gap in first.gaps)
    second = world.usage()
    assert [source.source for source in second.rules[0].sources] == ["9.9.9.1", "9.9.9.50"]
    third = world.usage()
    assert counts(third) == {"working": 3}
    assert third.gaps == ()


def test_a_bucket_that_refuses_is_named_and_ends_with_1(world: UsageWorld) -> None:
    world.s3.delete_bucket(Bucket=BUCKET)
    use = world.usage(exit_code=1)
    assert use.verdict is UseVerdict.UNKNOWN
    assert f"bucket {BUCKET} cannot be listed" in use.reason
    assert f"bucket {BUCKET} cannot be listed" in world.output


def test_where_the_reader_of_the_output_left_the_record_says_what_was_done(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    left = os.fdopen(writer, "w", encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", left)
        read_security_group_usage.command(config=str(world.folder))
    with pytest.raises(BrokenPipeError):
        left.close()
    assert world.stored() is not None
    items = IssueTable(boto3.client("dynamodb", region_name=REGION), TABLE).items
    (record,) = JobRecords(items, MAIN).runs()
    assert (record.outcome, record.problems) == ("incomplete", ["the output could not be written: Broken pipe"])


def test_of_two_flow_logs_the_one_that_refuses_comes_after_the_other(world: UsageWorld) -> None:
    world.flow_log(world.interface_id, destination="arn:aws:s3:::gone", days=40)
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)])
    use = world.usage(exit_code=1)
    assert use.verdict is UseVerdict.WORKING
    assert any("bucket gone cannot be listed" in gap for gap in use.gaps)


def test_records_of_two_flow_logs_are_never_added(world: UsageWorld) -> None:
    other = world.flow_log(world.interface_id, days=20)
    for flow_log in (world.flow_log_id, other):
        world.put(world.both_ways(WORKER, 30, packets=40), flow_log=flow_log)
    use = world.usage()
    assert counts(use) == {"talked": 1}
    assert use.rules[0].sources[0].packets == 80
    assert any(f"{other} is not used" in gap for gap in use.gaps)


def test_the_period_begins_with_the_flow_log(world: UsageWorld) -> None:
    world.made(world.flow_log_id, 2)
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 60), *world.both_ways(SCANNER, 20)])
    use = world.usage()
    assert [source.source for source in use.rules[0].sources] == [SCANNER]
    assert use.until - use.since < timedelta(days=2, minutes=1)
    assert use.covered == 1


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"TrafficType": "REJECT"}, "is of type REJECT"),
        ({"LogDestinationType": "kinesis-data-firehose", "destination": "arn:aws:firehose:x"}, "firehose"),
        ({"LogFormat": "${srcaddr} ${dstaddr}"}, "needed fields are missing"),
    ],
    ids=["rejects", "firehose", "fields"],
)
def test_a_flow_log_that_cannot_be_used_is_named(world: UsageWorld, other: dict[str, Any], reason: str) -> None:
    world.ec2.delete_flow_logs(FlowLogIds=[world.flow_log_id])
    world.flow_log_id = world.flow_log(**other)
    use = world.usage()
    assert use.verdict is UseVerdict.UNKNOWN
    assert reason in use.reason
    assert any(reason in gap for gap in use.gaps)


def test_no_flow_log_and_no_interface(world: UsageWorld) -> None:
    world.ec2.delete_flow_logs(FlowLogIds=[world.flow_log_id])
    assert world.usage().reason == f"No flow log covers {world.interface_id}"
    world.ec2.modify_network_interface_attribute(
        NetworkInterfaceId=world.interface_id, Groups=[world.group("tcp", 443, "10.0.0.0/8", "other")]
    )
    assert world.usage().reason == "no attached network interface has the group"


def test_interfaces_that_were_replaced_still_tell(world: UsageWorld) -> None:
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)])
    assert counts(world.usage()) == {"working": 1}
    world.ec2.modify_network_interface_attribute(
        NetworkInterfaceId=world.interface_id, Groups=[world.group("tcp", 443, "10.0.0.0/8", "other")]
    )
    world.interface_id, world.address = world.interface(world.group_id)
    world.put([*world.no_data(range(10)), *world.both_ways(SCANNER, 2)])
    use = world.usage()
    assert counts(use) == {"working": 2}
    assert use.covered < 1


def test_an_interface_of_a_pod_tells_too_though_it_has_no_attachment_of_its_own(world: UsageWorld) -> None:
    """A branch interface is in use, and has no `Attachment`; the group's instance is idle."""
    branch = world.ec2.create_network_interface(SubnetId=world.subnet_id, Groups=[world.group_id])["NetworkInterface"]
    spare = world.ec2.create_network_interface(SubnetId=world.subnet_id, Groups=[world.group_id])["NetworkInterface"]
    name = branch["NetworkInterfaceId"]
    interfaces = ec2_backends[MAIN][REGION].enis
    interfaces[name].status, interfaces[spare["NetworkInterfaceId"]].status = "in-use", "available"
    world.put(world.no_data(ALL_HOURS))
    assert world.usage().verdict is UseVerdict.UNKNOWN
    world.interface_id, world.address = name, branch["PrivateIpAddress"]
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 20)])
    use = world.usage()
    assert (use.verdict, use.covered, counts(use)) == (UseVerdict.WORKING, Decimal(1), {"working": 1})


def test_a_rule_that_stays_admits_the_same(world: UsageWorld) -> None:
    other = world.group("tcp", 22, f"{WORKER}/32", "office")
    world.ec2.modify_network_interface_attribute(NetworkInterfaceId=world.interface_id, Groups=[world.group_id, other])
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)])
    use = world.usage()
    assert (use.verdict, use.keep) == (UseVerdict.NONE, ())
    assert use.rules[0].sources[0].also_admitted_by == (other,)


def test_a_group_that_exposes_more_is_read_again(world: UsageWorld) -> None:
    world.put([*world.both_ways(WORKER, 30), *world.both_ways(SCANNER, 30, port=3389)])
    assert counts(world.usage()) == {"working": 1}
    world.ec2.authorize_security_group_ingress(
        GroupId=world.group_id, IpProtocol="tcp", FromPort=3389, ToPort=3389, CidrIp="0.0.0.0/0"
    )
    assert world.hammer("identify").exit_code == 0
    assert counts(world.usage()) == {"working": 2}


def logs_world(world: UsageWorld) -> Any:
    """The same with a flow log to CloudWatch Logs."""
    world.ec2.delete_flow_logs(FlowLogIds=[world.flow_log_id])
    logs = boto3.client("logs", region_name=REGION)
    logs.create_log_group(logGroupName="flows")
    world.flow_log_id = world.flow_log(
        LogDestinationType="cloud-watch-logs",
        LogDestination=f"arn:aws:logs:{REGION}:{MAIN}:log-group:flows",
        LogGroupName="flows",
        DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/x",
    )
    logs.create_log_stream(logGroupName="flows", logStreamName=f"{world.interface_id}-all")
    return logs


def send(world: UsageWorld, logs: Any, lines: list[str]) -> None:
    events: list[dict[str, Any]] = [{"timestamp": int(line.split()[10]) * 1000, "message": line} for line in lines]
    events.sort(key=lambda event: event["timestamp"])
    logs.put_log_events(logGroupName="flows", logStreamName=f"{world.interface_id}-all", logEvents=events)


def test_cloudwatch_logs(world: UsageWorld) -> None:
    logs = logs_world(world)
    send(world, logs, [*world.no_data(range(1, 14 * 24)), *world.both_ways(WORKER, 30)])
    use = world.usage()
    assert (counts(use), use.verdict) == ({"working": 1}, UseVerdict.WORKING)
    assert use.covered > Decimal("0.99")
    # What comes late to hours that are not old yet is added, and nothing is counted twice.
    send(world, logs, world.both_ways(SCANNER, 3))
    for _ in range(2):
        use = world.usage()
        assert counts(use) == {"working": 2}
        assert [source.packets for source in use.rules[0].sources] == [1800, 1800]


def test_streams_of_another_type_are_another_flow_logs(world: UsageWorld) -> None:
    logs = logs_world(world)
    logs.delete_log_stream(logGroupName="flows", logStreamName=f"{world.interface_id}-all")
    stream = f"{world.interface_id}-accept"
    logs.create_log_stream(logGroupName="flows", logStreamName=stream)
    line = world.line(WORKER, 30)
    event = {"timestamp": int(line.split()[10]) * 1000, "message": line}
    logs.put_log_events(logGroupName="flows", logStreamName=stream, logEvents=[event])
    assert counts(world.usage()) == {}


def test_a_log_group_that_is_gone(world: UsageWorld) -> None:
    logs_world(world).delete_log_group(logGroupName="flows")
    use = world.usage(exit_code=1)
    assert "log group flows cannot be read" in use.reason


def test_off_is_off(world: UsageWorld) -> None:
    world.configure(enabled=False)
    result = world.hammer("usage")
    assert (result.exit_code, result.output) == (0, "usage is off (usage.enabled): nothing to do\n")
    assert world.stored() is None


def test_unknown_names_are_wrong_usage(world: UsageWorld) -> None:
    for option, value in (("--group", "sg-404"), ("--account", "000000000000"), ("--region", "mars-1")):
        assert world.hammer("usage", option, value).exit_code == 2


def test_an_account_may_be_named_by_its_name(world: UsageWorld) -> None:
    result = world.hammer("usage", "--account", "main", "--group", world.group_id)
    assert (result.exit_code, "use of 1 issue read" in result.output) == (0, True), result.output


def test_use_goes_after_the_retention(world: UsageWorld) -> None:
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)])
    world.usage()
    world.ec2.revoke_security_group_ingress(
        GroupId=world.group_id, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0"
    )
    assert world.hammer("identify").exit_code == 0
    assert world.hammer("usage").exit_code == 0
    assert world.stored() is not None
    world.configure(retention_days=0)
    world.now += timedelta(hours=1)
    assert world.hammer("usage").exit_code == 0
    assert "use" not in world.item()


def test_what_is_stored_is_what_the_contract_says(world: UsageWorld) -> None:
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)])
    world.usage()
    use = world.item()["use"]
    assert list(use) == sorted(
        ["from", "until", "covered", "verdict", "reason", "rules", "keep", "keep_note", "gaps"], key=list(use).index
    )
    assert set(use["rules"][0]) == {"protocol", "from_port", "to_port", "cidr", "counts", "sources"}
    assert set(use["rules"][0]["sources"][0]) == {
        *("source", "class", "port", "first", "last", "connections", "packets", "bytes")
    }


def test_the_module_is_the_same_job(world: UsageWorld) -> None:
    from typer.testing import CliRunner

    from identification import read_security_group_usage

    result = CliRunner().invoke(read_security_group_usage.app, ["--config", str(world.folder)])
    assert (result.exit_code, "use of 1 issue read" in result.output) == (0, True)
    assert (
        json.loads((world.folder / "config.json").read_text())["secgrp_unrestricted_access"]["ddb.table_name"] == TABLE
    )
    assert isinstance(world.stored(), Use)


def refusals(world: UsageWorld, source: str, port: int = 22) -> list[str]:
    """Three refused attempts in three intervals, in the last whole hour."""
    attempt: dict[str, Any] = {"packets": 1, "size": 40, "action": "REJECT", "port": port}
    return [world.line(source, 1, **attempt, second=second) for second in (60, 900, 1800)]


def test_whom_a_change_cut_off_is_told_once_a_day(world: UsageWorld) -> None:
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)], 2)
    world.usage()
    world.changed(hours=3)
    world.put([*refusals(world, WORKER), *refusals(world, SCANNER)])
    assert world.hammer("usage").exit_code == 0
    notified = world.hammer("report")
    assert notified.exit_code == 0, notified.output
    assert f"{WORKER} on tcp/22, 3 times" in notified.output
    assert f"--group {world.group_id} --keep {WORKER}/32" in notified.output
    assert SCANNER not in notified.output
    assert WORKER not in world.hammer("report").output


@pytest.mark.parametrize(("hours", "notified"), [(2, False), (30, True)], ids=["since the change", "before it"])
def test_nobody_is_told_of_a_change_that_was_taken_back(world: UsageWorld, *, hours: int, notified: bool) -> None:
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)], 2)
    world.usage()
    world.changed(hours=3)
    world.put(refusals(world, WORKER))
    assert world.hammer("usage").exit_code == 0
    restored = {"by": "ana", "at": (world.now - timedelta(hours=hours)).isoformat()}
    table = IssueTable(boto3.client("dynamodb", region_name=REGION), TABLE)
    table.update(world.issue(), {"remediation_details": {"restored": restored}})
    assert (f"{WORKER} on tcp/22" in world.hammer("report").output) is notified


def test_a_resolved_issue_is_still_watched_and_an_old_change_is_not(world: UsageWorld) -> None:
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)], 2)
    world.usage()
    world.changed(hours=3)
    assert world.hammer("identify").exit_code == 0
    world.put(refusals(world, WORKER))
    world.configure(after_care_days=0)
    assert world.hammer("usage").exit_code == 0
    assert "tcp/22, 3 times" not in world.hammer("report").output
    world.configure()
    assert world.hammer("usage").exit_code == 0
    assert "tcp/22, 3 times" in world.hammer("report").output


def test_a_flow_log_without_refused_traffic_watches_nobody(world: UsageWorld) -> None:
    world.ec2.delete_flow_logs(FlowLogIds=[world.flow_log_id])
    world.flow_log(TrafficType="ACCEPT")
    assert NO_FLOW_LOGS_AT_HAND in world.usage().gaps


def test_issues_show_use_beside_the_details(world: UsageWorld) -> None:
    assert json.loads(world.hammer("issues", "--format", "json").stdout)["issues"][0]["use"] is None
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)])
    world.usage()
    (issue,) = json.loads(world.hammer("issues", "--format", "json").stdout)["issues"]
    assert (issue["use"]["verdict"], issue["use"]["covered"]) == ("working", 1.0)
    assert issue["use"]["rules"][0]["sources"][0]["source"] == WORKER
    result = world.hammer("explain", "--account", MAIN, "--region", REGION, "--group", world.group_id)
    assert result.exit_code == 0, result.output
    shown = " ".join(result.stdout.split())
    assert "1 source worked" in shown
    assert "use is unknown" not in world.hammer("status").output


def test_status_says_where_use_is_unknown(world: UsageWorld) -> None:
    assert "use is unknown for 1 issue: flow logs were not read yet" in world.hammer("status").output
    world.s3.delete_bucket(Bucket=BUCKET)
    world.usage(exit_code=1)
    assert f"use is unknown for 1 issue: {world.interface_id} has no flow log that" in world.hammer("status").output


def test_a_new_occurrence_has_no_use_yet(world: UsageWorld) -> None:
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)])
    world.usage()
    rule = {"GroupId": world.group_id, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}
    world.ec2.revoke_security_group_ingress(**rule)
    assert world.hammer("identify").exit_code == 0
    world.ec2.authorize_security_group_ingress(**rule)
    assert world.hammer("identify").exit_code == 0
    assert world.issue().status == "open"
    assert "use" not in world.item()


def test_whom_a_change_cut_off_is_told_though_the_issue_stays_open(world: UsageWorld) -> None:
    """A source was kept: the use that is read after the change is about the kept rule alone."""
    rule = {"GroupId": world.group_id, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)], 2)
    world.usage()
    world.changed(hours=3)
    world.ec2.authorize_security_group_ingress(**rule, CidrIp="8.8.4.4/32")
    assert world.hammer("identify").exit_code == 0
    (left,) = world.usage().rules
    assert left.cidr == "8.8.4.4/32"
    world.put(refusals(world, WORKER))
    world.usage()
    assert f"{WORKER} on tcp/22, 3 times" in world.hammer("report").output


def test_what_is_proposed_to_keep_has_room_beside_what_replaces_the_rule(world: UsageWorld) -> None:
    section = world.config["secgrp_unrestricted_access"]
    section |= {"remediation_sources": [f"10.{n}.0.0/16" for n in range(9)], "rules_per_security_group_quota": 9}
    (world.folder / "config.json").write_text(json.dumps(world.config))
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)])
    use = world.usage()
    assert (use.keep, "would make 10 IPv4 rules" in use.keep_note) == ((), True)


@pytest.mark.parametrize(
    ("name", "weight"), [("ours", 57), ("com.amazonaws.global.cloudfront.origin-facing", 55)], ids=["ours", "of AWS"]
)
def test_a_prefix_list_counts_for_what_to_keep_as_it_does_for_the_plan(
    world: UsageWorld, name: str, weight: int
) -> None:
    world.ec2.create_managed_prefix_list(
        PrefixListName="ours", MaxEntries=57, AddressFamily="IPv4", Entries=[{"Cidr": "10.0.0.0/8"}]
    )
    (listed,) = world.ec2.describe_managed_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": [name]}])[
        "PrefixLists"
    ]
    source = {"PrefixListIds": [{"PrefixListId": listed["PrefixListId"]}]}
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **source}
    world.ec2.authorize_security_group_ingress(GroupId=world.group_id, IpPermissions=[rule])
    section = world.config["secgrp_unrestricted_access"]
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)])
    # RFC 1918 in place of the rule, and the source: 4 more.
    for quota, keep in ((weight + 3, ()), (weight + 4, (f"{WORKER}/32",))):
        section["rules_per_security_group_quota"] = quota
        (world.folder / "config.json").write_text(json.dumps(world.config))
        assert world.usage().keep == keep


def test_a_source_that_a_person_kept_is_admitted_by_a_rule_that_stays(world: UsageWorld) -> None:
    rule = {"GroupId": world.group_id, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    world.config["secgrp_unrestricted_access"]["remediation_scope"] = ["open_completely", "open_partly"]
    (world.folder / "config.json").write_text(json.dumps(world.config))
    world.ec2.authorize_security_group_ingress(**rule, CidrIp=f"{WORKER}/32")
    world.ec2.revoke_security_group_ingress(**rule, CidrIp="0.0.0.0/0")
    assert world.hammer("identify").exit_code == 0
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)])
    assert world.usage().verdict is UseVerdict.WORKING
    kept = KeptSource("tcp", 22, 22, f"{WORKER}/32", "ana", world.now).to_item(world.issue().occurrence)
    table = IssueTable(boto3.client("dynamodb", region_name=REGION), TABLE)
    table.update(world.issue(), {"remediation_details": {"kept": [kept]}})
    use = world.usage()
    assert (use.verdict, use.keep) == (UseVerdict.NONE, ())
    assert use.rules[0].sources[0].also_admitted_by == (world.group_id,)
    # The group's rule is to be closed after all.
    issue = world.issue()
    exposures = frozenset(map(exposure_key, issue.details.perms))
    decided = CloseNow("ana", world.now + timedelta(hours=1), issue.occurrence, exposures)
    table.update(issue, {"decisions": [], "decision_state": {"close_now": decided.to_item()}})
    use = world.usage()
    assert (use.verdict, use.keep) == (UseVerdict.WORKING, (f"{WORKER}/32",))


def opened(world: UsageWorld, ports: tuple[int, int], *cidrs: str, **section: Any) -> None:
    """The group has rules for these ports in place of its own, by other keys of the configuration."""
    first = {"GroupId": world.group_id, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}
    world.ec2.revoke_security_group_ingress(**first)
    for cidr in cidrs:
        world.ec2.authorize_security_group_ingress(**first | {"FromPort": ports[0], "ToPort": ports[1], "CidrIp": cidr})
    world.config["secgrp_unrestricted_access"] |= section
    (world.folder / "config.json").write_text(json.dumps(world.config))
    assert world.hammer("identify").exit_code == 0


@pytest.mark.parametrize(
    ("port", "strategy", "verdict"),
    [
        (443, "carve_ports", UseVerdict.NONE),
        (22, "carve_ports", UseVerdict.WORKING),
        (443, "replace_rule", UseVerdict.WORKING),
    ],
)
def test_what_is_left_of_a_carved_rule_admits_who_works_on_its_other_ports(
    world: UsageWorld, port: int, strategy: str, verdict: UseVerdict
) -> None:
    """Whom the change does not cut off is not proposed to keep: that would open restricted ports to them."""
    opened(world, (0, 65535), "0.0.0.0/0", remediation_strategy=strategy)
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30, port=port)])
    use = world.usage()
    is_cut_off = verdict is UseVerdict.WORKING
    assert (use.verdict, use.keep) == (verdict, (f"{WORKER}/32",) if is_cut_off else ())
    assert use.rules[0].sources[0].also_admitted_by == (() if is_cut_off else (world.group_id,))


def test_what_is_proposed_to_keep_has_room_beside_what_is_left_of_a_carved_rule(world: UsageWorld) -> None:
    """Two restricted ports: three parts stay, each port is open to three ranges and to the worker."""
    opened(world, (0, 65535), "0.0.0.0/0", remediation_strategy="carve_ports", rules_per_security_group_quota=10)
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)])
    use = world.usage()
    assert (use.keep, "would make 11 IPv4 rules" in use.keep_note) == ((), True)


def test_a_rule_that_is_closed_once_a_wider_one_is_does_not_stay(world: UsageWorld) -> None:
    """Both halves of the Internet beside all of it have no part in opening the group, until that is closed."""
    opened(world, (22, 22), "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1")
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)])
    assert world.usage().verdict is UseVerdict.WORKING


@pytest.mark.parametrize("opened_by_owner", [False, True])
def test_who_is_refused_on_a_port_that_is_open_was_not_cut_off(world: UsageWorld, *, opened_by_owner: bool) -> None:
    """A network ACL refuses too. What carve_ports leaves, a rule that stays, and what its owner opens again admit."""
    ports = {"GroupId": world.group_id, "IpProtocol": "tcp", "CidrIp": "0.0.0.0/0"}
    opened(world, (0, 65535), "0.0.0.0/0", remediation_strategy="carve_ports")
    worked = [line for port in (22, 443) for line in world.both_ways(WORKER, 30, port=port)]
    world.put([*world.no_data(ALL_HOURS), *worked], 2)
    world.usage()
    world.changed(hours=3)
    for first, last in ((0, 21), (23, 65535)):
        world.ec2.authorize_security_group_ingress(**ports, FromPort=first, ToPort=last)
    world.put([*refusals(world, WORKER), *refusals(world, WORKER, 443)])
    world.usage()
    if opened_by_owner:
        world.ec2.authorize_security_group_ingress(**ports, FromPort=22, ToPort=22)
        world.usage()
    output = world.hammer("report").output
    assert (f"{WORKER} on tcp/22, 3 times" in output) is not opened_by_owner
    assert f"{WORKER} on tcp/443" not in output


def test_of_a_stranger_who_is_refused_nothing_is_written(world: UsageWorld) -> None:
    """Scanners try every group, and a network ACL refuses them where a rule does not."""
    opened(world, (0, 65535), "0.0.0.0/0", remediation_strategy="carve_ports")
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)], 2)
    world.usage()
    world.changed(hours=3)
    rule = {"GroupId": world.group_id, "IpProtocol": "tcp", "FromPort": 23, "ToPort": 65535, "CidrIp": "0.0.0.0/0"}
    world.ec2.authorize_security_group_ingress(**rule)
    world.put(refusals(world, SCANNER, 443))
    world.usage()
    items = IssueTable(boto3.client("dynamodb", region_name=REGION), TABLE).items
    assert "sources" not in (items.get(MAIN, f"{ITEM_PREFIX}{world.group_id}") or {})


def test_whom_a_change_cut_off_is_told_though_something_else_is_opened(world: UsageWorld) -> None:
    """The issue is resolved, and found again with what its owner opened: nobody is let in again by that."""
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)], 2)
    world.usage()
    world.changed(hours=3)
    assert world.hammer("identify").exit_code == 0
    assert world.hammer("usage").exit_code == 0
    rule = {"GroupId": world.group_id, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    world.ec2.authorize_security_group_ingress(**rule, CidrIp="8.8.4.4/32")
    assert world.hammer("identify").exit_code == 0
    assert (world.issue().occurrence, world.issue().timestamps.remediated) == (2, None)
    world.put(refusals(world, WORKER))
    world.usage()
    output = world.hammer("report").output
    assert f"{WORKER} on tcp/22, 3 times" in output
    assert WORKER not in world.hammer("report").output


def test_of_a_rule_that_was_opened_since_nothing_is_said(world: UsageWorld) -> None:
    """The job reads once an hour, and less where it fails: nobody looked who uses what is new."""
    world.put(world.no_data(ALL_HOURS))
    assert world.usage().verdict is UseVerdict.NONE
    world.open_too(3389)
    use, missing = world.issue().use, "flow logs were not yet read for tcp/3389 from 0.0.0.0/0"
    assert use is not None
    assert (use.verdict, use.reason) == (UseVerdict.UNKNOWN, missing)
    shown = " ".join(world.hammer("explain", "--group", world.group_id).output.split())
    assert missing in shown
    assert missing in world.hammer("status").output
    assert world.usage().verdict is UseVerdict.NONE
    assert world.issue().use == world.stored()


def test_explain_says_so_also_of_a_rule_that_no_scan_has_found_yet(world: UsageWorld) -> None:
    """It shows the group as it is, and the new rule among the others."""
    world.put(world.no_data(ALL_HOURS))
    assert world.usage().verdict is UseVerdict.NONE
    world.ec2.authorize_security_group_ingress(
        GroupId=world.group_id, IpProtocol="tcp", FromPort=3389, ToPort=3389, CidrIp="0.0.0.0/0"
    )
    shown = " ".join(world.hammer("explain", "--group", world.group_id).output.split())
    assert "use is unknown: flow logs were not yet read for tcp/3389 from 0.0.0.0/0." in shown
    world.hammer("identify")
    shown = " ".join(world.hammer("explain", "--group", world.group_id).output.split())
    assert shown.count("Flow logs were not yet read for tcp/3389") == 1
