"""What a CloudFormation template would make, judged before it exists, and the formats for pipelines."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from hammer.formats import Format, render
from hammer.formats.markdown_format import code
from hammer.listing.issue import Listing, default_context
from hammer.planned import Judge, scan_template_file
from library.jobs.command_line import WrongUsageError
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exposure import Evaluator

NOW = datetime(2026, 11, 29, tzinfo=UTC)
HEAD = """\
Parameters:
  From: {Type: String, Default: 192.168.1.0/0}
  Many: {Type: CommaDelimitedList, Default: "10.0.0.0/8, 8.8.8.0/24"}
  Secret: {Type: String, NoEcho: true, Default: 0.0.0.0/0}
  Stored: {Type: "AWS::SSM::Parameter::Value<String>", Default: /net/open}
Conditions:
  IsOpen: !Equals [!Ref From, 192.168.1.0/0]
  IsClosed: !Not [!Condition IsOpen]
  InEurope: !Equals [!Ref "AWS::Region", eu-west-1]
Mappings:
  Net: {any: {cidr: 0.0.0.0/0}}
Resources:
  List:
    Type: AWS::EC2::PrefixList
    Properties: {Entries: [{Cidr: 8.8.8.0/24}]}
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Public: {Type: AWS::EC2::Subnet, Properties: {CidrBlock: 8.8.8.0/24}}
  Own: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !GetAtt Own.CidrBlock}}
  Web:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: web
      SecurityGroupIngress:
        - {IpProtocol: tcp, FromPort: %s, ToPort: 22, %s}
