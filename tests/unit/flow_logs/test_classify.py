"""Classes of sources, verdicts and coverage, by tables of what came over the wire."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from identification.flow_logs.classify import (
    GONE,
    Admission,
    Read,
    UsageCase,
    WideSources,
    contacts_of,
    judge,
    without_sources,
)
from identification.flow_logs.evidence import Evidence, Interface
from identification.flow_logs.records import Columns, FlowRecord, Wanted, packed_address, parse_line
from library.issues.after_care import NO_FLOW_LOGS_AT_HAND
from library.issues.use import Use, UseVerdict
from library.network.addresses import AddressSet
from library.network.intervals import IntervalSet
from library.network.ports import traffic_of
from library.security_groups.exposure import Exposure
from tests.builders.flow_records import (
    ENI,
    EVERYTHING,
    NOW,
    SSH,
    SSH_6,
    an_interface,
    evidence_of,
    quiet,
    record,
    refused,
    talk,
    use_of,
)

STORIES = json.loads((Path(__file__).parents[2] / "data" / "flow-logs" / "stories.json").read_text("utf-8"))
A, B, SIX = "9.9.9.7", "8.8.8.66", "2a01:db8:1::7"


def public(text: str) -> str:
    """A story's text with public addresses in place of those for documentation, which count as not public."""
    for documentation, real in (
        ("203.0.113.", "8.8.8."),
        ("198.51.100.", "9.9.9."),
        ("2001:db8:1:", "2a01:db8:1:"),
        ("2001:db8:2:", "2a01:db8:2:"),
    ):
        text = text.replace(documentation, real)
    return text


@pytest.mark.parametrize("story", STORIES, ids=[story["name"] for story in STORIES])
def test_stories(story: dict[str, Any]) -> None:
    columns = Columns.of(story["format"].split())
    interfaces = {
        name: Interface(name, addresses=frozenset(packed_address(public(each)) for each in addresses))
        for name, addresses in story["enis"].items()
    }
    wanted, evidence = Wanted(interfaces), Evidence(IntervalSet.of([(22, 22)]))
    for line in wanted.lines("\n".join(map(public, story["lines"])).encode()):
        found = parse_line(columns, line, wanted)
        assert found is not None
        evidence.add(found, interfaces[found.interface_id], evidence.number(found.interface_id))
    until = datetime.fromtimestamp(1795514700 + 3600, UTC)
    reads = (Read("fl-1", evidence, frozenset(interfaces)),)
    use = judge(UsageCase(until - timedelta(days=14), until, (SSH, SSH_6), tuple(interfaces.values()), reads))
    expected: dict[str, int] = {}
    for name in story["expected"].values():
        expected[name] = expected.get(name, 0) + 1
    assert classes(use) == expected
    if story.get("coverage") == "none":
        assert (use.verdict, use.covered) == (UseVerdict.UNKNOWN, Decimal(0))


def classes(use: Use) -> dict[str, int]:
    found: dict[str, int] = {}
    for rule in use.rules:
        for name, count in rule.counts.items():
            found[name] = found.get(name, 0) + count
    return found


RANGE = Exposure("tcp", 0, 65535, "0.0.0.0/0", "open_completely")
UDP = Exposure("udp", 161, 161, "0.0.0.0/0", "open_completely")
GRE = Exposure("47", None, None, "0.0.0.0/0", "open_completely")
NARROW = Exposure("tcp", 22, 22, "8.8.8.0/24", "open_partly")
LISTED = Exposure("tcp", 22, 22, "9.9.9.0/24", "open_partly", "pl-1")

