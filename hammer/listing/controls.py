"""Which controls of public frameworks an issue breaks. Pure.

Sources: AWS Security Hub User Guide, "Security Hub controls for Amazon EC2" (EC2.2, EC2.13, EC2.14, EC2.18, EC2.19,
EC2.53, EC2.54: what each checks, its ports, and its related requirements of NIST SP 800-53 Rev. 5 and PCI DSS); CIS
Amazon Web Services Foundations Benchmark, the recommendations on security groups, whose numbers changed with 4.0.1 and
6.0. A control that asks for 0.0.0.0/0 or ::/0 is broken here by any sources that add up to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from library.issues.issue import FindingDetails, IssueDetails
from library.network.intervals import IntervalSet
from library.network.ports import ALL_PORTS, HIGHEST_PORT, PortSet, protocol_name
from library.security_groups.exposure import Exposure

# EC2.19, parameter blockedPorts, which cannot be changed.
_HIGH_RISK_PORTS = PortSet.parse(
    [
        *(20, 21, 22, 23, 25, 110, 135, 143, 445, 1433, 1434, 3000, 3306, 3389, 4333, 5000, 5432, 5500, 5601),
        *(8080, 8088, 8888, 9200, 9300),
    ]
)
_ADMINISTRATION_PORTS = PortSet.parse([22, 3389])
_AUTHORIZED_PORTS = PortSet.parse(["tcp/80", "tcp/443"])  # EC2.18, authorizedTcpPorts, the default

FSBP = "AWS Foundational Security Best Practices v1.0.0"
NIST = "NIST SP 800-53 Rev. 5"
PCI = "PCI DSS v4.0.1"
_CIS = "CIS AWS Foundations Benchmark"
# Recommendations: administration ports from IPv4, from IPv6, and the default group.
_CIS_VERSIONS = (
    (("v1.5.0", "v2.0.0", "v3.0.0"), ("5.2", "5.3", "5.4")),
    (("v4.0.1", "v5.0.0"), ("5.3", "5.4", "5.5")),
    (("v6.0.0", "v7.0.0"), ("6.3", "6.4", "6.5")),
)
# The requirements that EC2.18 is related to; EC2.13 and EC2.19 add the second row.
_BOUNDARY = ("AC-4", "AC-4(21)", "SC-7", "SC-7(4)", "SC-7(5)", "SC-7(11)", "SC-7(16)", "SC-7(21)")
_LEAST_FUNCTIONALITY = "CM-7"


@dataclass(frozen=True, slots=True)
class Control:
    """One control, such as `EC2.13` of FSBP or `SC-7` of NIST SP 800-53."""

    standard: str
    id: str

    @property
    def name(self) -> str:
        """Both, as Security Hub writes related requirements: `CIS AWS Foundations Benchmark v5.0.0/5.3`."""
        return f"{self.standard}/{self.id}"


def controls_broken(details: IssueDetails) -> tuple[Control, ...]:
    """The controls that an exposed group breaks, by framework; of an Inspector finding there are none."""
    if isinstance(details, FindingDetails):
        return ()
    # Of a source only the family counts, so that the groups of an organization share a few answers.
    whole = tuple(
        perm._replace(cidr="::/0" if ":" in perm.cidr else "0.0.0.0/0", prefix_list_id="")
        for perm in details.perms
        if perm.status == "open_completely"
    )
    return _broken(whole, is_default=details.name == "default")


@lru_cache(maxsize=4096)
def _broken(whole: tuple[Exposure, ...], *, is_default: bool) -> tuple[Control, ...]:
    administration = {version for version, ports in _by_family(whole).items() if ports & _ADMINISTRATION_PORTS}
    anywhere = _ports(whole)
    fsbp = [
        ("EC2.2", is_default),
        ("EC2.13", _holds(anywhere, 22)),
        ("EC2.14", _holds(anywhere, 3389)),
        ("EC2.18", bool(anywhere - _AUTHORIZED_PORTS) or any(_without_ports(perm) for perm in whole)),
        ("EC2.19", bool(anywhere & _HIGH_RISK_PORTS)),
        ("EC2.53", 4 in administration),
        ("EC2.54", 6 in administration),
    ]
    broken = [Control(FSBP, control) for control, fails in fsbp if fails]
    broken += _cis(ipv4=4 in administration, ipv6=6 in administration, is_default=is_default)
    least = bool(anywhere & _HIGH_RISK_PORTS)
    broken += [Control(NIST, id_) for id_ in (*_BOUNDARY, *((_LEAST_FUNCTIONALITY,) if least else ()))]
    if administration:
        broken += [Control(NIST, "AC-17")]
    return (*broken, Control(PCI, "1.3.1"))


def _cis(*, ipv4: bool, ipv6: bool, is_default: bool) -> Iterator[Control]:
    for versions, recommendations in _CIS_VERSIONS:
        for version in versions:
            for recommendation, fails in zip(recommendations, (ipv4, ipv6, is_default), strict=True):
                if fails:
                    yield Control(f"{_CIS} {version}", recommendation)


def ports_of(perm: Exposure) -> PortSet:
    """The TCP and UDP ports that a rule lets in; all of them for a rule of protocol `-1`, none for other protocols."""
    protocol = protocol_name(perm.protocol)
    if protocol == "-1":
        return PortSet(ALL_PORTS, ALL_PORTS)
    if protocol not in ("tcp", "udp"):
        return PortSet()
    first, last = perm.from_port or 0, HIGHEST_PORT if perm.to_port is None else perm.to_port
    ports = IntervalSet(((first, last),)) if first <= last else IntervalSet()
    return PortSet(tcp=ports) if protocol == "tcp" else PortSet(udp=ports)


def exposed_ports(perms: Iterable[Exposure], restricted: PortSet) -> tuple[str, ...]:
    """The restricted ports that rules expose, each as the configuration writes it; `all` where one lets everything in.

    >>> exposed_ports([Exposure("tcp", 0, 1024, "0.0.0.0/0", "open_completely")], PortSet.parse([22, "udp/53"]))
    ('tcp/22',)
    """
    traffic = tuple({(perm.protocol, perm.from_port, perm.to_port): None for perm in perms})
    return _exposed_ports(traffic, restricted)


@lru_cache(maxsize=4096)
def _exposed_ports(traffic: tuple[tuple[str, int | None, int | None], ...], restricted: PortSet) -> tuple[str, ...]:
    perms = [Exposure(*each, cidr="", status="open_partly") for each in traffic]
    names = sorted(
        {"all" if protocol_name(p.protocol) == "-1" else f"protocol {p.protocol}" for p in perms if _without_ports(p)}
    )
    exposed = _ports(perm for perm in perms if not _without_ports(perm)) & restricted
    return (*names, *(str(exposed).split(", ") if exposed else ()))


def _without_ports(perm: Exposure) -> bool:
    return protocol_name(perm.protocol) not in ("tcp", "udp")


def _ports(perms: Iterable[Exposure]) -> PortSet:
    ports = PortSet()
    for perm in perms:
        ports |= ports_of(perm)
    return ports


def _by_family(perms: Iterable[Exposure]) -> dict[int, PortSet]:
    families = {4: PortSet(), 6: PortSet()}
    for perm in perms:
        families[6 if ":" in perm.cidr else 4] |= ports_of(perm)
    return families


def _holds(ports: PortSet, port: int) -> bool:
    return port in ports.tcp or port in ports.udp
