"""`hammer decide`: one decision about one issue, by somebody with a shell. Asks nothing.

The same decision as a button in Slack or a label in JIRA makes (`library.issues.decision_rules`), with the same limits
and the same record. It works also where decisions are off there: whoever may run it may decide. A second exemption, and
a restore, need somebody whom `decisions.allow_extend` and `decisions.allow_restore` name as the host's jobs do.
"""

from __future__ import annotations

import os
import time
import uuid
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from library.aws.decision_store import DecisionOutcome, Decisions
from library.aws.issue_table import IssueTable
from library.aws.session import Sessions
from library.config import Configuration
from library.config.models import limits_of, rights_by_name
from library.documents.text import printable
from library.issues.decision_record import DecisionKind, Via
from library.issues.decision_rules import Request, seen_now, wrong_fields
from library.jobs.command_line import (
    ConfigOption,
    Exit,
    NotThereError,
    OneGroupOption,
    WrongUsageError,
    open_table,
    read_configuration,
    utc_now,
)
from library.jobs.host_logs import host_logging, logs_client
from library.jobs.run import this_person

if TYPE_CHECKING:
    from collections.abc import Sequence

    from library.issues.issue import Issue

_KINDS = (DecisionKind.CLOSE_NOW, DecisionKind.EXEMPT, DecisionKind.NOT_MINE, DecisionKind.RESTORE)

KindArgument = Annotated[str, typer.Argument(metavar="KIND", help=f"One of: {', '.join(_KINDS)}.")]
# Lists, so that one that is given twice is refused and not forgotten.
AccountOption = Annotated[
    list[str] | None, typer.Option("--account", metavar="ID", help="The group's account, by id or name.")
]
RegionOption = Annotated[list[str] | None, typer.Option("--region", metavar="REGION", help="The group's region.")]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="DATE", help="exempt: the first day, in UTC, on which it is over.")
]
DaysOption = Annotated[int | None, typer.Option("--days", metavar="N", help="exempt: until today + N days.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; exempt: 10 to 500 characters.")]
OwnerOption = Annotated[
    str, typer.Option("--owner", metavar="NAME", help="not-mine: the person or #channel that owns it.")
]


def command(
    kind: KindArgument,
    config: ConfigOption = None,
    account: AccountOption = None,
    region: RegionOption = None,
    group: OneGroupOption = None,
    until: UntilOption = None,
    days: DaysOption = None,
    reason: ReasonOption = "",
    owner: OwnerOption = "",
) -> None:
    """Decide about one issue: close it now, exempt it until a day, hand it on, restore its group. Asks nothing.

    Needs --account, --region and --group, once each. Exits with 0 when it is done, 1 when it is refused, 2 when an
    option is wrong.
    """
    decided = _kind(kind)
    named = [account or (), region or (), group or ()]
    if any(len(values) != 1 for values in named):
        raise WrongUsageError("name exactly one issue: --account, --region and --group, once each")
    configuration = read_configuration(config)
    now = utc_now()
    ends = _until(decided, until, days, now.date())
    if decided is not DecisionKind.NOT_MINE and owner:
        raise WrongUsageError("--owner is for not-mine")
    access = open_table(configuration, configuration.aws.role_name_reporting)
    configuration, sessions, table = access.config, access.sessions, access.table
    account_id = account_named(configuration, (account or [""])[0])
    limits = limits_of(configuration, account_id)
    if wrong := wrong_fields(decided, limits, now.date(), until=ends, reason=reason, owner=owner):
        options = {"until": "until" if days is None else "days"}
        raise WrongUsageError("; ".join(f"--{options.get(name, name)}: {text}" for name, text in wrong.items()))
    issue = _issue(table, account_id, named[1], named[2])
    if decided is DecisionKind.RESTORE and issue.decided.restore:
        # The process that was to carry it out died, or is about it.
        issue = _restore(
            config, table, DecisionOutcome(issue, issue.decided.restore.decision, pending=True), own=False
        ).issue
    who = this_person(sessions)
    request = Request(
        kind=decided,
        by=who,
        via=Via.CLI,
        at=now,
        seen=seen_now(issue),
        rights=rights_by_name(configuration, [who], decides=True),
        reason=reason,
        until=ends,
        owner=owner,
        key=f"cli:{uuid.uuid4().hex}",
    )
    with host_logging("hammer.decide", lambda: logs_client(configuration.aws.region)):  # as the other ways to decide do
        outcome = Decisions(table, utc_now).carry_out(account_id, issue.issue_id, request, limits)
    if outcome is None:
        raise NotThereError(f"the issue table has no issue of {issue.issue_id} any more")
    if outcome.pending:
        outcome = _restore(config, table, outcome)
    notify(configuration, sessions, table, outcome.issue)
    _show(issue, outcome)


