"""`hammer source` as a person runs it, on the emulated AWS."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from moto import mock_aws
from typer.testing import CliRunner, Result

from hammer.__main__ import application
from tests.integration.hammer.test_scan import MAIN, Answer, on_call, rejection  # noqa: F401 - on_call is a fixture

TEMPLATE = """\
Parameters:
  SshFrom: {Type: String, Default: 0.0.0.0/0}
  Password: {Type: String, NoEcho: true}
Resources:
  Web:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: web
      SecurityGroupIngress:
        - {IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: !Ref SshFrom}
        - IpProtocol: tcp
          FromPort: 3389
          ToPort: 3389
          CidrIp: 0.0.0.0/0
  Queue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: not-to-be-shown}
"""
TERRAFORM = """\
resource "aws_security_group" "db" {
  name        = "db"
  description = "Databases"
  ingress {
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
"""


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def config(tmp_path: Path) -> str:
    folder = tmp_path / "config"
    folder.mkdir()
    document = {
        "aws": {
            "main_account_id": MAIN,
            "region": "eu-west-1",
            "accounts": {MAIN: "master"},
            "regions": ["eu-west-1"],
        },
        "secgrp_unrestricted_access": {"ddb.table_name": "issues", "restricted_ports": [22, 3389]},
    }
    (folder / "config.json").write_text(json.dumps(document))
    return str(folder)


def source(config: str, group_id: str, *arguments: str) -> Result:
    words = ("source", "--config", config, "--account", "master", "--region", "eu-west-1", "--group", group_id)
    return CliRunner().invoke(application([*words, *arguments]), [*words, *arguments])


def stack_group() -> str:
    boto3.client("cloudformation").create_stack(
        StackName="network",
        TemplateBody=TEMPLATE,
        Parameters=[{"ParameterKey": "Password", "ParameterValue": "hunter2"}],
    )
    found = boto3.client("ec2").describe_security_groups(
        Filters=[{"Name": "tag:aws:cloudformation:logical-id", "Values": ["Web"]}]
    )
    return found["SecurityGroups"][0]["GroupId"]


def group_by_hand(name: str = "db", port: int = 22, cidr: str = "0.0.0.0/0") -> str:
    client = boto3.client("ec2")
    group_id = client.create_security_group(GroupName=name, Description="Databases")["GroupId"]
    client.authorize_security_group_ingress(GroupId=group_id, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp=cidr)
    return group_id


def test_a_stack_is_named_with_the_diff_and_the_command(config: str) -> None:
    group_id = stack_group()
    result = source(config, group_id, "--format", "json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert report["group"]["kind"] == "cloudformation"
    assert report["group"]["where"] == "network/Web"
    assert [(rule["from_port"], rule["edit"]) for rule in report["rules"]] == [(22, "parameter"), (3389, "patch")]
    assert report["returns"] == "when the resource changes in the template"
    assert report["commands"] == [
        "aws cloudformation create-change-set --stack-name network --change-set-name hammer-narrow-sources "
        "--region eu-west-1 --use-previous-template --parameters ParameterKey=SshFrom,ParameterValue=10.0.0.0/8 "
        "ParameterKey=Password,UsePreviousValue=true"
    ]
    assert list(report) == ["account_id", "region", "group_id", "group", "rules", "diff", "commands", "returns"]


@pytest.mark.parametrize("output_format", ["text", "json", "diff"])
def test_no_secret_and_nothing_beside_the_group_is_printed(config: str, output_format: str) -> None:
    result = source(config, stack_group(), "--format", output_format)
    assert "hunter2" not in result.output
    assert "not-to-be-shown" not in result.output


def test_the_printed_diff_applies(config: str, tmp_path: Path) -> None:
    group_id = stack_group()
    (tmp_path / "network").write_text(TEMPLATE)
    diff = source(config, group_id, "--format", "diff").stdout_bytes
    subprocess.run(["git", "apply", "-"], input=diff, cwd=tmp_path, check=True)
    changed = (tmp_path / "network").read_text()
    assert changed.startswith(TEMPLATE.partition("          CidrIp: 0.0.0.0/0")[0])
    assert changed.count("CidrIp: 172.16.0.0/12") == 1


def test_a_group_of_no_place_ends_with_1(config: str) -> None:
    result = source(config, group_by_hand(), "--format", "json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["group"]["kind"] == "unknown"
    assert [(rule["kind"], rule["edit"]) for rule in report["rules"]] == [("unknown", "none")]
    assert report["returns"] == "unknown"


def test_terraform_folders_are_read_and_what_is_not_is_named(config: str, tmp_path: Path) -> None:
    folder = tmp_path / "repository" / "network"
    folder.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    (folder / "main.tf").write_text(TERRAFORM)
    (folder / "broken.tf").write_text("resource {{{")
    (folder / "other.tf.json").write_text("{}")
    (folder / "large.tf").write_text("#" * 2_000_001)
    (tmp_path / "outside.tf").write_text(TERRAFORM)
    (folder / "link.tf").symlink_to(tmp_path / "outside.tf")
    (folder / ".terraform").mkdir()
    (folder / ".terraform" / "copy.tf").write_text(TERRAFORM)
    result = source(config, group_by_hand(), "--terraform", str(folder), "--format", "json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert report["group"]["where"] == "network/main.tf:1"
    assert report["rules"][0]["where"] == "network/main.tf:4"
    assert report["rules"][0]["edit"] == "patch"
    assert "+++ b/network/main.tf" in report["diff"]
    assert report["returns"] == "at the next apply"
    for name in ("broken.tf", "other.tf.json", "large.tf", "link.tf"):
        assert name in result.stderr
    assert ".terraform" not in result.output


def test_a_pipe_with_a_file_s_name_does_not_hold_it_up(config: str, tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.tf")
    result = source(config, group_by_hand(), "--terraform", str(tmp_path))
    assert "no regular file" in result.stderr


def test_denied_is_unknown_and_named(config: str, on_call: Callable[[str, Answer], None]) -> None:  # noqa: F811
    on_call("cloudformation.DescribeStacks", rejection(403, "AccessDenied"))
    on_call("cloudformation.DescribeStackResources", rejection(403, "AccessDenied"))
    result = source(config, stack_group(), "--format", "json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["group"]["kind"] == "unknown"
    assert "denied" in " ".join(report["group"]["evidence"])
    assert "denied" in result.stderr


def test_a_rule_that_could_not_be_judged_is_not_said_to_expose_nothing(
    config: str,
    on_call: Callable[[str, Answer], None],  # noqa: F811
) -> None:
    client = boto3.client("ec2")
    listed = client.create_managed_prefix_list(
        PrefixListName="partners", MaxEntries=1, AddressFamily="IPv4", Entries=[{"Cidr": "8.8.8.0/24"}]
    )["PrefixList"]["PrefixListId"]
    group_id = client.create_security_group(GroupName="db", Description="Databases")["GroupId"]
    rule: Any = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "PrefixListIds": [{"PrefixListId": listed}]}
    client.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[rule])
    on_call("ec2.GetManagedPrefixListEntries", rejection(400, "InvalidPrefixListID.NotFound"))
    result = source(config, group_id)
    assert result.exit_code == 1
    assert "a rule was not judged" in result.stderr
    assert "Nothing that could be judged exposes anything." in result.stdout.splitlines()


def test_a_rule_of_another_stack_is_found_by_its_id(
    config: str,
    on_call: Callable[[str, Answer], None],  # noqa: F811
) -> None:
    group_id = boto3.client("ec2").create_security_group(GroupName="db", Description="Databases")["GroupId"]
    template = (
        "Resources:\n  Ssh:\n    Type: AWS::EC2::SecurityGroupIngress\n    Properties:\n"
        f"      GroupId: {group_id}\n      IpProtocol: tcp\n      FromPort: 22\n      ToPort: 22\n"
        "      CidrIp: 0.0.0.0/0\n"
    )
    stack_id = boto3.client("cloudformation").create_stack(StackName="other", TemplateBody=template)["StackId"]
    listed = boto3.client("ec2").describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group_id]}])
    (rule,) = [rule for rule in listed["SecurityGroupRules"] if not rule["IsEgress"]]
    on_call("cloudformation.DescribeStackResources", resources(rule["SecurityGroupRuleId"], stack_id))
    report = json.loads(source(config, group_id, "--format", "json").stdout)
    assert report["group"]["kind"] == "unknown"
    assert report["rules"][0]["where"] == "other/Ssh"
    assert report["rules"][0]["edit"] == "patch"
    assert "Ssh3" in report["diff"]


def resources(physical_id: str, stack_id: str) -> Answer:
    """CloudFormation's answer about one resource; of every other that it is of no stack."""

    def answer(request: AWSRequest) -> AWSResponse | None:
        sent: Any = request.body
        body = parse_qs(sent.decode() if isinstance(sent, bytes) else sent)
        asked = body.get("PhysicalResourceId", [""])[0]
        if asked != physical_id:
            return refusal_text(request, "ValidationError", f"Stack for {asked} does not exist", 400)
        member = (
            f"<member><StackId>{stack_id}</StackId><StackName>other</StackName><LogicalResourceId>Ssh"
            f"</LogicalResourceId><PhysicalResourceId>{physical_id}</PhysicalResourceId>"
            "<ResourceType>AWS::EC2::SecurityGroupIngress</ResourceType>"
            "<Timestamp>2026-11-01T00:00:00Z</Timestamp><ResourceStatus>CREATE_COMPLETE</ResourceStatus></member>"
        )
        text = (
            "<DescribeStackResourcesResponse><DescribeStackResourcesResult><StackResources>"
            f"{member}</StackResources></DescribeStackResourcesResult></DescribeStackResourcesResponse>"
        )
        return respond(request, 200, text)

    return answer


def refusal_text(request: AWSRequest, code: str, message: str, status: int) -> AWSResponse:
    text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return respond(request, status, text)


def respond(request: AWSRequest, status: int, text: str) -> AWSResponse:
    from botocore.compat import HTTPHeaders

    class Raw:
        def stream(self, **_: object) -> Iterator[bytes]:
            yield text.encode()

    return AWSResponse(str(request.url), status, HTTPHeaders(), Raw())


@pytest.mark.parametrize(
    ("tags", "name", "service", "returns", "advice"),
    [
        ({"elbv2.k8s.aws/cluster": "prod", "ingress.k8s.aws/stack": "shop/web"}, "k8s-shop-web-1",
         "AWS Load Balancer Controller, cluster prod", "within minutes", "alb.ingress.kubernetes.io/inbound-cidrs"),
        ({"kubernetes.io/cluster/prod": "owned"}, "k8s-elb-a0123",
         "Kubernetes cloud provider, cluster prod", "within minutes", "load-balancer-source-ranges"),
        ({"elasticbeanstalk:environment-name": "shop"}, "awseb-e-1", "Elastic Beanstalk environment shop", "unknown",
         "SSHSourceRestriction"),
        ({"FMManaged": "true"}, "FMManagedSecurityGroup1", "AWS Firewall Manager", "unknown", "policy"),
        ({}, "d-0123456789_controllers", "AWS Directory Service, directory d-0123456789", "unknown", "controllers"),
        ({}, "ElasticMapReduce-master", "Amazon EMR", "unknown", "block public access"),
    ],
    ids=["load-balancer-controller", "in-tree", "beanstalk", "firewall-manager", "directory", "emr"],
)  # fmt: skip
def test_what_a_service_made_is_pointed_at_and_not_patched(
    config: str, tmp_path: Path, tags: dict[str, Any], name: str, service: str, returns: str, advice: str
) -> None:
    group_id = group_by_hand(name)
    if tags:
        boto3.client("ec2").create_tags(
            Resources=[group_id], Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
        )
    (tmp_path / "main.tf").write_text(TERRAFORM.replace('"db"\n', f'"{name}"\n'))
    result = source(config, group_id, "--format", "json", "--terraform", str(tmp_path))
    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (report["group"]["kind"], report["group"]["where"], report["returns"]) == ("service", service, returns)
    assert advice in report["rules"][0]["note"]
    assert report["diff"] == ""


def test_a_group_that_is_not_there_ends_with_2(config: str) -> None:
    assert source(config, "sg-0123456789abcdef0").exit_code == 2


def test_without_account_and_region_the_table_tells(config: str) -> None:
    boto3.client("dynamodb").create_table(
        TableName="issues",
        KeySchema=[
            {"AttributeName": "account_id", "KeyType": "HASH"},
            {"AttributeName": "issue_id", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "account_id", "AttributeType": "S"},
            {"AttributeName": "issue_id", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    words = ("source", "--config", config, "--group", "sg-0123456789abcdef0")
    result = CliRunner().invoke(application(words), words)
    assert result.exit_code == 2
    assert "--account and --region" in result.stderr
