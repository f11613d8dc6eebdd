"""An open source becomes the replacements, unless other rules of the group admit them once everything is narrowed."""

from __future__ import annotations

import pytest

from library.security_groups.exposure import Exposure
from library.security_groups.group import SecurityGroup
from library.source.hcl import TerraformFile, parse_hcl
from library.source.location import Edit, Found
from library.source.template_source import Stack, find_in_template
from library.source.terraform_source import find_in_terraform
from tests.source_cases import stack_part

pytest.importorskip("tree_sitter_hcl")

WORLD = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
SOME = Exposure("tcp", 22, 22, "8.8.8.0/24", "open_partly")
REPLACEMENTS = ("10.0.0.0/8", "172.16.0.0/12")
BLOCK = """\
  ingress {{
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = [{}]
  }}
"""


def found(*lists: str, replacements: tuple[str, ...] = REPLACEMENTS) -> Found:
    text = f'resource "aws_security_group" "web" {{\n  name = "web"\n{"".join(map(BLOCK.format, lists))}}}\n'
    group = SecurityGroup("sg-1", "web", "vpc-1", "Managed by Terraform", {}, ())
    return find_in_terraform(
        [TerraformFile("main.tf", "/x", text, parse_hcl(text))], group, [WORLD, SOME], replacements
    )


def lists_of(result: Found) -> list[str]:
    return [line.strip() for line in result.patches["main.tf"].after.splitlines() if "cidr_blocks" in line]


@pytest.mark.parametrize("first", ["taken out", "replaced"])
def test_a_list_that_only_loses_a_source_holds_no_replacement(first: str) -> None:
    lists = ['"10.1.0.0/16", "8.8.8.0/24"', '"0.0.0.0/0"']
    narrowed = ['cidr_blocks = ["10.1.0.0/16"]', 'cidr_blocks = ["10.0.0.0/8", "172.16.0.0/12"]']
    if first == "replaced":
        lists, narrowed = lists[::-1], narrowed[::-1]
    result = found(*lists)
    assert {location.edit for location in result.rules.values()} == {Edit.PATCH}
    assert lists_of(result) == narrowed


def test_a_replacement_that_one_list_got_is_not_repeated_in_the_next() -> None:
    result = found('"8.8.8.0/24"', '"0.0.0.0/0"')
    assert lists_of(result) == ['cidr_blocks = ["10.0.0.0/8", "172.16.0.0/12"]', 'cidr_blocks = ["0.0.0.0/0"]']
    assert result.rules[SOME].edit is Edit.PATCH
    assert "other rules admit its replacements already" in result.rules[WORLD].note


def test_a_replacement_of_another_family_that_did_not_fit_was_not_given() -> None:
    text = (
        f'resource "aws_security_group" "web" {{\n  name = "web"\n{BLOCK.format(chr(34) + "0.0.0.0/0" + chr(34))}}}\n'
    )
    text += """\
resource "aws_vpc_security_group_ingress_rule" "some" {
  security_group_id = aws_security_group.web.id
  from_port         = 22
  to_port           = 22
  ip_protocol       = "tcp"
  cidr_ipv4         = "8.8.8.0/24"
}
"""
    group = SecurityGroup("sg-1", "web", "vpc-1", "Managed by Terraform", {}, ())
    file = TerraformFile("main.tf", "/x", text, parse_hcl(text))
    result = find_in_terraform([file], group, [WORLD, SOME], ("10.0.0.0/8", "fd00::/8"))
    after = result.patches["main.tf"].after
    assert 'cidr_blocks = ["10.0.0.0/8"]' in after
    assert 'cidr_ipv6         = "fd00::/8"' in after


def test_a_protocol_by_number_is_the_same_traffic_as_by_name_in_terraform() -> None:
    """EC2 stores tcp for 6, and refuses the same rule twice."""
    blocks = BLOCK.format('"8.8.8.0/24"') + BLOCK.format('"0.0.0.0/0"').replace('"tcp"', '"6"')
    text = f'resource "aws_security_group" "web" {{\n  name = "web"\n{blocks}}}\n'
    group = SecurityGroup("sg-1", "web", "vpc-1", "Managed by Terraform", {}, ())
    file = TerraformFile("main.tf", "/x", text, parse_hcl(text))
    result = find_in_terraform([file], group, [WORLD, SOME], REPLACEMENTS)
    assert lists_of(result) == ['cidr_blocks = ["10.0.0.0/8", "172.16.0.0/12"]', 'cidr_blocks = ["0.0.0.0/0"]']
    assert "other rules admit its replacements already" in result.rules[WORLD].note


