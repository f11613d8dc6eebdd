"""The job `usage` where something fails, changes or ends in the middle: nothing is counted twice, nothing forgotten."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto.ec2.models import ec2_backends

from identification.flow_logs.evidence import Interface
from identification.flow_logs.evidence_store import KeptEvidence
from identification.flow_logs.read import LogsParts, Part, RefusedError, S3Parts, interfaces_of
from library.aws.issue_table import IssueTable
from library.aws.lock import LEASE
from library.issues.use import UseVerdict
from tests.integration.flow_logs.test_usage_command import ALL_HOURS, logs_world, send
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


def throttled(*_: Any, **__: Any) -> Any:
    raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "AnyCall")


def long_attached(*arguments: Any) -> Iterator[Interface]:
    return (replace(each, attached_at=0) for each in interfaces_of(*arguments))


def packets(world: UsageWorld) -> int:
    """Of the one source that worked or talked."""
    use = world.stored()
    assert use is not None
    (source,) = use.rules[0].sources
    return source.packets


def leave_and_return(world: UsageWorld, *, between: Any) -> None:
    """Take the group from the interface, and give it back, as with an interface that moves to another instance.

    Another one has the group all the time.
    """
    name = world.interface_id
    other = world.group("tcp", 443, "10.0.0.0/8", "other")
    world.ec2.modify_network_interface_attribute(NetworkInterfaceId=name, Groups=[other])
    between()
    world.ec2.modify_network_interface_attribute(NetworkInterfaceId=name, Groups=[world.group_id])


def test_who_worked_is_not_forgotten_while_the_bucket_refuses(world: UsageWorld) -> None:
    key = world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)])
    assert world.usage().verdict is UseVerdict.WORKING
    world.s3.delete_object(Bucket=BUCKET, Key=key)
    world.s3.delete_bucket(Bucket=BUCKET)
    use = world.usage(exit_code=1)
    assert (use.verdict, use.keep) == (UseVerdict.WORKING, (f"{WORKER}/32",))
    assert any(f"bucket {BUCKET} cannot be listed" in gap for gap in use.gaps)


@pytest.mark.parametrize("call", ["interfaces_of", "flow_logs_of"])
def test_interfaces_that_cannot_be_read_are_not_called_absent(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    with monkeypatch.context() as failing:
        failing.setattr(f"identification.flow_logs.run.{call}", throttled)
        use = world.usage(exit_code=1)
        assert use.verdict is UseVerdict.UNKNOWN
        assert use.reason.startswith("Interfaces and flow logs could not be read: ")
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)])
    assert world.usage().verdict is UseVerdict.WORKING
    monkeypatch.setattr(f"identification.flow_logs.run.{call}", throttled)
    use = world.usage(exit_code=1)
    assert use.verdict is UseVerdict.WORKING
    assert any("could not be read" in gap for gap in use.gaps)


def test_an_archived_object_is_a_named_gap_and_no_refusal(world: UsageWorld) -> None:
    world.put([*world.no_data(range(1, 40)), *world.both_ways(WORKER, 30)])
    body = gzip.compress("\n".join([HEADER, *world.no_data([100])]).encode())
    old = world.put([], 100, body=body)
    world.s3.put_object(Bucket=BUCKET, Key=old, Body=body, StorageClass="GLACIER")
    use = world.usage()
    assert use.verdict is UseVerdict.WORKING
    assert any(old.rpartition("/")[2] in gap for gap in use.gaps), use.gaps


def test_a_stream_that_cannot_be_read_for_once_shows_what_it_showed(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = logs_world(world)
    send(world, logs, [*world.no_data(range(1, 14 * 24)), *world.both_ways(WORKER, 3)])
    before = world.usage()
    with monkeypatch.context() as failing:
        failing.setattr(LogsParts, "read", lambda *_: throttled_part())
        use = world.usage()
    assert (use.verdict, use.covered) == (UseVerdict.WORKING, before.covered)
    assert any("could not be read" in gap for gap in use.gaps)
    assert world.usage().rules == before.rules
    assert packets(world) == 1800


def throttled_part() -> None:
    from identification.flow_logs.records import FormatError

    raise FormatError("Throttling")


def test_an_interface_that_leaves_and_returns_is_counted_once(world: UsageWorld) -> None:
    logs = logs_world(world)
    world.interface(world.group_id)
    send(world, logs, [*world.no_data(range(1, 30)), *world.both_ways(WORKER, 3, packets=40)])
    assert counts(world.usage()) == {"talked": 1}
    leave_and_return(world, between=world.usage)
    assert (counts(world.usage()), packets(world)) == ({"talked": 1}, 80)


def test_it_is_counted_once_also_if_its_hours_are_settled_by_then(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = logs_world(world)
    world.interface(world.group_id)
    send(world, logs, [*world.no_data(range(1, 30)), *world.both_ways(WORKER, 3, packets=40)])
    assert counts(world.usage()) == {"talked": 1}
    later = world.now + timedelta(days=2)
    monkeypatch.setattr("identification.read_security_group_usage.utc_now", lambda: later)
    leave_and_return(world, between=world.usage)
    for _ in range(2):
        assert (counts(world.usage()), packets(world)) == ({"talked": 1}, 80)


@pytest.mark.parametrize("call", range(1, 7))
def test_a_run_that_dies_while_it_keeps_what_it_read_counts_nothing_twice(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    logs = logs_world(world)
    send(world, logs, [*world.no_data(range(1, 30)), *world.both_ways(WORKER, 20, packets=40)])
    assert counts(world.usage()) == {"talked": 1}
    later = world.now + timedelta(hours=6)  # the hour is settled by then: it moves to what is read once
    monkeypatch.setattr("identification.read_security_group_usage.utc_now", lambda: later)
    saves = KeptEvidence.save
    left = [call]

    def dies(self: KeptEvidence, *arguments: Any) -> bool:
        update = self._items.update

        def one_less(*args: Any, **more: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            return update(*args, **more)

        with monkeypatch.context() as within:
            within.setattr(self._items, "update", one_less)
            return saves(self, *arguments)

    with monkeypatch.context() as dying:
        dying.setattr(KeptEvidence, "save", dies)
        with suppress(KeyboardInterrupt):
            world.hammer("usage")
    with monkeypatch.context() as refusing:
        refusing.setattr("identification.flow_logs.run.interfaces_of", throttled)
        assert counts(world.usage(exit_code=1)) == {"talked": 1}
    assert (counts(world.usage()), packets(world)) == ({"talked": 1}, 80)


def test_hours_that_are_read_again_leave_the_limit_to_those_that_were_not_read(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = logs_world(world)
    monkeypatch.setattr("identification.flow_logs.run.MEGABYTE", 500)  # some five hours of lines
    world.configure(limit_mb=1)
    send(world, logs, [*world.no_data(range(1, 40)), *world.both_ways(WORKER, 36)])
    for _ in range(14):
        use = world.usage()
    assert use.verdict is UseVerdict.WORKING
    assert not any("usage.limit_mb" in gap for gap in use.gaps), use.gaps


def test_an_hour_above_the_limit_is_named_in_each_run_and_what_is_older_is_read(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How much an hour has is known only when it is read. What is older is read all the same."""
    logs = logs_world(world)
    monkeypatch.setattr("identification.flow_logs.run.MEGABYTE", 1000)
    world.configure(limit_mb=1)
    world.made(world.flow_log_id, 2)
    lines = [*world.no_data(range(1, 48)), *world.both_ways(WORKER, 3, packets=200) * 20]
    send(world, logs, [*lines, *world.both_ways(SCANNER, 30)])
    name = world.flow_log_id
    for run in range(8):
        use = world.usage()
        assert run or use.covered < 0.1
        assert any("left for the next run: usage.limit_mb is reached." in gap for gap in use.gaps)
    assert use.gaps == (f"1 hour of flow log {name} is left for the next run: usage.limit_mb is reached.",)
    assert use.covered == Decimal(round(10_000 * 46 / 47)) / 10_000
    assert [source.source for source in use.rules[0].sources] == [SCANNER]
    monkeypatch.setattr("identification.flow_logs.run.MEGABYTE", 100_000)
    use = world.usage()
    assert (use.covered, use.gaps) == (Decimal(1), ())
    assert {source.source for source in use.rules[0].sources} == {SCANNER, WORKER}


