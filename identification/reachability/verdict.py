"""The verdict on a group: whether somebody on the Internet can connect through what it exposes, and who.

Pure. `ways` says which ways lead to the group's interfaces and which checks stand on each; every check is a set of the
sources that pass it. Who passes all checks of an attempt can connect.

Then its words: one sentence for each path that a person can check, assumptions, and what was not read. They
hold ids, addresses and load balancers' names only: descriptions and tags are untrusted input and stay out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from identification.reachability.network import Interface, RegionNetwork
from identification.reachability.ways import (
    KNOWN_MODES,
    Attempt,
    PortSegment,
    Way,
    Ways,
    allowed_by_acl,
    denying_entry,
    everybody,
)
from library.issues.reachability import Blocker, Path, Reachability, Sources, Verdict
from library.network.addresses import AddressSet, Network
from library.network.intervals import EMPTY, IntervalSet
from library.network.ports import UDP, WITHOUT_PORTS, ports_text, traffic_name
from library.security_groups.clauses import audience_text
from library.security_groups.exposure import OpenStatus, OpenTraffic

_VERSIONS = (4, 6)


@dataclass(frozen=True, slots=True)
class PathOutcome:
    """What comes of all attempts on a way.

    Attributes:
        verdict: `internet`, `unknown` or `blocked`.
        reached: who can connect for sure, by the segment's position.
        everyone: the positions to which the whole Internet, less what is trusted and exempt, can connect.
        stopped: of a closed way, what is in the way, an attempt that it stops, and a source of that.
    """

    verdict: Verdict
    reached: Mapping[int, IntervalSet]
    everyone: frozenset[int] = frozenset()
    stopped: tuple[Blocker, Attempt, int] | None = None


class Judge:
    """Judges the groups of one account and region by its network."""

    def __init__(self, network: RegionNetwork) -> None:
        self._network = network
        self._ways = Ways(network)
        # The same for all groups that nothing uses, which are many.
        self._unused = {status: Reachability.of(Verdict.UNUSED, None, status) for status in get_args(OpenStatus)}

    def judge(self, group_id: str, open_traffic: Sequence[OpenTraffic], status: OpenStatus) -> Reachability:
        """Who can connect to a group: a path for each way from the Internet to what uses it; the worst one counts."""
        if self._network.interfaces is None:
            unread = (self._network.why_missing("network interfaces"),)
            return Reachability.of(Verdict.UNKNOWN, None, status, unread=unread)
        users = self._ways.users.get(group_id, [])
        if not users:
            return self._unused[status]
        versions = {version for version in _VERSIONS if any(each.sources.family(version) for each in open_traffic)}
        ways = {user.interface_id: [*self._ways.to(user, versions)] for user in users}
        segments = [*self._ways.segments(open_traffic, [way for each in ways.values() for way in each])]
        outcomes: dict[object, PathOutcome] = {}
        paths: list[Path] = []
        unread_of: set[str] = set()
        for user in users:
            judged: list[Judged] = []
            for way in ways[user.interface_id]:
                if way.check_key not in outcomes:
                    outcomes[way.check_key] = self._outcome(way, segments)
                judged.append(self._path(way, outcomes[way.check_key], segments))
            for path, reasons in judged or [self._pathless(user, versions)]:
                if path.verdict in (Verdict.BLOCKED, Verdict.INTERNAL):
                    path, reasons = self._with_other_ways(path, user, versions)
                paths.append(path)
                unread_of.update(reasons)
        verdict = next((each for each in Verdict if any(path.verdict is each for path in paths)), Verdict.UNUSED)
        sources = None
        if verdict is Verdict.INTERNET:
            together = [(way, outcomes[way.check_key].reached) for each in ways.values() for way in each]
            is_all = any(each.everyone for each in outcomes.values()) or bool(self._everyone(together, segments))
            sources = Sources.ALL if is_all else Sources.SOME
        assumptions = assumption_sentences(verdict, users)
        return Reachability.of(verdict, sources, status, paths, assumptions, sorted(unread_of))

    def _outcome(self, way: Way, segments: Sequence[PortSegment]) -> PathOutcome:
        """Whom all checks on a way let through: somebody for sure (INTERNET), perhaps (UNKNOWN), nobody (BLOCKED)."""
        attempts = [*self._ways.attempts(way, segments)]
        reached: dict[int, IntervalSet] = {}
        possible = False
        for attempt in attempts:
            allowed = everybody(way.address.version)
            for check in attempt.checks.values():
                allowed &= check
            if found := allowed.definite & attempt.sources:
                reached[attempt.segment.position] = reached.get(attempt.segment.position, EMPTY) | found
            possible |= bool(allowed.possible & attempt.sources)
        if reached:
            return PathOutcome(Verdict.INTERNET, reached, self._everyone([(way, reached)], segments))
        return (
            PathOutcome(Verdict.UNKNOWN, {})
            if possible
            else PathOutcome(Verdict.BLOCKED, {}, stopped=stopped(attempts))
        )

    def _everyone(
        self, ways: Iterable[tuple[Way, Mapping[int, IntervalSet]]], segments: Iterable[PortSegment]
    ) -> frozenset[int]:
        """The positions to which these ways together let in everybody whom `open_completely` asks for, in one family.

        Addresses in the local routes of the VPCs do not count: they are no way from the Internet.
        """
        together: dict[tuple[int, int], set[IntervalSet]] = {}
        for way, reached in ways:
            version, local = way.address.version, self._network.local.get(way.entry.vpc_id)
            for position, found in reached.items():
                together.setdefault((position, version), set()).update(
                    (found, local.family(version) if local else EMPTY)
                )
        complete: set[int] = set()
        for segment in segments:
            for version in _VERSIONS:
                if sets := together.get((segment.position, version)):
                    union = IntervalSet.of(span for each in sets for span in each.spans)
                    if union.covers(segment.open_traffic.internet.family(version)):
                        complete.add(segment.position)
        return frozenset(complete)

    def _path(self, way: Way, outcome: PathOutcome, segments: Sequence[PortSegment]) -> Judged:
        blocker = outcome.stopped[0] if outcome.stopped else None
        through, text = passed_through(self._network, way, blocker), ""
        reasons: tuple[str, ...] = ()
        if outcome.verdict is Verdict.UNKNOWN:
            reasons = unknown_checks(self._network, way)
            text = unknown_sentence(way, reasons)
        elif outcome.stopped:
            text = blocked_sentence(self._network, way, *outcome.stopped)
        else:
            text = reachable_sentence(
                way,
                (
                    (segment.traffic, outcome.reached[segment.position], segment.position in outcome.everyone)
                    for segment in segments
                    if segment.position in outcome.reached
                ),
            )
        user, address = way.interface, way.address.text
        path = Path(user.interface_id, user.resource, address, outcome.verdict, through, blocker or "", text)
        return path, reasons

    def _pathless(self, user: Interface, versions: Collection[int]) -> Judged:
        """The path of an interface to which no public address of these families leads, or that was not understood."""
        if not user.is_understood:
            reason = self._network.why_missing(f"network interface {user.interface_id}")
            return Path(user.interface_id, user.resource, "", Verdict.UNKNOWN, text=reason), (reason,)
        text = no_address_sentence(user, versions)
        return Path(user.interface_id, user.resource, "", Verdict.INTERNAL, text=text), ()

    def _with_other_ways(self, path: Path, user: Interface, versions: Iterable[int]) -> Judged:
        """A path that is closed, but where it is not known whether another way to the interface is open."""
        reasons = []
        blocked = path.blocked_by == Blocker.BLOCK_PUBLIC_ACCESS
        if path.verdict is Verdict.INTERNAL:
            blocked = not self._ways.gate(user, 4)[0].possible
        accelerator = self._ways.accelerators.get(user.vpc_id)
        if accelerator and not blocked:
            reasons.append(accelerator_sentence(accelerator, user.vpc_id))
        for entry in self._ways.network_balancers.get(user.vpc_id, ()):
            balancer = self._ways.balancer(entry)
            is_unread = balancer is None or balancer.has_unread_forwards
            if is_unread and entry is not user and any(each.version in versions for each in entry.addresses):
                reasons.append(unread_balancer_sentence(self._network, entry))
        if not reasons:
            return path, ()
        return replace(path, verdict=Verdict.UNKNOWN, text=" ".join([path.text, *reasons[:1]])), tuple(reasons)


Judged = tuple[Path, tuple[str, ...]]
"""A path, and the sentences on what was not read if that makes it unknown."""


def stopped(attempts: Sequence[Attempt]) -> tuple[Blocker, Attempt, int]:
    """What is in the way: the first check that alone stops everybody, else somebody.

    Returns:
        The check, an attempt that it stops, and a source of that attempt which it stops.
    """
    somebody: list[tuple[Blocker, Attempt, int]] = []
    for blocker in Blocker:
        kept_out = [
            (attempt, attempt.sources - attempt.checks[blocker].possible)
            if blocker in attempt.checks
            else (attempt, EMPTY)
            for attempt in attempts
        ]
        found = [(blocker, attempt, sources.spans[0][0]) for attempt, sources in kept_out if sources]
        if found and all(sources == attempt.sources for attempt, sources in kept_out):
            return found[0]
        somebody += found[:1]
    return somebody[0]


_SEGMENTS_NAMED = 5
_CLAUSES_NAMED = 3
_LAST_RULES = (32767, 32768)  # EC2's numbers for the entries `*` of IPv4 and IPv6, which deny what no other matches

STOPPED_INSTANCES = "A stopped instance counts as attached: what is said here holds as soon as it runs."
ON_THE_HOST = "Not judged: whether something listens at the port, and what a firewall on the host lets through."
OTHER_WAYS = (
    "Not judged: ways in through CloudFront VPC origins, PrivateLink, VPC Lattice, Verified Access, AWS Network "
    "Firewall, and gateways of other VPCs (peering, transit gateways)."
)


def assumption_sentences(verdict: Verdict, users: Iterable[Interface]) -> list[str]:
    """What a verdict rests on that was not checked."""
    if verdict is Verdict.UNUSED:
        return []
    found = [STOPPED_INSTANCES] if any(user.resource.startswith("instance ") for user in users) else []
    return [*found, ON_THE_HOST if verdict is Verdict.INTERNET else OTHER_WAYS]


def passed_through(network: RegionNetwork, way: Way, blocker: Blocker | None) -> tuple[str, ...]:
    """The ids on a way from the Internet inwards, as far as somebody gets."""
    entry, table = way.entry, network.table(way.entry)
    gateways = sorted({route.gateway for route in table.routes if route.gateway} if table else ())
    acl = network.acls.get(entry.subnet_id)
    behind = network.acls.get(way.interface.subnet_id)
    ends = {
        Blocker.BLOCK_PUBLIC_ACCESS: [*gateways, _blocking(network, entry)],
        Blocker.ROUTE: [table.route_table_id if table else ""],
    }
    if blocker in ends:
        return _named(ends[blocker])
    border = [*gateways, table.route_table_id if table else "", acl.acl_id if acl else ""]
    if blocker is Blocker.SECURITY_GROUP:
        return _named([*border, entry.interface_id, *sorted(entry.groups)])
    if way.forwards is None:
        return _named(border if blocker is Blocker.NETWORK_ACL else [*border, entry.interface_id])
    border.append(entry.interface_id)
    if blocker is not Blocker.LISTENER:
        crossed = behind.acl_id if behind and way.interface.subnet_id != entry.subnet_id else ""
        border += [crossed, *([] if blocker else [way.interface.interface_id])]
    return _named(border)


def _named(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(filter(None, ids))


def reachable_sentence(way: Way, reached: Iterable[tuple[IntervalSet, IntervalSet, bool]]) -> str:
    """Of a way that is open: to which ports who can connect.

    Args:
        way: the way.
        reached: traffic, the sources of the way's family that can send it, and whether those are all that
            `open_completely` asks for.
    """
    version = way.address.version
    by_audience: dict[str, list[IntervalSet]] = {}
    for traffic, sources, is_all in sorted(reached, key=lambda each: not each[2]):
        found = AddressSet(sources) if version == 4 else AddressSet(v6=sources)
        who = "anyone on the Internet" if is_all else audience_text(found)
        by_audience.setdefault(who, []).append(traffic)
    verbs = ["can connect now to", *["to"] * (len(by_audience) - 1)]
    clauses = [
        f"{who} {verb} {_traffic(traffic)}" for verb, (who, traffic) in zip(verbs, by_audience.items(), strict=True)
    ]
    left = len(clauses) - _CLAUSES_NAMED
    said = ", and ".join(clauses[:_CLAUSES_NAMED]) + (f", and others to {left} more sets of ports" if left > 0 else "")
    said += "," if len(clauses) > 1 else ""
    over = f" over load balancer {_balancer(way.entry)}" if way.forwards is not None else ""
    return f"{said[0].upper()}{said[1:]} of {way.interface.resource} at {way.address.text}{over}."


def blocked_sentence(network: RegionNetwork, way: Way, blocker: Blocker, attempt: Attempt, source: int) -> str:
    """Of a way that is closed: what stops whom, with an example."""
    version, address, entry = way.address.version, way.address.text, way.entry
    example = _address(version, source)
    if blocker is Blocker.BLOCK_PUBLIC_ACCESS:
        mode = network.subnets.get(entry.subnet_id) or network.vpcs.get(entry.vpc_id, "")
        where = _blocking(network, entry)
        return f"{address} is closed: VPC Block Public Access of {where} is {mode}."
    if blocker is Blocker.ROUTE:
        table = network.table(entry)
        name = table.route_table_id if table else "none"
        # Where the table has such routes, but not for all senders, an example says for whom.
        is_partial = table is not None and any(route.gateway for route in table.routes)
        who = f" for answers to, for example, {example}" if is_partial else ""
        return (
            f"{address} is closed: route table {name} of {entry.subnet_id} has no active route to an internet "
            f"gateway{who}."
        )
    if blocker is Blocker.NETWORK_ACL:
        return f"{address} is closed: {_acl_text(network, way, attempt, source)}."
    traffic = _traffic([attempt.segment.traffic])
    if blocker is Blocker.SECURITY_GROUP:
        groups = ", ".join(sorted(entry.groups))
        at = traffic_name(attempt.at)
        return f"{address} is closed: {groups} of load balancer {_balancer(entry)} admits no {at} from {example}."
    does = "listens at no port" if way.forwards is None else "sends nothing on"
    return f"{address} is closed: load balancer {_balancer(entry)} {does} for {traffic}."


def _acl_text(network: RegionNetwork, way: Way, attempt: Attempt, source: int) -> str:
    version = way.address.version
    subnet_id, position = way.entry.subnet_id, attempt.at
    acl = network.acls.get(subnet_id)
    if way.forwards is not None and (acl is None or source in allowed_by_acl(acl, version, position).possible):
        subnet_id, position = way.interface.subnet_id, attempt.segment.position
        acl = network.acls.get(subnet_id)
    if acl is None:
        return f"the network ACL of {subnet_id} denies it"
    entry, is_answer = denying_entry(acl, version, position, source)
    rule = f"rule {entry.number}" if entry and entry.number not in _LAST_RULES else "rule *"
    what = f"the answer to {traffic_name(position)}" if is_answer else traffic_name(position)
    return f"{acl.acl_id} {rule} denies {what} {'for' if is_answer else 'from'} {_address(version, source)}"


def unknown_sentence(way: Way, reasons: Sequence[str]) -> str:
    """Of a way of which it is not known whether it is open."""
    return " ".join([f"Whether the Internet can connect at {way.address.text} is not known.", *reasons[:1]])


def no_address_sentence(interface: Interface, versions: Collection[int]) -> str:
    """Of an interface to which no public address of these families leads: those that the group's rules let in."""
    family = f"IPv{next(iter(versions))} " if len(versions) == 1 else ""
    return f"{interface.interface_id} has no public {family}address."


