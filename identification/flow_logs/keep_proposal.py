"""Which working sources a person may want to keep when the rules that expose a group are replaced.

Pure. Single addresses first: four or more in one block of 16 (IPv6: one /64) become that block, if no other source in
it has any record. More than 20, or more than the group has room for, is no proposal but a note why. Nothing is ever
kept that nobody chose.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from library.documents.text import counted
from library.network.addresses import Network, parse_network
from library.security_groups.exposure import Exposure
from library.security_groups.group import IngressRule, rule_key

MOST_KEPT = 20
_SOURCES_FOR_A_BLOCK = 4
_BLOCK_HOST_BITS = {4: 4, 6: 64}


@dataclass(frozen=True, slots=True)
class GroupChange:
    """What a remediation would make of a group's rules, as far as their number is concerned.

    Attributes:
        rules: the ingress rules that the group has; None: they could not be read.
        replaced: the exposures that would be replaced.
        replacements: the CIDRs, or ids of prefix lists, that would come in place of each.
        prefix_list_weights: by id, the family (4 or 6) of a prefix list and how many rules it counts as; one that is
            not here counts as one rule in both families.
        quota: how many ingress rules of a family a group may have.
    """

    rules: tuple[IngressRule, ...] | None = None
    replaced: tuple[Exposure, ...] = ()
    replacements: tuple[str, ...] = ()
    prefix_list_weights: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    quota: int = 60


def propose(
    working: Mapping[Network, Collection[Exposure]], seen: Collection[Network] | None, change: GroupChange
) -> tuple[tuple[str, ...], str]:
    """The sources to propose.

    Args:
        working: the working sources, as single addresses, each with the rules that it worked through.
        seen: all sources that have any record, as single addresses; None: not all are known, and there are no blocks.
        change: what would become of the group's rules.

    Returns:
        CIDRs in order of address, and a note for people; no CIDRs where the note says why.
    """
    if not working:
        return (), ""
    kept = sorted(working) if seen is None else _with_blocks(working, frozenset(seen) - working.keys())
    if len(kept) > MOST_KEPT:
        return (), (
            f"{len(working):,} sources worked, more than the {MOST_KEPT} that can be proposed to keep: this is a "
            "public service. Exempt it, or put it behind a load balancer or a VPN."
        )
    for family in sorted({network.version for network in kept}):
        number = _rules_after(kept, family, change)
        if number is not None and number > change.quota:
            return (), (
                f"Keeping the {counted(len(kept), 'working source')} would make {number:,} IPv{family} rules, and a "
                f"group may have {change.quota:,}: none is proposed."
            )
    addresses = sum(network.size for network in kept)
    note = f"They admit {counted(addresses, 'address', 'addresses')}, {len(working):,} of them seen working."
    return tuple(str(network) for network in kept), note


def _with_blocks(working: Mapping[Network, Collection[Exposure]], others: Collection[Network]) -> list[Network]:
    blocks: dict[Network, list[Network]] = {}
    for source in working:
        blocks.setdefault(_block(source), []).append(source)
    spoiled = {_block(other) for other in others}
    kept: list[Network] = []
    for block, sources in blocks.items():
        rules = [rule for source in sources for rule in working[source]]
        is_block = len(sources) >= _SOURCES_FOR_A_BLOCK and block not in spoiled and _lies_in(block, rules)
        kept += [block] if is_block else sources
    return sorted(kept)


def _block(source: Network) -> Network:
    bits = _BLOCK_HOST_BITS[source.version]
    first = source.first >> bits << bits
    return Network(source.version, first, first + (1 << bits) - 1)


def _lies_in(block: Network, rules: Iterable[Exposure]) -> bool:
    """Whether a block lies wholly in one of the rules: what is kept must not admit more than the group did."""
    return any(parse_network(rule.cidr).covers(block) for rule in rules)


def _rules_after(kept: Sequence[Network], family: int, change: GroupChange) -> int | None:
    """How many rules of a family the group would have; None: its rules are not known."""
    if change.rules is None:
        return None
    after = set(map(rule_key, change.rules)) - set(map(rule_key, change.replaced))
    for exposure in change.replaced:
        key, source = rule_key(exposure), parse_network(exposure.cidr)
        sources = (*change.replacements, *(str(network) for network in kept if source.covers(network)))
        after |= {key._replace(source=each) for each in sources}
    return sum(_weight(key.source, family, change.prefix_list_weights) for key in after)


def _weight(source: str, family: int, prefix_lists: Mapping[str, tuple[int, int]]) -> int:
    """What a rule counts as (Amazon VPC User Guide, "Amazon VPC quotas", security groups)."""
    if source.startswith("pl-"):
        version, weight = prefix_lists.get(source, (family, 1))
        return weight if version == family else 0
    if source.startswith("sg-"):
        return 1
    return int(parse_network(source).version == family)
