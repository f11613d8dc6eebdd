"""The remediation plan: which rules of one group to add and to revoke, or why none.

Pure. A plan is frozen data: the same one is shown by a dry run and carried out by `remediation.change`. From the top:
what stands in for a replaced rule (private sources, and with `carve_ports` the ports that are not restricted), then
the plan with its notes.

Private sources are those of RFC 1918, as the replacing rules are. Others that a replaced source happens to contain,
such as 100.64.0.0/10 or the unique local addresses of IPv6, and trusted or exempt ones, are let in no longer:
`Plan.notes` names those that a prefix list or an exemption spells out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from library.documents.text import and_more
from library.issues.schedule import Skipped, SkipReason
from library.network.addresses import PUBLIC, AddressSet, Network, parse_network
from library.network.intervals import IntervalSet
from library.security_groups.exemptions import Exemption, applying
from library.security_groups.exposure import Evaluation, Exposure, PrefixLists, networks_of, rule_text, traffic_text
from library.security_groups.group import IngressRule, RuleKey, SecurityGroup, is_prefix_list, rule_key
from library.security_groups.replacement import carved_ports, replace_rules, replacing_rules
from remediation.eligibility import DueExposures, Policy
from remediation.rules import lets_in_all_of, missing_rules, without_contained, without_contained_in

DESCRIPTION_PREFIX = "Hammer: replaces "
"""How the description of each rule begins that stands in for another."""

KEPT_PREFIX = "Hammer: kept by "
"""How the description of each rule begins that a person keeps beside those."""

LONGEST_DESCRIPTION = 255
# What EC2 allows in a rule's description (API Reference, IpRange).
_NOT_IN_A_DESCRIPTION = re.compile(r"[^a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to change in one group: first all of `add`, then all of `revoke`.

    Attributes:
        add: rules to add, with their descriptions.
        revoke: rules to revoke, with their ids.
        notes: what a person should know beforehand, a sentence each.
        left: what stays exposed because it is not in scope.
        relied_on: rules that the change depends on and that are there already, as they would be added, with the ids of
            those that are there and with the protocol and source as those have them.
        replaces: the ids of the revoked rules that a rule stands in for, by rule.
        no_room_for: those of `relied_on` that the group has no room for once more after these are added.
    """

    add: tuple[IngressRule, ...]
    revoke: tuple[IngressRule, ...]
    notes: tuple[str, ...] = ()
    left: tuple[Exposure, ...] = ()
    relied_on: tuple[IngressRule, ...] = ()
    replaces: Mapping[RuleKey, tuple[str, ...]] = field(default_factory=dict)
    no_room_for: frozenset[RuleKey] = frozenset()


@dataclass(frozen=True, slots=True)
class RuleQuota:
    """How many ingress rules a group may have: IPv4 and IPv6 are counted apart (Amazon VPC User Guide, quotas).

    Attributes:
        limit: for each of the two families.
        prefix_lists: how much a rule with a prefix list counts in which family: its maximum of entries. One that is
            not here counts as one rule in both families, as a security group does.
        is_tight: whether EC2 refused a plan that should have had room: the smallest is made.
    """

    limit: int
    prefix_lists: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    is_tight: bool = False

    def exceeded(self, rules: Iterable[IngressRule]) -> str:
        """In words, by how much these rules are too many; empty: they are not."""
        used = self._used(rules)
        version, most = max(used.items(), key=lambda item: item[1])
        return f"{most} IPv{version} rules, and the quota is {self.limit}" if most > self.limit else ""

    def no_room_for(self, more: Iterable[IngressRule], rules: Sequence[IngressRule]) -> frozenset[RuleKey]:
        """Which of some rules more a group with these rules has no room for, each by itself.

        Also where both families are counted as one.
        """
        used = self._used(rules)
        return frozenset(
            rule_key(rule)
            for rule in more
            if len(rules) >= self.limit
            or any(used[version] + count > self.limit for version, count in self._used([rule]).items() if count)
        )

    def _used(self, rules: Iterable[IngressRule]) -> Counter[int]:
        """How much of the quota these rules take, by family."""
        used = Counter({4: 0, 6: 0})
        for rule in rules:
            if rule.cidr:
                used[parse_network(rule.cidr).version] += 1
            elif rule.prefix_list_id in self.prefix_lists:
                version, entries = self.prefix_lists[rule.prefix_list_id]
                used[version] += entries
            else:
                used.update((4, 6))
        return used