CASES: dict[str, tuple[list[FlowRecord], tuple[Exposure, ...], dict[str, int]]] = {
    "52 packets each way are work": (talk(A, 52, 52), (), {"working": 1}),
    "51 one way are not": (talk(A, 52, 51), (), {"talked": 1}),
    "51 the other way are not": (talk(A, 51, 500), (), {"talked": 1}),
    "work over several records of one connection": (talk(A, 30, 30) + talk(A, 30, 30, hours_ago=5), (), {"working": 1}),
    "two connections are not one": (talk(A, 30, 30) + talk(A, 30, 30, peer_port=50_001), (), {"talked": 1}),
    "work without payload is none": (talk(A, 100, 100, 60), (), {"answered": 1}),
    "payload one way is enough": (
        [record(A, 100, 40), record(A, 100, 1000, incoming=False)],
        (),
        {"working": 1},
    ),
    "61 bytes a packet are payload": (talk(A, 3, 3, 61), (), {"talked": 1}),
    "IPv6 needs 81": (talk(SIX, 3, 3, 80), (SSH_6,), {"answered": 1}),
    "IPv6 has payload with 81": (talk(SIX, 3, 3, 81), (SSH_6,), {"talked": 1}),
    "IPv6 works": (talk(SIX, 60, 60), (SSH, SSH_6), {"working": 1}),
    "two packets in are an answer": (talk(A, 2, 9), (), {"answered": 1}),
    "two packets out are an answer": (talk(A, 9, 2), (), {"answered": 1}),
    "nothing out is seen": (talk(A, 9, 0), (), {"seen": 1}),
    "an answer alone": (talk(A, 0, 2), (), {"answered": 1}),
    "refused": (refused(A, 22), (), {"refused": 1}),
    "an answer that a network ACL refuses is none": (
        [record(A, 5, 100), record(A, 5, 100, incoming=False, action="REJECT")],
        (),
        {"seen": 1},
    ),
    "refused elsewhere is nothing of this rule": (refused(A, 23, 80), (), {}),
    "three refused ports make noise of work": (talk(A, 60, 60) + refused(A, 23, 80, 445), (), {"noise": 1}),
    "two refused ports do not": (talk(A, 60, 60) + refused(A, 23, 80), (), {"working": 1}),
    "two on each of two interfaces do not": (
        talk(A, 60, 60) + refused(A, 23, 80) + refused(A, 443, 445, interface="eni-0bb"),
        (),
        {"working": 1},
    ),
    "three on another interface do": (
        talk(A, 60, 60) + refused(A, 23, 80, 445, interface="eni-0bb"),
        (),
        {"noise": 1},
    ),
    "refused ports of the rule itself do not": (
        talk(A, 60, 60, port=22) + refused(A, 80, 81, 82),
        (Exposure("tcp", 22, 90, "0.0.0.0/0", "open_completely"),),
        {"working": 1},
    ),
    "late packets to ports that we called from are no attempts": (
        talk(A, 60, 60) + refused(A, 40_000, 40_001, 40_002, peer_port=443),
        (),
        {"working": 1},
    ),
    "nor are those that end connections that we opened to a high port": (
        talk(A, 60, 60) + refused(A, 40_000, 40_001, 40_002, peer_port=27_017, flags=1),
        (),
        {"working": 1},
    ),
    "attempts that end are attempts": (
        talk(A, 60, 60) + refused(A, 40_000, 40_001, 40_002, peer_port=27_017, flags=3),
        (),
        {"noise": 1},
    ),
    "private is inside": (talk("10.0.9.9", 60, 60), (), {"inside": 1}),
    "documentation addresses are not public": (talk("203.0.113.5", 60, 60), (), {"inside": 1}),
    "another address in the packet is hidden": (talk(A, 60, 60, through="1.1.1.1"), (), {"hidden": 1}),
    "hidden in one direction alone": (
        [record(A, 60, 100), record(A, 60, 100, incoming=False, through="1.1.1.1")],
        (),
        {"hidden": 1},
    ),
    "the same address in the packet is not hidden": (talk(A, 60, 60, through=A), (), {"working": 1}),
    "a private one with a public one behind it is inside": (talk("10.0.9.9", 9, 9, through=A), (), {"inside": 1}),
    "a load balancer that keeps clients": (talk(A, 60, 60, through=A, direction=True), (), {"working": 1}),
    "SYN in: they called": (
        [record(A, 60, 100, flags=2), record(A, 60, 100, incoming=False, flags=18)],
        (),
        {"working": 1},
    ),
    "SYN and ACK in: we called": (
        [record(A, 60, 100, flags=18), record(A, 60, 100, incoming=False, flags=2)],
        (),
        {},
    ),
    "SYN, FIN and RST out: we called": (
        [record(A, 60, 100, port=22), record(A, 60, 100, incoming=False, flags=7)],
        (),
        {},
    ),
    "SYN in one of several records": (
        [record(A, 60, 100, peer_port=80, port=5000, flags=3), *talk(A, 60, 60, peer_port=80, port=5000)],
        (RANGE,),
        {"working": 1},
    ),
    "no SYN: a low local port was called": (talk(A, 60, 60, peer_port=80), (), {"working": 1}),
    "no SYN: a high local port and a high peer port": (talk(A, 60, 60, port=5432), (RANGE,), {"working": 1}),
    "no SYN: a high local port and a low peer port is not counted": (
        talk(A, 60, 60, port=50_000, peer_port=443),
        (RANGE,),
        {},
    ),
    "all ports: over the ports of the rule": (
        talk(A, 60, 60, port=5432) + talk(A, 9, 9, port=22),
        (EVERYTHING,),
        {"working": 1},
    ),
    "all traffic takes UDP": (talk(A, 60, 60, protocol=17, port=161), (EVERYTHING,), {"talked": 1}),
    "ICMP is nothing": (talk(A, 60, 60, protocol=1, port=0, peer_port=0), (EVERYTHING,), {}),
    "UDP never works": (talk(A, 60, 60, protocol=17, port=161), (UDP,), {"talked": 1}),
    "UDP on a TCP rule is nothing": (talk(A, 60, 60, protocol=17), (), {}),
    "a protocol without ports": (talk(A, 60, 60, protocol=47, port=0, peer_port=0), (GRE,), {"talked": 1}),
    "another protocol without ports": (talk(A, 60, 60, protocol=50, port=0, peer_port=0), (GRE,), {}),
    "a source outside of the rule": (talk(A, 60, 60) + talk(B, 60, 60), (NARROW,), {"working": 1}),
    "an entry of a prefix list": (talk(A, 60, 60), (LISTED,), {"working": 1}),
    "two rules": (talk(A, 60, 60), (SSH, LISTED), {"working": 2}),
    "before the period": (talk(A, 60, 60, hours_ago=15 * 24), (), {}),
    "within its first hour": (talk(A, 60, 60, hours_ago=14 * 24), (), {"working": 1}),
    "after the run": (talk(A, 60, 60, hours_ago=-2), (), {}),
    "an interface of another address": (talk(A, 60, 60, local="10.0.7.7"), (), {}),
    "an address that it has no longer": (
        talk("2a01:db8::7", 60, 60, 200, local="2a01:db8:2::6"),
        (SSH_6,),
        {"working": 1},
    ),
    "that of a neighbour": (talk("2a01:db8:2::7", 60, 60, 200, local="2a01:db8:2::6"), (SSH_6,), {}),
    "its direction is told": (talk(A, 60, 60, local="10.0.7.7", direction=True), (), {"working": 1}),
    "nothing": ([], (), {}),
}


