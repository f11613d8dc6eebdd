"""Whatever comes from flow logs, DescribeFlowLogs and the table: understood, or refused with the expected error."""

from __future__ import annotations

import gzip
import os
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identification.flow_logs.evidence import Evidence
from identification.flow_logs.evidence_store import Kept
from identification.flow_logs.flow_log import day_prefixes, in_order, parse_flow_log, parse_key
from identification.flow_logs.read import parse_interface
from identification.flow_logs.records import (
    DEFAULT_FORMAT,
    NEEDED,
    USEFUL,
    Columns,
    FormatError,
    Wanted,
    format_names,
    parse_values,
    read_text_object,
)
from library.issues.use import Use, use_sentences
from tests.builders.flow_records import ENI, NOW, SSH, InParts, an_interface, evidence_of, talk, use_of

FUZZED = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
VALUE = st.sampled_from(
    ["-", "", "0", "22", "65536", "-1", "1e9", "9" * 30, "9.9.9.7", "10.0.1.5", "::1", "::ffff:9.9.9.7", "eni-0aa"]
) | st.text(max_size=12)
COLUMNS = Columns.of([*NEEDED, *USEFUL])
GOOD = [
    *("eni-0aa", "9.9.9.7", "10.0.1.5", "50000", "22", "6", "60", "6000", "1795168800", "1795168860"),
    *("ACCEPT", "OK", "2", "9.9.9.7", "10.0.1.5", "ingress"),
]


@FUZZED
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), VALUE), max_size=4))
def test_values(changes: list[tuple[int, str]]) -> None:
    values = GOOD[:]
    for at, value in changes:
        values[at] = value
    with suppress(ValueError):
        evidence = Evidence(evidence_of([], (SSH,)).scope)
        evidence.add(parse_values(COLUMNS, values), an_interface(), evidence.number(ENI))
        assert Evidence.from_bytes(evidence.to_bytes()) == evidence
        list(evidence.contacts(0, 2**31))


@FUZZED
@given(st.binary(max_size=400), st.booleans(), st.integers(1, 50))
def test_objects(data: bytes, with_header: bool, chunk: int) -> None:
    text = (" ".join(NEEDED) + "\n").encode() + data if with_header else data
    for body in (data, gzip.compress(text), gzip.compress(text)[:-5]):
        with suppress(FormatError):
            read_text_object(InParts(body, chunk), Wanted(["eni-0aa"]), lambda _: None, lambda _: None)


@FUZZED
@given(st.text(max_size=60))
def test_formats_and_keys(text: str) -> None:
    format_names(text)
    parse_key(text, "fl-1", "123456789012", "eu-west-1")
    with suppress(FormatError):
        Columns.of(text.split())


JSON = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=5), max_size=2)
NAMES = ("FlowLogId", "FlowLogStatus", "DeliverLogsStatus", "ResourceId", "TrafficType", "LogDestination", "LogFormat")


@FUZZED
@given(st.dictionaries(st.sampled_from([*NAMES, "LogDestinationType", "LogGroupName"]), JSON, max_size=6))
def test_flow_logs(raw: dict[str, Any]) -> None:
    given_raw = {"LogFormat": DEFAULT_FORMAT, "TrafficType": "ALL", "LogDestination": "arn:aws:s3:::b"} | raw
    found = parse_flow_log(given_raw)
    in_order([found])
    day_prefixes(found, "123456789012", "eu-west-1", NOW.date())


@FUZZED
@given(st.dictionaries(st.sampled_from(["Attachment", "PrivateIpAddress", "Groups"]), JSON, max_size=3))
def test_interfaces(raw: dict[str, Any]) -> None:
    with suppress(AttributeError, KeyError, TypeError):
        parse_interface({"NetworkInterfaceId": "eni-1", **raw})


@FUZZED
@given(st.binary(max_size=200), st.integers(0, 400))
def test_kept_evidence(data: bytes, at: int) -> None:
    whole = Kept(evidence_of(talk("9.9.9.7", 60, 60), (SSH,))).to_bytes()
    for text in (data, whole[:at], whole[:at] + data + whole[at + len(data) :]):
        with suppress(ValueError):
            Kept.from_bytes(text)


STORED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=True) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@FUZZED
@given(st.sampled_from(sorted(use_of([]).to_item())), STORED)
def test_use_in_the_table(name: str, value: Any) -> None:
    item = use_of(talk("9.9.9.7", 60, 60)).to_item() | {name: value}
    found = Use.from_item(item)
    if found is not None:
        assert use_sentences(found, NOW)
    Use.from_item(value)
