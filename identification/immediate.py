"""Asks for a remediation run at once where immediate mode is on: a message for each group to the host's queue.

A message is a hint. Whether the group may be changed is decided on the host, from the table and EC2 as they are then
(`remediation.eligibility`), so duplicates do no harm. A lost message is sent again by the next scan of the region.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from identification.errors import NotRequestedError
from library.aws.failures import chunks
from library.config.models import remediation_terms
from library.issues.issue import Issue
from library.issues.schedule import remediation_schedule

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
        codes = {int(one["Id"]): one.get("Code") for one in answer.get("Failed", ())}
        refused += [f"{batch[number].location}: {code}" for number, code in codes.items()]
        for issue in (issue for number, issue in enumerate(batch) if number not in codes):
            _log.info(
                "remediation at once requested",
                extra={"account_id": issue.account_id, "region": issue.details.region, "group_id": issue.issue_id},
            )
    if refused:
        raise NotRequestedError(f"a run at once could not be asked for: {'; '.join(refused)}")
