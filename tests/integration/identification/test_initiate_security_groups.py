"""The initiating Lambda: one message for each account and region, all at once."""

from __future__ import annotations

import json
import threading
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from identification.initiate_security_groups import lambda_handler
from identification.messages import PublishError
from tests.worlds.emulated_aws import Call, Rejection
from tests.worlds.identification_world import IRELAND, MAIN, OTHER, SLAVE, VIRGINIA, World

REGIONS = [f"eu-west-{number}" for number in range(1, 18)]  # 34 targets: four batches


@pytest.fixture
def topic(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The topic, and a queue that gets what is published: called, it returns the messages."""
    arn = boto3.client("sns").create_topic(Name="hammer-describe-security-groups")["TopicArn"]
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="got")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("sns").subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)
    monkeypatch.setenv("SNS_ARN", arn)
    world.aws.forget()

    def messages() -> list[dict[str, str]]:
        got = []
        while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            got += [json.loads(json.loads(message["Body"])["Message"]) for message in found]
            sqs.delete_message_batch(
                QueueUrl=queue,
                Entries=[{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(found)],
            )
        return sorted(got, key=lambda message: (message["account_id"], message["region"]))

    return messages


def batches(world: World) -> list[int]:
    """The sizes of the batches that were published."""
    return [
        len({name.split(".")[2] for name in call.parameters if name.startswith("PublishBatchRequestEntries.member.")})
        for call in world.aws.calls
        if call.operation == "PublishBatch"
    ]


def published(world: World) -> list[tuple[str, str]]:
    """The accounts and regions of all messages that were published, sorted."""
    # Not from the queue: the emulator's is not made for several publishers at once.
    messages = [
        json.loads(value)
        for call in world.aws.calls
        if call.operation == "PublishBatch"
        for name, value in call.parameters.items()
        if name.endswith(".Message")
    ]
    return sorted((message["account_id"], message["region"]) for message in messages)


@pytest.mark.parametrize("event", [{}, {"source": "aws.events"}, None, [], "cron"])
def test_any_event_publishes_one_message_for_each_account_and_region(world: World, topic: Any, event: Any) -> None:
    assert lambda_handler(event, None) == {"published": 4}
    assert topic() == [
        {"account_id": MAIN, "account_name": "master", "region": IRELAND},
        {"account_id": MAIN, "account_name": "master", "region": VIRGINIA},
        {"account_id": SLAVE, "account_name": "slave1", "region": IRELAND},
        {"account_id": SLAVE, "account_name": "slave1", "region": VIRGINIA},
    ]
    assert batches(world) == [4]


def test_batches_of_ten(world: World, topic: Any) -> None:
    assert topic() == []
    world.aws.forget()
    world.configure(regions=REGIONS)
    assert lambda_handler({}, None) == {"published": 34}
    assert sorted(batches(world)) == [4, 10, 10, 10]
    assert published(world) == sorted((account_id, region) for account_id in (MAIN, SLAVE) for region in REGIONS)
    assert set(world.aws.operations("sns")) == {"PublishBatch"}


def test_batches_are_published_at_the_same_time(world: World, topic: Any) -> None:
    assert topic() == []
    world.configure(regions=REGIONS)
    together = threading.Barrier(4)

    def wait_for_the_others(call: Call) -> None:
        if call.operation == "PublishBatch":
            together.wait(timeout=300)  # breaks when they come one after the other

    world.aws.hooks.append(wait_for_the_others)
    assert lambda_handler({}, None) == {"published": 34}
    assert not together.broken
    assert len(published(world)) == 34


def test_the_sections_accounts_are_the_ones_to_look_at(world: World, topic: Any) -> None:
    world.configure(accounts=[SLAVE, OTHER], regions=[IRELAND])
    lambda_handler({}, None)
    assert topic() == [
        {"account_id": SLAVE, "account_name": "slave1", "region": IRELAND},
        {"account_id": OTHER, "account_name": OTHER, "region": IRELAND},
    ]


def test_an_account_may_have_regions_of_its_own(world: World, topic: Any) -> None:
    world.configure(regions={SLAVE: IRELAND, "*": [IRELAND, VIRGINIA]})
    lambda_handler({}, None)
    assert [(message["account_id"], message["region"]) for message in topic()] == [
        (MAIN, IRELAND),
        (MAIN, VIRGINIA),
        (SLAVE, IRELAND),
    ]


def test_without_regions_every_region_enabled_in_the_main_account(world: World, topic: Any) -> None:
    assert topic() == []
    world.configure(regions=[], accounts=[SLAVE])
    enabled = sorted(region["RegionName"] for region in world.ec2(MAIN).describe_regions()["Regions"])
    world.aws.forget()
    lambda_handler({}, None)
    assert [region for _, region in published(world)] == enabled
    assert [call.assumed for call in world.aws.calls if call.operation == "DescribeRegions"] == [False]


def test_a_topic_in_another_region(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = boto3.client("sns", region_name=VIRGINIA).create_topic(Name="elsewhere")["TopicArn"]
    monkeypatch.setenv("SNS_ARN", arn)
    world.aws.forget()
    lambda_handler({}, None)
    assert {call.region for call in world.aws.calls if call.service == "sns"} == {VIRGINIA}


def failed_entries(call: Call, text: str) -> str:
    """PublishBatch's answer, HTTP 200, with its second entry as failed."""
    if call.operation != "PublishBatch":
        return text
    entry = (
        "<member><Id>1</Id><Code>InternalError</Code><Message>Oops</Message><SenderFault>false</SenderFault></member>"
    )
    namespace = text.partition("xmlns=")[2].partition(">")[0]
    return (
        f"<PublishBatchResponse xmlns={namespace}><PublishBatchResult><Successful/><Failed>{entry}</Failed>"
        "</PublishBatchResult></PublishBatchResponse>"
    )


def test_an_entry_that_failed_raises_and_is_named(world: World, topic: Any) -> None:
    world.aws.rewrites.append(failed_entries)
    with pytest.raises(PublishError) as raised:
        lambda_handler({}, None)
    second = json.dumps({"account_id": MAIN, "account_name": "master", "region": VIRGINIA})
    assert str(raised.value) == f"1 of 4 messages were not published: {second}: InternalError Oops"
    assert len(topic()) == 4


def test_a_batch_that_failed_raises_when_the_others_are_published(world: World, topic: Any) -> None:
    assert topic() == []
    # More batches than threads.
    world.configure(regions=[f"eu-west-{number}" for number in range(100, 250)], accounts=[SLAVE])

    def refuse_the_first(call: Call) -> Rejection | None:
        is_first = any("eu-west-100" in value for value in call.parameters.values())
        return Rejection("AuthorizationError", 403) if is_first and call.operation == "PublishBatch" else None

    world.aws.hooks.append(refuse_the_first)
    with pytest.raises(ClientError, match="AuthorizationError"):
        lambda_handler({}, None)
    assert sum(batches(world)) == 150


def test_throttling_is_waited_for(world: World, topic: Any) -> None:
    world.aws.refuse("PublishBatch", Rejection("Throttling", 400), times=2)
    assert lambda_handler({}, None) == {"published": 4}
    assert len(topic()) == 4


def test_no_topic_raises(world: World) -> None:
    assert world.aws.calls == []
    with pytest.raises(KeyError, match="SNS_ARN"):
        lambda_handler({}, None)


def test_a_topic_that_is_gone_raises(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.aws.calls == []
    monkeypatch.setenv("SNS_ARN", f"arn:aws:sns:{IRELAND}:{MAIN}:gone")
    with pytest.raises(ClientError, match="NotFound"):
        lambda_handler({}, None)


def test_a_wrong_configuration_raises_and_publishes_nothing(world: World, topic: Any) -> None:
    (world.folder / "ticket_owners.json").write_text('{"jira_projekt": "SEC"}')
    with pytest.raises(Exception, match=r"ticket_owners\.json"):
        lambda_handler({}, None)
    assert topic() == []


def test_off_means_off(world: World, topic: Any) -> None:
    world.configure(enabled=False)
    assert lambda_handler({}, None) == {"published": 0}
    assert topic() == []
