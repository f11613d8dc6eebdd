"""One restore: plan, back up, flag, change, look again, record; and as a person sees it.

The flag that keeps automatic remediation away is written before the first change. Only the run in which somebody
asked for a restore adds rules: one that was interrupted is completed by asking again. `Restorer` does it;
`RestoreJob` shows the group's backups and the difference, asks, and says what became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from library.aws.failures import explain
from library.aws.issue_table import UnreadableIssueError
from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from library.issues.reconcile import Change, Event
from library.issues.times import format_time
from library.jobs.run import renewing_sleep
from library.security_groups.exposure import rule_text
from library.security_groups.group import parse_security_group
from remediation import console
from remediation.change import COULD_NOT, ChangeFailedError, RuleChanges
from remediation.group_state import Journal, LiveGroup, UnsteadyError, describe_live
from remediation.journal import ChangeKind, JournalEntry, JournalStep, RemediationDetails, View, view_of
from remediation.notify import (
    not_restored_message,
    notify,
    release_command,
    released_message,
    restore_command,
    restored_message,
    stand_ins_text,
)
from remediation.restore_plan import RestorePlan, plan_restore
from remediation.restore_source import CannotRestoreError, Observation, RestoreSource, RestoreTarget, read_source
from remediation.runs import PAUSES_S

if TYPE_CHECKING:
    from library.config import Configuration
    from remediation.context import Person, RemediationContext
    from remediation.notify import ChangeMessage

_ROUNDS = 3  # of changing, while answers are lost
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RestoreLook:
    """A group as it was just described, and its way back."""

    live: LiveGroup
    view: View
    planned: RestorePlan


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore came to.

    Attributes:
        issue: the group's issue.
        backup: the key of the backup from before; empty: the group was already as it was to be.
        not_shown: why it is not complete yet; empty: it is.
    """

    issue: Issue
    backup: str
    not_shown: str = ""


