"""EC2 shows a change later than its event comes: the look is repeated until it does, at most for five minutes."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from identification.describe_security_groups import lambda_handler
from identification.receive_security_group_events import lambda_handler as receive
from tests.builders.api_calls import api_call, authorized, in_sqs
from tests.integration.identification.conftest import Received
from tests.worlds.emulated_aws import Refusal
from tests.worlds.identification_world import SLAVE, TABLE, World, sns_event, target

SSH = "tcp/22 from 0.0.0.0/0"


def received(published: Received, *events: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages that these events lead to."""
    receive(in_sqs(*events), None)
    return published()


def comes_again(message: dict[str, Any]) -> None:
    """SQS delivers this message again, because EC2 does not show yet what it tells."""
    assert lambda_handler(in_sqs(message), None) == {"batchItemFailures": [{"itemIdentifier": "m-0"}]}


def taken_away(group_id: str, rule: str = SSH, **other: Any) -> dict[str, Any]:
    """A revocation that names its rule."""
    event = authorized(group_id, rule, **other)
    event["detail"]["eventName"] = "RevokeSecurityGroupIngress"
    return event


def test_a_rule_that_is_shown_late_is_found_without_another_event(world: World, published: Received) -> None:
    group_id = world.group()
    [message] = received(published, authorized(group_id))
    comes_again(message)
    assert world.items() == {}
    world.later(seconds=30)
    world.allow(group_id, SSH)
    assert world.describe(message) == {"changes": 1}
    assert world.items()[group_id]["status"] == "open"


def test_a_rule_that_is_gone_late_is_resolved_without_another_event(world: World, published: Received) -> None:
    group_id = world.group(SSH)
    world.describe()
    [message] = received(published, taken_away(group_id))
    comes_again(message)
    assert world.items()[group_id]["status"] == "open"
    world.revoke(group_id, SSH)
    world.describe(message)
    assert world.items()[group_id]["status"] == "resolved"


def test_an_answer_that_is_behind_neither_resolves_nor_opens(world: World, published: Received) -> None:
    opened, closed = world.group(SSH, name="opened"), world.group(SSH, name="closed")
    world.describe()
    world.revoke(closed, SSH)
    world.describe()
    # What EC2 shows is as if it were from before: `opened` lost its rule, and `closed` has it.
    world.revoke(opened, SSH)
    world.allow(closed, SSH)
    [message] = received(published, authorized(opened), taken_away(closed))
    comes_again(message)
    assert {name: item["status"] for name, item in world.items().items()} == {opened: "open", closed: "resolved"}
    world.later(minutes=5)
    world.describe(message)
    assert {name: item["status"] for name, item in world.items().items()} == {opened: "resolved", closed: "open"}


def test_a_change_that_was_undone_does_not_loop(world: World, published: Received) -> None:
    group_id, other = world.group(), world.group(name="other")
    events = [taken_away(group_id, time="2026-11-22T02:59:30Z"), authorized(group_id)]
    [both] = received(published, *events)
    assert world.describe(both) == {"changes": 0}
    [one] = received(published, authorized(other))
    comes_again(one)
    [known] = received(published, authorized(group_id))
    assert lambda_handler(in_sqs(known), None) == {"batchItemFailures": []}, "an earlier event told that it was undone"
    world.later(minutes=4)
    assert world.describe(one) == {"changes": 0}


def test_an_event_that_comes_late_does_not_open_what_another_told_to_be_closed_since(
    world: World, published: Received
) -> None:
    """The revocation's own look saw EC2 as it was before the rule was added: there was nothing to wait for."""
    group_id = world.group()
    [closed] = received(published, taken_away(group_id, time="2026-11-22T02:59:30Z"))
    assert lambda_handler(in_sqs(closed), None) == {"batchItemFailures": []}
    world.allow(group_id, SSH)
    [opened] = received(published, authorized(group_id, time="2026-11-22T02:59:00Z"))
    comes_again(opened)
    assert world.items() == {}
    # A look whose own event tells nothing knows it as well.
    comes_again(target(group_ids=[group_id]))
    assert world.items() == {}
    world.revoke(group_id, SSH)
    assert lambda_handler(in_sqs(opened), None) == {"batchItemFailures": []}
    assert world.items() == {}


