"""What tickets and alerts say of remediation: which rules Hammer will replace, when, and whom flow logs show at work.

Pure. These texts say of the time to come that rules are replaced, not that the group is closed: where only some of the
rules are in scope, or due, the text names those and says that the others stay open. What was done, `remediation.notify`
says. Who uses an open rule is told as of the run that read the flow logs: a text does not age.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from library.documents.document import Block, Bullets, Code, Document, Section, paragraph
from library.documents.slack_message import slack_literal
from library.documents.text import and_more
from library.issues.issue import Issue
from library.issues.names import hammer_options
from library.issues.reachability import Verdict
from library.issues.schedule import Waiting, kept_open
from library.issues.times import shown_time
from library.issues.use import CAVEAT, SourceClass, use_sentences, use_summary
from library.network.ports import protocol_name
from library.security_groups.clauses import allowed_sentence, clauses
from library.security_groups.exposure import Exposure, rule_text
from reporting.exposure_text import exposure_line, named_sources, shown_line
from reporting.plan import Step
from reporting.ticket_facts import AlertText, TicketFacts

_WAITING_LIMIT, _KEPT_NAMED = 20, 5
UNLESS = "Unless it is fixed or exempt by then, Hammer will replace"


def closing_words(
    closes_at: datetime, *, at_once: bool, at_the_latest: datetime | None = None, is_dated: bool = False
) -> str:
    """When, as the end of a sentence.

    Args:
        closes_at: when remediation changes the group, in UTC.
        at_once: whether that is its next run, by immediate mode.
        at_the_latest: when it does so although flow logs show somebody at work; None: it does not wait for that.
        is_dated: whether the text has just named the date.
    """
    if at_once:
        return "at its next run"
    when = "soon after" if is_dated else f"on {shown_time(closes_at)} or soon after"
    if at_the_latest is None:
        return when
    if at_the_latest <= closes_at:
        return f"{when}: it waits until then as long as flow logs show somebody at work, and no longer"
    return f"{when}; if flow logs show somebody at work, on {shown_time(at_the_latest)} at the latest"


def closing_when(step: Step) -> str:
    """When a step's group is changed, as the end of a sentence; empty: it is not."""
    if step.closes_at is None:
        return ""
    return closing_words(step.closes_at, at_once=step.at_once, at_the_latest=step.closes_last)


def _split(
    issue: Issue, scope: frozenset[str], waiting: Sequence[Waiting] = ()
) -> tuple[list[Exposure], list[Exposure]]:
    """The exposures that remediation replaces at its next date, and those that stay open whatever the date."""
    later = {each.exposure for each in waiting}
    kept = {exposure for exposure, _ in kept_open(issue)}
    in_scope = [perm for perm in issue.details.perms if perm not in kept and perm.status in scope]
    return (
        [perm for perm in in_scope if perm not in later],
        [perm for perm in issue.details.perms if perm not in in_scope and perm not in later],
    )


def replaced(issue: Issue, scope: frozenset[str], waiting: Sequence[Waiting] = ()) -> str:
    """Which rules Hammer will replace, as the object of a sentence.

    Args:
        issue: the issue.
        scope: the statuses of the rules that remediation replaces.
        waiting: what has a retention period of its own, and is replaced later.
    """
    due, left = _split(issue, scope, waiting)
    if waiting and due:
        return "what was reported before"
    if not left:
        return "these rules" if len(issue.details.perms) > 1 else "this rule"
    if kept_open(issue):
        return "only the rules that nobody chose to keep"
    statuses = " or ".join(sorted({perm.status.replace("_", " ") for perm in due}))
    return f"only the rules that are {statuses}" if statuses else "only the rules that are due"


def kept_text(issue: Issue) -> str:
    """What stays open because a person kept it, and by whose word, in sentences; empty: nothing does."""
    kept = kept_open(issue)
    named = [f"{rule_text(exposure)} stays open, {choice.text}" for exposure, choice in kept[:_KEPT_NAMED]]
    more = f"; and {len(kept) - len(named)} more" if len(kept) > len(named) else ""
    return f"{'; '.join(named)}{more}: Hammer leaves it until a person decides to close it." if named else ""


def replaced_line(issue: Issue, scope: frozenset[str], when: str, waiting: Sequence[Waiting] = ()) -> str:
    """What Hammer will replace and when, as a clause of one line; the arguments are those of `replaced`."""
    left = _split(issue, scope, waiting)[1]
    return f"Hammer will replace {replaced(issue, scope, waiting)} {when}{'; the others stay open' if left else ''}"


def closing_sentences(issue: Issue, facts: TicketFacts) -> str:
    """What Hammer will do to a group, when, whom that cuts off, and what stays open; empty: it does nothing.

    What comes before it in the text has named the date.
    """
    if facts.closes_at is None:
        return ""
    when = closing_words(facts.closes_at, at_once=facts.at_once, at_the_latest=facts.closes_last, is_dated=True)
    due, left = _split(issue, facts.scope)
    which = replaced(issue, facts.scope)
    if left and due:
        which = f"{which}, {allowed_sentence(clauses(due, facts.restricted))},"
    if facts.strategy == "carve_ports" and any(map(_has_ports, due)):
        which = f"the restricted ports of {which.removeprefix('only ')}"
        if not all(map(_has_ports, due)):
            which = f"{which.removesuffix(',')}, and all of those without ports,"
    text = f"{UNLESS} {which} {when}. What is replaced will then be open from {named_sources(facts.sources)} only"
    reachability = issue.details.reachability
    is_unused = reachability is not None and reachability.verdict is Verdict.UNUSED
    text += "." if is_unused else ": whoever connects through it from elsewhere is cut off."
    return f"{text} The other rules stay open: {allowed_sentence(clauses(left, facts.restricted))}." if left else text


