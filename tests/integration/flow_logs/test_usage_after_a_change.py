"""After-care where the world of flow logs changes: whom a change cut off is told, or why nobody can tell."""

from __future__ import annotations

import gzip
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from identification.flow_logs.read import Part, S3Parts
from library.aws.issue_table import IssueTable
from library.issues.issue import Status
from tests.integration.flow_logs.test_usage_command import ALL_HOURS, logs_world, refusals, send
from tests.worlds.usage_world import HEADER, MAIN, REGION, TABLE, WORKER, UsageWorld

REFUSED = f"{WORKER} on tcp/22, 3 times"


def closed(world: UsageWorld) -> None:
    """Somebody worked through the rule, and remediation replaced it three hours ago."""
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)], 4)
    world.usage()
    world.changed(hours=3)
    assert world.hammer("identify").exit_code == 0


def is_notified(world: UsageWorld) -> bool:
    return REFUSED in world.hammer("report").output


def test_where_a_bucket_refuses_another_flow_log_tells_whom_a_change_cut_off(world: UsageWorld) -> None:
    closed(world)
    refusing = world.flow_log(days=40, destination="arn:aws:s3:::not-there/vpc")  # the first to be used: it is older
    world.put(refusals(world, WORKER))
    result = world.hammer("usage")
    assert (result.exit_code, f"flow log {refusing}: bucket not-there cannot be listed" in result.output) == (1, True)
    assert is_notified(world)


@pytest.mark.parametrize("admitted", [False, True])
def test_whom_a_flow_log_showed_that_was_replaced_is_notified_beside_those_of_the_next(
    world: UsageWorld, *, admitted: bool
) -> None:
    """The other one tells more, and refused sources of its own. Nobody was notified in between."""
    other = "9.9.9.8"
    world.put(world.both_ways(other, 31), 4)
    closed(world)
    world.put(refusals(world, WORKER))
    assert world.hammer("usage").exit_code == 0
    world.ec2.delete_flow_logs(FlowLogIds=[world.flow_log_id])
    world.put(refusals(world, other), flow_log=world.flow_log(days=2 / 24))
    if admitted:
        rule = {"GroupId": world.group_id, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": f"{WORKER}/32"}
        world.ec2.authorize_security_group_ingress(**rule)
    assert world.hammer("usage").exit_code == 0
    output = world.hammer("report").output
    assert (f"{other} on tcp/22, 3 times" in output, REFUSED in output) == (True, not admitted)


def test_whom_a_change_cut_off_is_notified_though_what_is_left_is_exempt(world: UsageWorld) -> None:
    """A source was kept, and its owner exempts it."""
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)], 4)
    world.usage()
    world.changed(hours=3)
    rule = {"GroupId": world.group_id, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "8.8.4.4/32"}
    world.ec2.authorize_security_group_ingress(**rule)
    whitelist = {"secgrp_unrestricted_access": {MAIN: [world.group_id]}}
    (world.folder / "whitelist.json").write_text(json.dumps(whitelist))
    assert world.hammer("identify").exit_code == 0
    assert world.issue().status is Status.WHITELISTED
    world.put(refusals(world, WORKER))
    assert world.hammer("usage").exit_code == 0
    assert is_notified(world)


def test_whom_a_wider_scope_cut_off_is_told(world: UsageWorld) -> None:
    """When flow logs were read, a rule out of scope admitted the worker as well. It was closed with the other."""
    rule = {"GroupId": world.group_id, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "9.0.0.0/8"}
    world.ec2.authorize_security_group_ingress(**rule)
    assert world.hammer("identify").exit_code == 0
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)], 4)
    assert [rule.sources[0].also_admitted_by for rule in world.usage().rules] == [(world.group_id,)] * 2
    world.changed(hours=3)
    assert world.hammer("identify").exit_code == 0
    world.put(refusals(world, WORKER))
    assert world.hammer("usage").exit_code == 0
    assert is_notified(world)


def test_what_could_not_be_read_after_a_change_is_named(world: UsageWorld) -> None:
    closed(world)
    text = "\n".join([HEADER, *refusals(world, WORKER), ""]).encode()
    key = world.put([], body=gzip.compress(text)[:-9])
    result = world.hammer("usage")
    name = key.rpartition("/")[2]
    gap = f"after the change of {world.group_id} in {MAIN}, {REGION}: {name} of flow log {world.flow_log_id} could not"
    assert (result.exit_code, gap in result.output) == (0, True), result.output


def filled(world: UsageWorld, hours: float, size: int, *records: str) -> None:
    """An object of so many bytes, or a few more, with these records."""
    noise = random.Random(hours).randbytes(size).hex()  # noqa: S311 - a filler, not a secret
    lines = [HEADER, *records, *(noise[at : at + 1000] for at in range(0, len(noise), 1000)), ""]
    world.put([], hours, body=gzip.compress("\n".join(lines).encode()))


