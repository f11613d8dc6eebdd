"""The restore plan: how a group's ingress rules become again what a backup says.

Pure. Rules of the backup that are gone are added. Of what the backup does not have, only rules that Hammer added are
revoked, and each of those only where every rule that it stands in for is back: in the backup, or in the group and not
revoked by this plan. So private access is never cut for want of a rule that its owner made after the backup.

What Hammer added, and for which rules, is known from the backups that it wrote before each of its changes
(`ChangeSince`). The issue table tells at most that a rule is Hammer's whose description was changed since.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from library.network.ports import protocol_name
from library.security_groups.group import IngressRule, RuleKey, rule_key
from remediation.plan import RuleQuota


@dataclass(frozen=True, slots=True)
class ChangeSince:
    """One change of Hammer's after the chosen backup, as the backup from right before it tells.

    Attributes:
        is_restore: whether it was a restore: what that added are the group's own rules.
        had: the keys of the rules that the group had before it.
        add: the rules that it was to add, with their descriptions.
        revoke: the rules that it was to revoke.
        replaces: the rules that a rule stands in for, by the key of that rule; None: it was not recorded (before
            Hammer 0.2, and for a restore).
    """

    is_restore: bool
    had: frozenset[RuleKey]
    add: tuple[IngressRule, ...]
    revoke: tuple[IngressRule, ...]
    replaces: Mapping[RuleKey, tuple[IngressRule, ...]] | None = None

    def replaced_by(self, rule: IngressRule) -> tuple[IngressRule, ...]:
        """The rules that this change revoked and that a rule stands in for; not recorded: all that it may."""
        key = rule_key(rule)
        if self.replaces is not None:
            return self.replaces.get(key, ())
        return tuple(each for each in self.revoke if rule_key(each) != key and _share_ports(each, rule))


@dataclass(frozen=True, slots=True)
class StandIn:
    """A rule that Hammer added for rules that the restored group does not have.

    Attributes:
        rule: as it is in the group, with its id.
        missing: the rules that it stands in for and that are not back; none: what it stands in for is not known.
    """

    rule: IngressRule
    missing: tuple[IngressRule, ...]


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What to change: first `add` and `describe`, then `revoke`.

    Attributes:
        add: rules of the backup that are gone.
        revoke: rules that Hammer made since, or all that the backup does not have; with their ids.
        describe: rules of the backup whose description is another one now.
        kept: rules made since by others, which stay.
        stand_ins: rules that Hammer added for rules that are not back. They stay, unless all is revoked that the backup
            does not have.
        problem: why it cannot be done; empty: it can.
    """

    add: tuple[IngressRule, ...]
    revoke: tuple[IngressRule, ...]
    describe: tuple[IngressRule, ...]
    kept: tuple[IngressRule, ...] = ()
    stand_ins: tuple[StandIn, ...] = ()
    problem: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether the group is already as it shall be."""
        return not (self.add or self.revoke or self.describe)

    @property
    def kept_stand_ins(self) -> tuple[StandIn, ...]:
        """The stand-ins that this plan leaves in the group."""
        revoked = {rule_key(rule) for rule in self.revoke}
        return tuple(each for each in self.stand_ins if rule_key(each.rule) not in revoked)


def plan_restore(
    backup: Sequence[IngressRule],
    now: Sequence[IngressRule],
    since: Sequence[ChangeSince],
    quota: RuleQuota,
    *,
    exact: bool,
    ids: Collection[str] = (),
    is_known: bool = True,
) -> RestorePlan:
    """What to change so that a group has its backup's rules again.

    Args:
        backup: the rules to have again.
        now: the rules as just described, with their ids.
        since: Hammer's changes since the backup, the oldest first.
        quota: how many rules the group may have: all are there before any is revoked.
        exact: revoke also what others made since.
        ids: the ids of rules that Hammer added, as the table has them. They count only for rules that a change since
            was to add.
        is_known: whether `since` is all that Hammer changed; if it is not, no rule of Hammer's is taken for needless.
    """
    wanted = {rule_key(rule): rule for rule in backup}
    there: dict[RuleKey, IngressRule] = {rule_key(rule): rule for rule in now}
    later = [rule for key, rule in there.items() if key not in wanted]
    add = tuple(rule for key, rule in wanted.items() if key not in there)
    excess = quota.exceeded((*now, *add)) if add else ""
    judged = _Judgement(frozenset(wanted), later, since, frozenset(ids), exact=exact)
    ours = judged.hammers
    missing = {rule_key(rule): judged.missing(rule) for rule in ours}
    removable = {key for key, rules in missing.items() if is_known and not rules}
    return RestorePlan(
        add=add,
        revoke=tuple(rule for rule in later if exact or rule_key(rule) in removable),
        describe=tuple(
            rule for key, rule in wanted.items() if key in there and there[key].description != rule.description
        ),
        kept=tuple(rule for rule in later if not exact and rule_key(rule) not in missing),
        stand_ins=tuple(StandIn(rule, missing[key]) for rule in ours if (key := rule_key(rule)) not in removable),
        problem=f"quota: with {len(add)} rules more it would have {excess}" if excess else "",
    )


class _Judgement:
    """Which rules that a backup does not have Hammer added, and whether what each stands in for is back.

    Args:
        wanted: the keys of the backup's rules.
        later: the rules of the group that the backup does not have.
        since: Hammer's changes since the backup, the oldest first.
        ids: the ids of rules that Hammer added, as the table has them.
        exact: whether all is revoked that the backup does not have.
    """

    def __init__(
        self,
        wanted: frozenset[RuleKey],
        later: Sequence[IngressRule],
        since: Sequence[ChangeSince],
        ids: frozenset[str],
        *,
        exact: bool,
    ) -> None:
        self._remediations = [change for change in since if not change.is_restore]
        self._written = {(rule_key(rule), rule.description) for change in self._remediations for rule in change.add}
        self._keys = {key for key, _ in self._written}
        self._restored = _brought_back(since)
        self._ids = ids
        replacing = [rule for rule in later if self._is_stand_in(rule)]
        brought_back = [rule for rule in later if rule not in replacing and _identity(rule) in self._restored]
        theirs = {rule_key(rule) for rule in later} - {rule_key(rule) for rule in (*replacing, *brought_back)}
        # A rule that a restore brought back goes again only where the rules that the restore revoked for it are back.
        self._stay = {*wanted} if exact else {*wanted, *theirs}
        self._missing: dict[RuleKey, tuple[IngressRule, ...]] = {}
        for rule in brought_back:
            gone = tuple(each for each in self._restored[_identity(rule)] if rule_key(each) not in self._stay)
            self._missing[rule_key(rule)] = gone
        self._stay |= {key for key, gone in self._missing.items() if gone and not exact}
        self.hammers = (*replacing, *brought_back)
        """The rules that Hammer added since the backup."""

    def _is_stand_in(self, rule: IngressRule) -> bool:
        is_named = rule.rule_id in self._ids and rule_key(rule) in self._keys
        return is_named or _identity(rule) in self._written

    def missing(self, rule: IngressRule) -> tuple[IngressRule, ...]:
        """The rules that one of Hammer's rules stands in for and that are not back."""
        known = self._missing.get(rule_key(rule))
        return self._not_back(rule, {rule_key(rule)}) if known is None else known

    def _not_back(self, rule: IngressRule, seen: set[RuleKey]) -> tuple[IngressRule, ...]:
        """What is missing of what a rule stands in for. `seen`: keys that are being asked about already."""
        found: dict[RuleKey, IngressRule] = {}
        for change in self._remediations:
            for each in change.replaced_by(rule):
                key = rule_key(each)
                if key in self._stay or key in seen:
                    continue
                seen.add(key)
                # A rule of Hammer's own, which a later change replaced: what counts is what that one stood in for.
                behind = self._not_back(each, seen) if _identity(each) in self._written else (each,)
                found.update({rule_key(other): other for other in behind})
        return tuple(found.values())


