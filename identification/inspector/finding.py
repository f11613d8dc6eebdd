"""An Amazon Inspector finding as a value, whichever version of Inspector reported it.

Pure. What cannot be understood is kept as a reason in `Finding.problems`, and a finding that has any is never filtered.
From the top: single fields, as both versions share them; Classic
(https://docs.aws.amazon.com/inspector/v1/APIReference/API_Finding.html: ports and path are in the attributes); v2
(https://docs.aws.amazon.com/inspector/v2/APIReference/API_Finding.html, in the `detail` of an EventBridge event, whose
times differ from the API's).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from library.network.intervals import EMPTY, IntervalSet, Span
from library.network.ports import HIGHEST_PORT, PortSet

_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)+")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EVENT_TIME = re.compile(
    r"[A-Z][a-z]{2} (?P<month>[A-Z][a-z]{2}) (?P<day>[0-9]{2}) "
    r"(?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?) UTC (?P<year>[0-9]{4})"
)
# Java's short form for the United States, which events had before. Between time and AM or PM, and before the zone,
# stands a space or, since Java 20 (CLDR 42), a narrow no-break space; Java 8 has no comma after the year.
_SHORT_TIME = re.compile(
    r"(?P<month>[A-Z][a-z]{2})[a-z]*\.?\s+(?P<day>[0-9]{1,2}),\s*(?P<year>[0-9]{4}),?\s+"
    r"(?P<hour>[0-9]{1,2}):(?P<rest>[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?)\s*(?P<half>[AaPp])\.?[Mm]\.?(\s+(UTC|GMT|Z))?"
)
_EPOCH = re.compile(r"[0-9]{9,14}(\.[0-9]{1,9})?")
_FIRST_MILLISECONDS = 10**11  # as seconds, the year 5138; as milliseconds, 1973


def read_ports(protocol: object, spans: IntervalSet, problems: list[str]) -> PortSet:
    """These ports of the protocol that a finding names, `TCP` or `UDP`."""
    name = protocol.upper() if isinstance(protocol, str) else ""
    if name not in ("TCP", "UDP"):
        problems.append(f"its protocol is not TCP or UDP: {protocol!r:.100}")
        return PortSet()
    return PortSet(tcp=spans) if name == "TCP" else PortSet(EMPTY, spans)


def read_arn(value: object, problems: list[str]) -> tuple[str, str, str]:
    """A finding's ARN with its account and region."""
    text = read_text(value)
    match = ARN.fullmatch(text)
    if match is None:
        problems.append(f"its ARN is none: {value!r:.200}")
        return text, "", ""
    return text, match["account"], match["region"]


def read_account(value: object, others: Iterable[object], problems: list[str]) -> str:
    """The account that a finding names, else the first of `others` that is one."""
    if isinstance(value, str) and _ACCOUNT.fullmatch(value):
        return value
    problems.append(f"its account is none: {value!r:.100}")
    return next((other for other in others if isinstance(other, str) and _ACCOUNT.fullmatch(other)), "")


def read_region(values: Iterable[object], problems: list[str]) -> str:
    """The first of these values that is a region."""
    for value in values:
        if isinstance(value, str) and _REGION.fullmatch(value):
            return value
    problems.append("it does not say its region")
    return ""


def read_status(value: object, problems: list[str]) -> FindingStatus:
    """The status of a finding; `ACTIVE` where it is unknown, so that the finding is not lost."""
    if isinstance(value, str) and value in FindingStatus.__members__:
        return FindingStatus[value]
    problems.append(f"its status is unknown: {value!r:.100}")
    return FindingStatus.ACTIVE


def read_text(value: object) -> str:
    """A text; empty for anything else."""
    return value if isinstance(value, str) else ""


def read_time(value: object) -> datetime | None:
    """A time in UTC, from whatever form Inspector has been seen to write.

    These are: today's events (`Thu Sep 05 13:06:56.334 UTC 2024`), older events (`Jun 18, 2024, 12:27:04 AM`, in which
    any space may be a no-break one), ISO 8601, seconds or milliseconds since 1970 as a number or as its digits, and a
    datetime of the SDK.

    Returns:
        None where it cannot be read. The time only orders the events of one finding, so that is no problem of it.
    """
    try:
        if isinstance(value, str):
            value = _written_time(value.strip())
        elif isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            value = _epoch_time(float(value))
        if not isinstance(value, datetime):
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError, OSError):  # no such day or hour, or none that the calendar has
        return None


def _written_time(text: str) -> datetime:
    """A time that is a text. Raises ValueError and what `_epoch_time` raises."""
    if _EPOCH.fullmatch(text):
        return _epoch_time(float(text))
    match = _EVENT_TIME.fullmatch(text)
    if match and match["month"] in _MONTHS:
        text = f"{_day(match['year'], match['month'], match['day'])}T{match['time']}+00:00"
    match = _SHORT_TIME.fullmatch(text)
    if match and match["month"] in _MONTHS:
        hour = int(match["hour"])
        if not 1 <= hour <= 12:
            raise ValueError(f"a clock of twelve hours has no hour {hour}")
        hour = hour % 12 + (12 if match["half"] in "Pp" else 0)
        text = f"{_day(match['year'], match['month'], match['day'])}T{hour:02}:{match['rest']}+00:00"
    return datetime.fromisoformat(text)