def test_an_event_that_comes_late_does_not_close_what_another_told_to_be_opened_since(
    world: World, published: Received
) -> None:
    """The authorization's own look saw the rule as it was before it was taken away."""
    group_id = world.group(SSH)
    world.describe()
    [opened] = received(published, authorized(group_id, time="2026-11-22T02:59:30Z"))
    assert lambda_handler(in_sqs(opened), None) == {"batchItemFailures": []}
    world.revoke(group_id, SSH)
    [closed] = received(published, taken_away(group_id, time="2026-11-22T02:59:00Z"))
    comes_again(closed)
    world.allow(group_id, SSH)
    assert lambda_handler(in_sqs(closed), None) == {"batchItemFailures": []}
    item = world.items()[group_id]
    assert (item["status"], int(item["occurrence"])) == ("open", 1)


def test_a_scan_says_what_ec2_shows_and_comes_again_where_an_event_told_otherwise(
    world: World, published: Received
) -> None:
    group_id = world.group(SSH)
    world.revoke(group_id, SSH)
    [closed] = received(published, taken_away(group_id))
    world.describe(closed)
    world.allow(group_id, SSH)
    comes_again(target())
    assert world.items()[group_id]["status"] == "open"
    world.revoke(group_id, SSH)
    assert lambda_handler(in_sqs(target()), None) == {"batchItemFailures": []}
    assert world.items()[group_id]["status"] == "resolved"


def test_what_events_told_is_forgotten_after_five_minutes(world: World, published: Received) -> None:
    group_id = world.group()
    [closed] = received(published, taken_away(group_id))
    world.describe(closed)
    assert len(world.items(other=True)[f"look#{group_id}"]["expected"]) == 1
    world.later(minutes=5)
    world.allow(group_id, SSH)
    world.describe(target(group_ids=[group_id]))
    assert world.items()[group_id]["status"] == "open"
    assert "expected" not in world.items(other=True)[f"look#{group_id}"]


def test_what_no_issue_depends_on_is_not_waited_for(world: World, published: Received) -> None:
    group_id = world.group()
    events = [authorized(group_id, "tcp/443 from 0.0.0.0/0"), authorized(group_id, "tcp/22 from 10.0.0.0/8")]
    [message] = received(published, *events)
    assert "expected" not in message


def test_a_deleted_group_that_is_still_shown(world: World, published: Received) -> None:
    group_id = world.group(SSH)
    world.describe()
    [message] = received(published, api_call("DeleteSecurityGroup", {"groupId": group_id}))
    comes_again(message)
    world.ec2().delete_security_group(GroupId=group_id)
    world.describe(message)
    assert world.items()[group_id]["status"] == "resolved"


def rule_id_of(world: World, group_id: str) -> str:
    shown = world.ec2().describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group_id]}])
    return next(str(rule["SecurityGroupRuleId"]) for rule in shown["SecurityGroupRules"] if not rule["IsEgress"])


def test_a_rule_that_was_revoked_by_its_id_alone_and_is_gone_late(world: World, published: Received) -> None:
    group_id = world.group(SSH)
    world.describe()
    ids = {"items": [{"securityGroupRuleId": rule_id_of(world, group_id)}]}
    event = api_call("RevokeSecurityGroupIngress", {"groupId": group_id, "securityGroupRuleIds": ids})
    [message] = received(published, event)
    comes_again(message)
    world.revoke(group_id, SSH)
    assert world.describe(message) == {"changes": 1}
    assert lambda_handler(in_sqs(message), None) == {"batchItemFailures": []}
    assert world.items()[group_id]["status"] == "resolved"


def test_a_rule_that_was_closed_by_a_modification_and_is_shown_late(world: World, published: Received) -> None:
    open_before, known = world.group(SSH, name="not known yet"), world.group(SSH, name="known")
    world.describe()
    world.dynamodb.delete_item(TableName=TABLE, Key={"account_id": {"S": SLAVE}, "issue_id": {"S": open_before}})
    private = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "10.0.0.0/8"}
    rules = {
        group_id: {"SecurityGroupRuleId": rule_id_of(world, group_id), "SecurityGroupRule": private}
        for group_id in (open_before, known)
    }
    events = [
        api_call(
            "ModifySecurityGroupRules",
            {"ModifySecurityGroupRulesRequest": {"GroupId": group_id, "SecurityGroupRule": {"tag": 1, **rule}}},
        )
        for group_id, rule in rules.items()
    ]
    [message] = received(published, *events)
    comes_again(message)
    assert {name: item["status"] for name, item in world.items().items()} == {known: "open"}
    for group_id, rule in rules.items():
        world.ec2().modify_security_group_rules(GroupId=group_id, SecurityGroupRules=[rule])
    assert lambda_handler(in_sqs(message), None) == {"batchItemFailures": []}
    assert {name: item["status"] for name, item in world.items().items()} == {known: "resolved"}


