"""A group and its stacks as CloudFormation tells of them: nested, of a set, in any state, with what moved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from library.security_groups.exposure import Exposure
from library.security_groups.group import SecurityGroup
from library.source.cloudformation import StackReader
from library.source.find import TerraformFiles, locate
from library.source.location import Edit, Kind, SourceReport

SSH = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
RDP = SSH._replace(from_port=3389, to_port=3389)
TEMPLATE = """Parameters:
  From: {Type: String, Default: 0.0.0.0/0}
Resources:
  Web:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: web
      SecurityGroupIngress:
        - {IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 0.0.0.0/0}
"""
BY_PARAMETER = TEMPLATE.replace("CidrIp: 0.0.0.0/0", "CidrIp: !Ref From")


@dataclass
class OneStack:
    """A stack. `resources`: the physical ids by the logical ones; `given_up`: those it has no longer."""

    template: str = TEMPLATE
    resources: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=lambda: {"From": "0.0.0.0/0"})
    status: str = "UPDATE_COMPLETE"
    parent: str = ""
    capabilities: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()

    @property
    def held(self) -> list[str]:
        """The physical ids that it has."""
        return [each for name, each in self.resources.items() if name not in self.given_up]


class Client:
    """CloudFormation's client, with some stacks whose ids are their names."""

    def __init__(self, stacks: dict[str, OneStack], *, denied: str = "") -> None:
        self._stacks = stacks
        self._denied = denied
        self.meta = self
        self.events = self

    def unregister(self, *_: object) -> None:
        """No answer is parsed here."""

    def _stack(self, action: str, name: str) -> OneStack:
        if action == self._denied:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, action)
        if name not in self._stacks:
            message = f"Stack with id {name} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, action)
        return self._stacks[name]

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        stack = self._stack("DescribeStacks", StackName)
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in stack.parameters.items()]
        names = {"StackName": StackName, "StackId": StackName, "StackStatus": stack.status}
        parent = {"ParentId": stack.parent} if stack.parent else {}
        return {"Stacks": [{**names, **parent, "Parameters": given, "Capabilities": list(stack.capabilities)}]}

    def describe_stack_resources(
        self,
        StackName: str = "",  # noqa: N803
        LogicalResourceId: str = "",  # noqa: N803
        PhysicalResourceId: str = "",  # noqa: N803
    ) -> dict[str, Any]:
        held = (name for name, stack in self._stacks.items() if PhysicalResourceId in stack.held)
        name = StackName or next(held, PhysicalResourceId)
        stack = self._stack("DescribeStackResources", name)
        return {
            "StackResources": [
                {
                    "StackName": name,
                    "StackId": name,
                    "LogicalResourceId": logical,
                    "PhysicalResourceId": physical,
                    "ResourceStatus": "DELETE_SKIPPED" if logical in stack.given_up else "UPDATE_COMPLETE",
                }
                for logical, physical in stack.resources.items()
                if LogicalResourceId in ("", logical)
            ]
        }

    def get_template(self, StackName: str, TemplateStage: str) -> dict[str, str]:  # noqa: N803
        assert TemplateStage == "Original"
        return {"TemplateBody": self._stack("GetTemplate", StackName).template}


def report(stacks: dict[str, OneStack], *, denied: str = "", exposures: tuple[Exposure, ...] = (SSH,)) -> SourceReport:
    tags = {"aws:cloudformation:stack-id": "network", "aws:cloudformation:logical-id": "Web"}
    group = SecurityGroup("sg-1", "web", "vpc-1", "web", tags, ())
    reader = StackReader(Client(stacks, denied=denied), "123456789012", "eu-west-1")
    ids = {SSH: "sgr-1", RDP: "sgr-2"}
    return locate(group, exposures, ("10.0.0.0/8", "172.16.0.0/12"), reader, lambda: ids, TerraformFiles())


def test_a_group_that_was_replaced_and_kept_is_of_no_stack() -> None:
    """`UpdateReplacePolicy: Retain` keeps it with its tags; the patch would be of the group that replaced it."""
    found = report({"network": OneStack(resources={"Web": "sg-2"})})
    assert (found.group.kind, found.rules[0].edit, found.diff) == (Kind.UNKNOWN, Edit.NONE, "")
    assert found.group.evidence == ("its tags name network/Web, which is sg-2 now",)


def test_a_group_that_was_imported_into_another_stack_is_of_that_one() -> None:
    stacks = {"network": OneStack(resources={"Web": "sg-2"}), "web": OneStack(resources={"Web": "sg-1"})}
    found = report(stacks)
    assert (found.group.where, found.rules[0].location.where) == ("web/Web", "web/Web")
    assert "+++ b/web\n" in found.diff


