"""What of a security group the Internet reaches: the evaluation.

Pure. Every kind of traffic is a number on one axis (`library.network.traffic`). Between two neighbouring boundaries of
the group's rules and exemptions on that axis all traffic is treated alike: such a stretch is judged once, by the union
of the sources that reach it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from library.network.addresses import INTERNET, PUBLIC, AddressSet, Network, parse_network
from library.network.intervals import EMPTY, IntervalSet
from library.network.ports import PortSet
from library.network.traffic import ALL_WITHOUT_PORTS, EVERYTHING, traffic_of, traffic_of_ports
from library.security_groups.exemptions import Exemption, applying
from library.security_groups.group import SecurityGroup

OpenStatus = Literal["open_completely", "open_partly"]

PrefixLists = Mapping[str, tuple[Network, ...]]
"""The entries of managed prefix lists, by id. One that AWS owns has none: it does not count."""


class Exposure(NamedTuple):
    """One ingress rule and one of its sources that the Internet reaches a restricted port through.

    Attributes:
        protocol: as EC2 names it.
        from_port: the rule's first port, None where the protocol has none.
        to_port: the rule's last port, None where the protocol has none.
        cidr: the source, shortest form; of a prefix list, one of its entries.
        status: the status of this rule and source.
        prefix_list_id: where the source is a prefix list's entry, else empty.
    """

    protocol: str
    from_port: int | None
    to_port: int | None
    cidr: str
    status: OpenStatus
    prefix_list_id: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found out about one security group.

    Attributes:
        exposures: what the Internet reaches, one for each rule and source, sorted; empty: nothing restricted.
        whitelisted: exemptions cover all of it; `exposures` then lists what they cover.
        unreadable: why a rule could not be judged, one reason each; the group may expose more than is listed.
        openings: the same as `exposures`, by traffic: who may send what. Of a whitelisted group, as if it were not.
    """

    exposures: tuple[Exposure, ...] = ()
    whitelisted: bool = False
    unreadable: tuple[str, ...] = ()
    openings: tuple[Opening, ...] = ()

    @property
    def status(self) -> OpenStatus:
        """The worst status of the exposures."""
        return "open_completely" if any(e.status == "open_completely" for e in self.exposures) else "open_partly"


class Opening(NamedTuple):
    """Traffic to restricted ports that is treated alike, and who may send it.

    Attributes:
        traffic: a stretch of the axis.
        sources: the public addresses that the group's rules admit, without those that are trusted or exempt.
        internet: all that must be admitted, in one family, for the traffic to be open completely.
    """

    traffic: IntervalSet
    sources: AddressSet
    internet: AddressSet


class _Reach(NamedTuple):
    """One rule and one of its sources, as the arithmetic sees it."""

    protocol: str
    from_port: int | None
    to_port: int | None
    prefix_list_id: str
    source: Network
    traffic: IntervalSet


class _Scope(NamedTuple):
    """What an exemption takes out: these sources (None: all) of this traffic."""

    traffic: IntervalSet
    sources: AddressSet | None


