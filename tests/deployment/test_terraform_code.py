"""The shipped Terraform code and CloudFormation template, read as they are: format, arguments, policies."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml
from moto import mock_aws

from identification import cloudtrail
from library.aws.session import Sessions
from tests.deployment.iam import actions_of
from tests.deployment.old_provider import swapped
from tests.deployment.terraform import TERRAFORM_CODE, Terraform, cli_configuration, needs_terraform
from tests.permission_recorder import ROLES

DEPLOYMENT = TERRAFORM_CODE.parent
# The arguments and blocks that the AWS provider 6.62 takes, from its schema.
ARGUMENTS = DEPLOYMENT.parent / "tests" / "data" / "terraform-aws-6.62-arguments.json"
KNOWN = json.loads(ARGUMENTS.read_text("utf-8"))
# Of two resources that are not in it, what the provider's documentation has and Hammer uses (2026).
MORE = DEPLOYMENT.parent / "tests" / "data" / "terraform-aws-more-arguments.json"
KNOWN["resource"] |= json.loads(MORE.read_text("utf-8"))["resource"]
FILES = sorted(TERRAFORM_CODE.rglob("*.tf"))
# What Terraform itself takes in every resource.
META = {"count", "depends_on", "for_each", "lifecycle", "provider"}


def _plain(value: Any) -> Any:
    """What the parser gives, without its own quotes and notes."""
    if isinstance(value, dict):
        return {key.strip('"'): _plain(item) for key, item in value.items() if not key.startswith("__")}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def blocks() -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    """Every resource and data source: file and name, kind, type, body."""
    for file in FILES:
        parsed = _plain(hcl2.loads(file.read_text("utf-8")))
        for kind in ("resource", "data"):
            for block in parsed.get(kind, []):
                for type_, named in block.items():
                    for name, body in named.items():
                        yield f"{file.relative_to(TERRAFORM_CODE)}: {type_}.{name}", kind, type_, body


BLOCKS = list(blocks())


def unknown(body: Mapping[str, Any], known: Mapping[str, Any], where: str) -> Iterator[str]:
    """The arguments and blocks that the provider does not know, and those it asks for that are missing."""
    given: dict[str, Any] = {}
    for name, value in body.items():
        if name == "dynamic":
            for dynamic in value:
                given |= {label: content["content"] for label, content in dynamic.items()}
        else:
            given[name] = value
    for name, value in given.items():
        if name in META and name not in known:
            continue
        if name not in known:
            yield f"{where} has {name}"
        elif inner := known[name].get("block"):
            for block in value:
                yield from unknown(block, inner, f"{where}.{name}")
    yield from (f"{where} lacks {name}" for name, said in known.items() if said.get("required") and name not in given)


@pytest.mark.parametrize(("where", "kind", "type_", "body"), BLOCKS, ids=[block[0] for block in BLOCKS])
def test_the_current_provider_knows_every_argument(where: str, kind: str, type_: str, body: Mapping[str, Any]) -> None:
    assert type_ in KNOWN[kind], f"{where} is of a type that is not in the list"
    assert list(unknown(body, KNOWN[kind][type_], where)) == []


def test_the_check_sees_what_is_wrong() -> None:
    known = KNOWN["resource"]["aws_sqs_queue_policy"]
    assert list(unknown({"queue_url": "q", "polycy": "p", "lifecycle": []}, known, "x")) == [
        "x has polycy",
        "x lacks policy",
    ]
    rule = {"bucket": "b", "rule": [{"object_ownership": "x", "owner": "y"}]}
    assert list(unknown(rule, KNOWN["resource"]["aws_s3_bucket_ownership_controls"], "x")) == ["x.rule has owner"]


def test_many_blocks_are_checked() -> None:
    assert len(BLOCKS) >= 50


@needs_terraform
def test_every_queue_topic_and_bucket_refuses_what_comes_without_tls() -> None:
    policies = {
        where.partition(": ")[2]: str(body["policy"])
        for where, _, type_, body in BLOCKS
        if type_ in ("aws_sns_topic_policy", "aws_sqs_queue_policy", "aws_s3_bucket_policy")
    }
    assert len(policies) >= 4
    denied = re.compile(r'"?Deny"?.*"?aws:SecureTransport"? *[=:] *"false"', re.DOTALL)
    assert [name for name, policy in policies.items() if not denied.search(policy)] == []


def test_no_queue_starts_all_of_an_organizations_looks_at_once() -> None:
    mappings = [body for _, _, type_, body in BLOCKS if type_ == "aws_lambda_event_source_mapping"]
    assert mappings
    assert all(mapping["scaling_config"][0]["maximum_concurrency"] for mapping in mappings)


def test_the_principals_of_ec2_and_logs_are_those_of_the_partition() -> None:
    named = {
        line.strip()
        for file in FILES
        for line in file.read_text("utf-8").splitlines()
        if re.search(r'Service *= .*"(?:ec2|logs)\.', line)
    }
    assert len(named) == 2
    assert all("${local.dns_suffix}" in line for line in named)


@needs_terraform
def test_the_code_is_formatted() -> None:
    assert Terraform(TERRAFORM_CODE).run("fmt", "-check", "-recursive", "-diff") == (0, "")


@needs_terraform
@pytest.mark.parametrize("example", ["accounts/one-account", "accounts/organization"])
def test_each_example_is_valid(example: str, tmp_path: Path) -> None:
    code = tmp_path / "deployment" / "terraform"
    swapped(TERRAFORM_CODE, code)
    for data in ("policies", "cloudformation", "events"):
        shutil.copytree(DEPLOYMENT / data, code.parent / data)
    terraform = Terraform(code / example, {"TF_CLI_CONFIG_FILE": str(cli_configuration(tmp_path))})
    terraform.run("init", "-backend=false", "-no-color")
    assert "The configuration is valid" in terraform.run("validate", "-no-color")[1]


def test_the_templates_for_stacksets_pass_their_linter() -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--include-checks", "I", "--template"]
    done = subprocess.run(
        [*command, *map(str, sorted((DEPLOYMENT / "cloudformation").glob("*.yaml")))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


class _Template(yaml.SafeLoader):
    """CloudFormation's YAML: `!Sub text` is the text, any other function its argument."""


