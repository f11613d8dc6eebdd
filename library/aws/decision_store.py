"""People's decisions in the issue table: carrying one out, the exemptions that follow, and what is still to be told.

Whatever brings a decision, `Decisions.carry_out` is the one place where it becomes true: the issue is read, the pure
`library.issues.decision_rules.decide` says what becomes of the request, and one conditional write makes it so. Where
somebody else was first, the issue is read and judged again, so the second person is told who was first. A process that
dies before that write has done nothing; one that dies after it leaves in the item what is still to be told
(`DecisionState.outbox`), and any other process goes on from there.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from library.errors import ConflictError, HammerError
from library.issues.change_notifications import is_held
from library.issues.decision_record import (
    EXEMPTION_PREFIX,
    DecidedExemption,
    Decision,
    DecisionState,
    Untold,
)
from library.issues.decision_rules import Limits, Request, decide, ended, restored
from library.security_groups.exemptions import Exemption, Exemptions

if TYPE_CHECKING:
    from library.aws.conditional_writes import Items
    from library.aws.issue_table import IssueTable
    from library.issues.issue import Issue

_log = logging.getLogger(__name__)

_ATTEMPTS = 20  # each lost to somebody else's write


class UnreadableExemptionError(HammerError):
    """An exemption's item is not as it should be. Nobody knows what is exempt, so nothing is judged."""


@dataclass(frozen=True, slots=True)
class DecisionOutcome:
    """What became of a request.

    Attributes:
        decision: the decision as it is listed. Of a restore, as it will be.
        repeated: whether the request was carried out or refused before: it came twice.
        pending: whether it is a restore that is still to be carried out.
    """

    issue: Issue
    decision: Decision
    repeated: bool = False
    pending: bool = False

    @property
    def rejection(self) -> str:
        """Why it is refused; empty: it is not."""
        return self.decision.rejection


