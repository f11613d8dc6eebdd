"""All traffic on one axis of whole numbers, so that "which ports of this does that let through" is one intersection.

Pure. First come the TCP ports, then the UDP ports, then every protocol without ports by its number, then the protocols
that have a name only, and last all that nobody names, which only protocol `-1` carries. ICMP has no place: it exposes
nothing.
"""

from __future__ import annotations

from library.network.intervals import EMPTY, IntervalSet
from library.network.ports import HIGHEST_PORT, PortSet, protocol_name

UDP = 1 << 16
WITHOUT_PORTS = 2 << 16
# EC2 knows protocols without ports by number, 0 to 255. A name it may learn one day falls into the last place but one.
_OTHER_NAME = WITHOUT_PORTS + 256
_UNNAMED = WITHOUT_PORTS + 257
EVERYTHING = IntervalSet(((0, _UNNAMED),))
ALL_WITHOUT_PORTS = IntervalSet(((WITHOUT_PORTS, _UNNAMED),))


def traffic_of(protocol: str, from_port: int | None, to_port: int | None) -> IntervalSet:
    """The traffic that a rule of EC2 is about.

    Args:
        protocol: by name or by number; `-1` is everything.
        from_port: the first port, of TCP and UDP; None: 0.
        to_port: the last port, included; None: 65535.
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
    place = WITHOUT_PORTS + min(int(name), 256) if name.isdecimal() else _OTHER_NAME
    return IntervalSet(((place, place),))


def traffic_of_ports(ports: PortSet) -> IntervalSet:
    """The traffic of a set of ports."""
    return ports.tcp | IntervalSet(tuple((first + UDP, last + UDP) for first, last in ports.udp.spans))


def traffic_name(place: int) -> str:
    """What people call a place on the axis: `tcp/22`, `udp/161`, `protocol 50`."""
    if place < WITHOUT_PORTS:
        return f"tcp/{place}" if place < UDP else f"udp/{place - UDP}"
    return f"protocol {place - WITHOUT_PORTS}" if place < _OTHER_NAME else "all traffic"
