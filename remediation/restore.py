"""A restore: the second goal of the engine that changes a group (`remediation.remediate`); and as a person sees it.

The flag that keeps automatic remediation away is written before the first change. Only the run in which somebody
asked for a restore adds rules: one that was interrupted is completed by asking again. `GroupRestore` does it;
`RestoreJob` shows the group's backups and the difference, asks, and says what became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from library.aws.failures import explain
from library.aws.issue_table import UnreadableIssueError
from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from library.issues.reconcile import Change, Event
from library.issues.times import format_time
from library.security_groups.group import RuleKey, parse_security_group, rule_key
from remediation import console
from remediation.change import GROUP_ERRORS, ChangeFailedError, RuleChanges
from remediation.group_state import (
    InconsistentReadError,
    LiveGroup,
    ObservedGroup,
    describe_live,
    observe,
    perhaps_revoked,
)
from remediation.journal import ChangeKind, Journal, JournalEntry, JournalStep, RemediationDetails, read_details
from remediation.notify import (
    given_up_message,
    not_restored_message,
    notify,
    release_command,
    released_message,
    restore_command,
    restored_message,
    stand_ins_text,
    undone_text,
)
from remediation.remediate import PAUSES_S, GroupResult, GroupWork, ResultKind, wait_until_done
from remediation.restore_plan import (
    CannotRestoreError,
    Observation,
    RestorePlan,
    RestoreSource,
    RestoreTarget,
    plan_restore,
    read_source,
)
from remediation.rules import ports_as_written, single_permissions

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import IpPermissionTypeDef

    from library.config import Configuration
    from remediation.context import Prompt, RemediationContext
    from remediation.notify import ChangeMessage

_ATTEMPTS = 5
"""How often a restore is planned anew without a question because the group has become another one meanwhile."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RestoreAssessment:
    """A group as it was just described, and its way back.

    Attributes:
        details: what the table says of the group, the journal with its rules.
        is_carried_out: whether this run has changed the group as was asked for. What others do since is theirs.
    """

    live: LiveGroup
    observed: ObservedGroup
    planned: RestorePlan
    details: RemediationDetails
    is_carried_out: bool = False

    @property
    def has_work(self) -> bool:
        """Whether something is to be changed."""
        return not (self.planned.is_empty or self.is_carried_out)


def assess_restore(
    context: RemediationContext,
    config: Configuration,
    target: RestoreTarget,
    source: RestoreSource,
    details: RemediationDetails,
    *,
    exact: bool,
) -> RestoreAssessment:
    """Describe a group and plan its way back.

    With `exact` it revokes also what others made since the backup.

    Raises:
        CannotRestoreError: the group is gone, or there is no room for its rules.
        one of GROUP_ERRORS: it could not be read.
    """
    now = context.now()
    live = describe_live(
        context.sessions.client("ec2", target.account_id, target.region), target.group_id, details.entry
    )
    if live is None:
        raise CannotRestoreError("the group does not exist any more")
    if live.group.unreadable:
        raise CannotRestoreError(f"not understood: {'; '.join(live.group.unreadable)}")
    observed = observe(details.entry, live.group.ingress, live.change_keys, now)
    default = config.secgrp_unrestricted_access.rules_per_security_group_quota
    wanted = [rule for rule, _ in source.permissions.values()]
    lists = [rule.prefix_list_id for rule in wanted]
    planned = plan_restore(
        wanted,
        observed.rules,
        source.since,
        context.quota(live.group, target.account_id, target.region, default, lists),
        exact=exact,
        ids=live.change_keys,
        unsure=perhaps_revoked(observed),
        is_known=not source.unknown,
    )
    if planned.problem:
        raise CannotRestoreError(planned.problem)
    return RestoreAssessment(live, observed, planned, details)


