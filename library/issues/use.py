"""Use: what VPC flow logs show of an open issue, as a value, as an attribute of the table, and in sentences.

Pure. The job `usage` writes it (`identification.flow_logs`); everybody who shows it asks here for the words.
Nothing in flow logs tells an employee from an intruder with the right password: the sentences say so, and never say
that nobody needs a rule.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from library.documents.text import and_more, counted, flattened
from library.issues.times import format_time, required_time, shown_time
from library.network.addresses import parse_network
from library.network.ports import traffic_of
from library.security_groups.exposure import source_text, traffic_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from library.network.addresses import Network
    from library.network.intervals import IntervalSet
    from library.security_groups.exposure import Exposure

SOURCES_A_RULE = 20
GAPS_KEPT = 20
_GAP_LIMIT = 400
_RULES_NAMED = 3
_NOT_READ = "flow logs were not yet read for"
_RULES_LEFT_OUT = re.compile(r"[0-9,]+ more rules? (is|are) left out here\.")  # of `_left_out`
_RULES_BYTES = 16_000
_SOURCES_BYTES = 16_000
# With the gaps some 40 KB: an item of the table, which is copied to two indexes, has 133 KB for all that every job
# keeps in it, and a scan that finds more open must have room to say so.
COVERED_ENOUGH = Decimal("0.95")

T = TypeVar("T")


class UseVerdict(StrEnum):
    """What flow logs show of an issue's rules together."""

    WORKING = "working"  # somebody works through a rule
    TALKED = "talked"  # somebody exchanged data, and it cannot be told whether that was work
    NONE = "none"  # nobody came further than an answer
    UNKNOWN = "unknown"