@pytest.mark.parametrize("has_another", [True, False], ids=["another flow log tells", "no other flow log"])
def test_a_log_group_of_a_class_that_is_not_read_refuses_once(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch, *, has_another: bool
) -> None:
    bucket = world.flow_log_id
    logs_world(world)
    if has_another:
        bucket = world.flow_log(days=20)
        world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)], flow_log=bucket)
    asked: list[str] = []
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def refuse(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        if operation != "FilterLogEvents":
            return call(client, operation, arguments)
        asked.append(operation)
        message = "FilterLogEvents is not supported for log group class INFREQUENT_ACCESS"
        raise ClientError({"Error": {"Code": "InvalidOperationException", "Message": message}}, operation)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    use = world.usage(exit_code=1)
    assert len(asked) == 1
    assert "log group flows refuses" in world.output
    assert use.verdict is (UseVerdict.WORKING if has_another else UseVerdict.UNKNOWN)
    assert any("INFREQUENT_ACCESS" in gap for gap in use.gaps)


def test_lines_of_the_flow_log_that_was_there_before_are_not_of_this_one(world: UsageWorld) -> None:
    logs = logs_world(world)
    world.made(world.flow_log_id, 2)
    begun = int((world.now - timedelta(days=2)).timestamp())
    old = f"{world.interface_id} 1 2 3"
    event = {"timestamp": (begun - 1) * 1000, "message": old}
    logs.put_log_events(logGroupName="flows", logStreamName=f"{world.interface_id}-all", logEvents=[event] * 40)
    send(world, logs, world.no_data(range(1, 48)))
    use = world.usage()
    assert (use.verdict, use.reason) == (UseVerdict.NONE, "")


@pytest.mark.parametrize("long_ago", [True, False])
def test_what_interfaces_showed_that_are_gone_outlives_another_rule(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch, *, long_ago: bool
) -> None:
    if long_ago:  # else it is attached anew, as the embedded AWS does
        monkeypatch.setattr("identification.flow_logs.run.interfaces_of", long_attached)
    gone = world.interface_id
    rows = [*world.both_ways(WORKER, 30), *world.both_ways(WORKER, 30, port=3389, packets=200)]
    world.put([*world.no_data(ALL_HOURS), *rows])
    assert counts(world.usage()) == {"working": 1}
    world.ec2.modify_network_interface_attribute(
        NetworkInterfaceId=gone, Groups=[world.group("tcp", 443, "10.0.0.0/8", "other")]
    )
    world.interface_id, world.address = world.interface(world.group_id)
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(SCANNER, 2, packets=2)])
    world.open_too(3389)
    use = world.usage()
    assert (use.verdict, counts(use)) == (UseVerdict.WORKING, {"working": 1, "answered": 1})
    assert counts(world.usage()) == {"working": 1, "answered": 1}
    # What it showed on the ports of the new rule is read when it is there again, and the rest is not counted twice.
    world.ec2.modify_network_interface_attribute(NetworkInterfaceId=gone, Groups=[world.group_id])
    for _ in range(2):
        use = world.usage()
        assert counts(use) == {"working": 2, "answered": 1}
        assert [source.packets for rule in use.rules for source in rule.sources] == [1800, 400]


