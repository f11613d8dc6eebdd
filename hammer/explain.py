"""`hammer explain`: one group, and every decision of the pipeline about it. Reads; changes nothing.

Describes and judges the group as the identification Lambda does, reads its issue, and plans with the plan of the dry
run. Each section is a function that returns lines of at most 80 columns; names, tags and descriptions are untrusted
input, and what does not print is spelled out. `--ask-aws` also asks AWS's Reachability Analyzer about one path, which
costs money: a path from the internet gateway to the interface and one analysis of it are created, waited for and
deleted, whatever came of them.
"""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from hammer.listing.controls import ports_of
from identification.scan import DeniedByPolicyError, RegionOffError, scan_region
from library.aws.decision_store import UnreadableExemptionError
from library.aws.ec2 import PrefixListReader, read_security_groups
from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import IssueTable, UnreadableIssueError
from library.aws.session import Sessions
from library.config import Configuration
from library.config.decided_exemptions import with_decided_exemptions
from library.config.models import remediation_terms
from library.documents.text import printable
from library.issues.change_notifications import not_done
from library.issues.issue import Issue, Status, Timestamps
from library.issues.reachability import Path, Reachability
from library.issues.reconcile import Detection
from library.issues.schedule import Skipped, SkipReason, remediation_schedule
from library.issues.times import shown_time
from library.issues.use import use_sentences
from library.jobs.command_line import (
    ConfigOption,
    NotThereError,
    WrongUsageError,
    accounts_named,
    end,
    is_scanned,
    location_of_group,
    open_table,
    read_configuration,
    refuse_unknown_regions,
)
from library.network.ports import ALL_WITHOUT_PORTS, PortSet, protocol_name, traffic_of, traffic_of_ports
from library.notifications.owners import owners_of
from library.security_groups.clauses import allowed_sentence, clauses
from library.security_groups.exemptions import applying
from library.security_groups.exposure import Evaluator, rule_text, traffic_text
from library.security_groups.group import IngressRule, SecurityGroup, rule_key
from library.security_groups.users import GroupUsers
from library.source.cloudformation import StackReader
from library.source.find import TerraformFiles, locate, read_folders, read_rule_ids
from library.source.hcl import GrammarMissingError
from library.source.location import DIFF_LINES, SourceReport, dispute_of
from remediation.backups import BackupError, Backups
from remediation.eligibility import account_policy, issue_policy, why_not_at_once, why_not_due
from remediation.journal import unfinished_remediation
from remediation.plan import Plan, leaves_exposures
from remediation.planning import next_try, quota_of, read_lists_and_plan, rule_quota
from remediation.proof import read_group_before, rules_to_resume
from reporting.exposure_text import open_first, revoke_commands, share
from reporting.group_text import verdict_words
from reporting.remediation_text import kept_text

WIDTH = 80
_PORTS_NAMED = 100
Lines = list[str]


def heading_section(group: SecurityGroup, account_name: str, account_id: str, region: str) -> Lines:
    """Which group this is."""
    account = f"{account_id} ({account_name})" if account_name != account_id else account_id
    return _wrapped(f"{group.group_id} {group.name!r} in {account}, {region}, {group.vpc_id}", "")


def summary_section(detection: Detection | None, restricted: PortSet) -> Lines:
    """How bad it is, what the rules allow, and whether anyone can connect."""
    if detection is None:
        return []
    details = detection.details
    allows = f"The rules allow {allowed_sentence(clauses(details.perms, restricted))}."
    words = verdict_words(details) or "it was not judged who on the Internet can connect now"
    exempt = " Exempt." if detection.whitelisted else ""
    return _wrapped(f"{details.severity}: {words}.{exempt} {allows}", "")


def fix_section(group_id: str, detection: Detection | None, sources: Sequence[str]) -> Lines:
    """The commands that close it, a line each, so that they can be pasted, and what may be opened instead."""
    if detection is None or detection.whitelisted:
        return []
    issue = Issue(detection.account_id, group_id, Status.OPEN, detection.details, Timestamps())
    return [
        "Fix, with the AWS command line",
        *_wrapped(f"{open_first(sources)}."),
        *(f"  {command}" for command in revoke_commands(issue)),
    ]


