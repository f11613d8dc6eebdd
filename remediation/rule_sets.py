"""Ingress rules compared with each other: which are the same to EC2, and which let in all that another does.

Pure.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import accumulate
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


def by_ports(rules: Iterable[IngressRule]) -> list[list[IngressRule]]:
    """Rules by protocol and port range: each part is one permission, which EC2 takes as a whole."""
    parts: dict[tuple[str, int | None, int | None], list[IngressRule]] = {}
    for rule in rules:
        parts.setdefault((rule.protocol, rule.from_port, rule.to_port), []).append(rule)
    return list(parts.values())


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


def not_there(wanted: Iterable[IngressRule], there: Iterable[IngressRule]) -> tuple[IngressRule, ...]:
    """Those wanted rules that EC2 would not refuse as duplicates of what is there, each once, in their order."""
    once: dict[RuleKey, IngressRule] = {}
    for rule in wanted:
        once.setdefault(rule_key(rule), rule)
    known = set(map(rule_key, there))
    return tuple(rule for key, rule in once.items() if key not in known)


def without_contained_in(rules: Iterable[IngressRule], others: Iterable[IngressRule]) -> tuple[IngressRule, ...]:
    """Those rules that none of the others contains, in their order."""
    containers = _Containers(others)
    return tuple(rule for rule in rules if not containers.contain(rule))


def without_contained(rules: Iterable[IngressRule]) -> tuple[IngressRule, ...]:
    """The fewest of these rules that let in the same, in their order."""
    once: dict[_Extent, IngressRule] = {}
    for rule in rules:
        once.setdefault(_extent(rule), rule)
    containers = _Containers(once.values())
    return tuple(rule for rule in once.values() if not containers.contain(rule, strictly=True))


class _Extent(NamedTuple):
    """What a rule lets in: two rules with the same extent contain each other.

    Attributes:
        source: of a CIDR the version and the first and last address, else what names the source.
        ports: of TCP and UDP the first port and the last one, negative, so that of two that begin alike the longer one
            sorts first.
    """

    source: tuple[int, int, int] | str
    protocol: str
    ports: tuple[int | None, int | None]


@lru_cache(maxsize=8192)
def _extent(rule: IngressRule) -> _Extent:
    key = rule_key(rule)
    source: tuple[int, int, int] | str = key.source
    try:
        network = _network(key.source)
        source = (network.version, network.first, network.last)
    except ValueError:
        pass  # an id, or a CIDR that is none: it contains only itself
    if key.protocol in ("tcp", "udp"):
        return _Extent(source, key.protocol, (key.from_port or 0, -(key.to_port or 0)))
    return _Extent(source, key.protocol, (None, None) if key.protocol == "-1" else key[1:3])


class _Containers:
    """Rules by what they can contain, so that not all of them are walked for each rule that may be contained.

    Around a source there is at most one network of each size. The port ranges of a source and protocol are sorted, each
    with the highest port that it or one before it reaches.
    """

    def __init__(self, rules: Iterable[IngressRule]) -> None:
        extents = {_extent(rule) for rule in rules}
        self._sizes = {(s[0], s[2] - s[1] + 1) for s in (each.source for each in extents) if not isinstance(s, str)}
        self._others = {each for each in extents if each.protocol not in ("tcp", "udp")}
        self._ranges: dict[tuple[object, str], list[tuple[int, int]]] = {}
        for source, protocol, (first, last) in sorted(extents - self._others, key=lambda each: each.ports):
            self._ranges.setdefault((source, protocol), []).append((first or 0, last or 0))
        self._reach = {
            place: list(accumulate((-last for _, last in ranges), max)) for place, ranges in self._ranges.items()
        }

    def contain(self, rule: IngressRule, *, strictly: bool = False) -> bool:
        """Whether one of the rules alone lets in all that this rule does; strictly: and more."""
        extent = _extent(rule)
        return any(self._contain(source, extent, strictly=strictly) for source in self._around(extent.source))

    def _around(self, source: tuple[int, int, int] | str) -> Iterator[tuple[int, int, int] | str]:
        if isinstance(source, str):
            yield source
            return
        version, first, last = source
        for of_version, size in self._sizes:
            if of_version == version and size > last - first:
                begin = first - first % size
                yield (version, begin, begin + size - 1)

    def _contain(self, source: tuple[int, int, int] | str, extent: _Extent, *, strictly: bool) -> bool:
        for other in (_Extent(source, "-1", (None, None)), extent._replace(source=source)):
            if other in self._others and not (strictly and other == extent):
                return True
        place = (source, extent.protocol)
        if place not in self._ranges:
            return False
        first, last = extent.ports[0] or 0, extent.ports[1] or 0
        find = bisect_left if strictly and source == extent.source else bisect_right
        before = find(self._ranges[place], (first, last))
        return before > 0 and self._reach[place][before - 1] >= -last
