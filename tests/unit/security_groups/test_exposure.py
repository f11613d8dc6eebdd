"""What counts as an issue: every sentence of the contract about it, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pytest

from library.network.addresses import INTERNET, AddressSet, parse_network
from library.network.ports import PortSet, traffic_name, traffic_of_ports
from library.security_groups.exemptions import Exemption
from library.security_groups.exposure import Evaluation, Evaluator, Exposure
from library.security_groups.group import IngressRule, parse_security_group
from tests.builders.rules import described_group, exposure_text

TODAY = date(2027, 2, 28)
LISTS = {
    "pl-office": ("203.0.113.0/24", "8.8.8.0/24", "9.9.9.9/32"),
    "pl-internet": ("0.0.0.0/0",),
    "pl-lower": ("0.0.0.0/1",),
    "pl-private": ("10.0.0.0/8", "fd00::/8"),
    "pl-v6": ("2a00:1450::/32",),
    "pl-aws": (),  # owned by AWS
    "pl-empty": (),
}
ALL_PUBLIC_V4 = [
    "0.0.0.0/5", "8.0.0.0/7", "11.0.0.0/8", "12.0.0.0/6", "16.0.0.0/4", "32.0.0.0/3", "64.0.0.0/3", "96.0.0.0/6",
    "100.0.0.0/10", "100.128.0.0/9", "101.0.0.0/8", "102.0.0.0/7", "104.0.0.0/5", "112.0.0.0/4", "128.0.0.0/3",
    "160.0.0.0/5", "168.0.0.0/6", "172.0.0.0/12", "172.32.0.0/11", "172.64.0.0/10", "172.128.0.0/9", "173.0.0.0/8",
    "174.0.0.0/7", "176.0.0.0/4", "192.0.0.0/9", "192.128.0.0/11", "192.160.0.0/13", "192.169.0.0/16",
    "192.170.0.0/15", "192.172.0.0/14", "192.176.0.0/12", "192.192.0.0/10", "193.0.0.0/8", "194.0.0.0/7",
    "196.0.0.0/6", "200.0.0.0/5", "208.0.0.0/4",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Case:
    """One group.

    Attributes:
        rules: its rules.
        exposes: what it exposes, in order.
        whitelisted: whether all of that is exempt.
        unreadable: parts of the reasons why it could not be judged whole.
    """

    rules: Sequence[str | dict[str, Any]]
    exposes: Sequence[str] = ()
    restricted: Sequence[str | int] = (22, 3389, "udp/161")
    trusted: Sequence[str] = ()
    exemptions: Sequence[Exemption] = ()
    whitelisted: bool = False
    unreadable: Sequence[str] = ()
    group: Mapping[str, Any] = field(default_factory=dict)


def exempt(
    group: str = "sg-7c228307",
    *,
    ports: Sequence[str | int] = (),
    cidrs: Sequence[str] = (),
    expires: date | None = None,
) -> Exemption:
    return Exemption(
        group, PortSet.parse(ports) if ports else None, AddressSet.parse(*cidrs) if cidrs else None, expires
    )


# "An ingress rule exposes a restricted port when its protocol and ports include it ..."
PORTS = {
    "no rules": Case(rules=[]),
    "restricted port": Case(rules=["tcp/22 from 8.8.8.8/32"], exposes=["tcp/22 from 8.8.8.8/32: open_partly"]),
    "other port": Case(rules=["tcp/443 from 0.0.0.0/0"]),
    "port below": Case(rules=["tcp/21 from 0.0.0.0/0"]),
    "port above": Case(rules=["tcp/23 from 0.0.0.0/0"]),
    "range that includes one": Case(
        rules=["tcp/20..25 from 0.0.0.0/0"], exposes=["tcp/20..25 from 0.0.0.0/0: open_completely"]
    ),
    "range that ends with it": Case(
        rules=["tcp/1..22 from 0.0.0.0/0"], exposes=["tcp/1..22 from 0.0.0.0/0: open_completely"]
    ),
    "range that begins with it": Case(
        rules=["tcp/22..80 from 0.0.0.0/0"], exposes=["tcp/22..80 from 0.0.0.0/0: open_completely"]
    ),
    "range between restricted ports": Case(rules=["tcp/23..3388 from 0.0.0.0/0"]),
    "range that ends before it begins": Case(rules=["tcp/25..20 from 0.0.0.0/0", "tcp/22..21 from 0.0.0.0/0"]),
    "all TCP ports": Case(
        rules=["tcp/0..65535 from 0.0.0.0/0"], exposes=["tcp/0..65535 from 0.0.0.0/0: open_completely"]
    ),
    "TCP ports not named are all": Case(
        rules=["tcp from 0.0.0.0/0"], exposes=["tcp/0..65535 from 0.0.0.0/0: open_completely"]
    ),
    "TCP ports -1 are all": Case(
        rules=["tcp/-1 from 0.0.0.0/0"], exposes=["tcp/0..65535 from 0.0.0.0/0: open_completely"]
    ),
    "restricted range, one port of it": Case(
        restricted=["8000-8100"],
        rules=["tcp/8050 from 8.8.8.8/32"],
        exposes=["tcp/8050 from 8.8.8.8/32: open_partly"],
    ),
    "restricted port 0": Case(
        restricted=[0], rules=["tcp/0 from 8.8.8.8/32"], exposes=["tcp/0 from 8.8.8.8/32: open_partly"]
    ),
    "restricted port 65535": Case(
        restricted=[65535],
        rules=["tcp/65535 from 8.8.8.8/32", "udp/65534 from 8.8.8.8/32"],
        exposes=["tcp/65535 from 8.8.8.8/32: open_partly"],
    ),
    "bare number is UDP too": Case(rules=["udp/22 from 8.8.8.8/32"], exposes=["udp/22 from 8.8.8.8/32: open_partly"]),
    "restricted for UDP only, TCP rule": Case(rules=["tcp/161 from 0.0.0.0/0"]),
    "restricted for UDP only, UDP rule": Case(
        rules=["udp/161 from 0.0.0.0/0"], exposes=["udp/161 from 0.0.0.0/0: open_completely"]
    ),
    "restricted for TCP only, UDP rule": Case(restricted=["tcp/22"], rules=["udp/22 from 0.0.0.0/0"]),
    "a restricted port is of one protocol: halves of two do not add up": Case(
        rules=["tcp/22 from 0.0.0.0/1", "udp/22 from 128.0.0.0/1"],
        exposes=["tcp/22 from 0.0.0.0/1: open_partly", "udp/22 from 128.0.0.0/1: open_partly"],
    ),
}

# "Protocol -1, and any protocol other than TCP, UDP and ICMP, carries all traffic of its kind ... ICMP never does."
PROTOCOLS = {
    "tcp by number": Case(rules=["6/22 from 0.0.0.0/0"], exposes=["6/22 from 0.0.0.0/0: open_completely"]),
    "tcp by number, other port": Case(rules=["6/443 from 0.0.0.0/0"]),
    "udp by number": Case(rules=["17/161 from 0.0.0.0/0"], exposes=["17/161 from 0.0.0.0/0: open_completely"]),
    "tcp by name and by number add up": Case(
        rules=["tcp/22 from 0.0.0.0/1", "6/22 from 128.0.0.0/1"],
        exposes=["6/22 from 128.0.0.0/1: open_completely", "tcp/22 from 0.0.0.0/1: open_completely"],
    ),
    "all protocols": Case(rules=["-1 from 0.0.0.0/0"], exposes=["-1 from 0.0.0.0/0: open_completely"]),
    "all protocols, part": Case(rules=["-1 from 8.8.8.8/32"], exposes=["-1 from 8.8.8.8/32: open_partly"]),
    "all protocols with ports -1: there are none": Case(
        rules=["-1/-1 from 0.0.0.0/0"], exposes=["-1 from 0.0.0.0/0: open_completely"]
    ),
    "all protocols, nothing restricted": Case(
        restricted=[], rules=["-1 from 0.0.0.0/0"], exposes=["-1 from 0.0.0.0/0: open_completely"]
    ),
    "ESP, by number": Case(rules=["50 from 0.0.0.0/0"], exposes=["50 from 0.0.0.0/0: open_completely"]),
    "ESP with ports -1: there are none": Case(
        rules=["50/-1 from 8.8.8.8/32"], exposes=["50 from 8.8.8.8/32: open_partly"]
    ),
    "protocol 0 is not all protocols": Case(
        rules=["0 from 0.0.0.0/1", "50 from 128.0.0.0/1"],
        exposes=["0 from 0.0.0.0/1: open_partly", "50 from 128.0.0.0/1: open_partly"],
    ),
    "protocol 255": Case(rules=["255 from 8.8.8.8/32"], exposes=["255 from 8.8.8.8/32: open_partly"]),
    "protocol by a name of its own": Case(rules=["esp from 8.8.8.8/32"], exposes=["esp from 8.8.8.8/32: open_partly"]),
    "protocol without ports is one more restricted port": Case(
        rules=["50 from 0.0.0.0/1", "50 from 128.0.0.0/1"],
        exposes=["50 from 0.0.0.0/1: open_completely", "50 from 128.0.0.0/1: open_completely"],
    ),
    "two protocols without ports are two": Case(
        rules=["50 from 0.0.0.0/1", "51 from 128.0.0.0/1"],
        exposes=["50 from 0.0.0.0/1: open_partly", "51 from 128.0.0.0/1: open_partly"],
    ),
    "all protocols are every restricted port: with TCP": Case(
        rules=["-1 from 0.0.0.0/1", "tcp/22 from 128.0.0.0/1"],
        exposes=["-1 from 0.0.0.0/1: open_completely", "tcp/22 from 128.0.0.0/1: open_completely"],
    ),
    "all protocols are every restricted port: with UDP": Case(
        rules=["-1 from 0.0.0.0/1", "udp/161 from 128.0.0.0/1"],
        exposes=["-1 from 0.0.0.0/1: open_completely", "udp/161 from 128.0.0.0/1: open_completely"],
    ),
    "all protocols are every restricted port: with ESP": Case(
        rules=["-1 from 0.0.0.0/1", "50 from 128.0.0.0/1"],
        exposes=["-1 from 0.0.0.0/1: open_completely", "50 from 128.0.0.0/1: open_completely"],
    ),
    "all protocols in two halves": Case(
        restricted=[],
        rules=["-1 from 0.0.0.0/1", "-1 from 128.0.0.0/1"],
        exposes=["-1 from 0.0.0.0/1: open_completely", "-1 from 128.0.0.0/1: open_completely"],
    ),
    "all protocols and a port that is not restricted": Case(
        rules=["-1 from 0.0.0.0/1", "tcp/443 from 128.0.0.0/1"], exposes=["-1 from 0.0.0.0/1: open_partly"]
    ),
    "ICMP": Case(rules=["icmp/-1 from 0.0.0.0/0", "icmp/8..0 from 0.0.0.0/0"]),
    "ICMP by number": Case(rules=["1/-1 from 0.0.0.0/0"]),
    "ICMPv6": Case(rules=["icmpv6 from ::/0"]),
    "ICMPv6 by number": Case(rules=["58/-1 from ::/0"]),
    "ICMP adds nothing to all protocols": Case(
        rules=["-1 from 0.0.0.0/1", "icmp/-1 from 128.0.0.0/1"], exposes=["-1 from 0.0.0.0/1: open_partly"]
    ),
}

# "... and its source includes a public address." "A source is an IPv4 CIDR, an IPv6 CIDR, or a managed prefix list ..."
SOURCES = {
    "private IPv4": Case(
        rules=["tcp/22 from 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16"]
    ),
    "documentation and reserved IPv4": Case(rules=["tcp/22 from 203.0.113.0/24, 198.51.100.7/32, 240.0.0.0/4"]),
    "private IPv6": Case(rules=["tcp/22 from fd00::/8, fe80::/10, ::1/128, 2001:db8::/32, ::ffff:8.8.8.8/128"]),
    "last public address before a private block": Case(
        rules=["tcp/22 from 9.255.255.255/32"], exposes=["tcp/22 from 9.255.255.255/32: open_partly"]
    ),
    "partly public": Case(rules=["tcp/22 from 10.0.0.0/7"], exposes=["tcp/22 from 10.0.0.0/7: open_partly"]),
    "public IPv6": Case(rules=["tcp/22 from 2a00:1450::/32"], exposes=["tcp/22 from 2a00:1450::/32: open_partly"]),
    "public IPv6 outside of 2000::/3": Case(
        rules=["tcp/22 from 4000::/16"], exposes=["tcp/22 from 4000::/16: open_partly"]
    ),
    "IPv6 in its longest form": Case(
        rules=["tcp/22 from 2A00:1450:0000:0000:0000:0000:0000:0001/128"],
        exposes=["tcp/22 from 2a00:1450::1/128: open_partly"],
    ),
    "host bits": Case(rules=["tcp/22 from 8.8.8.8/24"], exposes=["tcp/22 from 8.8.8.0/24: open_partly"]),
    "host bits of a template in the wild": Case(
        rules=["tcp/22 from 192.168.1.0/0"], exposes=["tcp/22 from 0.0.0.0/0: open_completely"]
    ),
    "host bits, IPv6": Case(rules=["tcp/22 from fd00::1/0"], exposes=["tcp/22 from ::/0: open_completely"]),
    "each source of a rule by itself": Case(
        rules=["tcp/22 from 8.8.8.8/32, 10.0.0.0/8, 9.9.9.9/32, 2a00::/16"],
        exposes=[
            "tcp/22 from 2a00::/16: open_partly",
            "tcp/22 from 8.8.8.8/32: open_partly",
            "tcp/22 from 9.9.9.9/32: open_partly",
        ],
    ),
    "prefix list: its public entries": Case(
        rules=["tcp/22 from pl-office"],
        exposes=[
            "tcp/22 from 8.8.8.0/24 of pl-office: open_partly",
            "tcp/22 from 9.9.9.9/32 of pl-office: open_partly",
        ],
    ),
    "prefix list: the whole Internet": Case(
        rules=["tcp/22 from pl-internet"], exposes=["tcp/22 from 0.0.0.0/0 of pl-internet: open_completely"]
    ),
    "prefix list: IPv6": Case(
        rules=["tcp/22 from pl-v6"], exposes=["tcp/22 from 2a00:1450::/32 of pl-v6: open_partly"]
    ),
    "prefix list: an entry adds up with a CIDR": Case(
        rules=["tcp/22 from pl-lower", "tcp/22 from 128.0.0.0/1"],
        exposes=[
            "tcp/22 from 0.0.0.0/1 of pl-lower: open_completely",
            "tcp/22 from 128.0.0.0/1: open_completely",
        ],
    ),
    "prefix list: same source as a CIDR, two sources": Case(
        rules=["tcp/22 from pl-internet", "tcp/22 from 0.0.0.0/0"],
        exposes=[
            "tcp/22 from 0.0.0.0/0: open_completely",
            "tcp/22 from 0.0.0.0/0 of pl-internet: open_completely",
        ],
    ),
    "prefix list: private entries": Case(rules=["tcp/22 from pl-private"]),
    "prefix list: empty": Case(rules=["tcp/22 from pl-empty"]),
    "prefix list: owned by AWS": Case(rules=["tcp/22 from pl-aws", "-1 from pl-aws"]),
    "prefix list: could not be read": Case(
        rules=["tcp/22 from pl-gone", "tcp/3389 from 8.8.8.8/32"],
        exposes=["tcp/3389 from 8.8.8.8/32: open_partly"],
        unreadable=["prefix list pl-gone could not be read"],
    ),
    "prefix list: could not be read, but its port is not restricted": Case(rules=["tcp/443 from pl-gone"]),
    "security group": Case(rules=["tcp/22 from sg-11111111", "-1 from sg-7c228307"]),
    "security group beside a CIDR": Case(
        rules=["tcp/22 from sg-11111111, 8.8.8.8/32"], exposes=["tcp/22 from 8.8.8.8/32: open_partly"]
    ),
    "source that is no CIDR": Case(
        rules=["tcp/22 from elsewhere", "tcp/22 from 8.8.8.8/32"],
        exposes=["tcp/22 from 8.8.8.8/32: open_partly"],
        unreadable=["a tcp rule with source 'elsewhere'"],
    ),
    "rule of an unknown shape": Case(
        rules=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}, "tcp/22 from 8.8.8.8/32"],
        exposes=["tcp/22 from 8.8.8.8/32: open_partly"],
        unreadable=["a tcp rule without a source that this version knows"],
    ),
}

# "Addresses in trusted_cidrs count as not public."
TRUSTED = {
    "trusted source": Case(trusted=["8.8.8.0/24"], rules=["tcp/22 from 8.8.8.8/32"]),
    "partly trusted source": Case(
        trusted=["8.8.8.0/25"], rules=["tcp/22 from 8.8.8.0/24"], exposes=["tcp/22 from 8.8.8.0/24: open_partly"]
    ),
    "trusted IPv6": Case(trusted=["2a00::/16"], rules=["tcp/22 from 2a00:1450::/32"]),
    "trusted IPv4 leaves IPv6": Case(
        trusted=["0.0.0.0/0"],
        rules=["tcp/22 from 0.0.0.0/0, ::/0"],
        exposes=["tcp/22 from ::/0: open_completely"],
    ),
    "the Internet without what is trusted is the Internet": Case(
        trusted=["128.0.0.0/1"],
        rules=["tcp/22 from 0.0.0.0/1"],
        exposes=["tcp/22 from 0.0.0.0/1: open_completely"],
    ),
    "entry of a prefix list that is trusted": Case(
        trusted=["8.8.8.0/24"],
        rules=["tcp/22 from pl-office"],
        exposes=["tcp/22 from 9.9.9.9/32 of pl-office: open_partly"],
    ),
    "all that is public of it is in a larger one, but for what is trusted": Case(
        trusted=["128.0.0.0/2"],
        rules=["tcp/22 from 0.0.0.0/1", "tcp/22 from 192.0.0.0/2", "tcp/22 from 128.0.0.0/3"],
        exposes=["tcp/22 from 0.0.0.0/1: open_completely", "tcp/22 from 192.0.0.0/2: open_completely"],
    ),
}

# "open_completely: ... together cover every public IPv4 address or every public address of 2000::/3 ..."
COMPLETE = {
    "0.0.0.0/0": Case(rules=["tcp/22 from 0.0.0.0/0"], exposes=["tcp/22 from 0.0.0.0/0: open_completely"]),
    "::/0": Case(rules=["tcp/22 from ::/0"], exposes=["tcp/22 from ::/0: open_completely"]),
    "2000::/3": Case(rules=["tcp/22 from 2000::/3"], exposes=["tcp/22 from 2000::/3: open_completely"]),
    "both families": Case(
        rules=["tcp/22 from 0.0.0.0/0, ::/0"],
        exposes=["tcp/22 from 0.0.0.0/0: open_completely", "tcp/22 from ::/0: open_completely"],
    ),
    "a half": Case(rules=["tcp/22 from 0.0.0.0/1"], exposes=["tcp/22 from 0.0.0.0/1: open_partly"]),
    "two halves in one rule": Case(
        rules=["tcp/22 from 0.0.0.0/1, 128.0.0.0/1"],
        exposes=["tcp/22 from 0.0.0.0/1: open_completely", "tcp/22 from 128.0.0.0/1: open_completely"],
    ),
    "two halves in two rules": Case(
        rules=["tcp/22 from 0.0.0.0/1", "tcp/22 from 128.0.0.0/1"],
        exposes=["tcp/22 from 0.0.0.0/1: open_completely", "tcp/22 from 128.0.0.0/1: open_completely"],
    ),
    "two halves whose ranges share a restricted port": Case(
        rules=["tcp/20..22 from 0.0.0.0/1", "tcp/22..30 from 128.0.0.0/1"],
        exposes=["tcp/20..22 from 0.0.0.0/1: open_completely", "tcp/22..30 from 128.0.0.0/1: open_completely"],
    ),
    "two halves whose ranges share a port that is not restricted": Case(
        rules=["tcp/22..443 from 0.0.0.0/1", "tcp/443..3389 from 128.0.0.0/1"],
        exposes=["tcp/22..443 from 0.0.0.0/1: open_partly", "tcp/443..3389 from 128.0.0.0/1: open_partly"],
    ),
    "two halves on different ports": Case(
        rules=["tcp/22 from 0.0.0.0/1", "tcp/3389 from 128.0.0.0/1"],
        exposes=["tcp/22 from 0.0.0.0/1: open_partly", "tcp/3389 from 128.0.0.0/1: open_partly"],
    ),
    "two quarters and a half": Case(
        rules=["tcp/22 from 0.0.0.0/2", "tcp/22 from 64.0.0.0/2", "tcp/22 from 128.0.0.0/1"],
        exposes=[
            "tcp/22 from 0.0.0.0/2: open_completely",
            "tcp/22 from 128.0.0.0/1: open_completely",
            "tcp/22 from 64.0.0.0/2: open_completely",
        ],
    ),
    "two halves of IPv6": Case(
        rules=["tcp/22 from 2000::/4", "tcp/22 from 3000::/4"],
        exposes=["tcp/22 from 2000::/4: open_completely", "tcp/22 from 3000::/4: open_completely"],
    ),
    "two halves of all of IPv6": Case(
        rules=["tcp/22 from ::/1", "tcp/22 from 8000::/1"],
        exposes=["tcp/22 from 8000::/1: open_completely", "tcp/22 from ::/1: open_completely"],
    ),
    "a half of IPv4 and one of IPv6": Case(
        rules=["tcp/22 from 0.0.0.0/1, 2000::/4"],
        exposes=["tcp/22 from 0.0.0.0/1: open_partly", "tcp/22 from 2000::/4: open_partly"],
    ),
    "every public IPv4 block, the private ones left out": Case(
        rules=[f"tcp/22 from {', '.join(ALL_PUBLIC_V4)}"],
        exposes=[f"tcp/22 from {cidr}: open_completely" for cidr in sorted(ALL_PUBLIC_V4)],
    ),
    "every public IPv4 block but one": Case(
        rules=[f"tcp/22 from {', '.join(ALL_PUBLIC_V4[1:])}"],
        exposes=[f"tcp/22 from {cidr}: open_partly" for cidr in sorted(ALL_PUBLIC_V4[1:])],
    ),
    "the Internet on one port, a part on another": Case(
        rules=["tcp/22 from 0.0.0.0/0", "tcp/3389 from 8.8.8.8/32"],
        exposes=["tcp/22 from 0.0.0.0/0: open_completely", "tcp/3389 from 8.8.8.8/32: open_partly"],
    ),
}

# "... and this rule has a part in that: not all of its public addresses are also in sources that are each larger ..."
PART = {
    "a single address beside the Internet has none": Case(
        rules=["tcp/22 from 0.0.0.0/0", "tcp/22 from 8.8.8.8/32"],
        exposes=["tcp/22 from 0.0.0.0/0: open_completely", "tcp/22 from 8.8.8.8/32: open_partly"],
    ),
    "a single address beside the two halves has none": Case(
        rules=["tcp/22 from 0.0.0.0/1, 128.0.0.0/1, 8.8.8.8/32"],
        exposes=[
            "tcp/22 from 0.0.0.0/1: open_completely",
            "tcp/22 from 128.0.0.0/1: open_completely",
            "tcp/22 from 8.8.8.8/32: open_partly",
        ],
    ),
    "a half beside the Internet has none": Case(
        rules=["tcp/22 from 0.0.0.0/0, 128.0.0.0/1"],
        exposes=["tcp/22 from 0.0.0.0/0: open_completely", "tcp/22 from 128.0.0.0/1: open_partly"],
    ),
    "within halves, a quarter and less have none": Case(
        rules=["tcp/22 from 0.0.0.0/1, 128.0.0.0/1, 64.0.0.0/2, 8.0.0.0/7"],
        exposes=[
            "tcp/22 from 0.0.0.0/1: open_completely",
            "tcp/22 from 128.0.0.0/1: open_completely",
            "tcp/22 from 64.0.0.0/2: open_partly",
            "tcp/22 from 8.0.0.0/7: open_partly",
        ],
    ),
    "two of equal size are not larger: both have a part": Case(
        rules=["tcp/22 from 0.0.0.0/0", "tcp/20..25 from 0.0.0.0/0"],
        exposes=["tcp/20..25 from 0.0.0.0/0: open_completely", "tcp/22 from 0.0.0.0/0: open_completely"],
    ),
    "larger on another port only": Case(
        rules=["tcp/22 from 0.0.0.0/1, 128.0.0.0/1", "tcp/3389 from 0.0.0.0/0"],
        exposes=[
            "tcp/22 from 0.0.0.0/1: open_completely",
            "tcp/22 from 128.0.0.0/1: open_completely",
            "tcp/3389 from 0.0.0.0/0: open_completely",
        ],
    ),
    "no part on one port, a part on another": Case(
        rules=["tcp/22 from 0.0.0.0/0", "tcp/22..3389 from 0.0.0.0/1", "tcp/3389 from 128.0.0.0/1"],
        exposes=[
            "tcp/22 from 0.0.0.0/0: open_completely",
            "tcp/22..3389 from 0.0.0.0/1: open_completely",
            "tcp/3389 from 128.0.0.0/1: open_completely",
        ],
    ),
    "a part only on ports between those that larger ones are on": Case(
        restricted=["20-30"],
        rules=["tcp/20..30 from 0.0.0.0/1, 128.0.0.0/1", "tcp/20..22 from 0.0.0.0/0", "tcp/26..30 from 0.0.0.0/0"],
        exposes=[
            "tcp/20..22 from 0.0.0.0/0: open_completely",
            "tcp/20..30 from 0.0.0.0/1: open_completely",
            "tcp/20..30 from 128.0.0.0/1: open_completely",
            "tcp/26..30 from 0.0.0.0/0: open_completely",
        ],
    ),
    "public addresses count, private ones do not": Case(
        # All that 192.168.0.0/15 has beyond 192.169.0.0/16 is private.
        rules=["tcp/22 from 0.0.0.0/1, 128.0.0.0/2, 192.0.0.0/2, 192.168.0.0/15"],
        exposes=[
            "tcp/22 from 0.0.0.0/1: open_completely",
            "tcp/22 from 128.0.0.0/2: open_completely",
            "tcp/22 from 192.0.0.0/2: open_completely",
            "tcp/22 from 192.168.0.0/15: open_partly",
        ],
    ),
    "IPv6 beside all of IPv6 has none": Case(
        rules=["tcp/22 from ::/0, 2000::/3, 4000::/3, 2a00:1450::/32"],
        exposes=[
            "tcp/22 from 2000::/3: open_partly",
            "tcp/22 from 2a00:1450::/32: open_partly",
            "tcp/22 from 4000::/3: open_partly",
            "tcp/22 from ::/0: open_completely",
        ],
    ),
    "IPv4 has no part in IPv6": Case(
        rules=["tcp/22 from ::/0, 8.8.8.8/32"],
        exposes=["tcp/22 from 8.8.8.8/32: open_partly", "tcp/22 from ::/0: open_completely"],
    ),
    "IPv6 has no part in IPv4": Case(
        rules=["tcp/22 from 0.0.0.0/0, 2a00::/16"],
        exposes=["tcp/22 from 0.0.0.0/0: open_completely", "tcp/22 from 2a00::/16: open_partly"],
    ),
    "a larger one that is all protocols": Case(
        rules=["-1 from 0.0.0.0/0", "tcp/22 from 8.8.8.8/32"],
        exposes=["-1 from 0.0.0.0/0: open_completely", "tcp/22 from 8.8.8.8/32: open_partly"],
    ),
    "all protocols from a part, a larger one on each port that is configured": Case(
        # Protocols without ports are restricted ports too, and there 8.8.8.8 is alone.
        rules=["tcp from 0.0.0.0/0", "udp from 0.0.0.0/0", "-1 from 8.8.8.8/32"],
        exposes=[
            "-1 from 8.8.8.8/32: open_partly",
            "tcp/0..65535 from 0.0.0.0/0: open_completely",
            "udp/0..65535 from 0.0.0.0/0: open_completely",
        ],
    ),
}

# "Within an exempt group, an exemption's sources count as not public and its ports as not restricted ..."
_OPEN = ["tcp/22 from 0.0.0.0/0", "tcp/3389 from 8.8.8.8/32"]
_OPEN_EXPOSES = ["tcp/22 from 0.0.0.0/0: open_completely", "tcp/3389 from 8.8.8.8/32: open_partly"]
EXEMPTIONS = {
    "whole group by id": Case(rules=_OPEN, exemptions=[exempt()], exposes=_OPEN_EXPOSES, whitelisted=True),
    "whole group by VPC and name": Case(
        rules=_OPEN, exemptions=[exempt("vpc-654321:web")], exposes=_OPEN_EXPOSES, whitelisted=True
    ),
    "name with a colon": Case(
        rules=_OPEN,
        exemptions=[exempt("vpc-654321:web:1")],
        group={"GroupName": "web:1"},
        exposes=_OPEN_EXPOSES,
        whitelisted=True,
    ),
    "whole group, nothing exposed": Case(rules=["tcp/443 from 0.0.0.0/0"], exemptions=[exempt()]),
    "another group's": Case(rules=_OPEN, exemptions=[exempt("sg-11111111")], exposes=_OPEN_EXPOSES),
    "same name in another VPC": Case(rules=_OPEN, exemptions=[exempt("vpc-1:web")], exposes=_OPEN_EXPOSES),
    "name in another case": Case(rules=_OPEN, exemptions=[exempt("vpc-654321:Web")], exposes=_OPEN_EXPOSES),
    "the day before it expires": Case(
        rules=_OPEN, exemptions=[exempt(expires=date(2027, 3, 1))], exposes=_OPEN_EXPOSES, whitelisted=True
    ),
    "the day it expires": Case(rules=_OPEN, exemptions=[exempt(expires=TODAY)], exposes=_OPEN_EXPOSES),
    "long expired": Case(rules=_OPEN, exemptions=[exempt(expires=date(2020, 1, 1))], exposes=_OPEN_EXPOSES),
    "ports: all that is exposed": Case(
        rules=_OPEN, exemptions=[exempt(ports=[22, 3389])], exposes=_OPEN_EXPOSES, whitelisted=True
    ),
    "ports: some of what is exposed": Case(
        rules=_OPEN, exemptions=[exempt(ports=["tcp/22"])], exposes=["tcp/3389 from 8.8.8.8/32: open_partly"]
    ),
    "ports: in two exemptions": Case(
        rules=_OPEN,
        exemptions=[exempt(ports=["tcp/22"]), exempt("vpc-654321:web", ports=["tcp/3389"])],
        exposes=_OPEN_EXPOSES,
        whitelisted=True,
    ),
    "ports: in two exemptions, one expired": Case(
        rules=_OPEN,
        exemptions=[exempt(ports=["tcp/22"]), exempt(ports=["tcp/3389"], expires=TODAY)],
        exposes=["tcp/3389 from 8.8.8.8/32: open_partly"],
    ),
    "ports: of the other protocol": Case(
        rules=_OPEN, exemptions=[exempt(ports=["udp/22", "udp/3389"])], exposes=_OPEN_EXPOSES
    ),
    "ports: one of a range's restricted ports": Case(
        rules=["tcp/0..65535 from 8.8.8.8/32"],
        exemptions=[exempt(ports=[22])],
        exposes=["tcp/0..65535 from 8.8.8.8/32: open_partly"],
    ),
    "ports: every one of a range's restricted ports": Case(
        rules=["tcp/0..65535 from 8.8.8.8/32"],
        exemptions=[exempt(ports=["20-3389"])],
        exposes=["tcp/0..65535 from 8.8.8.8/32: open_partly"],
        whitelisted=True,
    ),
    "ports: those between the exempt ones are left": Case(
        restricted=["20-30"],
        rules=["tcp/20..30 from 8.8.8.8/32"],
        exemptions=[exempt(ports=["20-22", "24-30"])],
        exposes=["tcp/20..30 from 8.8.8.8/32: open_partly"],
    ),
    "ports: all protocols have more than ports": Case(
        rules=["-1 from 8.8.8.8/32"],
        exemptions=[exempt(ports=["0-65535"])],
        exposes=["-1 from 8.8.8.8/32: open_partly"],
    ),
    "ports: the worst port exempt": Case(
        rules=["tcp/22..3389 from 0.0.0.0/1", "tcp/22 from 128.0.0.0/1"],
        exemptions=[exempt(ports=[22])],
        exposes=["tcp/22..3389 from 0.0.0.0/1: open_partly"],
    ),
    "cidrs: all sources": Case(
        rules=["tcp/22 from 8.8.8.8/32", "tcp/3389 from 8.8.8.9/32"],
        exemptions=[exempt(cidrs=["8.8.8.0/24"])],
        exposes=["tcp/22 from 8.8.8.8/32: open_partly", "tcp/3389 from 8.8.8.9/32: open_partly"],
        whitelisted=True,
    ),
    "cidrs: one source": Case(
        rules=["tcp/22 from 8.8.8.8/32, 9.9.9.9/32"],
        exemptions=[exempt(cidrs=["8.8.8.0/24"])],
        exposes=["tcp/22 from 9.9.9.9/32: open_partly"],
    ),
    "cidrs: a part of a source": Case(
        rules=["tcp/22 from 8.8.8.0/24"],
        exemptions=[exempt(cidrs=["8.8.8.8/32"])],
        exposes=["tcp/22 from 8.8.8.0/24: open_partly"],
    ),
    "cidrs: a source in two exemptions' parts": Case(
        rules=["tcp/22 from 8.8.8.0/24"],
        exemptions=[exempt(cidrs=["8.8.8.0/25"]), exempt(cidrs=["8.8.8.128/25"])],
        exposes=["tcp/22 from 8.8.8.0/24: open_partly"],
        whitelisted=True,
    ),
    "cidrs: the whole Internet, IPv6 stays": Case(
        rules=["tcp/22 from 0.0.0.0/0, ::/0"],
        exemptions=[exempt(cidrs=["0.0.0.0/0"])],
        exposes=["tcp/22 from ::/0: open_completely"],
    ),
    "cidrs: what is left is covered": Case(
        rules=["tcp/22 from 0.0.0.0/1"],
        exemptions=[exempt(cidrs=["128.0.0.0/1"])],
        exposes=["tcp/22 from 0.0.0.0/1: open_completely"],
    ),
    "cidrs: of a prefix list": Case(
        rules=["tcp/22 from pl-office"],
        exemptions=[exempt(cidrs=["8.8.8.0/24"])],
        exposes=["tcp/22 from 9.9.9.9/32 of pl-office: open_partly"],
    ),
    "cidrs: private ones exempt nothing": Case(
        rules=_OPEN, exemptions=[exempt(cidrs=["10.0.0.0/8"])], exposes=_OPEN_EXPOSES
    ),
    "ports and cidrs: only these sources on these ports": Case(
        rules=["tcp/22 from 8.8.8.8/32, 9.9.9.9/32", "tcp/3389 from 8.8.8.8/32"],
        exemptions=[exempt(ports=["tcp/22"], cidrs=["8.8.8.0/24"])],
        exposes=["tcp/22 from 9.9.9.9/32: open_partly", "tcp/3389 from 8.8.8.8/32: open_partly"],
    ),
    "ports and cidrs: all of it": Case(
        rules=["tcp/22 from 8.8.8.8/32"],
        exemptions=[exempt(ports=["tcp/22"], cidrs=["8.8.8.0/24"])],
        exposes=["tcp/22 from 8.8.8.8/32: open_partly"],
        whitelisted=True,
    ),
    "ports of one and cidrs of another do not mix": Case(
        rules=["tcp/22 from 8.8.8.8/32", "tcp/3389 from 9.9.9.9/32"],
        exemptions=[
            exempt(ports=["tcp/22"], cidrs=["9.9.9.9/32"]),
            exempt(ports=["tcp/3389"], cidrs=["8.8.8.8/32"]),
        ],
        exposes=["tcp/22 from 8.8.8.8/32: open_partly", "tcp/3389 from 9.9.9.9/32: open_partly"],
    ),
    "cidrs: protocols without ports": Case(
        rules=["50 from 8.8.8.8/32"],
        exemptions=[exempt(cidrs=["8.8.8.8/32"])],
        exposes=["50 from 8.8.8.8/32: open_partly"],
        whitelisted=True,
    ),
    "whole group with a rule of an unknown shape": Case(
        rules=["tcp/22 from 8.8.8.8/32", {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}],
        exemptions=[exempt()],
        exposes=["tcp/22 from 8.8.8.8/32: open_partly"],
        whitelisted=True,
        unreadable=["a tcp rule without a source"],
    ),
}

# "One map per rule and source, sorted, so that an unchanged group compares equal"
ORDER = {
    "sorted, whatever the order of the rules": Case(
        rules=["udp/161 from 9.9.9.9/32, 8.8.8.8/32", "tcp/3389 from ::/0", "tcp/22 from 8.8.8.8/32", "-1 from ::/0"],
        exposes=[
            "-1 from ::/0: open_completely",
            "tcp/22 from 8.8.8.8/32: open_partly",
            "tcp/3389 from ::/0: open_completely",
            "udp/161 from 8.8.8.8/32: open_partly",
            "udp/161 from 9.9.9.9/32: open_partly",
        ],
    ),
    "ports sorted as numbers": Case(
        restricted=["0-65535"],
        rules=["tcp/1000 from 8.8.8.8/32", "tcp/22 from 8.8.8.8/32", "tcp/22..80 from 8.8.8.8/32"],
        exposes=[
            "tcp/22 from 8.8.8.8/32: open_partly",
            "tcp/22..80 from 8.8.8.8/32: open_partly",
            "tcp/1000 from 8.8.8.8/32: open_partly",
        ],
    ),
    "the same rule and source twice is one": Case(
        rules=["tcp/22 from 8.8.8.8/32, 8.8.8.8/32", "tcp/22 from 8.8.8.8/32"],
        exposes=["tcp/22 from 8.8.8.8/32: open_partly"],
    ),
    "the same source, once with host bits, is one": Case(
        rules=["tcp/22 from 8.8.8.0/24, 8.8.8.7/24"], exposes=["tcp/22 from 8.8.8.0/24: open_partly"]
    ),
}

CASES = PORTS | PROTOCOLS | SOURCES | TRUSTED | COMPLETE | PART | EXEMPTIONS | ORDER


def evaluate(case: Case) -> Evaluation:
    evaluator = Evaluator(PortSet.parse(case.restricted), AddressSet.parse(*case.trusted))
    group = parse_security_group(described_group(case.rules, **case.group))
    lists = {name: tuple(parse_network(cidr) for cidr in cidrs) for name, cidrs in LISTS.items()}
    return evaluator.evaluate(group, lists, case.exemptions, TODAY)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_evaluation(case: Case) -> None:
    evaluation = evaluate(case)
    assert [exposure_text(exposure) for exposure in evaluation.exposures] == list(case.exposes)
    assert evaluation.whitelisted == case.whitelisted
    assert len(evaluation.unreadable) == len(case.unreadable)
    assert all(part in reason for part, reason in zip(case.unreadable, evaluation.unreadable, strict=True))


def test_the_table_is_whole() -> None:
    tables = (PORTS, PROTOCOLS, SOURCES, TRUSTED, COMPLETE, PART, EXEMPTIONS, ORDER)
    assert len(CASES) == sum(len(table) for table in tables), "two cases share an id"


def test_a_group_has_the_worst_status_of_its_rules() -> None:
    part = Exposure("tcp", 22, 22, "8.8.8.8/32", "open_partly")
    whole = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
    assert Evaluation((part, whole)).status == "open_completely"
    assert Evaluation((whole, part)).status == "open_completely"
    assert Evaluation((part, part)).status == "open_partly"


def test_the_order_of_rules_changes_nothing() -> None:
    rules = ["tcp/22 from 0.0.0.0/1", "-1 from 128.0.0.0/1", "tcp/20..30 from 8.8.8.8/32", "50 from 2000::/3"]
    assert evaluate(Case(rules=rules)) == evaluate(Case(rules=rules[::-1]))


def test_an_evaluator_keeps_nothing_of_one_group_for_the_next() -> None:
    evaluator = Evaluator(PortSet.parse([22]), AddressSet())
    half, other = (
        parse_security_group(described_group([rule])) for rule in ("tcp/22 from 0.0.0.0/1", "tcp/22 from 128.0.0.0/1")
    )
    for group in (half, other, half):
        assert evaluator.evaluate(group, {}).status == "open_partly"
    assert evaluator.evaluate(half, {}, [exempt()]).whitelisted
    assert not evaluator.evaluate(half, {}).whitelisted


def test_only_prefix_lists_that_matter_are_asked_for() -> None:
    group = parse_security_group(
        described_group(["tcp/22 from pl-a", "tcp/443 from pl-b", "-1 from pl-c", "icmp/-1 from pl-d", "50 from pl-e"])
    )
    assert Evaluator(PortSet.parse([22]), AddressSet()).prefix_lists_named(group) == {"pl-a", "pl-c", "pl-e"}
    below = parse_security_group(described_group(["tcp/20..21 from pl-a", "tcp/20..22 from pl-b"]))
    assert Evaluator(PortSet.parse([22]), AddressSet()).prefix_lists_named(below) == {"pl-b"}


def test_halves_of_the_internet_complete_each_other_where_another_source_has_just_ended() -> None:
    rules = ["tcp/22 from 8.8.8.8/32", "tcp/22..3389 from 0.0.0.0/1", "tcp/3389 from 128.0.0.0/1"]
    assert {exposure.cidr: exposure.status for exposure in evaluate(Case(rules=rules)).exposures} == {
        "8.8.8.8/32": "open_partly",
        "0.0.0.0/1": "open_completely",
        "128.0.0.0/1": "open_completely",
    }


def test_a_rule_that_names_no_ports_comes_before_those_that_do() -> None:
    ports: list[tuple[int | None, int | None]] = [(22, 22), (0, 0), (None, None), (0, None)]
    rules = tuple(IngressRule("tcp", first, last, cidr="8.8.8.0/24") for first, last in ports)
    group = replace(parse_security_group(described_group([])), ingress=rules)
    exposures = Evaluator(PortSet.parse([0, 22]), AddressSet()).evaluate(group, {}).exposures
    assert [exposure[1:3] for exposure in exposures] == [(None, None), (0, None), (0, 0), (22, 22)]


@pytest.mark.parametrize(
    ("rules", "exemptions", "opened"),
    [
        pytest.param(
            ["tcp/20..25 from 8.8.8.0/24, 10.0.0.0/8"],
            [],
            ["tcp/22 from 8.8.8.0/24"],
            id="the restricted ports and the public sources",
        ),
        pytest.param(
            ["tcp/22 from 8.8.8.0/24", "tcp/22..3389 from 2600::/16"],
            [],
            ["tcp/22 from 8.8.8.0/24, 2600::/16", "tcp/3389 from 2600::/16"],
            id="sources of one port from several rules",
        ),
        pytest.param(
            ["tcp/22..3389 from 8.8.8.0/24"],
            [Exemption("sg-7c228307", PortSet.parse(["tcp/22"]), AddressSet.parse("8.8.8.0/25"))],
            ["tcp/22 from 8.8.8.128/25", "tcp/3389 from 8.8.8.0/24"],
            id="what exemptions leave",
        ),
        pytest.param(
            ["tcp/22 from 8.8.8.0/24"],
            [Exemption("sg-7c228307")],
            ["tcp/22 from 8.8.8.0/24"],
            id="a whitelisted group as if it were not",
        ),
        pytest.param(["tcp/443 from 0.0.0.0/0"], [], [], id="nothing restricted"),
    ],
)
def test_who_may_send_what(rules: list[str], exemptions: list[Exemption], opened: list[str]) -> None:
    restricted = PortSet.parse(["tcp/22", "tcp/3389"])
    group = parse_security_group(described_group(rules))
    found = Evaluator(restricted, AddressSet()).evaluate(group, {}, exemptions, date(2027, 3, 1)).open_traffic
    wanted = [line.split(" from ") for line in opened]
    assert [
        traffic_name(location) for each in found for location, _ in (each.traffic & traffic_of_ports(restricted)).spans
    ] == [traffic for traffic, _ in wanted]
    assert [each.sources for each in found] == [AddressSet.parse(*sources.split(", ")) for _, sources in wanted]


def test_of_each_opening_it_is_known_what_would_be_the_whole_internet() -> None:
    exempt_part = [Exemption("sg-7c228307", PortSet.parse(["tcp/22"]), AddressSet.parse("8.8.8.0/25"))]
    trusted = AddressSet.parse("9.9.9.0/24")
    group = parse_security_group(described_group(["tcp/22..3389 from 8.8.8.0/24"]))
    openings = (
        Evaluator(PortSet.parse(["tcp/22", "tcp/3389"]), trusted).evaluate(group, {}, exempt_part, TODAY).open_traffic
    )
    assert [opening.internet for opening in openings] == [
        INTERNET - trusted - AddressSet.parse("8.8.8.0/25"),
        INTERNET - trusted,
    ]
