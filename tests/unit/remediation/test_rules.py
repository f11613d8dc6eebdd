"""Which rules contain which, held against every pair of rules, and how many comparisons that takes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from library.network.addresses import parse_network
from library.security_groups.group import IngressRule, rule_key
from remediation.rules import lets_in_all_of, missing_rules, without_contained, without_contained_in

_LOCATIONS_NAMED = st.sampled_from(
    [
        ("10.0.0.0/8", "", ""),
        ("10.1.0.0/16", "", ""),
        ("10.1.2.0/24", "", ""),
        ("10.1.2.3/24", "", ""),
        ("0.0.0.0/0", "", ""),
        ("::/0", "", ""),
        ("fd00::/8", "", ""),
        ("", "pl-1", ""),
        ("", "", "sg-1"),
    ]
)
_TRAFFIC = st.one_of(
    st.tuples(st.sampled_from(["tcp", "6", "udp"]), st.integers(0, 6), st.integers(0, 6)).map(
        lambda each: (each[0], min(each[1:]), max(each[1:]))
    ),
    st.sampled_from([("-1", None, None), ("icmp", 8, -1), ("icmp", 3, 4), ("47", None, None)]),
)


def _rule(traffic: tuple[str, int | None, int | None], location: tuple[str, str, str]) -> IngressRule:
    return IngressRule(*traffic, *location)


_RULES = st.lists(st.builds(_rule, _TRAFFIC, _LOCATIONS_NAMED), max_size=12)


@settings(max_examples=300, deadline=None)
@given(_RULES, _RULES)
def test_rules_that_no_other_contains(rules: list[IngressRule], others: list[IngressRule]) -> None:
    needed = tuple(rule for rule in rules if not any(lets_in_all_of(each, rule) for each in others))
    assert without_contained_in(rules, others) == needed


@settings(max_examples=100, deadline=None)
@given(_RULES, _RULES)
def test_only_the_same_rule_counts_as_there(wanted: list[IngressRule], there: list[IngressRule]) -> None:
    missing: list[IngressRule] = []
    for rule in wanted:
        if all(rule_key(rule) != rule_key(other) for other in (*there, *missing)):
            missing.append(rule)
    assert missing_rules(wanted, there) == tuple(missing)


@settings(max_examples=300, deadline=None)
@given(_RULES)
def test_the_fewest_rules_are_those_that_no_other_contains(rules: list[IngressRule]) -> None:
    chosen: list[IngressRule] = []
    for rule in rules:
        if not any(lets_in_all_of(other, rule) for other in chosen):
            chosen = [*(other for other in chosen if not lets_in_all_of(rule, other)), rule]
    assert without_contained(rules) == tuple(chosen)


def test_each_source_of_the_largest_group_is_read_once() -> None:
    """EC2 gives a group at most 1,000 rules of each family. Sources that are read anew make each pass slower."""
    sources = [f"1.{n // 250}.{n % 250}.0/24" for n in range(1000)] + [f"2600:{n:x}::/32" for n in range(1000)]
    rules = [IngressRule("tcp", 22, 22, source) for source in sources]

    def compare() -> int:
        before = parse_network.cache_info().misses
        assert not any(lets_in_all_of(rules[at - 1], rule) for at, rule in enumerate(rules))
        return parse_network.cache_info().misses - before

    compare()
    assert compare() == 0
