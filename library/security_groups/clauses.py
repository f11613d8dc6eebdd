"""What a group's rules allow, as clauses: these ports, to these addresses. Pure.

A group has one status, the worst of its rules, and most groups mix: SSH from everywhere beside Remote Desktop from one
office. So nothing that people read takes the group's status for its ports. `clauses` walks the group's exposures port
by port, unites the sources of each port, and puts ports with the same sources into one clause. Titles, messages,
findings and pages are all made of these clauses, so that each port is named with those whom the rules let in to it,
and with nobody else.

A clause says what rules *allow*. Whether somebody *can connect* is another question, which the verdict of reachability
answers.

>>> ssh = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
>>> desktop = Exposure("tcp", 3389, 3389, "8.8.8.0/24", "open_partly")
>>> allowed_text(clauses([ssh, desktop], PortSet.parse([22, 3389])))
'SSH (tcp/22) open to the whole Internet, Remote Desktop (tcp/3389) to 8.8.8.0/24 (256 addresses)'
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from library.network.addresses import INTERNET, PUBLIC, AddressSet, Network, parse_network
from library.network.intervals import EMPTY, IntervalSet, segments
from library.network.ports import (
    ALL_WITHOUT_PORTS,
    EVERYTHING,
    HIGHEST_PORT,
    UDP,
    WITHOUT_PORTS,
    WITHOUT_PORTS_NAMES,
    PortSet,
    ports_text,
    traffic_name,
    traffic_of,
    traffic_of_ports,
)
from library.security_groups.exposure import Exposure

SERVICES = {
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
"""The service that is usually at a port (IANA Service Name and Transport Protocol Port Number Registry)."""

ALL_TRAFFIC = "every protocol and port"
_OVER_UDP = frozenset({53, 111, 135, 137, 138, 161, 389, 1434, 2049, 3389, 11211})
"""Those of the services that answer over UDP."""

_REST = "every other protocol and port"
_RANGES_NAMED = 2
_PORTS_NAMED = 4
_PORTS_IN_RANGE = 2
_CLAUSES_NAMED = 3


class Clause(NamedTuple):
    """Ports that are open to the same addresses.

    Attributes:
        traffic: the ports and protocols, on the axis of `library.network.ports`.
        sources: the public addresses that may send it; of the whole IPv4 Internet, IPv6 is left out.
        ports: the same traffic in words, such as `SSH (tcp/22)`, or within the range that is open to the same sources:
            `udp/100-200 (with SNMP, 161)`.
        audience: the same sources in words, such as `the whole Internet`.
    """

    traffic: IntervalSet
    sources: AddressSet
    ports: tuple[str, ...]
    audience: str

    @property
    def is_whole(self) -> bool:
        """Whether every address of the Internet, in one family at least, is let in."""
        return any(self.sources.family(version).covers(INTERNET.family(version)) for version in (4, 6))

    def named_ports(self, most: int = _PORTS_NAMED) -> str:
        """The ports in words, at most so many of them."""
        more = f" and {len(self.ports) - most} more" if len(self.ports) > most else ""
        return f"{', '.join(self.ports[:most])}{more}"


def clauses(perms: Iterable[Exposure], restricted: PortSet) -> tuple[Clause, ...]:
    """What exposures allow, the most addresses first.

    Where no exposure has a restricted port (they were restricted when it was found), all of its ports count.
    """
    rules = [
        (perm, parse_network(perm.cidr), traffic_of(perm.protocol, perm.from_port, perm.to_port)) for perm in perms
    ]
    judged = traffic_of_ports(restricted) | ALL_WITHOUT_PORTS
    if not any(traffic & judged for _, _, traffic in rules):
        judged = EVERYTHING
    active: dict[tuple[Exposure, Network], None] = {}
    by_sources: dict[tuple[Network, ...], tuple[list[tuple[int, int]], list[tuple[int, int]]]] = {}
    for segment in segments(((perm, network), traffic) for perm, network, traffic in rules):
        for item in segment.ended:
            active.pop(item, None)
        for item in segment.begun:
            active[item] = None
        if active:
            networks = tuple(sorted({network for _, network in active}))
            judged_spans, open_spans = by_sources.setdefault(networks, ([], []))
            judged_spans.extend(judged.within(segment.first, segment.last).spans)
            open_spans.append((segment.first, segment.last))
    merged: dict[tuple[AddressSet, str], tuple[list[tuple[int, int]], list[tuple[int, int]]]] = {}
    for networks, (judged_spans, open_spans) in by_sources.items():
        public = AddressSet.of(networks) & PUBLIC
        if public.v4.covers(INTERNET.v4):  # "the whole Internet": a few IPv6 addresses make no clause of their own
            public = AddressSet(INTERNET.v4)
        both = merged.setdefault((public, audience_text(public)), ([], []))
        both[0].extend(judged_spans)
        both[1].extend(open_spans)
    merged = {key: spans for key, spans in merged.items() if spans[0]}
    several = len(merged) > 1
    made: list[Clause] = []
    for (sources, audience), (judged_spans, open_spans) in merged.items():
        traffic, opened = IntervalSet.of(judged_spans), IntervalSet.of(open_spans)
        made.append(Clause(traffic, sources, tuple(traffic_names(traffic, opened, rest=several)), audience))
    return tuple(sorted(made, key=_most_addresses_first))


def _most_addresses_first(clause: Clause) -> tuple[float, float, tuple[tuple[int, int], ...]]:
    return -_share(clause.sources, 4), -_share(clause.sources, 6), clause.traffic.spans


def allowed_text(found: Sequence[Clause]) -> str:
    """What rules allow, on one line, as of something that is: `SSH (tcp/22) open to the whole Internet`.

    Ports and CIDRs only, so it prints as it is.
    """
    return _listed(
        [f"{clause.named_ports()} {'' if n else 'open '}to {clause.audience}" for n, clause in enumerate(found)]
    )


def allowed_sentence(found: Sequence[Clause]) -> str:
    """The same as what follows `allows`: `SSH (tcp/22) from the whole Internet`."""
    return _listed([f"{clause.named_ports()} from {clause.audience}" for clause in found])


def _listed(said: Sequence[str]) -> str:
    more = f", and {len(said) - _CLAUSES_NAMED} more" if len(said) > _CLAUSES_NAMED else ""
    return f"{', '.join(said[:_CLAUSES_NAMED])}{more}" or "nothing"


def traffic_names(traffic: IntervalSet, opened: IntervalSet = EMPTY, *, rest: bool = False) -> list[str]:
    """Traffic in words, each port with the service that is usually there.

    Args:
        traffic: on the axis.
        opened: all that is open beside it to the same sources: a range of that is named as such, with what is in it.
        rest: whether other clauses stand beside: all traffic is then all other traffic.

    >>> traffic_names(traffic_of("tcp", 22, 23) | traffic_of("50", None, None))
    ['tcp/22-23', 'protocol 50 (ESP, IPsec)']
    >>> traffic_names(traffic_of("udp", 161, 161), traffic_of("udp", 100, 200))
    ['udp/100-200 (with SNMP, 161)']
    """
    last = EVERYTHING.spans[-1][1]
    if traffic.meets(last, last):
        return [_REST if rest else ALL_TRAFFIC]
    ranges = _by_kind(traffic | opened)
    return [_range_name(first, last, traffic) for first, last in ranges if traffic.meets(first, last)]


def _by_kind(traffic: IntervalSet) -> list[tuple[int, int]]:
    """The spans, none of which has TCP and UDP ports, or ports and protocols without, at once."""
    kinds = ((0, UDP - 1), (UDP, WITHOUT_PORTS - 1), (WITHOUT_PORTS, EVERYTHING.spans[-1][1]))
    return [span for kind in kinds for span in traffic.within(*kind).spans]


def _range_name(first: int, last: int, traffic: IntervalSet) -> str:
    """A range that is open, with the judged traffic that is in it, where that is not all of it."""
    name, within = _span_name(first, last), traffic.within(first, last).spans
    if name.startswith("every") or within == ((first, last),):
        return name
    named = [_port_in_range(*span) for span in within[:_PORTS_IN_RANGE]]
    more = f"; and {len(within) - len(named)} more" if len(within) > len(named) else ""
    return f"{name} (with {'; '.join(named)}{more})"


def _port_in_range(first: int, last: int) -> str:
    base = UDP if first >= UDP else 0
    ports, service = ports_text(first - base, last - base), _service(first, last)
    return f"{service}, {ports}" if service else ports


def _service(first: int, last: int) -> str:
    """The service at a port of the axis; empty: none is known, or it is a range."""
    port = first % UDP
    return SERVICES.get(port, "") if first == last and (first < UDP or port in _OVER_UDP) else ""


def _span_name(first: int, last: int) -> str:
    if first >= WITHOUT_PORTS:
        if first != last:
            return "protocols without ports"
        known = WITHOUT_PORTS_NAMES.get(first - WITHOUT_PORTS)
        return f"{traffic_name(first)} ({known})" if known else traffic_name(first)
    base = UDP if first >= UDP else 0
    if (first - base, last - base) == (0, HIGHEST_PORT):
        return f"every {'UDP' if base else 'TCP'} port"
    text = f"{'udp' if base else 'tcp'}/{ports_text(first - base, last - base)}"
    service = _service(first, last)
    return f"{service} ({text})" if service else text


def audience_text(sources: AddressSet) -> str:
    """A set of public addresses in words.

    >>> audience_text(AddressSet.parse("8.8.8.8/32")), audience_text(PUBLIC)
    ('8.8.8.8', 'the whole Internet')
    >>> audience_text(AddressSet.parse("128.0.0.0/1")), audience_text(AddressSet.parse("2000::/3", "8.8.8.0/24"))
    ('43 % of IPv4', 'the whole IPv6 Internet and 8.8.8.0/24 (256 addresses)')
    """
    if sources.v4.covers(INTERNET.v4):
        return "the whole Internet"
    v4, v6 = _of_family(sources, 4), _of_family(sources, 6)
    return " and ".join(filter(None, (v6, v4) if sources.v6.covers(INTERNET.v6) else (v4, v6))) or "nobody"


def _of_family(sources: AddressSet, version: int) -> str:
    found = sources.family(version)
    if not found:
        return ""
    if found.covers(INTERNET.family(version)):
        return f"the whole IPv{version} Internet"
    share = _share(sources, version)
    if share >= 0.01:
        return f"{_percent(share)} of IPv{version}"
    networks = _networks(version, found)
    if len(networks) > _RANGES_NAMED:
        return f"{_number(found, version)} in {len(networks)} ranges"
    named = " and ".join(_cidr(network) for network in networks)
    return named if found.size == len(networks) else f"{named} ({_number(found, version)})"


def _number(found: IntervalSet, version: int) -> str:
    if found.size > 2**32:
        return "less than 1 % of IPv6"
    return f"{found.size:,} {'IPv6 ' if version == 6 else ''}address{'' if found.size == 1 else 'es'}"


def _percent(share: float) -> str:
    return "nearly all" if share >= 0.99 else f"{100 * share:.0f} %"


def _share(sources: AddressSet, version: int) -> float:
    internet = INTERNET.family(version)
    return (sources.family(version) & internet).size / internet.size


def _networks(version: int, found: IntervalSet) -> list[Network]:
    """The fewest CIDR blocks that are these addresses; more than are named end the search."""
    networks: list[Network] = []
    for first, last in found.spans:
        while first <= last:
            size = first & -first or 1 << (32 if version == 4 else 128)
            while first + size - 1 > last:
                size >>= 1
            networks.append(Network(version, first, first + size - 1))
            first += size
            if len(networks) > 1000:
                return networks
    return networks


def _cidr(network: Network) -> str:
    text = str(network)
    return text.partition("/")[0] if network.size == 1 else text
