"""What tickets and alerts say of a security group: titles, bodies, and the comments of a ticket's life.

Pure. From the top: whether anyone can connect, who opened the group, its exemption, when remediation acts, and then
the texts that are made of these. Names, tags, descriptions, reasons and what CloudTrail said are untrusted input;
they go into documents as literal text only.

No text depends on the day on which it is written, but for that of a new ticket: a run that goes on from one that
broke off must write the same text to recognize it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from library.documents.document import Block, Bullets, Code, Document, Link, Paragraph, Section, paragraph
from library.documents.slack_message import link, slack_literal
from library.documents.text import cut_utf16, flattened, ordinal, printable, shortened, utf16_size
from library.issues.history import flapping_text, is_flapping
from library.issues.issue import Issue, IssueDetails, Status
from library.issues.names import aws_options, hammer_options
from library.issues.opening_calls import OpenedBy
from library.issues.reachability import Blocker, Path, Reachability, Sources, Verdict
from library.issues.schedule import Waiting
from library.issues.times import shown_time
from library.network.ports import PortSet
from library.security_groups.clauses import allowed_sentence, allowed_text, clauses
from library.security_groups.users import GroupUsers
from library.source.location import dispute_of
from library.source.service import made_by, program_of
from reporting.exposure_text import (
    FixLocation,
    cli_commands,
    delete_command,
    exposure_line,
    exposure_table,
    fix_location,
    named_sources,
    open_first,
    revoke_commands,
    share,
    shown_line,
    source_alert_lines,
    source_dispute,
    source_sections,
    terraform_blocks,
)
from reporting.plan import Step, Update
from reporting.remediation_text import (
    UNLESS,
    closing_sentences,
    closing_words,
    days_text,
    how_replaced,
    kept_text,
    replaced,
    replaced_line,
    use_alert_line,
    use_sections,
)
from reporting.ticket_facts import SUMMARY_LIMIT, AlertText, Location, TicketFacts

_PATHS = 10
_RULE_OF_ACL = re.compile(r"\b(acl-\w+ rule (?:\d+|\*)) denies")
_ROUTE_TABLE = re.compile(r"\b(route table rtb-\w+)")


def verdict_words(details: IssueDetails) -> str:
    """Whether anyone can connect, in a few words; empty where it was not judged."""
    reachability = details.reachability
    if reachability is None:
        return ""
    match reachability.verdict:
        case Verdict.INTERNET:
            who = "anyone" if reachability.sources is Sources.ALL else "some addresses"
            return f"{who} on the Internet can connect now"
        case Verdict.BLOCKED:
            return f"nobody on the Internet can connect now: blocked by {_what_blocks(reachability)}"
        case Verdict.INTERNAL:
            return f"nobody on the Internet can connect now: what uses it has no public {_family(details)}address"
        case Verdict.UNUSED:
            return "nothing uses it now"
        case Verdict.UNKNOWN:
            return "it is not known who on the Internet can connect now"


def verdict_line(issue: Issue) -> str:
    """Whether anyone can connect, in sentences, and the severity; empty: not judged."""
    said = _can_connect(issue)
    return f"{said} Severity: {issue.details.severity}." if said else ""


def _can_connect(issue: Issue) -> str:
    """One text for each verdict. What the rules allow is another question: `allowed_sentence` answers it."""
    reachability = issue.details.reachability
    if reachability is None:
        return ""
    evidence = next((path.text for path in reachability.paths if path.verdict is reachability.verdict), "")
    words = verdict_words(issue.details)
    match reachability.verdict:
        case Verdict.INTERNET:
            return evidence or f"{words[0].upper()}{words[1:]}."
        case Verdict.UNUSED:
            return "Nothing uses the group now, so nobody can connect through it."
        case Verdict.UNKNOWN:
            cause = next(iter(reachability.unread), evidence)
            return f"{words[0].upper()}{words[1:]}. {cause}".rstrip()
        case Verdict.BLOCKED | Verdict.INTERNAL:
            cause = evidence if reachability.verdict is Verdict.BLOCKED else ""
            return f"As far as Hammer can see, {words}. {cause}".rstrip()


def _family(details: IssueDetails) -> str:
    """`IPv4 ` or `IPv6 ` where a group admits one family only, of which alone the verdict `internal` speaks."""
    families = {6 if ":" in perm.cidr else 4 for perm in details.perms}
    return f"IPv{families.pop()} " if len(families) == 1 else ""


def path_blocks(issue: Issue, used_by: GroupUsers) -> tuple[Block, ...]:
    """Every path with its evidence, the worst first, and what the verdict rests on; nothing where it was not judged."""
    reachability = issue.details.reachability
    if reachability is None or not reachability.paths:
        return ()
    lines = [_path(path, used_by) for path in reachability.paths[:_PATHS]]
    if reachability.paths_total > len(lines):
        lines.append(f"and {reachability.paths_total - len(lines)} more")
    said: Sequence[str] = (*reachability.unread, *reachability.assumptions)
    return (Bullets(tuple(lines)), *(paragraph(text) for text in said))


def _path(path: Path, used_by: GroupUsers) -> str:
    through = f" Through {' > '.join(path.through)}." if path.through else ""
    return f"{_named(path.resource or path.interface, used_by)}: {path.text}{through}"


def _named(resource: str, used_by: GroupUsers) -> str:
    """A resource with the name that people know it by: `instance i-1` is `instance i-1 (web)`."""
    return next(
        (
            named
            for user in used_by.users
            if (named := f"{user.kind} {user.name}") == resource or named.startswith(f"{resource} (")
        ),
        resource,
    )


def _what_blocks(reachability: Reachability) -> str:
    path = next((path for path in reachability.paths if path.blocked_by), None)
    if path is None:
        return "the network"
    match path.blocked_by:
        case Blocker.NETWORK_ACL:
            found = _RULE_OF_ACL.search(path.text)
            return found[1] if found else "a network ACL"
        case Blocker.ROUTE:
            found = _ROUTE_TABLE.search(path.text)
            return f"{found[1]}, which has no route to the Internet" if found else "its route table"
        case Blocker.BLOCK_PUBLIC_ACCESS:
            return "VPC Block Public Access"
        case Blocker.SECURITY_GROUP:
            return "the security group of its load balancer"
        case Blocker.LISTENER:
            return "its load balancer, which does not listen at these ports"
    return "the network"


_LIMIT = 100
_SESSION = re.compile(r"arn:[^:]*:sts::\d*:assumed-role/([^/]+)/(.+)", re.DOTALL)
_IDENTITY = re.compile(r"arn:[^:]*:iam::\d*:(user|role)/(.+)", re.DOTALL)
_ROOT = re.compile(r"arn:[^:]*:iam::(\d*):root")


def opened_by_text(opened: OpenedBy) -> str:
    """Who it was, from where, with what and when, on one line."""
    parts = [_who(opened.principal)]
    if opened.source_ip:
        parts.append(f"from {flattened(opened.source_ip, _LIMIT)}")
    text = ", ".join(parts)
    if opened.user_agent:
        text += f" with {program_of(opened.user_agent) or flattened(opened.user_agent, _LIMIT)}"
    return f"{text}, {shown_time(opened.event_time)}"


def _who(principal: str) -> str:
    if found := _SESSION.fullmatch(principal):
        return f"role {flattened(found[1], _LIMIT)}, session {flattened(found[2], _LIMIT)}"
    if found := _IDENTITY.fullmatch(principal):
        return f"{found[1]} {flattened(found[2], _LIMIT)}"
    if found := _ROOT.fullmatch(principal):
        return f"the root user of account {found[1]}"
    return flattened(principal, _LIMIT) or "somebody whom CloudTrail does not name"


def exemption_line(step: Step, update: Update | None, kept: Mapping[str, Any]) -> str:
    """What is to be said of an exemption beside an update, as raw text; empty: nothing. `kept` is the channel's."""
    issue, exemption = step.issue, step.exemption
    if exemption is None or update in (None, Update.CHANGED, Update.CLOSING):
        return _of_open_group(step, update, kept)
    reason = f" Reason of the exemption: {exemption.reason_and_author}" if exemption.reason_and_author else ""
    group = f"security group {issue.issue_id}"
    if update is Update.EXEMPTION_ENDS and issue.status is Status.OPEN:
        return (
            f"An exemption of a part of {group} ends on {exemption.expires}. From that day on what it covers is open, "
            f"too, unless it is fixed or the exemption is extended before.{reason}"
        )
    if update is Update.EXEMPTION_ENDS:
        return (
            f"The exemption of {group} ends on {exemption.expires}. From that day on it is an open issue again, unless "
            f"it is fixed or the exemption is extended before.{reason}"
        )
    if update.begins:
        return f"The exemption of {group} ended on {exemption.expires}.{reason}"
    if update is Update.EXEMPT:
        until = f"The exemption ends on {exemption.expires}." if exemption.expires else ""
        return f"{until}{reason}".strip()
    return ""


