"""What the backups of a change prove: how the group was before it, and what Hammer has added and closed since.

The journal is kept in the issue table, which others than remediation can write to. So it says where to look, and no
more. What counts is the group as EC2 shows it now, and the bucket, where only the host can write:

- a rule was added by Hammer if the first backup does not have it, neither by its id nor by its content, and it is
  exactly what Hammer writes: a rule from a source that replaces others, with Hammer's description; what a person was
  going to keep, by a backup of the change; or, after `carve_ports`, what was to be left of an open rule of the backup;
- it is needed while a rule that it stands in for, by the backups, may have been closed by Hammer since;
- a change was begun for a rule that exposes the group now if a backup has it, and it was in scope there, judged with
  the configuration as it is.

Only `read_group_before` and `rules_to_resume` read anything; all else is pure.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from library.network.addresses import PUBLIC, AddressSet
from library.security_groups.group import (
    IngressRule,
    RuleKey,
    SecurityGroup,
    ShapeError,
    parse_rule,
    parse_security_group,
    rule_key,
)
from remediation.backups import NEVER, Backup, BackupError, is_of_hammer, written_at
from remediation.journal import AddedRule, AddedState, ChangeKind, JournalEntry, rules_from_item
from remediation.plan import DESCRIPTION_PREFIX, KEPT_PREFIX, rules_to_replace
from remediation.rules import key_lets_in, lets_in_all_of, purposes_from_item

if TYPE_CHECKING:
    from datetime import date

    from library.aws.ec2 import PrefixListReader
    from remediation.backups import Backups
    from remediation.eligibility import Policy


@dataclass(frozen=True, slots=True)
class GroupBefore:
    """A group before a change, by the change's backups and what was stored since.

    Attributes:
        groups: the group as the backups of the change have it, the first one first, ingress rules with their ids.
        planned: what these say that Hammer was going to add.
        replaces: the ids of the rules that a rule stands in for, by rule: of this change, and of later ones.
        closed: the ids of the rules that Hammer closed since, or may have closed.
    """

    groups: tuple[SecurityGroup, ...]
    planned: tuple[IngressRule, ...] = ()
    replaces: Mapping[RuleKey, frozenset[str]] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()

    @property
    def first(self) -> SecurityGroup:
        """The group before any of the change."""
        return self.groups[0]

    @property
    def to_close(self) -> frozenset[RuleKey]:
        """The rules of the backups that Hammer closed since, or may have closed."""
        rules = (rule for group in self.groups for rule in group.ingress)
        return frozenset(rule_key(rule) for rule in rules if rule.rule_id in self.closed)

    def had(self, rule: IngressRule) -> bool:
        """Whether the group had a rule before the change: this very one, or one with the same content."""
        return any(rule.rule_id == other.rule_id or rule_key(rule) == rule_key(other) for other in self.first.ingress)

    def is_needed(self, rule: IngressRule, live: Iterable[IngressRule], to_close: Container[str]) -> bool:
        """Whether a rule stands in for one that Hammer closed, may have closed or is to close, or for nothing known.

        Where somebody took away what stood in for such a rule, a narrower one within it is what is left of it, and is
        needed as well. `live` are the rules that EC2 shows.
        """
        there, own = set(map(rule_key, live)), rule_key(rule)
        return not self.replaces.get(own) or any(
            rule_id in self.closed or rule_id in to_close
            for key, purposes in self.replaces.items()
            if key == own or (key not in there and key_lets_in(key, own))
            for rule_id in purposes
        )


def read_group_before(
    backups: Backups, account_id: str, region: str, group: SecurityGroup, entry: JournalEntry
) -> GroupBefore:
    """Read the backups of the change that a journal's entry names, and what was stored since.

    Raises:
        BackupError: the first is none, or none of a remediation of this group; or one of Hammer's is not understood.
        ClientError, BotoCoreError: one could not be read.
    """
    key = entry.backup
    first = _parsed(key, backups.read_own(account_id, region, group.group_id, key), group)
    if first.kind is not ChangeKind.REMEDIATION:
        raise BackupError(f"{key} is no backup of a remediation")
    listed = backups.list(account_id, region, group.group_id)
    first_listed = next((backup for backup in listed if backup.key == key), None)
    if first_listed is None or written_at(key) is None:
        # Of another form than Hammer's: when it was written is not known for sure, so everything counts.
        first_listed = Backup(min((backup.written for backup in listed), default=NEVER), key)
    later = [
        _parsed(other.key, backups.read_own(account_id, region, group.group_id, other.key), group)
        for other in reversed(listed)
        if other.key != key and other.written >= first_listed.written and is_of_hammer(other.key)
    ]
    same = [first, *(other for other in later if other.first == key)]
    replaces: dict[RuleKey, frozenset[str]] = {}
    for other in (first, *later):
        for rule, ids in other.replaces.items():
            replaces[rule] = replaces.get(rule, frozenset()) | frozenset(ids)
    return GroupBefore(
        tuple(other.group for other in same),
        tuple(rule for other in same for rule in other.add),
        replaces,
        backups.closed_since(account_id, region, first_listed, group.group_id),
    )


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A backup: of what kind of change, the group, the change's first backup, what was to be added, and what for."""

    kind: ChangeKind
    group: SecurityGroup
    first: str
    add: tuple[IngressRule, ...]
    replaces: Mapping[RuleKey, tuple[str, ...]]