@pytest.mark.parametrize(("records", "rules", "expected"), CASES.values(), ids=CASES)
def test_classes(records: list[FlowRecord], rules: tuple[Exposure, ...], expected: dict[str, int]) -> None:
    use = use_of(records, *rules)
    assert classes(use) == expected
    assert Use.from_item(use.to_item()) == use


def test_trusted_addresses_are_inside() -> None:
    assert classes(use_of(talk(A, 60, 60), trusted=AddressSet.parse("9.9.9.0/24"))) == {"inside": 1}


def test_what_is_told_of_a_source() -> None:
    records = [
        *talk(A, 60, 40, hours_ago=30),
        *talk(A, 5, 5, hours_ago=20, peer_port=50_001, port=23),
        *refused(A, 22, hours_ago=1),
        *talk(B, 9, 9, hours_ago=2),
    ]
    (rule,) = use_of(records, Exposure("tcp", 22, 23, "0.0.0.0/0", "open_completely")).rules
    assert [(each.source, each.source_class) for each in rule.sources] == [(B, "talked"), (A, "talked")]
    notified = rule.sources[1]
    assert (notified.port, notified.connections, notified.packets, notified.bytes) == (22, 2, 110, 11_000)
    assert (notified.first, notified.last) == (
        NOW - timedelta(hours=30),
        NOW - timedelta(hours=20) + timedelta(seconds=60),
    )


