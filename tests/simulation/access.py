"""What rules let in, as cells of one protocol and port and one address: few enough to list, chosen to tell rules apart.

It shares nothing with the code that it judges.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from ipaddress import ip_address, ip_network

from tests.simulation.ec2 import PREFIX_LISTS, Rule

Cell = tuple[str, int, str]

_PORTS = (("tcp", 21), ("tcp", 22), ("tcp", 443), ("tcp", 3389), ("udp", 22), ("udp", 53), ("50", 0))
_RESTRICTED = {("tcp", 22), ("tcp", 3389), ("udp", 22), ("50", 0)}
_PRIVATE = ("10.1.2.3", "10.200.0.1", "172.16.9.9", "192.168.5.5", "192.168.9.9")
# One in each half that no prefix list of `reconfigured.py` names alone, so that no list completes a half (seed 61368).
_PUBLIC_4 = ("8.8.8.8", "100.1.1.1", "200.1.1.1", "201.1.1.1")
_PUBLIC_6 = ("2600::1", "2a00::1")
_PUBLIC = {*_PUBLIC_4, *_PUBLIC_6}
RESTRICTED_PORTS = [22, 3389]
MORE_PORTS = [22, 443, 3389]
"""The restricted ports, and more of them, in histories where people change them meanwhile."""
EXEMPT_PORT = ("tcp", 22)


def cells_of(protocol: str, first: int | None, last: int | None, source: str) -> frozenset[Cell]:
    """The cells of one rule, now."""
    return _cells_of(protocol, first, last, PREFIX_LISTS.get(source, (source,)))


@cache
def _cells_of(protocol: str, first: int | None, last: int | None, cidrs: tuple[str, ...]) -> frozenset[Cell]:
    networks = [ip_network(cidr) for cidr in cidrs]
    addresses = [text for text in (*_PRIVATE, *_PUBLIC) if any(ip_address(text) in network for network in networks)]
    ports = [
        (name, port)
        for name, port in _PORTS
        if protocol == "-1"
        or (protocol == name and (first is None or last is None or name == "50" or first <= port <= last))
    ]
    return frozenset((name, port, address) for name, port in ports for address in addresses)


def cells(rules: Iterable[Rule]) -> frozenset[Cell]:
    """The cells of several rules."""
    found: frozenset[Cell] = frozenset()
    for each in rules:
        found |= cells_of(each.protocol, each.from_port, each.to_port, each.source)
    return found


def is_private(source: str) -> bool:
    """Whether a rule's source is a private network."""
    return source not in ("0.0.0.0/0", "::/0", *PREFIX_LISTS) and ip_network(source).is_private


def private(found: frozenset[Cell]) -> frozenset[Cell]:
    """Those of private addresses."""
    return frozenset(cell for cell in found if cell[2] in _PRIVATE)


def exposed(found: Iterable[Cell]) -> frozenset[Cell]:
    """Those that let a public address reach a restricted port."""
    return frozenset(cell for cell in found if cell[2] in _PUBLIC and cell[:2] in _RESTRICTED)


def touched(found: Iterable[Cell]) -> frozenset[Cell]:
    """Those that let a public address reach a port that is restricted, or is at times."""
    return frozenset(
        cell for cell in found if cell[2] in _PUBLIC and (cell[:2] in _RESTRICTED or cell[1] in MORE_PORTS)
    )


def completely(found: Iterable[Cell]) -> frozenset[Cell]:
    """Those of restricted ports that all public addresses of a family reach."""
    open_cells = exposed(found)
    return frozenset(
        (protocol, port, address)
        for protocol, port, address in open_cells
        if any(
            address in family and all((protocol, port, other) in open_cells for other in family)
            for family in (_PUBLIC_4, _PUBLIC_6)
        )
    )
