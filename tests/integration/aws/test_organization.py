"""Accounts from AWS Organizations: active ones, of the units that are wanted, less those to ignore."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from identification import initiate_security_groups
from library.aws.session import Sessions, active_accounts
from library.config import parse_configuration
from library.config.loader import with_organization

MAIN = "123456789012"


@pytest.fixture
def organizations() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("organizations")
        client.create_organization(FeatureSet="ALL")
        yield client


def make_account(client: Any, name: str, parent: str = "") -> str:
    answer = client.create_account(AccountName=name, Email=f"{name}@example.com")
    account: str = answer["CreateAccountStatus"]["AccountId"]
    if parent:
        root = client.list_roots()["Roots"][0]["Id"]
        client.move_account(AccountId=account, SourceParentId=root, DestinationParentId=parent)
    return account


def make_unit(client: Any, name: str, parent: str = "") -> str:
    parent = parent or client.list_roots()["Roots"][0]["Id"]
    unit: str = client.create_organizational_unit(ParentId=parent, Name=name)["OrganizationalUnit"]["Id"]
    return unit


def test_every_active_account_is_there_by_id_and_name(organizations: Any) -> None:
    this, two = make_account(organizations, "one"), make_account(organizations, "two")
    suspended = make_account(organizations, "suspended")
    organizations.close_account(AccountId=suspended)

    assert active_accounts(organizations) == dict(sorted({this: "one", two: "two"}.items()))


def test_the_management_account_is_there_if_it_is_named(organizations: Any) -> None:
    this = make_account(organizations, "one")
    root = organizations.list_roots()["Roots"][0]["Id"]
    for units in ([], [root]):
        assert active_accounts(organizations, units) == {this: "one"}
        named = active_accounts(organizations, units, named=frozenset({MAIN}))
        assert named == dict(sorted({MAIN: "master", this: "one"}.items()))


def test_a_configuration_names_it_in_several_places() -> None:
    def named(**more: Any) -> frozenset[str]:
        aws = {"main_account_id": MAIN, "region": "eu-west-1", "accounts": "organization", **more.pop("aws", {})}
        text = json.dumps({"aws": aws, "secgrp_unrestricted_access": {"ddb.table_name": "issues", **more}})
        return parse_configuration({"config": ("config.json", text.encode())}).named_accounts

    other = "210987654321"
    assert named() == {MAIN}
    assert named(aws={"include_accounts": [other]}) == {MAIN, other}
    assert named(accounts=[other]) == {MAIN, other}
    assert named(remediation_accounts=[other]) == {MAIN, other}


def test_only_accounts_of_the_units_and_of_units_within_them(organizations: Any) -> None:
    outer = make_unit(organizations, "outer")
    inner = make_unit(organizations, "inner", outer)
    in_outer = make_account(organizations, "in-outer", outer)
    in_inner = make_account(organizations, "in-inner", inner)
    make_account(organizations, "elsewhere")

    assert active_accounts(organizations, [outer]) == dict(sorted({in_outer: "in-outer", in_inner: "in-inner"}.items()))
    # A unit that is named beside the one around it is looked at once.
    assert active_accounts(organizations, [outer, inner]).keys() == {in_outer, in_inner}


def test_ignored_accounts_are_left_out(organizations: Any) -> None:
    this, two = make_account(organizations, "one"), make_account(organizations, "two")
    assert active_accounts(organizations, ignored=frozenset({this, MAIN})) == {two: "two"}


def test_a_unit_that_does_not_exist_is_an_error_and_not_an_empty_one(organizations: Any) -> None:
    with pytest.raises(ClientError):
        active_accounts(organizations, ["ou-abcd-00000000"])


def test_the_configuration_gets_the_accounts_that_it_asks_for(organizations: Any) -> None:
    this = make_account(organizations, "one")
    ignored = make_account(organizations, "ignored")
    aws = {
        "main_account_id": MAIN,
        "region": "eu-west-1",
        "accounts": "organization",
        "ignore_accounts": [ignored],
    }
    text = json.dumps({"aws": aws, "secgrp_unrestricted_access": {"ddb.table_name": "issues"}})
    config = parse_configuration({"config": ("config.json", text.encode())})

    known = with_organization(config, Sessions(MAIN, "eu-west-1", "a-role"))

    assert known.scanned_accounts() == {MAIN: "master", this: "one"}


def test_a_configuration_with_its_own_accounts_asks_nobody() -> None:
    aws = {"main_account_id": MAIN, "region": "eu-west-1", "accounts": {MAIN: "master"}}
    text = json.dumps({"aws": aws, "secgrp_unrestricted_access": {"ddb.table_name": "issues"}})
    config = parse_configuration({"config": ("config.json", text.encode())})
    assert with_organization(config, Sessions(MAIN, "eu-west-1", "a-role")) is config


def test_initiation_publishes_for_the_accounts_of_the_organization(
    organizations: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = make_unit(organizations, "scanned")
    this = make_account(organizations, "one", unit)
    make_account(organizations, "elsewhere")
    aws = {
        **{"main_account_id": MAIN, "region": "eu-west-1", "regions": ["eu-west-1", "us-east-1"]},
        **{"accounts": "organization", "organizational_units": [unit]},
    }
    config = {"aws": aws, "secgrp_unrestricted_access": {"ddb.table_name": "issues"}}
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name="hammer-describe-security-groups")["TopicArn"]
    queue = sqs.create_queue(QueueName="got")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    monkeypatch.setenv("HAMMER_CONFIG", str(tmp_path))
    monkeypatch.setenv("SNS_ARN", topic)
    monkeypatch.delenv("AWS_LAMBDA_RUNTIME_API", raising=False)

    assert initiate_security_groups.lambda_handler({}, None) == {"published": 2}

    got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    messages = [json.loads(json.loads(message["Body"])["Message"]) for message in got]
    assert sorted((message["account_id"], message["account_name"], message["region"]) for message in messages) == [
        (this, "one", "eu-west-1"),
        (this, "one", "us-east-1"),
    ]
    everywhere = {**config, "aws": {**aws, "organizational_units": [], "ignore_accounts": [this, MAIN]}}
    (tmp_path / "config.json").write_text(json.dumps(everywhere), "utf-8")
    assert initiate_security_groups.lambda_handler({}, None) == {"published": 2}
