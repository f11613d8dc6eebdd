"""Sources that a template does not hold as a literal or a parameter: pointed at by line, with what decides them."""

from __future__ import annotations

import pytest

from library.security_groups.exposure import Exposure
from library.security_groups.group import SecurityGroup
from library.source.cloudformation import ReadStack, StackReader
from library.source.find import TerraformFiles, locate
from library.source.location import Confidence, Edit, Found, Kind, RuleLocation
from library.source.template_source import Stack, StackResource, find_in_template
from tests.source_cases import stack_part

EXPOSED = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
REPLACEMENTS = ("10.0.0.0/8", "172.16.0.0/12")
GROUP = """Resources:
  SG:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: web
"""
HTTPS = "        - {IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 0.0.0.0/0}\n"
SSH = "        - {IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: "
LOOP = """Transform: AWS::LanguageExtensions
Resources:
  Fn::ForEach::Other:
    - Name
    - [Web, Db]
    - Topic${Name}: {Type: AWS::SNS::Topic}
  Fn::ForEach::Groups:
    - Name
    - [Web, Db]
    - SG${Name}:
        Type: AWS::EC2::SecurityGroup
        Properties:
          GroupDescription: web
          SecurityGroupIngress:
            - {IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 0.0.0.0/0}
"""
LOOP_OF_RULES = f"""Transform: AWS::LanguageExtensions
{GROUP}  Fn::ForEach::Rules:
    - Port
    - ["22", "3389"]
    - Rule${{Port}}:
        Type: AWS::EC2::SecurityGroupIngress
        Properties: {{GroupId: !Ref SG, IpProtocol: tcp, FromPort: !Ref Port, ToPort: !Ref Port, CidrIp: 0.0.0.0/0}}
"""


def found_in(text: str, logical_id: str = "SG", parameters: dict[str, str] | None = None) -> Found:
    stack = Stack("web", "eu-west-1", parameters or {})
    return find_in_template(stack, text, [stack_part(logical_id, [EXPOSED], ("tags",))], REPLACEMENTS)


@pytest.mark.parametrize(
    ("text", "logical_id", "note"),
    [
        (
            f"{GROUP}      SecurityGroupIngress:\n        Fn::Transform: {{Name: MakeRules}}\n",
            "SG",
            "line 7: Fn::Transform (MakeRules) decides it",
        ),
        (
            f"{GROUP}      SecurityGroupIngress:\n{HTTPS}        - !Transform {{Name: MakeRules}}\n",
            "SG",
            "line 8: Fn::Transform (MakeRules) decides it",
        ),
        (
            f"{GROUP}      Fn::Transform: {{Name: AWS::Include, Parameters: {{Location: s3://b/k}}}}\n",
            "SG",
            "line 6: Fn::Transform (AWS::Include) decides it",
        ),
        (
            GROUP.replace("    Type", "    Fn::Transform: {Name: MakeRules}\n    Type"),
            "SG",
            "line 3: Fn::Transform (MakeRules) decides it",
        ),
        (
            "Resources:\n  Net: {Type: 'My::Sg::Thing::MODULE'}\n  NetSG: {Type: 'My::Sg::Thing::MODULE'}\n",
            "NetSGGroup",
            "line 3: the module My::Sg::Thing::MODULE decides it",
        ),
        (LOOP, "SGWeb", "line 15: the loop Fn::ForEach::Groups decides it"),
        (LOOP_OF_RULES, "SG", "line 12: the loop Fn::ForEach::Rules decides it"),
        (
            f"Resources:\n  Fn::Transform: {{Name: AWS::Include}}\n{GROUP.partition(chr(10))[2]}",
            "SG",
            "line 2: Fn::Transform (AWS::Include) decides it",
        ),
        (f"Transform: [MakeRules]\n{GROUP}", "SG", "line 1: the macro MakeRules decides it"),
        (f"Transform: [MakeRules]\n{GROUP}", "Made", "line 1: the macro MakeRules decides it"),
    ],
    ids=[
        "a macro for all rules",
        "a macro for one rule",
        "an include beside other properties",
        "a macro for the resource",
        "a module",
        "a loop of groups",
        "a loop of rules",
        "an include among the resources",
        "a macro for the template",
        "a resource that a macro made",
    ],
)
def test_what_makes_rules_is_pointed_at(text: str, logical_id: str, note: str) -> None:
    found = found_in(text, logical_id)
    # The rule may be of another stack, which is asked first.
    assert found.rules == {}
    location = found.fallback[EXPOSED]
    assert (location.edit, location.note) == (Edit.POINTER, note)
    assert (location.location.kind, location.location.where) == (Kind.CLOUDFORMATION, f"web/{logical_id}")
    assert found.patches == {}


