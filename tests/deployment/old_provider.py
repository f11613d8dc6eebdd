"""What the shipped Terraform code must swap to run with the AWS provider 3.39 and moto, the one place for it.

The code is for the provider 6; the newest that can be had as a Python package is 3.39, of 2021. `swapped` makes a copy
of the code for it. What the provider 6 takes is checked apart, in test_terraform_code.py. The edits rely on the
canonical format of `terraform fmt`, which test_terraform_code.py holds.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROVIDER_VERSION = "3.39.0"


class SwapError(Exception):
    """A swap found nothing to swap: the shipped code has changed."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text in place of another, wherever it stands."""

    old: str
    new: str
    reason: str

    def apply(self, source: str) -> str:
        return source.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class NoResource:
    """Without the resources of a type, and without what names them in a `depends_on`."""

    type: str
    reason: str

    def apply(self, source: str) -> str:
        source = re.sub(rf'(?m)^resource "{self.type}" .*\n(?:.*\n)*?^}}\n', "", source)
        return re.sub(rf"(?m)^ +{self.type}\.\w+,\n", "", source)


@dataclass(frozen=True, slots=True)
class NoArgument:
    """Without an argument of one line in the resources of a type."""

    type: str
    argument: str
    reason: str

    def apply(self, source: str) -> str:
        def without(resource: re.Match[str]) -> str:
            return re.sub(rf"(?m)^ +{self.argument} += .*\n", "", resource[0])

        return re.sub(rf'(?m)^resource "{self.type}" .*\n(?:.*\n)*?^}}\n', without, source)


@dataclass(frozen=True, slots=True)
class NoBlock:
    """Without a block, in the resources that have one of that name."""

    block: str
    reason: str

    def apply(self, source: str) -> str:
        return re.sub(rf"(?m)^  {self.block} {{\n(?:.*\n)*?^  }}\n", "", source)


SWAPS: tuple[Text | NoResource | NoArgument | NoBlock, ...] = (
    Text('version = "~> 6.0"', f'version = "{PROVIDER_VERSION}"', "the version that there is"),
    Text('version = "~> 6.62"', f'version = "{PROVIDER_VERSION}"', "the version that there is"),
    Text('runtime          = "python3.13"', 'runtime          = "python3.8"', "it knows no newer runtime"),
    NoArgument("aws_lambda_function", "architectures", "came with 3.61"),
    Text("aws_s3_object", "aws_s3_bucket_object", "the name before 4.0"),
    Text("source_hash = filemd5(", "etag        = filemd5(", "the hash came with 3.50; the emulator's ETag is the MD5"),
    NoArgument("aws_s3_bucket_object", "source_hash", "came with 3.50"),
    NoArgument("aws_cloudwatch_event_rule", "region", "came with 6.0"),
    NoArgument("aws_cloudwatch_event_target", "region", "came with 6.0"),
    Text(
        "setproduct(keys(local.patterns), var.regions)",
        'setproduct(keys(local.patterns), ["eu-west-1"])',
        "without that argument all rules are in the provider's region",
    ),
    NoResource("aws_cloudwatch_event_bus_policy", "came with 3.43; the emulator asks no bus for its policy"),
    NoBlock("scaling_config", "came with 4.44"),
    NoArgument("aws_lambda_event_source_mapping", "function_response_types", "came with 3.60"),
    NoResource("aws_s3_bucket_object_lock_configuration", "came with 4.0"),
    NoResource("aws_s3_bucket_versioning", "came with 4.0; written into the bucket below"),
    NoResource("aws_s3_bucket_server_side_encryption_configuration", "came with 4.0; written into the bucket below"),
    NoResource("aws_s3_bucket_lifecycle_configuration", "came with 4.0; written into the bucket below"),
    Text(
        "  force_destroy = !var.protect_data\n",
        """  force_destroy = !var.protect_data

  versioning {
    enabled = true
  }

  server_side_encryption_configuration {
    rule {
      bucket_key_enabled = true

      apply_server_side_encryption_by_default {
        sse_algorithm     = "aws:kms"
        kms_master_key_id = local.key_arn
      }
    }
  }

  lifecycle_rule {
    id                                     = "unfinished-uploads"
    enabled                                = true
    abort_incomplete_multipart_upload_days = 7
  }
""",
        "before 4.0 these were blocks of the bucket",
    ),
    Text("BucketOwnerEnforced", "BucketOwnerPreferred", "the value came with 3.68"),
    NoArgument("aws_dynamodb_table", "deletion_protection_enabled", "came with 4.58"),
    NoArgument("aws_cloudwatch_metric_alarm", "region", "came with 6.0"),
    NoArgument("aws_autoscaling_group", "max_instance_lifetime", "moto 5.2 forgets it"),
    NoResource("aws_sqs_queue_redrive_allow_policy", "3.39 lacks it"),
    NoResource("aws_vpc_security_group_ingress_rule", "came with 4.56; the test opens no port"),
    NoResource("aws_vpc_security_group_egress_rule", "came with 4.56; traffic is not emulated"),
    Text("data.aws_region.current.region", "data.aws_region.current.name", "the name before 6.0"),
    NoBlock("operation_preferences", "came with 4.0"),
    NoBlock("deployment_targets", "came with 4.0"),
    NoBlock("managed_execution", "3.39 lacks it"),
    Text("stack_set_instance_region", "region", "the name before 6.0"),
    NoArgument("aws_cloudformation_stack_set", "call_as", "came with 3.64"),
    NoArgument("aws_cloudformation_stack_set", "depends_on_stack_sets", "3.39 lacks it"),
    NoArgument("aws_cloudformation_stack_set_instance", "call_as", "came with 3.64"),
)

# What today's code has no more, and version 0.1.0 had.
SWAPS_OF_0_1_0: tuple[NoArgument, ...] = (
    NoArgument("aws_instance", "user_data_replace_on_change", "came with 4.0; before it, a change always replaced"),
    NoArgument("aws_instance", "monitoring", "moto 5.2 has no MonitorInstances"),
    NoArgument("aws_instance", "vpc_security_group_ids", "moto 5.2 does not tell them of an instance"),
)


def swapped(source: Path, target: Path, *, all_of_them: bool = True) -> None:
    """Copy a folder of Terraform code, changed for the old provider.

    Args:
        source: the folder.
        target: the copy.
        all_of_them: every swap must find something. Not so for the code of an older release.

    Raises:
        SwapError: a swap found nothing.
    """
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    files = sorted(target.rglob("*.tf"))
    for swap in SWAPS if all_of_them else (*SWAPS, *SWAPS_OF_0_1_0):
        if not _applied(swap, files) and all_of_them:
            raise SwapError(f"nothing to swap: {swap}")


def _applied(swap: Text | NoResource | NoArgument | NoBlock, files: Iterable[Path]) -> bool:
    found = False
    for file in files:
        before = file.read_text("utf-8")
        after = swap.apply(before)
        if after != before:
            file.write_text(after, "utf-8")
            found = True
    return found
