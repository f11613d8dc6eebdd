"""What the backups of a change prove: how the group was before it, and which rules Hammer has added since.

The journal is kept in the issue table, which others than remediation can write to. So it says where to look, and no
more. What counts is the group as EC2 shows it now, and the backups, which only the host can write:

- a rule was added by Hammer if the first backup does not have it, neither by its id nor by its content, and it is
  exactly what Hammer writes: a rule from a source that replaces others, with Hammer's description; or, after
  `carve_ports`, what was to be left of an open rule of the backup;
- a change was begun for a rule that exposes the group now if a backup has it, and it was in scope there, judged with
  the configuration as it is.

Only `read_group_before` and `begun_for` read anything; all else is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from library.network.addresses import PUBLIC, AddressSet
from library.security_groups.group import (
    IngressRule,
    SecurityGroup,
    ShapeError,
    parse_rule,
    parse_security_group,
)
from remediation.backups import BackupError
from remediation.journal import AddedRule, AddedState, ChangeKind, JournalEntry, rules_from_item
from remediation.plan import DESCRIPTION_PREFIX, rules_to_replace
from remediation.rules import RuleKey, lets_in_all_of, rule_key

if TYPE_CHECKING:
    from datetime import date

    from library.aws.ec2 import PrefixListReader
    from remediation.backups import Backups
    from remediation.eligibility import Policy


@dataclass(frozen=True, slots=True)
class GroupBefore:
    """A group before a change, by the change's backups.

    Attributes:
        groups: the group as the first backup has it, and as the newest one has it, ingress rules with their ids.
        planned: what those two say that Hammer was going to add.
    """

    groups: tuple[SecurityGroup, ...]
    planned: tuple[IngressRule, ...] = ()

    @property
    def first(self) -> SecurityGroup:
        """The group before any of the change."""
        return self.groups[0]

    def had(self, rule: IngressRule) -> bool:
        """Whether the group had a rule before the change: this very one, or one with the same content."""
        return any(rule.rule_id == other.rule_id or rule_key(rule) == rule_key(other) for other in self.first.ingress)


def read_group_before(
    backups: Backups, account_id: str, region: str, group: SecurityGroup, entry: JournalEntry
) -> GroupBefore:
    """Read the backups that a journal's entry names.

    Args:
        backups: the bucket.
        account_id: the group's account.
        region: the group's region.
        group: the group as EC2 shows it.
        entry: the journal's entry.

    Raises:
        BackupError: one is none, or none of a remediation of this group.
        ClientError, BotoCoreError: one could not be read.
    """
    keys = dict.fromkeys((entry.backup, entry.newest_backup or entry.backup))
    read = [_parsed(key, backups.read_own(account_id, region, group.group_id, key), group) for key in keys]
    return GroupBefore(tuple(before for before, _ in read), tuple(rule for _, planned in read for rule in planned))


def _parsed(key: str, raw: Mapping[str, Any], group: SecurityGroup) -> tuple[SecurityGroup, tuple[IngressRule, ...]]:
    """A backup's group, and what Hammer was going to add. Raises BackupError on what Hammer would not write."""
    notes = raw.get("hammer")
    if not isinstance(notes, Mapping) or notes.get("kind") != ChangeKind.REMEDIATION:
        raise BackupError(f"{key} is no backup of a remediation")
    try:
        before = parse_security_group(raw)
        rules = tuple(parse_rule(rule) for rule in notes["rules"] if not rule["IsEgress"])
        planned = rules_from_item(notes.get("add", ()))
    except (AttributeError, KeyError, ShapeError, TypeError, ValueError) as error:
        raise BackupError(f"{key} does not tell the group's rules and their ids") from error
    if before.owner_id != group.owner_id or before.vpc_id != group.vpc_id:
        raise BackupError(f"{key} is of another account's or VPC's group")
    if before.unreadable:
        raise BackupError(f"{key} is not understood: {before.unreadable[0]}")
    # The two answers in it may differ by what Hammer had just changed itself: what either of them shows was there.
    known = set(map(rule_key, rules))
    return replace(before, ingress=(*rules, *(rule for rule in before.ingress if rule_key(rule) not in known))), planned


def begun_for(before: GroupBefore, lists: PrefixListReader, policy: Policy, today: date) -> frozenset[RuleKey]:
    """What a change was begun for: what was in scope by its backups, judged with the configuration as it is.

    Args:
        before: what the backups show.
        lists: reads the prefix lists, which count as their entries of now.
        policy: the configuration's.
        today: the day in UTC.

    Raises:
        ClientError, BotoCoreError: a prefix list could not be read.
    """
    lists.read(name for group in before.groups for name in policy.evaluator.prefix_lists_named(group))
    found = [rules_to_replace(group, lists.entries, policy, today) for group in before.groups]
    return frozenset[RuleKey]().union(*found)


def withdrawable(
    before: GroupBefore,
    live: Iterable[IngressRule],
    added: Iterable[AddedRule],
    begun: Iterable[RuleKey],
    trusted: AddressSet | None = None,
) -> frozenset[str]:
    """The ids of those rules that were added by Hammer beyond doubt.

    Args:
        before: what the backups show.
        live: the rules that EC2 shows, with their ids.
        added: what the journal says that Hammer added.
        begun: what the change was begun for.
        trusted: addresses that count as not public.
    """
    shown = {rule.rule_id: rule for rule in live}
    wide = [rule for rule in before.first.ingress if rule_key(rule) in set(begun)]
    return frozenset(
        rule_id
        for one in added
        if (rule_id := one.rule.rule_id)
        and (rule := shown.get(rule_id))
        and rule_key(rule) == one.key
        and rule.description == one.rule.description
        and not before.had(rule)
        and (_is_stand_in(rule, trusted or AddressSet()) or _is_remainder(rule, wide, before.planned))
    )


def _is_stand_in(rule: IngressRule, trusted: AddressSet) -> bool:
    """Whether a rule stands in for others, with any `remediation_sources` of then. What a person kept is public."""
    is_private = bool(rule.cidr) and not AddressSet.parse(rule.cidr) & (PUBLIC - trusted)
    return (is_private or bool(rule.prefix_list_id)) and rule.description.startswith(DESCRIPTION_PREFIX)


def _is_remainder(rule: IngressRule, wide: Sequence[IngressRule], planned: Iterable[IngressRule]) -> bool:
    """Whether a rule is what `carve_ports` was to leave of one of these rules."""
    return any((rule_key(new), new.description) == (rule_key(rule), rule.description) for new in planned) and any(
        rule_key(old).source == rule_key(rule).source
        and old.description == rule.description
        and lets_in_all_of(old, rule)
        for old in wide
    )


def without_unproved(entry: JournalEntry, live: Iterable[IngressRule], proved: frozenset[str]) -> JournalEntry:
    """The entry in which the rules that are shown, and that Hammer is not proved to have added, are not Hammer's."""
    shown = {rule.rule_id for rule in live}

    def is_unproved(one: AddedRule) -> bool:
        return one.rule.rule_id in shown and one.rule.rule_id not in proved

    others = {
        one.key: replace(one, state=AddedState.NOT_OURS)
        for one in entry.add
        if one.state is AddedState.ADDED and is_unproved(one)
    }
    withdrawn = tuple(one for one in entry.withdrawn if not is_unproved(one))
    return replace(entry.with_added(others), withdrawn=withdrawn)
