"""Carries out a change of one group: first all that is added, then all that is revoked; or undoes it.

At every moment between, private access that the group gives before and after is there. Each step is in the journal
before it is done. What a call did is not believed but looked at: a call that failed may have worked, and a group of
EC2 may show a change only after a moment (EC2 API Reference, "Eventual consistency").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from library.aws.failures import AWS_ERRORS, error_code, explain
from library.aws.items import ConflictError
from library.security_groups.group import IngressRule, ShapeError
from remediation.backups import BackupError
from remediation.journal import Entry, Journal, Step
from remediation.rule_sets import RuleKey, rule_key
from remediation.security_group_changes import (
    LiveGroup,
    UnsteadyError,
    authorize,
    by_key,
    describe_live,
    permission_of,
    revoke,
    set_descriptions,
    single_permissions,
    with_description,
)

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

    from remediation.backups import Backups

COULD_NOT = (*AWS_ERRORS, BackupError, ConflictError, ShapeError, UnsteadyError)
"""What can be in the way of a change, and is a failure of this group alone."""

_PAUSES_S = (0, 1, 2, 4, 8)  # before each look at whether EC2 shows a change


class ChangeFailedError(Exception):
    """A change was not carried out.

    Attributes:
        undone: whether the group is as it was before; if not, the journal has it, and the next run finishes it.
    """

    def __init__(self, text: str, *, undone: bool) -> None:
        super().__init__(text)
        self.undone = undone


class NotYetError(Exception):
    """EC2 does not show a change."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """One group, and what is needed to change it."""

    ec2: EC2Client
    group_id: str
    journal: Journal
    backups: Backups
    renew_lock: Callable[[], None]
    sleep: Callable[[float], None]

    def look(self) -> LiveGroup | None:
        """The group as it is now."""
        return describe_live(self.ec2, self.group_id)


def carry_out(
    place: Workplace, entry: Entry, permissions: Mapping[RuleKey, Any] | None = None, **details: Any
) -> Entry:
    """Carry out a change whose backup is written, up to `Step.VERIFYING`.

    Args:
        place: the group.
        entry: the change.
        permissions: how to add a rule again exactly, where the rule alone does not tell.
        details: for the journal, see `Journal.write`.

    Raises:
        ChangeFailedError: it could not be done.
        LockedError: another run took the lock over: it also takes care of this group.
    """
    try:
        # A write that failed may have been made all the same: undoing what was not begun makes the journal say so.
        entry = place.journal.write(replace(entry, step=Step.ADDING), **details)
        _add(place, entry.add, permissions or {})
        _describe(place, entry.describe, permissions or {})
        place.renew_lock()
        entry = place.journal.write(replace(entry, step=Step.REVOKING))
        _revoke(place, entry.revoke)
    except (*COULD_NOT, NotYetError) as error:
        raise undo_after(place, entry, explain(error)) from error
    try:
        return place.journal.write(replace(entry, step=Step.VERIFYING))
    except COULD_NOT as error:
        raise ChangeFailedError(
            f"changed, but the journal could not be written: {explain(error)}", undone=False
        ) from error


def undo_after(place: Workplace, entry: Entry, reason: str) -> ChangeFailedError:
    """Undo a change that failed, and say how that went."""
    try:
        undo(place, entry, reason)
    except (*COULD_NOT, NotYetError) as error:
        text = f"{reason}; and it could not be undone, which the next run will try again: {explain(error)}"
        return ChangeFailedError(text, undone=False)
    return ChangeFailedError(f"{reason}; what had been changed was undone", undone=True)


def undo(place: Workplace, entry: Entry, reason: str) -> None:
    """Bring a group back to what it was before a change, however far that came.

    Rules that somebody else made meanwhile stay.

    Raises:
        one of COULD_NOT, NotYetError: it could not be done. The journal says that it has to be.
        LockedError: another run took the lock over.
    """
    place.renew_lock()
    entry = place.journal.write(replace(entry, step=Step.UNDOING, problem=reason))
    backup = place.backups.read(entry.backup, place.group_id)
    before = {rule_key(rule): permission for rule, permission in single_permissions(backup["IpPermissions"])}
    if live := place.look():
        there = by_key(live.group.ingress)
        missing = [key for rule in entry.revoke if (key := rule_key(rule)) not in there and key in before]
        _add(place, [rule for rule in entry.revoke if rule_key(rule) in missing], before)
        was = by_key(rule for rule, _ in single_permissions(backup["IpPermissions"]))
        _describe(place, [was[key] for rule in entry.describe if (key := rule_key(rule)) in there], before)
        added = {rule_key(rule) for rule in entry.add} - before.keys()
        _revoke(place, [rule for key, rule in there.items() if key in added])
    place.journal.write(replace(entry, step=Step.UNDONE, problem=reason))


def finish(place: Workplace, entry: Entry, permissions: Mapping[RuleKey, Any] | None = None) -> Entry:
    """Finish the revoking that an interrupted run had begun. Raises as `undo` does."""
    place.renew_lock()
    if live := place.look():
        present = by_key(live.group.ingress)
        _add(place, [rule for rule in entry.add if rule_key(rule) not in present], permissions or {})
        there = {rule.rule_id for rule in live.group.ingress}
        _revoke(place, [rule for rule in entry.revoke if rule.rule_id in there])
    return place.journal.write(replace(entry, step=Step.VERIFYING))


def _add(place: Workplace, rules: Sequence[IngressRule], permissions: Mapping[RuleKey, Any]) -> None:
    if not rules:
        return
    wanted = {rule_key(rule) for rule in rules}
    singles = [permissions.get(rule_key(rule)) or permission_of(rule) for rule in rules]
    _change(
        place,
        lambda: authorize(place.ec2, place.group_id, singles),
        lambda now: wanted <= {rule_key(rule) for rule in now},
    )


def _describe(place: Workplace, rules: Sequence[IngressRule], permissions: Mapping[RuleKey, Any]) -> None:
    """Give rules that are there the descriptions that these have."""
    if not rules:
        return
    wanted = {(rule_key(rule), rule.description) for rule in rules}

    def change() -> None:
        singles = [permissions.get(rule_key(rule)) or permission_of(rule) for rule in rules]
        set_descriptions(
            place.ec2,
            place.group_id,
            [with_description(single, rule.description) for single, rule in zip(singles, rules, strict=True)],
        )

    _change(place, change, lambda now: wanted <= {(rule_key(rule), rule.description) for rule in now})


def _revoke(place: Workplace, rules: Sequence[IngressRule]) -> None:
    if not rules:
        return
    unwanted = {rule.rule_id for rule in rules}
    _change(
        place,
        lambda: revoke(place.ec2, place.group_id, sorted(unwanted)),
        lambda now: not unwanted & {rule.rule_id for rule in now},
    )


def _change(place: Workplace, change: Callable[[], None], shows: Callable[[Sequence[IngressRule]], bool]) -> None:
    """Make a change and look until it shows. If it never does, raise what the call raised."""
    failure: Exception | None = None
    try:
        change()
    except AWS_ERRORS as error:
        failure = error
    for pause in (0,) if _is_refusal(failure) else _PAUSES_S:
        if pause:
            place.sleep(pause)
        live = place.look()
        if shows(live.group.ingress if live else ()):
            return
    raise failure or NotYetError(f"EC2 accepted a change of {place.group_id} but does not show it")


def _is_refusal(failure: Exception | None) -> bool:
    """Whether EC2 said that it did not make a change. That something is there, or gone, may be an unseen change's."""
    if not isinstance(failure, ClientError):
        return False
    status = failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return status < 500 and not error_code(failure).endswith((".Duplicate", ".NotFound"))