def test_a_template_that_shows_all_rules_makes_no_others() -> None:
    found = found_in(f"Transform: AWS::LanguageExtensions\n{GROUP}      SecurityGroupIngress:\n{HTTPS}")
    assert (found.rules, found.fallback) == ({}, {})


def rule_in(text: str, parameters: dict[str, str] | None = None) -> RuleLocation:
    return found_in(text, parameters=parameters).rules[EXPOSED]


@pytest.mark.parametrize(
    ("source", "decider"),
    [
        ("!Select [0, !Ref Cidrs]", "Fn::Select, with parameter Cidrs at line 2, decides it"),
        ('!Sub "${One}"', "Fn::Sub ${One}, with parameter One at line 3, decides it"),
        ("!Select [0, !Ref Stored]", "Fn::Select, with parameter Stored at line 5, decides it"),
        ("!Sub ['${One}', {}]", "Fn::Sub, with parameter One at line 3, decides it"),
        ("!Join ['/', [0.0.0.0, !Ref Bits]]", "Fn::Join, with parameter Bits at line 4, decides it"),
        ("!ImportValue {'Fn::Sub': '${One}-net'}", "Fn::ImportValue ${One}-net decides it: the stack that exports it"),
    ],
)
def test_a_function_is_named_with_its_parameters(source: str, decider: str) -> None:
    parameters = "Parameters:\n  Cidrs: {Type: CommaDelimitedList}\n  One: {Type: String}\n  Bits: {Type: String}\n"
    parameters += "  Stored: {Type: AWS::SSM::Parameter::Value<List<String>>}\n"
    given = {"Cidrs": "0.0.0.0/0,10.0.0.0/8", "One": "0.0.0.0/0", "Bits": "0", "Stored": "0.0.0.0/0,10.0.0.0/8"}
    found = rule_in(f"{parameters}{GROUP}      SecurityGroupIngress:\n{SSH}{source}}}\n", given)
    assert (found.edit, found.note) == (Edit.POINTER, f"line 12: {decider}")
    assert found.location.confidence is Confidence.EXACT or "ImportValue" in source


@pytest.mark.parametrize(
    "sign",
    [
        "  CDKMetadata: {Type: AWS::CDK::Metadata, Properties: {Analytics: 'v2:deflate64:x'}}\n",
        "Parameters:\n  BootstrapVersion:\n    Type: AWS::SSM::Parameter::Value<String>\n"
        "    Default: /cdk-bootstrap/hnb659fds/version\n",
    ],
    ids=["metadata", "bootstrap version"],
)
def test_cdk_is_known_without_construct_paths(sign: str) -> None:
    """`--path-metadata` may be off: the change belongs into the code all the same."""
    found = found_in(f"{GROUP}      SecurityGroupIngress:\n{SSH}0.0.0.0/0}}\n        - {{IpProtocol: '1'}}\n{sign}")
    assert found.group is not None
    assert (found.group.kind, found.group.where) == (Kind.OTHER, "web/SG")
    assert "made by CDK" in " ".join(found.group.evidence)
    assert (found.rules[EXPOSED].edit, found.rules[EXPOSED].location.kind) == (Edit.PATCH, Kind.OTHER)
    assert "the change belongs into the CDK code" in found.rules[EXPOSED].note


PORTS = "FromPort: !ImportValue Port, ToPort: !ImportValue Port"


def test_a_literal_whose_ports_are_not_known_is_pointed_at() -> None:
    """It may be a rule that exposes nothing, and the exposing one another that somebody added by hand."""
    text = f"{GROUP}      SecurityGroupIngress:\n        - {{IpProtocol: tcp, {PORTS}, CidrIp: 0.0.0.0/0}}\n"
    found = found_in(text)
    assert found.patches == {}
    assert found.rules[EXPOSED].edit is Edit.POINTER
    assert found.rules[EXPOSED].note == "line 7: the ports of a rule of SG: Fn::ImportValue decides it"


def test_a_literal_that_is_another_source_is_not_the_rule() -> None:
    text = f"{GROUP}      SecurityGroupIngress:\n        - {{IpProtocol: tcp, {PORTS}, CidrIp: 203.0.113.0/24}}\n"
    found = found_in(text)
    assert (found.rules, found.patches) == ({}, {})


