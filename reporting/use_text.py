"""What tickets and alerts say of who uses an open rule, as flow logs show it. Pure.

Days are told as of the run that read the flow logs: a text does not age.
"""

from __future__ import annotations

from library.documents.document import Block, Bullets, Code, Document, Section, paragraph
from library.documents.slack_message import literal
from library.issues.issue import Issue
from library.issues.use import CAVEAT, SourceClass, use_sentences, use_summary
from reporting.closing_text import UNLESS, replaced, replaced_line
from reporting.ticket_facts import AlertText

_LINES_IN_ALERT = 15
_WORKERS_IN_ALERT = 5
_KEEP = "Your security team can replace the rules now and keep those whom somebody vouches for, on Hammer's host"


def sections(issue: Issue) -> tuple[Section, ...]:
    """The section of a new ticket; none where flow logs were not read."""
    if issue.use is None:
        return ()
    return (Section("Who works through it", (Bullets(tuple(use_sentences(issue.use, issue.use.until))),)),)


def alert_line(issue: Issue) -> str:
    """What the thread of an alert says, as raw text; empty where flow logs were not read."""
    if issue.use is None:
        return ""
    working = sorted(issue.use.sources(SourceClass.WORKING).values(), key=lambda each: each.last, reverse=True)
    more = f" and {len(working) - _WORKERS_IN_ALERT} more" if len(working) > _WORKERS_IN_ALERT else ""
    named = ", ".join(each.source for each in working[:_WORKERS_IN_ALERT])
    who = f" Who worked: {named}{more}." if working else ""
    return f"Use as flow logs show it: {use_summary(issue.use, issue.use.until)}.{who} {CAVEAT}"


def keep_command(issue: Issue) -> str:
    """The command with which a person has the rules replaced and keeps those who are proposed; empty: nobody is."""
    if issue.use is None or not issue.use.keep:
        return ""
    location = f"--account {issue.account_id} --region {issue.details.region} --group {issue.issue_id}"
    return f"hammer remediate --include-not-due {location} --keep {','.join(issue.use.keep)}"


def known(issue: Issue, when: str, scope: frozenset[str] | None = None) -> Document:
    """The comment on a ticket that was written before the flow logs told this.

    Args:
        issue: the issue, with its use.
        when: when remediation changes it, as the end of a sentence; empty: it does not.
        scope: the statuses of the rules that remediation replaces; None: all of them.
    """
    text = f"Flow logs show by now who uses what is open in security group {issue.issue_id}."
    blocks: list[Block] = [paragraph(text)]
    blocks += [block for section in sections(issue) for block in section.blocks]
    if when:
        blocks.append(paragraph(f"{UNLESS} {replaced(issue, scope)} {when}."))
    if command := keep_command(issue):
        blocks += [paragraph(f"{_KEEP}:"), Code(command)]
    return (Section("", tuple(blocks)),)


def known_alert(issue: Issue, when: str, scope: frozenset[str] | None = None) -> AlertText:
    """The same for Slack: what follows the issue's name, and the lines of the thread, in `mrkdwn`."""
    if issue.use is None:
        return AlertText("")
    closing = f"; {replaced_line(issue, scope, when)}" if when else ""
    sentences = use_sentences(issue.use, issue.use.until)
    details = [f"    {sentence}" for sentence in sentences[1:-1][:_LINES_IN_ALERT]]
    if len(sentences) - 2 > _LINES_IN_ALERT:
        details.append(f"    and {len(sentences) - 2 - _LINES_IN_ALERT} more")
    details.append(f"    {CAVEAT}")
    lines = [*map(literal, details), *([f"    {_KEEP}: `{command}`"] if (command := keep_command(issue)) else [])]
    return AlertText(literal(f"{use_summary(issue.use, issue.use.until)}{closing}"), tuple(lines))
