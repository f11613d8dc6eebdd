"""Reads a finding from an answer of Amazon Inspector Classic.

Pure. Shape: https://docs.aws.amazon.com/inspector/v1/APIReference/API_Finding.html. The ports and the path of a network
finding are in its attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from identification.inspector import fields
from identification.inspector.finding import NETWORK_REACHABILITY, OTHER_TYPE, Finding, FindingStatus
from library.network.intervals import IntervalSet, Span
from library.network.ports import HIGHEST_PORT, PortSet

# Attributes of a Classic network finding; all others name what the path goes through.
_PORT, _PROTOCOL, _AGGREGATES = "PORT", "PROTOCOL", {"TCP_PORTS": "TCP", "UDP_PORTS": "UDP"}
_NETWORK_KEYS = {_PORT, *_AGGREGATES, "REACHABILITY_TYPE"}
_NOT_IN_PATH = {*_NETWORK_KEYS, _PROTOCOL, "INSTANCE_ID", "PORT_GROUP_NAME", "RULE_TYPE", "VPC"}
_NETWORK_WORDS = re.compile(r"reachab|network exposure|\bports?\b", re.IGNORECASE)

_RANGE = r"[0-9]{1,5}(?: ?- ?[0-9]{1,5})?"
_ENTRY = rf"(?:\[ ?{_RANGE} ?\]|{_RANGE})"
_CLASSIC_LIST = re.compile(rf"\[ ?(?:{_ENTRY}(?: ?, ?{_ENTRY})*)? ?\]|{_RANGE}")


def parse_classic(raw: Mapping[str, Any]) -> Finding:
    """Read one element of `findings` in DescribeFindings' answer. Never raises: see `Finding.problems`."""
    problems: list[str] = []
    arn, account_id, region = fields.read_arn(raw.get("arn"), problems)
    attributes = _pairs(raw.get("attributes"), "attributes", problems)
    title = fields.read_text(raw.get("title"))
    # In doubt it counts as a network finding.
    other = (
        bool(attributes)
        and not problems
        and not any(key in _NETWORK_KEYS for key, _ in attributes)
        and not _NETWORK_WORDS.search(f"{fields.read_text(raw.get('id'))} {title}")
    )
    asset = raw.get("assetAttributes")
    if not isinstance(asset, Mapping):
        problems.append("it has no asset attributes")
        asset = {}
    tags = dict(_pairs(asset.get("tags") or [], "tags", problems))
    server_id = next((value for key, value in attributes if key == "INSTANCE_ID"), "") or fields.read_text(
        asset.get("agentId")
    )
    if not server_id:
        problems.append("it does not name its instance")
    ports = PortSet() if other else _classic_ports(attributes, problems)
    return Finding(
        service="inspector",
        arn=arn,
        type=OTHER_TYPE if other else NETWORK_REACHABILITY,
        status=FindingStatus.ACTIVE,
        severity=fields.read_text(raw.get("severity")).upper() or "UNKNOWN",
        title=title,
        account_id=account_id,
        region=region,
        server_id=server_id,
        vpc_id=next((value for key, value in attributes if key == "VPC"), ""),
        tags=tags,
        ports=ports,
        path=() if other else _classic_path(attributes, server_id),
        updated=fields.read_time(raw.get("updatedAt")),
        problems=tuple(dict.fromkeys(problems)),
        raw=raw,
    )


def _classic_ports(attributes: Sequence[tuple[str, str]], problems: list[str]) -> PortSet:
    """The ports of PORT with PROTOCOL, and of the aggregates TCP_PORTS and UDP_PORTS."""
    ports, named = PortSet(), False
    protocols = {value for key, value in attributes if key == _PROTOCOL}
    for key, value in attributes:
        if key not in (_PORT, *_AGGREGATES):
            continue
        named = True
        try:
            spans = IntervalSet.of(parse_classic_ports(value))
        except ValueError as error:
            problems.append(f"{key}: {error}")
            continue
        if key in _AGGREGATES:
            ports |= fields.read_ports(_AGGREGATES[key], spans, problems)
        elif len(protocols) == 1:
            ports |= fields.read_ports(next(iter(protocols)), spans, problems)
        else:
            problems.append("it has a port, but not one protocol")
    if not named:
        problems.append("it names no ports")
    return ports


def parse_classic_ports(text: str) -> Iterator[Span]:
    """Read a port, a range, or Classic's list of ranges.

    >>> list(parse_classic_ports("[[80 - 80], [443 - 443]]"))
    [(80, 80), (443, 443)]

    Raises:
        ValueError: the text is none of them, or a port is above 65535, or a range ends before it begins.
    """
    text = " ".join(text.split())
    if not _CLASSIC_LIST.fullmatch(text):
        raise ValueError(f"{text!r:.200} is not a list of ports")
    for match in re.finditer(r"([0-9]+)(?: ?- ?([0-9]+))?", text):
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last <= HIGHEST_PORT:
            raise ValueError(f"{match[0]!r} is not a range of ports")
        yield first, last


def _classic_path(attributes: Sequence[tuple[str, str]], server_id: str) -> tuple[str, ...]:
    """Classic names its path's parts in no particular order: gateways first, then as packets pass."""
    order = {"IGW": 0, "ACL": 2, "SECURITY_GROUP": 3, "ENI": 4}
    parts = [(order.get(key, 1), value) for key, value in attributes if key not in _NOT_IN_PATH and value]
    parts.sort(key=lambda part: part[0])
    names = [value for _, value in parts]
    return (*names, server_id) if names and server_id else tuple(names)


def _pairs(listed: object, what: str, problems: list[str]) -> list[tuple[str, str]]:
    """Classic's lists of `{"key": …, "value": …}`."""
    pairs: list[tuple[str, str]] = []
    for entry in listed if isinstance(listed, list) else (None,):
        key, value = (entry.get("key"), entry.get("value")) if isinstance(entry, Mapping) else (None, None)
        if isinstance(key, str) and (isinstance(value, str) or value is None):
            pairs.append((key, value or ""))
        else:
            problems.append(f"its {what} are not a list of keys and values")
    return pairs
