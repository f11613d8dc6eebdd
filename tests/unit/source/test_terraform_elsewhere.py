"""Places of Terraform files that cannot be the group's: another VPC, region or account, or what is switched off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from library.security_groups.exposure import Exposure
from library.security_groups.group import SecurityGroup
from library.source.cloudformation import StackReader, StackReadError
from library.source.find import TerraformFiles, locate, read_folders
from library.source.hcl import TerraformFile, parse_hcl
from library.source.location import Edit, Found
from library.source.template_source import StackResource
from library.source.terraform_source import find_in_terraform

pytest.importorskip("tree_sitter_hcl")

SSH = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
PORTS = 'from_port = 22\n    to_port = 22\n    protocol = "tcp"'
RULE = f'ingress {{\n    {PORTS}\n    cidr_blocks = ["0.0.0.0/0"]\n  }}'
WEB = 'name = "web"\n  description = "web servers"'
GROUP = SecurityGroup("sg-1", "web", "vpc-1", "web servers", {}, ())
OTHER_REGION = 'provider "aws" {\n  alias  = "us"\n  region = "us-east-1"\n}\n'
OTHER_ACCOUNT = 'provider "aws" {\n  assume_role {\n    role_arn = "arn:aws:iam::999999999999:role/terraform"\n  }\n}\n'


def group(argument: str = "", label: str = "web", rule: str = RULE) -> str:
    return f'resource "aws_security_group" "{label}" {{\n  {WEB}\n  {argument}\n  {rule}\n}}\n'


def found(main: str, files: dict[str, str] | None = None) -> Found:
    texts = {"/live/main.tf": main, **(files or {})}
    read = [TerraformFile(path, path.rpartition("/")[0], text, parse_hcl(text)) for path, text in texts.items()]
    return find_in_terraform(read, GROUP, [SSH], ("10.0.0.0/8",), None, ("123456789012", "eu-west-1"))


OF_MODULE = {"/live/net/main.tf": group()}
US = 'provider "aws" {\n  region = "us-east-1"\n}\n'
GIVEN = {"/live/net/main.tf": group("vpc_id = var.vpc_id") + 'variable "vpc_id" {}\n'}
CALL = 'module "net" {{\n  source = "./net"\n  {}\n}}\n'
OBJECT = '{{ from_port = 22, to_port = 22, protocol = "tcp", cidr_blocks = "0.0.0.0/0" }}'
REGISTRY = (
    f'module "sg" {{{{\n  source = "terraform-aws-modules/security-group/aws"\n  {{}}\n  {WEB}\n'
    f"  ingress_with_cidr_blocks = [{OBJECT}]\n}}}}\n"
)
POSSE = REGISTRY.replace(
    "terraform-aws-modules/security-group/aws",
    "git::https://github.com/cloudposse/terraform-aws-security-group.git?ref=2.2.0",
)
ELSEWHERE: list[tuple[str, dict[str, str]]] = [
    (group('vpc_id = "vpc-2"'), {}),
    (group("vpc_id = local.vpc") + 'locals {\n  vpc = "vpc-2"\n}\n', {}),
    (group('region = "us-east-1"'), {}),
    (group("provider = aws.us") + OTHER_REGION, {}),
    (group() + 'provider "aws" {\n  region = "us-east-1"\n}\n', {}),
    (group() + 'provider "aws" {\n  allowed_account_ids = ["999999999999"]\n}\n', {}),
    (group() + OTHER_ACCOUNT, {}),
    (CALL.format("providers = { aws = aws.us }") + OTHER_REGION, OF_MODULE),
    (CALL.format("") + OTHER_ACCOUNT, OF_MODULE),
    (CALL.format("providers = { aws.main = aws.us }") + OTHER_REGION,
     {"/live/net/main.tf": group("provider = aws.main")}),
    (group("count = 0"), {}),
    (group("for_each = {}"), {}),
    (group("for_each = toset([])"), {}),
    (CALL.format("count = 0"), OF_MODULE),
    (CALL.format("off = 0"), {"/live/net/main.tf": group("count = var.off") + 'variable "off" {}\n'}),
    (CALL.format("create = false"), {"/live/net/main.tf": group("count = var.create ? 1 : 0")}),
    (CALL.format("skip = true"), {"/live/net/main.tf": group("count = var.skip ? 0 : 1")}),
    (REGISTRY.format("create = false"), {}),
    (POSSE.format("enabled = local.on") + "locals {\n  on = false\n}\n", {}),
]  # fmt: skip


def chain(*roles: str) -> str:
    """A provider that assumes one role after the other."""
    return 'provider "aws" {\n' + "".join(f"  assume_role {{\n    role_arn = {each}\n  }}\n" for each in roles) + "}\n"


HERE, OTHER = '"arn:aws:iam::123456789012:role/r"', '"arn:aws:iam::999999999999:role/r"'
ELSEWHERE += [
    (group("region = null") + US, {}),
    (group() + chain(HERE, OTHER), {}),
]
DIFFERING = [
    group().replace('description = "web servers"', "description = null"),
    group().replace('  description = "web servers"\n', ""),
    group().replace("web servers", "servers of the web"),
    group().replace('name = "web"', 'name = "frontend"'),
]


@pytest.mark.parametrize(("main", "files"), ELSEWHERE)
def test_what_cannot_be_the_group_is_no_place(main: str, files: dict[str, str]) -> None:
    read = found(main, files)
    assert (read.group, read.rules, read.patches) == (None, {}, {})


@pytest.mark.parametrize("main", DIFFERING)
def test_a_name_or_a_description_is_enough(main: str) -> None:
    read = found(main)
    assert read.group is not None
    assert (read.group.where, str(read.group.confidence), read.rules[SSH].edit) == (
        "/live/main.tf:1",
        "likely",
        Edit.PATCH,
    )
    assert "is another one there" in read.group.evidence[-1]


@pytest.mark.parametrize("main", DIFFERING)
def test_where_name_and_description_differ_in_part_the_ports_have_to_agree(main: str) -> None:
    read = found(main.replace("22", "2222"))
    assert (read.group, read.patches) == (None, {})


@pytest.mark.parametrize("main", DIFFERING)
def test_what_differs_in_part_is_no_place_of_a_group_that_a_stack_defines(main: str) -> None:
    files = [TerraformFile("/live/main.tf", "/live", main, parse_hcl(main))]
    read = find_in_terraform(files, GROUP, [SSH], ("10.0.0.0/8",), is_elsewhere_defined=True)
    assert (read.group, read.rules) == (None, {})


def test_where_several_differ_in_part_they_are_listed() -> None:
    read = found(DIFFERING[0], {"/other/main.tf": DIFFERING[2]})
    assert read.group is not None
    assert (len(read.group.evidence), str(read.group.kind), read.patches) == (2, "unknown", {})


OTHER_NAME = group().replace('name = "web"', 'name = "frontend"')
NAMED = 'module "{}" {{\n  source = "./net"\n  name   = "{}"\n  {}\n}}\n'
SHARED = group(rule=RULE.replace('["0.0.0.0/0"]', "var.cidrs")).replace('name = "web"', "name = var.name")
MODULE = {"/live/net/main.tf": SHARED + 'variable "name" {}\nvariable "cidrs" {}\n'}
BY_ID = (
    'resource "aws_security_group_rule" "ssh" {\n  type = "ingress"\n  security_group_id = "sg-1"\n'
    f'    {PORTS}\n    cidr_blocks = ["0.0.0.0/0"]\n}}\n'
)
OPEN, CLOSED = 'cidrs = ["0.0.0.0/0"]', 'cidrs = ["10.0.0.0/8"]'


def test_a_description_alone_is_enough_where_one_resource_or_call_has_it() -> None:
    assert found(OTHER_NAME).rules[SSH].edit == Edit.PATCH
    assert found(NAMED.format("a", "frontend", OPEN), MODULE).rules[SSH].edit == Edit.PATCH


@pytest.mark.parametrize(
    ("main", "files"),
    [
        (OTHER_NAME, {"/other/main.tf": OTHER_NAME.replace("frontend", "db").replace("22", "5432")}),
        (NAMED.format("a", "frontend", OPEN) + NAMED.format("b", "db", CLOSED), MODULE),
    ],
    ids=["resources", "uses of a module"],
)
def test_a_description_that_several_have_under_other_names_tells_no_place(main: str, files: dict[str, str]) -> None:
    """Many groups are described alike, and this group's own place may be in no file that was read."""
    read = found(main, files)
    assert read.group is not None
    assert (str(read.group.kind), read.patches) == ("unknown", {})
    assert "may be it" in read.group.evidence[0]


