"""What stands in for a replaced rule: private sources, and with `carve_ports` the ports that nobody minds.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from library.network.addresses import PUBLIC, RFC_1918, AddressSet, Network, parse_network
from library.network.intervals import IntervalSet, Span, sweep
from library.network.ports import PortSet, protocol_name
from library.security_groups.exemptions import Exemption
from library.security_groups.exposure import PrefixLists
from library.security_groups.group import IngressRule

REPLACING_SOURCES: tuple[str, ...] = tuple(RFC_1918)
"""What replaces an open source, and the only sources of rules that may be taken away again as Hammer's own."""

_OWN = -1  # in the walk along the ports: the rule itself, among the numbers of the exemptions


def carved_ports(
    rule: IngressRule,
    prefix_lists: PrefixLists,
    restricted_ports: PortSet,
    minded: AddressSet,
    exemptions: Sequence[Exemption],
) -> IntervalSet | None:
    """The ports that `carve_ports` takes from a rule; None: all, or it has none.

    These are the restricted ports that it exposes: one that is exempt for all of the rule's public sources stays.

    Args:
        rule: the rule.
        prefix_lists: the entries of the one that it may name.
        restricted_ports: the restricted ports.
        minded: the public addresses, without the trusted ones.
        exemptions: those that apply to the group.
    """
    name = protocol_name(rule.protocol)
    if name not in ("tcp", "udp"):
        return None
    own = _ports_of(rule)
    restricted = restricted_ports.protocol(name) & own
    public = AddressSet.of(_networks_of(rule, prefix_lists)) & minded
    scopes = [
        (own if exemption.ports is None else exemption.ports.protocol(name), exemption.sources)
        for exemption in exemptions
    ]
    exposed: list[Span] = []
    exempting: dict[int, None] = {}
    left = bool(public)
    # Within a stretch all ports are treated alike.
    for stretch in sweep([(_OWN, own), *enumerate(ports for ports, _ in scopes)]):
        for ended in stretch.ended:
            exempting.pop(ended, None)
        exempting |= dict.fromkeys(index for index in stretch.begun if index != _OWN)
        if set(stretch.ended + stretch.begun) - {_OWN}:
            sources = [scopes[index][1] for index in exempting]
            left = bool(public - AddressSet.union(PUBLIC if each is None else each for each in sources))
        if left:
            exposed += restricted.within(stretch.first, stretch.last).spans
    carved = IntervalSet.of(exposed)
    return None if carved.covers(own) else carved


def _ports_of(rule: IngressRule) -> IntervalSet:
    return IntervalSet(((rule.from_port or 0, rule.to_port or 0),))


def _networks_of(rule: IngressRule, prefix_lists: PrefixLists) -> tuple[Network, ...]:
    return prefix_lists[rule.prefix_list_id] if rule.prefix_list_id else (parse_network(rule.cidr),)


def private_rules(rule: IngressRule, carved: IntervalSet | None) -> Iterable[IngressRule]:
    """What lets in private sources instead."""
    spans = [(rule.from_port, rule.to_port)] if carved is None else carved.spans
    for first, last in spans:
        for cidr in REPLACING_SOURCES:
            yield IngressRule(rule.protocol, first, last, cidr=cidr)


def remaining_rules(rule: IngressRule, carved: IntervalSet | None) -> Iterable[IngressRule]:
    """What keeps the other ports of a carved rule as they were, its description among it."""
    if carved is None:
        return ()
    return [
        rule._replace(from_port=first, to_port=last, rule_id="") for first, last in (_ports_of(rule) - carved).spans
    ]
