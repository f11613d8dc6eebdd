"""What of a security group the Internet reaches: the evaluation.

Pure. Every kind of traffic is a number on one axis (`library.network.ports`). Between two neighbouring boundaries of
the group's rules and exemptions on that axis all traffic is treated alike: such a segment is judged once, by the union
of the sources that reach it. The axis is walked once: rules and exemptions come and go, and what is known of those that
stay is kept. So the cost of a group grows with its rules, not with its rules times the restricted ports.

`rule_text` is how logs, terminals and comments name a rule: `tcp/22 from 0.0.0.0/0` (tickets say more of it, in
reporting/exposure_text.py). Descriptions, which are untrusted input, are not in it, and a source is as EC2 wrote it:
who prints the text passes it through `printable`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache, partial
from typing import Literal, NamedTuple

from library.network.addresses import INTERNET, PUBLIC, AddressSet, Network, parse_network
from library.network.intervals import EMPTY, IntervalSet, segments
from library.network.ports import (
    ALL_WITHOUT_PORTS,
    EVERYTHING,
    PortSet,
    ports_text,
    protocol_name,
    traffic_of,
    traffic_of_ports,
)
from library.security_groups.exemptions import Exemption, applying
from library.security_groups.group import IngressRule, SecurityGroup


def traffic_text(protocol: str, from_port: int | None, to_port: int | None) -> str:
    """A protocol and its ports.

    >>> traffic_text("6", 22, 22), traffic_text("udp", 0, 65535), traffic_text("-1", None, None)
    ('tcp/22', 'udp/0-65535', 'all traffic')
    >>> traffic_text("icmp", -1, -1), traffic_text("50", None, None)
    ('icmp', 'protocol 50')
    """
    name = protocol_name(protocol)
    if name == "-1":
        return "all traffic"
    if name in ("tcp", "udp") and from_port is not None:
        return f"{name}/{ports_text(from_port, from_port if to_port is None else to_port)}"
    return f"protocol {name}" if name.isdecimal() else name


def source_text(cidr: str, prefix_list_id: str = "", group_id: str = "") -> str:
    """A source; an entry of a prefix list with the list it is in.

    >>> source_text("8.8.8.0/24"), source_text("8.8.8.0/24", "pl-1")
    ('8.8.8.0/24', 'pl-1 (8.8.8.0/24)')
    >>> source_text("", "pl-1"), source_text("", "", "sg-1")
    ('pl-1', 'sg-1')
    """
    if prefix_list_id:
        return f"{prefix_list_id} ({cidr})" if cidr else prefix_list_id
    return cidr or group_id


def rule_text(rule: IngressRule | Exposure) -> str:
    """A rule, or what one exposes.

    >>> rule_text(IngressRule("tcp", 22, 22, cidr="0.0.0.0/0"))
    'tcp/22 from 0.0.0.0/0'
    >>> rule_text(Exposure("-1", None, None, "0.0.0.0/0", "open_completely", prefix_list_id="pl-1"))
    'all traffic from pl-1 (0.0.0.0/0)'
    """
    group_id = rule.group_id if isinstance(rule, IngressRule) else ""
    traffic = traffic_text(rule.protocol, rule.from_port, rule.to_port)
    return f"{traffic} from {source_text(rule.cidr, rule.prefix_list_id, group_id)}"


class RuleSource(NamedTuple):
    """One rule and one of its sources. `traffic` is what the rule carries."""

    protocol: str
    from_port: int | None
    to_port: int | None
    prefix_list_id: str
    source: Network
    traffic: IntervalSet


class ExemptionScope(NamedTuple):
    """What an exemption takes out: these sources (None: all) of this traffic."""

    traffic: IntervalSet
    sources: AddressSet | None


class _Left(NamedTuple):
    """What exemptions leave of the public addresses, and of the Internet, with its number of addresses by family."""

    public: AddressSet
    internet: AddressSet
    internet_size: Mapping[int, int]


class SegmentState:
    """Where on the axis the walk is: a segment within which all traffic is treated alike.

    Args:
        public: the addresses that count as public.
        internet: those of them that must be admitted, in one family, to be the whole Internet.

    Attributes:
        undecided: the sources that are admitted here and have no status yet. The walk's user takes them out.
    """

    def __init__(self, public: AddressSet, internet: AddressSet) -> None:
        self._all_public, self._all_internet = public, internet
        self._admitted = {4: _Family(), 6: _Family()}
        self._exempting: dict[ExemptionScope, None] = {}
        self.restricted = EMPTY
        self.undecided: dict[RuleSource, None] = {}
        self._left: _Left | None = None

    def change(
        self, ended: Iterable[RuleSource | ExemptionScope], begun: Iterable[RuleSource | ExemptionScope]
    ) -> None:
        """Go on to the next segment, where these are not any more, and these begin to be."""
        scopes = False
        for item in ended:
            if isinstance(item, ExemptionScope):
                scopes = True
                del self._exempting[item]
            else:
                self.undecided.pop(item, None)
                self._admitted[item.source.version].remove(item)
        for item in begun:
            if isinstance(item, ExemptionScope):
                scopes = True
                self._exempting[item] = None
            else:
                self.undecided[item] = None
                self._admitted[item.source.version].add(item)
        if scopes:
            self._left = None

    @property
    def public(self) -> AddressSet:
        """The addresses that count as public here, without what is exempt."""
        return self._not_exempt().public

    @property
    def internet(self) -> AddressSet:
        """The addresses that must be admitted here to be the whole Internet."""
        return self._not_exempt().internet

    def _not_exempt(self) -> _Left:
        """What the exemptions leave, worked out where somebody asks: most changes are at traffic of no interest."""
        if self._left is None:
            exempt = AddressSet.union(PUBLIC if scope.sources is None else scope.sources for scope in self._exempting)
            internet = self._all_internet - exempt
            sizes = {version: internet.family(version).size for version in (4, 6)}
            self._left = _Left(self._all_public - exempt, internet, sizes)
        return self._left

    def exposes(self, rule_source: RuleSource) -> bool:
        """Whether a source has an address that is public here: neither trusted nor exempt."""
        source = rule_source.source
        return self.public.family(source.version).meets(source.first, source.last)

    def completing(self) -> list[RuleSource]:
        """The sources that have a part in admitting the whole Internet."""
        left = self._not_exempt()
        return [
            rule_source
            for version, family in self._admitted.items()
            if family.addresses >= left.internet_size[version]
            for rule_source in family.completing(left.public.family(version), left.internet.family(version))
        ]

    def sources(self) -> AddressSet:
        """The public addresses that are admitted."""
        return AddressSet.of(source for family in self._admitted.values() for source in family.sources()) & self.public


def segment_states(
    rule_sources: Iterable[RuleSource],
    scopes: Iterable[ExemptionScope],
    restricted: IntervalSet,
    public: AddressSet,
    internet: AddressSet,
) -> Iterator[SegmentState]:
    """The segments of restricted traffic of a group's rules, in order: one object, which changes with every step.

    `public` are the addresses that count as public; of them `internet` must be admitted, in one family, to be the whole
    Internet.
    """
    state = SegmentState(public, internet)
    items: list[RuleSource | ExemptionScope] = [*dict.fromkeys(rule_sources), *dict.fromkeys(scopes)]
    for segment in segments((item, item.traffic) for item in items):
        state.restricted = restricted.within(segment.first, segment.last)
        state.change(segment.ended, segment.begun)
        if state.restricted:
            yield state


class _Family:
    """The sources of one address family that are admitted, each with the rules that name it.

    Attributes:
        addresses: of all distinct sources together; those that are in two sources count twice.
    """

    def __init__(self) -> None:
        self.addresses = 0
        self._by_size: dict[int, dict[Network, dict[RuleSource, None]]] = {}

    def add(self, rule_source: RuleSource) -> None:
        networks = self._by_size.setdefault(rule_source.source.size, {})
        if rule_source.source not in networks:
            networks[rule_source.source] = {}
            self.addresses += rule_source.source.size
        networks[rule_source.source][rule_source] = None

    def remove(self, rule_source: RuleSource) -> None:
        networks = self._by_size[rule_source.source.size]
        del networks[rule_source.source][rule_source]
        if not networks[rule_source.source]:
            del networks[rule_source.source]
            self.addresses -= rule_source.source.size

    def sources(self) -> Iterator[Network]:
        for networks in self._by_size.values():
            yield from networks

    def completing(self, public: IntervalSet, internet: IntervalSet) -> list[RuleSource]:
        """Those that have a part in admitting the whole Internet.

        A source has none if larger sources together cover its public addresses.
        """
        parts: list[RuleSource] = []
        larger = EMPTY
        for size in sorted(self._by_size, reverse=True):
            networks = self._by_size[size]
            for network, rule_sources in networks.items():
                if not larger.covers(public.within(network.first, network.last)):
                    parts += rule_sources
            larger |= IntervalSet.of((network.first, network.last) for network in networks)
            if larger.covers(public):  # what is smaller has no part
                return parts
        return parts if larger.covers(internet) else []


OpenStatus = Literal["open_completely", "open_partly"]

PrefixLists = Mapping[str, tuple[Network, ...]]
"""The entries of managed prefix lists, by id. One that AWS owns has none: it does not count."""


def networks_of(rule: IngressRule, prefix_lists: PrefixLists) -> tuple[Network, ...]:
    """The networks that a rule admits; none where its source is a security group.

    Raises:
        KeyError: its prefix list could not be read.
        ValueError: its source is no CIDR.
    """
    if rule.group_id:
        return ()
    return prefix_lists[rule.prefix_list_id] if rule.prefix_list_id else (parse_network(rule.cidr),)


class Exposure(NamedTuple):
    """An ingress rule and one of its sources, through which the Internet reaches a restricted port.

    The ports are the rule's, None where the protocol has none.

    Attributes:
        protocol: as EC2 names it.
        cidr: the source, shortest form; of a prefix list, one of its entries.
        prefix_list_id: where the source is a prefix list's entry, else empty.
    """

    protocol: str
    from_port: int | None
    to_port: int | None
    cidr: str
    status: OpenStatus
    prefix_list_id: str = ""


ExposureKey = tuple[str, int | None, int | None, str, str]
"""What makes two exposures the same, whatever their status: protocol, first and last port, source, prefix list."""


def exposure_key(exposure: Exposure) -> ExposureKey:
    """The key of an exposure."""
    return exposure.protocol, exposure.from_port, exposure.to_port, exposure.cidr, exposure.prefix_list_id


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found out about one security group.

    Attributes:
        exposures: what the Internet reaches, one for each rule and source, sorted; empty: nothing restricted.
        whitelisted: exemptions cover all of it; `exposures` then lists what they cover.
        unreadable: why a rule could not be judged, one reason each; the group may expose more than is listed.
    """

    exposures: tuple[Exposure, ...] = ()
    whitelisted: bool = False
    unreadable: tuple[str, ...] = ()
    _open: Callable[[], tuple[OpenTraffic, ...]] = field(default=tuple, compare=False, repr=False)

    @property
    def open_traffic(self) -> tuple[OpenTraffic, ...]:
        """The same as `exposures`, by traffic: who may send what. Of a whitelisted group, as if it were not."""
        return self._open()

    @property
    def status(self) -> OpenStatus:
        """The worst status of the exposures."""
        return "open_completely" if any(e.status == "open_completely" for e in self.exposures) else "open_partly"


