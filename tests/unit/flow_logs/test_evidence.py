"""Evidence is the same however records come, is bounded, and is stored as it is."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any
from unittest.mock import create_autospec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identification.flow_logs import evidence as module
from identification.flow_logs.classify import Read
from identification.flow_logs.evidence import NARROW, Evidence
from identification.flow_logs.evidence_store import Kept, KeptEvidence
from identification.flow_logs.flow_log import FlowLog
from identification.flow_logs.read import Budget, FlowLogReading, IssueReading, Part, parse_interface
from identification.flow_logs.records import FlowRecord, packed_address
from library.aws.conditional_writes import Items
from library.network.intervals import EMPTY
from library.network.ports import traffic_of
from tests.builders.flow_records import (
    ENI,
    EVERYTHING,
    NOW,
    SSH,
    an_interface,
    at,
    evidence_of,
    quiet,
    record,
    refused,
    talk,
    use_of,
)

PEER = "9.9.9.7"
EVERYTHING_SCOPE = traffic_of("-1", None, None)
HOURS = st.integers(0, 40)


@st.composite
def records(draw: st.DrawFn) -> FlowRecord:
    source = draw(st.sampled_from(["9.9.9.7", "8.8.8.8", "10.0.0.9", "2a01:db8::7"]))
    return record(
        source,
        draw(st.sampled_from([1, 2, 3, 26, 52, 100])),
        draw(st.sampled_from([40, 60, 61, 90])),
        incoming=draw(st.booleans()),
        action=draw(st.sampled_from(["ACCEPT", "ACCEPT", "REJECT"])),
        flags=draw(st.sampled_from([0, 2, 18, 3])),
        through=draw(st.sampled_from(["", "", source])),
        interface=draw(st.sampled_from([ENI, "eni-0bb"])),
        port=draw(st.sampled_from([22, 23, 80, 445, 3389])),
        peer_port=draw(st.sampled_from([50_000, 50_001, 443])),
        protocol=draw(st.sampled_from([6, 6, 17, 1])),
        hours_ago=draw(HOURS),
    )


def split(found: list[FlowRecord], cuts: list[int]) -> list[Evidence]:
    """The evidence of the records in parts."""
    edges = [0, *sorted(cut % (len(found) + 1) for cut in cuts), len(found)]
    return [evidence_of(found[a:b], (EVERYTHING,)) for a, b in pairwise(edges)]


@given(st.lists(records(), max_size=25), st.lists(st.integers(0, 100), max_size=5), st.randoms(use_true_random=False))
def test_what_is_told_does_not_depend_on_files_runs_and_order(
    found: list[FlowRecord], cuts: list[int], random: Any
) -> None:
    found += quiet(hours=range(5))
    whole = evidence_of(found, (EVERYTHING,))
    shuffled = found[:]
    random.shuffle(shuffled)
    together = Evidence(whole.scope)
    parts = split(shuffled, cuts)
    random.shuffle(parts)
    for part in parts:
        # Each is stored and read again, as between two runs.
        together.merge(part)
        together = Kept.from_bytes(Kept(together).to_bytes()).evidence
    interfaces = frozenset({ENI, "eni-0bb"})
    notified = [
        use_of(
            [],
            SSH,
            EVERYTHING,
            reads=(Read("fl-1", each, interfaces),),
            attached=(an_interface(), an_interface("eni-0bb")),
        )
        for each in (whole, together)
    ]
    assert notified[0] == notified[1]


@given(st.lists(records(), max_size=12), st.lists(st.integers(1, 59), max_size=12))
def test_what_is_told_does_not_depend_on_how_intervals_cut_a_connection(
    found: list[FlowRecord], cuts: list[int]
) -> None:
    cut: list[FlowRecord] = []
    for each, at_second in zip(found, cuts, strict=False):
        size = each.bytes // each.packets
        half = each.packets // 2
        if half and each.action == "ACCEPT":
            cut.append(each._replace(packets=half, bytes=half * size, end=each.start + at_second))
            rest = each.packets - half
            cut.append(each._replace(packets=rest, bytes=rest * size, start=each.start))
        else:
            cut.append(each)
    same = found[: len(cuts)]
    notified = [use_of(each, SSH, EVERYTHING) for each in (same, cut)]
    assert notified[0] == notified[1]


@given(st.lists(records(), max_size=25), HOURS)
def test_a_period_shows_the_same_whether_older_hours_were_pruned_or_never_read(
    found: list[FlowRecord], first: int
) -> None:
    hour = at(first) // 3600
    pruned = evidence_of(found, (EVERYTHING,))
    pruned.prune(hour)
    never = evidence_of([each for each in found if each.start // 3600 >= hour], (EVERYTHING,))
    last = int(NOW.timestamp()) // 3600
    assert sorted(pruned.contacts(hour, last)) == sorted(never.contacts(hour, last))
    for interface_id in (ENI, "eni-0bb"):
        assert pruned.covered_hours().get(interface_id) == never.covered_hours().get(interface_id)


def test_stored_evidence_is_the_same() -> None:
    kept = Kept(evidence_of([*talk("9.9.9.7", 60, 60), *refused("8.8.8.8", 1, 2), *quiet()], (SSH,)))
    kept.evidence.add_bad_line(7)
    kept.mark(123_456, [ENI])
    kept.mark(99, ["eni-0bb"])
    again = Kept.from_bytes(kept.to_bytes())
    assert again == replace(kept, slot="b")
    assert again.to_bytes() == kept.to_bytes()
    assert (again.unread(123_456, [ENI, "eni-0bb"]), again.unread(5, [ENI])) == (["eni-0bb"], [ENI])


@pytest.mark.parametrize("data", [b"", b"x", b"\0\0\0\0", b"\xff" * 50])
def test_what_is_no_stored_evidence_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"cannot be read|damaged|version|Expecting"):
        Kept.from_bytes(data)


def test_coverage_that_an_earlier_version_stored_is_read() -> None:
    evidence = evidence_of([each for each in quiet() if each.start // 3600 % 5], (SSH,))
    text = zlib.decompress(evidence.to_bytes())
    (size,) = struct.unpack_from("<I", text)
    head = json.loads(text[4 : 4 + size])
    head["coverage"] = [[*each, value] for each, value in sorted(evidence.coverage.items())]
    former = json.dumps(head).encode()
    assert Evidence.from_bytes(zlib.compress(struct.pack("<I", len(former)) + former + text[4 + size :])) == evidence


def test_thousands_of_interfaces_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a count of lines in each hour: where there is no room for all of these, their sums are kept."""
    monkeypatch.setattr("identification.flow_logs.evidence_store._PART", 3_000)
    random = Random(1)  # noqa: S311 - sizes, not secrets
    kept = Kept.empty(EMPTY)
    for number in range(100):
        kept.evidence.number(f"eni-{number:x}")
        kept.evidence.coverage |= {(number, hour): 1 + 4 * random.randint(1, 5_000) for hour in range(336)}
    lines, hours = kept.evidence.lines(0, 336), kept.evidence.covered_hours()
    assert len(kept.to_bytes()) > 15_000
    items = create_autospec(Items, instance=True)
    assert KeptEvidence(items).save("123456789012", "sg-1", "fl-1", kept, NOW)
    assert (kept.evidence.lines(0, 336), kept.evidence.covered_hours()) == (lines, hours)
    assert Kept.from_bytes(kept.to_bytes()).evidence == kept.evidence


