"""What is kept of flow-log records: totals by connection and hour, which can be added in any order.

Pure. Records themselves are never kept. A cell holds what one connection showed in one UTC hour (a record belongs to
the hour in which it starts): sums, the earliest and the latest time, and flags. Cells are added by sums, minima, maxima
and unions, so nothing depends on how records came: in which files, in how many runs, in which order. A period is a
range of hours.

Kinds of entries, each with its cells by hour:

- connection: accepted traffic of one interface, protocol, local port, peer and peer's port;
- folded: what is left of connections when there are more than `CONNECTIONS_KEPT`: those that were idle longest are
  added up by interface, protocol, local port and peer, and keep the class that they had;
- refused: refused traffic of a peer to one port of an interface;
- other: that a peer has any other record, and its newest hour alone: what people may want to keep is no block of
  addresses in which somebody else was seen.

Entries are bytes, since there may be very many of them: a key of 7 bytes and the peer's address, and 70 bytes a cell.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import NamedTuple

from identification.flow_logs.records import Address, FlowRecord
from library.network.intervals import EMPTY, IntervalSet
from library.network.ports import UDP, WITHOUT_PORTS

HOUR = 3600
CONNECTIONS_KEPT = 40_000
FOLDED_KEPT = 20_000
REFUSED_KEPT = 40_000
OTHERS_KEPT = 10_000
PORTS_OUTSIDE_KEPT = 8  # three make a source noise
PAYLOAD_ABOVE = {4: 60, 16: 80}  # bytes a packet, by the length of an address: headers and TCP options
WORKING_ABOVE = 51  # packets each way: the upper end of what password guessing shows (SSHCure)
TALKED_FROM = 3

_CONNECTION, _FOLDED, _REFUSED, _OTHER = 0, 1, 2, 3
_KEY = struct.Struct(">BHBHHB")  # kind, interface, protocol, local port, peer's port, length of the address
_CELL = struct.Struct("<IIQQQQIIIQQBB")
_KEY_SIZE, _CELL_SIZE = _KEY.size, _CELL.size
_MOST, _MOST_SHORT = 2**63 - 1, 2**32 - 1
_VERSION = 1
_ICMP = (1, 58)
_IPV6 = 16  # bytes
_TCP, _UDP = 6, 17
_SYN, _ACK = 2, 16

NARROW = "+narrow"
"""After the id of an interface: what it showed before more traffic was looked for, until that is read again."""

THEY_CALLED, WE_CALLED, HIDDEN = 1, 2, 4
RECORDED, SKIPPED = 1, 2
SEEN, ANSWERED, TALKED, WORKING = 1, 2, 3, 4


class Cell(NamedTuple):
    """What an entry showed in one hour.

    Attributes:
        hour: hours since 1970.
        connections: of a folded entry how many it stands for; of a refused one how many records had SYN alone.
        in_packets: accepted ones that came in; so for the next three.
        refused: records that were refused.
        first: the earliest start, in seconds since 1970.
        last: the latest end.
        minutes: of a refused entry, bit by bit in which minutes of the hour its records start.
        busiest: of a folded entry, the packets of the largest connection.
        flags: who called, and whether the address was another one in the packet.
        grade: of a folded entry, the best that a connection was.
    """

    hour: int
    connections: int
    in_packets: int
    in_bytes: int
    out_packets: int
    out_bytes: int
    refused: int
    first: int
    last: int
    minutes: int
    busiest: int
    flags: int
    grade: int


class Contact(NamedTuple):
    """What one peer did on one port of an interface, within a period, where it called.

    Attributes:
        source: its address, packed.
        port: the local port; 0 where the protocol has none.
        axis: the traffic as a number (`library.network.ports`).
        grade: the best of its connections; 0: refused only.
        refused: whether a record was refused.
        busiest: packets of its largest connection.
        hidden: whether the packets named another address.
    """

    interface_id: str
    source: bytes
    protocol: int
    port: int
    axis: int
    grade: int
    refused: bool
    connections: int
    packets: int
    bytes: int
    first: int
    last: int
    busiest: int
    hidden: bool


class RefusedPort(NamedTuple):
    """Refused attempts of one source on one port of an interface.

    Attributes:
        records: how many.
        with_syn: how many of them had SYN and no ACK.
        minutes: the minutes since 1970 in which they start.
        first: the earliest start; `last`: the latest end.
    """

    interface_id: str
    source: bytes
    protocol: int
    port: int
    records: int
    with_syn: int
    minutes: frozenset[int]
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface that is looked at.

    Attributes:
        addresses: its own, packed, by which a record's direction is known.
        prefixes: the prefixes that are delegated to it, as first and last address, packed: pods have such addresses.
        group_ids: the groups that it has.
        attached_at: when it was attached, in seconds since 1970; 0: unknown.
    """

    interface_id: str
    subnet_id: str = ""
    vpc_id: str = ""
    addresses: frozenset[bytes] = frozenset()
    group_ids: tuple[str, ...] = ()
    attached_at: int = 0
    prefixes: tuple[tuple[bytes, bytes], ...] = ()

    def has(self, address: bytes) -> bool:
        """Whether an address is its own."""
        if address in self.addresses:
            return True
        return any(len(first) == len(address) and first <= address <= last for first, last in self.prefixes)

    def is_near(self, address: bytes) -> bool:
        """Whether an IPv6 address is of its /64, and it may have had it; of IPv4 records show the primary one alone."""
        return len(address) == _IPV6 and any(len(own) == _IPV6 and own[:8] == address[:8] for own in self.addresses)


