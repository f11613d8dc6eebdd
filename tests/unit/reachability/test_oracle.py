"""The verdict against a brute-force oracle, on random small networks.

`ORACLE_NETWORKS=10000 python -m pytest tests/unit/reachability/test_oracle.py` tries as many.
"""

from __future__ import annotations

import os
from collections import Counter

from identification.reachability.verdict import Judge
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exposure import Evaluator
from library.security_groups.group import parse_security_group
from tests.builders.rules import described_group
from tests.unit.reachability.oracle import Oracle
from tests.unit.reachability.random_networks import RESTRICTED, Maker, trusted

NETWORKS = int(os.environ.get("ORACLE_NETWORKS", "1000"))


def test_the_verdict_agrees_with_the_oracle() -> None:
    evaluator = Evaluator(PortSet.parse(RESTRICTED), AddressSet.parse(*trusted()))
    seen: Counter[str] = Counter()
    for seed in range(NETWORKS):
        made = Maker(seed).make()
        evaluation = evaluator.evaluate(parse_security_group(described_group(made.rules, GroupId="sg-1")), {})
        found = Judge(made.answers.network()).judge("sg-1", evaluation.open_traffic, evaluation.status)
        paths = sorted((path.interface, path.address, str(path.verdict), str(path.blocked_by)) for path in found.paths)
        assert (str(found.verdict), found.sources and str(found.sources), paths) == Oracle(made.world).answer(), seed
        seen.update({f"{found.verdict} {found.sources or ''}", *(path[3] for path in paths)})
    if NETWORKS < 1000:  # too few for every kind; `make mutants` tries few
        return
    # The networks are of all kinds: nothing agrees because it never occurs.
    assert {name for name, times in seen.items() if times >= NETWORKS / 200} >= {
        "internet all",
        "internet some",
        "unknown ",
        "blocked ",
        "internal ",
        "unused ",
        "VPC_BLOCK_PUBLIC_ACCESS_ENABLED",
        "NO_ROUTE_TO_DESTINATION",
        "SUBNET_ACL_RESTRICTION",
        "ELB_LISTENERS_MISMATCH",
    }
    assert seen["SECURITY_GROUP_RESTRICTION"], "at least once"