class SourceClass(StrEnum):
    """What a source did, for one rule: the first of these that holds."""

    INSIDE = "inside"
    HIDDEN = "hidden"
    NOISE = "noise"
    WORKING = "working"
    TALKED = "talked"
    ANSWERED = "answered"
    SEEN = "seen"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class UseSource:
    """A source that worked or talked through a rule.

    Attributes:
        source: its address.
        source_class: `working` or `talked`.
        port: the port of its busiest connection; None: the protocol has none.
        first: the earliest start of an accepted record, in UTC.
        last: the latest end.
        connections: how many it opened.
        packets: of its accepted records in both directions; so are `bytes`.
        also_admitted_by: the groups whose rules stay and admit it on every port that it used; empty: none does.
    """

    source: str
    source_class: SourceClass
    port: int | None
    first: datetime
    last: datetime
    connections: int
    packets: int
    bytes: int
    also_admitted_by: tuple[str, ...] = ()

    def to_item(self) -> dict[str, Any]:
        """The map of the table."""
        return {
            "source": self.source,
            "class": str(self.source_class),
            "port": self.port,
            "first": format_time(self.first),
            "last": format_time(self.last),
            "connections": self.connections,
            "packets": self.packets,
            "bytes": self.bytes,
            **({"also_admitted_by": list(self.also_admitted_by)} if self.also_admitted_by else {}),
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> UseSource:
        """The value of a map of the table. Raises KeyError, TypeError or ValueError on what is none."""
        return cls(
            source=str(item["source"]),
            source_class=SourceClass(item["class"]),
            port=None if item["port"] is None else int(item["port"]),
            first=required_time(item["first"]),
            last=required_time(item["last"]),
            connections=int(item["connections"]),
            packets=int(item["packets"]),
            bytes=int(item["bytes"]),
            also_admitted_by=tuple(map(str, item.get("also_admitted_by") or ())),
        )


@dataclass(frozen=True, slots=True)
class UseRule:
    """What came through one exposing rule.

    Attributes:
        counts: how many sources are of each class; classes without any are left out.
        sources: those that worked or talked, the latest first, at most `SOURCES_A_RULE`.
    """

    protocol: str
    from_port: int | None
    to_port: int | None
    cidr: str
    prefix_list_id: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    sources: tuple[UseSource, ...] = ()

    def to_item(self) -> dict[str, Any]:
        """The map of the table."""
        return {
            "protocol": self.protocol,
            "from_port": self.from_port,
            "to_port": self.to_port,
            "cidr": self.cidr,
            **({"prefix_list_id": self.prefix_list_id} if self.prefix_list_id else {}),
            "counts": dict(self.counts),
            "sources": [source.to_item() for source in self.sources],
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> UseRule:
        """The value of a map of the table. Raises KeyError, TypeError or ValueError on what is none."""
        return cls(
            protocol=str(item["protocol"]),
            from_port=None if item["from_port"] is None else int(item["from_port"]),
            to_port=None if item["to_port"] is None else int(item["to_port"]),
            cidr=str(item["cidr"]),
            prefix_list_id=str(item.get("prefix_list_id") or ""),
            counts={str(name): int(count) for name, count in item["counts"].items()},
            sources=tuple(UseSource.from_item(source) for source in item["sources"]),
        )

    @property
    def text(self) -> str:
        """The rule for people, such as `tcp/22 from 0.0.0.0/0`."""
        traffic = traffic_text(self.protocol, self.from_port, self.to_port)
        return f"{traffic} from {source_text(self.cidr, self.prefix_list_id)}"


@dataclass(frozen=True, slots=True)
class Use:
    """What flow logs show of an issue.

    Attributes:
        since: when the period begins, in UTC.
        until: when it ends: the run that read it.
        covered: the share of its whole hours of which flow logs tell, 0 to 1.
        verdict: of all rules together.
        reason: why the verdict is unknown; empty for the others.
        rules: one for each exposing rule and source.
        keep: CIDRs that a person may want to keep when the rules are closed.
        keep_note: why there are none although somebody works, or what to know of them; may be empty.
        gaps: what was not seen, a sentence each.
    """

    since: datetime
    until: datetime
    covered: Decimal
    verdict: UseVerdict
    reason: str = ""
    rules: tuple[UseRule, ...] = ()
    keep: tuple[str, ...] = ()
    keep_note: str = ""
    gaps: tuple[str, ...] = ()

    def to_item(self) -> dict[str, Any]:
        """The attribute `use` of the table. Of very many rules, sources and gaps some are left out, and it says so."""
        rules = _fitting_sources(_fitting_rules(self.rules))
        gaps = [flattened(gap, _GAP_LIMIT) for gap in self.gaps]
        gaps[:0] = _left_out(self.rules, rules)
        if (more := len(gaps) - GAPS_KEPT) > 0:
            gaps = [*gaps[: GAPS_KEPT - 1], f"{more + 1:,} more of this kind."]
        return {
            "from": format_time(self.since),
            "until": format_time(self.until),
            "covered": self.covered,
            "verdict": str(self.verdict),
            "reason": flattened(self.reason, _GAP_LIMIT),
            "rules": [rule.to_item() for rule in rules],
            "keep": list(self.keep),
            "keep_note": self.keep_note,
            "gaps": gaps,
        }

    def to_json(self) -> dict[str, Any]:
        """The same for JSON, in which numbers are plain."""
        item = {**self.to_item(), "covered": float(self.covered)}
        if self._not_read():  # beside all that the table had room for
            item["gaps"] = [flattened(gap, _GAP_LIMIT) for gap in self.gaps]
        return item

    @classmethod
    def from_item(cls, item: object) -> Use | None:
        """The value of the attribute; None where there is none, or one that is none: the next run writes it anew."""
        if not isinstance(item, Mapping):
            return None
        try:
            covered = Decimal(str(item["covered"]))
            if not covered.is_finite() or not 0 <= covered <= 1:
                return None
            return cls(
                since=required_time(item["from"]),
                until=required_time(item["until"]),
                covered=covered,
                verdict=UseVerdict(item["verdict"]),
                reason=str(item["reason"]),
                rules=tuple(UseRule.from_item(rule) for rule in item["rules"]),
                keep=tuple(map(str, item["keep"])),
                keep_note=str(item["keep_note"]),
                gaps=tuple(map(str, item["gaps"])),
            )
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
            return None

    def of_what_is_open(self, exposures: Iterable[Exposure]) -> Use:
        """It where these rules expose the group by now: of one that was not looked at nobody knows who uses it."""
        read = {_compared(rule) for rule in self.rules}
        if not read or any(_RULES_LEFT_OUT.fullmatch(gap) for gap in self.gaps):
            return self  # not all that was looked at is listed
        changed = [rule for each in exposures if (rule := _compared(each)) not in read]
        looked_at = list(map(_admitted, read)) if changed else []
        unread = [rule for rule in changed if not _lies_in_one(_admitted(rule), looked_at)]
        if not unread:
            return self
        rules = dict.fromkeys(UseRule(*rule).text for rule in unread)
        text = f"{_NOT_READ} {and_more(list(rules), _RULES_NAMED)}"
        use = replace(self, gaps=(f"{text[0].upper()}{text[1:]}.", *self.gaps))
        return replace(use, verdict=UseVerdict.UNKNOWN, reason=text) if self.verdict is UseVerdict.NONE else use

    @property
    def not_read(self) -> str:
        """What goes with `use_summary` where the gaps are not shown: what was opened since the flow logs were read.

        Empty: nothing was, or the summary says that use is unknown.
        """
        return "" if self.verdict is UseVerdict.UNKNOWN else self._not_read()

    def _not_read(self) -> str:
        return next((gap for gap in self.gaps if gap.lower().startswith(_NOT_READ)), "")

    def sources(self, *classes: SourceClass) -> dict[str, UseSource]:
        """The sources of these classes that no rule which stays admits, by address; of several rules' the latest."""
        found: dict[str, UseSource] = {}
        for rule in self.rules:
            for source in rule.sources:
                is_wanted = source.source_class in classes and not source.also_admitted_by
                if is_wanted and (source.source not in found or found[source.source].last < source.last):
                    found[source.source] = source
        return found


_Rule = tuple[str, int | None, int | None, str, str]  # the first five of `UseRule`


def _compared(rule: UseRule | Exposure) -> _Rule:
    # Other tooling may have written something else than texts: who rewrites the issue must be able to read it.
    return str(rule.protocol), rule.from_port, rule.to_port, str(rule.cidr), str(rule.prefix_list_id or "")


def _admitted(rule: _Rule) -> tuple[IntervalSet, Network] | None:
    """The traffic and the addresses that a rule admits; None: its source is no CIDR."""
    protocol, from_port, to_port, cidr, _ = rule
    try:
        return traffic_of(protocol, from_port, to_port), parse_network(cidr)
    except ValueError:
        return None


def _lies_in_one(
    admitted: tuple[IntervalSet, Network] | None, looked_at: Iterable[tuple[IntervalSet, Network] | None]
) -> bool:
    """Whether one of the rules that were looked at admitted all of it: where nobody used that, nobody used a part."""
    if admitted is None:
        return False
    traffic, network = admitted
    return any(each and each[0].covers(traffic) and each[1].covers(network) for each in looked_at)


def _fitting_rules(rules: Sequence[UseRule]) -> list[UseRule]:
    """As many rules as there is room for, in their order: those with sources first."""
    order = sorted(range(len(rules)), key=lambda at: not rules[at].sources)
    kept = _first_with_room(order, lambda at: replace(rules[at], sources=()).to_item(), _RULES_BYTES)
    return [rule for at, rule in enumerate(rules) if at in kept]


def _fitting_sources(rules: Sequence[UseRule]) -> list[UseRule]:
    """The rules with as many sources as there is room for, in their order: those that worked first, of all rules."""
    order = sorted(
        (source.source_class is not SourceClass.WORKING, number, at)
        for at, rule in enumerate(rules)
        for number, source in enumerate(rule.sources)
    )
    positions = ((at, number) for _, number, at in order)
    kept = _first_with_room(positions, lambda at: rules[at[0]].sources[at[1]].to_item(), _SOURCES_BYTES)
    return [
        replace(rule, sources=tuple(each for number, each in enumerate(rule.sources) if (at, number) in kept))
        for at, rule in enumerate(rules)
    ]


def _first_with_room(order: Iterable[T], item_of: Callable[[T], Mapping[str, Any]], available: int) -> set[T]:
    """The first of these whose maps have room in so many bytes."""
    kept: set[T] = set()
    for each in order:
        available -= _size(item_of(each))
        if available < 0:
            break
        kept.add(each)
    return kept


def _left_out(rules: Sequence[UseRule], kept: Sequence[UseRule]) -> Iterator[str]:
    """How much of the rules is not among those that are kept, in a sentence."""
    sources = sum(len(rule.sources) for rule in rules) - sum(len(rule.sources) for rule in kept)
    for number, noun in ((len(rules) - len(kept), "rule"), (sources, "source")):
        if number:
            yield f"{counted(number, f'more {noun}')} {'is' if number == 1 else 'are'} left out here."


def _size(item: Mapping[str, Any]) -> int:
    """About how many bytes DynamoDB counts for a map."""
    return len(json.dumps(item, ensure_ascii=False).encode())


def use_summary(use: Use, now: datetime) -> str:
    """Period, coverage and what was seen, on one line.

    A source that came through several rules is counted by the rule with the most.
    """
    period = f"{_days(use)}, {_percent(use.covered)} covered"
    if use.verdict is UseVerdict.UNKNOWN:
        return f"{period}: use is unknown: {use.reason}"
    return f"{period}: {'; '.join(_seen(use, now)) or 'no source was seen'}"


def use_sentences(use: Use, now: datetime) -> list[str]:
    """Everything that a person should read about the use of an issue, a sentence each; texts are to be escaped."""
    sentences = [f"Flow logs from {shown_time(use.since)} to {shown_time(use.until)}: {use_summary(use, now)}."]
    if use.verdict is UseVerdict.UNKNOWN and (seen := _seen(use, now)):
        sentences.append(f"What was seen all the same: {'; '.join(seen)}.")
    for rule in use.rules:
        for source in rule.sources:
            sentences.append(_source_sentence(rule, source, now))
    if use.keep:
        sentences.append(f"Proposed to keep, if somebody vouches for them: {', '.join(use.keep)}.")
    if use.keep_note:
        sentences.append(use.keep_note)
    sentences += use.gaps
    sentences.append(CAVEAT)
    return sentences


CAVEAT = (
    "Flow logs show addresses and packets, not people: a stolen password looks the same as an employee at work, "
    "and what runs once a month may lie outside the period."
)
"""What flow logs cannot tell. It is said beside what they tell."""


def unknown_use(issues: Iterable[tuple[str, str, Use | None]]) -> Iterator[tuple[str, str, str]]:
    """Where use is unknown and why: account id, region and a sentence, once for each account and region.

    The issues are given by account id, region and use; None: it was not read yet.
    """
    reasons: dict[tuple[str, str], dict[str, int]] = {}
    for account_id, region, use in issues:
        reason = (
            "flow logs were not read yet" if use is None else use.reason if use.verdict is UseVerdict.UNKNOWN else ""
        )
        if reason:
            of_region = reasons.setdefault((account_id, region), {})
            of_region[reason] = of_region.get(reason, 0) + 1
    for (account_id, region), counts in sorted(reasons.items()):
        total = sum(counts.values())
        text = "; ".join(f"{reason} ({count})" if len(counts) > 1 else reason for reason, count in counts.items())
        yield account_id, region, f"use is unknown for {counted(total, 'issue')}: {flattened(text, 1000)}"


def _seen(use: Use, now: datetime) -> list[str]:
    counts = _counts(use.rules)
    working = use.sources(SourceClass.WORKING)
    talked = {name: each for name, each in use.sources(SourceClass.TALKED).items() if name not in working}
    admitted = counts.get("working", 0) + counts.get("talked", 0) - len(working) - len(talked)
    parts = []
    if number := _at_least(counts, "working", working, is_whole=_is_whole(use.rules, working)):
        last = max(source.last for source in working.values()) if working else None
        verb = f"{counted(number, 'source')} worked"
        parts.append(f"{verb}, last {_when(last, now)}" if last else verb)
    if number := _at_least(counts, "talked", talked, is_whole=_is_whole(use.rules, talked)):
        who = f"{number:,} more" if working else counted(number, "source")
        parts.append(f"{who} talked: ask them")
    knocked = sum(counts.get(name, 0) for name in ("answered", "seen", "refused"))
    if knocked:
        parts.append(f"{knocked:,} only knocked")
    for name, text in (("noise", "scanned"), ("inside", "came from inside"), ("hidden", "hid behind another address")):
        if counts.get(name):
            parts.append(f"{counts[name]:,} {text}")
    if admitted > 0 and any(source.also_admitted_by for rule in use.rules for source in rule.sources):
        parts.append("others are admitted by rules that stay")
    return parts


def _at_least(counts: Mapping[str, int], name: str, listed: Mapping[str, UseSource], *, is_whole: bool) -> int:
    """How many sources: those listed, or where some are not, as many as were counted."""
    return len(listed) if is_whole else max(counts.get(name, 0), len(listed))


def _is_whole(rules: Iterable[UseRule], listed: Mapping[str, UseSource]) -> bool:
    """Whether the sources listed are all: no rule's list is full, and none was cut for want of room in the table."""
    return len(listed) < SOURCES_A_RULE and not any(
        len(rule.sources) < min(SOURCES_A_RULE, rule.counts.get("working", 0) + rule.counts.get("talked", 0))
        for rule in rules
    )


def _counts(rules: Sequence[UseRule]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for rule in rules:
        for name, count in rule.counts.items():
            counts[name] = max(counts.get(name, 0), count)
    return counts


def _source_sentence(rule: UseRule, source: UseSource, now: datetime) -> str:
    port = "" if source.port is None else f" on port {source.port}"
    did = "worked" if source.source_class is SourceClass.WORKING else "talked"
    also = f"; also admitted by {', '.join(source.also_admitted_by)}" if source.also_admitted_by else ""
    return (
        f"{source.source} {did} through {rule.text}{port}: {counted(source.connections, 'connection')}, "
        f"{counted(source.packets, 'packet')}, {source.bytes:,} bytes, first {_when(source.first, now)}, "
        f"last {_when(source.last, now)}{also}."
    )


def _when(time: datetime, now: datetime) -> str:
    """A time as people say it, in UTC: `today 18:02`, `yesterday 18:02`, `2026-11-20 18:02`."""
    time = time.astimezone(UTC)
    days = (now.astimezone(UTC).date() - time.date()).days
    day = {0: "today", 1: "yesterday"}.get(days, f"{time:%Y-%m-%d}")
    return f"{day} {time:%H:%M}"


def _days(use: Use) -> str:
    period = use.until - use.since
    if period >= timedelta(days=1):
        return counted(round(period / timedelta(days=1)), "day")
    return counted(int(period / timedelta(hours=1)), "hour")


def _percent(share: Decimal) -> str:
    """A share in whole percent, never rounded up to all of it.

    >>> _percent(Decimal("0.974")), _percent(Decimal("0.999")), _percent(Decimal(1))
    ('97 %', '99 %', '100 %')
    """
    return f"{int(share * 100)} %"
