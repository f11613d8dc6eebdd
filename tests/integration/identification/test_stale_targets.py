"""Initiation counts, for the alarms, the targets that were not scanned for three intervals or never."""

from __future__ import annotations

import logging
from typing import Any

import boto3
import pytest

from identification import initiate_security_groups
from identification.runtime import Runtime
from library.aws.issue_table import IssueTable
from library.aws.records import CoverageRecords
from library.issues.scan_coverage import Outcome, ScanCoverage
from tests.worlds.identification_world import IRELAND, MAIN, SLAVE, TABLE, VIRGINIA, World


def counted(world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """What a run of initiation logs of its coverage."""
    monkeypatch.setenv("SNS_ARN", boto3.client("sns").create_topic(Name="hammer-describe-security-groups")["TopicArn"])
    monkeypatch.setattr(Runtime, "now", lambda _: world.clock)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        initiate_security_groups.lambda_handler({}, None)
    return next((vars(record) for record in caplog.records if record.message == "scan coverage"), {})


def saw(world: World, account_id: str, region: str, outcome: Outcome = Outcome.COMPLETE) -> None:
    scan = ScanCoverage(account_id, region, outcome, world.clock, 1.0, 1)
    CoverageRecords(IssueTable(world.dynamodb, TABLE).items).record(scan)


def test_a_target_is_stale_after_three_intervals_and_never_scanned_until_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SCAN_INTERVAL_MINUTES", "60")
    for account_id, region in ((MAIN, IRELAND), (MAIN, VIRGINIA), (SLAVE, IRELAND)):
        saw(world, account_id, region)
    world.later(hours=3)
    now = counted(world, monkeypatch, caplog)
    assert (now["stale_scan_targets"], now["never_scanned_targets"]) == (0, 1)
    assert now["never_scanned"] == [f"{SLAVE} {VIRGINIA}"]

    world.later(minutes=1)
    saw(world, MAIN, IRELAND)
    saw(world, MAIN, VIRGINIA, Outcome.FAILED)
    later = counted(world, monkeypatch, caplog)
    assert (later["stale_scan_targets"], later["never_scanned_targets"]) == (2, 1)
    assert later["stale"] == [f"{MAIN} {VIRGINIA}", f"{SLAVE} {IRELAND}"]


def test_nothing_is_counted_where_no_interval_is_given(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert counted(world, monkeypatch, caplog) == {}
