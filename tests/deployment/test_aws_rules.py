"""What AWS refuses, or does otherwise than an emulator, as rules about the Terraform code and the templates."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.test_terraform_code import BLOCKS, DEPLOYMENT

TEMPLATES = sorted((DEPLOYMENT / "cloudformation").glob("*.yaml"))
MAIN, SLAVE = "123456789012", "210987654321"
BUS = f"arn:aws:events:eu-west-1:{MAIN}:event-bus/hammer-events"
# A region of each partition that Hammer can be in, and one that is opted into.
REGIONS = ["eu-west-1", "us-gov-west-1", "cn-north-1", "af-south-1"]


def resources(type_: str) -> dict[str, Mapping[str, Any]]:
    """The resources of a type, by what names them."""
    return {where.partition(": ")[2]: body for where, kind, each, body in BLOCKS if (kind, each) == ("resource", type_)}


class _Loader(yaml.SafeLoader):
    """CloudFormation's YAML: a function is a map of its name and its argument."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {suffix: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _function)


class Stack:
    """A template with its parameters in an account."""

    def __init__(self, name: str, account: str, **given: str) -> None:
        text = (DEPLOYMENT / "cloudformation" / f"{name}.yaml").read_text("utf-8")
        self.template = yaml.load(text, _Loader)  # noqa: S506 - of the safe kind
        defaults = {key: said.get("Default") for key, said in self.template["Parameters"].items()}
        self.values = {
            **defaults,
            **given,
            "AWS::AccountId": account,
            "AWS::Partition": "aws",
            "AWS::Region": "eu-west-1",
        }

    def value(self, said: Any) -> Any:
        """What a value is, with its functions carried out."""
        if isinstance(said, list):
            return [self.value(each) for each in said]
        if not isinstance(said, dict):
            return said
        if len(said) != 1 or next(iter(said)) not in _FUNCTIONS:
            return {key: self.value(each) for key, each in said.items()}
        ((name, argument),) = said.items()
        return _FUNCTIONS[name](self, argument)

    def holds(self, condition: str) -> bool:
        return bool(self.value(self.template["Conditions"][condition]))

    def made(self, type_: str) -> dict[str, Any]:
        """The properties of the resources of a type that are made, by their logical ids."""
        return {
            name: self.value(body["Properties"])
            for name, body in self.template["Resources"].items()
            if body["Type"] == type_ and ("Condition" not in body or self.holds(body["Condition"]))
        }


_FUNCTIONS: dict[str, Any] = {
    "Ref": lambda stack, name: stack.values.get(name, name),
    "Sub": lambda stack, text: re.sub(r"\$\{([\w:]+)\}", lambda found: str(stack.values.get(found[1], found[1])), text),
    "Equals": lambda stack, pair: stack.value(pair[0]) == stack.value(pair[1]),
    "Not": lambda stack, said: not stack.value(said[0]),
    "And": lambda stack, said: all(stack.value(each) for each in said),
    "If": lambda stack, said: stack.value(said[1] if stack.holds(said[0]) else said[2]),
    "Condition": lambda stack, name: stack.holds(name),
    "Select": lambda stack, said: stack.value(said[1])[int(said[0])],
    "Split": lambda stack, said: stack.value(said[1]).split(said[0]),
    "GetAtt": lambda stack, name: name,
}


def test_no_template_hides_a_parameter_that_terraform_gives() -> None:
    """AWS gives a NoEcho parameter back as ****, so that every plan differs and every apply updates all accounts."""
    hidden = {
        (template.name, name)
        for template in TEMPLATES
        for name, said in yaml.load(template.read_text("utf-8"), _Loader)["Parameters"].items()  # noqa: S506
        if said.get("NoEcho")
    }
    assert hidden == set()


def test_a_stack_set_takes_more_than_one_operation_and_new_accounts_get_the_roles_first() -> None:
    sets = resources("aws_cloudformation_stack_set")
    assert sets.keys() == {"aws_cloudformation_stack_set.roles", "aws_cloudformation_stack_set.events"}
    for body in sets.values():
        assert str(body["managed_execution"][0]["active"]).lower() == "true"
        assert body["timeouts"]
    (dependent,) = sets["aws_cloudformation_stack_set.events"]["auto_deployment"]
    assert dependent["depends_on_stack_sets"] == ["${aws_cloudformation_stack_set.roles.arn}"]