def axis_of(protocol: int, port: int) -> int:
    """The place of traffic on the axis of `library.network.ports`."""
    if protocol == _TCP:
        return port
    return UDP + port if protocol == _UDP else WITHOUT_PORTS + protocol


def grade_of(protocol: int, address_size: int, in_packets: int, in_bytes: int, out_packets: int, out_bytes: int) -> int:
    """How far a connection came, by its totals."""
    above = PAYLOAD_ABOVE[address_size]
    has_payload = in_bytes > above * in_packets or out_bytes > above * out_packets
    least = min(in_packets, out_packets)
    if has_payload and least > WORKING_ABOVE and protocol == _TCP:
        return WORKING
    if has_payload and least >= TALKED_FROM:
        return TALKED
    return ANSWERED if out_packets else SEEN


def called_us(flags: int, local_port: int, peer_port: int) -> bool:
    """Whether the peer opened a connection: by SYN, else by the ports."""
    if flags & THEY_CALLED:
        return True
    return not flags & WE_CALLED and (peer_port >= 1024 or local_port < 1024)


@dataclass(slots=True)
class Evidence:
    """The totals of some interfaces by one flow log.

    Attributes:
        scope: the traffic of which connections are kept (`library.network.ports`).
        interfaces: their ids, in the order of their numbers in the keys.
        entries: cells by key, of the hours in ascending order.
        coverage: by interface's number and hour, four times the number of lines, and whether one was a record and one
            said that records were skipped.
        bad_lines: lines that do not fit, by hour.
        lost: entries that were dropped because there were too many, by their last hour.
        others_lost: the last hour of which other peers were dropped because there were too many; 0: none were.
    """

    scope: IntervalSet = EMPTY
    interfaces: list[str] = field(default_factory=list)
    entries: dict[bytes, bytes] = field(default_factory=dict)
    coverage: dict[tuple[int, int], int] = field(default_factory=dict)
    bad_lines: dict[int, int] = field(default_factory=dict)
    lost: dict[int, int] = field(default_factory=dict)
    others_lost: int = 0
    _numbers: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def blank(self) -> Evidence:
        """Empty evidence of the same scope, in which interfaces have the same numbers."""
        return Evidence(self.scope, self.interfaces)

    def number(self, interface_id: str) -> int:
        """An interface's number in the keys; a new one where it has none."""
        if len(self._numbers) != len(self.interfaces):  # `blank` shares the list
            self._numbers = {name: number for number, name in reversed(list(enumerate(self.interfaces)))}
        if interface_id not in self._numbers:
            self._numbers[interface_id] = len(self.interfaces)
            self.interfaces.append(interface_id)
        return self._numbers[interface_id]

    def add(self, record: FlowRecord, interface: Interface, number: int) -> None:
        """Add a record of an interface, whose number is `number`."""
        hour = record.start // HOUR
        status = SKIPPED if record.log_status == "SKIPDATA" else RECORDED
        self.coverage[number, hour] = (self.coverage.get((number, hour), 0) | status) + 4
        if record.log_status != "OK":
            return
        is_in = _is_ingress(record, interface)
        if is_in is None:
            return
        if is_in:
            peer, in_packet = record.srcaddr, record.pkt_srcaddr
            local_port, peer_port = record.dstport, record.srcport
        else:
            peer, in_packet = record.dstaddr, record.pkt_dstaddr
            local_port, peer_port = record.srcport, record.dstport
        flags = HIDDEN if in_packet and in_packet != peer else 0
        if record.tcp_flags & _SYN:
            flags |= THEY_CALLED if is_in != bool(record.tcp_flags & _ACK) else WE_CALLED
        if record.protocol in _ICMP:
            self._add_other(number, peer, hour)
        elif record.action == "ACCEPT":
            if axis_of(record.protocol, local_port) in self.scope:
                key = _key(_CONNECTION, number, record.protocol, local_port, peer_port, peer)
                counts = (record.packets, record.bytes, 0, 0) if is_in else (0, 0, record.packets, record.bytes)
                cell = Cell(hour, 0, *counts, 0, record.start, record.end, 0, 0, flags, 0)
                self.entries[key] = _with_cell(self.entries.get(key, b""), cell)
            else:
                self._add_other(number, peer, hour)
        elif is_in and called_us(flags, local_port, peer_port) and not self._is_late(record, flags):
            key = _key(_REFUSED, number, record.protocol, local_port, 0, peer)
            minute = 1 << record.start % HOUR // 60
            has_syn = int(bool(flags & THEY_CALLED))
            cell = Cell(hour, has_syn, 0, 0, 0, 0, 1, record.start, record.end, minute, 0, flags, 0)
            self.entries[key] = _with_cell(self.entries.get(key, b""), cell)
        else:
            self._add_other(number, peer, hour)
        if len(self.entries) > 2 * (CONNECTIONS_KEPT + FOLDED_KEPT + REFUSED_KEPT + OTHERS_KEPT):
            self.fold()

    def _is_late(self, record: FlowRecord, flags: int) -> bool:
        """Whether refused packets to a port outside the scope end a connection, and begin none.

        What comes after a connection that we opened is over is refused (Amazon VPC User Guide, "Flow log records").
        """
        has_no_syn = bool(record.tcp_flags) and not flags & THEY_CALLED
        return has_no_syn and record.protocol == _TCP and axis_of(_TCP, record.dstport) not in self.scope

    def _add_other(self, number: int, peer: Address, hour: int) -> None:
        """Note that a peer has a record of which nothing else is kept."""
        key = _key(_OTHER, number, 0, 0, 0, peer)
        known = self.entries.get(key)
        if known is None or _last_hour(known) < hour:
            self.entries[key] = _CELL.pack(hour, *[0] * (len(Cell._fields) - 1))

    def add_bad_line(self, hour: int) -> None:
        """Count a line about one of the interfaces that does not fit."""
        self.bad_lines[hour] = self.bad_lines.get(hour, 0) + 1

    def merge(self, other: Evidence) -> None:
        """Add all of other evidence of the same flow log."""
        numbers = [self.number(interface_id) for interface_id in other.interfaces]
        same = numbers == list(range(len(numbers)))
        for key, cells in other.entries.items():
            mine = key if same else _renumbered(key, numbers)
            known = self.entries.get(mine)
            if known is None:
                self.entries[mine] = cells
            elif key[0] == _OTHER:
                self.entries[mine] = max(known, cells, key=_last_hour)
            else:
                self.entries[mine] = _merged(known, cells)
        for (number, hour), value in other.coverage.items():
            at = numbers[number], hour
            known_value = self.coverage.get(at, 0)
            self.coverage[at] = (known_value | value & 3) + (value & ~3)
        self.others_lost = max(self.others_lost, other.others_lost)
        for mine_by_hour, theirs in ((self.bad_lines, other.bad_lines), (self.lost, other.lost)):
            for hour, count in theirs.items():
                mine_by_hour[hour] = mine_by_hour.get(hour, 0) + count

    def where(self, is_wanted: Callable[[str, int], bool]) -> Evidence:
        """The evidence of some interfaces and hours. Lines that do not fit, and what was lost, are of all of them."""
        names = self.interfaces
        entries: dict[bytes, bytes] = {}
        for key, raw in self.entries.items():
            name = names[_KEY.unpack_from(key)[1]]
            if cells := [_CELL.pack(*cell) for cell in _cells(raw) if is_wanted(name, cell.hour)]:
                entries[key] = b"".join(cells)
        coverage = {at: value for at, value in self.coverage.items() if is_wanted(names[at[0]], at[1])}
        counts = dict(self.bad_lines), dict(self.lost)
        return Evidence(self.scope, list(names), entries, coverage, *counts, self.others_lost)

    def prune(self, first_hour: int) -> None:
        """Take out what is before an hour."""
        for key in list(self.entries):
            cells = self.entries[key]
            at = 0
            while at < len(cells) and int.from_bytes(cells[at : at + 4], "little") < first_hour:
                at += _CELL_SIZE
            if at == len(cells):
                del self.entries[key]
            elif at:
                self.entries[key] = cells[at:]
        self.coverage = {at: value for at, value in self.coverage.items() if at[1] >= first_hour}
        for counts in (self.bad_lines, self.lost):
            for hour in [hour for hour in counts if hour < first_hour]:
                del counts[hour]

    def fold(self, share: float = 1.0) -> None:
        """Bring the number of entries within the bounds; `share` of them where that is still too large to be stored."""
        kinds: tuple[list[tuple[int, bytes]], ...] = ([], [], [], [])  # by number
        for key, cells in self.entries.items():
            kinds[key[0]].append((_last_hour(cells), key))
        self._drop_ports_outside([key for _, key in kinds[_REFUSED]])
        over = len(kinds[_CONNECTION]) - int(CONNECTIONS_KEPT * share)
        if over > 0:
            # A tenth more, so that this is not done for each further connection.
            for _, key in nsmallest(over + CONNECTIONS_KEPT // 10, kinds[_CONNECTION]):
                self._fold_connection(key)
        folded = [
            (self._grade(key), _last_hour(cells), key) for key, cells in self.entries.items() if key[0] == _FOLDED
        ]
        for _, hour, key in nsmallest(len(folded) - int(FOLDED_KEPT * share), folded):
            self._drop(key, hour)
        refused = [(_last_hour(cells), key) for key, cells in self.entries.items() if key[0] == _REFUSED]
        for hour, key in nsmallest(len(refused) - int(REFUSED_KEPT * share), refused):
            self._drop(key, hour)
        self.fold_others(share)

    def fold_others(self, share: float) -> None:
        """Keep of other peers so many only: those that were seen last."""
        others = [(_last_hour(cells), key) for key, cells in self.entries.items() if key[0] == _OTHER]
        for hour, key in nsmallest(len(others) - int(OTHERS_KEPT * share), others):
            del self.entries[key]
            self.others_lost = max(self.others_lost, hour)

    def sum_lines(self) -> None:
        """Count the lines of an hour with one of its interfaces: that of each is not looked at, and needs much room."""
        holders: dict[int, int] = {}
        for (number, hour), value in sorted(self.coverage.items()):
            holder = holders.setdefault(hour, number)
            if holder != number:
                self.coverage[holder, hour] += value & ~3
                self.coverage[number, hour] = value & 3

    def _fold_connection(self, key: bytes) -> None:
        cells = list(_cells(self.entries.pop(key)))
        _, number, protocol, local_port, peer_port, size = _KEY.unpack_from(key)
        flags = 0
        for cell in cells:
            flags |= cell.flags
        if not called_us(flags, local_port, peer_port):
            return
        sums = [sum(column) for column in list(zip(*cells, strict=True))[2:6]]
        grade, packets = grade_of(protocol, size, *sums), min(sums[0] + sums[2], _MOST)
        folded = _key(_FOLDED, number, protocol, local_port, 0, key[_KEY_SIZE:])
        known = self.entries.get(folded, b"")
        for cell in cells:
            is_last = cell is cells[-1]
            known = _with_cell(
                known,
                cell._replace(connections=int(is_last), grade=grade * is_last, busiest=packets * is_last),
            )
        self.entries[folded] = known

    def _grade(self, key: bytes) -> int:
        return max(cell.grade for cell in _cells(self.entries[key]))

    def _drop(self, key: bytes, hour: int) -> None:
        del self.entries[key]
        self.lost[hour] = self.lost.get(hour, 0) + 1

    def _drop_ports_outside(self, refused: Iterable[bytes]) -> None:
        """Keep of the refused ports outside the scope a few for each interface and source: those refused last."""
        outside: dict[tuple[int, bytes], list[tuple[int, bytes]]] = {}
        for key in refused:
            _, number, protocol, local_port, _, _ = _KEY.unpack_from(key)
            if axis_of(protocol, local_port) not in self.scope:
                ports = outside.setdefault((number, key[_KEY_SIZE:]), [])
                ports.append((-_last_hour(self.entries[key]), key))
        for ports in outside.values():
            for _, key in sorted(ports)[PORTS_OUTSIDE_KEPT:]:
                del self.entries[key]

    def contacts(self, first_hour: int, last_hour: int) -> Iterator[Contact]:
        """What each peer that called did on each port, within these hours, both included."""
        found: dict[tuple[int, int, int, bytes], Contact] = {}
        for key, raw in self.entries.items():
            kind, number, protocol, local_port, peer_port, size = _KEY.unpack_from(key)
            if kind == _OTHER:
                continue
            cells = [cell for cell in _cells(raw) if first_hour <= cell.hour <= last_hour]
            if not cells:
                continue
            flags = 0
            for cell in cells:
                flags |= cell.flags
            if kind == _CONNECTION and not called_us(flags, local_port, peer_port):
                continue
            at = number, protocol, local_port, key[_KEY_SIZE:]
            contact = _contact(self.interfaces[number], key, cells, kind, size)
            found[at] = _together(found[at], contact) if at in found else contact
        yield from found.values()

    def peers(self, first_hour: int) -> Iterator[tuple[str, Address]]:
        """Everybody who has any record since an hour, whoever called: interface and address, not each once."""
        for key, raw in self.entries.items():
            if _last_hour(raw) >= first_hour:
                yield self.interfaces[_KEY.unpack_from(key)[1]], key[_KEY_SIZE:]

    def refused_ports(self, first_hour: int, last_hour: int) -> Iterator[RefusedPort]:
        """What was refused within these hours, both included."""
        for key, raw in self.entries.items():
            kind, number, protocol, local_port, _, _ = _KEY.unpack_from(key)
            if kind != _REFUSED:
                continue
            cells = [cell for cell in _cells(raw) if first_hour <= cell.hour <= last_hour]
            if cells:
                yield RefusedPort(
                    self.interfaces[number],
                    key[_KEY_SIZE:],
                    protocol,
                    local_port,
                    sum(cell.refused for cell in cells),
                    sum(cell.connections for cell in cells),
                    frozenset(
                        cell.hour * 60 + minute for cell in cells for minute in range(60) if cell.minutes >> minute & 1
                    ),
                    min(cell.first for cell in cells),
                    max(cell.last for cell in cells),
                )

    def covered_hours(self) -> dict[str, set[int]]:
        """By interface the hours in which it has a record, and none that says that records were skipped."""
        found: dict[str, set[int]] = {}
        for (number, hour), value in self.coverage.items():
            if value & 3 == RECORDED:
                found.setdefault(self.interfaces[number], set()).add(hour)
        return found

    def lines(self, first_hour: int, last_hour: int) -> tuple[int, int]:
        """How many lines were about the interfaces in these hours, and how many of them did not fit."""
        good = sum(value >> 2 for (_, hour), value in self.coverage.items() if first_hour <= hour <= last_hour)
        bad = sum(count for hour, count in self.bad_lines.items() if first_hour <= hour <= last_hour)
        return good + bad, bad

    def lost_in(self, first_hour: int, last_hour: int) -> int:
        """How many entries were dropped that belong to these hours."""
        return sum(count for hour, count in self.lost.items() if first_hour <= hour <= last_hour)

    def to_bytes(self) -> bytes:
        """The evidence as bytes, compressed; the same evidence always gives the same bytes."""
        head = {
            "version": _VERSION,
            "scope": self.scope.spans,
            "interfaces": self.interfaces,
            "coverage": _runs(self.coverage),
            "bad_lines": sorted(self.bad_lines.items()),
            "lost": sorted(self.lost.items()),
            "others_lost": self.others_lost,
        }
        text = json.dumps(head, separators=(",", ":")).encode()
        parts = [struct.pack("<I", len(text)), text]
        for key in sorted(self.entries):
            cells = self.entries[key]
            parts += [struct.pack("<H", len(cells) // _CELL_SIZE), key, cells]
        return zlib.compress(b"".join(parts), 6)

    @classmethod
    def from_bytes(cls, data: bytes) -> Evidence:
        """Read what `to_bytes` gave.

        Raises:
            ValueError: it is not that, or of another version.
        """
        try:
            return cls._read(zlib.decompressobj().decompress(data, 1 << 29))
        except (zlib.error, struct.error, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
            raise ValueError(f"kept evidence cannot be read: {error}") from error

    @classmethod
    def _read(cls, text: bytes) -> Evidence:
        (size,) = struct.unpack_from("<I", text)
        head = json.loads(text[4 : 4 + size])
        if head["version"] != _VERSION:
            raise ValueError(f"kept evidence is of version {head['version']}")
        evidence = cls(
            IntervalSet.of((int(first), int(last)) for first, last in head["scope"]),
            [str(each) for each in head["interfaces"]],
            coverage={
                (int(number), int(first) + at): int(value)
                for number, first, values in head["coverage"]
                for at, value in enumerate(values if isinstance(values, list) else [values])
            },
            bad_lines={int(hour): int(count) for hour, count in head["bad_lines"]},
            lost={int(hour): int(count) for hour, count in head["lost"]},
            others_lost=int(head.get("others_lost") or 0),
        )
        at = 4 + size
        while at < len(text):
            (count,) = struct.unpack_from("<H", text, at)
            kind, number, _, _, _, address_size = _KEY.unpack_from(text, at + 2)
            cells_at = at + 2 + _KEY_SIZE + address_size
            end = cells_at + count * _CELL_SIZE
            is_known = kind <= _OTHER and number < len(evidence.interfaces) and address_size in PAYLOAD_ABOVE
            if not is_known or not count or end > len(text):
                raise ValueError("kept evidence is damaged")
            evidence.entries[text[at + 2 : cells_at]] = text[cells_at:end]
            at = end
        return evidence


def _runs(coverage: Mapping[tuple[int, int], int]) -> list[tuple[int, int, list[int]]]:
    """Coverage as an interface's number, an hour, and the values of this hour and those that follow it."""
    runs: list[tuple[int, int, list[int]]] = []
    for (number, hour), value in sorted(coverage.items()):
        if runs and runs[-1][0] == number and runs[-1][1] + len(runs[-1][2]) == hour:
            runs[-1][2].append(value)
        else:
            runs.append((number, hour, [value]))
    return runs


def _is_ingress(record: FlowRecord, interface: Interface) -> bool | None:
    """A record's direction; None: it is not known."""
    if record.flow_direction:
        return record.flow_direction == "ingress"
    if interface.has(record.dstaddr):
        return True
    if interface.has(record.srcaddr):
        return False
    is_to, is_from = interface.is_near(record.dstaddr), interface.is_near(record.srcaddr)
    return is_to if is_to != is_from else None


def _key(kind: int, number: int, protocol: int, local_port: int, peer_port: int, peer: bytes) -> bytes:
    return _KEY.pack(kind, number, protocol, local_port, peer_port, len(peer)) + peer


def _renumbered(key: bytes, numbers: list[int]) -> bytes:
    kind, number, *rest = _KEY.unpack_from(key)
    return _KEY.pack(kind, numbers[number], *rest) + key[_KEY_SIZE:]


def _cells(raw: bytes) -> Iterator[Cell]:
    return map(Cell._make, _CELL.iter_unpack(raw))


def _last_hour(cells: bytes) -> int:
    return int.from_bytes(cells[-_CELL_SIZE : 4 - _CELL_SIZE], "little")


def _with_cell(raw: bytes, cell: Cell) -> bytes:
    """Cells with one more. Most records are of the newest hour, or of a new one."""
    at = len(raw)
    while at and int.from_bytes(raw[at - _CELL_SIZE : at - _CELL_SIZE + 4], "little") > cell.hour:
        at -= _CELL_SIZE
    if at and int.from_bytes(raw[at - _CELL_SIZE : at - _CELL_SIZE + 4], "little") == cell.hour:
        known = Cell._make(_CELL.unpack_from(raw, at - _CELL_SIZE))
        return raw[: at - _CELL_SIZE] + _CELL.pack(*_added(known, cell)) + raw[at:]
    return raw[:at] + _CELL.pack(*cell) + raw[at:]


def _merged(mine: bytes, theirs: bytes) -> bytes:
    for cell in _cells(theirs):
        mine = _with_cell(mine, cell)
    return mine


def _added(this: Cell, other: Cell) -> Cell:
    """Two cells of one hour together."""
    return Cell(
        this.hour,
        min(this.connections + other.connections, _MOST_SHORT),
        min(this.in_packets + other.in_packets, _MOST),
        min(this.in_bytes + other.in_bytes, _MOST),
        min(this.out_packets + other.out_packets, _MOST),
        min(this.out_bytes + other.out_bytes, _MOST),
        min(this.refused + other.refused, _MOST_SHORT),
        min(this.first, other.first),
        max(this.last, other.last),
        this.minutes | other.minutes,
        max(this.busiest, other.busiest),
        this.flags | other.flags,
        max(this.grade, other.grade),
    )


def _contact(interface_id: str, key: bytes, cells: list[Cell], kind: int, size: int) -> Contact:
    _, _, protocol, local_port, _, _ = _KEY.unpack_from(key)
    in_packets = sum(cell.in_packets for cell in cells)
    in_bytes = sum(cell.in_bytes for cell in cells)
    out_packets = sum(cell.out_packets for cell in cells)
    out_bytes = sum(cell.out_bytes for cell in cells)
    grade, connections, busiest = 0, 0, 0
    if kind == _CONNECTION:
        grade, connections = grade_of(protocol, size, in_packets, in_bytes, out_packets, out_bytes), 1
        busiest = in_packets + out_packets
    elif kind == _FOLDED:
        grade = max(cell.grade for cell in cells) or SEEN
        connections = sum(cell.connections for cell in cells)
        busiest = max(cell.busiest for cell in cells)
    return Contact(
        interface_id,
        key[_KEY_SIZE:],
        protocol,
        local_port,
        axis_of(protocol, local_port),
        grade,
        kind == _REFUSED,
        connections,
        in_packets + out_packets,
        in_bytes + out_bytes,
        min(cell.first for cell in cells),
        max(cell.last for cell in cells),
        busiest,
        any(cell.flags & HIDDEN for cell in cells),
    )


def _together(this: Contact, other: Contact) -> Contact:
    """Two contacts of one peer on one port. Times are those of accepted traffic, where there is any."""
    accepted = [each for each in (this, other) if each.grade] or [this, other]
    return this._replace(
        grade=max(this.grade, other.grade),
        refused=this.refused or other.refused,
        connections=this.connections + other.connections,
        packets=this.packets + other.packets,
        bytes=this.bytes + other.bytes,
        first=min(each.first for each in accepted),
        last=max(each.last for each in accepted),
        busiest=max(this.busiest, other.busiest),
        hidden=this.hidden or other.hidden,
    )
