"""In a Lambda, a configuration in S3 is kept for minutes, then read again; what cannot be read is never made up for."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from typing import Any

import boto3
import pytest

from identification import runtime
from library.config import ConfigurationError
from tests.worlds.aws_faults import calls
from tests.worlds.identification_world import World, target


@pytest.fixture(autouse=True)
def upload(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts the world's configuration into S3, where the Lambda looks for it."""
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    monkeypatch.setenv("HAMMER_CONFIG", "s3://a-bucket/config")
    runtime._kept_configuration.cache_clear()
    runtime._kept_sessions.cache_clear()
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="a-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})

    def uploaded() -> None:
        for file in world.folder.iterdir():
            s3.put_object(Bucket="a-bucket", Key=f"config/{file.name}", Body=file.read_bytes())

    uploaded()
    return uploaded


def at(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "monotonic", lambda: seconds)


def test_a_change_counts_after_minutes_and_not_at_every_invocation(
    world: World, upload: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(0, monkeypatch)
    assert runtime.start(None).config.secgrp_unrestricted_access.enabled
    world.configure(enabled=False)
    upload()
    at(299, monkeypatch)
    assert runtime.start(None).config.secgrp_unrestricted_access.enabled
    at(300, monkeypatch)
    assert not runtime.start(None).config.secgrp_unrestricted_access.enabled


def test_an_older_configuration_does_not_stand_in_for_one_that_cannot_be_read(
    world: World, upload: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(0, monkeypatch)
    runtime.start(None)
    (world.folder / "whitelist.json").write_text("{", "utf-8")
    upload()
    at(300, monkeypatch)
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            runtime.start(None)


def test_a_first_invocation_asks_once_for_what_the_next_one_has(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    at(0, monkeypatch)
    world.group("tcp/443 from 0.0.0.0/0")
    one_time = ("AssumeRole", "GetObject", "ListObjectsV2")
    with calls() as first:
        assert world.describe(target()) == {"changes": 0}
    with calls() as second:
        world.describe(target())
    made, again = Counter(first.made), Counter(second.made)
    files = len(list(world.folder.iterdir()))
    assert {name: made[name] for name in one_time} == {"AssumeRole": 1, "GetObject": files, "ListObjectsV2": 1}
    assert made["DescribeSecurityGroups"] == again["DescribeSecurityGroups"] == 1
    assert not set(again) & set(one_time)


@pytest.mark.parametrize(
    "function",
    [
        "initiate_security_groups",
        "describe_security_groups",
        "receive_security_group_events",
        "filter_inspector_findings",
    ],
)
def test_every_function_reads_it(world: World, upload: Any, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its own role: tests/permission_recorder.py holds the calls against it."""
    at(0, monkeypatch)
    world.configure(enabled=False)
    upload()
    with calls() as made:
        import_module(f"identification.{function}").lambda_handler(
            {"Records": [{"body": "{}", "messageId": "1"}]}, None
        )
    assert {"GetObject", "ListObjectsV2"} <= set(made.made)