def test_a_description_under_another_name_is_no_place_where_a_resource_has_the_name() -> None:
    own = group(rule="").replace("web servers", "servers of the web")  # somebody opened it by hand
    read = found(OTHER_NAME, {"/other/main.tf": own})
    assert (read.group, read.patches) == (None, {})


@pytest.mark.parametrize("main", DIFFERING)
def test_a_rule_that_names_the_group_s_id_is_the_place_and_no_half_match(main: str) -> None:
    read = found(main, {"/rules/main.tf": BY_ID, "/other/main.tf": main})
    assert (read.rules[SSH].location.where, read.rules[SSH].edit) == ("/rules/main.tf:1", Edit.PATCH)


@pytest.mark.parametrize("main", [group(), OTHER_NAME.replace("22", "3389")], ids=["whole", "half"])
def test_a_rule_that_names_the_group_s_id_is_the_place_also_where_the_group_s_is_one_of_several(main: str) -> None:
    rdp = Exposure("tcp", 3389, 3389, "0.0.0.0/0", "open_completely")
    texts = {"/rules": BY_ID, "/live": main, "/other": main}
    files = TerraformFiles([TerraformFile("main.tf", folder, text, parse_hcl(text)) for folder, text in texts.items()])
    stacks = NoStacks(None, "123456789012", "eu-west-1")
    report = locate(GROUP, [SSH, rdp], ("10.0.0.0/8",), stacks, dict, files)
    assert [str(rule.edit) for rule in report.rules] == ["patch", "none"]
    assert str(report.group.kind) == "unknown"
    assert report.diff.count("+++") == 1
    assert "may be it" in report.rules[1].location.evidence[0]