def _day(year: str, month: str, day: str) -> str:
    """A day as ISO 8601 writes it, from the English name of its month."""
    return f"{year}-{_MONTHS.index(month) + 1:02}-{int(day):02}"


def _epoch_time(number: float) -> datetime:
    """Seconds or milliseconds since 1970. Raises ValueError, OverflowError or OSError on what is no time."""
    return datetime.fromtimestamp(number / 1_000 if abs(number) >= _FIRST_MILLISECONDS else number, UTC)


NETWORK_REACHABILITY = "NETWORK_REACHABILITY"
UNKNOWN_TYPE = "UNKNOWN"
OTHER_TYPE = "OTHER"
"""The type of a Classic finding of another rules package: Classic has no types."""

NAME_TAG = "Name"

ARN = re.compile(r"arn:aws[a-z-]*:(?P<service>inspector2?):(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):(?P<place>.+)")
_RUN = re.compile(r"(?P<template>target/[^/]+/template/[^/]+)/run/(?P<run>[^/]+)/")
# What a packet passes that comes straight from an internet gateway.
_DIRECT = ("igw-", "acl-", "sg-", "eni-", "i-", "subnet-", "rtb-", "vpc-")


class FindingStatus(StrEnum):
    """The status that Inspector gives a finding."""

    ACTIVE = "ACTIVE"
    SUPPRESSED = "SUPPRESSED"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. Title, tags and `raw` are untrusted input.

    Attributes:
        service: `"inspector2"`, or `"inspector"` for Classic.
        arn: empty where it could not be read.
        type: v2's type; Classic's are `NETWORK_REACHABILITY` or `OTHER`; `UNKNOWN` where it could not be read.
        account_id: the account of the server, empty where it could not be read.
        server_id: the instance's id.
        vpc_id: the instance's; empty where the finding does not name it.
        tags: the instance's.
        ports: those that are reachable, as far as they could be read.
        path: the ids of what a packet passes, from outside to the instance.
        updated: when Inspector last changed it, in UTC; None where that could not be read.
        problems: what could not be understood, one reason each.
        raw: the finding as it came.
    """

    service: str
    arn: str
    type: str
    status: FindingStatus
    severity: str
    title: str
    account_id: str
    region: str
    server_id: str
    vpc_id: str
    tags: Mapping[str, str]
    ports: PortSet
    path: tuple[str, ...]
    updated: datetime | None
    problems: tuple[str, ...]
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """The value of the instance's Name tag, empty if it has none."""
        return self.tags.get(NAME_TAG, "")

    @property
    def is_about_ports(self) -> bool:
        """Whether it is a network reachability finding, or may be one."""
        return self.type in (NETWORK_REACHABILITY, UNKNOWN_TYPE)

    @property
    def groups(self) -> tuple[str, ...]:
        """The security groups in the path, each once."""
        return tuple(dict.fromkeys(location for location in self.path if location.startswith("sg-")))

    @property
    def interfaces(self) -> tuple[str, ...]:
        """The network interfaces in the path, each once."""
        return tuple(dict.fromkeys(location for location in self.path if location.startswith("eni-")))

    @property
    def comes_straight_from_internet(self) -> bool:
        """Whether the path holds nothing that could forward traffic from elsewhere than the Internet.

        A load balancer, a peering connection or a gateway of another kind can, and so can kinds unknown here.
        """
        return any(location.startswith("igw-") for location in self.path) and all(
            location.startswith(_DIRECT) for location in self.path
        )

    @property
    def id(self) -> str:
        """The ARN without the account, which differs between the member's and the administrator's copy."""
        match = ARN.fullmatch(self.arn)
        return f"{match['service']}:{match['region']}:{match['place']}" if match else self.arn

    @property
    def assessment(self) -> tuple[str, str]:
        """The template and the run that found a Classic finding; empty strings for others.

        Every run reports anew what the run before reported.
        """
        match = _RUN.search(self.arn)
        return (match["template"], match["run"]) if match else ("", "")


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
    arn, account_id, region = read_arn(raw.get("arn"), problems)
    attributes = _pairs(raw.get("attributes"), "attributes", problems)
    title = read_text(raw.get("title"))
    # In doubt it counts as a network finding.
    other = (
        bool(attributes)
        and not problems
        and not any(key in _NETWORK_KEYS for key, _ in attributes)
        and not _NETWORK_WORDS.search(f"{read_text(raw.get('id'))} {title}")
    )
    asset = raw.get("assetAttributes")
    if not isinstance(asset, Mapping):
        problems.append("it has no asset attributes")
        asset = {}
    tags = dict(_pairs(asset.get("tags") or [], "tags", problems))
    server_id = next((value for key, value in attributes if key == "INSTANCE_ID"), "") or read_text(
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
        severity=read_text(raw.get("severity")).upper() or "UNKNOWN",
        title=title,
        account_id=account_id,
        region=region,
        server_id=server_id,
        vpc_id=next((value for key, value in attributes if key == "VPC"), ""),
        tags=tags,
        ports=ports,
        path=() if other else _classic_path(attributes, server_id),
        updated=read_time(raw.get("updatedAt")),
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
            ports |= read_ports(_AGGREGATES[key], spans, problems)
        elif len(protocols) == 1:
            ports |= read_ports(next(iter(protocols)), spans, problems)
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


def parse_v2(event: Mapping[str, Any]) -> Finding:
    """Read an Inspector v2 event about a finding. Never raises: see `Finding.problems`."""
    problems: list[str] = []
    detail = event.get("detail")
    if not isinstance(detail, Mapping):
        problems.append("the event has no detail")
        detail = {}
    arn, arn_account, arn_region = read_arn(detail.get("findingArn"), problems)
    network = detail.get("networkReachabilityDetails")
    type_ = read_text(detail.get("type"))
    if not type_:
        problems.append("it does not say its type")
        type_ = UNKNOWN_TYPE
    elif network is not None:
        type_ = NETWORK_REACHABILITY
    ports = PortSet()
    path: tuple[str, ...] = ()
    server_id, tags, resource_region = _v2_server(detail.get("resources"), problems)
    if type_ == NETWORK_REACHABILITY or network is not None:
        ports, path = _v2_network(network, problems)
    return Finding(
        service="inspector2",
        arn=arn,
        type=type_,
        status=read_status(detail.get("status"), problems),
        severity=read_text(detail.get("severity")) or "UNKNOWN",
        title=read_text(detail.get("title")),
        account_id=read_account(detail.get("awsAccountId"), (arn_account, event.get("account")), problems),
        region=read_region((arn_region, resource_region, event.get("region")), problems),
        server_id=server_id,
        vpc_id=_v2_vpc(detail.get("resources")),
        tags=tags,
        ports=ports,
        path=path,
        updated=read_time(detail.get("updatedAt")),
        problems=tuple(dict.fromkeys(problems)),
        raw=detail or event,
    )


def _v2_server(resources: object, problems: list[str]) -> tuple[str, Mapping[str, str], str]:
    """The id, tags and region of the one resource that a finding is about."""
    if not isinstance(resources, list) or len(resources) != 1 or not isinstance(resources[0], Mapping):
        problems.append("it does not name exactly one resource")
        return "", {}, ""
    resource = resources[0]
    if not read_text(resource.get("id")):
        problems.append("its resource has no id")
    tags = resource.get("tags")
    if tags is None:
        tags = {}
    if not isinstance(tags, Mapping) or not all(isinstance(text, str) for pair in tags.items() for text in pair):
        problems.append("its resource's tags are not texts by key")
        tags = {}
    return read_text(resource.get("id")), dict(tags), read_text(resource.get("region"))


def _v2_vpc(resources: object) -> str:
    """The VPC, which only says where to look: that it is missing is no problem of the finding."""
    value = resources
    for step in (0, "details", "awsEc2Instance", "vpcId"):
        if isinstance(value, list) and step == 0 and value:
            value = value[0]
        elif isinstance(value, Mapping):
            value = value.get(step)
        else:
            return ""
    return read_text(value)


def _v2_network(network: object, problems: list[str]) -> tuple[PortSet, tuple[str, ...]]:
    """The ports and the path of `networkReachabilityDetails`."""
    if not isinstance(network, Mapping):
        problems.append("it has no network reachability details")
        return PortSet(), ()
    ports = PortSet()
    span = network.get("openPortRange")
    first, last = (span.get("begin"), span.get("end")) if isinstance(span, Mapping) else (None, None)
    if type(first) is int and type(last) is int and 0 <= first <= last <= HIGHEST_PORT:
        ports = read_ports(network.get("protocol"), IntervalSet(((first, last),)), problems)
    else:
        problems.append(f"its ports are not a range: {span!r:.100}")
    return ports, _v2_path(network.get("networkPath"), problems)


def _v2_path(network_path: object, problems: list[str]) -> tuple[str, ...]:
    steps = network_path.get("steps") if isinstance(network_path, Mapping) else network_path
    if steps is None:
        return ()
    names: list[str] = []
    for step in steps if isinstance(steps, list) else (steps,):
        name = (
            read_text(step.get("componentId")) or read_text(step.get("componentArn"))
            if isinstance(step, Mapping)
            else ""
        )
        if name:
            names.append(name)
        else:
            problems.append(f"a step of its path is not named: {step!r:.100}")
    return tuple(names)
