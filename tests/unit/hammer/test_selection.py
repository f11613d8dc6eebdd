"""Which issues `--severity`, `--port`, `--owner` and `--status` leave in a list, and how `--sort` orders them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hammer.formats import Format
from hammer.listing.issue import ListedIssue, Sort, Wanted, at_least, chosen
from hammer.output import order, wanted
from library.issues.issue import Status, Timestamps
from library.issues.reachability import Reachability, Severity, Sources, Verdict
from library.security_groups.exposure import Exposure
from tests.builders.listings import EVERYTHING, LISTED, NOW, SSH, a_listed_issue

DNS = Exposure("udp", 50, 60, "0.0.0.0/0", "open_completely")
ESP = Exposure("50", None, None, "0.0.0.0/0", "open_completely")


def reached() -> Reachability:
    return Reachability.of(Verdict.INTERNET, Sources.ALL, "open_completely")


ISSUES = (
    a_listed_issue(SSH, group_id="ssh", reachability=reached(), owner="Ana"),
    a_listed_issue(LISTED, SSH, group_id="both", status=Status.WHITELISTED, owner="bo"),
    a_listed_issue(LISTED, group_id="listed", status=Status.RESOLVED, owner=""),
    a_listed_issue(EVERYTHING, group_id="everything", status=Status.CLOSED, owner="#platform"),
    a_listed_issue(DNS, group_id="dns", reachability=Reachability.of(Verdict.UNUSED, None, "open_completely")),
    a_listed_issue(ESP, group_id="esp"),
)


def taken(wanted: Wanted) -> list[str]:
    return [issue.group_id for issue in ISSUES if wanted.takes(issue)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, "ssh both listed everything dns esp", id="nothing is asked for"),
        pytest.param({"severities": [Severity.CRITICAL]}, "ssh", id="a severity"),
        pytest.param({"severities": [Severity.MEDIUM, Severity.LOW]}, "listed dns", id="two severities"),
        pytest.param({"ports": ["22"]}, "ssh both everything", id="a port, which traffic without ports includes"),
        pytest.param({"ports": ["udp/22"]}, "everything", id="a port of the other protocol"),
        pytest.param({"ports": ["udp/60-70"]}, "everything dns", id="the end of a range"),
        pytest.param({"ports": ["61-70"]}, "everything", id="beyond a range"),
        pytest.param({"ports": ["5432", "udp/53"]}, "both listed everything dns", id="two ports"),
        pytest.param({"owners": ["ana"]}, "ssh dns esp", id="an owner in any case"),
        pytest.param({"owners": ["BO", "#platform"]}, "both everything", id="two owners"),
        pytest.param({"owners": ["an"]}, "", id="a part of an owner's name is nobody"),
        pytest.param({"statuses": [Status.OPEN]}, "ssh dns esp", id="a status"),
        pytest.param({"statuses": [Status.CLOSED, Status.RESOLVED]}, "listed everything", id="two statuses"),
        pytest.param(
            {"severities": [Severity.HIGH], "ports": ["22"], "owners": ["bo"], "statuses": [Status.WHITELISTED]},
            "both",
            id="all four",
        ),
        pytest.param({"ports": ["22"], "owners": ["nobody"]}, "", id="each of them has to hold"),
    ],
)
def test_filters(options: dict[str, Any], expected: str) -> None:
    asked = {"severities": None, "ports": None, "owners": None} | options
    assert taken(wanted(**asked)) == expected.split()


def aged(group_id: str, days: int | None, **other: Any) -> ListedIssue:
    found = None if days is None else NOW - timedelta(days=days)
    return a_listed_issue(SSH, group_id=group_id, timestamps=Timestamps(identified=found), **other)


UNSORTED = (
    aged("c", 1, owner="bo", due=NOW, name="Beta"),
    aged("b", None, owner="", name="alpha", reachability=reached(), status=Status.WHITELISTED),
    aged("a", 3, owner="Ana", region="us-east-1", name="gamma"),
    aged("d", 2, owner="ana", due=NOW - timedelta(days=1), name="alpha", reachability=reached()),
    aged("e", 2, owner="ana", account_id="123456789012", due=NOW, name="Alpha"),
)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        pytest.param(Sort.SEVERITY, "d e c a b", id="severity: what is not open comes last"),
        pytest.param(Sort.AGE, "a e d c b", id="age: the oldest first, what nobody knows last"),
        pytest.param(Sort.DUE, "d e c b a", id="due: the earliest first, what is never due last"),
        pytest.param(Sort.ACCOUNT, "e b c d a", id="account, region and group"),
        pytest.param(Sort.OWNER, "e d a c b", id="owner: in any case, nobody last"),
        pytest.param(Sort.NAME, "e b d c a", id="name: in any case"),
    ],
)
def test_orders(sort: Sort, expected: str) -> None:
    for issues in (UNSORTED, UNSORTED[::-1]):
        assert [issue.group_id for issue in chosen(issues, Wanted(), sort)] == expected.split()


def test_only_what_is_wanted_is_sorted() -> None:
    assert chosen(ISSUES, wanted(None, ["5432"], None), Sort.NAME) == (ISSUES[1], ISSUES[3], ISSUES[2])


@pytest.mark.parametrize("output_format", Format)
def test_the_order_of_a_format_where_none_is_asked_for(output_format: Format) -> None:
    for_people = output_format in (Format.TABLE, Format.HTML)
    assert order(None, output_format) is (Sort.SEVERITY if for_people else Sort.ACCOUNT)
    assert order(Sort.DUE, output_format) is Sort.DUE


@pytest.mark.parametrize("least", Severity)
def test_at_least(least: Severity) -> None:
    of = {severity: a_listed_issue(reachability=replace(reached(), severity=severity)) for severity in Severity}
    worst_first = [Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW]
    assert [s for s in worst_first if at_least(of[s], least)] == worst_first[: worst_first.index(least) + 1]
