"""Terraform reads of the configuration what Hammer reads: the master module's own locals, without a provider."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from library.config import parse_configuration
from library.config.loader import FILES, SUFFIXES
from library.config.loader import misnamed as loader_misnamed
from tests.deployment.terraform import TERRAFORM_CODE, Terraform, TerraformError, needs_terraform

pytestmark = needs_terraform
MAIN = "012345678901"
BASE: dict[str, Any] = {
    "aws": {
        "main_account_id": MAIN,
        "region": "eu-west-1",
        "accounts": {MAIN: "main"},
        "external_id": "0123456789",
        "s3_backup_bucket": "a-bucket",
    },
    "secgrp_unrestricted_access": {"ddb.table_name": "issues"},
}
LEADING_ZEROS = f"""\
aws:
  main_account_id: "{MAIN}"
  region: eu-west-1
  regions: eu-west-1, us-east-1
  accounts:
    "{MAIN}": main
    210987654321: slave
  external_id: "0123456789"
  s3_backup_bucket: a-bucket
secgrp_unrestricted_access:
  ddb.table_name: issues
"""
REGIONS: dict[str, tuple[Any, set[str], set[str]]] = {
    "absent": (None, {"eu-west-1", "eu-north-1"}, {"eu-west-1", "eu-north-1"}),
    "text": ("us-east-1, us-west-2", {"eu-west-1", "us-east-1", "us-west-2"}, {"eu-west-1", "us-east-1", "us-west-2"}),
    "list": (["us-east-1"], {"eu-west-1", "us-east-1"}, {"eu-west-1", "us-east-1"}),
    "by-account": (
        {"*": ["us-east-1"], MAIN: "eu-west-2"},
        {"eu-west-1", "us-east-1", "eu-west-2"},
        {"eu-west-1", "eu-west-2"},
    ),
    "text-ends-in-a-comma": ("us-east-1, ", {"eu-west-1", "us-east-1"}, {"eu-west-1", "us-east-1"}),
    "empty-text": ("", {"eu-west-1", "eu-north-1"}, {"eu-west-1", "eu-north-1"}),
    "empty-list": ([], {"eu-west-1", "eu-north-1"}, {"eu-west-1", "eu-north-1"}),
    "empty-map": ({}, {"eu-west-1", "eu-north-1"}, {"eu-west-1", "eu-north-1"}),
    "others-are-not-named": ({MAIN: "eu-west-2"}, {"eu-west-1", "eu-west-2", "eu-north-1"}, {"eu-west-1", "eu-west-2"}),
    "main-is-not-named": (
        {"210987654321": ["us-east-1"]},
        {"eu-west-1", "us-east-1", "eu-north-1"},
        {"eu-west-1", "eu-north-1"},
    ),
    "none-in-main": (
        {"__": "why", "*": ["us-east-1"], MAIN: []},
        {"eu-west-1", "us-east-1"},
        {"eu-west-1"},
    ),
    "for-all": (
        {"*": ["us-east-1", "us-west-2"]},
        {"eu-west-1", "us-east-1", "us-west-2"},
        {"eu-west-1", "us-east-1", "us-west-2"},
    ),
}


# The prefix of reports in the configuration, and the one that the host may write to.
PREFIXES = {
    "reports/": "reports/",
    "security/weekly/": "security/weekly/",
    "security/open-": "security/open-",
    # No folder of their own: whoever could write there could write what else is in the bucket.
    "": "reports/",
    "report-": "reports/",
    "config/": "reports/",
    "closing/x/": "reports/",
    "host/": "reports/",
    "security_groups/": "reports/",
    "*/": "reports/",
    "a/../config/": "reports/",
}


# Sections of a configuration beside BASE's, and some of what the module makes of it.
READ: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "booleans-as-text": (
        {
            "jira": {"enabled": "True"},
            "slack": {"enabled": "TRUE"},
            "webhook": {"enabled": "True", "url": "https://a"},
            "decisions": {"enabled": "True"},
            "secgrp_unrestricted_access": {"remediation": "True", "remediation_immediate": {"*": "critical"}},
        },
        {"secrets": ["hammer/jira", "hammer/slack", "hammer/webhook"], "listens": True, "runs_at_once": True},
    ),
    "comments": (
        {
            "aws": {"accounts": {"__": "why", MAIN: "main", "210987654321": "slave"}},
            "usage": {"reader_roles": {"__": "why", "a-bucket": "arn:aws:iam::210987654321:role/r"}},
            "secgrp_unrestricted_access": {"remediation": True, "remediation_immediate": {"__": "why", "*": []}},
        },
        {
            "in_list": ["210987654321"],
            "reader_roles": ["arn:aws:iam::210987654321:role/r"],
            "runs_at_once": False,
        },
    ),
    "immediate-of-none": (
        {"secgrp_unrestricted_access": {"remediation": True, "remediation_immediate": {"*": " , "}}},
        {"runs_at_once": False},
    ),
    "sender-with-a-name": (
        {"publishing": {"email_from": "Hammer <hammer@example.com>"}},
        {"ses_from_address": "hammer@example.com"},
    ),
    "sender": ({"publishing": {"email_from": "hammer@example.com"}}, {"ses_from_address": "hammer@example.com"}),
    # Without the instance's metadata the agent of Systems Manager has no credentials, and the host no way in.
    "the-metadata-needs-no-proxy": ({}, {"no_proxy": ".example.com,10.0.0.0/8,169.254.169.254"}),
    "no-sender": ({}, {"ses_from_address": "", "secrets": [], "listens": False, "runs_at_once": False}),
}
# Names of files: right or no matter, not read by a configuration, and mistakes.
WELL_NAMED = (
    "whitelist.json",
    "ticket_owners.yml",
    "whitelist.json.bak",
    ".whitelist.json",
    "README.md",
    "config.tf",
    "whitelist.txt",
)
NOT_READ = ("notes.yaml", "exemptions.json", "conf-eu.json")
MISNAMED = (
    "whitelists.json",
    "white-list.yaml",
    "White Lists.yml",
    "Whitelist.JSON",
    "whitelst.json",
    "whtielist.yaml",
    "whitelisst.yml",
    "hitelist.json",
    "whitelis.json",
    "whitelist2.json",
    "awhitelist.yaml",
    "confg.yaml",
    "conf.json",
    "ticket-owners.yml",
    "ticket_owner.json",
    "Ticket Owner.json",
    "ticket_onwers.yaml",
)
# Where locals are that are not in main.tf.
LOCALS = {
    "alarms.tf": ["runs_at_once", "listens"],
    "events.tf": ["in_list"],
    "host.tf": ["no_proxy"],
    "roles.tf": ["ses_from", "ses_from_address", "reader_roles"],
}
VARIABLES = {
    "host": '{ no_proxy = ".example.com,10.0.0.0/8" }',
    "immediate_remediation": "true",
    "ses_from_address": "null",
}


def merged(sections: dict[str, Any]) -> dict[str, Any]:
    """A configuration of BASE and some sections more."""
    return {**BASE, **{name: {**BASE.get(name, {}), **section} for name, section in sections.items()}}


def local(file: str, name: str) -> str:
    """A local of the master module, as it stands in one of its files."""
    text = (TERRAFORM_CODE / "modules" / "master" / file).read_text("utf-8")
    (found,) = re.findall(rf"(?ms)^  {name} += .*?(?=^  [a-z#]|^\}}|^$)", text)
    return str(found)


def module() -> str:
    """The locals of the master module that read the configuration, as a module."""
    text = (TERRAFORM_CODE / "modules" / "master" / "main.tf").read_text("utf-8")
    (block,) = re.findall(r"(?ms)^locals \{.*?^\}", text)
    for data, value in {
        "data.aws_partition.current.partition": '"aws"',
        "data.aws_partition.current.dns_suffix": '"amazonaws.com"',
        "data.aws_regions.enabled.names": '["eu-north-1", "eu-west-1"]',
    }.items():
        assert data in block
        block = block.replace(data, value)
    values = "account_id = local.account_id, external_id = local.config.aws.external_id"
    regions = "regions = local.regions, own = local.own_regions, reports = local.reports_prefix"
    variables = 'variable "config_folder" { type = string }\n'
    variables += "".join(f'variable "{name}" {{ default = {value} }}\n' for name, value in VARIABLES.items())
    others = "".join(local(file, name) for file, names in LOCALS.items() for name in names)
    names = ["secrets", "misnamed", "unread", *(name for names in LOCALS.values() for name in names)]
    named = ", ".join(f"{name} = local.{name}" for name in names)
    read = f"{values}, {regions}, {named}"
    return f'{variables}\n{block}\nlocals {{\n{others}}}\noutput "read" {{\n  value = {{ {read} }}\n}}\n'


def read(folder: Path, configurations: dict[str, tuple[str, str]], beside: tuple[str, ...] = ()) -> dict[str, Any]:
    """What Terraform reads of each configuration: file and text. `beside` it are empty files of these names."""
    (folder / "reader").mkdir()
    (folder / "reader" / "main.tf").write_text(module(), "utf-8")
    root = []
    for name, (file, text) in configurations.items():
        (folder / name).mkdir()
        (folder / name / file).write_text(text, "utf-8")
        for other in beside:
            (folder / name / other).touch()
        root.append(f'module "{name}" {{\n  source = "./reader"\n  config_folder = "./{name}"\n}}\n')
        root.append(f'output "{name}" {{ value = module.{name}.read }}\n')
    (folder / "main.tf").write_text("".join(root), "utf-8")
    (folder / "terraform.rc").write_text("", "utf-8")
    terraform = Terraform(folder, {"TF_CLI_CONFIG_FILE": str(folder / "terraform.rc")})
    terraform.run("init", "-no-color")
    terraform.run("apply", "-auto-approve", "-no-color")
    return {name: said["value"] for name, said in json.loads(terraform.run("output", "-json")[1]).items()}


def test_terraform_and_hammer_read_the_same(tmp_path: Path) -> None:
    given = {"zeros": ("config.yaml", LEADING_ZEROS)}
    for name, (regions, _, _) in REGIONS.items():
        aws = BASE["aws"] if regions is None else {**BASE["aws"], "regions": regions}
        given[name] = ("config.json", json.dumps({**BASE, "aws": aws}))
    for number, prefix in enumerate(PREFIXES):
        given[f"prefix-{number}"] = ("config.json", json.dumps({**BASE, "publishing": {"prefix": prefix}}))
    found = read(tmp_path, given)
    hammer = parse_configuration({"config": ("config.yaml", LEADING_ZEROS.encode())}).aws
    assert (hammer.main_account_id, hammer.external_id) == (MAIN, "0123456789")
    assert {(each["account_id"], each["external_id"]) for each in found.values()} == {(MAIN, "0123456789")}
    assert set(found["zeros"]["regions"]) == {"eu-west-1", "us-east-1"}
    assert found["zeros"]["reports"] == "reports/"
    assert [found[f"prefix-{number}"]["reports"] for number in range(len(PREFIXES))] == list(PREFIXES.values())
    assert {name: (set(found[name]["regions"]), set(found[name]["own"])) for name in REGIONS} == {
        name: (regions, own) for name, (_, regions, own) in REGIONS.items()
    }


def test_terraform_takes_of_the_configuration_what_hammer_takes(tmp_path: Path) -> None:
    found = read(
        tmp_path, {name: ("config.json", json.dumps(merged(sections))) for name, (sections, _) in READ.items()}
    )
    for sections, _ in READ.values():
        parse_configuration({"config": ("config.json", json.dumps(merged(sections)).encode())})
    assert {name: {key: found[name][key] for key in wanted} for name, (_, wanted) in READ.items()} == {
        name: wanted for name, (_, wanted) in READ.items()
    }


def test_terraform_reads_json_that_is_no_yaml(tmp_path: Path) -> None:
    text = json.dumps({**BASE, "whitelisting_procedure_url": "https://a/b", "__": "\U0001f512"})
    text = text.replace("https://a/b", r"https:\/\/a\/b").replace('"aws":', '\n"aws"\n:')
    parse_configuration({"config": ("config.json", text.encode())})
    assert read(tmp_path, {"escapes": ("config.json", text)})["escapes"]["account_id"] == MAIN


def test_terraform_stops_at_files_that_hammer_would_refuse(tmp_path: Path) -> None:
    """It would leave them out of the bucket, and functions would take the whitelist for an empty one."""
    given = {"files": ("config.json", json.dumps(BASE))}
    found = read(tmp_path, given, (*WELL_NAMED, *NOT_READ, *MISNAMED))["files"]
    resembling, others = loader_misnamed(("config.json", *WELL_NAMED, *NOT_READ, *MISNAMED), FILES, SUFFIXES)
    assert sorted(found["misnamed"]) == sorted(resembling) == sorted(MISNAMED)
    assert sorted(found["unread"]) == sorted(others) == sorted(NOT_READ)
    bucket = (TERRAFORM_CODE / "modules" / "master" / "bucket.tf").read_text("utf-8")
    assert "condition     = length(local.misnamed) == 0" in bucket
    assert "condition     = length(local.unread) == 0" in bucket


def test_terraform_stops_at_the_only_whitelist_in_another_format(tmp_path: Path) -> None:
    names = ("whitelist.txt", "ticket_owners.jsn", "config.tf")
    found = read(tmp_path, {"files": ("config.json", json.dumps(BASE))}, names)["files"]
    assert sorted(loader_misnamed(("config.json", *names), FILES, SUFFIXES)[0]) == sorted(found["misnamed"])
    assert sorted(found["misnamed"]) == ["ticket_owners.jsn", "whitelist.txt"]


def test_an_account_id_that_is_none_stops_terraform(tmp_path: Path) -> None:
    text = json.dumps({**BASE, "aws": {**BASE["aws"], "main_account_id": "12345678901"}})
    with pytest.raises(TerraformError, match="regex"):
        read(tmp_path, {"short": ("config.json", text)})