def test_at_most_20_sources_are_listed_the_latest_first_and_one_that_decides_is_among_them() -> None:
    many = [each for n in range(30) for each in talk(f"8.8.8.{n}", 9, 9, hours_ago=n + 1)]
    use = use_of(many + talk(A, 60, 60, hours_ago=200))
    (rule,) = use.rules
    assert rule.counts == {"talked": 30, "working": 1}
    assert [each.source for each in rule.sources] == [*(f"8.8.8.{n}" for n in range(19)), A]
    assert use.verdict is UseVerdict.WORKING


VERDICTS: dict[str, tuple[list[FlowRecord], dict[str, Any], UseVerdict, str]] = {
    "working": (talk(A, 60, 60), {}, UseVerdict.WORKING, ""),
    "talked": (talk(A, 9, 9), {}, UseVerdict.TALKED, ""),
    "none": ([*quiet(), *talk(A, 2, 2)], {}, UseVerdict.NONE, ""),
    "none with 95 % covered": (quiet(hours=range(17, 14 * 24 + 2)), {}, UseVerdict.NONE, ""),
    "none with 95 % covered to the hour": (
        quiet(hours=range(2, 21)),
        {"since": NOW.replace(minute=0) - timedelta(hours=20)},
        UseVerdict.NONE,
        "",
    ),
    "unknown with less": (quiet(hours=range(19, 14 * 24 + 2)), {}, UseVerdict.UNKNOWN, "flow logs tell of 94 %"),
    "hidden": ([*quiet(), *talk(A, 9, 9, through="1.1.1.1")], {}, UseVerdict.UNKNOWN, "hidden"),
    "hidden beside work": ([*talk(A, 9, 9, through="1.1.1.1"), *talk(B, 60, 60)], {}, UseVerdict.WORKING, ""),
    "noise": ([*quiet(), *talk(A, 60, 60), *refused(A, 1, 2, 3)], {}, UseVerdict.NONE, ""),
    "no interface": (talk(A, 60, 60), {"attached": ()}, UseVerdict.UNKNOWN, "no attached network interface"),
    "no flow log": (
        [],
        {"unusable": ("No flow log covers eni-0aa.",)},
        UseVerdict.UNKNOWN,
        "No flow log covers eni-0aa",
    ),
    "a second interface that nothing tells of": (
        quiet(),
        {"attached": (an_interface(), an_interface("eni-0bb"))},
        UseVerdict.UNKNOWN,
        "flow logs tell of 0 %",
    ),
}


@pytest.mark.parametrize(("records", "case", "verdict", "reason"), VERDICTS.values(), ids=VERDICTS)
def test_verdicts(records: list[FlowRecord], case: dict[str, Any], verdict: UseVerdict, reason: str) -> None:
    use = use_of(records, **case)
    assert use.verdict is verdict
    assert use.reason.startswith(reason) or reason in use.reason
    assert bool(use.reason) == bool(reason)