class TwoStacks(StackReader):
    """The group's stack, in which a macro makes rules, and another, which may have the rule `sgr-1`."""

    def __init__(self, *, other: bool) -> None:
        super().__init__(None, "123456789012", "eu-west-1")
        self._other = other

    def tagged(self, tags: object) -> StackResource | None:
        return StackResource("web", "web", "SG")

    def physical_id(self, resource: StackResource) -> str | None:
        return None

    def resource_of(self, physical_id: str) -> StackResource | None:
        return StackResource("other", "other", "Rule") if self._other else None

    def read(self, resource: StackResource) -> ReadStack:
        text = f"{GROUP}      SecurityGroupIngress:\n        Fn::Transform: {{Name: MakeRules}}\n"
        rule = "{GroupId: sg-1, IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 0.0.0.0/0}"
        other = f"Resources:\n  Rule:\n    Type: AWS::EC2::SecurityGroupIngress\n    Properties: {rule}\n"
        return ReadStack(Stack(resource.stack_name, "eu-west-1"), other if resource.stack_id == "other" else text)


@pytest.mark.parametrize(("other", "where"), [(True, "other/Rule"), (False, "web/SG")])
def test_a_stack_that_has_the_rule_comes_before_a_macro_that_may_make_it(*, other: bool, where: str) -> None:
    group = SecurityGroup("sg-1", "web", "vpc-1", "web", {}, ())
    ids = {EXPOSED: "sgr-1"}
    stacks = TwoStacks(other=other)
    found = locate(group, [EXPOSED], REPLACEMENTS, stacks, lambda: ids, TerraformFiles())
    assert (found.rules[0].location.where, found.complete) == (where, True)


def test_a_group_that_its_template_does_not_have_any_more_is_of_no_stack() -> None:
    """It was taken out of the template and kept (`DeletionPolicy: Retain`), as when it moves to Terraform."""
    found = found_in("Resources:\n  Other: {Type: AWS::SNS::Topic}\n")
    assert found.group is not None
    assert found.group.kind is Kind.UNKNOWN
    assert found.group.evidence == ("tags", "the template of stack web has no resource SG any more")
    assert (found.rules, found.fallback) == ({}, {})


class Answers:
    """CloudFormation's client, which knows one resource."""

    def __init__(self, status: str) -> None:
        self._status = status

    def describe_stack_resources(self, **_: str) -> dict[str, list[dict[str, str]]]:
        known = {"StackId": "arn:web", "StackName": "web", "LogicalResourceId": "SG", "PhysicalResourceId": "sg-1"}
        return {"StackResources": [{**known, "ResourceStatus": self._status}]}


@pytest.mark.parametrize(
    ("status", "is_of_stack"), [("UPDATE_COMPLETE", True), ("DELETE_COMPLETE", False), ("DELETE_SKIPPED", False)]
)
def test_a_resource_that_the_stack_gave_up_is_of_no_stack(status: str, *, is_of_stack: bool) -> None:
    reader = StackReader(Answers(status), "123456789012", "eu-west-1")
    found = reader.resource_of("sg-1")
    assert found == (StackResource("arn:web", "web", "SG") if is_of_stack else None)


def test_a_source_that_an_anchor_elsewhere_holds_is_pointed_at() -> None:
    text = f"Metadata: {{Any: &any 0.0.0.0/0}}\n{GROUP}      SecurityGroupIngress:\n{SSH}*any}}\n"
    result = found_in(text)
    assert result.patches == {}
    assert result.rules[EXPOSED].edit is Edit.POINTER
    assert "its source is that of an anchor" in result.rules[EXPOSED].note


def test_of_a_parameter_it_is_said_which_egress_it_decides_too() -> None:
    text = (
        "Parameters:\n  From: {Type: String}\n"
        f"{GROUP}      SecurityGroupIngress:\n{SSH}!Ref From}}\n"
        "      SecurityGroupEgress:\n        - {IpProtocol: '-1', CidrIp: !Sub '${From}'}\n"
        "  Out:\n    Type: AWS::EC2::SecurityGroupEgress\n"
        "    Properties: {GroupId: !Ref SG, IpProtocol: tcp, FromPort: 1, ToPort: 2, CidrIp: !Ref From}\n"
        "  Topic:\n    Type: AWS::SNS::Topic\n    Properties: {TopicName: !Ref From}\n"
    )
    result = found_in(text, parameters={"From": "0.0.0.0/0"})
    assert result.rules[EXPOSED].edit is Edit.PARAMETER
    said = "it decides also an egress rule of SG at line 11, an egress rule of Out at line 14;"
    assert said in result.rules[EXPOSED].note