def test_a_data_source_with_the_group_s_name_tells_no_place_where_several_resources_have_it() -> None:
    """As the folders of several environments do."""
    read_by_name = 'data "aws_security_group" "web" {\n  name = "web"\n}\n' + BY_ID.replace(
        '"sg-1"', "data.aws_security_group.web.id"
    )
    assert found(read_by_name).rules[SSH].edit == Edit.PATCH
    read = found(group(), {"/rules/main.tf": read_by_name, "/other/main.tf": group()})
    assert (read.rules[SSH].edit, read.patches) == (Edit.NONE, {})


@pytest.mark.parametrize(("main", "files"), [*ELSEWHERE, *((main, {}) for main in DIFFERING)])
def test_it_does_not_make_the_group_s_own_place_one_of_several(main: str, files: dict[str, str]) -> None:
    read = found(main, {**files, "/own/main.tf": group('vpc_id = "vpc-1"')})
    assert read.group is not None
    assert (read.group.where, read.rules[SSH].edit) == ("/own/main.tf:1", Edit.PATCH)


@pytest.mark.parametrize(
    ("main", "files"),
    [
        (group('vpc_id = "vpc-1"'), {}),
        (group("vpc_id = var.vpc") + 'variable "vpc" {\n  default = "vpc-2"\n}\n', {}),  # whoever runs it says
        (group('region = "eu-west-1"') + 'provider "aws" {\n  region = "us-east-1"\n}\n', {}),
        (group() + OTHER_REGION, {}),
        (group() + 'provider "aws" {\n  region = var.region\n}\n', {}),
        (group() + 'provider "aws" {\n  allowed_account_ids = ["999999999999", var.account]\n}\n', {}),
        (group() + OTHER_ACCOUNT.replace("999999999999", "123456789012"), {}),
        (CALL.format("providers = { aws = aws.by_region[each.key] }") + OTHER_REGION, OF_MODULE),
        (CALL.format("") + OTHER_REGION, OF_MODULE),
        (group("count = 1"), {}),
        (CALL.format("create = true"), {"/live/net/main.tf": group("count = var.create ? 1 : 0")}),
        (CALL.format("create = var.on"), {"/live/net/main.tf": group("count = var.create ? 1 : 0")}),
        (CALL.format("create = false"), {"/live/net/main.tf": group("count = var.create ? 1 : 1")}),
        (CALL.format("create = false"), OF_MODULE),
        (
            CALL.replace("./net", "./cloudposse/net").format("enabled = false"),  # such as its flow logs
            {"/live/cloudposse/net/main.tf": group()},
        ),
        (REGISTRY.format("create = true"), {}),
        (REGISTRY.format("create_sg = false"), {}),
        (REGISTRY.format("enabled = false"), {}),
        (POSSE.replace("cloudposse", "acme-cloudposse").format("enabled = false"), {}),  # such as a cluster's logs
        (CALL.format("create = false"), {"/live/net/main.tf": group("count = var.create ? 1 : 0 + 1")}),
        (group(), {"/live/a.tf": OTHER_ACCOUNT, "/live/a_override.tf": 'provider "aws" {\n  assume_role {}\n}\n'}),
        (group("count = var.off") + 'variable "off" {\n  default = 0\n}\n', {}),
        (group("region = var.region") + US, {}),
        (group("region = data.aws_region.here.name") + US, {}),
        (group("region = each.value") + US, {}),
        (group("vpc_id = null"), {}),
        (group("region = null"), {}),
        (CALL.format("vpc_id = null"), GIVEN),
        (group("name_prefix = null"), {}),
        (group() + chain(OTHER, "var.role"), {}),
        (group() + chain(OTHER, HERE), {}),
        (group() + chain(OTHER)[:-2] + '  dynamic "assume_role" {\n    for_each = var.roles\n  }\n}\n', {}),
        (
            group("vpc_id = local.vpc"),
            {"/live/a.tf": 'locals {\n  vpc = "vpc-2"\n}\n', "/live/override.tf": 'locals {\n  vpc = "vpc-1"\n}\n'},
        ),
        (group("count = local.n"), {"/live/a.tf": "locals {\n  n = 0\n}\n", "/live/a.tofu": "locals {\n  n = 1\n}\n"}),
    ],
)
def test_what_may_be_the_group_is_its_place(main: str, files: dict[str, str]) -> None:
    assert found(main, files).rules[SSH].edit == Edit.PATCH


