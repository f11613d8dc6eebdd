"""What the backups of a change prove."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from library.issues.notified_exposures import Extent, NotifiedTimes
from library.issues.schedule import ExposureTimes, RemediationTerms
from library.network.addresses import AddressSet, parse_network
from library.network.ports import PortSet
from library.security_groups.group import IngressRule, SecurityGroup, rule_key
from remediation.eligibility import DueExposures, Policy
from remediation.journal import AddedRule, AddedState, ChangeKind, JournalEntry, JournalStep
from remediation.plan import Plan, RuleQuota, leaves_exposures, plan_remediation, rules_to_replace
from remediation.proof import GroupBefore, proved_hammers, without_unproved

SSH = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", description="ssh", rule_id="sgr-1")
WORDS = "Hammer: replaces 0.0.0.0/0 on 2026-11-22"
TEN = IngressRule("tcp", 22, 22, cidr="10.0.0.0/8", description=WORDS, rule_id="sgr-2")
KEPT = IngressRule(
    "tcp", 22, 22, cidr="9.9.9.7/32", description="Hammer: kept by ana of 0.0.0.0/0 on 2026-11-22", rule_id="sgr-4"
)
WIDE = IngressRule("tcp", 20, 30, cidr="0.0.0.0/0", description="wide", rule_id="sgr-1")
REST = IngressRule("tcp", 23, 30, cidr="0.0.0.0/0", description="wide", rule_id="sgr-2")


def group(*rules: IngressRule) -> SecurityGroup:
    return SecurityGroup("sg-1", "web", "vpc-1", "", {}, rules)


def added(rule: IngressRule, **changed: Any) -> AddedRule:
    return AddedRule(rule._replace(**changed), AddedState.ADDED)


@pytest.mark.parametrize(
    ("before", "live", "claimed", "proved"),
    [
        pytest.param([SSH], [TEN], TEN, True, id="it was not there, and is as Hammer writes it"),
        pytest.param([SSH, TEN], [TEN], TEN, False, id="it was there"),
        pytest.param([SSH, TEN._replace(rule_id="sgr-9")], [TEN], TEN, False, id="the same was there, with another id"),
        pytest.param([SSH, TEN._replace(cidr="10.1.0.0/16")], [TEN], TEN, False, id="its id was another rule's"),
        pytest.param([SSH], [], TEN, False, id="it is not shown"),
        pytest.param([SSH], [TEN._replace(rule_id="sgr-3")], TEN, False, id="another id is shown"),
        pytest.param([SSH], [TEN._replace(from_port=20)], TEN, False, id="it was edited"),
        pytest.param([SSH], [TEN._replace(description="mine")], TEN, False, id="it was described anew"),
        pytest.param(
            [SSH],
            [TEN._replace(description="mine")],
            TEN._replace(description="mine"),
            False,
            id="not in Hammer's words",
        ),
        pytest.param(
            [SSH],
            [TEN._replace(cidr="8.8.8.0/24")],
            TEN._replace(cidr="8.8.8.0/24"),
            False,
            id="a public source, which only a person keeps",
        ),
        pytest.param([SSH], [KEPT], KEPT, True, id="a public source that a person kept, as it was planned"),
        pytest.param(
            [SSH],
            [KEPT._replace(cidr="8.8.8.0/24")],
            KEPT._replace(cidr="8.8.8.0/24"),
            False,
            id="a public source of which no plan tells",
        ),
        pytest.param([SSH, KEPT], [KEPT], KEPT, False, id="a kept source that was there"),
        pytest.param([WIDE], [REST], REST, True, id="the rest of a carved rule"),
        pytest.param([SSH], [REST], REST, False, id="the rest of no rule"),
        pytest.param([WIDE._replace(description="else")], [REST], REST, False, id="the rest, described otherwise"),
    ],
)
def test_what_was_added_by_hammer(
    before: list[IngressRule], live: list[IngressRule], claimed: IngressRule, *, proved: bool
) -> None:
    shown = GroupBefore((group(*before),), (REST._replace(rule_id=""), KEPT._replace(rule_id="")))
    begun = [rule_key(rule) for rule in before if rule.cidr == "0.0.0.0/0"]
    assert proved_hammers(shown, live, [added(claimed)], begun, AddressSet()) == (
        {claimed.rule_id} if proved else set()
    )


def test_a_rest_that_was_not_planned_or_not_of_what_the_change_is_for() -> None:
    planned = (REST._replace(rule_id=""),)
    assert proved_hammers(GroupBefore((group(WIDE),)), [REST], [added(REST)], [rule_key(WIDE)], AddressSet()) == set()
    assert proved_hammers(GroupBefore((group(WIDE),), planned), [REST], [added(REST)], [], AddressSet()) == set()


def test_what_is_not_proved_is_its_owner_s() -> None:
    other = added(TEN, rule_id="sgr-3", cidr="172.16.0.0/12")
    unseen = added(TEN, rule_id="sgr-4", cidr="192.168.0.0/16")
    entry = JournalEntry(
        ChangeKind.REMEDIATION, JournalStep.VERIFYING, "key", add=(added(TEN), other, unseen), withdrawn=(other,)
    )
    after = without_unproved(entry, [TEN, other.rule], frozenset({"sgr-2"}))
    assert after == replace(entry, add=(added(TEN), unseen), withdrawn=())


@pytest.mark.parametrize(
    ("replaces", "closed", "to_close", "is_needed"),
    [
        pytest.param(["sgr-1"], [], [], False, id="what it stands in for was never closed"),
        pytest.param(["sgr-1"], ["sgr-1"], [], True, id="it may have been closed"),
        pytest.param(["sgr-1"], [], ["sgr-1"], True, id="it is going to be closed"),
        pytest.param(["sgr-1", "sgr-9"], ["sgr-9"], [], True, id="one of two was closed"),
        pytest.param([], [], [], True, id="what it stands in for is not known"),
    ],
)
def test_what_is_needed_by_the_backups(
    replaces: list[str], closed: list[str], to_close: list[str], *, is_needed: bool
) -> None:
    before = GroupBefore((group(SSH),), replaces={rule_key(TEN): frozenset(replaces)}, closed=frozenset(closed))
    assert before.is_needed(TEN, [TEN], to_close) is is_needed


@pytest.mark.parametrize(
    ("wider", "live", "is_needed"),
    [
        pytest.param({"protocol": "-1", "from_port": None, "to_port": None}, [TEN], True, id="a wider one is gone"),
        pytest.param({"from_port": 20, "to_port": 30}, [TEN, 0], False, id="a wider one is there"),
        pytest.param({"from_port": 23, "to_port": 30}, [TEN], False, id="what is gone let in other traffic"),
        pytest.param({"cidr": "10.1.0.0/16"}, [TEN], False, id="what is gone let in less"),
    ],
)
def test_what_is_left_of_a_wider_one_that_somebody_took_away_is_needed(
    wider: dict[str, Any], live: list[Any], *, is_needed: bool
) -> None:
    other = TEN._replace(rule_id="sgr-7", **wider)
    stands_in = {rule_key(TEN): frozenset({"sgr-1"}), rule_key(other): frozenset({"sgr-9"})}
    before = GroupBefore((group(SSH),), replaces=stands_in, closed=frozenset({"sgr-9"}))
    assert before.is_needed(TEN, [each or other for each in live], []) is is_needed


LISTS = {"pl-1": (parse_network("0.0.0.0/1"),), "pl-2": (parse_network("128.0.0.0/1"),)}
LOW, HIGH = (IngressRule("tcp", 22, 22, prefix_list_id=name, rule_id=f"sgr-{name}") for name in LISTS)
HALF = IngressRule("tcp", 22, 22, cidr="128.0.0.0/1", rule_id="sgr-3")
SIX = tuple(IngressRule("tcp", 22, 22, cidr=cidr, rule_id=f"sgr-{cidr}") for cidr in ("2000::/4", "3000::/4"))
SCOPE = Policy(
    PortSet.parse(["22"]), AddressSet(), frozenset({"open_completely"}), False, RemediationTerms(timedelta(0))
)


@pytest.mark.parametrize(
    ("closed", "left"),
    [
        pytest.param(LOW, HALF, id="a prefix list, and a CIDR is left"),
        pytest.param(LOW, HIGH, id="two prefix lists"),
        pytest.param(SIX[0], SIX[1], id="IPv6"),
    ],
)
def test_what_is_left_of_what_a_change_was_begun_for_is_in_scope(closed: IngressRule, left: IngressRule) -> None:
    resumed_rules = rules_to_replace(group(closed, left), LISTS, SCOPE, date(2026, 11, 22))
    assert resumed_rules == {rule_key(closed), rule_key(left)}
    now = datetime(2026, 11, 22, tzinfo=UTC)
    alone = plan_remediation(group(left), LISTS, SCOPE, RuleQuota(60), now)
    assert not isinstance(alone, Plan)
    plan = plan_remediation(group(left), LISTS, SCOPE, RuleQuota(60), now, resumed_rules=resumed_rules)
    assert isinstance(plan, Plan)
    assert plan.revoke == (left,)


def test_what_a_change_was_begun_for_is_completed_beside_what_is_new() -> None:
    """The half that is left is out of scope by itself, and what was opened beside it waits."""
    now, new = datetime(2026, 11, 22, tzinfo=UTC), IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", rule_id="sgr-new")
    notified = NotifiedTimes(((now, (Extent.of("tcp", 22, 22, "128.0.0.0/1"),)),))
    policy = replace(SCOPE, due=DueExposures(ExposureTimes(notified, timedelta(0)), now))
    alone = plan_remediation(group(new, HIGH), LISTS, policy, RuleQuota(60), now)
    resumed_rules = frozenset({rule_key(HIGH)})
    plan = plan_remediation(group(new, HIGH), LISTS, policy, RuleQuota(60), now, resumed_rules=resumed_rules)
    assert leaves_exposures(alone)
    assert isinstance(plan, Plan)
    assert plan.revoke == (HIGH,)


def test_a_half_that_was_alone_from_the_beginning_is_none_of_it() -> None:
    assert rules_to_replace(group(HALF), {}, SCOPE, date(2026, 11, 22)) == set()
