"""What both jobs work with: clients, table, backups, lock, people and clock.

`build_context` is the only place of this package that reads the clock and the environment. Clients for the accounts
are made by `Sessions`, where they are needed.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

from library.aws.failures import AWS_ERRORS
from library.aws.issue_table import IssueTable
from library.aws.lock import Lock, LockedError, this_process
from library.aws.session import Sessions
from library.config import Configuration
from library.documents.text import printable
from library.issues.times import format_time
from library.jobs.command_line import WrongUsageError, utc_now
from library.jobs.run import Lease, renewing_sleep, this_person
from library.jobs.standard_streams import output_errors_noted
from library.network.addresses import Network
from remediation.backups import Backups
from remediation.change import GroupChange
from remediation.journal import ChangeKind, Journal, rules_to_item
from remediation.notify import notification_of, open_notifier
from remediation.plan import RuleQuota
from remediation.planning import quota_of, rule_quota

if TYPE_CHECKING:
    from library.issues.change_notifications import ChangeNotification
    from library.issues.issue import Issue
    from library.security_groups.group import IngressRule, SecurityGroup
    from remediation.group_state import LiveGroup
    from remediation.notify import ChangeMessage, Notifier
    from remediation.plan import Plan

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class RemediationContext:
    """What a job works with.

    Attributes:
        who: who runs the job, for people.
        run: tells this run from every other.
        lease: keeps the lock.
        keep: sources that the person who runs it keeps beside what replaces a rule.
        notes: what was done otherwise than one may expect, one line each.
    """

    sessions: Sessions
    table: IssueTable
    backups: Backups
    lock: Lock
    notifier: Notifier
    who: str
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    keep: tuple[Network, ...] = ()
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    lease: Lease = field(init=False)
    notes: list[str] = field(default_factory=list)
    _quotas: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lease = Lease(self.lock, self.now)

    def ec2(self, issue: Issue) -> Any:
        """The EC2 client of an issue's account and region."""
        return self.sessions.client("ec2", issue.account_id, issue.details.region)

    def quota(
        self, group: SecurityGroup, account_id: str, region: str, default: int, sources: Sequence[str]
    ) -> RuleQuota:
        """The rule quota of a group, which rules from these sources may come into."""
        location = (account_id, region)
        if location not in self._quotas:
            self._quotas[location], note = rule_quota(self.sessions, default, location)
            self.notes += [note] if note else []
        return quota_of(self.sessions.client("ec2", *location), group, self._quotas[location], sources)

    def notification_of(self, issue: Issue, message: ChangeMessage) -> ChangeNotification:
        """What is recorded of a message, in the write that completes what it tells."""
        return notification_of(issue, message, self.now(), webhook=self.notifier.has_webhook)

    def change_of(self, issue: Issue, journal: Journal, undone: dict[str, list[str]]) -> GroupChange:
        """What sends a group's changes to EC2: it renews the lock before each call, and writes to the journal.

        It adds to `undone` what of `GroupChange.undone` comes up.
        """
        lease, record = self.lease, self.backups.record_closing
        ec2 = self.ec2(issue)
        return GroupChange(ec2, issue.issue_id, journal, lease.renew_now, lease.renew, self.now, record, undone)

    def back_up(
        self,
        issue: Issue,
        live: LiveGroup,
        kind: ChangeKind,
        first: str,
        add: Iterable[IngressRule],
        revoke: Iterable[IngressRule],
        plan: Plan | None = None,
    ) -> str:
        """Store a group before it is changed, with what is going to be changed.

        `first` is the key of the backup that this change began with; empty: this is it. The plan of a remediation tells
        which rules stand in for which, also where they are there already.

        Returns:
            The key.

        Raises:
            one of GROUP_ERRORS (`remediation.change`): it could not be stored, or does not read back.
        """
        now = self.now()
        notes: dict[str, Any] = {
            "kind": str(kind),
            "written": format_time(now),
            "by": self.who,
            "run": self.run,
            "first": first,
            "ticket": issue.jira_details.get("ticket"),
            "rules": list(live.raw_rules),
            "add": rules_to_item(add),
            "revoke": rules_to_item(revoke),
        }
        if plan is not None:
            replaces = [{**key._asdict(), "rules": list(ids)} for key, ids in plan.replaces.items()]
            notes |= {"relied_on": rules_to_item(plan.relied_on), "replaces": replaces, "records_closing": True}
        return self.backups.write(issue.account_id, issue.details.region, live.raw, notes, now)

    def mark_finished(self, account_id: str, region: str, group_id: str) -> None:
        """Note in the lock that nothing is left to do in a group.

        The journal says so already. Where another run has taken the lock over, that is told before the next change.
        """
        try:
            self.lock.mark_finished(account_id, region, group_id)
        except (*AWS_ERRORS, LockedError):
            return  # the next run looks once more, and finds the journal finished


def build_context(config: Configuration) -> RemediationContext:
    """Build what a job works with."""
    if not config.aws.s3_backup_bucket:
        raise WrongUsageError("aws.s3_backup_bucket is not set: nothing is changed without a backup")
    aws = config.aws
    sessions = Sessions(aws.main_account_id, aws.region, aws.role_name_reporting, aws.external_id)
    table_name = config.secgrp_unrestricted_access.table_name
    dynamodb = sessions.client("dynamodb")
    lock = Lock(dynamodb, table_name, aws.main_account_id, this_process(), utc_now)
    return RemediationContext(
        sessions=sessions,
        table=IssueTable(dynamodb, table_name),
        backups=Backups(sessions.client("s3"), aws.s3_backup_bucket),
        lock=lock,
        notifier=open_notifier(config, sessions, os.environ, renewing_sleep(time.sleep, Lease(lock, utc_now).renew)),
        who=this_person(sessions),
        now=utc_now,
        sleep=time.sleep,
    )


def has_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


class Prompt:
    """Where a person reads along and, by hand, answers."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)

    def show(self, text: str | Text) -> None:
        """Print a line, or lines. AWS's own words may be in them: what does not print is spelled out."""
        if isinstance(text, str):
            text = "\n".join(map(printable, text.split("\n")))
        self._console.print(text, markup=False)

    def confirm(self, question: str) -> str:
        """The answer, in small letters and without white space around it; `q` at the end of the input."""
        while True:
            self._console.print(question, markup=False, end=" ")
            try:
                return input().strip().lower()
            except EOFError:
                return "q"
            except UnicodeDecodeError:  # the terminal's encoding is not the environment's
                self.show("not understood")


class UnattendedPrompt(Prompt):
    """What an unattended run says. A full disk, or a reader that left, does not keep it from its work.

    A terminal that was closed is one more reader that left.
    """

    def show(self, text: str | Text) -> None:
        """Print a line, or lines, where the output can be written."""
        with output_errors_noted([]):  # the end of the program finds the same, and names it
            if self._console.is_terminal:
                super().show(text)
                return
            # Not by the console: where a reader left, that ends the process.
            typer.echo("\n".join(map(printable, str(text).split("\n"))))
