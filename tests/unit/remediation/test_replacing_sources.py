"""What replaces a rule (`remediation_sources`), and what a person keeps of it (`--keep`)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import typer

from library.issues.schedule import RemediationTerms, Skipped, SkipReason
from library.network.addresses import AddressSet, parse_network
from library.network.ports import PortSet
from library.security_groups.group import SecurityGroup
from remediation.clean_security_groups import read_keep
from remediation.eligibility import Policy
from remediation.plan import Plan, plan_remediation
from tests.builders.remediation_cases import GROUP, NOW
from tests.unit.remediation.test_remediation_plan import PACKAGE, rule, text_of

LISTS = {
    "pl-office": (parse_network("10.1.0.0/16"), parse_network("fd00::/8")),
    "pl-public": (parse_network("10.1.0.0/16"), parse_network("8.8.8.0/24")),
    "pl-aws": (),
}
POLICY = Policy(
    PortSet.parse([22, 3389]), AddressSet(), frozenset({"open_completely"}), False, RemediationTerms(timedelta())
)


def planned(policy: Policy, *rules: str) -> Plan | Skipped:
    listed = tuple(rule(text, rule_id=f"sgr-{n}") for n, text in enumerate(rules or ("tcp/22 0.0.0.0/0",)))
    group = SecurityGroup(GROUP, "web", "vpc-1", "", {}, listed)
    return plan_remediation(group, LISTS, policy, PACKAGE, NOW)


def added(plan: Plan | Skipped) -> list[str]:
    assert isinstance(plan, Plan), plan
    return [text_of(each) for each in plan.add]


def test_every_replaced_rule_gets_all_sources_whatever_its_family() -> None:
    policy = replace(POLICY, sources=("10.0.0.0/8", "fd00::/8", "pl-office"))
    for source in ("0.0.0.0/0", "::/0"):
        assert added(planned(policy, f"tcp/22 {source}")) == [
            "tcp/22 10.0.0.0/8",
            "tcp/22 fd00::/8",
            "tcp/22 pl-office",
        ]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("pl-public", "pl-public of remediation_sources has addresses that are public and not in trusted_cidrs"),
        ("pl-aws", "prefix list pl-aws of remediation_sources is empty, is AWS's, or could not be read"),
        ("pl-gone", "prefix list pl-gone of remediation_sources is empty, is AWS's, or could not be read"),
        ("8.8.8.0/24", "8.8.8.0/24 of remediation_sources has addresses that are public and not in trusted_cidrs"),
    ],
)
def test_a_source_that_would_open_the_group_makes_no_plan(source: str, reason: str) -> None:
    found = planned(replace(POLICY, sources=("10.0.0.0/8", source)))
    assert found == Skipped(SkipReason.SOURCES, reason)
    assert found.needs_somebody


def test_a_trusted_source_is_none_of_those() -> None:
    policy = replace(POLICY, sources=("8.8.8.0/24", "pl-public"), trusted=AddressSet.parse("8.8.8.0/24"))
    assert added(planned(policy)) == ["tcp/22 8.8.8.0/24", "tcp/22 pl-public"]


def test_what_is_kept_is_added_to_the_rules_that_admit_it_and_says_who_kept_it() -> None:
    policy = replace(
        POLICY, sources=("10.0.0.0/8",), keep=(parse_network("9.9.9.7"), parse_network("2a01::7")), kept_by="ana"
    )
    plan = planned(policy, "tcp/22 0.0.0.0/0", "tcp/22 ::/0", "tcp/3389 0.0.0.0/0", "tcp/443 0.0.0.0/0")
    assert added(plan) == [
        "tcp/22 10.0.0.0/8",
        "tcp/22 9.9.9.7/32",
        "tcp/22 2a01::7/128",
        "tcp/3389 10.0.0.0/8",
        "tcp/3389 9.9.9.7/32",
    ]
    assert isinstance(plan, Plan)
    kept = next(each for each in plan.add if each.cidr == "9.9.9.7/32")
    assert kept.description.startswith("Hammer: kept by ana of 0.0.0.0/0 on ")
    assert "ana keeps 9.9.9.7/32, 2a01::7/128: they stay exposed" in plan.notes


def test_a_rule_that_opens_the_group_completely_with_what_is_kept_is_replaced_too() -> None:
    """Beside all of the Internet one half has no part in that. With the other one, which is kept, it has."""
    plan = planned(replace(POLICY, keep=(parse_network("0.0.0.0/1"),)), "tcp/22 0.0.0.0/0", "tcp/22 128.0.0.0/1")
    assert isinstance(plan, Plan)
    assert [text_of(each) for each in plan.revoke] == ["tcp/22 0.0.0.0/0", "tcp/22 128.0.0.0/1"]
    assert "tcp/22 0.0.0.0/1" in added(plan)


@pytest.mark.parametrize("keep", ["2a01::7", "10.0.0.0/8"])
def test_what_no_replaced_rule_admits_refuses_the_whole(keep: str) -> None:
    policy = replace(POLICY, keep=(parse_network("9.9.9.7"), parse_network(keep)))
    rules = ("tcp/22 0.0.0.0/0",) if ":" in keep else ("tcp/22 0.0.0.0/1", "tcp/22 128.0.0.0/1")
    found = planned(policy, *rules)
    if ":" in keep:
        assert found == Skipped(
            SkipReason.CANNOT_KEEP, f"{parse_network(keep)} cannot be kept: no replaced rule admits all of it"
        )
    else:
        assert isinstance(found, Plan)


def test_a_source_over_two_rules_lies_in_neither() -> None:
    policy = replace(POLICY, keep=(parse_network("0.0.0.0/0"),))
    assert isinstance(planned(policy, "tcp/22 0.0.0.0/1", "tcp/22 128.0.0.0/1"), Skipped)


def test_the_option() -> None:
    assert read_keep(None, []) == ()
    assert read_keep("9.9.9.7, 8.8.8.0/24,9.9.9.7/32", ["sg-1"]) == (
        parse_network("9.9.9.7/32"),
        parse_network("8.8.8.0/24"),
    )
    for text, groups in (("9.9.9.7", []), ("office", ["sg-1"]), ("9.9.9.7/33", ["sg-1"]), (",", ["sg-1"])):
        with pytest.raises(typer.BadParameter):
            read_keep(text, groups)
