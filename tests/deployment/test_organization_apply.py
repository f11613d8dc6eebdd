"""The example of an organization, applied twice by real Terraform: the second time changes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import requests

from deployment import package
from tests.deployment.deployed import ACCOUNT, Deployed
from tests.deployment.emulator import emulated_aws
from tests.deployment.old_provider import NoResource, swapped
from tests.deployment.terraform import (
    TERRAFORM_CODE,
    Terraform,
    cli_configuration,
    needs_terraform,
    point_providers_at,
)

pytestmark = needs_terraform
EMPTY_ZIP = b"PK\x05\x06" + b"\0" * 18


def test_the_second_apply_changes_nothing(tmp_path: Path) -> None:
    code = tmp_path / "deployment" / "terraform"
    swapped(TERRAFORM_CODE, code)
    # The old provider knows no units as targets, and the emulator takes nothing else for a service-managed set.
    module = code / "modules" / "organization" / "main.tf"
    instances = NoResource("aws_cloudformation_stack_set_instance", "3.39 knows no units")
    module.write_text(instances.apply(module.read_text("utf-8")), "utf-8")
    for data in ("policies", "cloudformation", "events"):
        shutil.copytree(TERRAFORM_CODE.parent / data, code.parent / data)
    dist = tmp_path / "dist"
    dist.mkdir()
    for name in package.FUNCTIONS:
        (dist / f"{name}.zip").write_bytes(EMPTY_ZIP)
    example = code / "accounts" / "organization"
    terraform = Terraform(example, {"TF_CLI_CONFIG_FILE": str(cli_configuration(tmp_path))})
    variables = {"package_folder": str(dist), "organizational_unit_ids": ["ou-exam-11111111"]}
    (example / "test.auto.tfvars.json").write_text(json.dumps(variables), "utf-8")
    with emulated_aws() as url:
        requests.post(f"{url}/moto-api/config", json={"lambda": {"use_docker": False}}, timeout=10).raise_for_status()
        point_providers_at(url, example, [])
        terraform.run("init", "-no-color")
        # What the stack sets need of the main account; test_apply.py plans all of that a second time.
        stack_sets = ("-target=module.slaves", "-no-color")
        terraform.run("apply", "-auto-approve", *stack_sets)
        exit_code, plan = terraform.run("plan", "-detailed-exitcode", *stack_sets, accepted=(0, 2))
        assert exit_code == 0, plan
        sets = Deployed(url, tmp_path).client("cloudformation")
        roles = {
            each["ParameterKey"]: each["ParameterValue"]
            for each in sets.describe_stack_set(StackSetName="hammer-slave-roles")["StackSet"]["Parameters"]
        }
        assert roles["MainAccountId"] == ACCOUNT
        assert roles["ExternalId"] == "change-this-shared-secret"
