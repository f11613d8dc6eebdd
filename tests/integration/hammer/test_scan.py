"""`hammer scan` as a person runs it: options in, standard output and exit code out, on the emulated AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.handlers
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from moto import mock_aws
from moto.ec2.models import ec2_backends
from typer.testing import CliRunner, Result

from hammer.__main__ import application

MAIN, SLAVE = "123456789012", "210987654321"
Answer = Callable[[AWSRequest], AWSResponse | None]


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def on_call() -> Iterator[Callable[[str, Answer], None]]:
    """Answer a call, named like `ec2.DescribeSecurityGroups`, instead of the emulated AWS; None passes it on."""
    added: list[Any] = []

    def register(operation: str, answer: Answer) -> None:
        def handler(request: AWSRequest, **_: Any) -> AWSResponse | None:
            return answer(request)

        added.append((f"before-send.{operation}", handler))
        botocore.handlers.BUILTIN_HANDLERS.insert(0, added[-1])

    yield register
    for entry in added:
        botocore.handlers.BUILTIN_HANDLERS.remove(entry)


def rejection(status: int, code: str, *, only: str = "") -> Answer:
    """An error as EC2 and STS send one; `only` to addresses that contain this."""

    class Raw:
        def stream(self, **_: object) -> Iterator[bytes]:
            text = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
            yield f"<Response><Errors>{text}</Errors>{text}</Response>".encode()

    def answer(request: AWSRequest) -> AWSResponse | None:
        url = str(request.url)
        return AWSResponse(url, status, HTTPHeaders(), Raw()) if only in url else None

    return answer


def hammer(*arguments: str) -> Result:
    return CliRunner().invoke(application(arguments), arguments)


def write_config(folder: Path, **section: Any) -> str:
    config = {
        "aws": {
            "main_account_id": MAIN,
            "region": "eu-west-1",
            "accounts": {MAIN: "master", SLAVE: "slave"},
            "regions": ["eu-west-1", "us-east-1"],
        },
        "secgrp_unrestricted_access": {"ddb.table_name": "issues", "restricted_ports": [22], **section},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def ec2(account_id: str, region: str) -> Any:
    role = boto3.client("sts", region_name=region).assume_role(
        RoleArn=f"arn:aws:iam::{account_id}:role/any", RoleSessionName="test"
    )["Credentials"]
    return boto3.client(
        "ec2",
        region_name=region,
        aws_access_key_id=role["AccessKeyId"],
        aws_secret_access_key=role["SecretAccessKey"],
        aws_session_token=role["SessionToken"],
    )


def open_group(account_id: str, region: str, name: str = "open", cidr: str = "0.0.0.0/0") -> str:
    client = ec2(account_id, region)
    group_id: str = client.create_security_group(GroupName=name, Description="test")["GroupId"]
    client.authorize_security_group_ingress(
        GroupId=group_id,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": cidr}]}],
    )
    return group_id


def test_json_is_the_contracts_object_and_nothing_else(tmp_path: Path) -> None:
    group_id = open_group(SLAVE, "us-east-1")
    result = hammer("scan", "--config", write_config(tmp_path), "--format", "json")
    targets = [(account, region) for account in (MAIN, SLAVE) for region in ("eu-west-1", "us-east-1")]
    assert json.loads(result.stdout) == {
        "scanned": [
            {
                "account_id": account,
                "region": region,
                "groups": 2 if (account, region) == (SLAVE, "us-east-1") else 1,
                "whitelisted": 0,
            }
            for account, region in targets
        ],
        "failed": [],
        "issues": [
            {
                "account_id": SLAVE,
                "group_id": group_id,
                "whitelisted": False,
                "name": "open",
                "region": "us-east-1",
                "vpc_id": json.loads(result.stdout)["issues"][0]["vpc_id"],
                "status": "open_completely",
                "tags": {},
                "perms": [
                    {
                        "protocol": "tcp",
                        "from_port": 22,
                        "to_port": 22,
                        "cidr": "0.0.0.0/0",
                        "status": "open_completely",
                    }
                ],
                "reachability": {
                    "verdict": "unused",
                    "sources": None,
                    "severity": "low",
                    "paths": [],
                    "paths_total": 0,
                    "assumptions": [],
                    "unread": [],
                },
            }
        ],
    }
    assert result.exit_code == 3


@pytest.mark.parametrize("options", [["--severity", "critical"], ["--port", "3389"], ["--owner", "nobody"]])
def test_what_is_not_asked_for_is_not_said_to_be_safe(tmp_path: Path, options: list[str]) -> None:
    open_group(SLAVE, "us-east-1")
    arguments = ["scan", "--config", write_config(tmp_path), *options]
    text = "5 groups in 2 regions of 2 accounts: 0 with issues that were asked for\n"
    assert hammer(*arguments).stdout == text
    heading = "### Hammer: of what was asked for, no security group exposes a restricted port\n"
    assert hammer(*arguments, "--format", "markdown").stdout == heading
    page = hammer(*arguments, "--format", "html").stdout
    assert "No open issue is among those that were asked for." in page
    assert "No security group is open" not in page
    assert "<b>0</b> open, of what was asked for" in page
    wrote = hammer(*arguments, "--output", str(tmp_path / "report.html")).stderr
    assert wrote.startswith(f"wrote {tmp_path}/report.html (html): 0 open of what was asked for\n")


def test_nothing_exposed_is_0(tmp_path: Path) -> None:
    open_group(SLAVE, "us-east-1", cidr="10.0.0.0/8")
    result = hammer("scan", "--config", write_config(tmp_path))
    assert result.exit_code == 0
    assert result.stdout == "5 groups in 2 regions of 2 accounts: 0 with issues\n"


@pytest.mark.parametrize(
    ("options", "groups"),
    [
        pytest.param(["--account", MAIN], {"a", "b"}, id="account"),
        pytest.param(["--region", "us-east-1"], {"b", "d"}, id="region"),
        pytest.param(["--region", "us-east-1", "--region", "eu-west-1"], {"a", "b", "c", "d"}, id="both regions"),
        pytest.param(["--account", SLAVE, "--region", "eu-west-1"], {"c"}, id="account and region"),
    ],
)
def test_selection(tmp_path: Path, options: list[str], groups: set[str]) -> None:
    open_group(MAIN, "eu-west-1", "a")
    open_group(MAIN, "us-east-1", "b")
    open_group(SLAVE, "eu-west-1", "c")
    open_group(SLAVE, "us-east-1", "d")
    result = hammer("scan", "--config", write_config(tmp_path), "--format", "json", *options)
    assert {issue["name"] for issue in json.loads(result.stdout)["issues"]} == groups


def test_group_option_looks_at_that_group_only(tmp_path: Path) -> None:
    group_id = open_group(MAIN, "eu-west-1", "a")
    open_group(MAIN, "eu-west-1", "b")
    result = hammer("scan", "--config", write_config(tmp_path), "--format", "json", "--group", group_id)
    seen = json.loads(result.stdout)
    assert [issue["group_id"] for issue in seen["issues"]] == [group_id]
    assert sum(row["groups"] for row in seen["scanned"]) == 1


def test_a_group_that_another_account_shares_is_not_there_unless_that_account_is_looked_at(tmp_path: Path) -> None:
    """Through AWS RAM a participant sees it among its own, and its rules are judged in its owner's account alone."""
    group_id = open_group(SLAVE, "eu-west-1", "shared")
    for group in ec2_backends[SLAVE]["eu-west-1"].describe_security_groups([group_id]):
        group.owner_id = MAIN
    config = write_config(tmp_path)
    result = hammer("scan", "--config", config, "--account", SLAVE, "--group", group_id)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"hammer: there is no security group {group_id} where this looked\n"
    ec2_backends[SLAVE]["eu-west-1"].describe_security_groups([group_id])[0].owner_id = SLAVE
    assert hammer("scan", "--config", config, "--account", SLAVE, "--group", group_id).exit_code == 3


