"""`hammer publish` against the emulated AWS: report, history, link, e-mail, and the next report that knows them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from moto import mock_aws
from moto.ses.models import ses_backends
from typer.testing import CliRunner

from hammer import issues, publish
from hammer.publish import object_address
from hammer.table_listing import open_tables
from library.aws.conditional_writes import TABLE_DEFINITION
from library.aws.issue_table import IssueTable
from library.aws.records import JobRecords
from library.config import load_configuration
from library.issues.issue import Status
from library.issues.trends import Day
from library.jobs.command_line import application
from tests.builders.issues import NOW, an_issue
from tests.standins.slack import SlackStandIn

ISSUES = application(issues.command)

MAIN, REGION, BUCKET = "123456789012", "eu-west-1", "backups-of-ours"
KEY = f"reports/{NOW:%Y-%m-%d}.html"


@pytest.fixture
def table() -> Iterator[IssueTable]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name=REGION)
        client.create_table(TableName="issues", **TABLE_DEFINITION)
        boto3.client("s3", region_name=REGION).create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        made = IssueTable(client, "issues")
        for number, status in enumerate((Status.OPEN, Status.OPEN, Status.RESOLVED)):
            made.items.put_new(replace(an_issue(status), issue_id=f"sg-{number}").to_item())
        yield made


def configure(folder: Path, **sections: Any) -> str:
    config = {
        "aws": {
            "main_account_id": MAIN,
            "region": REGION,
            "accounts": {MAIN: "master", "210987654321": "shop"},
            "s3_backup_bucket": BUCKET,
        },
        "secgrp_unrestricted_access": {"ddb.table_name": "issues"},
        **sections,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def run(location: str, now: Any = NOW) -> list[str]:
    return publish.publish(open_tables(load_configuration(location)), now, lambda _: None)


def report(key: str = KEY) -> str:
    answer = boto3.client("s3", region_name=REGION).get_object(Bucket=BUCKET, Key=key)
    assert answer["ContentType"] == "text/html; charset=utf-8"
    return answer["Body"].read().decode()


def test_the_report_is_in_the_bucket_and_the_day_in_the_history(table: IssueTable, tmp_path: Path) -> None:
    assert run(configure(tmp_path)) == []
    assert "sg-0" in report()
    # Nobody scanned these accounts yet: that is not the same as nothing being open there.
    assert "<li>master (123456789012): not scanned yet</li>" in report()
    assert list(JobRecords(table.items, MAIN).days(NOW.date())) == [Day(NOW.date(), {"210987654321": {"high": 2}}, {})]


def test_the_next_report_tells_what_changed(table: IssueTable, tmp_path: Path) -> None:
    location = configure(tmp_path)
    run(location)
    tomorrow = NOW + timedelta(days=1)
    new = an_issue()
    new = replace(new, issue_id="sg-9", timestamps=replace(new.timestamps, identified=tomorrow))
    table.items.put_new(new.to_item())
    run(location, tomorrow)
    page = report(f"reports/{tomorrow:%Y-%m-%d}.html")
    day = f"<span>{NOW:%Y-%m-%d}</span>"  # no line ends within it
    assert f"Since {day}: 2 were open then; 1 new, 0 resolved. 3 are open now.</p>" in page
    assert ">3 today</text>" in page
    assert "2026-11-22: 2, 2026-11-23: 3" in page


@pytest.mark.usefixtures("table")
def test_those_who_asked_get_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boto3.client("ses", region_name=REGION).verify_email_identity(EmailAddress="hammer@example.com")
    monkeypatch.setenv("HAMMER_SLACK_SECRET", json.dumps(SlackStandIn.secret))
    slack = SlackStandIn()
    with slack.running():
        publishing = {"slack_channel": "#hammer", "email_from": "hammer@example.com", "email_to": ["ciso@example.com"]}
        location = configure(tmp_path, publishing=publishing, slack={"enabled": True, "base_url": f"{slack.url}/api/"})
        assert run(location) == []
        (message,) = slack.to("#hammer")
    address = object_address(BUCKET, KEY, REGION)
    assert "2 open, 0 critical, 2 high" in message.text
    assert address.replace("&", "&amp;") in json.dumps(message.blocks) or address in json.dumps(message.blocks)
    (mail,) = ses_backends[MAIN][REGION].sent_messages
    assert mail.destinations["ToAddresses"] == ["ciso@example.com"]
    assert address in mail.body
    assert mail.subject.endswith(": 2 high")
    assert "2 groups are open to the Internet, 0 of them reachable from the Internet now" in mail.body
    assert 'high: "web", ' in mail.body


@pytest.mark.usefixtures("table")
def test_the_report_is_attached_in_an_encoding_that_keeps_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SES takes 7 bits where none is named: ASCII, in lines of at most 998 (RFC 2045, 2.7)."""
    boto3.client("ses", region_name=REGION).verify_email_identity(EmailAddress="hammer@example.com")
    sent: list[Any] = []
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def remembering(client: Any, operation: str, params: Any) -> Any:
        sent.extend([params] if operation == "SendEmail" else [])
        return call(client, operation, params)

    monkeypatch.setattr(BaseClient, "_make_api_call", remembering)
    location = configure(tmp_path, publishing={"email_from": "hammer@example.com", "email_to": "ciso@example.com"})
    file = tmp_path / "config.json"
    file.write_text(file.read_text("utf-8").replace('"shop"', '"Zürich"').replace('"master"', '"Zürich"'), "utf-8")
    assert run(location) == []
    ((attached,),) = (each["Content"]["Simple"]["Attachments"] for each in sent)
    assert attached["RawContent"] == report().encode()
    assert "Zürich".encode() in attached["RawContent"]
    assert attached["ContentTransferEncoding"] == "BASE64"


@pytest.mark.usefixtures("table")
def test_an_e_mail_that_is_refused_is_named_and_the_report_is_there(tmp_path: Path) -> None:
    publishing = {"email_from": "nobody@example.com", "email_to": "ciso@example.com"}
    location = configure(tmp_path, publishing=publishing)
    result = CliRunner().invoke(application(publish.command), ["--config", location])
    assert result.exit_code == 1
    assert "hammer: the link was not sent by e-mail: " in result.stderr
    assert result.stdout.startswith("published https://eu-west-1.console.aws.amazon.com/s3/object/backups-of-ours")


@pytest.mark.usefixtures("table")
def test_issues_are_imported_into_security_hub_of_their_own_account(tmp_path: Path) -> None:
    open_ones = ["--group", "sg-0", "--group", "sg-1"]
    done = CliRunner().invoke(ISSUES, ["--config", configure(tmp_path), "--to-security-hub", *open_ones])
    imported = "2 active findings and 0 archived imported into Security Hub\n"
    assert (done.exit_code, done.stdout) == (0, imported), done.stderr


class _Then(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return NOW.astimezone(tz)


def test_a_report_by_hand_knows_the_history(table: IssueTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issues, "datetime", _Then)
    JobRecords(table.items, MAIN).record_day(Day(NOW.date() - timedelta(days=60), {MAIN: {"high": 7}}, {}))
    location, output = configure(tmp_path), tmp_path / "report.html"
    result = CliRunner().invoke(ISSUES, ["--config", location, "--format", "html", "--output", str(output)])
    assert (result.exit_code, result.stdout) == (0, "")
    page = output.read_text()
    assert "7 were open then; 3 new, 1 resolved. 2 are open now: 7 fewer for other reasons, such as" in page
    assert ">2 today</text>" in page
    result = CliRunner().invoke(ISSUES, ["--config", location, "--format", "html", "--account", "210987654321"])
    assert "were open then" not in result.stdout
