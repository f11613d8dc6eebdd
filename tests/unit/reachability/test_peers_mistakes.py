"""What other scanners get wrong cannot be reproduced here."""

from __future__ import annotations

from typing import Any

import pytest

from identification.reachability.network import ElbAnswers, TargetNames
from identification.reachability.verdict import Judge
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exposure import Evaluator
from library.security_groups.group import parse_security_group
from tests.builders.networks import (
    NLB_ARN,
    OPEN_ACL,
    Answers,
    acl,
    balancer,
    balancer_interface,
    interface,
    listener,
    route_table,
    subnet,
    target_group,
)
from tests.builders.rules import described_group

GUA = "2600:1f18::10"


def verdict(answers: Answers, rule: str = "tcp/22 from 0.0.0.0/0") -> str:
    group = parse_security_group(described_group([rule], GroupId="sg-1"))
    found = Evaluator(PortSet.parse([22]), AddressSet()).evaluate(group, {})
    return str(Judge(answers.network()).judge("sg-1", found.open_traffic, found.status).verdict)


def network_load_balancer(*listeners: dict[str, Any]) -> Answers:
    """A private instance behind one, at port 22."""
    return Answers(
        interfaces=[interface(public=""), balancer_interface(arn=NLB_ARN, subnet="subnet-2", groups=[])],
        subnets=[subnet(), subnet("subnet-2")],
        route_tables=[route_table(routes=[]), route_table("rtb-2", main=False, subnets=["subnet-2"])],
        acls=[acl(), acl("acl-2", subnets=["subnet-2"])],
        elb=ElbAnswers(
            load_balancers=[balancer(NLB_ARN)],
            listeners={NLB_ARN: listeners},
            target_groups=[target_group(), target_group("tg-web", port=80)],
            targets={"tg-1": [{"Id": "i-1", "Port": 22}], "tg-web": [{"Id": "i-1", "Port": 80}]},
            attributes={"tg-1": {}, "tg-web": {}},
            wanted=TargetNames(frozenset({"i-1"})),
        ),
    )


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param(
            Answers(route_tables=[route_table("rtb-2", vpc="vpc-2"), route_table(routes=["0.0.0.0/0 nat-1"])]),
            "blocked",
            id="Prowler: the main route table of any VPC",
        ),
        pytest.param(
            Answers(route_tables=[route_table(routes=["0.0.0.0/0 igw-1 blackhole"])]),
            "blocked",
            id="Prowler: a route to a gateway, whatever its state",
        ),
        pytest.param(Answers(acls=[acl(entries=[])]), "blocked", id="Prowler, Cartography, Powerpipe: no network ACL"),
        pytest.param(
            Answers(acls=[acl(entries=[*OPEN_ACL, "in 200 deny tcp/22 0.0.0.0/0"])]),
            "internet",
            id="Prowler: a deny after the allow closes",
        ),
        pytest.param(
            Answers(interfaces=[interface(instance="", Description="RDSNetworkInterface")]),
            "internet",
            id="Prowler: instances only",
        ),
        pytest.param(
            Answers(route_tables=[route_table(routes=["10.0.0.0/8 local"])]),
            "blocked",
            id="Cartography, Powerpipe: no routes",
        ),
        pytest.param(
            network_load_balancer(listener("TCP", 443, "tg-web")),
            "blocked",
            id="Cartography, Powerpipe: a network load balancer with any listener",
        ),
        pytest.param(network_load_balancer(listener("TCP", 443, "tg-1")), "internet", id="Mondoo: no load balancers"),
        pytest.param(
            Answers(acls=[acl(entries=["in 100 allow -1 0.0.0.0/0", "out 100 allow tcp/22 0.0.0.0/0"])]),
            "blocked",
            id="Mondoo: no return traffic",
        ),
    ],
)
def test_a_mistake_of_a_peer(answers: Answers, expected: str) -> None:
    assert verdict(answers) == expected


def test_prowler_and_mondoo_leave_ipv6_out() -> None:
    answers = Answers(interfaces=[interface(public="", ipv6=[GUA])])
    assert verdict(answers, "tcp/22 from ::/0") == "internet"
