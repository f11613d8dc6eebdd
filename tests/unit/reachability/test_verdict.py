"""Who can really connect: every clause of the contract's section 8, as one table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from identification.reachability.network import ElbAnswers, TargetNames
from identification.reachability.verdict import Judge
from library.issues.reachability import Reachability
from library.network.addresses import AddressSet, parse_network
from library.network.ports import PortSet
from library.security_groups.exemptions import Exemption
from library.security_groups.exposure import Evaluator
from library.security_groups.group import parse_security_group
from tests.builders.networks import (
    ALB_ARN,
    NLB_ARN,
    OPEN_ACL,
    Answers,
    acl,
    balancer,
    balancer_interface,
    classic_balancer,
    interface,
    listener,
    route_table,
    subnet,
    target_group,
    vpc,
)
from tests.builders.rules import described_group

BPA = "VPC_BLOCK_PUBLIC_ACCESS_ENABLED"
ROUTE = "NO_ROUTE_TO_DESTINATION"
ACL = "SUBNET_ACL_RESTRICTION"
GROUP = "SECURITY_GROUP_RESTRICTION"
LISTENER = "ELB_LISTENERS_MISMATCH"

SSH_TO_ALL = ("tcp/22 from 0.0.0.0/0",)
SSH_TO_ALL_V6 = ("tcp/22 from ::/0",)
SSH_TO_SOME = ("tcp/22 from 8.8.8.0/24",)
GUA = "2600:1f18::10"
PREFIX = "2600:1f18:0:0:1::/80"
LOCAL_V6 = "2600:1f18::/56 local"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A group `sg-1` with these rules in this network, and what comes of it.

    Attributes:
        expected: the verdict, and for `internet` the sources.
        paths: interface, address (`-`: none), verdict and code of each path, the worst first.
    """

    id: str
    expected: str
    paths: Sequence[str] = ()
    rules: Sequence[str] = SSH_TO_ALL
    trusted: Sequence[str] = ()
    exemptions: Sequence[Exemption] = ()
    net: Answers = field(default_factory=Answers)


def net(**other: Any) -> Answers:
    return Answers(**other)


def routes(*texts: str, **other: Any) -> Answers:
    """The network with one main route table of these routes."""
    return net(route_tables=[route_table(routes=texts)], **other)


def entries(*texts: str, **other: Any) -> Answers:
    """The network with one ACL of these entries."""
    return net(acls=[acl(entries=texts)], **other)


def only(*interfaces: dict[str, Any], **other: Any) -> Answers:
    """The network with these interfaces."""
    return net(interfaces=interfaces, **other)


OPEN = "eni-1 54.1.1.1 internet"


def closed(code: str) -> list[str]:
    return [f"eni-1 54.1.1.1 blocked {code}"]


NOT_KNOWN = ["eni-1 54.1.1.1 unknown"]
INTERNAL = ["eni-1 - internal"]

