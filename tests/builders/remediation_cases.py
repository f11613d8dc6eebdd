"""Random groups and policies, and a model of EC2 that says who reaches what: shared by the property tests."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

from hypothesis import strategies as st

from library.issues.schedule import RemediationTerms, Skipped, SkipReason
from library.network.addresses import PUBLIC, AddressSet, Network, parse_network
from library.network.intervals import IntervalSet
from library.network.ports import PortSet, protocol_name
from library.security_groups.exemptions import Exemption
from library.security_groups.exposure import OpenStatus
from library.security_groups.group import IngressRule, SecurityGroup, rule_key
from remediation.eligibility import Policy
from remediation.plan import Plan, RuleQuota, in_scope, plan_remediation

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
GROUP = "sg-1"
LISTS = {
    "pl-1": (parse_network("0.0.0.0/0"), parse_network("10.1.0.0/16")),
    "pl-2": (parse_network("8.8.0.0/16"), parse_network("100.64.0.0/10")),
    "pl-3": (parse_network("10.2.0.0/16"),),
}
CIDRS = (
    "0.0.0.0/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "8.0.0.0/5",
    "8.8.8.0/24",
    "8.8.8.8/32",
    "10.0.0.0/8",
    "10.1.2.0/24",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "::/0",
    "2001:4860::/32",
    "fc00::/7",
)
_network = cache(parse_network)

# An address of each stretch that the sources above tell apart.
ADDRESSES = tuple(
    parse_network(text)
    for text in (
        "1.1.1.1",
        "8.8.8.8",
        "8.8.8.9",
        "8.8.9.1",
        "9.9.9.9",
        "10.0.0.1",
        "10.1.2.3",
        "10.1.9.9",
        "10.2.0.1",
        "100.64.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "198.18.0.1",
        "200.1.1.1",
        "2001:4860::8888",
        "2a00::1",
        "fd00::1",
    )
)
PRIVATE = AddressSet.parse("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
PRIVATE_ADDRESSES = frozenset(address for address in ADDRESSES if AddressSet.of([address]) & PRIVATE)
# Every port that an interval of a case may begin or end at.
PORTS = (0, *range(18, 30), 3388, 3389, 3390, 65535)
TRAFFIC: tuple[tuple[str, int | None], ...] = (
    *((protocol, port) for protocol in ("tcp", "udp") for port in PORTS),
    ("50", None),
    ("icmp", None),
)


def _range(protocol: str) -> st.SearchStrategy[tuple[int | None, int | None]]:
    if protocol == "icmp":
        return st.just((-1, -1))
    if protocol not in ("tcp", "udp"):
        return st.just((None, None))
    ports = st.sampled_from(PORTS)
    return st.tuples(ports, ports).map(lambda pair: (min(pair), max(pair)))


@st.composite
def _rule(draw: st.DrawFn) -> IngressRule:
    protocol = draw(st.sampled_from(("tcp", "tcp", "tcp", "udp", "-1", "50", "icmp")))
    first, last = draw(_range(protocol))
    rule = IngressRule(protocol, first, last, description=draw(st.sampled_from(("", "theirs"))))
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return rule._replace(group_id="sg-2")
    if kind == 1:
        return rule._replace(prefix_list_id=draw(st.sampled_from(sorted(LISTS))))
    return rule._replace(cidr=draw(st.sampled_from(CIDRS)))


# Few ports and large sources: one often hides what others do together.
_TANGLED_RULE = st.builds(
    lambda ports, cidr: IngressRule("tcp", ports[0], ports[1], cidr=cidr),
    st.sampled_from(((22, 22), (20, 25))),
    st.sampled_from(("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "8.8.8.0/24")),
)


@st.composite
def groups(draw: st.DrawFn) -> SecurityGroup:
    """A group; EC2 has no two rules that differ in nothing but their descriptions."""
    rule = draw(st.sampled_from((_rule(), _TANGLED_RULE)))
    rules = draw(st.lists(rule, min_size=1, max_size=7, unique_by=rule_key))
    numbered = tuple(rule._replace(rule_id=f"sgr-{number}") for number, rule in enumerate(rules))
    return SecurityGroup(GROUP, "name", "vpc-1", "", {}, numbered)


_PORT_LISTS: list[list[str | int]] = [[22], [22, 23, "25-27"], ["udp/22", "tcp/3389"], ["0-65535"]]
_PORT_SETS = st.sampled_from([PortSet.parse(ports) for ports in _PORT_LISTS])
_SOURCES = st.sampled_from(
    [AddressSet.parse(*cidrs) for cidrs in (["8.8.8.0/24"], ["0.0.0.0/1"], ["0.0.0.0/0", "::/0"])]
)
_EXEMPTION = st.builds(
    Exemption,
    group=st.sampled_from((GROUP, "vpc-1:name", "sg-other")),
    ports=st.none() | _PORT_SETS,
    sources=st.none() | _SOURCES,
    expires=st.sampled_from((None, date(2026, 11, 22), date(2026, 11, 23))),
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """What a configuration may say."""
    scopes: list[frozenset[OpenStatus]] = [
        frozenset({"open_completely"}),
        frozenset({"open_partly"}),
        frozenset({"open_completely", "open_partly"}),
    ]
    return Policy(
        restricted=draw(_PORT_SETS),
        trusted=draw(st.sampled_from([AddressSet(), AddressSet.parse("8.8.8.0/24")])),
        scope=draw(st.sampled_from(scopes)),
        carve=draw(st.booleans()),
        terms=RemediationTerms(timedelta()),
        exemptions=tuple(draw(st.lists(_EXEMPTION, max_size=2))),
    )


@dataclass(frozen=True)
class Model:
    """EC2, as far as one group goes."""

    rules: tuple[IngressRule, ...]

    def apply(self, plan: Plan) -> Model:
        """First add, then revoke, as EC2 does: it refuses duplicates and ids that it does not know."""
        rules = list(self.rules)
        for rule in plan.add:
            assert rule_key(rule) not in {rule_key(other) for other in rules}, "InvalidPermission.Duplicate"
            rules.append(rule._replace(rule_id=f"sgr-new-{len(rules)}"))
        for rule in plan.revoke:
            (found,) = [other for other in rules if other.rule_id == rule.rule_id]
            rules.remove(found)
        return Model(tuple(rules))

    def lets_in(self, protocol: str, port: int | None, address: Network) -> bool:
        """Whether an address reaches a port."""
        return any(carries(rule, protocol, port) and address_in(rule, address) for rule in self.rules)


def carries(rule: IngressRule, protocol: str, port: int | None) -> bool:
    """Whether a rule is about this traffic."""
    name = protocol_name(rule.protocol)
    if name == "-1":
        return True
    if name != protocol:
        return False
    return port is None or (rule.from_port or 0) <= port <= (rule.to_port or 0)


def address_in(rule: IngressRule, address: Network) -> bool:
    """Whether a rule's source has this address."""
    networks = LISTS[rule.prefix_list_id] if rule.prefix_list_id else (_network(rule.cidr),) if rule.cidr else ()
    return any(n.version == address.version and n.first <= address.first <= n.last for n in networks)


