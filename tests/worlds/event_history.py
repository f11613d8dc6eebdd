"""CloudTrail's LookupEvents, which the emulated AWS lacks: a stateful stand-in behind the same HTTP endpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.worlds.emulated_aws import Call, EmulatedAws, Rejection

_A_PAGE, _A_SECOND = 50, 2


@dataclass
class KeptHistory:
    """The event history of every account and region, on a clock that only sleeping moves.

    Attributes:
        events: the events of each region with the names of their resources, the oldest first.
        clock: the time in seconds.
        asked: which resource each call asked for.
    """

    events: list[tuple[str, set[str], Any]] = field(default_factory=list)
    clock: float = 0.0
    asked: list[str] = field(default_factory=list)
    _times: dict[tuple[bool, str], list[float]] = field(default_factory=dict)

    def serve(self, aws: EmulatedAws) -> None:
        """Answer the calls that come to this emulated AWS."""
        aws.stand_ins["LookupEvents"] = self._answer

    def add(self, event: dict[str, Any], *resources: str) -> None:
        """Keep an event of EventBridge as the history has it, with these resources."""
        self.events.append((event["region"], set(resources), json.dumps(event["detail"])))

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.clock += seconds

    def _answer(self, call: Call) -> dict[str, Any] | Rejection:
        assert call.service == "cloudtrail"
        times = self._times.setdefault((call.assumed, call.region), [])
        if sum(self.clock - time < 1 for time in times) >= _A_SECOND:
            return Rejection("ThrottlingException", message="Rate exceeded")
        times.append(self.clock)
        [wanted] = call.parameters["LookupAttributes"]
        assert wanted["AttributeKey"] == "ResourceName"
        assert call.parameters["MaxResults"] <= _A_PAGE
        name = wanted["AttributeValue"]
        self.asked.append(name)
        found = [text for region, names, text in reversed(self.events) if region == call.region and name in names]
        start = int(call.parameters.get("NextToken") or 0)
        size = call.parameters["MaxResults"]
        page: dict[str, Any] = {"Events": [{"CloudTrailEvent": text} for text in found[start : start + size]]}
        return page | ({"NextToken": str(start + size)} if start + size < len(found) else {})
