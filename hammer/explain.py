"""`hammer explain`: one group, and every decision of the pipeline about it. Reads; changes nothing.

It describes and judges the group as the identification Lambda does, reads its issue, and plans with the plan of the dry
run. With `--ask-aws` it also asks AWS's Reachability Analyzer (`hammer.ask_aws`).
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from hammer import explanation
from hammer.ask_aws import PRICE, Asked, ask
from identification.region_scan import RegionOffError, scan_region
from library.aws.ec2 import PrefixListReader, read_security_groups
from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import IssueTable, UnreadableIssueError
from library.aws.session import Sessions
from library.config import Configuration
from library.config.organization import with_organization
from library.documents.text import printable
from library.issues.issue import Issue
from library.issues.reconcile import Detection
from library.jobs.command_line import (
    ConfigOption,
    Exit,
    NotThereError,
    application,
    read_configuration,
    refuse_unknown_accounts,
    run,
)
from library.jobs.selection import refuse_unknown_regions
from library.security_groups.exposure import Evaluator
from library.security_groups.group import SecurityGroup
from remediation.backups import BackupError, Backups
from remediation.due import policy_of, why_not_at_once, why_not_due
from remediation.journal import unfinished_remediation
from remediation.plan import RuleQuota, leaves_exposures, plan_remediation
from remediation.proof import begun_for, read_group_before

_PATHS_ASKED = 5


@dataclass(frozen=True, slots=True)
class _Seen:
    """What AWS showed.

    Attributes:
        detection: None: the group exposes nothing.
        notes: what could not be read.
    """

    group: SecurityGroup
    detection: Detection | None
    notes: tuple[str, ...]


def command(
    account: Annotated[str, typer.Option("--account", metavar="ID", help="The group's account.")],
    region: Annotated[str, typer.Option("--region", metavar="REGION", help="The group's region.")],
    group: Annotated[str, typer.Option("--group", metavar="ID", help="The security group.")],
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
    configuration = read_configuration(config)
    aws = configuration.aws
    refuse_unknown_regions([region], aws.regions)
    sessions = Sessions(aws.main_account_id, aws.region, aws.role_name_identification, aws.external_id)
    configuration = with_organization(configuration, sessions)
    refuse_unknown_accounts([account], configuration.scanned_accounts())
    now = datetime.now(UTC)
    problems: list[str] = []
    seen = _look(sessions, configuration, account, region, group, now)
    problems += [f"not read: {note}" for note in seen.notes]
    issue = _issue(sessions, configuration, account, group, problems)
    sections = [
        explanation.heading(seen.group, configuration.account_name(account), account, region),
        explanation.rules(seen.group, seen.detection, configuration.secgrp_unrestricted_access.restricted_ports),
        explanation.paths(seen.detection),
        explanation.state(seen.group, issue, configuration, account, now),
        explanation.use(issue, configuration, now),
        explanation.people(seen.detection, issue, configuration, account),
        explanation.remediation(_planned(sessions, configuration, account, region, seen, issue, now)),
    ]
    if ask_aws:
        sections.insert(3, _ask(sessions, configuration, account, region, seen, problems))
    print("\n\n".join("\n".join(lines) for lines in sections if lines))
    for problem in problems:
        print(f"hammer: {printable(problem)}", file=sys.stderr)
    raise typer.Exit(Exit.INCOMPLETE if problems else Exit.DONE)


def _look(
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
    except RegionOffError as error:
        raise NotThereError(str(error)) from error
    found = [each for page in read_security_groups(client, [group_id]) for each in page.groups]
    if not found:
        raise NotThereError(f"there is no security group {group_id} in {account_id}, {region}")
    unreadable = tuple(reason for reasons in scan.unreadable.values() for reason in reasons)
    return _Seen(found[0], next(iter(scan.detections), None), (*scan.notes, *unreadable))


def _issue(
    sessions: Sessions, config: Configuration, account_id: str, group_id: str, problems: list[str]
) -> Issue | None:
    table = IssueTable(sessions.client("dynamodb"), config.secgrp_unrestricted_access.table_name)
    try:
        return table.get(account_id, group_id)
    except UnreadableIssueError as error:
        problems.append(str(error))
    except AWS_ERRORS as error:
        problems.append(f"its issue could not be read: {explain(error)}")
    return None


def _planned(
    sessions: Sessions,
    config: Configuration,
    account_id: str,
    region: str,
    seen: _Seen,
    issue: Issue | None,
    now: datetime,
) -> explanation.Planned:
    """Why remediation would wait, and the plan of its dry run."""
    policy = policy_of(config, account_id)
    lists = PrefixListReader(sessions.client("ec2", account_id, region))
    lists.read(policy.evaluator.prefix_lists_named(seen.group))
    quota = RuleQuota(config.secgrp_unrestricted_access.rules_per_security_group_quota)
    ticket = str(issue.jira_details.get("ticket") or "") if issue else ""
    plan = plan_remediation(seen.group, lists.entries, policy, quota, now, ticket)
    waits = []
    if leaves_exposures(plan) and issue and (entry := unfinished_remediation(issue)):
        backups = Backups(sessions.client("s3"), config.aws.s3_backup_bucket)
        try:
            before = read_group_before(backups, account_id, region, seen.group, entry)
            begun = begun_for(before, lists, policy, now.date())
            plan = plan_remediation(seen.group, lists.entries, policy, quota, now, ticket, begun=begun)
            waits.append("a change of the group is not complete: what it was begun for is in scope until it is closed")
        except (BackupError, *AWS_ERRORS) as error:
            waits.append(f"a change of the group is not complete, and its backup cannot be used: {explain(error)}")
    if not config.secgrp_unrestricted_access.remediation:
        waits.append("remediation is false: the job with --batch does nothing")
    if account_id not in config.remediation_accounts():
        waits.append("the account is not among remediation_accounts")
    if issue:
        status = seen.detection.details.status if seen.detection else None
        refusal = why_not_due(issue, policy, now) or (why_not_at_once(issue, policy, status, now) if status else None)
        waits += [refusal.text] if refusal else []
    return explanation.Planned(tuple(waits) if issue else (*waits, "it has no issue yet"), plan)


def _ask(
    sessions: Sessions, config: Configuration, account_id: str, region: str, seen: _Seen, problems: list[str]
) -> list[str]:
    """Ask AWS about the same paths."""
    reachability = seen.detection.details.reachability if seen.detection else None
    if seen.detection is None or reachability is None:
        return []
    asked: list[tuple[str, Asked]] = []
    client = sessions.client("ec2", account_id, region)
    place = explanation.first_port(seen.detection, config.secgrp_unrestricted_access.restricted_ports)
    paths = [path for path in reachability.paths if path.address][:_PATHS_ASKED]
    print(f"hammer: asking AWS about {len(paths)} paths: {PRICE * len(paths):.2f} $", file=sys.stderr)
    for path in paths:
        try:
            asked.append((path.address, ask(client, path, place, time.sleep)))
        except AWS_ERRORS as error:
            problems.append(f"AWS could not be asked about {path.address}: {explain(error)}")
    return explanation.answers(asked, reachability)


app = application(command)


if __name__ == "__main__":
    run(app)