def _of_open_group(step: Step, update: Update | None, kept: Mapping[str, Any]) -> str:
    group = f"security group {step.issue.issue_id}"
    if update is Update.FOUND_AGAIN and kept.get("exempt"):
        return f"The exemption of {group} was taken back, or does not cover what is open now."
    if step.exempt_in_part and update is Update.CHANGED:
        return f"An exemption covers a part of {group}: what it covers is not listed as open."
    return ""


def exemption_document(step: Step) -> Document:
    """What `exemption_line` says to a ticket; empty: nothing."""
    line = exemption_line(step, step.ticket_update, step.issue.jira_details)
    return (Section("", (paragraph(line),)),) if line else ()


def with_exemption(document: Document, step: Step) -> Document:
    """A ticket's text with what `exemption_line` says: before it, or after it where an exemption ended early."""
    said = exemption_document(step)
    return (*said, *document) if step.exemption else (*document, *said)


_NAME_IN_SUMMARY = 60
_RULES_IN_ALERT = 15
_COMMANDS_IN_ALERT = 3
_WHO_HAMMER_IS = (
    "This ticket was written by Hammer, which checks the security groups of your organization's AWS accounts. The "
    "ticket closes by itself when the group exposes nothing any more, or is exempt."
)


def summary(issue: Issue, location: Location, restricted: PortSet) -> str:
    """The ticket's title, on one line: severity, what is open to whom, where, and the id."""
    severity = str(issue.details.severity).capitalize()
    where = subject(issue, location)
    allowed = allowed_text(clauses(issue.details.perms, restricted))
    available = max(SUMMARY_LIMIT - utf16_size(where) - len(severity) - 4, 40)
    return cut_utf16(f"{severity}: {cut_utf16(allowed, available)}: {where}", SUMMARY_LIMIT)


