"""The ways from the Internet to an interface, and the checks that stand on each.

Pure. A way leads over a public address: the interface's own, or one of a network load balancer that sends on to the
interface and keeps the client's address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from identification.reachability.network import Balancer, Forward, Interface, PublicAddress, RegionNetwork
from identification.reachability.passing import (
    NOBODY,
    Passing,
    acl_passing,
    block_public_access,
    edges,
    everybody,
    groups_passing,
    not_known,
    routes,
)
from library.issues.reachability import Blocker
from library.network.intervals import EMPTY, IntervalSet
from library.security_groups.exposure import Opening

Checks = Mapping[Blocker, Passing]


class PortStretch(NamedTuple):
    """Traffic that every check on every way of a group treats alike, and who may send it by the group's rules.

    Attributes:
        place: the first place of it, which stands for all.
        traffic: all of it.
    """

    place: int
    traffic: IntervalSet
    opening: Opening


class Way(NamedTuple):
    """A way from the Internet to an interface.

    Attributes:
        entry: the interface that has the address: this one, or a load balancer's.
        forwards: what the load balancer sends to the interface; None: the address is the interface's own.
    """

    interface: Interface
    address: PublicAddress
    entry: Interface
    forwards: tuple[Forward, ...] | None = None

    @property
    def kind(self) -> object:
        """Ways of one kind are checked alike."""
        entry = self.entry
        behind = () if self.forwards is None else (entry.groups, self.interface.subnet_id, self.forwards)
        return (entry.vpc_id, entry.subnet_id, entry.balancer, self.address.version, *behind)


class Attempt(NamedTuple):
    """To connect to a stretch over a way.

    Attributes:
        at: the place that is connected to: the stretch's own, or that of a listener that leads there.
    """

    stretch: PortStretch
    at: int
    sources: IntervalSet
    checks: Checks


class Ways:
    """The ways into one region's network."""

    def __init__(self, network: RegionNetwork) -> None:
        self._network = network
        self.users: dict[str, list[Interface]] = {}
        """The attached interfaces of each group."""
        self.network_balancers: dict[str, list[Interface]] = {}
        """The interfaces of network load balancers in each VPC."""
        self.accelerators: dict[str, str] = {}
        """An accelerator's interface in each VPC that has one."""
        # Many interfaces share a subnet, and many subnets an ACL.
        self._gates: dict[tuple[str, str, int], tuple[Passing, Passing]] = {}
        self._acls: dict[tuple[str, int, int], Passing] = {}
        for interface in network.interfaces or ():
            if interface.is_accelerator:
                self.accelerators.setdefault(interface.vpc_id, interface.interface_id)
            if not interface.attached:
                continue
            for group_id in interface.groups:
                self.users.setdefault(group_id, []).append(interface)
            if interface.balancer and interface.balancer.is_network:
                self.network_balancers.setdefault(interface.vpc_id, []).append(interface)

    def balancer(self, interface: Interface) -> Balancer | None:
        """The load balancer that an interface belongs to; None: it is not in the answers."""
        return self._network.balancers.get(interface.balancer.key) if interface.balancer else None

    def to(self, interface: Interface, versions: Iterable[int]) -> Iterator[Way]:
        """The ways to an interface over addresses of these families."""
        for address in interface.addresses:
            if address.version in versions:
                yield Way(interface, address, interface)
        for entry in self.network_balancers.get(interface.vpc_id, ()):
            balancer = self.balancer(entry)
            forwards = (balancer.forwards if balancer else None) or ()
            leading = tuple(forward for forward in forwards if forward.target in interface.known_as)
            for address in entry.addresses if leading else ():
                if address.version in versions:
                    yield Way(interface, address, entry, leading)

    def stretches(self, openings: Sequence[Opening], ways: Iterable[Way]) -> Iterator[PortStretch]:
        """What a group exposes, cut wherever a check on one of its ways begins or ends."""
        bounds: set[IntervalSet] = set()
        for subnet_id in {subnet_id for way in ways for subnet_id in (way.interface.subnet_id, way.entry.subnet_id)}:
            if acl := self._network.acls.get(subnet_id):
                bounds.update(entry.traffic for entry in acl.entries)
        for way in ways:
            bounds.update(IntervalSet(((forward.place, forward.place),)) for forward in way.forwards or ())
            balancer = self.balancer(way.entry)
            bounds.add((balancer.listeners if balancer else None) or EMPTY)
        for opening in openings:
            firsts = edges([opening.traffic, *bounds], within=opening.traffic)
            lasts = [*(first - 1 for first in firsts[1:]), opening.traffic.spans[-1][1]]
            for first, last in zip(firsts, lasts, strict=True):
                yield PortStretch(first, IntervalSet(((first, last),)), opening)

    def attempts(self, way: Way, stretches: Iterable[PortStretch]) -> Iterator[Attempt]:
        """Every attempt to connect over a way to what the group exposes to the address's family."""
        for stretch in stretches:
            if sources := stretch.opening.sources.family(way.address.version):
                for at, checks in self._checks_to(way, stretch.place):
                    yield Attempt(stretch, at, sources, checks)

    def _checks_to(self, way: Way, place: int) -> Iterator[tuple[int, Checks]]:
        entry, version = way.entry, way.address.version
        if way.forwards is None:
            checks = self._checks(entry, version, place)
            if entry.balancer:
                checks[Blocker.LISTENER] = self._listening(entry, version, place)
            yield place, checks
            return
        listeners = [each.listener for each in way.forwards if each.place == place and each.listener is not None]
        for listener in listeners:
            checks = self._checks(entry, version, listener)
            if entry.subnet_id != way.interface.subnet_id:
                checks[Blocker.NETWORK_ACL] &= self._acl(way.interface, version, place)
            if entry.groups:
                checks[Blocker.SECURITY_GROUP] = groups_passing(self._network, entry.groups, version, listener)
            yield listener, checks
        if not listeners:
            block, route = self.gate(entry, version)
            yield place, {Blocker.BLOCK_PUBLIC_ACCESS: block, Blocker.ROUTE: route, Blocker.LISTENER: NOBODY}

    def _checks(self, entry: Interface, version: int, place: int) -> dict[Blocker, Passing]:
        block, route = self.gate(entry, version)
        acl = self._acl(entry, version, place)
        return {Blocker.BLOCK_PUBLIC_ACCESS: block, Blocker.ROUTE: route, Blocker.NETWORK_ACL: acl}

    def gate(self, entry: Interface, version: int) -> tuple[Passing, Passing]:
        """Who passes Block Public Access, and who is routed, at an interface's subnet."""
        key = (entry.vpc_id, entry.subnet_id, version)
        if key not in self._gates:
            self._gates[key] = (
                block_public_access(self._network, entry.vpc_id, entry.subnet_id, version),
                routes(self._network.table(entry), version, self._network.inspected_gateways),
            )
        return self._gates[key]

    def _acl(self, interface: Interface, version: int, place: int) -> Passing:
        acl = self._network.acls.get(interface.subnet_id)
        key = (acl.acl_id if acl else "", version, place)
        if key not in self._acls:
            self._acls[key] = acl_passing(acl, version, place)
        return self._acls[key]

    def _listening(self, interface: Interface, version: int, place: int) -> Passing:
        balancer = self.balancer(interface)
        if balancer is None or balancer.listeners is None:
            return not_known(version)
        return everybody(version) if place in balancer.listeners else NOBODY
