"""What tickets and alerts say of an exemption: why it exists, when it ends, and that it ended.

Pure. Reasons and authors are hostile text; they go into documents as literal text only. No text depends on the day on
which it is written: a run that goes on from one that broke must write the same text to recognize it.
"""

from __future__ import annotations

from library.documents.document import Document, Section, paragraph
from library.issues.issue import Issue
from library.security_groups.exemptions import Exemption
from reporting.plan import News


def exemption_line(news: News | None, issue: Issue, exemption: Exemption | None) -> str:
    """What is to be said of an exemption beside the news, as raw text; empty: nothing.

    Args:
        news: what the reader is told.
        issue: the issue.
        exemption: as in the step; None: there is none.
    """
    if exemption is None or news is None:
        return ""
    reason = f" Reason of the exemption: {exemption.why}" if exemption.why else ""
    group = f"security group {issue.issue_id}"
    if news is News.EXEMPTION_ENDS:
        return (
            f"The exemption of {group} ends on {exemption.expires}. From that day on it is an open issue again, unless "
            f"it is fixed or the exemption is extended before.{reason}"
        )
    if news.begins:
        return f"The exemption of {group} ended on {exemption.expires}.{reason}"
    if news is News.EXEMPT:
        until = f"The exemption ends on {exemption.expires}." if exemption.expires else ""
        return f"{until}{reason}".strip()
    return ""


def with_exemption(document: Document, news: News | None, issue: Issue, exemption: Exemption | None) -> Document:
    """A text with what is to be said of the exemption before it."""
    line = exemption_line(news, issue, exemption)
    return (Section("", (paragraph(line),)), *document) if line else document
