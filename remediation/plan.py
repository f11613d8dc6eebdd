"""The remediation plan: which rules of one group to add and to revoke, or why none.

Pure. A plan is frozen data: the same one is shown by a dry run and carried out by `remediation.apply`.

Private sources are those of RFC 1918, as the replacing rules are. Others that a replaced source happens to contain,
such as 100.64.0.0/10 or the unique local addresses of IPv6, and trusted or exempt ones, are let in no longer:
`Plan.notes` names those that a prefix list or an exemption spells out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from library.issues.issue import Issue, Status
from library.issues.times import shown_time
from library.network.addresses import PUBLIC, RFC_1918, AddressSet, Network, parse_network
from library.network.intervals import EMPTY, IntervalSet
from library.network.ports import PortSet, protocol_name
from library.security_groups.exemptions import Exemption, applying
from library.security_groups.exposure import Evaluation, Evaluator, Exposure, OpenStatus, PrefixLists
from library.security_groups.group import IngressRule, SecurityGroup
from library.security_groups.rule_text import traffic_text
from remediation.rule_sets import RuleKey, rule_key, still_needed, without_contained

LONGEST_DESCRIPTION = 255
# What EC2 allows in a rule's description (API Reference, IpRange).
_NOT_IN_A_DESCRIPTION = re.compile(r"[^a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]")


class Why(StrEnum):
    """Why a group is left as it is."""

    NOT_OPEN = "not open"
    NOT_REPORTED = "not reported"
    NOT_DUE = "not due"
    RESTORED = "restored"
    EXEMPT = "exempt"
    GONE = "gone"
    FIXED = "fixed by its owner"
    OUT_OF_SCOPE = "out of remediation_scope"
    QUOTA = "quota"
    NOT_UNDERSTOOD = "not understood"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing is to be changed.

    Attributes:
        text: the reason in full, for a person.
    """

    why: Why
    text: str

    @property
    def needs_somebody(self) -> bool:
        """Whether the group stays exposed although it is due, so that somebody must look at it."""
        return self.why in (Why.QUOTA, Why.NOT_UNDERSTOOD)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to change in one group: first all of `add`, then all of `revoke`.

    Attributes:
        add: rules to add, with their descriptions.
        revoke: rules to revoke, with their ids.
        notes: what a person should know beforehand, a sentence each.
        left: what stays exposed because it is not in scope.
    """

    add: tuple[IngressRule, ...]
    revoke: tuple[IngressRule, ...]
    notes: tuple[str, ...] = ()
    left: tuple[Exposure, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """What the configuration says about remediation in one account.

    Attributes:
        restricted: the restricted ports.
        trusted: addresses that count as not public.
        scope: the statuses that are remediated.
        carve: replace only the restricted ports of a rule.
        retention: how long after the report an issue becomes due.
        exemptions: the account's.
    """

    restricted: PortSet
    trusted: AddressSet
    scope: frozenset[OpenStatus]
    carve: bool
    retention: timedelta
    exemptions: tuple[Exemption, ...] = ()
    evaluator: Evaluator = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "evaluator", Evaluator(self.restricted, self.trusted))


@dataclass(frozen=True, slots=True)
class RuleQuota:
    """How many ingress rules a group may have: IPv4 and IPv6 are counted apart (Amazon VPC User Guide, quotas).

    Attributes:
        limit: for each of the two families.
        prefix_lists: how much a rule with a prefix list counts in which family: its maximum of entries. One that is
            not here counts as one rule in both families, as a security group does.
    """

    limit: int
    prefix_lists: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def exceeded(self, rules: Iterable[IngressRule]) -> str:
        """In words, by how much these rules are too many; empty: they are not."""
        used: Counter[int] = Counter()
        for rule in rules:
            if rule.cidr:
                used[parse_network(rule.cidr).version] += 1
            elif rule.prefix_list_id in self.prefix_lists:
                version, entries = self.prefix_lists[rule.prefix_list_id]
                used[version] += entries
            else:
                used.update((4, 6))
        version, most = max(used.items(), key=lambda item: item[1], default=(4, 0))
        return f"{most} IPv{version} rules, and the quota is {self.limit}" if most > self.limit else ""


def when_due(issue: Issue, retention: timedelta) -> datetime | None:
    """From which moment on an issue is due: whole days of 24 hours after it was reported; None: not reported yet."""
    return issue.timestamps.reported + retention if issue.timestamps.reported else None


def why_not_due(issue: Issue, policy: Policy, now: datetime) -> Refusal | None:
    """Why an issue is not due, or None: it is.

    Whether its group is exempt in part, or fixed, is known only when it is described again: see `plan_remediation`.
    """
    if issue.status is Status.WHITELISTED or _exempt_as_a_whole(issue, policy, now.date()):
        return Refusal(Why.EXEMPT, "exempt by the whitelist")
    if issue.status is not Status.OPEN:
        return Refusal(Why.NOT_OPEN, f"its issue is {issue.status}")
    if restored := issue.remediation_details.get("restored"):
        return Refusal(
            Why.RESTORED,
            f"restored by {restored.get('by', 'somebody')} at {restored.get('at', 'some time')}: "
            "left alone until somebody decides",
        )
    due = when_due(issue, policy.retention)
    if due is None:
        return Refusal(Why.NOT_REPORTED, "not reported yet")
    if now < due:
        return Refusal(Why.NOT_DUE, f"due at {shown_time(due)}")
    return None


def _exempt_as_a_whole(issue: Issue, policy: Policy, today: date) -> bool:
    details = issue.details
    applies = applying(policy.exemptions, issue.issue_id, details.vpc_id, details.name, today)
    return any(exemption.is_whole for exemption in applies)


def plan_remediation(
    group: SecurityGroup | None,
    prefix_lists: PrefixLists,
    policy: Policy,
    quota: RuleQuota,
    now: datetime,
    ticket: str = "",
) -> Plan | Refusal:
    """What to change so that nothing in scope is left exposed.

    Replacing a rule can change the status of others: of 0.0.0.0/0 beside both of its halves only the first opens the
    group completely, until it is gone. So rules are replaced on paper and the group is judged again until nothing
    in scope is left.

    Args:
        group: as it was just described, its rules with their ids; None: it is gone.
        prefix_lists: the entries of those that its rules name.
        policy: the configuration's.
        quota: how many rules it may have.
        now: the time in UTC.
        ticket: of the issue, for descriptions; empty: there is none.
    """
    if group is None:
        return Refusal(Why.GONE, "the group does not exist any more")
    today = now.date()
    evaluation = policy.evaluator.evaluate(group, prefix_lists, policy.exemptions, today)
    if evaluation.unreadable:
        return Refusal(Why.NOT_UNDERSTOOD, f"not understood: {'; '.join(evaluation.unreadable)}")
    if not evaluation.exposures:
        return Refusal(Why.FIXED, "fixed by its owner: no restricted port is public any more")
    if evaluation.whitelisted:
        return Refusal(Why.EXEMPT, "exempt by the whitelist: all that is exposed")
    if not (hit := in_scope(evaluation, policy)):
        scope = ", ".join(sorted(policy.scope)) or "nothing"
        return Refusal(Why.OUT_OF_SCOPE, f"{evaluation.status}, and remediation_scope is {scope}")

    exemptions = applying(policy.exemptions, group.group_id, group.vpc_id, group.name, today)
    kept, revoke = list(group.ingress), list[IngressRule]()
    private: dict[RuleKey, tuple[IngressRule, list[str]]] = {}
    remainders: list[IngressRule] = []
    while hit:
        replaced = [rule for rule in kept if rule_key(rule) in hit]
        if not replaced:
            # Only rules that were there can be replaced: what is still exposed came out of the replacements.
            return Refusal(Why.NOT_UNDERSTOOD, "not understood: the replaced rules would still expose the group")
        for rule in replaced:
            kept.remove(rule)
            revoke.append(rule)
            carved = _carved_ports(rule, prefix_lists, policy, exemptions)
            for new in _private_rules(rule, carved):
                private.setdefault(rule_key(new), (new, []))[1].append(rule.prefix_list_id or rule_key(rule).source)
            remainders += _remaining_rules(rule, carved)
        after = replace(group, ingress=(*kept, *remainders))
        evaluation = policy.evaluator.evaluate(after, prefix_lists, policy.exemptions, today)
        hit = in_scope(evaluation, policy)
    described = [new._replace(description=_description(sources, today, ticket)) for new, sources in private.values()]
    add = still_needed((*remainders, *described), kept)
    if quota.exceeded((*group.ingress, *add)):
        # Each replaced rule gets its own ports back, so that one can be taken away without the others; where there is
        # no room for that, a rule that another new one contains is left out.
        add = without_contained(add)
    if add and (excess := quota.exceeded((*group.ingress, *add))):
        return Refusal(Why.QUOTA, f"quota: with {len(add)} rules more it would have {excess}")
    return Plan(
        add=add,
        revoke=tuple(revoke),
        notes=tuple(_notes(revoke, prefix_lists, policy, exemptions)),
        left=() if evaluation.whitelisted else evaluation.exposures,
    )


def in_scope(evaluation: Evaluation, policy: Policy) -> set[RuleKey]:
    """The keys of the rules that expose a group in a way that is to be remediated."""
    if evaluation.whitelisted:
        return set()
    return {
        RuleKey(
            protocol_name(exposure.protocol),
            exposure.from_port,
            exposure.to_port,
            exposure.prefix_list_id or exposure.cidr,
        )
        for exposure in evaluation.exposures
        if exposure.status in policy.scope
    }


def _carved_ports(
    rule: IngressRule, prefix_lists: PrefixLists, policy: Policy, exemptions: Sequence[Exemption]
) -> IntervalSet | None:
    """The ports of a rule that it must not have any more; None: all, or it has none.

    With `carve_ports` these are the restricted ports that it exposes: one that is exempt for all of the rule's
    public sources stays.
    """
    name = protocol_name(rule.protocol)
    if not policy.carve or name not in ("tcp", "udp"):
        return None
    own = _ports_of(rule)
    restricted = policy.restricted.protocol(name) & own
    public = AddressSet.of(_networks(rule, prefix_lists)) & (PUBLIC - policy.trusted)
    scopes = [
        (own if exemption.ports is None else exemption.ports.protocol(name), exemption.sources)
        for exemption in exemptions
    ]
    exposed = EMPTY
    # Between two neighbouring edges all ports are treated alike.
    edges = {
        edge for ports, _ in [(restricted, None), *scopes] for first, last in ports.spans for edge in (first, last + 1)
    }
    for first, after in pairwise(sorted(edges)):
        if first not in restricted:
            continue
        exempt = AddressSet()
        for ports, sources in scopes:
            if first in ports:
                exempt |= PUBLIC if sources is None else sources
        if public - exempt:
            exposed |= IntervalSet(((first, after - 1),))
    return None if exposed.covers(own) else exposed


def _ports_of(rule: IngressRule) -> IntervalSet:
    return IntervalSet(((rule.from_port or 0, rule.to_port or 0),))


def _networks(rule: IngressRule, prefix_lists: PrefixLists) -> tuple[Network, ...]:
    return prefix_lists[rule.prefix_list_id] if rule.prefix_list_id else (parse_network(rule.cidr),)


def _private_rules(rule: IngressRule, carved: IntervalSet | None) -> Iterable[IngressRule]:
    """What lets in private sources instead."""
    spans = [(rule.from_port, rule.to_port)] if carved is None else carved.spans
    for first, last in spans:
        for cidr in RFC_1918:
            yield IngressRule(rule.protocol, first, last, cidr=cidr)


def _remaining_rules(rule: IngressRule, carved: IntervalSet | None) -> Iterable[IngressRule]:
    """What keeps the other ports of a carved rule as they were, its description among it."""
    if carved is None:
        return ()
    return [
        rule._replace(from_port=first, to_port=last, rule_id="") for first, last in (_ports_of(rule) - carved).spans
    ]


def _description(sources: Sequence[str], day: date, ticket: str) -> str:
    """What an added rule says: what it replaces, when, and for which ticket."""
    tail = f" on {day.isoformat()}" + (f", {ticket}" if ticket else "")
    unique = list(dict.fromkeys(sources))
    for shown in range(len(unique), 0, -1):
        more = f" and {len(unique) - shown} more" if shown < len(unique) else ""
        text = _NOT_IN_A_DESCRIPTION.sub("_", f"Hammer: replaces {', '.join(unique[:shown])}{more}{tail}")
        if len(text) <= LONGEST_DESCRIPTION:
            return text
    return text[:LONGEST_DESCRIPTION]


def _notes(
    revoked: Sequence[IngressRule], prefix_lists: PrefixLists, policy: Policy, exemptions: Sequence[Exemption]
) -> Iterable[str]:
    """Who loses access although nobody minds that they have it."""
    private = AddressSet.parse(*RFC_1918)
    minded = PUBLIC - policy.trusted
    for exemption in exemptions:
        if exemption.sources is not None:
            minded -= exemption.sources
    for rule in revoked:
        if not rule.prefix_list_id:
            continue
        lost = [
            str(network)
            for network in prefix_lists[rule.prefix_list_id]
            if not AddressSet.of([network]) & minded and not private.covers(AddressSet.of([network]))
        ]
        if lost:
            ports = traffic_text(rule.protocol, rule.from_port, rule.to_port)
            yield f"{rule.prefix_list_id} is replaced whole on {ports}: {', '.join(lost)} in it lose access too"