def test_instances_of_stack_sets_go_on_after_a_failure_have_time_and_leave_the_main_account_out() -> None:
    instances = resources("aws_cloudformation_stack_set_instance")
    assert len(instances) == 2
    for body in instances.values():
        (preferences,) = body["operation_preferences"]
        assert preferences["failure_tolerance_percentage"] == preferences["max_concurrent_percentage"] == 100
        assert preferences["concurrency_mode"].strip('"') == "SOFT_FAILURE_TOLERANCE"
        assert {each.strip('"') for each in body["timeouts"][0].values()} == {"6h"}
        (targets,) = body["deployment_targets"]
        assert targets["account_filter_type"].strip('"') == "DIFFERENCE"
        assert targets["accounts"] == ["${var.main_account_id}"]
        assert targets["organizational_unit_ids"] in (["${each.value}"], ["${each.value.unit}"])


def test_in_the_main_account_no_rule_of_the_stack_set_has_the_name_of_terraforms() -> None:
    events = (DEPLOYMENT / "terraform" / "modules" / "events" / "main.tf").read_text("utf-8")
    (name,) = re.findall(r'"aws_cloudwatch_event_rule" "events" {(?:.*\n)+?  name += "(.*)"', events)
    patterns = set(re.findall(r'"([a-z-]+)" = (?:{|var)', events))
    terraform = {name.replace("${var.prefix}", "hammer").replace("${each.value.pattern}", each) for each in patterns}

    def rules(account: str) -> set[str]:
        stack = Stack("slave-events", account, EventBusArn=BUS, ForwardInspector="true", AlarmTopicName="alarms")
        return {body["Name"] for body in stack.made("AWS::Events::Rule").values()}

    assert rules(SLAVE) == terraform == {"hammer-security-group-events", "hammer-inspector-findings"}
    assert rules(MAIN) == set()


@pytest.mark.parametrize(("other", "detail"), [("false", {"type": ["NETWORK_REACHABILITY"]}), ("true", "AWS::NoValue")])
def test_findings_of_every_type_are_sent_only_where_that_is_asked_for(other: str, detail: object) -> None:
    stack = Stack("slave-events", SLAVE, EventBusArn=BUS, ForwardInspector="true", ForwardOtherFindings=other)
    (rule,) = [body for body in stack.made("AWS::Events::Rule").values() if "findings" in body["Name"]]
    assert rule["EventPattern"] == {
        "source": ["aws.inspector2"],
        "detail-type": ["Inspector2 Finding"],
        "detail": detail,
    }


def test_every_rule_of_the_stack_set_may_have_an_alarm() -> None:
    stack = Stack("slave-events", SLAVE, EventBusArn=BUS, ForwardInspector="true", AlarmTopicName="alarms")
    alarms = stack.made("AWS::CloudWatch::Alarm").values()
    assert {alarm["Dimensions"][0]["Value"] for alarm in alarms} == stack.made("AWS::Events::Rule").keys()
    assert {alarm["MetricName"] for alarm in alarms} == {"FailedInvocations"}
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms} == {(f"arn:aws:sns:eu-west-1:{SLAVE}:alarms",)}
    assert not Stack("slave-events", SLAVE, EventBusArn=BUS).made("AWS::CloudWatch::Alarm")


@pytest.mark.parametrize("external_id", ["", "an-id"])
def test_slaves_trust_roles_by_their_names_and_not_by_what_iam_calls_them(external_id: str) -> None:
    """A role in a principal is kept by its unique id: made again under its name, it is refused."""
    roles = Stack("slave-roles", SLAVE, MainAccountId=MAIN, ExternalId=external_id, EventBusArn=BUS).made(
        "AWS::IAM::Role"
    )
    trusted = {}
    for name, body in roles.items():
        (statement,) = body["AssumeRolePolicyDocument"]["Statement"]
        if name == "Events":
            assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": SLAVE}}
            continue
        assert statement["Principal"] == {"AWS": f"arn:aws:iam::{MAIN}:root"}
        trusted[name] = statement["Condition"]["ArnEquals"]["aws:PrincipalArn"]
        expected = {"sts:ExternalId": external_id} if external_id else "AWS::NoValue"
        assert statement["Condition"]["StringEquals"] == expected
    role = f"arn:aws:iam::{MAIN}:role/hammer-cloudsec-master"
    assert trusted == {"Identification": [f"{role}-id", f"{role}-filter"], "Reporting": [f"{role}-ec2"]}


