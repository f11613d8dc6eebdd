"""`hammer source`: where a group and its exposing rules are defined, the change that belongs there, if it comes back.

It describes and judges the group as `hammer explain` does, and asks `library.source` for the rest. It changes no stack,
file, branch or state.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from hammer.output import write_bytes
from library.aws.ec2 import PrefixListReader, read_security_groups
from library.aws.failures import AWS_ERRORS
from library.aws.issue_table import IssueTable, UnreadableIssueError
from library.aws.session import Sessions
from library.config import Configuration
from library.config.decided_exemptions import with_readable_exemptions
from library.documents.text import printable
from library.jobs.command_line import (
    ConfigOption,
    Exit,
    NotThereError,
    WrongUsageError,
    accounts_named,
    is_scanned,
    location_of_group,
    name_problems,
    open_table,
    read_configuration,
    refuse_unknown_regions,
)
from library.security_groups.exposure import Evaluation, Evaluator, rule_text
from library.security_groups.group import SecurityGroup
from library.source.cloudformation import StackReader
from library.source.find import locate, read_folders, read_rule_ids
from library.source.hcl import GrammarMissingError
from library.source.location import Location, SourceReport
from reporting.exposure_text import diff_line


class SourceFormat(StrEnum):
    """How to print it."""

    TEXT = "text"
    JSON = "json"
    DIFF = "diff"


def command(
    group: Annotated[str, typer.Option("--group", metavar="ID", help="The security group.")],
    account: Annotated[
        str | None, typer.Option("--account", metavar="ID", help="The group's account. Else as the table tells.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="REGION", help="The group's region. Else as the table tells.")
    ] = None,
    terraform: Annotated[
        list[str] | None,
        typer.Option(
            "--terraform",
            metavar="DIR",
            help="Look into the Terraform files below this folder, too, beside source.terraform_paths. Repeatable.",
        ),
    ] = None,
    output_format: Annotated[SourceFormat, typer.Option("--format", help="How to print it.")] = SourceFormat.TEXT,
    config: ConfigOption = None,
) -> None:
    """Where a security group and its exposing rules are defined, the change that belongs there, and if it comes back.

    Changes nothing. Exits with 0 when every exposing rule has a place, with 1 when one has none.
    """
    configuration = read_configuration(config)
    aws = configuration.aws
    access = open_table(configuration, aws.role_name_identification)
    configuration, sessions, table = access.config, access.sessions, access.table
    known = configuration.scanned_accounts()
    if region is not None:
        refuse_unknown_regions([region], aws.regions, lambda each: is_scanned(table, known, each))
    try:
        files = read_folders([*configuration.source.terraform_paths, *(terraform or ())])
    except GrammarMissingError as error:
        raise WrongUsageError(str(error)) from error
    named = accounts_named([account] if account is not None else (), known)
    account, region = location_of_group(group, named, [region] if region is not None else (), known, table)
    configuration, note = with_readable_exemptions(configuration, table, [account])
    if note:
        print(f"hammer: note: {printable(note)}", file=sys.stderr)
    described, evaluation = _judged(sessions, configuration, account, region, group)
    client = sessions.client("ec2", account, region)
    report = locate(
        described,
        evaluation.exposures,
        configuration.secgrp_unrestricted_access.remediation_sources,
        StackReader(sessions.client("cloudformation", account, region), account, region),
        lambda: read_rule_ids(client, group, evaluation.exposures),
        files,
        _opened_with(table, account, group),
    )
    _print(report, output_format, is_judged=not evaluation.unreadable)
    problems = [*report.problems, *(f"a rule was not judged: {reason}" for reason in evaluation.unreadable)]
    name_problems(problems)
    raise typer.Exit(Exit.DONE if report.complete and not evaluation.unreadable else Exit.INCOMPLETE)


def _opened_with(table: IssueTable, account_id: str, group_id: str) -> str:
    """The user agent of the call that opened the group; empty: the table does not say, or cannot be read."""
    try:
        issue = table.get(account_id, group_id)
    except (*AWS_ERRORS, UnreadableIssueError):
        return ""  # no more than a hint: the command works without a table
    return issue.opened_by.user_agent if issue is not None and issue.opened_by else ""


def _judged(
    sessions: Sessions, config: Configuration, account_id: str, region: str, group_id: str
) -> tuple[SecurityGroup, Evaluation]:
    client = sessions.client("ec2", account_id, region)
    section = config.secgrp_unrestricted_access
    found = [each for page in read_security_groups(client, [group_id]) for each in page.groups]
    if not found:
        raise NotThereError(f"there is no security group {group_id} in {account_id}, {region}")
    evaluator = Evaluator(section.restricted_ports, section.trusted_cidrs)
    lists = PrefixListReader(client)
    lists.read(evaluator.prefix_lists_named(found[0]))
    today = datetime.now(UTC).date()
    return found[0], evaluator.evaluate(found[0], lists.entries, config.exemptions(account_id), today)


def _print(report: SourceReport, output_format: SourceFormat, *, is_judged: bool) -> None:
    if output_format is SourceFormat.JSON:
        text = json.dumps(report.to_item(), indent=2) + "\n"
    elif output_format is SourceFormat.DIFF:
        # `git apply` passes over what comes before the first file.
        text = "".join(f"# {printable(line)}\n" for line in report.before_diff) + report.diff if report.diff else ""
    else:
        text = "\n".join(report_lines(report, is_judged=is_judged)) + "\n"
    write_bytes([text.encode("utf-8")])


def report_lines(report: SourceReport, *, is_judged: bool) -> Iterator[str]:
    """The text for people, a line at a time, with nothing in it that a terminal would obey.

    `is_judged`: whether it is known of every rule whether it exposes anything.
    """
    yield f"{report.group_id} in {report.account_id}, {report.region}: {_location_text(report.group)}"
    yield from (f"  {printable(sentence)}" for sentence in report.group.evidence)
    if not report.rules:
        yield "It exposes nothing." if is_judged else "Nothing that could be judged exposes anything."
    for rule in report.rules:
        yield ""
        yield f"{rule_text(rule.exposure)}: {_location_text(rule.location)}"
        yield from (f"  {printable(sentence)}" for sentence in rule.location.evidence)
        yield f"  edit: {rule.edit}" + (f": {printable(rule.note)}" if rule.note else "")
    yield ""
    yield f"What is closed in EC2 alone comes back: {report.returns}"
    if report.before_diff or report.diff:
        yield ""
        yield from (printable(line) for line in report.before_diff)
        yield from (diff_line(line) for line in report.diff.removesuffix("\n").split("\n"))
    for command_line in report.commands:
        yield ""
        yield printable(command_line)


def _location_text(location: Location) -> str:
    return (
        f"{location.kind}, {printable(location.where)} ({location.confidence})"
        if location.where
        else str(location.kind)
    )
