"""The sample, applied by real Terraform and the real AWS provider to an emulated AWS, then driven, then destroyed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from deployment import package
from deployment.host_bundle import build_host
from library.aws.table_definition import TABLE_DEFINITION
from tests.deployment.deployed import ACCOUNT, REGION, Deployed
from tests.deployment.emulator import emulated_aws
from tests.deployment.iam import call_of, is_allowed
from tests.deployment.old_provider import swapped
from tests.deployment.terraform import (
    TERRAFORM_CODE,
    Terraform,
    cli_configuration,
    needs_terraform,
    point_providers_at,
)

pytestmark = needs_terraform

SLAVES = ("210987654321", "321098765432")
TABLE = "hammer-security-groups-unrestricted"
BUCKET = "change-this-hammer-bucket"
SCANS = f"arn:aws:sns:{REGION}:{ACCOUNT}:hammer-describe-security-groups"
FINDINGS = f"arn:aws:sns:{REGION}:{ACCOUNT}:hammer-inspector-findings"
INSPECTOR_EVENT = Path(__file__).parents[1] / "data" / "inspector2-event.json"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with emulated_aws() as url:
        # Without Docker moto cannot run a function; without this, each notification of one would try.
        requests.post(f"{url}/moto-api/config", json={"lambda": {"use_docker": False}}, timeout=10).raise_for_status()
        yield url


@pytest.fixture(scope="module")
def terraform(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """The sample, packaged and initialised, in a copy for the old provider."""
    folder = tmp_path_factory.mktemp("terraform")
    code = folder / "deployment" / "terraform"
    swapped(TERRAFORM_CODE, code)
    for data in ("policies", "cloudformation"):
        shutil.copytree(TERRAFORM_CODE.parent / data, code.parent / data)
    dist = folder / "dist"
    dist.mkdir()
    package.build_functions(dist, package.TARGETS["here"])
    build_host(dist, "arm64", package.TARGETS["here"])
    sample = code / "accounts" / "sample"
    point_providers_at(aws, sample, ["slave1", "slave2"])
    subnet = Deployed(aws, folder).client("ec2").describe_subnets()["Subnets"][0]
    variables = {
        "package_folder": str(dist),
        "protect_data": False,  # so that destroying empties the bucket
        "alarm_emails": ["security@example.com"],
        "host": {"vpc_id": subnet["VpcId"], "subnet_id": subnet["SubnetId"]},
    }
    (sample / "test.auto.tfvars.json").write_text(json.dumps(variables), "utf-8")
    terraform = Terraform(sample, {"TF_CLI_CONFIG_FILE": str(cli_configuration(folder))})
    terraform.run("init", "-no-color")
    return terraform


@pytest.fixture(scope="module")
def deployed(aws: str, terraform: Terraform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    terraform.run("apply", "-auto-approve", "-no-color")
    yield Deployed(aws, tmp_path_factory.mktemp("deployed"))
    terraform.run("destroy", "-auto-approve", "-no-color")
    left = Deployed(aws, terraform.folder)
    assert left.client("dynamodb").list_tables()["TableNames"] == []
    assert left.client("s3").list_buckets()["Buckets"] == []
    assert left.client("lambda").list_functions()["Functions"] == []
    for account in (ACCOUNT, *SLAVES):
        assert left.client("iam", account).list_roles()["Roles"] == []


def open_group(deployed: Deployed, account: str, region: str, port: int) -> str:
    """A new group that lets everybody reach a port."""
    ec2 = deployed.client("ec2", account, region)
    group: str = ec2.create_security_group(GroupName=f"open-{port}", Description="for a test")["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    return group


def sns_event(notifications: list[dict[str, Any]]) -> dict[str, Any]:
    """Notifications as Lambda hands them to a function."""
    return {"Records": [{"EventSource": "aws:sns", "Sns": notification} for notification in notifications]}


def test_a_second_plan_changes_nothing(deployed: Deployed, terraform: Terraform) -> None:
    code, out = terraform.run("plan", "-detailed-exitcode", "-no-color", accepted=(0, 2))
    assert code == 0, out


def test_the_table_is_the_one_that_the_code_defines(deployed: Deployed) -> None:
    table = deployed.client("dynamodb").describe_table(TableName=TABLE)["Table"]

    def by_name(definitions: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
        return sorted(definitions, key=lambda definition: str(definition[key]))

    assert table["KeySchema"] == TABLE_DEFINITION["KeySchema"]
    assert by_name(table["AttributeDefinitions"], "AttributeName") == by_name(
        TABLE_DEFINITION["AttributeDefinitions"], "AttributeName"
    )
    indexes = [
        {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
        for index in table["LocalSecondaryIndexes"]
    ]
    assert by_name(indexes, "IndexName") == by_name(TABLE_DEFINITION["LocalSecondaryIndexes"], "IndexName")
    ttl = deployed.client("dynamodb").describe_time_to_live(TableName=TABLE)["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


def test_what_was_deployed_finds_the_open_groups_of_every_account(deployed: Deployed) -> None:
    expected = {
        (ACCOUNT, open_group(deployed, ACCOUNT, "eu-west-1", 22)),
        (SLAVES[0], open_group(deployed, SLAVES[0], "us-east-1", 3389)),
        (SLAVES[1], open_group(deployed, SLAVES[1], "eu-west-1", 5432)),
    }
    open_group(deployed, SLAVES[1], "us-east-1", 8080)  # not restricted
    queue = deployed.listen(SCANS)
    (function,) = scheduled_functions(deployed)

    assert deployed.invoke(function, {"source": "aws.events"}) == {"published": 6}

    notifications = deployed.heard(queue)
    assert len(notifications) == 6
    (follower,) = deployed.subscribed_functions(SCANS)
    for notification in notifications:
        deployed.invoke(follower, sns_event([notification]))
    items = deployed.client("dynamodb").scan(TableName=TABLE)["Items"]
    issues = {
        (item["account_id"]["S"], item["issue_id"]["S"]) for item in items if item["issue_id"]["S"].startswith("sg-")
    }
    assert expected <= issues
    assert {item["status"]["S"] for item in items if (item["account_id"]["S"], item["issue_id"]["S"]) in expected} == {
        "open"
    }
    assert issues - expected == set()


def scheduled_functions(deployed: Deployed) -> list[str]:
    """The functions that the schedule starts."""
    targets = deployed.client("events").list_targets_by_rule(Rule="hammer-initiate-security-groups")["Targets"]
    return [target["Arn"].rpartition(":")[2] for target in targets]


def test_an_inspector_finding_reaches_the_topic_less_what_is_expected(deployed: Deployed) -> None:
    queue = deployed.listen(FINDINGS)
    targets = deployed.client("events").list_targets_by_rule(Rule="hammer-filter-inspector-findings")["Targets"]
    (function,) = [target["Arn"].rpartition(":")[2] for target in targets]

    deployed.invoke(function, json.loads(INSPECTOR_EVENT.read_text("utf-8")))

    assert len(deployed.heard(queue)) == 1


def test_each_role_may_do_what_its_functions_did(deployed: Deployed) -> None:
    test_calls = deployed.calls()
    assert {call["role"].rpartition("/")[2] for call in test_calls} == {
        "hammer-cloudsec-master-id",
        "hammer-cloudsec-crossact-id",
    }
    policies = {role: deployed.policies_of(role) for role in {call["role"] for call in test_calls}}
    denied = [
        call
        for call in test_calls
        if not is_allowed(
            call_of(call["service"], call["operation"], call["params"], call["role"].split(":")[4], call["region"]),
            policies[call["role"]],
        )
    ]
    assert denied == []


@pytest.mark.parametrize("account", SLAVES)
def test_slave_roles_trust_one_role_each_and_ask_for_the_external_id(deployed: Deployed, account: str) -> None:
    roles = deployed.client("iam", account).list_roles()["Roles"]
    trust = {role["RoleName"]: role["AssumeRolePolicyDocument"]["Statement"] for role in roles}
    asks = {"StringEquals": {"sts:ExternalId": "change-this-shared-secret"}}
    assert trust == {
        name: [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{trusted}"},
                "Condition": asks,
            }
        ]
        for name, trusted in {
            "hammer-cloudsec-crossact-id": "hammer-cloudsec-master-id",
            "hammer-cloudsec-crossact-ec2": "hammer-cloudsec-master-ec2",
        }.items()
    }
