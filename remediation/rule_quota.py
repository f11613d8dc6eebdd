"""How many ingress rules a group may have: Service Quotas, and what a prefix list counts as."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from library.aws.failures import AWS_ERRORS, explain

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

RULE_QUOTA = ("vpc", "L-0EA8095F")  # Service Quotas: "Inbound or outbound rules per security group"

_log = logging.getLogger(__name__)


def prefix_list_weights(client: EC2Client, prefix_list_ids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """The family (4 or 6) of prefix lists and how many rules each counts as; those that do not say are left out."""
    ids = sorted(set(prefix_list_ids))
    if not ids:
        return {}
    pages = client.get_paginator("describe_managed_prefix_lists").paginate(
        Filters=[{"Name": "prefix-list-id", "Values": ids}]
    )
    return {
        listed["PrefixListId"]: (6 if listed.get("AddressFamily") == "IPv6" else 4, listed["MaxEntries"])
        for page in pages
        for listed in page["PrefixLists"]
        if listed.get("MaxEntries")
    }


def rule_quota(client: Any, default: int, place: tuple[str, str]) -> tuple[int, str]:
    """How many ingress rules a group may have in an account and region.

    Args:
        client: for Service Quotas, in the account and region.
        default: the answer where AWS does not tell.
        place: the account id and the region, for the note.

    Returns:
        The quota, and a note for people that it is the default and why; empty: AWS told it.
    """
    service, quota = RULE_QUOTA
    try:
        answer = client.get_service_quota(ServiceCode=service, QuotaCode=quota)
    except AWS_ERRORS as error:
        # Not permitted, not reachable from this network, not known to an emulator: EC2 itself holds the quota anyway.
        account_id, region = place
        note = (
            f"account {account_id}, {region}: the quota of rules per security group could not be read "
            f"({explain(error)}); {default} is assumed: secgrp_unrestricted_access.rules_per_security_group_quota"
        )
        _log.warning("%s", note)
        return default, note
    return int(answer["Quota"]["Value"]), ""
