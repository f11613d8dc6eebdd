"""The ways from the Internet to an interface, and the checks that stand on each.

Pure. A way leads over a public address: the interface's own, or one of a network load balancer that sends on to the
interface and keeps the client's address. Checks are Block Public Access, the route table, the network ACL and the
group's rules, each as the set of sources that pass. What could not be read lets nobody pass for sure, and may let
everybody pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from identification.reachability.network import (
    Acl,
    AclEntry,
    Admission,
    Balancer,
    Forward,
    Interface,
    PublicAddress,
    RegionNetwork,
    RouteTable,
)
from library.issues.reachability import Blocker
from library.network.addresses import Network
from library.network.intervals import EMPTY, IntervalSet
from library.network.ports import HIGHEST_PORT, UDP, WITHOUT_PORTS
from library.security_groups.exposure import OpenTraffic

# An answer goes to a port that the client's system chose (Amazon VPC User Guide, "Ephemeral ports").
FIRST_EPHEMERAL_PORT = 1024
_OPEN_MODES = frozenset({"", "off"})
_CLOSED_MODES = frozenset({"block-bidirectional", "block-ingress"})
KNOWN_MODES = _OPEN_MODES | _CLOSED_MODES
"""What EC2 answers as the mode of Block Public Access; empty: nothing."""
_EVERY = {4: IntervalSet(((0, 2**32 - 1),)), 6: IntervalSet(((0, 2**128 - 1),))}


class Allowed(NamedTuple):
    """Sources of one family.

    Attributes:
        definite: those that pass.
        possible: these, and those of which it is not known.
    """

    definite: IntervalSet
    possible: IntervalSet

    def __and__(self, other: Allowed) -> Allowed:
        return Allowed(self.definite & other.definite, self.possible & other.possible)

    def __or__(self, other: Allowed) -> Allowed:
        return Allowed(self.definite | other.definite, self.possible | other.possible)


NO_SOURCES = Allowed(EMPTY, EMPTY)


def everybody(version: int) -> Allowed:
    """Everybody of a family passes."""
    return Allowed(_EVERY[version], _EVERY[version])


def not_known(version: int) -> Allowed:
    """It is not known who of a family passes."""
    return Allowed(EMPTY, _EVERY[version])


def block_public_access(network: RegionNetwork, vpc_id: str, subnet_id: str, version: int) -> Allowed:
    """Who passes Block Public Access: the subnet's mode decides, or the VPC's where the subnet tells none."""
    mode = network.subnets.get(subnet_id)
    if mode == "":
        mode = network.vpcs.get(vpc_id)
    if mode in _OPEN_MODES:
        return everybody(version)
    return NO_SOURCES if mode in _CLOSED_MODES else not_known(version)


def routes(table: RouteTable | None, version: int, inspected: frozenset[str]) -> Allowed:
    """Whose packets are routed to an internet gateway: the longest prefix decides, whatever the route's state.

    Args:
        table: None: not in the answers.
        version: 4 or 6.
        inspected: gateways with a route table of their own; an appliance decides what comes through these.
    """
    if table is None:
        return not_known(version)
    decided: list[tuple[Network, int, bool | None]] = []
    unread: set[bool | None] = set()
    for route in table.routes:
        passes = None if route.gateway in inspected else bool(route.gateway)
        if route.destinations is None:
            unread.add(passes)
            continue
        decided += [(each, route.rank, passes) for each in route.destinations if each.version == version]
    # Of routes that nothing tells apart, the one that lets in counts: AWS picks any.
    decided.sort(key=lambda route: (-route[0].size, -route[1], (False, None, True).index(route[2])))
    found = _overridden((network, passes) for network, _, passes in decided)
    # A list that was not read may hold any prefix: what it would change is not known.
    return Allowed(
        EMPTY if unread - {True} else found.definite,
        _EVERY[version] if unread - {False} else found.possible,
    )


def allowed_by_acl(acl: Acl | None, version: int, position: int) -> Allowed:
    """Whose packets a network ACL lets in to a position on the axis, and their answers out."""
    if acl is None:
        return not_known(version)
    inward = _entries(acl, version, egress=False)
    outward = _entries(acl, version, egress=True)
    return _first_match(inward, position) & _answers(outward, position)


def _entries(acl: Acl, version: int, *, egress: bool) -> list[AclEntry]:
    return [entry for entry in acl.entries if entry.egress is egress and entry.network.version == version]


def _answers(outward: list[AclEntry], position: int) -> Allowed:
    """To whom an answer passes, at one port of the client at least."""
    if position >= WITHOUT_PORTS:
        return _first_match(outward, position)
    start = UDP if position >= UDP else 0
    ports = IntervalSet(((start + FIRST_EPHEMERAL_PORT, start + HIGHEST_PORT),))
    allowed = NO_SOURCES
    for client_port in edges([ports, *(entry.traffic for entry in outward)], within=ports):
        allowed |= _first_match(outward, client_port)
    return allowed


def _first_match(entries: list[AclEntry], position: int) -> Allowed:
    return _overridden((entry.network, entry.allows) for entry in reversed(entries) if position in entry.traffic)


def denying_entry(acl: Acl, version: int, position: int, source: int) -> tuple[AclEntry | None, bool]:
    """What keeps a source out: the entry, None if none matches, and whether it is the answer that is denied."""
    here = IntervalSet(((source, source),))
    inward, outward = _entries(acl, version, egress=False), _entries(acl, version, egress=True)
    is_answer = bool(_first_match(inward, position).definite & here)
    at = position
    if is_answer and position < WITHOUT_PORTS:
        at = (UDP if position >= UDP else 0) + HIGHEST_PORT
    matching = (
        entry
        for entry in (outward if is_answer else inward)
        if at in entry.traffic and IntervalSet((entry.network[1:],)) & here
    )
    return next(matching, None), is_answer


def allowed_by_groups(network: RegionNetwork, group_ids: Iterable[str], version: int, position: int) -> Allowed:
    """Whom any of these groups admits to a position on the axis."""
    allowed = NO_SOURCES
    for group_id in group_ids:
        rules = network.groups.get(group_id)
        allowed |= not_known(version) if rules is None else _admitted(rules, version, position)
    return allowed


def _admitted(rules: Iterable[Admission], version: int, position: int) -> Allowed:
    allowed = NO_SOURCES
    for rule in rules:
        if position not in rule.traffic:
            continue
        if rule.networks is None:
            allowed |= not_known(version)
        else:
            span = IntervalSet.of(each[1:] for each in rule.networks if each.version == version)
            allowed |= Allowed(span, span)
    return allowed


def _overridden(rules: Iterable[tuple[Network, bool | None]]) -> Allowed:
    """Who passes rules of which each overrides those before it; None: what the rule does is not known."""
    definite = possible = EMPTY
    for network, passes in rules:
        span = IntervalSet((network[1:],))
        definite = definite | span if passes else definite - span
        possible = possible - span if passes is False else possible | span
    return Allowed(definite, possible)


def edges(traffics: Iterable[IntervalSet], within: IntervalSet) -> list[int]:
    """The first position of each segment of the axis within which none of these sets begins or ends."""
    found = {edge for traffic in traffics for first, last in traffic.spans for edge in (first, last + 1)}
    return sorted(edge for edge in found if edge in within)


Checks = Mapping[Blocker, Allowed]


class PortSegment(NamedTuple):
    """Traffic that every check on every way of a group treats alike, and who may send it by the group's rules.

    Attributes:
        position: the first position of it, which stands for all.
        traffic: all of it.
    """

    position: int
    traffic: IntervalSet
    open_traffic: OpenTraffic


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
    def check_key(self) -> object:
        """What decides whether one can connect over it: ways with the same key are judged once."""
        entry = self.entry
        behind = () if self.forwards is None else (entry.groups, self.interface.subnet_id, self.forwards)
        return (entry.vpc_id, entry.subnet_id, entry.balancer, self.address.version, *behind)


class Attempt(NamedTuple):
    """To connect to a segment over a way.

    Attributes:
        at: the position that is connected to: the segment's own, or that of a listener that leads there.
    """

    segment: PortSegment
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
        self._gates: dict[tuple[str, str, int], tuple[Allowed, Allowed]] = {}
        self._acls: dict[tuple[str, int, int], Allowed] = {}
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
            forwards = balancer.forwards if balancer else ()
            leading = tuple(forward for forward in forwards if forward.target in interface.known_as)
            for address in entry.addresses if leading else ():
                if address.version in versions:
                    yield Way(interface, address, entry, leading)

    def segments(self, open_traffic: Sequence[OpenTraffic], ways: Iterable[Way]) -> Iterator[PortSegment]:
        """What a group exposes, cut wherever a check on one of its ways begins or ends."""
        bounds: set[IntervalSet] = set()
        for subnet_id in {subnet_id for way in ways for subnet_id in (way.interface.subnet_id, way.entry.subnet_id)}:
            if acl := self._network.acls.get(subnet_id):
                bounds.update(entry.traffic for entry in acl.entries)
        for way in ways:
            bounds.update(IntervalSet(((forward.position, forward.position),)) for forward in way.forwards or ())
            balancer = self.balancer(way.entry)
            bounds.add((balancer.listeners if balancer else None) or EMPTY)
        for each in open_traffic:
            firsts = edges([each.traffic, *bounds], within=each.traffic)
            lasts = [*(first - 1 for first in firsts[1:]), each.traffic.spans[-1][1]]
            for first, last in zip(firsts, lasts, strict=True):
                yield PortSegment(first, IntervalSet(((first, last),)), each)

    def attempts(self, way: Way, segments: Iterable[PortSegment]) -> Iterator[Attempt]:
        """Every attempt to connect over a way to what the group exposes to the address's family."""
        for segment in segments:
            if sources := segment.open_traffic.sources.family(way.address.version):
                for at, checks in self._checks_to(way, segment.position):
                    yield Attempt(segment, at, sources, checks)

    def _checks_to(self, way: Way, position: int) -> Iterator[tuple[int, Checks]]:
        entry, version = way.entry, way.address.version
        if way.forwards is None:
            checks = self._checks(entry, version, position)
            if entry.balancer:
                checks[Blocker.LISTENER] = self._listening(entry, version, position)
            yield position, checks
            return
        listeners = [each.listener for each in way.forwards if each.position == position and each.listener is not None]
        for listener in listeners:
            checks = self._checks(entry, version, listener)
            if entry.subnet_id != way.interface.subnet_id:
                checks[Blocker.NETWORK_ACL] &= self._acl(way.interface, version, position)
            if entry.groups:
                checks[Blocker.SECURITY_GROUP] = allowed_by_groups(self._network, entry.groups, version, listener)
            yield listener, checks
        if not listeners:
            block, route = self.gate(entry, version)
            yield position, {Blocker.BLOCK_PUBLIC_ACCESS: block, Blocker.ROUTE: route, Blocker.LISTENER: NO_SOURCES}

    def _checks(self, entry: Interface, version: int, position: int) -> dict[Blocker, Allowed]:
        block, route = self.gate(entry, version)
        acl = self._acl(entry, version, position)
        return {Blocker.BLOCK_PUBLIC_ACCESS: block, Blocker.ROUTE: route, Blocker.NETWORK_ACL: acl}

    def gate(self, entry: Interface, version: int) -> tuple[Allowed, Allowed]:
        """Who passes Block Public Access, and who is routed, at an interface's subnet."""
        key = (entry.vpc_id, entry.subnet_id, version)
        if key not in self._gates:
            self._gates[key] = (
                block_public_access(self._network, entry.vpc_id, entry.subnet_id, version),
                routes(self._network.table(entry), version, self._network.inspected_gateways),
            )
        return self._gates[key]

    def _acl(self, interface: Interface, version: int, position: int) -> Allowed:
        acl = self._network.acls.get(interface.subnet_id)
        key = (acl.acl_id if acl else "", version, position)
        if key not in self._acls:
            self._acls[key] = allowed_by_acl(acl, version, position)
        return self._acls[key]

    def _listening(self, interface: Interface, version: int, position: int) -> Allowed:
        balancer = self.balancer(interface)
        if balancer is None or balancer.listeners is None:
            return not_known(version)
        return everybody(version) if position in balancer.listeners else NO_SOURCES