def test_an_interface_has_one_number_in_evidence_and_its_blanks() -> None:
    evidence = Evidence()
    blank = evidence.blank()
    assert (evidence.number("eni-0"), blank.number("eni-1")) == (0, 1)
    assert (evidence.number("eni-1"), evidence.number("eni-2")) == (1, 2)
    assert (blank.number("eni-2"), evidence.interfaces) == (2, ["eni-0", "eni-1", "eni-2"])


def test_interfaces_that_showed_nothing_and_are_gone_are_forgotten() -> None:
    kept = Kept(evidence_of(talk("9.9.9.7", 60, 60, interface="eni-3"), (SSH,)))
    kept.evidence.interfaces.insert(0, "eni-1")
    kept.evidence.interfaces.insert(0, "eni-0")
    kept = Kept(evidence_of([], (SSH,)))
    for name in ("eni-0", "eni-1", "eni-2", "eni-3"):
        kept.evidence.number(name)
    for each in talk("9.9.9.7", 60, 60, interface="eni-3"):
        kept.evidence.add(each, an_interface("eni-3"), kept.evidence.number("eni-3"))
    kept.mark(5, ["eni-1", "eni-2"])
    before = list(kept.evidence.contacts(0, 2**31))
    kept.compact({"eni-2"})
    assert kept.evidence.interfaces == ["eni-2", "eni-3"]
    assert list(kept.evidence.contacts(0, 2**31)) == before
    assert kept.units == {5: 0b01}