"""


JUDGE = Judge(Evaluator(PortSet.parse([22]), AddressSet()), default_context(date(2026, 11, 29)))


def judged(folder: Path, text: str, *parameters: str) -> Listing:
    path = folder / "template.yaml"
    path.write_text(text)
    return scan_template_file(str(path), parameters, JUDGE, (), NOW)


def rule_resource(values: str) -> str:
    """A rule that is a resource of its own."""
    return f"  Rule: {{Type: AWS::EC2::SecurityGroupIngress, Properties: {{{values}}}}}\n"


def exposed(listing: Listing) -> list[str]:
    return [perm.cidr for issue in listing.issues for perm in issue.details.perms]


@pytest.mark.parametrize(
    ("source", "cidrs"),
    [
        ("CidrIp: !Ref From", ["0.0.0.0/0"]),
        ('CidrIp: !Sub "${From}"', ["0.0.0.0/0"]),
        ("CidrIp: !Select [1, !Ref Many]", ["8.8.8.0/24"]),
        ('CidrIp: !Select [0, !Split ["|", "8.8.4.0/24|x"]]', ["8.8.4.0/24"]),
        ('CidrIp: !Join ["/", [8.8.8.0, 24]]', ["8.8.8.0/24"]),
        ("CidrIp: !FindInMap [Net, any, cidr]", ["0.0.0.0/0"]),
        ("CidrIp: !If [IsOpen, 0.0.0.0/0, 10.0.0.0/8]", ["0.0.0.0/0"]),
        ("CidrIp: !If [IsClosed, 0.0.0.0/0, 10.0.0.0/8]", []),
        ('CidrIp: !If [IsClosed, 0.0.0.0/0, !Ref "AWS::NoValue"]', []),
        ('CidrIpv6: "0000:0000:0000:0000:0000:0000:0000:0000/0"', ["::/0"]),
        ("CidrIp: !FindInMap [Net, other, cidr, {DefaultValue: 8.8.8.0/24}]", ["8.8.8.0/24"]),
        ("CidrIp: !FindInMap [Net, any, cidr, {DefaultValue: 8.8.8.0/24}]", ["0.0.0.0/0"]),
        ("CidrIp: !GetAtt Vpc.CidrBlock", []),
        ("CidrIp: !GetAtt Public.CidrBlock", ["8.8.8.0/24"]),
        ('CidrIp: !Sub "${Public.CidrBlock}"', ["8.8.8.0/24"]),
        ("SourcePrefixListId: !Ref List", ["8.8.8.0/24"]),
        ('SourcePrefixListId: !Sub "${List.PrefixListId}"', ["8.8.8.0/24"]),
        ("SourceSecurityGroupId: !ImportValue other", []),
    ],
)
def test_what_the_template_tells_is_judged(tmp_path: Path, source: str, cidrs: list[str]) -> None:
    listing = judged(tmp_path, HEAD % (22, source))
    assert exposed(listing) == cidrs
    assert listing.failed == ()


@pytest.mark.parametrize(
    "source",
    [
        "CidrIp: !ImportValue open",
        'CidrIp: "{{resolve:ssm:/net/open}}"',
        "CidrIp: !Ref Stored",
        "CidrIp: !Ref Secret",
        "CidrIp: !If [InEurope, 0.0.0.0/0, 10.0.0.0/8]",
        "SourcePrefixListId: pl-1",
        "CidrIp: !GetAtt Own.CidrBlock",
        'CidrIp: !Sub "${Own.Ipv6CidrBlocks}/8"',
        "CidrIp: !FindInMap [Net, other, cidr, {Default: 0.0.0.0/0}]",
        "CidrIp: !Select [!Ref From, [a]]",
    ],
)
def test_what_it_does_not_tell_is_a_failure_unless_the_port_is_harmless(tmp_path: Path, source: str) -> None:
    listing = judged(tmp_path, HEAD % (22, source))
    assert exposed(listing) == []
    assert len(listing.failed) == 1
    harmless = judged(tmp_path, (HEAD % (443, source)).replace("ToPort: 22", "ToPort: 443"))
    assert harmless.failed == ()


def test_parameters_are_given_or_wrong(tmp_path: Path) -> None:
    text = HEAD % (22, "CidrIp: !Ref From")
    assert exposed(judged(tmp_path, text, "From=10.0.0.0/8")) == []
    for wrong in ("From", "Other=1"):
        with pytest.raises(WrongUsageError):
            judged(tmp_path, text, wrong)
    with pytest.raises(WrongUsageError, match="From"):
        judged(tmp_path, text.replace("Type: String, Default: 192.168.1.0/0", "Type: String"))


def test_json_escapes_a_sign_as_two_surrogates(tmp_path: Path) -> None:
    """As Python's json and troposphere write an emoji, which is no escape of YAML's."""
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}
    properties = {"GroupDescription": "🚀", "GroupName": "web 🚀", "SecurityGroupIngress": [rule]}
    text = json.dumps({"Resources": {"Web": {"Type": "AWS::EC2::SecurityGroup", "Properties": properties}}})
    assert "\\ud83d\\ude80" in text
    assert [issue.details.name for issue in judged(tmp_path, text).issues] == ["web 🚀"]


@pytest.mark.parametrize("text", ["", "[]", "a: b", "{", "a: 1\n---\nResources: {}\n", "Resources: 1"])
def test_other_documents_are_no_template(tmp_path: Path, text: str) -> None:
    with pytest.raises(WrongUsageError, match="no template"):
        judged(tmp_path, text)


def test_anchors_that_stand_for_billions_are_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(WrongUsageError, match="no template"):
        judged(tmp_path, "\n".join([*lines, "Resources: {}"]))


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("Transform: MyMacro\n", "the macro MyMacro may change the template"),
        (
            "  Child: {Type: AWS::CloudFormation::Stack}\n",
            "Child is a nested stack, whose template is another: judge that by itself",
        ),
        (
            "  Set: {Type: AWS::CloudFormation::StackSet}\n",
            "Set is a stack set, whose template is another: judge that by itself",
        ),
        (
            "  App: {Type: AWS::Serverless::Application}\n",
            "App is a nested application, whose template is another: judge that by itself",
        ),
        ("Fn::Transform: {Name: AWS::Include}\n", "Fn::Transform makes a part of the template"),
        ("  Mod: {Type: My::Own::Thing::MODULE}\n", "Mod is a module, whose resources are elsewhere"),
        ("  Fn::ForEach::All: [x, [a], {}]\n", "Fn::ForEach::All makes resources that cannot be evaluated here"),
    ],
)
def test_what_makes_resources_elsewhere_is_named(tmp_path: Path, part: str, reason: str) -> None:
    text = HEAD % (22, "CidrIp: 10.0.0.0/8")
    text = text + part if part.startswith(" ") else part + text
    assert [row.reason for row in judged(tmp_path, text).failed] == [reason]


def test_what_makes_resources_elsewhere_is_not_named_where_its_condition_is_false(tmp_path: Path) -> None:
    part = "  Child: {Type: AWS::CloudFormation::Stack, Condition: IsClosed}\n"
    assert judged(tmp_path, HEAD % (22, "CidrIp: 10.0.0.0/8") + part).failed == ()


@pytest.mark.parametrize(
    ("default", "compared", "is_open"),
    [
        pytest.param("True", '"true"', True, id="without quotes it is true"),
        pytest.param('"True"', '"true"', False, id="with quotes it is not"),
        pytest.param("yes", '"true"', True, id="a boolean of YAML 1.1"),
        pytest.param("yes", '"yes"', True, id="or a text"),
        pytest.param("no", '"true"', False, id="but not the other one"),
        pytest.param("1.1", "1.10", True, id="a number without quotes loses its zeros"),
        pytest.param("8", "010", True, id="an octal number of YAML 1.1"),
        pytest.param("1", "0", False, id="but another number is another"),
        pytest.param('"012345678901"', '"123456789012"', False, id="ids of accounts"),
    ],
)
def test_booleans_and_numbers_of_conditions(tmp_path: Path, default: str, compared: str, *, is_open: bool) -> None:
    text = (HEAD % (22, "CidrIp: !If [Flagged, 0.0.0.0/0, 10.0.0.0/8]")).replace(
        "Conditions:",
        f"  Flag: {{Type: String, Default: {default}}}\nConditions:\n  Flagged: !Equals [!Ref Flag, {compared}]",
    )
    listing = judged(tmp_path, text)
    assert bool(exposed(listing) or listing.failed) is is_open


def test_a_default_does_not_stand_for_what_a_macro_may_put_into_a_mapping(tmp_path: Path) -> None:
    source = "CidrIp: !FindInMap [%s, any, other, {DefaultValue: 10.0.0.0/8}]"
    text = (HEAD % (22, source % "Net")).replace("{any: {cidr", "{'Fn::Transform': {Name: AWS::Include}, any: {cidr")
    assert (exposed(judged(tmp_path, text)), judged(tmp_path, text).failed) == ([], ())
    for of in (
        "Net: {any: {'Fn::Transform': {Name: AWS::Include},",
        "'Fn::Transform': {Name: AWS::Include}\n  N: {any: {",
    ):
        text = (HEAD % (22, source % "Net")).replace("Net: {any: {", of)
        assert [row.reason for row in judged(tmp_path, text).failed] == [
            "Web: the CidrIp of a rule of Web: a macro makes a part of mapping Net"
        ]


@pytest.mark.parametrize("nots", [1, 61])
def test_a_long_chain_of_conditions_is_not_followed_to_its_end(tmp_path: Path, nots: int) -> None:
    chain = "".join(f"  C{n}: {'!Not [' * nots}!Condition C{n + 1}{']' * nots}\n" for n in range(900))
    head = HEAD % (22, "CidrIp: !If [C0, 0.0.0.0/0, 10.0.0.0/8]")
    listing = judged(tmp_path, head.replace("Conditions:\n", f"Conditions:\n{chain}  C900: !Condition IsOpen\n"))
    assert "is nested too deeply" in listing.failed[0].reason


def test_each_condition_is_decided_once(tmp_path: Path) -> None:
    """Where each asks twice for the next one, 40 of them are 2^40 questions."""
    chain = "".join(f"  C{n}: !Or [!Condition C{n + 1}, !Condition C{n + 1}]\n" for n in range(40))
    head = HEAD % (22, "CidrIp: !If [C0, 0.0.0.0/0, 10.0.0.0/8]")
    listing = judged(tmp_path, head.replace("Conditions:\n", f"Conditions:\n{chain}  C40: !Condition IsClosed\n"))
    assert (exposed(listing), listing.failed) == ([], ())


def test_a_port_that_yaml_may_read_as_octal_is_named(tmp_path: Path) -> None:
    listing = judged(tmp_path, HEAD % ("022", "CidrIp: 0.0.0.0/0"))
    assert [row.reason for row in listing.failed] == ["Web: the ports of a rule of Web: a port of another shape"]


@pytest.mark.parametrize(
    "group", ["!GetAtt Vpc.DefaultSecurityGroup", "{Fn::ImportValue: {Fn::Sub: '${AWS::Region}-web'}}"]
)
def test_rules_of_one_group_elsewhere_are_judged_together(tmp_path: Path, group: str) -> None:
    values = f"GroupId: {group}, IpProtocol: tcp, FromPort: 22, ToPort: 22"
    text = HEAD % (22, "CidrIp: 10.0.0.0/8") + "  Vpc: {Type: AWS::EC2::VPC}\n"
    for name, cidr in (("One", "0.0.0.0/1"), ("Two", "128.0.0.0/1")):
        text += f"  {name}: {{Type: AWS::EC2::SecurityGroupIngress, Properties: {{{values}, CidrIp: {cidr}}}}}\n"
    (issue,) = judged(tmp_path, text).issues
    assert (issue.group_id, issue.details.status) == ("One", "open_completely")


@pytest.mark.parametrize(
    "group",
    [
        "GroupId: !Ref Web",
        "GroupId: !Sub '${Web}'",
        "GroupId: !Sub '${Web.GroupId}'",
        "GroupId: !Join ['', [!GetAtt Web.GroupId]]",
        "GroupName: web",
    ],
)
def test_a_rule_of_its_own_is_judged_with_its_group(tmp_path: Path, group: str) -> None:
    values = f"{group}, IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 128.0.0.0/1"
    rule = rule_resource(values)
    text = (HEAD % (22, "CidrIp: 0.0.0.0/1")).replace("GroupDescription: web", "GroupDescription: web\n      %s")
    (issue,) = judged(tmp_path, text % "GroupName: web" + rule).issues
    assert (issue.group_id, issue.details.status) == ("Web", "open_completely")
    if group == "GroupName: web":
        assert len(judged(tmp_path, text % "GroupName: web\n      VpcId: !Ref AWS::NoValue" + rule).issues) == 1
        elsewhere = judged(tmp_path, text % "GroupName: web\n      VpcId: !Ref Vpc" + rule).issues
        assert [each.group_id for each in elsewhere] == ["Rule", "Web"], "EC2 finds by name in the default VPC alone"


def test_a_rule_finds_its_group_by_a_name_that_is_not_known_here(tmp_path: Path) -> None:
    name = "GroupName: !Sub '${AWS::StackName}-web'"
    values = f"{name}, IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 128.0.0.0/1"
    rule = rule_resource(values)
    text = (HEAD % (22, "CidrIp: 0.0.0.0/1")).replace("GroupDescription: web", f"GroupDescription: web\n      {name}")
    (issue,) = judged(tmp_path, text + rule).issues
    assert (issue.group_id, issue.details.status) == ("Web", "open_completely")


@pytest.mark.parametrize("next_one", ["!GetAtt S%d.CidrBlock", '!Sub "${S%d.CidrBlock}${S%d.CidrBlock}"'])
def test_networks_that_name_each_other_are_not_followed(tmp_path: Path, next_one: str) -> None:
    """They can stand for billions, and for more calls than Python has."""
    count = next_one.count("%d")
    chain = "".join(
        f"  S{n}: {{Type: AWS::EC2::Subnet, Properties: {{CidrBlock: {next_one % ((n + 1,) * count)}}}}}\n"
        for n in range(400)
    )
    listing = judged(tmp_path, HEAD % (22, "CidrIp: !GetAtt S0.CidrBlock") + chain)
    assert (listing.issues, len(listing.failed)) == ((), 1)


def test_all_traffic_is_all_traffic_whatever_its_ports_are(tmp_path: Path) -> None:
    text = (HEAD % ("!GetAtt Vpc.Port", "CidrIp: 0.0.0.0/0")).replace("IpProtocol: tcp", "IpProtocol: -1")
    assert (exposed(judged(tmp_path, text)), judged(tmp_path, text).failed) == (["0.0.0.0/0"], ())


@pytest.mark.parametrize(
    "properties",
    [
        "{GroupDescription: a, Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://b/k}}}",
        "{Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://b/k}}}",
        "!Transform {Name: AWS::Include, Parameters: {Location: s3://b/k}}",
    ],
)
def test_properties_that_a_macro_makes_are_named(tmp_path: Path, properties: str) -> None:
    text = f"{HEAD % (22, 'CidrIp: 10.0.0.0/8')}  Made: {{Type: AWS::EC2::SecurityGroup, Properties: {properties}}}\n"
    assert [row.reason for row in judged(tmp_path, text).failed] == [
        "Made: Fn::Transform makes a part of its properties that cannot be evaluated here"
    ]


def test_a_property_that_a_loop_makes_is_named(tmp_path: Path) -> None:
    loop = "{Fn::ForEach::Any: [Key, [SecurityGroupIngress], {'${Key}': []}]}"
    text = f"{HEAD % (22, 'CidrIp: 10.0.0.0/8')}  Made: {{Type: AWS::EC2::SecurityGroup, Properties: {loop}}}\n"
    assert [row.reason for row in judged(tmp_path, text).failed] == [
        "Made: Fn::ForEach::Any makes a part of its properties that cannot be evaluated here"
    ]


@pytest.mark.parametrize("port", [22, 443])
@pytest.mark.parametrize("owner", ["Web", "Rule"])
def test_a_rule_of_which_a_macro_makes_a_part_is_named(tmp_path: Path, owner: str, port: int) -> None:
    made = "CidrIp: 10.0.0.0/8, Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://b/k}}"
    text = HEAD % (port, made if owner == "Web" else "CidrIp: 10.0.0.0/8")
    if owner == "Rule":
        rule = f"GroupId: !Ref Web, IpProtocol: tcp, FromPort: {port}, ToPort: {port}, {made}"
        text += rule_resource(rule)
    assert [row.reason for row in judged(tmp_path, text).failed] == [
        f"Web: Fn::Transform makes a part of a rule of {owner} that cannot be evaluated here"
    ]


def test_a_rule_whose_group_a_macro_says_is_named(tmp_path: Path) -> None:
    rule = "  Rule: {Type: AWS::EC2::SecurityGroupIngress, Properties: {'Fn::Transform': {Name: Rules}}}\n"
    listing = judged(tmp_path, (HEAD % (22, "CidrIp: 10.0.0.0/8")) + rule)
    assert [row.reason for row in listing.failed] == ["the properties of Rule cannot be evaluated here"]


def test_a_secret_s_value_is_in_no_format(tmp_path: Path) -> None:
    text = (HEAD % (22, "CidrIp: !Ref Secret")).replace("Default: 0.0.0.0/0}", "Default: 8.8.4.0/24}")
    listing = judged(tmp_path, text)
    for output_format in Format:
        if output_format is not Format.TABLE:
            assert "8.8.4" not in render(output_format, listing)


def test_sarif_has_file_and_line(tmp_path: Path) -> None:
    document: Any = json.loads(render(Format.SARIF, judged(tmp_path, HEAD % (22, "CidrIp: !Ref From"))))
    (run,) = document["runs"]
    (result,) = run["results"]
    location = result["locations"][0]["physicalLocation"]
    # Code scanning takes its checkout off a URI with a scheme alone.
    assert location["artifactLocation"]["uri"] == (tmp_path / "template.yaml").as_uri()
    assert location["region"] == {"startLine": 19}
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert run["invocations"][0]["executionSuccessful"] is True


@pytest.mark.parametrize("path", ["net work.yaml", "./net work.yaml", "x/../net work.yaml"])
def test_sarif_names_a_file_below_the_checkout_by_its_path_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    (tmp_path / "net work.yaml").write_text(HEAD % (22, "CidrIp: !Ref From"))
    listing = scan_template_file(path, (), JUDGE, (), NOW)
    (result,) = json.loads(render(Format.SARIF, listing))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "net%20work.yaml"


def test_a_comment_names_what_is_open_and_what_was_not_judged(tmp_path: Path) -> None:
    text = (HEAD % (22, "CidrIp: !Ref From")) + (
        "        - {IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: !ImportValue open}\n"
    )
    comment = render(Format.MARKDOWN, judged(tmp_path, text))
    assert comment.startswith("### Hammer: 1 security group exposes restricted ports\n")
    assert "`tcp/22 from 0.0.0.0/0`" in comment
    assert "Not judged, and so not known to be safe:\n\n- `Web: the CidrIp of a rule of Web" in comment


def test_a_comment_of_what_could_not_be_judged_is_no_good_news(tmp_path: Path) -> None:
    comment = render(Format.MARKDOWN, judged(tmp_path, HEAD % (22, "CidrIp: !ImportValue open")))
    assert comment.startswith(
        "### Hammer: no security group is known to expose a restricted port, but not everything could be judged\n"
    )


@pytest.mark.parametrize(
    ("text", "span"),
    [("a|b", "`a\\|b`"), ("x`y", "`` x`y ``"), ("@team <b>\nx", "`@team <b> x`"), ("", "` `")],
)
def test_names_stand_in_code_spans(text: str, span: str) -> None:
    assert code(text) == span


MERGED = """\
Shared: &shared
  Db:
    Type: AWS::EC2::SecurityGroup
    Properties: {GroupDescription: db, SecurityGroupIngress: [{IpProtocol: "-1", CidrIp: 0.0.0.0/0}]}
  Rule:
    Type: AWS::EC2::SecurityGroupIngress
    Properties: {GroupId: sg-1, IpProtocol: "-1", CidrIp: 8.8.8.0/24}