def rules_section(
    group: SecurityGroup, detection: Detection | None, restricted: PortSet, unreadable: Sequence[str]
) -> Lines:
    """Each rule, what it exposes and to how much of the Internet; of what could not be judged, why."""
    lines = ["Rules"]
    exposures = detection.details.perms if detection else ()
    for rule in group.ingress:
        lines += _wrapped(rule_text(rule))
        exposed = [each for each in exposures if rule_key(each) == rule_key(rule)]
        for each in exposed:
            ports = ", ".join(clause.named_ports(_PORTS_NAMED) for clause in clauses([each], restricted))
            source = f" ({each.cidr})" if rule.prefix_list_id else ""
            status = each.status.replace("_", " ")
            lines += _wrapped(f"exposes {ports} to {share(each.cidr)}{source}: {status}", "    ")
        source = rule.prefix_list_id or repr(rule.cidr)
        if reason := next((reason for reason in unreadable if source in reason), ""):
            lines += _wrapped(f"not judged: {reason}", "    ")
        elif not exposed:
            lines += _wrapped(_why_not(rule, restricted), "    ")
    for reason in group.unreadable:
        lines += _wrapped(f"not judged: {reason}")
    return lines if len(lines) > 1 else [*lines, "  none: nobody can connect"]


def _why_not(rule: IngressRule, restricted: PortSet) -> str:
    if rule.group_id:
        return "exposes nothing: its source is a security group"
    if protocol_name(rule.protocol) in ("icmp", "icmpv6"):
        return "exposes nothing: ICMP never does"
    judged = traffic_of_ports(restricted) | ALL_WITHOUT_PORTS
    if not traffic_of(rule.protocol, rule.from_port, rule.to_port) & judged:
        return "exposes nothing: no restricted port is in it"
    if rule.prefix_list_id:
        return "exposes nothing: its prefix list is one of AWS, or has no public address that is not trusted or exempt"
    return "exposes nothing: its source has no public address, or is trusted or exempt"


def paths_section(detection: Detection | None, unreadable: Sequence[str]) -> Lines:
    """Who can connect, and each interface with its path."""
    if detection is None and unreadable:
        return ["Reachability", "  not asked: nothing that could be judged exposes a restricted port"]
    if detection is None:
        return ["Reachability", "  not asked: the group exposes no restricted port"]
    found = detection.details.reachability
    if found is None:
        return []
    lines = ["Reachability", *_wrapped(f"{found.verdict}: {verdict_words(detection.details)}")]
    for path in found.paths:
        lines += _path(path)
    if found.paths_total > len(found.paths):
        lines.append(f"  and {found.paths_total - len(found.paths)} more paths")
    for text in (*found.unread, *found.assumptions):
        lines += _wrapped(text)
    return lines


def _path(path: Path) -> Lines:
    lines = _wrapped(f"{path.interface}, {path.resource}, {path.address or 'no public address'}: {path.verdict}")
    steps = " > ".join(("Internet", *path.through)) if path.through else ""
    if steps:
        lines += _wrapped(f"{steps}{f' > {path.blocked_by}' if path.blocked_by else ''}", "    ")
    return lines + _wrapped(path.text, "    ")


def analyzer_section(asked: Sequence[tuple[str, Asked]], reachability: Reachability) -> Lines:
    """What AWS says of the same paths, beside what Hammer says."""
    ours = {path.address: path.verdict for path in reachability.paths}
    lines = ["AWS Reachability Analyzer"]
    for address, answer in asked:
        says = {True: "reachable", False: "not reachable", None: "no answer"}[answer.found]
        cause = f" ({', '.join(answer.reasons)})" if answer.reasons else ""
        lines += _wrapped(f"{address}: AWS says {says}{cause}; Hammer says {ours[address]}")
    return lines


