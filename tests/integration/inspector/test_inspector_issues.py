"""Findings as issues, from the filter through the table to the reporting job."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner, Result

from hammer.__main__ import application
from identification.filter_inspector_findings import lambda_handler
from library.aws.conditional_writes import TABLE_DEFINITION
from library.aws.issue_table import IssueTable
from library.errors import ConflictError
from library.issues.issue import INSPECTOR_FINDING, FindingDetails, Issue, Status
from tests.builders.inspector_samples import ACCOUNT, v2_event

REGION = "eu-west-1"
ON = {"table": True}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with mock_aws():
        topic = boto3.client("sns", region_name=REGION).create_topic(Name="findings")["TopicArn"]
        boto3.client("dynamodb", region_name=REGION).create_table(TableName="issues", **TABLE_DEFINITION)
        monkeypatch.setenv("HAMMER_CONFIG", str(tmp_path))
        monkeypatch.setenv("FINDINGS_SNS_ARN", topic)
        configure(tmp_path, ON)
        yield tmp_path


def configure(folder: Path, inspector: dict[str, Any]) -> None:
    config = {
        "aws": {
            "main_account_id": ACCOUNT,
            "region": REGION,
            "accounts": {ACCOUNT: "main"},
            "s3_backup_bucket": "backups",
        },
        "secgrp_unrestricted_access": {
            "ddb.table_name": "issues",
            "reporting": True,
            "remediation": True,
            "remediation_retention_period": 0,
        },
        "inspector": inspector,
    }
    (folder / "config.json").write_text(json.dumps(config))


def send(**detail: Any) -> None:
    lambda_handler(v2_event(**detail), SimpleNamespace(aws_request_id="request"))


def issues() -> list[Issue]:
    table = IssueTable(boto3.client("dynamodb", region_name=REGION), "issues")
    return list(table.with_status(ACCOUNT, *Status))


def hammer(*arguments: str) -> Result:
    return CliRunner().invoke(application(arguments), arguments)


@pytest.mark.usefixtures("folder")
def test_a_findings_life_as_an_issue() -> None:
    send()
    (issue,) = issues()
    assert (issue.status, issue.kind, issue.timestamps.reported) == (Status.OPEN, INSPECTOR_FINDING, None)

    report = hammer("report")
    assert report.exit_code == 0, report.output
    assert report.stdout.startswith(
        'new: Amazon Inspector: tcp 22 open on "web" (i-12345678901234567), main (123456789012), '
    )
    assert "1 new; 0 unchanged" in report.stdout
    assert hammer("report").stdout == "nothing new; 1 unchanged\n"

    send(severity="HIGH", updatedAt="Fri Sep 06 00:00:00 UTC 2024")
    (issue,) = issues()
    assert isinstance(issue.details, FindingDetails)
    assert issue.details.inspector_severity == "HIGH"
    assert issue.timestamps.reported is not None

    # A late copy of what was true before.
    send(status="CLOSED", updatedAt="Thu Sep 05 00:00:00 UTC 2024")
    assert [issue.status for issue in issues()] == [Status.OPEN]
    send(status="CLOSED", updatedAt="Sat Sep 07 00:00:00 UTC 2024")
    assert [issue.status for issue in issues()] == [Status.RESOLVED]
    assert "1 gone" in hammer("report").stdout
    assert [issue.status for issue in issues()] == [Status.CLOSED]

    send(updatedAt="Sun Sep 08 00:00:00 UTC 2024")
    (issue,) = issues()
    assert (issue.status, issue.occurrence, issue.timestamps.reported) == (Status.OPEN, 2, None)
    assert "1 found again" in hammer("report").stdout


OLDER, NEWER = "Fri Sep 06 00:00:00 UTC 2024", "Sat Sep 07 00:00:00 UTC 2024"


def send_while(monkeypatch: pytest.MonkeyPatch, meanwhile: dict[str, Any], **detail: Any) -> None:
    """Send an event, and another one when the first is about to read the issue."""
    read = IssueTable.get

    def get(table: IssueTable, *arguments: Any, **options: Any) -> Issue | None:
        monkeypatch.setattr(IssueTable, "get", read)
        send(**meanwhile)
        return read(table, *arguments, **options)

    monkeypatch.setattr(IssueTable, "get", get)
    send(**detail)


@pytest.mark.usefixtures("folder")
def test_a_slow_copy_of_an_end_does_not_end_what_was_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    send()
    send(status="CLOSED", updatedAt=OLDER)
    send_while(monkeypatch, {"updatedAt": NEWER}, status="CLOSED", updatedAt=OLDER)
    assert [(issue.status, issue.occurrence) for issue in issues()] == [(Status.OPEN, 2)]


@pytest.mark.usefixtures("folder")
def test_a_slow_event_does_not_find_what_ended_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    send_while(monkeypatch, {"status": "CLOSED", "updatedAt": NEWER}, updatedAt=OLDER)
    assert [issue for issue in issues() if issue.status is Status.OPEN] == []


@pytest.mark.usefixtures("folder")
def test_an_end_whose_record_expires_meanwhile_is_raised_and_handled_when_it_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DynamoDB deletes a record some time after it has expired. This end has no time, so none is written for it."""
    send()
    client = boto3.client("dynamodb", region_name=REGION)
    items = client.scan(TableName="issues")["Items"]
    [key] = [
        {name: item[name] for name in ("account_id", "issue_id")}
        for item in items
        if item["issue_id"]["S"].startswith("inspector#")
    ]
    client.update_item(
        TableName="issues",
        Key=key,
        UpdateExpression="SET expires = :past",
        ExpressionAttributeValues={":past": {"S": "2024-09-01T00:00:00+00:00"}},
    )
    read = IssueTable.get

    def get(table: IssueTable, *arguments: Any, **options: Any) -> Issue | None:
        with ThreadPoolExecutor(1) as dynamodb:  # by itself: it is not the function that deletes
            dynamodb.submit(client.delete_item, TableName="issues", Key=key).result()
        return read(table, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(IssueTable, "get", get)
        with pytest.raises(ConflictError, match=r"expired meanwhile"):
            send(status="CLOSED", updatedAt=None)
    assert [issue.status for issue in issues()] == [Status.OPEN]
    send(status="CLOSED", updatedAt=None)
    assert [issue.status for issue in issues()] == [Status.RESOLVED]


def test_a_finding_that_is_expected_by_now_is_resolved(folder: Path) -> None:
    send()
    configure(folder, {**ON, "allowed_ports": {"web": [22]}})
    send()
    assert [issue.status for issue in issues()] == [Status.RESOLVED]


@pytest.mark.usefixtures("folder")
def test_remediation_and_identification_leave_findings_alone() -> None:
    send()
    hammer("report")
    result = hammer("remediate", "--batch")
    assert "finding-" not in result.output
    table = IssueTable(boto3.client("dynamodb", region_name=REGION), "issues")
    assert table.exposed(ACCOUNT, "eu-central-1") == {}
    assert [issue.status for issue in issues()] == [Status.OPEN]


def test_findings_are_kept_only_where_that_is_configured(folder: Path) -> None:
    configure(folder, {})
    send()
    assert issues() == []
    # Switched on later: the next event of a finding that was told already brings it in.
    configure(folder, ON)
    send()
    assert len(issues()) == 1


def test_for_slack_alone_the_table_is_used_and_jira_is_not(folder: Path) -> None:
    configure(folder, {"slack": True})
    send()
    assert len(issues()) == 1
    # Slack itself is off: with nothing else the console hears.
    assert "1 new" in hammer("report").stdout
