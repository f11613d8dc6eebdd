"""A configuration whose accounts are those of an AWS organization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from library.aws.organization import active_accounts
from library.config.models import Configuration

if TYPE_CHECKING:
    from types_boto3_organizations import OrganizationsClient

    from library.aws.session import Sessions


def with_organization(config: Configuration, sessions: Sessions) -> Configuration:
    """The configuration with its accounts known: those of the organization, if it asks for them.

    Raises:
        ClientError, BotoCoreError: the organization could not be read. There is no part of it to go on with.
    """
    if not config.needs_organization:
        return config
    client: OrganizationsClient = sessions.client("organizations")
    return config.with_accounts(
        active_accounts(
            client,
            config.aws.organizational_units,
            ignored=frozenset(config.aws.ignore_accounts),
            named=config.named_accounts,
        )
    )