def plan_remediation(
    group: SecurityGroup | None,
    prefix_lists: PrefixLists,
    policy: Policy,
    quota: RuleQuota,
    now: datetime,
    ticket: str = "",
    *,
    resumed_rules: Container[RuleKey] = (),
    pending_keys: Container[RuleKey] = (),
) -> Plan | Skipped:
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
        resumed_rules: those that an unfinished change was begun for: what they expose is in scope until it is closed.
        pending_keys: rules that EC2 acknowledged and does not show yet: nothing is left out because of them.
    """
    if group is None:
        return Skipped(SkipReason.GONE, "the group does not exist any more")
    today = now.date()
    evaluation = policy.evaluator.evaluate(group, prefix_lists, policy.exemptions, today)
    if evaluation.unreadable:
        return Skipped(SkipReason.NOT_UNDERSTOOD, f"not understood: {'; '.join(evaluation.unreadable)}")
    if not evaluation.exposures:
        return Skipped(SkipReason.FIXED, "safe already: no restricted port is open to a public address any more")
    if evaluation.whitelisted:
        return Skipped(SkipReason.EXEMPT, "exempt now: all that is exposed")
    if not (to_replace := in_scope(evaluation, policy, resumed_rules)):
        return _nothing_in_scope(evaluation, policy)
    replacement = _replacement(group, prefix_lists, policy, to_replace, today, resumed_rules)
    if isinstance(replacement, Skipped):
        return replacement
    wanted = replacement.wanted(today, ticket, policy)
    add, left_out = _within_quota(wanted, group.ingress, replacement.staying, quota, pending_keys)
    if add and (excess := quota.exceeded((*group.ingress, *add))):
        return Skipped(SkipReason.QUOTA, f"quota: with {len(add)} rules more it would have {excess}")
    relied_on = _relied_on(wanted, replacement.staying)
    return Plan(
        add=add,
        revoke=replacement.revoke,
        notes=(
            *_notes(replacement.revoke, prefix_lists, policy, replacement.exemptions),
            *_quota_note(left_out),
            *_not_due_note(replacement.evaluation, policy),
        ),
        left=() if replacement.evaluation.whitelisted else replacement.evaluation.exposures,
        relied_on=relied_on,
        replaces=replacement.replaces((*add, *replacement.staying), left_out),
        no_room_for=quota.no_room_for(relied_on, (*group.ingress, *add)),
    )


def _relied_on(wanted: Iterable[IngressRule], staying: Iterable[IngressRule]) -> tuple[IngressRule, ...]:
    """Those wanted rules that are there already and stay, as they are there."""
    there = {rule_key(rule): rule for rule in staying}
    return tuple(_as_it_is(rule, there[key]) for rule in wanted if (key := rule_key(rule)) in there)


def _as_it_is(wanted: IngressRule, there: IngressRule) -> IngressRule:
    """A wanted rule as it is there: only as it is written there may it be refused as a duplicate (`10.1.2.3/8`)."""
    return wanted._replace(rule_id=there.rule_id, protocol=there.protocol, cidr=there.cidr)


def _nothing_in_scope(evaluation: Evaluation, policy: Policy) -> Skipped:
    """Why nothing of what a group exposes is to be closed now."""
    if policy.due and (waiting := _waiting(evaluation, policy)):
        if all(map(policy.due.times.kept_as, waiting)):
            text = f"left alone until somebody decides: {_listed(waiting, policy.due)}"
            return Skipped(SkipReason.KEPT_BY_PERSON, text)
        return Skipped(SkipReason.NOT_DUE, f"new, with a retention period of its own: {_listed(waiting, policy.due)}")
    in_scope_sources = [rule_key(each).source for each in evaluation.exposures if each.status in policy.scope]
    if kept := [name for name in dict.fromkeys(map(str, policy.keep)) if name in in_scope_sources]:
        if policy.is_resumed:  # this change, or the one that is completed, has added them
            return Skipped(SkipReason.KEPT_BY_PERSON, f"what is open is what {policy.kept_by or 'somebody'} keeps")
        text = f"{', '.join(kept)} cannot be kept: it is what is open, and no rule would be replaced"
        return Skipped(SkipReason.CANNOT_KEEP, text)
    scope = ", ".join(sorted(policy.scope)) or "nothing"
    return Skipped(SkipReason.OUT_OF_SCOPE, f"{evaluation.status}, and remediation_scope is {scope}")


def _replacement(
    group: SecurityGroup,
    prefix_lists: PrefixLists,
    policy: Policy,
    to_replace: set[RuleKey],
    today: date,
    resumed_rules: Container[RuleKey],
) -> _Replacement | Skipped:
    """The rules replaced on paper, or why they cannot be, or not by these sources."""
    replacement = _replace_on_paper(group, prefix_lists, policy, to_replace, today, resumed_rules)
    if replacement is None:
        # Only rules that were there can be replaced: what is still exposed came out of the replacements.
        return Skipped(SkipReason.NOT_UNDERSTOOD, "not understood: the replaced rules would still expose the group")
    return _why_not_these_sources(policy, replacement.revoke, prefix_lists) or replacement


def _within_quota(
    wanted: Sequence[IngressRule],
    before: Sequence[IngressRule],
    staying: Sequence[IngressRule],
    quota: RuleQuota,
    pending_keys: Container[RuleKey],
) -> tuple[tuple[IngressRule, ...], tuple[IngressRule, ...]]:
    """Which of the wanted rules to add, and which to leave out because the quota has no room for all.

    Each replaced rule gets its own rules back, so that nothing depends on a wider rule, which its owner may remove at
    any time. Only where there is no room for that, a rule is left out that another new one contains, then one that a
    rule of the group contains, as EC2 shows it.
    """
    add = missing = missing_rules(wanted, staying)
    if quota.is_tight or quota.exceeded((*before, *add)):
        add = without_contained(add)
    if quota.is_tight or quota.exceeded((*before, *add)):
        add = without_contained_in(add, (rule for rule in staying if rule_key(rule) not in pending_keys))
    added = set(add)
    return add, tuple(rule for rule in missing if rule not in added)


@dataclass(frozen=True, slots=True)
class _Replacement:
    """Rules replaced on paper.

    Attributes:
        staying: the group's rules that stay.
        revoke: those that are replaced.
        private: the rules from private sources that stand in for them: each with what it replaces.
        remainders: the rules that keep their other ports, each with the rule that it was a part of.
        exemptions: those that apply to the group.
        evaluation: what is exposed after it.
    """

    staying: tuple[IngressRule, ...]
    revoke: tuple[IngressRule, ...]
    private: Mapping[RuleKey, tuple[IngressRule, Sequence[IngressRule]]]
    remainders: tuple[tuple[IngressRule, IngressRule], ...]
    exemptions: tuple[Exemption, ...]
    evaluation: Evaluation

    def wanted(self, day: date, ticket: str, policy: Policy) -> tuple[IngressRule, ...]:
        """The rules that must be there before the replaced ones go, with their descriptions."""
        kept = frozenset(map(str, policy.keep)) - set(policy.sources)
        described = (
            new._replace(
                description=_description(
                    [_source(rule) for rule in replaced],
                    day,
                    ticket,
                    f"{KEPT_PREFIX}{policy.kept_by or 'somebody':.60} of " if new.cidr in kept else DESCRIPTION_PREFIX,
                )
            )
            for new, replaced in self.private.values()
        )
        return (*(remainder for remainder, _ in self.remainders), *described)

    def replaces(self, rules: Iterable[IngressRule], left_out: Sequence[IngressRule]) -> dict[RuleKey, tuple[str, ...]]:
        """The ids of the replaced rules that these stand in for, by rule; rules that stand in for nothing are left out.

        `rules` are those that the group has afterwards, `left_out` the wanted ones that it has not, as others contain
        them.
        """
        wanted: dict[RuleKey, list[str]] = {}
        for new, replaced in self.private.values():
            wanted[rule_key(new)] = [rule.rule_id for rule in replaced]
        for new, replaced_rule in self.remainders:
            wanted.setdefault(rule_key(new), []).append(replaced_rule.rule_id)
        found = {}
        for rule in rules:
            ids = list(wanted.get(rule_key(rule), ()))
            for new in left_out:
                ids += wanted[rule_key(new)] if lets_in_all_of(rule, new) else ()
            if ids:
                found[rule_key(rule)] = tuple(dict.fromkeys(ids))
        return found


def _lies_in(source: Network, rule: IngressRule, prefix_lists: PrefixLists) -> bool:
    """Whether a rule admits all of a source."""
    return AddressSet.of(networks_of(rule, prefix_lists)).covers(AddressSet.of([source]))


def _networks_named(name: str, prefix_lists: PrefixLists) -> tuple[Network, ...]:
    """The networks of one of `remediation_sources`; none: it is a prefix list that is empty or could not be read."""
    return prefix_lists.get(name, ()) if is_prefix_list(name) else (parse_network(name),)


def _why_not_these_sources(policy: Policy, revoke: Sequence[IngressRule], prefix_lists: PrefixLists) -> Skipped | None:
    """Why what is to replace the rules, or what a person keeps of them, may not; None: all of it may."""
    for name in policy.sources:
        networks = _networks_named(name, prefix_lists)
        if not networks:
            text = f"prefix list {name} of remediation_sources is empty, is AWS's, or could not be read"
            return Skipped(SkipReason.SOURCES, text)
        if AddressSet.of(networks) & (PUBLIC - policy.trusted):
            text = f"{name} of remediation_sources has addresses that are public and not in trusted_cidrs"
            return Skipped(SkipReason.SOURCES, text)
    lost = [each for each in policy.keep if not any(_lies_in(each, rule, prefix_lists) for rule in revoke)]
    if lost:
        return Skipped(
            SkipReason.CANNOT_KEEP, f"{', '.join(map(str, lost))} cannot be kept: no replaced rule admits all of it"
        )
    return None


def _source(rule: IngressRule) -> str:
    return rule.prefix_list_id or rule_key(rule).source


def _replace_on_paper(
    group: SecurityGroup,
    prefix_lists: PrefixLists,
    policy: Policy,
    to_replace: set[RuleKey],
    today: date,
    resumed_rules: Container[RuleKey] = (),
) -> _Replacement | None:
    """Replace rules, and those that this lays open, until nothing in scope is left; None: that cannot be done."""
    exemptions = applying(policy.exemptions, group.group_id, group.vpc_id, group.name, today)
    public_sources = PUBLIC - policy.trusted

    def carve(rule: IngressRule) -> IntervalSet | None:
        return carved_ports(rule, prefix_lists, policy.restricted, public_sources, exemptions) if policy.carve else None

    def sources_kept(rule: IngressRule) -> tuple[str, ...]:
        return tuple(str(each) for each in policy.keep if _lies_in(each, rule, prefix_lists))

    def evaluate(after: SecurityGroup) -> Evaluation:
        # What is kept may open a group completely together with a rule that stays: one half of the Internet, say.
        replaced = [rule for rule in group.ingress if rule not in after.ingress] if policy.keep else ()
        kept = [new for rule in replaced for new in replacing_rules(rule, carve(rule), sources_kept(rule))]
        after = replace(after, ingress=(*after.ingress, *kept))
        return policy.evaluator.evaluate(after, prefix_lists, policy.exemptions, today)

    changed = replace_rules(
        group,
        to_replace,
        evaluate,
        lambda evaluation: in_scope(evaluation, policy, resumed_rules),
        carve,
    )
    if changed is None:
        return None
    private: dict[RuleKey, tuple[IngressRule, list[IngressRule]]] = {}
    for rule, carved in changed.replaced:
        for new in replacing_rules(rule, carved, (*policy.sources, *sources_kept(rule))):
            private.setdefault(rule_key(new), (new, []))[1].append(rule)
    revoke = tuple(rule for rule, _ in changed.replaced)
    return _Replacement(changed.staying, revoke, private, changed.remainders, exemptions, changed.evaluation)


def leaves_exposures(planned: Plan | Skipped) -> bool:
    """Whether something stays exposed because it is out of scope, or not due yet."""
    return (
        bool(planned.left)
        if isinstance(planned, Plan)
        else planned.reason in (SkipReason.OUT_OF_SCOPE, SkipReason.NOT_DUE)
    )


def in_scope(evaluation: Evaluation, policy: Policy, resumed_rules: Container[RuleKey] = ()) -> set[RuleKey]:
    """The keys of the rules that expose a group in a way that is to be remediated.

    `resumed_rules`, which an unfinished change was begun for, are in scope whatever they expose.
    """
    if evaluation.whitelisted:
        return set()
    waiting = {rule_key(each) for each in _waiting(evaluation, policy)}
    kept = set(map(str, policy.keep))  # a person's choice of this run is not replaced again by the same run
    return {
        key
        for exposure in evaluation.exposures
        if (key := rule_key(exposure)).source not in kept
        and (key in resumed_rules or (exposure.status in policy.scope and key not in waiting))
    }


def exposing_rules(evaluation: Evaluation) -> frozenset[RuleKey]:
    """The keys of the rules that expose a group."""
    return frozenset(map(rule_key, evaluation.exposures))


def _waiting(evaluation: Evaluation, policy: Policy) -> list[Exposure]:
    """What is in scope and not due yet. A rule waits as a whole: its prefix list may have a new entry."""
    due = policy.due
    if due is None:
        return []
    return [each for each in evaluation.exposures if each.status in policy.scope and not due.takes(each)]


_LISTED_LIMIT = 10


def _listed(waiting: Sequence[Exposure], due: DueExposures) -> str:
    """Exposures that are not due yet, and when they are."""
    texts = [
        f"{traffic_text(each.protocol, each.from_port, each.to_port)} from {each.cidr} ({due.when(each)})"
        for each in waiting
    ]
    return and_more(texts, _LISTED_LIMIT)


def rules_to_replace(
    group: SecurityGroup, prefix_lists: PrefixLists, policy: Policy, today: date
) -> frozenset[RuleKey]:
    """The rules of a group that are in scope, and those that come to be when these are replaced.

    Of a prefix list that is not given nothing is known.
    """
    evaluation = policy.evaluator.evaluate(group, prefix_lists, policy.exemptions, today)
    if not (to_replace := in_scope(evaluation, policy)):
        return frozenset()
    replacement = _replace_on_paper(group, prefix_lists, policy, to_replace, today)
    return frozenset(map(rule_key, replacement.revoke) if replacement else to_replace)


def _description(sources: Sequence[str], day: date, ticket: str, prefix: str) -> str:
    """What an added rule says: what it replaces, when, and for which ticket."""
    tail = f" on {day.isoformat()}" + (f", {ticket}" if ticket else "")
    unique = list(dict.fromkeys(sources))
    for shown in range(len(unique), 0, -1):
        more = f" and {len(unique) - shown} more" if shown < len(unique) else ""
        text = _NOT_IN_A_DESCRIPTION.sub("_", f"{prefix}{', '.join(unique[:shown])}{more}{tail}")
        if len(text) <= LONGEST_DESCRIPTION:
            return text
    return text[:LONGEST_DESCRIPTION]


def _quota_note(left_out: Sequence[IngressRule]) -> Iterable[str]:
    """That private access depends on wider rules."""
    if left_out:
        rules = ", ".join(map(rule_text, left_out))
        yield (
            "the rule quota leaves no room for all new rules. These are not added, because wider rules of the group "
            f"let in the same: {rules}"
        )


def _not_due_note(after: Evaluation, policy: Policy) -> Iterable[str]:
    """That a part of what is in scope is left, because people were told of it later."""
    if policy.due is None or after.whitelisted:
        return
    waiting = _waiting(after, policy)
    kept = [each for each in waiting if policy.due.times.kept_as(each)]
    if own := [each for each in waiting if each not in kept]:
        yield f"left as it is, with a retention period of its own: {_listed(own, policy.due)}"
    if kept:
        yield f"left as it is until somebody decides: {_listed(kept, policy.due)}"


def _notes(
    revoked: Sequence[IngressRule], prefix_lists: PrefixLists, policy: Policy, exemptions: Sequence[Exemption]
) -> Iterable[str]:
    """What a person keeps, and who loses access although nobody minds that they have it."""
    if policy.keep:
        yield f"{policy.kept_by or 'somebody'} keeps {', '.join(map(str, policy.keep))}: they stay exposed"
    private = AddressSet.of(network for name in policy.sources for network in _networks_named(name, prefix_lists))
    public_sources = PUBLIC - policy.trusted
    for exemption in exemptions:
        if exemption.sources is not None:
            public_sources -= exemption.sources
    for rule in revoked:
        if not rule.prefix_list_id:
            continue
        lost = [
            str(network)
            for network in prefix_lists[rule.prefix_list_id]
            if not AddressSet.of([network]) & public_sources and not private.covers(AddressSet.of([network]))
        ]
        if lost:
            ports = traffic_text(rule.protocol, rule.from_port, rule.to_port)
            yield f"{rule.prefix_list_id} is replaced whole on {ports}: {', '.join(lost)} in it lose access too"
