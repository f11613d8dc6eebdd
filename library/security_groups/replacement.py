"""Which rules of a group remediation replaces, and what it leaves of them.

Pure. Remediation plans by it. What flow logs show is judged by it too: who works through what is left of a rule is not
cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from library.network.addresses import PUBLIC, AddressSet
from library.network.intervals import IntervalSet, Span, segments
from library.network.ports import PortSet, protocol_name
from library.security_groups.exemptions import Exemption
from library.security_groups.exposure import Evaluation, PrefixLists, networks_of
from library.security_groups.group import IngressRule, RuleKey, SecurityGroup, is_prefix_list, rule_key

_OWN = -1  # stands for the rule itself in `segments`, where the exemptions have their indexes, 0 and up


def carved_ports(
    rule: IngressRule,
    prefix_lists: PrefixLists,
    restricted_ports: PortSet,
    public_sources: AddressSet,
    exemptions: Sequence[Exemption],
) -> IntervalSet | None:
    """The ports that `carve_ports` takes from a rule; None: all, or it has none.

    These are the restricted ports that it exposes: one that is exempt for all of the rule's public sources stays.
    `public_sources` are without the trusted ones; `exemptions` are those that apply to the group.
    """
    name = protocol_name(rule.protocol)
    if name not in ("tcp", "udp"):
        return None
    own = _ports_of(rule)
    restricted = restricted_ports.protocol(name) & own
    public = AddressSet.of(networks_of(rule, prefix_lists)) & public_sources
    scopes = [
        (own if exemption.ports is None else exemption.ports.protocol(name), exemption.sources)
        for exemption in exemptions
    ]
    exposed: list[Span] = []
    exempting: dict[int, None] = {}
    left = bool(public)
    # Within a segment all ports are treated alike.
    for segment in segments([(_OWN, own), *enumerate(ports for ports, _ in scopes)]):
        for ended in segment.ended:
            exempting.pop(ended, None)
        exempting |= dict.fromkeys(index for index in segment.begun if index != _OWN)
        if set(segment.ended + segment.begun) - {_OWN}:
            sources = [scopes[index][1] for index in exempting]
            left = bool(public - AddressSet.union(PUBLIC if each is None else each for each in sources))
        if left:
            exposed += restricted.within(segment.first, segment.last).spans
    carved = IntervalSet.of(exposed)
    return None if carved.covers(own) else carved


def _ports_of(rule: IngressRule) -> IntervalSet:
    return IntervalSet(((rule.from_port or 0, rule.to_port or 0),))


def replacing_rules(rule: IngressRule, carved: IntervalSet | None, sources: Iterable[str]) -> Iterator[IngressRule]:
    """What lets in other sources instead: CIDRs and prefix lists, all of them whatever the family of the rule."""
    spans = [(rule.from_port, rule.to_port)] if carved is None else carved.spans
    for first, last in spans:
        for source in sources:
            if is_prefix_list(source):
                yield IngressRule(rule.protocol, first, last, prefix_list_id=source)
            else:
                yield IngressRule(rule.protocol, first, last, cidr=source)


def remaining_rules(rule: IngressRule, carved: IntervalSet | None) -> Iterator[IngressRule]:
    """What keeps the other ports of a carved rule as they were, its description among it."""
    if carved is not None:
        for first, last in (_ports_of(rule) - carved).spans:
            yield rule._replace(from_port=first, to_port=last, rule_id="")


@dataclass(frozen=True, slots=True)
class ReplacedRules:
    """A group's rules replaced on paper.

    Attributes:
        staying: the rules that stay.
        replaced: those that are replaced, each with the ports that are taken from it, as `carved_ports` has them.
        evaluation: what is exposed after it.
    """

    staying: tuple[IngressRule, ...]
    replaced: tuple[tuple[IngressRule, IntervalSet | None], ...]
    evaluation: Evaluation

    @property
    def remainders(self) -> tuple[tuple[IngressRule, IngressRule], ...]:
        """The rules that keep their other ports, each with the rule that it was a part of."""
        return tuple((new, rule) for rule, carved in self.replaced for new in remaining_rules(rule, carved))


def replace_rules(
    group: SecurityGroup,
    rules: Collection[RuleKey],
    evaluate: Callable[[SecurityGroup], Evaluation],
    in_scope: Callable[[Evaluation], Collection[RuleKey]],
    carve: Callable[[IngressRule], IntervalSet | None],
) -> ReplacedRules | None:
    """Replace rules, and those that this lays open, until nothing in scope is left; None: that cannot be done.

    Of 0.0.0.0/0 beside both of its halves only the first opens a group completely, until it is gone.
    """
    staying, replaced = list(group.ingress), list[tuple[IngressRule, IntervalSet | None]]()
    while True:
        found = [rule for rule in staying if rule_key(rule) in rules]
        if not found:
            return None
        staying = [rule for rule in staying if rule_key(rule) not in rules]
        replaced += [(rule, carve(rule)) for rule in found]
        remainders = [new for rule, carved in replaced for new in remaining_rules(rule, carved)]
        evaluation = evaluate(replace(group, ingress=(*staying, *remainders)))
        if not (rules := in_scope(evaluation)):
            return ReplacedRules(tuple(staying), tuple(replaced), evaluation)
