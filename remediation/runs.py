"""The runs of remediation over many groups: which groups, in which order, at a terminal or unattended.

From the top: the groups that a run is about (the due ones, and those that an earlier run left incomplete); what a run
says when it has done with a group; the unattended run; the run at a terminal, which shows each group and does what
the person agrees to.

Unattended, every group is changed first and looked at again afterwards, so that one wait for EC2 serves them all.
What EC2 does not show when the time is up stays incomplete: the journal says so, and the next run completes it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from library.aws.ec2 import users_of
from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import UnreadableIssueError
from library.issues.issue import Issue, Status
from library.issues.schedule import Skipped, SkipReason
from library.jobs.run import renewing_sleep
from library.notifications.owners import owners_of_issue
from remediation import console
from remediation.change import GROUP_ERRORS
from remediation.eligibility import Policy, account_policy, why_not_due
from remediation.journal import Journal, RemediationDetails, is_unfinished
from remediation.notify import (
    ChangeMessage,
    failed_message,
    give_up_command,
    incomplete_message,
    is_known,
    notify,
    restore_command,
    restore_interrupted_message,
    undone_text,
)
from remediation.plan import Plan
from remediation.planning import KEEP_QUESTION, chosen_to_keep, keep_lines, keep_proposals, refused_before
from remediation.remediate import (
    PAUSES_S,
    Assessment,
    GroupRemediation,
    GroupResult,
    ResultKind,
    assess,
    interrupted_restore_text,
    is_interrupted_restore,
    wait_until_done,
)

if TYPE_CHECKING:
    from library.config import Configuration
    from library.jobs.command_line import Selection
    from library.network.addresses import Network
    from remediation.context import Prompt, RemediationContext

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Candidates:
    """What a run found.

    Attributes:
        issues: the open and exempt issues of selected groups, by account, region and group.
        unfinished: the issues of selected groups, in whatever status, that an earlier run left incomplete.
        untouchable: the same of groups that are not selected, or not remediated by this configuration, each with why.
        problems: what could not be read, one line each.
    """

    issues: list[Issue] = field(default_factory=list)
    unfinished: list[Issue] = field(default_factory=list)
    untouchable: list[tuple[Issue, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def find(context: RemediationContext, config: Configuration, selection: Selection) -> Candidates:
    """Read the issues of the accounts that are remediated. A row that cannot be read is named, and left out."""
    found = Candidates()

    def unreadable(item: UnreadableIssueError) -> None:
        if selection.takes(item.account_id, item.region, item.issue_id):
            found.problems.append(str(item))

    for account_id in config.remediation_accounts():
        if selection.accounts and account_id not in selection.accounts:
            continue
        try:
            issues = [
                issue
                for issue in context.table.with_status(
                    account_id, Status.OPEN, Status.WHITELISTED, unreadable=unreadable
                )
                if issue.kind.is_remediated
                and selection.takes(account_id, issue.details.region, issue.issue_id)
                and config.watches(account_id, issue.details.region)
            ]
        except AWS_ERRORS as error:
            found.problems.append(f"account {account_id}: its issues could not be read: {explain(error)}")
            continue
        for issue in issues:
            if problem := RemediationDetails.of(issue.remediation_details).problem:
                found.problems.append(f"{issue.location}: {problem}")
            else:
                found.issues.append(issue)
    found.issues.sort(key=_order)
    return found


def find_unfinished(
    context: RemediationContext,
    config: Configuration,
    selection: Selection,
    found: Candidates,
    *,
    read_only: bool = False,
) -> None:
    """Add the groups that an earlier run left incomplete: those found, and those that the lock names.

    A mark of the lock that is not true any more goes, unless `read_only`.
    """
    found.unfinished = [issue for issue in found.issues if is_unfinished(issue)]
    known = {(issue.account_id, issue.details.region, issue.issue_id): issue for issue in found.issues}
    marked = context.lock.read().unfinished
    for location in sorted(marked & known.keys()):
        if not (is_unfinished(known[location]) or read_only):
            context.mark_finished(*location)
    for account_id, region, group_id in sorted(marked - known.keys()):
        text = f"{group_id} in {account_id}, {region}"
        try:
            issue = context.table.get(account_id, group_id)
        except (*AWS_ERRORS, UnreadableIssueError) as error:
            found.problems.append(f"{text}: an earlier run left it incomplete: {explain(error)}")
            continue
        details = RemediationDetails.of(issue.remediation_details) if issue else RemediationDetails()
        if issue is None or not (details.is_unfinished or details.problem):
            if not read_only:
                context.mark_finished(account_id, region, group_id)
        elif details.problem:
            problem = f"{text}: {details.problem}"
            found.problems += [problem] if problem not in found.problems else []
        elif account_id not in config.remediation_accounts():
            found.untouchable.append((issue, f"account {account_id} is not one of remediation_accounts"))
        elif not config.watches(account_id, region):
            found.untouchable.append((issue, "its account or region is not among those that are scanned any more"))
        elif not selection.takes(account_id, region, group_id):
            found.untouchable.append((issue, "it is not among the groups that --account, --region and --group select"))
        else:
            found.unfinished.append(issue)
    found.unfinished.sort(key=_order)


def due(issues: Iterable[Issue], config: Configuration, now: datetime) -> list[Issue]:
    """Those that automatic remediation may change now."""
    return [
        issue
        for issue, skipped in _judged(issues, config, now)
        if skipped is None and issue.account_id in config.remediation_accounts()
    ]


def not_due(issues: Iterable[Issue], config: Configuration, now: datetime) -> Counter[SkipReason]:
    """How many issues automatic remediation leaves alone now, by why. Those that a run left incomplete do not count."""
    waiting = (issue for issue in issues if not is_unfinished(issue))
    return Counter(skipped.reason for _, skipped in _judged(waiting, config, now) if skipped)


def _judged(issues: Iterable[Issue], config: Configuration, now: datetime) -> Iterator[tuple[Issue, Skipped | None]]:
    """Issues, each with why it is not due; None: it is."""
    policies: dict[str, Policy] = {}
    for issue in issues:
        if issue.account_id not in policies:
            policies[issue.account_id] = account_policy(config, issue.account_id)
        yield issue, why_not_due(issue, policies[issue.account_id], now)


def _order(issue: Issue) -> tuple[str, str, str]:
    return issue.account_id, issue.details.region, issue.issue_id


@dataclass(slots=True)
class RemediationSummary:
    """What a run came to.

    Attributes:
        remediated: how many groups.
        left: how many of those it looked at needed nothing, or were not agreed to.
        not_due: how many issues it did not look at, by why they are not due.
        problems: what could not be done, one line each.
    """

    remediated: int = 0
    left: int = 0
    not_due: Counter[SkipReason] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The run in one line."""
        return f"{self.remediated} remediated, {self.left} left as they are{self.skipped}"

    @property
    def skipped(self) -> str:
        """What the run did not look at, as the end of that line."""
        waiting = ", ".join(f"{number} {cause}" for cause, number in sorted(self.not_due.items()))
        return f"; not looked at: {waiting}" if waiting else ""


