"""`hammer identify`: the Lambdas' work from a machine, into the table that `hammer bootstrap` made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner, Result

from hammer.__main__ import application
from identification import describe_security_groups

MAIN, REGION = "123456789012", "eu-west-1"


@pytest.fixture
def location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    monkeypatch.setenv("HAMMER_CONFIG", "unset again afterwards")
    config = {
        "aws": {"main_account_id": MAIN, "region": REGION, "accounts": {MAIN: "master"}, "regions": [REGION]},
        "secgrp_unrestricted_access": {"ddb.table_name": "issues"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    with mock_aws():
        yield str(tmp_path)


def hammer(*arguments: str) -> Result:
    return CliRunner().invoke(application(arguments), arguments, catch_exceptions=False)


def test_a_sandbox_from_nothing_to_the_first_issue(location: str) -> None:
    assert hammer("bootstrap", "--config", location).exit_code == 0
    ec2 = boto3.client("ec2", region_name=REGION)
    group_id = ec2.create_security_group(GroupName="open", Description="test")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group_id, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    result = hammer("identify", "--config", location)
    assert (result.stdout, result.exit_code) == (f"{MAIN} {REGION}: 1 issue changed\n", 0)
    listed = hammer("issues", "--config", location, "--format", "json")
    assert [issue["group_id"] for issue in json.loads(listed.stdout)["issues"]] == [group_id]
    assert hammer("identify", "--config", location).stdout == f"{MAIN} {REGION}: 0 issues changed\n"


def test_what_could_not_be_done_is_named(location: str) -> None:
    result = hammer("identify", "--config", location)
    assert (result.stdout, result.exit_code) == ("", 1)
    assert result.stderr.startswith(f"hammer: {MAIN} {REGION}: there is no table issues in region eu-west-1")


def test_a_group_that_is_nowhere_is_a_typing_error_and_one_that_is_gone_is_not(location: str) -> None:
    hammer("bootstrap", "--config", location)
    ec2 = boto3.client("ec2", region_name=REGION)
    group_id = ec2.create_security_group(GroupName="open", Description="test")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group_id, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    nowhere = hammer("identify", "--config", location, "--group", "sg-nope", "--group", group_id)
    assert (nowhere.exit_code, nowhere.stdout) == (2, "")
    assert nowhere.stderr == "hammer: there is no security group sg-nope where this looked\n"
    assert hammer("identify", "--config", location, "--group", group_id).stdout == f"{MAIN} {REGION}: 1 issue changed\n"
    ec2.delete_security_group(GroupId=group_id)
    assert hammer("identify", "--config", location, "--group", group_id).stdout == f"{MAIN} {REGION}: 1 issue changed\n"


def test_a_scan_that_was_not_complete_says_so(location: str) -> None:
    """The other groups are judged, and who runs it hears of the issue that cannot be read."""
    hammer("bootstrap", "--config", location)
    ec2 = boto3.client("ec2", region_name=REGION)
    group_id = ec2.create_security_group(GroupName="open", Description="test")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group_id, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    damaged = {"account_id": MAIN, "issue_id": "sg-1", "status": "open", "open_region": REGION, "issue_details": "x"}
    row = {name: {"S": text} for name, text in damaged.items()}
    boto3.client("dynamodb", region_name=REGION).put_item(TableName="issues", Item=row)
    result = hammer("identify", "--config", location)
    assert (result.stdout, result.exit_code) == (f"{MAIN} {REGION}: 1 issue changed\n", 1)
    assert result.stderr.startswith(f"hammer: {MAIN} {REGION}: ")
    assert "sg-1" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_scan_that_somebody_interrupts_is_not_complete(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would count as one that found no group, and the next empty answer of EC2's would be believed."""
    hammer("bootstrap", "--config", location)
    assert hammer("identify", "--config", location).exit_code == 0
    counted = coverage()
    assert (counted["outcome"], counted["last_groups"]) == ("complete", 1)  # the default group of the default VPC
    monkeypatch.setattr(describe_security_groups, "scan", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    hammer("identify", "--config", location)
    later = coverage()
    assert (later["outcome"], later["reason"]) == ("failed", "it was interrupted")
    assert {name: later[name] for name in ("last_complete", "last_groups")} == {
        name: counted[name] for name in ("last_complete", "last_groups")
    }


def coverage() -> dict[str, Any]:
    key = {"account_id": MAIN, "issue_id": f"scan-coverage#{REGION}"}
    return dict(boto3.resource("dynamodb", region_name=REGION).Table("issues").get_item(Key=key)["Item"])


def test_a_check_that_is_off_is_said(location: str, tmp_path: Path) -> None:
    config = json.loads((tmp_path / "config.json").read_text())
    config["secgrp_unrestricted_access"]["enabled"] = False
    (tmp_path / "config.json").write_text(json.dumps(config))
    hammer("bootstrap", "--config", location)
    result = hammer("identify", "--config", location)
    said = "hammer: secgrp_unrestricted_access.enabled is false: nothing was looked at\n"
    assert (result.stdout, result.stderr, result.exit_code) == ("", said, 0)