ADDRESSES = [
    Case(id="a public address, mapped to the primary private one", expected="internet all", paths=[OPEN]),
    Case(
        id="a public address, mapped to a secondary private one",
        net=only(interface(public="", secondary=["54.1.1.2"])),
        expected="internet all",
        paths=["eni-1 54.1.1.2 internet"],
    ),
    Case(
        id="each address of an interface is a path",
        net=only(interface(secondary=["54.1.1.2"])),
        expected="internet all",
        paths=[OPEN, "eni-1 54.1.1.2 internet"],
    ),
    Case(
        id="a carrier's address is not the Internet",
        net=only(interface(public="", Association={"CarrierIp": "155.146.1.1"})),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="nor is one that a customer owns",
        net=only(interface(public="", Association={"CustomerOwnedIp": "198.18.0.1"})),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="even if it is told as public, too",
        net=only(interface(public="", Association={"CustomerOwnedIp": "9.9.9.9", "PublicIp": "9.9.9.9"})),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(id="no public address", net=only(interface(public="")), expected="internal", paths=INTERNAL),
    Case(
        id="an IPv6 prefix that is delegated to it",
        rules=SSH_TO_ALL_V6,
        net=only(interface(public="", Ipv6Prefixes=[{"Ipv6Prefix": PREFIX}])),
        expected="internet all",
        paths=[f"eni-1 {PREFIX} internet"],
    ),
    Case(
        id="a delegated prefix of an interface that denies the gateway",
        rules=SSH_TO_ALL_V6,
        net=only(interface(public="", Ipv6Prefixes=[{"Ipv6Prefix": PREFIX}], DenyAllIgwTraffic=True)),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="a delegated prefix that is private",
        rules=SSH_TO_ALL_V6,
        net=only(interface(public="", Ipv6Prefixes=[{"Ipv6Prefix": "fd00:1::/80"}])),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="an IPv4 prefix is private",
        net=only(interface(public="", Ipv4Prefixes=[{"Ipv4Prefix": "172.31.0.64/28"}])),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="a global IPv6 address",
        rules=SSH_TO_ALL_V6,
        net=only(interface(public="", ipv6=[GUA])),
        expected="internet all",
        paths=[f"eni-1 {GUA} internet"],
    ),
    Case(
        id="a unique local IPv6 address is none",
        rules=SSH_TO_ALL_V6,
        net=only(interface(public="", ipv6=["fd00::10"])),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="an IPv6 address of an interface that denies the gateway's traffic",
        rules=SSH_TO_ALL_V6,
        net=only(interface(public="", ipv6=[GUA], DenyAllIgwTraffic=True)),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="which says nothing of its IPv4 address",
        net=only(interface(ipv6=[GUA], DenyAllIgwTraffic=True)),
        rules=("tcp/22 from 0.0.0.0/0, ::/0",),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="an IPv4 address counts as none where only IPv6 is exposed",
        rules=SSH_TO_ALL_V6,
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="an IPv6 address counts as none where only IPv4 is exposed",
        net=only(interface(public="", ipv6=[GUA])),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="both families",
        rules=("tcp/22 from 0.0.0.0/0, ::/0",),
        net=only(interface(ipv6=[GUA])),
        expected="internet all",
        paths=[f"eni-1 {GUA} internet", OPEN],
    ),
    Case(
        id="an address within the trusted ones is still an address",
        rules=SSH_TO_ALL_V6,
        trusted=["2600:1f18::/32"],
        net=only(interface(public="", ipv6=[GUA])),
        expected="internet all",
        paths=[f"eni-1 {GUA} internet"],
    ),
]

USE = [
    Case(id="no interface at all", net=only(), expected="unused"),
    Case(id="an interface of another group", net=only(interface(groups=["sg-2"])), expected="unused"),
    Case(
        id="one of several groups", net=only(interface(groups=["sg-2", "sg-1"])), expected="internet all", paths=[OPEN]
    ),
    Case(id="an interface that is not attached", net=only(interface(status=None)), expected="unused"),
    Case(id="an interface that is detached", net=only(interface(status="detached")), expected="unused"),
    Case(
        id="an interface that is being attached", net=only(interface(status="attaching")), expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="an interface that is being detached", net=only(interface(status="detaching")), expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="a branch, in use without an attachment",
        net=only(interface(status=None, Status="in-use", InterfaceType="branch")),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="the worst of several interfaces counts",
        net=only(
            interface("eni-3", public=""),
            interface("eni-2", subnet="subnet-2", public="54.1.1.2"),
            interface(),
            subnets=[subnet(), subnet("subnet-2")],
            route_tables=[route_table(), route_table("rtb-2", ["10.0.0.0/8 local"], main=False, subnets=["subnet-2"])],
            acls=[acl(subnets=["subnet-1", "subnet-2"])],
        ),
        expected="internet all",
        paths=[OPEN, f"eni-2 54.1.1.2 blocked {ROUTE}", "eni-3 - internal"],
    ),
    Case(
        id="blocked is worse than internal",
        net=only(interface("eni-2", public=""), interface(), route_tables=[route_table(routes=["10.0.0.0/8 local"])]),
        expected="blocked",
        paths=[f"eni-1 54.1.1.1 blocked {ROUTE}", "eni-2 - internal"],
    ),
    Case(
        id="unknown is worse than blocked",
        net=only(
            interface("eni-2", subnet="subnet-2", public="54.1.1.2"),
            interface(),
            route_tables=[
                route_table(routes=["10.0.0.0/8 local"]),
                route_table("rtb-2", main=False, subnets=["subnet-2"]),
            ],
            acls=[acl(subnets=["subnet-1", "subnet-2"])],
        ),
        expected="unknown",
        paths=["eni-2 54.1.1.2 unknown", f"eni-1 54.1.1.1 blocked {ROUTE}"],
    ),
]  # fmt: skip

ROUTES = [
    Case(id="no route but the local one", net=routes("172.31.0.0/16 local"), expected="blocked", paths=closed(ROUTE)),
    Case(id="a default route to a NAT gateway", net=routes("0.0.0.0/0 nat-1"), expected="blocked", paths=closed(ROUTE)),
    Case(id="to a virtual private gateway", net=routes("0.0.0.0/0 vgw-1"), expected="blocked", paths=closed(ROUTE)),
    Case(id="to a transit gateway", net=routes("0.0.0.0/0 tgw-1"), expected="blocked", paths=closed(ROUTE)),
    Case(id="to an appliance's endpoint", net=routes("0.0.0.0/0 vpce-1"), expected="blocked", paths=closed(ROUTE)),
    Case(
        id="to a gateway that is gone", net=routes("0.0.0.0/0 igw-1 blackhole"), expected="blocked", paths=closed(ROUTE)
    ),
    Case(
        id="an egress-only gateway lets nobody in",
        rules=SSH_TO_ALL_V6,
        net=routes("::/0 eigw-1", interfaces=[interface(public="", ipv6=[GUA])]),
        expected="blocked",
        paths=[f"eni-1 {GUA} blocked {ROUTE}"],
    ),
    Case(
        id="a route of the other family does not help",
        rules=("tcp/22 from 0.0.0.0/0, ::/0",),
        net=routes("0.0.0.0/0 igw-1", interfaces=[interface(ipv6=[GUA])]),
        expected="internet all",
        paths=[OPEN, f"eni-1 {GUA} blocked {ROUTE}"],
    ),
    Case(
        id="a gateway for a part of the Internet",
        net=routes("8.0.0.0/8 igw-1"),
        expected="internet some",
        paths=[OPEN],
    ),
    Case(
        id="a gateway for a part that the group does not let in",
        rules=SSH_TO_SOME,
        net=routes("9.0.0.0/8 igw-1", "0.0.0.0/0 nat-1"),
        expected="blocked",
        paths=closed(ROUTE),
    ),
    Case(
        id="both halves are the whole",
        net=routes("0.0.0.0/1 igw-1", "128.0.0.0/1 igw-1"),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="the longest prefix decides against the gateway",
        rules=SSH_TO_SOME,
        net=routes("0.0.0.0/0 igw-1", "8.8.0.0/16 tgw-1"),
        expected="blocked",
        paths=closed(ROUTE),
    ),
    Case(
        id="the longest prefix decides for the gateway",
        rules=SSH_TO_SOME,
        net=routes("0.0.0.0/0 nat-1", "8.8.0.0/16 igw-1"),
        expected="internet some",
        paths=[OPEN],
    ),
    Case(
        id="whatever its state: a blackhole is not passed over",
        rules=SSH_TO_SOME,
        net=routes("0.0.0.0/0 igw-1", "8.8.8.0/24 vgw-1 blackhole"),
        expected="blocked",
        paths=closed(ROUTE),
    ),
    Case(
        id="a hole in the Internet leaves some",
        net=routes("0.0.0.0/0 igw-1", "8.8.8.0/24 tgw-1"),
        expected="internet some",
        paths=[OPEN],
    ),
    Case(
        id="a hole where nothing is public leaves all",
        net=routes("0.0.0.0/0 igw-1", "10.0.0.0/8 tgw-1"),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="a static route comes before a list's of the same prefix",
        rules=SSH_TO_SOME,
        net=routes("8.8.8.0/24 igw-1", "pl-1 tgw-1", prefix_lists={"pl-1": ["8.8.8.0/24"]}),
        expected="internet some",
        paths=[OPEN],
    ),
    Case(
        id="in whatever order they are told",
        rules=SSH_TO_SOME,
        net=routes("pl-1 igw-1", "8.8.8.0/24 tgw-1", prefix_lists={"pl-1": ["8.8.8.0/24"]}),
        expected="blocked",
        paths=closed(ROUTE),
    ),
    Case(
        id="a list's route comes before a propagated one",
        rules=SSH_TO_SOME,
        net=routes("8.8.8.0/24 vgw-1 propagated", "pl-1 igw-1", prefix_lists={"pl-1": ["8.8.8.0/24"]}),
        expected="internet some",
        paths=[OPEN],
    ),
    Case(
        id="a static route comes before a propagated one",
        net=routes("0.0.0.0/0 vgw-1 propagated", "0.0.0.0/0 igw-1"),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="a longer propagated route comes before a shorter static one",
        rules=SSH_TO_SOME,
        net=routes("0.0.0.0/0 igw-1", "8.8.0.0/16 vgw-1 propagated"),
        expected="blocked",
        paths=closed(ROUTE),
    ),
    Case(
        id="a customer's list counts as its entries",
        net=routes("pl-1 igw-1", prefix_lists={"pl-1": ["8.0.0.0/8"]}),
        expected="internet some",
        paths=[OPEN],
    ),
    Case(
        id="a list of AWS's own does not count",
        net=routes("0.0.0.0/0 igw-1", "pl-aws vpce-1", prefix_lists={"pl-aws": []}),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="a list to the gateway that could not be read",
        net=routes("0.0.0.0/0 nat-1", "pl-1 igw-1"),
        expected="unknown",
        paths=NOT_KNOWN,
    ),
    Case(
        id="a list to elsewhere that could not be read",
        net=routes("0.0.0.0/0 igw-1", "pl-1 tgw-1"),
        expected="unknown",
        paths=NOT_KNOWN,
    ),
    Case(
        id="a list to elsewhere that could not be read, where there is no gateway either",
        net=routes("0.0.0.0/0 nat-1", "pl-1 tgw-1"),
        expected="blocked",
        paths=closed(ROUTE),
    ),
    Case(
        id="a list to the same gateway that could not be read changes nothing",
        net=routes("0.0.0.0/0 igw-1", "pl-1 igw-1"),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="the subnet's own table counts, not the main one",
        net=net(
            route_tables=[
                route_table(routes=["0.0.0.0/0 igw-1"]),
                route_table("rtb-2", ["0.0.0.0/0 nat-1"], main=False, subnets=["subnet-1"]),
            ]
        ),
        expected="blocked",
        paths=closed(ROUTE),
    ),
    Case(
        id="the main table of the same VPC, whichever comes first",
        net=net(
            route_tables=[
                route_table("rtb-9", ["0.0.0.0/0 igw-9"], vpc="vpc-9"),
                route_table(routes=["0.0.0.0/0 nat-1"]),
                route_table("rtb-8", ["0.0.0.0/0 igw-8"], vpc="vpc-8"),
            ]
        ),
        expected="blocked",
        paths=closed(ROUTE),
    ),
    Case(
        id="interfaces in several VPCs go by their own tables",
        net=only(
            interface(),
            interface("eni-2", vpc="vpc-2", subnet="subnet-2", public="54.1.1.2"),
            subnets=[subnet(), subnet("subnet-2", "vpc-2")],
            vpcs=[vpc(), vpc("vpc-2")],
            route_tables=[
                route_table("rtb-2", ["0.0.0.0/0 igw-2"], vpc="vpc-2"),
                route_table(routes=["0.0.0.0/0 nat-1"]),
            ],
            acls=[acl(subnets=["subnet-1", "subnet-2"])],
        ),
        expected="internet all",
        paths=["eni-2 54.1.1.2 internet", f"eni-1 54.1.1.1 blocked {ROUTE}"],
    ),
    Case(
        id="a table that neither the subnet nor its VPC uses",
        net=net(route_tables=[route_table("rtb-2", main=False), route_table(routes=["0.0.0.0/0 nat-1"])]),
        expected="blocked",
        paths=closed(ROUTE),
    ),
]  # fmt: skip

SOURCES = [
    Case(id="a part of the Internet is let in", rules=SSH_TO_SOME, expected="internet some", paths=[OPEN]),
    Case(
        id="all is by one port",
        rules=("tcp/22 from 0.0.0.0/1", "tcp/3389 from 128.0.0.0/1"),
        expected="internet some",
        paths=[OPEN],
    ),
    Case(
        id="of which one is enough",
        rules=("tcp/22 from 8.8.8.0/24", "tcp/3389 from 0.0.0.0/0"),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="all by several addresses together",
        net=only(
            interface(),
            interface("eni-2", subnet="subnet-2", public="54.1.1.2"),
            subnets=[subnet(), subnet("subnet-2")],
            route_tables=[
                route_table(routes=["0.0.0.0/1 igw-1"]),
                route_table("rtb-2", ["128.0.0.0/1 igw-1"], main=False, subnets=["subnet-2"]),
            ],
            acls=[acl(subnets=["subnet-1", "subnet-2"])],
        ),
        expected="internet all",
        paths=[OPEN, "eni-2 54.1.1.2 internet"],
    ),
    Case(
        id="half of each family is not all of one",
        rules=("tcp/22 from 0.0.0.0/1, 2000::/4",),
        net=only(interface(ipv6=[GUA])),
        expected="internet some",
        paths=[f"eni-1 {GUA} internet", OPEN],
    ),
    Case(
        id="addresses of the VPC itself do not count, IPv6",
        rules=SSH_TO_ALL_V6,
        net=routes(LOCAL_V6, "::/0 igw-1", interfaces=[interface(public="", ipv6=[GUA])]),
        expected="internet all",
        paths=[f"eni-1 {GUA} internet"],
    ),
    Case(
        id="addresses of the VPC itself do not count, IPv4",
        net=routes("9.9.0.0/16 local", "0.0.0.0/0 igw-1"),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="nor do they come in from the Internet",
        rules=("tcp/22 from 9.9.9.0/24",),
        net=routes("9.9.0.0/16 local", "0.0.0.0/0 igw-1"),
        expected="blocked",
        paths=closed(ROUTE),
    ),
    Case(
        id="trusted addresses do not count", trusted=["8.8.8.0/24"], net=routes("0.0.0.0/0 igw-1", "8.8.8.0/24 tgw-1"),
        expected="internet all", paths=[OPEN],
    ),
    Case(
        id="a partly exempt group is judged by what is left",
        rules=("tcp/22 from 0.0.0.0/0",),
        exemptions=[Exemption("sg-1", sources=AddressSet.parse("8.0.0.0/8"))],
        net=routes("0.0.0.0/0 nat-1", "8.8.8.0/24 igw-1"),
        expected="blocked",
        paths=closed(ROUTE),
    ),
    Case(
        id="and all is all that is left",
        exemptions=[Exemption("sg-1", sources=AddressSet.parse("8.0.0.0/8"))],
        net=routes("0.0.0.0/0 igw-1", "8.8.8.0/24 nat-1"),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(id="a whitelisted group is judged as if it were not", exemptions=[Exemption("sg-1")], expected="internet all",
         paths=[OPEN]),
    Case(
        id="exempt as a whole by its parts, too",
        exemptions=[Exemption("sg-1", ports=PortSet.parse(["tcp/22"]))],
        expected="internet all",
        paths=[OPEN],
    ),
]  # fmt: skip

ACLS = [
    Case(id="no entry lets it in", net=entries("out 100 allow -1 0.0.0.0/0"), expected="blocked", paths=closed(ACL)),
    Case(id="no entry lets the answer out", net=entries("in 100 allow -1 0.0.0.0/0"), expected="blocked",
         paths=closed(ACL)),
    Case(
        id="a deny before the allow",
        net=entries("in 99 deny tcp/22 0.0.0.0/0", *OPEN_ACL),
        expected="blocked",
        paths=closed(ACL),
    ),
    Case(
        id="a deny after the allow does nothing",
        net=entries("in 101 deny tcp/22 0.0.0.0/0", "in 100 allow -1 0.0.0.0/0", "out 100 allow -1 0.0.0.0/0"),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="the order of the numbers, not that of the answer",
        net=entries("in 200 allow -1 0.0.0.0/0", "in 90 deny -1 0.0.0.0/0", "out 100 allow -1 0.0.0.0/0"),
        expected="blocked",
        paths=closed(ACL),
    ),
    Case(
        id="a deny of the answer before its allow",
        net=entries("in 100 allow -1 0.0.0.0/0", "out 99 deny tcp/0-65535 0.0.0.0/0", "out 100 allow -1 0.0.0.0/0"),
        expected="blocked",
        paths=closed(ACL),
    ),
    Case(
        id="an answer to the ephemeral ports is enough",
        net=entries("in 100 allow tcp/22 0.0.0.0/0", "out 100 allow tcp/1024-65535 0.0.0.0/0"),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="one port of them is enough",
        net=entries("in 100 allow tcp/22 0.0.0.0/0", "out 100 allow tcp/65535 0.0.0.0/0"),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="ports below are not",
        net=entries("in 100 allow tcp/22 0.0.0.0/0", "out 100 allow tcp/22-1023 0.0.0.0/0"),
        expected="blocked",
        paths=closed(ACL),
    ),
    Case(
        id="a deny of all but one of them leaves it",
        net=entries(
            "in 100 allow tcp/22 0.0.0.0/0",
            "out 98 deny tcp/1024-40000 0.0.0.0/0",
            "out 99 deny tcp/40002-65535 0.0.0.0/0",
            "out 100 allow tcp/0-65535 0.0.0.0/0",
        ),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="an answer by UDP is none to TCP",
        net=entries("in 100 allow tcp/22 0.0.0.0/0", "out 100 allow udp/1024-65535 0.0.0.0/0"),
        expected="blocked",
        paths=closed(ACL),
    ),
    Case(
        id="another port is let in",
        net=entries("in 100 allow tcp/443 0.0.0.0/0", "out 100 allow -1 0.0.0.0/0"),
        expected="blocked",
        paths=closed(ACL),
    ),
    Case(
        id="one restricted port of two is let in",
        rules=("tcp/22..3389 from 0.0.0.0/0",),
        net=entries("in 100 allow tcp/3389 0.0.0.0/0", "out 100 allow -1 0.0.0.0/0"),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="some sources are denied",
        net=entries("in 99 deny -1 8.0.0.0/8", *OPEN_ACL),
        expected="internet some",
        paths=[OPEN],
    ),
    Case(
        id="just those that the group lets in",
        rules=SSH_TO_SOME,
        net=entries("in 99 deny -1 8.0.0.0/8", *OPEN_ACL),
        expected="blocked",
        paths=closed(ACL),
    ),
    Case(
        id="these come in, and to those the answer goes out",
        net=entries("in 100 allow -1 0.0.0.0/1", "out 100 allow -1 128.0.0.0/1"),
        expected="blocked",
        paths=closed(ACL),
    ),
    Case(
        id="an allow of IPv4 is none of IPv6",
        rules=SSH_TO_ALL_V6,
        net=entries(
            "in 100 allow -1 0.0.0.0/0", "out 100 allow -1 0.0.0.0/0", interfaces=[interface(public="", ipv6=[GUA])]
        ),
        expected="blocked",
        paths=[f"eni-1 {GUA} blocked {ACL}"],
    ),
    Case(
        id="nor is a deny",
        net=entries("in 99 deny -1 ::/0", *OPEN_ACL),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="UDP by its own entries",
        rules=("udp/161 from 0.0.0.0/0",),
        net=entries("in 100 allow udp/161 0.0.0.0/0", "out 100 allow udp/1024-65535 0.0.0.0/0"),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="a protocol without ports by its own entries",
        rules=("50 from 0.0.0.0/0",),
        net=entries("in 100 allow 50 0.0.0.0/0", "out 100 allow 50 0.0.0.0/0"),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="or by those of every protocol",
        rules=("50 from 0.0.0.0/0",),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="not by those of TCP",
        rules=("50 from 0.0.0.0/0",),
        net=entries("in 100 allow tcp/0-65535 0.0.0.0/0", "out 100 allow tcp/0-65535 0.0.0.0/0"),
        expected="blocked",
        paths=closed(ACL),
    ),
    Case(
        id="nor without an answer of its own protocol",
        rules=("50 from 0.0.0.0/0",),
        net=entries("in 100 allow -1 0.0.0.0/0", "out 100 allow tcp/1024-65535 0.0.0.0/0"),
        expected="blocked",
        paths=closed(ACL),
    ),
    Case(
        id="all traffic, of which the ACL lets one restricted port in",
        rules=("-1 from 0.0.0.0/0",),
        net=entries("in 100 allow tcp/22 0.0.0.0/0", "out 100 allow tcp/1024-65535 0.0.0.0/0"),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="all traffic, of which the ACL lets in only ports that are not restricted",
        rules=("-1 from 0.0.0.0/0",),
        net=entries("in 100 allow tcp/443 0.0.0.0/0", "out 100 allow -1 0.0.0.0/0"),
        expected="blocked",
        paths=closed(ACL),
    ),
    Case(
        id="all traffic, of which the ACL lets in one protocol without ports",
        rules=("-1 from 0.0.0.0/0",),
        net=entries("in 100 allow 47 0.0.0.0/0", "out 100 allow 47 0.0.0.0/0"),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="an ACL that lets in ICMP only",
        rules=("-1 from 0.0.0.0/0",),
        net=entries("in 100 allow icmp 0.0.0.0/0", "out 100 allow -1 0.0.0.0/0"),
        expected="blocked",
        paths=closed(ACL),
    ),
    Case(
        id="the ACL of the interface's subnet",
        net=net(acls=[acl("acl-2", [], ["subnet-2"]), acl(), acl("acl-3", [], ["subnet-3"])]),
        expected="internet all",
        paths=[OPEN],
    ),
]  # fmt: skip

BLOCK_PUBLIC_ACCESS = [
    Case(
        id="the VPC is closed both ways",
        net=net(vpcs=[vpc(mode="block-bidirectional")]),
        expected="blocked",
        paths=closed(BPA),
    ),
    Case(
        id="the VPC is closed inwards", net=net(vpcs=[vpc(mode="block-ingress")]), expected="blocked", paths=closed(BPA)
    ),
    Case(id="the VPC tells that it is off", net=net(vpcs=[vpc(mode="off")]), expected="internet all", paths=[OPEN]),
    Case(
        id="a subnet is excluded",
        net=net(vpcs=[vpc(mode="block-bidirectional")], subnets=[subnet(mode="off")]),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="a subnet is excluded for egress only",
        net=net(vpcs=[vpc(mode="block-bidirectional")], subnets=[subnet(mode="block-ingress")]),
        expected="blocked",
        paths=closed(BPA),
    ),
    Case(
        id="the subnet is closed in a VPC that is not",
        net=net(vpcs=[vpc(mode="off")], subnets=[subnet(mode="block-bidirectional")]),
        expected="blocked",
        paths=closed(BPA),
    ),
    Case(
        id="it stops IPv6, too",
        rules=SSH_TO_ALL_V6,
        net=only(interface(public="", ipv6=[GUA]), vpcs=[vpc(mode="block-ingress")]),
        expected="blocked",
        paths=[f"eni-1 {GUA} blocked {BPA}"],
    ),
    Case(
        id="a mode that nobody knows yet",
        net=net(vpcs=[vpc(mode="block-sometimes")]),
        expected="unknown",
        paths=NOT_KNOWN,
    ),
]  # fmt: skip

ORDER = [
    Case(
        id="Block Public Access comes before the route",
        net=routes("0.0.0.0/0 nat-1", vpcs=[vpc(mode="block-ingress")]),
        expected="blocked",
        paths=closed(BPA),
    ),
    Case(
        id="the route comes before the ACL",
        net=routes("0.0.0.0/0 nat-1", acls=[acl(entries=[])]),
        expected="blocked",
        paths=closed(ROUTE),
    ),
    Case(
        id="what stops everybody comes before what stops somebody",
        net=routes("0.0.0.0/1 igw-1", acls=[acl(entries=[])]),
        expected="blocked",
        paths=closed(ACL),
    ),
    Case(
        id="where each stops somebody, the first",
        net=routes("0.0.0.0/1 igw-1", acls=[acl(entries=["in 99 deny -1 0.0.0.0/1", *OPEN_ACL])]),
        expected="blocked",
        paths=closed(ROUTE),
    ),
]


def alb(*listeners: dict[str, Any], **other: Any) -> Answers:
    """An application load balancer that uses the group."""
    elb = ElbAnswers(load_balancers=[balancer()], listeners={ALB_ARN: listeners})
    return net(interfaces=[balancer_interface()], elb=elb, **other)


def classic(*listeners: tuple[str, int]) -> Answers:
    return net(interfaces=[balancer_interface(arn="old")], classic=[classic_balancer("old", *listeners)])


AT_BALANCER = "eni-lb 54.9.9.9"
BALANCERS = [
    Case(id="a listener at the port", net=alb(listener("HTTP", 22)), expected="internet all",
         paths=[f"{AT_BALANCER} internet"]),
    Case(id="no listener", net=alb(), expected="blocked", paths=[f"{AT_BALANCER} blocked {LISTENER}"]),
    Case(id="a listener at another port", net=alb(listener("HTTPS", 443)), expected="blocked",
         paths=[f"{AT_BALANCER} blocked {LISTENER}"]),
    Case(id="a listener at the port, of the other transport", net=alb(listener("UDP", 22)), expected="blocked",
         paths=[f"{AT_BALANCER} blocked {LISTENER}"]),
    Case(id="a listener of both transports", net=alb(listener("TCP_UDP", 161)), rules=("udp/161 from 0.0.0.0/0",),
         expected="internet all", paths=[f"{AT_BALANCER} internet"]),
    Case(id="a listener by TLS", net=alb(listener("TLS", 22)), expected="internet all",
         paths=[f"{AT_BALANCER} internet"]),
    Case(id="one of a range of ports has a listener", rules=("tcp/20..4000 from 0.0.0.0/0",),
         net=alb(listener("HTTP", 3389)), expected="internet all", paths=[f"{AT_BALANCER} internet"]),
    Case(id="all traffic, and a listener at a restricted port", rules=("-1 from 0.0.0.0/0",),
         net=alb(listener("HTTP", 22)), expected="internet all", paths=[f"{AT_BALANCER} internet"]),
    Case(id="traffic without ports has no listener", rules=("50 from 0.0.0.0/0",), net=alb(listener("TCP", 50)),
         expected="blocked", paths=[f"{AT_BALANCER} blocked {LISTENER}"]),
    Case(id="the route comes before the listener", net=alb(route_tables=[route_table(routes=["0.0.0.0/0 nat-1"])]),
         expected="blocked", paths=[f"{AT_BALANCER} blocked {ROUTE}"]),
    Case(id="a private load balancer", expected="internal", paths=["eni-lb - internal"],
         net=net(interfaces=[balancer_interface(public="")])),
    Case(id="a classic load balancer with a listener", net=classic(("SSL", 22)), expected="internet all",
         paths=[f"{AT_BALANCER} internet"]),
    Case(id="a classic load balancer without", net=classic(("TCP", 443)), expected="blocked",
         paths=[f"{AT_BALANCER} blocked {LISTENER}"]),
    Case(id="a load balancer that is not in the answers", net=net(interfaces=[balancer_interface()]),
         expected="unknown", paths=[f"{AT_BALANCER} unknown"]),
    Case(id="a load balancer whose listeners could not be read", expected="unknown", paths=[f"{AT_BALANCER} unknown"],
         net=net(interfaces=[balancer_interface()], elb=ElbAnswers(load_balancers=[balancer()]))),
    Case(id="a load balancer that is not in the answers, and no route", expected="blocked",
         paths=[f"{AT_BALANCER} blocked {ROUTE}"],
         net=net(interfaces=[balancer_interface()], route_tables=[route_table(routes=["0.0.0.0/0 nat-1"])])),
    Case(id="an instance's interface that calls itself a load balancer's is an instance's",
         net=only(interface(Description="ELB app/web/60dc6c495c0c9188"),
                  elb=ElbAnswers(load_balancers=[balancer()], listeners={ALB_ARN: []})),
         expected="internet all", paths=[OPEN]),
]  # fmt: skip


def nlb(
    *listeners: dict[str, Any],
    group: dict[str, Any] | None = None,
    target: dict[str, Any] | None = None,
    attributes: dict[str, str] | None = None,
    scheme: str = "internet-facing",
    entry: dict[str, Any] | None = None,
    mine: dict[str, Any] | None = None,
    empty: Sequence[str] = (),
    **other: Any,
) -> Answers:
    """A network load balancer in `subnet-2` that sends to a private instance with the group in `subnet-1`.

    `empty` are target groups without targets.
    """
    groups = [group or target_group()]
    elb = ElbAnswers(
        load_balancers=[balancer(NLB_ARN, scheme=scheme)],
        listeners={NLB_ARN: listeners or [listener("TCP", 443, "tg-1")]},
        target_groups=[*groups, *map(target_group, empty)],
        targets={each["TargetGroupArn"]: [target or {"Id": "i-1", "Port": 22}] for each in groups}
        | {arn: [] for arn in empty},
        attributes={"tg-1": attributes or {}},
        wanted=TargetNames(frozenset({"i-1", "172.31.0.10", "172.31.0.70", "172.31.0.80", "2600:1f18:0:0:1::7", GUA})),
    )
    made: dict[str, Any] = {
        "interfaces": [
            balancer_interface(arn=NLB_ARN, **({"subnet": "subnet-2", "groups": []} | (entry or {}))),
            interface(**({"public": ""} | (mine or {}))),
        ],
        "elb": elb,
        "subnets": [subnet(), subnet("subnet-2")],
        "route_tables": [
            route_table(routes=["0.0.0.0/0 nat-1"]),
            route_table("rtb-2", main=False, subnets=["subnet-2"]),
        ],
        "acls": [acl(), acl("acl-2", subnets=["subnet-2"])],
    }
    return net(**made | other)


OVER = "eni-1 54.9.9.9"
TARGETS = [
    Case(id="a private instance behind it", net=nlb(), expected="internet all", paths=[f"{OVER} internet"]),
    Case(id="the target group's own port", net=nlb(target={"Id": "i-1"}), expected="internet all",
         paths=[f"{OVER} internet"]),
    Case(id="an address behind it does not see the client", expected="internal", paths=INTERNAL,
         net=nlb(group=target_group(kind="ip"), target={"Id": "172.31.0.10", "Port": 22})),
    Case(id="unless it is told to keep the client's address", expected="internet all", paths=[f"{OVER} internet"],
         net=nlb(group=target_group(kind="ip"), target={"Id": "172.31.0.10", "Port": 22},
                 attributes={"preserve_client_ip.enabled": "true"})),
    Case(id="or carries UDP", rules=("udp/161 from 0.0.0.0/0",), expected="internet all", paths=[f"{OVER} internet"],
         net=nlb(listener("UDP", 161, "tg-1"), group=target_group(kind="ip", protocol="UDP", port=161),
                 target={"Id": "172.31.0.10", "Port": 161})),
    Case(id="an address of a prefix that is delegated to the interface", expected="internet all",
         paths=[f"{OVER} internet"],
         net=nlb(group=target_group(kind="ip"), target={"Id": "172.31.0.70", "Port": 22},
                 attributes={"preserve_client_ip.enabled": "true"},
                 mine={"Ipv4Prefixes": [{"Ipv4Prefix": "172.31.0.64/28"}]})),
    Case(id="an address beside that prefix", expected="internal", paths=INTERNAL,
         net=nlb(group=target_group(kind="ip"), target={"Id": "172.31.0.80", "Port": 22},
                 attributes={"preserve_client_ip.enabled": "true"},
                 mine={"Ipv4Prefixes": [{"Ipv4Prefix": "172.31.0.64/28"}]})),
    Case(id="an address of a delegated IPv6 prefix", rules=SSH_TO_ALL_V6, expected="internet all",
         paths=["eni-1 2600:1f18::99 internet"],
         net=nlb(group=target_group(kind="ip"), target={"Id": "2600:1f18:0:0:1::7", "Port": 22},
                 attributes={"preserve_client_ip.enabled": "true"}, entry={"public": "", "ipv6": ["2600:1f18::99"]},
                 mine={"Ipv6Prefixes": [{"Ipv6Prefix": PREFIX}], "DenyAllIgwTraffic": True})),
    Case(id="a prefix of the balancer, from which it calls its targets, is no way in", rules=SSH_TO_ALL_V6,
         net=nlb(entry={"public": "", "Ipv6Prefixes": [{"Ipv6Prefix": PREFIX}]}), expected="internal", paths=INTERNAL),
    Case(id="an instance that does not see the client", expected="internal", paths=INTERNAL,
         net=nlb(attributes={"preserve_client_ip.enabled": "false"})),
    Case(id="a private network load balancer", net=nlb(scheme="internal"), expected="internal", paths=INTERNAL),
    Case(id="an application load balancer behind it", expected="internal", paths=INTERNAL,
         net=nlb(group=target_group(kind="alb"), target={"Id": ALB_ARN, "Port": 22})),
    Case(id="another instance behind it", net=nlb(target={"Id": "i-2", "Port": 22}), expected="internal",
         paths=INTERNAL),
    Case(id="the second interface of the instance", expected="internal", paths=INTERNAL,
         net=nlb(mine={"Attachment": {"Status": "attached", "DeviceIndex": 1, "InstanceId": "i-1"}})),
    Case(id="an application load balancer leads to nobody", expected="internal", paths=INTERNAL,
         net=net(interfaces=[interface(public=""), balancer_interface(groups=["sg-2"])],
                 elb=ElbAnswers(load_balancers=[balancer()], listeners={ALB_ARN: [listener("HTTP", 22)]}))),
    Case(id="another port of the target", net=nlb(target={"Id": "i-1", "Port": 8080}), expected="blocked",
         paths=[f"{OVER} blocked {LISTENER}"]),
    Case(id="a target group that no listener sends to", expected="blocked", paths=[f"{OVER} blocked {LISTENER}"],
         net=nlb(listener("TCP", 443, "tg-2"), empty=["tg-2"])),
    Case(id="a listener of the other transport", expected="blocked", paths=[f"{OVER} blocked {LISTENER}"],
         net=nlb(listener("UDP", 443, "tg-1"))),
    Case(id="a listener by TLS counts as TCP", net=nlb(listener("TLS", 443, "tg-1")), expected="internet all",
         paths=[f"{OVER} internet"]),
    Case(id="a weighted listener", expected="internet all", paths=[f"{OVER} internet"],
         net=nlb({"Protocol": "TCP", "Port": 443, "DefaultActions": [
             {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": "tg-1"}]}}]})),
    Case(id="no route at the balancer", expected="blocked", paths=[f"{OVER} blocked {ROUTE}"],
         net=nlb(route_tables=[route_table(routes=["0.0.0.0/0 nat-1"])])),
    Case(id="Block Public Access at the balancer", expected="blocked", paths=[f"{OVER} blocked {BPA}"],
         net=nlb(subnets=[subnet(), subnet("subnet-2", mode="block-ingress")])),
    Case(id="the ACL at the balancer, at the listener's port", expected="blocked", paths=[f"{OVER} blocked {ACL}"],
         net=nlb(acls=[acl(), acl("acl-2", ["in 99 deny tcp/443 0.0.0.0/0", *OPEN_ACL], ["subnet-2"])])),
    Case(id="the target's port does not matter there", expected="internet all", paths=[f"{OVER} internet"],
         net=nlb(acls=[acl(), acl("acl-2", ["in 99 deny tcp/22 0.0.0.0/0", *OPEN_ACL], ["subnet-2"])])),
    Case(id="the ACL at the target, at its port", expected="blocked", paths=[f"{OVER} blocked {ACL}"],
         net=nlb(acls=[acl(entries=["in 99 deny tcp/22 0.0.0.0/0", *OPEN_ACL]), acl("acl-2", subnets=["subnet-2"])])),
    Case(id="the ACL at the target, for the answer", expected="blocked", paths=[f"{OVER} blocked {ACL}"],
         net=nlb(acls=[acl(entries=["in 100 allow -1 0.0.0.0/0"]), acl("acl-2", subnets=["subnet-2"])])),
    Case(id="within a subnet there is no second ACL", expected="internet all", paths=[f"{OVER} internet"],
         net=nlb(entry={"subnet": "subnet-1"}, route_tables=[route_table()],
                 acls=[acl(entries=["in 99 deny tcp/22 0.0.0.0/0", *OPEN_ACL])])),
    Case(id="the balancer's own groups admit the listener's port", expected="internet all",
         paths=[f"{OVER} internet"],
         net=nlb(entry={"groups": ["sg-lb"]}, groups={"sg-lb": ["tcp/443 from 0.0.0.0/0"]})),
    Case(id="they admit some", expected="internet some", paths=[f"{OVER} internet"],
         net=nlb(entry={"groups": ["sg-lb"]}, groups={"sg-lb": ["tcp/443 from 8.8.8.0/24"]})),
    Case(id="one of them is enough", expected="internet all", paths=[f"{OVER} internet"],
         net=nlb(entry={"groups": ["sg-a", "sg-b"]}, groups={"sg-a": [], "sg-b": ["-1 from 0.0.0.0/0"]})),
    Case(id="they admit another port only", expected="blocked", paths=[f"{OVER} blocked {GROUP}"],
         net=nlb(entry={"groups": ["sg-lb"]}, groups={"sg-lb": ["tcp/22 from 0.0.0.0/0"]})),
    Case(id="they could not be read", net=nlb(entry={"groups": ["sg-lb"]}), expected="unknown",
         paths=[f"{OVER} unknown"]),
    Case(id="they name a list that could not be read", expected="unknown", paths=[f"{OVER} unknown"],
         net=nlb(entry={"groups": ["sg-lb"]}, groups={"sg-lb": ["tcp/443 from pl-1"]})),
    Case(id="the ACL comes before the balancer's groups", expected="blocked", paths=[f"{OVER} blocked {ACL}"],
         net=nlb(entry={"groups": ["sg-lb"]}, groups={"sg-lb": []},
                 acls=[acl(), acl("acl-2", [], ["subnet-2"])])),
    Case(id="an own public address and the balancer's", expected="internet all",
         paths=[f"{OVER} internet", f"eni-1 54.1.1.1 blocked {ROUTE}"], net=nlb(mine={"public": "54.1.1.1"})),
    Case(id="every address of the balancer is a path", expected="internet all",
         paths=["eni-1 54.9.9.8 internet", f"{OVER} internet"],
         net=nlb(entry={"secondary": ["54.9.9.8"]})),
    Case(id="an address of the balancer in a family that the group does not let in", rules=SSH_TO_ALL_V6,
         net=nlb(), expected="internal", paths=INTERNAL),
    Case(id="a balancer with an IPv6 address", rules=SSH_TO_ALL_V6, expected="internet all",
         paths=["eni-1 2600:1f18::99 internet"], net=nlb(entry={"public": "", "ipv6": ["2600:1f18::99"]})),
]  # fmt: skip

DENIED = "DescribeLoadBalancers was refused (AccessDenied)"
UNKNOWN = [
    Case(
        id="a gateway with a route table of its own",
        net=net(route_tables=[route_table(), route_table("rtb-9", main=False, gateways=["igw-1"])]),
        expected="unknown",
        paths=NOT_KNOWN,
    ),
    Case(
        id="of another VPC",
        net=net(route_tables=[route_table(), route_table("rtb-9", vpc="vpc-9", main=False, gateways=["igw-9"])]),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(
        id="a gateway with a route table of its own, and something in the way",
        net=net(
            route_tables=[route_table(), route_table("rtb-9", main=False, gateways=["igw-1"])], acls=[acl(entries=[])]
        ),
        expected="blocked",
        paths=closed(ACL),
    ),
    Case(
        id="an association that has ended",
        net=net(
            route_tables=[
                route_table(),
                route_table("rtb-9", main=False)
                | {"Associations": [{"GatewayId": "igw-1", "AssociationState": {"State": "disassociated"}}]},
            ]
        ),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(id="a subnet that is not in the answers", net=net(subnets=[]), expected="unknown", paths=NOT_KNOWN),
    Case(id="a VPC that is not in the answers", net=net(vpcs=[]), expected="unknown", paths=NOT_KNOWN),
    Case(
        id="a VPC that is not needed, for the subnet tells",
        net=net(vpcs=[], subnets=[subnet(mode="off")]),
        expected="internet all",
        paths=[OPEN],
    ),
    Case(id="no route table in the answers", net=net(route_tables=[]), expected="unknown", paths=NOT_KNOWN),
    Case(
        id="a main table of another VPC only",
        net=net(route_tables=[route_table(vpc="vpc-2")]),
        expected="unknown",
        paths=NOT_KNOWN,
    ),
    Case(id="no ACL in the answers", net=net(acls=[]), expected="unknown", paths=NOT_KNOWN),
    Case(
        id="no subnet in the answers, and no route",
        net=routes("0.0.0.0/0 nat-1", subnets=[]),
        expected="blocked",
        paths=closed(ROUTE),
    ),
    Case(
        id="no route table in the answers, and an ACL that denies",
        net=net(route_tables=[], acls=[acl(entries=[])]),
        expected="blocked",
        paths=closed(ACL),
    ),
    Case(
        id="a shared subnet, of which nothing is in the answers",
        net=net(subnets=[], vpcs=[], route_tables=[], acls=[]),
        expected="unknown",
        paths=NOT_KNOWN,
    ),
    Case(
        id="a private interface does not need them",
        net=only(interface(public=""), subnets=[], vpcs=[], route_tables=[], acls=[]),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="interfaces that could not be read",
        net=net(interfaces=None, unread={"network interfaces": DENIED}),
        expected="unknown",
    ),
    Case(
        id="load balancers that could not be read, and one that may lead here",
        net=replace(nlb(), elb=None, unread={"load balancers": DENIED}),
        expected="unknown",
        paths=["eni-1 - unknown"],
    ),
    Case(
        id="also to an interface whose own address is closed",
        net=replace(nlb(mine={"public": "54.1.1.1"}), elb=None, unread={"load balancers": DENIED}),
        expected="unknown",
        paths=[f"eni-1 54.1.1.1 unknown {ROUTE}"],
    ),
    Case(
        id="but none that may lead here",
        net=only(interface(public=""), unread={"load balancers": DENIED}),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="nor one with a public address",
        net=replace(nlb(entry={"public": ""}), elb=None, unread={"load balancers": DENIED}),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="nor one in this VPC",
        net=replace(nlb(entry={"vpc": "vpc-2"}), elb=None, unread={"load balancers": DENIED}),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="nor with an address of a family that the group lets in",
        rules=SSH_TO_ALL_V6,
        net=replace(nlb(), elb=None, unread={"load balancers": DENIED}),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="an application load balancer does not lead anywhere, read or not",
        net=only(interface(public=""), balancer_interface(groups=["sg-2"]), unread={"load balancers": DENIED}),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="targets that could not be read",
        net=replace(
            nlb(),
            elb=ElbAnswers(
                load_balancers=[balancer(NLB_ARN)],
                listeners={NLB_ARN: [listener("TCP", 443, "tg-1")]},
                target_groups=[target_group()],
            ),
        ),
        expected="unknown",
        paths=["eni-1 - unknown"],
    ),
    Case(
        id="target groups that could not be read",
        net=replace(
            nlb(),
            elb=ElbAnswers(load_balancers=[balancer(NLB_ARN)], listeners={NLB_ARN: []}, target_groups=None),
        ),
        expected="unknown",
        paths=["eni-1 - unknown"],
    ),
]

ACCELERATOR = interface("eni-ga", groups=["sg-ga"], public="", instance="", InterfaceType="global_accelerator_managed")
ACCELERATORS = [
    Case(
        id="a private interface where an accelerator is",
        net=only(interface(public=""), ACCELERATOR),
        expected="unknown",
        paths=["eni-1 - unknown"],
    ),
    Case(
        id="a closed address where an accelerator is",
        net=only(interface(), ACCELERATOR, route_tables=[route_table(routes=["0.0.0.0/0 nat-1"])]),
        expected="unknown",
        paths=[f"eni-1 54.1.1.1 unknown {ROUTE}"],
    ),
    Case(
        id="what is open stays open", net=only(interface(), ACCELERATOR), expected="internet all", paths=[OPEN]
    ),
    Case(
        id="a closed address that Block Public Access stops",
        net=only(interface(), ACCELERATOR, vpcs=[vpc(mode="block-ingress")]),
        expected="blocked",
        paths=closed(BPA),
    ),
    Case(
        id="a private interface that Block Public Access stops",
        net=only(interface(public=""), ACCELERATOR, vpcs=[vpc(mode="block-bidirectional")]),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="in another VPC",
        net=only(interface(public=""), ACCELERATOR | {"VpcId": "vpc-2"}),
        expected="internal",
        paths=INTERNAL,
    ),
    Case(
        id="an unused group stays unused", net=only(ACCELERATOR), expected="unused"
    ),
    Case(
        id="the accelerator's own interface, which uses the group",
        net=only(ACCELERATOR | {"Groups": [{"GroupId": "sg-1"}]}),
        expected="unknown",
        paths=["eni-ga - unknown"],
    ),
]  # fmt: skip

CASES = [
    *ADDRESSES, *USE, *ROUTES, *SOURCES, *ACLS, *BLOCK_PUBLIC_ACCESS, *ORDER, *BALANCERS, *TARGETS, *UNKNOWN,
    *ACCELERATORS,
]  # fmt: skip


def judged(case: Case) -> Reachability:
    group = parse_security_group(described_group(case.rules, GroupId="sg-1"))
    evaluator = Evaluator(PortSet.parse([22, 3389, "udp/161"]), AddressSet.of(map(parse_network, case.trusted)))
    found = evaluator.evaluate(group, {}, case.exemptions, date(2027, 3, 1))
    assert found.exposures
    return Judge(case.net.network()).judge("sg-1", found.open_traffic, found.status)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_verdict(case: Case) -> None:
    found = judged(case)
    assert " ".join(filter(None, (found.verdict, found.sources))) == case.expected
    assert [
        " ".join(filter(None, (path.interface, path.address or "-", path.verdict, path.blocked_by)))
        for path in found.paths
    ] == list(case.paths)
    assert found.paths_total == len(case.paths)
    assert all(path.text for path in found.paths)
    # What is not known is named, and nothing is named where all is known.
    assert bool(found.unread) == any(path.verdict == "unknown" for path in found.paths) or not found.paths


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 80


WORDS = Path(__file__).parents[2] / "data" / "reachability_words.json"
"""What is said of each case, word for word. Read what a change of it says before you accept it:
`python -m tests.unit.reachability.test_verdict` writes it anew."""


def words(found: Reachability) -> list[str]:
    """Each path with the ids on it, what was not read, and what was assumed."""
    lines = [f"{path.resource or path.interface}: {path.text} [{' > '.join(path.through)}]" for path in found.paths]
    return [*lines, *(f"unread: {text}" for text in found.unread), *(f"assumed: {text}" for text in found.assumptions)]


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_what_is_said_of_it(case: Case) -> None:
    assert words(judged(case)) == json.loads(WORDS.read_text("utf-8"))[case.id]


if __name__ == "__main__":
    WORDS.write_text(json.dumps({case.id: words(judged(case)) for case in CASES}, indent=1, ensure_ascii=False) + "\n")
