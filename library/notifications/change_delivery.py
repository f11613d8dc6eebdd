"""How what remediation did to a group is brought to people: by the remediation run itself, else by the reporting job.

Both write the same comment, which ends with a reference by which it is known again, and the same alert.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from library.documents.document import Document, Section, fitted, paragraph
from library.documents.jira_markup import jira_markup
from library.documents.slack_message import Alert, literal
from library.issues.change_news import ChangeNews
from library.issues.issue import Issue
from library.notifications.broadcast import issue_key, issue_line, issue_subject

if TYPE_CHECKING:
    from library.config import Configuration
    from library.notifications.jira_client import JiraClient


def news_document(news: ChangeNews) -> Document:
    """The comment on a ticket."""
    return (Section("", tuple(paragraph(sentence) for sentence in (news.text, *news.details))),)


def comment_body(document: Document, limit: int, reference: str = "") -> str:
    """A comment as JIRA takes it.

    Args:
        document: what it says.
        limit: the longest text that JIRA takes.
        reference: by which the comment is known again; empty: by nothing.
    """
    if not reference:
        return fitted(document, jira_markup, limit)
    end = f"\n\nReference: {reference}\n"
    return fitted(document, jira_markup, limit - len(end)).rstrip() + end


def news_alert(config: Configuration, jira: JiraClient | None, issue: Issue, news: ChangeNews) -> Alert:
    """The alert in Slack. `jira`: for the link to the ticket; None: off."""
    line = f"{issue_line(config, jira, issue)}: {literal(news.text)}"
    details = tuple(literal(detail) for detail in news.details)
    return Alert(issue_key(issue), news.heading, issue_subject(issue), line, details)
