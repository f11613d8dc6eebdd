"""The example of an organization, applied twice by real Terraform: the second time changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import requests

from tests.deployment.deployed import ACCOUNT, Deployed
from tests.deployment.emulator import emulated_aws
from tests.deployment.terraform import (
    Terraform,
    cli_configuration,
    copied_for_old_provider,
    needs_terraform,
    point_providers_at,
)

pytestmark = needs_terraform


def test_the_second_apply_changes_nothing(tmp_path: Path) -> None:
    example = copied_for_old_provider(tmp_path) / "accounts" / "organization"
    terraform = Terraform(example, {"TF_CLI_CONFIG_FILE": str(cli_configuration(tmp_path))})
    variables = {"package_folder": str(tmp_path / "dist"), "organizational_unit_ids": ["ou-exam-11111111"]}
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
