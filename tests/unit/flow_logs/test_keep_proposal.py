"""Which working sources are proposed to be kept."""

from __future__ import annotations

from typing import Any

import pytest

from identification.flow_logs.classify import RuleCountForecast, propose
from library.network.addresses import RFC_1918, Network, parse_network
from library.security_groups.exposure import Exposure
from library.security_groups.group import IngressRule
from tests.builders.flow_records import SSH, SSH_6

NARROW = Exposure("tcp", 22, 22, "9.9.9.8/29", "open_partly")


def sources(*texts: str) -> dict[Network, list[Exposure]]:
    return {parse_network(text): [SSH_6 if ":" in text else SSH] for text in texts}


CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "none": ((), (), ()),
    "one": (("9.9.9.7",), (), ("9.9.9.7/32",)),
    "three in a block stay apart": (
        ("9.9.9.1", "9.9.9.2", "9.9.9.3"),
        (),
        ("9.9.9.1/32", "9.9.9.2/32", "9.9.9.3/32"),
    ),
    "four become the block": (("9.9.9.1", "9.9.9.2", "9.9.9.3", "9.9.9.14"), (), ("9.9.9.0/28",)),
    "four around its edge do not": (
        ("9.9.9.14", "9.9.9.15", "9.9.9.16", "9.9.9.17"),
        (),
        ("9.9.9.14/32", "9.9.9.15/32", "9.9.9.16/32", "9.9.9.17/32"),
    ),
    "a stranger in the block": (
        ("9.9.9.1", "9.9.9.2", "9.9.9.3", "9.9.9.4"),
        ("9.9.9.5",),
        ("9.9.9.1/32", "9.9.9.2/32", "9.9.9.3/32", "9.9.9.4/32"),
    ),
    "a stranger beside it": (("9.9.9.1", "9.9.9.2", "9.9.9.3", "9.9.9.4"), ("9.9.9.16",), ("9.9.9.0/28",)),
    "IPv6 becomes a /64": (
        tuple(f"2a01:db8:1::{n}" for n in range(1, 5)),
        (),
        ("2a01:db8:1::/64",),
    ),
    "both families": (("2a01:db8::1", "9.9.9.7"), (), ("9.9.9.7/32", "2a01:db8::1/128")),
}


@pytest.mark.parametrize(("working", "others", "kept"), CASES.values(), ids=CASES)
def test_blocks(working: tuple[str, ...], others: tuple[str, ...], kept: tuple[str, ...]) -> None:
    seen = list(map(parse_network, (*working, *others)))
    found, note = propose(sources(*working), seen, RuleCountForecast())
    assert found == kept
    assert bool(note) == bool(kept)


def test_a_block_that_a_rule_does_not_hold_stays_single_addresses() -> None:
    working = {parse_network(f"9.9.9.{n}"): [NARROW] for n in range(8, 12)}
    found, _ = propose(working, list(working), RuleCountForecast())
    assert found == ("9.9.9.8/32", "9.9.9.9/32", "9.9.9.10/32", "9.9.9.11/32")


def test_what_a_block_admits_is_told() -> None:
    working = sources("9.9.9.1", "9.9.9.2", "9.9.9.3", "9.9.9.4")
    assert propose(working, list(working), RuleCountForecast())[1] == "They admit 16 addresses, 4 of them seen working."


@pytest.mark.parametrize(("number", "proposed"), [(20, 20), (21, 0)])
def test_more_than_20_are_a_public_service(number: int, proposed: int) -> None:
    working = sources(*(f"9.9.{n}.1" for n in range(number)))
    found, note = propose(working, list(working), RuleCountForecast())
    assert len(found) == proposed
    assert ("public service" in note) is (proposed == 0)


RULE = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0")


@pytest.mark.parametrize(
    ("others", "quota", "fits"),
    [
        # RFC 1918 in place of the one rule, and the source: 4.
        ([], 4, True),
        ([], 3, False),
        ([IngressRule("tcp", 443, 443, cidr="1.1.1.1/32")], 4, False),
        ([IngressRule("tcp", 443, 443, cidr="::/0")], 4, True),  # another family
        ([IngressRule("tcp", 443, 443, group_id="sg-2")], 4, False),  # counts in both
        ([IngressRule("tcp", 22, 22, cidr="10.0.0.0/8")], 4, True),  # is there already
        ([IngressRule("6", 22, 22, cidr="10.9.9.9/8")], 4, True),  # the same, written in another way
        ([IngressRule("tcp", 443, 443, prefix_list_id="pl-1")], 5, False),  # has two entries
        ([IngressRule("tcp", 443, 443, prefix_list_id="pl-1")], 6, True),
    ],
    ids=[
        "fits",
        "does not",
        "another rule",
        "IPv6 rule",
        "reference",
        "already there",
        "there by number",
        "list",
        "list fits",
    ],
)
def test_the_quota_of_the_family_after_the_change(others: list[Any], quota: int, fits: bool) -> None:
    forecast = RuleCountForecast((RULE, *others), (SSH,), RFC_1918, {"pl-1": (4, 2)}, quota)
    found, note = propose(sources("9.9.9.7"), [parse_network("9.9.9.7")], forecast)
    assert bool(found) is fits
    assert (f"may have {quota}" in note) is not fits
