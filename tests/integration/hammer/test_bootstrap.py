"""`hammer bootstrap`: what it creates, and that a second run changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto import mock_aws
from typer.testing import CliRunner

from hammer.__main__ import application


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture(params=["eu-west-1", "us-east-1"])
def region(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def config(tmp_path: Path, region: str) -> str:
    aws = {"main_account_id": "123456789012", "region": region, "accounts": {}, "s3_backup_bucket": "backups-of-ours"}
    config = {"aws": aws, "secgrp_unrestricted_access": {"ddb.table_name": "issues"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return str(tmp_path)


def hammer(*arguments: str) -> str:
    result = CliRunner().invoke(application(arguments), arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_creates_what_the_pipeline_needs_and_then_changes_nothing(config: str, region: str) -> None:
    assert hammer("bootstrap", "--config", config) == (
        "table issues: created\n"
        "bucket backups-of-ours: created\n"
        "topic hammer-describe-security-groups: created\n"
        "topic hammer-inspector-findings: created\n"
    )
    table = boto3.client("dynamodb", region_name=region).describe_table(TableName="issues")["Table"]
    assert [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]] == [
        ("account_id", "HASH"),
        ("issue_id", "RANGE"),
    ]
    s3 = boto3.client("s3", region_name=region)
    assert set(s3.get_public_access_block(Bucket="backups-of-ours")["PublicAccessBlockConfiguration"].values()) == {
        True
    }
    assert s3.get_bucket_versioning(Bucket="backups-of-ours")["Status"] == "Enabled"
    assert hammer("bootstrap", "--config", config) == (
        "table issues: already there\n"
        "bucket backups-of-ours: already there\n"
        "topic hammer-describe-security-groups: already there\n"
        "topic hammer-inspector-findings: already there\n"
    )


def test_the_items_of_the_table_survive_a_second_run(config: str, region: str) -> None:
    hammer("bootstrap", "--config", config)
    client = boto3.client("dynamodb", region_name=region)
    client.put_item(TableName="issues", Item={"account_id": {"S": "1"}, "issue_id": {"S": "sg-1"}})
    hammer("bootstrap", "--config", config)
    assert client.scan(TableName="issues")["Count"] == 1


@pytest.mark.parametrize("code", ["UnknownOperationException", "UnknownOperation"])
def test_a_table_service_without_expiry_is_named_and_the_rest_is_made(
    config: str, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    make_call: Any = vars(BaseClient)["_make_api_call"]

    def without_expiry(client: Any, operation: str, parameters: Any) -> Any:
        if operation.endswith("TimeToLive"):
            raise ClientError({"Error": {"Code": code, "Message": ""}}, operation)
        return make_call(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", without_expiry)
    lines = hammer("bootstrap", "--config", config).splitlines()
    assert lines[:2] == [
        "table issues: created",
        "table issues: this service lacks UpdateTimeToLive, so records that should expire stay; everything else works",
    ]
    assert lines[2:] == [
        "bucket backups-of-ours: created",
        "topic hammer-describe-security-groups: created",
        "topic hammer-inspector-findings: created",
    ]