class Restorer:
    """The restore of one group.

    Args:
        context: what the job works with.
        config: the configuration.
        target: the group.
        exact: revoke also what others made since the backup.
    """

    def __init__(
        self, context: RemediationContext, config: Configuration, target: RestoreTarget, *, exact: bool
    ) -> None:
        self._context = context
        self._config = config
        self._target = target
        self._exact = exact

    def observe(self) -> Observation | None:
        """The group's rules as EC2 shows them; None: it does not exist. Waits while EC2's answers differ.

        Raises:
            one of COULD_NOT: it could not be read.
        """
        target = self._target
        client = self._context.sessions.client("ec2", target.account_id, target.region)
        live = self._patiently(lambda: describe_live(client, target.group_id, self._details().entry))
        return Observation(self._context.now(), live.group.ingress) if live else None

    def recorded(self) -> Mapping[str, Any]:
        """`remediation_details` of the group's issue; empty: there are none, or its item cannot be understood.

        Raises:
            ClientError, BotoCoreError: it could not be read.
        """
        try:
            issue = self._context.table.get(self._target.account_id, self._target.group_id)
        except UnreadableIssueError:
            return {}  # the bucket decides; that nothing can be recorded, `issue` says
        return issue.remediation_details if issue else {}

    def _details(self) -> RemediationDetails:
        return RemediationDetails.of(self.recorded())

    def look(self, source: RestoreSource) -> RestoreLook:
        """Describe the group and plan its way back; wait while EC2's answers differ.

        Raises:
            CannotRestoreError: the group is gone, or there is no room for its rules.
            one of COULD_NOT: it could not be read.
        """
        return self._patiently(lambda: self._look(source))

    def _look(self, source: RestoreSource) -> RestoreLook:
        target = self._target
        details = self._details()
        client = self._context.sessions.client("ec2", target.account_id, target.region)
        live = describe_live(client, target.group_id, details.entry)
        if live is None:
            raise CannotRestoreError("the group does not exist any more")
        if live.group.unreadable:
            raise CannotRestoreError(f"not understood: {'; '.join(live.group.unreadable)}")
        view = view_of(details.entry, live.group.ingress, self._context.now(), self._context.began, details.added)
        planned = plan_restore(
            [rule for rule, _ in source.permissions.values()],
            view.rules,
            source.since,
            self._context.quota(
                live.group,
                target.account_id,
                target.region,
                self._config.secgrp_unrestricted_access.rules_per_security_group_quota,
            ),
            exact=self._exact,
            ids=_ids_of_added(view, details),
            is_known=not source.unknown,
        )
        if planned.problem:
            raise CannotRestoreError(planned.problem)
        return RestoreLook(live, view, planned)

    def issue(self, source: RestoreSource) -> Issue:
        """The group's issue, which holds the journal; one that is closed is made where the table has none.

        Raises:
            UnreadableIssueError: it cannot be read.
            ConflictError, ClientError, BotoCoreError: it could not be read or made.
        """
        target = self._target
        issue = self._context.table.get(target.account_id, target.group_id)
        if issue is None:
            group = parse_security_group(source.raw)
            details = IssueDetails(group.name, target.region, group.vpc_id, "open_partly", group.tags, ())
            issue = Issue(target.account_id, target.group_id, Status.CLOSED, details, Timestamps())
            self._context.table.write(Change(Event.FOUND, issue, None))
        return issue

    def restore(self, issue: Issue, source: RestoreSource, agreed: RestorePlan) -> Restored | None:
        """Bring the group back, flag its issue, and look whether EC2 shows it.

        Args:
            issue: the group's issue.
            source: the backup to go back to.
            agreed: what somebody asked for.

        Returns:
            What it came to; None: nothing was done, because what was agreed to is not the plan any more.

        Raises:
            CannotRestoreError, ChangeFailedError, or one of COULD_NOT: it could not be done, or not completely.
            LockedError: another run took the lock over.
        """
        self._context.lock.renew()
        seen = self.look(source)
        if seen.planned != agreed:
            return None
        journal = Journal(self._context.table, issue, self._context.now)
        before = journal.details
        known = before.entry if before.entry and before.is_unfinished else None
        if known is not None and known.kind is not ChangeKind.RESTORE:
            known = None
        if seen.planned.is_empty and known is None:
            journal.note(restored=self._flag(source))
            return Restored(journal.issue, "")
        backup = self._context.back_up(issue, seen.live, ChangeKind.RESTORE, "", seen.planned.add, seen.planned.revoke)
        entry = known or JournalEntry(ChangeKind.RESTORE, JournalStep.ADDING, backup)
        entry = replace(
            entry, newest_backup=backup, restored_from=source.key, run=self._context.run, by=self._context.who
        )
        self._context.lock.mark_unfinished(*self._target)
        try:
            self._carry_out(journal, entry, source, seen)
        except ChangeFailedError as error:
            if not error.entry.left_traces:
                _take_back(journal, before)
            raise
        return Restored(journal.issue, backup, self._verified(journal, source))

    def _carry_out(self, journal: Journal, entry: JournalEntry, source: RestoreSource, seen: RestoreLook) -> None:
        """Change the group. Plans anew where an answer was lost: what was asked for is this run's to add."""
        planned, left = seen.planned, seen.view.entry
        # The journal of an unfinished remediation makes way for the restore's: which backup it began with stays known.
        is_known = left is not None and left.kind is ChangeKind.REMEDIATION and left.left_traces
        begun = {"backup": left.backup} if left is not None and is_known and journal.details.is_unfinished else {}
        permissions = {key: permission for key, (_, permission) in source.permissions.items()}
        change = self._context.change_of(journal.issue, journal)
        for attempt in range(1, _ROUNDS + 1):
            changes = RuleChanges(
                add=planned.add, revoke=planned.revoke, describe=planned.describe, permissions=permissions
            )
            try:
                change.carry_out(entry, changes, restored=self._flag(source), **begun)
            except ChangeFailedError as error:
                if not error.may_help or attempt == _ROUNDS:
                    raise
                seen = self.look(source)
                entry, planned = seen.view.entry or error.entry, seen.planned
            else:
                return

    def _verified(self, journal: Journal, source: RestoreSource) -> str:
        """Look until EC2 shows the change, and record it. Returns what is not shown when the time is up."""
        sleep = renewing_sleep(self._context.sleep, self._context.lock.renew)
        not_shown = ""
        for pause in (0, *PAUSES_S):
            sleep(pause)
            try:
                seen = self._look(source)
            except UnsteadyError as error:
                not_shown = str(error)
                continue
            if not seen.view.not_shown and seen.view.entry:
                there = {rule.rule_id for rule in seen.view.rules}
                added = [rule._asdict() for rule in journal.details.added if rule.rule_id in there]
                journal.write(replace(seen.view.entry, step=JournalStep.DONE, problem=""), added=added)
                self._context.mark_finished(*self._target)
                return ""
            rules = ", ".join(dict.fromkeys(map(rule_text, seen.view.not_shown)))
            not_shown = f"EC2 does not show the change of these rules yet: {rules}"
        return not_shown

    def _flag(self, source: RestoreSource) -> dict[str, str]:
        """What says that somebody restored the group: automatic remediation leaves it alone while it is there."""
        return {"at": format_time(self._context.now()) or "", "by": self._context.who, "backup": source.key}

    def _patiently(self, attempt: Callable[[], T]) -> T:
        sleep = renewing_sleep(self._context.sleep, lambda: None)
        for pause in PAUSES_S:
            try:
                return attempt()
            except UnsteadyError:
                sleep(pause)
        return attempt()


def _ids_of_added(view: View, details: RemediationDetails) -> set[str]:
    """The ids of the rules that Hammer added, as the table has them."""
    ids = {rule.rule_id for rule in details.added}
    if details.entry is not None and details.entry.kind is ChangeKind.REMEDIATION:
        ids |= {rule.rule_id for rule in (view.entry or details.entry).added}
    return ids - {""}


def _take_back(journal: Journal, before: RemediationDetails) -> None:
    """Take the flag of a restore away that changed nothing."""
    try:
        journal.note(restored=dict(before.restored) if before.restored else None)
    except COULD_NOT:
        return  # the group is left alone until somebody decides, which does no harm


