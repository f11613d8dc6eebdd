"""Ingress rules compared with each other: which are the same to EC2, and which let in all that another does.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from library.network.addresses import parse_network
from library.network.ports import protocol_name
from library.security_groups.group import IngressRule


class RuleKey(NamedTuple):
    """What makes two rules the same to EC2: everything but description and id.

    Attributes:
        source: a CIDR in its shortest form, or the id of a prefix list or of a security group.
    """

    protocol: str
    from_port: int | None
    to_port: int | None
    source: str


@lru_cache(maxsize=8192)
def rule_key(rule: IngressRule) -> RuleKey:
    """The key of a rule. A source that is no CIDR is taken as it is written."""
    source = rule.prefix_list_id or rule.group_id
    if not source:
        try:
            source = str(parse_network(rule.cidr))
        except ValueError:
            source = rule.cidr
    return RuleKey(protocol_name(rule.protocol), rule.from_port, rule.to_port, source)


def lets_in_all_of(wide: IngressRule, narrow: IngressRule) -> bool:
    """Whether one rule alone lets in all traffic that another does."""
    wide_key, narrow_key = rule_key(wide), rule_key(narrow)
    if wide_key.protocol != "-1":
        if wide_key.protocol != narrow_key.protocol:
            return False
        if wide_key[1:3] != narrow_key[1:3]:
            if wide_key.protocol not in ("tcp", "udp"):
                return False
            if not ((wide.from_port or 0) <= (narrow.from_port or 0) and (narrow.to_port or 0) <= (wide.to_port or 0)):
                return False
    if wide_key.source == narrow_key.source:
        return True
    if not (wide.cidr and narrow.cidr):
        return False
    outer, inner = _network(wide.cidr), _network(narrow.cidr)
    return outer.version == inner.version and outer.first <= inner.first and inner.last <= outer.last


_network = lru_cache(maxsize=8192)(parse_network)


def still_needed(wanted: Iterable[IngressRule], kept: Iterable[IngressRule]) -> tuple[IngressRule, ...]:
    """Those wanted rules that no kept rule contains, each once, in their order."""
    kept = tuple(kept)
    once = {rule_key(rule): rule for rule in reversed(tuple(wanted))}
    return tuple(rule for rule in reversed(once.values()) if not any(lets_in_all_of(other, rule) for other in kept))


def without_contained(rules: Iterable[IngressRule]) -> tuple[IngressRule, ...]:
    """The fewest of these rules that let in the same, in their order."""
    chosen: list[IngressRule] = []
    for rule in rules:
        if any(lets_in_all_of(other, rule) for other in chosen):
            continue
        chosen = [other for other in chosen if not lets_in_all_of(rule, other)]
        chosen.append(rule)
    return tuple(chosen)