def accelerator_sentence(interface_id: str, vpc_id: str) -> str:
    """An accelerator may lead to the interface."""
    return (
        f"{interface_id} in {vpc_id} belongs to an accelerator (AWS Global Accelerator): where it leads is not judged."
    )


def unread_balancer_sentence(network: RegionNetwork, entry: Interface) -> str:
    """A network load balancer may lead to the interface."""
    return network.why_missing("load balancers", f"Load balancer {_balancer(entry)}")


def unknown_checks(network: RegionNetwork, way: Way) -> tuple[str, ...]:
    """Why it is not known whether a way is open."""
    return tuple(dict.fromkeys(_unknown_checks(network, way)))


def _unknown_checks(network: RegionNetwork, way: Way) -> Iterator[str]:
    entry = way.entry
    mode = network.subnets.get(entry.subnet_id)
    if mode is None:
        yield network.why_missing("subnets", entry.subnet_id)
    elif not mode and entry.vpc_id not in network.vpcs:
        yield network.why_missing("VPCs", entry.vpc_id)
    elif (known := mode or network.vpcs[entry.vpc_id]) not in KNOWN_MODES:
        yield f"Block Public Access of {_blocking(network, entry)} is {known}, which this version does not know."
    yield from _routes_not_known(network, entry)
    for subnet_id in (entry.subnet_id, way.interface.subnet_id):
        if subnet_id not in network.acls:
            yield network.why_missing("network ACLs", f"The network ACL of {subnet_id}")
    if way.forwards is not None:
        yield from _groups_not_known(network, entry)
    elif entry.balancer:
        balancer = network.balancers.get(entry.balancer.key)
        if balancer is None or balancer.listeners is None:
            yield network.why_missing("load balancers", f"Load balancer {_balancer(entry)}")


