"""What the report says of each issue, as texts made printable here; the template escapes them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from hammer.listing.issue import ChangeSince, Failed, ListedIssue, Listing, ListingSource
from library.aws.partition import console_host
from library.documents.text import counted, flattened, printable
from library.issues.decision_record import KeptSource
from library.issues.history import WINDOW, is_flapping, reopeners, reopenings
from library.issues.issue import Issue, Status
from library.issues.reachability import Reachability, Severity, Verdict
from library.issues.times import shown_day, shown_time
from library.issues.use import SourceClass, use_sentences
from library.security_groups.clauses import allowed_sentence
from library.security_groups.exposure import Exposure, source_text, traffic_text
from library.source.service import managed_by
from reporting.exposure_text import diff_line, open_first, revoke_commands, share
from reporting.group_text import verdict_words

_WORKERS_SHOWN = 5
_DUE_SOON = timedelta(days=7)
_PATHS_SHOWN = 5
_REASONS_SHOWN = 3
_FILE = ("", "")
"""The account and region of what a plan or template would make."""
_NAME_LIMIT = 160
_SHORT_NAMES = {
    "AWS Foundational Security Best Practices": "AWS FSBP",
    "CIS AWS Foundations Benchmark": "CIS AWS",
    "NIST SP 800-53 Rev. 5": "NIST 800-53 r5",
}
_VERDICTS = {
    "": "not judged",
    Verdict.INTERNET: "reachable now",
    Verdict.UNKNOWN: "not known",
    Verdict.BLOCKED: "blocked",
    Verdict.INTERNAL: "no public address",
    Verdict.UNUSED: "not in use",
}
_STATUSES = ("open", "exempt", *(str(status) for status in Status if not status.is_exposed))


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule and source: its traffic, its source, how much of the Internet that is, and its status."""

    traffic: str
    source: str
    share: str
    status: str