@pytest.mark.parametrize("argument", ["count = 0", 'vpc_id = "vpc-2"'])
def test_what_an_override_file_changes_may_be_the_group(argument: str) -> None:
    override = {"/live/override.tf": f'resource "aws_security_group" "web" {{\n  {argument[:6]} = var.given\n}}\n'}
    assert found(group(argument), override).rules[SSH].edit == Edit.POINTER


@pytest.mark.parametrize(("given", "changed"), [('vpc_id = "vpc-2"', 'vpc_id = "vpc-1"'), (
    "providers = { aws = aws.us }", "providers = { aws = aws }")])  # fmt: skip
def test_a_call_that_an_override_file_changes_may_be_the_group_s(given: str, changed: str) -> None:
    override = {"/live/override.tf": f'module "net" {{\n  {changed}\n}}\n'}
    main = CALL.format(given) + OTHER_REGION
    assert found(main, {**(GIVEN if "vpc" in given else OF_MODULE), **override}).rules[SSH].edit == Edit.POINTER


def test_a_name_that_is_null_is_none() -> None:
    made = "web-" + "0" * 26
    text = group('name_prefix = "web-"').replace('name = "web"', "name = null")
    described = SecurityGroup("sg-1", made, "vpc-1", "web servers", {}, ())
    read = [TerraformFile("a.tf", "/", text, parse_hcl(text))]
    assert find_in_terraform(read, described, [SSH], ("10.0.0.0/8",)).rules[SSH].edit == Edit.PATCH


@pytest.mark.parametrize("kind", ["locals {{\n  cidrs = {}\n}}\n", 'variable "cidrs" {{\n  default = {}\n}}\n'])
def test_the_definition_of_an_override_file_is_pointed_at(kind: str) -> None:
    name = "local.cidrs" if "locals" in kind else "var.cidrs"
    files = {"/live/a.tf": kind.format('["10.0.0.0/8"]'), "/live/z_override.tf": kind.format('["0.0.0.0/0"]')}
    located = found(group().replace('["0.0.0.0/0"]', name), files).rules[SSH]
    assert located.edit == Edit.POINTER
    assert "/live/z_override.tf:" in located.note
    assert "/live/a.tf" not in located.note