def test_a_backlog_of_open_issues_does_not_hide_whom_a_change_cut_off(world: UsageWorld) -> None:
    closed(world)
    filled(world, 1, 300_000, *refusals(world, WORKER))
    other = world.group("tcp", 3389, "0.0.0.0/0", "other")
    world.interface(other)
    assert world.hammer("identify").exit_code == 0
    for hours in range(20, 24):
        filled(world, hours, 400_000)
    world.configure(limit_mb=1)
    assert world.hammer("usage").exit_code == 0
    assert is_notified(world)


@pytest.mark.parametrize("has_open_issue", [False, True], ids=["nothing is open", "an open issue needs nothing of it"])
def test_what_open_issues_leave_of_the_limit_is_for_whom_a_change_cut_off(
    world: UsageWorld, *, has_open_issue: bool
) -> None:
    closed(world)
    filled(world, 1, 330_000)
    filled(world, 2, 330_000, *refusals(world, WORKER))
    if has_open_issue:
        world.group("tcp", 3389, "0.0.0.0/0", "other")
        assert world.hammer("identify").exit_code == 0
    world.configure(limit_mb=1)
    done = world.hammer("usage")
    assert done.exit_code == 0
    assert "usage.limit_mb is reached" not in done.output
    assert is_notified(world)