Older: &older
  Db: {Type: AWS::EC2::VPC}
Resources:
  <<: %s
  Web: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: web}}
"""


@pytest.mark.parametrize("merged", ["*shared", "[*shared, *older]"])
def test_resources_of_a_merge_key_are_judged(tmp_path: Path, merged: str) -> None:
    """`aws cloudformation package` writes them out."""
    listing = judged(tmp_path, MERGED % merged)
    assert [(issue.group_id, issue.line) for issue in listing.issues] == [("Db", 2), ("Rule", 5)]


def test_a_resource_in_place_of_a_merged_one_counts(tmp_path: Path) -> None:
    listing = judged(tmp_path, MERGED % "[*older, *shared]" + "  Rule: {Type: AWS::EC2::VPC}\n")
    assert (listing.issues, listing.failed) == ((), ())


ANCHORS = """\
Shared:
  Private: &private {CidrIp: 10.0.0.0/8}
  Open: &open {CidrIp: 0.0.0.0/0}
  From: &from {Ref: From}
Parameters: {From: {Type: String, Default: 0.0.0.0/0}}
Resources:
  Web:
    Type: AWS::EC2::SecurityGroup
    Properties: {GroupDescription: web, SecurityGroupIngress: [{IpProtocol: "-1", %s}]}
"""


@pytest.mark.parametrize(
    "source",
    ["CidrIp: {<<: *from}", "<<: *private, <<: *open", "<<: [*open, *private]", "<<: *private, CidrIp: !Ref From"],
)
def test_a_merge_key_is_what_it_brings_in(tmp_path: Path, source: str) -> None:
    """Also a function, and where there are two of them: PyYAML, which packages a template, has the last one count."""
    listing = judged(tmp_path, ANCHORS % source)
    assert ([(issue.group_id, issue.line) for issue in listing.issues], listing.failed) == ([("Web", 7)], ())
    assert not judged(tmp_path, ANCHORS % "<<: *open, <<: *private").issues


def test_a_key_in_quotes_merges_nothing(tmp_path: Path) -> None:
    listing = judged(tmp_path, ANCHORS % "'<<': *open")
    assert listing.issues == ()
    assert [each.reason for each in listing.failed] == ["Web: a rule of Web without a source that this version knows"]