@pytest.mark.parametrize(("given", "path"), [("", "/audit/"), ("/", "/"), ("/security/", "/security/")])
def test_the_role_for_reporting_has_a_path_of_its_own(given: str, path: str) -> None:
    stack = Stack("slave-roles", SLAVE, MainAccountId=MAIN, EventBusArn=BUS, IamPath="/audit/", ReportingIamPath=given)
    paths = {name: body["Path"] for name, body in stack.made("AWS::IAM::Role").items()}
    assert paths == {"Identification": "/audit/", "Reporting": path, "Events": "/audit/"}


def test_the_role_for_events_is_for_rules_of_its_own_account_alone() -> None:
    (role,) = [body for name, body in resources("aws_iam_role").items() if name == "aws_iam_role.events"]
    assert "aws:SourceAccount" in str(role["assume_role_policy"])


def test_eventbridge_may_use_the_key_without_a_condition() -> None:
    """It sends KMS no aws:SourceAccount (SNS Developer Guide, event sources of encrypted topics)."""
    text = (DEPLOYMENT / "terraform" / "modules" / "master" / "key.tf").read_text("utf-8")
    statements = re.findall(r"(?ms)^    \{\n      Sid.*?^    \},", text)
    of_events = [each for each in statements if "events.amazonaws.com" in each]
    assert len(statements) == 3
    assert len(of_events) == 1
    assert "Condition" not in of_events[0]


def test_the_key_goes_after_the_bucket_whose_backups_it_encrypts() -> None:
    """Of a bucket that refuses to be destroyed, because it holds backups, Terraform keeps only what it depends on.

    A key that waits for its deletion decrypts nothing.
    """
    assert "${aws_kms_key.hammer}" in resources("aws_s3_bucket")["aws_s3_bucket.hammer"]["depends_on"]


@pytest.mark.parametrize(("kind", "name"), [("aws_s3_bucket", "hammer"), ("aws_dynamodb_table", "issues")])
def test_secrets_go_after_what_refuses_to_be_destroyed(kind: str, name: str) -> None:
    """A secret keeps its name for 30 days: an apply after a `destroy` that was refused could not make it again."""
    assert "${aws_secretsmanager_secret.client}" in resources(kind)[f"{kind}.{name}"]["depends_on"]


def test_the_hosts_volume_is_as_large_as_the_image_says_unless_it_is_given() -> None:
    (template,) = resources("aws_launch_template").values()
    (ebs,) = template["block_device_mappings"][0]["ebs"]
    assert ebs["volume_size"] == "${each.value.volume_size}"
    variables = (DEPLOYMENT / "terraform" / "modules" / "master" / "variables.tf").read_text("utf-8")
    assert re.search(r"volume_size += optional\(number\) ", variables)


def test_the_host_may_ask_resolvers_of_its_owners() -> None:
    text = (DEPLOYMENT / "terraform" / "modules" / "master" / "host.tf").read_text("utf-8")
    assert '["tcp", "udp"] : { protocol = protocol, from_port = 53, to_port = 53' in text


def test_no_role_has_a_policy_of_aws_that_reads_every_parameter() -> None:
    attached = {
        str(body["policy_arn"]).rpartition("/")[2].strip('"')
        for body in resources("aws_iam_role_policy_attachment").values()
    }
    assert attached == {"AWSLambdaVPCAccessExecutionRole"}


def test_initiation_enters_no_account_and_the_filter_starts_no_scan() -> None:
    def actions(name: str) -> set[str]:
        statements = json.loads((DEPLOYMENT / "policies" / f"{name}.json").read_text("utf-8"))["Statement"]
        return {
            each
            for said in statements
            for each in ([said["Action"]] if isinstance(said["Action"], str) else said["Action"])
        }

    assert actions("initiation-in-main").isdisjoint({"sts:AssumeRole", "dynamodb:PutItem", "dynamodb:UpdateItem"})
    for name, topic in (("initiation-in-main", "describe-security-groups"), ("filter-in-main", "inspector-findings")):
        text = (DEPLOYMENT / "policies" / f"{name}.json").read_text("utf-8")
        assert re.findall(r":sns:.*\$\{prefix\}-([a-z-]+)", text) == [topic]