def _routes_not_known(network: RegionNetwork, entry: Interface) -> Iterator[str]:
    table = network.table(entry)
    if table is None:
        yield network.why_missing("route tables", f"The route table of {entry.subnet_id}")
        return
    for route in table.routes:
        if route.destinations is None:
            yield network.why_missing("prefix lists", f"A prefix list in {table.route_table_id}")
        if route.gateway in network.inspected_gateways:
            yield f"{route.gateway} has a route table of its own: what the appliance there lets in is not judged."


def _groups_not_known(network: RegionNetwork, entry: Interface) -> Iterator[str]:
    for group_id in sorted(entry.groups):
        rules = network.groups.get(group_id)
        if rules is None or any(rule.networks is None for rule in rules):
            yield network.why_missing("security groups", group_id)


def _blocking(network: RegionNetwork, entry: Interface) -> str:
    """The subnet or VPC whose Block Public Access counts."""
    return entry.subnet_id if network.subnets.get(entry.subnet_id) else entry.vpc_id


def _balancer(entry: Interface) -> str:
    return entry.balancer.key.partition("/")[0] if entry.balancer else entry.interface_id


def _address(version: int, number: int) -> str:
    return str(Network(version, number, number)).partition("/")[0]


def _traffic(segments: Sequence[IntervalSet]) -> str:
    spans = IntervalSet.of(span for each in segments for span in each.spans).spans
    names = [_span_name(first, last) for first, last in spans[:_SEGMENTS_NAMED]]
    more = [f"and {len(spans) - _SEGMENTS_NAMED} more"] if len(spans) > _SEGMENTS_NAMED else []
    return ", ".join([*names, *more])


def _span_name(first: int, last: int) -> str:
    if first >= WITHOUT_PORTS:
        return traffic_name(first) if first == last else "protocols without ports"
    base = UDP if first >= UDP else 0
    return f"{'udp' if base else 'tcp'}/{ports_text(first - base, last - base)}"