def report_outcome(
    context: RemediationContext,
    result: GroupResult,
    summary: RemediationSummary,
    prompt: Prompt,
    *,
    is_asked_for: bool,
) -> None:
    """Say what became of a group to everybody whom it concerns.

    A person who asked for it (`is_asked_for`) is told also of what an earlier run could not do either.
    """
    issue = result.issue
    message = _message(context, result)
    undelivered = ""
    was_notified = message is not None and is_known(issue, message)
    if message is not None:
        undelivered = notify(
            context.notifier, context.table, issue, message, repeated=not result.is_done, now=context.now
        )
    backup = f"; backup {result.backup}" if result.backup else ""
    prompt.show(f"{issue.location}: {result.kind}: {result.text}{backup}")
    if result.kind is ResultKind.REMEDIATED:
        summary.remediated += 1
    elif result.is_done or (result.kind is not ResultKind.INCOMPLETE and was_notified and not is_asked_for):
        # What could not be done, and was told, is no news each day: `status` and `explain` show it.
        summary.left += 1
    else:
        summary.problems.append(f"{issue.location}: {_problem(result)}")
    summary.problems += [f"{issue.location}: {text}" for text in result.undone]
    if undelivered:
        summary.problems.append(undelivered)


def _message(context: RemediationContext, result: GroupResult) -> ChangeMessage | None:
    """What people are told; None: nothing."""
    issue, bucket = result.issue, context.backups.bucket
    if result.is_done:
        return result.message
    if result.kind is ResultKind.INCOMPLETE and result.entry and result.entry.is_restore:
        return restore_interrupted_message(issue, bucket, result.entry)
    if result.kind is ResultKind.INCOMPLETE and result.entry:
        message = incomplete_message(issue, bucket, result.entry, result.text)
        return replace(message, details=(*message.details, *undone_text(result.undone)))
    return failed_message(result.text)


