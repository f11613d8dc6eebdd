"""`hammer identify`: from this machine what the schedule and the Lambda do, with issues stored in the configured table.

For trying Hammer's whole life in a sandbox account or an emulator, and for a scan in between of what is deployed.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import typer

from hammer.scanner import ScanPlan, plan_scan, refuse_missing_groups
from identification.describe_security_groups import scan_target
from identification.messages import ScanTarget
from identification.runtime import start
from identification.scan import ScanResult
from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import IssueTable
from library.config import configuration_uri
from library.documents.text import counted, printable
from library.errors import HammerError
from library.jobs.command_line import (
    AccountOption,
    ConfigOption,
    Exit,
    GroupOption,
    RegionOption,
    groups_without_issue,
)


def command(
    config: ConfigOption = None,
    account: AccountOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
) -> None:
    """Find exposed groups from here and store the issues in the table, as the Lambdas do.

    Exits with 1 when something could not be read, understood or written.
    """
    location = configuration_uri(config, os.environ)
    plan = plan_scan(location, account or (), region or (), datetime.now(UTC).date())
    _refuse_unknown_groups(plan, group or ())
    if plan.config is not None and not plan.config.secgrp_unrestricted_access.enabled:
        print("hammer: secgrp_unrestricted_access.enabled is false: nothing was looked at", file=sys.stderr)
        raise typer.Exit(Exit.DONE)
    os.environ["HAMMER_CONFIG"] = location  # where the handler finds it, as in a Lambda
    # Its log is for CloudWatch Logs; here the result is told.
    logging.getLogger().addHandler(logging.NullHandler())
    problems = 0
    for (account_id, region_name), result in identify(plan.targets, group or ()):
        if isinstance(result, ScanResult):
            print(f"{account_id} {region_name}: {counted(result.changes, 'issue')} changed")
            reason = result.problem
        else:
            is_own = isinstance(result, HammerError)
            reason = str(result) if is_own else explain(result, plan.sessions.role_arn(account_id))
        if reason:
            problems += 1
            print(f"hammer: {account_id} {region_name}: {printable(reason)}", file=sys.stderr)
    raise typer.Exit(Exit.INCOMPLETE if problems else Exit.DONE)


def identify(
    targets: Sequence[tuple[str, str]], group_ids: Sequence[str]
) -> Iterator[tuple[tuple[str, str], ScanResult | Exception]]:
    """Scan each account and region as the Lambda does.

    Yields:
        Each account and region, and what was seen of it, or why it could not be looked at.
    """
    runtime = start(None)
    for account_id, region in targets:
        try:
            yield (account_id, region), scan_target(ScanTarget(account_id, region, tuple(group_ids)), runtime)
        except (HammerError, *AWS_ERRORS) as error:
            yield (account_id, region), error


def _refuse_unknown_groups(plan: ScanPlan, group_ids: Sequence[str]) -> None:
    """Raise NotThereError if one of the groups has no issue and is not in EC2 either: its name is a typing error.

    Raises:
        ClientError, BotoCoreError: the table could not be read.
    """
    if plan.config is None or not group_ids:
        return
    table = IssueTable(plan.sessions.client("dynamodb"), plan.config.secgrp_unrestricted_access.table_name)
    unknown = groups_without_issue(group_ids, dict.fromkeys(account_id for account_id, _ in plan.targets), table)
    with suppress(*AWS_ERRORS):  # what cannot be asked is named when it is looked at
        refuse_missing_groups(plan, plan.targets, unknown)
