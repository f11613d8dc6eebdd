"""One restore as a person sees it: the group's backups, the difference, the question, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from library.aws.failures import explain
from library.issues.issue import Issue
from remediation import console, message
from remediation.group_change import COULD_NOT, ChangeFailedError
from remediation.notifier import notify
from remediation.restore_plan import RestorePlan
from remediation.restore_source import RestoreSource, RestoreTarget, read_source
from remediation.restorer import Restorer, release

if TYPE_CHECKING:
    from library.config import Configuration
    from remediation.context import RemediationContext
    from remediation.host import Person
    from remediation.message import ChangeMessage


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
            notes = list(message.stand_ins_text(planned.kept_stand_ins, source.unknown, stay=True))
            news = self._restored(issue, source, done.backup, notes)
            if done.not_shown:
                again = message.restore_command(issue, source.key)
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
            self._person.say(f"automatic remediation leaves it alone until: {message.release_command(issue)}")
            return self._notify(issue, news)

    def release(self) -> list[str]:
        """Give the group back to automatic remediation. Returns what could not be done; raises one of COULD_NOT."""
        issue = self._context.table.get(self._target.account_id, self._target.group_id)
        if issue is None or not release(self._context, issue):
            self._person.say("the group is not waiting for a decision: nothing changed")
            return []
        self._person.say(f"{issue.place}: automatic remediation may change it again")
        return self._notify(issue, message.released(self._context.who))

    def _restored(self, issue: Issue, source: RestoreSource, backup: str, notes: Sequence[str]) -> ChangeMessage:
        return message.restored(issue, self._context.backups.bucket, source.key, backup, self._context.who, notes)

    def _not_restored(self, issue: Issue, source: RestoreSource, error: Exception) -> list[str]:
        reason = explain(error, self._context.sessions.role_arn(self._target.account_id))
        news = message.not_restored(issue, self._context.backups.bucket, source.key, reason)
        return [f"{issue.place}: {reason}", *self._notify(issue, news)]

    def _notify(self, issue: Issue, news: ChangeMessage) -> list[str]:
        problem = notify(self._context.notifier, self._context.table, issue, news, repeated=False)
        return [problem] if problem else []
