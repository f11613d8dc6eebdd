"""The accounts of an AWS organization, in place of a list of them in the configuration.

Asked of AWS Organizations with the main account's own credentials: that must be the management account or a delegated
administrator of any service (Organizations API Reference, ListAccounts).

The management account is left out unless it is named: StackSets put no stack there, whatever their targets are
(CloudFormation API Reference, DeploymentTargets), so that Hammer's roles are missing until somebody makes them by hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_organizations import OrganizationsClient
    from types_boto3_organizations.type_defs import AccountTypeDef


def active_accounts(
    client: OrganizationsClient,
    units: Iterable[str] = (),
    *,
    ignored: frozenset[str] = frozenset(),
    named: frozenset[str] = frozenset(),
) -> dict[str, str]:
    """Active accounts, ids to names, sorted by id.

    Args:
        client: for AWS Organizations.
        units: only accounts in these units (`ou-…`, or the root `r-…`), or in units within them; empty: all.
        ignored: ids to leave out.
        named: ids not to leave out because they are the management account's.
    """
    wanted = list(units)
    listed = _in_units(client, wanted) if wanted else _everywhere(client)
    names = {account["Id"]: account["Name"] for account in listed if _is_active(account)}
    management = client.describe_organization()["Organization"]["MasterAccountId"]
    left_out = ignored | ({management} - named)
    return {account_id: names[account_id] for account_id in sorted(names.keys() - left_out)}


def _is_active(account: AccountTypeDef) -> bool:
    # `State` takes the place of `Status`, which AWS withdraws in 2026 (Organizations API Reference, Account).
    return (account.get("State") or account.get("Status")) == "ACTIVE"


def _everywhere(client: OrganizationsClient) -> Iterable[AccountTypeDef]:
    for page in client.get_paginator("list_accounts").paginate():
        yield from page["Accounts"]


def _in_units(client: OrganizationsClient, units: Iterable[str]) -> Iterable[AccountTypeDef]:
    waiting = list(units)
    seen: set[str] = set()
    while waiting:
        unit = waiting.pop()
        if unit in seen:
            continue
        seen.add(unit)
        for accounts in client.get_paginator("list_accounts_for_parent").paginate(ParentId=unit):
            yield from accounts["Accounts"]
        for children in client.get_paginator("list_organizational_units_for_parent").paginate(ParentId=unit):
            waiting += [child["Id"] for child in children["OrganizationalUnits"]]