def test_without_a_configuration_the_callers_account_enabled_regions_and_usual_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    group_id = open_group(MAIN, "ap-southeast-2")
    result = hammer("scan", "--format", "json")
    seen = json.loads(result.stdout)
    enabled = boto3.client("ec2", region_name="eu-west-1").describe_regions()["Regions"]
    assert [row["region"] for row in seen["scanned"]] == sorted(region["RegionName"] for region in enabled)
    assert {row["account_id"] for row in seen["scanned"]} == {MAIN}
    assert [issue["group_id"] for issue in seen["issues"]] == [group_id]


def test_whitelisted_groups_are_counted_but_no_issues(tmp_path: Path) -> None:
    group_id = open_group(MAIN, "eu-west-1")
    location = write_config(tmp_path)
    (tmp_path / "whitelist.json").write_text(json.dumps({"secgrp_unrestricted_access": {MAIN: [group_id]}}))
    result = hammer("scan", "--config", location)
    assert result.stdout == "5 groups in 2 regions of 2 accounts: 0 with issues, 1 more is exempt\n"
    assert result.exit_code == 0


def test_an_account_that_cannot_be_assumed_is_named_and_the_others_are_scanned(
    tmp_path: Path, on_call: Callable[[str, Answer], None]
) -> None:
    group_id = open_group(MAIN, "eu-west-1")
    on_call("sts.AssumeRole", rejection(403, "AccessDenied"))
    result = hammer("scan", "--config", write_config(tmp_path), "--format", "json")
    seen = json.loads(result.stdout)
    assert [(row["account_id"], row["region"]) for row in seen["failed"]] == [
        (SLAVE, "eu-west-1"),
        (SLAVE, "us-east-1"),
    ]
    assert f"arn:aws:iam::{SLAVE}:role/hammer-cloudsec-crossact-id cannot be assumed" in seen["failed"][0]["reason"]
    assert [issue["group_id"] for issue in seen["issues"]] == [group_id]
    assert result.exit_code == 1


