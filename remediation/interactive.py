"""A run at a terminal: it shows each group and what would be done, and does what the person agrees to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from library.aws.ec2 import usage_of
from library.aws.failures import AWS_ERRORS, explain
from library.issues.issue import Issue
from library.jobs.run import renewing_sleep
from remediation import console
from remediation.batch import PAUSES_S, Reload
from remediation.candidates import due, find, find_unfinished, not_due
from remediation.conclusion import RemediationSummary, conclude, stop_at_limit
from remediation.due import Refusal, policy_of, why_not_due
from remediation.group_change import COULD_NOT
from remediation.journal import is_unfinished
from remediation.remediator import (
    GroupRemediation,
    Look,
    ResultKind,
    interrupted_restore_text,
    is_interrupted_restore,
    look,
)

if TYPE_CHECKING:
    from library.config import Configuration
    from library.jobs.command_line import Selection
    from remediation.context import RemediationContext
    from remediation.host import Person

_INCOMPLETE = "An earlier run left this group incomplete; what is shown completes it."


class InteractiveRun:
    """One run.

    Args:
        context: what the job works with.
        reload: reads the configuration anew.
        selection: the groups that the run is about.
        person: who is shown the groups, and asked.
    """

    def __init__(self, context: RemediationContext, reload: Reload, selection: Selection, person: Person) -> None:
        self._context = context
        self._reload = reload
        self._selection = selection
        self._person = person
        self._changing: GroupRemediation | None = None
        self.summary = RemediationSummary()

    def run(self, *, include_not_due: bool) -> RemediationSummary:
        """Show each issue that is due, or every one, and remediate those that the person agrees to.

        Whatever ends it, what was changed is said, and is in `summary`.

        Raises:
            LockedError: another run took the lock over.
            InterruptedRunError: a signal asked the run to stop.
            ConfigurationError: the configuration became wrong meanwhile.
        """
        try:
            issues = self._issues(self._reload(), include_not_due=include_not_due)
            ask = True
            for number, issue in enumerate(issues, 1):
                self._person.say(f"\n[{number} of {len(issues)}]")
                answer = self._one(issue, ask=ask)
                if answer == "q":
                    break
                ask = ask and answer != "a"
        except BaseException as error:
            self._conclude_changing(str(error) or type(error).__name__)
            raise
        return self.summary

    def _issues(self, config: Configuration, *, include_not_due: bool) -> list[Issue]:
        found = find(self._context, config, self._selection)
        find_unfinished(self._context, config, self._selection, found)
        self.summary.problems += found.problems
        now = self._context.now()
        chosen = found.issues if include_not_due else due(found.issues, config, now)
        if not include_not_due:
            self.summary.not_due = not_due(found.issues, config, now)
        unfinished = []
        for issue in found.unfinished:
            if include_not_due or not is_interrupted_restore(issue):
                unfinished.append(issue)
            else:
                self.summary.problems.append(f"{issue.place}: not complete yet: {interrupted_restore_text(issue)}")
        known = {issue.place for issue in found.unfinished}
        return [*unfinished, *(issue for issue in chosen if issue.place not in known)]

    def _one(self, issue: Issue, *, ask: bool) -> str:
        """Show one issue until it is decided. Returns the answer; `q`: stop."""
        while True:
            config = self._reload()
            if is_unfinished(issue):
                self._person.say(_INCOMPLETE)
            seen = show(self._context, config, issue, self._person, self.summary)
            if seen is None or not seen.has_work:
                self.summary.left += seen is not None
                if seen is not None and is_unfinished(issue):
                    self._change(issue, seen, config)
                return "n"
            answer = self._answer(issue, seen) if ask else "y"
            if answer == "q":
                self._person.say("stopped")
                return "q"
            if answer == "n":
                self.summary.left += 1
                return "n"
            limit = config.secgrp_unrestricted_access.remediation_limit_per_run
            if self.summary.remediated >= limit:
                text = f"{limit} groups were changed, which is remediation_limit_per_run"
                stop_at_limit(self._context, self.summary, text)
                return "q"
            if self._change(issue, seen, config):
                return answer

    def _answer(self, issue: Issue, seen: Look) -> str:
        while True:
            answer = self._person.ask("Remediate it? y(es), n(o), d(etails), a(ll that follow), q(uit):")[:1]
            if answer in ("y", "n", "a", "q"):
                return answer
            if answer == "d":
                try:
                    backups = self._context.backups.list(issue.account_id, issue.details.region, issue.issue_id)
                except AWS_ERRORS as error:
                    self._person.say(f"  its backups could not be listed: {explain(error)}")
                    backups = []
                self._person.say(console.details(issue, seen, backups))

    def _change(self, issue: Issue, seen: Look, config: Configuration) -> bool:
        """Change a group and wait until EC2 shows it. False: it is not what was agreed to any more."""
        group = self._changing = GroupRemediation(self._context, issue, agreed=seen.planned, decided=True)
        sleep = renewing_sleep(self._context.sleep, self._context.lock.renew)
        group.result = group.advance(config)
        for pause in PAUSES_S:
            if group.result is not None:
                break
            self._person.say(f"  waiting: {group.waiting_for}")
            sleep(pause)
            group.result = group.advance(config)
        result = group.result = group.result or group.give_up()
        if result.kind is ResultKind.CHANGED_MEANWHILE:
            self._changing = None
            self._person.say(f"  {result.text}: look again")
            return False
        self._conclude_changing("")
        return True

    def _conclude_changing(self, reason: str) -> None:
        if group := self._changing:
            result = group.result or group.give_up(reason)
            conclude(self._context, result, self.summary, self._person)
            self._changing = None


def show_all(
    context: RemediationContext,
    config: Configuration,
    issues: Sequence[Issue],
    person: Person,
    summary: RemediationSummary,
) -> None:
    """Show what would be done about these issues, and change nothing."""
    for issue in issues:
        if is_unfinished(issue):
            person.say(_INCOMPLETE)
        show(context, config, issue, person, summary)


def show(
    context: RemediationContext, config: Configuration, issue: Issue, person: Person, summary: RemediationSummary
) -> Look | None:
    """Show an issue and what would be done; None: its group could not be read, which is said."""
    person.say(console.heading(issue, config.account_name(issue.account_id)))
    person.say(f"  {console.since(issue)}")
    if refusal := why_not_due(issue, policy_of(config, issue.account_id), context.now()):
        person.say(f"  {refusal.text}")
    try:
        seen = look(context, config, issue, decided=True)
    except COULD_NOT as error:
        text = f"could not be read: {explain(error, context.sessions.role_arn(issue.account_id))}"
        person.say(f"  {text}")
        summary.problems.append(f"{issue.place}: {text}")
        return None
    if seen.live:
        person.say(console.usage(issue.usage or usage_of(context.ec2(issue), issue.issue_id)))
    person.say(console.planned(seen))
    if isinstance(seen.planned, Refusal) and seen.planned.needs_somebody:
        summary.problems.append(f"{issue.place}: {seen.planned.text}")
    return seen
