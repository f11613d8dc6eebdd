"""Remediates one group, or completes what an earlier run left in it: look, plan, back up, change, look again, record.

Nothing here waits, asks a person or prints: `GroupRemediation.advance` does what can be done now, and is called again
while EC2 does not show a change yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from library.aws.ec2 import PrefixListReader
from library.aws.failures import explain
from library.documents.text import counted
from library.issues.issue import Issue
from library.security_groups.exposure import rule_text
from library.security_groups.group import IngressRule
from remediation.due import Refusal, Why, policy_of, why_not_at_once, why_not_due, why_not_touched
from remediation.group_change import COULD_NOT, ChangeFailedError, RuleChanges
from remediation.journal import Journal
from remediation.journal_entry import AddedRule, ChangeKind, JournalEntry, JournalStep, RemediationDetails, RevokedState
from remediation.live_group import LiveGroup, UnsteadyError, describe_live
from remediation.message import release_command, restore_command
from remediation.plan import Plan, RuleQuota, plan_remediation
from remediation.settlement import View, unneeded, view_of

if TYPE_CHECKING:
    from library.config import Configuration
    from remediation.context import RemediationContext

_ROUNDS = 3  # of plan and change in one run, while somebody else keeps opening the group, or answers are lost


class ResultKind(StrEnum):
    """What became of a group."""

    REMEDIATED = "remediated"
    SETTLED = "an earlier change is completed"
    LEFT = "left as it is"
    INCOMPLETE = "not complete yet"
    FAILED = "failed, nothing was changed"
    CHANGED_MEANWHILE = "not what was agreed to any more"


@dataclass(frozen=True, slots=True)
class GroupResult:
    """What became of one issue's group.

    Attributes:
        text: why, where it was not remediated; else what was done.
        backup: the key of the backup to go back to; empty: there is none.
        entry: what Hammer changed; None: nothing.
        refusal: why nothing was to be done.
    """

    issue: Issue
    kind: ResultKind
    text: str
    backup: str = ""
    entry: JournalEntry | None = None
    refusal: Refusal | None = None

    @property
    def is_done(self) -> bool:
        """Whether nobody needs to look at it."""
        if self.kind is ResultKind.LEFT:
            return self.refusal is None or not self.refusal.needs_somebody
        return self.kind in (ResultKind.REMEDIATED, ResultKind.SETTLED)


@dataclass(frozen=True, slots=True)
class Look:
    """A group as it was just described, and what is to be done about it.

    Attributes:
        live: as EC2 shows it; None: it does not exist.
        view: the same, corrected by what is known better.
        planned: what to close, or why nothing.
        withdraw: rules that Hammer added and that no closed rule needs.
        held: why nothing of it may be done now; None: it may.
    """

    live: LiveGroup | None
    view: View
    planned: Plan | Refusal
    withdraw: tuple[AddedRule, ...] = ()
    held: Refusal | None = None

    @property
    def has_work(self) -> bool:
        """Whether something is to be changed."""
        return isinstance(self.planned, Plan) or bool(self.withdraw)


def look(context: RemediationContext, config: Configuration, issue: Issue, *, decided: bool = False) -> Look:
    """Describe an issue's group, and plan.

    Args:
        context: what the job works with.
        config: the configuration.
        issue: the issue.
        decided: a person decides, so it does not matter whether the issue is due.

    Raises:
        UnsteadyError: EC2's answers differ; to look again later may help.
        one of COULD_NOT: it could not be read.
    """
    policy, now = policy_of(config, issue.account_id), context.now()
    details = RemediationDetails.of(issue.remediation_details)
    live = describe_live(context.ec2(issue), issue.issue_id, details.entry)
    # Read after the group, so that nothing counts as old before its time.
    held = None if decided else why_not_touched(issue, policy, now)
    if live is None:
        return Look(None, View((), details.entry), plan_remediation(None, {}, policy, RuleQuota(0), now), held=held)
    view = view_of(details.entry, live.group.ingress, now, context.began, details.added)
    not_due = None if decided else why_not_due(issue, policy, now)
    shown = replace(live, group=replace(live.group, ingress=view.rules))
    planned = not_due or _plan(context, config, issue, shown)
    if isinstance(planned, Plan) and policy.closing.immediate and not decided:
        begun = view.entry.closed if view.entry and details.is_unfinished else ()
        planned = _why_not_at_once(context, config, issue, shown, begun) or planned
    to_close = {rule.rule_id for rule in planned.revoke} if isinstance(planned, Plan) else set()
    is_ours_to_complete = details.is_unfinished and not _is_restore(details.entry)
    withdraw = (*unneeded(view.entry, to_close), *view.lingering) if is_ours_to_complete else ()
    return Look(live, view, planned, withdraw, held)


def _plan(context: RemediationContext, config: Configuration, issue: Issue, live: LiveGroup) -> Plan | Refusal:
    policy = policy_of(config, issue.account_id)
    lists = PrefixListReader(context.ec2(issue))
    lists.read(policy.evaluator.prefix_lists_named(live.group))
    default = config.secgrp_unrestricted_access.rules_per_security_group_quota
    quota = context.quota(live.group, issue.account_id, issue.details.region, default)
    ticket = str(issue.jira_details.get("ticket") or "")
    planned = plan_remediation(live.group, lists.entries, policy, quota, context.now(), ticket)
    if isinstance(planned, Refusal) and planned.why is Why.FIXED and issue.timestamps.remediated:
        return Refusal(Why.REMEDIATED, "remediated already: the next scan resolves its issue")
    return planned


def _why_not_at_once(
    context: RemediationContext, config: Configuration, issue: Issue, live: LiveGroup, closed: Sequence[IngressRule]
) -> Refusal | None:
    """Why immediate mode leaves a group as it is now; with the rules that this change has closed, it is as it was."""
    policy, lists = policy_of(config, issue.account_id), PrefixListReader(context.ec2(issue))
    group = replace(live.group, ingress=(*live.group.ingress, *closed))
    lists.read(policy.evaluator.prefix_lists_named(group))
    now = context.now()
    evaluation = policy.evaluator.evaluate(group, lists.entries, policy.exemptions, now.date())
    return why_not_at_once(issue, policy, evaluation.status, now)


def _is_restore(entry: JournalEntry | None) -> bool:
    return entry is not None and entry.kind is ChangeKind.RESTORE


def is_interrupted_restore(issue: Issue) -> bool:
    """Whether a restore of the group was begun and is not complete. Only who asked for it continues it."""
    details = RemediationDetails.of(issue.remediation_details)
    return details.is_unfinished and _is_restore(details.entry)


def interrupted_restore_text(issue: Issue) -> str:
    """Who must do what about it."""
    entry = RemediationDetails.of(issue.remediation_details).entry
    who, source = (entry.by, entry.restored_from) if entry else ("", "")
    return (
        f"a restore by {who or 'somebody'} was interrupted, and no other run continues it. "
        f"Run it again: {restore_command(issue, source)}; or give the group back: {release_command(issue)}"
    )


class GroupRemediation:
    """The remediation of one group in one run.

    Args:
        context: what the job works with.
        issue: the group's issue, as it was just read.
        agreed: what a person agreed to. If it is not the plan any more, nothing is changed. None: whatever is planned.
        decided: a person decides, so it does not matter whether the issue is due.
    """

    def __init__(
        self, context: RemediationContext, issue: Issue, *, agreed: Plan | Refusal | None = None, decided: bool = False
    ) -> None:
        self._context = context
        self._journal = Journal(context.table, issue, context.now)
        self._agreed = agreed
        self._decided = decided
        self._rounds = 0
        self.waiting_for = ""
        """What it waits for, after `advance` gave no result."""
        self.result: GroupResult | None = None

    @property
    def issue(self) -> Issue:
        """The issue as it was read last, with what was written since."""
        return self._journal.issue

    @property
    def has_changed(self) -> bool:
        """Whether this run has begun to change the group."""
        return self._rounds > 0

    def advance(self, config: Configuration) -> GroupResult | None:
        """Do what can be done now.

        Returns:
            What became of the group; None: EC2 does not show everything yet, so call it again later.

        Raises:
            LockedError: another run took the lock over.
        """
        while True:
            try:
                seen = look(self._context, config, self.issue, decided=self._decided)
            except UnsteadyError as error:
                self.waiting_for = str(error)
                return None
            except COULD_NOT as error:
                return self._failed(f"could not be read: {self._explain(error)}")
            if not seen.has_work:
                return self._conclude(seen)
            if result := self._why_not_changed(seen):
                return result
            try:
                self._change(seen)
            except ChangeFailedError as error:
                if error.may_help and self._rounds < _ROUNDS:
                    self.waiting_for = f"an answer of EC2's was lost: {self._explain(error)}"
                    return None
                return self._failed(self._explain(error))
            except COULD_NOT as error:
                return self._failed(self._explain(error))

    def give_up(self, reason: str = "") -> GroupResult:
        """What became of the group when nobody waits any longer.

        Args:
            reason: why not; empty: EC2 took too long.
        """
        return self._failed(reason or self.waiting_for)

    def _why_not_changed(self, seen: Look) -> GroupResult | None:
        if seen.held is not None:
            return self._failed(f"this run may not complete it: {seen.held.text}")
        if self._rounds == 0 and self._agreed is not None and seen.planned != self._agreed:
            return GroupResult(self.issue, ResultKind.CHANGED_MEANWHILE, "the group, or its plan, is another one now")
        if self._rounds == _ROUNDS:
            return self._failed("somebody opens the group again each time that it is closed")
        return None

    def _change(self, seen: Look) -> None:
        """Back the group up and change it. Raises ChangeFailedError, LockedError, or one of COULD_NOT."""
        context, issue = self._context, self.issue
        assert seen.live is not None  # noqa: S101 - a group that is gone has no plan
        plan = seen.planned if isinstance(seen.planned, Plan) else Plan((), ())
        known = seen.view.entry if self._journal.details.is_unfinished else None
        if _is_restore(known):
            known = None
        first = known.backup if known else ""
        gone = [added.rule for added in seen.withdraw]
        try:
            newest = context.back_up(issue, seen.live, ChangeKind.REMEDIATION, first, plan.add, [*plan.revoke, *gone])
        except COULD_NOT as error:
            entry = known or JournalEntry(ChangeKind.REMEDIATION, JournalStep.UNDONE, "")
            raise ChangeFailedError(f"could not be backed up: {explain(error)}", entry) from error
        entry = known or JournalEntry(ChangeKind.REMEDIATION, JournalStep.ADDING, newest)
        entry = replace(entry, newest_backup=newest, run=context.run, by=context.who)
        changes = RuleChanges(
            add=plan.add,
            revoke=plan.revoke,
            relied_on=plan.relied_on,
            replaces=plan.replaces,
            lingering=seen.view.lingering,
        )
        told = (f"{issue.place}: {note}" for note in plan.notes)
        context.notes += [note for note in told if note not in context.notes]
        context.lock.mark_unfinished(issue.account_id, issue.details.region, issue.issue_id)
        self._rounds += 1
        context.change_of(issue, self._journal).carry_out(entry, changes, backup=entry.backup, restored=None)

    def _conclude(self, seen: Look) -> GroupResult | None:
        """What a look means that shows nothing to be done."""
        entry = seen.view.entry if self._journal.details.is_unfinished else None
        assert isinstance(seen.planned, Refusal)  # noqa: S101 - a plan is work
        refusal = seen.planned
        if entry is None:
            return GroupResult(self.issue, ResultKind.LEFT, refusal.text, refusal=refusal)
        if _is_restore(entry):
            return self._failed(interrupted_restore_text(self.issue))
        if refusal.needs_somebody:
            return self._failed(refusal.text)
        is_unknown = any(one.state is RevokedState.SENT for one in entry.revoke)
        if seen.held is not None and (seen.view.not_shown or is_unknown) and seen.live is not None:
            return self._failed(f"this run may not complete it: {seen.held.text}")
        if seen.view.not_shown and seen.live is not None:
            shown = ", ".join(dict.fromkeys(map(rule_text, seen.view.not_shown)))
            self.waiting_for = f"EC2 does not show the change of these rules yet: {shown}"
            return None
        # Less severe by now, what is left waits for the retention period.
        is_judged = seen.held is None and refusal.why not in (Why.NOT_OPEN, Why.NOT_DUE)
        return self._record(entry, seen, remediated=bool(entry.closed) and is_judged)

    def _record(self, entry: JournalEntry, seen: Look, *, remediated: bool) -> GroupResult:
        """Write that the change is complete."""
        there = {rule.rule_id for rule in seen.view.rules}
        added = {rule.rule_id: rule for rule in (*self._journal.details.added, *entry.added) if rule.rule_id in there}
        step = JournalStep.DONE if entry.left_traces else JournalStep.UNDONE
        try:
            entry = self._journal.write(
                replace(entry, step=step, problem=""),
                remediated=remediated,
                added=[rule._asdict() for rule in added.values()],
            )
        except COULD_NOT as error:
            return self._failed(f"changed, but it could not be recorded: {explain(error)}")
        issue = self.issue
        self._context.mark_finished(issue.account_id, issue.details.region, issue.issue_id)
        if entry.closed:
            text = f"{counted(len(entry.closed), 'rule')} replaced by {len(entry.added):,}"
            return GroupResult(issue, ResultKind.REMEDIATED, text, entry.backup, entry)
        taken = len(entry.withdrawn)
        text = f"{taken} rules that Hammer had added were taken away again" if taken else "nothing of it was left"
        return GroupResult(issue, ResultKind.SETTLED, text, entry.backup, entry)

    def _failed(self, text: str) -> GroupResult:
        """A result that somebody has to know of: whether the group was changed tells the journal."""
        details = self._journal.details
        if details.is_unfinished and details.entry:
            return GroupResult(self.issue, ResultKind.INCOMPLETE, text, details.entry.backup, details.entry)
        return GroupResult(self.issue, ResultKind.FAILED, text, details.entry.backup if details.entry else "")

    def _explain(self, error: Exception) -> str:
        return explain(error, self._context.sessions.role_arn(self.issue.account_id))
