"""The state of one group, described before each step: as EC2 shows it, and corrected by the journal.

EC2 gives the ids and tags of rules in another answer than the group, and each of the two may be old
(`describe_live`). What EC2 acknowledged of Hammer's own change is known better than a describe that is as young
(`observe`; `remediation.journal` has the three rules).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.parsers import ResponseParserError

from library.aws.ec2 import security_group_pages
from library.errors import HammerError
from library.issues.times import parse_time
from library.security_groups.group import (
    EVENTUAL_CONSISTENCY,
    IngressRule,
    RuleKey,
    SecurityGroup,
    parse_rule,
    parse_security_group,
    rule_key,
)
from remediation.journal import (
    CHANGE_TAG,
    AddedRule,
    AddedState,
    JournalEntry,
    RevokedRule,
    RevokedState,
)

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client


class InconsistentReadError(HammerError):
    """EC2's two answers about a group differ, so at least one of them is old. To look again later may help."""


@dataclass(frozen=True, slots=True)
class LiveGroup:
    """A group as EC2 shows it.

    Attributes:
        raw: what DescribeSecurityGroups gave.
        raw_rules: what DescribeSecurityGroupRules gave, egress among it.
        group: the same, its ingress rules with their ids.
    """

    raw: Mapping[str, Any]
    raw_rules: Sequence[Mapping[str, Any]]
    group: SecurityGroup

    @property
    def tags(self) -> dict[str, dict[str, str]]:
        """The tags of the rules, by the rules' ids."""
        return {rule["SecurityGroupRuleId"]: tags_of(rule) for rule in self.raw_rules}

    @property
    def change_keys(self) -> dict[str, str]:
        """Which change of Hammer's added a rule, by the rules' ids, as far as their tags tell."""
        return {rule_id: tags[CHANGE_TAG] for rule_id, tags in self.tags.items() if tags.get(CHANGE_TAG)}


