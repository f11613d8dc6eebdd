"""What of a security group the Internet reaches: the evaluation.

Pure. Every kind of traffic is a number on one axis (`library.network.traffic`). Between two neighbouring boundaries of
the group's rules and exemptions on that axis all traffic is treated alike: such a stretch is judged once, by the union
of the sources that reach it (`library.security_groups.stretches`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache, partial
from typing import Literal, NamedTuple

from library.network.addresses import INTERNET, PUBLIC, AddressSet, Network, parse_network
from library.network.intervals import EMPTY, IntervalSet
from library.network.ports import PortSet
from library.network.traffic import ALL_WITHOUT_PORTS, EVERYTHING, traffic_of, traffic_of_ports
from library.security_groups.exemptions import Exemption, applying
from library.security_groups.group import SecurityGroup
from library.security_groups.stretches import ExemptionScope, Reach, TrafficPlace, places

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
    """

    exposures: tuple[Exposure, ...] = ()
    whitelisted: bool = False
    unreadable: tuple[str, ...] = ()
    _open: Callable[[], tuple[Opening, ...]] = field(default=tuple, compare=False, repr=False)

    @property
    def openings(self) -> tuple[Opening, ...]:
        """The same as `exposures`, by traffic: who may send what. Of a whitelisted group, as if it were not."""
        return self._open()

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
        # An organization's groups repeat a few port ranges and sources many thousand times, and sets of rules often.
        self._traffic = lru_cache(maxsize=4096)(self._traffic_of_rule)
        self._source = lru_cache(maxsize=4096)(self._public_network)
        self._judged = lru_cache(maxsize=512)(self._judge)
        self._opened = lru_cache(maxsize=512)(self._openings)

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
        reaches: list[Reach] = []
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
                Reach(rule.protocol, rule.from_port, rule.to_port, rule.prefix_list_id, network, traffic)
                for network in networks
                if network is not None
            )
        found = self._judged(tuple(reaches))
        if not found:
            return Evaluation(unreadable=tuple(unreadable))
        scopes = tuple(
            ExemptionScope(_exempt_traffic(exemption.ports) | exemption.other_traffic, exemption.sources)
            for exemption in applying(exemptions, group.group_id, group.vpc_id, group.name, today)
        )
        left = self._judge(tuple(reaches), scopes) if scopes else found
        return Evaluation(
            left or found,
            whitelisted=not left,
            unreadable=tuple(unreadable),
            _open=partial(self._opened, tuple(reaches), scopes if left else ()),
        )

    def _traffic_of_rule(self, protocol: str, from_port: int | None, to_port: int | None) -> IntervalSet:
        """A rule's traffic, if any of it is restricted."""
        traffic = traffic_of(protocol, from_port, to_port)
        return traffic if any(self._restricted.meets(*span) for span in traffic.spans) else EMPTY

    def _public_network(self, cidr: str) -> Network | None:
        """A source, or None if none of its addresses is public."""
        network = parse_network(cidr)
        return network if self._public.family(network.version).meets(network.first, network.last) else None

    def _judge(self, reaches: tuple[Reach, ...], scopes: tuple[ExemptionScope, ...] = ()) -> tuple[Exposure, ...]:
        """The exposures of a group's rules, sorted, with what is exempt taken out."""
        statuses: dict[Reach, OpenStatus] = {}
        for place in self._places(reaches, scopes):
            for reach in [reach for reach in place.undecided if place.exposes(reach)]:
                statuses.setdefault(reach, "open_partly")
                del place.undecided[reach]
            for reach in place.completing():
                statuses[reach] = "open_completely"
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

    def _openings(self, reaches: tuple[Reach, ...], scopes: tuple[ExemptionScope, ...]) -> tuple[Opening, ...]:
        """Who may send what, stretch by stretch."""
        return tuple(
            Opening(IntervalSet((span,)), sources, place.internet)
            for place in self._places(reaches, scopes)
            if (sources := place.sources())
            for span in place.restricted.spans
        )

    def _places(self, reaches: Iterable[Reach], scopes: Iterable[ExemptionScope]) -> Iterator[TrafficPlace]:
        return places(reaches, scopes, self._restricted, self._public, self._internet)


def _exempt_traffic(ports: PortSet | None) -> IntervalSet:
    """The traffic that an exemption of these ports is about, on the axis."""
    return EVERYTHING if ports is None else traffic_of_ports(ports)


def _order(exposure: Exposure) -> tuple[str, int, int, str, str]:
    from_port = -1 if exposure.from_port is None else exposure.from_port
    to_port = -1 if exposure.to_port is None else exposure.to_port
    return (exposure.protocol, from_port, to_port, exposure.cidr, exposure.prefix_list_id)
