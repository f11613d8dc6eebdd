"""EC2 may show a change five minutes after its event: a first scan opens and adds, a second one resolves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from identification.describe_security_groups import lambda_handler
from identification.receive_security_group_events import lambda_handler as receive
from tests.builders.api_calls import api_call, authorized, in_sqs, revoked
from tests.integration.identification.conftest import Received
from tests.integration.identification.test_receive_events import modified, prefix_list
from tests.worlds.emulated_aws import Rejection
from tests.worlds.identification_world import SLAVE, TABLE, World, sns_event, target

SSH = "tcp/22 from 0.0.0.0/0"
RDP = "tcp/3389 from 8.8.8.0/24"


@pytest.fixture(autouse=True)
def _with_the_queue(published: Received) -> None:
    """The functions' environment has the topic and the queue."""


def scan(messages: list[dict[str, Any]]) -> None:
    """The describing function gets messages together from its queue, and none comes again."""
    assert lambda_handler(in_sqs(*messages), None) == {"batchItemFailures": []}


def test_a_rule_that_is_shown_at_once_is_an_issue_at_once(world: World, published: Received) -> None:
    group_id = world.group(SSH)
    receive(in_sqs(authorized(group_id)), None)
    scan(published())
    item = world.items()[group_id]
    assert (item["status"], item["opened_by"]["event_name"]) == ("open", "AuthorizeSecurityGroupIngress")


def test_who_opened_a_rule_is_not_named_for_another_when_the_call_is_not_kept_any_more(
    world: World, published: Received
) -> None:
    group_id = world.group(SSH, RDP)
    receive(in_sqs(authorized(group_id)), None)
    scan(published())
    assert world.items()[group_id]["opened_by"]["event_name"] == "AuthorizeSecurityGroupIngress"
    world.later(days=91)  # the table lets go of what events told
    key = {"account_id": {"S": SLAVE}, "issue_id": {"S": f"look#{group_id}"}}
    world.dynamodb.delete_item(TableName=TABLE, Key=key)
    world.describe()
    assert "opened_by" in world.items()[group_id], "its rule is there"
    world.revoke(group_id, SSH)
    world.describe()
    item = world.items()[group_id]
    assert (item["status"], "opened_by" in item) == ("open", False)


def test_a_rule_that_is_shown_late_is_found_without_another_event(
    world: World, published: Received, delayed: Received
) -> None:
    group_id = world.group()
    receive(in_sqs(authorized(group_id)), None)
    scan(published())
    assert world.items() == {}
    world.allow(group_id, SSH)
    world.later(minutes=5)
    scan(delayed())
    item = world.items()[group_id]
    assert (item["status"], item["opened_by"]["event_name"]) == ("open", "AuthorizeSecurityGroupIngress")


@pytest.mark.parametrize("deletes", [False, True], ids=["a rule", "the group"])
def test_what_is_gone_late_is_resolved_without_another_event(
    world: World, published: Received, delayed: Received, deletes: bool
) -> None:
    group_id = world.group(SSH)
    world.describe()
    event = api_call("DeleteSecurityGroup", {"groupId": group_id}) if deletes else revoked(group_id)
    receive(in_sqs(event), None)
    scan(published())
    if deletes:
        world.ec2().delete_security_group(GroupId=group_id)
    else:
        world.revoke(group_id, SSH)
    scan([target(), target(group_ids=[group_id])])
    assert world.items()[group_id]["status"] == "open", "a scan that is too early is no failure"
    world.later(minutes=5)
    scan(delayed())
    assert world.items()[group_id]["status"] == "resolved"


def test_until_then_exposures_are_added_and_none_is_taken_away(
    world: World, published: Received, delayed: Received
) -> None:
    group_id = world.group(SSH)
    world.describe()
    world.revoke(group_id, SSH)
    world.allow(group_id, RDP)
    receive(in_sqs(revoked(group_id), authorized(group_id, RDP)), None)
    scan(published())
    details = world.items()[group_id]["issue_details"]
    assert [(perm["cidr"], perm["status"]) for perm in details["perms"]] == [
        ("0.0.0.0/0", "open_completely"),
        ("8.8.8.0/24", "open_partly"),
    ]
    assert details["status"] == "open_completely"
    world.later(minutes=5)
    scan(delayed())
    after = world.items()[group_id]
    assert [perm["cidr"] for perm in after["issue_details"]["perms"]] == ["8.8.8.0/24"]
    assert (after["status"], after["occurrence"], after["issue_details"]["status"]) == ("open", 1, "open_partly")


def test_a_list_that_changes_right_after_a_group_began_to_name_it_leads_to_the_group(
    world: World, published: Received, delayed: Received
) -> None:
    """EC2 shows neither yet. By the second scan of the group it shows the rule, and the list without its new entry."""
    list_id, group_id = prefix_list(world), world.group()
    rule = f"tcp/22 from {list_id}"
    receive(in_sqs(authorized(group_id, rule)), None)
    scan(published())
    second = delayed()
    world.later(minutes=4)
    receive(in_sqs(modified(list_id, "8.8.8.0/24")), None)
    scan(published())
    world.allow(group_id, rule)
    world.later(minutes=1)
    scan(second)
    assert world.items() == {}
    world.ec2().modify_managed_prefix_list(PrefixListId=list_id, CurrentVersion=1, AddEntries=[{"Cidr": "8.8.8.0/24"}])
    world.later(minutes=4)
    scan(delayed())
    item = world.items()[group_id]
    assert (item["status"], item["opened_by"]["event_name"]) == ("open", "ModifyManagedPrefixList")