_Template.add_multi_constructor(
    "!",
    lambda loader, _, node: (
        loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else loader.construct_sequence(node, True)
    ),
)


def test_the_template_has_the_policies_that_terraform_deploys() -> None:
    text = (DEPLOYMENT / "cloudformation" / "slave-roles.yaml").read_text("utf-8")
    resources = yaml.load(text, _Template)["Resources"]  # noqa: S506 - a loader of safe kind
    names = {"${AWS::Partition}": "${partition}", "${AWS::AccountId}": "${account_id}"}

    def in_template(role: str) -> dict[str, Any]:
        policies = json.dumps(resources[role]["Properties"]["Policies"])
        for theirs, ours in names.items():
            policies = policies.replace(theirs, ours)
        return {policy["PolicyName"]: policy["PolicyDocument"] for policy in json.loads(policies)}

    def deployed(*policies: str) -> dict[str, Any]:
        return {name: json.loads((DEPLOYMENT / "policies" / f"{name}.json").read_text("utf-8")) for name in policies}

    assert in_template("Identification") == deployed("identification-in-account")
    assert in_template("Reporting") == deployed("reporting-in-account", "remediation-in-account")
    optional = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::IAM::RolePolicy"]
    assert len(optional) == 6
    for each in optional:
        document = json.dumps(each["PolicyDocument"])
        for theirs, ours in {**names, "${FlowLogGroup}": "${flow_log_group}"}.items():
            document = document.replace(theirs, ours)
        assert {each["PolicyName"]: json.loads(document)} == deployed(each["PolicyName"])


def test_the_policy_for_sources_allows_what_reads_stacks_and_what_the_documents_ask_for() -> None:
    source = DEPLOYMENT.parent / "library" / "source" / "cloudformation.py"
    called = re.findall(r'client\.(?:get_paginator\("(\w+)"\)|(\w+)\()', source.read_text("utf-8"))
    operations = {"".join(part.title() for part in (page or name).split("_")) for page, name in called}
    policies = [
        json.loads((DEPLOYMENT / "policies" / f"{name}.json").read_text("utf-8"))
        for name in ("identification-in-account", "source-in-account")
    ]
    allowed = actions_of(policies)
    read = {action.partition(":")[2] for action in allowed if action.startswith("cloudformation:")}
    # DescribeStackResources and DescribeStacks are called by a function that they are given to.
    assert operations | {"DescribeStackResources", "DescribeStacks"} == read
    asked = (DEPLOYMENT.parent / "docs" / "source.md").read_text("utf-8").partition("## Permissions")[2]
    assert set(re.findall(r"(?:cloudformation|ec2):\w+", asked)) <= allowed


