"""Who passes Block Public Access, a route table, a network ACL and a group's rules, as sets of sources.

Pure. What could not be read lets nobody pass for sure, and may let everybody pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from identification.reachability.network import Acl, AclEntry, Admission, RegionNetwork, RouteTable
from library.network.addresses import Network
from library.network.intervals import EMPTY, IntervalSet
from library.network.ports import HIGHEST_PORT
from library.network.traffic import UDP, WITHOUT_PORTS

# An answer goes to a port that the client's system chose (Amazon VPC User Guide, "Ephemeral ports").
FIRST_EPHEMERAL_PORT = 1024
_OPEN_MODES = frozenset({"", "off"})
_CLOSED_MODES = frozenset({"block-bidirectional", "block-ingress"})
KNOWN_MODES = _OPEN_MODES | _CLOSED_MODES
"""What EC2 answers as the mode of Block Public Access; empty: nothing."""
_EVERY = {4: IntervalSet(((0, 2**32 - 1),)), 6: IntervalSet(((0, 2**128 - 1),))}


class Passing(NamedTuple):
    """Sources of one family.

    Attributes:
        sure: those that pass.
        maybe: these, and those of which it is not known.
    """

    sure: IntervalSet
    maybe: IntervalSet

    def __and__(self, other: Passing) -> Passing:
        return Passing(self.sure & other.sure, self.maybe & other.maybe)

    def __or__(self, other: Passing) -> Passing:
        return Passing(self.sure | other.sure, self.maybe | other.maybe)


NOBODY = Passing(EMPTY, EMPTY)


def everybody(version: int) -> Passing:
    """Everybody of a family passes."""
    return Passing(_EVERY[version], _EVERY[version])


def not_known(version: int) -> Passing:
    """It is not known who of a family passes."""
    return Passing(EMPTY, _EVERY[version])


def block_public_access(network: RegionNetwork, vpc_id: str, subnet_id: str, version: int) -> Passing:
    """Who passes Block Public Access: the subnet's mode decides, or the VPC's where the subnet tells none."""
    mode = network.subnets.get(subnet_id)
    if mode == "":
        mode = network.vpcs.get(vpc_id)
    if mode in _OPEN_MODES:
        return everybody(version)
    return NOBODY if mode in _CLOSED_MODES else not_known(version)


def routes(table: RouteTable | None, version: int, inspected: frozenset[str]) -> Passing:
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
    return Passing(
        EMPTY if unread - {True} else found.sure,
        _EVERY[version] if unread - {False} else found.maybe,
    )


def acl_passing(acl: Acl | None, version: int, place: int) -> Passing:
    """Whose packets a network ACL lets in to a place on the axis, and their answers out."""
    if acl is None:
        return not_known(version)
    inward = _entries(acl, version, egress=False)
    outward = _entries(acl, version, egress=True)
    return _first_match(inward, place) & _answers(outward, place)


def _entries(acl: Acl, version: int, *, egress: bool) -> list[AclEntry]:
    return [entry for entry in acl.entries if entry.egress is egress and entry.network.version == version]


def _answers(outward: list[AclEntry], place: int) -> Passing:
    """To whom an answer passes, at one port of the client at least."""
    if place >= WITHOUT_PORTS:
        return _first_match(outward, place)
    start = UDP if place >= UDP else 0
    ports = IntervalSet(((start + FIRST_EPHEMERAL_PORT, start + HIGHEST_PORT),))
    passing = NOBODY
    for client_port in edges([ports, *(entry.traffic for entry in outward)], within=ports):
        passing |= _first_match(outward, client_port)
    return passing


def _first_match(entries: list[AclEntry], place: int) -> Passing:
    return _overridden((entry.network, entry.allows) for entry in reversed(entries) if place in entry.traffic)


def denying_entry(acl: Acl, version: int, place: int, source: int) -> tuple[AclEntry | None, bool]:
    """What keeps a source out: the entry, None if none matches, and whether it is the answer that is denied."""
    here = IntervalSet(((source, source),))
    inward, outward = _entries(acl, version, egress=False), _entries(acl, version, egress=True)
    is_answer = bool(_first_match(inward, place).sure & here)
    at = place
    if is_answer and place < WITHOUT_PORTS:
        at = (UDP if place >= UDP else 0) + HIGHEST_PORT
    matching = (
        entry
        for entry in (outward if is_answer else inward)
        if at in entry.traffic and IntervalSet((entry.network[1:],)) & here
    )
    return next(matching, None), is_answer


def groups_passing(network: RegionNetwork, group_ids: Iterable[str], version: int, place: int) -> Passing:
    """Whom any of these groups admits to a place on the axis."""
    passing = NOBODY
    for group_id in group_ids:
        rules = network.groups.get(group_id)
        passing |= not_known(version) if rules is None else _admitted(rules, version, place)
    return passing


def _admitted(rules: Iterable[Admission], version: int, place: int) -> Passing:
    passing = NOBODY
    for rule in rules:
        if place not in rule.traffic:
            continue
        if rule.networks is None:
            passing |= not_known(version)
        else:
            span = IntervalSet.of(each[1:] for each in rule.networks if each.version == version)
            passing |= Passing(span, span)
    return passing


def _overridden(rules: Iterable[tuple[Network, bool | None]]) -> Passing:
    """Who passes rules of which each overrides those before it; None: what the rule does is not known."""
    sure = maybe = EMPTY
    for network, passes in rules:
        span = IntervalSet((network[1:],))
        sure = sure | span if passes else sure - span
        maybe = maybe - span if passes is False else maybe | span
    return Passing(sure, maybe)


def edges(traffics: Iterable[IntervalSet], within: IntervalSet) -> list[int]:
    """The first place of each stretch of the axis within which none of these sets begins or ends."""
    found = {edge for traffic in traffics for first, last in traffic.spans for edge in (first, last + 1)}
    return sorted(edge for edge in found if edge in within)