def test_rules_that_the_table_has_no_room_for_make_none_unknown(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("identification.scan.PERMS_BYTES", 100)
    world.open_too(3389)
    world.put(world.no_data(ALL_HOURS))
    use = world.usage()
    assert use.verdict is UseVerdict.UNKNOWN
    assert use.reason == "Only 1 of 2 rules and sources that expose the group are looked at"


def test_who_worked_is_known_while_another_rule_has_all_read_again(world: UsageWorld) -> None:
    """And counts once when that is done, which the limit makes last."""
    for hours in (100, 50, 1):
        rows = [*world.no_data(range(hours, hours + 20)), *(world.both_ways(WORKER, 100) if hours == 100 else ())]
        body = gzip.compress("\n".join([HEADER, *rows, ""]).encode())
        world.put([], hours, body=body + b"\0" * (600_000 - len(body)))
    assert counts(world.usage()) == {"working": 1}
    world.configure(limit_mb=1)
    world.open_too(3389)
    for _ in range(4):
        use = world.usage()
        assert (use.verdict, packets(world)) == (UseVerdict.WORKING, 1800)
    assert use.gaps == ()


@pytest.mark.parametrize("others", [True, False], ids=["with others", "alone"])
def test_what_came_before_a_rule_that_is_closed_again_is_read_for_the_others(
    world: UsageWorld, *, others: bool
) -> None:
    """The period began with the call that opened that rule, and begins earlier again."""
    if others:  # their period lasts: the objects before the call stay among those that are read
        both = [world.group_id, world.group("tcp", 3389, "0.0.0.0/0", "other")]
        world.ec2.modify_network_interface_attribute(NetworkInterfaceId=world.interface_id, Groups=both)
        assert world.hammer("identify").exit_code == 0
    world.put(world.no_data(range(31, 14 * 24 + 2)), 31)
    world.put([*world.no_data([30]), *world.both_ways(WORKER, 30, second=300)], 30)
    world.put(world.no_data(range(30)))
    opened_at = datetime.fromtimestamp(world.at(30) + 3000, UTC).isoformat()
    texts = dict.fromkeys(("principal", "source_ip", "user_agent", "event_name", "event_id"), "x")
    items = IssueTable(boto3.client("dynamodb", region_name=REGION), TABLE).items
    if others:
        assert counts(world.usage()) == {"working": 1}
    items.update(MAIN, world.group_id, {"opened_by": {**texts, "event_time": opened_at}})
    assert world.usage().covered == 1
    items.update(MAIN, world.group_id, {}, removes=["opened_by"])
    for _ in range(2):
        use = world.usage()
        assert (use.verdict, use.covered, counts(use), packets(world)) == (
            UseVerdict.WORKING,
            Decimal(1),
            {"working": 1},
            1800,
        )


def test_who_worked_is_not_forgotten_with_the_objects_where_another_rule_has_all_read_again(
    world: UsageWorld,
) -> None:
    """The bucket keeps its objects for a week; the table knows of the week before."""
    old = world.put([*world.no_data(range(169, 14 * 24 + 2)), *world.both_ways(WORKER, 250)], 169)
    world.put([*world.no_data(range(169)), *world.both_ways(SCANNER, 20, packets=2)])
    assert counts(world.usage()) == {"working": 1, "answered": 1}
    world.s3.delete_object(Bucket=BUCKET, Key=old)
    world.open_too(3389)
    for is_opened in (False, True, False):
        if is_opened:
            rule = {"IpProtocol": "tcp", "FromPort": 3000, "ToPort": 4000, "CidrIp": "0.0.0.0/0"}
            world.ec2.authorize_security_group_ingress(GroupId=world.group_id, **rule)
            assert world.hammer("identify").exit_code == 0
        use = world.usage()
        assert (use.verdict, packets(world), counts(use)) == (UseVerdict.WORKING, 1800, {"working": 1, "answered": 1})
        assert use.covered < 0.51
    world.put([*world.no_data(range(169, 14 * 24 + 2)), *world.both_ways(WORKER, 250)], 169)  # it is back
    assert (world.usage().covered, packets(world)) == (Decimal(1), 1800)


@pytest.mark.parametrize("both", [False, True], ids=["one saw it", "both saw an hour"])
def test_of_an_interface_that_is_gone_each_flow_log_tells_what_it_saw(world: UsageWorld, *, both: bool) -> None:
    """Its subnet got a flow log of its own; that of the VPC goes on for the interface of another subnet."""
    seen_by_both = world.both_ways(WORKER, 48, second=3000) if both else []
    gone, gone_at, own = world.interface_id, world.address, world.subnet_id
    world.subnet_id = world.ec2.describe_subnets()["Subnets"][1]["SubnetId"]
    idle, _ = world.interface(world.group_id)
    before = range(48, 15 * 24)
    world.put([*world.no_data(before, gone), *world.no_data(before, idle), *seen_by_both], 48)
    assert counts(world.usage()) == ({"working": 1} if both else {})
    newer = world.flow_log(own, days=2 + 1 / 48)
    names = [*HEADER.split(), "tcp-flags"]
    ec2_backends[MAIN][REGION].flow_logs[newer].log_format = " ".join(f"${{{name}}}" for name in names)
    world.interface_id, world.address = gone, gone_at
    rows = [*world.no_data(range(1, 50)), *world.both_ways(WORKER, 20), *seen_by_both]
    world.put([f"{row} 0" for row in rows], flow_log=newer, header=" ".join(names))
    world.put(world.no_data(range(1, 48), idle))
    assert counts(world.usage()) == {"working": 1}
    other = world.group("tcp", 443, "10.0.0.0/8", "other")
    world.ec2.modify_network_interface_attribute(NetworkInterfaceId=gone, Groups=[other])
    for _ in range(2):
        use = world.usage()
        assert (use.verdict, counts(use), packets(world)) == (
            UseVerdict.WORKING,
            {"working": 1},
            3600 if both else 1800,
        )
        assert use.covered == 1


def test_all_of_the_period_is_read_where_another_flow_log_tells_in_place_of_one_that_refuses(
    world: UsageWorld,
) -> None:
    """The one that refuses was created later: the period begins earlier without it."""
    there = world.ec2.describe_subnets()["Subnets"][1]["SubnetId"]
    world.ec2.delete_flow_logs(FlowLogIds=[world.flow_log_id])
    world.put(world.no_data(ALL_HOURS), flow_log=world.flow_log(world.subnet_id))
    newer = world.flow_log(world.subnet_id, days=2, destination="arn:aws:s3:::nowhere")
    world.subnet_id = there
    world.interface_id, world.address = world.interface(world.group_id)
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 100)], flow_log=world.flow_log(there))
    ec2_backends[MAIN][REGION].flow_logs[newer].log_format = " ".join(
        f"${{{name}}}" for name in [*HEADER.split(), "tcp-flags"]
    )
    for _ in range(2):
        use = world.usage(exit_code=1)
        assert (use.verdict, use.covered, counts(use)) == (UseVerdict.WORKING, Decimal(1), {"working": 1})


