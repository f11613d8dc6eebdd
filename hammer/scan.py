"""`hammer scan`: describe and judge from this machine. Nothing is deployed, stored or changed.

It looks exactly as the identification Lambda does (`identification.region_scan`), at several regions at a time.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import boto3
import botocore.session
import typer

from identification.region_scan import RegionOffError, RegionScan, scan_region
from library.aws.ec2 import enabled_regions
from library.aws.failures import AWS_ERRORS, explain
from library.aws.session import Sessions
from library.config import DEFAULT_RESTRICTED_PORTS, Configuration, configuration_place, load_configuration
from library.config.organization import with_organization
from library.documents.text import printable
from library.issues.details import IssueDetails
from library.jobs.command_line import (
    AccountOption,
    ConfigOption,
    Exit,
    GroupOption,
    RegionOption,
    application,
    refuse_unknown_accounts,
    run,
)
from library.network.addresses import AddressSet
from library.security_groups.exemptions import Exemption
from library.security_groups.exposure import Evaluator
from library.security_groups.rule_text import rule_text

_CONCURRENT_SCANS = 8
_WIDTH_OF_A_FILE = 160
_DEFAULT_REGION = "us-east-1"  # where STS and DescribeRegions are asked when the environment names no region
# A page of 1,000 groups is some 100,000 objects that live and die together: the collector finds nothing in them.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000


class Format(StrEnum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be looked at, and by which measure.

    Attributes:
        targets: accounts and regions.
        asked_for: whether the regions were named by the caller, so that one that is off is a failure.
    """

    sessions: Sessions
    evaluator: Evaluator
    exemptions: Callable[[str], Sequence[Exemption]]
    targets: Sequence[tuple[str, str]]
    asked_for: bool


@dataclass(slots=True)
class Result:
    """What was seen. Lists of maps as the contract names them."""

    scanned: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    issues: list[tuple[str, str, IssueDetails]] = field(default_factory=list)
    whitelisted: int = 0

    @property
    def exit_code(self) -> Exit:
        """What could not be read weighs more than what was found: the result is not the whole truth."""
        if self.failed:
            return Exit.INCOMPLETE
        return Exit.ISSUES_FOUND if self.issues else Exit.DONE

    def to_json(self) -> str:
        """The result as one JSON object."""
        issues = [
            {"account_id": account_id, "group_id": group_id, **details.to_item()}
            for account_id, group_id, details in self.issues
        ]
        return json.dumps({"scanned": self.scanned, "failed": self.failed, "issues": issues}, indent=2)