def test_more_connections_than_are_kept_are_added_up_and_lose_no_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECTIONS_KEPT", 10)
    found = [each for n in range(100) for each in talk("9.9.9.7", 24, 22, peer_port=50_000 + n, hours_ago=n % 30)]
    found += talk("8.8.8.8", 60, 60, hours_ago=35)
    whole, folded = (evidence_of(found, (SSH,)) for _ in range(2))
    folded.fold()
    assert len(folded.entries) < 20
    notified = [use_of([], reads=(Read("fl-1", each, frozenset({ENI})),)) for each in (whole, folded)]
    assert notified[0].rules == notified[1].rules
    assert (notified[0].verdict, notified[0].keep) == (notified[1].verdict, notified[1].keep)


def reading_of(issue: IssueReading) -> FlowLogReading:
    """A reading of a flow log for one issue; nothing of it can be listed or read."""
    return FlowLogReading(FlowLog("fl-1", "vpc-1"), None, [issue], Budget(0), lambda: None)  # type: ignore[arg-type]


def test_other_peers_make_way_for_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """They say only that somebody was there."""
    monkeypatch.setattr("identification.flow_logs.read._ENTRIES_IN_MEMORY", 60)
    monkeypatch.setattr(module, "OTHERS_KEPT", 20)
    records = [each for n in range(40) for each in talk("9.9.9.7", 900, 900, peer_port=40_000 + n)]
    records += [record(f"8.8.{n}.8", port=443, hours_ago=n) for n in range(40)]
    kept = Kept(evidence_of(records, (SSH,)))
    reading = reading_of(IssueReading("sg-1", {}, 0, kept, kept))
    reading._bound()
    assert len(kept.evidence.entries) == 60
    assert kept.evidence.lost == {}
    (contact,) = kept.evidence.contacts(0, 2**31)
    assert contact.connections == 40
    assert len({peer for _, peer in kept.evidence.peers(at(19) // 3600)}) == 20
    assert kept.evidence.others_lost == at(20) // 3600


def test_what_is_dropped_makes_none_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECTIONS_KEPT", 10)
    monkeypatch.setattr(module, "FOLDED_KEPT", 5)
    found = [each for n in range(50) for each in talk(f"9.9.9.{n}", 1, 1, hours_ago=n % 30)]
    evidence = evidence_of([*found, *quiet()], (SSH,))
    evidence.fold()
    use = use_of([], reads=(Read("fl-1", evidence, frozenset({ENI})),))
    assert (use.verdict, use.reason) == ("unknown", "there were more sources than are kept")
    assert any("too many to be kept" in gap for gap in use.gaps)


def test_refused_ports_outside_the_scope_are_bounded_and_still_make_noise() -> None:
    found = [*talk("9.9.9.7", 60, 60), *refused("9.9.9.7", *range(1000, 3000))]
    evidence = evidence_of(found, (SSH,))
    evidence.fold()
    assert len(evidence.entries) == 1 + module.PORTS_OUTSIDE_KEPT
    assert use_of([], reads=(Read("fl-1", evidence, frozenset({ENI})),)).rules[0].counts == {"noise": 1}


def test_refused_attempts_are_kept_for_after_care() -> None:
    found = [*refused("9.9.9.7", 22, flags=2), *refused("9.9.9.7", 22, hours_ago=30.5)]
    (rejection,) = evidence_of(found, (SSH,)).refused_ports(0, 2**31)
    assert (rejection.port, rejection.records, rejection.with_syn, len(rejection.minutes)) == (22, 2, 1, 2)


@pytest.mark.parametrize(
    ("local", "source"), [("2a01:db8:7::1:42", "2a01:4f8::9"), ("10.0.9.18", "9.9.9.7")], ids=["IPv6", "IPv4"]
)
def test_the_addresses_of_a_prefix_that_is_delegated_to_an_interface_are_its_own(local: str, source: str) -> None:
    """Pods have such addresses (Amazon EC2 User Guide, "Assign prefixes to Amazon EC2 network interfaces")."""
    interface = parse_interface(
        {
            "NetworkInterfaceId": ENI,
            "Attachment": {"Status": "attached"},
            "PrivateIpAddress": "10.0.1.5",
            "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.9.16/28"}, {"Ipv4Prefix": "none"}],
            "Ipv6Prefixes": [{"Ipv6Prefix": "2a01:db8:7:0:0:1::/80"}, {"Ipv6Prefix": "2a01:db8:7::/80"}],
        }
    )
    assert interface is not None
    found = Evidence(traffic_of("tcp", 22, 22))
    for each in talk(source, 60, 60, local=local):
        found.add(each, interface, found.number(ENI))
    (contact,) = found.contacts(0, 2**31)
    assert (contact.source, contact.packets) == (packed_address(source), 120)


def test_evidence_that_is_widened_twice_keeps_each_hour_once() -> None:
    before = Kept(evidence_of([*talk(PEER, 40, 40, hours_ago=9), *talk(PEER, 40, 40, hours_ago=5)], (SSH,)))
    first = before.widened(EVERYTHING_SCOPE)
    assert first.evidence.interfaces == [f"{ENI}{NARROW}"]
    read_again = evidence_of(talk(PEER, 40, 40, hours_ago=5), (SSH,))
    first.evidence.merge(read_again)
    (contact,) = first.shown().contacts(0, 2**31)
    assert (contact.interface_id, contact.packets, contact.connections) == (ENI, 160, 1)
    first.drop_narrow([ENI], {ENI: {at(9) // 3600}})
    (contact,) = first.shown().contacts(0, 2**31)
    assert (contact.interface_id, contact.packets, contact.connections) == (ENI, 160, 1)
    second = first.widened(EVERYTHING_SCOPE)
    assert second.evidence.interfaces == [f"{ENI}{NARROW}"]
    (contact,) = second.evidence.contacts(0, 2**31)
    assert (contact.packets, contact.connections) == (160, 1)
    second.evidence.merge(read_again)
    second.drop_narrow([ENI], {ENI: {at(9) // 3600}})
    (contact,) = second.shown().contacts(0, 2**31)
    assert (contact.packets, contact.connections) == (160, 1)
    # The flow log has the other hour no more: who was seen in it is kept, and it is not covered.
    second.drop_narrow([ENI], {})
    (contact,) = second.shown().contacts(0, 2**31)
    assert (contact.packets, contact.connections) == (160, 1)
    assert second.shown().covered_hours() == {ENI: {at(5) // 3600}}
    second.evidence.merge(evidence_of(talk(PEER, 30, 30, hours_ago=9), (SSH,)))
    second.drop_narrow([ENI], {})
    (contact,) = second.shown().contacts(0, 2**31)
    assert (contact.packets, contact.connections) == (140, 1)


def test_an_hour_that_a_run_which_died_left_twice_is_widened_once() -> None:
    """It was read for the last time, and is still among what is read again."""
    last, again = (Kept(evidence_of(talk(PEER, 40, 40), (SSH,))) for _ in range(2))
    for each in (last, again):
        each.mark(at(30) // 3600, [ENI])
    kept, former = last.widened(EVERYTHING_SCOPE), again.widened(EVERYTHING_SCOPE)
    recent = Kept.empty(EVERYTHING_SCOPE)
    recent.carry(former, kept.read_for(), kept.hours())
    assert recent.evidence.entries == {}
    (contact,) = kept.shown().contacts(0, 2**31)
    assert (contact.interface_id, contact.packets) == (ENI, 80)


def test_who_was_seen_in_an_hour_that_the_log_group_has_no_more_is_kept_and_not_covered() -> None:
    """The hour was among what is read again; it is old by now, more is looked for, and it was read empty."""
    former = Kept(evidence_of(talk(PEER, 40, 40), (SSH,))).widened(EVERYTHING_SCOPE)
    kept, recent = Kept.empty(EVERYTHING_SCOPE), Kept.empty(EVERYTHING_SCOPE)
    kept.mark(at(30) // 3600, [ENI])
    recent.carry(former, kept.read_for(), kept.hours())
    recent.drop_narrow([ENI], {})
    kept.carry(recent, kept.read_for(), kept.hours())
    (contact,) = kept.shown().contacts(0, 2**31)
    assert (contact.interface_id, contact.packets, kept.shown().covered_hours()) == (ENI, 80, {})


@pytest.mark.parametrize(("seen", "needed"), [(frozenset({ENI}), [[ENI]]), (frozenset[str](), [])])
def test_what_was_read_for_others_is_read_for_an_interface_that_was_there_before(
    seen: frozenset[str], needed: list[list[str]]
) -> None:
    """One that was attached later and never before is not in it."""
    kept = Kept.empty(EVERYTHING_SCOPE)
    kept.mark(5, ["eni-0bb"])
    interfaces = {ENI: replace(an_interface(), attached_at=at(1))}
    reading = IssueReading("sg-1", interfaces, 0, kept, Kept.empty(EVERYTHING_SCOPE), seen=seen)
    run = reading_of(reading)
    assert [ids for _, ids in run._needed(Part(5, 6 * 3600))] == needed
    assert kept.unread(5, [ENI]) == [each for ids in needed for each in ids]
