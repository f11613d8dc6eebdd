"""Lambda `hammer-describe-security-groups`: scan each target it is sent, and bring the issues up to date.

1. The records of an event are read as scan targets, and those of one account and region become one.
2. Each target is scanned (`identification.scan`), several at a time.
3. What was seen of a region is recorded, and immediate mode asks for a remediation run where it wants one.
4. A record whose target failed comes again. The others are done.

Environment: `HAMMER_CONFIG` (the configuration's folder or `s3://` place), `HAMMER_HOST_ROLE` (the name of the role of
Hammer's host in the main account), `SCAN_INTERVAL_MINUTES` (how often every region is scanned: `hammer status` asks
for it), `HAMMER_IMMEDIATE_QUEUE` (URL of the queue for requests of remediation at once; absent: none are sent).

A request of remediation at once is a message for each group to the host's queue, and a hint: whether the group may be
changed is decided on the host, from the table and EC2 as they are then (`remediation.eligibility`), so duplicates do no
harm. A lost message is sent again by the next scan of the region.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

from identification.errors import MalformedEventError, NoTimeLeftError, NotRequestedError, UnknownAccountError
from identification.messages import Deliveries, ScanTarget, merge, parse_target
from identification.openers import look_up_openers
from identification.runtime import Runtime, start, time_left
from identification.scan import DeniedByPolicyError, RegionOffError, RegionScan, ScanResult, scan
from library.aws.failures import AWS_ERRORS, chunks, explain
from library.aws.records import CoverageRecords
from library.config.models import remediation_terms
from library.issues.issue import Issue
from library.issues.scan_coverage import Outcome, ScanCoverage
from library.issues.schedule import remediation_schedule
from library.security_groups.group import EVENTUAL_CONSISTENCY

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

    from library.config import Configuration

_log = logging.getLogger(__name__)

_BATCH_SIZE = 10  # SendMessageBatch


def to_remediate_at_once(issues: Iterable[Issue], config: Configuration, now: datetime) -> list[Issue]:
    """The issues for which the configuration wants a run at once, by group. Pure."""
    section = config.secgrp_unrestricted_access
    if not (section.reporting and section.remediation and section.remediation_immediate):
        return []
    return [
        issue
        for issue in sorted(issues, key=lambda issue: issue.issue_id)
        if remediation_schedule(issue, remediation_terms(config, issue.account_id), now).at_once
    ]


def request_remediation(client: SQSClient, queue_url: str, issues: Iterable[Issue]) -> None:
    """Ask for a run on these issues.

    Raises:
        NotRequestedError: SQS refused a message; it answers 200 all the same (SQS API Reference, SendMessageBatch).
        ClientError, BotoCoreError: SQS could not be asked.
    """
    refused: list[str] = []
    for batch in chunks(list(issues), _BATCH_SIZE):
        entries = [
            {
                "Id": str(number),
                "MessageBody": json.dumps(
                    {"account_id": issue.account_id, "region": issue.details.region, "group_id": issue.issue_id}
                ),
            }
            for number, issue in enumerate(batch)
        ]
        answer = client.send_message_batch(QueueUrl=queue_url, Entries=entries)  # type: ignore[arg-type]
        codes = {int(each["Id"]): each.get("Code") for each in answer.get("Failed", ())}
        refused += [f"{batch[number].location}: {code}" for number, code in codes.items()]
        for issue in (issue for number, issue in enumerate(batch) if number not in codes):
            _log.info(
                "remediation at once requested",
                extra={"account_id": issue.account_id, "region": issue.details.region, "group_id": issue.issue_id},
            )
    if refused:
        raise NotRequestedError(f"a run at once could not be asked for: {'; '.join(refused)}")


_CONCURRENT_SCANS = 5  # targets of one event: a scan waits for AWS most of its time


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Scan every target of an event of SNS or SQS.

    Returns:
        Of SNS: `{"changes": N}`, how many issues changed. Of SQS: `{"batchItemFailures": [...]}`.

    Raises:
        MalformedEventError: a record is not a scan target. The others were scanned.
        UnknownAccountError: a record is about an account that the configuration does not name.
        NoTimeLeftError: a target was not begun any more.
        ExceptionGroup: several targets failed; a single failure is raised as it is.
    """
    runtime = start(context)
    deliveries, changes = Deliveries(event, "scan targets"), 0
    if not runtime.config.secgrp_unrestricted_access.enabled:
        _log.info("secgrp_unrestricted_access is not enabled: nothing to do")
        return deliveries.answer({"changes": 0})
    targets, latest = _merged(deliveries, runtime), _latest_begin(context, runtime)
    with ThreadPoolExecutor(_CONCURRENT_SCANS) as pool:
        scans = [(pool.submit(_scan_in_time, target, runtime, latest), records) for target, records in targets.items()]
    for scanned, records in scans:
        try:
            changes += scanned.result().changes
        except Exception as error:  # noqa: BLE001 - told below, when every other target has had its turn
            deliveries.fail(error, *records)
    return deliveries.answer({"changes": changes})


