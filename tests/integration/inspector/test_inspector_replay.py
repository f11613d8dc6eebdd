"""`hammer inspector --replay` as a person runs it."""

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
from tests.builders.inspector_samples import (
    ACCOUNT,
    classic_aggregate,
    classic_notification,
    classic_port,
    sns,
    v2_event,
)

CLASSIC_ARN = classic_port()["arn"]
V2_ARN = v2_event()["detail"]["findingArn"]


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    configure(tmp_path)
    return tmp_path


def configure(folder: Path, *, trusted: tuple[str, ...] = (), **inspector: Any) -> None:
    config = {
        "aws": {"main_account_id": ACCOUNT, "region": "eu-west-1", "accounts": {ACCOUNT: "main"}},
        "secgrp_unrestricted_access": {"ddb.table_name": "issues", "trusted_cidrs": list(trusted)},
        "inspector": {"allowed_ports": {"webapps (Prod)": ["tcp/80", "tcp/443"]}, **inspector},
    }
    (folder / "config.json").write_text(json.dumps(config))


def replay(folder: Path, saved: object, *options: str) -> Result:
    file = folder / "saved"
    file.write_text(saved if isinstance(saved, str) else json.dumps(saved))
    arguments = ["inspector", "--replay", str(file), "--config", str(folder), *options]
    return CliRunner().invoke(application(arguments), arguments)


def test_shows_each_finding_and_why(folder: Path) -> None:
    saved = [
        v2_event((442, 443), tags={"Name": "webapps (Prod)"}),
        v2_event((442, 443), tags={"Name": "webapps (Prod)", "seen": "again"}),
        v2_event((80, 80), tags={"Name": "webapps (Prod)"}, finding_id="2"),
        v2_event(protocol="ALL", finding_id="3", tags={"Name": "x\x1b[2J"}),
        v2_event(status="CLOSED", finding_id="4"),
        sns({"event": "ASSESSMENT_RUN_STARTED"}),
    ]
    result = replay(folder, saved)
    assert result.output == (
        "would publish: tcp/442-443 on webapps (Prod) (i-12345678901234567), 123456789012, eu-central-1\n"
        "  not expected: tcp/442\n"
        '  held back tcp/443: allowed_ports "webapps (Prod)"\n'
        f"  {V2_ARN}\n"
        "\n"
        "told already: tcp/442-443 on webapps (Prod) (i-12345678901234567), 123456789012, eu-central-1\n"
        "  not expected: tcp/442\n"
        '  held back tcp/443: allowed_ports "webapps (Prod)"\n'
        f"  {V2_ARN}\n"
        "\n"
        "held back: tcp/80 on webapps (Prod) (i-12345678901234567), 123456789012, eu-central-1\n"
        '  held back tcp/80: allowed_ports "webapps (Prod)"\n'
        f"  {V2_ARN.replace('FINDING_ID', '2')}\n"
        "\n"
        "would publish: no ports on x\\x1b[2J (i-12345678901234567), 123456789012, eu-central-1\n"
        "  not filtered, because it was not understood: its protocol is not TCP or UDP: 'ALL'\n"
        f"  {V2_ARN.replace('FINDING_ID', '3')}\n"
        "\n"
        "ignored: tcp/22 on web (i-12345678901234567), 123456789012, eu-central-1\n"
        "  it is closed\n"
        f"  {V2_ARN.replace('FINDING_ID', '4')}\n"
        "\n"
        "not about a finding: ASSESSMENT_RUN_STARTED is no finding\n"
        "\n"
        "2 to publish, 1 told already, 1 held back, 1 ignored\n"
    )
    assert result.exit_code == 0


def test_an_older_end_changes_nothing(folder: Path) -> None:
    closed = v2_event(status="CLOSED", updatedAt="Wed Sep 04 00:00:00 UTC 2024")
    assert replay(folder, [v2_event(), closed, v2_event()]).stdout == (
        "would publish: tcp/22 on web (i-12345678901234567), 123456789012, eu-central-1\n"
        "  not expected: tcp/22\n"
        f"  {V2_ARN}\n"
        "\n"
        "ignored: tcp/22 on web (i-12345678901234567), 123456789012, eu-central-1\n"
        "  it is closed\n"
        "  older than what was told last\n"
        f"  {V2_ARN}\n"
        "\n"
        "told already: tcp/22 on web (i-12345678901234567), 123456789012, eu-central-1\n"
        "  not expected: tcp/22\n"
        f"  {V2_ARN}\n"
        "\n"
        "1 to publish, 1 ignored, 1 told already\n"
    )


