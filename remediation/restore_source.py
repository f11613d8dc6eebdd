"""The backup that a restore goes back to, and what Hammer changed since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from library.aws.failures import AWS_ERRORS, explain
from library.errors import HammerError
from library.security_groups.group import IngressRule, ShapeError
from remediation.backups import Backup, BackupError
from remediation.journal_entry import ChangeKind, rules_from_item
from remediation.permissions import single_permissions
from remediation.rule_sets import RuleKey, rule_key

if TYPE_CHECKING:
    from remediation.backups import Backups
    from remediation.host import Person


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
        made_since: what Hammer's changes since then were to add, with the descriptions that it wrote.
    """

    key: str
    raw: Mapping[str, Any]
    permissions: Mapping[RuleKey, tuple[IngressRule, Any]]
    made_since: tuple[IngressRule, ...]


@dataclass(frozen=True, slots=True)
class BackupNotes:
    """What Hammer wrote into a backup, as far as choosing one goes.

    Attributes:
        kind: what the change was for; empty: unknown, as other tooling writes none.
        run: the run that wrote it.
        first: the key of the first backup of the same remediation; empty: it is that one, or of an older Hammer.
        add: what was going to be added.
    """

    kind: str = ""
    run: str = ""
    first: str = ""
    add: tuple[IngressRule, ...] = field(default=())

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> BackupNotes:
        """Read the key `hammer` of a backup. Raises BackupError on what is not as Hammer writes it."""
        notes = raw.get("hammer") or {}
        try:
            added = rules_from_item(notes.get("add", ()))
            return cls(str(notes.get("kind", "")), str(notes.get("run", "")), str(notes.get("first") or ""), added)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BackupError(f"what Hammer noted in it cannot be read: {error}") from error


def choose(backups: Sequence[tuple[Backup, BackupNotes]], wanted: str) -> Backup:
    """The backup to go back to.

    Args:
        backups: all of a group that can be read, the newest first.
        wanted: its key; empty: the first of the newest remediation, over all its rounds and runs; else the newest.

    Raises:
        CannotRestoreError: there is none, or not this one.
    """
    by_key = {backup.key: backup for backup, _ in backups}
    if wanted:
        if wanted not in by_key:
            raise CannotRestoreError(f"{wanted} is not a backup of this group")
        return by_key[wanted]
    if not backups:
        raise CannotRestoreError("there is no backup of this group")
    newest, notes = next(((one, notes) for one, notes in backups if notes.kind != ChangeKind.RESTORE), backups[0])
    if notes.first:
        if notes.first not in by_key:
            raise CannotRestoreError(
                f"the backup from before the remediation, {notes.first}, is gone or cannot be read: choose another "
                "with --backup"
            )
        return by_key[notes.first]
    if notes.run:  # Hammer 0.1 did not write which was the first
        return [one for one, other in backups if (other.run, other.kind) == (notes.run, notes.kind)][-1]
    return newest


def read_source(backups: Backups, target: RestoreTarget, wanted: str, person: Person) -> RestoreSource:
    """List a group's backups and read the one to go back to. One that cannot be read is named, and left out.

    Args:
        backups: the bucket.
        target: the group.
        wanted: the key of the one to go back to; empty: see `choose`.
        person: who is shown the list.

    Raises:
        CannotRestoreError: there is none, or not this one.
        BackupError: the one to go back to cannot be understood.
        ClientError, BotoCoreError: the backups, or that one, could not be read.
    """
    found = backups.list(*target)
    read: dict[str, Mapping[str, Any]] = {}
    notes: dict[str, BackupNotes] = {}
    unreadable: dict[str, Exception] = {}
    for backup in found:
        try:
            read[backup.key] = backups.read(backup.key, target.group_id)
            notes[backup.key] = BackupNotes.of(read[backup.key])
        except (BackupError, *AWS_ERRORS) as error:
            unreadable[backup.key] = error
    if wanted in unreadable and wanted not in read:
        raise unreadable[wanted]
    known = [(backup, notes.get(backup.key, BackupNotes())) for backup in found if backup.key in read]
    chosen = choose([(backup, note) for backup, note in known if backup.key in notes or backup.key == wanted], wanted)
    for backup in found:
        if backup.key in unreadable:
            person.say(f" ! {backup.key}  cannot be read: {explain(unreadable[backup.key])}")
        else:
            mark = "->" if backup == chosen else "  "
            person.say(f"{mark} {backup.key}  before a {notes[backup.key].kind or 'change'}")
    try:
        singles = list(single_permissions(read[chosen.key]["IpPermissions"]))
    except ShapeError as error:
        raise BackupError(f"the backup {chosen.key} cannot be understood: {error}") from error
    since = [note for backup, note in known if backup.written >= chosen.written]
    return RestoreSource(
        key=chosen.key,
        raw=read[chosen.key],
        permissions={rule_key(rule): (rule, permission) for rule, permission in singles},
        made_since=tuple(rule for note in since for rule in note.add),
    )
