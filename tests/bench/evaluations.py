"""What the evaluation of one group costs, in this process."""

from __future__ import annotations

import time
from collections.abc import Iterable

from library.config import DEFAULT_RESTRICTED_PORTS
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exemptions import Exemption, Exemptions
from library.security_groups.exposure import Evaluator
from library.security_groups.group import SecurityGroup, parse_security_group
from tests.bench.measure import Report
from tests.builders.rules import described_group

_RANGES = PortSet.parse(f"{number * 600}-{number * 600 + 5}" for number in range(100))


def evaluations(report: Report) -> None:
    """Measure the shapes that were slow once."""
    report.heading("Evaluation of one group: CPU ms, the best of 5")
    for rules, bound in ((60, 2), (1000, 20)):
        figure = _milliseconds(_group(rules, all_ports=True), _RANGES)
        report.figure(f"{rules:,} rules for all ports, 100 restricted ranges", figure, bound)
        report.figure(
            f"{rules:,} rules with nested ports, 100 restricted ranges", _milliseconds(_group(rules), _RANGES)
        )
    ports = PortSet.parse(number * 30 for number in range(2000))
    report.figure("60 rules with nested ports, 2,000 restricted ports", _milliseconds(_group(60), ports), 10)
    exemptions = Exemptions(Exemption(f"sg-{number:08}") for number in range(10_000))
    report.figure("10,000 exemptions of other groups", _milliseconds(_group(60), _RANGES, exemptions), 5)
    exemptions = Exemptions(
        Exemption("sg-7c228307", None, AddressSet.parse(f"11.{number // 256}.{number % 256}.0/28"))
        for number in range(10_000)
    )
    report.figure("10,000 exemptions of this group", _milliseconds(_group(60), _RANGES, exemptions), 100)
    exemptions = Exemptions(
        Exemption(
            "sg-7c228307",
            PortSet.parse([f"{number}-{65535 - number}"]),
            AddressSet.parse(f"11.{number // 256}.{number % 256}.0/28"),
        )
        for number in range(3000)
    )
    report.figure(
        "3,000 exemptions of this group with nested ports", _milliseconds(_group(60), _RANGES, exemptions, runs=1)
    )
    report.figure(
        "the same with the usual restricted ports",
        _milliseconds(_group(60), DEFAULT_RESTRICTED_PORTS, exemptions, runs=1),
        500,
    )


def _group(rules: int, *, all_ports: bool = False) -> SecurityGroup:
    step = 0 if all_ports else 30
    return parse_security_group(
        described_group(
            f"tcp/{number * step}..{65535 - number * step} from {11 + number % 100}.{number // 100}.{number % 7}.0/24"
            for number in range(rules)
        )
    )


def _milliseconds(
    group: SecurityGroup, restricted: PortSet, exemptions: Iterable[Exemption] = (), runs: int = 5
) -> float:
    best = float("inf")
    for _ in range(runs):
        evaluator = Evaluator(restricted, AddressSet())
        began = time.process_time()
        evaluator.evaluate(group, {}, exemptions)
        best = min(best, time.process_time() - began)
    return best * 1000
