"""The remediation plan as one table: the rules of a group, what is configured, and what is planned."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import pytest

from library.issues.history import PastOccurrence
from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from library.issues.schedule import RemediationTerms, Skipped, SkipReason, remediation_schedule
from library.network.addresses import AddressSet, parse_network
from library.network.ports import PortSet
from library.security_groups.exemptions import Exemption
from library.security_groups.group import IngressRule, RuleKey, SecurityGroup
from remediation.eligibility import Policy, why_not_due
from remediation.plan import Plan, RuleQuota, plan_remediation
from remediation.rules import lets_in_all_of, without_contained
from tests.builders.remediation_cases import GROUP, NOW

BOTH = frozenset({"open_completely", "open_partly"})
LISTS = {
    "pl-world": (parse_network("0.0.0.0/0"), parse_network("10.9.0.0/16"), parse_network("100.64.0.0/10")),
    "pl-mixed": (parse_network("8.8.8.0/24"), parse_network("9.9.9.0/24")),
    "pl-aws": (),
}
PACKAGE = RuleQuota(60)
TEN, SIXTEEN, TWELVE = "10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12"


def rule(text: str, about: str = "", rule_id: str = "") -> IngressRule:
    """`tcp/22 0.0.0.0/0`, `tcp/20-25 pl-1`, `-1 sg-2`, `50 ::/0`."""
    traffic, source = text.split()
    protocol, _, ports = traffic.partition("/")
    first, _, last = ports.partition("-")
    made = IngressRule(
        protocol,
        int(first) if first else None,
        int(last or first) if first else None,
        description=about,
        rule_id=rule_id,
    )
    if source.startswith("pl-"):
        return made._replace(prefix_list_id=source)
    return made._replace(group_id=source) if source.startswith("sg-") else made._replace(cidr=source)


def text_of(made: IngressRule) -> str:
    """The text from which the rule is made."""
    ports = ""
    if made.from_port is not None:
        ports = f"/{made.from_port}" + (f"-{made.to_port}" if made.to_port != made.from_port else "")
    return f"{made.protocol}{ports} {made.cidr or made.prefix_list_id or made.group_id}"


def private(*traffics: str) -> list[str]:
    return [f"{traffic} {cidr}" for traffic in traffics for cidr in (TEN, TWELVE, SIXTEEN)]


@dataclass(frozen=True)
class Case:
    rules: list[str]
    revoke: list[str] = field(default_factory=list)
    add: list[str] = field(default_factory=list)
    reason: SkipReason | None = None
    carve: bool = False
    scope: frozenset[Any] = frozenset({"open_completely"})
    ports: tuple[Any, ...] = (22, 3389)
    trusted: tuple[str, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    quota: RuleQuota = PACKAGE


def exempt(ports: list[str] | None = None, sources: list[str] | None = None, **more: Any) -> tuple[Exemption, ...]:
    return (
        Exemption(
            GROUP,
            None if ports is None else PortSet.parse(ports),
            None if sources is None else AddressSet.parse(*sources),
            **more,
        ),
    )


ALL = "tcp/22 0.0.0.0/0"
CASES: dict[str, Case] = {
    "one rule": Case([ALL], [ALL], private("tcp/22")),
    "ipv6": Case(["tcp/22 ::/0"], ["tcp/22 ::/0"], private("tcp/22")),
    "both families make the same rules": Case([ALL, "tcp/22 ::/0"], [ALL, "tcp/22 ::/0"], private("tcp/22")),
    "everything": Case(["-1 0.0.0.0/0"], ["-1 0.0.0.0/0"], private("-1")),
    "a protocol by number": Case(["50 0.0.0.0/0"], ["50 0.0.0.0/0"], private("50")),
    "a range keeps its ports": Case(["tcp/20-25 0.0.0.0/0"], ["tcp/20-25 0.0.0.0/0"], private("tcp/20-25")),
    "host bits": Case(["tcp/22 192.168.1.0/0"], ["tcp/22 192.168.1.0/0"], private("tcp/22")),
    "neighbours stay": Case(
        [ALL, "tcp/22 8.8.8.8/32", "tcp/443 0.0.0.0/0", "icmp 0.0.0.0/0", "tcp/22 sg-2", "tcp/22 pl-aws"],
        [ALL],
        private("tcp/22"),
    ),
    "two halves": Case(
        ["tcp/22 0.0.0.0/1", "tcp/22 128.0.0.0/1"], ["tcp/22 0.0.0.0/1", "tcp/22 128.0.0.0/1"], private("tcp/22")
    ),
    "halves that the whole hid": Case(
        ["tcp/22 0.0.0.0/1", ALL, "tcp/22 128.0.0.0/1"],
        [ALL, "tcp/22 0.0.0.0/1", "tcp/22 128.0.0.0/1"],
        private("tcp/22"),
    ),
    "a half covers private sources, the other does not stay": Case(
        ["tcp/22 0.0.0.0/1"], ["tcp/22 0.0.0.0/1"], private("tcp/22"), scope=BOTH
    ),
    "a narrow public source": Case(["tcp/22 8.8.8.8/32"], ["tcp/22 8.8.8.8/32"], private("tcp/22"), scope=BOTH),
    "what is there is not added": Case([ALL, f"tcp/22 {TEN}"], [ALL], private("tcp/22")[1:]),
    "what is there in another spelling is not added": Case([ALL, "6/22 10.0.0.1/8"], [ALL], private("tcp/22")[1:]),
    "what is wider there is no reason: its owner may remove it": Case(
        [ALL, f"tcp/0-1024 {TEN}", f"-1 {TWELVE}", "tcp/22 192.168.0.0/15"], [ALL], private("tcp/22")
    ),
    "what is wider there stands in where the quota has no room": Case(
        [ALL, f"tcp/0-1024 {TEN}", f"-1 {TWELVE}"], [ALL], private("tcp/22")[2:], quota=RuleQuota(4)
    ),
    "what is wider there does not stand in where there is room for all": Case(
        [ALL, f"tcp/0-1024 {TEN}", f"-1 {TWELVE}"], [ALL], private("tcp/22"), quota=RuleQuota(6)
    ),
    "no room even for what nothing wider lets in": Case(
        [ALL, f"-1 {TWELVE}"], reason=SkipReason.QUOTA, quota=RuleQuota(3)
    ),
    "what is narrower there is no reason": Case([ALL, "tcp/22 10.1.0.0/16"], [ALL], private("tcp/22")),
    "another protocol is no reason": Case([ALL, f"udp/22 {TEN}"], [ALL], private("tcp/22")),
    "a group or a list is no reason": Case([ALL, "tcp/22 sg-2", "tcp/443 pl-world"], [ALL], private("tcp/22")),
    "an out of scope source that contains a private range": Case([ALL, "tcp/22 8.0.0.0/5"], [ALL], private("tcp/22")),
    "each of two rules gets its own ports back": Case(
        [ALL, "-1 0.0.0.0/0"], [ALL, "-1 0.0.0.0/0"], [*private("-1"), *private("tcp/22")], scope=BOTH
    ),
    "the wider of two replacements, where there is no room for both": Case(
        [ALL, "-1 0.0.0.0/0"], [ALL, "-1 0.0.0.0/0"], private("-1"), scope=BOTH, quota=RuleQuota(5)
    ),
    "a prefix list is replaced whole": Case(["tcp/22 pl-world"], ["tcp/22 pl-world"], private("tcp/22")),
    "a prefix list out of scope": Case(["tcp/22 pl-mixed"], reason=SkipReason.OUT_OF_SCOPE),
    "a prefix list partly in scope": Case(
        ["tcp/22 pl-mixed"],
        ["tcp/22 pl-mixed"],
        private("tcp/22"),
        scope=BOTH,
        exemptions=exempt(sources=["8.8.8.0/24"]),
    ),
    "carve: the middle": Case(
        ["tcp/20-25 0.0.0.0/0"],
        ["tcp/20-25 0.0.0.0/0"],
        ["tcp/20-21 0.0.0.0/0", "tcp/23-25 0.0.0.0/0", *private("tcp/22")],
        carve=True,
    ),
    "carve: every port": Case(
        ["tcp/0-65535 0.0.0.0/0"],
        ["tcp/0-65535 0.0.0.0/0"],
        [
            "tcp/0-21 0.0.0.0/0",
            "tcp/23-3388 0.0.0.0/0",
            "tcp/3390-65535 0.0.0.0/0",
            *private("tcp/22", "tcp/3389"),
        ],
        carve=True,
    ),
    "carve: the edges": Case(
        ["tcp/22-3389 0.0.0.0/0"],
        ["tcp/22-3389 0.0.0.0/0"],
        ["tcp/23-3388 0.0.0.0/0", *private("tcp/22", "tcp/3389")],
        carve=True,
    ),
    "carve: nothing but restricted ports": Case([ALL], [ALL], private("tcp/22"), carve=True),
    "carve: neighbouring restricted ports are one rule": Case(
        ["tcp/20-25 0.0.0.0/0"],
        ["tcp/20-25 0.0.0.0/0"],
        ["tcp/20 0.0.0.0/0", "tcp/24-25 0.0.0.0/0", *private("tcp/21-23")],
        carve=True,
        ports=(21, 22, 23),
    ),
    "carve: only the protocol that is restricted": Case(
        ["udp/20-25 0.0.0.0/0", "tcp/20-25 0.0.0.0/0"],
        ["tcp/20-25 0.0.0.0/0"],
        ["tcp/20-21 0.0.0.0/0", "tcp/23-25 0.0.0.0/0", *private("tcp/22")],
        carve=True,
        ports=("tcp/22",),
    ),
    "carve: ports of UDP": Case(
        ["udp/0-300 0.0.0.0/0"],
        ["udp/0-300 0.0.0.0/0"],
        ["udp/0-160 0.0.0.0/0", "udp/162-300 0.0.0.0/0", *private("udp/161")],
        carve=True,
        ports=("udp/161",),
    ),
    "carve: port 0 alone": Case(["tcp/0 0.0.0.0/0"], ["tcp/0 0.0.0.0/0"], private("tcp/0"), carve=True, ports=("0-1",)),
    "carve: two exemptions cover a source together": Case(
        ["tcp/22-24 8.8.8.0/24"],
        ["tcp/22-24 8.8.8.0/24"],
        ["tcp/23-24 8.8.8.0/24", *private("tcp/22")],
        carve=True,
        scope=BOTH,
        ports=(22, 23, 24),
        exemptions=(
            *exempt(ports=["tcp/22-24"], sources=["8.8.8.0/25"]),
            *exempt(ports=["tcp/23-24"], sources=["8.8.8.128/25"]),
        ),
    ),
    "carve: a rule without ports whole": Case(["-1 ::/0"], ["-1 ::/0"], private("-1"), carve=True),
    "carve: a prefix list keeps its other ports": Case(
        ["tcp/20-22 pl-world"],
        ["tcp/20-22 pl-world"],
        ["tcp/20-21 pl-world", *private("tcp/22")],
        carve=True,
    ),
    "carve: what is left is there already": Case(
        ["tcp/22-25 0.0.0.0/0", "tcp/23-25 0.0.0.0/0"], ["tcp/22-25 0.0.0.0/0"], private("tcp/22"), carve=True
    ),
    "carve: what is left is in a wider rule": Case(
        ["tcp/22-25 0.0.0.0/0", "tcp/23-30 0.0.0.0/0"],
        ["tcp/22-25 0.0.0.0/0"],
        ["tcp/23-25 0.0.0.0/0", *private("tcp/22")],
        carve=True,
    ),
    "carve: an exempt port stays": Case(
        ["tcp/20-3389 0.0.0.0/0"],
        ["tcp/20-3389 0.0.0.0/0"],
        ["tcp/20-3388 0.0.0.0/0", *private("tcp/3389")],
        carve=True,
        exemptions=exempt(ports=["tcp/22"]),
    ),
    "carve: a port that is exempt for this source stays": Case(
        ["tcp/22-23 8.8.8.0/24"],
        ["tcp/22-23 8.8.8.0/24"],
        ["tcp/22 8.8.8.0/24", *private("tcp/23")],
        carve=True,
        scope=BOTH,
        ports=(22, 23),
        exemptions=exempt(ports=["tcp/22"], sources=["8.8.0.0/16"]),
    ),
    "carve: a port that is exempt for another source goes": Case(
        ["tcp/22-23 0.0.0.0/0"],
        ["tcp/22-23 0.0.0.0/0"],
        private("tcp/22-23"),
        carve=True,
        ports=(22, 23),
        exemptions=exempt(ports=["tcp/22"], sources=["8.8.0.0/16"]),
    ),
    "exempt": Case([ALL], reason=SkipReason.EXEMPT, exemptions=exempt()),
    "exempt until yesterday": Case([ALL], [ALL], private("tcp/22"), exemptions=exempt(expires=date(2026, 11, 22))),
    "exempt until tomorrow": Case([ALL], reason=SkipReason.EXEMPT, exemptions=exempt(expires=date(2026, 11, 23))),
    "one port is exempt": Case(
        [ALL, "tcp/3389 0.0.0.0/0"], [ALL], private("tcp/22"), exemptions=exempt(ports=["tcp/3389"])
    ),
    "one source is exempt": Case(
        ["tcp/22 8.8.8.8/32", "tcp/22 9.9.9.9/32"],
        ["tcp/22 9.9.9.9/32"],
        private("tcp/22"),
        scope=BOTH,
        exemptions=exempt(sources=["8.8.8.0/24"]),
    ),
    "trusted": Case(["tcp/22 8.8.8.8/32"], reason=SkipReason.FIXED, scope=BOTH, trusted=("8.8.8.0/24",)),
    "fixed": Case([f"tcp/22 {TEN}"], reason=SkipReason.FIXED),
    "no rules at all": Case([], reason=SkipReason.FIXED),
    "out of scope": Case(["tcp/22 8.8.8.8/32"], reason=SkipReason.OUT_OF_SCOPE),
    "the parts only": Case(
        [ALL, "tcp/22 8.8.8.8/32"], ["tcp/22 8.8.8.8/32"], private("tcp/22"), scope=frozenset({"open_partly"})
    ),
    "a prefix list that could not be read": Case([ALL, "tcp/22 pl-secret"], reason=SkipReason.NOT_UNDERSTOOD),
    "room for exactly so many": Case([ALL], [ALL], private("tcp/22"), quota=RuleQuota(4)),
    "no room": Case([ALL], reason=SkipReason.QUOTA, quota=RuleQuota(3)),
    "ipv6 rules take no room from ipv4 ones": Case(
        [ALL, "tcp/443 ::/0", "tcp/80 ::/0"], [ALL], private("tcp/22"), quota=RuleQuota(4)
    ),
    "a reference takes room in both": Case([ALL, "tcp/80 sg-2"], reason=SkipReason.QUOTA, quota=RuleQuota(4)),
    "a list takes as much room as it may grow to": Case(
        [ALL, "tcp/443 pl-aws"], reason=SkipReason.QUOTA, quota=RuleQuota(10, {"pl-aws": (4, 7)})
    ),
    "a list of the other family takes none": Case(
        [ALL, "tcp/443 pl-aws"], [ALL], private("tcp/22"), quota=RuleQuota(10, {"pl-aws": (6, 7)})
    ),
    "nothing to add needs no room": Case(
        [ALL, f"-1 {TEN}", f"-1 {TWELVE}", f"-1 {SIXTEEN}"], [ALL], quota=RuleQuota(1)
    ),
}


def group_of(rules: list[str], **more: Any) -> SecurityGroup:
    made = tuple(rule(text, rule_id=f"sgr-{number}") for number, text in enumerate(rules))
    return SecurityGroup(GROUP, "name", "vpc-1", "", {}, made, **more)


def account_policy(case: Case) -> Policy:
    return Policy(
        restricted=PortSet.parse(case.ports),
        trusted=AddressSet.parse(*case.trusted),
        scope=case.scope,
        carve=case.carve,
        terms=RemediationTerms(timedelta(days=21), exemptions=case.exemptions),
        exemptions=case.exemptions,
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_plan(case: Case) -> None:
    group = group_of(case.rules)
    plan = plan_remediation(group, LISTS, account_policy(case), case.quota, NOW, "SEC-1")
    if case.reason:
        assert isinstance(plan, Skipped)
        assert plan.reason is case.reason
        return
    assert isinstance(plan, Plan), plan
    assert sorted(map(text_of, plan.revoke)) == sorted(case.revoke)
    assert sorted(map(text_of, plan.add)) == sorted(case.add)
    assert set(plan.revoke) <= set(group.ingress)


def test_a_group_that_is_gone() -> None:
    plan = plan_remediation(None, {}, account_policy(Case([])), RuleQuota(60), NOW)
    assert plan == Skipped(SkipReason.GONE, "the group does not exist any more")


def test_a_group_that_is_not_understood_is_refused() -> None:
    group = group_of([ALL], unreadable=("a rule of another shape",))
    plan = plan_remediation(group, LISTS, account_policy(Case([])), RuleQuota(60), NOW)
    assert plan == Skipped(SkipReason.NOT_UNDERSTOOD, "not understood: a rule of another shape")
    assert plan.needs_somebody


def described(rules: list[str], ticket: str = "SEC-1", *, carve: bool = False) -> set[str]:
    group = group_of(rules)
    group = replace(group, ingress=tuple(r._replace(description="theirs") for r in group.ingress))
    case = Case(rules, carve=carve, scope=BOTH)
    plan = plan_remediation(group, LISTS, account_policy(case), RuleQuota(6000), NOW, ticket)
    assert isinstance(plan, Plan)
    return {made.description for made in plan.add}


def test_descriptions() -> None:
    assert described([ALL]) == {"Hammer: replaces 0.0.0.0/0 on 2026-11-22, SEC-1"}
    assert described([ALL], "") == {"Hammer: replaces 0.0.0.0/0 on 2026-11-22"}
    assert described(["tcp/22 pl-world", "tcp/22 ::/0"]) == {"Hammer: replaces pl-world, ::/0 on 2026-11-22, SEC-1"}
    assert described(["tcp/22-23 0.0.0.0/0"], carve=True) == {
        "theirs",
        "Hammer: replaces 0.0.0.0/0 on 2026-11-22, SEC-1",
    }
    assert described([ALL], 'SEC<1>"\u202e') == {"Hammer: replaces 0.0.0.0/0 on 2026-11-22, SEC_1___"}


def test_a_description_is_never_too_long() -> None:
    (long,) = described([f"tcp/22 2001:4860:{number:x}:1111::/64" for number in range(30)])
    assert len(long) <= 255
    assert long.endswith("and 21 more on 2026-11-22, SEC-1")
    assert {len(text) for text in described([ALL], "T" * 400)} == {255}


def test_notes_name_who_else_loses_access() -> None:
    plan = plan_remediation(group_of(["tcp/22 pl-world"]), LISTS, account_policy(Case([])), RuleQuota(60), NOW)
    assert isinstance(plan, Plan)
    assert plan.notes == ("pl-world is replaced whole on tcp/22: 100.64.0.0/10 in it lose access too",)


def test_a_plan_says_what_the_quota_left_out_and_what_stands_in_for_it() -> None:
    group = group_of([ALL, f"-1 {TEN}"])
    plan = plan_remediation(group, LISTS, account_policy(Case([])), RuleQuota(4), NOW)
    assert isinstance(plan, Plan)
    assert plan.notes == (
        "the rule quota leaves no room for all new rules. These are not added, because wider rules of the group let in "
        "the same: tcp/22 from 10.0.0.0/8",
    )
    assert {text_of_key(key): ids for key, ids in plan.replaces.items()} == {
        "-1 10.0.0.0/8": ("sgr-0",),
        "tcp/22 172.16.0.0/12": ("sgr-0",),
        "tcp/22 192.168.0.0/16": ("sgr-0",),
    }


def test_a_wider_rule_stands_in_for_nothing_where_there_is_room() -> None:
    plan = plan_remediation(group_of([ALL, f"-1 {TEN}"]), LISTS, account_policy(Case([])), RuleQuota(60), NOW)
    assert isinstance(plan, Plan)
    assert not plan.notes
    assert not plan.relied_on
    assert {text_of_key(key): ids for key, ids in plan.replaces.items()} == dict.fromkeys(private("tcp/22"), ("sgr-0",))


def text_of_key(key: RuleKey) -> str:
    return text_of(IngressRule(key.protocol, key.from_port, key.to_port, cidr=key.source))


def issue(**more: Any) -> Issue:
    details = IssueDetails("name", "eu-west-1", "vpc-1", "open_completely", {}, ())
    reported = Timestamps(reported=NOW - timedelta(days=21))
    return Issue("123456789012", GROUP, **{"status": Status.OPEN, "details": details, "timestamps": reported, **more})


DUE: dict[str, tuple[Issue, Case, str]] = {
    "to the second": (issue(), Case([]), ""),
    "a second early": (
        issue(timestamps=Timestamps(reported=NOW - timedelta(days=21) + timedelta(seconds=1))),
        Case([]),
        "due at 2026-11-22 03:00 UTC",
    ),
    "not reported": (issue(timestamps=Timestamps()), Case([]), "not reported yet"),
    "resolved": (issue(status=Status.RESOLVED), Case([]), "its issue is resolved"),
    "whitelisted": (issue(status=Status.WHITELISTED), Case([]), "exempt now"),
    "exempt since": (issue(), Case([], exemptions=exempt()), "exempt now"),
    "exempt in part": (issue(), Case([], exemptions=exempt(ports=["tcp/22"])), ""),
    "exempt by name": (issue(), Case([], exemptions=(Exemption("vpc-1:name"),)), "exempt now"),
    "exempt no more": (issue(), Case([], exemptions=exempt(expires=date(2026, 11, 22))), ""),
    "restored": (
        issue(remediation_details={"restored": {"at": "2026-11-01", "by": "ana"}}),
        Case([]),
        "restored by ana at 2026-11-01: left alone until somebody decides",
    ),
    "released": (issue(remediation_details={"restored": None}), Case([]), ""),
}


@pytest.mark.parametrize(("known", "case", "reason"), DUE.values(), ids=DUE)
def test_due(known: Issue, case: Case, reason: str) -> None:
    skipped = why_not_due(known, account_policy(case), NOW)
    assert (skipped.text if skipped else "") == reason


def test_due_at_once() -> None:
    known = issue(timestamps=Timestamps(reported=NOW))
    assert why_not_due(known, replace(account_policy(Case([])), terms=RemediationTerms(timedelta())), NOW) is None
    assert remediation_schedule(known, RemediationTerms(timedelta(days=1)), NOW).due == NOW + timedelta(days=1)


WIDER: dict[str, tuple[str, str, bool]] = {
    "itself": (ALL, ALL, True),
    "all ports": ("tcp/0-65535 0.0.0.0/0", ALL, True),
    "all traffic": ("-1 0.0.0.0/0", ALL, True),
    "not the other way": (ALL, "-1 0.0.0.0/0", False),
    "port 0 in port 0": ("tcp/0 0.0.0.0/0", "tcp/0 10.0.0.0/8", True),
    "port 1 not in port 0": ("tcp/0 0.0.0.0/0", "tcp/0-1 10.0.0.0/8", False),
    "from the same first address": ("tcp/22 10.0.0.0/8", "tcp/22 10.0.0.0/16", True),
    "to the same last address": ("tcp/22 10.0.0.0/8", "tcp/22 10.255.0.0/16", True),
    "one port less": ("tcp/22-24 0.0.0.0/0", "tcp/21-23 0.0.0.0/0", False),
    "the other family": ("tcp/22 ::/0", ALL, False),
    "by number": ("6/22 0.0.0.0/0", ALL, True),
    "another protocol": ("udp/22 0.0.0.0/0", ALL, False),
    "without ports": ("50 0.0.0.0/0", "50 10.0.0.0/8", True),
    "another without ports": ("50 0.0.0.0/0", "51 10.0.0.0/8", False),
    "icmp of another type": ("icmp/8-0 0.0.0.0/0", "icmp/3-0 0.0.0.0/0", False),
    "the same list": ("tcp/0-100 pl-1", "tcp/22 pl-1", True),
    "another list": ("tcp/22 pl-1", "tcp/22 pl-2", False),
    "a list is no address": ("tcp/22 0.0.0.0/0", "tcp/22 pl-2", False),
}


@pytest.mark.parametrize(("wide", "narrow", "contains"), WIDER.values(), ids=WIDER)
def test_which_rule_contains_which(wide: str, narrow: str, *, contains: bool) -> None:
    assert lets_in_all_of(rule(wide), rule(narrow)) is contains


def test_a_group_that_is_opened_again_and_again_is_left_to_somebody_if_that_is_configured() -> None:
    history = tuple(PastOccurrence(None, NOW - timedelta(days=days)) for days in (30, 6, 2))
    known = issue(history=history)
    policy = replace(account_policy(Case([])), terms=RemediationTerms(timedelta()))
    assert why_not_due(known, policy, NOW) is None
    assert why_not_due(known, replace(policy, terms=RemediationTerms(timedelta(), stop_after=3)), NOW) is None
    skipped = why_not_due(known, replace(policy, terms=RemediationTerms(timedelta(), stop_after=2)), NOW)
    assert skipped == Skipped(SkipReason.FLAPPING, "opened again 2 times in 7 days: somebody must decide")
    assert skipped.needs_somebody


def test_rules_after_one_that_is_contained_are_kept() -> None:
    rules = [rule("tcp/22 10.0.0.0/8"), rule("tcp/22 10.1.0.0/16"), rule("tcp/80 10.0.0.0/8")]
    assert without_contained(rules) == (rules[0], rules[2])


@pytest.mark.parametrize(
    ("rules", "limit", "exceeded"),
    [
        pytest.param([], 0, "", id="no rules"),
        pytest.param([ALL], 1, "", id="just so many"),
        pytest.param([ALL, "tcp/80 8.8.8.0/24"], 1, "2 IPv4 rules, and the quota is 1", id="IPv4"),
        pytest.param(["tcp/22 ::/0", "tcp/80 sg-2"], 1, "2 IPv6 rules, and the quota is 1", id="a reference in IPv6"),
        pytest.param([ALL, "tcp/80 sg-2"], 1, "2 IPv4 rules, and the quota is 1", id="a reference in IPv4"),
        pytest.param([ALL, "tcp/22 ::/0"], 1, "", id="each family by itself"),
        pytest.param(["tcp/22 pl-v6", "tcp/22 ::/0"], 7, "8 IPv6 rules, and the quota is 7", id="a list of IPv6"),
    ],
)
def test_what_a_quota_says(rules: list[str], limit: int, exceeded: str) -> None:
    assert RuleQuota(limit, {"pl-v6": (6, 7)}).exceeded(map(rule, rules)) == exceeded


def test_each_carved_remainder_stands_in_for_the_rule_it_is_of_and_has_no_id() -> None:
    group = group_of(["tcp/20-22 0.0.0.0/0", "tcp/22 ::/0"])
    plan = plan_remediation(group, LISTS, account_policy(Case([], carve=True)), PACKAGE, NOW)
    assert isinstance(plan, Plan)
    assert {text_of_key(key): ids for key, ids in plan.replaces.items()} == {
        "tcp/20-21 0.0.0.0/0": ("sgr-0",),
        **dict.fromkeys(private("tcp/22"), ("sgr-0", "sgr-1")),
    }
    assert [added.rule_id for added in plan.add] == [""] * 4


def test_what_stands_in_for_a_rule_is_what_lets_in_the_same() -> None:
    group = group_of([ALL, "tcp/3389 0.0.0.0/0", f"tcp/22 {TEN}", f"tcp/3000-4000 {TEN}"])
    plan = plan_remediation(group, LISTS, account_policy(Case([])), RuleQuota(8), NOW)
    assert isinstance(plan, Plan)
    found = {text_of_key(key): ids for key, ids in plan.replaces.items()}
    assert (found[f"tcp/22 {TEN}"], found[f"tcp/3000-4000 {TEN}"]) == (("sgr-0",), ("sgr-1",))
    assert plan.notes == (
        "the rule quota leaves no room for all new rules. These are not added, because wider rules of the group let in "
        "the same: tcp/3389 from 10.0.0.0/8",
    )


def test_an_exemption_by_name_counts_while_rules_are_replaced() -> None:
    exempt_by_name = (Exemption("vpc-1:name", PortSet.parse(["tcp/22"])),)
    case = Case([], carve=True, ports=(22, 23), exemptions=exempt_by_name)
    plan = plan_remediation(group_of(["tcp/22-23 0.0.0.0/0"]), LISTS, account_policy(case), PACKAGE, NOW)
    assert isinstance(plan, Plan)
    assert sorted(map(text_of, plan.add)) == sorted([ALL, *private("tcp/23")])


def test_every_part_that_is_not_understood_is_named() -> None:
    group = group_of([ALL], unreadable=("one", "two"))
    assert plan_remediation(group, LISTS, account_policy(Case([])), PACKAGE, NOW) == Skipped(
        SkipReason.NOT_UNDERSTOOD, "not understood: one; two"
    )


def test_notes_name_every_network_of_a_list_that_nobody_minds() -> None:
    lists = {"pl-x": tuple(map(parse_network, ("0.0.0.0/0", "100.64.0.0/10", "9.9.9.0/24", "7.7.7.0/24")))}
    exemptions = (
        *exempt(ports=["tcp/3389"], sources=["9.9.9.0/24"]),
        *exempt(ports=["tcp/3389"], sources=["7.7.7.0/24"]),
    )
    case = Case([], exemptions=exemptions)
    plan = plan_remediation(group_of([ALL, "tcp/20-22 pl-x"]), lists, account_policy(case), PACKAGE, NOW)
    assert isinstance(plan, Plan)
    assert plan.notes == (
        "pl-x is replaced whole on tcp/20-22: 100.64.0.0/10, 9.9.9.0/24, 7.7.7.0/24 in it lose access too",
    )


@pytest.mark.parametrize(
    ("rules", "case", "quota", "skipped"),
    [
        (
            [],
            Case([]),
            PACKAGE,
            Skipped(SkipReason.FIXED, "safe already: no restricted port is open to a public address any more"),
        ),
        (
            [ALL],
            Case([], exemptions=exempt()),
            PACKAGE,
            Skipped(SkipReason.EXEMPT, "exempt now: all that is exposed"),
        ),
        (
            ["tcp/22 8.8.8.8/32"],
            Case([]),
            PACKAGE,
            Skipped(SkipReason.OUT_OF_SCOPE, "open_partly, and remediation_scope is open_completely"),
        ),
        (
            [ALL],
            Case([], scope=frozenset()),
            PACKAGE,
            Skipped(SkipReason.OUT_OF_SCOPE, "open_completely, and remediation_scope is nothing"),
        ),
        (
            [ALL],
            Case([]),
            RuleQuota(3),
            Skipped(SkipReason.QUOTA, "quota: with 3 rules more it would have 4 IPv4 rules, and the quota is 3"),
        ),
    ],
)
def test_why_nothing_is_changed_in_full(rules: list[str], case: Case, quota: RuleQuota, skipped: Skipped) -> None:
    assert plan_remediation(group_of(rules), LISTS, account_policy(case), quota, NOW) == skipped
