"""What people were told is open in a group, and when: each exposure has a retention period of its own.

Pure. Reporting records it in the issue's item (`exposures_told`) once every enabled channel has told of what is open.
What was open at the first report counts as told at `timestamps.reported`, so that it is not repeated with a time.

An exposure is matched by arithmetic, not by name: it counts as told where the exposures told until then let in all of
its traffic from all of its addresses. So a narrower source, half a port range, or two halves that became one rule were
told with what they came out of. What was told and is not open any more is forgotten at the next report: if it is
opened again later, people are told again, and its period begins anew.

Where the record is missing, as in an item of an older version or of another tool, the exposures that the issue has
count as told at `timestamps.reported`; if a scan has changed them since, those that it found before (`open_at_report`,
identification's).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from library.issues.times import format_time, parse_time
from library.network.addresses import AddressSet, parse_network
from library.network.intervals import IntervalSet, segments
from library.network.ports import protocol_name, traffic_of
from library.security_groups.exposure import Exposure

ENTRIES_LIMIT = 400
"""How many exposures a record lists, of about 40 bytes each. What is beyond counts as told when the record was made."""

_WANTED = -1  # stands for the exposure itself in `segments`, where those that were told have their indexes, 0 and up


class Extent(NamedTuple):
    """What an exposure lets in: traffic, on the axis of `traffic_of`, from addresses."""

    traffic: IntervalSet
    addresses: AddressSet

    @classmethod
    def of(cls, protocol: str, from_port: int | None, to_port: int | None, cidr: str) -> Extent:
        """The extent of a rule and one of its sources. Raises ValueError on what is no CIDR."""
        return cls(traffic_of(protocol, from_port, to_port), AddressSet.of([parse_network(cidr)]))


def extent_of(exposure: Exposure) -> Extent:
    """What an exposure lets in."""
    return Extent.of(exposure.protocol, exposure.from_port, exposure.to_port, exposure.cidr)


def is_within(wanted: Extent, extents: Iterable[Extent]) -> bool:
    """Whether these extents together let in all that one does.

    >>> whole = Extent.of("tcp", 20, 30, "0.0.0.0/0")
    >>> halves = [Extent.of("tcp", 20, 25, "0.0.0.0/0"), Extent.of("-1", None, None, "0.0.0.0/1")]
    >>> is_within(whole, halves), is_within(whole, [*halves, Extent.of("tcp", 26, 99, "128.0.0.0/1")])
    (False, True)
    """
    extents = tuple(extents)
    if wanted in extents:  # as a rule: with hundreds of rules, intersecting each with each takes seconds
        return True
    near = [each for each in extents if each.addresses & wanted.addresses and each.traffic & wanted.traffic]
    if any(each.addresses.covers(wanted.addresses) and each.traffic.covers(wanted.traffic) for each in near):
        return True
    if len(near) < 2:
        return False
    there: set[int] = set()
    # Within a segment of traffic the same extents count.
    for segment in segments([(_WANTED, wanted.traffic), *enumerate(each.traffic for each in near)]):
        there -= set(segment.ended)
        there |= set(segment.begun)
        if _WANTED in there:
            addresses = AddressSet.union(near[number].addresses for number in there if number != _WANTED)
            if not addresses.covers(wanted.addresses):
                return False
    return True


def exposure_text(exposure: Exposure) -> str:
    """An exposure as a record lists it.

    >>> exposure_text(Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely"))
    'tcp 22 22 0.0.0.0/0'
    """
    ports = ("-" if port is None else str(port) for port in (exposure.from_port, exposure.to_port))
    # Other tooling may have written something else than texts: who rewrites the issue must be able to read it.
    return " ".join((protocol_name(str(exposure.protocol)), *ports, str(exposure.cidr)))


def exposure_texts(perms: Iterable[Exposure]) -> tuple[str, ...]:
    """Exposures as a record lists them, each once, at most `ENTRIES_LIMIT`."""
    return tuple(dict.fromkeys(map(exposure_text, perms)))[:ENTRIES_LIMIT]


def _extents(texts: Iterable[str]) -> list[Extent]:
    """What lines of a record let in. One that is none is left out: it tells of nothing."""
    found = []
    for text in texts:
        try:
            protocol, first, last, cidr = text.split(" ")
            found.append(Extent.of(protocol, _port(first), _port(last), cidr))
        except ValueError:
            continue
    return found


def _port(text: str) -> int | None:
    return None if text == "-" else int(text)


@dataclass(frozen=True, slots=True)
class NotifiedExposures:
    """The record: which exposures people were told of, and when.

    Attributes:
        occurrence: of which occurrence of the issue.
        at_report: those that were open when the issue was reported.
        since: those that people were told of later, by the time in ISO 8601.
        unlisted: when people were told of what neither the record nor the issue has room for; None: there was nothing.
    """

    occurrence: int
    at_report: tuple[str, ...] = ()
    since: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unlisted: str | None = None

    def to_item(self) -> dict[str, Any]:
        """The map `exposures_told` of the table."""
        since = {when: list(texts) for when, texts in self.since.items()}
        item = {"occurrence": self.occurrence, "at_report": list(self.at_report), "since": since}
        return item | ({"unlisted": self.unlisted} if self.unlisted else {})

    @classmethod
    def from_item(cls, item: object) -> NotifiedExposures | None:
        """Read the map. None where there is none, or one that is not as it should be."""
        if not isinstance(item, Mapping) or not isinstance(item.get("occurrence"), (int, Decimal)):
            return None
        since, unlisted = item.get("since"), item.get("unlisted")
        try:
            times = {when: _texts(texts) for when, texts in dict(since or {}).items() if parse_time(when)}
            if unlisted is not None and parse_time(unlisted) is None:
                return None
            return cls(int(item["occurrence"]), _texts(item.get("at_report")), times, unlisted)
        except (AttributeError, TypeError, ValueError):
            return None


def _texts(value: object) -> tuple[str, ...]:
    if value is not None and not isinstance(value, (list, tuple)):
        raise TypeError("what should be a list of exposures is no list")
    return tuple(str(text) for text in value or ())


@dataclass(frozen=True, slots=True)
class NotifiedTimes:
    """When people were told of what, ready to be asked about exposures.

    Attributes:
        notified: extents and the time at which they were told, the earliest first.
        otherwise: when they were told of what is not among them; None: they were not.
    """

    notified: tuple[tuple[datetime, tuple[Extent, ...]], ...]
    otherwise: datetime | None = None

    def at(self, exposure: Exposure) -> datetime | None:
        """When people were told of all of an exposure, in UTC; None: they were not."""
        wanted, until_then = extent_of(exposure), list[Extent]()
        for when, extents in self.notified:
            until_then += extents
            if is_within(wanted, until_then):
                return when
        return self.otherwise


def times_of_record(
    record: NotifiedExposures | None, reported: datetime, fallback: Sequence[str] | None
) -> NotifiedTimes:
    """When people were told of the exposures of an issue.

    Without a record of this occurrence, `fallback` is what was open when the issue was reported, as `exposure_text`
    writes it; None: nobody knows, so that everything counts as told.
    """
    if record is None:
        if fallback is None:
            return NotifiedTimes((), reported)
        return NotifiedTimes(((reported, tuple(_extents(fallback))),))
    times: dict[datetime, list[Extent]] = {reported: _extents(record.at_report)}
    for text, texts in record.since.items():
        when = parse_time(text)
        if when is not None:
            times.setdefault(when, []).extend(_extents(texts))
    notified = tuple((when, tuple(times[when])) for when in sorted(times))
    return NotifiedTimes(notified, parse_time(record.unlisted) if record.unlisted else None)


def new_record(
    perms: Sequence[Exposure],
    total: int,
    occurrence: int,
    before: NotifiedTimes | None,
    reported: datetime,
    now: datetime,
) -> NotifiedExposures:
    """The record once every enabled channel has told of what is open.

    `total` is how many exposures there are where the issue has no room for all; 0: `perms` are all. `before` is what
    was recorded before in this occurrence; None: nothing, so that all of it is told now for the first time, with the
    issue itself.
    """
    at_report: list[str] = []
    since: dict[str, list[str]] = {}
    for perm in _listed(perms):
        when = reported if before is None else before.at(perm) or now
        if when <= reported:
            at_report.append(exposure_text(perm))
        else:
            since.setdefault(str(format_time(when)), []).append(exposure_text(perm))
    is_cut = bool(total) or len(set(map(exposure_text, perms))) > ENTRIES_LIMIT
    unlisted = format_time((before.otherwise if before else None) or now) if is_cut else None
    times = {when: tuple(texts) for when, texts in sorted(since.items())}
    return NotifiedExposures(occurrence, tuple(at_report), times, unlisted)


def _listed(perms: Iterable[Exposure]) -> Iterable[Exposure]:
    """Those of which a record has a line."""
    return list({exposure_text(perm): perm for perm in perms}.values())[:ENTRIES_LIMIT]
