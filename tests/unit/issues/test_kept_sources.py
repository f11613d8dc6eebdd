"""What a person kept is not due until a person decides otherwise, and damage in the table is nobody's choice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from library.issues.decision_record import KeptSource, kept_sources
from library.issues.issue import Issue
from library.issues.schedule import RemediationTerms, SkipReason, exposure_times, remediation_schedule
from library.network.addresses import parse_network
from library.security_groups.exposure import Exposure
from remediation.planning import chosen_to_keep
from tests.builders.issues import DETAILS, SSH, an_issue

NOW = datetime(2026, 11, 24, tzinfo=UTC)
KEPT = KeptSource("tcp", 22, 22, "9.9.9.7/32", "ana", NOW - timedelta(days=9))
PARTLY = Exposure("tcp", 22, 22, "9.9.9.7/32", "open_partly")
ITEM = KEPT.to_item(3)
TERMS = RemediationTerms(timedelta(days=7), scope=frozenset({"open_completely", "open_partly"}))


def issue(*perms: Exposure, kept: object = (ITEM,), **more: Any) -> Issue:
    return an_issue(details=replace(DETAILS, perms=perms), remediation_details={"kept": kept}, **more)


def test_what_a_person_kept_alone_is_left_until_somebody_decides() -> None:
    found = remediation_schedule(issue(PARTLY), TERMS, NOW)
    assert (found.due, found.at_once, found.waiting) == (None, False, ())
    assert found.skipped is not None
    assert found.skipped.reason is SkipReason.KEPT_BY_PERSON
    assert found.skipped.text == "kept by ana since 2026-11-15 00:00 UTC: left alone until somebody decides"
    assert not found.skipped.needs_somebody


def test_what_is_open_beside_it_is_due_as_ever() -> None:
    given = issue(PARTLY, SSH)
    found = remediation_schedule(given, TERMS, NOW)
    assert (found.skipped, found.waiting) == (None, ())
    times = exposure_times(given, TERMS)
    assert times is not None
    assert (times.is_due(PARTLY, NOW), times.is_due(SSH, NOW)) == (False, True)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(PARTLY._replace(cidr="9.9.9.0/24"), id="a wider source"),
        pytest.param(PARTLY._replace(to_port=23), id="more ports"),
        pytest.param(PARTLY._replace(protocol="udp"), id="another protocol"),
        pytest.param(PARTLY._replace(prefix_list_id="pl-1"), id="an entry of a prefix list"),
    ],
)
def test_it_is_that_rule_alone(other: Exposure) -> None:
    assert remediation_schedule(issue(other), TERMS, NOW).skipped is None


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(None, id="none"),
        pytest.param("yes", id="a text"),
        pytest.param({"cidr": "9.9.9.7/32"}, id="a map"),
        pytest.param([ITEM | {"occurrence": 2}], id="of another occurrence"),
        pytest.param([ITEM | {"at": "soon"}], id="no time"),
        pytest.param([ITEM | {"from_port": "ssh"}], id="no port"),
        pytest.param([{}, 7, None], id="no maps"),
    ],
)
def test_what_cannot_be_read_is_nobodys_choice(kept: object) -> None:
    given = issue(PARTLY, kept=kept)
    assert kept_sources(given) == ()
    assert remediation_schedule(given, TERMS, NOW).skipped is None


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("", ()),
        (" ", ()),
        ("2", ("8.8.8.0/28",)),
        ("1,2", ("9.9.9.7/32", "8.8.8.0/28")),
        ("2 1 2", ("8.8.8.0/28", "9.9.9.7/32")),
        ("0", None),
        ("3", None),
        ("-1", None),
        ("y", None),
        ("²", None),
        ("9.9.9.7/32", None),
    ],
)
def test_the_answer_to_the_offer(answer: str, found: tuple[str, ...] | None) -> None:
    offered = tuple(map(parse_network, ("9.9.9.7/32", "8.8.8.0/28")))
    got = chosen_to_keep(answer, offered)
    assert (None if got is None else tuple(map(str, got))) == found
