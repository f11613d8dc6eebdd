"""What a Lambda needs before it can begin: logs, the configuration, sessions, the issue table, a clock.

Builds what every Lambda begins with. Two variables that only some of them have are read here, too:
`HAMMER_IMMEDIATE_QUEUE` by `start`, and `HAMMER_HOST_ROLE` by `Runtime.own_roles`. All others that only some have, a
handler reads from the environment itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from identification.cloudtrail import OwnRoles
from identification.errors import UnknownAccountError
from library.aws.ec2 import enabled_regions
from library.aws.issue_table import IssueTable
from library.aws.session import Sessions, active_accounts, sdk_session
from library.config import Configuration, configuration_uri, load_configuration
from library.config.loader import with_organization
from library.jobs.process import expect_many_objects, log_as_json
from library.security_groups.exposure import Evaluator

if TYPE_CHECKING:
    from botocore.session import Session as BotocoreSession
    from types_boto3_s3 import S3Client

_HOST_ROLE = "hammer-cloudsec-master-ec2"  # as deployment/terraform calls it
_KEPT_S = 300  # how long a configuration is kept before it is read again


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a handler works with.

    Attributes:
        immediate_queue: URL of the queue that takes requests for a remediation run at once; empty: there is none.
    """

    config: Configuration
    sessions: Sessions
    table: IssueTable
    immediate_queue: str = ""

    def scanned_accounts(self) -> dict[str, str]:
        """The accounts to look at, id to name.

        Raises:
            ClientError, BotoCoreError: they are those of the organization, which could not be read.
        """
        return with_organization(self.config, self.sessions).scanned_accounts()

    def scanned_regions(self, account_id: str) -> Sequence[str]:
        """The regions to look at in an account: those of the configuration, or every one enabled in the main account.

        Raises:
            ClientError, BotoCoreError: the regions could not be read.
        """
        regions = self.config.aws.regions_of(account_id)
        return _kept_regions(self.sessions, _period()) if regions is None else regions

    def is_scanned(self, account_id: str, region: str) -> bool:
        """Whether an account and region are looked at.

        Raises:
            ClientError, BotoCoreError: the organization or the regions could not be read.
        """
        chosen = self.config.secgrp_unrestricted_access.accounts
        scanned = self.accounts() if chosen is None else chosen
        return account_id in scanned and region in self.scanned_regions(account_id)

    def accounts(self) -> Mapping[str, str]:
        """The accounts that `aws.accounts` names, id to name. Those of an organization are asked for now and then.

        Raises:
            ClientError, BotoCoreError: the organization could not be read.
        """
        aws = self.config.aws
        if isinstance(aws.accounts, str):
            return _kept_organization(
                self.sessions,
                aws.organizational_units,
                frozenset(aws.ignore_accounts),
                self.config.named_accounts,
                _period(),
            )
        return aws.accounts

    def check_account(self, account_id: str) -> None:
        """Check that the configuration names an account, so that a role may be assumed in it.

        Raises:
            UnknownAccountError: it does not.
            ClientError, BotoCoreError: the organization could not be read.
        """
        named = {self.config.aws.main_account_id, *(self.config.secgrp_unrestricted_access.accounts or ())}
        if account_id not in named and account_id not in self.accounts():
            raise UnknownAccountError(f"the configuration does not name account {account_id}")

    def own_roles(self) -> OwnRoles:
        """Hammer's own roles: those that the configuration names, and the host's (`HAMMER_HOST_ROLE`)."""
        aws = self.config.aws
        # A role's name may be given with its path, which is no part of what CloudTrail calls its name.
        names = (name.rpartition("/")[2] for name in (aws.role_name_identification, aws.role_name_reporting))
        return OwnRoles(frozenset(names), aws.main_account_id, os.environ.get("HAMMER_HOST_ROLE", _HOST_ROLE))

    def evaluator(self) -> Evaluator:
        """What judges groups by the configuration's restricted ports and trusted sources."""
        section = self.config.secgrp_unrestricted_access
        return Evaluator(section.restricted_ports, section.trusted_cidrs)

    def scan_interval(self) -> timedelta | None:
        """How often every account and region is scanned (`SCAN_INTERVAL_MINUTES`); None: that is not known here."""
        minutes = os.environ.get("SCAN_INTERVAL_MINUTES")
        return timedelta(minutes=int(minutes)) if minutes else None

    def now(self) -> datetime:
        """The time in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        sleep(seconds)


def start(context: object) -> Runtime:
    """Set up logging, with Lambda's request id in every line; read the configuration and build what it names.

    Raises:
        ConfigurationError: the configuration cannot be read or is wrong.
    """
    log_as_json({"request_id": getattr(context, "aws_request_id", "")})
    uri, in_lambda = configuration_uri(None, os.environ), "AWS_LAMBDA_RUNTIME_API" in os.environ
    keep = in_lambda and uri.startswith("s3://")
    config = _kept_configuration(uri, _period()) if keep else load_configuration(uri)
    key = (config.aws.main_account_id, config.aws.region, config.aws.role_name_identification, config.aws.external_id)
    # A Lambda's process keeps its environment, so its sessions serve the next invocation too. Elsewhere nothing is
    # known of what happens between two calls.
    sessions = _kept_sessions(*key) if in_lambda else Sessions(*key)
    table = IssueTable(sessions.client("dynamodb"), config.secgrp_unrestricted_access.table_name)
    return Runtime(config, sessions, table, os.environ.get("HAMMER_IMMEDIATE_QUEUE", ""))


def time_left(context: object) -> timedelta | None:
    """How long this invocation may still run; None: the context, another one than Lambda's, does not tell."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    milliseconds = remaining() if callable(remaining) else None
    return timedelta(milliseconds=milliseconds) if isinstance(milliseconds, int) else None


def _period() -> int:
    return int(monotonic() // _KEPT_S)


@lru_cache(maxsize=1)
def _kept_configuration(uri: str, period: int) -> Configuration:
    """The configuration, read once in a period. One that cannot be read is not kept, nor is an older one used then."""
    del period
    return load_configuration(uri, s3_client=_s3_client)


@lru_cache(maxsize=1)
def _kept_organization(
    sessions: Sessions, units: tuple[str, ...], ignored: frozenset[str], named: frozenset[str], period: int
) -> dict[str, str]:
    """The accounts of the organization, asked for once in a period."""
    del period
    return active_accounts(sessions.client("organizations"), units, ignored=ignored, named=named)


@lru_cache(maxsize=1)
def _kept_regions(sessions: Sessions, period: int) -> tuple[str, ...]:
    """The regions that are enabled in the main account, asked for once in a period."""
    del period
    return tuple(enabled_regions(sessions.client("ec2")))


@lru_cache(maxsize=1)
def _kept_sessions(main_account_id: str, region: str, role_name: str, external_id: str) -> Sessions:
    expect_many_objects()  # once, when everything is imported
    return Sessions(main_account_id, region, role_name, external_id, _kept_base())


def _s3_client() -> S3Client:
    client: Any = _kept_base().create_client("s3")
    return client  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def _kept_base() -> BotocoreSession:
    """The session that all clients of this process come from, so that the SDK reads its data once."""
    return sdk_session()
