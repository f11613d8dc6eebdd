"""What an evaluation costs, counted in steps, so that no machine's speed matters.

Steps grow with a group's rules, not with its rules times the restricted ports, nor with other groups' exemptions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from library.network.addresses import AddressSet
from library.network.intervals import IntervalSet
from library.network.ports import PortSet
from library.security_groups import exposure
from library.security_groups.exemptions import Exemption, Exemptions, applying
from library.security_groups.exposure import Evaluator
from library.security_groups.group import SecurityGroup, parse_security_group
from tests.builders.config_files import config_with, parse
from tests.builders.rules import described_group


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each of these was called."""
    counts: Counter[str] = Counter()

    def count(owner: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def counting(*arguments: Any) -> Any:
            counts[name] += 1
            return original(*arguments)

        monkeypatch.setattr(owner, name, counting)

    for owner, name in (
        (exposure.SegmentState, "change"),
        (exposure.SegmentState, "exposes"),
        (exposure.SegmentState, "completing"),
        (IntervalSet, "covers"),
        (IntervalSet, "__or__"),
        (IntervalSet, "__sub__"),
        (AddressSet, "__or__"),
        (Exemption, "names"),
    ):
        count(owner, name)
    return counts


def nested(rules: int, *, opened: bool) -> SecurityGroup:
    """A group whose rules' ports are nested, so that there are two stretches for each rule."""
    sources = [f"{11 + number % 100}.{number // 100}.0.0/24" for number in range(rules)]
    if opened:
        sources[0] = "0.0.0.0/0"
    return parse_security_group(
        described_group(f"tcp/{number}..{65535 - number} from {source}" for number, source in enumerate(sources))
    )


def ranges(count: int) -> PortSet:
    return PortSet.parse(f"{number * 30}-{number * 30 + 3}" for number in range(count))


@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("restricted", [20, 2000])
def test_steps_do_not_grow_with_the_restricted_ports(counted: Counter[str], restricted: int, *, opened: bool) -> None:
    evaluation = Evaluator(ranges(restricted), AddressSet()).evaluate(nested(60, opened=opened), {})
    assert len(evaluation.exposures) == 60
    assert evaluation.status == ("open_completely" if opened else "open_partly")
    assert counted["change"] == 2 * 60 - 1
    assert counted["exposes"] == 60  # each source once, where it is admitted first
    assert counted["covers"] <= 2 * 60 * (2 if opened else 0)  # the first of the largest sources settles each stretch


def test_steps_grow_with_the_rules(counted: Counter[str]) -> None:
    evaluator = Evaluator(ranges(100), AddressSet())
    evaluator.evaluate(nested(1000, opened=True), {})
    assert counted["change"] <= 2 * 1000
    assert counted["exposes"] <= 2 * 1000
    assert counted["covers"] <= 2 * 2 * 1000


def test_who_may_send_what_is_found_out_only_when_somebody_asks(counted: Counter[str]) -> None:
    evaluation = Evaluator(ranges(2), AddressSet()).evaluate(nested(3, opened=True), {})
    before = counted["change"]
    assert evaluation.open_traffic
    assert counted["change"] > before


def test_exemptions_are_found_by_group() -> None:
    others = [Exemption(f"sg-{number:08}") for number in range(10_000)]
    mine = [Exemption("sg-7c228307"), Exemption("vpc-654321:web", PortSet.parse([22]))]
    group = parse_security_group(described_group(["tcp/22 from 0.0.0.0/0"]))
    exemptions = Exemptions([*others, mine[1], *others, mine[0]])
    arguments = (group.group_id, group.vpc_id, group.name, date.min)
    assert set(applying(exemptions, *arguments)) == set(applying(list(exemptions), *arguments)) == set(mine)


def test_other_groups_exemptions_cost_nothing(counted: Counter[str]) -> None:
    exemptions = Exemptions([Exemption(f"sg-{number:08}") for number in range(10_000)] + [Exemption("sg-7c228307")])
    evaluator = Evaluator(ranges(2), AddressSet())
    for _ in range(3):
        assert evaluator.evaluate(nested(3, opened=True), {}, exemptions).whitelisted
    assert counted["names"] == 3


def test_many_exemptions_of_one_group_are_joined_at_once(counted: Counter[str]) -> None:
    exemptions = Exemptions(
        Exemption("sg-7c228307", None, AddressSet.parse(f"11.{number // 256}.{number % 256}.0/28"))
        for number in range(10_000)
    )
    evaluation = Evaluator(ranges(100), AddressSet()).evaluate(nested(60, opened=True), {}, exemptions)
    assert not evaluation.whitelisted
    assert counted["__or__"] <= 4 * 60
    assert counted["__sub__"] <= 8 * 4


def test_long_lists_of_a_configuration_are_joined_at_once(counted: Counter[str]) -> None:
    section = parse(
        config_with(
            {
                "secgrp_unrestricted_access/trusted_cidrs": [f"11.{n // 256}.{n % 256}.0/28" for n in range(8000)],
                "secgrp_unrestricted_access/restricted_ports": [n * 2 for n in range(8000)],
            }
        )
    ).secgrp_unrestricted_access
    assert isinstance(section.trusted_cidrs, AddressSet)
    assert len(section.trusted_cidrs.v4.spans) == 8000
    assert len(section.restricted_ports.tcp.spans) == 8000
    assert counted["__or__"] == 0