@pytest.mark.parametrize(
    "saved",
    [
        pytest.param(v2_event(), id="an event"),
        pytest.param(sns(v2_event()), id="an SNS event"),
        pytest.param([v2_event()], id="a list"),
        pytest.param(json.dumps(v2_event()) + "\n\n", id="a line"),
        pytest.param({"findings": [v2_event()["detail"]]}, id="list-findings"),
        pytest.param({"failedItems": {}, "findings": [classic_port()]}, id="describe-findings"),
        pytest.param([classic_notification(), classic_port()], id="notification and finding"),
        pytest.param([{"findings": [classic_port()]}, sns(classic_notification())], id="finding and notification"),
    ],
)
def test_reads_what_people_save(folder: Path, saved: object) -> None:
    result = replay(folder, saved, "--offline")
    assert result.stdout.startswith("would publish: tcp/22 on ")
    assert result.stdout.endswith("\n1 to publish\n")
    assert result.exit_code == 0


def test_lines(folder: Path) -> None:
    lines = "\n".join(json.dumps(v2_event(finding_id=name)) for name in "abc")
    assert replay(folder, lines).stdout.endswith("\n3 to publish\n")


def test_what_cannot_be_read_is_named_and_the_rest_shown(folder: Path) -> None:
    result = replay(folder, [sns("not JSON"), {"x": 1}, v2_event(), classic_notification()], "--offline")
    assert result.stdout.endswith("\n1 to publish\n")
    assert result.exit_code == 1
    first, second, third = result.stderr.splitlines()
    assert first.startswith("hammer: malformed, would go to the dead-letter queue: not an SNS record with JSON in it")
    assert second == "hammer: malformed, would go to the dead-letter queue: not an Inspector message: {'x': 1}"
    assert third == f"hammer: {CLASSIC_ARN}: the file does not hold this finding, and --offline is given"


@pytest.mark.parametrize("text", ["", "not JSON", "{", pytest.param("[" * 50_000, id="nested too deeply")])
def test_a_file_that_is_not_json_is_wrong_usage(folder: Path, text: str) -> None:
    result = replay(folder, text)
    assert (result.exit_code, result.stdout) == ((0, "no findings\n") if not text else (2, ""))


def test_the_line_that_is_not_json_is_named(folder: Path) -> None:
    said = " ".join(replay(folder, '{"x": 1}\n\nnot JSON').stderr.split())
    assert "/saved: is neither JSON nor a JSON value a line: line 3: Expecting value" in said


def test_groups_are_read_unless_offline(folder: Path) -> None:
    configure(folder, trusted=("8.8.8.0/24",))
    ec2 = boto3.client("ec2", region_name="eu-central-1")
    group_id = ec2.create_security_group(GroupName="ssh", Description="ssh")["GroupId"]
    ssh: Any = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "8.8.8.8/32"}]}
    ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[ssh])
    event = v2_event(groups=(group_id,))
    assert f"held back tcp/22: {group_id} admits only trusted_cidrs" in replay(folder, event).stdout
    offline = replay(folder, event, "--offline").stdout
    assert "security groups could not be read, so none of it is held back for trusted_cidrs: --offline" in offline


def test_options_select(folder: Path) -> None:
    saved = [v2_event(), v2_event(account="210987654321"), classic_port(), classic_aggregate("[[8080 - 8080]]")]
    assert replay(folder, saved, "--account", "210987654321").stdout.endswith("\n1 to publish\n")
    assert replay(folder, saved, "--region", "us-east-1").stdout.endswith("\n2 to publish\n")
    assert replay(folder, saved, "--group", "sg-0af64c8a5eb30ca75").stdout.endswith("\n1 to publish\n")
    assert replay(folder, saved, "--group", "sg-none").stdout == "no findings\n"


def test_an_account_is_named_as_the_configuration_names_it(folder: Path) -> None:
    saved = [v2_event(), v2_event(account="210987654321", finding_id="2")]
    assert replay(folder, saved, "--account", "main").stdout == replay(folder, saved, "--account", ACCOUNT).stdout
    assert replay(folder, saved, "--account", "main").stdout.endswith("\n1 to publish\n")


def test_a_filter_that_is_off_says_so(folder: Path) -> None:
    configure(folder, enabled=False)
    assert replay(folder, v2_event()).stdout.startswith("The filter is off (inspector.enabled): ")