def test_a_list_that_changes_later_leads_to_those_that_name_it_alone(world: World, delayed: Received) -> None:
    list_id, group_id = prefix_list(world), world.group()
    receive(in_sqs(authorized(group_id, f"tcp/22 from {list_id}")), None)
    delayed()
    world.later(minutes=20)
    receive(in_sqs(modified(list_id, "8.8.8.0/24")), None)
    assert delayed() == []


def test_a_list_that_groups_keep_beginning_to_name_has_no_record_that_keeps_growing(
    world: World, delayed: Received
) -> None:
    list_id = prefix_list(world)
    for number in range(12):
        receive(in_sqs(authorized(f"sg-{number:017}", f"tcp/22 from {list_id}")), None)
        world.later(minutes=9)
    records = [item for name, item in world.items(other=True).items() if name.startswith(f"look#{list_id}")]
    assert max(len(item["users"]) for item in records) == 2
    assert max(item["expires_at"] for item in records) <= world.clock.timestamp() + 3600
    delayed()
    receive(in_sqs(modified(list_id, "8.8.8.0/24")), None)
    assert [message["group_ids"] for message in delayed()] == [[f"sg-{10:017}", f"sg-{11:017}"]], "the newest alone"


def test_that_a_group_names_a_list_and_cannot_be_kept_ends_nothing(
    world: World, published: Received, caplog: pytest.LogCaptureFixture
) -> None:
    list_id, group_id = prefix_list(world), world.group()
    world.aws.refuse("UpdateItem", Rejection("ValidationException", 400), times=1)
    event = authorized(group_id, f"tcp/22 from {list_id}")
    assert receive(in_sqs(event), None) == {"batchItemFailures": []}
    assert [message["group_ids"] for message in published()] == [[group_id]]
    [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "began to name a prefix list could not be kept" in warning.message


def test_the_scan_of_an_old_event_may_resolve(world: World, published: Received) -> None:
    group_id = world.group(SSH)
    world.describe()
    world.revoke(group_id, SSH)
    receive(in_sqs(revoked(group_id, time="2026-11-22T02:55:00Z")), None)
    scan(published())
    assert world.items()[group_id]["status"] == "resolved"


def test_what_a_stale_scan_opens_the_second_one_resolves(world: World, published: Received, delayed: Received) -> None:
    group_id = world.group(SSH)
    receive(in_sqs(revoked(group_id)), None)
    scan(published())
    assert world.items()[group_id]["status"] == "open"
    world.revoke(group_id, SSH)
    world.later(minutes=5)
    scan(delayed())
    assert world.items()[group_id]["status"] == "resolved"


def test_an_event_that_leads_to_a_region_is_an_event_of_no_group(
    world: World, published: Received, delayed: Received
) -> None:
    group_id = world.group(SSH)
    world.describe()
    world.revoke(group_id, SSH)
    receive(in_sqs(api_call("RevokeSecurityGroupIngress", None)), None)
    assert delayed() == [{"account_id": target()["account_id"], "account_name": "slave1", "region": "eu-west-1"}]
    scan(published())
    assert world.items()[group_id]["status"] == "resolved"


def test_a_call_about_who_can_connect_takes_nothing_away_before_its_second_message(
    world: World, published: Received, delayed: Received
) -> None:
    group_id = world.group(SSH)
    world.describe()
    world.revoke(group_id, SSH)
    receive(in_sqs(api_call("AssociateAddress", {})), None)
    scan(published())
    assert world.items()[group_id]["status"] == "open"
    scan(delayed())
    assert world.items()[group_id]["status"] == "resolved", "it was no event of the group"


def sweeps(world: World) -> int:
    """How often the network was read since the calls were forgotten."""
    return world.aws.operations("ec2").count("DescribeNetworkInterfaces")


def test_calls_that_only_touch_interfaces_leave_the_sweep_to_the_second_message(
    world: World, published: Received, delayed: Received
) -> None:
    world.group(SSH)
    world.describe()
    world.aws.calls.clear()
    world.later(minutes=1)
    receive(in_sqs(api_call("RunInstances", {}), api_call("CreateNetworkInterface", {})), None)
    first, second = published(), delayed()
    scan(first)
    assert world.aws.operations("ec2") == [], "the region was swept a minute ago"
    scan(second)
    assert sweeps(world) == 1
    world.later(minutes=5)
    scan(first)
    assert sweeps(world) == 2, "the region was not swept for five minutes"


@pytest.mark.parametrize("other", ["AssociateAddress", "AuthorizeSecurityGroupIngress"])
def test_other_calls_are_not_left_to_it(world: World, published: Received, other: str) -> None:
    group_id = world.group(SSH)
    world.describe()
    world.aws.calls.clear()
    receive(in_sqs(api_call("RunInstances", {}), api_call(other, {"groupId": group_id})), None)
    scan(published())
    assert sweeps(world) == 1


def test_messages_of_one_region_that_arrive_together_are_one_scan(world: World, published: Received) -> None:
    ids = [world.group(SSH, name=f"g{number}") for number in range(5)]
    for group_id in ids:
        receive(in_sqs(authorized(group_id)), None)
    world.aws.calls.clear()
    scan(published())
    assert world.items().keys() == set(ids)
    assert (world.aws.operations("ec2").count("DescribeSecurityGroups"), sweeps(world)) == (1, 1)


def test_messages_of_the_version_before_are_understood(world: World) -> None:
    """They are in the queue while the functions are replaced."""
    group_id = world.group(SSH)
    expected = [["2026-11-22T02:59:00+00:00", False, ["tcp", 22, 22, "0.0.0.0/0", ""], [group_id]]]
    message = target(group_ids=[group_id]) | {"expected": expected}
    assert lambda_handler(sns_event(json.dumps(message)), None) == {"changes": 1}
    assert world.items()[group_id]["status"] == "open"