def test_one_literal_of_a_module_in_two_regions_is_patched_and_said_to_make_two_groups() -> None:
    here = CALL.format("") + CALL.replace('"net"', '"us"').format("providers = { aws = aws.us }") + OTHER_REGION
    read = found(here, OF_MODULE)
    assert read.rules[SSH].edit == Edit.PATCH
    assert read.before_diff == [
        "aws_security_group.web at /live/net/main.tf:5 makes 2 groups: its module is used 2 times."
    ]


HTTP = Exposure("tcp", 80, 80, "0.0.0.0/0", "open_completely")
WORLD, PRIVATE = '["0.0.0.0/0"]', '["10.0.0.0/8"]'


@pytest.mark.parametrize(
    ("first", "second", "edits"),
    [
        ((WORLD, PRIVATE), (WORLD, WORLD), (Edit.PATCH, Edit.PATCH)),  # the second use alone has both
        ((WORLD, WORLD), (WORLD, WORLD), (Edit.NONE, Edit.NONE)),
        ((WORLD, "var.http"), (WORLD, WORLD), (Edit.NONE, Edit.NONE)),  # the first may have both
        ((PRIVATE, WORLD), (WORLD, "var.http"), (Edit.PATCH, Edit.POINTER)),
        ((WORLD, PRIVATE), (WORLD, PRIVATE), (Edit.NONE, None)),  # who opened the other one by hand is not known
    ],
)
def test_of_two_uses_of_a_module_that_with_all_exposures_is_the_group_s(
    first: tuple[str, str], second: tuple[str, str], edits: tuple[Edit, Edit | None]
) -> None:
    rules = RULE.replace(WORLD, "var.ssh") + "\n  " + RULE.replace("22", "80").replace(WORLD, "var.http")
    texts = {
        "/live/net/main.tf": group(rule=rules) + 'variable "ssh" {}\nvariable "http" {}\n',
        "/live/main.tf": "".join(
            CALL.replace('"net"', f'"{name}"').format(f"ssh = {ssh}\n  http = {http}")
            for name, (ssh, http) in (("one", first), ("two", second))
        ),
    }
    read = [TerraformFile(path, path.rpartition("/")[0], text, parse_hcl(text)) for path, text in texts.items()]
    described = SecurityGroup("sg-1", "web", "vpc-1", "web servers", {}, ())
    located = find_in_terraform(read, described, [SSH, HTTP], ("10.0.0.0/8",))
    assert tuple(located.rules[each].edit if each in located.rules else None for each in (SSH, HTTP)) == edits
    first_call = texts["/live/main.tf"].partition('module "two"')[0]
    assert all(patch.after.startswith(first_call) for patch in located.patches.values())


def test_what_decides_each_use_of_a_module_is_pointed_at() -> None:
    """Which of the two is the group is not known, nor which of the two variables opened it."""
    calls = "".join(CALL.replace('"net"', f'"{name}"').format(f"ssh = var.{name}") for name in ("one", "two"))
    variables = 'variable "one" {}\nvariable "two" {}\n'
    rule = RULE.replace(WORLD, "var.ssh")
    read = found(calls + variables, {"/live/net/main.tf": group(rule=rule) + 'variable "ssh" {}\n'})
    located = read.rules[SSH]
    assert (located.edit, located.location.where) == (Edit.POINTER, "/live/net/main.tf:5")
    first, second = located.note.split("; or ")
    assert first.startswith("var.one, var.ssh is given at /live/main.tf:3, var.one is defined at /live/main.tf:9 ")
    assert second.startswith("var.two, var.ssh is given at /live/main.tf:7, var.two is defined at /live/main.tf:10 ")
    assert {"var.ssh is given at /live/main.tf:3", "var.ssh is given at /live/main.tf:7"} < {*located.location.evidence}


