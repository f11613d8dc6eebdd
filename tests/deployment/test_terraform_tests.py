"""The modules' own tests, `terraform test`: what their users run, run here on the code for the old provider."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.deployment.terraform import (
    TERRAFORM_CODE,
    Terraform,
    cli_configuration,
    copied_for_old_provider,
    needs_terraform,
)

pytestmark = needs_terraform
ROOT = TERRAFORM_CODE.parents[1]
MODULES = sorted(path.parent.parent.name for path in TERRAFORM_CODE.glob("modules/*/tests/*.tftest.hcl"))


@pytest.mark.parametrize("name", MODULES)
def test_the_modules_pass_their_own_tests(name: str, tmp_path: Path) -> None:
    module = copied_for_old_provider(tmp_path) / "modules" / name
    shutil.copytree(ROOT / "config", tmp_path / "config")
    terraform = Terraform(module, {"TF_CLI_CONFIG_FILE": str(cli_configuration(tmp_path))})
    terraform.run("init", "-no-color")
    _, output = terraform.run("test", "-no-color")
    runs = sum(len(re.findall(r'(?m)^run "', path.read_text("utf-8"))) for path in module.glob("tests/*.tftest.hcl"))
    assert f"Success! {runs} passed, 0 failed." in output


def test_every_validation_of_a_variable_is_tried() -> None:
    """In the master module, whose variables people write."""
    folder = TERRAFORM_CODE / "modules" / "master"
    text = (folder / "variables.tf").read_text("utf-8")
    blocks = re.findall(r'(?ms)^variable "(\w+)" \{(.*?)^\}', text)
    checked = {name for name, block in blocks if "validation {" in block}
    tried = set(re.findall(r"\[var\.(\w+)\]", (folder / "tests" / "variables.tftest.hcl").read_text("utf-8")))
    assert tried == checked
