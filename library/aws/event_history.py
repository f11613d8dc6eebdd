"""CloudTrail's event history of one account and region: which API calls named a resource in the last 90 days.

AWS CloudTrail API Reference, LookupEvents: 50 events a page, the newest first; two requests a second for each account
and region, and a throttling error beyond that. An event may be in the history only 15 minutes after its call.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

COMPLETE_AFTER = timedelta(minutes=15)
"""How long after a call its event may still be missing."""

_EVENTS_A_PAGE = 50
_PAUSE_S = 0.5


class EventHistory:
    """The history of one account and region.

    Args:
        client: for CloudTrail, in the account and region.
        sleep: waits for so many seconds.

    Attributes:
        calls: how many calls of LookupEvents were made.
    """

    def __init__(self, client: Any, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._sleep = sleep
        self.calls = 0

    def pages(self, resource: str, at_most: int) -> Iterator[list[Mapping[str, Any]]]:
        """CloudTrail's records of the calls that named a resource, a page at a time, the newest first.

        A record that is not readable is left out.

        Args:
            resource: the name of the resource: the id of a security group or prefix list.
            at_most: so many pages.

        Raises:
            ClientError, BotoCoreError: the history could not be read, after the SDK's retries.
        """
        more: dict[str, str] = {}
        for _ in range(at_most):
            self._sleep(_PAUSE_S)  # before the first as well: the last scan may just have ended
            self.calls += 1
            page = self._client.lookup_events(
                LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": resource}],
                MaxResults=_EVENTS_A_PAGE,
                **more,
            )
            yield [record for event in page.get("Events", ()) if (record := _record(event)) is not None]
            if not page.get("NextToken"):
                return
            more = {"NextToken": page["NextToken"]}


def _record(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The record in an event of the history, which has it as text; None: it has none."""
    try:
        record = json.loads(event["CloudTrailEvent"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
