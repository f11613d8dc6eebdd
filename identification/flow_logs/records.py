"""VPC flow-log records as values: plain text and Parquet, columns found by their names.

Pure, but for `pyarrow`, which is imported where a Parquet object is read. Fields, their meaning and `-` for what does
not apply: Amazon VPC User Guide, "Flow log records". AWS adds fields with each version, and a custom format may have
any of them in any order: only names are looked at, never positions or versions.

The way of an object: `Columns.of` finds the columns in its first line, `Wanted.lines` finds the lines of the wanted
interfaces by searching for their ids in the bytes (most of an object is about others), `parse_line` reads one.
"""

from __future__ import annotations

import gzip
import re
import socket
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BufferedReader, BytesIO
from itertools import chain
from typing import Any, NamedTuple

from library.errors import HammerError

NEEDED = (
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
)
LOG_STATUSES = frozenset({"OK", "NODATA", "SKIPDATA"})
USEFUL = ("tcp-flags", "pkt-srcaddr", "pkt-dstaddr", "flow-direction")
DEFAULT_FORMAT = (
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} "
    "${bytes} ${start} ${end} ${action} ${log-status}"
)
"""The format of a flow log that names none (Amazon VPC User Guide, "Default format")."""

NEEDS_PYARROW = "which needs the extra parquet: pip install pyarrow"
"""What the extra brings, by the name that works from a clone, a wheel and in the environment of pipx alike."""

_MILLISECONDS = 10**11  # in seconds this is the year 5138: old SKIPDATA records have milliseconds
_LATEST = 2**32 - 1
_LONGEST_NUMBER = 19
_LONGEST_LINE = 1 << 16
_BLOCK = 1 << 20
_STORED_BLOCK = 1 << 18
_INFLATED_LIMIT = 2 << 30  # AWS closes a file at 75 MB of compressed text, some 0.8 GB of it
_PARQUET_LIMIT = 256 << 20  # of one row group, inflated: it is in memory at once
_FEW = 8  # so many searches of a block are faster than one with a regular expression
WITH_PORTS = (6, 17)  # TCP, UDP


Address = bytes
"""An IPv4 or IPv6 address, packed into 4 or 16 bytes."""


class FormatError(HammerError):
    """An object, or a flow log, is not of a format that can be read. Its text says why."""


class FlowRecord(NamedTuple):
    """One record of one interface.

    Attributes:
        start: when its first packet came, in seconds since 1970.
        end: when its last packet came.
        log_status: `OK`, `NODATA` or `SKIPDATA`; of the latter two only interface, times and status are set.
        action: `ACCEPT` or `REJECT`.
        tcp_flags: the TCP flags of all packets together; 0: none of them, or unknown.
        pkt_srcaddr: the source in the packet itself; empty: unknown.
        pkt_dstaddr: the destination in the packet itself; empty: unknown.
        flow_direction: `ingress`, `egress`; empty: unknown.
    """

    interface_id: str
    start: int
    end: int
    log_status: str
    srcaddr: Address = b""
    dstaddr: Address = b""
    srcport: int = 0
    dstport: int = 0
    protocol: int = 0
    packets: int = 0
    bytes: int = 0
    action: str = ""
    tcp_flags: int = 0
    pkt_srcaddr: Address = b""
    pkt_dstaddr: Address = b""
    flow_direction: str = ""


