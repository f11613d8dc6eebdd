"""The evaluation against a brute-force oracle, written from the contract's words alone.

The oracle works on single addresses and single ports: no interval, no set arithmetic, nothing of the code under test.
It can enumerate them because the world is small: everything but 40 addresses is in `trusted_cidrs`, so not public. The
world lies across the borders that matter: public and private IPv4, inside and outside of 2000::/3.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network, summarize_address_range
from itertools import product
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from library.network.addresses import AddressSet, parse_network
from library.network.ports import PortSet
from library.security_groups.exemptions import Exemption
from library.security_groups.exposure import Evaluator
from library.security_groups.group import parse_security_group
from tests.builders.rules import described_group, exposure_text

Address = tuple[int, int]  # version and number
Traffic = tuple[str, int]  # ("tcp", 22), ("udp", 161), or ("protocol", 50)

TODAY = date(2027, 3, 1)
BLOCKS = json.loads((Path(__file__).parents[2] / "data" / "not-public-addresses.json").read_text())

# Sixteen public and eight private addresses; eight of 2000::/3 and eight after it.
WORLD_V4 = (int(ip_address("192.167.255.240")), int(ip_address("192.168.0.7")))
WORLD_V6 = (int(ip_address("3fff:ffff:ffff:ffff:ffff:ffff:ffff:fff8")), int(ip_address("4000::7")))
WORLD = [(4, number) for number in range(WORLD_V4[0], WORLD_V4[1] + 1)] + [
    (6, number) for number in range(WORLD_V6[0], WORLD_V6[1] + 1)
]
PORTS = range(18, 29)
# Two protocols without ports that rules name, and one for all those that only a rule of protocol -1 carries.
PROTOCOLS = (47, 50, 200)
TRAFFIC = [*product(("tcp", "udp"), PORTS), *(("protocol", number) for number in PROTOCOLS)]


def outside_the_world() -> list[str]:
    def around(version: int, first: int, last: int) -> Iterable[IPv4Network | IPv6Network]:
        kind = type(ip_address("0.0.0.0" if version == 4 else "::"))
        highest = 2 ** (32 if version == 4 else 128) - 1
        yield from summarize_address_range(kind(0), kind(first - 1))
        yield from summarize_address_range(kind(last + 1), kind(highest))

    return [str(network) for network in (*around(4, *WORLD_V4), *around(6, *WORLD_V6))]


OUTSIDE = outside_the_world()
OUTSIDE_SET = AddressSet.parse(*OUTSIDE)  # hundreds of networks, the same in each example


@dataclass(frozen=True)
class Rule:
    protocol: str
    ports: tuple[int, int]
    source: str


@dataclass(frozen=True)
class Exempt:
    group: str
    ports: Sequence[str]
    cidrs: Sequence[str]
    expires: date | None


@dataclass(frozen=True)
class Situation:
    rules: Sequence[Rule]
    restricted: Sequence[str]
    trusted: Sequence[str]  # beside all that is outside of the world
    exempt: Sequence[Exempt]


def inside(address: Address, cidr: str) -> bool:
    network = ip_network(cidr, strict=False)
    return network.version == address[0] and network[0] <= ip_address_of(address) <= network[-1]  # type: ignore[operator]


def ip_address_of(address: Address) -> object:
    return ip_address(address[1]) if address[0] == 4 else ip_address(address[1].to_bytes(16))


def names_port(entries: Iterable[str], traffic: Traffic) -> bool:
    for entry in entries:
        protocol, _, ports = entry.rpartition("/")
        first, _, last = ports.partition("-")
        if protocol in ("", traffic[0]) and int(first) <= traffic[1] <= int(last or first):
            return True
    return False


IN_WORLD = {cidr: frozenset(address for address in WORLD if inside(address, cidr)) for cidr in ("0.0.0.0/0", "::/0")}


def addresses(cidr: str) -> frozenset[Address]:
    if cidr not in IN_WORLD:
        IN_WORLD[cidr] = frozenset(address for address in WORLD if inside(address, cidr))
    return IN_WORLD[cidr]


RESERVED = {address for block in BLOCKS["ipv4"] + BLOCKS["ipv6"] for address in addresses(block)}


class Oracle:
    """The contract's section 2, sentence by sentence."""

    def __init__(self, situation: Situation, exempt: Sequence[Exempt]) -> None:
        self.situation = situation
        self.exempt = exempt
        self.trusted = {address for cidr in (*OUTSIDE, *situation.trusted) for address in addresses(cidr)}

    def restricted(self, traffic: Traffic) -> bool:
        return traffic[0] == "protocol" or names_port(self.situation.restricted, traffic)

    def public(self, address: Address, traffic: Traffic) -> bool:
        if address in RESERVED or address in self.trusted:
            return False
        for exempt in self.exempt:
            about_port = not exempt.ports or names_port(exempt.ports, traffic)
            about_source = not exempt.cidrs or any(address in addresses(cidr) for cidr in exempt.cidrs)
            if about_port and about_source:
                return False
        return True

    def carries(self, rule: Rule, traffic: Traffic) -> bool:
        if rule.protocol in ("icmp", "1", "icmpv6", "58"):
            return False
        if rule.protocol == "-1":
            return True
        name = {"6": "tcp", "17": "udp"}.get(rule.protocol, rule.protocol)
        if name in ("tcp", "udp"):
            return traffic[0] == name and rule.ports[0] <= traffic[1] <= rule.ports[1]
        return traffic == ("protocol", int(name))

    def exposures(self) -> set[tuple[str, str]]:
        """Pairs of a rule, as text, and its status."""
        found: dict[str, str] = {}
        for traffic in filter(self.restricted, TRAFFIC):
            public = {address for address in WORLD if self.public(address, traffic)}
            rules = [rule for rule in self.situation.rules if self.carries(rule, traffic)]
            for rule in rules:
                own = addresses(rule.source) & public
                if not own:
                    continue
                status = "open_completely" if self.has_part(rule, own, rules, public) else "open_partly"
                if found.get(text(rule)) != "open_completely":
                    found[text(rule)] = status
        return set(found.items())

    def has_part(self, rule: Rule, own: frozenset[Address], rules: Sequence[Rule], public: set[Address]) -> bool:
        version = ip_network(rule.source, strict=False).version
        whole = {
            address
            for address in public
            if address[0] == version and (version == 4 or address in addresses(BLOCKS["complete_ipv6"]))
        }
        if not all(any(address in addresses(other.source) for other in rules) for address in whole):
            return False
        larger = [other.source for other in rules if size(other.source) > size(rule.source) if same_family(other, rule)]
        return not all(any(address in addresses(source) for source in larger) for address in own)


