"""What tests of events need: the topic and the queue, and what is sent to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from tests.worlds.emulated_aws import Call
from tests.worlds.identification_world import World

Received = Callable[[], list[dict[str, Any]]]
QUEUE = "hammer-describe-security-groups"


@pytest.fixture
def published(world: World, monkeypatch: pytest.MonkeyPatch) -> Received:
    """Called, it returns the messages that were published to the topic since."""
    monkeypatch.setenv("SNS_ARN", boto3.client("sns").create_topic(Name=QUEUE)["TopicArn"])
    monkeypatch.setenv("SCAN_QUEUE_URL", boto3.client("sqs").create_queue(QueueName=QUEUE)["QueueUrl"])
    messages: list[dict[str, Any]] = []

    def see(call: Call) -> None:
        if call.operation == "PublishBatch":
            texts = [text for name, text in call.parameters.items() if name.endswith(".Message")]
            assert sum(len(text.encode()) for text in texts) <= 256 * 1024
            messages.extend(map(json.loads, texts))

    world.aws.hooks.append(see)

    def got() -> list[dict[str, Any]]:
        found = messages[:]
        messages.clear()
        return found

    return got


@pytest.fixture
def delayed(published: Received, world: World) -> Received:
    """Called, it returns the messages that were sent to the queue since, each to be delivered after five minutes."""
    messages: list[dict[str, Any]] = []

    def see(call: Call) -> None:
        if call.operation == "SendMessageBatch":
            for entry in call.parameters["Entries"]:
                assert entry["DelaySeconds"] == 300
                messages.append(json.loads(entry["MessageBody"]))

    world.aws.hooks.append(see)

    def got() -> list[dict[str, Any]]:
        found = messages[:]
        messages.clear()
        return found

    return got
