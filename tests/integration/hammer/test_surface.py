"""What a person meets first: names that are not there, a table that is missing, encodings, Ctrl-C, and folders."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from typer.testing import CliRunner, Result

from hammer.__main__ import application
from library.aws.conditional_writes import TABLE_DEFINITION
from library.aws.issue_table import IssueTable
from library.aws.records import CoverageRecords
from library.issues.scan_coverage import Outcome, ScanCoverage
from library.jobs import command_line
from tests.builders.issues import NOW, an_issue
from tests.worlds.emulated_aws import Call, EmulatedAws, emulated_aws

ROOT = Path(__file__).parents[3]
MAIN, SLAVE = "123456789012", "210987654321"
REGION = "eu-west-1"
UNTRUSTED = "=z\u00fcrich \u6771\u4eac [red]\u202e"


@pytest.fixture(scope="module")
def aws() -> Iterator[EmulatedAws]:
    """One exposed group with a name that most encodings lack, and nothing else; reading changes nothing."""
    with pytest.MonkeyPatch.context() as patched, emulated_aws() as served:
        patched.setenv("AWS_ENDPOINT_URL", served.endpoint)
        patched.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        ec2 = boto3.client("ec2", region_name=REGION)
        group_id = ec2.create_security_group(GroupName=UNTRUSTED, Description="test")["GroupId"]
        ec2.authorize_security_group_ingress(GroupId=group_id, IpProtocol="-1", CidrIp="0.0.0.0/0")
        yield served


@pytest.fixture
def location(tmp_path: Path) -> str:
    return configure(tmp_path)


def configure(folder: Path, **section: Any) -> str:
    config = {
        "aws": {
            "main_account_id": MAIN,
            "region": REGION,
            "accounts": {MAIN: "master", SLAVE: "shop"},
            "regions": [REGION, "us-east-1"],
            "s3_backup_bucket": "backups-of-ours",
        },
        "secgrp_unrestricted_access": {
            "ddb.table_name": "issues-of-ours",
            "reporting": True,
            "remediation": True,
            **section,
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.fixture
def table(aws: EmulatedAws) -> Iterator[IssueTable]:
    del aws
    client = boto3.client("dynamodb", region_name=REGION)
    client.create_table(TableName="issues-of-ours", **TABLE_DEFINITION)
    yield IssueTable(client, "issues-of-ours")
    client.delete_table(TableName="issues-of-ours")


def hammer(*arguments: str) -> Result:
    return CliRunner().invoke(application(arguments), arguments, catch_exceptions=False)


def process(*arguments: str, cwd: Path | str = ROOT, **environment: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "hammer", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


COMMANDS = (("report",), ("remediate", "--batch"), ("remediate", "--dry-run"), ("status",), ("issues",), ("scan",))


NOT_THERE = {
    "account": (("--account", "999"), "999"),
    "region": (("--region", "xx"), "not among the regions of the configuration (aws.regions): xx"),
    "region that is not scanned": (("--region", "us-east-2"), "us-east-2"),
    "group": (("--group", "sg-nope"), "sg-nope"),
}


@pytest.mark.parametrize(
    ("command", "options", "said"),
    [
        pytest.param(command, *case, id=f"{' '.join(command)} {name}")
        for command in COMMANDS
        for name, case in NOT_THERE.items()
        if (command, name) != (("status",), "group")  # which it does not take
    ],
)
@pytest.mark.usefixtures("table")
def test_a_name_that_is_not_there_is_wrong_usage_in_one_line(
    location: str, command: tuple[str, ...], options: tuple[str, str], said: str
) -> None:
    result = hammer(*command, "--config", location, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("hammer: ")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_scan_without_a_configuration_knows_the_regions_of_aws(
    aws: EmulatedAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del aws
    monkeypatch.chdir(tmp_path)
    result = hammer("scan", "--region", "eu-west-9")
    assert (result.exit_code, result.stderr) == (2, "hammer: no region of AWS: eu-west-9\n")


NEWER = "eu-south-2"  # than the SDK of these tests
OF_REGION = (
    *((*command, "--region", NEWER) for command in COMMANDS if command != ("scan",)),
    *((name, "--region", NEWER, "--account", MAIN, "--group", "sg-1") for name in ("explain", "source")),
    ("usage", "--region", NEWER),
    ("exemptions", "--region", NEWER),
    ("restore", "--dry-run", "--region", NEWER, "--account", MAIN, "--group", "sg-1"),
    ("restore", "--give-up", "--region", NEWER, "--account", MAIN, "--group", "sg-1"),
    ("restore", "--decided", "--region", NEWER, "--account", MAIN, "--group", "sg-1"),
)


def _of_newer_region(table: IssueTable, tmp_path: Path, command: tuple[str, ...], known_by: str) -> Result:
    location = configure(tmp_path)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text()) | {"usage": {"enabled": True}}
    config["aws"]["regions"] = [REGION, NEWER] if known_by == "configuration" else []
    file.write_text(json.dumps(config))
    if known_by == "scan":
        CoverageRecords(table.items).begin(MAIN, NEWER, NOW)
    with patch.object(command_line, "aws_regions", lambda: {REGION}):
        return hammer(*command, "--config", location)


@pytest.mark.parametrize("known_by", ["configuration", "scan"])
@pytest.mark.parametrize("command", OF_REGION, ids=lambda command: " ".join(command[:2]))
def test_a_region_newer_than_the_sdk_is_there_where_it_is_scanned(
    table: IssueTable, tmp_path: Path, command: tuple[str, ...], known_by: str
) -> None:
    assert "no region of AWS" not in _of_newer_region(table, tmp_path, command, known_by).output


@pytest.mark.parametrize("command", OF_REGION, ids=lambda command: " ".join(command[:2]))
def test_a_region_that_nothing_knows_is_wrong_usage(
    table: IssueTable, tmp_path: Path, command: tuple[str, ...]
) -> None:
    result = _of_newer_region(table, tmp_path, command, "nothing")
    assert (result.exit_code, result.stderr) == (2, f"hammer: no region of AWS: {NEWER}\n")


@pytest.mark.usefixtures("table")
def test_a_group_of_which_the_table_has_an_issue_is_there_whatever_its_status(location: str, table: IssueTable) -> None:
    issue = an_issue()
    table.items.put_new(issue.to_item())
    CoverageRecords(table.items).record(ScanCoverage(SLAVE, REGION, Outcome.COMPLETE, NOW, 1.0, 3))
    result = hammer("issues", "--config", location, "--group", issue.issue_id, "--format", "json")
    assert [row["group_id"] for row in json.loads(result.stdout)["issues"]] == [issue.issue_id]
    assert result.exit_code == 0


@pytest.mark.parametrize("command", COMMANDS[:5], ids=" ".join)
def test_a_table_that_is_missing_is_named_with_what_to_do(
    aws: EmulatedAws, location: str, command: tuple[str, ...]
) -> None:
    with process(*command, "--config", location, AWS_ENDPOINT_URL=aws.endpoint) as run:
        _, errors = run.communicate()
    lines = errors.decode().splitlines()
    assert run.returncode == 1
    assert all("there is no table issues-of-ours in region eu-west-1" in line for line in lines)
    assert "`hammer bootstrap` does" in lines[0]


def test_a_scan_ignores_the_folder_that_it_is_started_in(aws: EmulatedAws, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    configure(tmp_path / "config", accounts=[SLAVE])
    arguments = ("scan", "--region", REGION, "--format", "json")
    with process(*arguments, cwd=tmp_path, AWS_ENDPOINT_URL=aws.endpoint) as run:
        shown, _ = run.communicate()
    assert {row["account_id"] for row in json.loads(shown)["scanned"]} == {MAIN}
    assert run.returncode == 3


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({"PYTHONIOENCODING": "latin-1"}, id="latin-1"),
        pytest.param({"PYTHONIOENCODING": "ascii"}, id="ascii"),
        pytest.param(
            {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}, id="C locale"
        ),
    ],
)
@pytest.mark.parametrize("output_format", ["table", "csv", "json"])
def test_no_encoding_ends_in_a_traceback(aws: EmulatedAws, environment: dict[str, str], output_format: str) -> None:
    arguments = ("scan", "--region", REGION, "--format", output_format)
    with process(*arguments, AWS_ENDPOINT_URL=aws.endpoint, **environment) as run:
        shown, errors = run.communicate()
    assert errors == b""
    assert run.returncode == 3
    assert b"rich" in shown


def test_ctrl_c_stops_a_scan_at_once(aws: EmulatedAws, tmp_path: Path) -> None:
    """Forty regions, of which eight are asked at a time and none answers."""
    regions = sorted(r["RegionName"] for r in boto3.client("ec2", region_name=REGION).describe_regions()["Regions"])
    begun, go_on = threading.Event(), threading.Event()

    def hang(call: Call) -> None:
        if call.operation == "DescribeSecurityGroups":
            begun.set()
            go_on.wait(300)

    config = json.loads(Path(configure(tmp_path), "config.json").read_text())
    config["aws"]["regions"] = regions
    (tmp_path / "config.json").write_text(json.dumps(config))
    aws.forget()
    aws.hooks.append(hang)
    try:
        with process("scan", "--config", str(tmp_path), "--account", MAIN, AWS_ENDPOINT_URL=aws.endpoint) as run:
            assert begun.wait(300)
            os.kill(run.pid, signal.SIGINT)
            shown, errors = run.communicate(timeout=300)
    finally:
        go_on.set()
        aws.forget()
    assert (run.returncode, shown, errors) == (130, b"", b"hammer: interrupted\n")


@pytest.mark.parametrize("command", [["check-config"], ["scan", "--region", REGION, "--format", "json"]])
def test_output_that_the_disk_does_not_take_is_named_in_one_line(
    aws: EmulatedAws, location: str, command: list[str]
) -> None:
    own = {**os.environ, "HAMMER_CONFIG": location, "PYTHONPATH": str(ROOT)}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "hammer", *command], check=False, env=own, stdout=full, stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stderr) == (
        1,
        b"hammer: the output could not be written: No space left on device\n",
    )


@pytest.mark.parametrize("command", [["--version"], ["--help"], ["help", "scan"], ["scan", "--help"]])
def test_help_that_the_disk_does_not_take_is_named_in_one_line(command: list[str]) -> None:
    own = {**os.environ, "PYTHONPATH": str(ROOT)}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "hammer", *command], check=False, env=own, stdout=full, stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stderr) == (
        1,
        b"hammer: the output could not be written: No space left on device\n",
    )


@pytest.mark.parametrize(
    "command",
    ["--version", "help", "check-config", f"scan --region {REGION}", f"scan --region {REGION} --format json"],
)
def test_closed_standard_streams_end_no_command(aws: EmulatedAws, location: str, command: str) -> None:
    own = {**os.environ, "HAMMER_CONFIG": location, "PYTHONPATH": str(ROOT)}
    script = f'exec "$0" -m hammer {command} <&- >&-'
    done = subprocess.run(["sh", "-c", script, sys.executable], check=False, env=own, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (3 if command.startswith("scan") else 0, b"")


def test_what_is_for_a_closed_standard_error_is_not_mixed_into_the_output(location: str) -> None:
    own = {**os.environ, "HAMMER_CONFIG": "/nowhere", "PYTHONPATH": str(ROOT)}
    script = 'exec "$0" -m hammer issues --format json 2>&-'
    done = subprocess.run(["sh", "-c", script, sys.executable], check=False, env=own, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_ENDPOINT_URL", "localhost:4566"), ("AWS_MAX_ATTEMPTS", "many")], ids=lambda value: value
)
@pytest.mark.parametrize("command", ["scan", "issues"])
def test_a_setting_that_the_sdk_cannot_use_is_named_in_one_line(
    location: str, command: str, name: str, value: str
) -> None:
    with process(command, HAMMER_CONFIG=location, **{name: value}) as run:
        shown, errors = run.communicate(timeout=300)
    assert (run.returncode, shown) == (1, b"")
    assert errors.startswith(b"hammer: a setting of the AWS SDK, in a variable AWS_")
    assert value.encode() in errors
    assert errors.count(b"\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (f"scan --region {REGION}", 1),
        ("scan --plan {plan} --output s3://bucket/report.html", 1),
        ("check-config --config s3://bucket/prefix", 2),
        (f"immediate --queue https://sqs.{REGION}.amazonaws.com/1/now", 1),
    ],
)
def test_a_setting_that_the_sdk_cannot_use_is_named_where_no_folder_is_read(
    location: str, tmp_path: Path, arguments: str, code: int
) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"format_version": "1.2", "planned_values": {"root_module": {}}, "configuration": {}}))
    config = location if arguments.startswith("immediate") else ""
    words = arguments.format(plan=plan).split()
    with process(*words, HAMMER_CONFIG=config, AWS_ENDPOINT_URL="localhost:4566", cwd=tmp_path) as run:
        shown, errors = run.communicate(timeout=300)
    assert (run.returncode, shown) == (code, b"")
    assert b"a setting of the AWS SDK, in a variable AWS_" in errors
    assert errors.count(b"\n") == 1


def test_a_folder_is_checked_whatever_the_settings_of_the_sdk_are(location: str) -> None:
    file = Path(location, "config.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "decisions": {"enabled": True}}))
    with process("check-config", HAMMER_CONFIG=location, AWS_ENDPOINT_URL="localhost:4566") as run:
        shown, errors = run.communicate(timeout=300)
    assert (run.returncode, errors) == (0, b"")
    assert b"note: what people decided to exempt is not known: a setting of the AWS SDK" in shown