def size(cidr: str) -> int:
    return ip_network(cidr, strict=False).num_addresses


def same_family(this: Rule, other: Rule) -> bool:
    return ip_network(this.source, strict=False).version == ip_network(other.source, strict=False).version


def text(rule: Rule) -> str:
    has_ports = rule.protocol in ("tcp", "udp", "6", "17")
    first, last = rule.ports
    ports = (f"/{first}" if first == last else f"/{first}..{last}") if has_ports else ""
    return f"{rule.protocol}{ports} from {ip_network(rule.source, strict=False)}"


_V4 = st.builds(
    lambda number, bits: f"{ip_address(number)}/{bits}",
    st.integers(*WORLD_V4),
    st.sampled_from([32, 31, 30, 29, 28, 27]),
)
_V6 = st.builds(
    lambda number, bits: f"{ip_address(number)}/{bits}",
    st.integers(*WORLD_V6),
    st.sampled_from([128, 127, 126, 125]),
)
_HALVES = st.sampled_from(
    [
        *("192.167.255.240/29", "192.167.255.248/29", "192.167.255.240/30", "192.167.255.244/30"),
        *("3fff:ffff:ffff:ffff:ffff:ffff:ffff:fff8/126", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126"),
    ]
)
_WIDE = st.sampled_from(
    [
        *("0.0.0.0/0", "192.0.0.0/2", "192.160.0.0/12", "192.167.0.0/16", "192.168.0.0/16", "10.0.0.0/8"),
        *("192.167.255.240/28", "8.8.8.8/32"),
        *("::/0", "::/1", "2000::/3", "3000::/4", "4000::/2", "4000::/3", "fd00::/8"),
    ]
)
_CIDR = st.one_of(_HALVES, _V4, _V6, _WIDE)
_RANGE = st.tuples(st.integers(18, 28), st.integers(18, 28)).map(lambda pair: (min(pair), max(pair)))
_PORTS = st.lists(
    st.builds(
        lambda protocol, ports: f"{protocol}{ports[0]}-{ports[1]}", st.sampled_from(["", "tcp/", "udp/"]), _RANGE
    ),
    max_size=2,
)
_RULE = st.builds(
    Rule,
    st.sampled_from(["tcp", "tcp", "tcp", "6", "udp", "17", "-1", "47", "50", "icmp", "58"]),
    st.one_of(st.just((22, 22)), _RANGE),
    _CIDR,
)
_EXEMPT = st.builds(
    Exempt,
    st.sampled_from(["sg-7c228307", "sg-7c228307", "vpc-654321:web", "sg-11111111"]),
    _PORTS,
    st.lists(_CIDR, max_size=3),
    st.sampled_from([None, None, date(2027, 3, 1), date(2027, 3, 2)]),
)
_SITUATION = st.builds(
    Situation,
    st.lists(_RULE, max_size=6),
    st.lists(st.sampled_from(["22", "tcp/22", "udp/24", "20-23", "26"]), max_size=3),
    st.lists(st.one_of(_V4, _V6), max_size=2),
    st.lists(_EXEMPT, max_size=2),
)


@settings(max_examples=1000, deadline=None)
@given(_SITUATION)
def test_evaluation_agrees_with_the_oracle(situation: Situation) -> None:
    in_force = [
        exempt
        for exempt in situation.exempt
        if exempt.group in ("sg-7c228307", "vpc-654321:web") and (not exempt.expires or exempt.expires > TODAY)
    ]
    exposed = Oracle(situation, []).exposures()
    left = Oracle(situation, in_force).exposures()

    trusted = OUTSIDE_SET | AddressSet.parse(*situation.trusted)
    evaluation = Evaluator(PortSet.parse(situation.restricted), trusted).evaluate(
        parse_security_group(described_group(_described(rule) for rule in situation.rules)),
        {},
        [
            Exemption(
                exempt.group,
                PortSet.parse(exempt.ports) if exempt.ports else None,
                AddressSet.of(map(parse_network, exempt.cidrs)) if exempt.cidrs else None,
                exempt.expires,
            )
            for exempt in situation.exempt
        ],
        TODAY,
    )

    found = [exposure_text(exposure) for exposure in evaluation.exposures]
    assert sorted(found) == sorted(f"{rule}: {status}" for rule, status in left or exposed)
    assert evaluation.whitelisted == (bool(exposed) and not left)
    assert evaluation.unreadable == ()
    if evaluation.exposures:
        worst = "open_completely" if any(line.endswith("open_completely") for line in found) else "open_partly"
        assert evaluation.status == worst


def _described(rule: Rule) -> str:
    has_no_ports = rule.protocol in ("-1", "47", "50", "icmp", "58")
    return f"{rule.protocol}{'' if has_no_ports else '/{}..{}'.format(*rule.ports)} from {rule.source}"
