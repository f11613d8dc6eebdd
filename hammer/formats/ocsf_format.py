"""`--format ocsf`: Compliance Findings (class 2003) of the Open Cybersecurity Schema Framework, version 1.6. Pure.

Source: OCSF schema 1.6.0, class `compliance_finding` with the profiles `cloud` and `datetime`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from hammer import __version__
from hammer.formats.asff_format import ADVICE, description, finding_id, group_arn, title
from hammer.listing.issue import ListedIssue, Listing
from library.aws.partition import partition_of
from library.documents.text import printable
from library.issues.issue import Status
from library.issues.reachability import Severity

SCHEMA_VERSION = "1.6.0"
_CATEGORY, _CLASS = 2, 2003  # Findings, Compliance Finding
_ACTIVITIES = {1: "Create", 2: "Update", 3: "Close"}
_SEVERITIES = {
    Severity.LOW: (2, "Low"),
    Severity.MEDIUM: (3, "Medium"),
    Severity.HIGH: (4, "High"),
    Severity.CRITICAL: (5, "Critical"),
}
_STATUSES = {
    Status.OPEN: (1, "New"),
    Status.WHITELISTED: (3, "Suppressed"),
    Status.RESOLVED: (4, "Resolved"),
    Status.CLOSED: (4, "Resolved"),
}
_COMPLIANCE = {
    Status.OPEN: (3, "Fail"),
    Status.WHITELISTED: (2, "Warning"),
    Status.RESOLVED: (1, "Pass"),
    Status.CLOSED: (1, "Pass"),
}


def pieces(listing: Listing) -> Iterator[str]:
    """The list as an array of events, ASCII only."""
    events = [event(issue, listing.generated) for issue in listing.issues if issue.is_group]
    yield json.dumps(events, indent=2) + "\n"


def event(issue: ListedIssue, now: datetime) -> dict[str, Any]:
    """One issue of a security group."""
    details = issue.details
    times = issue.timestamps
    activity = 3 if not issue.status.is_exposed else 2 if times.identified else 1
    severity_id, severity = _SEVERITIES[issue.severity]
    status_id, status = _STATUSES[issue.status]
    compliance_id, compliance = _COMPLIANCE[issue.status]
    return {
        "category_uid": _CATEGORY,
        "category_name": "Findings",
        "class_uid": _CLASS,
        "class_name": "Compliance Finding",
        "type_uid": _CLASS * 100 + activity,
        "type_name": f"Compliance Finding: {_ACTIVITIES[activity]}",
        "activity_id": activity,
        "activity_name": _ACTIVITIES[activity],
        "time": _milliseconds(now),
        "time_dt": now.isoformat(),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "message": title(issue),
        "metadata": {
            "version": SCHEMA_VERSION,
            "profiles": ["cloud", "datetime"],
            "product": {"name": "Hammer", "uid": "hammer", "vendor_name": "Hammer", "version": __version__},
            "uid": f"{finding_id(issue)}/{_milliseconds(now)}",
        },
        "finding_info": _finding_info(issue, times.identified or now, times.updated or now),
        "compliance": {
            "control": "Security groups must not allow the Internet to restricted ports",
            "standards": list(dict.fromkeys(control.standard for control in issue.controls)),
            "requirements": [control.name for control in issue.controls],
            "status_id": compliance_id,
            "status": compliance,
        },
        "remediation": {"desc": ADVICE},
        "cloud": _cloud(issue),
        "resources": [_resource(issue)],
        "unmapped": {
            "verdict": issue.verdict,
            "exposed_ports": list(issue.ports),
            "perms": details.to_item()["perms"],
            "ticket": printable(issue.ticket),
            "opened_by": printable(issue.opened_by.principal) if issue.opened_by else "",
        },
    }


def _finding_info(issue: ListedIssue, created: datetime, modified: datetime) -> dict[str, Any]:
    return {
        "uid": finding_id(issue),
        "title": title(issue),
        "desc": description(issue),
        "types": ["Network Reachability"],
        "created_time": _milliseconds(created),
        "created_time_dt": created.isoformat(),
        "modified_time": _milliseconds(modified),
        "modified_time_dt": modified.isoformat(),
    }


def _cloud(issue: ListedIssue) -> dict[str, Any]:
    account = {"uid": issue.account_id, "name": printable(issue.account_name), "type_id": 10, "type": "AWS Account"}
    return {"provider": "AWS", "region": issue.details.region, "account": account}


def _resource(issue: ListedIssue) -> dict[str, Any]:
    details = issue.details
    resource: dict[str, Any] = {
        "type": "AWS::EC2::SecurityGroup",
        "uid": group_arn(issue),
        "name": printable(details.name),
        "region": details.region,
        "cloud_partition": partition_of(details.region),
        "role_id": 3,
        "role": "Affected",
        "tags": [{"name": printable(key), "value": printable(value)} for key, value in sorted(details.tags.items())],
    }
    if issue.owner:
        resource["owner"] = {"name": printable(issue.owner)}
    return resource


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