def test_a_protocol_by_number_is_the_same_traffic_as_by_name_in_a_template() -> None:
    text = """\
Resources:
  Web:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: web
      SecurityGroupIngress:
        - {IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 8.8.8.0/24}
        - {IpProtocol: '6', FromPort: 22, ToPort: 22, CidrIp: 0.0.0.0/0}
"""
    result = find_in_template(Stack("s", "eu-west-1"), text, [stack_part("Web", [WORLD, SOME])], REPLACEMENTS)
    assert {location.edit for location in result.rules.values()} == {Edit.PATCH}
    entries = [line.strip() for line in result.patches["s"].after.splitlines() if "CidrIp" in line]
    assert entries == [
        "- {IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 10.0.0.0/8}",
        "- {IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 172.16.0.0/12}",
    ]


@pytest.mark.parametrize(
    "block",
    [
        "moved {{\n  from = {0}.ssh_2\n  to   = {0}.ssh\n}}\n",
        'moved {{\n  from = module.old["a"].{0}.ssh_2[0]\n  to   = {0}.ssh\n}}\n',
        "removed {{\n  from = {0}.ssh_2\n}}\n",
        'import {{\n  to = {0}.ssh_2\n  id = "sgr-1"\n}}\n',
    ],
)
def test_a_new_resource_has_no_name_that_was_moved_removed_or_is_imported(block: str) -> None:
    """Terraform refuses that: "Moved object still exists", "Removed resource still exists"."""
    kind = "aws_vpc_security_group_ingress_rule"
    text = (
        'resource "aws_security_group" "web" {\n  name = "web"\n}\n'
        f'resource "{kind}" "ssh" {{\n  security_group_id = aws_security_group.web.id\n  ip_protocol = "tcp"\n'
        '  from_port = 22\n  to_port = 22\n  cidr_ipv4 = "0.0.0.0/0"\n}\n'
    )
    files = [
        TerraformFile(path, "/", content, parse_hcl(content))
        for path, content in (("a.tf", text), ("b.tf", block.format(kind)))
    ]
    described = SecurityGroup("sg-1", "web", "vpc-1", "Managed by Terraform", {}, ())
    after = find_in_terraform(files, described, [WORLD], REPLACEMENTS).patches["a.tf"].after
    assert f'resource "{kind}" "ssh_3"' in after
    assert "ssh_2" not in after


@pytest.mark.parametrize("other", ["10.0.0.0/8", "0.0.0.0/1"])
def test_what_another_use_of_a_module_admits_is_not_admitted(other: str) -> None:
    """Each use makes a group of its own: the patch left out what was private in the other one."""
    call = 'module "{0}" {{\n  source = "./m"\n  cidrs = ["{1}"]\n}}\n'
    texts = {
        "/main.tf": call.format("one", WORLD.cidr) + call.format("two", other),
        "/m/main.tf": 'variable "cidrs" {}\n'
        f'resource "aws_security_group" "web" {{\n  name = "web"\n{BLOCK.format("")}}}\n'.replace("[]", "var.cidrs"),
    }
    files = [TerraformFile(path, path.rpartition("/")[0] or "/", text, parse_hcl(text)) for path, text in texts.items()]
    described = SecurityGroup("sg-1", "web", "vpc-1", "Managed by Terraform", {}, ())
    after = find_in_terraform(files, described, [WORLD], REPLACEMENTS).patches["/main.tf"].after
    quoted = ", ".join(f'"{each}"' for each in REPLACEMENTS)
    assert after == call.format("one", "x").replace('"x"', quoted) + call.format("two", other)


