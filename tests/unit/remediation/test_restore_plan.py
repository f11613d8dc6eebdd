"""The restore plan: a rule that Hammer added goes only where every rule that it stands in for is back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from library.network.addresses import RFC_1918
from library.security_groups.exposure import rule_text
from library.security_groups.group import IngressRule, rule_key
from remediation.plan import RuleQuota
from remediation.restore_plan import ChangeSince, RestorePlan, plan_restore

PACKAGE = RuleQuota(60)


def rule(text: str) -> IngressRule:
    """`tcp/22-23 10.0.0.0/8 "description" sgr-1`, the last two left out at will."""
    head, _, rest = text.partition('"')
    description, _, rule_id = rest.partition('"')
    ports, source = head.split()
    protocol, _, numbers = ports.partition("/")
    first, last = (int(number) for number in (numbers.split("-") * 2)[:2]) if numbers else (None, None)
    return IngressRule(protocol, first, last, cidr=source, description=description, rule_id=rule_id.strip())


def hammers(ports: str) -> list[str]:
    return [f'{ports} {cidr} "Hammer: replaces"' for cidr in RFC_1918]


def change(
    add: Iterable[str],
    revoke: Iterable[str],
    replaces: dict[str, list[str]] | None,
    *,
    restores: bool = False,
    had: str = "",
) -> ChangeSince:
    """A change. `replaces`: for every rule that it stands in for: all that begin with the key."""
    added = tuple(map(rule, add))
    noted = None
    if replaces is not None:
        known = [*added, *(rule(text) for text in replaces if " " in text)]
        noted = {
            rule_key(this): tuple(map(rule, replaced))
            for this in known
            for begin, replaced in replaces.items()
            if rule_text(this).startswith(begin) or rule(begin if " " in begin else "x 0.0.0.0/0") == this
        }
    return ChangeSince(
        restores,
        frozenset(rule_key(rule(text)) for text in had.split(",") if text),
        added,
        tuple(map(rule, revoke)),
        noted,
    )


WORLD = "tcp/22 0.0.0.0/0"
UDP = "udp/22 0.0.0.0/0"
SSH_CHANGE = change(hammers("tcp/22"), [WORLD], {"tcp/22": [WORLD]})
UDP_CHANGE = change(hammers("udp/22"), [UDP], {"udp/22": [UDP]}, had=UDP)


@dataclass(frozen=True)
class Case:
    backup: list[str]
    now: list[str]
    since: list[ChangeSince]
    add: list[str] = field(default_factory=list)
    revoke: list[str] = field(default_factory=list)
    stay: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    exact: bool = False
    is_known: bool = True
    ids: tuple[str, ...] = ()


TEN = 'tcp/22 10.0.0.0/8 "Hammer: replaces"'
CASES: dict[str, Case] = {
    "as it was": Case([WORLD], [WORLD], []),
    "ours goes where its rule is back": Case([WORLD], hammers("tcp/22"), [SSH_CHANGE], [WORLD], hammers("tcp/22")),
    "ours goes where somebody brought its rule back": Case(
        [], [UDP, *hammers("udp/22")], [UDP_CHANGE], [], hammers("udp/22"), kept=[UDP]
    ),
    "ours that was there before stays": Case(
        [WORLD, TEN], hammers("tcp/22"), [SSH_CHANGE], [WORLD], hammers("tcp/22")[1:]
    ),
    "theirs stays": Case([WORLD], ["tcp/80 ::/0"], [], [WORLD], kept=["tcp/80 ::/0"]),
    "theirs goes if all goes": Case([WORLD], ["tcp/80 ::/0"], [], [WORLD], ["tcp/80 ::/0"], exact=True),
    "theirs like ours stays": Case(
        [WORLD], ['tcp/22 10.0.0.0/8 "ours"'], [SSH_CHANGE], [WORLD], kept=['tcp/22 10.0.0.0/8 "ours"']
    ),
    "ours with another description goes by its id": Case(
        [WORLD], ['tcp/22 10.0.0.0/8 "b" sgr-1'], [SSH_CHANGE], [WORLD], ['tcp/22 10.0.0.0/8 "b" sgr-1'], ids=("sgr-1",)
    ),
    "an id of the table proves nothing alone": Case(
        [WORLD],
        ['tcp/80 10.0.0.0/8 "b" sgr-1'],
        [SSH_CHANGE],
        [WORLD],
        kept=['tcp/80 10.0.0.0/8 "b" sgr-1'],
        ids=("sgr-1",),
    ),
    "a rule made after the backup keeps its stand-ins": Case(
        [WORLD],
        [*hammers("tcp/22"), *hammers("udp/22")],
        [SSH_CHANGE, UDP_CHANGE],
        [WORLD],
        hammers("tcp/22"),
        hammers("udp/22"),
    ),
    "they go if all goes": Case(
        [WORLD], hammers("udp/22"), [UDP_CHANGE], [WORLD], hammers("udp/22"), hammers("udp/22"), exact=True
    ),
    "one stand-in for a rule that is back and one that is not": Case(
        ["tcp/22 0.0.0.0/1"],
        hammers("tcp/22"),
        [change(hammers("tcp/22"), [], {"tcp/22": ["tcp/22 0.0.0.0/1", "tcp/22 128.0.0.0/1"]})],
        ["tcp/22 0.0.0.0/1"],
        [],
        hammers("tcp/22"),
    ),
    "a later change relies on what an earlier one added": Case(
        [WORLD],
        hammers("tcp/22"),
        [SSH_CHANGE, change([], ["tcp/22 ::/0"], {TEN: ["tcp/22 ::/0"]})],
        [WORLD],
        hammers("tcp/22")[1:],
        [TEN],
    ),
    "a rule of Hammer's that a later change replaced": Case(
        ["tcp/20-25 0.0.0.0/0"],
        ['tcp/21 10.0.0.0/8 "Hammer: replaces"'],
        [
            change(
                ['tcp/20-21 0.0.0.0/0 "web"'],
                ["tcp/20-25 0.0.0.0/0"],
                {"tcp/20-21": ["tcp/20-25 0.0.0.0/0"]},
            ),
            change(
                ['tcp/21 10.0.0.0/8 "Hammer: replaces"'],
                ['tcp/20-21 0.0.0.0/0 "web"'],
                {"tcp/21": ['tcp/20-21 0.0.0.0/0 "web"']},
            ),
        ],
        ["tcp/20-25 0.0.0.0/0"],
        ['tcp/21 10.0.0.0/8 "Hammer: replaces"'],
    ),
    "what stands in for what was not noted: all with such ports": Case(
        [WORLD],
        [TEN, 'udp/53 10.0.0.0/8 "Hammer: replaces"'],
        [change([TEN, 'udp/53 10.0.0.0/8 "Hammer: replaces"'], [WORLD, "udp/0-100 0.0.0.0/0"], None)],
        [WORLD],
        [TEN],
        ['udp/53 10.0.0.0/8 "Hammer: replaces"'],
    ),
    "a protocol without ports stands in for one by a number": Case(
        ["50 0.0.0.0/0"],
        ['50 10.0.0.0/8 "Hammer: replaces"'],
        [change(['50 10.0.0.0/8 "Hammer: replaces"'], ["50 0.0.0.0/0", "51 0.0.0.0/0", "icmp 0.0.0.0/0"], None)],
        ["50 0.0.0.0/0"],
        ['50 10.0.0.0/8 "Hammer: replaces"'],
    ),
    "all traffic may be what a rule stands in for": Case(
        [WORLD], [TEN], [change([TEN], [WORLD, "-1 0.0.0.0/0"], None)], [WORLD], [], [TEN]
    ),
    "a change since that is not known: nothing of ours is needless": Case(
        [WORLD], hammers("tcp/22"), [SSH_CHANGE], [WORLD], [], hammers("tcp/22"), is_known=False
    ),
    "forward again to before a restore": Case(
        hammers("tcp/22"),
        [WORLD],
        [change([WORLD], hammers("tcp/22"), None, restores=True, had=",".join(hammers("tcp/22")))],
        hammers("tcp/22"),
        [WORLD],
    ),
    "what a restore brought back and an owner had made since the backup stays": Case(
        [],
        [UDP],
        [UDP_CHANGE, change([UDP], hammers("udp/22"), None, restores=True)],
        kept=[UDP],
    ),
    "what a restore brought back stays where what it revoked is not back": Case(
        [],
        [UDP],
        [change([UDP], hammers("udp/22"), None, restores=True)],
        stay=[UDP],
    ),
    "a rule that was closed, restored and closed again": Case(
        [WORLD],
        hammers("udp/22"),
        [UDP_CHANGE, change([UDP], hammers("udp/22"), None, restores=True), UDP_CHANGE],
        [WORLD],
        [],
        hammers("udp/22"),
    ),
}


def planned(case: Case, quota: RuleQuota = PACKAGE) -> RestorePlan:
    return plan_restore(
        [rule(text) for text in case.backup],
        [rule(text) for text in case.now],
        case.since,
        quota,
        exact=case.exact,
        ids=case.ids,
        is_known=case.is_known,
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_restore_plan(case: Case) -> None:
    plan = planned(case)
    assert list(plan.add) == list(map(rule, case.add))
    assert list(plan.revoke) == list(map(rule, case.revoke))
    assert [this.rule for this in plan.stand_ins] == list(map(rule, case.stay))
    assert list(plan.kept) == list(map(rule, case.kept))
    assert [this.rule for this in plan.kept_stand_ins] == ([] if case.exact else list(map(rule, case.stay)))
    assert plan.is_empty == (not case.add and not case.revoke)
    assert (plan.describe, plan.problem) == ((), "")


def test_what_a_stand_in_stays_for() -> None:
    plan = planned(CASES["one stand-in for a rule that is back and one that is not"])
    assert [this.missing for this in plan.stand_ins] == [(rule("tcp/22 128.0.0.0/1"),)] * 3
    plan = planned(CASES["a change since that is not known: nothing of ours is needless"])
    assert [this.missing for this in plan.stand_ins] == [()] * 3


RELIED_ON: dict[str, tuple[list[str], list[str], list[str]]] = {
    "what lets in some of what is revoked": ([WORLD], ["tcp/22 10.0.0.0/8"], ["tcp/22 10.0.0.0/8"]),
    "what lets in more of it": ([WORLD], ["-1 172.16.0.0/12"], ["-1 172.16.0.0/12"]),
    "with another port": ([WORLD], ["tcp/23 10.0.0.0/8"], []),
    "with another protocol": ([WORLD], ["udp/22 10.0.0.0/8"], []),
    "from other addresses": (["tcp/22 8.0.0.0/8"], ["tcp/22 10.0.0.0/8"], []),
    "of the other family": ([WORLD], ["tcp/22 fd00::/8"], []),
    "what it contains": (["tcp/22 10.0.0.0/8"], ["tcp/20-25 10.1.0.0/16"], ["tcp/20-25 10.1.0.0/16"]),
    "nothing revoked": ([], ["tcp/22 10.0.0.0/8"], []),
}


@pytest.mark.parametrize(("revoked", "there", "expected"), RELIED_ON.values(), ids=RELIED_ON)
def test_what_a_restore_relies_on(revoked: list[str], there: list[str], expected: list[str]) -> None:
    now = [rule(f'{text} "" sgr-{number}') for number, text in enumerate([*there, *revoked])]
    plan = plan_restore(list(map(rule, there)), now, (), PACKAGE, exact=True)
    assert [rule_text(each) for each in plan.revoke] == [rule_text(rule(text)) for text in revoked]
    assert [(rule_text(each), each.rule_id) for each in plan.relied_on] == [
        (rule_text(rule(text)), f"sgr-{number}") for number, text in enumerate(expected)
    ]


def test_what_is_added_first_is_relied_on_instead() -> None:
    """EC2 acknowledges it in the same change: so an ordinary restore makes no call more."""
    now = [rule(f"{text} sgr-{number}") for number, text in enumerate([*hammers("tcp/22"), 'tcp/22 10.0.0.0/16 "vpn"'])]
    plan = plan_restore([rule(WORLD), rule("tcp/22 10.0.0.0/16")], now, [SSH_CHANGE], PACKAGE, exact=False)
    assert len(plan.revoke) == 3
    assert plan.relied_on == ()


def test_what_is_in_a_group_may_be_in_any_address() -> None:
    members = IngressRule("tcp", 22, 22, group_id="sg-1", rule_id="sgr-1")
    plan = plan_restore([members], [members, rule(f'{WORLD} "" sgr-2')], (), PACKAGE, exact=True)
    assert plan.relied_on == (members,)


@pytest.mark.parametrize(("limit", "is_full"), [(4, False), (3, True)])
def test_a_group_may_be_full_once_the_rules_are_back(limit: int, *, is_full: bool) -> None:
    vpn, theirs = rule('tcp/22 10.0.0.0/8 "" sgr-1'), rule('tcp/22 10.0.0.0/16 "" sgr-2')
    plan = plan_restore([rule("tcp/80 8.8.8.8/32"), vpn], [vpn, theirs], (), RuleQuota(limit), exact=True)
    assert plan.relied_on == (vpn,)
    assert plan.no_room_for == ({rule_key(vpn)} if is_full else set())


def test_there_may_be_room_for_a_rule_and_not_for_a_prefix_list() -> None:
    members, vpn = IngressRule("tcp", 22, 22, prefix_list_id="pl-1"), rule("tcp/22 10.0.0.0/8")
    quota = RuleQuota(60, {"pl-1": (4, 40)})
    assert quota.no_room_for([members, vpn], [members, vpn]) == {rule_key(members)}
    assert quota.no_room_for([vpn], [rule(f"tcp/22 10.{number}.0.0/16") for number in range(60)]) == {rule_key(vpn)}


def test_no_room() -> None:
    plan = planned(Case([WORLD], ["tcp/80 10.0.0.0/8"], []), RuleQuota(1))
    assert plan.problem == "quota: with 1 rules more it would have 2 IPv4 rules, and the quota is 1"


def test_a_restore_brings_descriptions_back() -> None:
    plan = planned(Case([f'{WORLD} "old"'], [f'{WORLD} "new" sgr-1'], []), RuleQuota(1))
    assert plan.describe == (rule(f'{WORLD} "old"'),)
    assert not plan.is_empty


def test_a_rule_of_its_owners_does_not_become_hammers_by_a_restore() -> None:
    """Its description would have the next restore take it away (seed 72357)."""
    was = 'tcp/22 10.0.0.0/8 "Hammer: replaces 0.0.0.0/0 on 2026-11-28" sgr-1'
    backup, quota = [rule(was)], PACKAGE
    theirs, edited = rule('tcp/22 10.0.0.0/8 "vpn" sgr-2'), rule('tcp/22 10.0.0.0/8 "vpn" sgr-1')
    assert plan_restore(backup, [theirs], (), quota, exact=False).describe == ()
    assert plan_restore(backup, [edited], (), quota, exact=False).describe == (rule(was),)
    named = [rule('tcp/22 10.0.0.0/8 "office" sgr-1')]
    assert plan_restore(named, [theirs], (), quota, exact=False).describe == tuple(named)