class GroupRestore(GroupWork):
    """The restore of one group in one run.

    If the plan is not what somebody `agreed` to any more, nothing is changed. `message_of` gives what people are told
    of the restore, for the key of the backup from before it and what could not be done (`undone`). With
    `exact` it revokes also what others made since the backup.

    Attributes:
        backup: the key of the backup from before; empty: the group was already as it was to be.
    """

    def __init__(
        self,
        context: RemediationContext,
        issue: Issue,
        source: RestoreSource,
        agreed: RestorePlan,
        message_of: Callable[[Issue, str, Sequence[str]], ChangeMessage],
        *,
        exact: bool,
    ) -> None:
        super().__init__(context, issue)
        self._message_of = message_of
        self._source = source
        self._agreed = agreed
        self._exact = exact
        self._flag_before = self._journal.details.restored
        self.backup = ""
        self.is_carried_out = False
        """Whether all calls of a change were made, so that only EC2 has to show it."""

    def _assess(self, config: Configuration) -> RestoreAssessment:
        issue = self.issue
        target = RestoreTarget(issue.account_id, issue.details.region, issue.issue_id)
        details = read_details(self._context.table, issue)
        seen = assess_restore(self._context, config, target, self._source, details, exact=self._exact)
        return replace(seen, is_carried_out=self.is_carried_out)

    def _why_not_changed(self, seen: RestoreAssessment) -> GroupResult | None:
        if self._rounds == 0 and seen.planned != self._agreed:
            return GroupResult(self.issue, ResultKind.CHANGED_MEANWHILE, "the group has changed meanwhile")
        return None

    def _change(self, seen: RestoreAssessment) -> None:
        planned, left = seen.planned, seen.observed.entry
        self.backup = self._context.back_up(self.issue, seen.live, ChangeKind.RESTORE, "", planned.add, planned.revoke)
        # The journal of an unfinished remediation makes way for the restore's: which backup it began with stays known.
        is_known = left is not None and left.kind is ChangeKind.REMEDIATION and left.left_traces
        begun = {"backup": left.backup} if left is not None and is_known and seen.details.is_unfinished else {}
        entry = self._known(seen) or JournalEntry(ChangeKind.RESTORE, JournalStep.ADDING, self.backup)
        entry = replace(
            entry,
            newest_backup=self.backup,
            restored_from=self._source.key,
            run=self._context.run,
            by=self._context.who,
            is_exact=self._exact,
        )
        changes = RuleChanges(
            add=planned.add,
            revoke=planned.revoke,
            describe=planned.describe,
            relied_on=planned.relied_on,
            permissions=self._permissions(seen),
            tags=self._source.tags,
            no_room_for=planned.no_room_for,
            written=ports_as_written(seen.live.raw.get("IpPermissions", ()))
            | ports_as_written([permission for _, permission in self._source.permissions.values()]),
        )
        try:
            self._carry_out(entry, changes, restored=self._flag(), **begun)
        except ChangeFailedError as error:
            if not error.entry.left_traces:
                self._take_flag_back()
            raise
        self.is_carried_out = True

    def _permissions(self, seen: RestoreAssessment) -> dict[RuleKey, IpPermissionTypeDef]:
        """How to add rules exactly: those that are there already as they are there, so that EC2 knows them again."""
        permissions = {key: permission for key, (_, permission) in self._source.permissions.items()}
        relied_on = set(map(rule_key, seen.planned.relied_on))
        there = single_permissions(seen.live.raw.get("IpPermissions", ())) if relied_on else ()
        return permissions | {key: permission for rule, permission in there if (key := rule_key(rule)) in relied_on}

    def _final_result(self, seen: RestoreAssessment) -> GroupResult | None:
        entry = self._known(seen)
        if entry is not None and seen.observed.pending:
            self._note_waiting(seen.observed)
            return None
        message = self._message_of(self.issue, self.backup, self.undone)
        if not self.has_changed:
            # A host may sleep: then another run may have restored the group meanwhile, and somebody given it back.
            self._context.lease.renew_now()
        try:
            if entry is None:  # it is as the backup says already
                self._journal.note(restored=self._flag(), notification=self._notification(message))
                return GroupResult(self.issue, ResultKind.RESTORED, "", message=message)
            if not self.has_changed:
                self._journal.note(restored=self._flag())
            if self.issue.remediation_details.get("kept"):
                self._journal.note(kept=[])  # whoever restores has decided anew
            entry = self._finish(replace(entry, restored_from=self._source.key), message)
        except GROUP_ERRORS as error:
            return self._failed(f"it could not be recorded: {explain(error)}")
        return GroupResult(self.issue, ResultKind.RESTORED, "", self.backup, entry, message=message)

    def _known(self, seen: RestoreAssessment) -> JournalEntry | None:
        """The restore that this run, or an earlier one, began."""
        entry = seen.observed.entry if seen.details.is_unfinished else None
        return entry if entry is not None and entry.is_restore else None

    def _flag(self) -> dict[str, str]:
        """What says that somebody restored the group: automatic remediation leaves it alone while it is there."""
        return {"at": format_time(self._context.now()) or "", "by": self._context.who, "backup": self._source.key}

    def _take_flag_back(self) -> None:
        """Take the flag of a restore away that changed nothing."""
        try:
            self._journal.note(restored=dict(self._flag_before) if self._flag_before else None)
        except GROUP_ERRORS:
            return  # the group is left alone until somebody decides, which does no harm


