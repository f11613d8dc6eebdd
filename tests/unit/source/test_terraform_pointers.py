"""Sources of Terraform files that are no literals: pointed at, with the definitions of what decides them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from library.security_groups.exposure import Exposure
from library.security_groups.group import SecurityGroup
from library.source.hcl import TerraformFile, parse_hcl
from library.source.location import Edit, Found, Kind
from library.source.terraform_source import find_in_terraform

pytest.importorskip("tree_sitter_hcl")

SSH = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
GROUP = 'resource "aws_security_group" "web" {\n  name        = "web"\n  description = "web servers"\n}\n'
VALUES = 'variable "office" {}\n\nlocals {\n  ports = { ssh = 22 }\n  open  = ["0.0.0.0/0"]\n}\n'


def found(main: str, others: dict[str, str] | None = None) -> Found:
    files = {"main.tf": main, "values.tf": VALUES, **(others or {})}
    read = [TerraformFile(path, "/live", text, parse_hcl(text)) for path, text in files.items()]
    return find_in_terraform(read, SecurityGroup("sg-1", "web", "vpc-1", "web servers", {}, ()), [SSH], ("10.0.0.0/8",))


@pytest.mark.parametrize(
    ("source", "note"),
    [
        ('concat(["0.0.0.0/0"], var.office)', 'concat(["0.0.0.0/0"],var.office), var.office is defined at values.tf:1'),
        ('["${var.office}"]', '"${var.office}", var.office is defined at values.tf:1'),
        (
            "var.office == null ? local.open : [var.office]",
            "var.office==null?local.open:[var.office], var.office is defined at values.tf:1, "
            "local.open is defined at values.tf:5",
        ),
        ("[for each in local.open : each]", "[foreachinlocal.open:each], local.open is defined at values.tf:5"),
        ('["0.0.0.0/${var.nobody}"]', '"0.0.0.0/${var.nobody}"'),
    ],
)
def test_an_expression_is_pointed_at_with_the_definitions_of_what_is_in_it(source: str, note: str) -> None:
    ports = 'from_port = 22\n    to_port = 22\n    protocol = "tcp"'
    rule = f"ingress {{\n    {ports}\n    cidr_blocks = {source}\n  }}"
    location = found(GROUP.replace("}", f"  {rule}\n}}")).rules[SSH]
    assert (location.location.kind, location.edit) == (Kind.TERRAFORM, Edit.POINTER)
    assert location.note == f"{note} decides it, used at main.tf:4"


@pytest.mark.parametrize(
    ("of_each", "kind"), [('  for_each = toset(["ingress", "egress"])\n', "each.value"), ("", "var.office")]
)
def test_a_rule_that_may_be_egress_is_pointed_at(of_each: str, kind: str) -> None:
    rule = f"""resource "aws_security_group_rule" "both" {{
{of_each}  type              = {kind}
  from_port         = 22
  to_port           = 22
  protocol          = "tcp"
  cidr_blocks       = ["0.0.0.0/0"]
  security_group_id = aws_security_group.web.id
}}
"""
    result = found(GROUP + rule)
    assert result.patches == {}
    assert result.rules[SSH].edit is Edit.POINTER
    assert result.rules[SSH].note == f"{kind} decides whether it is an ingress rule, at main.tf:5"


def test_ports_that_an_expression_decides_are_pointed_at_with_its_definition() -> None:
    rule = """resource "aws_security_group_rule" "each" {
  for_each          = local.ports
  type              = "ingress"
  from_port         = each.value
  to_port           = each.value
  protocol          = "tcp"
  cidr_blocks       = ["0.0.0.0/0"]
  security_group_id = aws_security_group.web.id
}
"""
    location = found(GROUP + rule).rules[SSH]
    assert location.edit is Edit.POINTER
    assert location.note == "its ports are not literal, at main.tf:5: local.ports is defined at values.tf:4"


@pytest.mark.parametrize("of", ["an id", "a data source"])
def test_a_rule_elsewhere_that_names_the_group_counts_beside_the_group_s_own(of: str) -> None:
    """Another configuration may add a rule to a group that the files define, with rules of its own."""
    own = """  ingress {
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
"""
    data = 'data "aws_security_group" "web" {\n  name = "web"\n}\n'
    named = '"sg-1"' if of == "an id" else "data.aws_security_group.web.id"
    rule = f"""resource "aws_security_group_rule" "ssh" {{
  type              = "ingress"
  from_port         = 22
  to_port           = 22
  protocol          = "tcp"
  cidr_blocks       = ["0.0.0.0/0"]
  security_group_id = {named}
}}
"""
    texts = {"net/main.tf": GROUP.removesuffix("}\n") + own, "app/main.tf": data + rule}
    files = [TerraformFile(path, f"/{path[:3]}", text, parse_hcl(text)) for path, text in texts.items()]
    described = SecurityGroup("sg-1", "web", "vpc-1", "web servers", {}, ())
    location = find_in_terraform(files, described, [SSH], ("10.0.0.0/8",))
    assert location.rules[SSH].location.where == "app/main.tf:4"
    assert location.rules[SSH].location.evidence[0] == "aws_security_group_rule.ssh names the group"
    assert list(location.patches) == ["app/main.tf"]


def test_a_rule_for_the_group_itself_takes_no_sources_of_its_module() -> None:
    """`ingress_cidr_blocks` is for rules with CIDRs: narrowing it would close another rule."""
    arguments = '  ingress_cidr_blocks = ["0.0.0.0/0"]\n'
    arguments += '  ingress_with_self = [{ from_port = 22, to_port = 22, protocol = "tcp" }]\n'
    location = found(MODULE % ("", arguments))
    assert (location.patches, SSH in location.rules) == ({}, False)


MODULE = """module "web" {
  source      = "terraform-aws-modules/security-group/aws%s"
  name        = "web"
  description = "web servers"
%s}
"""


@pytest.mark.parametrize(
    ("path", "arguments", "note"),
    [
        (
            "",
            '  ingress_with_cidr_blocks = [\n    { rule = "ssh-tcp", cidr_blocks = "0.0.0.0/0" },\n  ]\n',
            "its ports are not literal, at main.tf:6",
        ),
        (
            "//modules/ssh",
            '  ingress_cidr_blocks = ["0.0.0.0/0"]\n',
            "ingress_cidr_blocks at main.tf:5, with named rules, decides it, used at main.tf:1",
        ),
    ],
    ids=["a named rule", "a module of one rule"],
)
def test_rules_that_a_registry_module_knows_by_name_are_pointed_at(path: str, arguments: str, note: str) -> None:
    location = found(MODULE % (path, arguments))
    assert (location.rules[SSH].edit, location.rules[SSH].note) == (Edit.POINTER, note)
    assert location.patches == {}


def test_a_rule_with_literal_ports_comes_before_a_named_one() -> None:
    rules = '    { from_port = 22, to_port = 22, protocol = "tcp", cidr_blocks = "0.0.0.0/0" },\n'
    named = '    { rule = "https-443-tcp", cidr_blocks = "0.0.0.0/0" },\n'
    location = found(MODULE % ("", f"  ingress_with_cidr_blocks = [\n{rules}{named}  ]\n"))
    assert location.rules[SSH].edit is Edit.PATCH
    assert location.patches["main.tf"].after.count('"0.0.0.0/0"') == 1


RULES = """resource "aws_vpc_security_group_ingress_rule" "four" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "six" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv6         = "::/0"
}
"""
LISTS = (
    RULES.replace("aws_vpc_security_group_ingress_rule", "aws_security_group_rule")
    .replace("ip_protocol      ", 'type = "ingress"\n  protocol         ')
    .replace("cidr_ipv4         = ", "cidr_blocks       = [")
    .replace("cidr_ipv6         = ", "ipv6_cidr_blocks  = [")
    .replace('/0"', '/0"]')
)


@pytest.mark.parametrize("rules", [RULES, LISTS], ids=["one source each", "lists"])
def test_two_resources_of_one_group_do_not_get_the_same_replacement(rules: str) -> None:
    """EC2 refuses a rule that is there already, and `terraform apply` fails with it."""
    six = Exposure("tcp", 22, 22, "::/0", "open_completely")
    files = [TerraformFile("main.tf", "/live", GROUP + rules, parse_hcl(GROUP + rules))]
    described = SecurityGroup("sg-1", "web", "vpc-1", "web servers", {}, ())
    location = find_in_terraform(files, described, [SSH, six], ("10.0.0.0/8",))
    assert location.patches["main.tf"].after.count("10.0.0.0/8") == 1
    assert (location.rules[SSH].edit, location.rules[six].edit) == (Edit.PATCH, Edit.POINTER)
    assert "other rules admit its replacements already" in location.rules[six].note


MODULE_OF_GROUPS = """variable "env" {}
variable "cidrs" {}
locals {
  prefix = "${var.env}-eu"
}
resource "aws_security_group" "this" {
  name        = "${local.prefix}-web"
  description = "web servers"
  ingress {
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = var.cidrs
  }
}
"""
CALLS = "\n".join(
    f'module "{env}" {{\n  source = "./sg"\n  env    = "{env}"\n  cidrs  = ["0.0.0.0/0"]\n}}' for env in ("dev", "prod")
)


def test_a_name_with_variables_that_calls_give_tells_which_call_it_is() -> None:
    texts = {"main.tf": ("/live", f"{CALLS}\n"), "sg/main.tf": ("/live/sg", MODULE_OF_GROUPS)}
    files = [TerraformFile(path, folder, text, parse_hcl(text)) for path, (folder, text) in texts.items()]
    described = SecurityGroup("sg-1", "prod-eu-web", "vpc-1", "web servers", {}, ())
    location = find_in_terraform(files, described, [SSH], ("10.0.0.0/8",))
    assert location.rules[SSH].edit is Edit.PATCH
    assert location.patches["main.tf"].after == f"{CALLS}\n".replace("0.0.0.0/0", "10.0.0.0/8").replace(
        "10.0.0.0/8", "0.0.0.0/0", 1
    )


@pytest.mark.parametrize(
    ("name", "default", "is_found"),
    [
        ('"${var.env}-web"', "prod", True),
        ('"${var.env}-web"', "dev", False),  # a run may give it another value, but nothing says so
        ('"${var.env}-${each.key}"', "prod", False),
        ('"${lower(var.env)}-web"', "prod", False),
        ('"%{ if true }prod-web%{ endif }"', "prod", False),
        ('"prod-$${var.env}"', "prod", False),
    ],
)
def test_a_name_with_variables_is_known_by_their_defaults(name: str, default: str, *, is_found: bool) -> None:
    group = f"""variable "env" {{
  default = "{default}"
}}
resource "aws_security_group" "web" {{
  name = {name}
  ingress {{
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }}
}}
"""
    files = [TerraformFile("main.tf", "/live", group, parse_hcl(group))]
    described = SecurityGroup("sg-1", "prod-web", "vpc-1", "Managed by Terraform", {}, ())
    assert (SSH in find_in_terraform(files, described, [SSH], ("10.0.0.0/8",)).rules) is is_found


def test_strings_that_stand_for_billions_are_not_filled() -> None:
    names = [f"n{number}" for number in range(9)]
    lines = [f'  {name} = "{f"${{local.{inner}}}" * 10}"' for name, inner in pairwise(names)]
    named = GROUP.replace('"web"\n', "local.n0\n")
    main = "\n".join(["locals {", *lines, '  n8 = ""', "}", named])
    assert "name        = local.n0" in main
    assert found(main).rules == {}


CALL = 'module "web" {\n  source = "./group"\n  name   = "web"\n  cidrs  = ["0.0.0.0/0"]\n}\n'
CALLED = """variable "name" {}
variable "cidrs" {
  type = list(string)
  validation {
    condition     = length(var.cidrs) > 0
    error_message = "none"
  }
}
resource "aws_security_group" "this" {
  name        = var.name
  description = "web servers"
  ingress {
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = var.cidrs
  }
}
"""
BRACE = "}\n"
EGRESS = 'egress {\n  from_port = 0\n  to_port = 0\n  protocol = "-1"\n  cidr_blocks = var.cidrs\n}\n'
HTTPS = EGRESS.replace("egress", "ingress").replace("= 0", "= 443").replace('"-1"', '"tcp"')


def in_module(text: str, call: str = CALL, **others: str) -> Found:
    files = {"main.tf": ("/live", call), "group/main.tf": ("/live/group", text)}
    files |= {f"{folder}/main.tf": (f"/live/{folder}", content) for folder, content in others.items()}
    read = [TerraformFile(path, folder, content, parse_hcl(content)) for path, (folder, content) in files.items()]
    return find_in_terraform(read, SecurityGroup("sg-1", "web", "vpc-1", "web servers", {}, ()), [SSH], ("10.0.0.0/8",))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(CALLED.removesuffix("}\n") + EGRESS + "}\n", 22, id="an egress block"),
        pytest.param(
            CALLED + 'resource "aws_security_group_rule" "out" {\n  type = "egress"\n  cidr_blocks = var.cidrs\n}\n',
            21,
            id="an egress rule",
        ),
        pytest.param(
            CALLED.removesuffix("}\n") + HTTPS.replace("var.cidrs", 'concat(var.cidrs, ["192.0.2.0/24"])') + "}\n",
            22,
            id="a port that is to be open, by an expression",
        ),
        pytest.param(CALLED + 'output "from" {\n  value = join(",", var.cidrs)\n}\n', 20, id="anything else"),
    ],
)
def test_a_list_that_a_call_gives_for_more_than_ingress_is_pointed_at(text: str, line: int) -> None:
    result = in_module(text)
    assert result.patches == {}
    assert result.rules[SSH].edit is Edit.POINTER
    assert result.rules[SSH].note == f"it decides also what is at group/main.tf:{line}"


def test_what_a_list_that_is_pointed_at_admits_counts_for_no_other() -> None:
    """It is to be narrowed, too: from the replacements nobody would get in any more."""
    other = SSH._replace(cidr="8.8.8.0/24")
    rule = HTTPS.replace("443", "22").replace("var.cidrs", f'["{other.cidr}"]')
    texts = {"/live/main.tf": CALL, "/live/group/main.tf": f"{CALLED.removesuffix(BRACE)}{HTTPS}{rule}{BRACE}"}
    read = [TerraformFile(path, path.rpartition("/")[0], text, parse_hcl(text)) for path, text in texts.items()]
    group = SecurityGroup("sg-1", "web", "vpc-1", "web servers", {}, ())
    result = find_in_terraform(read, group, [SSH, other], ("10.0.0.0/8",))
    assert {exposure.cidr: found.edit for exposure, found in result.rules.items()} == {
        SSH.cidr: Edit.POINTER,
        other.cidr: Edit.PATCH,
    }
    assert 'cidr_blocks = ["10.0.0.0/8"]' in result.patches["/live/group/main.tf"].after


def test_a_list_of_rules_that_a_call_gives_for_both_directions_is_pointed_at() -> None:
    rule = '{\n  from_port = 22\n  to_port = 22\n  protocol = "tcp"\n  cidr_blocks = ["0.0.0.0/0"]\n}'
    call = f'module "web" {{\n  source = "./group"\n  name = "web"\n  rules = [{rule}]\n}}\n'
    head = 'resource "aws_security_group" "this" {\n  name = var.name\n  description = "web servers"\n'
    both = in_module(f"{head}  ingress = var.rules\n  egress = var.rules\n}}\n", call)
    assert both.patches == {}
    assert both.rules[SSH].note == "it decides also what is at group/main.tf:5"
    assert in_module(f"{head}  ingress = var.rules\n}}\n", call).rules[SSH].edit is Edit.PATCH


def test_a_list_that_a_call_gives_for_ingress_alone_is_patched_through_modules_too() -> None:
    assert in_module(CALLED).rules[SSH].edit is Edit.PATCH
    asks = 'resource "null_resource" "a" {\n  count = length(var.cidrs) > 0 ? 1 : 0\n}\n'
    assert in_module(CALLED + asks).rules[SSH].edit is Edit.PATCH  # whether there is one stays so
    counts = 'resource "null_resource" "a" {\n  count = length(var.cidrs)\n}\n'
    assert in_module(CALLED + counts).rules[SSH].edit is Edit.POINTER
    through = 'module "inner" {\n  source = "../inner"\n  name = var.name\n  cidrs = var.cidrs\n}\n'
    assert in_module(through, inner=CALLED).rules[SSH].edit is Edit.PATCH
    shown = in_module(through + 'output "from" {\n  value = var.cidrs\n}\n', inner=CALLED)
    assert shown.rules[SSH].note == "it decides also what is at group/main.tf:7"


RESOURCE = """resource "aws_vpc_security_group_ingress_rule" "ssh" {{
{more}  from_port         = 22
  to_port           = 22
  ip_protocol       = "tcp"
  cidr_ipv4         = "0.0.0.0/0"
  security_group_id = {group}
}}
"""
OTHER = GROUP.replace("web", "db")
DEFINED = """locals {
  one  = one(aws_security_group.web[*].id)
  ids  = { web = aws_security_group.web.id, db = aws_security_group.db.id }
  list = [aws_security_group.web.id]
  each = coalesce(local.each, local.each)
  all  = { web = aws_security_group.web, db = aws_security_group.db }
  deep = { id = aws_security_group.web.id, db = { id = aws_security_group.db.id } }
  sg   = { web = "sg-1", db = "sg-2" }
}
"""


@pytest.mark.parametrize(
    ("group", "more"),
    [
        ('"${aws_security_group.web.id}"', ""),
        ("(aws_security_group.web.id)", ""),
        ('element(concat(aws_security_group.web.*.id, [""]), 0)', ""),
        ("one(aws_security_group.web[*].id)", ""),
        ('try(aws_security_group.web[0].id, "")', ""),
        ('var.office == null ? aws_security_group.web[var.office].id : ""', ""),
        ("local.one", ""),
        ("local.ids.web", ""),
        ('local.ids["web"]', ""),
        ("local.list[0]", ""),
        ("local.all.web.id", ""),
        ('local.all["web"].id', ""),
        ("local.sg.web", ""),
        ("one([for each in [aws_security_group.web.id] : each])", ""),
        ("each.value.id", "  for_each          = aws_security_group.web\n"),
    ],
)
def test_an_expression_that_names_one_group_alone_is_that_group(group: str, more: str) -> None:
    result = found(GROUP + OTHER + RESOURCE.format(group=group, more=more), {"locals.tf": DEFINED})
    assert (result.rules[SSH].edit, result.rules[SSH].location.where) == (Edit.PATCH, "main.tf:9")


@pytest.mark.parametrize(
    ("group", "more"),
    [
        ("coalesce(var.office, aws_security_group.web.id)", ""),
        ("var.office ? aws_security_group.web.id : aws_security_group.db.id", ""),
        ("local.ids[var.office]", ""),
        ("var.a ? aws_security_group.web.id : var.b ? aws_security_group.db.id : null", ""),
        ("var.a ? aws_security_group.db.id : var.b ? aws_security_group.web.id : null", ""),
        ('var.office ? "sg-2" : aws_security_group.web.id', ""),
        ("each.value", "  for_each          = local.sg\n"),
        ("each.value", "  for_each          = local.ids\n"),
    ],
)
def test_a_rule_of_one_of_several_groups_is_pointed_at(group: str, more: str) -> None:
    result = found(GROUP + OTHER + RESOURCE.format(group=group, more=more), {"locals.tf": DEFINED})
    assert result.patches == {}
    assert result.rules[SSH].edit is Edit.POINTER
    assert result.rules[SSH].note == f"{group.replace(' ', '')} decides which group it is a rule of, at main.tf:9"


DATA = 'data "aws_security_group" "db" {\n  name = "db"\n}\n'


@pytest.mark.parametrize(
    "group",
    [
        "aws_security_group.db.id",
        "data.aws_security_group.db.id",
        '"sg-2"',
        "local.all.db.id",
        "local.deep.db.id",
        "local.sg.db",
    ],
)
def test_a_rule_of_another_group_is_no_place(group: str) -> None:
    others = {"data.tf": DATA, "locals.tf": DEFINED}
    assert found(GROUP + OTHER + RESOURCE.format(group=group, more=""), others).rules == {}


@pytest.mark.parametrize(
    "group",
    [
        "local.each",
        "var.office",
        "aws_instance.a.groups[0]",
        "coalesce(var.office, var.home)",
        "var.unset",
        "data.terraform_remote_state.net.outputs.id",
        "each.value",
    ],
)
def test_a_rule_of_which_the_group_is_not_known_may_be_it(group: str) -> None:
    others = {"locals.tf": DEFINED, "unset.tf": 'variable "unset" {\n  default = null\n}\n'}
    location = found(GROUP + OTHER + RESOURCE.format(group=group, more=""), others).rules[SSH]
    assert (location.location.kind, location.edit) == (Kind.UNKNOWN, Edit.NONE)
    named = "aws_vpc_security_group_ingress_rule.ssh at main.tf:9 may be it: its group is not known here"
    assert location.location.evidence == (named,)
    closed = RESOURCE.format(group=group, more="").replace("0.0.0.0/0", "10.0.0.0/8")
    assert found(GROUP + OTHER + closed, {"locals.tf": DEFINED}).rules == {}


def test_of_many_rules_that_may_be_it_some_are_listed() -> None:
    rules = "".join(RESOURCE.format(group="var.office", more="").replace('"ssh"', f'"ssh_{n}"') for n in range(7))
    assert found(GROUP + rules).rules[SSH].location.evidence[-1] == "and 2 more"


def test_an_output_that_is_no_plain_reference_is_followed() -> None:
    group = GROUP + 'output "id" {\n  value = element(concat(aws_security_group.web.*.id, [""]), 0)\n}\n'
    main = 'module "net" {\n  source = "./net"\n}\n' + RESOURCE.format(group='"${module.net.id}"', more="")
    read = [
        TerraformFile("main.tf", "/live", main, parse_hcl(main)),
        TerraformFile("net/main.tf", "/live/net", group, parse_hcl(group)),
    ]
    described = SecurityGroup("sg-1", "web", "vpc-1", "web servers", {}, ())
    assert find_in_terraform(read, described, [SSH], ("10.0.0.0/8",)).rules[SSH].edit is Edit.PATCH


@pytest.mark.parametrize(
    ("group", "edit"),
    [
        ("module.net.groups.web.id", Edit.PATCH),
        ('module.net.groups["web"].id', Edit.PATCH),
        ('module.net["eu"].groups.web.id', Edit.PATCH),
        ("module.net.*.id[0]", None),
        ("module.net.groups.db.id", None),
    ],
)
def test_an_output_s_name_comes_before_what_is_in_it(group: str, edit: Edit | None) -> None:
    outputs = """output "id" {
  value = aws_security_group.db.id
}

