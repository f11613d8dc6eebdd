"""What `hammer scan` will look at, and by which measure: as the configuration says, or the caller's own account."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import boto3

from hammer.listing.build import Knowledge, knowledge_of, usual_knowledge
from library.aws.ec2 import enabled_regions
from library.aws.sdk_data import sdk_session
from library.aws.session import Sessions
from library.config import DEFAULT_RESTRICTED_PORTS, Configuration, load_configuration
from library.config.organization import with_organization
from library.jobs.command_line import NotThereError, refuse_unknown_accounts
from library.jobs.selection import refuse_unknown_regions
from library.network.addresses import AddressSet
from library.security_groups.exposure import Evaluator

_DEFAULT_REGION = "us-east-1"  # where STS and DescribeRegions are asked when the environment names no region


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """What will be looked at.

    Attributes:
        known: what the configuration tells of any group.
        targets: accounts and regions.
        asked_for: whether the regions were named by the caller, so that one that is off is a failure.
        config: the configuration; None: there is none.
    """

    sessions: Sessions
    evaluator: Evaluator
    known: Knowledge
    targets: Sequence[tuple[str, str]]
    asked_for: bool
    config: Configuration | None = None


def plan_scan(place: str | None, accounts: Sequence[str], regions: Sequence[str], today: date) -> ScanPlan:
    """What to look at.

    Args:
        place: what `--config` says. None: what HAMMER_CONFIG says; without it the caller's own account, whatever
            folder this is started in.
        accounts: only these; empty: all.
        regions: only these; empty: all.
        today: the day in UTC.

    Raises:
        ConfigurationError: the configuration cannot be read or is wrong.
        NotThereError: an account or a region is not there.
        ClientError, BotoCoreError: AWS did not tell who calls or which regions there are.
    """
    place = place or os.environ.get("HAMMER_CONFIG")
    if not place:
        return _for_caller(accounts, regions, today)
    return _for_configuration(load_configuration(place), accounts, regions, today)


def measure(place: str | None, today: date) -> tuple[Evaluator, Knowledge]:
    """By which measure groups are judged that are not there yet: as the configuration says, or the usual one.

    Args:
        place: what `--config` says. None: what HAMMER_CONFIG says; without it the usual measure.
        today: the day in UTC.

    Raises:
        ConfigurationError: the configuration cannot be read or is wrong.
    """
    place = place or os.environ.get("HAMMER_CONFIG")
    if not place:
        return Evaluator(DEFAULT_RESTRICTED_PORTS, AddressSet()), usual_knowledge(today)
    config = load_configuration(place)
    section = config.secgrp_unrestricted_access
    return Evaluator(section.restricted_ports, section.trusted_cidrs), knowledge_of(config, today)


def _for_configuration(config: Configuration, accounts: Sequence[str], regions: Sequence[str], today: date) -> ScanPlan:
    aws, section = config.aws, config.secgrp_unrestricted_access
    sessions = Sessions(aws.main_account_id, aws.region, aws.role_name_identification, aws.external_id)
    refuse_unknown_regions(regions, aws.regions)
    config = with_organization(config, sessions)
    scanned = config.scanned_accounts()
    refuse_unknown_accounts(accounts, scanned)
    looked_at = regions or aws.regions or enabled_regions(sessions.client("ec2"))
    return ScanPlan(
        sessions,
        Evaluator(section.restricted_ports, section.trusted_cidrs),
        knowledge_of(config, today),
        [
            (account_id, region)
            for account_id in dict.fromkeys(accounts or scanned)
            for region in dict.fromkeys(looked_at)
        ],
        asked_for=bool(regions),
        config=config,
    )


def _for_caller(accounts: Sequence[str], regions: Sequence[str], today: date) -> ScanPlan:
    refuse_unknown_regions(regions, None)
    base = sdk_session()
    home = base.get_config_variable("region") or _DEFAULT_REGION
    caller = boto3.Session(botocore_session=base).client("sts", region_name=home).get_caller_identity()["Account"]
    if unknown := sorted(set(accounts) - {caller}):
        raise NotThereError(
            f"your credentials are for account {caller}; other accounts need a configuration: {', '.join(unknown)}"
        )
    sessions = Sessions(caller, home, role_name="", base=base)
    looked_at = regions or enabled_regions(sessions.client("ec2"))
    return ScanPlan(
        sessions,
        Evaluator(DEFAULT_RESTRICTED_PORTS, AddressSet()),
        usual_knowledge(today),
        [(caller, region) for region in dict.fromkeys(looked_at)],
        asked_for=bool(regions),
    )
