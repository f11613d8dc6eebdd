"""Terraform reads of the configuration what Hammer reads: the master module's own locals, without a provider."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from library.config import parse_configuration
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
    variable = 'variable "config_folder" { type = string }'
    return f'{variable}\n{block}\noutput "read" {{\n  value = {{ {values}, {regions} }}\n}}\n'


def read(folder: Path, configurations: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """What Terraform reads of each configuration: file and text."""
    (folder / "reader").mkdir()
    (folder / "reader" / "main.tf").write_text(module(), "utf-8")
    root = []
    for name, (file, text) in configurations.items():
        (folder / name).mkdir()
        (folder / name / file).write_text(text, "utf-8")
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


def test_an_account_id_that_is_none_stops_terraform(tmp_path: Path) -> None:
    text = json.dumps({**BASE, "aws": {**BASE["aws"], "main_account_id": "12345678901"}})
    with pytest.raises(TerraformError, match="regex"):
        read(tmp_path, {"short": ("config.json", text)})