@dataclass(frozen=True, slots=True)
class IssueView:
    """One issue.

    Attributes:
        anchor: the id of its section.
        connects: who can connect now, in a sentence; empty: that was not judged.
        allows: what its rules allow, port by port.
        overdue: whether remediation might have closed it already.
        read: when its region was last read, where that failed since; empty: it is as it was found now.
        life: what happened to it, each with its time in UTC.
        paths: the ways in, and what they rest on, in sentences.
        facts: what else is known, as pairs of a name and a text.
        fix: commands that close it; empty: none are known.
        before_fix: what comes first, without the end of its sentence.
        diff: the first lines of the change where it is defined; empty: none is known.
        ticket_url: the address of its ticket; empty: nobody knows it.
        console: the address of its page in the AWS console; empty: it has none.
    """

    anchor: str
    group_id: str
    name: str
    account: str
    account_id: str
    region: str
    severity: str
    status: str
    verdict: str
    connects: str
    allows: str
    ports: tuple[str, ...]
    owner: str
    age: str
    due: str
    overdue: bool
    read: str
    rules: tuple[Rule, ...]
    life: tuple[tuple[str, str], ...]
    paths: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    ticket: str
    ticket_url: str
    controls: tuple[str, ...]
    fix: str
    before_fix: str
    diff: str
    console: str


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One account and region, and what was seen of it.

    Attributes:
        groups: how many were read, or that none was.
        exempt: how many of them are exempt; empty: none was read.
        when: when it was last seen whole, in UTC.
        missing: what could not be read, and why; empty: nothing.
    """

    account: str
    account_id: str
    region: str
    groups: str
    exempt: str
    when: str
    missing: str


@dataclass(frozen=True, slots=True)
class Total:
    """One number at the top of the page, and what it counts.

    Attributes:
        kind: how it is coloured: a severity, `overdue`, `reachable`, or empty.
        by: which filter of the list is set when it is chosen; empty: only that for what is open.
        value: to what.
        sort: by which column the list is sorted then; empty: as it is.
        link: where it leads; empty: nowhere.
    """

    number: int
    label: str
    kind: str = ""
    by: str = ""
    value: str = ""
    sort: str = ""
    link: str = "#list"


def totals(listing: Listing) -> tuple[Total, ...]:
    """The numbers that a reader looks at first."""
    issues = listing.open_issues
    severities, reachable = [issue.severity for issue in issues], _reachable(listing)
    return (
        Total(len(issues), "open, of what was asked for" if listing.filtered else "open"),
        *(
            Total(number, str(severity), str(severity) if number else "", "severity", str(severity))
            for severity in (Severity.CRITICAL, Severity.HIGH)
            for number in (severities.count(severity),)
        ),
        Total(
            reachable,
            "reachable from the Internet now",
            kind="reachable" if reachable else "",
            by="verdict",
            value=_VERDICTS[Verdict.INTERNET],
        ),
        *(() if listing.source is ListingSource.SCAN else _dates(listing)),
        # Exempt groups of a scan are counted, and not listed.
        Total(
            *(listing.whitelisted, "exempt", "", "status", "exempt"),
            link="#list" if any(issue.whitelisted for issue in listing.issues) else "",
        ),
        Total(
            len(listing.unread),
            f"{unread_noun(listing.unread)} could not be read",
            kind="high" if listing.unread else "",
            link="#unread",
        ),
    )


def _dates(listing: Listing) -> tuple[Total, ...]:
    """What is overdue and what is due soon: a scan does not know that, as the table has it."""
    now, overdue = listing.generated, _overdue(listing)
    due_soon = sum(issue.is_due(now + _DUE_SOON) for issue in listing.open_issues) - overdue
    return (
        Total(overdue, "overdue", "overdue" if overdue else "", sort="due"),
        Total(due_soon, "due within 7 days", sort="due"),
    )


def _reachable(listing: Listing) -> int:
    return sum(issue.verdict == Verdict.INTERNET for issue in listing.open_issues)


def _overdue(listing: Listing) -> int:
    """How many open issues remediation might have changed by now."""
    return sum(issue.is_due(listing.generated) for issue in listing.open_issues)


def headline(listing: Listing) -> tuple[str, bool]:
    """The page in one sentence, and whether that is good news."""
    issues, now = listing.open_issues, listing.generated
    if not issues:
        rest = "" if listing.is_whole else ", but not everything could be read"
        if listing.filtered:
            return f"No open issue is {'known ' if rest else ''}among those that were asked for{rest}.", False
        are = "is" if listing.whitelisted == 1 else "are"
        exempt = f"; {listing.whitelisted:,} {are} exempt" if listing.whitelisted else ""
        if rest:
            return f"No open issue is known{exempt}{rest}.", False
        return f"No security group is open to the Internet{exempt}.", True
    reachable, alone = _reachable(listing), len(issues) == 1
    asked = "Of what was asked for, " if listing.filtered else ""
    groups = counted(len(issues), "group" if all(issue.is_group for issue in issues) else "issue")
    if alone:
        text = f"{groups} is open " + (
            "and reachable from the Internet now"
            if reachable
            else "to the Internet, and not known to be reachable from there now"
        )
    else:
        text = f"{groups} are open to the Internet, {reachable:,} of them reachable from the Internet now"
    if overdue := _overdue(listing):
        subject, their = ("it is" if alone else f"{overdue:,}"), ("its" if overdue == 1 else "their")
        text += f"; {subject} overdue: the date from which Hammer may replace {their} rules has passed"
    ages = [age for issue in issues if (age := issue.age(now)) is not None]
    if oldest := max(ages, default=0):
        text += f"; {'it' if alone else 'the oldest'} was found {counted(oldest, 'day')} ago"
    return f"{asked}{text}.", False


def issue_count(statuses: Sequence[str]) -> str:
    """How many issues are listed, in statuses as a reader knows them; report.js counts alike what it shows.

    >>> issue_count(["exempt", "open", "open"]), issue_count(["open"])
    ('3 issues: 2 open, 1 exempt', '1 issue: 1 open')
    """
    found = Counter(statuses)
    kinds = ", ".join(f"{found[status]:,} {status}" for status in _STATUSES if found[status])
    return f"{counted(len(statuses), 'issue')}: {kinds}"


def change_text(change: ChangeSince, listed: int) -> str:
    """What changed since the last day of the history, in numbers that add up."""
    text = (
        f"Since {change.since}: {change.open_then:,} were open then; {change.new:,} new, {change.resolved:,} resolved. "
        f"{change.open_now:,} {'is' if change.open_now == 1 else 'are'} open now"
    )
    if listed != change.open_now:
        text += f", {listed:,} of them listed here"
    if change.otherwise:
        what = f"{abs(change.otherwise):,} {'more' if change.otherwise > 0 else 'fewer'}"
        text += (
            f": {what} for other reasons, such as an exemption that began or ended, an account that came or left, or "
            f"what was found later on {change.since}"
        )
    return f"{text}."


def unread_noun(failed: Sequence[Failed]) -> str:
    """What of a list could not be read, in the plural unless it is one.

    >>> unread_noun([Failed("210987654321", "us-east-1", "role missing")]), unread_noun([])
    ('region', 'regions')
    """
    file = "part of the file"
    kinds = {
        "issue" if row.is_item else "region" if row.region else "account" if row.account_id else file for row in failed
    }
    if len(failed) == 1:
        return kinds.pop()
    plural = {file: "parts of the file"}
    return " and ".join(plural.get(kind, f"{kind}s") for kind in sorted(kinds, reverse=True)) or "regions"


def unread_text(row: Failed) -> str:
    """What could not be read, and why, on one line."""
    account = row.account_id
    if row.account_name not in ("", row.account_id):
        account = f"{row.account_name} ({row.account_id})"
    location = ", ".join(filter(None, (account, row.region)))
    return printable(f"{location}: {row.reason}" if location else row.reason)


def coverage(listing: Listing) -> list[CoverageRow]:
    """Each account and region that was looked at, or was to be, and what is missing of it."""
    reasons: dict[tuple[str, str], list[str]] = {}
    names = {row.account_id: row.account_name for row in listing.unread if row.account_name}
    for row in (*listing.unread, *listing.unjudged):
        if not row.is_item:
            reasons.setdefault((row.account_id, row.region), []).append(printable(row.reason))
    scanned = {(row.account_id, row.region): row for row in listing.scanned}
    names |= {row.account_id: row.account_name for row in listing.scanned}
    unread = {(row.account_id, row.region) for row in listing.unread if not (row.is_item or row.is_partial)}
    unread.discard(_FILE)
    rows = []
    for location in sorted(scanned.keys() | reasons.keys()):
        account_id, region = location
        seen, missing = scanned.get(location), reasons.get(location, [])
        is_read = location not in unread
        more = f"; and {len(missing) - _REASONS_SHOWN:,} more" if len(missing) > _REASONS_SHOWN else ""
        rows.append(
            CoverageRow(
                account=printable(names.get(account_id) or account_id) if account_id else "the file",
                account_id=account_id,
                region=region or ("every region" if account_id else ""),
                groups=f"{seen.groups:,}" if seen and is_read else "not read",
                exempt=f"{seen.whitelisted:,}" if seen and is_read else "",
                when=(shown_time(seen.when).removesuffix(" UTC") if seen else "") or "never",
                missing="; ".join(missing[:_REASONS_SHOWN]) + more,
            )
        )
    return rows


def last_read(listing: Listing) -> dict[tuple[str, str], str]:
    """What is to be said of the groups of an account and region that could not be read now.

    The issues of a scan are what it read; those of the table stay there while their region cannot be read. Without a
    region it is said of the whole account.
    """
    if listing.source is ListingSource.SCAN:
        return {}
    seen = {(row.account_id, row.region): row.when for row in listing.scanned}
    found: dict[tuple[str, str], str] = {}
    for row in listing.unread:
        location, when = (row.account_id, row.region), seen.get((row.account_id, row.region))
        if row.is_item:
            continue
        if row.is_partial:
            found.setdefault(location, "region read in part")
        else:
            found[location] = f"as last read {shown_day(when)}" if when else "not read this time"
    return found


def view(issue: ListedIssue, number: int, now: datetime, read: str = "") -> IssueView:
    """What the page says of one issue. `read`: when its region was last read, where that failed since."""
    details, days, clauses = issue.details, issue.age(now), issue.clauses
    words = printable(verdict_words(details))
    name, account, owner = printable(details.name), printable(issue.account_name), printable(issue.owner)
    kept = dict(issue.kept)
    rules = tuple(_rule(perm, kept.get(perm)) for perm in details.perms)
    overdue = issue.status is Status.OPEN and issue.is_due(now)
    return IssueView(
        anchor=f"i{number}",
        group_id=printable(issue.group_id),
        name=name,
        account=account,
        account_id=issue.account_id,
        region=printable(details.region),
        severity=str(issue.severity),
        status="exempt" if issue.whitelisted else str(issue.status),
        verdict=_VERDICTS[issue.verdict],
        connects=f"{words[0].upper()}{words[1:]}." if words else "",
        allows=allowed_sentence(clauses) if clauses else "",
        ports=tuple(map(printable, issue.ports)),
        owner=owner,
        age="" if days is None else counted(days, "day") if days else "today",
        due=shown_day(issue.due),
        overdue=overdue,
        read=read,
        rules=rules,
        life=tuple((time.removesuffix(" UTC"), what) for time, what in _life(issue)),
        paths=tuple(_paths(details.reachability)),
        facts=tuple(_facts(issue, now)),
        ticket=printable(issue.ticket),
        ticket_url=issue.ticket_url,
        controls=tuple(_controls(issue)),
        fix=_fix(issue),
        before_fix=open_first(issue.sources),
        diff="\n".join(map(diff_line, issue.source_diff)).rstrip("\n"),
        console=console_address(details.region, issue.group_id) if issue.is_group and not issue.file else "",
    )


def console_address(region: str, group_id: str) -> str:
    """A group's page in the AWS console.

    >>> console_address("eu-west-1", "sg-1")
    'https://eu-west-1.console.aws.amazon.com/vpcconsole/home?region=eu-west-1#SecurityGroup:groupId=sg-1'
    """
    host = console_host(region) or f"{quote(region)}.console.aws.amazon.com"
    return f"https://{host}/vpcconsole/home?region={quote(region)}#SecurityGroup:groupId={quote(group_id)}"


def _rule(perm: Exposure, kept: KeptSource | None) -> Rule:
    status = perm.status.replace("_", " ")
    return Rule(
        printable(traffic_text(perm.protocol, perm.from_port, perm.to_port)),
        printable(source_text(perm.cidr, perm.prefix_list_id)),
        share(perm.cidr),
        f"{status}; {printable(kept.text)}, until a person decides" if kept else status,
    )


def _life(issue: ListedIssue) -> Iterator[tuple[str, str]]:
    times, opened = issue.timestamps, issue.opened_by
    if opened:
        yield (
            shown_time(opened.event_time),
            f"opened by {printable(opened.principal) or 'somebody'}",
        )
    named = (
        ("found", times.identified),
        ("reported", times.reported),
        ("closed by Hammer", times.remediated),
        ("resolved", times.resolved),
        ("ticket closed", times.closed),
    )
    yield from ((shown_time(time), what) for what, time in named if time)
    if issue.use:
        for source in list(issue.use.sources(SourceClass.WORKING).values())[:_WORKERS_SHOWN]:
            yield shown_time(source.last), f"{source.source} worked through it last"
    if issue.due:
        yield shown_time(issue.due), "Hammer may replace its rules"


def _facts(issue: ListedIssue, now: datetime) -> Iterator[tuple[str, str]]:
    opened = issue.opened_by
    facts = (
        ("Opened again", _opened_again(issue, now)),
        ("In dispute", issue.dispute.removeprefix("In dispute: ")),
        ("Managed by", _manager(issue)),
        ("Defined", " ".join(issue.source_lines)),
        ("VPC", issue.details.vpc_id),
        ("Opened with", f"{opened.event_name} from {opened.source_ip}, {opened.user_agent}" if opened else ""),
        ("Restored", issue.restored),
        ("Use", " ".join(use_sentences(issue.use, now)) if issue.use else ""),
        ("Exempt until", issue.exempt_until.isoformat() if issue.exempt_until else ""),
        ("Exempt because", issue.exempt_reason),
        ("Tags", ", ".join(f"{key}={value}" for key, value in sorted(issue.details.tags.items()))),
    )
    yield from ((label, printable(text)) for label, text in facts if text)


def _opened_again(issue: ListedIssue, now: datetime) -> str:
    """How often, and by whom; empty: not so often lately that somebody must find out why."""
    if issue.status is not Status.OPEN or not is_flapping(issue.history, now):
        return ""
    text = f"{reopenings(issue.history, now):,} times in {WINDOW.days} days"
    who = [flattened(name, _NAME_LIMIT) for name in reopeners(issue.history, issue.opened_by, now)]
    return f"{text}, by {' and '.join(who)}" if who else text


def _manager(issue: ListedIssue) -> str:
    """What manages the group, so that a change by hand will not last; empty: nothing known."""
    manager = managed_by(issue.details.tags, issue.opened_by.user_agent if issue.opened_by else "", issue.details.name)
    return f"{flattened(manager, _NAME_LIMIT)}: a change by hand will not last" if manager else ""


def _paths(reachability: Reachability | None) -> Iterator[str]:
    if reachability is None:
        return
    for path in reachability.paths[:_PATHS_SHOWN]:
        way = f" Internet → {' → '.join(path.through)}." if path.through else ""
        yield printable(f"{path.resource or path.interface}: {path.text}{way}")
    if reachability.paths_total > _PATHS_SHOWN:
        yield f"{reachability.paths_total - _PATHS_SHOWN:,} more, in the table"
    yield from (printable(sentence) for sentence in (*reachability.assumptions, *reachability.unread))


def _controls(issue: ListedIssue) -> Iterator[str]:
    """The controls that it breaks, a text for each framework: versions that number them alike stand together."""
    by_standard: dict[str, list[str]] = {}
    for control in issue.controls:
        standard = control.standard
        for long, short in _SHORT_NAMES.items():
            standard = standard.replace(long, short)
        by_standard.setdefault(standard, []).append(control.id)
    alike: dict[tuple[str, str], list[str]] = {}
    for standard, ids in by_standard.items():
        name, _, version = standard.rpartition(" v")
        alike.setdefault((name or standard, ", ".join(_with_enhancements(ids))), []).append(version if name else "")
    by_name: dict[str, list[str]] = {}
    for (name, listed), versions in alike.items():
        which = f" {versions[0]} to {versions[-1]}" if len(versions) > 1 else f" {versions[0]}".rstrip()
        by_name.setdefault(name, []).append(f"{which}: {listed}")
    yield from (f"{name}{','.join(texts)}" for name, texts in by_name.items())


def _with_enhancements(ids: Iterable[str]) -> list[str]:
    """Controls of NIST SP 800-53 with several enhancements of one as NIST writes them: `SC-7(4)(5)`."""
    found: dict[str, str] = {}
    for each in ids:
        control, bracket, enhancement = each.partition("(")
        key = f"{control}{bracket}"
        found[key] = f"{found[key]}({enhancement}" if bracket and key in found else each
    return list(found.values())


def _fix(issue: ListedIssue) -> str:
    if not issue.is_group or not issue.status.is_exposed or issue.file:
        return ""
    # What opens the ports to private networks first is in the ticket.
    found = Issue(issue.account_id, issue.group_id, issue.status, issue.details, issue.timestamps)
    return "\n".join(revoke_commands(found))
