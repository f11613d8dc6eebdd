"""Sets of TCP and UDP ports, the one way that configuration writes them, and all traffic on one axis.

Pure. On the axis "which ports of this does that let through" is one intersection. First come the TCP ports, then the
UDP ports, then every protocol without ports by its number, then the protocols that have a name only, and last all
that nobody names, which only protocol `-1` carries. ICMP is not on it: it exposes nothing.
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

WITHOUT_PORTS_NAMES = {
    2: "IGMP",
    4: "IPv4 in IP",
    41: "IPv6 in IP",
    47: "GRE",
    50: "ESP, IPsec",
    51: "AH, IPsec",
    58: "ICMPv6",
    88: "EIGRP",
    89: "OSPF",
    94: "IP in IP",
    103: "PIM",
    112: "VRRP",
    115: "L2TP",
    132: "SCTP",
    136: "UDP-Lite",
}
"""What people call protocols without ports (IANA, "Assigned Internet Protocol Numbers")."""

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
            f"{protocol}/{ports_text(first, last)}"
            for protocol in ("tcp", "udp")
            for first, last in self.protocol(protocol).spans
        )


def ports_text(first: int, last: int) -> str:
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


UDP = 1 << 16
WITHOUT_PORTS = 2 << 16
# EC2 knows protocols without ports by number, 0 to 255. A new name falls into the last position but one.
_OTHER_NAME = WITHOUT_PORTS + 256
_UNNAMED = WITHOUT_PORTS + 257
EVERYTHING = IntervalSet(((0, _UNNAMED),))
ALL_WITHOUT_PORTS = IntervalSet(((WITHOUT_PORTS, _UNNAMED),))


def traffic_of(protocol: str, from_port: int | None, to_port: int | None) -> IntervalSet:
    """The traffic that a rule of EC2 is about.

    The protocol is a name or a number; `-1` is everything. Of TCP and UDP the ports count, the last one included; None:
    from 0, to 65535.
    """
    name = protocol_name(protocol)
    if name in ("icmp", "icmpv6"):
        return EMPTY
    if name == "-1":
        return EVERYTHING
    if name in ("tcp", "udp"):
        base = 0 if name == "tcp" else UDP
        first, last = from_port or 0, HIGHEST_PORT if to_port is None else to_port
        return IntervalSet(((first + base, last + base),)) if first <= last else EMPTY
    position = WITHOUT_PORTS + min(int(name), 256) if name.isdecimal() else _OTHER_NAME
    return IntervalSet(((position, position),))


def traffic_of_ports(ports: PortSet) -> IntervalSet:
    """The traffic of a set of ports."""
    return ports.tcp | IntervalSet(tuple((first + UDP, last + UDP) for first, last in ports.udp.spans))


def traffic_name(position: int) -> str:
    """What people call a position on the axis: `tcp/22`, `udp/161`, `protocol 50`."""
    if position < WITHOUT_PORTS:
        return f"tcp/{position}" if position < UDP else f"udp/{position - UDP}"
    return f"protocol {position - WITHOUT_PORTS}" if position < _OTHER_NAME else "all traffic"
