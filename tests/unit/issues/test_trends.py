"""The record of a day: what is counted, and that it survives the table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from library.issues.issue import Status, Timestamps
from library.issues.trends import Day, summarize_day
from tests.builders.issues import an_issue

TODAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LONG_AGO = NOON - timedelta(days=10)


def test_a_day_counts_what_is_there_and_what_happened_on_it() -> None:
    resolved = replace(an_issue(Status.RESOLVED), timestamps=Timestamps(identified=LONG_AGO, resolved=NOON))
    issues = [
        replace(an_issue(), timestamps=Timestamps(identified=NOON)),
        replace(an_issue(), timestamps=Timestamps(identified=LONG_AGO, remediated=NOON)),
        replace(an_issue(Status.WHITELISTED), account_id="123456789012"),
        resolved,
        replace(resolved, status=Status.CLOSED, timestamps=Timestamps(identified=NOON, resolved=NOON)),
        replace(resolved, timestamps=Timestamps(identified=LONG_AGO, resolved=NOON - timedelta(days=1))),
        replace(an_issue(), remediation_details={"restored": {"at": NOON.isoformat(), "by": "ana"}}),
    ]
    assert summarize_day(issues, TODAY) == Day(
        day=TODAY,
        open={"210987654321": {"high": 3}},
        whitelisted={"123456789012": 1},
        found=2,
        resolved=2,
        remediated=1,
        restored=1,
        hours_to_fix=120,
    )


def test_a_day_without_issues() -> None:
    day = summarize_day([], TODAY)
    assert (day.open_total, day.hours_to_fix) == (0, None)


@pytest.mark.parametrize("flag", [{"at": "then"}, {"at": None}, {}, {"at": 7}])
def test_a_restore_without_a_time_is_on_no_day(flag: dict[str, Any]) -> None:
    assert summarize_day([replace(an_issue(), remediation_details={"restored": flag})], TODAY).restored == 0


def test_a_day_survives_the_table() -> None:
    day = Day(TODAY, {"1": {"critical": 2, "low": 1}}, {"1": 3}, 1, 2, 3, 4, 5)
    item = day.to_item() | {"found": Decimal(1), "hours_to_fix": Decimal(5)}
    assert Day.from_item(item) == day
    assert day.open_total == 3


def test_a_day_counts_each_account_and_each_restore_and_reads_back() -> None:
    exempt = replace(an_issue(Status.WHITELISTED), timestamps=Timestamps(identified=LONG_AGO))
    restored = replace(an_issue(), remediation_details={"restored": {"at": NOON.isoformat(), "by": "ana"}})
    fixed = Timestamps(identified=NOON - timedelta(hours=5000), resolved=NOON)
    day = summarize_day(
        [exempt, exempt, restored, restored, replace(an_issue(Status.RESOLVED), timestamps=fixed)], TODAY
    )
    assert (day.whitelisted, day.restored, day.hours_to_fix) == ({"210987654321": 2}, 2, 5000)
    item = day.to_item()
    assert item == {
        "day": "2026-11-22",
        "open": {"210987654321": {"high": 2}},
        "whitelisted": {"210987654321": 2},
        "found": 0,
        "resolved": 1,
        "remediated": 0,
        "restored": 2,
        "hours_to_fix": 5000,
    }
    assert Day.from_item(item) == day
    assert Day.from_item({**item, "hours_to_fix": None}) == replace(day, hours_to_fix=None)
