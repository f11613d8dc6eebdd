"""What tickets and alerts say of an exemption: why it exists, when it ends, and that it ended.

Pure. Reasons and authors are hostile text; they go into documents as literal text only. No text depends on the day on
which it is written: a run that goes on from one that broke must write the same text to recognize it.
"""

from __future__ import annotations

from library.documents.document import Document, Section, paragraph
from library.issues.issue import Issue
from library.security_groups.exemptions import Exemption
from reporting.plan import News


def exemption_line(
    news: News | None, issue: Issue, exemption: Exemption | None, *, was_exempt: bool = False, in_part: bool = False
) -> str:
    """What is to be said of an exemption beside the news, as raw text; empty: nothing.

    Args:
        news: what the reader is told.
        issue: the issue.
        exemption: as in the step; None: there is none.
        was_exempt: whether the reader was last told that the group is exempt.
        in_part: whether an exemption counts for the open group.
    """
    if exemption is None or news is None:
        return _of_open_group(news, issue, was_exempt=was_exempt, in_part=in_part)
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


def _of_open_group(news: News | None, issue: Issue, *, was_exempt: bool, in_part: bool) -> str:
    group = f"security group {issue.issue_id}"
    if news is News.FOUND_AGAIN and was_exempt:
        return f"The exemption of {group} was taken back, or does not cover what is open now."
    if in_part and news is News.CHANGED:
        return f"An exemption covers a part of {group}: what it covers is not listed as open."
    return ""


def with_exemption(
    document: Document,
    news: News | None,
    issue: Issue,
    exemption: Exemption | None,
    *,
    was_exempt: bool = False,
    in_part: bool = False,
) -> Document:
    """A text with what `exemption_line` says: before it, or after it where no exemption is given."""
    line = exemption_line(news, issue, exemption, was_exempt=was_exempt, in_part=in_part)
    said = (Section("", (paragraph(line),)),) if line else ()
    return (*said, *document) if exemption else (*document, *said)