def state_section(
    group: SecurityGroup,
    issue: Issue | None,
    config: Configuration,
    account_id: str,
    now: datetime,
    *,
    is_read: bool = True,
) -> Lines:
    """Exemption, status, due date. `is_read`: whether None means that there is no issue."""
    lines = ["Issue"]
    for exemption in applying(config.exemptions(account_id), group.group_id, group.vpc_id, group.name, now.date()):
        what = "the whole group" if exemption.is_whole else "a part of it"
        until = f" until {exemption.expires}" if exemption.expires else ""
        cause = f": {exemption.reason_and_author}" if exemption.reason_and_author else ""
        lines += _wrapped(f"an exemption covers {what}{until}{cause}")
    if issue is None:
        return [*lines, "  none in the table" if is_read else "  it could not be read"]
    times = issue.timestamps
    found, reported = shown_time(times.identified) or "unknown", shown_time(times.reported) or "not yet"
    lines += _wrapped(f"{issue.status}; found {found}; reported {reported}")
    if ticket := issue.jira_details.get("ticket"):
        lines += _wrapped(f"ticket {ticket}")
    if issue.opened_by:
        lines += _wrapped(f"opened by {issue.opened_by.principal}")
    terms = remediation_terms(config, account_id)
    if terms.is_immediate(issue):
        lines += _wrapped(f"immediate mode: {issue.details.severity} is closed at the next run after a notice")
    if kept := kept_text(issue):
        lines += _wrapped(kept)
    if notification := not_done(issue.change_notifications, issue.occurrence, times.remediated):
        again = next_try(issue.remediation_details, now)
        lines += _wrapped(f"not remediated, since {shown_time(notification.at)}: {notification.text}{again}")
    found_schedule = remediation_schedule(issue, replace(terms, is_on=True), now)
    if found_schedule.due is None:
        skipped = found_schedule.skipped
        if skipped is None or skipped.reason is SkipReason.NOT_REPORTED:
            return [*lines, "  not due before it is reported"]
        return lines + _wrapped(f"not due: {skipped.text}")
    lines.append(f"  due {shown_time(found_schedule.due)}")
    for each in found_schedule.waiting:
        perm = each.exposure
        ports, when = traffic_text(perm.protocol, perm.from_port, perm.to_port), shown_time(each.due)
        lines += _wrapped(
            f"new: {ports} from {perm.cidr} is {f'due {when}' if when else 'not due before it is reported'}"
        )
    return lines


def use_section(issue: Issue | None, config: Configuration, now: datetime, detection: Detection | None = None) -> Lines:
    """What flow logs showed; of what no scan has found yet, nothing."""
    if issue is None or (issue.use is None and not config.usage.enabled):
        return []
    if issue.use is None:
        return ["Use", "  flow logs were not read yet"]
    known = set(map(rule_key, issue.details.perms))
    exposures = detection.details.perms if detection and not detection.whitelisted else ()
    use = issue.use.of_what_is_open(each for each in exposures if rule_key(each) not in known)
    return ["Use", *(line for sentence in use_sentences(use, now) for line in _wrapped(sentence))]


def people_section(detection: Detection | None, issue: Issue | None, config: Configuration, account_id: str) -> Lines:
    """Who would be notified."""
    details = detection.details if detection else issue.details if issue else None
    if details is None:
        return []
    used_by = (detection.used_by if detection else None) or (issue.used_by if issue else None) or GroupUsers()
    decided = issue.decided.owner if issue else ""
    owners = owners_of(config, account_id, details.tags, used_by.tags, decided=decided)
    lines = ["Notified"]
    if owners.named:
        lines += _wrapped(f"{'a decision names' if owners.is_decided else 'tags name'} {owners.named}")
    if config.jira.enabled:
        who = owners.named or owners.configured.jira_owner or "nobody"
        lines += _wrapped(f"JIRA: project {owners.configured.jira_project or 'none'}, assigned to {who}")
    if config.slack.enabled:
        lines += _wrapped(f"Slack: {', '.join(owners.destinations(config))}")
    if config.webhook.is_on:
        lines += _wrapped(f"webhook: {config.webhook.site} ({', '.join(config.webhook.events)})")
    if not config.reaches_people:
        lines.append("  the console: neither JIRA nor Slack is enabled")
    if not config.secgrp_unrestricted_access.reporting:
        lines.append("  reporting is false: nobody is notified")
    return lines


def remediation_section(waits: Sequence[str], plan: Plan | Skipped) -> Lines:
    """What remediation would do: why it waits, and the plan of its dry run."""
    lines = ["Remediation"]
    for wait in waits:
        lines += _wrapped(f"waits: {wait}")
    if isinstance(plan, Skipped):
        return lines + _wrapped(f"would change nothing: {plan.text}")
    lines += [line for rule in plan.revoke for line in _wrapped(f"would revoke {rule_text(rule)}")]
    lines += [line for rule in plan.add for line in _wrapped(f"would add {rule_text(rule)}")]
    lines += [line for note in plan.notes for line in _wrapped(note)]
    if plan.left:
        lines.append(f"  would leave {len(plan.left)} sources exposed: not due yet, or out of remediation_scope")
    return lines