def _problem(result: GroupResult) -> str:
    return f"not complete yet: {result.text}" if result.kind is ResultKind.INCOMPLETE else result.text


def counts_for_limit(context: RemediationContext, issue: Issue, seen: Assessment) -> bool:
    """Whether an unattended run would change the group. What EC2 refused lately is not tried, so it does not count."""
    lately = refused_before(issue.remediation_details, seen.fingerprint, context.now())
    return seen.has_work and seen.held is None and not lately


def report_limit(context: RemediationContext, summary: RemediationSummary, text: str) -> None:
    """Say, also to those who run Hammer, that more groups would be changed than `remediation_limit_per_run`."""
    text = f"stopped: {text}. Look at them with --dry-run, then raise the limit, or choose with --group"
    summary.problems.append(text)
    _log.warning(text, extra={"stopped_at_limit": True})  # deployment's alarm counts these
    context.notifier.alert_operators("Remediation stopped", text)


def untouchable_text(issue: Issue, cause: str) -> str:
    """That an earlier run left a group incomplete, and why this run may not complete it."""
    text = f"an earlier run left it incomplete, and this run may not complete it: {cause}"
    return f"{issue.location}: not complete yet: {text}"


def name_untouchable(
    context: RemediationContext,
    untouchable: Iterable[tuple[Issue, str]],
    config: Configuration,
    summary: RemediationSummary,
    prompt: Prompt,
) -> None:
    """Name what an earlier run left incomplete and this run may not complete.

    Where the account or region left the configuration, nothing will ever complete it: it is named once, with the
    command that gives it up. `hammer status` shows it until then.
    """
    for issue, cause in untouchable:
        line = untouchable_text(issue, cause)
        if config.watches(issue.account_id, issue.details.region):
            summary.problems.append(line)
            continue
        line += f". To leave the group as it is: {give_up_command(issue)}"
        if _record_naming(context, issue):
            prompt.show(line)
        else:
            summary.problems.append(line)


def _record_naming(context: RemediationContext, issue: Issue) -> bool:
    """Record that a change at a place that left was named. Returns whether an earlier run has named it."""
    entry = RemediationDetails.of(issue.remediation_details).entry
    change = entry.backup if entry else ""
    if change and issue.remediation_details.get("named") == change:
        return True
    try:
        Journal(context.table, issue, context.now).note(named=change)
    except GROUP_ERRORS as error:
        _log.warning("it will be named again", extra={"issue": issue.location, "reason": explain(error)})
    return False


Reload = Callable[[], "Configuration"]