# What the recorder of permissions has no calls for: those of the agent of Systems Manager, those with roles elsewhere,
# and what every role may have beside its own.
NOT_RECORDED = {"flow-log-readers-in-main", "own-organization-in-main", "session-manager-in-main", "table-key-in-main"}


@pytest.mark.parametrize(
    ("module", "block", "caller"),
    [
        pytest.param("master", r"    identification = \{.*?\n    \}", ("identification", "main"), id="identification"),
        pytest.param("master", r"    initiate = \{.*?\n    \}", ("initiation", "main"), id="initiation"),
        pytest.param("master", r"    filter = \{.*?\n    \}", ("filter", "main"), id="filter"),
        pytest.param("master", r'"aws_iam_role_policy" "host".*?\n\}', ("host", "main"), id="host"),
        pytest.param(
            "slave", r"\(var.role_name_identification\) = .*?\n    \}", ("identification", "slave"), id="slave"
        ),
        pytest.param("slave", r"\(var.role_name_reporting\) = .*?\n    \}", ("host", "slave"), id="host in slave"),
    ],
)
def test_calls_are_held_against_the_policies_that_terraform_gives_to_their_role(
    module: str, block: str, caller: tuple[str, str]
) -> None:
    file = TERRAFORM_CODE / "modules" / module / ("roles.tf" if module == "master" else "main.tf")
    (role,) = re.findall(f"(?s){block}", file.read_text("utf-8"))
    there_are = {policy.stem for policy in (DEPLOYMENT / "policies").glob("*.json")}
    assert set(re.findall(r'"([a-z-]+)"', role)) & there_are - NOT_RECORDED == set(ROLES[caller])


@pytest.mark.parametrize("policy", ["reporting-in-account", "source-in-account"])
def test_the_session_policy_of_reporting_leaves_all_that_only_reads(policy: str) -> None:
    def session_of_reporting(params: dict[str, Any], **_: Any) -> None:
        asked.append(params["Policy"])

    asked: list[str] = []
    main, slave = "123456789012", "210987654321"
    with mock_aws():
        sessions = Sessions(main, "eu-west-1", "reporting", read_only=True)
        sts = sessions.client("sts")
        sts.meta.events.register("provide-client-params.sts.AssumeRole", session_of_reporting)
        sessions.client("ec2", slave).describe_regions()
    allowed = actions_of([json.loads(asked[0])])
    needed = actions_of([json.loads((DEPLOYMENT / "policies" / f"{policy}.json").read_text("utf-8"))])
    assert [each for each in sorted(needed) if not any(fnmatchcase(each, pattern) for pattern in allowed)] == []


# AWS takes no narrower resource for these (Service Authorization Reference).
NO_RESOURCE = re.compile(
    r"(ec2|elasticloadbalancing):Describe\w+|autoscaling:DescribeTags|inspector:DescribeFindings"
    r"|organizations:(DescribeOrganization|ListAccounts)|sqs:ListQueues|cloudtrail:LookupEvents"
    r"|servicequotas:GetServiceQuota|ssmmessages:(Create|Open)(Control|Data)Channel"
)
READS = re.compile(r"\w+:(Describe|Get|List|BatchGet|Query)\w*")


