"""The words of a verdict: one sentence for each path that a person can check, assumptions, and what was not read.

Pure. Ids, addresses and load balancers' names only: descriptions and tags are untrusted input and stay out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from identification.reachability.network import Interface, RegionNetwork
from identification.reachability.ways import KNOWN_MODES, Attempt, Way, allowed_by_acl, denying_entry
from library.issues.reachability import Blocker, Verdict
from library.network.addresses import AddressSet, Network
from library.network.intervals import IntervalSet
from library.network.ports import UDP, WITHOUT_PORTS, port_range, traffic_name
from library.security_groups.clauses import audience_text

_STRETCHES_NAMED = 5
_CLAUSES_NAMED = 3
_LAST_RULES = (32767, 32768)  # EC2's numbers for the entries `*` of IPv4 and IPv6, which deny what no other matches

STOPPED_INSTANCES = "A stopped instance counts as attached: it can be reached as soon as it runs."
ON_THE_HOST = "Not judged: whether something listens at the port, and what a firewall on the host lets through."
OTHER_WAYS = (
    "Not judged: ways in through CloudFront VPC origins, PrivateLink, VPC Lattice, Verified Access, AWS Network "
    "Firewall, and gateways of other VPCs (peering, transit gateways)."
)


def assumptions(verdict: Verdict, users: Iterable[Interface]) -> list[str]:
    """What a verdict rests on that was not checked."""
    if verdict is Verdict.UNUSED:
        return []
    found = [STOPPED_INSTANCES] if any(user.resource.startswith("instance ") for user in users) else []
    return [*found, ON_THE_HOST if verdict is Verdict.INTERNET else OTHER_WAYS]


def through(network: RegionNetwork, way: Way, blocker: Blocker | None) -> tuple[str, ...]:
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


def reachable(way: Way, reached: Iterable[tuple[IntervalSet, IntervalSet, bool]]) -> str:
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


def blocked(network: RegionNetwork, way: Way, blocker: Blocker, attempt: Attempt, source: int) -> str:
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
        return (
            f"{address} is closed: route table {name} of {entry.subnet_id} has no active route to an internet gateway "
            f"for {example}."
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


def unknown(way: Way, reasons: Sequence[str]) -> str:
    """Of a way of which it is not known whether it is open."""
    return " ".join([f"Whether the Internet can connect at {way.address.text} is not known.", *reasons[:1]])


def no_address(interface: Interface, versions: Collection[int]) -> str:
    """Of an interface to which no public address of these families leads: those that the group's rules let in."""
    family = f"IPv{next(iter(versions))} " if len(versions) == 1 else ""
    return f"{interface.interface_id} has no public {family}address."


def accelerator(interface_id: str, vpc_id: str) -> str:
    """An accelerator may lead to the interface."""
    return (
        f"{interface_id} in {vpc_id} belongs to an accelerator (AWS Global Accelerator): where it leads is not judged."
    )


def unread_balancer(network: RegionNetwork, entry: Interface) -> str:
    """A network load balancer may lead to the interface."""
    return network.why_missing("load balancers", f"Load balancer {_balancer(entry)}")


def not_known(network: RegionNetwork, way: Way) -> tuple[str, ...]:
    """Why it is not known whether a way is open."""
    return tuple(dict.fromkeys(_not_known(network, way)))


def _not_known(network: RegionNetwork, way: Way) -> Iterator[str]:
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
    names = [_span_name(first, last) for first, last in spans[:_STRETCHES_NAMED]]
    more = [f"and {len(spans) - _STRETCHES_NAMED} more"] if len(spans) > _STRETCHES_NAMED else []
    return ", ".join([*names, *more])


def _span_name(first: int, last: int) -> str:
    if first >= WITHOUT_PORTS:
        return traffic_name(first) if first == last else "protocols without ports"
    base = UDP if first >= UDP else 0
    return f"{'udp' if base else 'tcp'}/{port_range(first - base, last - base)}"
