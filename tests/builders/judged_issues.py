"""Issues of each verdict, found and judged as a scan does it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from identification.reachability.verdict import Judge
from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exposure import Evaluator
from library.security_groups.group import IngressRule, SecurityGroup
from tests.builders.networks import Answers, interface, route_table

NOW = datetime(2026, 11, 22, 3, 5, tzinfo=UTC)
PORTS = PortSet.parse([22, 3389])
NETWORKS: Mapping[str, Answers | None] = {
    "internet": Answers(),
    "unknown": Answers(interfaces=None, unread={"network interfaces": "access was denied"}),
    "blocked": Answers(route_tables=[route_table(routes=["172.31.0.0/16 local"])]),
    "internal": Answers(interfaces=[interface(public="")]),
    "unused": Answers(interfaces=[]),
    "not judged": None,
}
SSH, RDP = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0"), IngressRule("tcp", 3389, 3389, cidr="8.8.8.0/24")


def issue_of(rules: tuple[IngressRule, ...], network: Answers | None) -> Issue:
    """The issue that a scan finds."""
    group = SecurityGroup("sg-1", "web", "vpc-1", "", {}, rules)
    found = Evaluator(PORTS, AddressSet()).evaluate(group, {})
    judged = Judge(network.network()).judge("sg-1", found.open_traffic, found.status) if network else None
    details = IssueDetails("web", "eu-west-1", "vpc-1", found.status, {}, found.exposures, judged)
    return Issue("210987654321", "sg-1", Status.OPEN, details, Timestamps(NOW, NOW))
