"""What tickets and alerts say of when remediation closes a group.

Pure. No text depends on the day on which it is written, but for that of a new ticket: a run that goes on from one that
broke must write the same text to recognize it.
"""

from __future__ import annotations

from datetime import datetime

from library.documents.document import Document, Section, paragraph
from library.issues.issue import Issue
from library.issues.times import shown_time
from reporting.ticket_facts import TicketFacts


def closing_words(closes_at: datetime, *, at_once: bool, at_the_latest: datetime | None = None) -> str:
    """When, as the end of a sentence.

    Args:
        closes_at: when remediation closes the group, in UTC.
        at_once: whether that is its next run, by immediate mode.
        at_the_latest: when it does so although flow logs show somebody at work; None: it does not wait for that.
    """
    if at_once:
        return "at its next run"
    when = f"on {shown_time(closes_at)} or soon after"
    if at_the_latest is None:
        return when
    if at_the_latest <= closes_at:
        return f"{when}: it waits until then because flow logs show somebody at work, and no longer"
    return f"{when}; if flow logs show somebody at work, on {shown_time(at_the_latest)} at the latest"


def closing_changed(issue: Issue, facts: TicketFacts) -> Document:
    """The comment on a ticket that told another date: later than its group will be closed, or sooner."""
    unless = "Unless it is fixed or exempt before, Hammer will close it"
    if facts.at_once:
        text = f"The severity of security group {issue.issue_id} is {issue.details.severity}. {unless} at its next run."
    else:
        days = "1 day" if facts.retention_days == 1 else f"{facts.retention_days} days"
        text = f"Hammer does not close security group {issue.issue_id} at its next run any more. "
        text += f"{unless} {days} after it was reported."
    return (Section("", (paragraph(text),)),)