class Decisions:
    """Decisions about the issues of one table."""

    def __init__(self, table: IssueTable, now: Callable[[], datetime]) -> None:
        self._table = table
        self._now = now

    def carry_out(self, account_id: str, group_id: str, request: Request, limits: Limits) -> DecisionOutcome | None:
        """Carry a request out, or refuse it, and record that.

        Args:
            account_id: the issue's account.
            group_id: its group.
            request: what somebody wants. Its `key` must not be empty: it tells an answer that was lost from another
                request.
            limits: the configuration's, for the account.

        Returns:
            What became of it; None: there is no such issue.

        Raises:
            ConflictError: others kept changing the issue.
            UnreadableIssueError: its item is not as it should be.
            ClientError, BotoCoreError: the table could not be read or written. Nothing is decided, or nobody knows.
        """
        conflict = f"{group_id} in {account_id} kept changing while a decision about it was written: try again"
        taken, sent = 0, False
        for read in self._attempts(account_id, group_id, conflict):
            issue = replace(read, decided=replace(read.decided, number=max(read.decided.number, taken)))
            ruling = decide(issue, request, limits, self._now())
            if ruling.decision is None:
                return _repeated(issue, request, sent=sent)
            if issue.decided.problem:
                return DecisionOutcome(issue, ruling.decision)
            if self._write(issue, ruling.state, ruling.exemption):
                is_pending = ruling.restore is not None
                if not is_pending:
                    log_decision(issue, ruling.decision)
                return DecisionOutcome(_with(issue, ruling.state), ruling.decision, pending=is_pending)
            sent = True
            if ruling.exemption and self._table.items.get(account_id, ruling.exemption.item_id):
                # The issue's row was lost, and its decisions are counted anew; or somebody else was first.
                taken = ruling.exemption.number
        return None

    def begin_restore(self, issue: Issue) -> Issue | None:
        """Record that this process, which holds the lock of remediation, carries out the restore that was decided.

        From then on nobody who only waits for the lock says that it was not carried out.

        Returns:
            The issue after that; None: the request is gone by now.
        """
        request = issue.decided.restore

        def begun(decided: DecisionState) -> DecisionState | None:
            if request is None or decided.restore is None:
                return None
            same = replace(request, begun=True)  # also where the answer to this very write was lost
            return replace(decided, restore=same) if replace(decided.restore, begun=True) == same else None

        issue, state = self._changed(issue, begun, "its restore was begun")
        return issue if state else None

    def finish_restore(self, issue: Issue, problem: str) -> DecisionOutcome | None:
        """Record that the restore that was decided is over.

        Args:
            issue: the issue, with the request.
            problem: why the group could not be restored; empty: it was.

        Returns:
            What became of it; None: another process recorded it.
        """
        request = issue.decided.restore
        if request is None:
            return None
        conflict = f"{issue.location} kept changing while its restore was recorded"
        for fresh in self._attempts(issue.account_id, issue.issue_id, conflict):
            if fresh.decided.restore != request:
                return None
            state = restored(fresh, problem)
            if self._write(fresh, state):
                return _logged(fresh, state)
        return None

    def end_exemption(self, exemption: DecidedExemption, by: str, reason: str = "") -> DecisionOutcome | None:
        """End an exemption that a decision made.

        Returns:
            What became of it; None: it had ended, or its issue is gone, or its decisions cannot be read: see
            `end_without_issue`.

        Raises:
            UnreadableIssueError: the issue's item is not as it should be.
        """
        conflict = f"{exemption.id} could not be ended: its issue kept changing"
        for issue in self._attempts(exemption.account_id, exemption.group_id, conflict):
            if issue.decided.problem:
                return None  # what was decided before is not written over
            now = self._now()
            state = ended(issue, exemption, by, now, reason)
            over = replace(exemption, ended=f"{by} at {now.isoformat()}")
            if self._write(issue, state, over):
                return _logged(issue, state)
            fresh = exemption_of_id(self._table.items, exemption.id)
            if fresh is None or fresh.ended:
                return None
        return None

    def end_without_issue(self, exemption: DecidedExemption, by: str) -> bool:
        """End an exemption of which no issue can say so. Returns whether it counted until now."""
        condition = "attribute_exists(issue_id) AND attribute_not_exists(#ended)"
        ended = {"ended": f"{by} at {self._now().isoformat()}"}
        try:
            self._table.items.update(exemption.account_id, exemption.item_id, ended, condition=condition)
        except ConflictError:
            return False
        _log.info("exemption ended", extra={"exemption": exemption.id, **ended})
        return True

    def claim_untold(self, issue: Issue, *, webhook: bool = True) -> tuple[Issue, tuple[Untold, ...]]:
        """Say that this process tells what is still to be told of an issue, so that no other does at the same time.

        Args:
            issue: the issue.
            webhook: whether this process tells the webhook; if not, entries that wait only for the webhook are left.

        Returns:
            The issue as it is now, and what to tell: without what a living process has claimed.
        """
        mine: tuple[Untold, ...] = ()

        def claimed(decided: DecisionState) -> DecisionState | None:
            nonlocal mine
            now = self._now()
            mine = tuple(
                entry
                for entry in decided.outbox
                if not is_held(entry.claimed, now) and (webhook or not replace(entry, webhook=False).is_notified)
            )
            outbox = tuple(replace(entry, claimed=now) if entry in mine else entry for entry in decided.outbox)
            return replace(decided, outbox=outbox) if mine else None

        issue, state = self._changed(issue, claimed, "its decisions were told")
        return issue, mine if state else ()

    def notified(self, issue: Issue, left: Sequence[Untold], taken: Sequence[Untold]) -> Issue:
        """Record what was told.

        Args:
            issue: the issue.
            left: what is still to be told, of what was claimed: another run does.
            taken: all that was claimed.

        Returns:
            The issue as it is now.
        """
        still = {entry.number: replace(entry, claimed=None) for entry in left if not entry.is_notified}
        numbers = {entry.number for entry in taken}

        def recorded(decided: DecisionState) -> DecisionState:
            outbox = tuple(
                still.get(entry.number, entry)
                for entry in decided.outbox
                if entry.number not in numbers or entry.number in still
            )
            return replace(decided, outbox=outbox)

        return self._changed(issue, recorded, "it was recorded who was told")[0]

    def _changed(
        self, issue: Issue, change: Callable[[DecisionState], DecisionState | None], what: str
    ) -> tuple[Issue, DecisionState | None]:
        """Change what an issue holds about decisions, reading it again where somebody else was first.

        Args:
            issue: the issue.
            change: says what it holds from now on; None: there is nothing to change any more.
            what: for people, while what it kept changing.

        Returns:
            The issue as it is now, and the state that `change` gave last; None: there was none, or the issue is gone.

        Raises:
            ConflictError: others kept changing it.
        """
        conflict = f"{issue.location} kept changing while {what}"
        fresh = issue
        for fresh in self._attempts(issue.account_id, issue.issue_id, conflict, first=issue):
            state = change(fresh.decided)
            if state is None or state == fresh.decided:
                return fresh, state
            if self._write(fresh, state):
                return _with(fresh, state), state
        return fresh, None

    def _attempts(self, account_id: str, group_id: str, conflict: str, first: Issue | None = None) -> Iterator[Issue]:
        """The issue, read for each attempt to judge and write it, but for the first where it is given.

        Ends where there is no such issue any more.

        Raises:
            ConflictError: others kept changing it; with the text `conflict`.
        """
        for number in range(_ATTEMPTS):
            issue = first if first and not number else self._table.get(account_id, group_id)
            if issue is None:
                return
            yield issue
        raise ConflictError(conflict)

    def _write(self, issue: Issue, state: DecisionState, exemption: DecidedExemption | None = None) -> bool:
        """Write what was decided on an issue as it was read; False: somebody else changed it since."""
        try:
            self._table.write_decision(issue, state, exemption.to_item() if exemption else None)
        except ConflictError:
            return False
        return True


