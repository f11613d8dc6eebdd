"""What it costs to know who can really connect: calls for a region, and CPU of the verdicts, in this process."""

from __future__ import annotations

import time
from typing import Any

from identification.reachability.sweep import Sweep, with_reachability
from identification.reachability.verdict import Judge
from library.aws.ec2 import PrefixListReader
from library.issues.issue import IssueDetails
from library.issues.reconcile import Detection
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exposure import Evaluation, Evaluator
from library.security_groups.group import parse_security_group
from tests.bench.measure import Report
from tests.builders.networks import acl, interface, route_table, subnet, vpc
from tests.builders.rules import described_group
from tests.builders.stubbed_aws import Answer, StubbedAws

GROUPS, EXPOSED, INTERFACES, SUBNETS, TABLES, ACLS = 2500, 250, 5000, 500, 300, 100
MAX_CALLS = 12
MAX_CPU_S = 1.0
_ACL_ENTRIES = (
    "in 90 deny tcp/3389 8.0.0.0/8",
    "in 100 allow tcp/22 0.0.0.0/0",
    "in 110 allow tcp/443 0.0.0.0/0",
    "in 120 allow -1 ::/0",
    "out 100 allow tcp/1024-65535 0.0.0.0/0",
    "out 110 allow -1 ::/0",
)


def large_region(interfaces: int = INTERFACES) -> dict[str, Answer]:
    """What EC2 answers about a region of this size: its interfaces belong to instances, half of them public."""
    subnets = [f"subnet-{number}" for number in range(SUBNETS)]
    routes = ["10.0.0.0/16 local", "0.0.0.0/0 igw-1", "::/0 igw-1", "192.0.2.0/24 tgw-1", "8.8.8.0/24 tgw-1"]
    found: list[dict[str, Any]] = [
        interface(
            f"eni-{number}",
            subnet=subnets[number % SUBNETS],
            groups=[f"sg-{number % GROUPS}"],
            public=f"54.{number // 250}.{number % 250}.1" if number % 2 else "",
            instance=f"i-{number}",
        )
        for number in range(interfaces)
    ]
    tables = [
        route_table(f"rtb-{number}", routes, main=False, subnets=[subnets[number]]) for number in range(TABLES - 1)
    ]
    return {
        "ec2.DescribeNetworkInterfaces": found,
        "ec2.DescribeSubnets": [subnet(subnet_id) for subnet_id in subnets],
        "ec2.DescribeVpcs": [vpc()],
        "ec2.DescribeRouteTables": [route_table("rtb-main", routes), *tables],
        "ec2.DescribeNetworkAcls": [
            acl(f"acl-{number}", _ACL_ENTRIES, subnets[number::ACLS]) for number in range(ACLS)
        ],
        "ec2.DescribeInstances": [{"Instances": [{"InstanceId": "i-1", "Tags": []}]}],
    }


def reachability(report: Report) -> None:
    """Measure the calls and the verdicts of a large region."""
    report.heading(f"Reachability: {GROUPS:,} groups, {EXPOSED} exposed, {INTERFACES:,} interfaces")
    report.figure("calls over the scan without exposures", _calls(EXPOSED), MAX_CALLS)
    report.figure("calls over the scan where nothing is exposed", _calls(0), 0)
    one_time, twice = _cpu(INTERFACES), _cpu(2 * INTERFACES)
    report.figure("verdicts: CPU s, the best of 3", one_time, MAX_CPU_S)
    report.figure("verdicts of twice as many interfaces, times that", twice / one_time, 2.5)


def _evaluation() -> Evaluation:
    rules = ["tcp/22 from 0.0.0.0/0, ::/0", "tcp/3389 from 8.8.0.0/16"]
    group = parse_security_group(described_group(rules, GroupId="sg-1"))
    return Evaluator(PortSet.parse([22, 3389, 5432]), AddressSet()).evaluate(group, {})


def _calls(exposed: int) -> int:
    found, aws = _evaluation(), StubbedAws(large_region())
    details = IssueDetails("web", "eu-west-1", "vpc-1", found.status, {}, found.exposures)
    groups = [f"sg-{number}" for number in range(exposed)]
    with_reachability(
        [Detection("210987654321", group_id, details, whitelisted=False) for group_id in groups],
        dict.fromkeys(groups, found.open_traffic),
        aws,
        PrefixListReader(aws("ec2")),
        whole_region=True,
        owner_keys=frozenset({"owner"}),
    )
    return len(aws.calls)


def _cpu(interfaces: int) -> float:
    """CPU seconds of the verdicts on every exposed group."""
    found, aws = _evaluation(), StubbedAws(large_region(interfaces))
    groups = frozenset(f"sg-{number}" for number in range(EXPOSED))
    network = Sweep(aws, groups, PrefixListReader(aws("ec2")), whole_region=True).run().network
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        judge = Judge(network)
        for group_id in groups:
            judge.judge(group_id, found.open_traffic, found.status)
        best = min(best, time.process_time() - began)
    return best
