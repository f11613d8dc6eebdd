"""An unattended run over many groups.

Every group is changed first and looked at again afterwards, so that one wait for EC2 serves them all. What EC2 does not
show when the time is up stays incomplete: the journal says so, and the next run completes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import UnreadableIssueError
from library.issues.issue import Issue
from library.jobs.run import renewing_sleep
from remediation.candidates import due, find, find_unfinished, not_due
from remediation.conclusion import RemediationSummary, conclude, stop_at_limit
from remediation.group_change import COULD_NOT
from remediation.journal import is_unfinished
from remediation.remediator import GroupRemediation, GroupResult, ResultKind, look

if TYPE_CHECKING:
    from library.config import Configuration
    from library.jobs.command_line import Selection
    from remediation.context import RemediationContext
    from remediation.host import Person

PAUSES_S = (1, 2, 4, 8, *(15,) * 7)
"""The waits of one run for EC2 to show what it acknowledged: two minutes in all, whatever the number of groups."""

Reload = Callable[[], "Configuration"]


class BatchRun:
    """One run.

    Args:
        context: what the job works with.
        reload: reads the configuration anew.
        selection: the groups that the run may touch.
        person: who reads along.
    """

    def __init__(self, context: RemediationContext, reload: Reload, selection: Selection, person: Person) -> None:
        self._context = context
        self._reload = reload
        self._selection = selection
        self._person = person
        self._pending: list[GroupRemediation] = []
        self._not_begun = 0
        self.summary = RemediationSummary()

    def run(self) -> RemediationSummary:
        """Complete what earlier runs left, and remediate all that is due, asking nothing.

        Whatever ends it, what was changed is said, and is in `summary`.

        Raises:
            LockedError: another run took the lock over.
            InterruptedRunError: a signal asked the run to stop.
            ConfigurationError: the configuration became wrong meanwhile.
        """
        try:
            config = self._reload()
            found = find(self._context, config, self._selection)
            find_unfinished(self._context, config, self._selection, found)
            self.summary.problems += found.problems
            self._name_untouchable(found.untouchable)
            issues = due(found.issues, config, self._context.now())
            self.summary.not_due = not_due(found.issues, config, self._context.now())
            begun = {_name(issue) for issue in found.unfinished}
            concerned = [*found.unfinished, *(issue for issue in issues if _name(issue) not in begun)]
            if self._too_many(config, concerned):
                self._leave(found.unfinished, "remediation_limit_per_run stopped this run")
                return self.summary
            self._begin(concerned)
            self._wait()
        except BaseException as error:
            self._give_up(str(error) or type(error).__name__)
            raise
        self._give_up("")
        return self.summary

    def _name_untouchable(self, untouchable: Iterable[tuple[Issue, str]]) -> None:
        for issue, why in untouchable:
            text = f"an earlier run left it incomplete, and this run may not complete it: {why}"
            self.summary.problems.append(f"{issue.place}: not complete yet: {text}")

    def _leave(self, issues: Sequence[Issue], reason: str) -> None:
        for issue in issues:
            self._conclude(GroupRemediation(self._context, issue).give_up(reason))

    def _too_many(self, config: Configuration, issues: Sequence[Issue]) -> bool:
        """Whether the run would change more groups than it may. Then it changes none: so many at once is a mistake.

        Groups that an earlier run left incomplete count as the due ones do, also if something is only taken away there.
        """
        limit = config.secgrp_unrestricted_access.remediation_limit_per_run
        if len(issues) <= limit:
            return False
        changing = 0
        for here in _by_place(issues):
            for issue in here:
                self._context.lock.renew()
                try:
                    seen = look(self._context, config, issue)
                    changing += seen.has_work and seen.held is None
                except COULD_NOT:
                    continue  # said when its turn comes
        if changing <= limit:
            return False
        stop_at_limit(
            self._context,
            self.summary,
            f"{changing} groups are due to be changed, and remediation_limit_per_run is {limit}: nothing was changed",
        )
        return True

    def _begin(self, issues: Sequence[Issue]) -> None:
        """Do for each group what can be done at once."""
        self._not_begun = len(issues)
        for here in _by_place(issues):
            for issue in here:
                config = self._reload()
                if not config.secgrp_unrestricted_access.remediation:
                    self._person.say(
                        "remediation was switched off meanwhile (secgrp_unrestricted_access.remediation): stopped"
                    )
                    return
                self._not_begun -= 1
                group = self._fresh(issue, config)
                if group is not None:
                    self._pending.append(group)
                    self._advance(group, config)

    def _fresh(self, issue: Issue, config: Configuration) -> GroupRemediation | None:
        """An issue as it is now, if it is still to be looked at."""
        try:
            fresh = self._context.table.get(issue.account_id, issue.issue_id)
        except (*AWS_ERRORS, UnreadableIssueError) as error:
            self.summary.problems.append(f"{issue.place}: its issue could not be read: {explain(error)}")
            return None
        if fresh is None or not (is_unfinished(fresh) or due([fresh], config, self._context.now())):
            self.summary.left += 1
            return None
        if fresh.account_id not in config.remediation_accounts():
            self._name_untouchable([(fresh, f"account {fresh.account_id} is not one of remediation_accounts any more")])
            return None
        return GroupRemediation(self._context, fresh)

    def _wait(self) -> None:
        """Look again at what EC2 did not show, until it does or the time is up."""
        sleep = renewing_sleep(self._context.sleep, self._context.lock.renew)
        for pause in PAUSES_S:
            if not self._pending:
                return
            sleep(pause)
            config = self._reload()
            if not config.secgrp_unrestricted_access.remediation:
                return
            by_issue = {group.issue.place: group for group in self._pending}
            for here in _by_place([group.issue for group in self._pending]):
                for issue in here:
                    self._advance(by_issue[issue.place], config)

    def _advance(self, group: GroupRemediation, config: Configuration) -> None:
        group.result = group.advance(config)
        if group.result is not None:
            # A signal while people are told leaves it among the pending ones, so that they are told all the same.
            self._conclude(group.result)
            self._pending.remove(group)

    def _give_up(self, reason: str) -> None:
        """Say what became of the groups that were begun, and how many were not."""
        pending, self._pending = self._pending, []
        for group in pending:
            result = group.result or group.give_up(reason)
            if reason and result.kind is ResultKind.FAILED and not group.has_changed:
                self._not_begun += 1
            else:
                self._conclude(result)
        if reason and self._not_begun:
            self.summary.problems.append(f"{reason}: {self._not_begun} groups were not looked at")
        self._not_begun = 0

    def _conclude(self, result: GroupResult) -> None:
        conclude(self._context, result, self.summary, self._person)


def _name(issue: Issue) -> tuple[str, str]:
    return issue.account_id, issue.issue_id


def _by_place(issues: Sequence[Issue]) -> Iterator[list[Issue]]:
    """The issues of each account and region."""
    ordered = sorted(issues, key=lambda issue: (issue.account_id, issue.details.region))
    for _, here in groupby(ordered, key=lambda issue: (issue.account_id, issue.details.region)):
        yield list(here)