def test_after_changes_of_several_groups_an_object_is_read_once(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty groups are changed in one night: read for each, the objects are more than usage.limit_mb."""
    other = world.group("tcp", 22, "0.0.0.0/0", "other")
    world.ec2.modify_network_interface_attribute(NetworkInterfaceId=world.interface_id, Groups=[world.group_id, other])
    assert world.hammer("identify").exit_code == 0
    first = world.group_id
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)], 4)
    world.usage()
    for world.group_id in (other, first):
        world.changed(hours=3)
    assert world.hammer("identify").exit_code == 0
    world.put(refusals(world, WORKER))
    read: list[str] = []
    original = S3Parts.read

    def counted(self: S3Parts, part: Part, *more: Any) -> None:
        read.append(part.key)
        original(self, part, *more)

    monkeypatch.setattr(S3Parts, "read", counted)
    assert world.hammer("usage").exit_code == 0
    assert sorted(set(read)) == sorted(read)
    assert world.hammer("report").output.count(REFUSED) == 2


def test_whose_records_come_after_others_were_told_is_told_the_next_day(world: UsageWorld) -> None:
    """Who gave up before the first were told, and whose object is read after it."""
    gave_up = "9.9.9.8"
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 70), *world.both_ways(gave_up, 70)], 4)
    world.usage()
    world.changed(hours=60)
    assert world.hammer("identify").exit_code == 0
    attempt: dict[str, Any] = {"packets": 1, "size": 40, "action": "REJECT"}
    for source in (WORKER, gave_up):
        world.put([world.line(source, 50, **attempt, second=second) for second in (60, 900, 1800)])
        assert world.hammer("usage").exit_code == 0
        assert f"{source} on tcp/22, 3 times" in world.hammer("report").output
        assert source not in world.hammer("report").output
        yesterday = (world.now - timedelta(days=1)).isoformat()
        items = IssueTable(boto3.client("dynamodb", region_name=REGION), TABLE).items
        items.update(MAIN, f"use-refused#{world.group_id}", {"told_ticket": yesterday})
    assert WORKER not in world.hammer("report").output


def test_who_was_refused_before_the_last_change_was_not_cut_off_by_it(world: UsageWorld) -> None:
    """The group was restored, and changed again in the same hour."""
    closed(world)
    attempt: dict[str, Any] = {"packets": 1, "size": 40, "action": "REJECT"}
    world.put([world.line(WORKER, 2, **attempt, second=second) for second in (60, 700, 1400)])
    assert world.hammer("usage").exit_code == 0
    changed = datetime.fromtimestamp(world.at(2) + 2400, UTC).isoformat()
    table = IssueTable(boto3.client("dynamodb", region_name=REGION), TABLE)
    table.update(world.issue(), {"timestamps.remediated": changed})
    assert world.hammer("usage").exit_code == 0
    assert not is_notified(world)
    world.put([world.line(WORKER, 2, **attempt, second=2500), *refusals(world, WORKER)])
    assert world.hammer("usage").exit_code == 0
    assert f"{WORKER} on tcp/22, 4 times" in world.hammer("report").output


def test_whom_a_change_cut_off_is_told_though_something_is_opened_before_the_next_run(world: UsageWorld) -> None:
    """The issue is resolved, and found again before the job `usage` runs: who had worked is known all the same."""
    closed(world)
    rule = {"GroupId": world.group_id, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "8.8.4.4/32"}
    world.ec2.authorize_security_group_ingress(**rule)
    assert world.hammer("identify").exit_code == 0
    assert (world.issue().occurrence, world.issue().timestamps.remediated) == (2, None)
    assert "use" not in world.item()
    world.put(refusals(world, WORKER))
    for _ in range(2):
        assert world.hammer("usage").exit_code == 0
        assert "use_before" not in world.item()
    assert is_notified(world)


def open_for(world: UsageWorld, source: str) -> None:
    """Its owner opens the group again, and a scan sees that."""
    rule = {"GroupId": world.group_id, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": source}
    world.ec2.authorize_security_group_ingress(**rule)
    assert world.hammer("identify").exit_code == 0


@pytest.mark.parametrize("runs_between", [0, 1], ids=["found once more", "closed for the second time"])
def test_whom_a_change_cut_off_is_told_though_the_group_is_opened_and_changed_again(
    world: UsageWorld, runs_between: int
) -> None:
    """All before the job `usage` runs: nothing was read of the second occurrence."""
    closed(world)
    open_for(world, "8.8.4.4/32")
    world.changed(hours=2)
    for _ in range(runs_between):
        assert world.hammer("usage").exit_code == 0
    assert world.hammer("identify").exit_code == 0
    open_for(world, "8.8.8.8/32")
    assert (world.issue().occurrence, world.issue().timestamps.remediated) == (3, None)
    world.put(refusals(world, WORKER))
    for _ in range(2):
        assert world.hammer("usage").exit_code == 0
        assert "use_before" not in world.item()
    assert is_notified(world)


@pytest.mark.parametrize("runs", ["while it is open", "when it is over"])
def test_the_use_from_before_a_change_is_not_kept_for_ever(world: UsageWorld, runs: str) -> None:
    """The change was longer ago than after-care lasts."""
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)], 4)
    world.usage()
    world.changed(hours=9 * 24)
    assert world.hammer("identify").exit_code == 0
    open_for(world, "8.8.4.4/32")
    assert "use_before" in world.item()
    if runs == "when it is over":
        world.changed(hours=1)
        assert world.hammer("identify").exit_code == 0
        world.now += timedelta(days=91)
    assert world.hammer("usage").exit_code == 0
    assert "use_before" not in world.item()


def test_what_is_opened_is_stored_where_there_is_no_room_for_the_use_from_before(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed(world)
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def refuse(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        if operation == "UpdateItem" and "use_before" in str(arguments.get("UpdateExpression")).split("REMOVE")[0]:
            message = "Item size to update has exceeded the maximum allowed size"
            raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, operation)
        return call(client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    open_for(world, "8.8.4.4/32")
    assert (world.issue().occurrence, world.issue().status) == (2, Status.OPEN)
    assert world.item().keys().isdisjoint({"use", "use_before"})


def test_after_care_lasts_longer_than_the_use_of_a_resolved_issue(world: UsageWorld) -> None:
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 90)], 4)
    world.usage()
    world.changed(hours=60)
    assert world.hammer("identify").exit_code == 0
    assert world.hammer("usage").exit_code == 0
    resolved = (world.now - timedelta(hours=50)).isoformat()
    table = IssueTable(boto3.client("dynamodb", region_name=REGION), TABLE)
    table.update(world.issue(), {"timestamps.resolved": resolved})
    world.configure(retention_days=1)
    for _ in range(2):
        assert world.hammer("usage").exit_code == 0
    assert "use" not in world.item()
    world.put(refusals(world, WORKER))
    assert world.hammer("usage").exit_code == 0
    assert is_notified(world)


def test_formats_that_cannot_be_told_apart_tell_nothing_of_a_change(world: UsageWorld) -> None:
    """Where packets are read as a port, a stranger's answer looks like an attempt of the worker."""
    logs = logs_world(world)
    send(world, logs, [*world.no_data(range(1, 14 * 24)), *world.both_ways(WORKER, 30)])
    world.usage()
    world.changed(hours=3)
    assert world.hammer("identify").exit_code == 0
    names = HEADER.split()
    names[names.index("action")], names[names.index("log-status")] = "log-status", "action"
    world.flow_log(
        world.subnet_id,
        LogDestinationType="cloud-watch-logs",
        LogDestination=f"arn:aws:logs:{REGION}:{MAIN}:log-group:flows",
        LogGroupName="flows",
        DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/x",
        LogFormat=" ".join(f"${{{name}}}" for name in names),
    )
    send(world, logs, refusals(world, WORKER))
    assert world.hammer("usage").exit_code == 0
    assert not is_notified(world)