def test_who_worked_is_not_forgotten_where_the_period_is_short_for_a_while(world: UsageWorld) -> None:
    """A rule is opened, and closed again, and the older objects have expired meanwhile."""
    old = world.put([*world.no_data(range(169, 14 * 24 + 2)), *world.both_ways(WORKER, 250)], 169)
    world.put(world.no_data(range(169)))
    assert counts(world.usage()) == {"working": 1}
    texts = dict.fromkeys(("principal", "source_ip", "user_agent", "event_name", "event_id"), "x")
    opened_at = datetime.fromtimestamp(world.at(30) + 3000, UTC).isoformat()
    items = IssueTable(boto3.client("dynamodb", region_name=REGION), TABLE).items
    items.update(MAIN, world.group_id, {"opened_by": {**texts, "event_time": opened_at}})
    use = world.usage()
    assert (use.verdict, use.covered) == (UseVerdict.NONE, Decimal(1))
    assert counts(use) == {}
    world.s3.delete_object(Bucket=BUCKET, Key=old)
    items.update(MAIN, world.group_id, {}, removes=["opened_by"])
    for _ in range(2):
        use = world.usage()
        assert (use.verdict, counts(use), packets(world)) == (UseVerdict.WORKING, {"working": 1}, 1800)
        assert use.covered < Decimal("0.51")


