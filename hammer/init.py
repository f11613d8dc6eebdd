"""`hammer init`: a first configuration, with comments, for the account at hand. Changes nothing in AWS."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from library.aws.session import sdk_client, sdk_session
from library.config.types import ACCOUNT_ID, NO_REGION, REGION
from library.documents.text import printable
from library.jobs.command_line import WrongUsageError

_TEXT = """\
# Hammer's configuration: `hammer check-config --config {folder}` tells every mistake in it and what Hammer would do.
# docs/configuration.md has every key. Nothing is notified or changed while `reporting` and `remediation` are false.

aws:
  # The account that holds the issue table and the backups, and that table's region.
  main_account_id: "{account}"
  region: {region}
  # The accounts to look at: ids and names of your own choice; or the word organization.
  accounts:
    "{account}": main
  # The regions to look at. Without this, every region that is enabled in the main account.
  regions: [{region}]
  # Where a group is saved before it is changed. `hammer bootstrap` makes the bucket and the table for a trial.
  s3_backup_bucket: hammer-backups-{account}

secgrp_unrestricted_access:
  ddb.table_name: hammer-security-groups-unrestricted
  # A group that lets public addresses to one of these is an issue. Numbers, ranges ("8000-8100"), "udp/161".
  restricted_ports: [21, 22, 23, 1433, 1521, 3306, 3389, 5432, 27017]
  # Your own public addresses, such as an office's: they count as not public.
  trusted_cidrs: []
  # Notify owners: tickets in JIRA and messages in Slack (switched on below), else text on the console.
  reporting: false
  # Close what nobody fixed so many days after it was reported. `hammer remediate --dry-run` shows what that would be.
  remediation: false
  remediation_retention_period: 21

# Both need a secret in AWS Secrets Manager: docs/configuration.md says which.
jira:
  enabled: false
slack:
  enabled: false
  default_channel: "#hammer"
"""


def command(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to write it.")] = Path("config"),
    account: Annotated[
        str, typer.Option("--account", metavar="ID", help="For this account. Else that of your credentials.")
    ] = "",
    region: Annotated[
        str, typer.Option("--region", metavar="REGION", help="In this region. Else that of your AWS settings.")
    ] = "",
) -> None:
    """Write a first configuration, with comments, for the account at hand. Nothing in AWS is changed.

    It looks at that one account, and notifies and changes nothing until you switch that on. A folder that has a
    configuration is left as it is.
    """
    if account and not ACCOUNT_ID.fullmatch(account):
        raise WrongUsageError(f"{account} is not an account id: 12 digits")
    session = sdk_session()
    region = region or session.get_config_variable("region") or "eu-west-1"
    if not re.fullmatch(REGION, region):
        raise WrongUsageError(f"{printable(region)} {NO_REGION}")
    if found := sorted(folder.glob("config.*")):
        raise WrongUsageError(f"{found[0]} is there already: name another folder, or edit that file")
    if not account:
        account = sdk_client(session, "sts", region).get_caller_identity()["Account"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "config.yaml"
        named = printable(shlex.quote(str(folder)))
        file.write_text(text(account, region, named), "utf-8")
    except OSError as error:
        raise WrongUsageError(f"{printable(str(folder))} could not be written: {error.strerror}") from error
    print(f"wrote {printable(str(file))} for account {account}, {region}")
    print(f"next: hammer check-config --config {named}")
    print(f"      hammer scan --config {named}")


def text(account: str, region: str, folder: str) -> str:
    """The file, for an account, its region, and the folder that it is written to, as a shell takes it."""
    return _TEXT.format(account=account, region=region, folder=folder)