def release(context: RemediationContext, issue: Issue) -> bool:
    """Give a restored group back to automatic remediation. Returns whether it was restored, or being restored.

    Raises:
        one of COULD_NOT: it could not be recorded.
    """
    details = RemediationDetails.of(issue.remediation_details)
    entry = details.entry if details.is_unfinished else None
    if entry is not None and entry.kind is ChangeKind.RESTORE:
        entry = replace(entry, step=JournalStep.DONE, problem=f"given back by {context.who} before it was complete")
        Journal(context.table, issue, context.now).write(entry, restored=None)
        context.mark_finished(issue.account_id, issue.details.region, issue.issue_id)
        return True
    if not issue.remediation_details.get("restored"):
        return False
    Journal(context.table, issue, context.now).note(restored=None)
    return True


class RestoreJob:
    """The restore of one group.

    Args:
        context: what the job works with.
        config: the configuration.
        target: the group.
        person: who is shown the group, and asked.
        exact: revoke also what others made since the backup.
    """

    def __init__(
        self,
        context: RemediationContext,
        config: Configuration,
        target: RestoreTarget,
        person: Person,
        *,
        exact: bool = False,
    ) -> None:
        self._context = context
        self._target = target
        self._person = person
        self._restorer = Restorer(context, config, target, exact=exact)

    def show(self, wanted: str) -> tuple[RestoreSource, RestorePlan]:
        """Show the group's backups and its way back.

        Args:
            wanted: the key of a backup, or its `s3://` address; empty: the usual one.

        Raises:
            CannotRestoreError: there is nothing to go back to, or no group to bring back.
            one of COULD_NOT: the group or the backup could not be read.
        """
        backups = self._context.backups
        key = wanted.removeprefix(f"s3://{backups.bucket}/")
        recorded = self._restorer.recorded()
        source = read_source(backups, self._target, key, self._person, recorded, self._restorer.observe)
        seen = self._restorer.look(source)
        group = seen.live.group
        self._person.say(console.heading_of(self._target.account_id, self._target.region, group))
        self._person.say(console.restore_difference(seen.view.rules, seen.planned, source.unknown))
        return source, seen.planned

    def restore(self, wanted: str, *, batch: bool) -> list[str]:
        """Show the way back, ask unless `batch`, and bring the group back.

        Returns:
            What could not be done, one line each.

        Raises:
            CannotRestoreError: there is nothing to go back to, or no group to bring back.
            LockedError: another run took the lock over.
            one of COULD_NOT: something could not be read before anything was changed.
        """
        while True:
            source, planned = self.show(wanted)
            if not batch and self._person.ask("Restore it? y(es), n(o):")[:1] != "y":
                self._person.say("nothing changed")
                return []
            issue = self._restorer.issue(source)
            try:
                done = self._restorer.restore(issue, source, planned)
            except (*COULD_NOT, ChangeFailedError) as error:
                return self._not_restored(issue, source, error)
            if done is None:
                self._person.say("the group has changed meanwhile: look again")
                continue
            issue = done.issue
            notes = list(stand_ins_text(planned.kept_stand_ins, source.unknown, stay=True))
            news = self._restored(issue, source, done.backup, notes)
            if done.not_shown:
                again = restore_command(issue, source.key)
                text = (
                    f"not complete yet: {done.not_shown}. It is flagged as restored; to complete it, run again: {again}"
                )
                return [f"{issue.place}: {text}", *self._notify(issue, news)]
            self._person.say(
                f"{issue.place}: restored from {source.key}; "
                + (f"backup from before {done.backup}" if done.backup else "it was as that says already")
            )
            for note in notes:
                self._person.say(f"{issue.place}: {note}")
            self._person.say(f"automatic remediation leaves it alone until: {release_command(issue)}")
            return self._notify(issue, news)

    def release(self) -> list[str]:
        """Give the group back to automatic remediation. Returns what could not be done; raises one of COULD_NOT."""
        issue = self._context.table.get(self._target.account_id, self._target.group_id)
        if issue is None or not release(self._context, issue):
            self._person.say("the group is not waiting for a decision: nothing changed")
            return []
        self._person.say(f"{issue.place}: automatic remediation may change it again")
        return self._notify(issue, released_message(self._context.who))

    def _restored(self, issue: Issue, source: RestoreSource, backup: str, notes: Sequence[str]) -> ChangeMessage:
        return restored_message(issue, self._context.backups.bucket, source.key, backup, self._context.who, notes)

    def _not_restored(self, issue: Issue, source: RestoreSource, error: Exception) -> list[str]:
        reason = explain(error, self._context.sessions.role_arn(self._target.account_id))
        news = not_restored_message(issue, self._context.backups.bucket, source.key, reason)
        return [f"{issue.place}: {reason}", *self._notify(issue, news)]

    def _notify(self, issue: Issue, news: ChangeMessage) -> list[str]:
        problem = notify(
            self._context.notifier, self._context.table, issue, news, repeated=False, at=self._context.now()
        )
        return [problem] if problem else []