def test_lines_that_do_not_fit_count_in_hours_that_are_read_again(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = logs_world(world)
    event = {"timestamp": world.at(3) * 1000, "message": f"{world.interface_id} 1 2 3"}
    logs.put_log_events(logGroupName="flows", logStreamName=f"{world.interface_id}-all", logEvents=[event] * 40)
    send(world, logs, world.no_data(range(1, 14 * 24)))
    assert "40 of 375 lines of flow log" in world.usage().reason
    monkeypatch.setattr(LogsParts, "read", lambda *_: throttled_part())
    assert "40 of 375 lines of flow log" in world.usage().reason


def test_lines_of_a_flow_log_that_was_replaced_are_none_of_the_one_that_writes_into_the_same_streams(
    world: UsageWorld,
) -> None:
    """Both were there for some time, as where the format is to be changed: a flow log's own cannot be."""
    logs = logs_world(world)
    lines = [*world.no_data(range(1, 14 * 24)), *world.both_ways(WORKER, 30)]
    send(world, logs, [*lines, *(f"{line} 0" for line in lines)])
    replaced = world.flow_log_id
    newer = world.flow_log(
        LogDestinationType="cloud-watch-logs",
        LogGroupName="flows",
        DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/x",
    )
    names = " ".join(f"${{{name}}}" for name in [*HEADER.split(), "tcp-flags"])
    ec2_backends[MAIN][REGION].flow_logs[newer].log_format = names
    assert world.usage().verdict is UseVerdict.WORKING
    world.ec2.delete_flow_logs(FlowLogIds=[replaced])
    for _ in range(2):
        use = world.usage()
        assert (use.verdict, use.covered > Decimal("0.99"), packets(world)) == (UseVerdict.WORKING, True, 1800)


def test_an_hour_that_was_not_over_when_it_was_read_is_still_to_be_read(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = logs_world(world)
    send(world, logs, world.no_data(range(14 * 24)))
    assert world.usage().covered == 1
    later = world.now + timedelta(hours=1)
    monkeypatch.setattr("identification.read_security_group_usage.utc_now", lambda: later)
    with monkeypatch.context() as failing:
        failing.setattr(LogsParts, "read", lambda *_: throttled_part())
        assert world.usage().covered < 1
    assert world.usage().covered == 1


def test_a_group_that_nothing_uses_is_unknown_whatever_the_table_has_no_room_for(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("identification.scan.PERMS_BYTES", 100)
    world.open_too(3389)
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)])
    assert world.usage().verdict is UseVerdict.WORKING
    other = world.group("tcp", 443, "10.0.0.0/8", "other")
    world.ec2.modify_network_interface_attribute(NetworkInterfaceId=world.interface_id, Groups=[other])
    use = world.usage()
    assert (use.verdict, use.reason) == (UseVerdict.UNKNOWN, "no attached network interface has the group")