def _show(issue: Issue, outcome: DecisionOutcome) -> None:
    """Say what became of a decision. Exits with 1 where it was not carried out."""
    if outcome.rejection:
        typer.echo(f"hammer: {issue.location}: refused: {printable(outcome.rejection)}", err=True)
        raise typer.Exit(Exit.INCOMPLETE)
    if outcome.pending:
        typer.echo(f"hammer: {issue.location}: the restore is decided, and not carried out yet", err=True)
        raise typer.Exit(Exit.INCOMPLETE)
    from reporting.decision_messages import sentence

    typer.echo(f"{issue.location}: {printable(sentence(outcome.decision))}")


def _kind(name: str) -> DecisionKind:
    try:
        kind = DecisionKind(name)
    except ValueError:
        kind = DecisionKind.END
    if kind not in _KINDS:
        raise WrongUsageError(f"{printable(name)} is no decision: choose one of {', '.join(_KINDS)}")
    return kind


def _until(kind: DecisionKind, until: str | None, days: int | None, today: date) -> date | None:
    """The end of an exemption. Raises WrongUsageError on what is none."""
    if kind is not DecisionKind.EXEMPT:
        if until is not None or days is not None:
            raise WrongUsageError("--until and --days are for exempt")
        return None
    if (until is None) == (days is None):
        raise WrongUsageError("an exemption has an end: say --until DATE or --days N")
    if days is not None:
        try:
            return today + timedelta(days=days)
        except OverflowError:
            raise WrongUsageError(f"--days: {days} is too many") from None
    try:
        return date.fromisoformat(until or "")
    except ValueError:
        raise WrongUsageError(f"--until: {printable(until or '')} is no day: write it as 2026-12-06") from None


def account_named(config: Configuration, name: str) -> str:
    """The id of an account that is named by its id or its name. Raises NotThereError."""
    accounts = dict(config.aws.named)
    accounts.setdefault(config.aws.main_account_id, config.aws.main_account_id)
    if name in accounts:
        return name
    found = [account_id for account_id, called in accounts.items() if called == name]
    if len(found) != 1:
        raise NotThereError(f"not among the accounts of the configuration: {printable(name)}")
    return found[0]


def _issue(table: IssueTable, account_id: str, region: Sequence[str], group: Sequence[str]) -> Issue:
    issue = table.get(account_id, group[0]) if group[0].startswith("sg-") else None
    if issue is None:
        raise NotThereError(f"the issue table has no issue of {printable(group[0])} in {account_id}")
    if issue.details.region != region[0]:
        raise NotThereError(
            f"the issue of {issue.issue_id} is in {issue.details.region}, not in {printable(region[0])}"
        )
    return issue


def _restore(config: str | None, table: IssueTable, outcome: DecisionOutcome, *, own: bool = True) -> DecisionOutcome:
    """Carry out the restore that was decided, by this call (`own`) or before."""
    from remediation import restore_security_groups

    issue = outcome.issue
    try:
        restore_security_groups.carry_out_decided(config, issue.account_id, issue.details.region, issue.issue_id)
    except typer.Exit:
        # Another run changes groups now, and its line says so. Whoever decided is here, and can decide again; unless
        # that run is the one which carries it out.
        if own:
            Decisions(table, utc_now).finish_restore(issue, "another run was changing groups")
    fresh = table.get(issue.account_id, issue.issue_id) or issue
    if fresh.decided.restore is not None:
        return DecisionOutcome(fresh, outcome.decision, pending=True)
    decided = [each for each in fresh.decided.decisions if each.kind is outcome.decision.kind]
    same = [each for each in decided if (each.by, each.at) == (outcome.decision.by, outcome.decision.at)]
    return DecisionOutcome(fresh, same[-1] if same else outcome.decision)


def notify(config: Configuration, sessions: Sessions, table: IssueTable, issue: Issue) -> None:
    """Tell people what was decided, as far as that can be now. The next reporting run tells the rest."""
    from library.aws.secrets import SecretReader
    from library.notifications.clients import open_channels
    from reporting.decision_notifications import DecisionNotifications

    secrets = SecretReader(lambda: sessions.client("secretsmanager"), os.environ)
    channels = open_channels(config, secrets, time.sleep)
    notification = DecisionNotifications(config, table, channels.jira, channels.slack, utc_now, channels.webhook)
    for problem in notification.notify(issue):
        typer.echo(f"hammer: note: {printable(problem)}", err=True)