def is_minded(policy: Policy, protocol: str, port: int | None, address: Network) -> bool:
    """Whether it is an exposure that this address reaches this port."""
    this = AddressSet.of([address])
    if protocol == "icmp" or not this & PUBLIC or this & policy.trusted:
        return False
    if port is not None and port not in policy.restricted.protocol(protocol):
        return False
    return not any(
        exemption.names(GROUP, "vpc-1", "name")
        and exemption.counts_on(NOW.date())
        and (exemption.ports is None or (port is not None and port in exemption.ports.protocol(protocol)))
        and (exemption.sources is None or bool(this & exemption.sources))
        for exemption in policy.exemptions
    )


def check(group: SecurityGroup, policy: Policy) -> Plan | None:
    """Plan for a group, and hold the plan against the model. Returns it; None: nothing is to be done."""
    plan = plan_remediation(group, LISTS, policy, RuleQuota(60), NOW, "SEC-1")
    before = Model(group.ingress)
    if isinstance(plan, Skipped):
        assert plan.reason in (SkipReason.FIXED, SkipReason.EXEMPT, SkipReason.OUT_OF_SCOPE), plan
        found = policy.evaluator.evaluate(group, LISTS, policy.exemptions, NOW.date())
        assert not in_scope(found, policy)
        return None
    after = before.apply(plan)
    left = replace(group, ingress=after.rules)

    # Nothing in scope is exposed.
    found = policy.evaluator.evaluate(left, LISTS, policy.exemptions, NOW.date())
    assert not in_scope(found, policy)
    for protocol, port in TRAFFIC:
        to = f"{protocol}/{port}"
        for address in ADDRESSES:
            was, now = before.lets_in(protocol, port, address), after.lets_in(protocol, port, address)
            private = address in PRIVATE_ADDRESSES
            if len(policy.scope) == 2 and is_minded(policy, protocol, port, address):
                assert not now, f"{to} from {address} is still exposed"
            if private and was:
                assert now, f"{to} from {address} was cut"
            if now and not was:
                assert private, f"{to} from {address} is new"
                assert any(carries(rule, protocol, port) for rule in plan.revoke), f"{to} from {address} is new"
            if (
                was
                and policy.carve
                and not is_minded_at_all(policy, protocol, port, plan)
                and protocol in ("tcp", "udp")
            ):
                assert now, f"{to} from {address} was carved although nobody minds it"
    # Whatever is not replaced is untouched, and what is replaced exposes something.
    revoked = {rule.rule_id for rule in plan.revoke}
    assert [rule for rule in after.rules if rule in group.ingress] == [
        rule for rule in group.ingress if rule.rule_id not in revoked
    ]
    for rule in plan.revoke:
        alone = policy.evaluator.evaluate(replace(group, ingress=(rule,)), LISTS, policy.exemptions, NOW.date())
        assert alone.exposures
        assert not alone.whitelisted
        assert protocol_name(rule.protocol) != "icmp"
        assert not rule.group_id
    for rule in plan.add:
        assert re.fullmatch(r"theirs|(Hammer: replaces [0-9a-f.:/, pl-]+ on 2026-11-22, SEC-1)?", rule.description)
    # There is nothing more to do.
    again = plan_remediation(left, LISTS, policy, RuleQuota(60), NOW, "SEC-1")
    assert isinstance(again, Skipped), again
    return plan


def is_minded_at_all(policy: Policy, protocol: str, port: int | None, plan: Plan) -> bool:
    """Whether a port is restricted, or a replaced rule without ports carries it."""
    if any(protocol_name(rule.protocol) == "-1" for rule in plan.revoke):
        return True
    ports: IntervalSet = policy.restricted.protocol(protocol)
    return port is None or port in ports


def summary(rules: tuple[IngressRule, ...]) -> list[Any]:
    """Rules without ids, in an order of their own."""
    return sorted((rule_key(rule), rule.description) for rule in rules)
