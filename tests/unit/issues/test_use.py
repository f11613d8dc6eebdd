"""Use as a value, in sentences, and what it means for when an issue is due."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from library.issues.issue import ClosingNotice
from library.issues.notified_exposures import NotifiedExposures, exposure_texts
from library.issues.reachability import Severity
from library.issues.schedule import RemediationTerms, due_by_retention, exposure_times, remediation_schedule
from library.issues.times import format_time
from library.issues.use import (
    CAVEAT,
    SourceClass,
    Use,
    UseRule,
    UseSource,
    UseVerdict,
    unknown_use,
    use_sentences,
    use_summary,
)
from library.security_groups.exposure import Exposure
from tests.builders.issues import DETAILS, an_issue
from tests.worlds.memory_table import size_of

NOW = datetime(2026, 11, 24, 11, 30, tzinfo=UTC)
YESTERDAY = datetime(2026, 11, 23, 18, 2, tzinfo=UTC)


def source(name: str, source_class: SourceClass, **other: Any) -> UseSource:
    given: dict[str, Any] = {"port": 22, "first": NOW - timedelta(days=9), "last": YESTERDAY} | other
    return UseSource(name, source_class, connections=3, packets=1200, bytes=90_000, **given)


def use(verdict: UseVerdict = UseVerdict.WORKING, **other: Any) -> Use:
    counts = {"working": 2, "talked": 3, "seen": 2000, "answered": 100, "refused": 14}
    sources = (
        source("9.9.9.7", SourceClass.WORKING),
        source("9.9.9.8", SourceClass.WORKING, last=NOW - timedelta(days=3)),
        *(source(f"8.8.8.{n}", SourceClass.TALKED) for n in range(3)),
    )
    rule = UseRule("tcp", 22, 22, "0.0.0.0/0", counts=counts, sources=sources)
    given: dict[str, Any] = {"covered": Decimal("0.974"), "rules": (rule,)} | other
    return Use(NOW - timedelta(days=14), NOW, verdict=verdict, **given)


def talked_rules() -> tuple[UseRule, ...]:
    return (UseRule("tcp", 22, 22, "::/0", counts={"talked": 1}, sources=(source("8.8.8.8", SourceClass.TALKED),)),)


def test_the_summary_of_a_busy_group() -> None:
    assert use_summary(use(), NOW) == (
        "14 days, 97 % covered: 2 sources worked, last yesterday 18:02; 3 more talked: ask them; 2,114 only knocked"
    )


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (use(UseVerdict.NONE, rules=(), covered=Decimal(1)), "14 days, 100 % covered: no source was seen"),
        (
            use(UseVerdict.UNKNOWN, rules=(), reason="No flow log covers eni-1"),
            "14 days, 97 % covered: use is unknown: No flow log covers eni-1",
        ),
        (
            use(
                UseVerdict.TALKED,
                rules=talked_rules(),
            ),
            "14 days, 97 % covered: 1 source talked: ask them",
        ),
        (
            use(
                UseVerdict.NONE, rules=(UseRule("tcp", 22, 22, "::/0", counts={"noise": 4, "inside": 1, "hidden": 2}),)
            ),
            "14 days, 97 % covered: 4 scanned; 1 came from inside; 2 hid behind another address",
        ),
    ],
    ids=["nothing", "unknown", "talked", "others"],
)
def test_summaries(found: Use, text: str) -> None:
    assert use_summary(found, NOW) == text


def test_the_sentences_say_what_flow_logs_cannot_tell_and_never_that_a_rule_is_needless() -> None:
    for verdict in UseVerdict:
        found = use(verdict, reason="why", keep=("9.9.9.7/32",), keep_note="They admit 1 address.", gaps=("A gap.",))
        text = " ".join(use_sentences(found, NOW))
        assert CAVEAT in text
        assert "password" in text
        assert "unused" not in text.lower()
        assert "safe" not in text.lower()
        assert "9.9.9.7 worked through tcp/22 from 0.0.0.0/0 on port 22: 3 connections, 1,200 packets" in text
        assert "A gap." in text


def test_it_is_stored_as_it_is_and_bounded() -> None:
    assert Use.from_item(use().to_item()) == use()
    assert use().to_json()["covered"] == 0.974
    rule = use().rules[0]
    large = use(rules=(rule,) * 500, gaps=tuple(f"gap {n} \x1b " + "x" * 900 for n in range(500)))
    item = large.to_item()
    kept = [source for each in item["rules"] for source in each["sources"]]
    assert size_of(item) < 42_000  # of 133 KB for all that the jobs keep: a scan that finds more open needs the rest
    assert (len(item["gaps"]), len(item["rules"]) > 50, len(kept) > 50) == (20, True, True)
    assert item["gaps"][:2] == [
        f"{500 - len(item['rules'])} more rules are left out here.",
        f"{2500 - len(kept):,} more sources are left out here.",
    ]


def test_rules_with_sources_and_sources_that_worked_are_kept_first() -> None:
    silent = UseRule("tcp", 22, 22, "::/0", counts={"seen": 3})
    talked = tuple(source(f"8.8.8.{n}", SourceClass.TALKED) for n in range(20))
    busy = replace(silent, cidr="0.0.0.0/0", sources=talked)
    last = replace(busy, sources=(*talked[:19], source("9.9.9.7", SourceClass.WORKING)))
    found = Use.from_item(use(rules=(*[silent] * 300, *[busy] * 9, last)).to_item())
    assert found is not None
    assert [rule.cidr for rule in found.rules[-10:]] == ["0.0.0.0/0"] * 10
    assert list(found.sources(SourceClass.WORKING)) == ["9.9.9.7"]
    assert found.rules[0] == silent


def test_how_many_worked_is_told_also_where_the_table_has_no_room_for_all_of_them() -> None:
    """The same twenty work through ten rules: of each some are listed."""
    workers = tuple(source(f"9.9.9.{n}", SourceClass.WORKING) for n in range(20))
    rule = replace(use().rules[0], counts={"working": 20}, sources=workers)
    found = Use.from_item(use(rules=(rule,) * 10).to_item())
    assert found is not None
    assert 0 < len(found.sources(SourceClass.WORKING)) < 20
    assert "20 sources worked, last" in use_summary(found, NOW)
    unlisted = replace(found, rules=tuple(replace(each, sources=()) for each in found.rules))
    assert "20 sources worked" in use_summary(unlisted, NOW)


@pytest.mark.parametrize("item", [None, "x", {}, {**use().to_item(), "from": "then"}, {**use().to_item(), "rules": 5}])
def test_what_is_none_is_none(item: object) -> None:
    assert Use.from_item(item) is None


def test_where_use_is_unknown_is_told_once_for_each_account_and_region() -> None:
    unknown = use(UseVerdict.UNKNOWN, reason="bucket b refuses")
    issues = [("1", "eu", unknown), ("1", "eu", unknown), ("1", "eu", None), ("1", "us", use()), ("2", "eu", unknown)]
    assert list(unknown_use(issues)) == [
        ("1", "eu", "use is unknown for 3 issues: bucket b refuses (2); flow logs were not read yet (1)"),
        ("2", "eu", "use is unknown for 1 issue: bucket b refuses"),
    ]


TERMS = RemediationTerms(timedelta(days=21), wait_in_use=timedelta(days=10))
REPORTED = NOW - timedelta(days=25)
HIGH = replace(DETAILS, reachability=None)


@pytest.mark.parametrize(
    ("found", "terms", "days"),
    [
        (use(), TERMS, 31),
        (use(UseVerdict.TALKED), TERMS, 21),
        (use(UseVerdict.NONE), TERMS, 21),
        (use(UseVerdict.UNKNOWN), TERMS, 21),
        (None, TERMS, 21),
        (use(), replace(TERMS, wait_in_use=timedelta()), 21),
        (use(), replace(TERMS, immediate=frozenset({Severity.HIGH})), 21),
    ],
    ids=["working", "talked", "none", "unknown", "not read", "no wait", "immediate"],
)
def test_an_issue_through_which_somebody_works_is_due_later_counted_from_its_report(
    found: Use | None, terms: RemediationTerms, days: int
) -> None:
    issue = an_issue(details=HIGH, use=found)
    issue = replace(issue, timestamps=replace(issue.timestamps, reported=REPORTED))
    assert issue.details.severity is Severity.HIGH
    assert remediation_schedule(issue, terms, NOW).due == REPORTED + timedelta(days=days)
    assert due_by_retention(issue, terms) == REPORTED + timedelta(days=days)
    # What was begun is completed, whoever works.
    assert remediation_schedule(issue, terms, NOW, is_resumed=True).due == REPORTED + timedelta(days=21)


def test_what_is_opened_later_waits_once_for_those_who_work() -> None:
    """The wait is counted from the issue's report alone: it is over when the newer exposure's own period ends."""
    issue = an_issue(details=HIGH, use=use())
    issue = replace(issue, timestamps=replace(issue.timestamps, reported=REPORTED))
    later = REPORTED + timedelta(days=15)
    notified = NotifiedExposures(issue.occurrence, (), {str(format_time(later)): exposure_texts(HIGH.perms)})
    times = exposure_times(replace(issue, notified_exposures=notified), TERMS)
    assert times is not None
    assert [times.due(perm) for perm in HIGH.perms] == [later + timedelta(days=21)] * len(HIGH.perms)


def test_a_notice_of_immediate_mode_counts_whoever_works() -> None:
    terms = replace(TERMS, immediate=frozenset({Severity.HIGH}))
    issue = an_issue(details=HIGH, use=use())
    notice = ClosingNotice(NOW, issue.occurrence)
    issue = replace(issue, timestamps=replace(issue.timestamps, reported=REPORTED), closing_notice=notice)
    assert remediation_schedule(issue, terms, NOW).due == REPORTED + timedelta(days=21)


@pytest.mark.parametrize("verdict", list(UseVerdict))
def test_what_is_open_and_was_not_looked_at_is_named_and_nobody_is_said_not_to_use_it(verdict: UseVerdict) -> None:
    known, new = (Exposure("tcp", port, port, "0.0.0.0/0", "open_completely") for port in (22, 3389))
    found = use(verdict, reason="")
    assert found.of_what_is_open([known]) == found
    opened = found.of_what_is_open([known, new, new._replace(cidr="::/0")])
    text = "low logs were not yet read for tcp/3389 from 0.0.0.0/0, tcp/3389 from ::/0"
    assert opened.gaps == (f"F{text}.",)
    assert opened.rules == found.rules
    expected = (UseVerdict.UNKNOWN, f"f{text}") if verdict is UseVerdict.NONE else (verdict, "")
    assert (opened.verdict, opened.reason) == expected


def test_rules_that_the_table_had_no_room_for_were_looked_at() -> None:
    port = UseRule("tcp", 1, 1, "0.0.0.0/0")
    stored = Use.from_item(use(UseVerdict.NONE, rules=tuple(replace(port, to_port=n) for n in range(900))).to_item())
    assert stored is not None
    last = Exposure("tcp", 1, 899, "0.0.0.0/0", "open_completely")
    assert last.to_port not in [rule.to_port for rule in stored.rules]
    assert stored.of_what_is_open([last]) == stored


RANGE = UseRule("tcp", 20, 3389, "198.51.0.0/16")
LISTED = UseRule("-1", None, None, "2a01:db8::/32", "pl-1")


@pytest.mark.parametrize(
    ("opened", "is_read"),
    [
        pytest.param(("6", 20, 3389, "198.51.0.0/16"), True, id="another name of the protocol"),
        pytest.param(("tcp", 20, 3389, "198.51.7.7/16"), True, id="host bits"),
        pytest.param(("tcp", 22, 22, "198.51.100.7/32"), True, id="what is left of a rule, or kept of it"),
        pytest.param(("udp", 53, 53, "2a01:db8:7::/48"), True, id="a part of a prefix list's entry"),
        pytest.param(("tcp", 22, 3390, "198.51.0.0/16"), False, id="a port more"),
        pytest.param(("tcp", 22, 22, "198.50.0.0/15"), False, id="more addresses"),
        pytest.param(("udp", 22, 22, "198.51.100.7/32"), False, id="another protocol"),
        pytest.param(("tcp", 22, 22, "::/0"), False, id="another family"),
        pytest.param((Decimal(6), 22, 22, None, None), False, id="no texts: identification writes them anew"),
        pytest.param(("tcp", 22, 22, "none"), False, id="no CIDR"),
    ],
)
def test_a_part_of_a_rule_that_was_looked_at_is_not_new(opened: tuple[Any, ...], *, is_read: bool) -> None:
    found = use(UseVerdict.NONE, rules=(RANGE, LISTED), reason="")
    protocol, from_port, to_port, cidr, *prefix_list = opened
    now = found.of_what_is_open([Exposure(protocol, from_port, to_port, cidr, "open_partly", *prefix_list)])
    assert (now == found, now.verdict is UseVerdict.NONE) == (is_read, is_read)


def test_json_has_what_was_opened_beside_all_gaps_that_were_stored() -> None:
    stored = Use.from_item(use(gaps=tuple(f"Gap {number}." for number in range(25))).to_item())
    assert stored is not None
    now = stored.of_what_is_open([Exposure("tcp", 3389, 3389, "0.0.0.0/0", "open_completely")])
    assert now.to_json()["gaps"] == [now.not_read, *stored.to_json()["gaps"]]
    assert now.to_json()["gaps"][-1] == "6 more of this kind."
