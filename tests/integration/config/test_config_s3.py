"""A configuration in S3: listed, then read, so that what may not be read is never taken for absent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from library.config import ConfigurationError, load_configuration
from tests.builders.config_files import MINIMAL

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

BUCKET = "hammer-config"
WHITELIST = {"secgrp_unrestricted_access": {"123456789012": ["sg-7c228307"]}}


@pytest.fixture(name="s3")
def _s3() -> Iterator[S3Client]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


def _put(s3: S3Client, key: str, content: object) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(content).encode())


def _lines(location: str, **options: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(location, **options)
    return str(caught.value).splitlines()


def _denying(s3: S3Client, operation: str) -> S3Client:
    """The same client, with no right to call one operation."""

    def deny(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, operation)

    s3.meta.events.register(f"before-call.s3.{operation}", deny)
    return s3


@pytest.mark.parametrize(
    ("location", "folder"),
    [
        (f"s3://{BUCKET}/team/hammer", "team/hammer/"),
        (f"s3://{BUCKET}/team/hammer/", "team/hammer/"),
        (f"s3://{BUCKET}", ""),
        (f"s3://{BUCKET}/", ""),
    ],
)
def test_a_prefix_is_a_folder(s3: S3Client, location: str, folder: str) -> None:
    _put(s3, f"{folder}config.json", MINIMAL)
    _put(s3, f"{folder}whitelist.yaml", WHITELIST)
    _put(s3, f"{folder}old/ticket_owners.json", {"zebra": "in another folder"})
    _put(s3, f"{folder}ticket_owners.json.bak", {"zebra": "of another name"})
    config = load_configuration(location, s3_client=lambda: s3)
    assert len(config.exemptions("123456789012")) == 1


def test_the_standard_client_is_taken_unless_one_is_given(s3: S3Client) -> None:
    _put(s3, "x/config.json", MINIMAL)
    assert load_configuration(f"s3://{BUCKET}/x").aws.region == "eu-west-1"


def test_more_objects_than_one_page(s3: S3Client) -> None:
    for number in range(1001):
        s3.put_object(Bucket=BUCKET, Key=f"x/a{number}", Body=b"")
    _put(s3, "x/config.json", MINIMAL)
    _put(s3, "x/whitelist.json", WHITELIST)
    config = load_configuration(f"s3://{BUCKET}/x", s3_client=lambda: s3)
    assert len(config.exemptions("123456789012")) == 1


def test_mistakes_are_listed_with_their_file(s3: S3Client) -> None:
    _put(s3, "x/config.json", MINIMAL | {"zebra": 1})
    _put(s3, "x/whitelist.json", {"zebra": 1})
    assert _lines(f"s3://{BUCKET}/x", s3_client=lambda: s3) == [
        "config.json: zebra: unknown key",
        "whitelist.json: zebra: unknown key",
    ]


def test_the_config_is_required(s3: S3Client) -> None:
    assert _lines(f"s3://{BUCKET}/x", s3_client=lambda: s3) == [
        f"s3://{BUCKET}/x: the file config is missing: one of config.json, config.yaml, config.yml"
    ]


def test_two_formats_of_one_file(s3: S3Client) -> None:
    _put(s3, "config.json", MINIMAL)
    _put(s3, "config.yaml", MINIMAL)
    expected = ["config.json: is there as config.yaml too: keep one of them"]
    assert _lines(f"s3://{BUCKET}", s3_client=lambda: s3) == expected


def test_a_bucket_that_is_not_there(s3: S3Client) -> None:
    lines = _lines("s3://hammer-nowhere/x", s3_client=lambda: s3)
    assert len(lines) == 1
    assert lines[0].startswith("s3://hammer-nowhere/x: cannot be read: ")
    assert "NoSuchBucket" in lines[0]


def test_no_bucket_at_all() -> None:
    assert _lines("s3:///x") == ["s3:///x: names no bucket: write s3://bucket/prefix"]


def test_a_whitelist_that_may_not_be_read_is_not_an_empty_one(s3: S3Client) -> None:
    _put(s3, "x/config.json", MINIMAL)
    _put(s3, "x/whitelist.json", WHITELIST)
    lines = _lines(f"s3://{BUCKET}/x", s3_client=lambda: _denying(s3, "GetObject"))
    assert [line.partition(": cannot be read: denied")[0] for line in lines] == ["config.json", "whitelist.json"]


def test_nor_is_one_that_may_not_be_listed(s3: S3Client) -> None:
    _put(s3, "x/config.json", MINIMAL)
    lines = _lines(f"s3://{BUCKET}/x", s3_client=lambda: _denying(s3, "ListObjectsV2"))
    assert len(lines) == 1
    assert lines[0].startswith(f"s3://{BUCKET}/x: cannot be read: denied")