@pytest.mark.parametrize("resources", [{}, {"Web": "sg-1"}], ids=["taken out", "listed as given up"])
def test_a_group_that_moved_to_another_stack_is_of_that_one(resources: dict[str, str]) -> None:
    """By stack refactoring, or taken out, kept and imported: its tags may be those of the stack that made it."""
    left = OneStack("Resources:\n  Topic: {Type: AWS::SNS::Topic}\n", resources, given_up=("Web",))
    found = report({"network": left, "web": OneStack(resources={"Web": "sg-1"})})
    assert (found.group.where, found.rules[0].location.where) == ("web/Web", "web/Web")
    assert "+++ b/web\n" in found.diff
    alone = report({"network": left}).group
    assert (alone.kind, alone.evidence[1]) == (
        Kind.UNKNOWN,
        "the template of stack network has no resource Web any more",
    )


@pytest.mark.parametrize(
    ("physical_id", "denied"),
    [("sg-1", ""), ("network-Web-1ABCDEFGHIJK", ""), ("sg-2", "DescribeStackResources")],
    ids=["it is the group", "its name, where it has no VPC", "not told"],
)
def test_a_group_is_where_its_tags_say_unless_another_is_there(physical_id: str, denied: str) -> None:
    found = report({"network": OneStack(resources={"Web": physical_id})}, denied=denied)
    assert (found.group.where, found.rules[0].edit) == ("network/Web", Edit.PATCH)


PARENT = """Resources:
  Network:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: https://example.com/network.yaml
"""
INSTANCE = "StackSet-base-01234567-89ab-4cde-8f01-23456789abcd"


def nested(template: str = TEMPLATE, *, root: str = "root", parent: str = PARENT, status: str = "") -> SourceReport:
    """Of the stack `network` in another one."""
    above = OneStack(parent, {"Network": "network"}, status=status or "UPDATE_COMPLETE")
    return report({"network": OneStack(template, {"Web": "sg-1"}, parent=root), root: above})


def test_a_stack_in_an_instance_of_a_stack_set_is_of_the_set() -> None:
    found = nested(root=INSTANCE)
    assert f"stack {INSTANCE} is an instance of the stack set base: change the set" in found.group.evidence
    said = "The stack set base makes a group in each of its accounts and regions: this changes all."
    assert (found.before_diff, found.rules[0].note) == ((said,), said)
    assert (found.rules[0].edit, found.commands) == (Edit.PATCH, ())


@pytest.mark.parametrize(
    ("status", "is_named"),
    [
        ("UPDATE_ROLLBACK_FAILED", True),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", True),
        ("REVIEW_IN_PROGRESS", True),
        ("ROLLBACK_COMPLETE", True),
        ("DELETE_FAILED", True),
        ("UPDATE_ROLLBACK_COMPLETE", False),
        ("IMPORT_ROLLBACK_COMPLETE", False),
        ("UPDATE_FAILED", False),
    ],
)
def test_a_stack_that_takes_no_change_now_is_named(status: str, *, is_named: bool) -> None:
    alone = report({"network": OneStack(resources={"Web": "sg-1"}, status=status)})
    for name, found in (("network", alone), ("root", nested(status=status))):
        said = f"stack {name} is in status {status}: it takes no change now"
        assert (said in found.group.evidence) is is_named


@pytest.mark.parametrize(
    "template",
    [
        "Transform: {Name: AWS::Include, Parameters: {Location: s3://b/k}}\n" + BY_PARAMETER,
        BY_PARAMETER.replace("Resources:", "  Fn::Transform: {Name: AWS::Include}\nResources:"),
    ],
    ids=["into the template", "into its parameters"],
)
def test_the_command_keeps_parameters_that_are_included(template: str) -> None:
    """One that is left out gets its default again."""
    parameters = {"From": "0.0.0.0/0", "Size": "large"}
    stack = OneStack(template, {"Web": "sg-1"}, parameters, capabilities=("CAPABILITY_AUTO_EXPAND",))
    assert report({"network": stack}).commands == (
        "aws cloudformation create-change-set --stack-name network --change-set-name hammer-narrow-sources "
        "--region eu-west-1 --use-previous-template --parameters ParameterKey=From,ParameterValue=10.0.0.0/8 "
        "ParameterKey=Size,UsePreviousValue=true --capabilities CAPABILITY_AUTO_EXPAND",
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("      Parameters: {From: 0.0.0.0/0}\n", "line 6 of its template"),
        ("      Parameters: {Other: x}\n", "line 2 of its template, which leaves it to its default"),
        ("", "line 2 of its template, which leaves it to its default"),
    ],
)
def test_a_parameter_of_a_nested_stack_is_pointed_at_in_the_one_above(given: str, said: str) -> None:
    found = nested(BY_PARAMETER, parent=PARENT + given).rules[0]
    assert found.edit is Edit.POINTER
    assert found.note.endswith(f"; it is given by the parent: stack root, resource Network, {said}")