def test_a_run_that_dies_while_it_looks_for_more_does_not_say_that_it_looked(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = logs_world(world)
    send(world, logs, world.no_data(range(14 * 24)))
    assert world.usage().covered == 1
    world.open_too(3389)
    saves = KeptEvidence.save

    def dies(self: KeptEvidence, account_id: str, issue_id: str, name: str, *rest: Any) -> bool:
        if name.endswith("+recent"):
            raise KeyboardInterrupt
        return saves(self, account_id, issue_id, name, *rest)

    with monkeypatch.context() as dying:
        dying.setattr(KeptEvidence, "save", dies)
        with suppress(KeyboardInterrupt):
            world.hammer("usage")
    monkeypatch.setattr(LogsParts, "read", lambda *_: throttled_part())
    rule = {"GroupId": world.group_id, "IpProtocol": "tcp", "FromPort": 3389, "ToPort": 3389, "CidrIp": "0.0.0.0/0"}
    for change in (world.ec2.revoke_security_group_ingress, world.ec2.authorize_security_group_ingress):
        assert world.usage().covered < 0.95
        change(**rule)
        assert world.hammer("identify").exit_code == 0
    assert world.usage().covered < 0.95


def test_what_a_flow_log_left_that_refuses_is_not_left_where_another_tells(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = world.flow_log(world.interface_id, days=40)
    for flow_log in (refusing, world.flow_log_id):
        world.put(world.no_data(ALL_HOURS), flow_log=flow_log)
    reads = S3Parts.read

    def read(self: S3Parts, part: Any, *rest: Any) -> None:
        if refusing in part.key:
            raise RefusedError("bucket x refuses its objects")
        reads(self, part, *rest)

    monkeypatch.setattr(S3Parts, "read", read)
    use = world.usage(exit_code=1)
    assert (use.verdict, use.covered) == (UseVerdict.NONE, Decimal(1))


def test_the_lock_is_renewed_before_each_object_also_after_a_change(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)], 2)
    world.usage()
    world.changed(hours=3)
    for _ in range(3):
        world.put([world.line(WORKER, 1, action="REJECT")])
    done: list[str] = []
    reads = S3Parts.read

    def read(*arguments: Any) -> None:
        done.append("read")
        reads(*arguments)

    monkeypatch.setattr(S3Parts, "read", read)
    monkeypatch.setattr("identification.read_security_group_usage.Lease.renew", lambda _: done.append("renewed"))
    world.usage()
    assert done.count("read") == 7  # three that are new, and all four again for whom the change cut off
    assert not any(pair == ("read", "read") for pair in pairwise(done))