class _Run:
    """What both runs have: the groups that a selection takes, and a `summary`, which is true whatever ends the run.

    `reload` reads the configuration anew.
    """

    def __init__(self, context: RemediationContext, reload: Reload, selection: Selection, prompt: Prompt) -> None:
        self._context = context
        self._reload = reload
        self._selection = selection
        self._prompt = prompt
        self.summary = RemediationSummary()

    def _found(self, config: Configuration) -> Candidates:
        """The groups that the run may touch. What it may not, or could not read, is named."""
        found = find(self._context, config, self._selection)
        find_unfinished(self._context, config, self._selection, found)
        self.summary.problems += found.problems
        name_untouchable(self._context, found.untouchable, config, self.summary, self._prompt)
        return found

    def _read_again(self, issue: Issue) -> Issue | None:
        """An issue as it is now; None: there is none any more, or it could not be read, which is named."""
        try:
            fresh = self._context.table.get(issue.account_id, issue.issue_id)
        except (*AWS_ERRORS, UnreadableIssueError) as error:
            self.summary.problems.append(f"{issue.location}: its issue could not be read: {explain(error)}")
            return None
        self.summary.left += fresh is None
        return fresh

    def _account_is_remediated(self, issue: Issue, config: Configuration) -> bool:
        """Whether the configuration still has an issue's account remediated. What is left incomplete there is named."""
        if issue.account_id in config.remediation_accounts():
            return True
        cause = f"account {issue.account_id} is not one of remediation_accounts any more"
        if is_unfinished(issue):
            name_untouchable(self._context, [(issue, cause)], config, self.summary, self._prompt)
        else:
            self.summary.left += 1
        return False


