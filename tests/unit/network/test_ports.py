"""Sets of ports, and how configuration writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.network.intervals import EMPTY, IntervalSet
from library.network.ports import PortSet, parse_ports, ports_text, protocol_name


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param(22, "tcp/22, udp/22", id="number: TCP and UDP"),
        pytest.param("22", "tcp/22, udp/22", id="number as text"),
        pytest.param(0, "tcp/0, udp/0", id="lowest"),
        pytest.param(65535, "tcp/65535, udp/65535", id="highest"),
        pytest.param("8000-8100", "tcp/8000-8100, udp/8000-8100", id="range: TCP and UDP"),
        pytest.param("tcp/22", "tcp/22", id="TCP"),
        pytest.param("udp/161", "udp/161", id="UDP"),
        pytest.param("udp/161-162", "udp/161-162", id="UDP range"),
        pytest.param("6/22", "tcp/22", id="TCP by number"),
        pytest.param("17/161", "udp/161", id="UDP by number"),
        pytest.param(" TCP/22 - 23 ", "tcp/22-23", id="spaces and capitals"),
        pytest.param("22-22", "tcp/22, udp/22", id="range of one"),
    ],
)
def test_parse_ports(entry: str | int, expected: str) -> None:
    assert str(parse_ports(entry)) == expected


@pytest.mark.parametrize(
    "entry",
    [-1, 65536, "65536", "", "ssh", "22-", "-22", "23-22", "22,23", "icmp/8", "-1/22", "50/22", "tcp/", "tcp", "tcp/x",
     "tcp/22/23", "22.0", True, "٢٢", "1-65536"],
)  # fmt: skip
def test_what_is_not_a_port(entry: str | int) -> None:
    with pytest.raises(ValueError, match=r"port|begins"):
        parse_ports(entry)


_ENTRIES = st.lists(
    st.tuples(st.sampled_from(["", "tcp/", "udp/"]), st.integers(20, 30), st.integers(0, 4)).map(
        lambda drawn: f"{drawn[0]}{drawn[1]}-{drawn[1] + drawn[2]}"
    ),
    max_size=5,
)


def members(entries: list[str]) -> set[tuple[str, int]]:
    ports = set()
    for entry in entries:
        protocol, _, numbers = entry.rpartition("/")
        first, last = numbers.split("-")
        for name in [protocol] if protocol else ["tcp", "udp"]:
            ports |= {(name, port) for port in range(int(first), int(last) + 1)}
    return ports


def listed(ports: PortSet) -> set[tuple[str, int]]:
    return {
        (name, port)
        for name in ("tcp", "udp")
        for first, last in ports.protocol(name).spans
        for port in range(first, last + 1)
    }


@given(_ENTRIES, _ENTRIES)
def test_operations_are_those_of_sets(left: list[str], right: list[str]) -> None:
    a, b = PortSet.parse(left), PortSet.parse(right)
    mine, theirs = members(left), members(right)
    assert listed(a) == mine
    assert listed(a | b) == mine | theirs
    assert listed(a & b) == mine & theirs
    assert listed(a - b) == mine - theirs
    assert bool(a) == bool(mine)


@given(_ENTRIES)
def test_text_reads_back(entries: list[str]) -> None:
    ports = PortSet.parse(entries)
    assert PortSet.parse(str(ports).split(", ") if ports else []) == ports


@pytest.mark.parametrize(
    ("protocol", "name"),
    [("tcp", "tcp"), ("6", "tcp"), ("TCP", "tcp"), ("udp", "udp"), ("17", "udp"), ("icmp", "icmp"), ("1", "icmp"),
     ("icmpv6", "icmpv6"), ("58", "icmpv6"), ("-1", "-1"), ("all", "-1"), ("50", "50")],
)  # fmt: skip
def test_protocol_name(protocol: str, name: str) -> None:
    assert protocol_name(protocol) == name


def test_port_range() -> None:
    assert [ports_text(22, 22), ports_text(8000, 8100)] == ["22", "8000-8100"]


def test_empty() -> None:
    assert PortSet.parse([]) == PortSet(EMPTY, EMPTY)
    assert PortSet.parse([22]).tcp == IntervalSet(((22, 22),))


def test_the_union_of_sets_of_ports_keeps_each_protocol_s() -> None:
    assert str(PortSet.union([PortSet.parse(["tcp/22"]), PortSet.parse(["udp/161"]), PortSet()])) == "tcp/22, udp/161"