def tags_of(raw_rule: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a rule that DescribeSecurityGroupRules gave. What is none is left out."""
    tags = raw_rule.get("Tags") or ()
    return {tag["Key"]: str(tag.get("Value") or "") for tag in tags if isinstance(tag, Mapping) and tag.get("Key")}


def describe_live(client: EC2Client, group_id: str, entry: JournalEntry | None = None) -> LiveGroup | None:
    """A group with the ids of its rules; None: there is no such group.

    Of what Hammer changed itself, by its journal `entry`, EC2's two answers may differ: it is known better.

    Raises:
        ShapeError: EC2's answer is not understood.
        InconsistentReadError: the two answers differ.
        ClientError, BotoCoreError: it could not be read.
    """
    # The group comes first: rules that are gone by the second call are known to be gone. One without an id may be it.
    found = [
        raw
        for page in security_group_pages(client, [group_id])
        for raw in page
        if (raw.get("GroupId") or group_id) == group_id
    ]
    raw_rules = list(_rules_of(client, group_id))
    if not found:
        if raw_rules:
            raise InconsistentReadError(f"EC2 shows rules of {group_id}, and not the group")
        return None
    group = parse_security_group(found[0])
    if group.unreadable:
        return LiveGroup(found[0], raw_rules, group)
    listed = [parse_rule(raw) for raw in raw_rules if not raw.get("IsEgress")]
    if differing := differing_keys(group.ingress, listed, entry):
        text = ", ".join(f"{_text(key)} only in {call}" for key, call in sorted(differing.items(), key=str))
        raise InconsistentReadError(f"EC2's answers about {group_id} differ, so one of them is old: {text}")
    descriptions = {rule_key(rule): rule.description for rule in group.ingress}
    rules = tuple(
        rule._replace(description=rule.description or descriptions.get(rule_key(rule), "")) for rule in listed
    )
    return LiveGroup(found[0], raw_rules, replace(group, ingress=rules))


def _rules_of(client: EC2Client, group_id: str) -> Iterator[Mapping[str, Any]]:
    """A group's rules, egress among them. Raises ResponseParserError on an answer that lists none, not even no rule."""
    pages = client.get_paginator("describe_security_group_rules").paginate(
        Filters=[{"Name": "group-id", "Values": [group_id]}]
    )
    for page in pages:
        if "SecurityGroupRules" not in page:
            raise ResponseParserError("the answer to DescribeSecurityGroupRules holds no list of rules")
        yield from (rule for rule in page["SecurityGroupRules"] if rule.get("GroupId", group_id) == group_id)


def _text(key: RuleKey) -> str:
    ports = "" if key.from_port is None else f"/{key.from_port}-{key.to_port}"
    return f"{key.protocol}{ports} from {key.source}"


@dataclass(frozen=True, slots=True)
class ObservedGroup:
    """A group as EC2 shows it, corrected by what EC2 acknowledged.

    Attributes:
        rules: the ingress rules, with the ids that are known.
        entry: the journal's entry with what this describe added to it; None: there is none.
        pending: changes that EC2 acknowledged and does not show yet, and calls whose outcome is not known yet.
    """

    rules: tuple[IngressRule, ...]
    entry: JournalEntry | None = None
    pending: tuple[IngressRule, ...] = ()


def observe(
    entry: JournalEntry | None,
    observed: Sequence[IngressRule],
    change_keys: Mapping[str, str],
    now: datetime,
) -> ObservedGroup:
    """What EC2 shows, corrected by the journal.

    Rules that EC2 acknowledged and does not show yet are added, those that it acknowledged to have revoked and still
    shows are left out. The entry learns the ids of rules, and what became of calls without an answer.

    `change_keys` are the values of the tag `hammer:change`, by rule id. `now` is no later than these were read.
    """
    if entry is None:
        return ObservedGroup(tuple(observed))
    fresh = _Freshness(entry, now)
    pending: list[IngressRule] = []
    hidden: set[str] = set()
    for withdrawn in entry.withdrawn:
        if any(rule.rule_id == withdrawn.rule.rule_id for rule in observed):
            if fresh.is_recent(withdrawn):
                hidden.add(withdrawn.rule.rule_id)
                pending.append(withdrawn.rule)
            else:  # to be taken away again
                entry = entry.with_added({withdrawn.key: withdrawn})
    rules = [rule for rule in observed if rule.rule_id not in hidden]
    entry, missing = _observe_added(entry, rules, change_keys, fresh, pending)
    entry, gone = _observe_revoked(entry, rules, fresh, pending)
    return ObservedGroup((*(rule for rule in rules if rule not in gone), *missing), entry, tuple(pending))


def perhaps_revoked(observed: ObservedGroup) -> frozenset[RuleKey]:
    """The rules that are shown, and that a call without an answer may have revoked so recently that EC2 shows them."""
    revoke = observed.entry.revoke if observed.entry else ()
    sent = {rule_key(revoked.rule) for revoked in revoke if revoked.state is RevokedState.SENT}
    return frozenset(sent.intersection(map(rule_key, observed.pending)))


@dataclass(frozen=True, slots=True)
class _Freshness:
    """Which facts count more than what is read now."""

    entry: JournalEntry
    now: datetime

    def is_recent(self, change: AddedRule | RevokedRule) -> bool:
        """Whether a call is so recent that EC2 may not show what it did."""
        at = parse_time(change.at or self.entry.changed)
        return at is None or self.now - at < EVENTUAL_CONSISTENCY


def _observe_added(
    entry: JournalEntry,
    observed: Sequence[IngressRule],
    change_keys: Mapping[str, str],
    fresh: _Freshness,
    pending: list[IngressRule],
) -> tuple[JournalEntry, list[IngressRule]]:
    """The entry with those rules to add that are, or may be, Hammer's; and those that are there and not shown yet."""
    by_key = {rule_key(rule): rule for rule in observed}
    kept: list[AddedRule] = []
    missing: list[IngressRule] = []
    for added in entry.add:
        found = by_key.get(added.key)
        if found is not None and _is_hammers(added, found, change_keys.get(found.rule_id, ""), entry.backup):
            kept.append(replace(added, rule=added.rule._replace(rule_id=found.rule_id), state=AddedState.ADDED))
        elif fresh.is_recent(added) and (found is None or added.rule.rule_id):
            # If another rule of the same key is shown: one from before, which EC2 still shows.
            kept.append(added)
            pending.append(added.rule)
            if found is None and added.state is not AddedState.SENT:
                missing.append(added.rule)
    return replace(entry, add=tuple(kept)), missing


def _is_hammers(added: AddedRule, observed: IngressRule, change: str, this_change: str) -> bool:
    """Whether the rule that is shown is the one that Hammer sent. `change`: of its tag; empty: it has none."""
    if added.rule.rule_id:
        return observed.rule_id == added.rule.rule_id
    return change == this_change if change else observed.description == added.rule.description


def _observe_revoked(
    entry: JournalEntry, observed: Sequence[IngressRule], fresh: _Freshness, pending: list[IngressRule]
) -> tuple[JournalEntry, list[IngressRule]]:
    """The entry with what is shown of the rules to revoke; and those that EC2 still shows though they are gone.

    A rule that somebody edited keeps its id, and is another rule: nobody revoked that one.
    """
    by_id = {rule.rule_id: rule for rule in observed}
    gone: list[IngressRule] = []
    for revoked in entry.revoke:
        rule, found = revoked.rule, by_id.get(revoked.rule.rule_id)
        is_observed = found is not None and rule_key(found) == rule_key(rule)
        is_recent = fresh.is_recent(revoked)
        if revoked.state is RevokedState.SENT and not is_observed:
            # Sent without an answer and gone: take it for Hammer's doing, so that what replaces it stays.
            entry = entry.with_revoked([rule], RevokedState.REVOKED, revoked.at)
        elif revoked.state is RevokedState.SENT and is_recent:
            pending.append(rule)
        elif (
            found is not None
            and is_recent
            and (
                # With another source: as it was before somebody edited it, so that is an old answer, too.
                revoked.state is RevokedState.REVOKED or (revoked.state is RevokedState.GONE and is_observed)
            )
        ):
            gone.append(found)
            pending.append(rule)
    return entry, gone


def differing_keys(
    described: Sequence[IngressRule], listed: Sequence[IngressRule], entry: JournalEntry | None
) -> Mapping[RuleKey, str]:
    """The rules that only one of EC2's two answers about a group has, but for those that Hammer changed itself.

    `described` is of DescribeSecurityGroups, `listed` of DescribeSecurityGroupRules.

    Returns:
        The name of the call whose answer has it, by rule.
    """
    first, second = {rule_key(rule) for rule in described}, {rule_key(rule) for rule in listed}
    explained: set[RuleKey] = set()
    if entry is not None:
        explained = {rule_key(change.rule) for facts in (entry.withdrawn, entry.revoke, entry.add) for change in facts}
    return {
        key: "DescribeSecurityGroups" if key in first else "DescribeSecurityGroupRules"
        for key in (first ^ second) - explained
    }