class BatchRun(_Run):
    """The unattended run: changes all that is due, and looks at what EC2 does not show yet once more afterwards."""

    def __init__(self, context: RemediationContext, reload: Reload, selection: Selection, prompt: Prompt) -> None:
        super().__init__(context, reload, selection, prompt)
        self._pending: list[GroupRemediation] = []
        self._changed: set[str] = set()
        self._is_stopped = False
        self._not_begun = 0

    def run(self) -> RemediationSummary:
        """Complete what earlier runs left, and remediate all that is due, asking nothing.

        Raises:
            LockedError: another run took the lock over.
            InterruptedRunError: a signal asked the run to stop.
            ConfigurationError: the configuration became wrong meanwhile.
        """
        try:
            config = self._reload()
            found = self._found(config)
            issues = due(found.issues, config, self._context.now())
            self.summary.not_due = not_due(found.issues, config, self._context.now())
            unfinished = {issue.location for issue in found.unfinished}
            concerned = [*found.unfinished, *(issue for issue in issues if issue.location not in unfinished)]
            concerned.sort(key=lambda issue: (issue.account_id, issue.details.region))
            if self._too_many(config, concerned):
                self._leave(found.unfinished, "remediation_limit_per_run stopped this run")
                return self.summary
            self._begin(concerned)
            self._wait()
        except BaseException as error:
            self._report_unfinished(str(error) or type(error).__name__)
            raise
        self._report_unfinished("")
        return self.summary

    def _leave(self, issues: Sequence[Issue], reason: str) -> None:
        for issue in issues:
            self._report_outcome(GroupRemediation(self._context, issue).give_up(reason))

    def _too_many(self, config: Configuration, issues: Sequence[Issue]) -> bool:
        """Whether the run would change more groups than it may. Then it changes none: so many at once is a mistake.

        Groups that an earlier run left incomplete count as the due ones do, also if something is only taken away there.
        """
        limit = config.secgrp_unrestricted_access.remediation_limit_per_run
        if len(issues) <= limit:
            return False
        changing = 0
        for issue in issues:
            self._context.lease.renew()
            try:
                seen = assess(self._context, config, issue)
            except GROUP_ERRORS:
                continue  # said when its turn comes
            changing += counts_for_limit(self._context, issue, seen)
            if changing > limit:
                text = f"more than {limit} groups are due to be changed, and remediation_limit_per_run is {limit}"
                report_limit(self._context, self.summary, f"{text}: nothing was changed")
                return True
        return False

    def _begin(self, issues: Sequence[Issue]) -> None:
        """Do for each group what can be done at once."""
        self._not_begun = len(issues)
        for issue in issues:
            config = self._reload()
            if not config.secgrp_unrestricted_access.remediation:
                self._prompt.show(
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
        fresh = self._read_again(issue)
        if fresh is None or not self._account_is_remediated(fresh, config):
            return None
        if not (is_unfinished(fresh) or due([fresh], config, self._context.now())):
            self.summary.left += 1
            return None
        return GroupRemediation(self._context, fresh)

    def _wait(self) -> None:
        """Look again at what EC2 did not show, until it does or the time is up."""
        sleep = renewing_sleep(self._context.sleep, self._context.lease.renew)
        for pause in PAUSES_S:
            if not self._pending:
                return
            sleep(pause)
            config = self._reload()
            if not config.secgrp_unrestricted_access.remediation:
                return
            for group in tuple(self._pending):
                self._advance(group, config)

    def _advance(self, group: GroupRemediation, config: Configuration) -> None:
        # Counted again: a group that could not be read when they were counted, or was safe then, may be changed now.
        group.may_change = len(self._changed) < config.secgrp_unrestricted_access.remediation_limit_per_run
        group.result = group.advance(config)
        if group.has_changed:
            self._changed.add(group.issue.location)
        if group.result is not None:
            # A signal while people are told leaves it among the pending ones, so that they are told all the same.
            self._report_outcome(group.result)
            self._pending.remove(group)

    def _report_unfinished(self, reason: str) -> None:
        """Say what became of the groups that were begun, and how many were not."""
        pending, self._pending = self._pending, []
        for group in pending:
            result = group.result or group.give_up(reason)
            if reason and result.kind is ResultKind.FAILED and not group.has_changed:
                self._not_begun += 1
            else:
                self._report_outcome(result)
        if reason and self._not_begun:
            self.summary.problems.append(f"{reason}: {self._not_begun} groups were not looked at")
        self._not_begun = 0

    def _report_outcome(self, result: GroupResult) -> None:
        if result.kind is not ResultKind.OVER_LIMIT:
            is_asked_for = bool(self._context.keep)
            report_outcome(self._context, result, self.summary, self._prompt, is_asked_for=is_asked_for)
            return
        if not self._is_stopped:
            self._is_stopped = True
            text = f"{len(self._changed)} groups were changed, which is remediation_limit_per_run"
            report_limit(self._context, self.summary, text)
        if is_unfinished(result.issue):
            self._leave([result.issue], "remediation_limit_per_run stopped this run")
        else:
            self.summary.problems.append(f"{result.issue.location}: {result.kind}: {result.text}")


INCOMPLETE = "An earlier run left this group incomplete; what is shown completes it."


class InteractiveRun(_Run):
    """The run at a terminal: shows each group, and does what the person agrees to."""

    def __init__(self, context: RemediationContext, reload: Reload, selection: Selection, prompt: Prompt) -> None:
        super().__init__(context, reload, selection, prompt)
        self._changing: GroupRemediation | None = None
        self._changed = 0
        self._unfinished: set[str] = set()  # the locations of groups to complete that the run has said nothing of
        self._kept_by_option = context.keep
        self._include_not_due = False

    def run(self, *, include_not_due: bool) -> RemediationSummary:
        """Show each issue that is due, or every one, and remediate those agreed to. Raises as `BatchRun.run` does."""
        self._include_not_due = include_not_due
        try:
            issues = self._issues(self._reload(), include_not_due=include_not_due)
            asks = True
            for number, issue in enumerate(issues, 1):
                self._prompt.show(f"\n[{number} of {len(issues)}]")
                answer = self._offer(issue, asks=asks)
                if answer == "q":
                    break
                asks = asks and answer != "a"
            self.summary.problems += [
                f"{location}: not complete yet: an earlier run left it incomplete, and nobody agreed to complete it"
                for location in sorted(self._unfinished)
            ]
        except BaseException as error:
            self._report_changing(str(error) or type(error).__name__)
            raise
        return self.summary

    def _issues(self, config: Configuration, *, include_not_due: bool) -> list[Issue]:
        found, now = self._found(config), self._context.now()
        chosen = found.issues if include_not_due else due(found.issues, config, now)
        if not include_not_due:
            self.summary.not_due = not_due(found.issues, config, now)
        unfinished = []
        for issue in found.unfinished:
            if include_not_due or not is_interrupted_restore(issue):
                unfinished.append(issue)
            else:
                self.summary.problems.append(f"{issue.location}: not complete yet: {interrupted_restore_text(issue)}")
        known = {issue.location for issue in found.unfinished}
        self._unfinished = {issue.location for issue in unfinished}
        return [*unfinished, *(issue for issue in chosen if issue.location not in known)]

    def _offer(self, issue: Issue, *, asks: bool) -> str:
        """Show one issue until it is decided. Returns the answer; `q`: stop.

        The issue and the configuration are read again after the answer, too: a person may take hours.
        """
        while True:
            if (offered := self._to_offer(issue)) is None:
                return "n"
            issue, config = offered
            skipped = self._why_not_due(issue, config)
            if is_unfinished(issue):
                self._prompt.show(INCOMPLETE)
            self._context.keep = self._kept_by_option
            seen = show(self._context, config, issue, self._prompt, self.summary)
            if seen is None:
                self._unfinished.discard(issue.location)  # why it could not be read is among the problems
            if seen is None or not seen.has_work:
                self.summary.left += seen is not None
                if seen is not None and is_unfinished(issue):
                    self._change(issue, seen, config)
                return "n"
            chosen = self._with_kept(issue, seen, config) if asks else seen
            answer = "q" if chosen is None else self._answer(issue, chosen) if asks else "y"
            seen = chosen or seen
            if answer == "q":
                self._prompt.show("stopped")
                return "q"
            if answer == "n":
                self.summary.left += 1
                return "n"
            limit = config.secgrp_unrestricted_access.remediation_limit_per_run
            if self._changed >= limit:
                text = f"{limit} groups were changed, which is remediation_limit_per_run"
                report_limit(self._context, self.summary, text)
                return "q"
            if (offered := self._to_offer(issue)) is None:
                return "n"
            fresh, config = offered
            if fresh.occurrence != issue.occurrence or self._why_not_due(fresh, config) != skipped:
                self._prompt.show("  its issue has changed meanwhile: look again")
            elif self._change(fresh, seen, config):
                return answer

    def _to_offer(self, issue: Issue) -> tuple[Issue, Configuration] | None:
        """An issue and the configuration as they are now; None: it is not offered any more, which is said."""
        config = self._reload()
        fresh = self._read_again(issue)
        if fresh is None or not self._account_is_remediated(fresh, config):
            self._unfinished.discard(issue.location)
            self._prompt.show(f"{issue.location}: not offered any more")
            return None
        if self._include_not_due or is_unfinished(fresh) or (skipped := self._why_not_due(fresh, config)) is None:
            return fresh, config
        self.summary.left += 1
        self._prompt.show(f"{issue.location}: not offered any more: {skipped.text}")
        return None

    def _why_not_due(self, issue: Issue, config: Configuration) -> Skipped | None:
        return why_not_due(issue, account_policy(config, issue.account_id), self._context.now())

    def _with_kept(self, issue: Issue, seen: Assessment, config: Configuration) -> Assessment | None:
        """Offer whom flow logs propose to keep, and plan with whom the person chose; None: they want to stop."""
        offered = keep_proposals(issue, seen.planned) if isinstance(seen.planned, Plan) else ()
        if self._kept_by_option or not offered:
            return seen
        for line in keep_lines(issue, offered):
            self._prompt.show(line)
        while True:
            answer = self._prompt.confirm(KEEP_QUESTION)
            if answer.startswith("q"):
                return None
            chosen = chosen_to_keep(answer, offered)
            if chosen is None:
                self._prompt.show(f"  numbers from 1 to {len(offered)}, or nothing")
            elif not chosen:
                return seen
            else:
                planned = self._planned_with(issue, chosen, config)
                if planned is not None:
                    return planned

    def _planned_with(self, issue: Issue, chosen: tuple[Network, ...], config: Configuration) -> Assessment | None:
        """The plan that keeps these, shown; None: it cannot be done, which is said."""
        self._context.keep = chosen
        try:
            seen = assess(self._context, config, issue, decided=True)
        except GROUP_ERRORS as error:
            self._prompt.show(f"  could not be read: {explain(error)}")
        else:
            self._prompt.show(console.planned(seen))
            if seen.has_work:
                return seen
        self._context.keep = self._kept_by_option
        return None

    def _answer(self, issue: Issue, seen: Assessment) -> str:
        while True:
            answer = self._prompt.confirm("Remediate it? y(es), n(o), d(etails), a(ll that follow), q(uit), ?:")[:1]
            if answer in ("y", "n", "a", "q"):
                return answer
            if answer == "d":
                try:
                    backups = self._context.backups.list(issue.account_id, issue.details.region, issue.issue_id)
                except AWS_ERRORS as error:
                    self._prompt.show(f"  its backups could not be listed: {explain(error)}")
                    backups = []
                self._prompt.show(console.details(issue, seen, backups))
            else:
                self._prompt.show(console.HELP)

    def _change(self, issue: Issue, seen: Assessment, config: Configuration) -> bool:
        """Change a group and wait until EC2 shows it. False: it is not what was agreed to any more."""
        group = self._changing = GroupRemediation(self._context, issue, agreed=seen.planned, decided=True)
        result = wait_until_done(self._context, group, config, self._prompt.show)
        self._changed += group.has_changed
        if result.kind is ResultKind.CHANGED_MEANWHILE:
            self._changing = None
            self._prompt.show(f"  {result.text}: look again")
            return False
        self._unfinished.discard(issue.location)
        self._report_changing("")
        if result.kind is ResultKind.REMEDIATED:
            self._prompt.show(f"  take it back with: {restore_command(issue)}")
        return True

    def _report_changing(self, reason: str) -> None:
        if group := self._changing:
            result = group.result or group.give_up(reason)
            report_outcome(self._context, result, self.summary, self._prompt, is_asked_for=True)
            self._changing = None


def show(
    context: RemediationContext,
    config: Configuration,
    issue: Issue,
    prompt: Prompt,
    summary: RemediationSummary,
    *,
    decided: bool = True,
) -> Assessment | None:
    """Show an issue and what would be done; None: its group could not be read, which is said.

    If a person `decided`, it does not matter whether the issue is due. What could not be read is added to `summary`.
    """
    prompt.show(console.heading(issue, config.account_name(issue.account_id)))
    prompt.show(f"  {console.since(issue)}")
    if skipped := why_not_due(issue, account_policy(config, issue.account_id), context.now()):
        prompt.show(f"  {skipped.text}")
    try:
        seen = assess(context, config, issue, decided=decided)
    except GROUP_ERRORS as error:
        text = f"could not be read: {explain(error, context.sessions.role_arn(issue.account_id))}"
        prompt.show(f"  {text}")
        summary.problems.append(f"{issue.location}: {text}")
        return None
    if seen.live:
        users = issue.used_by or users_of(context.ec2(issue), issue.issue_id)
        prompt.show(console.owner(owners_of_issue(config, issue, users.tags)))
        prompt.show(console.users_text(users))
    prompt.show(console.planned(seen))
    if isinstance(seen.planned, Skipped) and seen.planned.needs_somebody:
        summary.problems.append(f"{issue.location}: {seen.planned.text}")
    return seen
