"""Whom a group's rules admit, stretch by stretch of the axis of traffic (`library.network.traffic`).

Pure. The axis is walked once: rules and exemptions come and go, and what is known of those that stay is kept. So the
cost of a group grows with its rules, not with its rules times the restricted ports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from library.network.addresses import PUBLIC, AddressSet, Network
from library.network.intervals import EMPTY, IntervalSet
from library.network.sweep import sweep


class Reach(NamedTuple):
    """One rule and one of its sources.

    Attributes:
        traffic: what the rule carries.
    """

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


class TrafficPlace:
    """Where on the axis the walk is: a stretch within which all traffic is treated alike.

    Args:
        public: the addresses that count as public.
        internet: those of them that must be admitted, in one family, to be the whole Internet.

    Attributes:
        restricted: the restricted traffic of the stretch.
        undecided: the sources that are admitted here and have no status yet. The walk's user takes them out.
    """

    def __init__(self, public: AddressSet, internet: AddressSet) -> None:
        self._all_public, self._all_internet = public, internet
        self._admitted = {4: _Family(), 6: _Family()}
        self._exempting: dict[ExemptionScope, None] = {}
        self.restricted = EMPTY
        self.undecided: dict[Reach, None] = {}
        self._left: _Left | None = None

    def change(self, ended: Iterable[Reach | ExemptionScope], begun: Iterable[Reach | ExemptionScope]) -> None:
        """Go on to the next stretch, where these are not any more, and these begin to be."""
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

    def exposes(self, reach: Reach) -> bool:
        """Whether a source has a public address."""
        source = reach.source
        return self.public.family(source.version).meets(source.first, source.last)

    def completing(self) -> list[Reach]:
        """The sources that have a part in admitting the whole Internet."""
        left = self._not_exempt()
        return [
            reach
            for version, family in self._admitted.items()
            if family.addresses >= left.internet_size[version]
            for reach in family.completing(left.public.family(version), left.internet.family(version))
        ]

    def sources(self) -> AddressSet:
        """The public addresses that are admitted."""
        return AddressSet.of(source for family in self._admitted.values() for source in family.sources()) & self.public


def places(
    reaches: Iterable[Reach],
    scopes: Iterable[ExemptionScope],
    restricted: IntervalSet,
    public: AddressSet,
    internet: AddressSet,
) -> Iterator[TrafficPlace]:
    """The places of restricted traffic, in order: one object, which changes with every step.

    Args:
        reaches: a group's rules.
        scopes: its exemptions.
        restricted: the restricted traffic.
        public: the addresses that count as public.
        internet: those of them that must be admitted, in one family, to be the whole Internet.
    """
    place = TrafficPlace(public, internet)
    items: list[Reach | ExemptionScope] = [*dict.fromkeys(reaches), *dict.fromkeys(scopes)]
    for stretch in sweep((item, item.traffic) for item in items):
        place.restricted = restricted.within(stretch.first, stretch.last)
        place.change(stretch.ended, stretch.begun)
        if place.restricted:
            yield place


class _Family:
    """The sources of one address family that are admitted, each with the rules that name it.

    Attributes:
        addresses: of all distinct sources together; those that are in two sources count twice.
    """

    def __init__(self) -> None:
        self.addresses = 0
        self._by_size: dict[int, dict[Network, dict[Reach, None]]] = {}

    def add(self, reach: Reach) -> None:
        networks = self._by_size.setdefault(reach.source.size, {})
        if reach.source not in networks:
            networks[reach.source] = {}
            self.addresses += reach.source.size
        networks[reach.source][reach] = None

    def remove(self, reach: Reach) -> None:
        networks = self._by_size[reach.source.size]
        del networks[reach.source][reach]
        if not networks[reach.source]:
            del networks[reach.source]
            self.addresses -= reach.source.size

    def sources(self) -> Iterator[Network]:
        for networks in self._by_size.values():
            yield from networks

    def completing(self, public: IntervalSet, internet: IntervalSet) -> list[Reach]:
        """Those that have a part in admitting the whole Internet.

        One has none if all of its public addresses are in sources that are each larger than it.
        """
        parts: list[Reach] = []
        larger = EMPTY
        for size in sorted(self._by_size, reverse=True):
            networks = self._by_size[size]
            for network, reaches in networks.items():
                if not larger.covers(public.within(network.first, network.last)):
                    parts += reaches
            larger |= IntervalSet.of((network.first, network.last) for network in networks)
            if larger.covers(public):  # what is smaller has no part
                return parts
        return parts if larger.covers(internet) else []
