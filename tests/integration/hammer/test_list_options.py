"""The options of `hammer issues` and `hammer scan`: each reaches the list, and the list goes where it is to go."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner, Result

from hammer.__main__ import application
from library.aws.conditional_writes import TABLE_DEFINITION
from library.aws.issue_table import IssueTable
from library.aws.records import CoverageRecords
from library.issues.issue import Status, Timestamps
from library.issues.scan_coverage import ITEM_PREFIX, Outcome, ScanCoverage
from tests.builders.issues import DETAILS, NOW, RDP, SSH, an_issue

MAIN, SLAVE = "123456789012", "210987654321"
REGION = "eu-west-1"
CONFIG = {
    "aws": {
        "main_account_id": MAIN,
        "region": REGION,
        "accounts": {MAIN: "master", SLAVE: "shop"},
        "regions": [REGION, "us-east-1"],
    },
    "secgrp_unrestricted_access": {"ddb.table_name": "issues-of-ours"},
}
RDP_ONLY = replace(DETAILS, name="alpha", region="us-east-1", status="open_partly", perms=(RDP,), tags={"owner": "bo"})
ISSUES = (
    an_issue(issue_id="sg-ssh", details=replace(DETAILS, name="beta", tags={"owner": "ana"})),
    an_issue(Status.WHITELISTED, issue_id="sg-rdp", details=RDP_ONLY, account_id=MAIN),
    an_issue(Status.RESOLVED, issue_id="sg-gone"),
    an_issue(issue_id="sg-new", details=replace(DETAILS, name="gamma"), timestamps=Timestamps(identified=NOW)),
)


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A configuration, its table with an issue of each kind, and two exposed groups; reading changes nothing."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    with mock_aws():
        client = boto3.client("dynamodb", region_name=REGION)
        client.create_table(TableName="issues-of-ours", **TABLE_DEFINITION)
        table = IssueTable(client, "issues-of-ours")
        for issue in ISSUES:
            table.items.put_new(issue.to_item())
        ec2: Any = boto3.client("ec2", region_name=REGION)
        for rule, owner in ((SSH, "ana"), (RDP, "bo")):
            tags = [{"ResourceType": "security-group", "Tags": [{"Key": "owner", "Value": owner}]}]
            name = f"of-{owner}"
            made = ec2.create_security_group(GroupName=name, Description="test", TagSpecifications=tags)
            ec2.authorize_security_group_ingress(
                GroupId=made["GroupId"],
                IpProtocol="tcp",
                FromPort=rule.from_port,
                ToPort=rule.to_port,
                CidrIp=rule.cidr,
            )
        yield str(folder)


def hammer(command: str, location: str, *options: str) -> Result:
    return CliRunner().invoke(application([command]), [command, "--config", location, *options], catch_exceptions=False)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param("", "sg-rdp sg-new sg-ssh", id="open and whitelisted by default"),
        pytest.param("--severity high", "sg-new sg-ssh", id="severity"),
        pytest.param("--severity high --severity medium", "sg-rdp sg-new sg-ssh", id="two severities"),
        pytest.param("--port 3389", "sg-rdp", id="port"),
        pytest.param("--owner BO", "sg-rdp", id="owner"),
        pytest.param("--status resolved", "sg-gone", id="status"),
        pytest.param("--status resolved --status open", "sg-gone sg-new sg-ssh", id="two statuses"),
        pytest.param("--sort name", "sg-rdp sg-ssh sg-new", id="sort"),
        pytest.param("--account 210987654321", "sg-new sg-ssh", id="account"),
        pytest.param("--region us-east-1", "sg-rdp", id="region"),
        pytest.param("--group sg-gone", "sg-gone", id="a named group is listed whatever became of it"),
        pytest.param("--group sg-gone --group sg-ssh --status open", "sg-ssh", id="group and status"),
    ],
)
def test_each_option_of_issues_reaches_the_list(location: str, options: str, expected: str) -> None:
    result = hammer("issues", location, "--format", "jsonl", *options.split())
    assert [json.loads(line)["group_id"] for line in result.stdout.splitlines()] == expected.split()
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("options", "expected", "code"),
    [
        pytest.param("", "of-ana of-bo", 3, id="nothing is left out"),
        pytest.param("--severity low", "of-ana of-bo", 3, id="severity"),
        pytest.param("--severity critical", "", 0, id="a severity that no issue has"),
        pytest.param("--port 3389", "of-bo", 3, id="port"),
        pytest.param("--owner bo", "of-bo", 3, id="owner"),
        pytest.param("--sort name", "of-ana of-bo", 3, id="sort by name"),
        pytest.param("--sort owner", "of-ana of-bo", 3, id="sort by owner"),
        pytest.param("--fail-on low", "of-ana of-bo", 3, id="fail on what is there"),
        pytest.param("--fail-on high", "of-ana of-bo", 0, id="fail on what is not there"),
    ],
)
def test_each_option_of_scan_reaches_the_list(location: str, options: str, expected: str, code: int) -> None:
    arguments = ("--account", MAIN, "--region", REGION, "--format", "json", *options.split())
    result = hammer("scan", location, *arguments)
    found = [issue["name"] for issue in json.loads(result.stdout)["issues"]]
    # Without an order the ids decide, which are random.
    assert (found if "--sort" in options else sorted(found)) == expected.split()
    assert result.exit_code == code


@pytest.mark.parametrize("asked", [MAIN, "master"])
def test_an_account_that_is_not_scanned_any_more_is_named_by_its_id_or_name(
    location: str, tmp_path: Path, asked: str
) -> None:
    left = {**CONFIG, "secgrp_unrestricted_access": {"ddb.table_name": "issues-of-ours", "accounts": [SLAVE]}}
    (tmp_path / "config.json").write_text(json.dumps(left))
    result = hammer("issues", str(tmp_path), "--account", asked, "--format", "jsonl")
    assert [json.loads(line)["group_id"] for line in result.stdout.splitlines()] == ["sg-rdp"]
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize("command", ["issues", "scan"])
def test_a_list_goes_to_a_file_and_nothing_to_standard_output(location: str, command: str, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    result = hammer(command, location, "--account", MAIN, "--format", "csv", "--output", str(file))
    assert result.stdout == ""
    with file.open(newline="") as lines:
        names = [row["group_name"] for row in csv.DictReader(lines)]
    assert sorted(names) == (["alpha"] if command == "issues" else ["of-ana", "of-bo"])


def test_a_scan_without_config_reads_what_the_environment_names(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAMMER_CONFIG", location)
    arguments = ("scan", "--account", SLAVE, "--format", "json")
    result = CliRunner().invoke(application(arguments), arguments, catch_exceptions=False)
    scanned = [(row["account_id"], row["region"]) for row in json.loads(result.stdout)["scanned"]]
    assert scanned == [(SLAVE, REGION), (SLAVE, "us-east-1")]


def test_what_was_not_seen_whole_or_cannot_be_read_is_named_and_is_1(location: str) -> None:
    client = boto3.client("dynamodb", region_name=REGION)
    table = IssueTable(client, "issues-of-ours")
    coverage = ScanCoverage(SLAVE, REGION, Outcome.FAILED, NOW, 1.0, 3, reason="denied")
    CoverageRecords(table.items).record(coverage)
    table.items.put_new({"account_id": MAIN, "issue_id": "sg-odd", "status": "open", "revision": 1})
    try:
        result = hammer("issues", location, "--format", "json")
        elsewhere = hammer("issues", location, "--region", "us-east-1", "--format", "json")
        of_main = hammer("issues", location, "--account", MAIN, "--format", "json")
    finally:  # the table is every test's
        for account_id, issue_id in ((MAIN, "sg-odd"), (SLAVE, f"{ITEM_PREFIX}{REGION}")):
            key: Any = {"account_id": {"S": account_id}, "issue_id": {"S": issue_id}}
            client.delete_item(TableName="issues-of-ours", Key=key)
    listed = json.loads(result.stdout)
    assert [row["group_id"] for row in listed["issues"]] == ["sg-rdp", "sg-new", "sg-ssh"]
    assert [(row["account_id"], row["region"]) for row in listed["failed"]] == [(MAIN, ""), (SLAVE, REGION)]
    odd, unseen = result.stderr.splitlines()
    assert odd.startswith(f"hammer: {MAIN}: ")
    assert "sg-odd" in odd
    assert unseen == f"hammer: {SLAVE} {REGION}: its last scan: failed: denied"
    assert result.exit_code == 1
    assert [row["region"] for row in json.loads(elsewhere.stdout)["failed"]] == [""]
    assert [row["account_id"] for row in json.loads(of_main.stdout)["failed"]] == [MAIN]


def test_a_region_that_is_not_scanned_any_more_is_no_failure(location: str) -> None:
    client = boto3.client("dynamodb", region_name=REGION)
    coverage = ScanCoverage(SLAVE, "ap-south-1", Outcome.FAILED, NOW, 1.0, 3, reason="denied")
    CoverageRecords(IssueTable(client, "issues-of-ours").items).record(coverage)
    try:
        result = hammer("issues", location, "--format", "json")
    finally:  # the table is every test's
        key: Any = {"account_id": {"S": SLAVE}, "issue_id": {"S": f"{ITEM_PREFIX}ap-south-1"}}
        client.delete_item(TableName="issues-of-ours", Key=key)
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["failed"] == []


def test_a_group_of_another_region_is_wrong_usage(location: str) -> None:
    result = hammer("issues", location, "--region", "us-east-1", "--group", "sg-ssh")
    assert (result.exit_code, result.output) == (2, "hammer: the issue table has no issue in us-east-1 of: sg-ssh\n")


@pytest.mark.parametrize("options", ["", "--status open", "--status resolved", "--severity critical"])
def test_exempt_issues_are_counted_where_they_are_not_listed(location: str, options: str) -> None:
    client = boto3.client("dynamodb", region_name=REGION)
    seen = ScanCoverage(MAIN, "us-east-1", Outcome.COMPLETE, NOW, 1.0, 7, last_complete=NOW)
    CoverageRecords(IssueTable(client, "issues-of-ours").items).record(seen)
    try:
        listed = json.loads(hammer("issues", location, "--format", "json", *options.split()).stdout)
    finally:  # the table is every test's
        key: Any = {"account_id": {"S": MAIN}, "issue_id": {"S": f"{ITEM_PREFIX}us-east-1"}}
        client.delete_item(TableName="issues-of-ours", Key=key)
    assert [row["whitelisted"] for row in listed["scanned"]] == [1]
