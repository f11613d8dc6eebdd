"""How many rules a group may have, and the plan that follows: remediation and `hammer explain` read the same.

Apart from the context of the jobs, so that the command needs nothing of what only the jobs' host has.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Container, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from library.aws.ec2 import PrefixListReader
from library.aws.failures import AWS_ERRORS, explain
from library.aws.session import Sessions
from remediation.plan import RuleQuota, plan_remediation

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

    from library.issues.schedule import Skipped
    from library.security_groups.group import SecurityGroup
    from remediation.eligibility import Policy
    from remediation.plan import Plan
    from remediation.rules import RuleKey

RULE_QUOTA = ("vpc", "L-0EA8095F")  # Service Quotas: "Inbound or outbound rules per security group"

_log = logging.getLogger(__name__)


def prefix_list_weights(client: EC2Client, prefix_list_ids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """The family (4 or 6) of prefix lists and how many rules each counts as; those that do not say are left out."""
    ids = sorted(set(filter(None, prefix_list_ids)))
    if not ids:
        return {}
    pages = client.get_paginator("describe_managed_prefix_lists").paginate(
        Filters=[{"Name": "prefix-list-id", "Values": ids}]
    )
    return {
        listed["PrefixListId"]: (6 if listed.get("AddressFamily") == "IPv6" else 4, weight)
        for page in pages
        for listed in page["PrefixLists"]
        if (weight := listed.get("MaxEntries") or aws_weight(listed.get("PrefixListName", "")))
    }


_AWS_WEIGHTS = {
    "cloudfront.origin-facing": 55,
    "dynamodb": 1,
    "ec2-instance-connect": 2,
    "groundstation": 5,
    "route53-healthchecks": 25,
    "s3": 1,
    "s3express": 6,
    "vpc-lattice": 10,
}
# com.amazonaws.<region or "global">[.ipv6].<service>
_AWS_LIST = re.compile(r"com\.amazonaws\.[a-z0-9-]+\.(?:ipv6\.)?(?P<service>[a-z0-9.-]+)")


def aws_weight(name: str) -> int:
    """How many rules one of AWS's own prefix lists counts as; 0: that is not known.

    The answer of DescribeManagedPrefixLists has no maximum for them. The figures are those of the Amazon VPC User
    Guide, "AWS-managed prefix lists", weight, as of November 2026.

    >>> [aws_weight(f"com.amazonaws.{of}") for of in ("global.cloudfront.origin-facing", "eu-west-1.ipv6.vpc-lattice")]
    [55, 10]
    """
    found = _AWS_LIST.fullmatch(name)
    return _AWS_WEIGHTS.get(found["service"], 0) if found else 0


def rule_quota(sessions: Sessions, default: int, location: tuple[str, str]) -> tuple[int, str]:
    """How many ingress rules a group may have in an account and region.

    Args:
        sessions: give the client for Service Quotas.
        default: the answer where AWS does not tell.
        location: the account id and the region.

    Returns:
        The quota, and a note for people that it is the default and why; empty: AWS told it.
    """
    service, quota = RULE_QUOTA
    try:
        client = sessions.client("service-quotas", *location)
        answer = client.get_service_quota(ServiceCode=service, QuotaCode=quota)
    except AWS_ERRORS as error:
        # Not permitted, not reachable from this network, not known to an emulator: EC2 itself holds the quota anyway.
        account_id, region = location
        note = (
            f"account {account_id}, {region}: the quota of rules per security group could not be read "
            f"({explain(error)}); {default} is assumed: secgrp_unrestricted_access.rules_per_security_group_quota"
        )
        _log.warning("%s", note)
        return default, note
    return int(answer["Quota"]["Value"]), ""


def quota_of(client: EC2Client, group: SecurityGroup, limit: int, sources: Iterable[str] = ()) -> RuleQuota:
    """The rule quota of a group, with what its prefix lists count as.

    Args:
        client: for EC2, in the group's account and region.
        group: the group.
        limit: how many ingress rules of a family it may have.
        sources: what may replace its open sources: CIDRs and ids of prefix lists.
    """
    lists = {rule.prefix_list_id for rule in group.ingress} | {name for name in sources if name.startswith("pl-")}
    return RuleQuota(limit, prefix_list_weights(client, lists))


def assemble_plan(
    client: EC2Client,
    quota: RuleQuota,
    policy: Policy,
    group: SecurityGroup,
    now: datetime,
    ticket: str,
    *,
    begun: Container[RuleKey] = (),
    not_shown: Container[RuleKey] = (),
) -> Plan | Skipped:
    """What would be done to a group: remediation carries it out, `hammer explain` and dry runs show it.

    Args:
        client: for EC2, in the group's account and region: reads the prefix lists.
        quota: of `quota_of`.
        policy: of `issue_policy`.
        group: the group, as it was just described.
        now: the time in UTC.
        ticket: of the issue; empty: it has none.
        begun: as of `plan_remediation`.
        not_shown: as of `plan_remediation`.

    Raises:
        ClientError, BotoCoreError: a prefix list could not be read.
    """
    lists = PrefixListReader(client)
    lists.read(policy.prefix_lists_named(group))
    return plan_remediation(group, lists.entries, policy, quota, now, ticket, begun=begun, not_shown=not_shown)