def test_of_a_parameter_it_is_said_what_else_it_decides() -> None:
    """A change of it may replace a network: of a stack set at once, without a change set to be looked at."""
    text = (
        "Parameters:\n  From: {Type: String}\nConditions:\n  Open: !Equals [!Ref From, 0.0.0.0/0]\n"
        f"{GROUP}      SecurityGroupIngress:\n{SSH}!Ref From}}\n"
        "  Net: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Sub '${From}'}}\n"
    )
    note = found_in(text, parameters={"From": "0.0.0.0/0"}).rules[EXPOSED].note
    assert "; it is used also by condition Open at line 4, a resource at line 12; its value now is" in note


def test_of_a_parameter_it_is_said_which_output_and_assertion_it_decides() -> None:
    """Other stacks import an output, and CloudFormation refuses a value that an assertion does."""
    text = (
        f"Parameters:\n  From: {{Type: String}}\n{GROUP}      SecurityGroupIngress:\n{SSH}!Ref From}}\n"
        "Outputs:\n  From: {Value: !Ref From, Export: {Name: from}}\n"
        "Rules:\n  Open: {Assertions: [{Assert: !Equals [!Ref From, 0.0.0.0/0]}]}\n"
    )
    note = found_in(text, parameters={"From": "0.0.0.0/0"}).rules[EXPOSED].note
    assert "; it is used also by an output at line 11, an assertion at line 13; its value now is" in note


@pytest.mark.parametrize(
    "source",
    ["!GetAtt Net.Outputs.From", '{"Fn::GetAtt": ["Net", "Outputs.From"]}', "{'Fn::GetAtt': Net.Outputs.From}"],
)
def test_an_output_of_a_nested_stack_is_named(source: str) -> None:
    note = found_in(f"{GROUP}      SecurityGroupIngress:\n{SSH}{source}}}\n").rules[EXPOSED].note
    assert note == "line 7: Fn::GetAtt Net.Outputs.From decides it"


def test_the_command_for_a_stack_set_does_not_name_the_region_of_the_instance() -> None:
    """A set is in a region of its own, and an instance may override its parameters."""
    text = f"Parameters:\n  From: {{Type: String}}\n{GROUP}      SecurityGroupIngress:\n{SSH}!Ref From}}\n"
    stack = Stack("StackSet-Base-1", "eu-west-1", {"From": "0.0.0.0/0"}, stack_set="Base")
    found = find_in_template(stack, text, [stack_part("SG", [EXPOSED], ("tags",))], REPLACEMENTS)
    assert found.commands == [
        "aws cloudformation update-stack-set --stack-set-name Base --use-previous-template "
        "--parameters ParameterKey=From,ParameterValue=10.0.0.0/8"
    ]
    for said in ("update-stack-instances", "--administration-role-arn", "--execution-role-name", "--call-as"):
        assert said in found.rules[EXPOSED].note  # nobody can tell from an instance whether the set has them


@pytest.mark.parametrize(
    "resources",
    [
        f"{GROUP}  Rule: *rule\n",
        f"{GROUP}  Rule: {{Type: AWS::EC2::SecurityGroupIngress, Properties: *properties}}\n",
        "Resources: {SG: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: web}}, Rule: *rule}\n",
        "Resources: {SG: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: web}},"
        " Rule: {Type: AWS::EC2::SecurityGroupIngress, Properties: *properties}}\n",
        f"{GROUP}  <<: {{Rule: *rule}}\n",
    ],
    ids=["a resource", "properties", "a resource in brackets", "properties in brackets", "a merge key"],
)
def test_a_rule_whose_resource_is_that_of_an_anchor_is_pointed_at(resources: str) -> None:
    """What would be repeated stands elsewhere, where the text between is another."""
    metadata = (
        "Metadata:\n  Rule: &rule\n    Type: AWS::EC2::SecurityGroupIngress\n    Properties: &properties\n"
        "      {GroupId: !Ref SG, IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 0.0.0.0/0}\n"
    )
    result = found_in(metadata + resources)
    assert (result.patches, result.rules[EXPOSED].edit) == ({}, Edit.POINTER)
    assert result.rules[EXPOSED].note.startswith("line 5: ")