class OpenTraffic(NamedTuple):
    """Traffic to restricted ports that is treated alike, and who may send it.

    Attributes:
        sources: the public addresses that the group's rules admit, without those that are trusted or exempt.
        internet: all that must be admitted, in one family, for the traffic to be open completely.
    """

    traffic: IntervalSet
    sources: AddressSet
    internet: AddressSet


class Evaluator:
    """Judges security groups by the restricted ports, and the addresses that are trusted as if they were not public."""

    def __init__(self, restricted: PortSet, trusted: AddressSet) -> None:
        self._restricted = traffic_of_ports(restricted) | ALL_WITHOUT_PORTS
        self._public = PUBLIC - trusted
        self._internet = INTERNET - trusted
        # An organization's groups repeat a few port ranges and sources many thousand times, and sets of rules often.
        self._traffic = lru_cache(maxsize=4096)(self._traffic_of_rule)
        self._source = lru_cache(maxsize=4096)(self._public_network)
        self._cached_judge = lru_cache(maxsize=512)(self._judge)
        self._cached_open_traffic = lru_cache(maxsize=512)(self._open_traffic)

    def prefix_lists_named(self, group: SecurityGroup) -> set[str]:
        """The prefix lists whose entries `evaluate` needs to know for this group."""
        return {
            rule.prefix_list_id
            for rule in group.ingress
            if rule.prefix_list_id and self._traffic(rule.protocol, rule.from_port, rule.to_port)
        }

    def evaluate(
        self,
        group: SecurityGroup,
        prefix_lists: PrefixLists,
        exemptions: Iterable[Exemption] = (),
        today: date = date.min,
    ) -> Evaluation:
        """Judge one group, by the exemptions of its account and the day in UTC.

        `prefix_lists` has the entries of `prefix_lists_named(group)`. One that is not there could not be read.
        """
        unreadable = list(group.unreadable)
        rule_sources: list[RuleSource] = []
        for rule in group.ingress:
            traffic = self._traffic(rule.protocol, rule.from_port, rule.to_port)
            if not traffic.spans or rule.group_id:
                continue
            networks: Iterable[Network | None]
            try:
                networks = prefix_lists[rule.prefix_list_id] if rule.prefix_list_id else (self._source(rule.cidr),)
            except KeyError:
                unreadable.append(f"prefix list {rule.prefix_list_id} could not be read")
                continue
            except ValueError:
                unreadable.append(f"a {rule.protocol} rule with source {rule.cidr!r:.200}")
                continue
            rule_sources.extend(
                RuleSource(rule.protocol, rule.from_port, rule.to_port, rule.prefix_list_id, network, traffic)
                for network in networks
                if network is not None
            )
        found = self._cached_judge(tuple(rule_sources))
        if not found:
            return Evaluation(unreadable=tuple(unreadable))
        scopes = tuple(
            ExemptionScope(_exempt_traffic(exemption), exemption.sources)
            for exemption in applying(exemptions, group.group_id, group.vpc_id, group.name, today)
        )
        not_exempt = self._judge(tuple(rule_sources), scopes) if scopes else found  # exemptions are of one group
        return Evaluation(
            not_exempt or found,
            whitelisted=not not_exempt,
            unreadable=tuple(unreadable),
            _open=partial(self._cached_open_traffic, tuple(rule_sources), scopes if not_exempt else ()),
        )

    def _traffic_of_rule(self, protocol: str, from_port: int | None, to_port: int | None) -> IntervalSet:
        """A rule's traffic, if any of it is restricted."""
        traffic = traffic_of(protocol, from_port, to_port)
        return traffic if any(self._restricted.meets(*span) for span in traffic.spans) else EMPTY

    def _public_network(self, cidr: str) -> Network | None:
        """A source, or None if none of its addresses is public."""
        network = parse_network(cidr)
        return network if self._public.family(network.version).meets(network.first, network.last) else None

    def _judge(
        self, rule_sources: tuple[RuleSource, ...], scopes: tuple[ExemptionScope, ...] = ()
    ) -> tuple[Exposure, ...]:
        """The exposures of a group's rules, sorted, with what is exempt taken out."""
        statuses: dict[RuleSource, OpenStatus] = {}
        for state in self._segment_states(rule_sources, scopes):
            for rule_source in [rule_source for rule_source in state.undecided if state.exposes(rule_source)]:
                statuses.setdefault(rule_source, "open_partly")
                del state.undecided[rule_source]
            for rule_source in state.completing():
                statuses[rule_source] = "open_completely"
        exposures = {
            Exposure(
                rule_source.protocol,
                rule_source.from_port,
                rule_source.to_port,
                str(rule_source.source),
                status,
                rule_source.prefix_list_id,
            )
            for rule_source, status in statuses.items()
        }
        return tuple(sorted(exposures, key=exposure_order))

    def _open_traffic(
        self, rule_sources: tuple[RuleSource, ...], scopes: tuple[ExemptionScope, ...]
    ) -> tuple[OpenTraffic, ...]:
        """Who may send what, segment by segment."""
        return tuple(
            OpenTraffic(IntervalSet((span,)), sources, state.internet)
            for state in self._segment_states(rule_sources, scopes)
            if (sources := state.sources())
            for span in state.restricted.spans
        )

    def _segment_states(
        self, rule_sources: Iterable[RuleSource], scopes: Iterable[ExemptionScope]
    ) -> Iterator[SegmentState]:
        return segment_states(rule_sources, scopes, self._restricted, self._public, self._internet)


def _exempt_traffic(exemption: Exemption) -> IntervalSet:
    """The traffic that an exemption is about, on the axis."""
    if exemption.ports is None:
        return EVERYTHING
    ports = traffic_of_ports(exemption.ports)
    return ports | exemption.other_traffic if exemption.other_traffic else ports


def exposure_order(exposure: Exposure) -> tuple[str, int, int, str, str]:
    """The order in which exposures are listed, so that an unchanged group compares equal."""
    from_port = -1 if exposure.from_port is None else exposure.from_port
    to_port = -1 if exposure.to_port is None else exposure.to_port
    return (exposure.protocol, from_port, to_port, exposure.cidr, exposure.prefix_list_id)