def source_section(report: SourceReport | None, issue: Issue | None) -> Lines:
    """Where the group is defined, whether it comes back, and the change that belongs there."""
    if report is None or not (
        report.group.where or report.group.evidence or any(r.location.where for r in report.rules)
    ):
        return []
    location = report.group
    lines = ["Source"]
    lines += _wrapped(
        f"{location.kind}, {location.where} ({location.confidence})" if location.where else str(location.kind)
    )
    for sentence in location.evidence:
        lines += _wrapped(sentence, "    ")
    for rule in report.rules:
        where = f"{rule.location.kind}, {rule.location.where}" if rule.location.where else str(rule.location.kind)
        note = f": {rule.note}" if rule.note else ""
        lines += _wrapped(f"{rule_text(rule.exposure)}: {where}; {rule.edit}{note}")
    lines += _wrapped(f"what is closed in EC2 alone comes back: {report.returns}")
    if issue is not None and (disputed := dispute_of(issue)) is not None:
        lines += _wrapped(disputed.text)
    if report.diff:
        shown = report.diff.removesuffix("\n").split("\n")
        lines += [f"  {printable(line.expandtabs())}" for line in (*report.before_diff, *shown[:DIFF_LINES])]
        if len(shown) > DIFF_LINES:
            lines.append(f"  and {len(shown) - DIFF_LINES} more lines: hammer source --format diff")
    return lines + [f"  {printable(command_line)}" for command_line in report.commands]


def first_port(detection: Detection, restricted: PortSet) -> tuple[str, int] | None:
    """A restricted port that the group exposes, for a question about one; None: only protocols without ports."""
    for perm in detection.details.perms:
        exposed = ports_of(perm) & restricted
        for protocol in ("tcp", "udp"):
            for first, _ in exposed.protocol(protocol).spans:
                return protocol, first
    return None