@pytest.mark.parametrize(
    ("refusal", "waits"),
    [
        pytest.param(Refusal("UnauthorizedOperation", 403), False, id="may not be read"),
        pytest.param(Refusal("InternalError", 500), True, id="could not be read this time"),
    ],
)
def test_rules_that_cannot_be_read_with_their_ids(
    world: World, published: Received, refusal: Refusal, waits: bool
) -> None:
    group_id = world.group(SSH)
    ids = {"items": [{"securityGroupRuleId": rule_id_of(world, group_id)}]}
    [message] = received(
        published, api_call("RevokeSecurityGroupIngress", {"groupId": group_id, "securityGroupRuleIds": ids})
    )
    world.aws.refuse("DescribeSecurityGroupRules", refusal)
    assert lambda_handler(in_sqs(message), None) == {"batchItemFailures": [{"itemIdentifier": "m-0"}] if waits else []}
    assert {name: item["status"] for name, item in world.items().items()} == ({} if waits else {group_id: "open"})


def test_a_restored_version_of_a_prefix_list_that_is_shown_late(world: World, published: Received) -> None:
    list_id = world.ec2().create_managed_prefix_list(
        PrefixListName="ours", MaxEntries=5, AddressFamily="IPv4", Entries=[{"Cidr": "8.8.8.0/24"}]
    )["PrefixList"]["PrefixListId"]
    group_id = world.group(f"tcp/22 from {list_id}")
    world.describe()
    request = {"PrefixListId": list_id, "CurrentVersion": 1, "PreviousVersion": 1}
    event = api_call("RestoreManagedPrefixListVersion", {"RestoreManagedPrefixListVersionRequest": request})
    [message] = received(published, event)
    comes_again(message)
    removed = [{"Cidr": "8.8.8.0/24"}]
    world.ec2().modify_managed_prefix_list(PrefixListId=list_id, CurrentVersion=1, RemoveEntries=removed)
    assert lambda_handler(in_sqs(message), None) == {"batchItemFailures": []}
    assert world.items()[group_id]["status"] == "resolved"


def test_records_of_sqs_that_must_wait_come_again_soon_and_the_others_are_done(
    world: World, published: Received
) -> None:
    late, shown = world.group(name="late"), world.group(SSH, name="shown")
    [waits] = received(published, authorized(late))
    [done] = received(published, authorized(shown))
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="hammer-describe-security-groups")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    for message in (waits, done):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"Type": "Notification", "Message": json.dumps(message)}))
    raw = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1800)["Messages"]
    records = [
        {
            "messageId": each["MessageId"],
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
            "receiptHandle": each["ReceiptHandle"],
            "attributes": {"ApproximateReceiveCount": "1"},
            "body": each["Body"],
        }
        for each in raw
    ]
    [failed] = [record["messageId"] for record in records if late in record["body"]]
    world.aws.calls.clear()
    assert lambda_handler({"Records": records}, None) == {"batchItemFailures": [{"itemIdentifier": failed}]}
    assert world.items().keys() == {shown}
    [changed] = [call for call in world.aws.calls if call.operation == "ChangeMessageVisibility"]
    assert str(changed.parameters["VisibilityTimeout"]) == "30"
    world.allow(late, SSH)
    assert lambda_handler({"Records": records}, None) == {"batchItemFailures": []}
    assert world.items().keys() == {shown, late}


def test_a_record_whose_visibility_cannot_be_changed_fails_all_the_same(world: World, published: Received) -> None:
    [message] = received(published, authorized(world.group()))
    record = {
        "messageId": "m-1",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:hammer-describe-security-groups",
        "receiptHandle": "r-1",
        "body": json.dumps(message),
    }
    assert lambda_handler({"Records": [record]}, None) == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


def test_an_event_of_sns_is_done_when_every_target_was_looked_at(world: World, published: Received) -> None:
    late, shown = world.group(name="late"), world.group(SSH, name="shown", region="us-east-1")
    messages = received(published, authorized(late), authorized(shown, region="us-east-1"))
    assert lambda_handler(sns_event(*map(json.dumps, messages)), None) == {"changes": 1}
    assert world.items().keys() == {shown}
