"""In which account, region and VPC Terraform files make a group, where they tell it for sure. Pure.

Two groups may have one name and one description where their VPC is another. What a literal says of that proves that a
place is another group's. Arguments: the documentation of the AWS provider, "Provider Configuration".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from library.source.hcl import Hcl, TerraformFile
from library.source.terraform_rules import Configurations, Context

_ROLE = re.compile(r"arn:[\w-]+:iam::(\d{12}):")

Where = tuple[str, str, str]
"""The account, region and VPC of a group; each empty where it is not known."""


def is_elsewhere(
    configurations: Configurations, block: Hcl, file: TerraformFile, context: Context, where: Where
) -> bool:
    """Whether the group that a resource, data source or module is cannot be the one that is there."""
    if configurations.may_be_overridden(block, context):
        return False
    account_id, region, vpc_id = where
    vpc = configurations.sure_text(block.get("vpc_id"), file, context)
    if vpc and vpc_id and vpc != vpc_id:
        return True
    given = configurations.argument(block, "region", file, context)
    known = configurations.sure_text(given, file, context)
    accounts: list[str] = []
    if (provider := _provider(configurations, block, context)) is not None:
        at, configured, of = provider
        accounts = list(_accounts(configurations, *provider))
        if given is None:
            known = configurations.sure_text(configured.get("region"), at, of)
    return bool((known and region and known != region) or (accounts and account_id and account_id not in accounts))


def _provider(
    configurations: Configurations, block: Hcl, context: Context
) -> tuple[TerraformFile, Hcl, Context] | None:
    """The block of the provider that a block is of; None: the files do not tell."""
    name = "aws"
    if block.name == "module":
        name = _passed(block, name)
    elif (node := block.get("provider")) is not None:
        name = "".join(node.tokens)
    for use in context.with_callers():
        if not name:
            return None
        local_name, _, alias = name.partition(".")
        there = [
            (file, provider, use)
            for file, provider in configurations.blocks(use.folder, "provider")
            if provider.labels == (local_name,) and provider.text("alias") == alias
        ]
        if there:
            return there[0] if len(there) == 1 else None  # an override file says otherwise
        if use.call is None or use.parent is None:
            return None
        is_overridden = configurations.override_of(use.call[1], use.parent.folder)
        name = "" if is_overridden else _passed(use.call[1], name)
    return None


def _passed(call: Hcl, name: str) -> str:
    """What a provider of a module's is where the module is called; empty: the call does not tell."""
    passed = call.get("providers")
    given = passed.get(name) if passed is not None else None
    if given is not None:
        return "".join(given.tokens)
    return name if passed is None and "." not in name else ""


def _accounts(configurations: Configurations, file: TerraformFile, provider: Hcl, context: Context) -> Iterator[str]:
    """The accounts that a provider can only be of."""
    allowed = provider.get("allowed_account_ids")
    listed = [configurations.sure_text(item, file, context) for item in allowed.items] if allowed is not None else []
    if None not in listed:
        yield from filter(None, listed)
    roles = [each for each in provider.members() if "assume_role" in (each.name, *each.labels)]
    # The roles are assumed one after the other: the last one tells the account, unless a dynamic block makes it.
    text = configurations.sure_text(roles[-1].get("role_arn"), file, context) if roles else None
    if text and (found := _ROLE.match(text)):
        yield found[1]