OF_A_FUNCTION = ("describe-security-groups", "receive-security-group-events")
OF_DEAD_LETTERS = (*OF_A_FUNCTION, "filter-inspector-findings", "immediate-remediation", "initiate-security-groups")


@pytest.mark.parametrize("file", sorted((DEPLOYMENT / "policies").glob("*.json")), ids=lambda file: file.stem)
def test_no_role_may_use_what_another_deployment_of_the_account_has(file: Path) -> None:
    """Names of the deployment `hammer-x` begin as those of the deployment `hammer` do."""
    queues = {f"-{name}{end}" for name in OF_DEAD_LETTERS for end in ("", "-dead-letters")}
    groups = {f"-{name}:log-stream:1" for name in (*OF_DEAD_LETTERS, "reporting-remediation")}
    named = re.findall(r'"arn:[^"]*:(?:sqs|sns|logs):[^"]*\$\{prefix\}([^"]*)"', file.read_text("utf-8"))
    theirs = [f"-x{name}" for name in (*queues, *groups, "-alarms", "-inspector-findings")]
    assert [(name, pattern) for name in theirs for pattern in named if fnmatchcase(name, pattern)] == []


@pytest.mark.parametrize(
    ("policy", "sid", "names"),
    [
        ("identification-in-main", "HandOverDeadLetters", OF_A_FUNCTION),
        ("identification-in-main", "WriteLogs", OF_A_FUNCTION),
        ("host-in-main", "CountDeadLetters", OF_DEAD_LETTERS),
    ],
)
def test_a_role_may_use_each_queue_and_log_group_of_its_own(policy: str, sid: str, names: tuple[str, ...]) -> None:
    statements = json.loads((DEPLOYMENT / "policies" / f"{policy}.json").read_text("utf-8"))["Statement"]
    (resources,) = [each["Resource"] for each in statements if each["Sid"] == sid]
    assert {re.findall(r"\$\{prefix\}-(.+?)(?:-dead-letters|:log-stream:\*)$", each)[0] for each in resources} == set(
        names
    )


def test_the_templates_are_right_in_every_partition() -> None:
    """One run for all regions: what is wrong in one of them names it."""
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--regions", *REGIONS, "--template"]
    done = subprocess.run([*command, *map(str, TEMPLATES)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_alarm_that_waits_for_runs_counts_only_hours_with_a_host() -> None:
    """Otherwise it would go off at every first deployment: the hours before it have no runs."""
    text = (DEPLOYMENT / "terraform" / "modules" / "master" / "alarms.tf").read_text("utf-8")
    (alarm,) = [body for name, body in resources("aws_cloudwatch_metric_alarm").items() if name.endswith(".hammer")]
    assert len(alarm["dynamic"]) == 3
    assert "IF(FILL(hosts, 0) > 0 AND FILL(runs, 0) < 1, 1, 0)" in text
    # Rows of the table end with a brace of their own.
    rows = [row for row in re.split(r"(?m)^ +\}", text) if '"breaching"' in row]
    assert len(rows) == 2
    assert [row for row in rows if "runs_metric" not in row] == []


def test_the_moved_alarms_are_those_that_there_are() -> None:
    folder = DEPLOYMENT / "terraform" / "modules" / "master"
    targets = re.findall(
        r'to   = aws_cloudwatch_metric_alarm.hammer\["([^"]+)"\]', (folder / "moved_alarms.tf").read_text("utf-8")
    )
    text = (folder / "alarms.tf").read_text("utf-8")
    kinds = set(re.findall(r'"([a-z-]+(?:/[a-z-]+)?)(?:/\$\{\w+\})?" =>? ', text)) | set(
        re.findall(r'^ +"([a-z-]+)" = \{', text, re.M)
    )
    assert len(targets) == len(set(targets)) == 21
    assert {target for target in targets if target not in kinds and target.partition("/")[0] not in kinds} == set()
