"""What `hammer status` says of whom, line by line."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from io import StringIO

import pytest
from botocore.exceptions import EndpointConnectionError
from rich.console import Console

from hammer.formats.table_format import Cell, severity_cell
from hammer.listing.issue import default_context, listed_issue
from hammer.status import (
    Facts,
    Page,
    abandoned,
    age_rows,
    attention,
    due_rows,
    event_lines,
    event_rows,
    headline,
    trend,
    waiting,
    watch_page,
)
from hammer.table_listing import unseen
from library.aws.lock import LockState
from library.aws.records import JobRun
from library.issues.history import PastOccurrence
from library.issues.issue import Issue, Status, Timestamps
from library.issues.scan_coverage import Outcome, ScanCoverage
from library.issues.trends import Day
from library.jobs.command_line import Selection
from tests.builders.config_files import config_with, parse
from tests.builders.issues import NOW, an_issue

SEEN = ScanCoverage("1", "eu-west-1", Outcome.COMPLETE, NOW, 1.0, 7, last_complete=NOW)
KNOWN = default_context(NOW.date())


def facts(*issues: Issue, **other: object) -> Facts:
    pairs = [(issue, listed_issue(issue, KNOWN)) for issue in issues]
    return Facts(**({"now": NOW, "scans": [SEEN], "issues": pairs} | other))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "lines"),
    [
        pytest.param(facts(), [], id="all is well"),
        pytest.param(
            facts(scans=[]), ["nothing was scanned yet: does the schedule run, and has SNS_ARN the topic?"], id="new"
        ),
        pytest.param(
            facts(scans=[replace(SEEN, outcome=Outcome.FAILED, last_complete=None, reason="role\x1b missing")]),
            ["not seen whole: 1 eu-west-1, last complete scan never: role\\x1b missing"],
            id="a scan failed",
        ),
        pytest.param(
            facts(scans=[replace(SEEN, started=NOW - timedelta(hours=4))]),
            ["not looked at since 2026-11-21 23:00 UTC: 1 eu-west-1"],
            id="the schedule stands still",
        ),
        pytest.param(
            facts(scans=[replace(SEEN, started=NOW - timedelta(hours=12), interval=timedelta(hours=12))]),
            [],
            id="scans are half a day apart",
        ),
        pytest.param(
            facts(scans=[replace(SEEN, started=NOW - timedelta(minutes=16), interval=timedelta(minutes=5))]),
            ["not looked at since 2026-11-22 02:44 UTC: 1 eu-west-1"],
            id="a schedule of five minutes stands still",
        ),
        pytest.param(facts(scans=[replace(SEEN, outcome=Outcome.REGION_OFF)]), [], id="a region is off"),
        pytest.param(
            facts(unseen=[("2", ""), *(("1", f"r-{number}") for number in range(11))]),
            [f"never scanned: 2, {', '.join(f'1 r-{number}' for number in range(9))} and 2 more"],
            id="targets that no scan has reached",
        ),
        pytest.param(
            facts(dead_letters={"hammer-a-dead-letters": 2, "hammer-b-dead-letters": 0}),
            ["dead letters: 2 messages in hammer-a-dead-letters"],
            id="dead letters",
        ),
        pytest.param(
            facts(dead_letters=None), ["dead letters: the queues could not be read"], id="queues that cannot be read"
        ),
        pytest.param(
            facts(jobs=[JobRun("report", "", NOW, NOW, "failed", ["JIRA is away"]), JobRun("x", "", NOW, NOW, "done")]),
            ["hammer report ended failed at 2026-11-22 03:00 UTC: JIRA is away"],
            id="a job failed",
        ),
        pytest.param(
            facts(jobs=[JobRun("restore", "", NOW, NOW, "failed", ["no backup"])]),
            [],
            id="a restore failed, which whoever ran it was told",
        ),
        pytest.param(
            facts(jobs=[JobRun("report", "", NOW - timedelta(hours=7)), JobRun("usage", "", NOW - timedelta(hours=6))]),
            ["hammer report began at 2026-11-21 20:00 UTC and has not ended: it was killed, or stands still"],
            id="a job that was killed",
        ),
        pytest.param(
            facts(unfinished=["sg-1 in 1, eu-west-1"]),
            ["interrupted, the next remediation run finishes it: sg-1 in 1, eu-west-1"],
            id="a run was interrupted",
        ),
        pytest.param(
            facts(abandoned=[("210987654321", "eu-west-1", "sg-1")]),
            [
                "interrupted, and not watched any more: sg-1 in 210987654321, eu-west-1. To leave it as it is: "
                "hammer restore --give-up --account 210987654321 --region eu-west-1 --group sg-1"
            ],
            id="a run was interrupted at a place that left",
        ),
    ],
)
def test_what_needs_attention(seen: Facts, lines: list[str]) -> None:
    assert list(attention(seen)) == lines


@pytest.mark.parametrize(
    ("regions", "selected", "expected"),
    [
        pytest.param(["eu-west-1", "us-east-1"], Selection(), ["1 us-east-1", "2 eu-west-1", "2 us-east-1"], id="list"),
        pytest.param({"123456789012": ["eu-west-1"], "*": ["us-east-1"]}, Selection(), ["2 us-east-1"], id="map"),
        pytest.param(None, Selection(), ["2 "], id="every one that is enabled: an account without any scan"),
        pytest.param(
            ["eu-west-1", "us-east-1"],
            Selection(regions=frozenset({"us-east-1"})),
            ["1 us-east-1", "2 us-east-1"],
            id="a region that is asked for",
        ),
        pytest.param(None, Selection(regions=frozenset({"us-east-1"})), [], id="of what is enabled nothing is known"),
    ],
)
def test_targets_that_were_never_scanned(regions: object, selected: Selection, expected: list[str]) -> None:
    names = {"123456789012": "1", "210987654321": "2"}
    config = parse(config_with({"aws/accounts": names, **({"aws/regions": regions} if regions else {})}))
    scans = [replace(SEEN, account_id="123456789012")]
    found = unseen(config, [*names, "333333333333"], selected, scans)
    assert [f"{names[account]} {region}" for account, region in found] == expected
    off = config_with({"secgrp_unrestricted_access/enabled": False})
    assert unseen(parse(off), list(names), selected, scans) == []


def test_the_first_line_is_what_is_open_and_due() -> None:
    assert headline(facts()) == ("no open issue is known", "green")
    assert headline(facts(scans=[])) == ("no open issue is known", "yellow")
    assert headline(facts(selection=Selection(groups=frozenset({"sg-1"})))) == (
        "no open issue is known among those that were asked for",
        "green",
    )
    listed = listed_issue(an_issue(), KNOWN)
    overdue, due_soon = replace(listed, due=NOW), replace(listed, due=NOW + timedelta(days=7))
    pairs = [(an_issue(), listed), (an_issue(), overdue), (an_issue(), due_soon), (an_issue(Status.RESOLVED), listed)]
    assert headline(facts(issues=pairs)) == ("open: 3 high; 1 due now; 1 due within 7 days", "bold red")


def test_open_issues_by_severity_and_age() -> None:
    found = [NOW - timedelta(days=days) for days in (0, 2, 8, 40)]
    issues = [replace(an_issue(), timestamps=Timestamps(identified=time)) for time in found]
    rows = list(age_rows(facts(*issues, an_issue(Status.CLOSED))))
    assert [(row[0].text if isinstance(row[0], Cell) else "", *row[1:]) for row in rows] == [
        ("critical", "0", "0", "0", "0", "0"),
        ("high", "4", "1", "1", "1", "1"),
        ("medium", "0", "0", "0", "0", "0"),
        ("low", "0", "0", "0", "0", "0"),
    ]


def test_what_is_due_next_is_sorted() -> None:
    due_soon = replace(listed_issue(an_issue(), KNOWN), due=NOW + timedelta(days=1))
    overdue = replace(due_soon, due=NOW - timedelta(days=1))
    rows = due_rows(facts(issues=[(an_issue(), due_soon), (an_issue(), overdue)]))
    assert [row[:2] for row in rows] == [
        ("now", severity_cell("high")),
        ("2026-11-23 03:00 UTC", severity_cell("high")),
    ]


def test_what_waits_for_somebody() -> None:
    restored = replace(an_issue(), occurrence=1, remediation_details={"restored": {"by": "ana", "at": "then"}})
    exempt = an_issue(Status.WHITELISTED)
    until = NOW.date() + timedelta(days=30)
    listed = replace(listed_issue(exempt, KNOWN), exempt_until=until, exempt_reason="the partner's office")
    past = PastOccurrence(None, NOW - timedelta(days=2))
    one_time = replace(an_issue(), occurrence=4, history=(past, replace(past, resolved=NOW - timedelta(days=8))))
    flapping = replace(one_time, history=(past, past, past))
    pairs = [(restored, listed_issue(restored, KNOWN)), (exempt, listed), (flapping, listed_issue(flapping, KNOWN))]
    pairs.append((one_time, listed_issue(one_time, KNOWN)))
    location = "sg-1 in 210987654321, eu-west-1"
    assert list(waiting(facts(issues=pairs))) == [
        f"restored, waits for a decision: {location}, by ana at then (hammer restore --release)",
        f"exempt until 2026-12-22, soon: {location} (the partner's office)",
        f"flapping, found 4 times: {location}",
    ]


def test_the_last_event_or_that_none_ever_came() -> None:
    other = replace(SEEN, region="us-east-1")
    events = [("1", "eu-west-1", NOW, "RunInstances"), ("1", "eu-west-1", NOW - timedelta(days=1), "CreateRoute")]
    assert list(event_lines(facts(scans=[SEEN, other], events=events))) == [
        "last event: RunInstances in 1, eu-west-1, at 2026-11-22 03:00 UTC",
    ]
    assert list(event_lines(facts(scans=[SEEN, other]))) == ["no event ever came from 2 of 2 scanned regions"]
    assert event_rows(facts(scans=[SEEN, other])) == []


def test_when_each_region_last_sent_an_event_and_which_never_did() -> None:
    other, off = replace(SEEN, region="us-east-1"), replace(SEEN, region="eu-south-2", outcome=Outcome.REGION_OFF)
    events = [("1", "eu-west-1", NOW, "Run\x1bInstances")]
    assert event_rows(facts(scans=[SEEN, other, off], events=events)) == [
        ("1", "eu-west-1", "2026-11-22 03:00 UTC", "Run\\x1bInstances"),
        ("1", "us-east-1", "never", ""),
    ]
    assert event_rows(facts(scans=[])) == []


def test_the_trend() -> None:
    days = [
        Day(date(2026, 11, number), {"1": {"high": number}}, {}, resolved=1, remediated=2, hours_to_fix=number)
        for number in (20, 21)
    ]
    assert trend([]) == ""
    assert trend(days) == (
        "open each day since 2026-11-20: 20 21; 2 resolved, 4 remediated, 0 restored; "
        "20 hours on average from found to fixed"
    )


def test_what_no_run_may_complete_is_what_is_marked_and_not_watched() -> None:
    config = parse(config_with({"aws/regions": "eu-west-1"}))
    watched, other = ("123456789012", "eu-west-1", "sg-1"), ("123456789012", "us-east-1", "sg-2")
    left = ("555555555555", "eu-west-1", "sg-3")
    lock = LockState("", None, frozenset({watched, other, left}))
    assert abandoned(config, lock, Selection.of(None, None, None)) == [other, left]
    assert abandoned(config, lock, Selection.of(["555555555555"], None, None)) == [left]


def test_a_watched_page_is_read_anew_and_survives_an_outage() -> None:
    out, waited = StringIO(), list[float]()
    reads = iter([EndpointConnectionError(endpoint_url="https://dynamodb"), None])
    terminal = Console(file=out, force_terminal=True, width=200, color_system=None)

    def read() -> Page:
        if error := next(reads):
            raise error
        return lambda to: to.print("second")

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch_page(terminal, lambda to: to.print("first"), read, sleep)
    assert waited == [30, 30, 30]
    shown = [page.splitlines() for page in out.getvalue().split("\x1b[2J\x1b[H")]
    assert shown[0] == ["shown anew every 30 s, Ctrl-C ends"]
    assert shown[1][0] == "first"
    assert "could not be read, and is shown as it was: " in shown[1][1]
    assert shown[2] == ["second", "shown anew every 30 s, Ctrl-C ends"]