def command(
    config: ConfigOption = None,
    account: AccountOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
    output: Annotated[Format, typer.Option("--format", help="How to print what was found.")] = Format.TABLE,
) -> None:
    """Describe and judge security groups from here, read-only. Nothing is stored.

    Without a configuration: the caller's own account, every region that is enabled there, the usual sensitive ports.
    Exits with 3 when there are issues, 1 when something could not be read, 0 otherwise.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
    place = _configuration_place(config)
    plan = _plan(load_configuration(place) if place else None, account or (), region or ())
    with _progress(len(plan.targets)) as advance:
        result = scan(plan, group or (), datetime.now(UTC), advance)
    if output is Format.JSON:
        print(result.to_json())
    else:
        _print_table(result)
    raise typer.Exit(result.exit_code)


def scan(plan: Plan, group_ids: Sequence[str], now: datetime, advance: Callable[[str], None]) -> Result:
    """Look at every target of a plan, several at a time.

    Args:
        plan: what to look at.
        group_ids: look at these groups only; empty: at all.
        now: the time in UTC, for exemptions that expire.
        advance: called with a target's name when it is done.
    """

    def look(target: tuple[str, str]) -> RegionScan:
        account_id, region = target
        try:
            exemptions = plan.exemptions(account_id)
            return scan_region(plan.sessions, account_id, region, plan.evaluator, exemptions, now.date(), group_ids)
        finally:
            plan.sessions.forget(account_id, region)

    result = Result()
    with ThreadPoolExecutor(_CONCURRENT_SCANS) as pool:
        looks = {pool.submit(look, target): target for target in plan.targets}
        for done in as_completed(looks):
            account_id, region = looks[done]
            advance(f"{account_id} {region}")
            target = {"account_id": account_id, "region": region}
            try:
                seen = done.result()
            except RegionOffError as error:
                if plan.asked_for:
                    result.failed.append(target | {"reason": str(error)})
                continue
            except AWS_ERRORS as error:
                result.failed.append(target | {"reason": explain(error, plan.sessions.role_arn(account_id))})
                continue
            result.scanned.append(target | {"groups": seen.groups})
            if seen.problem:
                result.failed.append(target | {"reason": f"not understood: {seen.problem}"})
            result.whitelisted += sum(detection.whitelisted for detection in seen.detections)
            result.issues += [
                (account_id, detection.group_id, detection.details)
                for detection in seen.detections
                if not detection.whitelisted
            ]
    for rows in (result.scanned, result.failed):
        rows.sort(key=lambda row: (row["account_id"], row["region"]))
    result.issues.sort(key=lambda issue: (issue[0], issue[2].region, issue[1]))
    return result


def _configuration_place(option: str | None) -> str | None:
    """The configuration to use, or None where nobody named one and the default folder does not exist."""
    place = configuration_place(option, os.environ)
    named = option or os.environ.get("HAMMER_CONFIG")
    return place if named or Path(place).is_dir() else None


def _plan(config: Configuration | None, accounts: Sequence[str], regions: Sequence[str]) -> Plan:
    if config is None:
        return _plan_for_caller(accounts, regions)
    aws, section = config.aws, config.secgrp_unrestricted_access
    sessions = Sessions(aws.main_account_id, aws.region, aws.role_name_identification, aws.external_id)
    scanned = with_organization(config, sessions).scanned_accounts()
    refuse_unknown_accounts(accounts, scanned)
    looked_at = regions or aws.regions or enabled_regions(sessions.client("ec2"))
    return Plan(
        sessions,
        Evaluator(section.restricted_ports, section.trusted_cidrs),
        config.exemptions,
        [
            (account_id, region)
            for account_id in dict.fromkeys(accounts or scanned)
            for region in dict.fromkeys(looked_at)
        ],
        asked_for=bool(regions),
    )


def _plan_for_caller(accounts: Sequence[str], regions: Sequence[str]) -> Plan:
    base = botocore.session.get_session()
    home = base.get_config_variable("region") or _DEFAULT_REGION
    caller = boto3.Session(botocore_session=base).client("sts", region_name=home).get_caller_identity()["Account"]
    if unknown := sorted(set(accounts) - {caller}):
        raise typer.BadParameter(
            f"your credentials are for account {caller}; other accounts need a configuration: {', '.join(unknown)}"
        )
    sessions = Sessions(caller, home, role_name="", base=base)
    looked_at = regions or enabled_regions(sessions.client("ec2"))
    return Plan(
        sessions,
        Evaluator(DEFAULT_RESTRICTED_PORTS, AddressSet()),
        lambda _: (),
        [(caller, region) for region in dict.fromkeys(looked_at)],
        asked_for=bool(regions),
    )


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str], None]]:
    """A progress bar on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("scanning", total=total)
        yield lambda name: progress.update(task, advance=1, description=name)


def _print_table(result: Result) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # A terminal's width is its own; what goes into a file or a pipe is not cut.
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH_OF_A_FILE)
    if result.issues:
        table = Table(box=SIMPLE_HEAD)
        for heading in ("account", "region", "group", "name", "exposed", "status"):
            table.add_column(heading, no_wrap=heading != "name", overflow="fold")
        for account_id, group_id, details in result.issues:
            rules = "\n".join(printable(rule_text(perm)) for perm in details.perms)
            table.add_row(
                account_id,
                details.region,
                group_id,
                Text(printable(details.name)),
                rules,
                Text(details.status, style="bold red" if details.status == "open_completely" else "yellow"),
            )
        console.print(table)
    groups = sum(row["groups"] for row in result.scanned)
    console.print(
        f"{groups} groups in {len(result.scanned)} regions: {len(result.issues)} with issues"
        + (f", {result.whitelisted} more are whitelisted" if result.whitelisted else ""),
        highlight=False,
    )
    for row in result.failed:
        print(f"hammer: {row['account_id']} {row['region']}: {printable(row['reason'])}", file=sys.stderr)


app = application(command)


if __name__ == "__main__":
    run(app)
