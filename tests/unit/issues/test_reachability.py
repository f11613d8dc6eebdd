"""The verdict on who can connect, as a value and as a map of the table."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from library.issues.issue import IssueDetails
from library.issues.reachability import (
    PATHS_KEPT,
    Blocker,
    Path,
    Reachability,
    Severity,
    Sources,
    Verdict,
    severity,
)
from library.security_groups.exposure import OpenStatus
from tests.builders.issues import DETAILS, an_issue

OPEN_PATH = Path(
    interface="eni-1",
    resource="instance i-1",
    address="54.1.2.3",
    verdict=Verdict.INTERNET,
    through=("igw-1", "rtb-1", "acl-1", "eni-1"),
    text="Anyone can connect to tcp/22 at 54.1.2.3.",
)
BLOCKED_PATH = Path("eni-2", "instance i-2", "54.1.2.4", Verdict.BLOCKED, ("igw-1",), Blocker.ROUTE, "No route.")
REACHABILITY = Reachability.of(
    Verdict.INTERNET,
    Sources.ALL,
    "open_completely",
    (BLOCKED_PATH, OPEN_PATH),
    ("A stopped instance counts as attached.",),
    ("No read.",),
)
ITEM: dict[str, Any] = {
    "verdict": "internet",
    "sources": "all",
    "severity": "critical",
    "paths": [
        {
            "interface": "eni-1",
            "resource": "instance i-1",
            "address": "54.1.2.3",
            "verdict": "internet",
            "through": ["igw-1", "rtb-1", "acl-1", "eni-1"],
            "blocked_by": "",
            "text": "Anyone can connect to tcp/22 at 54.1.2.3.",
        },
        {
            "interface": "eni-2",
            "resource": "instance i-2",
            "address": "54.1.2.4",
            "verdict": "blocked",
            "through": ["igw-1"],
            "blocked_by": "NO_ROUTE_TO_DESTINATION",
            "text": "No route.",
        },
    ],
    "paths_total": 2,
    "assumptions": ["A stopped instance counts as attached."],
    "unread": ["No read."],
}


def test_the_map_is_what_the_contract_says() -> None:
    assert REACHABILITY.to_item() == ITEM
    assert replace(DETAILS, reachability=REACHABILITY).to_item()["reachability"] == ITEM


def test_it_reads_back_with_the_numbers_of_the_table() -> None:
    assert Reachability.from_item({**ITEM, "paths_total": Decimal(2)}) == REACHABILITY
    details = replace(DETAILS, reachability=REACHABILITY)
    assert IssueDetails.from_item(details.to_item()) == details


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"verdict": "maybe"}, id="a verdict that is none"),
        pytest.param({"sources": "many"}, id="sources that are none"),
        pytest.param({"severity": None}, id="no severity"),
        pytest.param({"paths": "eni-1"}, id="paths that are a text"),
        pytest.param({"paths": [{"interface": "eni-1"}]}, id="a path without its parts"),
        pytest.param({"paths": [ITEM["paths"][0] | {"through": "igw-1"}]}, id="a text for a list"),
        pytest.param({"paths": [ITEM["paths"][0] | {"text": None}]}, id="a path without a text"),
        pytest.param({"paths_total": "two"}, id="a total that is no number"),
        pytest.param({"unread": [1]}, id="a sentence that is no text"),
    ],
)
def test_what_is_none_of_ours_counts_as_not_judged(change: dict[str, Any]) -> None:
    assert Reachability.from_item(ITEM | change) is None
    issue = an_issue()
    item = issue.to_item()
    item["issue_details"]["reachability"] = ITEM | change
    assert type(issue).from_item(item) == issue


@pytest.mark.parametrize("item", [None, "internet", [], {}])
def test_a_row_without_it_was_not_judged(item: object) -> None:
    assert Reachability.from_item(item) is None
    assert "reachability" not in DETAILS.to_item()


@pytest.mark.parametrize(
    ("verdict", "sources", "status", "expected"),
    [
        ("internet", "all", "open_completely", "critical"),
        ("internet", "some", "open_completely", "high"),
        ("internet", "some", "open_partly", "high"),
        ("unknown", None, "open_completely", "high"),
        ("unknown", None, "open_partly", "medium"),
        ("blocked", None, "open_completely", "medium"),
        ("internal", None, "open_completely", "medium"),
        ("blocked", None, "open_partly", "low"),
        ("internal", None, "open_partly", "low"),
        ("unused", None, "open_completely", "low"),
        ("unused", None, "open_partly", "low"),
        (None, None, "open_completely", "high"),
        (None, None, "open_partly", "medium"),
    ],
)
def test_severity(verdict: str | None, sources: str | None, status: OpenStatus, expected: str) -> None:
    judged = severity(Verdict(verdict) if verdict else None, Sources(sources) if sources else None, status)
    assert judged == expected


def test_an_issue_without_a_verdict_has_a_severity() -> None:
    assert DETAILS.severity is Severity.HIGH
    assert replace(DETAILS, status="open_partly").severity is Severity.MEDIUM
    assert replace(DETAILS, reachability=REACHABILITY).severity is Severity.CRITICAL


def test_the_worst_paths_are_kept_and_all_are_counted() -> None:
    blocked = [replace(BLOCKED_PATH, interface=f"eni-{number:02}") for number in range(30, 0, -1)]
    judged = Reachability.of(Verdict.INTERNET, Sources.SOME, "open_partly", (*blocked, OPEN_PATH))
    assert (judged.paths_total, len(judged.paths)) == (31, 20)
    assert judged.paths == (OPEN_PATH, *sorted(blocked, key=lambda path: path.interface)[: PATHS_KEPT - 1])


def test_of_much_that_could_not_be_read_the_first_is_kept() -> None:
    """An item of the table has room for 400 KB: a group may be on thousands of interfaces."""
    unread = [f"The network interface eni-{number:04} of the region could not be read." for number in range(3_000)]
    judged = Reachability.of(Verdict.UNKNOWN, None, "open_partly", unread=unread)
    assert judged.unread == (*unread[:PATHS_KEPT], "And 2980 more.")
    assert Reachability.of(Verdict.UNKNOWN, None, "open_partly", unread=unread[:20]).unread == tuple(unread[:20])


def test_the_codes_are_the_contract_s_in_its_order() -> None:
    assert [*Blocker] == [
        Blocker.BLOCK_PUBLIC_ACCESS,
        Blocker.ROUTE,
        Blocker.NETWORK_ACL,
        Blocker.SECURITY_GROUP,
        Blocker.LISTENER,
    ]
    assert [*map(str, Blocker)] == [
        "VPC_BLOCK_PUBLIC_ACCESS_ENABLED",
        "NO_ROUTE_TO_DESTINATION",
        "SUBNET_ACL_RESTRICTION",
        "SECURITY_GROUP_RESTRICTION",
        "ELB_LISTENERS_MISMATCH",
    ]
    assert [*Verdict][-1] is Verdict.UNUSED


def test_a_verdict_is_made_with_its_severity_and_all_that_is_said() -> None:
    judged = Reachability.of(
        Verdict.INTERNET,
        Sources.ALL,
        "open_completely",
        [OPEN_PATH, BLOCKED_PATH],
        iter(["Assumed."]),
        iter(["Unread."]),
    )
    assert judged == Reachability(
        Verdict.INTERNET, Sources.ALL, Severity.CRITICAL, (OPEN_PATH, BLOCKED_PATH), 2, ("Assumed.",), ("Unread.",)
    )
    assert Reachability.of(Verdict.INTERNET, Sources.SOME, "open_completely").severity is Severity.HIGH
    assert Reachability.of(Verdict.BLOCKED, None, "open_partly").severity is Severity.LOW
    assert Reachability.of(Verdict.BLOCKED, None, "open_completely").severity is Severity.MEDIUM


def test_a_verdict_without_sources_reads_back() -> None:
    judged = Reachability.of(Verdict.BLOCKED, None, "open_completely", [BLOCKED_PATH])
    assert judged.to_item()["sources"] is None
    assert Reachability.from_item(judged.to_item()) == judged
