"""The plan of tests/data/terraform-plan by the Terraform that is installed: its shape is what `scan --plan` reads."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.deployment.terraform import Terraform, cli_configuration, needs_terraform
from tests.unit.hammer.test_real_terraform_plan import FOLDER, check, judged

pytestmark = needs_terraform


def test_terraform_prints_what_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "root"
    shutil.copytree(FOLDER, folder)
    environment = {"TF_CLI_CONFIG_FILE": str(cli_configuration(tmp_path)), "AWS_EC2_METADATA_DISABLED": "true"}
    terraform = Terraform(folder, environment)
    terraform.run("init", "-input=false", "-no-color")
    terraform.run("plan", "-input=false", "-no-color", "-refresh=false", "-out=plan.bin")
    plan = tmp_path / "made.json"
    plan.write_text(terraform.run("show", "-json", "plan.bin")[1], "utf-8")
    check(judged(plan))
