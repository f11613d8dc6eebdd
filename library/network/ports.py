"""Sets of TCP and UDP ports, and the one way that configuration writes them.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from library.network.intervals import EMPTY, IntervalSet

HIGHEST_PORT = 65535
ALL_PORTS = IntervalSet(((0, HIGHEST_PORT),))

# IANA protocol numbers, as EC2 accepts them beside the names.
PROTOCOL_NAMES = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1"}

_ENTRY = re.compile(r"(?:(?P<protocol>[a-z0-9]+)/)?(?P<first>[0-9]{1,5})(?:\s*-\s*(?P<last>[0-9]{1,5}))?")


def protocol_name(protocol: str) -> str:
    """One name for a protocol that EC2 knows by name or by number: `"6"` is `"tcp"`, `"all"` is `"-1"`."""
    protocol = protocol.lower()
    return PROTOCOL_NAMES.get(protocol, protocol)


@dataclass(frozen=True, slots=True)
class PortSet:
    """An immutable set of TCP ports and UDP ports, each 0 to 65535.

    >>> str(PortSet.parse([22, "udp/161-162"]))
    'tcp/22, udp/22, udp/161-162'
    """

    tcp: IntervalSet = EMPTY
    udp: IntervalSet = EMPTY

    @classmethod
    def parse(cls, entries: Iterable[str | int]) -> PortSet:
        """The union of port entries, each as `parse_ports` reads it."""
        return cls.union(parse_ports(entry) for entry in entries)

    @classmethod
    def union(cls, sets: Iterable[PortSet]) -> PortSet:
        """The union of many sets, in one step."""
        listed = list(sets)
        return cls(IntervalSet.union(each.tcp for each in listed), IntervalSet.union(each.udp for each in listed))

    def protocol(self, name: str) -> IntervalSet:
        """The ports of one protocol, `"tcp"` or `"udp"`."""
        return self.tcp if name == "tcp" else self.udp

    def __bool__(self) -> bool:
        return bool(self.tcp) or bool(self.udp)

    def __or__(self, other: PortSet) -> PortSet:
        return PortSet(self.tcp | other.tcp, self.udp | other.udp)

    def __and__(self, other: PortSet) -> PortSet:
        return PortSet(self.tcp & other.tcp, self.udp & other.udp)

    def __sub__(self, other: PortSet) -> PortSet:
        return PortSet(self.tcp - other.tcp, self.udp - other.udp)

    def __str__(self) -> str:
        return ", ".join(
            f"{protocol}/{port_range(first, last)}"
            for protocol in ("tcp", "udp")
            for first, last in self.protocol(protocol).spans
        )


def port_range(first: int, last: int) -> str:
    """`22`, or `8000-8100`."""
    return str(first) if first == last else f"{first}-{last}"


def parse_ports(entry: str | int) -> PortSet:
    """Read one entry of a list of ports.

    Args:
        entry: a number (`22`, `"22"`) or a range (`"8000-8100"`), of TCP and UDP both; or one protocol's
            (`"udp/161"`, `"tcp/8000-8100"`, and `"17/161"` by number).

    Raises:
        ValueError: anything else, a port above 65535, or a range that ends before it begins.
    """
    match = _ENTRY.fullmatch(str(entry).strip().lower())
    if match is None:
        raise ValueError(f'{entry!r} is not a port: write 22, "8000-8100" or "udp/161"')
    protocol = protocol_name(match["protocol"] or "")
    if protocol not in ("", "tcp", "udp"):
        raise ValueError(f"{entry!r}: only tcp and udp have ports")
    first = int(match["first"])
    last = int(match["last"] or first)
    if max(first, last) > HIGHEST_PORT:
        raise ValueError(f"{entry!r}: ports end at {HIGHEST_PORT}")
    if last < first:
        raise ValueError(f"{entry!r} ends before it begins")
    ports = IntervalSet(((first, last),))
    return PortSet(EMPTY if protocol == "udp" else ports, EMPTY if protocol == "tcp" else ports)
