"""Variables whose values `.tfvars` files give: pointed at where they are set, and never patched."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from library.security_groups.exposure import Exposure
from library.security_groups.group import SecurityGroup
from library.source.find import read_folders
from library.source.hcl import TerraformFile, parse_hcl
from library.source.location import Edit, Found, Kind
from library.source.service import tool_hint
from library.source.terraform_source import find_in_terraform

pytest.importorskip("tree_sitter_hcl")

SSH = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
MAIN = """\
variable "office" {
  type    = list(string)
  default = ["10.0.0.0/8"]
}

resource "aws_security_group" "web" {
  name = "web"
  ingress {
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = var.office
  }
}
"""
OPEN = 'region = "eu-west-1"\noffice = ["0.0.0.0/0"]\n'
CLOSED = 'office = ["10.9.0.0/16"]\n'


def found(files: dict[str, str], folder: str = "/live") -> Found:
    read = [TerraformFile(path, folder, text, parse_hcl(text)) for path, text in files.items()]
    return find_in_terraform(
        read, SecurityGroup("sg-1", "web", "vpc-1", "Managed by Terraform", {}, ()), [SSH], ("10.0.0.0/8",)
    )


@pytest.mark.parametrize(
    ("files", "note"),
    [
        pytest.param({"terraform.tfvars": OPEN}, "var.office is set at terraform.tfvars:2", id="read by itself"),
        pytest.param(
            {"terraform.tfvars": CLOSED, "z.auto.tfvars": OPEN}, "var.office is set at z.auto.tfvars:2", id="the last"
        ),
        pytest.param(
            {"prod.tfvars": OPEN, "dev.tfvars": CLOSED},
            "var.office is defined at main.tf:1, var.office may be set at dev.tfvars:1, "
            "var.office may be set at prod.tfvars:2",
            id="named by whoever runs it",
        ),
    ],
)
def test_a_value_is_pointed_at(files: dict[str, str], note: str) -> None:
    location = found({"main.tf": MAIN, **files})
    rule = location.rules[SSH]
    assert (rule.location.kind, rule.edit) == (Kind.TERRAFORM, Edit.POINTER)
    assert note in rule.note
    assert location.patches == {}
    assert "eu-west-1" not in str(location)


RULE = """\
resource "aws_security_group" "web" {
  name = "web"
}