class Evaluator:
    """Judges security groups by one configuration.

    Args:
        restricted: the restricted ports.
        trusted: addresses that count as not public.
    """

    def __init__(self, restricted: PortSet, trusted: AddressSet) -> None:
        self._restricted = traffic_of_ports(restricted) | ALL_WITHOUT_PORTS
        self._public = PUBLIC - trusted
        self._internet = INTERNET - trusted
        # An organization's groups repeat a few port ranges and sources many thousand times.
        self._traffic = lru_cache(maxsize=4096)(self._restricted_traffic)
        self._source = lru_cache(maxsize=4096)(self._public_network)
        self._judged = lru_cache(maxsize=4096)(self._judge)
        self._opened = lru_cache(maxsize=4096)(self._openings)

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
        """Judge one group.

        Args:
            group: the group.
            prefix_lists: the entries of `prefix_lists_named(group)`. One that is not there could not be read.
            exemptions: the account's, about this group and others.
            today: the day in UTC, for exemptions that expire.
        """
        unreadable = list(group.unreadable)
        reaches: list[_Reach] = []
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
            reaches.extend(
                _Reach(rule.protocol, rule.from_port, rule.to_port, rule.prefix_list_id, network, traffic)
                for network in networks
                if network is not None
            )
        found = self._judged(tuple(reaches)) if reaches else ()
        if not found:
            return Evaluation(unreadable=tuple(unreadable))
        scopes = tuple(
            _Scope(_exempt_traffic(exemption.ports), exemption.sources)
            for exemption in applying(exemptions, group.group_id, group.vpc_id, group.name, today)
        )
        left = self._judge(tuple(reaches), scopes) if scopes else found
        return Evaluation(
            left or found,
            whitelisted=not left,
            unreadable=tuple(unreadable),
            openings=self._opened(tuple(reaches), scopes if left else ()),
        )

    def _restricted_traffic(self, protocol: str, from_port: int | None, to_port: int | None) -> IntervalSet:
        """What of a rule's traffic is restricted, on the axis."""
        return self._restricted & traffic_of(protocol, from_port, to_port)

    def _public_network(self, cidr: str) -> Network | None:
        """A source, or None if none of its addresses is public."""
        network = parse_network(cidr)
        return network if self._public.family(network.version).meets(network.first, network.last) else None

    def _judge(self, reaches: tuple[_Reach, ...], scopes: tuple[_Scope, ...] = ()) -> tuple[Exposure, ...]:
        """The exposures of a group's rules, sorted, with what is exempt taken out."""
        statuses: dict[_Reach, OpenStatus] = {}
        alike = {
            (
                tuple(reach for reach in reaches if stretch in reach.traffic),
                tuple(scope for scope in scopes if stretch in scope.traffic),
            )
            for stretch in _stretches([reach.traffic for reach in reaches] + [scope.traffic for scope in scopes])
        }
        for here, exempting in alike:
            exempt = _exempt_sources(exempting)
            for version in (4, 6):
                family = [reach for reach in here if reach.source.version == version]
                for reach, status in self._judge_family(family, version, exempt.family(version)):
                    if statuses.get(reach) != "open_completely":
                        statuses[reach] = status
        exposures = {
            Exposure(
                reach.protocol,
                reach.from_port,
                reach.to_port,
                str(reach.source),
                status,
                reach.prefix_list_id,
            )
            for reach, status in statuses.items()
        }
        return tuple(sorted(exposures, key=_order))

    def _openings(self, reaches: tuple[_Reach, ...], scopes: tuple[_Scope, ...]) -> tuple[Opening, ...]:
        """Who may send what, stretch by stretch."""
        openings = []
        edges = _stretches([reach.traffic for reach in reaches] + [scope.traffic for scope in scopes])
        for first, following in pairwise(edges):
            exempt = _exempt_sources(scope for scope in scopes if first in scope.traffic)
            admitted = AddressSet.of(reach.source for reach in reaches if first in reach.traffic)
            if sources := (admitted & self._public) - exempt:
                openings.append(Opening(IntervalSet(((first, following - 1),)), sources, self._internet - exempt))
        return tuple(openings)

    def _judge_family(
        self, reaches: Sequence[_Reach], version: int, exempt: IntervalSet
    ) -> Iterator[tuple[_Reach, OpenStatus]]:
        """The status of each source of one family among those that carry the same traffic."""
        public = self._public.family(version) - exempt
        internet = self._internet.family(version) - exempt
        by_size: dict[int, list[_Reach]] = {}
        for reach in reaches:
            by_size.setdefault(reach.source.size, []).append(reach)
        complete = IntervalSet.of(reach.source[1:] for reach in reaches).covers(internet)
        larger = EMPTY
        for _, same_size in sorted(by_size.items(), reverse=True):
            for reach in same_size:
                own = IntervalSet((reach.source[1:],)) & public
                if own.spans:
                    # A source takes part in covering the Internet unless larger ones already hold all of it.
                    takes_part = complete and not larger.covers(own)
                    yield reach, "open_completely" if takes_part else "open_partly"
            larger |= IntervalSet.of(reach.source[1:] for reach in same_size)


def _exempt_traffic(ports: PortSet | None) -> IntervalSet:
    """The traffic that an exemption of these ports is about, on the axis."""
    return EVERYTHING if ports is None else traffic_of_ports(ports)


def _exempt_sources(scopes: Iterable[_Scope]) -> AddressSet:
    exempt = AddressSet()
    for scope in scopes:
        exempt |= PUBLIC if scope.sources is None else scope.sources
    return exempt


def _stretches(traffics: Iterable[IntervalSet]) -> list[int]:
    """The first point of each stretch of the axis within which no interval begins or ends."""
    return sorted({edge for traffic in traffics for first, last in traffic.spans for edge in (first, last + 1)})


def _order(exposure: Exposure) -> tuple[str, int, int, str, str]:
    from_port = -1 if exposure.from_port is None else exposure.from_port
    to_port = -1 if exposure.to_port is None else exposure.to_port
    return (exposure.protocol, from_port, to_port, exposure.cidr, exposure.prefix_list_id)
