"""An Inspector finding as an issue in the table, so that reporting tells of it as it tells of exposed groups.

Pure. Findings of Inspector v2 only: Classic never says that a finding is over, so that its issues would stay open for
ever. Inspector does not say who can reach a port, only that a packet can come in from outside: the whole Internet is
assumed.
"""

from __future__ import annotations

import re

from identification.inspector.delivery import ITEM_PREFIX, record_id
from identification.inspector.expected_ports import FilterAction, FilterDecision
from identification.inspector.finding import Finding
from library.issues.details import FindingDetails
from library.issues.kinds import INSPECTOR_FINDING
from library.issues.reconcile import Detection
from library.security_groups.exposure import Exposure

_ANYWHERE = "0.0.0.0/0"
_ID_LENGTH = 12
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9-]")


def can_be_issue(finding: Finding) -> bool:
    """Whether a finding can be followed from its beginning to its end."""
    return finding.service == "inspector2" and finding.is_about_ports and bool(finding.arn and finding.account_id)


def issue_id(finding: Finding) -> str:
    """The `issue_id` of a finding: the instance's id, and what tells its findings apart."""
    server = _NOT_IN_AN_ID.sub("", finding.server_id)[:40]
    return f"{INSPECTOR_FINDING.id_prefix}{server}-{record_id(finding).removeprefix(ITEM_PREFIX)[:_ID_LENGTH]}"


def detection(decision: FilterDecision) -> Detection | None:
    """What is found of a finding; None: nothing that nobody expected, or it is over."""
    finding = decision.finding
    if decision.action is not FilterAction.PUBLISH or not decision.left:
        return None
    perms = tuple(
        Exposure(protocol, first, last, _ANYWHERE, "open_completely")
        for protocol in ("tcp", "udp")
        for first, last in decision.left.protocol(protocol).spans
    )
    details = FindingDetails(
        name=finding.name or finding.server_id,
        region=finding.region,
        vpc_id=finding.vpc_id,
        status="open_completely",
        tags=finding.tags,
        perms=perms,
        arn=finding.arn,
        server_id=finding.server_id,
        inspector_severity=finding.severity,
        title=finding.title,
        path=finding.path,
        held_back=tuple(f"{held.ports}: {held.reason}" for held in decision.held),
        notes=decision.notes,
    )
    return Detection(finding.account_id, issue_id(finding), details, whitelisted=False)