def rule_of(group_id: str, argument: str = "") -> str:
    return (
        f'resource "aws_security_group_rule" "ssh" {{\n  type = "ingress"\n  {PORTS}\n  {argument}\n'
        f'  cidr_blocks = ["0.0.0.0/0"]\n  security_group_id = {group_id}\n}}\n'
    )


def test_a_rule_that_is_switched_off_is_no_place() -> None:
    read = found(group(rule="") + rule_of("aws_security_group.web.id", "count = 0"))
    assert (read.rules, read.patches) == ({}, {})


def test_a_rule_of_a_data_source_in_another_vpc_is_no_place() -> None:
    data = 'data "aws_security_group" "web" {\n  name = "web"\n  vpc_id = "vpc-2"\n}\n'
    assert found(data + rule_of("data.aws_security_group.web.id")).rules == {}
    assert found(data.replace("vpc-2", "vpc-1") + rule_of("data.aws_security_group.web.id")).rules[SSH].edit == "patch"


@pytest.mark.parametrize("key", ["name", "description"])
def test_a_default_that_says_otherwise_is_no_proof(key: str) -> None:
    """Whoever runs it, such as Terragrunt with its inputs, gives another value; the other sign decides."""
    value = "web" if key == "name" else "web servers"
    main = group().replace(f'{key} = "{value}"', f"{key} = var.given") + 'variable "given" {\n  default = "other"\n}\n'
    assert found(main).rules[SSH].edit == Edit.PATCH


class NoStacks(StackReader):
    def resource_of(self, physical_id: str) -> StackResource | None:
        return None


@pytest.mark.parametrize(("region", "is_found"), [("us-east-1", True), ("eu-west-1", False)])
def test_the_group_s_region_is_asked_for(region: str, *, is_found: bool) -> None:
    text = group('region = "us-east-1"')
    files = TerraformFiles([TerraformFile("main.tf", "/live", text, parse_hcl(text))])
    described = SecurityGroup("sg-1", "web", "vpc-1", "web servers", {}, ())
    stacks = NoStacks(None, "123456789012", region)
    assert locate(described, [SSH], ("10.0.0.0/8",), stacks, dict, files).complete is is_found


class DenyingStacks(NoStacks):
    def describe(self, stack_id: str) -> dict[str, Any] | None:
        raise StackReadError(f"{stack_id}: denied")


OF_STACK = {"aws:cloudformation:stack-id": "network", "aws:cloudformation:logical-id": "Web"}


@pytest.mark.parametrize(
    ("tags", "is_found"),
    [({}, True), ({"pulumi:project": "shop"}, False), (OF_STACK, False)],
    ids=["", "Pulumi", "stack"],
)
def test_half_a_match_is_no_place_of_a_group_whose_tags_name_another_maker(
    tags: dict[str, str], *, is_found: bool
) -> None:
    """Also where CloudFormation does not answer: its tags are its own."""
    text = DIFFERING[0]
    files = TerraformFiles([TerraformFile("main.tf", "/live", text, parse_hcl(text))])
    stacks = DenyingStacks(None, "123456789012", "eu-west-1")
    report = locate(replace(GROUP, tags=tags), [SSH], ("10.0.0.0/8",), stacks, dict, files)
    assert (report.complete, bool(report.diff)) == (is_found, is_found)


@pytest.mark.parametrize("name", ["providers_override.tf.json", "override.tf"])
@pytest.mark.parametrize(
    ("main", "module"), [(group() + US, ""), (group("count = 0"), ""), (CALL.format("") + US, "net")]
)
def test_an_override_file_that_is_not_read_may_say_otherwise(tmp_path: Path, main: str, module: str, name: str) -> None:
    """Atmos writes the first one; the second one is broken."""
    (tmp_path / "main.tf").write_text(main)
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "main.tf").write_text(group() if module else "")
    described = SecurityGroup("sg-1", "web", "vpc-1", "web servers", {}, ())

    def is_found() -> bool:
        stacks = NoStacks(None, "123456789012", "eu-west-1")
        return locate(described, [SSH], ("10.0.0.0/8",), stacks, dict, read_folders([str(tmp_path)])).complete

    assert not is_found()
    (tmp_path / name).write_text("{")
    assert is_found()
