"""`--format asff`: the AWS Security Finding Format, as `BatchImportFindings` of Security Hub CSPM takes it. Pure.

Sources: AWS Security Hub API Reference, `AwsSecurityFinding`; User Guide, "AWS Security Finding Format": limits of
title and description, and which account and product a finding may name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from hammer.listing.issue import ListedIssue, Listing
from library.aws.partition import partition_of
from library.documents.text import printable, shortened
from library.issues.issue import Status
from library.issues.reachability import Severity
from library.network.ports import protocol_name
from library.security_groups.clauses import allowed_sentence
from library.security_groups.exposure import rule_text
from reporting.exposure_text import exposed_permission

_TITLE_LIMIT = 256
_NAME_IN_TITLE = 60
_DESCRIPTION_LIMIT = 1024
_TEXT_LIMIT = 512
_FIELD_LIMIT = 2048
_REQUIREMENTS_LIMIT = 32  # Compliance.RelatedRequirements
_TAGS_LIMIT = 50
_RULES_SHOWN = 60
_TYPE = "Software and Configuration Checks/AWS Security Best Practices/Network Reachability"
_LABELS = {
    Severity.CRITICAL: "CRITICAL",
    Severity.HIGH: "HIGH",
    Severity.MEDIUM: "MEDIUM",
    Severity.LOW: "LOW",
}


def pieces(listing: Listing) -> Iterator[str]:
    """The list as `{"Findings": […]}`, ASCII only. One call of BatchImportFindings takes at most 100 of them."""
    findings = [finding(issue, listing.generated) for issue in listing.issues if issue.is_group]
    yield json.dumps({"Findings": findings}, indent=2) + "\n"


def finding(issue: ListedIssue, now: datetime) -> dict[str, Any]:
    """One issue of a security group.

    An issue that is resolved or closed, or exempt, becomes a finding that is archived. Security Hub ignores one whose
    time, in UTC, is not newer than that of what it has.
    """
    region = issue.details.region
    partition = partition_of(region)
    open_ = issue.status is Status.OPEN
    label = _LABELS[issue.severity] if issue.status.is_exposed else "INFORMATIONAL"
    created = issue.timestamps.identified or now
    requirements = [control.name for control in issue.controls][:_REQUIREMENTS_LIMIT]
    return {
        "SchemaVersion": "2018-10-08",
        "Id": finding_id(issue),
        "ProductArn": f"arn:{partition}:securityhub:{region}:{issue.account_id}:product/{issue.account_id}/default",
        "GeneratorId": "hammer/security-groups-unrestricted",
        "AwsAccountId": issue.account_id,
        "Types": [_TYPE],
        "CreatedAt": _time(created),
        "UpdatedAt": _time(now),
        "Severity": {"Label": label, "Original": str(issue.severity)},
        "FindingProviderFields": {"Severity": {"Label": label, "Original": str(issue.severity)}, "Types": [_TYPE]},
        "Title": shortened(title(issue), _TITLE_LIMIT),
        "Description": shortened(description(issue), _DESCRIPTION_LIMIT),
        "Remediation": {"Recommendation": {"Text": shortened(ADVICE, _TEXT_LIMIT)}},
        "ProductFields": dict(_fields(issue)),
        "Resources": [_resource(issue, partition)],
        "Compliance": {
            "Status": "FAILED" if open_ else "WARNING" if issue.whitelisted else "PASSED",
            **({"RelatedRequirements": requirements} if requirements else {}),
        },
        "RecordState": "ACTIVE" if open_ else "ARCHIVED",
    }


def finding_id(issue: ListedIssue) -> str:
    """Tells a group's finding from all others, in every format of findings."""
    return f"hammer/{issue.account_id}/{issue.details.region}/{issue.group_id}"


def group_arn(issue: ListedIssue) -> str:
    """The ARN of an issue's group."""
    region = issue.details.region
    return f"arn:{partition_of(region)}:ec2:{region}:{issue.account_id}:security-group/{issue.group_id}"


ADVICE = (
    "Remove the rules that let public addresses in, or restrict their sources to the addresses that need the ports. "
    "For administration use Systems Manager Session Manager or a VPN instead of a port that is open to the Internet."
)


def title(issue: ListedIssue) -> str:
    """What the rules allow, on one line. The group's name in it is made printable."""
    verb = "allows" if issue.status.is_exposed else "allowed"
    name = printable(shortened(issue.details.name, _NAME_IN_TITLE))
    return f"Security group {issue.group_id} ({name}) {verb} {allowed_sentence(issue.clauses)}"


def description(issue: ListedIssue) -> str:
    """What is open and whether somebody can connect, in sentences."""
    rules = "; ".join(rule_text(perm) for perm in issue.details.perms)
    text = f"Open in account {printable(issue.account_name)}, {issue.details.region}: {rules}."
    reachability = issue.details.reachability
    if reachability:
        text = f"Reachability: {reachability.verdict}. {text}"
        text += "".join(f" {printable(path.text)}" for path in reachability.paths[:1])
    return text


def _resource(issue: ListedIssue, partition: str) -> dict[str, Any]:
    details = issue.details
    group: dict[str, Any] = {
        "GroupName": printable(details.name) or issue.group_id,
        "GroupId": issue.group_id,
        "OwnerId": issue.account_id,
        "IpPermissions": [
            exposed_permission(perm) | {"IpProtocol": protocol_name(perm.protocol)}
            for perm in details.perms[:_RULES_SHOWN]
        ],
    }
    if details.vpc_id:
        group["VpcId"] = details.vpc_id
    resource: dict[str, Any] = {
        "Type": "AwsEc2SecurityGroup",
        "Id": group_arn(issue),
        "Partition": partition,
        "Region": details.region,
        "Details": {"AwsEc2SecurityGroup": group},
    }
    # A text of Security Hub has at least one character that is no white space; a tag may be empty.
    tags = {printable(k): printable(v) for k, v in sorted(details.tags.items()) if k.strip() and v.strip()}
    if tags:
        resource["Tags"] = dict(list(tags.items())[:_TAGS_LIMIT])
    return resource


def _fields(issue: ListedIssue) -> Iterator[tuple[str, str]]:
    fields = {
        "hammer/status": str(issue.status),
        "hammer/exposure": issue.details.status,
        "hammer/verdict": issue.verdict,
        "hammer/owner": issue.owner,
        "hammer/ticket": issue.ticket,
        "hammer/opened_by": issue.opened_by.principal if issue.opened_by else "",
        "hammer/due": _time(issue.due) if issue.due else "",
        "hammer/exempt_reason": issue.exempt_reason,
    }
    for name, value in fields.items():
        if value.strip():
            yield name, shortened(printable(value), _FIELD_LIMIT)


def _time(time: datetime) -> str:
    """As Security Hub wants it: RFC 3339 in UTC, to the millisecond."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03}Z"