COVERED: dict[str, tuple[list[FlowRecord], dict[str, Any], str]] = {
    "all hours": (quiet(), {}, "1"),
    "none": ([], {}, "0"),
    "half": (quiet(hours=range(13)), {"since": NOW - timedelta(hours=24)}, "0.5217"),
    "skipped records": (
        [*quiet(), *quiet(hours=[5], status="SKIPDATA")],
        {"since": NOW - timedelta(hours=11)},
        "0.9",
    ),
    "any record is enough": (
        [record(A, hours_ago=hour) for hour in range(12)],
        {"since": NOW - timedelta(hours=11)},
        "1",
    ),
    "less than an hour has no whole hour": (quiet(), {"since": NOW - timedelta(minutes=40)}, "0"),
    "what is left counts as not covered": (
        quiet(),
        {"since": NOW - timedelta(hours=11), "left": {ENI: frozenset({int(NOW.timestamp()) // 3600 - 3})}},
        "0.9",
    ),
}


@pytest.mark.parametrize(("records", "case", "covered"), COVERED.values(), ids=COVERED)
def test_coverage(records: list[FlowRecord], case: dict[str, Any], covered: str) -> None:
    assert use_of(records, **case).covered == Decimal(covered)


def test_lines_that_do_not_fit_above_one_percent_make_it_unknown() -> None:
    for bad, verdict in ((1, UseVerdict.WORKING), (2, UseVerdict.UNKNOWN)):
        evidence = evidence_of([*talk(A, 60, 60), *quiet(hours=range(98))], (SSH,))
        for _ in range(bad):
            evidence.add_bad_line(int(NOW.timestamp()) // 3600)
        use = use_of([], reads=(Read("fl-1", evidence, frozenset({ENI})),))
        assert use.verdict is verdict
        assert ("do not fit" in use.reason) == (verdict is UseVerdict.UNKNOWN)


def test_lines_that_do_not_fit_before_the_period_do_not_count() -> None:
    evidence = evidence_of(talk(A, 60, 60), (SSH,))
    for _ in range(100):
        evidence.add_bad_line(int(NOW.timestamp()) // 3600 - 20 * 24)
    assert use_of([], reads=(Read("fl-1", evidence, frozenset({ENI})),)).verdict is UseVerdict.WORKING


def admission(group: str, cidr: str, first: int, last: int) -> Admission:
    return Admission(group, traffic_of("tcp", first, last), AddressSet.parse(cidr))


@pytest.mark.parametrize(
    ("staying", "also", "verdict"),
    [
        ({ENI: [admission("sg-2", "9.9.9.0/24", 22, 22)]}, ("sg-2",), UseVerdict.NONE),
        ({ENI: [admission("sg-2", "9.9.9.0/24", 0, 65535)]}, ("sg-2",), UseVerdict.NONE),
        ({ENI: [admission("sg-2", "8.8.8.0/24", 22, 22)]}, (), UseVerdict.WORKING),
        ({ENI: [admission("sg-2", "9.9.9.0/24", 23, 23)]}, (), UseVerdict.WORKING),
        ({"eni-other": [admission("sg-2", "9.9.9.0/24", 22, 22)]}, (), UseVerdict.WORKING),
        ({GONE: [admission("sg-1", "9.9.9.0/24", 22, 22)]}, (), UseVerdict.WORKING),
        (
            {ENI: [admission("sg-3", "9.9.9.7/32", 22, 22), admission("sg-2", "9.9.9.0/24", 22, 22)]},
            ("sg-2", "sg-3"),
            UseVerdict.NONE,
        ),
    ],
    ids=["same port", "wider", "other source", "other port", "other interface", "gone interface", "two groups"],
)
def test_rules_that_stay(staying: dict[str, list[Admission]], also: tuple[str, ...], verdict: UseVerdict) -> None:
    use = use_of([*quiet(), *talk(A, 60, 60)], staying=staying)
    (source,) = use.rules[0].sources
    assert (source.also_admitted_by, use.verdict) == (also, verdict)
    assert use.keep == (() if also else ("9.9.9.7/32",))


def test_a_source_is_admitted_only_if_it_is_on_every_port_that_it_used() -> None:
    rule = Exposure("tcp", 22, 23, "0.0.0.0/0", "open_completely")
    records = [*talk(A, 60, 60), *talk(A, 3, 3, port=23)]
    use = use_of(records, rule, staying={ENI: [admission("sg-2", "0.0.0.0/0", 22, 22)]})
    assert use.verdict is UseVerdict.WORKING
    use = use_of(
        records, rule, staying={ENI: [admission("sg-2", "9.9.9.7/32", 22, 22), admission("sg-3", "::/0", 1, 9)]}
    )
    assert use.verdict is UseVerdict.WORKING


WORKERS = tuple(f"9.9.9.{number}" for number in range(1, 5))
BESIDE = "9.9.9.5"


@pytest.mark.parametrize(
    ("others", "is_block"),
    [
        ([], True),
        (talk("9.9.9.16", 900, 900, port=443), True),
        (talk(BESIDE, 900, 900, port=443), False),
        (refused(BESIDE, 8080), False),
        (talk(BESIDE, 900, 900, flags=2)[1:], False),
        ([record(BESIDE, protocol=1)], False),
        ([record(BESIDE, action="REJECT", incoming=False)], False),
        ([record(BESIDE, port=443, hours_ago=15 * 24)], True),
    ],
    ids=[
        "nobody",
        "somebody outside",
        "accepted by another rule",
        "refused on another port",
        "called by the interface",
        "a ping",
        "an answer that was refused",
        "before the period",
    ],
)
def test_no_block_in_which_another_source_has_any_record(others: list[FlowRecord], *, is_block: bool) -> None:
    worked = [each for worker in WORKERS for each in talk(worker, 900, 900)]
    singles = tuple(f"{worker}/32" for worker in WORKERS)
    assert use_of([*worked, *others]).keep == (("9.9.9.0/28",) if is_block else singles)


def test_no_block_where_not_everybody_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("identification.flow_logs.evidence.OTHERS_KEPT", 2)
    records = [each for worker in WORKERS for each in talk(worker, 900, 900)]
    records += [record(f"8.8.{number}.8", port=443) for number in range(3)]
    evidence = evidence_of(records, (SSH,))
    evidence.fold()
    use = use_of(records, reads=(Read("fl-1", evidence, frozenset({ENI})),))
    assert use.keep == tuple(f"{worker}/32" for worker in WORKERS)
    assert use.verdict is UseVerdict.WORKING


def test_ten_interfaces_that_a_source_only_knocked_at_make_it_noise_whatever_it_did_elsewhere() -> None:
    for knocked, noise in ((9, False), (10, True)):
        wide = WideSources()
        records = [each for n in range(knocked) for each in talk(A, 1, 1, interface=f"eni-{n}")]
        records += talk(A, 60, 60, interface="eni-worked")
        interfaces = frozenset(each.interface_id for each in records)
        wide.add(contacts_of(Read("fl-1", evidence_of(records, (SSH,)), interfaces), 0, 2**31))
        assert (packed_address(A) in wide.noise()) is noise
        use = use_of(talk(A, 60, 60), wide=wide.noise())
        assert classes(use) == {"noise" if noise else "working": 1}


def test_an_interface_that_it_worked_through_in_another_group_is_none_of_them() -> None:
    wide = WideSources()
    records = [each for n in range(10) for each in talk(A, 1, 1, interface=f"eni-{n}")]
    interfaces = frozenset(each.interface_id for each in records)
    wide.add(contacts_of(Read("fl-1", evidence_of(records, (SSH,)), interfaces), 0, 2**31))
    worked = talk(A, 60, 60, interface="eni-3", port=3389)
    rdp = Exposure("tcp", 3389, 3389, "0.0.0.0/0", "open_completely")
    wide.add(contacts_of(Read("fl-1", evidence_of(worked, (rdp,)), interfaces), 0, 2**31))
    assert wide.noise() == frozenset()


def test_only_the_flow_log_that_tells_of_an_interface_counts() -> None:
    evidence = evidence_of(talk(A, 40, 40), (SSH,))
    reads = (Read("fl-1", evidence, frozenset({ENI})), Read("fl-2", evidence, frozenset({"eni-0bb"})))
    use = use_of([], reads=reads)
    assert [source.packets for source in use.rules[0].sources] == [80]


def test_that_nobody_watches_is_kept_of_very_many_gaps() -> None:
    """The notice of a change repeats it, and a large group may have a gap for each of its interfaces."""
    unusable = tuple(f"No flow log covers eni-{number}." for number in range(40))
    use = judge(
        UsageCase(NOW - timedelta(days=14), NOW, (SSH,), (), unusable=unusable, gaps=("x", NO_FLOW_LOGS_AT_HAND))
    )
    stored = Use.from_item(use.to_item())
    assert stored is not None
    assert NO_FLOW_LOGS_AT_HAND in stored.gaps
    assert use.gaps.count(NO_FLOW_LOGS_AT_HAND) == 1


def test_a_use_without_its_sources_says_that_nobody_can_be_told_of() -> None:
    use = without_sources(use_of(talk("9.9.9.7", 60, 60)))
    assert (use.verdict, use.rules[0].counts) == (UseVerdict.WORKING, {"working": 1})
    assert use.gaps[0] == "The table has no room for the sources: whom a change cuts off cannot be told."
