"""Networks and sets of IP addresses, and which addresses are public.

Pure. An address is a whole number within its family; a set keeps IPv4 and IPv6 apart.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import NamedTuple

from library.network.intervals import EMPTY, IntervalSet


class Network(NamedTuple):
    """A CIDR block: `version` is 4 or 6, `first` and `last` are its addresses as numbers, both included.

    Prints as the CIDR in its shortest form, host bits cleared.
    """

    version: int
    first: int
    last: int

    @property
    def size(self) -> int:
        """How many addresses the block has."""
        return self.last - self.first + 1

    def covers(self, other: Network) -> bool:
        """Whether every address of `other` is in this block."""
        return self.version == other.version and self.first <= other.first and other.last <= self.last

    def __str__(self) -> str:
        bits = 32 if self.version == 4 else 128
        address = IPv4Address(self.first) if self.version == 4 else IPv6Address(self.first)
        return f"{address}/{bits - (self.size.bit_length() - 1)}"


# The sources of the largest group, 1,000 rules of each family, and of its backup: remediation compares each with each.
@lru_cache(maxsize=4096)
def parse_network(text: str) -> Network:
    """Read a CIDR, or a single address, of either family. Host bits are cleared: they mean their network.

    >>> str(parse_network("192.168.1.0/0"))
    '0.0.0.0/0'

    Raises:
        ValueError: the text is neither.
    """
    address, _, prefix = text.partition("/")
    try:
        # The plain dotted form, nearly every source there is, many times faster than ipaddress.
        number = int.from_bytes(socket.inet_pton(socket.AF_INET, address))
    except (OSError, ValueError):
        if "%" in text:  # an interface of one machine (RFC 4007), which ipaddress reads and drops
            raise ValueError(f"{text!r} is not a CIDR") from None
        network = ip_network(text, strict=False)
        return Network(network.version, int(network.network_address), int(network.broadcast_address))
    if prefix.isascii() and prefix.isdigit() and len(prefix) <= 2 and int(prefix) <= 32:
        host_bits = 32 - int(prefix)
    elif text == address:
        host_bits = 0
    else:
        raise ValueError(f"{text!r} is not a CIDR")
    first = number >> host_bits << host_bits
    return Network(4, first, first + (1 << host_bits) - 1)


@dataclass(frozen=True, slots=True)
class AddressSet:
    """An immutable set of IPv4 and IPv6 addresses, as numbers within their family."""

    v4: IntervalSet = EMPTY
    v6: IntervalSet = EMPTY

    @classmethod
    def of(cls, networks: Iterable[Network]) -> AddressSet:
        """The union of networks."""
        spans: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for network in networks:
            spans[network.version].append((network.first, network.last))
        return cls(IntervalSet.of(spans[4]), IntervalSet.of(spans[6]))

    @classmethod
    def parse(cls, *cidrs: str) -> AddressSet:
        """The union of CIDRs. Raises ValueError if one is not a CIDR."""
        return cls.of(parse_network(cidr) for cidr in cidrs)

    @classmethod
    def union(cls, sets: Iterable[AddressSet]) -> AddressSet:
        """The union of many sets, in one step."""
        listed = list(sets)
        return cls(IntervalSet.union(each.v4 for each in listed), IntervalSet.union(each.v6 for each in listed))

    def family(self, version: int) -> IntervalSet:
        """The members of one family, `version` 4 or 6."""
        return self.v4 if version == 4 else self.v6

    def __bool__(self) -> bool:
        return bool(self.v4) or bool(self.v6)

    def __or__(self, other: AddressSet) -> AddressSet:
        return AddressSet(self.v4 | other.v4, self.v6 | other.v6)

    def __and__(self, other: AddressSet) -> AddressSet:
        return AddressSet(self.v4 & other.v4, self.v6 & other.v6)

    def __sub__(self, other: AddressSet) -> AddressSet:
        return AddressSet(self.v4 - other.v4, self.v6 - other.v6)

    def covers(self, other: AddressSet) -> bool:
        """Whether every member of `other` is a member of this set."""
        return self.v4.covers(other.v4) and self.v6.covers(other.v6)


# The blocks that are not globally reachable unicast: the IANA IPv4 and IPv6 Special-Purpose Address Registries
# (RFC 6890 and its updates), multicast (RFC 5771, RFC 4291) and reserved space (RFC 1112, section 4).
NOT_PUBLIC = AddressSet.parse(
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    "::ffff:0:0/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001:2::/48",
    "2001:10::/28",
    "2001:db8::/32",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
)

PUBLIC = AddressSet.parse("0.0.0.0/0", "::/0") - NOT_PUBLIC
"""Every address that the Internet can reach."""

INTERNET = AddressSet.parse("0.0.0.0/0", "2000::/3") - NOT_PUBLIC
"""What a set of sources must cover, in one family, to be the whole Internet. IPv6 hands out global unicast
addresses from 2000::/3 only (RFC 4291, section 2.4, and the IANA IPv6 address space registry)."""

RFC_1918 = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
"""The private IPv4 ranges that remediation opens instead (RFC 1918, section 3)."""
