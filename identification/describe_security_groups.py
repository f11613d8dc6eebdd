"""Lambda `hammer-describe-security-groups`: describe, evaluate, reconcile, store, for each scan target it is sent.

Environment: `HAMMER_CONFIG` (the configuration's folder or `s3://` place).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from identification.errors import MalformedEventError
from identification.region_scan import RegionOffError, RegionScan, scan_region
from identification.runtime import Runtime, start
from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import ConflictError
from library.issues.reconcile import Change, reconcile
from library.issues.scan_coverage import Outcome, ScanCoverage
from library.security_groups.exposure import Evaluator

if TYPE_CHECKING:
    from datetime import datetime

    from library.issues.issue import Issue

_log = logging.getLogger(__name__)

_CONCURRENT_WRITES = 8
_LOOKS = 4  # at a group whose issue somebody else keeps changing meanwhile


@dataclass(frozen=True, slots=True)
class ScanTarget:
    """One account and region to look at.

    Attributes:
        group_ids: look at these groups only; empty: at all.
    """

    account_id: str
    region: str
    group_ids: tuple[str, ...] = ()


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, int]:
    """Look at every scan target of an SNS event.

    Returns:
        `{"changes": N}`: how many issues changed.

    Raises:
        MalformedEventError: a record is not a scan target. The others were looked at.
        ExceptionGroup: several targets failed; a single failure is raised as it is.
    """
    runtime = start(context)
    if not runtime.config.secgrp_unrestricted_access.enabled:
        _log.info("secgrp_unrestricted_access is not enabled: nothing to do")
        return {"changes": 0}
    changes, errors = 0, []
    for record in _records(event):
        try:
            changes += identify(parse_record(record), runtime)
        except Exception as error:  # noqa: BLE001 - raised below, when every other record has had its turn
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup("several scan targets failed", errors)
    return {"changes": changes}


def _records(event: object) -> Sequence[Any]:
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list) or not records:
        raise MalformedEventError("the event has no SNS records")
    return records


def parse_record(record: Mapping[str, Any]) -> ScanTarget:
    """Read one SNS record.

    Raises:
        MalformedEventError: it does not carry an account, a region and, if it names groups, their ids.
    """
    try:
        message = json.loads(record["Sns"]["Message"])
        account_id, region, group_ids = message["account_id"], message["region"], message.get("group_ids") or []
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MalformedEventError(f"not a scan target: {record!r:.500}") from error
    texts = [account_id, region] if isinstance(group_ids, list) else [None]
    if not all(isinstance(text, str) and text for text in texts) or not all(map(_is_group_id, group_ids)):
        raise MalformedEventError(f"not a scan target: {message!r:.500}")
    return ScanTarget(account_id, region, tuple(group_ids))


def _is_group_id(value: object) -> bool:
    # The table keeps other records under ids that begin otherwise.
    return isinstance(value, str) and value.startswith("sg-")


def identify(target: ScanTarget, runtime: Runtime) -> int:
    """Look at one scan target, bring its issues up to date, and record what was seen of it.

    Returns:
        How many issues changed.

    Raises:
        Exception: the target could not be read, or its issues not be written. No issue of what was not read changes.
    """
    started = runtime.now()
    scan, outcome, reason, changes = RegionScan(), Outcome.COMPLETE, "", 0
    try:
        scan, changes = _look(target, runtime, started)
        if scan.problem:
            outcome, reason = Outcome.PARTIAL, f"not understood: {scan.problem}"
    except RegionOffError as error:
        outcome, reason = Outcome.REGION_OFF, str(error)
    except Exception as error:
        outcome, reason = Outcome.FAILED, explain(error, runtime.sessions.role_arn(target.account_id))
        raise
    finally:
        seen = ScanCoverage(
            account_id=target.account_id,
            region=target.region,
            outcome=outcome,
            started=started,
            seconds=(runtime.now() - started).total_seconds(),
            groups=scan.groups,
            reason=reason,
        )
        _log.log(
            logging.INFO if outcome in (Outcome.COMPLETE, Outcome.REGION_OFF) else logging.ERROR,
            "scanned",
            extra={"account_id": target.account_id, **seen.to_item(), "changes": changes},
        )
        runtime.sessions.forget(target.account_id, target.region)
        if not target.group_ids:
            _record(seen, runtime)
    return changes


def _record(seen: ScanCoverage, runtime: Runtime) -> None:
    try:
        runtime.table.record_coverage(seen)
    except AWS_ERRORS as error:
        # Why the scan failed, which is on its way up, matters more than that this could not be kept.
        if seen.outcome is not Outcome.FAILED:
            raise
        _log.error("scan coverage not kept: %s", explain(error))


def _look(target: ScanTarget, runtime: Runtime, started: datetime) -> tuple[RegionScan, int]:
    """Scan, and write what changed; groups whose issues changed meanwhile are looked at again."""
    table = runtime.table
    if not target.group_ids:
        table.adopt(target.account_id)
    # Known before it is described: who writes in between makes the conditional write below fail.
    known = (
        table.get_many(target.account_id, target.group_ids)
        if target.group_ids
        else table.exposed(target.account_id, target.region)
    )
    first = scan = _scan(target, runtime, target.group_ids)
    found = [detection.group_id for detection in scan.detections]
    known |= table.get_many(target.account_id, [group_id for group_id in found if group_id not in known])
    written = 0
    for _ in range(_LOOKS):
        decided = _decide(known, scan, runtime.now(), may_resolve=not target.group_ids)
        # Resolved since this look began: what was described may be older than what resolved it.
        stale = {
            change.issue.issue_id
            for change in decided
            if change.before and change.before.timestamps.resolved and change.before.timestamps.resolved > started
        }
        lost = stale | _write(runtime, [change for change in decided if change.issue.issue_id not in stale])
        written += len(decided) - len(lost)
        if not lost:
            return first, written
        started, group_ids = runtime.now(), tuple(sorted(lost))
        known = table.get_many(target.account_id, group_ids)
        scan = _scan(target, runtime, group_ids)
    raise ConflictError(f"issues that kept changing while they were written: {', '.join(sorted(lost))}")


def _scan(target: ScanTarget, runtime: Runtime, group_ids: Sequence[str]) -> RegionScan:
    section = runtime.config.secgrp_unrestricted_access
    return scan_region(
        runtime.sessions,
        target.account_id,
        target.region,
        Evaluator(section.restricted_ports, section.trusted_cidrs),
        runtime.config.exemptions(target.account_id),
        runtime.now().date(),
        group_ids,
    )


def _decide(known: Mapping[str, Issue], scan: RegionScan, now: datetime, *, may_resolve: bool) -> list[Change]:
    """The changes that a scan of the known groups' whole scope means. What was not understood is not fixed.

    Args:
        known: the issues that the table has.
        scan: what was seen.
        now: the time in UTC.
        may_resolve: whether the account and region were read whole; a look at some groups resolves nothing.
    """
    detections = {detection.group_id: detection for detection in scan.detections}
    gone = {group_id for group_id in known.keys() - detections.keys() if may_resolve and scan.tells_about(group_id)}
    return [
        change
        for group_id in detections.keys() | gone
        if (change := reconcile(known.get(group_id), detections.get(group_id), now))
    ]


def _write(runtime: Runtime, changes: Iterable[Change]) -> set[str]:
    """Write changes. Returns the ids of the groups whose issue had changed meanwhile."""

    def write(change: Change) -> str | None:
        try:
            runtime.table.write(change)
        except ConflictError:
            return change.issue.issue_id
        _log.info(
            str(change.event),
            extra={
                "account_id": change.issue.account_id,
                "group_id": change.issue.issue_id,
                "region": change.issue.details.region,
                "status": str(change.issue.status),
                "exposure": change.issue.details.status,
            },
        )
        return None

    with ThreadPoolExecutor(_CONCURRENT_WRITES) as pool:
        # Not pool.map: its first error cancels what has not begun.
        written = [pool.submit(write, change) for change in changes]
    return {lost for each in written if (lost := each.result())}