class RestoreJob:
    """The restore of one group.

    With `exact` it revokes also what others made since the backup.
    """

    def __init__(
        self,
        context: RemediationContext,
        config: Configuration,
        target: RestoreTarget,
        prompt: Prompt,
        *,
        exact: bool = False,
    ) -> None:
        self._context = context
        self._config = config
        self._target = target
        self._prompt = prompt
        self._exact = exact

    def show(self, wanted: str) -> tuple[RestoreSource, RestorePlan]:
        """Show the group's backups and its way back.

        `wanted` is the key of a backup, or its `s3://` address; empty: the usual one.

        Raises:
            CannotRestoreError: there is nothing to go back to, or no group to bring back.
            one of GROUP_ERRORS: the group or the backup could not be read.
        """
        backups = self._context.backups
        key = wanted.removeprefix(f"s3://{backups.bucket}/")
        issue = self._issue()
        recorded = issue.remediation_details if issue else {}
        own_item = self._context.table.journal(self._target.account_id, self._target.group_id)
        source = read_source(backups, self._target, key, self._prompt, recorded, self._observe, own_item)
        details = read_details(self._context.table, issue) if issue else RemediationDetails()
        seen = self._patiently(
            lambda: assess_restore(self._context, self._config, self._target, source, details, exact=self._exact)
        )
        self._prompt.show(console.heading_of(self._target.account_id, self._target.region, seen.live.group))
        self._prompt.show(console.restore_difference(seen.observed.rules, seen.planned, source.unknown))
        return source, seen.planned

    def _agrees(self) -> bool:
        """Ask whether the group is to be restored as shown."""
        while True:
            answer = self._prompt.confirm("Restore it? y(es), n(o), ?:")[:1]
            if answer != "?":
                return answer == "y"
            self._prompt.show(console.RESTORE_HELP)

    def restore(self, wanted: str, *, batch: bool) -> list[str]:
        """Show the way back, ask unless `batch`, and bring the group back.

        Returns:
            What could not be done, one line each.

        Raises:
            CannotRestoreError: there is nothing to go back to, or no group to bring back.
            LockedError: another run took the lock over.
            one of GROUP_ERRORS: something could not be read before anything was changed.
        """
        for _ in range(_ATTEMPTS):
            source, planned = self.show(wanted)
            if not batch and not self._agrees():
                self._prompt.show("nothing changed")
                return []
            issue = self._issue_to_flag(source)
            notes = list(stand_ins_text(planned.kept_stand_ins, source.unknown, stay=True))
            message_of = partial(self._restored, source, notes)
            work = GroupRestore(self._context, issue, source, planned, message_of, exact=self._exact)
            try:
                self._context.lease.renew_now()
                result = wait_until_done(self._context, work, self._config, self._prompt.show)
            except (*GROUP_ERRORS, CannotRestoreError) as error:
                return self._not_restored(work, source, self._explain(error))
            if result.kind is not ResultKind.CHANGED_MEANWHILE:
                return self._report_outcome(work, source, notes, result)
            self._prompt.show("the group has changed meanwhile: look again")
        location = f"{self._target.group_id} in {self._target.account_id}, {self._target.region}"
        return [f"{location}: somebody changes the group each time that its restore is planned: nothing was changed"]

    def _report_outcome(
        self, work: GroupRestore, source: RestoreSource, notes: Sequence[str], result: GroupResult
    ) -> list[str]:
        """Say what became of a restore. Returns what could not be done, one line each."""
        issue = work.issue
        if result.kind is ResultKind.FAILED or (result.kind is ResultKind.INCOMPLETE and not work.is_carried_out):
            return self._not_restored(work, source, result.text)
        message = result.message or self._restored(source, notes, issue, work.backup, work.undone)
        undone = [f"{issue.location}: {text}" for text in work.undone]
        if result.kind is ResultKind.INCOMPLETE:
            again = restore_command(issue, source.key, exact=self._exact)
            text = f"not complete yet: {result.text}. It is flagged as restored; to complete it, run again: {again}"
            return [f"{issue.location}: {text}", *undone, *self._notify(issue, message)]
        self._prompt.show(
            f"{issue.location}: restored from {source.key}; "
            + (f"backup from before {work.backup}" if work.backup else "it was as that says already")
        )
        for note in notes:
            self._prompt.show(f"{issue.location}: {note}")
        self._prompt.show(f"automatic remediation leaves it alone until: {release_command(issue)}")
        return [*undone, *self._notify(issue, message)]

    def release(self) -> list[str]:
        """Give the group back to automatic remediation. Returns what could not be done.

        Raises:
            LockedError: another run took the lock over.
            one of GROUP_ERRORS: it could not be read or recorded.
        """
        context, target = self._context, self._target
        issue = context.table.get(target.account_id, target.group_id)
        details = read_details(context.table, issue) if issue else RemediationDetails()
        flag = issue.remediation_details.get("restored") if issue else None
        begun = details.unfinished_restore
        if issue is None or not (begun or flag):
            self._prompt.show("the group is not waiting for a decision: nothing changed")
            return []
        # A host may sleep before it reads the issue: then the flag may be of a newer restore. What another run writes
        # after this look is not written over.
        journal = Journal(context.table, issue, context.now)
        journal.read_stamp()
        context.lease.renew_now()
        restored = str(flag.get("at") or "") if isinstance(flag, Mapping) else ""
        message = released_message(context.who, begun.started if begun else restored)
        notification = context.notification_of(issue, message)
        if begun is None:
            journal.note(restored=None, notification=notification)
        else:
            ended = replace(begun, step=JournalStep.DONE, problem=f"given back by {context.who} before it was complete")
            journal.write(ended, restored=None, notification=notification)
            context.mark_finished(issue.account_id, issue.details.region, issue.issue_id)
        self._prompt.show(f"{issue.location}: automatic remediation may change it again")
        return self._notify(issue, message)

    def give_up(self) -> list[str]:
        """End an unfinished change that no run may complete, because its place left the configuration. Changes no rule.

        Returns:
            What could not be done, one line each.

        Raises:
            LockedError: another run took the lock over.
            one of GROUP_ERRORS: it could not be read or recorded.
        """
        context, target = self._context, self._target
        issue = context.table.get(target.account_id, target.group_id)
        details = read_details(context.table, issue) if issue else RemediationDetails()
        entry = details.entry if details.is_unfinished else None
        if issue is not None and details.problem:
            return [f"{issue.location}: {details.problem}: nothing changed"]
        if issue is None or entry is None:
            context.mark_finished(*target)
            self._prompt.show("no change of the group is unfinished: nothing changed")
            return []
        if target.region != issue.details.region:
            return [f"{issue.location}: the issue is not in {target.region}: nothing changed"]
        if target.account_id in self._config.remediation_accounts() and self._config.watches(*target[:2]):
            return [
                f"{issue.location}: not given up: the next remediation run completes it, or a restore takes it back"
            ]
        journal = Journal(context.table, issue, context.now)
        journal.read_stamp()  # before the lock is made sure of: as in `release`
        context.lease.renew_now()
        ended = replace(entry, step=JournalStep.DONE, problem=f"given up by {context.who} before it was complete")
        message = given_up_message(context.who, entry.backup)
        journal.write(ended, notification=context.notification_of(issue, message))
        context.mark_finished(*target)
        self._prompt.show(
            f"{issue.location}: given up: the group stays as it is; the backup from before: {entry.backup}"
        )
        return self._notify(issue, message)

    def _issue(self) -> Issue | None:
        """The group's issue; None: there is none, or its item cannot be understood, so that the bucket decides."""
        try:
            return self._context.table.get(self._target.account_id, self._target.group_id)
        except UnreadableIssueError:
            return None

    def _issue_to_flag(self, source: RestoreSource) -> Issue:
        """The group's issue, whose group is restored; one that is closed is made where the table has none.

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

    def _observe(self) -> Observation | None:
        """The group's rules as EC2 shows them; None: it does not exist. Waits while EC2's answers differ.

        Raises:
            one of GROUP_ERRORS: it could not be read.
        """
        target, issue = self._target, self._issue()
        details = read_details(self._context.table, issue) if issue else RemediationDetails()
        client = self._context.sessions.client("ec2", target.account_id, target.region)
        live = self._patiently(lambda: describe_live(client, target.group_id, details.entry))
        return Observation(self._context.now(), live.group.ingress) if live else None

    def _patiently(self, attempt: Callable[[], T]) -> T:
        for pause in PAUSES_S:
            try:
                return attempt()
            except InconsistentReadError:
                self._context.sleep(pause)
        return attempt()

    def _explain(self, error: Exception) -> str:
        return explain(error, self._context.sessions.role_arn(self._target.account_id))

    def _restored(
        self, source: RestoreSource, notes: Sequence[str], issue: Issue, backup: str, undone: Sequence[str]
    ) -> ChangeMessage:
        notes = [*notes, *undone_text(undone)]
        return restored_message(issue, self._context.backups.bucket, source.key, backup, self._context.who, notes)

    def _not_restored(self, work: GroupRestore, source: RestoreSource, reason: str) -> list[str]:
        issue, undone, bucket = work.issue, work.undone, self._context.backups.bucket
        message = not_restored_message(issue, bucket, source.key, reason, exact=self._exact, undone=undone)
        return [f"{issue.location}: {text}" for text in (reason, *undone)] + self._notify(issue, message)

    def _notify(self, issue: Issue, message: ChangeMessage) -> list[str]:
        problem = notify(
            self._context.notifier, self._context.table, issue, message, repeated=False, now=self._context.now
        )
        return [problem] if problem else []
