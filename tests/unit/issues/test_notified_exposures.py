"""Each exposure has a retention period of its own: what was told when, and what lies within it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from library.issues.issue import ClosingNotice, Issue, Timestamps
from library.issues.notified_exposures import (
    ENTRIES_LIMIT,
    NotifiedExposures,
    NotifiedTimes,
    exposure_texts,
    new_record,
    times_of_record,
)
from library.issues.reachability import Reachability, Severity, Sources, Verdict
from library.issues.reconcile import reconcile
from library.issues.schedule import RemediationTerms, SkipReason, issue_notified_times, remediation_schedule
from library.security_groups.exposure import Exposure
from tests.builders.issues import DETAILS, a_detection, an_issue

REPORTED = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)
LATER = REPORTED + timedelta(days=10)
RETENTION = timedelta(days=21)
TERMS = RemediationTerms(RETENTION)


def exposure(text: str, cidr: str) -> Exposure:
    """`tcp/22-25` or `-1`, from a source."""
    protocol, _, ports = text.partition("/")
    first, _, last = ports.partition("-")
    return Exposure(protocol, int(first) if first else None, int(last or first) if first else None, cidr, "open_partly")


SSH, ALL_SSH = exposure("tcp/22", "0.0.0.0/1"), exposure("tcp/22", "0.0.0.0/0")


def notified(at_report: list[Exposure], later: list[Exposure] = [], **more: Any) -> NotifiedExposures:  # noqa: B006
    since = {LATER.isoformat(): exposure_texts(later)} if later else {}
    return NotifiedExposures(3, exposure_texts(at_report), since, **more)


@pytest.mark.parametrize(
    ("asked", "record", "when"),
    [
        pytest.param(ALL_SSH, notified([ALL_SSH]), REPORTED, id="the same"),
        pytest.param(exposure("6/22", "0.0.0.0/0"), notified([ALL_SSH]), REPORTED, id="the protocol by its number"),
        pytest.param(exposure("tcp/22", "8.8.8.0/24"), notified([ALL_SSH]), REPORTED, id="a narrower source"),
        pytest.param(exposure("tcp/22", "::/0"), notified([ALL_SSH]), None, id="the other family"),
        pytest.param(ALL_SSH, notified([exposure("tcp/20-25", "0.0.0.0/0")]), REPORTED, id="fewer ports"),
        pytest.param(exposure("tcp/20-25", "0.0.0.0/0"), notified([ALL_SSH]), None, id="more ports"),
        pytest.param(exposure("udp/22", "0.0.0.0/0"), notified([ALL_SSH]), None, id="another protocol"),
        pytest.param(ALL_SSH, notified([exposure("-1", "0.0.0.0/0")]), REPORTED, id="within all traffic"),
        pytest.param(
            exposure("-1", "0.0.0.0/0"), notified([exposure("tcp/0-65535", "0.0.0.0/0")]), None, id="all traffic"
        ),
        pytest.param(
            ALL_SSH, notified([SSH, exposure("tcp/22", "128.0.0.0/1")]), REPORTED, id="two halves in one rule"
        ),
        pytest.param(ALL_SSH, notified([SSH], [exposure("tcp/22", "128.0.0.0/1")]), LATER, id="the later half"),
        pytest.param(
            exposure("tcp/20-25", "0.0.0.0/0"),
            notified([exposure("tcp/20-22", "0.0.0.0/0"), exposure("tcp/23-25", "0.0.0.0/1")]),
            None,
            id="a corner is new",
        ),
        pytest.param(ALL_SSH, notified([], [ALL_SSH]), LATER, id="told later"),
        pytest.param(ALL_SSH, notified([]), None, id="told of nothing"),
        pytest.param(ALL_SSH, notified([], unlisted=LATER.isoformat()), LATER, id="more than the record lists"),
        pytest.param(
            ALL_SSH, NotifiedExposures(3, ("tcp 22 0.0.0.0/0", "tcp x y z", "")), None, id="no lines of a record"
        ),
    ],
)
def test_when_people_were_told(asked: Exposure, record: NotifiedExposures, when: datetime | None) -> None:
    assert times_of_record(record, REPORTED, None).at(asked) == when


def test_the_record_comes_back_from_the_table() -> None:
    record = notified([ALL_SSH], [SSH], unlisted=LATER.isoformat())
    assert NotifiedExposures.from_item(record.to_item()) == record
    assert Issue.from_item(an_issue(notified_exposures=record).to_item()).notified_exposures == record


@pytest.mark.parametrize(
    "odd",
    [None, "text", {}, {"occurrence": "x"}, {"occurrence": 3, "at_report": "tcp 22"}, {"occurrence": 3, "since": 7},
     {"occurrence": 3, "since": {"2026-11-01": [7]}, "unlisted": "x"}],
)  # fmt: skip
def test_a_record_that_is_none(odd: object) -> None:
    assert NotifiedExposures.from_item(odd) is None


def test_what_is_recorded() -> None:
    first = new_record([SSH], 0, 3, None, REPORTED, REPORTED)
    assert first == NotifiedExposures(3, exposure_texts([SSH]))
    before = times_of_record(first, REPORTED, None)
    new = exposure("tcp/3389", "0.0.0.0/0")
    second = new_record([SSH, new], 0, 3, before, REPORTED, LATER)
    assert second == notified([SSH], [new])
    # What was closed meanwhile is forgotten: opened again, it is new.
    third = new_record([new], 0, 3, times_of_record(second, REPORTED, None), REPORTED, LATER + timedelta(days=1))
    assert third == notified([], [new])
    assert times_of_record(third, REPORTED, None).at(SSH) is None


def test_a_record_is_bounded() -> None:
    many = [exposure(f"tcp/{port}", "0.0.0.0/0") for port in range(1, ENTRIES_LIMIT + 10)]
    record = new_record(many, 0, 3, None, REPORTED, REPORTED)
    assert len(record.at_report) == ENTRIES_LIMIT
    assert times_of_record(record, REPORTED, None).at(many[-1]) == REPORTED
    assert (
        new_record([SSH], 500, 3, NotifiedTimes((), LATER), REPORTED, LATER + RETENTION).unlisted == LATER.isoformat()
    )


def issue(*perms: Exposure, **more: Any) -> Issue:
    details = replace(DETAILS, perms=perms, reachability=None)
    return an_issue(details=details, **{"timestamps": Timestamps(reported=REPORTED), **more})


def test_an_issue_is_due_with_its_first_part() -> None:
    new, untold = exposure("tcp/3389", "0.0.0.0/0"), exposure("tcp/21", "0.0.0.0/0")
    given = issue(SSH, new, untold, notified_exposures=notified([SSH], [new]))
    found = remediation_schedule(given, TERMS, LATER)
    assert found.due == REPORTED + RETENTION
    assert [(each.exposure, each.due) for each in found.waiting] == [(new, LATER + RETENTION), (untold, None)]
    nothing = remediation_schedule(issue(untold, notified_exposures=notified([SSH])), TERMS, LATER)
    assert nothing.due is None
    assert nothing.skipped is not None
    assert nothing.skipped.reason is SkipReason.NOT_REPORTED


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(issue(SSH), id="an older version, or another tool"),
        pytest.param(issue(SSH, notified_exposures=notified([], [SSH])), id="a record"),
        pytest.param(issue(SSH, notified_exposures=NotifiedExposures(2)), id="a record of the occurrence before"),
    ],
)
def test_who_did_not_record_it_told_of_all(given: Issue) -> None:
    is_recorded = given.notified_exposures is not None and given.notified_exposures.occurrence == 3
    assert issue_notified_times(given, REPORTED).at(SSH) == (LATER if is_recorded else REPORTED)


def test_what_a_scan_finds_in_an_issue_of_an_older_version_is_new() -> None:
    known = issue(SSH)
    change = reconcile(known, a_detection(perms=(SSH, ALL_SSH)), LATER)
    assert change is not None
    assert change.issue.open_at_report == exposure_texts([SSH])
    assert issue_notified_times(change.issue, REPORTED).at(ALL_SSH) is None
    assert issue_notified_times(change.issue, REPORTED).at(SSH) == REPORTED
    again = reconcile(change.issue, a_detection(perms=(ALL_SSH,)), LATER)
    assert again is not None
    assert again.issue.open_at_report == exposure_texts([SSH])
    recorded_since = issue(SSH, notified_exposures=notified([SSH]))
    change = reconcile(recorded_since, a_detection(perms=(ALL_SSH,)), LATER)
    assert change is not None
    assert change.issue.open_at_report is None


def test_immediate_mode_closes_what_is_new_once_it_was_told() -> None:
    critical = Reachability.of(Verdict.INTERNET, Sources.ALL, "open_completely")
    notice = ClosingNotice(REPORTED + timedelta(hours=1), occurrence=3)
    given = issue(SSH, ALL_SSH, notified_exposures=notified([SSH], [ALL_SSH]), closing_notice=notice)
    given = replace(given, details=replace(given.details, reachability=critical))
    terms = RemediationTerms(RETENTION, frozenset({Severity.CRITICAL}))
    found = remediation_schedule(given, terms, LATER)
    assert (found.due, [each.due for each in found.waiting]) == (notice.at, [LATER])


def test_what_is_no_text_can_still_be_listed() -> None:
    odd: Any = Exposure(None, 22, 22, 7, "open_completely")  # type: ignore[arg-type]
    assert exposure_texts([odd]) == ("none 22 22 7",)
