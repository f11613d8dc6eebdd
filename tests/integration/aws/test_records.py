"""What jobs and scans leave of themselves in the table: runs, the history, and when scans begin."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from library.aws.conditional_writes import TABLE_DEFINITION
from library.aws.issue_table import IssueTable
from library.aws.records import CoverageRecords, JobRecords, RegionState
from library.issues.trends import Day
from tests.builders.issues import NOW

MAIN = "123456789012"


@pytest.fixture
def records() -> Iterator[JobRecords]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-west-1")
        client.create_table(TableName="issues", **TABLE_DEFINITION)
        yield JobRecords(IssueTable(client, "issues").items, MAIN)


def test_a_run_is_recorded_when_it_begins_and_when_it_ends(records: JobRecords) -> None:
    with records.recorded("report", "root@host", lambda: NOW):
        (run,) = records.runs()
        assert (run.outcome, run.ended) == ("running", None)
    (run,) = records.runs()
    assert (run.job, run.who, run.started, run.ended, run.outcome) == ("report", "root@host", NOW, NOW, "done")


def test_what_a_run_could_not_do_is_kept_on_one_line_each(records: JobRecords) -> None:
    with records.recorded("report", "root@host", lambda: NOW) as problems:
        problems += [f"sg-{number}\x1b[31m\nno" + "x" * 400 for number in range(9)]
    (run,) = records.runs()
    assert (run.outcome, len(run.problems)) == ("incomplete", 5)
    assert run.problems[0].startswith("sg-0\\x1b[31m no")
    assert len(run.problems[0]) == 300


def test_a_run_that_ends_in_an_error_failed(records: JobRecords) -> None:
    with pytest.raises(KeyboardInterrupt), records.recorded("report", "root@host", lambda: NOW):
        raise KeyboardInterrupt
    (run,) = records.runs()
    assert (run.outcome, run.problems) == ("failed", ["KeyboardInterrupt"])


def test_a_record_that_cannot_be_written_ends_no_run(caplog: pytest.LogCaptureFixture) -> None:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-west-1")
        missing = JobRecords(IssueTable(client, "missing").items, MAIN)
        with missing.recorded("report", "root@host", lambda: NOW):
            pass
    assert "the run of report is not recorded: there is no table missing" in caplog.text


def test_the_history_has_one_item_a_day_that_the_last_record_makes(records: JobRecords) -> None:
    for number, found in ((20, 1), (21, 1), (21, 7), (22, 3)):
        records.record_day(Day(date(2026, 11, number), {MAIN: {"high": number}}, {}, found=found))
    assert [(day.day.day, day.found, day.open_total) for day in records.days(date(2026, 11, 21))] == [
        (21, 7, 21),
        (22, 3, 22),
    ]


def test_a_record_of_the_history_that_is_none_is_left_out(records: JobRecords) -> None:
    records._items.update(MAIN, "history#2026-11-20", {"day": "yesterday"})
    assert list(records.days(date(2026, 1, 1))) == []


@pytest.fixture
def coverage() -> Iterator[CoverageRecords]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-west-1")
        client.create_table(TableName="issues", **TABLE_DEFINITION)
        yield CoverageRecords(IssueTable(client, "issues").items)


def test_two_scans_that_begin_at_the_same_moment_have_not_the_same_begin(
    coverage: CoverageRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both clocks are behind the begin that is stored; the second scan reads it before the first has written."""
    coverage.begin(MAIN, "eu-west-1", NOW)
    get, begun = coverage._items.get, list[RegionState]()

    def get_then_another_begins(*arguments: Any) -> Any:
        item = get(*arguments)
        if not begun:
            coverage._items.get = get  # type: ignore[method-assign]
            begun.append(coverage.begin(MAIN, "eu-west-1", NOW - timedelta(seconds=3)))
        return item

    monkeypatch.setattr(coverage._items, "get", get_then_another_begins)
    begun.append(coverage.begin(MAIN, "eu-west-1", NOW - timedelta(seconds=3)))
    first, second = (state.last_scan_begun for state in begun)
    assert first is not None
    assert second is not None
    assert NOW < first < second
    assert coverage.state(MAIN, "eu-west-1").last_scan_begun == second


@pytest.mark.parametrize("stored", ["yesterday", 7, {"a": "map"}, None, "2026-11-21T03:00:00Z"])
def test_whatever_is_stored_as_the_last_begin_a_scan_begins(coverage: CoverageRecords, stored: object) -> None:
    coverage._items.update(MAIN, "scan-coverage#eu-west-1", {"begun": stored})
    assert coverage.begin(MAIN, "eu-west-1", NOW).last_scan_begun == NOW
    assert coverage.state(MAIN, "eu-west-1").last_scan_begun == NOW
