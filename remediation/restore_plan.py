"""The restore plan: which backup a restore goes back to, and how the group's ingress rules become again what it says.

Pure but `read_source`, which reads the backups that it is given. Rules of the backup that are gone are added. Of what
the backup does not have, only rules that Hammer added are revoked, and each of those only where every rule that it
stands in for is back: in the backup, or in the group and not revoked by this plan. So private access is never cut for
want of a rule that its owner made after the backup. What EC2 shows may be minutes old: a rule of the backup that lets
in some of what is revoked is asked for once more before that (`relied_on`).

What Hammer added, and for which rules, is known from the backups that it wrote before each of its changes
(`ChangeSince`). The issue table tells at most that a rule is Hammer's whose description was changed since.

A restore chooses its backup by what the bucket lists, what the backups that it could read say, and by the key in the
issue table:

1. The backups of a group are listed and read. "Could not be read" is never "is none": if that happened to the chosen
   one, or to a newer one, nothing is restored (`read_source`).
2. They are put together to changes: a change has a backup from before each of its rounds and runs, and each of these
   names the first one (`changes_of`).
3. The newest change counts that EC2 acknowledged (`choose`). The table's key names it. What the bucket proves counts
   more: where rules that a newer change was to add were seen later, EC2 acknowledged that one; and where all that a
   change was to revoke was still there long after, and nothing of what it was to add, nothing of it was done.

Without the table, or where its key names no backup of the group, the bucket alone decides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from library.aws.failures import AWS_ERRORS, explain
from library.documents.text import printable
from library.errors import HammerError
from library.network.addresses import parse_network
from library.network.ports import protocol_name
from library.security_groups.group import IngressRule, RuleKey, ShapeError, parse_rule, rule_key
from remediation.backups import Backup, BackupError, is_key_of, is_of_hammer, order_of
from remediation.group_state import tags_of
from remediation.journal import ChangeKind, RemediationDetails, rules_from_item
from remediation.plan import DESCRIPTION_PREFIX, RuleQuota
from remediation.rules import purposes_from_item, single_permissions, without_contained_in, without_reserved

if TYPE_CHECKING:
    from remediation.backups import Backups
    from remediation.context import Prompt


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
        relied_on: rules of the backup that are there already, as they are there, and that the access depends on which
            the revoked rules give, too.
        kept: rules made since by others, which stay.
        stand_ins: rules that Hammer added for rules that are not back. They stay, unless all is revoked that the backup
            does not have.
        problem: why it cannot be done; empty: it can.
        no_room_for: those of `relied_on` that the group has no room for once more after these are added.
    """

    add: tuple[IngressRule, ...]
    revoke: tuple[IngressRule, ...]
    describe: tuple[IngressRule, ...]
    relied_on: tuple[IngressRule, ...] = ()
    kept: tuple[IngressRule, ...] = ()
    stand_ins: tuple[StandIn, ...] = ()
    problem: str = ""
    no_room_for: frozenset[RuleKey] = frozenset()

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
    unsure: Collection[RuleKey] = (),
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
        unsure: rules that EC2 shows, and that a call without an answer may have revoked a moment ago. They count as
            gone: to add one is how EC2 is asked whether it is there.
        is_known: whether `since` is all that Hammer changed; if it is not, no rule of Hammer's is taken for needless.
    """
    wanted = {rule_key(rule): rule for rule in backup}
    shown: dict[RuleKey, IngressRule] = {rule_key(rule): rule for rule in now}
    there = {key: rule for key, rule in shown.items() if key not in unsure}
    later = [rule for key, rule in shown.items() if key not in wanted]
    add = tuple(rule for key, rule in wanted.items() if key not in there)
    after_adding = tuple((shown | {rule_key(rule): rule for rule in add}).values())
    excess = quota.exceeded(after_adding) if add else ""
    judged = _Judgement(frozenset(wanted), later, since, frozenset(ids), unsure, exact=exact)
    ours = judged.hammers
    missing = {rule_key(rule): judged.missing(rule) for rule in ours}
    removable = {key for key, rules in missing.items() if is_known and not rules}
    revoke = tuple(rule for rule in later if exact or rule_key(rule) in removable)
    relied_on = _relied_on((there[key] for key in wanted if key in there), add, revoke)
    return RestorePlan(
        add=add,
        revoke=revoke,
        describe=tuple(rule for key, rule in wanted.items() if key in there and _is_described(rule, there[key])),
        relied_on=relied_on,
        kept=tuple(rule for rule in later if not exact and rule_key(rule) not in missing),
        stand_ins=tuple(StandIn(rule, missing[key]) for rule in ours if (key := rule_key(rule)) not in removable),
        problem=f"quota: with {len(add)} rules more it would have {excess}" if excess else "",
        no_room_for=quota.no_room_for(relied_on, after_adding),
    )


def _relied_on(
    there: Iterable[IngressRule], add: Sequence[IngressRule], revoke: Sequence[IngressRule]
) -> tuple[IngressRule, ...]:
    """Those rules that let in some of what is going to be revoked, and that no rule contains that is added first."""
    shared = (rule for rule in there if any(_share_ports(rule, each) and _share_sources(rule, each) for each in revoke))
    return without_contained_in(shared, add)


def _is_described(rule: IngressRule, there: IngressRule) -> bool:
    """Whether a rule gets its description of the backup again.

    Not one of Hammer's on another rule than Hammer's: it would count as Hammer's from then on, and the next restore
    would take it away from its owner (seed 72357).
    """
    is_hammers = rule.description.startswith(DESCRIPTION_PREFIX)
    return there.description != rule.description and not (is_hammers and there.rule_id != rule.rule_id)


class _Judgement:
    """Which rules that a backup does not have Hammer added, and whether what each stands in for is back.

    Args:
        wanted: the keys of the backup's rules.
        later: the rules of the group that the backup does not have.
        since: Hammer's changes since the backup, the oldest first.
        ids: the ids of rules that Hammer added, as the table has them.
        unsure: the rules of these that may be gone.
        exact: whether all is revoked that the backup does not have.
    """

    def __init__(
        self,
        wanted: frozenset[RuleKey],
        later: Sequence[IngressRule],
        since: Sequence[ChangeSince],
        ids: frozenset[str],
        unsure: Collection[RuleKey] = (),
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
        self._stay = {*wanted} if exact else {*wanted, *(key for key in theirs if key not in unsure)}
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


def _share_sources(this: IngressRule, other: IngressRule) -> bool:
    """Whether two rules may let in the same address: what is in a group or a prefix list is not asked."""
    if not (this.cidr and other.cidr):
        return True
    mine, theirs = parse_network(this.cidr), parse_network(other.cidr)
    return mine.covers(theirs) or theirs.covers(mine)


SETTLED_AFTER = timedelta(minutes=10)
"""How long after a change EC2 shows it for sure: it may need up to five minutes, and clocks of hosts differ."""


class CannotRestoreError(HammerError):
    """There is nothing to go back to, or no group to bring back."""


class RestoreTarget(NamedTuple):
    """The group to restore."""

    account_id: str
    region: str
    group_id: str


@dataclass(frozen=True, slots=True)
class RestoreSource:
    """A backup to go back to.

    Attributes:
        key: its key.
        raw: its object.
        permissions: its rules, and how to add each again exactly.
        since: Hammer's changes since then, the oldest first.
        unknown: the keys of backups since then that are not understood: what was changed then is not known.
        tags: of its rules, by rule, as far as anybody may set them.
    """

    key: str
    raw: Mapping[str, Any]
    permissions: Mapping[RuleKey, tuple[IngressRule, Any]]
    since: tuple[ChangeSince, ...] = ()
    unknown: tuple[str, ...] = ()
    tags: Mapping[RuleKey, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BackupNotes:
    """What Hammer wrote into a backup.

    Attributes:
        kind: what the change was for; empty: unknown, as other tooling writes none.
        run: the run that wrote it.
        first: the key of the first backup of the same remediation; empty: it is that one, or of an older Hammer.
        add: what was going to be added.
        relied_on: what was going to be added unless it was there already.
        revoke: what was going to be revoked, with ids.
        replaces: the ids of the revoked rules that a rule stands in for, by rule; None: not noted.
        observed: the rules that the group had, by their ids; None: not noted.
        tags: the tags of these, by rule.
    """

    kind: str = ""
    run: str = ""
    first: str = ""
    add: tuple[IngressRule, ...] = field(default=())
    relied_on: tuple[IngressRule, ...] = field(default=())
    revoke: tuple[IngressRule, ...] = field(default=())
    replaces: Mapping[RuleKey, tuple[str, ...]] | None = None
    observed: tuple[IngressRule, ...] | None = None
    tags: Mapping[RuleKey, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> BackupNotes:
        """Read the key `hammer` of a backup. Raises BackupError on what is not as Hammer writes it."""
        notes = raw.get("hammer") or {}
        try:
            replaces, listed = notes.get("replaces"), notes.get("rules")
            ingress = [rule for rule in listed or () if not rule.get("IsEgress")]
            rules = [(parse_rule(raw), without_reserved(tags_of(raw))) for raw in ingress]
            return cls(
                kind=str(notes.get("kind", "")),
                run=str(notes.get("run", "")),
                first=str(notes.get("first") or ""),
                add=rules_from_item(notes.get("add", ())),
                relied_on=rules_from_item(notes.get("relied_on", ())),
                revoke=rules_from_item(notes.get("revoke", ())),
                replaces=None if replaces is None else purposes_from_item(replaces),
                observed=None if listed is None else tuple(rule for rule, _ in rules),
                tags={rule_key(rule): tags for rule, tags in rules if tags},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BackupError(f"what Hammer noted in it cannot be read: {error}") from error

    def change(self, had: Iterable[IngressRule]) -> ChangeSince:
        """The change that it was written before, of a group that had these rules."""
        by_id = {rule.rule_id: rule for rule in self.revoke}
        replaces = None
        if self.replaces is not None:
            replaces = {
                key: tuple(by_id[rule_id] for rule_id in ids if rule_id in by_id) for key, ids in self.replaces.items()
            }
        is_restore = self.kind == ChangeKind.RESTORE
        keys = frozenset(map(rule_key, had))
        return ChangeSince(is_restore, keys, (*self.add, *self.relied_on), self.revoke, replaces)


class Observation(NamedTuple):
    """The ingress rules of a group, with their ids, as EC2 showed them at one time."""

    at: datetime
    rules: tuple[IngressRule, ...]


@dataclass(frozen=True, slots=True)
class PastChange:
    """A change of a group, as the backups that were written before its rounds tell.

    Attributes:
        first: the key of the first of them.
        backups: those that were read, the newest first; none: only the table or another backup names it.
    """

    first: str
    backups: tuple[tuple[Backup, BackupNotes], ...]

    def took_effect(self, seen: Iterable[Observation]) -> bool | None:
        """Whether EC2 did anything of it, as far as what it showed later proves; None: it proves nothing.

        The id of a revoked rule is never used again, and the descriptions of added rules name the day and the ticket.
        """
        notes = [note for _, note in self.backups]
        begun, ended = self.backups[-1][0].written, self.backups[0][0].written
        revoked = {(rule.rule_id, rule_key(rule)) for note in notes for rule in note.revoke}
        # Only rules that it was to add, and that were not there before, prove anything.
        added = {(rule_key(rule), rule.description) for note in notes for rule in note.add}
        added -= {(rule_key(rule), rule.description) for rule in notes[-1].observed or ()}
        later = [each for each in seen if each.at > begun]
        if any((rule_key(rule), rule.description) in added for each in later for rule in each.rules):
            return True
        keys = {key for key, _ in added}
        is_whole = bool(revoked) and all(rule_id for rule_id, _ in revoked)
        for each in later if is_whole else ():
            is_there = revoked <= {(rule.rule_id, rule_key(rule)) for rule in each.rules}
            if is_there and each.at - ended >= SETTLED_AFTER and keys.isdisjoint(map(rule_key, each.rules)):
                return False
        return None


def changes_of(backups: Sequence[tuple[Backup, BackupNotes]]) -> list[PastChange]:
    """The changes that a group's backups, given the newest first, were written before, but for restores.

    Returns:
        The newest first.
    """
    parts: dict[str, list[tuple[Backup, BackupNotes]]] = {}
    runs: dict[str, str] = {}
    for backup, notes in reversed(backups):
        if notes.kind == ChangeKind.RESTORE:
            continue
        first = notes.first or backup.key
        if notes.run and not notes.first and notes.replaces is None:  # Hammer 0.1 did not write which was the first
            first = runs.setdefault(notes.run, backup.key)
        parts.setdefault(first, []).append((backup, notes))
    changes = [PastChange(first, tuple(reversed(members))) for first, members in parts.items()]
    return sorted(changes, key=lambda change: change.backups[0][0], reverse=True)


def choose(changes: Sequence[PastChange], details: RemediationDetails, key: str, seen: Sequence[Observation]) -> str:
    """The key of the backup to go back to, if nobody named one: the first of the newest change that EC2 acknowledged.

    The newest of `changes` comes first. `details` are empty where the table has nothing about the group that can be
    read. `key` is the table's. `seen` is what EC2 showed at several times.

    Returns:
        The key; empty: there is none.
    """
    entry = details.entry if details.entry and details.entry.kind is ChangeKind.REMEDIATION else None
    begun, undone = "", ""
    if entry is not None:
        begun, undone = (entry.backup, "") if entry.left_traces else ("", entry.backup)
    proofs = {change.first: change.took_effect(seen) for change in changes}
    left = [change.first for change in changes if proofs[change.first] is not False and change.first != undone]
    if key not in left:
        return left[0] if left else ""
    for first in left:
        if first in (key, begun) or proofs[first]:
            return first
    return ""


@dataclass(frozen=True, slots=True)
class _Read:
    """A group's backups, read.

    Attributes:
        listed: all, the newest first.
        raw: the objects of those that are backups of the group, by key.
        notes: what Hammer wrote into them, by key.
        failed: why AWS did not give an object now, by key.
        none: why an object is no backup, or is not understood, by key.
    """

    listed: Sequence[Backup]
    raw: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: dict[str, BackupNotes] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)
    none: dict[str, Exception] = field(default_factory=dict)

    def known(self) -> list[tuple[Backup, BackupNotes]]:
        """Those that are understood, the newest first."""
        return [(backup, self.notes[backup.key]) for backup in self.listed if backup.key in self.notes]

    def since(self, key: str) -> list[Backup]:
        """A backup, and those that were written later or belong to the same change."""
        chosen = next(backup for backup in self.listed if backup.key == key)
        return [
            backup
            for backup in self.listed
            if backup.written >= chosen.written or (backup.key in self.notes and self.notes[backup.key].first == key)
        ]


def _read_all(backups: Backups, target: RestoreTarget) -> _Read:
    found = _Read(backups.list(*target))
    for backup in found.listed:
        try:
            found.raw[backup.key] = backups.read(backup.key, target.group_id)
            found.notes[backup.key] = BackupNotes.of(found.raw[backup.key])
        except BackupError as error:
            found.none[backup.key] = error
        except AWS_ERRORS as error:
            found.failed[backup.key] = error
    return found


def read_source(
    backups: Backups,
    target: RestoreTarget,
    wanted: str,
    prompt: Prompt,
    details: Mapping[str, Any],
    live: Callable[[], Observation | None],
    own_item: Mapping[str, Any] | None = None,
) -> RestoreSource:
    """List a group's backups, choose one and read it.

    Args:
        backups: the bucket.
        target: the group.
        wanted: the key of the one to go back to; empty: see `choose`.
        prompt: who is shown the list.
        details: `remediation_details` of the group's issue; empty: there are none that can be read.
        live: describes the group; None: it does not exist.
        own_item: the journal's own item; None: it was not read, or there is none.

    Raises:
        CannotRestoreError: there is none, or not this one; or that one, or a newer one, cannot be read now.
        BackupError: the one to go back to cannot be understood.
        ClientError, BotoCoreError: the backups, or that one, could not be read.
    """
    found = _read_all(backups, target)
    key = wanted or _chosen(found, target, details, RemediationDetails.of(details, own_item), live, prompt)
    if key not in {backup.key for backup in found.listed}:
        raise CannotRestoreError(f"{printable(key)} is not a backup of this group")
    _show(found, key, prompt)
    if key not in found.raw or (key not in found.notes and not wanted):
        raise {**found.failed, **found.none}[key]
    unknown = []
    since: list[ChangeSince] = []
    for backup in reversed(found.since(key)):
        if backup.key in found.notes:
            try:
                had = [rule for rule, _ in single_permissions(found.raw[backup.key]["IpPermissions"])]
            except ShapeError as error:
                found.none[backup.key] = error
            else:
                since.append(found.notes[backup.key].change(had))
                continue
        if backup.key in found.failed or is_of_hammer(backup.key):
            unknown.append(backup.key)
    try:
        singles = list(single_permissions(found.raw[key]["IpPermissions"]))
    except ShapeError as error:
        raise BackupError(f"the backup {key} cannot be understood: {error}") from error
    permissions = {rule_key(rule): (rule, permission) for rule, permission in singles}
    tags = found.notes[key].tags if key in found.notes else {}
    return RestoreSource(key, found.raw[key], permissions, tuple(since), tuple(unknown), tags)


def _chosen(
    found: _Read,
    target: RestoreTarget,
    details: Mapping[str, Any],
    recorded: RemediationDetails,
    live: Callable[[], Observation | None],
    prompt: Prompt,
) -> str:
    """The key of the backup to go back to if nobody named one. Raises CannotRestoreError."""
    if not found.listed:
        raise CannotRestoreError("there is no backup of this group")
    listed = {backup.key for backup in found.listed}
    named = details.get("backup")
    named = named if isinstance(named, str) else ""
    gone = _gone(target, listed, named, recorded)
    if named and named not in listed and named != gone:
        prompt.show(f" ! the issue table names {printable(named)}, which is no backup of this group: it does not count")
    named = named if named in listed else ""
    known = found.known()
    changes = changes_of(known)
    seen = [Observation(backup.written, notes.observed) for backup, notes in known if notes.observed is not None]
    observed = live() if changes else None
    begun = _going_on_with(recorded, listed)
    key = choose(changes, recorded, named, [*seen, observed] if observed else seen) or begun
    if named in {**found.failed, **found.none}:
        key = named
    _refuse_unread(found, key, named)
    if not key:
        raise CannotRestoreError(
            "no backup of this group is from before a change that EC2 carried out: choose one with --backup"
        )
    if gone and key != begun and order_of(key) < order_of(gone):
        key = gone
    if key not in listed:
        raise CannotRestoreError(
            f"the backup from before the remediation, {printable(key)}, is gone: choose another with --backup"
        )
    return key


def _gone(target: RestoreTarget, listed: Container[str], named: str, recorded: RemediationDetails) -> str:
    """The newest backup that the table names and that the bucket has no more; empty: there is none.

    An older one would open what was closed before, and nobody asked for that, unless a restore to it was begun.
    """
    entry = recorded.entry if recorded.entry and recorded.entry.kind is ChangeKind.REMEDIATION else None
    keys = [named, *([entry.backup] if entry and entry.left_traces else ())]
    own = [key for key in keys if key not in listed and is_key_of(key, *target) and is_of_hammer(key)]
    return max(own, key=order_of, default="")


def _going_on_with(recorded: RemediationDetails, listed: Container[str]) -> str:
    """The backup of a restore that is not complete; empty: there is none.

    What EC2 shows by now may prove that the change which it takes back never reached EC2. What the restore did so far
    is there all the same (seed 50584 with a lag of 280 s).
    """
    entry = recorded.entry if recorded.is_unfinished else None
    is_restore = entry is not None and entry.is_restore
    return entry.restored_from if entry and is_restore and entry.restored_from in listed else ""


def _refuse_unread(found: _Read, key: str, named: str) -> None:
    """Raise CannotRestoreError if the chosen backup, or a newer one, is not known: it may be the one that is meant.

    An object that is no backup matters less: where the table names the chosen one, it is passed over.
    """
    written = {backup.key: backup.written for backup in found.listed}
    for backup in found.listed:
        if key in written and backup.key != key and backup.written < written[key]:
            continue
        if error := found.failed.get(backup.key):
            raise CannotRestoreError(
                f"the backup {backup.key} cannot be read now: {explain(error)}. Nothing was changed. Try again, or "
                "choose one with --backup"
            ) from error
        is_passed_over = key == named or not is_of_hammer(backup.key)
        if (error := found.none.get(backup.key)) and (backup.key == key or not is_passed_over):
            raise CannotRestoreError(
                f"the backup {backup.key} is not understood: {explain(error)}. Nothing was changed. Choose one with "
                "--backup"
            ) from error


def _show(found: _Read, key: str, prompt: Prompt) -> None:
    """Show a prompt the backups, the chosen one marked."""
    for backup in found.listed:
        if error := {**found.none, **found.failed}.get(backup.key):
            prompt.show(f" ! {backup.key}  cannot be read: {explain(error)}")
        else:
            mark = "->" if backup.key == key else "  "
            prompt.show(f"{mark} {backup.key}  before a {found.notes[backup.key].kind or 'change'}")