def _has_ports(exposure: Exposure) -> bool:
    """Whether a rule has ports: `carve_ports` replaces one that has none whole."""
    return protocol_name(exposure.protocol) in ("tcp", "udp")


def how_replaced(issue: Issue, facts: TicketFacts) -> str:
    """How much of each rule that is replaced is, as a clause."""
    due, _ = _split(issue, facts.scope)
    if facts.strategy != "carve_ports" or not any(map(_has_ports, due)):
        return "each of them whole"
    whole = "" if all(map(_has_ports, due)) else ", those without ports whole"
    return f"of each only the restricted ports{whole}"


def closing_changed(issue: Issue, facts: TicketFacts) -> Document:
    """The comment on a ticket that told another date: later than its group will be changed, or sooner."""
    which = replaced(issue, facts.scope)
    if facts.at_once:
        text = f"The severity of security group {issue.issue_id} is {issue.details.severity}. "
        text += f"{UNLESS} {which} at its next run."
    else:
        text = f"Hammer does not change security group {issue.issue_id} at its next run any more. "
        days = "1 day" if facts.retention_days == 1 else f"{facts.retention_days} days"
        text += f"{UNLESS} {which} {days} after it was reported."
    return (Section("", (paragraph(text),)),)


def days_text(days: int) -> str:
    """A number of days, in words; 0: the next run."""
    return "its next run" if days == 0 else "1 day" if days == 1 else f"{days} days"


def waiting_lines(waiting: Sequence[Waiting], days: int) -> list[str]:
    """What has a retention period of its own, because it is new, and when it is replaced; a line each, as raw text.

    Args:
        waiting: the exposures, as in the step.
        days: from when people are told of one to its change; 0: the next run.
    """
    lines = []
    for each in waiting[:_WAITING_LIMIT]:
        when = (
            closing_words(each.due, at_once=False)
            if each.due
            else "at its next run"
            if days == 0
            else f"in {days_text(days)}"
        )
        lines.append(f"{shown_line(exposure_line(each.exposure))}: Hammer will replace it {when}")
    more = len(waiting) - len(lines)
    return [*lines, *([f"and {more} more"] if more else [])]


def waiting_section(waiting: Sequence[Waiting], days: int) -> Document:
    """The part of a comment that says when what is new is replaced; empty: nothing is. The arguments are the same."""
    if not waiting:
        return ()
    intro = "What was not open before has a retention period of its own. Unless it is fixed or exempt before:"
    return (Section("", (paragraph(intro), Bullets(tuple(waiting_lines(waiting, days))))),)


_LINES_IN_ALERT = 15
_WORKERS_IN_ALERT = 5
_KEEP = "Your security team can replace the rules now and keep those whom somebody vouches for, on Hammer's host"


def use_sections(issue: Issue) -> tuple[Section, ...]:
    """The section of a new ticket; none where flow logs were not read."""
    if issue.use is None:
        return ()
    return (Section("Who works through it", (Bullets(tuple(use_sentences(issue.use, issue.use.until))),)),)


def use_alert_line(issue: Issue) -> str:
    """What the thread of an alert says, as raw text; empty where flow logs were not read."""
    if issue.use is None:
        return ""
    working = sorted(issue.use.sources(SourceClass.WORKING).values(), key=lambda each: each.last, reverse=True)
    named = and_more([each.source for each in working], _WORKERS_IN_ALERT)
    who = f" Who worked: {named}." if working else ""
    missing = f" {issue.use.not_read}" if issue.use.not_read else ""
    return f"Use as flow logs show it: {use_summary(issue.use, issue.use.until)}.{who}{missing} {CAVEAT}"


def keep_command(issue: Issue) -> str:
    """The command with which a person has the rules replaced and keeps those who are proposed; empty: nobody is."""
    if issue.use is None or not issue.use.keep:
        return ""
    return f"hammer remediate --include-not-due {hammer_options(issue)} --keep {','.join(issue.use.keep)}"


def use_comment(issue: Issue, when: str, scope: frozenset[str]) -> Document:
    """The comment on a ticket that was written before the flow logs told this.

    `when` says when remediation changes the group, as the end of a sentence; empty: it does not.
    """
    text = f"Flow logs show by now who uses what is open in security group {issue.issue_id}."
    blocks: list[Block] = [paragraph(text)]
    blocks += [block for section in use_sections(issue) for block in section.blocks]
    if when:
        blocks.append(paragraph(f"{UNLESS} {replaced(issue, scope)} {when}."))
    if command := keep_command(issue):
        blocks += [paragraph(f"{_KEEP}:"), Code(command)]
    return (Section("", tuple(blocks)),)


def use_alert(issue: Issue, when: str, scope: frozenset[str]) -> AlertText:
    """The same for Slack: what follows the issue's name, and the lines of the thread, in `mrkdwn`."""
    if issue.use is None:
        return AlertText("")
    closing = f"; {replaced_line(issue, scope, when)}" if when else ""
    sentences = use_sentences(issue.use, issue.use.until)
    details = [f"    {sentence}" for sentence in sentences[1:-1][:_LINES_IN_ALERT]]
    if len(sentences) - 2 > _LINES_IN_ALERT:
        details.append(f"    and {len(sentences) - 2 - _LINES_IN_ALERT} more")
    details.append(f"    {CAVEAT}")
    lines = [*map(slack_literal, details), *([f"    {_KEEP}: `{command}`"] if (command := keep_command(issue)) else [])]
    return AlertText(slack_literal(f"{use_summary(issue.use, issue.use.until)}{closing}"), tuple(lines))