output "groups" {
  value = { web = aws_security_group.web, db = aws_security_group.db }
}
"""
    main = 'module "net" {\n  source = "./net"\n}\n' + RESOURCE.format(group=group, more="")
    texts = {"main.tf": main, "net/main.tf": GROUP + OTHER + outputs}
    read = [
        TerraformFile(path, "/live/net" if "/" in path else "/live", text, parse_hcl(text))
        for path, text in texts.items()
    ]
    described = SecurityGroup("sg-1", "web", "vpc-1", "web servers", {}, ())
    rule = find_in_terraform(read, described, [SSH], ("10.0.0.0/8",)).rules.get(SSH)
    assert (rule.edit if rule else None) is edit


def test_locals_that_stand_for_billions_are_followed_once() -> None:
    names = "".join(f"  l{n} = coalesce({', '.join([f'local.l{n + 1}'] * 100)})\n" for n in range(7))
    text = f"locals {{\n{names}  l7 = coalesce(aws_security_group.web.id)\n}}\n"
    result = found(GROUP + RESOURCE.format(group="local.l0", more=""), {"locals.tf": text})
    assert result.rules[SSH].edit is Edit.PATCH


def test_a_rule_that_may_be_of_another_group_admits_no_replacement() -> None:
    own = RESOURCE.format(group="aws_security_group.web.id", more="")
    other = own.replace('"ssh"', '"office"').replace("0.0.0.0/0", "10.0.0.0/8")
    result = found(GROUP + OTHER + own + other)
    assert result.patches == {}, "the other rule admits it already"
    other = other.replace("aws_security_group.web.id", "coalesce(var.office, aws_security_group.web.id)")
    assert found(GROUP + OTHER + own + other).rules[SSH].edit is Edit.PATCH


@pytest.mark.parametrize("main", [RESOURCE.format(group="var.office", more=""), GROUP.replace('"web" {', '"other" {')])
def test_a_place_that_is_not_chosen_names_the_prefix_list_too(main: str) -> None:
    listed = SSH._replace(cidr="8.8.8.0/24", prefix_list_id="pl-1")
    main = main.replace("cidr_ipv4         = ", "prefix_list_id    = ").replace("0.0.0.0/0", "pl-1")
    text = GROUP + main
    read = [TerraformFile("main.tf", "/live", text, parse_hcl(text))]
    described = SecurityGroup("sg-1", "web", "vpc-1", "web servers", {}, ())
    rule = find_in_terraform(read, described, [listed], ("10.0.0.0/8",)).rules[listed]
    assert "may be it" in rule.location.evidence[0]
    assert rule.note == "8.8.8.0/24 is an entry of prefix list pl-1"


def test_a_rule_that_may_be_egress_admits_no_replacement() -> None:
    own = RESOURCE.format(group="aws_security_group.web.id", more="")
    other = """resource "aws_security_group_rule" "office" {
  type              = "ingress"
  from_port         = 22
  to_port           = 22
  protocol          = "tcp"
  cidr_blocks       = ["10.0.0.0/8"]
  security_group_id = aws_security_group.web.id
}
"""
    assert found(GROUP + own + other).patches == {}, "the other rule admits it already"
    assert found(GROUP + own + other.replace('"ingress"', "var.office")).rules[SSH].edit is Edit.PATCH
