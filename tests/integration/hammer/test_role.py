"""`hammer --role-arn` and `--profile`: whom a command is, from its first call on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from hammer.__main__ import application
from library.aws.session import sdk_session

ROLE = "arn:aws:iam::210987654321:role/audit"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield


def caller() -> str:
    client: Any = sdk_session().create_client("sts", region_name="eu-west-1")
    return str(client.get_caller_identity()["Arn"])


@pytest.mark.parametrize("region", ["eu-west-1", ""])
def test_the_role_is_assumed_before_the_command(monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    if region:
        monkeypatch.setenv("AWS_REGION", region)
    arguments = ["--role-arn", ROLE, "check-config", "--config", "config"]
    result = CliRunner().invoke(application(arguments), arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert caller() == "arn:aws:sts::210987654321:assumed-role/audit/hammer"
    assert boto3.client("sts", region_name="eu-west-1").get_caller_identity()["Account"] == "210987654321"


@pytest.mark.parametrize("arn", ["", "audit", "arn:aws:iam::210987654321:user/audit", f"{ROLE}\n"])
def test_what_is_no_role(arn: str) -> None:
    before = dict(os.environ)
    arguments = ["--role-arn", arn, "check-config"]
    result = CliRunner().invoke(application(arguments), arguments)
    assert result.exit_code == 2
    assert "write the ARN of a role" in result.output
    assert dict(os.environ) == before


@pytest.fixture
def _profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that is a role of another account, which the credentials of the environment assume."""
    profile = f"[profile other]\nrole_arn = {ROLE}\ncredential_source = Environment\nregion = eu-west-1\n"
    (tmp_path / "aws-config").write_text(profile)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    for name in ("AWS_PROFILE", "HAMMER_PROFILE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("_profiles")
def test_a_profile_that_is_named_comes_before_credentials_of_the_environment() -> None:
    assert "210987654321" not in caller()
    arguments = ["--profile", "other", "check-config", "--config", "config"]
    result = CliRunner().invoke(application(arguments), arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert caller().startswith("arn:aws:sts::210987654321:assumed-role/audit/")


@pytest.mark.usefixtures("_profiles")
def test_the_profile_assumes_the_role() -> None:
    arguments = ["--profile", "other", "--role-arn", ROLE.replace("210987654321", "333333333333"), "check-config"]
    result = CliRunner().invoke(application(arguments), arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert caller() == "arn:aws:sts::333333333333:assumed-role/audit/hammer"


@pytest.mark.parametrize(
    "arguments",
    [["--profile", "", "scan"], ["scan", "--config", ""], ["remediate", "--batch", "--config="]],
)
def test_what_is_empty_does_not_mean_the_default(arguments: list[str]) -> None:
    result = CliRunner().invoke(application(arguments), arguments)
    assert result.exit_code == 2
    assert "Error: Invalid value for" in result.output