def _wrapped(text: str, indent: str = "  ") -> Lines:
    return textwrap.wrap(
        printable(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


PRICE = 0.10
"""Dollars for one analysis (Amazon VPC pricing, Network Analysis)."""

_EVERY_S = 5
_ATTEMPTS = 60


@dataclass(frozen=True, slots=True)
class Asked:
    """What AWS says of a path.

    Attributes:
        found: whether it found a way; None: it came to no answer.
        reasons: its codes for what is in the way, or why there is no answer.
    """

    found: bool | None
    reasons: tuple[str, ...] = ()


def analyze(client: Any, path: Path, port: tuple[str, int] | None, sleep: Callable[[float], None]) -> Asked:
    """Ask about one path. The client needs the permissions that docs/reachability.md names.

    Raises:
        ClientError, BotoCoreError: AWS refused.
    """
    gateway = next((hop for hop in path.through if hop.startswith("igw-")), "")
    if not gateway:
        return Asked(None, ("no internet gateway to start from",))
    protocol, number = port or ("tcp", 0)
    made = client.create_network_insights_path(
        Source=gateway, Destination=path.interface, Protocol=protocol, **({"DestinationPort": number} if number else {})
    )
    path_id = made["NetworkInsightsPath"]["NetworkInsightsPathId"]
    analysis_id = ""
    try:
        started = client.start_network_insights_analysis(NetworkInsightsPathId=path_id)
        analysis_id = started["NetworkInsightsAnalysis"]["NetworkInsightsAnalysisId"]
        return _answer(client, analysis_id, sleep)
    finally:
        # What cannot be deleted costs nothing more; why the question failed matters more.
        with suppress(*AWS_ERRORS):
            if analysis_id:
                client.delete_network_insights_analysis(NetworkInsightsAnalysisId=analysis_id)
            client.delete_network_insights_path(NetworkInsightsPathId=path_id)


def _answer(client: Any, analysis_id: str, sleep: Callable[[float], None]) -> Asked:
    for _ in range(_ATTEMPTS):
        answer = client.describe_network_insights_analyses(NetworkInsightsAnalysisIds=[analysis_id])
        (analysis,) = answer["NetworkInsightsAnalyses"]
        if analysis["Status"] != "running":
            codes = (each.get("ExplanationCode", "") for each in analysis.get("Explanations", ()))
            reasons = tuple(dict.fromkeys(filter(None, (*codes, analysis.get("StatusMessage", "")))))
            return Asked(analysis.get("NetworkPathFound") if analysis["Status"] == "succeeded" else None, reasons)
        sleep(_EVERY_S)
    return Asked(None, ("no answer in time",))


_PATHS_ASKED = 5


@dataclass(frozen=True, slots=True)
class _Seen:
    """What AWS showed.

    Attributes:
        detection: None: the group exposes nothing that could be judged.
        notes: what of the network, or of a prefix list, could not be read.
        unreadable: why a rule of the group could not be judged, one reason each.
    """

    group: SecurityGroup
    detection: Detection | None
    notes: tuple[str, ...]
    unreadable: tuple[str, ...]


AccountOfGroupOption = Annotated[
    str | None, typer.Option("--account", metavar="ID", help="The group's account, where the table has no issue of it.")
]
RegionOfGroupOption = Annotated[
    str | None,
    typer.Option("--region", metavar="REGION", help="The group's region, where the table has no issue of it."),
]


def command(
    group_id: Annotated[str, typer.Argument(metavar="[GROUP]", help="The security group.")] = "",
    account: AccountOfGroupOption = None,
    region: RegionOfGroupOption = None,
    group: Annotated[
        str, typer.Option("--group", metavar="ID", help="The security group, in place of the argument.")
    ] = "",
    config: ConfigOption = None,
    ask_aws: Annotated[
        bool,
        typer.Option(
            "--ask-aws",
            help=f"Ask AWS's Reachability Analyzer about each path, too. Costs {PRICE:.2f} $ a path, and creates and "
            "deletes a path and an analysis.",
        ),
    ] = False,
) -> None:
    """Explain one security group: rules, who can connect and how, issue, owners, and what remediation would do."""
    group = group or group_id
    if not group or (group_id and group != group_id):
        raise WrongUsageError("name one group: hammer explain sg-…")
    configuration = read_configuration(config)
    aws = configuration.aws
    access = open_table(configuration, aws.role_name_identification)
    configuration, sessions, table = access.config, access.sessions, access.table
    known = configuration.scanned_accounts()
    regions = () if region is None else (region,)
    refuse_unknown_regions(regions, aws.regions, lambda each: is_scanned(table, known, each))
    named = accounts_named(() if account is None else (account,), known)
    account, region = location_of_group(group, named, regions, known, table)
    now = datetime.now(UTC)
    problems: list[str] = []
    restricted = configuration.secgrp_unrestricted_access.restricted_ports
    try:
        configuration = with_decided_exemptions(configuration, table, [account])
    except (UnreadableExemptionError, *AWS_ERRORS) as error:
        problems.append(f"what people exempted could not be read: {explain(error)}")
    seen = _describe(sessions, configuration, account, region, group, now)
    problems += [f"not read: {note}" for note in (*seen.notes, *seen.unreadable)]
    issue, is_read = _issue(table, account, group, problems)
    sections = [
        heading_section(seen.group, configuration.account_name(account), account, region),
        summary_section(seen.detection, restricted),
        rules_section(seen.group, seen.detection, restricted, seen.unreadable),
        paths_section(seen.detection, seen.unreadable),
        state_section(seen.group, issue, configuration, account, now, is_read=is_read),
        use_section(issue, configuration, now, seen.detection),
        people_section(seen.detection, issue, configuration, account),
        remediation_section(*_planned(sessions, configuration, account, region, seen, issue, now, is_read=is_read)),
        source_section(_source(sessions, configuration, account, region, seen, issue), issue),
        fix_section(group, seen.detection, configuration.secgrp_unrestricted_access.remediation_sources),
    ]
    if ask_aws:
        sections.insert(4, _analyze_paths(sessions, configuration, account, region, seen, problems))
    print("\n\n".join("\n".join(lines) for lines in sections if lines))
    end(problems)


def _source(
    sessions: Sessions, config: Configuration, account_id: str, region: str, seen: _Seen, issue: Issue | None
) -> SourceReport | None:
    """Where the group is defined; None: it exposes nothing."""
    if seen.detection is None:
        return None
    client, exposures = sessions.client("ec2", account_id, region), seen.detection.details.perms
    try:
        files = read_folders(config.source.terraform_paths)
    except GrammarMissingError as error:
        files = TerraformFiles(unread=[str(error)])
    return locate(
        seen.group,
        exposures,
        config.secgrp_unrestricted_access.remediation_sources,
        StackReader(sessions.client("cloudformation", account_id, region), account_id, region),
        lambda: read_rule_ids(client, seen.group.group_id, exposures),
        files,
        issue.opened_by.user_agent if issue is not None and issue.opened_by else "",
    )


def _describe(
    sessions: Sessions, config: Configuration, account_id: str, region: str, group_id: str, now: datetime
) -> _Seen:
    section = config.secgrp_unrestricted_access
    client = sessions.client("ec2", account_id, region)
    try:
        scan = scan_region(
            sessions,
            account_id,
            region,
            Evaluator(section.restricted_ports, section.trusted_cidrs),
            config.exemptions(account_id),
            now.date(),
            [group_id],
            section.owner_tags.keys,
        )
    except (DeniedByPolicyError, RegionOffError) as error:
        raise NotThereError(str(error)) from error
    found = [each for page in read_security_groups(client, [group_id]) for each in page.groups]
    if not found:
        raise NotThereError(f"there is no security group {group_id} in {account_id}, {region}")
    if (owner := found[0].owner_id) not in ("", account_id):
        raise NotThereError(f"{group_id} is a group of account {owner}, which shares it with {account_id}: name that")
    unreadable = tuple(reason for reasons in scan.unreadable.values() for reason in reasons)
    notes = (*scan.notes, scan.incomplete) if scan.incomplete else scan.notes
    return _Seen(found[0], next(iter(scan.detections), None), notes, unreadable)


def _issue(table: IssueTable, account_id: str, group_id: str, problems: list[str]) -> tuple[Issue | None, bool]:
    """The group's issue, and whether it could be read."""
    try:
        return table.get(account_id, group_id), True
    except UnreadableIssueError as error:
        problems.append(str(error))
    except AWS_ERRORS as error:
        problems.append(f"its issue could not be read: {explain(error)}")
    return None, False


def _planned(
    sessions: Sessions,
    config: Configuration,
    account_id: str,
    region: str,
    seen: _Seen,
    issue: Issue | None,
    now: datetime,
    *,
    is_read: bool,
) -> tuple[Sequence[str], Plan | Skipped]:
    """Why remediation would wait, and the plan of its dry run."""
    policy, client = account_policy(config, account_id), sessions.client("ec2", account_id, region)
    # The role of the host's jobs may read the quota.
    host = Sessions(
        config.aws.main_account_id, config.aws.region, config.aws.role_name_reporting, config.aws.external_id
    )
    default = config.secgrp_unrestricted_access.rules_per_security_group_quota
    limit, note = rule_quota(host, default, (account_id, region))
    quota = quota_of(client, seen.group, limit, policy.sources)
    ticket = str(issue.jira_details.get("ticket") or "") if issue else ""
    entry = unfinished_remediation(issue) if issue else None
    if issue:
        policy = issue_policy(issue, replace(policy, is_resumed=entry is not None), now, decided=True)
    plan = read_lists_and_plan(client, quota, policy, seen.group, now, ticket)
    waits = [note] if note else []
    if leaves_exposures(plan) and entry:
        backups = Backups(sessions.client("s3"), config.aws.s3_backup_bucket)
        try:
            before = read_group_before(backups, account_id, region, seen.group, entry)
            resumed_rules = rules_to_resume(before, PrefixListReader(client), policy, now.date())
            plan = read_lists_and_plan(client, quota, policy, seen.group, now, ticket, resumed_rules=resumed_rules)
            waits.append("a change of the group is not complete: what it was begun for is in scope until it is closed")
        except (BackupError, *AWS_ERRORS) as error:
            waits.append(f"a change of the group is not complete, and its backup cannot be used: {explain(error)}")
    if not config.secgrp_unrestricted_access.remediation:
        waits.append("remediation is false: the job with --batch does nothing")
    if account_id not in config.remediation_accounts():
        waits.append("the account is not among remediation_accounts")
    if issue:
        status = seen.detection.details.status if seen.detection else None
        skipped = why_not_due(issue, policy, now) or (why_not_at_once(issue, policy, status, now) if status else None)
        waits += [skipped.text] if skipped else []
    if issue is None:
        waits.append("it has no issue yet" if is_read else "its issue could not be read")
    return waits, plan


def _analyze_paths(
    sessions: Sessions, config: Configuration, account_id: str, region: str, seen: _Seen, problems: list[str]
) -> list[str]:
    """Ask AWS about the same paths."""
    reachability = seen.detection.details.reachability if seen.detection else None
    if seen.detection is None or reachability is None:
        return []
    asked: list[tuple[str, Asked]] = []
    client = sessions.client("ec2", account_id, region)
    port = first_port(seen.detection, config.secgrp_unrestricted_access.restricted_ports)
    paths = [path for path in reachability.paths if path.address][:_PATHS_ASKED]
    print(f"hammer: asking AWS about {len(paths)} paths: {PRICE * len(paths):.2f} $", file=sys.stderr)
    for path in paths:
        try:
            asked.append((path.address, analyze(client, path, port, time.sleep)))
        except AWS_ERRORS as error:
            problems.append(f"AWS could not be asked about {path.address}: {explain(error)}")
    return analyzer_section(asked, reachability)