def subject(issue: Issue, location: Location) -> str:
    """The group and where it is, on one line."""
    name, account = (shortened(text, _NAME_IN_SUMMARY) for text in (issue.details.name, location.account))
    return f'"{printable(name)}", {printable(account)}, {location.region}, {issue.issue_id}'


def ticket(issue: Issue, facts: TicketFacts) -> Document:
    """The body of a new ticket: what is wrong and what to do, then the evidence."""
    fix_at = fix_location(issue)
    exposures = Section("What is open, and to whom", (exposure_table(issue.details.perms),))
    times = Section("Since when, and until when", _times(issue, facts))
    paths = path_blocks(issue, facts.used_by)
    unused = _may_be_deleted(issue)
    to_do: tuple[Block, ...] = (*delete_command(issue, fix_at), *_narrow()) if unused else (Bullets(_advice()),)
    return (
        Section("", tuple(_head(issue, facts, fix_at))),
        Section("What to do, in detail", (*to_do, _exemption(issue, facts))),
        exposures,
        *((Section("Who can connect, and over what", paths),) if paths and not unused else ()),
        *use_sections(issue),
        *(() if unused else (Section("What uses the group", _users_section(issue, facts.used_by)),)),
        times,
        *source_sections(issue),
        *_commands(issue, facts, fix_at),
    )


def _narrow() -> tuple[Block, ...]:
    """What to do with a group that nothing uses, and that is needed all the same."""
    text = "If it is still needed, keep it and narrow its sources, by hand or with the commands below:"
    return (paragraph(text), Bullets(_advice()))


def _commands(issue: Issue, facts: TicketFacts, fix_at: FixLocation | None) -> tuple[Section, ...]:
    """How the rules are narrowed. Where another tool than Terraform is known to define the group, Terraform is not."""
    warning = (paragraph(f"{fix_at.until}."),) if fix_at is not None else ()
    by_hand = Section("With the AWS command line", (*warning, *cli_commands(issue, facts.sources)), spare=True)
    if fix_at is not None and not fix_at.is_terraform:
        return (by_hand,)
    return (by_hand, Section("With Terraform", terraform_blocks(issue, facts.sources), spare=True))


