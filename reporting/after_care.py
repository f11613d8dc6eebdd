"""After-care: people are told whom a change cut off.

What the job `usage` kept (`library.issues.after_care`) goes to the ticket, closed or not, and to the owner in Slack,
each once a day at most. With neither JIRA nor Slack the console shows it. What was told is recorded at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import UnreadableIssueError
from library.documents.document import Bullets, Document, Section, paragraph, plain_text
from library.documents.slack_message import Alert, slack_literal
from library.issues.after_care import ITEM_PREFIX, NAMED_SUFFIX, AfterCare, after_care_sentences, changed_last
from library.issues.issue import Issue
from library.issues.times import format_time
from library.issues.trends import restored_at
from library.notifications.broadcast import broadcast, destinations_of, issue_key, issue_line, issue_subject
from library.notifications.change_delivery import comment_with_reference
from library.notifications.jira_connection import JiraError

if TYPE_CHECKING:
    from library.config import Configuration
    from library.jobs.command_line import Selection
    from reporting.read import ReportSummary
    from reporting.run import Services

HEADING = "Cut off"
TITLE = "Hammer sees whom a change cut off"


def notify_after_care(
    config: Configuration, services: Services, accounts: Iterable[str], selection: Selection, summary: ReportSummary
) -> None:
    """Tell what there is to tell of the issues that are selected."""
    now = services.now()
    waiting: dict[str, list[Alert]] = {}
    to_owner: dict[str, tuple[Issue, AfterCare]] = {}
    for account_id in accounts:
        for issue, care in _issues(services, account_id, selection, summary):
            services.renew()
            if care.is_new(care.notified_ticket, now, care.named_ticket):
                _notify_ticket(config, services, issue, care, now, summary)
            if services.slack is not None and care.is_new(care.notified_owner, now, care.named_owner):
                to_owner[issue_key(issue)] = (issue, care)
                alert = _alert(config, services, issue, care)
                for destination in destinations_of(config, issue):
                    waiting.setdefault(destination, []).append(alert)
    if services.slack is None or not waiting:
        return

    def delivered(_: str, keys: frozenset[str]) -> None:
        for key in keys & to_owner.keys():
            _record(services, *to_owner[key], "told_owner", now, summary)

    summary.add(broadcast(services.slack, config.slack.default_channel, TITLE, waiting, delivered))


def document_of(issue: Issue, care: AfterCare) -> Document:
    """What a ticket's comment says."""
    first, *rest = after_care_sentences(issue, care)
    return (Section("", (paragraph(first), Bullets(tuple(rest)))),)


def _issues(
    services: Services, account_id: str, selection: Selection, summary: ReportSummary
) -> Iterable[tuple[Issue, AfterCare]]:
    """The issues of an account that may have something to tell. What the table does not give is named."""
    try:
        kept = list(_kept(services, account_id))
    except AWS_ERRORS as error:
        summary.problem(f"account {account_id}: who is refused since a change could not be read: {explain(error)}")
        return
    for care in kept:
        if (issue := _issue(services, account_id, care, selection, summary)) is not None:
            yield issue, care


def _kept(services: Services, account_id: str) -> Iterable[AfterCare]:
    for item in services.table.items.with_prefix(account_id, ITEM_PREFIX):
        if (care := AfterCare.from_item(item)) is not None:
            yield care


def _issue(
    services: Services, account_id: str, care: AfterCare, selection: Selection, summary: ReportSummary
) -> Issue | None:
    try:
        issue = services.table.get(account_id, care.issue_id)
    except (UnreadableIssueError, *AWS_ERRORS) as error:
        summary.problem(f"{care.issue_id} in {account_id}: {explain(error)}")
        return None
    # A group that was restored, or changed again since, is no longer about this change.
    if issue is None or changed_last(issue) != care.changed or _is_restored(issue, care.changed):
        return None
    return issue if selection.takes(account_id, issue.details.region, issue.issue_id) else None


def _is_restored(issue: Issue, changed: datetime) -> bool:
    """Whether the group was restored after it was changed, so that nobody is cut off any more."""
    at = restored_at(issue)
    return bool(issue.remediation_details.get("restored")) and (at is None or at >= changed)


def _notify_ticket(
    config: Configuration, services: Services, issue: Issue, care: AfterCare, now: datetime, summary: ReportSummary
) -> None:
    document = document_of(issue, care)
    ticket = str(issue.jira_details.get("ticket") or "")
    if services.jira is not None and ticket:
        limit, marker = config.jira.text_field_character_limit, _marker(issue, care)
        try:
            # A run that died after its comment, or got no answer to it, recorded nothing.
            if not services.jira.has_comment(ticket, marker):
                comment_with_reference(services.jira, ticket, document, marker, limit)
            summary.count("cut off")
        except JiraError as error:
            summary.problem(f"{issue.issue_id}: no comment on {ticket}: {error}")
            if not error.is_refusal:
                return
    elif services.jira is None and services.slack is None:
        services.show_text(plain_text(document))
        summary.count("cut off")
    else:
        return
    _record(services, issue, care, "told_ticket", now, summary)


def _marker(issue: Issue, care: AfterCare) -> str:
    """Tells a comment from all others of the ticket: by whom it names, and when the ticket was told last."""
    sources = sorted({(each.source, each.port) for each in care.sources})
    what = (issue.account_id, issue.issue_id, format_time(care.changed), format_time(care.notified_ticket), sources)
    return f"cut off {hashlib.sha256(repr(what).encode()).hexdigest()[:16]}"


def _alert(config: Configuration, services: Services, issue: Issue, care: AfterCare) -> Alert:
    first, *rest = after_care_sentences(issue, care)
    line = f"{issue_line(config, services.jira, issue)}: {slack_literal(first)}"
    return Alert(issue_key(issue), HEADING, issue_subject(issue), line, tuple(slack_literal(each) for each in rest))


def _record(
    services: Services, issue: Issue, care: AfterCare, attribute: str, now: datetime, summary: ReportSummary
) -> None:
    try:
        services.table.items.update(
            issue.account_id,
            f"{ITEM_PREFIX}{care.issue_id}",
            {attribute: format_time(now), f"{attribute}{NAMED_SUFFIX}": [each.name for each in care.sources]},
            condition="attribute_exists(issue_id)",
        )
    except AWS_ERRORS as error:
        summary.problem(f"{issue.issue_id}: what was told could not be recorded: {explain(error)}")
