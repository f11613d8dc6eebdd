"""What tests of events need."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from tests.worlds.emulated_aws import Call
from tests.worlds.identification_world import World

Received = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def published(world: World, monkeypatch: pytest.MonkeyPatch) -> Received:
    """Called, it returns the messages that were published to the topic since."""
    arn = boto3.client("sns").create_topic(Name="hammer-describe-security-groups")["TopicArn"]
    monkeypatch.setenv("SNS_ARN", arn)
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
