"""Lambda `hammer-describe-security-groups`: look at each scan target it is sent, and bring the issues up to date.

Environment: `HAMMER_CONFIG` (the configuration's folder or `s3://` place), `HAMMER_HOST_ROLE` (the name of the role of
Hammer's host in the main account), `HAMMER_IMMEDIATE_QUEUE` (URL of the queue for requests of remediation at once;
absent: none are sent).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from identification.deliveries import Deliveries
from identification.errors import MalformedEventError, NotShownYetError, UnknownAccountError
from identification.immediate import request_remediation, to_remediate_at_once
from identification.look import Looked, is_whole, look
from identification.openers import look_up_openers
from identification.redelivery import redeliver_soon
from identification.region_scan import RegionOffError, RegionScan
from identification.runtime import Runtime, start
from identification.scan_targets import ScanTarget, merge, parse_target
from library.aws.coverage_records import CoverageRecords
from library.aws.failures import AWS_ERRORS, explain
from library.issues.scan_coverage import Outcome, ScanCoverage

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

_log = logging.getLogger(__name__)

_CONCURRENT_LOOKS = 5  # targets of one event: a look waits for AWS most of its time


class _Asked(NamedTuple):
    """A record and the scan target that it asks for."""

    target: ScanTarget
    record: Any


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Look at every scan target of an event of SNS or SQS.

    Returns:
        Of SNS: `{"changes": N}`, how many issues changed. Of SQS: `{"batchItemFailures": [...]}`; a record is among
        these also when EC2 does not show yet what an event says was changed.

    Raises:
        MalformedEventError: a record is not a scan target. The others were looked at.
        UnknownAccountError: a record is about an account that the configuration does not name.
        ExceptionGroup: several targets failed; a single failure is raised as it is.
    """
    runtime = start(context)
    deliveries, changes = Deliveries(event, "scan targets"), 0
    if not runtime.config.secgrp_unrestricted_access.enabled:
        _log.info("secgrp_unrestricted_access is not enabled: nothing to do")
        return deliveries.answer({"changes": 0})
    targets = _merged(deliveries, runtime)
    with ThreadPoolExecutor(_CONCURRENT_LOOKS) as pool:
        looks = [(pool.submit(identify, target, runtime), asked_by) for target, asked_by in targets.items()]
    for looked, asked_by in looks:
        try:
            changes += looked.result()
        except NotShownYetError as error:
            changes += error.changes
            _wait(error, asked_by, deliveries, runtime)
        except Exception as error:  # noqa: BLE001 - told below, when every other target has had its turn
            deliveries.fail(error, *[asked.record for asked in asked_by])
    return deliveries.answer({"changes": changes})


def _merged(deliveries: Deliveries, runtime: Runtime) -> dict[ScanTarget, list[_Asked]]:
    """The scan targets of an event, one for each account and region, and the records that ask for each."""
    places: dict[tuple[str, str], list[_Asked]] = {}
    for record in deliveries.records:
        try:
            target = parse_target(record)
            runtime.check_account(target.account_id)
        except (MalformedEventError, UnknownAccountError, *AWS_ERRORS) as error:
            _log.error("a record failed: %s", explain(error))
            deliveries.fail(error, record)
            continue
        places.setdefault((target.account_id, target.region), []).append(_Asked(target, record))
    return {merge([each.target for each in asked]): asked for asked in places.values()}


def _wait(error: NotShownYetError, asked_by: Sequence[_Asked], deliveries: Deliveries, runtime: Runtime) -> None:
    """Let the records that told what EC2 must show come again. The others were done.

    An event is a hint, and the call that it tells may have been undone since. So where a record cannot come again by
    itself, which is so for SNS, the next scan is the net.
    """
    _log.warning("%s", error)
    if not deliveries.come_again:
        return
    # An event may lag behind what another event of the same group told.
    waiting = [
        asked.record
        for asked in asked_by
        if is_whole(asked.target) or not error.groups.keys().isdisjoint(asked.target.group_ids)
    ]
    deliveries.fail(error, *waiting)
    redeliver_soon(error, waiting, runtime)


def identify(target: ScanTarget, runtime: Runtime) -> int:
    """Look at one scan target, bring its issues up to date, and record what was seen of it.

    Returns:
        How many issues changed.

    Raises:
        Exception: the target could not be read, or its issues not be written. No issue of what was not read changes.
        NotShownYetError: EC2 does not show yet what an event says was changed. What is certain was written.
        NotRequestedError: a remediation run at once could not be asked for. Everything was written.
    """
    started = runtime.now()
    looked, outcome, reason = Looked(RegionScan(), 0), Outcome.COMPLETE, ""
    try:
        looked = look(target, runtime)
        outcome = Outcome.PARTIAL if looked.problem else Outcome.COMPLETE
        asks = is_whole(target) and runtime.config.secgrp_unrestricted_access.lookup_events
        unknown = look_up_openers(target.account_id, target.region, runtime) if asks else ""
        reason = "; ".join(filter(None, (looked.problem, looked.note, unknown)))
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
            groups=looked.scan.groups,
            reason=reason,
        )
        _log.log(
            logging.INFO if outcome in (Outcome.COMPLETE, Outcome.REGION_OFF) else logging.ERROR,
            "scanned",
            extra={"account_id": target.account_id, **seen.to_item(), "changes": looked.changes},
        )
        if is_whole(target):
            _record(seen, runtime)
    _request_remediation(target, looked, runtime)
    if looked.lagging:
        raise NotShownYetError(looked.lagging, looked.changes)
    return looked.changes


def _request_remediation(target: ScanTarget, looked: Looked, runtime: Runtime) -> None:
    """Ask for a run at once where immediate mode wants one, whether this look changed the issue or an earlier one."""
    if not runtime.immediate_queue:
        return
    certain = [
        issue
        for group_id, issue in looked.issues.items()
        if issue.details.region == target.region and group_id not in looked.lagging
    ]
    if wanted := to_remediate_at_once(certain, runtime.config, runtime.now()):
        client: SQSClient = runtime.sessions.client("sqs")
        request_remediation(client, runtime.immediate_queue, wanted)


def _record(seen: ScanCoverage, runtime: Runtime) -> None:
    try:
        CoverageRecords(runtime.table.items).record(seen)
    except AWS_ERRORS as error:
        # Why the scan failed, which is on its way up, matters more than that this could not be kept.
        if seen.outcome is not Outcome.FAILED:
            raise
        _log.error("scan coverage not kept: %s", explain(error))
