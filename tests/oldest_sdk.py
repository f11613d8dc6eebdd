"""The lowest AWS SDK that pyproject.toml promises: `make check-oldest-sdk` installs it, and tests run with it.

`python -m tests.oldest_sdk` prints what to install. botocore and s3transfer are those that this boto3 was made with.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_S3TRANSFER = {"1.40": "0.13.0"}


def promised() -> dict[str, str]:
    """The lower bounds of boto3 and botocore."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    bounds = (re.fullmatch(r"(boto3|botocore)>=([\d.]+)", each) for each in project["dependencies"])
    return {found[1]: found[2] for found in bounds if found}


def test_the_tests_run_with_the_sdk_that_is_promised() -> None:
    import boto3
    import botocore

    versions = {"boto3": boto3.__version__, "botocore": botocore.__version__}
    assert {name: version.removesuffix(".0") for name, version in versions.items()} == promised()


if __name__ == "__main__":
    lowest = promised()
    print(*(f"{name}=={version}.0" for name, version in lowest.items()), f"s3transfer=={_S3TRANSFER[lowest['boto3']]}")