@pytest.mark.parametrize("file", sorted((DEPLOYMENT / "policies").glob("*.json")), ids=lambda file: file.stem)
def test_a_policy_names_actions_one_by_one_and_resources_where_aws_allows_it(file: Path) -> None:
    text = file.read_text("utf-8")
    text = text.replace("${secrets}", '["arn:a-secret"]').replace("${reader_roles}", '["arn:a-role"]')
    document = json.loads(text)
    for statement in document["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not [action for action in actions if "*" in action]
        if statement["Resource"] == "*":
            assert [action for action in actions if not NO_RESOURCE.fullmatch(action)] == []
        # Lambda takes messages off the queues for the functions; nothing else is ever deleted.
        assert not [action for action in actions if "Delete" in action and action != "sqs:DeleteMessage"]


def test_in_a_slave_only_remediation_can_change_anything_and_only_ingress_rules() -> None:
    def changes(name: str) -> set[str]:
        document = json.loads((DEPLOYMENT / "policies" / f"{name}.json").read_text("utf-8"))
        actions: set[str] = set()
        for statement in document["Statement"]:
            given = statement["Action"]
            actions |= set(given if isinstance(given, list) else [given])
        return {action for action in actions if not READS.fullmatch(action)}

    assert changes("identification-in-account") == set()
    assert changes("reporting-in-account") == set()
    assert changes("remediation-in-account") == {
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:CreateTags",  # of rules that are being authorized, and no others
        "ec2:RevokeSecurityGroupIngress",
        "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
    }


def test_the_policy_for_a_laptop_allows_what_a_scan_reads() -> None:
    text = (DEPLOYMENT.parent / "docs" / "laptop-iam.md").read_text("utf-8")
    (policy,) = re.findall(r"(?s)```json\n(.*?)```", text)
    (statement,) = json.loads(policy)["Statement"]
    deployed = json.loads((DEPLOYMENT / "policies" / "identification-in-account.json").read_text("utf-8"))
    read = actions_of([deployed]) - {"inspector:DescribeFindings"}
    assert [
        each for each in sorted(read) if not any(fnmatchcase(each, allowed) for allowed in statement["Action"])
    ] == []


def test_the_gitlab_job_is_a_job() -> None:
    text = (DEPLOYMENT.parent / "docs" / "examples" / "gitlab-ci.yml").read_text("utf-8")
    (job,) = yaml.safe_load(text).values()
    assert job["script"][0] == 'pip install "$HAMMER_WHEEL"'
    assert all(command.startswith("hammer scan ") for command in job["script"][1:])


@pytest.mark.parametrize("file", sorted((DEPLOYMENT.parent / "docs" / "examples").glob("*.yaml")), ids=lambda f: f.name)
def test_the_workflows_are_workflows(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text("utf-8"))
    # YAML 1.1 reads the key `on` as true.
    assert workflow.keys() == {"name", True, "permissions", "jobs"}
    (job,) = workflow["jobs"].values()
    assert [step for step in job["steps"] if ("uses" in step) == ("run" in step)] == []
    commands = [step["run"] for step in job["steps"] if "run" in step]
    for command in commands:
        assert subprocess.run(["bash", "-n", "-c", command], check=False).returncode == 0
    assert commands[0] == 'pip install "$HAMMER_WHEEL"'
    assert any(command.startswith("hammer scan ") for command in commands[1:])


def test_the_template_for_events_has_the_pattern_that_terraform_deploys() -> None:
    calls = json.loads((DEPLOYMENT / "events" / "calls.json").read_text("utf-8"))
    text = (DEPLOYMENT / "cloudformation" / "slave-events.yaml").read_text("utf-8")
    pattern = yaml.load(text, _Template)["Resources"]["SecurityGroupEvents"]["Properties"]["EventPattern"]  # noqa: S506
    assert pattern == {
        "source": ["aws.ec2"],
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {"eventSource": ["ec2.amazonaws.com"], "errorCode": [{"exists": False}], "eventName": calls},
    }
    assert len(json.dumps(pattern)) < 2048  # EventBridge's limit
    # A call that the rules do not send is never heard of; one that the function ignores is sent for nothing.
    assert set(calls) == cloudtrail.GROUP_CALLS | cloudtrail.PREFIX_LIST_CALLS | cloudtrail.REACHABILITY_CALLS


def test_every_provider_of_an_example_tags_what_it_makes() -> None:
    for file in (TERRAFORM_CODE / "accounts").rglob("*.tf"):
        for provider in _plain(hcl2.loads(file.read_text("utf-8"))).get("provider", []):
            assert provider["aws"]["default_tags"] == [{"tags": "${local.tags}"}], file


def test_every_example_pins_the_version_of_the_provider_that_is_checked() -> None:
    version = re.search(r"terraform-aws-([\d.]+)-arguments", ARGUMENTS.name)
    assert version
    for account in (TERRAFORM_CODE / "accounts").iterdir():
        lock = (account / ".terraform.lock.hcl").read_text("utf-8")
        assert f'version     = "{version[1]}.0"' in lock, account
