"""Lambda `hammer-receive-security-group-events`: lead CloudTrail's calls to the groups that must be scanned.

1. Each record is read as a call. Calls of accounts and regions that are not scanned, and such that change nothing, are
   counted and left out.
2. The calls of one account and region are led to groups together (`identification.events`), so that each group is named
   once however many calls changed it.
3. A scan of these groups is asked for at once, on the topic, and again in five minutes, on the queue of the describing
   function: EC2 may show a change only then.

Environment: `HAMMER_CONFIG` (the configuration's folder or `s3://` place), `SNS_ARN` (the topic of the scan targets),
`SCAN_QUEUE_URL` (the describing function's queue), `HAMMER_HOST_ROLE` (the name of the role of Hammer's host in the
main account).
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from identification.cloudtrail import ApiCall, parse_call
from identification.errors import MalformedEventError, MissingVariableError
from identification.events import Hint, TargetFinder, first_messages, hint_of, second_messages
from identification.messages import Deliveries, message_of, publish, send_delayed
from identification.runtime import Runtime, start
from library.aws.failures import AWS_ERRORS, explain, one_line
from library.aws.records import EventRecords, ReceivedEvent
from library.network.addresses import AddressSet
from library.network.ports import ALL_PORTS, PortSet
from library.security_groups.exposure import Evaluator
from library.security_groups.group import EVENTUAL_CONSISTENCY

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _RegionCalls:
    """What came from one account and region.

    Attributes:
        records: those with a hint.
        last_call: the name of the last call, relevant or not.
    """

    hints: list[Hint] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)
    last_call: str = ""


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Ask for scans of what the events of EventBridge are about: each group once now, and once in five minutes.

    An invocation has one event, or records of SQS with one each.

    Returns:
        Of SQS `{"batchItemFailures": [...]}`, else `{"published": N}`.

    Raises:
        MissingVariableError: there is no `SCAN_QUEUE_URL`.
        MalformedEventError: an event is none of CloudTrail. What the others are about was published.
        PublishError: a message was not accepted.
        ExceptionGroup: several events failed.
    """
    runtime = start(context)
    deliveries = Deliveries(event if "Records" in event else {"Records": [event]}, "events")
    if not runtime.config.secgrp_unrestricted_access.enabled:
        _log.info("secgrp_unrestricted_access is not enabled: nothing to do")
        return deliveries.answer({"published": 0})
    queue_url = os.environ.get("SCAN_QUEUE_URL", "")
    if not queue_url:
        raise MissingVariableError("SCAN_QUEUE_URL is not set: without the second scan nothing would be resolved")
    calls = _by_region(deliveries, runtime)
    published = sum(_publish(location, found, queue_url, deliveries, runtime) for location, found in calls.items())
    _record_received(calls, runtime)
    return deliveries.answer({"published": published})


def _by_region(deliveries: Deliveries, runtime: Runtime) -> dict[tuple[str, str], _RegionCalls]:
    """What came, by account and region. Events that are not for Hammer are counted and left out."""
    own = runtime.own_roles()
    ignored: Counter[str] = Counter()
    found: dict[tuple[str, str], _RegionCalls] = {}
    for record in deliveries.records:
        try:
            call = _call_of(record)
        except MalformedEventError as error:
            _log.error("an event failed: %s", one_line(error))
            deliveries.fail(error, record)
            continue
        if not runtime.is_scanned(call.account_id, call.region):
            # Whoever may put events on the bus may do so for any account: it is no failure of Hammer's.
            ignored[f"{call.account_id} {call.region}"] += 1
            continue
        calls = found.setdefault((call.account_id, call.region), _RegionCalls())
        calls.last_call = call.name
        if call.is_relevant:
            calls.hints.append(hint_of(call, own))
            calls.records.append(record)
    if ignored:
        most = dict(ignored.most_common(20))
        _log.info("events of what is not scanned", extra={"ignored": ignored.total(), "most": most})
    return found


def _call_of(record: Any) -> ApiCall:
    if isinstance(record, Mapping) and ("body" in record or "Sns" in record):
        return parse_call(message_of(record, "an event of CloudTrail"))
    return parse_call(record)


def _publish(
    location: tuple[str, str], found: _RegionCalls, queue_url: str, deliveries: Deliveries, runtime: Runtime
) -> int:
    """Ask for the scans that one account's and region's hints lead to. Returns how many messages are on the topic."""
    account_id, region = location
    if not found.hints:
        return 0
    topic_arn = os.environ["SNS_ARN"]
    try:
        # Whatever the configuration restricts and trusts by the time that somebody asks who opened a group.
        evaluator = Evaluator(PortSet(ALL_PORTS, ALL_PORTS), AddressSet())
        targets = TargetFinder(runtime, account_id, region, evaluator).find(found.hints)
        name = runtime.accounts().get(account_id, account_id)
        target = {"account_id": account_id, "account_name": name, "region": region}
        asked = first_messages(target, targets, runtime.evaluator())
        publish(runtime.sessions.client("sns", region=topic_arn.split(":")[3]), topic_arn, asked)
        again = second_messages(target, targets)
        send_delayed(runtime.sessions.client("sqs"), queue_url, again, int(EVENTUAL_CONSISTENCY.total_seconds()))
    except Exception as error:  # noqa: BLE001 - raised by the caller, when every other region has had its turn
        _log.error("hints failed: %s", one_line(error), extra={"account_id": account_id, "region": region})
        deliveries.fail(error, *found.records)
        return 0
    _log.info(
        "published",
        extra={
            "account_id": account_id,
            "region": region,
            "hints": len(found.hints),
            "groups": len(targets.group_ids),
            "whole_region": targets.region,
            "messages": len(asked),
        },
    )
    return len(asked)


def _record_received(calls: Mapping[tuple[str, str], _RegionCalls], runtime: Runtime) -> None:
    """Keep that events came. That this fails is no reason to handle them again."""
    records, now = EventRecords(runtime.table.items), runtime.now()
    for (account_id, region), found in calls.items():
        try:
            records.record(ReceivedEvent(account_id, region, now, found.last_call))
        except AWS_ERRORS as error:
            _log.error("that an event came could not be kept: %s", explain(error))
