"""Issues and detections for tests, with values that the tests need not name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from library.issues.reconcile import Detection
from library.security_groups.exposure import Exposure

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(days=30)
SSH = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
RDP = Exposure("tcp", 3389, 3389, "8.8.8.8/32", "open_partly")
DETAILS = IssueDetails("web", "eu-west-1", "vpc-1", "open_completely", {"Name": "web"}, (SSH,))


def an_issue(status: Status = Status.OPEN, **other: Any) -> Issue:
    """An issue that was found, and reported, a month ago."""
    times = Timestamps(identified=EARLIER, updated=EARLIER, reported=EARLIER + timedelta(hours=1))
    if not status.is_exposed:
        times = replace(times, resolved=EARLIER + timedelta(days=1))
    if status is Status.CLOSED:
        times = replace(times, closed=EARLIER + timedelta(days=2))
    issue = Issue(
        account_id="210987654321",
        issue_id="sg-1",
        status=status,
        details=DETAILS,
        timestamps=times,
        revision=7,
        occurrence=3,
        jira_details={"ticket": "SEC-1"},
        slack_details={"told": "yes"},
        remediation_details={"backup": "key"},
    )
    return replace(issue, **other)


def a_detection(whitelisted: bool = False, **other: Any) -> Detection:
    """The group of `an_issue`, found exposed."""
    return Detection("210987654321", "sg-1", replace(DETAILS, **other), whitelisted)
