"""Groups with many public rules are closed: the journal has an item for itself, and that is large enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from library.security_groups.group import IngressRule
from tests.worlds.eventual_world import ACCOUNT, EventualWorld
from tests.worlds.memory_table import MOST_BYTES, size_of

_MOST_RULES = 1000  # of a group, at AWS's highest (Amazon VPC User Guide, quotas)
LONG = "x" * 250  # a description
GROUPS: dict[str, Callable[[], Sequence[IngressRule]]] = {
    "150 port ranges": lambda: [
        IngressRule("udp", first, 3400, cidr="0.0.0.0/0", description=LONG) for first in range(3239, 3389)
    ],
    "390 sources": lambda: [
        IngressRule("tcp", 22, 22, cidr=f"8.8.{number // 256}.{number % 256}/32", description=LONG)
        for number in range(390)
    ],
    "as many port ranges as a quota of 1,000 has room for": lambda: [
        IngressRule("tcp", first, 3389, cidr="0.0.0.0/0", description=LONG) for first in range(3139, 3389)
    ],
}


@pytest.mark.parametrize("rules", GROUPS.values(), ids=GROUPS)
def test_a_group_with_many_public_rules_is_closed(tmp_path: Path, rules: Callable[[], Sequence[IngressRule]]) -> None:
    world = EventualWorld(tmp_path, quota=_MOST_RULES)
    world.configure(remediation_scope=["open_completely", "open_partly"])
    group = world.group(*rules())
    assert world.batch().problems == []
    assert not world.exposed(group)
    assert size_of(world.table.items[ACCOUNT, f"journal#{group}"]) < MOST_BYTES
    # What people are told of the change is kept beside the journal's summary.
    assert size_of(world.table.items[ACCOUNT, group]) < 12_000