MODULE = (
    'variable "name" {}\nvariable "more" {}\n'
    + f'resource "aws_security_group" "web" {{\n  name = var.name\n{BLOCK.format("")}}}\n'.replace(
        "[]", '["0.0.0.0/0"]'
    )
    + 'resource "aws_security_group_rule" "more" {\n  type = "ingress"\n  from_port = 22\n  to_port = 22\n'
    '  protocol = "tcp"\n  cidr_blocks = var.more\n  security_group_id = aws_security_group.web.id\n}\n'
)
OF_IDS = MODULE[MODULE.index('resource "aws_security_group_rule"') :].replace("aws_security_group.web.id", "var.name")
OF_IDS = f'variable "name" {{}}\nvariable "more" {{}}\n{OF_IDS}' + OF_IDS.replace('"more"', '"all"').replace(
    "var.more", '["0.0.0.0/0"]'
)


@pytest.mark.parametrize(
    ("module", "names", "rest"),
    [
        pytest.param(MODULE, ("web", "db"), "", id="of another name"),
        pytest.param(MODULE, ("web", "web"), '  providers = { aws = aws.us }', id="in another region"),
        pytest.param(OF_IDS, ("sg-1", "sg-2"), "", id="of another id"),
        pytest.param(OF_IDS, ("sg-1", "${var.any}"), "", id="of any id"),
    ],
)  # fmt: skip
def test_a_literal_of_two_groups_stays_whole_where_one_alone_admits_the_rest(
    module: str, names: tuple[str, str], rest: str
) -> None:
    """The other group would lose access by the patch of this one."""
    call = 'module "{0}" {{\n  source = "./m"\n  name = "{1}"\n  more = [{2}]\n{3}\n}}\n'
    provider = 'provider "aws" {\n  alias = "us"\n  region = "us-east-1"\n}\n'
    main = call.format("one", names[0], f'"{REPLACEMENTS[0]}"', "") + call.format("two", names[1], "", rest) + provider
    texts = {"/main.tf": main, "/m/main.tf": module}
    files = [TerraformFile(path, path.rpartition("/")[0] or "/", text, parse_hcl(text)) for path, text in texts.items()]
    described = SecurityGroup("sg-1", "web", "vpc-1", "Managed by Terraform", {}, ())
    found = find_in_terraform(files, described, [WORLD], REPLACEMENTS, None, ("", "eu-west-1"))
    quoted = ", ".join(f'"{each}"' for each in REPLACEMENTS)
    assert found.patches["/m/main.tf"].after == module.replace('"0.0.0.0/0"', quoted)
    assert [line.partition(" makes ")[2] for line in found.before_diff] == ["2 groups: its module is used 2 times."]


COUNT = "  count = var.create ? 1 : 0\n"
OTHER_RULE = """\
resource "aws_security_group_rule" "private" {{
{}  type              = "ingress"
  security_group_id = aws_security_group.web[0].id
  from_port         = 22
  to_port           = 22
  protocol          = "tcp"
  cidr_blocks       = ["10.0.0.0/8"]
}}
"""


@pytest.mark.parametrize(
    ("argument", "inline", "rule", "is_repeated"),
    [
        (COUNT, BLOCK.format('"10.0.0.0/8"'), "", False),
        ("  for_each = var.groups\n", BLOCK.format('"10.0.0.0/8"'), "", False),
        (COUNT, "", OTHER_RULE.format(COUNT), False),
        (COUNT, "", OTHER_RULE.format(""), False),
        (COUNT, "", OTHER_RULE.format("  count = var.private ? 1 : 0\n"), True),
        ("", "", OTHER_RULE.format(COUNT), True),
    ],
    ids=["count", "for_each", "the same count", "always there", "another count", "not always there"],
)
def test_what_is_made_with_it_admits_a_replacement(argument: str, inline: str, rule: str, is_repeated: bool) -> None:
    """EC2 refuses a second rule of the same traffic and source, and Terraform ends half way."""
    world = BLOCK.format('"0.0.0.0/0"')
    text = f'resource "aws_security_group" "web" {{\n{argument}  name = "web"\n{world}{inline}}}\n{rule}'
    group = SecurityGroup("sg-1", "web", "vpc-1", "Managed by Terraform", {}, ())
    result = find_in_terraform([TerraformFile("main.tf", "/x", text, parse_hcl(text))], group, [WORLD], REPLACEMENTS)
    assert result.rules[WORLD].edit is Edit.PATCH
    wanted = ", ".join(f'"{each}"' for each in REPLACEMENTS[0 if is_repeated else 1 :])
    assert lists_of(result)[0] == f"cidr_blocks = [{wanted}]"


