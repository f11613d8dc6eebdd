"""Bring issues into AWS Security Hub CSPM as findings: opt-in, with `hammer issues --to-security-hub`.

A finding belongs to the account and region of its group, and Security Hub takes it from that account alone
(BatchImportFindings, "default product ARN"): the reporting role is assumed in each. A finding that is sent again
replaces the older one of the same id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hammer.formats.asff_format import finding
from hammer.listing.issue import ListedIssue
from library.aws.failures import AWS_ERRORS, chunks, error_code, explain

if TYPE_CHECKING:
    from collections.abc import Sequence

_FINDINGS_A_CALL = 100  # BatchImportFindings
# Security Hub deletes an archived finding after 30 days: an issue that ended before is not sent again.
_ENDED_SINCE = timedelta(days=30)
_NOT_ENABLED = "InvalidAccessException"


@dataclass(slots=True)
class Imported:
    """What became of the findings.

    Attributes:
        active: how many were imported as active.
        archived: how many were imported as archived: exempt, resolved or closed issues.
        problems: what Security Hub did not take, one line each.
    """

    active: int = 0
    archived: int = 0
    problems: list[str] = field(default_factory=list)


def import_findings(issues: Iterable[ListedIssue], client: Callable[[str, str], Any], now: datetime) -> Imported:
    """Send issues to Security Hub, each to its own account and region.

    Args:
        issues: of the table, in every status. Findings of Inspector, which Security Hub has already, are left out.
        client: makes a client of Security Hub for an account and region.
        now: the time in UTC.
    """
    targets: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for issue in issues:
        if issue.is_group and not _ended_long_ago(issue, now):
            targets.setdefault((issue.account_id, issue.details.region), []).append(finding(issue, now))
    result = Imported()
    for (account_id, region), findings in sorted(targets.items()):
        for batch in chunks(findings, _FINDINGS_A_CALL):
            if not _import(result, client(account_id, region), f"{account_id} {region}", batch):
                break
    return result


def _import(result: Imported, hub: Any, location: str, batch: Sequence[dict[str, Any]]) -> bool:
    """Send one batch. Returns whether it makes sense to send the next one to the same place."""
    try:
        answer = hub.batch_import_findings(Findings=list(batch))
    except AWS_ERRORS as error:
        reason = "Security Hub is not enabled there" if error_code(error) == _NOT_ENABLED else explain(error)
        result.problems.append(f"{location}: findings not imported: {reason}")
        return False
    refused = {failed["Id"]: failed for failed in answer.get("FailedFindings", ())}
    for failed in refused.values():
        result.problems.append(f"{location}: {failed['Id']}: {failed['ErrorCode']}: {failed['ErrorMessage']}")
    for sent in batch:
        if sent["Id"] not in refused:
            active = sent["RecordState"] == "ACTIVE"
            result.active += active
            result.archived += not active
    return True


def _ended_long_ago(issue: ListedIssue, now: datetime) -> bool:
    ended = issue.timestamps.closed or issue.timestamps.resolved
    return not issue.status.is_exposed and ended is not None and now - ended > _ENDED_SINCE