def changed(
    issue: Issue,
    days: int | None,
    notified_lines: Sequence[str] | None,
    *,
    again: bool,
    scope: frozenset[str],
) -> Document:
    """A comment on a ticket whose group changed, or is exposed again.

    Args:
        issue: the issue.
        days: how many days from now remediation will change it; None: it does not, or that is no news.
        notified_lines: what the ticket was last told, each as `exposure_line` writes it; None: nobody knows.
        again: whether the group was found again rather than changed.
        scope: the statuses of the rules that remediation replaces.
    """
    perms = issue.details.perms
    now = {exposure_line(perm): perm for perm in perms}
    known = set(notified_lines or ())
    opened = [perm for line, perm in now.items() if line not in known]
    closed = [line for line in notified_lines or () if line not in now]
    if again:
        since = f", since {shown_time(issue.timestamps.identified)}" if issue.timestamps.identified else ""
        count = f", for the {ordinal(issue.occurrence)} time" if issue.occurrence > 3 else ""
        blocks: list[Block] = [paragraph(f"Security group {issue.issue_id} is exposed again{since}{count}. Open now:")]
        blocks += [paragraph(text) for text in (verdict_line(issue), _opened(issue), _again(issue)) if text]
        blocks.append(exposure_table(perms))
        blocks += source_dispute(issue)
        if days is not None:
            # Not a date: a run that goes on from one that broke must write the same text to recognize it.
            blocks.append(paragraph(f"{UNLESS} {replaced(issue, scope)} in {days_text(days)}."))
        return (Section("", tuple(blocks)),)
    if notified_lines is not None and not opened and not closed:
        # Nothing but the reachability is another: otherwise there would be no news.
        first = verdict_line(issue) or f"Severity: {issue.details.severity}."
        text = f"Who can connect through security group {issue.issue_id} has changed. {first}"
        return (Section("", (paragraph(text),)),)
    blocks = [paragraph(f"What is open in security group {issue.issue_id} has changed.")]
    if notified_lines is not None and opened:
        blocks += [paragraph("Newly open:"), exposure_table(opened)]
    if closed:
        blocks += [paragraph("No longer open:"), Bullets(tuple(map(shown_line, closed)))]
    if notified_lines is None or len(opened) < len(perms):
        blocks += [paragraph("Open now, all together:"), exposure_table(perms)]
    blocks += [paragraph(text) for text in (kept_text(issue),) if text]
    return (Section("", tuple(blocks)),)


def ended(issue: Issue, *, exempt: bool) -> Document:
    """The comment with which a ticket is closed."""
    if exempt:
        text = f"Security group {issue.issue_id} is exempt now: an exemption covers all that is open in it."
        return (Section("", (paragraph(f"{text} It comes back if the exemption ends."),)),)
    times = issue.timestamps
    text = f"Security group {issue.issue_id} exposes nothing any more"
    text += f", as was seen on {shown_time(times.resolved)}." if times.resolved else "."
    if times.remediated:
        text += f" Hammer had replaced rules of it on {shown_time(times.remediated)}."
    return (Section("", (paragraph(f"{text} If it is exposed again, this ticket is reopened."),)),)


def not_watched(issue: Issue) -> Document:
    """The comment with which a ticket is closed whose account or region left the configuration."""
    text = (
        f"Account {issue.account_id}, region {issue.details.region}, is not watched by Hammer any more. So nobody sees "
        f"whether {issue.issue_id} is still exposed, and nothing is changed there. This ticket is closed for that "
        "reason alone: if the account is still in use, what is open in it is still open."
    )
    journal = issue.remediation_details.get("journal")
    begun = journal.get("step") if isinstance(journal, Mapping) else None
    if begun in ("adding", "revoking", "verifying"):
        text += " A change of the group that Hammer had begun is not complete, and will not be completed."
    return (Section("", (paragraph(text),)),)


