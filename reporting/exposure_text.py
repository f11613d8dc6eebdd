"""What is open in a group, in words: the exposures of an issue, their ports and their share of the Internet.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from library.documents.document import Table
from library.network.addresses import INTERNET, PUBLIC, AddressSet, parse_network
from library.network.intervals import IntervalSet
from library.network.ports import HIGHEST_PORT, PortSet, port_range, protocol_name
from library.security_groups.exposure import Exposure

_SERVICES = {
    20: "FTP",
    21: "FTP",
    22: "SSH",
    23: "Telnet",
    25: "SMTP",
    53: "DNS",
    110: "POP3",
    111: "RPC",
    135: "Windows RPC",
    137: "NetBIOS",
    138: "NetBIOS",
    139: "NetBIOS",
    143: "IMAP",
    161: "SNMP",
    389: "LDAP",
    445: "SMB",
    1433: "SQL Server",
    1434: "SQL Server",
    1521: "Oracle",
    2049: "NFS",
    2375: "Docker",
    2376: "Docker",
    3306: "MySQL",
    3389: "Remote Desktop",
    5432: "PostgreSQL",
    5601: "Kibana",
    5900: "VNC",
    5985: "WinRM",
    5986: "WinRM",
    6379: "Redis",
    9200: "Elasticsearch",
    9300: "Elasticsearch",
    11211: "Memcached",
    27017: "MongoDB",
}


@lru_cache(maxsize=1024)
def told_line(perm: Exposure) -> str:
    """One exposure on one line: how a ticket's item remembers what it was told.

    >>> told_line(Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely"))
    'tcp 22 from 0.0.0.0/0, open completely'
    """
    through = f" through {perm.prefix_list_id}" if perm.prefix_list_id else ""
    return f"{_traffic(perm)} from {perm.cidr}{through}, {_reach(perm)}"


def exposure_table(perms: Iterable[Exposure]) -> Table:
    """A row for each rule and source."""
    return Table(
        ("Protocol", "Ports", "Source", "Share of the Internet", "Status"),
        tuple(
            (
                protocol_cell(perm),
                ports_cell(perm),
                f"{perm.cidr} in {perm.prefix_list_id}" if perm.prefix_list_id else perm.cidr,
                share(perm.cidr),
                _reach(perm),
            )
            for perm in perms
        ),
    )


def restricted_ports(perms: Iterable[Exposure], restricted: PortSet) -> list[str]:
    """The restricted ports that rules expose, with the service that is usually there.

    >>> restricted_ports([Exposure("tcp", 0, 1024, "0.0.0.0/0", "open_completely")], PortSet.parse([22, "udp/53"]))
    ['tcp 22 (SSH)']
    """
    reached: dict[str, IntervalSet] = {}
    names: set[str] = set()
    for perm in perms:
        protocol = protocol_name(perm.protocol)
        if protocol in ("tcp", "udp"):
            first, last = perm.from_port or 0, HIGHEST_PORT if perm.to_port is None else perm.to_port
            ports = restricted.protocol(protocol) & IntervalSet(((first, last),))
            reached[protocol] = reached.get(protocol, IntervalSet()) | ports
        else:
            names.add("every protocol and port" if protocol == "-1" else f"protocol {protocol}")
    listed = []
    for protocol in sorted(reached):
        for first, last in reached[protocol].spans:
            service = f" ({_SERVICES[first]})" if first == last and first in _SERVICES else ""
            listed.append(f"{protocol} {port_range(first, last)}{service}")
    return sorted(names) + listed


def share(cidr: str) -> str:
    """How much of the Internet's addresses a source is.

    >>> share("0.0.0.0/0"), share("128.0.0.0/1"), share("8.8.8.0/24"), share("2a00::1/128")
    ('all of IPv4', '43 % of IPv4', '256 addresses', '1 address')
    """
    network = parse_network(cidr)
    own = AddressSet.of([network])
    public, internet = PUBLIC.family(network.version), INTERNET.family(network.version)
    if own.family(network.version).covers(internet):
        return f"all of IPv{network.version}"
    count = _size(own.family(network.version) & public)
    percent = 100 * _size(own.family(network.version) & internet) / _size(internet)
    if percent >= 1:
        return f"{percent:.0f} % of IPv{network.version}"
    if count > 2**32:
        return f"less than 1 % of IPv{network.version}"
    return f"{count:,} address{'' if count == 1 else 'es'}"


def _size(numbers: IntervalSet) -> int:
    return sum(last - first + 1 for first, last in numbers.spans)


def protocol_cell(perm: Exposure) -> str:
    """A rule's protocol: its name or number, or `all`."""
    name = protocol_name(perm.protocol)
    return "all" if name == "-1" else name


def ports_cell(perm: Exposure) -> str:
    """A rule's ports: one, a range, or `all`."""
    if perm.from_port is None or perm.to_port is None:
        return "all"
    return "all" if (perm.from_port, perm.to_port) == (0, HIGHEST_PORT) else port_range(perm.from_port, perm.to_port)


def _traffic(perm: Exposure) -> str:
    return "all traffic" if protocol_cell(perm) == "all" else f"{protocol_cell(perm)} {ports_cell(perm)}"


def _reach(perm: Exposure) -> str:
    return perm.status.replace("_", " ")