def test_what_is_not_aws_is_named_and_the_other_regions_are_scanned(
    tmp_path: Path, on_call: Callable[[str, Answer], None]
) -> None:
    class Page:
        def stream(self, **_: object) -> Iterator[bytes]:
            yield b"<html>sign in to the guest network"

    def proxy(request: AWSRequest) -> AWSResponse | None:
        url = str(request.url)
        return AWSResponse(url, 200, HTTPHeaders(), Page()) if "us-east-1" in url else None

    on_call("ec2.DescribeSecurityGroups", proxy)
    result = hammer("scan", "--config", write_config(tmp_path, accounts=[MAIN]), "--format", "json")
    seen = json.loads(result.stdout)
    assert [row["region"] for row in seen["scanned"]] == ["eu-west-1"]
    assert [row["region"] for row in seen["failed"]] == ["us-east-1"]
    assert seen["failed"][0]["reason"].startswith("what answered for AWS is not understood: ")
    assert result.exit_code == 1


def by_account(folder: Path) -> str:
    """A configuration in which the accounts have regions of their own."""
    location = write_config(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["aws"]["regions"] = {MAIN: ["eu-west-1", "us-east-1"], "*": ["eu-west-1"]}
    path.write_text(json.dumps(config))
    return location


def test_a_region_is_scanned_in_the_accounts_that_have_it(tmp_path: Path) -> None:
    """In the others a policy of the organization may deny it."""
    result = hammer("scan", "--config", by_account(tmp_path), "--region", "us-east-1", "--format", "json")
    assert [(row["account_id"], row["region"]) for row in json.loads(result.stdout)["scanned"]] == [(MAIN, "us-east-1")]
    assert result.exit_code == 0


def test_a_region_that_none_of_the_named_accounts_has_is_not_there(tmp_path: Path) -> None:
    asked = ["--account", SLAVE, "--region", "us-east-1", "--region", "eu-west-1"]
    result = hammer("scan", "--config", by_account(tmp_path), *asked)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "hammer: not among the regions of these accounts (aws.regions): us-east-1\n"


def test_a_region_named_twice_is_scanned_once(tmp_path: Path) -> None:
    twice = ["--region", "us-east-1", "--region", "us-east-1", "--account", MAIN]
    result = hammer("scan", "--config", write_config(tmp_path), "--format", "json", *twice)
    assert len(json.loads(result.stdout)["scanned"]) == 1


def test_a_region_that_is_off_is_a_failure_only_if_it_was_asked_for(
    tmp_path: Path, on_call: Callable[[str, Answer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("identification.scan.region_is_enabled", lambda _client, region: region != "us-east-1")
    on_call("ec2.DescribeSecurityGroups", rejection(401, "AuthFailure", only="us-east-1"))
    location = write_config(tmp_path, accounts=[MAIN])
    result = hammer("scan", "--config", location, "--format", "json")
    assert (json.loads(result.stdout)["failed"], result.exit_code) == ([], 0)
    result = hammer("scan", "--config", location, "--format", "json", "--region", "us-east-1")
    assert json.loads(result.stdout)["failed"] == [
        {
            "account_id": MAIN,
            "region": "us-east-1",
            "reason": f"region us-east-1 is not enabled in account {MAIN}",
        }
    ]
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(["--account", "999999999999"], "not among the accounts of the configuration", id="account"),
        pytest.param(["--format", "xml"], "'xml' is not one of", id="format"),
        pytest.param(["--colour"], "No such option", id="option"),
    ],
)
def test_wrong_usage_is_2(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    result = hammer("scan", "--config", write_config(tmp_path), *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert result.stdout == ""


def test_names_from_the_account_do_not_reach_the_terminal_as_they_are(tmp_path: Path) -> None:
    client = ec2(MAIN, "eu-west-1")
    group_id = client.create_security_group(GroupName="[red]\u202egpj", Description="test")["GroupId"]
    client.authorize_security_group_ingress(GroupId=group_id, IpProtocol="-1", CidrIp="0.0.0.0/0")
    result = hammer("scan", "--config", write_config(tmp_path))
    assert "\u202e" not in result.stdout
    assert "[red]\\u202egpj" in result.stdout


def test_what_it_does_not_know_of_who_can_connect_is_named_once_and_is_no_failure(
    on_call: Callable[[str, Answer], None], tmp_path: Path
) -> None:
    open_group(SLAVE, "us-east-1")
    open_group(SLAVE, "us-east-1", name="another")
    on_call("ec2.DescribeNetworkInterfaces", rejection(403, "UnauthorizedOperation"))
    result = hammer("scan", "--config", write_config(tmp_path), "--account", SLAVE, "--format", "json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert found["failed"] == []
    assert [issue["reachability"]["verdict"] for issue in found["issues"]] == ["unknown", "unknown"]
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        f"hammer: {SLAVE} us-east-1: who can connect is not known: network interfaces could not be read: denied: "
    )


def test_a_configuration_that_leaves_nothing_to_look_at_says_so(tmp_path: Path) -> None:
    result = hammer("scan", "--config", write_config(tmp_path, accounts=""))
    assert (result.exit_code, result.stderr) == (
        0,
        "hammer: note: the configuration leaves no account and region to look at\n",
    )


def test_a_prefix_list_that_is_denied_is_named_and_the_regions_other_groups_are_judged(
    on_call: Callable[[str, Answer], None], tmp_path: Path
) -> None:
    """A policy with ec2:Describe* alone lets one see a list, and not read its entries."""
    group_id, listed = open_group(SLAVE, "us-east-1"), open_group(SLAVE, "us-east-1", name="listed", cidr="10.0.0.0/8")
    client = ec2(SLAVE, "us-east-1")
    made = client.create_managed_prefix_list(PrefixListName="ours", MaxEntries=1, AddressFamily="IPv4")
    sources = [{"PrefixListId": made["PrefixList"]["PrefixListId"]}]
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "PrefixListIds": sources}
    client.authorize_security_group_ingress(GroupId=listed, IpPermissions=[ssh])
    on_call("ec2.GetManagedPrefixListEntries", rejection(403, "UnauthorizedOperation"))
    result = hammer("scan", "--config", write_config(tmp_path), "--account", SLAVE, "--format", "json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [issue["group_id"] for issue in found["issues"]] == [group_id]
    (failed,) = found["failed"]
    assert failed["reason"].startswith(f"not understood: {listed}: prefix list {sources[0]['PrefixListId']} could not")
    assert "may not call GetManagedPrefixListEntries" in failed["reason"]