def alert(
    issue: Issue,
    facts: TicketFacts,
    *,
    is_reminder: bool,
    has_ticket: bool,
    waiting: Sequence[Waiting] = (),
) -> AlertText:
    """What a message in Slack says after the group's name, and the lines of its thread, both in `mrkdwn`.

    Args:
        issue: the issue.
        facts: what else is known of it.
        is_reminder: whether it was told before, and is to be changed soon.
        has_ticket: whether a ticket says what to do, so that the thread need not.
        waiting: what has a retention period of its own, and is replaced later.
    """
    perms = issue.details.perms
    text = "; ".join(filter(None, (allowed_text(clauses(perms, facts.restricted)), verdict_words(issue.details))))
    if facts.closes_at:
        when = closing_words(facts.closes_at, at_once=facts.at_once, at_the_latest=facts.closes_last)
        text = f"{text}; {replaced_line(issue, facts.scope, when, waiting)}"
    text = slack_literal(text)
    advice = () if has_ticket else tuple(_advice_lines(issue, facts))
    if is_reminder:
        known = [f"    {slack_literal(line)}" for line in (kept_text(issue), use_alert_line(issue)) if line]
        return AlertText(text, (*known, *advice))
    said = (verdict_line(issue), kept_text(issue), _opened(issue), _again(issue), use_alert_line(issue))
    details = [f"    {line}" for line in said if line]
    details += [f"    {line}" for line in source_alert_lines(issue)]
    details += [f"    {shown_line(exposure_line(perm))} ({share(perm.cidr)})" for perm in perms[:_RULES_IN_ALERT]]
    if len(perms) > _RULES_IN_ALERT:
        details.append(f"    and {len(perms) - _RULES_IN_ALERT} more rules and sources")
    return AlertText(text, (*map(slack_literal, details), *advice))


def _advice_lines(issue: Issue, facts: TicketFacts) -> Iterator[str]:
    """What to do, for a message beside which there is no ticket, in `mrkdwn`."""
    fix_at = fix_location(issue)
    if fix_at is not None:
        yield f"    {slack_literal(fix_at.fix)}"
    if url := facts.location.console_url(issue.issue_id):
        yield f"    Look at it: {link(url, 'the group in the AWS console')}"
    if _may_be_deleted(issue) and fix_at is None:
        command = f"aws ec2 delete-security-group {aws_options(issue)}"
        yield f"    If nothing needs it any more, delete it: `{command}`"
        yield "    If it is still needed, narrow it:"
    elif fix_at is not None:
        yield f"    {slack_literal(fix_at.until)}."
    commands = revoke_commands(issue)
    yield f"    {open_first(facts.sources)}."
    for command in commands[:_COMMANDS_IN_ALERT]:
        yield f"    Close it: `{command}`"
    if len(commands) > _COMMANDS_IN_ALERT:
        yield f"    and {len(commands) - _COMMANDS_IN_ALERT} more such commands, one for each rule above"
    if facts.procedure_url:
        yield f"    If it must stay open: {link(facts.procedure_url, 'ask for an exemption')}"
    else:
        yield "    If it must stay open, ask your security team for an exemption."
    if facts.closes_at:
        command = f"hammer restore {hammer_options(issue)}"
        yield f"    Hammer saves the group first; your security team can restore it on Hammer's host: `{command}`"


def _head(issue: Issue, facts: TicketFacts, fix_at: FixLocation | None) -> Iterator[Block]:
    """What a reader knows after ten seconds, each under its name: what is wrong, who can connect, what to do, when."""
    allows = allowed_sentence(clauses(issue.details.perms, facts.restricted))
    group = f'Security group {issue.issue_id} "{issue.details.name}" in {facts.location}'
    yield paragraph(f"{group}, allows {allows}.", label="What is wrong")
    connect = verdict_line(issue) or f"Nobody checked this yet. Severity: {issue.details.severity}."
    yield paragraph(f"{connect} {_risk(issue)}", label="Who can connect now")
    if url := facts.location.console_url(issue.issue_id):
        fixed = "Fix it" if fix_at is None else "Fix the other rules" if fix_at.is_partial else "Look at it"
        yield paragraph(f"{_to_do(issue, fix_at)} {fixed} in the AWS console: ", Link(url), label="What to do")
    else:
        yield paragraph(_to_do(issue, fix_at), label="What to do")
    if facts.closes_at:
        when = "Hammer's next run" if facts.at_once else shown_time(facts.closes_at)
        yield paragraph(f"{when}. {closing_sentences(issue, facts)}", label="By when")
    else:
        yield paragraph("There is no date: Hammer will not change the group by itself.", label="By when")
    if kept := kept_text(issue):
        yield paragraph(kept)
    disputed = dispute_of(issue)
    dispute = disputed.text if disputed is not None else ""
    for text in (_opened(issue), _again(issue), dispute, *facts.owner_notes, _WHO_HAMMER_IS):
        if text:
            yield paragraph(text)


def _to_do(issue: Issue, fix_at: FixLocation | None) -> str:
    """What to do, in a sentence; the section of that name goes on."""
    if fix_at is not None:
        return fix_at.fix
    if _may_be_deleted(issue):
        return "Delete the group if nothing needs it; otherwise narrow its sources."
    if len(issue.details.perms) == 1:
        return "Narrow the source of this rule to those who need it, or take the rule away."
    return "Narrow the sources of these rules to those who need them, or take the rules away."


