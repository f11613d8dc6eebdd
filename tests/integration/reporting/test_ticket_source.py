"""Where a group is defined, down to its ticket; and the dispute, when the same source opens it again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.cloudformation.models import CloudFormationBackend
from moto.core.exceptions import ServiceException
from typer.testing import CliRunner

from hammer.__main__ import application

MAIN = "123456789012"
TEMPLATE = """\
Parameters:
  Password: {Type: String, NoEcho: true}
Resources:
  Web:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: web
      SecurityGroupIngress:
        - IpProtocol: tcp
          FromPort: 22
          ToPort: 22
          CidrIp: 0.0.0.0/0
"""


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def config(tmp_path: Path) -> str:
    document = {
        "aws": {
            "main_account_id": MAIN,
            "region": "eu-west-1",
            "accounts": {MAIN: "master"},
            "regions": ["eu-west-1"],
            "s3_backup_bucket": "hammer-backup-bucket",
        },
        "secgrp_unrestricted_access": {
            "ddb.table_name": "issues",
            "restricted_ports": [22],
            "reporting": True,
            "remediation": True,
            "remediation_retention_period": 0,
        },
    }
    (tmp_path / "config.json").write_text(json.dumps(document))
    return str(tmp_path)


def hammer(config: str, *words: str) -> str:
    arguments = [words[0], "--config", config, *words[1:]]
    result = CliRunner().invoke(application(arguments), arguments)
    assert result.exit_code == 0, result.output
    return result.output


def open_group() -> str:
    boto3.client("cloudformation").create_stack(
        StackName="network",
        TemplateBody=TEMPLATE,
        Parameters=[{"ParameterKey": "Password", "ParameterValue": "hunter2"}],
    )
    found = boto3.client("ec2").describe_security_groups(
        Filters=[{"Name": "tag:aws:cloudformation:logical-id", "Values": ["Web"]}]
    )
    return found["SecurityGroups"][0]["GroupId"]


def item(group_id: str) -> dict[str, Any]:
    table = boto3.resource("dynamodb").Table("issues")
    return table.get_item(Key={"account_id": MAIN, "issue_id": group_id})["Item"]


def test_a_ticket_ends_with_the_diff_and_a_dispute_is_named(config: str) -> None:
    group_id = open_group()
    hammer(config, "bootstrap")
    hammer(config, "identify")
    ticket = hammer(config, "report")
    assert "cloudformation, network/Web (exact)" in ticket
    assert "when the resource changes in the template" in ticket
    assert "+          CidrIp: 10.0.0.0/8" in ticket
    assert "hunter2" not in ticket
    assert "hunter2" not in str(item(group_id))
    assert item(group_id)["source"]["made_by"] == "cloudformation network/Web"
    assert "dispute" not in ticket

    hammer(config, "remediate", "--batch")
    hammer(config, "identify")
    hammer(config, "report")
    permission: Any = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    boto3.client("ec2").authorize_security_group_ingress(GroupId=group_id, IpPermissions=[permission])
    hammer(config, "identify")
    again = hammer(config, "report")
    assert "In dispute: cloudformation network/Web opened this group again once after Hammer had closed it" in again
    assert "+          CidrIp: 10.0.0.0/8" in again
    words = ("explain", "--account", MAIN, "--region", "eu-west-1", "--group", group_id)
    explained = " ".join(hammer(config, *words).split())
    assert "In dispute: cloudformation network/Web opened this group again once" in explained
    assert "cloudformation, network/Web (exact)" in explained


def test_a_stack_of_more_resources_than_are_described_is_listed(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """DescribeStackResources gives the first 100 of a stack: none of them is the group here."""
    ec2 = boto3.client("ec2")
    group_id = ec2.create_security_group(GroupName="by-hand", Description="web")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group_id, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    topic = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    boto3.client("cloudformation").create_stack(StackName="others", TemplateBody=json.dumps(topic))
    describe = CloudFormationBackend.describe_stack_resources
    monkeypatch.setattr(
        CloudFormationBackend,
        "describe_stack_resources",
        lambda self, *_: describe(self, "others", None),  # type: ignore[arg-type]
    )
    listed: list[str] = []
    list_resources = CloudFormationBackend.list_stack_resources

    def list_and_note(self: CloudFormationBackend, name: str) -> Any:
        listed.append(name)
        return list_resources(self, name)

    monkeypatch.setattr(CloudFormationBackend, "list_stack_resources", list_and_note)
    hammer(config, "bootstrap")
    hammer(config, "identify")
    assert group_id in hammer(config, "report")
    assert set(listed) == {"others"}


def test_a_refusal_of_cloudformation_ends_the_reading_of_a_region(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ec2 = boto3.client("ec2")
    asked: list[object] = []
    group_ids = []
    for name in ("web", "api", "queue"):
        group_id = ec2.create_security_group(GroupName=name, Description=name)["GroupId"]
        group_ids.append(group_id)
        ec2.authorize_security_group_ingress(
            GroupId=group_id, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0"
        )

    def refuse(*arguments: object) -> Any:
        asked.append(arguments)
        raise ServiceException("AccessDenied", "not authorized to perform: cloudformation:DescribeStackResources")

    monkeypatch.setattr(CloudFormationBackend, "describe_stack_resources", refuse)
    hammer(config, "bootstrap")
    hammer(config, "identify")
    ticket = hammer(config, "report")
    assert all(group_id in ticket for group_id in group_ids)
    assert len(asked) == 2  # for the first of the groups, and for its rule
