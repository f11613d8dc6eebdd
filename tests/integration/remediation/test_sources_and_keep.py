"""`remediation_sources` and `remediate --keep` against the emulated AWS; waiting where somebody works."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from library.issues.use import Use, Verdict
from tests.worlds.remediation_world import ANYWHERE, NOW, World, permission, world

SSH = permission("tcp", (22, 22), ANYWHERE)


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def a_list(made: World, *cidrs: str) -> str:
    entries = [{"Cidr": cidr} for cidr in cidrs]
    made_list = made.ec2().create_managed_prefix_list(
        PrefixListName="office", MaxEntries=5, AddressFamily="IPv4", Entries=entries
    )
    name: str = made_list["PrefixList"]["PrefixListId"]
    return name


def test_an_open_source_is_replaced_by_what_is_configured(world: World) -> None:
    office = a_list(world, "10.1.0.0/16")
    world.configure(remediation_sources=["10.9.0.0/16", office])
    group = world.group(SSH)
    world.issue(group)
    result = world.remediate("--batch")
    assert result.exit_code == 0, result.output
    assert world.rules(group) == {("tcp", 22, 22, "10.9.0.0/16"), ("tcp", 22, 22, office)}


def test_a_list_with_public_addresses_changes_nothing(world: World) -> None:
    world.configure(remediation_sources=["10.9.0.0/16", a_list(world, "10.1.0.0/16", "8.8.8.0/24")])
    group = world.group(SSH)
    world.issue(group)
    result = world.remediate("--batch")
    assert result.exit_code == 1
    assert "has addresses that are public and not in trusted_cidrs" in result.output
    assert world.rules(group) == {("tcp", 22, 22, ANYWHERE)}


def test_kept_sources_are_added_and_say_who_kept_them(world: World) -> None:
    world.configure(remediation_sources=["10.9.0.0/16"])
    group = world.group(SSH)
    world.issue(group)
    shown = world.remediate("--dry-run", "--group", group, "--keep", "9.9.9.7/32")
    assert "9.9.9.7/32" in shown.output
    assert world.rules(group) == {("tcp", 22, 22, ANYWHERE)}
    result = world.remediate("--batch", "--group", group, "--keep", "9.9.9.7/32, 8.8.8.0/28")
    assert result.exit_code == 0, result.output
    assert world.rules(group) == {
        ("tcp", 22, 22, "10.9.0.0/16"),
        ("tcp", 22, 22, "9.9.9.7/32"),
        ("tcp", 22, 22, "8.8.8.0/28"),
    }
    world.batch()
    assert ("tcp", 22, 22, "9.9.9.7/32") in world.rules(group)


def test_what_no_replaced_rule_admits_refuses_the_whole(world: World) -> None:
    group = world.group(SSH)
    world.issue(group)
    result = world.remediate("--batch", "--group", group, "--keep", "9.9.9.7/32,2a01::7/128")
    assert result.exit_code == 1
    assert "2a01::7/128 cannot be kept: no replaced rule admits all of it" in result.output
    assert world.rules(group) == {("tcp", 22, 22, ANYWHERE)}


@pytest.mark.parametrize("arguments", [["--keep", "office"], ["--keep", "9.9.9.7"]], ids=["no CIDR", "no group"])
def test_wrong_usage(world: World, arguments: list[str]) -> None:
    group = world.group(SSH)
    world.issue(group)
    more = ["--group", group] if arguments[1] == "office" else []
    assert world.remediate("--batch", *arguments, *more).exit_code == 2


def test_an_issue_through_which_somebody_works_waits_once_and_no_longer(world: World) -> None:
    world.configure(remediation_retention_period=7, remediation_wait_in_use_days=5)
    group = world.group(SSH)
    use = Use(NOW - timedelta(days=14), NOW, Decimal(1), Verdict.WORKING)
    world.issue(group, reported_days=10, use=use.to_item())
    world.batch()
    assert world.rules(group) == {("tcp", 22, 22, ANYWHERE)}
    world.clock += timedelta(days=2)
    world.batch()
    assert ("tcp", 22, 22, ANYWHERE) not in world.rules(group)
