"""Traffic on one axis."""

from __future__ import annotations

import pytest

from library.network.intervals import EMPTY, IntervalSet
from library.network.ports import ALL_WITHOUT_PORTS, EVERYTHING, PortSet, traffic_name, traffic_of, traffic_of_ports


@pytest.mark.parametrize(
    ("protocol", "from_port", "to_port", "names"),
    [
        pytest.param("tcp", 22, 22, ["tcp/22"], id="a port of TCP"),
        pytest.param("6", 22, 23, ["tcp/22", "tcp/23"], id="TCP by number"),
        pytest.param("17", 161, 161, ["udp/161"], id="UDP by number"),
        pytest.param("50", None, None, ["protocol 50"], id="a protocol without ports"),
        pytest.param("udp", 0, 1, ["udp/0", "udp/1"], id="from port 0"),
        pytest.param("tcp", 23, 22, [], id="ends before it begins"),
        pytest.param("icmp", 0, 0, [], id="ICMP has no place"),
        pytest.param("58", -1, -1, [], id="nor has ICMP for IPv6"),
        pytest.param("a-new-one", None, None, ["all traffic"], id="a protocol that has a name only"),
    ],
)
def test_the_places_of_a_rule(protocol: str, from_port: int | None, to_port: int | None, names: list[str]) -> None:
    traffic = traffic_of(protocol, from_port, to_port)
    assert [traffic_name(location) for first, last in traffic.spans for location in range(first, last + 1)] == names
    assert bool(traffic) == bool(names)


@pytest.mark.parametrize(
    ("location", "name"),
    [(0, "tcp/0"), (65535, "tcp/65535"), (65536, "udp/0"), (131071, "udp/65535"), (131072, "protocol 0")],
)
def test_the_name_of_a_place(location: int, name: str) -> None:
    assert traffic_name(location) == name


def test_minus_one_is_everything_and_a_protocol_s_ports_are_its_own() -> None:
    assert traffic_of("-1", None, None) == EVERYTHING
    assert EVERYTHING.covers(ALL_WITHOUT_PORTS)
    assert traffic_of("tcp", None, None) & traffic_of("udp", None, None) == EMPTY
    assert traffic_of_ports(PortSet.parse(["22", "udp/161"])) == IntervalSet.of(
        span
        for rule in (("tcp", 22), ("udp", 22), ("udp", 161))
        for span in traffic_of(rule[0], rule[1], rule[1]).spans
    )


def test_ports_that_a_rule_does_not_name_are_all_of_them() -> None:
    assert traffic_of("tcp", None, None) == traffic_of("tcp", 0, 65535) == IntervalSet(((0, 65535),))


def test_a_number_that_no_protocol_has_is_in_the_place_of_unknown_names() -> None:
    assert traffic_of("256", None, None) == traffic_of("300", None, None) == traffic_of("a-new-one", None, None)
    assert traffic_of("255", None, None) != traffic_of("256", None, None)
