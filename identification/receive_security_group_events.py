"""Lambda `hammer-receive-security-group-events`: lead CloudTrail's calls to the groups that must be looked at.

Environment: `HAMMER_CONFIG` (the configuration's folder or `s3://` place), `SNS_ARN` (the topic of the scan targets),
`HAMMER_HOST_ROLE` (the name of the role of Hammer's host in the main account).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from identification.cloudtrail import ApiCall, parse_call
from identification.deliveries import Deliveries, message_of
from identification.errors import MalformedEventError, UnknownAccountError
from identification.event_targets import TargetFinder, messages
from identification.events import Hint, hint_of
from identification.publish import publish
from identification.runtime import Runtime, start
from library.aws.event_records import EventRecords, HeardEvent
from library.aws.failures import AWS_ERRORS, explain, one_line
from library.security_groups.exposure import Evaluator

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Place:
    """What came from one account and region.

    Attributes:
        records: those with a hint.
        last_call: the name of the last call, relevant or not.
    """

    hints: list[Hint] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)
    last_call: str = ""


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Publish a scan target for what the events of one invocation are about, each group once.

    Args:
        event: an event of EventBridge, or records of SQS with one each.
        context: Lambda's.

    Returns:
        Of SQS `{"batchItemFailures": [...]}`, else `{"published": N}`.

    Raises:
        MalformedEventError: an event is none of CloudTrail. What the others are about was published.
        UnknownAccountError: an event is from an account that `aws.accounts` does not name.
        PublishError: a message was not accepted.
        ExceptionGroup: several events failed.
    """
    runtime = start(context)
    deliveries = Deliveries(event if "Records" in event else {"Records": [event]}, "events")
    if not runtime.config.secgrp_unrestricted_access.enabled:
        _log.info("secgrp_unrestricted_access is not enabled: nothing to do")
        return deliveries.answer({"published": 0})
    places = _by_place(deliveries, runtime)
    published = sum(_publish(place, found, deliveries, runtime) for place, found in places.items())
    _record_heard(places, runtime)
    return deliveries.answer({"published": published})


def _by_place(deliveries: Deliveries, runtime: Runtime) -> dict[tuple[str, str], _Place]:
    """What came, by account and region. Events that are not for Hammer are left out."""
    own = runtime.own_roles()
    chosen = runtime.config.secgrp_unrestricted_access.accounts
    scanned = frozenset(runtime.accounts() if chosen is None else chosen)
    regions = frozenset(runtime.scanned_regions())
    places: dict[tuple[str, str], _Place] = {}
    for record in deliveries.records:
        try:
            call = _call_of(record)
            _check_account(call, runtime)
        except (MalformedEventError, UnknownAccountError) as error:
            _log.error("an event failed: %s", one_line(error))
            deliveries.fail(error, record)
            continue
        if call.account_id not in scanned or call.region not in regions:
            continue
        place = places.setdefault((call.account_id, call.region), _Place())
        place.last_call = call.name
        if call.is_relevant:
            place.hints.append(hint_of(call, own))
            place.records.append(record)
    return places


def _call_of(record: Any) -> ApiCall:
    if isinstance(record, Mapping) and ("body" in record or "Sns" in record):
        return parse_call(message_of(record, "an event of CloudTrail"))
    return parse_call(record)


def _check_account(call: ApiCall, runtime: Runtime) -> None:
    if call.is_relevant and call.account_id not in runtime.accounts():
        raise UnknownAccountError(f"aws.accounts does not name account {call.account_id}, which an event is from")


def _publish(place: tuple[str, str], found: _Place, deliveries: Deliveries, runtime: Runtime) -> int:
    """Publish what one account's and region's hints ask for. Returns how many messages that took."""
    account_id, region = place
    if not found.hints:
        return 0
    section = runtime.config.secgrp_unrestricted_access
    topic_arn = os.environ["SNS_ARN"]
    try:
        evaluator = Evaluator(section.restricted_ports, section.trusted_cidrs)
        targets = TargetFinder(runtime, account_id, region, evaluator).find(found.hints)
        name = runtime.accounts().get(account_id, account_id)
        target = {"account_id": account_id, "account_name": name, "region": region}
        asked = messages(target, targets)
        publish(runtime.sessions.client("sns", region=topic_arn.split(":")[3]), topic_arn, asked)
    except Exception as error:  # noqa: BLE001 - raised by the caller, when every other place has had its turn
        _log.error("hints failed: %s", one_line(error), extra={"account_id": account_id, "region": region})
        deliveries.fail(error, *found.records)
        return 0
    _log.info(
        "published",
        extra={
            "account_id": account_id,
            "region": region,
            "hints": len(found.hints),
            "groups": len(targets.groups),
            "whole_region": targets.region,
            "messages": len(asked),
        },
    )
    return len(asked)


def _record_heard(places: Mapping[tuple[str, str], _Place], runtime: Runtime) -> None:
    """Keep that events came. That this fails is no reason to handle them again."""
    records, now = EventRecords(runtime.table.items), runtime.now()
    for (account_id, region), found in places.items():
        try:
            records.record(HeardEvent(account_id, region, now, found.last_call))
        except AWS_ERRORS as error:
            _log.error("that an event came could not be kept: %s", explain(error))
