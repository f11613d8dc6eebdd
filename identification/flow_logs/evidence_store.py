"""Evidence that is kept between runs: in the issue table, per issue and flow log, bounded.

An item has at most 400 KB (Amazon DynamoDB Developer Guide, "Quotas"), so evidence is cut into parts of `_PART` bytes,
at most `_PARTS` of them. The head item names its parts and their digest; parts are written under the other of two names
before the head is, so that a run that dies leaves the former evidence whole. Items expire by themselves.

Beside the evidence is what was read of the flow log, so that it is read once: objects by a hash of their key, hours of
a log group by their number, each with the interfaces that it was read for.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Any

from identification.flow_logs.evidence import HOUR, NARROW, Evidence
from library.aws.conditional_writes import TIME_TO_LIVE_ATTRIBUTE
from library.network.intervals import IntervalSet

if TYPE_CHECKING:
    from datetime import datetime

    from library.aws.conditional_writes import Items

ITEM_PREFIX = "use-evidence#"
_PART = 350_000
_PARTS = 5
_UNIT_SIZE = 6
_FIRST_SHARE = 1.0
_FEW_OTHERS = 0.01


@dataclass(slots=True)
class Kept:
    """The evidence of one issue and flow log, and what was read for it.

    Attributes:
        units: by unit, the interfaces that it was read for, as bits by their number; 0: it was begun, and has more than
            half of the limit. Of a log group units are hours.
        slot: the name under which the parts are in the table.
        floor: records that start earlier were left out, in seconds since 1970; 0: none were, or it is not known.
    """

    evidence: Evidence
    units: dict[int, int] = field(default_factory=dict)
    slot: str = "b"
    floor: int = 0

    @classmethod
    def empty(cls, scope: IntervalSet) -> Kept:
        """Nothing read yet."""
        return cls(Evidence(scope))

    def unread(self, unit: int, interface_ids: Iterable[str]) -> list[str]:
        """Those of the interfaces for which a unit was not read."""
        bits = self.units.get(unit, 0)
        return [each for each in interface_ids if not bits or not bits >> self.evidence.number(each) & 1]

    def mark(self, unit: int, interface_ids: Iterable[str]) -> None:
        """Record that a unit was read for interfaces."""
        bits = self.units.get(unit, 0)
        for interface_id in interface_ids:
            bits |= 1 << self.evidence.number(interface_id)
        self.units[unit] = bits

    def read_for(self) -> frozenset[tuple[str, int]]:
        """The interfaces and units that were read."""
        return frozenset(
            (name, unit)
            for unit, bits in self.units.items()
            for number, name in enumerate(self.evidence.interfaces)
            if bits >> number & 1
        )

    def hours(self) -> frozenset[tuple[str, int]]:
        """The interfaces and hours of which it shows something."""
        names = [name.removesuffix(NARROW) for name in self.evidence.interfaces]
        return frozenset((names[number], hour) for number, hour in self.evidence.coverage)

    def shown_interfaces(self) -> frozenset[str]:
        """The interfaces of which it shows something."""
        names = self.evidence.interfaces
        return frozenset(names[number].removesuffix(NARROW) for number, _ in self.evidence.coverage)

    def carry(self, former: Kept, read: Collection[tuple[str, int]], shown: Collection[tuple[str, int]]) -> None:
        """Add what was read earlier of a log group, but for the interfaces and hours that were `read` again since.

        `shown` are those of which something is known now. What is to be read again, because more is looked for, is
        kept where the log group has nothing of it any more.
        """

        def is_kept(name: str, hour: int) -> bool:
            at = name.removesuffix(NARROW), hour
            return at not in shown and (at != (name, hour) or at not in read)

        earlier = former.evidence.where(is_kept)
        hours = {hour for _, hour in (*read, *shown)}
        for counts in (earlier.bad_lines, earlier.lost):
            for hour in counts.keys() & hours:
                del counts[hour]
        self.evidence.merge(earlier)
        for name, hour in former.read_for():
            if (name, hour) not in read and (name, hour) not in shown:
                self.mark(hour, [name])

    def is_enough(self, scope: IntervalSet, floor: int) -> bool:
        """Whether what was read had this traffic, since that second.

        The hour in which the last days begin comes to count as a whole when they do: that alone is no lack.
        """
        is_since = floor >= self.floor or floor == self.floor // HOUR * HOUR
        return is_since and self.evidence.scope.covers(scope)

    def widened(self, scope: IntervalSet) -> Kept:
        """It where more is looked for: all is read again, and what it showed has other names until then."""
        shown = self.shown()
        names = [f"{name}{NARROW}" for name in shown.interfaces]
        return Kept(replace(shown, scope=scope, interfaces=names, bad_lines={}, lost={}), {}, self.slot)

    def drop_narrow(self, interface_ids: Iterable[str], left: Mapping[str, Collection[int]]) -> None:
        """Forget what interfaces showed of less traffic, in the hours that were read again.

        Hours that are left to be read count as they did. Of hours that the flow log has no more, who was seen then is
        kept, and they are not covered: all that is looked for now was not.
        """
        names, again = self.evidence.interfaces, {f"{each}{NARROW}": each for each in interface_ids}
        if again.keys().isdisjoint(names):
            return

        def is_left(name: str, hour: int) -> bool:
            return name not in again or hour in left.get(again[name], ())

        shown = {(names[number], hour) for number, hour in self.evidence.coverage}
        self.evidence = self.evidence.where(lambda name, hour: is_left(name, hour) or (again[name], hour) not in shown)
        self.evidence.coverage = {
            (number, hour): value
            for (number, hour), value in self.evidence.coverage.items()
            if is_left(names[number], hour)
        }

    def shown(self) -> Evidence:
        """The evidence by the names of the interfaces. An hour that is read again in part counts as it was before."""
        names = self.evidence.interfaces
        if not any(name.endswith(NARROW) for name in names):
            return self.evidence
        narrow = {(names[number], hour) for number, hour in self.evidence.coverage if names[number].endswith(NARROW)}
        named = self.evidence.where(lambda name, hour: (f"{name}{NARROW}", hour) not in narrow)
        named.interfaces = [name.removesuffix(NARROW) for name in names]
        found = Evidence(self.evidence.scope)
        found.merge(named)
        return found

    def keep_units(self, units: Collection[int]) -> None:
        """Forget what was read but these: the others are not of the period any more."""
        self.units = {unit: bits for unit, bits in self.units.items() if unit in units}

    def compact(self, attached: Collection[str]) -> None:
        """Forget interfaces that are not there any more and have shown nothing that is kept."""
        evidence = self.evidence
        used = {key[2] | key[1] << 8 for key in evidence.entries} | {number for number, _ in evidence.coverage}
        names = [name for number, name in enumerate(evidence.interfaces) if number in used or name in attached]
        if len(names) == len(evidence.interfaces):
            return
        positions = {number: names.index(name) for number, name in enumerate(evidence.interfaces) if name in names}
        fresh = Evidence(
            evidence.scope,
            list(names),
            bad_lines=evidence.bad_lines,
            lost=evidence.lost,
            others_lost=evidence.others_lost,
        )
        fresh.entries = {
            key[:1] + positions[int.from_bytes(key[1:3])].to_bytes(2) + key[3:]: cells
            for key, cells in evidence.entries.items()
        }
        fresh.coverage = {(positions[number], hour): value for (number, hour), value in evidence.coverage.items()}
        self.units = {
            unit: sum(1 << new for old, new in positions.items() if bits >> old & 1)
            for unit, bits in self.units.items()
        }
        self.evidence = fresh

    def to_bytes(self) -> bytes:
        """All of it."""
        by_bits: dict[int, list[int]] = {}
        for unit, bits in sorted(self.units.items()):
            by_bits.setdefault(bits, []).append(unit)
        parts = [
            b"".join([json.dumps([f"{bits:x}", len(units)]).encode(), b"\n", *(u.to_bytes(_UNIT_SIZE) for u in units)])
            for bits, units in by_bits.items()
        ]
        evidence = self.evidence.to_bytes()
        return struct.pack("<I", len(evidence)) + evidence + zlib.compress(b"".join(parts))

    @classmethod
    def from_bytes(cls, data: bytes, slot: str = "b") -> Kept:
        """What `to_bytes` gave. Raises ValueError if it is not that."""
        try:
            (size,) = struct.unpack_from("<I", data)
            evidence = Evidence.from_bytes(data[4 : 4 + size])
            text = zlib.decompressobj().decompress(data[4 + size :], 1 << 26)
            units: dict[int, int] = {}
            while text:
                head, _, text = text.partition(b"\n")
                bits, count = json.loads(head)
                for at in range(0, count * _UNIT_SIZE, _UNIT_SIZE):
                    units[int.from_bytes(text[at : at + _UNIT_SIZE])] = int(bits, 16)
                text = text[count * _UNIT_SIZE :]
        except (struct.error, zlib.error, TypeError, UnicodeError) as error:
            raise ValueError(f"kept evidence cannot be read: {error}") from error
        return cls(evidence, units, slot)


def unit_of(key: str) -> int:
    """The number by which an object is remembered: a hash of its key."""
    return int.from_bytes(blake2b(key.encode(), digest_size=_UNIT_SIZE).digest())


class KeptEvidence:
    """Evidence in one table."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def of_issue(self, account_id: str, issue_id: str) -> dict[str, Kept]:
        """The evidence of an issue by flow log. What cannot be read is left out: it is read from the logs again."""
        prefix = f"{ITEM_PREFIX}{issue_id}#"
        items = {str(item["issue_id"]): item for item in self._items.with_prefix(account_id, prefix)}
        found: dict[str, Kept] = {}
        for item_id, item in items.items():
            flow_log, _, is_part = item_id.removeprefix(prefix).partition("#")
            if not is_part and (kept := _assembled(item_id, item, items)) is not None:
                found[flow_log] = kept
        return found

    def save(self, account_id: str, issue_id: str, flow_log_id: str, kept: Kept, expires: datetime) -> bool:
        """Keep evidence; of too much the connections that were idle longest are added up.

        Returns:
            Whether there was room for it. Where there was none, nothing is written, and it is read again.
        """
        share = _FIRST_SHARE
        kept.evidence.fold(share)
        if len(kept.to_bytes()) > _PART * _PARTS:
            kept.evidence.sum_lines()
        if len(kept.to_bytes()) > _PART * _PARTS:
            kept.evidence.fold_others(_FEW_OTHERS)
        while len(data := kept.to_bytes()) > _PART * _PARTS:
            share /= 2
            if share < 1 / 64:
                return False
            kept.evidence.fold(share)
        head = f"{ITEM_PREFIX}{issue_id}#{flow_log_id}"
        slot = "a" if kept.slot == "b" else "b"
        parts = [data[at : at + _PART] for at in range(0, len(data), _PART)]
        lasting = {TIME_TO_LIVE_ATTRIBUTE: int(expires.timestamp())}
        for number, part in enumerate(parts):
            self._items.update(account_id, f"{head}#{slot}{number}", {"data": part, **lasting})
        sets: dict[str, Any] = {"slot": slot, "parts": len(parts), "digest": sha256(data).digest(), "floor": kept.floor}
        self._items.update(account_id, head, sets | lasting)
        kept.slot = slot
        return True


def _assembled(item_id: str, head: Mapping[str, Any], items: Mapping[str, Mapping[str, Any]]) -> Kept | None:
    try:
        slot, parts = str(head["slot"]), int(head["parts"])
        data = b"".join(bytes(items[f"{item_id}#{slot}{number}"]["data"]) for number in range(parts))
        if sha256(data).digest() != bytes(head["digest"]):
            return None
        return replace(Kept.from_bytes(data, slot), floor=int(head.get("floor") or 0))
    except (KeyError, TypeError, ValueError):
        return None