resource "aws_security_group_rule" "ssh" {
  type              = "ingress"
  security_group_id = aws_security_group.web.id
  from_port         = 22
  to_port           = 22
  protocol          = "tcp"
  cidr_blocks       = ["0.0.0.0/0"]
}
"""
CALL = """\
module "net" {
  source = "./net"
  office = ["0.0.0.0/0"]
}
"""


@pytest.mark.parametrize(
    ("main", "name", "override"),
    [
        pytest.param(
            MAIN.replace("var.office", '["0.0.0.0/0"]'),
            "override.tf",
            'resource "aws_security_group" "web" {\n  ingress = []\n}\n',
            id="a group",
        ),
        pytest.param(
            RULE,
            "local_override.tf",
            'resource "aws_security_group_rule" "ssh" {\n  cidr_blocks = ["0.0.0.0/0"]\n}\n',
            id="a rule",
        ),
        pytest.param(
            RULE,
            "override.tofu",
            'resource "aws_security_group_rule" "ssh" {\n  cidr_blocks = ["0.0.0.0/0"]\n}\n',
            id="OpenTofu's",
        ),
    ],
)
def test_what_an_override_file_changes_is_pointed_at(main: str, name: str, override: str) -> None:
    location = found({"main.tf": main, name: override})
    assert (location.rules[SSH].edit, location.patches) == (Edit.POINTER, {})
    assert location.rules[SSH].note == f"override files say otherwise of it: {name}:1"
    assert found({"main.tf": main, "overrides.tf": override}).rules[SSH].edit is Edit.PATCH, "not such a file"


def test_a_call_that_an_override_file_changes_is_pointed_at() -> None:
    files = {"main.tf": CALL, "override.tf": 'module "net" {\n  office = ["0.0.0.0/0"]\n}\n'}
    read = [TerraformFile(path, "/live", text, parse_hcl(text)) for path, text in files.items()]
    read.append(TerraformFile("net/main.tf", "/live/net", MAIN, parse_hcl(MAIN)))
    group = SecurityGroup("sg-1", "web", "vpc-1", "Managed by Terraform", {}, ())
    location = find_in_terraform(read, group, [SSH], ("10.0.0.0/8",))
    assert location.rules[SSH].edit is not Edit.PATCH
    assert location.patches == {}
    alone = find_in_terraform([read[0], read[2]], group, [SSH], ("10.0.0.0/8",))
    assert alone.rules[SSH].edit is Edit.PATCH


def test_a_file_that_is_nested_too_deeply_is_named_and_ends_nothing(tmp_path: Path) -> None:
    deep = "locals {\n  x = %s\n}\n"
    (tmp_path / "deep.tf").write_text(deep % ("[" * 200 + "]" * 200))
    (tmp_path / "main.tf").write_text(MAIN.replace("var.office", '["0.0.0.0/0"]') + deep % ("[" * 45 + "]" * 45))
    read = read_folders([str(tmp_path)])
    assert read.unread == ["deep.tf: it cannot be parsed: it is nested too deeply"]
    group = SecurityGroup("sg-1", "web", "vpc-1", "Managed by Terraform", {}, ())
    assert find_in_terraform(read.files, group, [SSH], ("10.0.0.0/8",)).rules[SSH].edit is Edit.PATCH


def test_files_of_the_same_path_in_two_repositories_are_two_places(tmp_path: Path) -> None:
    opened = MAIN.replace("var.office", '["0.0.0.0/0"]')
    for name, more in (("dev", ""), ("prod", "# more\n")):
        (tmp_path / name / ".git").mkdir(parents=True)
        (tmp_path / name / "main.tf").write_text(opened + more)
    group = SecurityGroup("sg-1", "web", "vpc-1", "Managed by Terraform", {}, ())
    (tmp_path / "dev" / "shared.tf").symlink_to(tmp_path / "prod" / "main.tf")
    paths = [file.path for file in read_folders([str(tmp_path)]).files]
    assert paths == ["main.tf", "main.tf", "main.tf"], "as git takes them, the link as what it leads to"
    (tmp_path / "dev" / "shared.tf").unlink()
    read = read_folders([str(tmp_path / "dev"), str(tmp_path / "prod")])
    location = find_in_terraform(read.files, group, [SSH], ("10.0.0.0/8",))
    assert (location.rules[SSH].edit, location.patches) == (Edit.NONE, {})
    assert location.rules[SSH].location.evidence == tuple(
        f"aws_security_group.web at main.tf:6 in {tmp_path / name} may be it" for name in ("dev", "prod")
    )


def test_only_one_of_two_files_of_the_same_path_is_in_a_diff() -> None:
    rdp = RULE.replace('"web" {\n  name = "web"\n', '"other" {\n  name = "other"\n').replace("22", "3389")
    texts = {"/live": RULE, "/more": rdp.replace("aws_security_group.web.id", '"sg-1"')}
    files = [TerraformFile("main.tf", folder, text, parse_hcl(text)) for folder, text in texts.items()]
    group = SecurityGroup("sg-1", "web", "vpc-1", "Managed by Terraform", {}, ())
    other = Exposure("tcp", 3389, 3389, "0.0.0.0/0", "open_completely")
    location = find_in_terraform(files, group, [SSH, other], ("10.0.0.0/8",))
    assert sorted(rule.edit for rule in location.rules.values()) == [Edit.PATCH, Edit.POINTER]
    assert list(location.patches) == ["main.tf"]


def test_a_group_is_known_by_the_usual_value_of_its_name() -> None:
    named = MAIN.replace('name = "web"', "name = var.name") + 'variable "name" {\n  default = "web"\n}\n'
    location = found({"main.tf": named.replace("var.office", '["0.0.0.0/0"]'), "dev.tfvars": 'name = "dev"\n'})
    assert location.rules[SSH].edit is Edit.PATCH


def test_a_value_that_is_not_the_source_is_no_place() -> None:
    assert SSH not in found({"main.tf": MAIN, "terraform.tfvars": CLOSED}).rules


def test_a_file_of_values_alone_is_no_place() -> None:
    assert found({"terraform.tfvars": OPEN}).rules == {}


def test_files_of_values_are_read_and_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(MAIN)
    (tmp_path / "terraform.tfvars").write_text(OPEN)
    (tmp_path / "other.tfvars.json").write_text("{}")
    (tmp_path / "more.tofu").write_text(MAIN)
    (tmp_path / "more.tofu.json").write_text("{}")
    read = read_folders([str(tmp_path)])
    assert sorted(file.path for file in read.files) == ["main.tf", "more.tofu", "terraform.tfvars"]
    assert read.unread == [
        f"{name}: JSON configurations are not read" for name in ("more.tofu.json", "other.tfvars.json")
    ]


def test_opentofu_reads_its_own_file_in_place_of_one_of_the_same_name() -> None:
    """Whether OpenTofu or Terraform is run is not known, so neither is patched."""
    there = MAIN.replace("var.office", '["0.0.0.0/0"]')
    assert found({"main.tofu": there}).rules[SSH].edit is Edit.PATCH
    both = found({"main.tf": there, "main.tofu": there})
    assert (both.rules[SSH].edit, both.patches) == (Edit.NONE, {})
    narrowed = found({"main.tf": there, "main.tofu": there.replace("0.0.0.0/0", "10.0.0.0/8")})
    assert narrowed.patches == {}


@pytest.mark.parametrize(
    ("agent", "tool"),
    [
        ("APN/1.0 HashiCorp/1.0 Terraform/1.15.5 aws-sdk-go-v2/1.30", "Terraform"),
        ("APN/1.0 Pulumi/1.0 PulumiAWS/6.5 (+https://www.pulumi.com) HashiCorp/1.0 Terraform/1.5", "Pulumi"),
        ("cloudformation.amazonaws.com", "CloudFormation"),
        ("crossplane-provider-aws/v0.40", "Crossplane"),
        ("console.ec2.amazonaws.com", "the AWS console, by hand"),
        ("curl/8", ""),
        ("", ""),
    ],
)
def test_the_user_agent_is_a_hint(agent: str, tool: str) -> None:
    assert list(tool_hint(agent)) == (
        [f"the call that opened it came with {tool}, as its user agent says"] if tool else []
    )


def test_a_folder_that_may_not_be_entered_is_named_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host's jobs run as a user of their own, which nobody's home is open to."""
    (tmp_path / "main.tf").write_text(MAIN)
    is_dir = Path.is_dir

    def refused(path: Path) -> bool:
        if path == Path("/srv/infrastructure"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", refused)
    read = read_folders(["/srv/infrastructure", "/nowhere", str(tmp_path)])
    assert [file.path for file in read.files] == ["main.tf"]
    assert read.unread == [
        "/srv/infrastructure: it could not be read: Permission denied",
        "/nowhere: there is no such folder",
    ]


NAMED_CALL = 'module "net" {{\n  source = "./modules/net"\n  name   = "{name}"\n}}\n'


def test_terraform_ignores_hidden_configurations(tmp_path: Path) -> None:
    """As macOS and editors write them beside a file of the same name."""
    for name in (".main.tf", "._main.tofu", ".#main.tf.json"):
        (tmp_path / name).write_text(MAIN)
    (tmp_path / "main.tf").write_text(MAIN)
    (tmp_path / ".auto.tfvars").write_text(OPEN)
    read = read_folders([str(tmp_path)])
    assert (sorted(file.path for file in read.files), read.unread) == ([".auto.tfvars", "main.tf"], [])


def test_a_module_behind_a_link_is_that_of_each_call(tmp_path: Path) -> None:
    net = tmp_path / "modules" / "net"
    net.mkdir(parents=True)
    (net / "main.tf").write_text(
        'variable "name" {}\n\nresource "aws_security_group" "web" {\n  name = var.name\n  ingress {\n'
        '    from_port   = 22\n    to_port     = 22\n    protocol    = "tcp"\n    cidr_blocks = ["0.0.0.0/0"]\n  }\n}\n'
    )
    for name in ("prod", "staging"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.tf").write_text(NAMED_CALL.format(name="web" if name == "prod" else "other"))
        (tmp_path / name / "modules").symlink_to("../linked" if name == "prod" else "../modules")
    (tmp_path / "linked").symlink_to("modules")
    (tmp_path / "circle").symlink_to(".")
    (tmp_path / "out").symlink_to("/")
    read = read_folders([str(tmp_path)])
    assert read.unread == ["out: it is a link that leads out of the folder"]
    group = SecurityGroup("sg-1", "web", "vpc-1", "Managed by Terraform", {}, ())
    result = find_in_terraform(read.files, group, [SSH], ("10.0.0.0/8",), read.links)
    assert (result.rules[SSH].edit, result.rules[SSH].location.where) == (Edit.PATCH, "modules/net/main.tf:5")
    assert result.before_diff == [
        "aws_security_group.web at modules/net/main.tf:5 makes 2 groups: its module is used 2 times."
    ]
    assert result.group is not None
    assert "its name is that of aws_security_group.web at modules/net/main.tf:3" in result.group.evidence


@pytest.mark.parametrize("number", ["1e3", "-1E+3", "2e-1", "1.5e3", "-1"])
def test_a_number_with_an_exponent_leaves_its_file_read(number: str) -> None:
    """The grammar has an exponent only after a fraction. Names and texts that look like one stay as they are."""
    text = f'locals {{\n  n = {number} # 1e3\n  t = "1e3"\n  e = var.a1e3 + x-1e3\n}}\n{MAIN}'
    result = found({"main.tf": text.replace("var.office", '["0.0.0.0/0"]')})
    assert result.patches["main.tf"].after == text.replace("var.office", '["10.0.0.0/8"]')
    values = parse_hcl(text).items[0].members()
    assert [each.items[0].value for each in values[:2]] == [number, "1e3"]
    assert values[2].items[0].tokens == ("var", ".", "a1e3", "+", "x-1e3")