def _opened(issue: Issue) -> str:
    return f"Opened by {opened_by_text(issue.opened_by)}." if issue.opened_by else ""


def _again(issue: Issue) -> str:
    """That the group is opened again and again, as of the day when this occurrence began: a text does not age."""
    began = issue.timestamps.identified
    if began is None or not is_flapping(issue.history, began):
        return ""
    return f"The group was {flapping_text(issue.history, began, made_by(issue).manager)}."


def _may_be_deleted(issue: Issue) -> bool:
    """Whether nothing uses the group now, and EC2 lets people delete it."""
    reachability = issue.details.reachability
    return reachability is not None and reachability.verdict is Verdict.UNUSED and not _is_default(issue)


def _risk(issue: Issue) -> str:
    """Why it matters, by who can connect."""
    reachability = issue.details.reachability
    flaw = "a weak password or one known flaw behind such a port is enough to take over the machine"
    match reachability.verdict if reachability else None:
        case Verdict.INTERNET:
            return f"Such ports are scanned all the time, from everywhere: {flaw} and what it can reach."
        case Verdict.UNKNOWN | None:
            return f"If the ports can be reached from the Internet, {flaw} and what it can reach."
        case Verdict.BLOCKED:
            return "One change to the network, such as a route, lets in whom the rules allow."
        case Verdict.INTERNAL:
            return "As soon as it has a public address, whom the rules allow can connect."
        case Verdict.UNUSED:
            return "The next public machine that it is attached to is open, and whoever attaches it may not notice."


def _is_default(issue: Issue) -> bool:
    """Whether the group is a VPC's default one, which EC2 does not let anybody delete (error CannotDelete)."""
    return issue.details.name == "default"


def _users_section(issue: Issue, used_by: GroupUsers) -> tuple[Block, ...]:
    if used_by.unknown:
        return (paragraph(f"It could not be read what uses the group: {used_by.unknown}."),)
    if not used_by.users:
        nothing = "Nothing: no network interface has the group at the moment."
        if _is_default(issue):
            rest = "It is the default group of its VPC, which cannot be deleted: take its open rules away."
        else:
            rest = "If nothing needs it any more, delete it."
        return (paragraph(f"{nothing} {rest}"),)
    lines = [
        f"{user.kind} {user.name}"
        + (f", public at {', '.join(user.public_addresses)}" if user.public_addresses else "")
        for user in used_by.users
    ]
    return (Bullets((*lines, *([f"and {used_by.more} more"] if used_by.more else []))),)


def _times(issue: Issue, facts: TicketFacts) -> tuple[Block, ...]:
    found = issue.timestamps.identified
    since = f"Hammer first saw it on {shown_time(found)}." if found else "Nobody knows since when."
    if facts.closes_at is None:
        return (paragraph(f"{since} Hammer will not change the group by itself."),)
    touched = {perm.status for perm in issue.details.perms} & facts.scope
    which = "the rules above" if len(touched) > 1 or len({p.status for p in issue.details.perms}) == 1 else ""
    which = which or f"those of the rules above that are {' '.join(touched).replace('_', ' ')}"
    if kept_text(issue):
        which = "those of the rules above that nobody chose to keep"
    how = how_replaced(issue, facts)
    return (
        paragraph(
            f"{since} Hammer will replace {which}, {how}, {closing_words(facts.closes_at, at_once=facts.at_once)}: "
            f"what they open will then be open from {named_sources(facts.sources)} only. "
            "The group is saved before. Your security team can restore it on Hammer's host:"
        ),
        Code(f"hammer restore {hammer_options(issue)}"),
    )


def _advice() -> tuple[str, ...]:
    return (
        "Find out who must reach these ports, and from where; often it is nobody.",
        "Narrow each source to those addresses, or to another security group; for logins use AWS Systems Manager "
        "Session Manager or a VPN, for databases a private subnet.",
    )


def _exemption(issue: Issue, facts: TicketFacts) -> Paragraph:
    group = f"{issue.issue_id} in account {issue.account_id}"
    if not facts.procedure_url:
        return paragraph(f"If it must stay as it is, ask your security team to exempt {group}.")
    return paragraph(f"If it must stay as it is, ask for an exemption of {group}: ", Link(facts.procedure_url))