@pytest.mark.parametrize("changed", [False, True], ids=["open", "after a change"])
def test_a_run_that_stalls_and_wakes_up_does_not_undo_what_the_next_one_kept(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch, *, changed: bool
) -> None:
    """The next run may have read an interface that is gone by then: nobody would read it again."""
    world.put([*world.no_data(ALL_HOURS), *world.both_ways(WORKER, 30)], 2)
    if changed:
        world.usage()
        world.changed(hours=3)
        world.put([world.line(WORKER, 1, action="REJECT")])
    monkeypatch.setattr("identification.read_security_group_usage.utc_now", lambda: world.now)
    newest = world.put([world.line(WORKER, 1, action="REJECT")])
    lists, reads = S3Parts.listed, S3Parts.read
    kept: list[bytes] = []

    def early(*arguments: Any) -> list[Part]:
        return [part for part in lists(*arguments) if kept or part.key != newest]

    def evidence() -> list[bytes]:
        items = KeptEvidence(IssueTable(boto3.client("dynamodb", region_name=REGION), TABLE).items)
        return [each.to_bytes() for _, each in sorted(items.of_issue(MAIN, world.group_id).items())]

    def stalls(parts: S3Parts, part: Part, *arguments: Any) -> None:
        reads(parts, part, *arguments)
        # The last object of the run: after that no other is read.
        if not kept and part.name.endswith("00000001.log.gz"):
            kept.append(b"")
            world.now += LEASE + timedelta(seconds=1)
            assert world.hammer("usage").exit_code == 0
            kept[:] = evidence()

    monkeypatch.setattr(S3Parts, "listed", early)
    monkeypatch.setattr(S3Parts, "read", stalls)
    result = world.hammer("usage")
    assert (result.exit_code, evidence()) == (1, kept)
    assert "taken over by another run" in result.output


def test_a_flow_log_that_was_read_for_others_also_tells_of_the_interfaces_of_one_that_refuses(
    world: UsageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flow log of one interface refuses; that of the VPC was read for the other one in the same round."""
    monkeypatch.setattr("identification.flow_logs.run.interfaces_of", long_attached)
    refusing = world.flow_log(world.interface_id, days=40, destination="arn:aws:s3:::not-there/vpc")
    other, _ = world.interface(world.group_id)
    world.put([*world.no_data(ALL_HOURS), *world.no_data(ALL_HOURS, other), *world.both_ways(WORKER, 30)])
    for _ in range(2):  # the next run tries it anew
        use = world.usage(exit_code=1)
        assert f"flow log {refusing}: bucket not-there cannot be listed" in world.output
        assert (use.verdict, use.covered) == (UseVerdict.WORKING, Decimal(1))
        assert use.rules[0].sources[0].packets == 1800