def _with(issue: Issue, state: DecisionState) -> Issue:
    """An issue after a state was written."""
    return replace(issue, decided=replace(state, version=issue.decided.version + 1))


def _logged(issue: Issue, state: DecisionState) -> DecisionOutcome:
    """The outcome of the newest decision of a state that was written."""
    log_decision(issue, state.decisions[-1])
    return DecisionOutcome(_with(issue, state), state.decisions[-1])


def _repeated(issue: Issue, request: Request, *, sent: bool) -> DecisionOutcome:
    """The outcome of a request that was here before.

    `sent`: whether this request was sent to be written. What has its very time is then its own: the answer was lost,
    and the issue changed before the write was sent again. Nobody was told of a refusal yet.
    """
    pending = issue.decided.restore
    if pending and pending.key == request.key:
        return DecisionOutcome(issue, pending.decision, repeated=True, pending=True)
    for decision in reversed(issue.decided.decisions):
        if decision.kind is request.kind and decision.by == request.by and decision.at == request.at:
            if sent:
                log_decision(issue, decision)
            return DecisionOutcome(issue, decision, repeated=not (sent and decision.rejection))
    # It is so long ago that the list does not have it any more.
    forgotten = Decision(request.kind, request.by, request.via, request.at, issue.occurrence)
    return DecisionOutcome(issue, forgotten.refused("it was decided before"), repeated=True)


def log_decision(issue: Issue, decision: Decision) -> None:
    """Write a decision into the log."""
    _log.log(
        logging.INFO if decision.is_done else logging.WARNING,
        "decision",
        extra={
            "account_id": issue.account_id,
            "region": issue.details.region,
            "group_id": issue.issue_id,
            "decision": decision.to_item(),
        },
    )


def exemption_records(items: Items, account_id: str) -> Iterator[DecidedExemption]:
    """The exemptions that people decided in an account, those that are over among them.

    Raises:
        UnreadableExemptionError: an item is not as it should be.
    """
    return map(_read, items.with_prefix(account_id, EXEMPTION_PREFIX))


def exemption_of_id(items: Items, exemption_id: str) -> DecidedExemption | None:
    """The exemption that people name so; None: there is none."""
    account_id, _, rest = exemption_id.partition("/")
    group_id, _, number = rest.partition("/")
    if not account_id or not group_id or not re.fullmatch("[0-9]{1,20}", number):
        return None
    item = items.get(account_id, f"{EXEMPTION_PREFIX}{group_id}#{int(number):06}")
    return _read(item) if item else None


def _read(item: dict[str, object]) -> DecidedExemption:
    try:
        return DecidedExemption.from_item(item)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise UnreadableExemptionError(
            f"{item.get('issue_id')} in {item.get('account_id')}: the exemption cannot be read: {reason}"
        ) from error


def with_decided(listed: Sequence[Exemption], decided: Iterable[DecidedExemption]) -> Exemptions:
    """An account's exemptions: those of the file `whitelist`, and those that people decided and nobody ended.

    A decided one that is over by its date stays among them, as one of the file does.
    """
    return Exemptions((*listed, *(value for record in decided if not record.ended for value in record.exemptions())))