def _latest_begin(context: object, runtime: Runtime) -> datetime | None:
    """When half of this invocation's time is over, in UTC; None: it has no end.

    Where scans took so long until then, one that begins later may not fit any more. A function that is ended in the
    middle of it reports no record as done, and all of them come again.
    """
    left = time_left(context)
    return None if left is None else runtime.now() + left / 2


def _scan_in_time(target: ScanTarget, runtime: Runtime, latest: datetime | None) -> ScanResult:
    """Scan a target as `scan_target` does, unless it is too late to begin.

    Raises:
        NoTimeLeftError: it is.
        Exception: as `scan_target` does.
    """
    if latest and runtime.now() > latest:
        _log.warning("not begun", extra={"account_id": target.account_id, "region": target.region})
        raise NoTimeLeftError(f"no time was left for {target.account_id}, {target.region}: its message comes again")
    return scan_target(target, runtime)


def _merged(deliveries: Deliveries, runtime: Runtime) -> dict[ScanTarget, list[Any]]:
    """The scan targets of an event, one for each account and region, and the records that ask for each."""
    asked: dict[tuple[str, str], list[tuple[ScanTarget, Any]]] = {}
    for record in deliveries.records:
        try:
            target = parse_target(record)
            runtime.check_account(target.account_id)
            if target.only_interfaces and _was_swept_lately(target, runtime):
                continue
        except (MalformedEventError, UnknownAccountError, *AWS_ERRORS) as error:
            _log.error("a record failed: %s", explain(error))
            deliveries.fail(error, record)
            continue
        asked.setdefault((target.account_id, target.region), []).append((target, record))
    return {
        merge([target for target, _ in together]): [record for _, record in together] for together in asked.values()
    }


def _was_swept_lately(target: ScanTarget, runtime: Runtime) -> bool:
    """Whether calls that only touch interfaces can wait for their second message.

    Accounts with containers make thousands of such calls a day. A sweep of the region's network for each would take
    from the request buckets of EC2 that the account itself needs.
    """
    swept = CoverageRecords(runtime.table.items).state(target.account_id, target.region).swept
    return swept is not None and runtime.now() - swept < EVENTUAL_CONSISTENCY


def scan_target(target: ScanTarget, runtime: Runtime) -> ScanResult:
    """Scan one target, bring its issues up to date, and record what was seen of it.

    Returns:
        What was seen. Of a region that the account or its organization does not use: nothing, and no problem.

    Raises:
        Exception: the target could not be read, or its issues not be written. No issue of what was not read changes.
        ClientError: the role may not read a prefix list. What other groups expose was written.
        NotRequestedError: a remediation run at once could not be asked for. Everything was written.
    """
    started = runtime.now()
    result, outcome, reason = ScanResult(RegionScan(), 0), Outcome.FAILED, "it was interrupted"
    try:
        result = scan(target, runtime)
        outcome = Outcome.PARTIAL if result.problem else Outcome.COMPLETE
        asks = target.is_whole and runtime.config.secgrp_unrestricted_access.lookup_events
        unknown = look_up_openers(target.account_id, target.region, runtime) if asks else ""
        reason = "; ".join(filter(None, (result.problem, result.scan.note, unknown)))
    except RegionOffError as error:
        outcome, reason = Outcome.REGION_OFF, str(error)
    except DeniedByPolicyError as error:
        outcome, reason = Outcome.DENIED_BY_POLICY, str(error)
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
            groups=result.scan.groups,
            reason=reason,
            interval=runtime.scan_interval(),
        )
        _log.log(
            logging.INFO if outcome is Outcome.COMPLETE or outcome.is_closed else logging.ERROR,
            "scanned",
            extra={"account_id": target.account_id, **seen.to_item(), "changes": result.changes},
        )
        if target.is_whole:
            _record(seen, runtime)
    _request_remediation(target, result, runtime)
    if result.scan.denied:
        raise result.scan.denied
    return result


def _request_remediation(target: ScanTarget, result: ScanResult, runtime: Runtime) -> None:
    """Ask for a run at once where immediate mode wants one, whether this scan changed the issue or an earlier one."""
    if not runtime.immediate_queue:
        return
    here = [issue for issue in result.issues.values() if issue.details.region == target.region]
    if wanted := to_remediate_at_once(here, runtime.config, runtime.now()):
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
