"""Formats: plain text and Parquet, columns by name, and what does not fit."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from identification.flow_logs.records import (
    DEFAULT_FORMAT,
    NEEDED,
    Columns,
    FlowRecord,
    FormatError,
    Wanted,
    format_names,
    packed_address,
    parse_line,
    parse_values,
    read_parquet_object,
    read_text_object,
)
from tests.builders.flow_records import InParts

DATA = Path(__file__).parents[2] / "data" / "flow-logs"
LINES: list[dict[str, Any]] = [json.loads(line) for line in (DATA / "lines.jsonl").read_text("utf-8").splitlines()]
# What each line is, where it is not a record of an interface.
USELESS = {"L16", "L17", "L18", "L19", "L20", "L21", "L22", "L23", "L24", "L25", "L50", "L51", "L52", "L57", "L58"}
BAD = {"L49", "L54", "L55", "L64"}


@pytest.mark.parametrize("line", LINES, ids=[line["id"] for line in LINES])
def test_lines_of_every_version(line: dict[str, Any]) -> None:
    names, values = line["format"].split(), line["line"].split()
    if line["id"] in USELESS:
        with pytest.raises(FormatError, match="needed fields are missing"):
            Columns.of(names)
        return
    columns = Columns.of(names)
    if line["id"] in BAD:
        with pytest.raises(ValueError, match=r"values in place of|two families"):
            parse_values(columns, values)
        return
    record = parse_values(columns, values)
    notified = dict(zip(names, values, strict=True))
    assert record.interface_id == notified["interface-id"]
    assert record.log_status == notified["log-status"]
    if record.log_status == "OK":
        assert record.srcaddr == packed_address(notified["srcaddr"])
        assert (record.packets, record.bytes) == (int(notified["packets"]), int(notified["bytes"]))
        assert (record.dstport, record.action) == (int(notified["dstport"]), notified["action"])


def test_milliseconds_of_old_skipped_records_are_seconds() -> None:
    (line,) = [line for line in LINES if line["id"] == "L46"]
    record = parse_values(Columns.of(line["format"].split()), line["line"].split())
    assert (record.start, record.end, record.log_status) == (1512564058, 1512564059, "SKIPDATA")


def test_the_useful_fields_are_optional_and_found_by_name() -> None:
    names = ["tcp_flags", "FLOW-DIRECTION", *NEEDED, "pkt-dstaddr", "a-new-one"]
    columns = Columns.of(names)
    values = ["2", "ingress", *GOOD.split(), "10.0.0.9", "x"]
    record = parse_values(columns, values)
    assert (record.tcp_flags, record.flow_direction) == (2, "ingress")
    assert (record.pkt_srcaddr, record.pkt_dstaddr) == (b"", packed_address("10.0.0.9"))
    assert parse_values(Columns.of(NEEDED), GOOD.split()).tcp_flags == 0


@pytest.mark.parametrize("missing", NEEDED)
def test_each_needed_field_is_named_if_it_is_missing(missing: str) -> None:
    with pytest.raises(FormatError, match=f"needed fields are missing: {missing}"):
        Columns.of([name for name in NEEDED if name != missing])


def test_a_format_names_its_fields() -> None:
    assert format_names("${a-b} ${c}") == ["a-b", "c"]
    assert format_names("") == format_names(DEFAULT_FORMAT)
    assert "srcaddr" in format_names("")


GOOD = "eni-1 1.1.1.1 10.0.0.1 5 22 6 1 40 100 160 ACCEPT OK"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1.1.1.1", "1.1.1"),
        ("1.1.1.1", "::1"),
        ("1.1.1.1", "-"),
        (" 5 ", " 65536 "),
        (" 5 ", " -1 "),
        (" 5 ", " five "),
        (" 5 ", " \u0665 "),
        (" 6 ", " 256 "),
        (" 40 ", " 99999999999999999999 "),
        (" 40 ", f" {'9' * 5000} "),
        (" 100 ", " 99999999999999 "),
        ("ACCEPT", "accept"),
        ("ACCEPT", "-"),
        (" OK", " FINE"),
        (" OK", ""),
        (" OK", " OK OK"),
    ],
)
def test_a_line_that_does_not_fit_is_refused(old: str, new: str) -> None:
    columns = Columns.of(NEEDED)
    assert parse_values(columns, GOOD.split()).packets == 1
    with pytest.raises(ValueError):  # noqa: PT011 - each says something else
        parse_values(columns, GOOD.replace(old, new).split())


@pytest.mark.parametrize(
    ("line", "notified"),
    [
        (GOOD.replace(" 40 ", " - ").replace("ACCEPT", "REJECT"), (5, 22, 0)),
        (GOOD.replace(" 5 22 6 ", " - - 47 "), (0, 0, 40)),
        (GOOD.replace(" 5 22 6 ", " 0 0 50 "), (0, 0, 40)),
    ],
    ids=["refused by VPC Block Public Access, of which no bytes are told", "a protocol without ports", "ports of 0"],
)
def test_what_does_not_apply_is_0(line: str, notified: tuple[int, int, int]) -> None:
    record = parse_values(Columns.of(NEEDED), line.split())
    assert (record.srcport, record.dstport, record.bytes) == notified


@pytest.mark.parametrize(("old", "new"), [(" 5 ", " - "), (" 40 ", " - "), (" 1 40 ", " - 40 ")])
def test_what_applies_must_be_there(old: str, new: str) -> None:
    with pytest.raises(ValueError, match="no number"):
        parse_values(Columns.of(NEEDED), GOOD.replace(old, new).split())


class Found:
    """What a reader gave."""

    def __init__(self) -> None:
        self.records: list[FlowRecord] = []
        self.bad: list[Sequence[str]] = []

    def text(self, data: bytes, *ids: str, chunk: int = 1 << 18) -> Found:
        read_text_object(InParts(data, chunk), Wanted(ids or ("eni-1",)), self.records.append, self.bad.append)
        return self


def an_object(*lines: str, header: str = " ".join(NEEDED)) -> bytes:
    return gzip.compress("\n".join([header, *lines, ""]).encode())


@pytest.mark.parametrize("chunk", [1, 7, 1 << 18])
@pytest.mark.parametrize("others", [0, 20], ids=["few interfaces", "many interfaces"])
def test_only_the_wanted_interfaces_are_read(chunk: int, others: int) -> None:
    lines = [GOOD.replace("eni-1", f"eni-{name}") for name in ("1", "12", "2", "1", "x1", "3")]
    ids = ["eni-1", "eni-3", *(f"eni-none{n}" for n in range(others))]
    found = Found().text(an_object(*lines), *ids, chunk=chunk)
    assert [record.interface_id for record in found.records] == ["eni-1", "eni-1", "eni-3"]
    assert found.bad == []


def test_an_id_in_another_column_is_no_record_of_it() -> None:
    header = " ".join([*NEEDED, "next-hop-interface-id"])
    found = Found().text(an_object(f"{GOOD.replace('eni-1', 'eni-2')} eni-1", f"{GOOD} eni-2", header=header))
    assert [record.interface_id for record in found.records] == ["eni-1"]
    assert found.bad == []


def test_lines_that_do_not_fit_are_counted_and_the_others_are_read() -> None:
    found = Found().text(an_object("eni-1 bogus", GOOD, f"{GOOD} more", GOOD.replace("1.1.1.1", "?"), "bogus line"))
    assert (len(found.records), len(found.bad)) == (1, 3)


def test_a_last_line_without_its_end_and_windows_line_ends() -> None:
    data = gzip.compress((" ".join(NEEDED) + "\r\n" + GOOD + "\r\n" + GOOD).encode())
    assert len(Found().text(data).records) == 2


def test_a_file_of_several_members_and_padding() -> None:
    data = an_object(GOOD) + gzip.compress(f"{GOOD}\n".encode()) + b"\0" * 512
    assert len(Found().text(data).records) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"plain text",
        an_object(GOOD)[:-4],
        an_object(GOOD)[:20],
        an_object(GOOD) + b"rubbish",
        gzip.compress(b""),
        an_object(GOOD, header="srcaddr dstaddr"),
        an_object(GOOD, header=GOOD),
        gzip.compress(b"x" * (1 << 22)),
        gzip.compress(" ".join(NEEDED).encode() + b"\n" + b"x" * (1 << 22)),
    ],
    ids=[
        *("nothing", "text", "without its end", "half", "rubbish after it", "empty", "few fields", "no header"),
        *("one long line", "a long line after the header"),
    ],
)
def test_an_object_that_cannot_be_read_as_a_whole(data: bytes) -> None:
    with pytest.raises(FormatError):
        Found().text(data)


def test_a_bomb_of_good_lines_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("identification.flow_logs.records._INFLATED_LIMIT", 1 << 22)
    with pytest.raises(FormatError, match="inflates to more than"):
        Found().text(an_object(*[GOOD.replace("eni-1", "eni-2")] * 200_000))


def test_a_line_that_holds_nothing_wanted_is_not_parsed() -> None:
    columns, wanted = Columns.of(NEEDED), Wanted(["eni-1"])
    assert parse_line(columns, GOOD.replace("eni-1", "eni-2").encode(), wanted) is None


def test_parquet_with_the_types_that_aws_writes() -> None:
    found = Found()
    data = (DATA / "aws-types.log.parquet").read_bytes()
    read_parquet_object(data, Wanted(["eni-00123456789abcdef"]), found.records.append, found.bad.append)
    assert found.bad == []
    assert [(record.srcport, record.tcp_flags, record.flow_direction) for record in found.records[:2]] == [
        (443, 19, "ingress"),
        (50318, 7, "egress"),
    ]
    none = Found()
    read_parquet_object(data, Wanted(["eni-2"]), none.records.append, none.bad.append)
    assert none.records == []


@pytest.mark.parametrize("cut", [0, 4, 1000, -4])
def test_parquet_that_is_damaged(cut: int) -> None:
    data = (DATA / "aws-types.log.parquet").read_bytes()[: cut or None]
    data = data[:100] + b"x" * 50 + data[150:-8] + b"xxxxPAR1" if not cut else data
    with pytest.raises(FormatError, match="no Parquet file"):
        read_parquet_object(data, Wanted(["eni-1"]), list, list)  # type: ignore[arg-type]


def test_parquet_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FormatError, match="needs the extra parquet: pip install pyarrow"):
        read_parquet_object(b"", Wanted(["eni-1"]), list, list)  # type: ignore[arg-type]
