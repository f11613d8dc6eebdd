"""Who was cut off: refused sources that had worked, and when people are told of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from identification.flow_logs.after_care import refused_workers
from identification.flow_logs.records import FlowRecord
from library.issues.after_care import ITEM_PREFIX, AfterCare, RefusedSource, after_care_sentences
from tests.builders.flow_records import NOW, SSH, evidence_of, refused, talk, use_of
from tests.builders.issues import an_issue

WORKER, OTHER = "9.9.9.7", "8.8.8.8"
USE = use_of([*talk(WORKER, 60, 60), *talk(OTHER, 9, 9)])
THREE = [each for hour in (3.0, 2.0, 1.0) for each in refused(WORKER, 22, hours_ago=hour)]

CASES: dict[str, tuple[list[FlowRecord], bool, int]] = {
    "SYN alone": (refused(WORKER, 22, flags=2, hours_ago=1), True, 1),
    "late packets of an old connection": (refused(WORKER, 22, hours_ago=1) * 5, True, 0),
    "without flags one record is nothing": (refused(WORKER, 22, hours_ago=1), False, 0),
    "without flags three in one interval are nothing": (refused(WORKER, 22, hours_ago=1) * 3, False, 0),
    "without flags three in three intervals": (THREE, False, 3),
    "without flags three on three interfaces": (
        [each._replace(interface_id=f"eni-0b{number}") for number, each in enumerate(THREE)],
        False,
        3,
    ),
    "who only talked": (refused(OTHER, 22, flags=2, hours_ago=1), True, 0),
    "another port": (refused(WORKER, 23, flags=2, hours_ago=1), True, 0),
    "nothing": ([], True, 0),
}


@pytest.mark.parametrize(("records", "flags", "notified"), CASES.values(), ids=CASES)
def test_who_is_told(records: list[FlowRecord], flags: bool, notified: int) -> None:
    ports = evidence_of(records, (SSH,)).refused_ports(0, 2**31)
    found = refused_workers(USE, ports, 600, has_tcp_flags=flags)
    assert [(each.source, each.port, each.records) for each in found] == (
        [(WORKER, "tcp/22", notified)] if notified else []
    )


def test_intervals_are_those_of_the_flow_log() -> None:
    # Three records, one a minute: three intervals of 60 seconds, one of 600.
    records = [each for n in range(3) for each in refused(WORKER, 22, hours_ago=1.0 - n / 60)]
    for interval, notified in ((60, 1), (600, 0)):
        ports = evidence_of(records, (SSH,)).refused_ports(0, 2**31)
        assert len(refused_workers(USE, ports, interval, has_tcp_flags=False)) == notified


CARE = AfterCare(
    "sg-1",
    NOW - timedelta(days=2),
    (RefusedSource(WORKER, "tcp/22", 3, NOW - timedelta(hours=5), NOW - timedelta(hours=1)),),
)


@pytest.mark.parametrize(
    ("hours", "notification"),
    [(None, True), (2, False), (20, True), (0.5, False), (60, True)],
    ids=["never", "today", "yesterday", "just now", "before the change"],
)
def test_once_a_day_at_most(hours: float | None, notification: bool) -> None:
    notified = None if hours is None else NOW - timedelta(hours=hours)
    assert CARE.is_new(notified, NOW) is notification


def test_nothing_new_since_is_no_news() -> None:
    care = replace(CARE, sources=(replace(CARE.sources[0], last=NOW - timedelta(hours=30)),))
    assert not care.is_new(NOW - timedelta(hours=20), NOW)


def test_who_is_found_later_than_others_were_told_is_told_the_next_day() -> None:
    """Flow logs come late, and what is above usage.limit_mb is read by later runs, the newest first."""
    notified = NOW - timedelta(hours=20)
    gave_up = replace(CARE.sources[0], source=OTHER, last=NOW - timedelta(hours=40))
    repeated = replace(CARE.sources[0], last=NOW - timedelta(hours=30))
    care = replace(CARE, sources=(repeated, gave_up))
    assert care.is_new(notified, NOW, [repeated.name])
    assert not care.is_new(notified, NOW, [repeated.name, gave_up.name])
    assert not care.is_new(notified, notified + timedelta(hours=1), [repeated.name])


def test_it_is_stored_as_it_is_and_what_is_none_is_none() -> None:
    item: dict[str, Any] = {"issue_id": f"{ITEM_PREFIX}sg-1", **CARE.to_item()}
    assert AfterCare.from_item(item) == CARE
    changes: dict[str, Any]
    for changes in ({"sources": 5}, {"changed": "then"}, {"sources": [{}]}):
        assert AfterCare.from_item({**item, **changes}) is None


def test_the_commands_to_restore_and_to_keep_are_told() -> None:
    text = "\n".join(after_care_sentences(an_issue(), CARE))
    location = "--account 210987654321 --region eu-west-1 --group sg-1"
    assert f"hammer restore {location}" in text
    assert f"hammer remediate --include-not-due {location} --keep {WORKER}/32" in text
    assert f"{WORKER} on tcp/22, 3 times, last 2026-11-24 10:30 UTC" in text
    assert "safe" not in text
