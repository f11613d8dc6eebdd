"""What the evidence of flow logs says about an issue: classes of sources, coverage, verdict.

Pure. `judge` is the whole of it: contacts of the period, by rule and source; the class of each source; whether a rule
that stays admits it as well; coverage by whole UTC hours; the verdict, and whom a person may want to keep.

Whom a person may want to keep (`propose`): single addresses first; four or more in one block of 16 (IPv6: one /64)
become that block, if no other source in it has any record. More than 20, or more than the group has room for, is no
proposal but a note why. Nothing is ever kept that nobody chose.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_address

from identification.flow_logs.evidence import (
    ANSWERED,
    HOUR,
    SEEN,
    TALKED,
    WORKING,
    Contact,
    Evidence,
    Interface,
)
from identification.flow_logs.records import WITH_PORTS
from library.documents.text import counted
from library.issues.after_care import NO_FLOW_LOGS_AT_HAND
from library.issues.use import COVERED_ENOUGH, SOURCES_A_RULE, SourceClass, Use, UseRule, UseSource, UseVerdict
from library.network.addresses import PUBLIC, AddressSet, Network, parse_network
from library.network.intervals import IntervalSet
from library.network.ports import traffic_of
from library.security_groups.exposure import Exposure, PrefixLists, networks_of
from library.security_groups.group import IngressRule, RuleKey, SecurityGroup, is_prefix_list, rule_key
from library.security_groups.replacement import remaining_rules, replacing_rules

MOST_KEPT = 20
_SOURCES_FOR_A_BLOCK = 4
_BLOCK_HOST_BITS = {4: 4, 6: 64}


@dataclass(frozen=True, slots=True)
class RuleCountForecast:
    """What a remediation would make of a group's rules, as far as their number is concerned.

    Attributes:
        rules: the ingress rules that the group has; None: they could not be read.
        replaced: the exposures that would be replaced.
        replacements: the CIDRs, or ids of prefix lists, that would come in place of each.
        prefix_list_weights: by id, the family (4 or 6) of a prefix list and how many rules it counts as; one that is
            not here counts as one rule in both families.
        quota: how many ingress rules of a family a group may have.
        carved: the ports that would be taken from a replaced rule, by rule; one that is not here is replaced whole.
    """

    rules: tuple[IngressRule, ...] | None = None
    replaced: tuple[Exposure, ...] = ()
    replacements: tuple[str, ...] = ()
    prefix_list_weights: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    quota: int = 60
    carved: Mapping[RuleKey, IntervalSet] = field(default_factory=dict)


def propose(
    working: Mapping[Network, Collection[Exposure]], seen: Collection[Network] | None, forecast: RuleCountForecast
) -> tuple[tuple[str, ...], str]:
    """The sources to propose.

    Args:
        working: the working sources, as single addresses, each with the rules that it worked through.
        seen: all sources that have any record, as single addresses; None: not all are known, and there are no blocks.
        forecast: what would become of the group's rules.

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
        number = _rules_after(kept, family, forecast)
        if number is not None and number > forecast.quota:
            return (), (
                f"Keeping the {counted(len(kept), 'working source')} would make {number:,} IPv{family} rules, and a "
                f"group may have {forecast.quota:,}: none is proposed."
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


def _rules_after(kept: Sequence[Network], family: int, forecast: RuleCountForecast) -> int | None:
    """How many rules of a family the group would have; None: its rules are not known."""
    if forecast.rules is None:
        return None
    after = set(map(rule_key, forecast.rules)) - set(map(rule_key, forecast.replaced))
    for exposure in forecast.replaced:
        key, source = rule_key(exposure), parse_network(exposure.cidr)
        sources = (*forecast.replacements, *(str(network) for network in kept if source.covers(network)))
        rule, carved = _rule_of(exposure), forecast.carved.get(key)
        after |= {rule_key(each) for each in (*replacing_rules(rule, carved, sources), *remaining_rules(rule, carved))}
    return sum(_weight(key.source, family, forecast.prefix_list_weights) for key in after)


def _rule_of(exposure: Exposure) -> IngressRule:
    cidr = "" if exposure.prefix_list_id else exposure.cidr
    return IngressRule(exposure.protocol, exposure.from_port, exposure.to_port, cidr, exposure.prefix_list_id)


def _weight(source: str, family: int, prefix_lists: Mapping[str, tuple[int, int]]) -> int:
    """What a rule counts as (Amazon VPC User Guide, "Amazon VPC quotas", security groups)."""
    if is_prefix_list(source):
        version, weight = prefix_lists.get(source, (family, 1))
        return weight if version == family else 0
    if source.startswith("sg-"):
        return 1
    return int(parse_network(source).version == family)


NOISE_PORTS = 3
NOISE_INTERFACES = 10
BAD_LINES_ALLOWED = 0.01
_BY_GRADE = {
    WORKING: SourceClass.WORKING,
    TALKED: SourceClass.TALKED,
    ANSWERED: SourceClass.ANSWERED,
    SEEN: SourceClass.SEEN,
    0: SourceClass.REFUSED,
}
GONE = ""
"""In place of an interface's id: those that are not there any more."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What one rule that stays admits: the traffic (`library.network.ports`) of these sources."""

    group_id: str
    traffic: IntervalSet
    sources: AddressSet

    def takes(self, axis: int, source: bytes) -> bool:
        """Whether it admits traffic of a source, packed."""
        return axis in self.traffic and _contains(self.sources, source)


def admissions(
    group: SecurityGroup, replaced: Mapping[RuleKey, IntervalSet | None], prefix_lists: PrefixLists
) -> Iterator[Admission]:
    """What a group's rules admit that a change would leave as it is.

    `replaced` has the rules that it replaces, each with the ports that it takes from it; None: all of them.
    """
    for rule in group.ingress:
        if rule.group_id:
            continue  # members have private addresses
        try:
            sources = AddressSet.of(networks_of(rule, prefix_lists))
        except (KeyError, ValueError):
            continue
        key = rule_key(rule)
        for left in remaining_rules(rule, replaced[key]) if key in replaced else (rule,):
            yield Admission(group.group_id, traffic_of(left.protocol, left.from_port, left.to_port), sources)


@dataclass(frozen=True, slots=True)
class Read:
    """The evidence of one flow log, and whose it is.

    Attributes:
        flow_log: its id.
        interfaces: take the evidence of these only: another flow log tells of the others.
    """

    flow_log: str
    evidence: Evidence
    interfaces: frozenset[str]


@dataclass(frozen=True, slots=True)
class UsageCase:
    """All that the use of one issue is judged by.

    Attributes:
        since: when the period begins; `until`: the run.
        perms: the rules that expose the group, each with one source.
        attached: the interfaces that use the group.
        reads: what flow logs showed.
        left: hours, by interface, of which something is still to be read.
        trusted: addresses that count as not public.
        wide: sources, packed, that came no further than an answer on so many interfaces that they are noise.
        staying: by interface what rules that stay admit; `GONE`: of those that are not there any more.
        unusable: why not all can be known, as where interfaces have no flow log that can be read, a sentence each.
        gaps: what else was not seen, a sentence each.
        forecast: what would become of the group's rules.
        interfaces_known: whether the interfaces could be read.
    """

    since: datetime
    until: datetime
    perms: tuple[Exposure, ...]
    attached: tuple[Interface, ...]
    reads: tuple[Read, ...] = ()
    left: Mapping[str, frozenset[int]] = field(default_factory=dict)
    trusted: AddressSet = field(default_factory=AddressSet)
    wide: frozenset[bytes] = frozenset()
    staying: Mapping[str, Sequence[Admission]] = field(default_factory=dict)
    unusable: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    forecast: RuleCountForecast = field(default_factory=RuleCountForecast)
    interfaces_known: bool = True

    @property
    def hours(self) -> tuple[int, int]:
        """The first and the last hour of the period, also in part, since 1970."""
        return int(self.since.timestamp()) // HOUR, int(self.until.timestamp()) // HOUR


def judge(case: UsageCase) -> Use:
    """What flow logs show of an issue."""
    reads, garbled = _readable(case)
    contacts = [contact for read in reads for contact in contacts_of(read, *case.hours)]
    sources = _Sources(case, contacts)
    rules: list[UseRule] = []
    keepers: dict[Network, list[Exposure]] = {}
    for exposure in case.perms:
        rule, working = sources.rule(exposure)
        rules.append(rule)
        for network in working:
            keepers.setdefault(network, []).append(exposure)
    covered = covered_share(case, reads)
    lost = sum(read.evidence.lost_in(*case.hours) for read in reads)
    verdict, reason = _verdict(case, rules, covered, garbled, lost)
    keep, note = propose(keepers, _seen(reads, case.hours[0]) if keepers else set(), case.forecast)
    return Use(
        since=case.since,
        until=case.until,
        covered=Decimal(round(covered * 10_000)) / 10_000 if covered < 1 else Decimal(1),
        verdict=verdict,
        reason=reason,
        rules=tuple(rules),
        keep=keep,
        keep_note=note,
        gaps=tuple(dict.fromkeys((*_unwatched(case), *case.unusable, *garbled, *_gaps(rules, lost), *case.gaps))),
    )


def _seen(reads: Iterable[Read], first_hour: int) -> set[Network] | None:
    """Everybody who has any record since an hour, as single addresses; None: there were too many to be kept."""
    seen: set[bytes] = set()
    for read in reads:
        if read.evidence.others_lost >= first_hour:
            return None
        seen.update(peer for interface_id, peer in read.evidence.peers(first_hour) if interface_id in read.interfaces)
    return set(map(_network, seen))


def contacts_of(read: Read, first_hour: int, last_hour: int) -> Iterator[Contact]:
    """The contacts of a flow log's interfaces within these hours, both included."""
    for contact in read.evidence.contacts(first_hour, last_hour):
        if contact.interface_id in read.interfaces:
            yield contact


def covered_share(case: UsageCase, reads: Iterable[Read]) -> Decimal:
    """The share of the whole hours of the period of which every attached interface's flow log tells."""
    first = -(-int(case.since.timestamp()) // HOUR)
    if case.since.microsecond and int(case.since.timestamp()) % HOUR == 0:
        first += 1
    hours = set(range(first, int(case.until.timestamp()) // HOUR))
    if not hours or not case.attached:
        return Decimal(0)
    total = len(hours)
    covered: dict[str, set[int]] = {}
    for read in reads:
        for interface_id, recorded in read.evidence.covered_hours().items():
            if interface_id in read.interfaces:
                covered[interface_id] = covered.get(interface_id, set()) | recorded
    for interface in case.attached:
        left = case.left.get(interface.interface_id, frozenset())
        hours &= covered.get(interface.interface_id, set()) - left
    return Decimal(len(hours)) / total


def weak_and_strong(contacts: Iterable[Contact]) -> Iterator[tuple[bytes, str, bool]]:
    """Of each source and interface whether it came further than an answer, on any port: source, interface, whether."""
    best: dict[tuple[bytes, str], int] = {}
    for contact in contacts:
        at = contact.source, contact.interface_id
        best[at] = max(best.get(at, 0), contact.grade)
    for (source, interface_id), grade in best.items():
        yield source, interface_id, grade > ANSWERED


class WideSources:
    """Finds the sources that came no further than an answer on `NOISE_INTERFACES` interfaces of an account or more."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._met: dict[bytes, int] = {}  # interfaces as bits
        self._strong: dict[bytes, int] = {}

    def add(self, contacts: Iterable[Contact]) -> None:
        """Add what an issue's interfaces met."""
        for source, interface_id, is_strong in weak_and_strong(contacts):
            bit = 1 << self._numbers.setdefault(interface_id, len(self._numbers))
            self._met[source] = self._met.get(source, 0) | bit
            if is_strong:
                self._strong[source] = self._strong.get(source, 0) | bit

    def noise(self) -> frozenset[bytes]:
        """These sources, packed."""
        if len(self._numbers) < NOISE_INTERFACES:
            return frozenset()
        return frozenset(
            source
            for source, met in self._met.items()
            if (met & ~self._strong.get(source, 0)).bit_count() >= NOISE_INTERFACES
        )


class _Sources:
    """The contacts of a period, to be looked at rule by rule."""

    def __init__(self, case: UsageCase, contacts: Sequence[Contact]) -> None:
        self._case = case
        self._contacts = [(contact, int.from_bytes(contact.source)) for contact in contacts]
        self._outside_world = PUBLIC - case.trusted
        self._attached = frozenset(interface.interface_id for interface in case.attached)
        self._refused: dict[bytes, dict[str, set[int]]] = {}
        for contact in contacts:
            if contact.refused and contact.protocol in WITH_PORTS:
                ports = self._refused.setdefault(contact.source, {})
                ports.setdefault(contact.interface_id, set()).add(contact.axis)

    def rule(self, exposure: Exposure) -> tuple[UseRule, list[Network]]:
        """What came through one rule, and who worked through it and through no rule that stays."""
        traffic = traffic_of(exposure.protocol, exposure.from_port, exposure.to_port)
        network = parse_network(exposure.cidr)
        size = 4 if network.version == 4 else 16
        by_source: dict[bytes, list[Contact]] = {}
        for contact, number in self._contacts:
            is_in = len(contact.source) == size and network.first <= number <= network.last
            if is_in and contact.axis in traffic:
                by_source.setdefault(contact.source, []).append(contact)
        counts: dict[str, int] = {}
        listed: list[UseSource] = []
        working: list[Network] = []
        for source, contacts in by_source.items():
            source_class = self._class(source, contacts, traffic)
            counts[str(source_class)] = counts.get(str(source_class), 0) + 1
            if source_class in (SourceClass.WORKING, SourceClass.TALKED):
                also = self._also_admitted_by(source, contacts)
                listed.append(_use_source(source, source_class, contacts, also))
                if source_class is SourceClass.WORKING and not also:
                    working.append(_network(source))
        listed.sort(key=lambda each: (each.last, each.packets, each.source), reverse=True)
        found = UseRule(
            exposure.protocol,
            exposure.from_port,
            exposure.to_port,
            exposure.cidr,
            exposure.prefix_list_id,
            counts=dict(sorted(counts.items())),
            sources=_shown(listed),
        )
        return found, working

    def _class(self, source: bytes, contacts: Sequence[Contact], traffic: IntervalSet) -> SourceClass:
        if not _contains(self._outside_world, source):
            return SourceClass.INSIDE
        if any(contact.hidden for contact in contacts):
            return SourceClass.HIDDEN
        refused = self._refused.get(source, {}).values()
        if source in self._case.wide or any(
            sum(axis not in traffic for axis in axes) >= NOISE_PORTS for axes in refused
        ):
            return SourceClass.NOISE
        return _BY_GRADE[max(contact.grade for contact in contacts)]

    def _also_admitted_by(self, source: bytes, contacts: Iterable[Contact]) -> tuple[str, ...]:
        """The groups whose rules that stay admit a source on every port that it used; empty: on one it is not."""
        groups: set[str] = set()
        for contact in contacts:
            if not contact.grade:
                continue
            at = contact.interface_id if contact.interface_id in self._attached else GONE
            admitting = {
                admission.group_id
                for admission in self._case.staying.get(at, ())
                if admission.takes(contact.axis, source)
            }
            if not admitting:
                return ()
            groups |= admitting
        return tuple(sorted(groups))


def _shown(sources: list[UseSource]) -> tuple[UseSource, ...]:
    """The latest of a rule's sources. One that decides the verdict is always among them."""
    shown = sources[:SOURCES_A_RULE]
    for source_class in (SourceClass.TALKED, SourceClass.WORKING):
        deciding = [each for each in sources if each.source_class is source_class and not each.also_admitted_by]
        if deciding and not any(each in deciding for each in shown):
            shown[-1] = deciding[0]
    return tuple(shown)


def _use_source(
    source: bytes, source_class: SourceClass, contacts: Sequence[Contact], also: tuple[str, ...]
) -> UseSource:
    accepted = [contact for contact in contacts if contact.grade]
    busiest = max(accepted, key=lambda contact: (contact.busiest, -contact.port))
    return UseSource(
        source=str(ip_address(source)),
        source_class=source_class,
        port=busiest.port if busiest.protocol in WITH_PORTS else None,
        first=_time(min(contact.first for contact in accepted)),
        last=_time(max(contact.last for contact in accepted)),
        connections=sum(contact.connections for contact in accepted),
        packets=sum(contact.packets for contact in accepted),
        bytes=sum(contact.bytes for contact in accepted),
        also_admitted_by=also,
    )


def _readable(case: UsageCase) -> tuple[list[Read], tuple[str, ...]]:
    """The evidence without that of flow logs of whose lines too many do not fit, and a sentence for each of those."""
    good: list[Read] = []
    garbled: list[str] = []
    for read in case.reads:
        lines, bad = read.evidence.lines(*case.hours)
        if bad > lines * BAD_LINES_ALLOWED:
            garbled.append(
                f"{bad:,} of {counted(lines, 'line')} of flow log {read.flow_log} about these interfaces do not fit "
                "its format: what it says is not used."
            )
        else:
            good.append(read)
    return good, tuple(garbled)


def _verdict(
    case: UsageCase, rules: Sequence[UseRule], covered: Decimal, garbled: Sequence[str], lost: int
) -> tuple[UseVerdict, str]:
    if not case.attached and case.interfaces_known:
        return UseVerdict.UNKNOWN, "no attached network interface has the group"
    for source_class, verdict in ((SourceClass.WORKING, UseVerdict.WORKING), (SourceClass.TALKED, UseVerdict.TALKED)):
        if any(
            source.source_class is source_class and not source.also_admitted_by
            for rule in rules
            for source in rule.sources
        ):
            return verdict, ""
    if garbled:
        return UseVerdict.UNKNOWN, garbled[0].rstrip(".")
    if case.unusable:
        return UseVerdict.UNKNOWN, case.unusable[0].rstrip(".")
    if covered < COVERED_ENOUGH:
        return UseVerdict.UNKNOWN, f"flow logs tell of {int(covered * 100)} % of the hours only"
    if any(rule.counts.get(str(SourceClass.HIDDEN)) for rule in rules):
        return UseVerdict.UNKNOWN, "sources are hidden behind another address"
    if lost:
        return UseVerdict.UNKNOWN, "there were more sources than are kept"
    return UseVerdict.NONE, ""


def _gaps(rules: Sequence[UseRule], lost: int) -> Iterator[str]:
    hidden = max((rule.counts.get(str(SourceClass.HIDDEN), 0) for rule in rules), default=0)
    inside = max((rule.counts.get(str(SourceClass.INSIDE), 0) for rule in rules), default=0)
    if hidden:
        yield (
            f"{counted(hidden, 'source')} came through something that put another address in its place: the group sees "
            "that address only."
        )
    if inside:
        yield (
            f"{counted(inside, 'source')} came from private or trusted addresses; clients behind a load balancer or an "
            "appliance that does not keep their addresses are among them, unseen."
        )
    if lost:
        yield f"{lost:,} of the weakest and oldest contacts were too many to be kept."


def _unwatched(case: UsageCase) -> Iterator[str]:
    """That nobody watches whom a change cuts off, first: of many gaps the first are kept, and its notice needs this."""
    if NO_FLOW_LOGS_AT_HAND in case.gaps:
        yield NO_FLOW_LOGS_AT_HAND


def _network(source: bytes) -> Network:
    """The address of a source, packed, as a network of one."""
    number = int.from_bytes(source)
    return Network(4 if len(source) == 4 else 6, number, number)


def _contains(addresses: AddressSet, source: bytes) -> bool:
    """Whether a source, packed, is one of some addresses."""
    version, number, _ = _network(source)
    return number in addresses.family(version)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def without_sources(use: Use) -> Use:
    """The same use without its lists of sources, for an item that has no room for them."""
    rules = tuple(replace(rule, sources=()) for rule in use.rules)
    return replace(use, rules=rules, gaps=(NO_ROOM_FOR_SOURCES, *use.gaps))


NO_ROOM_FOR_SOURCES = "The table has no room for the sources: whom a change cuts off cannot be told."