@pytest.mark.parametrize(
    "parent",
    [
        PARENT + "      Parameters: !If [Open, {From: 0.0.0.0/0}, {}]\n",
        PARENT + "      Parameters:\n        Fn::If: [Open, {From: 0.0.0.0/0}, {}]\n",
        PARENT + "      Parameters:\n        Fn::Transform: {Name: AWS::Include}\n",
        PARENT + "      Fn::Transform: {Name: AWS::Include}\n",
        PARENT.partition("\n      ")[0] + " !Transform {Name: AWS::Include}\n",
    ],
)
def test_what_a_function_gives_a_nested_stack_is_not_said_to_be_a_default(parent: str) -> None:
    note = nested(BY_PARAMETER, parent=parent).rules[0].note
    assert note.endswith("; it is given by the parent: stack root gives it to the nested stack network")


def rule(name: str, port: int, source: str, group: str = "!ImportValue web") -> str:
    return (
        f"  {name}:\n    Type: AWS::EC2::SecurityGroupIngress\n    Properties:\n      GroupId: {group}\n"
        f"      IpProtocol: tcp\n      FromPort: {port}\n      ToPort: {port}\n      CidrIp: {source}\n"
    )


WEB = TEMPLATE.partition("      SecurityGroupIngress")[0]
BOTH = {"Ssh": "sgr-1", "Rdp": "sgr-2"}
OPEN = {"A": "0.0.0.0/0", "B": "0.0.0.0/0"}


def sources_after(found: SourceReport) -> list[str]:
    return [
        line.split()[-1].rstrip("}") for line in found.diff.splitlines() if line.startswith("+ ") and "CidrIp" in line
    ]


def test_several_rules_of_another_stack_are_in_one_patch() -> None:
    text = "Resources:\n" + rule("Ssh", 22, "0.0.0.0/0") + rule("Rdp", 3389, "0.0.0.0/0")
    stacks = {"network": OneStack(WEB, {"Web": "sg-1"}), "rules": OneStack(text, BOTH)}
    found = report(stacks, exposures=(SSH, RDP))
    assert [(each.location.where, each.edit) for each in found.rules] == [
        ("rules/Ssh", Edit.PATCH),
        ("rules/Rdp", Edit.PATCH),
    ]
    assert sources_after(found) == ["10.0.0.0/8", "172.16.0.0/12"] * 2


def test_several_parameters_of_another_stack_are_in_one_command() -> None:
    head = "Parameters:\n  A: {Type: String}\n  B: {Type: String}\nResources:\n"
    text = head + rule("Ssh", 22, "!Ref A") + rule("Rdp", 3389, "!Ref B")
    stacks = {"network": OneStack(WEB, {"Web": "sg-1"}), "rules": OneStack(text, BOTH, OPEN)}
    found = report(stacks, exposures=(SSH, RDP))
    (command,) = found.commands
    assert command.endswith("ParameterKey=A,ParameterValue=10.0.0.0/8 ParameterKey=B,ParameterValue=10.0.0.0/8")


def test_a_rule_of_the_group_s_stack_that_is_found_by_its_id_is_in_the_same_patch() -> None:
    """The template does not tell that its rule resource is of its group."""
    text = TEMPLATE + rule("Rdp", 3389, "0.0.0.0/0")
    found = report({"network": OneStack(text, {"Web": "sg-1", "Rdp": "sgr-2"})}, exposures=(SSH, RDP))
    assert [(each.location.where, each.edit) for each in found.rules] == [
        ("network/Web", Edit.PATCH),
        ("network/Rdp", Edit.PATCH),
    ]
    assert sources_after(found) == ["10.0.0.0/8", "172.16.0.0/12"] * 2


@pytest.mark.parametrize("source", ["!Ref Secret", "!ImportValue office"])
def test_a_rule_of_another_stack_comes_before_one_that_may_be_it(source: str) -> None:
    """The group's stack may give that port to a private source: its parameter is not to be changed."""
    text = TEMPLATE.replace("CidrIp: 0.0.0.0/0", f"CidrIp: {source}")
    text = text.replace("Resources:", "  Secret: {Type: String, NoEcho: true}\nResources:")
    own = OneStack(text, {"Web": "sg-1"}, {"From": "x", "Secret": "****"})
    other = OneStack("Resources:\n" + rule("Ssh", 22, "0.0.0.0/0"), {"Ssh": "sgr-1"})
    found = report({"network": own, "rules": other})
    assert (found.group.where, found.rules[0].location.where) == ("network/Web", "rules/Ssh")
    assert (found.rules[0].edit, found.commands) == (Edit.PATCH, ())
    assert report({"network": own}).rules[0].location.where == "network/Web"


def test_rules_of_the_group_s_stack_are_named_where_its_template_is_denied() -> None:
    found = report({"network": OneStack(resources={"Web": "sg-1", "Ssh": "sgr-1"})}, denied="GetTemplate")
    assert (found.group.where, found.rules[0].location.where) == ("network/Web", "network/Ssh")
    assert (found.rules[0].edit, found.rules[0].note) == (Edit.NONE, "its template could not be read")
