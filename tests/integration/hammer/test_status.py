"""`hammer status` against the emulated AWS."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hammer import status
from library.aws.conditional_writes import serialized
from library.aws.issue_table import IssueTable
from library.aws.records import CoverageRecords
from library.issues.issue import Status
from library.issues.scan_coverage import Outcome, ScanCoverage
from library.jobs.command_line import application
from tests.worlds.remediation_world import ANYWHERE, MAIN, NOW, REGION, TABLE, permission, world

STATUS = application(status.command)


def test_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with world(tmp_path) as made:
        group = made.group(permission("tcp", (22, 22), ANYWHERE))
        made.issue(group)
        other = made.issue("sg-2", remediation_details={"restored": {"at": "then", "by": "ana\x1b[0m", "backup": "k"}})
        assert other.issue_id == "sg-2"
        table: IssueTable = made.table
        CoverageRecords(table.items).record(
            ScanCoverage(MAIN, REGION, Outcome.FAILED, NOW, 1.5, 7, reason="role missing")
        )
        broken = serialized({name: value for name, value in other.to_item().items() if name != "issue_details"})
        made.sessions.client("dynamodb").put_item(TableName=TABLE, Item={**broken, "issue_id": {"S": "sg-3"}})
        lock = made.lock("bo@host, process 7")
        lock.acquire()
        lock.mark_unfinished(MAIN, REGION, group)
        sqs = made.sessions.client("sqs")
        for name in ("hammer-immediate-remediation-dead-letters", "another-system-dead-letters"):
            sqs.send_message(QueueUrl=sqs.create_queue(QueueName=name)["QueueUrl"], MessageBody="{}")

        shown = CliRunner().invoke(STATUS, ["--config", str(tmp_path)], catch_exceptions=False)
        assert shown.exit_code == 0
        rows = [" ".join(line.replace("│", " ").split()) for line in shown.output.splitlines()]
        assert f"main {REGION} failed 2026-11-22 03:00 UTC 1.5 7 never role missing" in rows
        assert "main 2 0 0 0" in rows
        flag = f"restored, waits for a decision: sg-2 in {MAIN}, {REGION}, by ana\\x1b[0m at then"
        assert flag in shown.output
        assert f"sg-3 in {MAIN}: its item in the issue table is not as it should be" in shown.output
        assert "groups are being changed by bo@host, process 7, lease until 2026-11-22 03:08 UTC" in shown.output
        assert shown.output.count("no event ever came from 1 of 1 scanned region") == 1
        assert "Last events" not in shown.output
        assert "dead letters: 1 message in hammer-immediate-remediation-dead-letters" in shown.output
        assert "another-system" not in shown.output
        lock.release()
        shown = CliRunner().invoke(STATUS, ["--config", str(tmp_path), "--group", group], catch_exceptions=False)
        assert "groups are being changed" not in shown.output
        rows = [" ".join(line.replace("│", " ").split()) for line in shown.output.splitlines()]
        assert "main 1 0 0 0" in rows
        assert "restored" not in shown.output
        assert "sg-3" not in shown.output
        shown = CliRunner().invoke(STATUS, ["--config", str(tmp_path), "--group", "sg-404"])
        assert (shown.exit_code, shown.output) == (2, "hammer: the issue table has no issue of: sg-404\n")
        shown = CliRunner().invoke(STATUS, ["--config", str(tmp_path), "--region", "us-east-1"])
        assert "nobody is changing groups" in shown.output
        assert "restored" not in shown.output


@pytest.mark.parametrize("option", ["--account", "--region", "--group"])
def test_what_is_not_asked_for_is_not_said_to_be_well(tmp_path: Path, option: str) -> None:
    with world(tmp_path) as made:
        group = made.group(permission("tcp", (22, 22), ANYWHERE))
        made.issue(group, status=Status.RESOLVED)
        table: IssueTable = made.table
        CoverageRecords(table.items).record(ScanCoverage(MAIN, REGION, Outcome.COMPLETE, datetime.now(UTC), 1.5, 7))
        value = {"--account": MAIN, "--region": REGION, "--group": group}[option]
        shown = CliRunner().invoke(STATUS, ["--config", str(tmp_path), option, value], catch_exceptions=False).output
    assert shown.splitlines()[0] == "no open issue is known among those that were asked for"
    assert ("Hammer itself works: every region that was asked for was seen whole, " in shown) == (option != "--group")
    assert "every region was seen whole" not in shown


def test_exemptions_that_somebody_should_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with world(tmp_path) as made:
        made.issue(made.group(permission("tcp", (22, 22), ANYWHERE)))
        whitelist = {"secgrp_unrestricted_access": {MAIN: ["sg-77777777"]}}
        (tmp_path / "whitelist.json").write_text(json.dumps(whitelist), "utf-8")
        shown = CliRunner().invoke(STATUS, ["--config", str(tmp_path)], catch_exceptions=False)
        assert f"whitelist: in {MAIN} these exemptions never expire: sg-77777777\n" in shown.output
        unmatched = f"whitelist: in {MAIN} these exemptions name no group that the table knows: sg-77777777\n"
        assert unmatched in shown.output
        # The groups of other regions are not read, so that none can be missed.
        shown = CliRunner().invoke(STATUS, ["--config", str(tmp_path), "--region", REGION], catch_exceptions=False)
        assert unmatched not in shown.output


def test_an_exempt_group_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with world(tmp_path) as made:
        first, second = (made.group(permission("tcp", (22, 22), ANYWHERE)) for _ in range(2))
        made.issue(first, status=Status.WHITELISTED)
        made.issue(second, status=Status.WHITELISTED)
        due_soon = {"group": second, "expires": f"{datetime.now(UTC).date() + timedelta(days=3)}"}
        whitelist = {"secgrp_unrestricted_access": {MAIN: [first, due_soon]}}
        (tmp_path / "whitelist.json").write_text(json.dumps(whitelist), "utf-8")
        shown = CliRunner().invoke(STATUS, ["--config", str(tmp_path)], catch_exceptions=False)
        lines = [line for line in shown.output.splitlines() if first in line or second in line]
        assert sorted(lines, reverse=True) == [
            f"exempt without end: {first} in {MAIN}, {REGION}",
            f"exempt until {due_soon['expires']}, soon: {second} in {MAIN}, {REGION}",
        ]
