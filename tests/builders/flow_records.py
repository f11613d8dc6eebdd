"""Flow-log records, evidence and cases for tests of use, in few words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

from identification.flow_logs.classify import Read, UsageCase, judge
from identification.flow_logs.evidence import Evidence, Interface
from identification.flow_logs.records import FlowRecord, packed_address
from library.issues.use import Use
from library.network.intervals import IntervalSet
from library.network.ports import traffic_of
from library.security_groups.exposure import Exposure

NOW = datetime(2026, 11, 24, 11, 30, tzinfo=UTC)
ENI, LOCAL, LOCAL_6 = "eni-0aa", "10.0.1.5", "2a01:db8:2::5"
GROUP = "sg-1"


@dataclass(frozen=True)
class Wire:
    """How records of a connection look: what the format tells, and where the connection is."""

    interface: str = ENI
    local: str = LOCAL
    port: int = 22
    peer_port: int = 50_000
    protocol: int = 6
    hours_ago: float = 30
    direction: bool = False


class InParts(BytesIO):
    """An object that gives at most so many bytes at a time, as a network does."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self._most = most

    def readinto(self, buffer: Any, /) -> int:
        return super().readinto(memoryview(buffer)[: self._most])


def at(hours_ago: float) -> int:
    """So many hours before the run, in seconds since 1970."""
    return int((NOW - timedelta(hours=hours_ago)).timestamp())


def record(
    source: str,
    packets: int = 1,
    size: int = 40,
    *,
    incoming: bool = True,
    action: str = "ACCEPT",
    flags: int = 0,
    through: str = "",
    wire: Wire | None = None,
    **changes: Any,
) -> FlowRecord:
    """One record. `through`: the address in the packet itself, of the other side."""
    on = Wire(**(vars(wire) | changes)) if wire else Wire(**changes)
    local = LOCAL_6 if ":" in source and on.local == LOCAL else on.local
    ends = (source, local, on.peer_port, on.port) if incoming else (local, source, on.port, on.peer_port)
    other = packed_address(through) if through else b""
    own = packed_address(local)
    start = at(on.hours_ago)
    return FlowRecord(
        on.interface,
        start,
        start + 60,
        "OK",
        packed_address(ends[0]),
        packed_address(ends[1]),
        ends[2],
        ends[3],
        on.protocol,
        packets,
        packets * size,
        action,
        flags,
        (other if incoming else own) if through else b"",
        (own if incoming else other) if through else b"",
        ("ingress" if incoming else "egress") if on.direction else "",
    )


def talk(source: str, there: int, back: int, size: int = 100, **changes: Any) -> list[FlowRecord]:
    """A connection: so many packets in, so many out."""
    ways = [record(source, there, size, **changes)] if there else []
    return ways + ([record(source, back, size, incoming=False, **changes)] if back else [])


def refused(source: str, *ports: int, **changes: Any) -> list[FlowRecord]:
    """Refused attempts on ports."""
    return [record(source, action="REJECT", port=port, **changes) for port in ports]


def quiet(interface: str = ENI, hours: Iterable[int] = range(14 * 24 + 2), status: str = "NODATA") -> list[FlowRecord]:
    """Records without traffic, one in each hour before the run."""
    return [FlowRecord(interface, at(hour), at(hour) + 60, status) for hour in hours]


def an_interface(interface_id: str = ENI, *groups: str) -> Interface:
    """An interface that is looked at."""
    addresses = frozenset(map(packed_address, (LOCAL, LOCAL_6)))
    return Interface(interface_id, "subnet-1", "vpc-1", addresses, groups or (GROUP,))


def evidence_of(records: Iterable[FlowRecord], rules: Sequence[Exposure]) -> Evidence:
    """The evidence of these records."""
    found = Evidence(IntervalSet.union(traffic_of(rule.protocol, rule.from_port, rule.to_port) for rule in rules))
    for each in records:
        found.add(each, an_interface(each.interface_id), found.number(each.interface_id))
    return found


SSH = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
SSH_6 = Exposure("tcp", 22, 22, "::/0", "open_completely")
EVERYTHING = Exposure("-1", None, None, "0.0.0.0/0", "open_completely")


def use_of(records: Iterable[FlowRecord], *rules: Exposure, **case: Any) -> Use:
    """The use of a group with these rules, which one interface has, by these records."""
    perms = rules or (SSH,)
    listed = list(records)
    attached = case.pop("attached", (an_interface(),))
    interfaces = frozenset({ENI} | {each.interface_id for each in listed})
    reads = case.pop("reads", (Read("fl-1", evidence_of(listed, perms), interfaces),))
    since = case.pop("since", NOW - timedelta(days=14))
    return judge(UsageCase(since, NOW, perms, attached, reads, **case))