RDP = Exposure("tcp", 3389, 3389, "0.0.0.0/0", "open_completely")
ADMIN_PORTS = "".join(
    BLOCK.format("").replace("22", str(port)).replace("[]", "var.cidrs") for port in (22, 3389)
)  # fmt: skip


@pytest.mark.parametrize(
    ("cidrs", "more", "expected"),
    [
        ('["0.0.0.0/0"]', "", '["10.0.0.0/8", "172.16.0.0/12"]'),
        ('["0.0.0.0/0", "192.0.2.0/24"]', "", '["192.0.2.0/24"]'),
        ('["0.0.0.0/0"]', BLOCK.format('"10.0.0.0/8"') + BLOCK.format('"10.0.0.0/8"').replace("22", "3389"),
         '["172.16.0.0/12"]'),
        ('["0.0.0.0/0"]', BLOCK.format('"10.0.0.0/8"'), ""),
        ('["0.0.0.0/0", "192.0.2.0/24"]', BLOCK.format('"10.0.0.0/8"'), '["192.0.2.0/24"]'),
        ('["0.0.0.0/0"]', BLOCK.format('"10.1.0.0/16"').replace("22", "80"), '["10.0.0.0/8", "172.16.0.0/12"]'),
        ('["0.0.0.0/0"]', BLOCK.format("").replace("22", "80").replace("[]", "var.cidrs"), ""),
    ],
    ids=["alone", "with another", "admitted on both", "admitted on one", "admitted on one, with another",
         "another port", "a port that may be open"],
)  # fmt: skip
def test_a_literal_that_opens_two_ports_is_narrowed_once(cidrs: str, more: str, expected: str) -> None:
    call = f'module "net" {{\n  source = "./net"\n  cidrs  = {cidrs}\n}}\n'
    text = f'variable "cidrs" {{}}\nresource "aws_security_group" "web" {{\n  name = "web"\n{ADMIN_PORTS}{more}}}\n'
    group = SecurityGroup("sg-1", "web", "vpc-1", "Managed by Terraform", {}, ())
    files = [TerraformFile(path, folder, each, parse_hcl(each)) for path, folder, each in (
        ("main.tf", "/x", call), ("net/main.tf", "/x/net", text))]  # fmt: skip
    result = find_in_terraform(files, group, [WORLD, RDP], REPLACEMENTS)
    edit = Edit.PATCH if expected else Edit.POINTER
    assert [result.rules[each].edit for each in (WORLD, RDP)] == [edit, edit]
    after = {path: patch.after for path, patch in result.patches.items()}
    assert after == ({"main.tf": call.replace(cidrs, expected)} if expected else {})


TWO_SOURCES = """\
Parameters:
  From: {Type: String}
Mappings:
  Sources: {any: {any: 0.0.0.0/0}}
Resources:
  SG:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: web
      SecurityGroupIngress:
        - {IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: %s}
        - {IpProtocol: "6", FromPort: 22, ToPort: 22, CidrIp: 8.8.8.0/24}
"""


@pytest.mark.parametrize(
    ("source", "parent", "expected"),
    [
        ("!Ref From", (), ["172.16.0.0/12"]),
        ("!Ref From", ("root",), ["10.0.0.0/8", "172.16.0.0/12"]),
        ("!FindInMap [Sources, any, any]", (), ["10.0.0.0/8", "172.16.0.0/12"]),
    ],
    ids=["a parameter", "a parameter of the parent", "a mapping"],
)
def test_what_an_open_rule_admits_is_not_what_it_admits_when_it_is_narrowed(
    source: str, parent: tuple[str, ...], expected: list[str]
) -> None:
    """The parameter gets the first replacement; from the others nobody would get in any more."""
    stack = Stack("web", "eu-west-1", {"From": "0.0.0.0/0"}, chain=parent)
    result = find_in_template(stack, TWO_SOURCES % source, [stack_part("SG", [WORLD, SOME])], REPLACEMENTS)
    assert result.rules[SOME].edit is Edit.PATCH
    after = result.patches["web"].after
    entries = [line for line in after.splitlines() if 'IpProtocol: "6"' in line]
    assert [line.partition("CidrIp: ")[2].rstrip("}") for line in entries] == expected