@lru_cache(maxsize=1 << 15)
def packed_address(text: str) -> Address:
    """An IPv4 or IPv6 address as its 4 or 16 bytes.

    Raises:
        ValueError: it is none.
    """
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, UnicodeError):
        raise ValueError(f"{text:.60} is no address") from None


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the fields of a format are.

    Attributes:
        count: how many values a record has.
        needed: the positions of `NEEDED`.
        useful: the positions of `USEFUL`; None: the format has no such field.
    """

    count: int
    needed: tuple[int, ...]
    useful: tuple[int | None, ...]

    @classmethod
    def of(cls, names: Sequence[str]) -> Columns:
        """Find the fields by their names; `_` is `-`, as Parquet's columns have it.

        Raises:
            FormatError: a needed field is missing.
        """
        positions = {name.strip().lower().replace("_", "-"): at for at, name in reversed(list(enumerate(names)))}
        if missing := [name for name in NEEDED if name not in positions]:
            raise FormatError(f"needed fields are missing: {', '.join(missing)}")
        return cls(len(names), tuple(positions[name] for name in NEEDED), tuple(map(positions.get, USEFUL)))


def format_names(log_format: str) -> list[str]:
    """The fields that a flow log's `LogFormat` names: `${version} ${account-id} …`; empty: the default format.

    >>> format_names("${srcaddr} ${dstaddr}")
    ['srcaddr', 'dstaddr']
    """
    return re.findall(r"\$\{([^}]*)\}", log_format or DEFAULT_FORMAT)


def parse_values(columns: Columns, values: Sequence[str]) -> FlowRecord:
    """Read the values of one record.

    Raises:
        ValueError: they do not fit the columns, or one of them is not what its field says.
    """
    if len(values) != columns.count:
        raise ValueError(f"{len(values)} values in place of {columns.count}")
    (interface_id, src, dst, srcport, dstport, protocol, packets, size, start, end, action, status) = (
        values[at] for at in columns.needed
    )
    begun, ended = _seconds(start), _seconds(end)
    if status != "OK":
        if status not in LOG_STATUSES:
            raise ValueError(f"{status:.20} is no log-status")
        return FlowRecord(interface_id, begun, ended, status)
    if action not in ("ACCEPT", "REJECT"):
        raise ValueError(f"{action:.20} is no action")
    source, destination = packed_address(src), packed_address(dst)
    if len(source) != len(destination):
        raise ValueError("addresses of two families")
    flags, pkt_src, pkt_dst, direction = ("-" if at is None else values[at] for at in columns.useful)
    number = _number(protocol, 255)
    if number not in WITH_PORTS:
        srcport, dstport = _or_zero(srcport), _or_zero(dstport)
    if action == "REJECT":
        size = _or_zero(size)  # VPC Block Public Access refused it: such a record tells no bytes
    return FlowRecord(
        interface_id,
        begun,
        ended,
        status,
        source,
        destination,
        _number(srcport, 65535),
        _number(dstport, 65535),
        number,
        _number(packets),
        _number(size),
        action,
        0 if flags in ("-", "") else _number(flags, 255),
        _optional_address(pkt_src),
        _optional_address(pkt_dst),
        direction if direction in ("ingress", "egress") else "",
    )


def _number(text: str, most: int = 2**63 - 1) -> int:
    if len(text) > _LONGEST_NUMBER or not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{text:.20} is no number")
    number = int(text)
    if number > most:
        raise ValueError(f"{number} is above {most}")
    return number


def _or_zero(text: str) -> str:
    """The text of a number, where `-` says that it does not apply."""
    return "0" if text == "-" else text


def _seconds(text: str) -> int:
    number = _number(text)
    seconds = number // 1000 if number >= _MILLISECONDS else number
    if seconds > _LATEST:
        raise ValueError(f"{number} is no time")
    return seconds


def _optional_address(text: str) -> bytes:
    return b"" if text in ("-", "") else packed_address(text)


class Wanted:
    """The interfaces whose records are wanted, and the search for them."""

    def __init__(self, interface_ids: Collection[str]) -> None:
        self.ids = frozenset(interface_ids)
        self._encoded = sorted(each.encode() for each in self.ids)
        self._pattern = re.compile(b"|".join(map(re.escape, self._encoded)))

    def lines(self, block: bytes) -> Iterator[bytes]:
        """The lines of a block that hold the text of one of the ids, as a value or as a part of one."""
        for start in sorted(self._line_starts(block)):
            end = block.find(b"\n", start)
            yield block[start : end if end >= 0 else len(block)]

    def _line_starts(self, block: bytes) -> set[int]:
        found: set[int] = set()
        if len(self._encoded) > _FEW:
            at = -1
            for match in self._pattern.finditer(block):
                if match.start() > at:
                    found.add(block.rfind(b"\n", 0, match.start()) + 1)
                    at = block.find(b"\n", match.end())
                    if at < 0:
                        break
            return found
        for encoded in self._encoded:
            at = block.find(encoded)
            while at >= 0:
                found.add(block.rfind(b"\n", 0, at) + 1)
                line_end = block.find(b"\n", at)
                at = block.find(encoded, line_end) if line_end >= 0 else -1
        return found


def parse_line(columns: Columns, line: bytes, wanted: Wanted) -> FlowRecord | None:
    """Read one line that holds the text of a wanted interface's id.

    Returns:
        The record; None where it is about another interface: the id is a next hop's, say, or the beginning of another.

    Raises:
        ValueError: the line does not fit.
    """
    values = line.decode("ascii", "replace").split()
    if len(values) == columns.count:
        if values[columns.needed[0]] not in wanted.ids:
            return None
    elif wanted.ids.isdisjoint(values):
        return None
    return parse_values(columns, values)


OnRecord = Callable[[FlowRecord], None]
OnBadLine = Callable[[Sequence[str]], None]


def read_text_object(data: Any, wanted: Wanted, on_record: OnRecord, on_bad_line: OnBadLine) -> None:
    """Read a gzip-compressed plain-text object: a line with the names of the fields, then the records.

    Args:
        data: the object's bytes, as a file that is read from its beginning.
        wanted: whose records are wanted.
        on_record: called for each of them.
        on_bad_line: called with the values of each line about a wanted interface that does not fit.

    Raises:
        FormatError: it is no gzip, or not whole, has no line of names or not the needed ones, or is much larger than
            any that AWS writes. What was given to `on_record` before is then not all there is.
    """
    blocks = _blocks(data)
    first = next(blocks, b"")
    header, _, rest = first.partition(b"\n")
    columns = Columns.of(header.decode("ascii", "replace").split())
    for block in chain([rest], blocks):
        for line in wanted.lines(block):
            try:
                record = parse_line(columns, line, wanted)
            except ValueError:
                on_bad_line(line.decode("ascii", "replace").split())
                continue
            if record is not None:
                on_record(record)


def _blocks(data: Any) -> Iterator[bytes]:
    """The text of a gzip file, which may have several members, in blocks of whole lines and of bounded size.

    Raises:
        FormatError: it is no gzip, or not whole, or has more than any object of a flow log, or longer lines.
    """
    total = 0
    try:
        with gzip.GzipFile(fileobj=BufferedReader(data, _STORED_BLOCK)) as text:
            while block := text.read(_BLOCK):
                begun = len(block) - block.rfind(b"\n") - 1  # bytes of a line that goes on after the block
                rest = text.readline(_LONGEST_LINE + 1) if begun else b""
                if begun + len(rest) > _LONGEST_LINE:
                    raise FormatError("it has a line that is longer than any of a flow log")
                total += len(block) + len(rest)
                if total > _INFLATED_LIMIT:
                    limit = f"{_INFLATED_LIMIT >> 30} GiB"
                    raise FormatError(f"it inflates to more than {limit}: no flow log's object does")
                yield block + rest
    except EOFError:
        raise FormatError("it is not whole: the end of the gzip file is missing") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(f"it is no gzip file, or a damaged one: {error}") from error


def parquet_is_installed() -> bool:
    """Whether the extra `parquet` is there."""
    from importlib.util import find_spec  # noqa: PLC0415 - asked where a Parquet object is met

    return find_spec("pyarrow") is not None


def read_parquet_object(data: bytes, wanted: Wanted, on_record: OnRecord, on_bad_line: OnBadLine) -> None:
    """Read a Parquet object as AWS writes it: flat, names with underscores, numbers as numbers, null or `-` for none.

    Args as `read_text_object`, but for the object's bytes, which are read as a whole.

    Raises:
        FormatError: as `read_text_object`, and where the extra `parquet` is not installed.
    """
    try:
        import pyarrow  # noqa: PLC0415 - the extra
        import pyarrow.compute  # noqa: PLC0415
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError:
        raise FormatError(f"it is Parquet, {NEEDS_PYARROW}") from None
    try:
        file = pyarrow.parquet.ParquetFile(BytesIO(data))
        names = list(file.schema_arrow.names)
        columns = Columns.of(names)
        positions = [*columns.needed, *(at for at in columns.useful if at is not None)]
        kept = [names[at] for at in positions]
        narrow = Columns.of(kept)
        for group in range(file.num_row_groups):
            if file.metadata.row_group(group).total_byte_size > _PARQUET_LIMIT:
                raise FormatError(f"a row group inflates to more than {_PARQUET_LIMIT >> 20} MiB")
        ids = pyarrow.array(sorted(wanted.ids), pyarrow.string())
        for batch in file.iter_batches(batch_size=1 << 16, columns=kept):
            found = batch.filter(pyarrow.compute.is_in(batch.column(kept[0]).cast(pyarrow.string()), value_set=ids))
            rows = zip(*(found.column(name).to_pylist() for name in kept), strict=True)
            _read_rows(narrow, rows, on_record, on_bad_line)
    except (pyarrow.ArrowException, OSError, MemoryError) as error:
        raise FormatError(f"it is no Parquet file, or a damaged one: {error!s:.120}") from error


def _read_rows(columns: Columns, rows: Iterable[tuple[Any, ...]], on_record: OnRecord, on_bad_line: OnBadLine) -> None:
    for row in rows:
        values = ["-" if value is None else str(value) for value in row]
        try:
            record = parse_values(columns, values)
        except ValueError:
            on_bad_line(values)
        else:
            on_record(record)