def _parsed(key: str, raw: Mapping[str, Any], group: SecurityGroup) -> _Parsed:
    """Read a backup. Raises BackupError on what Hammer would not write."""
    notes = raw.get("hammer")
    if not isinstance(notes, Mapping) or notes.get("kind") not in set(ChangeKind):
        raise BackupError(f"{key} is no backup of a change by Hammer")
    try:
        before = parse_security_group(raw)
        rules = tuple(parse_rule(rule) for rule in notes["rules"] if not rule.get("IsEgress"))
        planned = rules_from_item(notes.get("add", ()))
        # What an older version wrote does not tell what it closed: then all of its rules count as needed.
        replaces = purposes_from_item(notes["replaces"]) if notes.get("records_closing") else {}
    except (AttributeError, KeyError, ShapeError, TypeError, ValueError) as error:
        raise BackupError(f"{key} does not tell the group's rules and their ids") from error
    if before.owner_id != group.owner_id or before.vpc_id != group.vpc_id:
        raise BackupError(f"{key} is of another account's or VPC's group")
    if before.unreadable:
        raise BackupError(f"{key} is not understood: {before.unreadable[0]}")
    # The two answers in it may differ by what Hammer had just changed itself: what either of them shows was there.
    known = set(map(rule_key, rules))
    before = replace(before, ingress=(*rules, *(rule for rule in before.ingress if rule_key(rule) not in known)))
    return _Parsed(ChangeKind(notes["kind"]), before, str(notes.get("first") or key), planned, replaces)


def rules_to_resume(before: GroupBefore, lists: PrefixListReader, policy: Policy, today: date) -> frozenset[RuleKey]:
    """What a change was begun for: what was in scope by its backups, judged with the configuration as it is.

    Prefix lists count as their entries of now.

    Raises:
        ClientError, BotoCoreError: a prefix list could not be read.
    """
    lists.read(name for group in before.groups for name in policy.evaluator.prefix_lists_named(group))
    found = [rules_to_replace(group, lists.entries, policy, today) for group in before.groups]
    return frozenset[RuleKey]().union(*found)


def proved_hammers(
    before: GroupBefore,
    live: Iterable[IngressRule],
    added: Iterable[AddedRule],
    resumed_rules: Iterable[RuleKey],
    trusted: AddressSet,
) -> frozenset[str]:
    """The ids of those rules that were added by Hammer beyond doubt.

    `live` are the rules that EC2 shows, `added` what the journal says that Hammer added; `resumed_rules` is of
    `rules_to_resume`.
    """
    observed = {rule.rule_id: rule for rule in live}
    wide = [rule for rule in before.first.ingress if rule_key(rule) in set(resumed_rules)]
    return frozenset(
        rule_id
        for claimed in added
        if (rule_id := claimed.rule.rule_id)
        and (rule := observed.get(rule_id))
        and rule_key(rule) == claimed.key
        and rule.description == claimed.rule.description
        and not before.had(rule)
        and (_is_stand_in(rule, trusted) or _is_kept(rule, before.planned) or _is_remainder(rule, wide, before.planned))
    )


def _is_stand_in(rule: IngressRule, trusted: AddressSet) -> bool:
    """Whether a rule stands in for others, with any `remediation_sources` of then."""
    is_private = bool(rule.cidr) and not AddressSet.parse(rule.cidr) & (PUBLIC - trusted)
    return (is_private or bool(rule.prefix_list_id)) and rule.description.startswith(DESCRIPTION_PREFIX)


def _is_kept(rule: IngressRule, planned: Iterable[IngressRule]) -> bool:
    """Whether a rule is what a person kept, as it was planned. It is public, so that the words alone prove nothing."""
    return rule.description.startswith(KEPT_PREFIX) and _is_planned(rule, planned)


def _is_planned(rule: IngressRule, planned: Iterable[IngressRule]) -> bool:
    return any((rule_key(new), new.description) == (rule_key(rule), rule.description) for new in planned)


def _is_remainder(rule: IngressRule, wide: Sequence[IngressRule], planned: Iterable[IngressRule]) -> bool:
    """Whether a rule is what `carve_ports` was to leave of one of these rules."""
    return _is_planned(rule, planned) and any(
        rule_key(old).source == rule_key(rule).source
        and old.description == rule.description
        and lets_in_all_of(old, rule)
        for old in wide
    )


def without_unproved(entry: JournalEntry, live: Iterable[IngressRule], proved: frozenset[str]) -> JournalEntry:
    """The entry without those rules that are shown, and that Hammer is not proved to have added: they are others'."""
    observed = {rule.rule_id for rule in live}

    def is_proved(added: AddedRule) -> bool:
        rule_id = added.rule.rule_id
        return added.state is not AddedState.ADDED or rule_id not in observed or rule_id in proved

    return replace(entry, add=tuple(filter(is_proved, entry.add)), withdrawn=tuple(filter(is_proved, entry.withdrawn)))