def _brought_back(since: Sequence[ChangeSince]) -> dict[tuple[RuleKey, str], tuple[IngressRule, ...]]:
    """The rules that only restores brought into the group since the backup, each with what these revoked for it.

    What a change before the restore found in the group is its owner's, who made it after the backup.
    """
    found: dict[tuple[RuleKey, str], tuple[IngressRule, ...]] = {}
    had: set[RuleKey] = set()
    for change in since:
        had |= change.had
        for rule in change.add if change.is_restore else ():
            if rule_key(rule) not in had:
                found[_identity(rule)] = (*found.get(_identity(rule), ()), *change.replaced_by(rule))
    return found


def _identity(rule: IngressRule) -> tuple[RuleKey, str]:
    """What tells a rule that Hammer wrote from the same rule of somebody else."""
    return rule_key(rule), rule.description


def _share_ports(this: IngressRule, other: IngressRule) -> bool:
    """Whether two rules let in traffic of the same protocol and port, whatever their sources."""
    first, second = protocol_name(this.protocol), protocol_name(other.protocol)
    if "-1" in (first, second):
        return True
    if first != second:
        return False
    if first not in ("tcp", "udp"):
        return True
    return (this.from_port or 0) <= (other.to_port or 0) and (other.from_port or 0) <= (this.to_port or 0)
