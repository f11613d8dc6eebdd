"""Whether the policy of a queue or key lets an AWS service do what it does for Hammer, as AWS decides it.

A condition holds only if the service sends its key. Which keys each service sends, to which, is documented:

- SNS to SQS and KMS: aws:SourceArn, the topic; aws:SourceAccount (SNS Developer Guide, "Encryption at rest").
- EventBridge to SQS: aws:SourceArn, the rule; aws:SourceAccount (EventBridge User Guide, "Resource-based policies").
  To KMS: neither (SNS Developer Guide, "Enabling compatibility between event sources from AWS services").
- CloudWatch alarms to KMS: aws:SourceArn, the alarm; aws:SourceAccount (CloudWatch User Guide, alarms).
- CloudWatch Logs to KMS: the log group in the encryption context (CloudWatch Logs User Guide, "Encrypt log data").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda given, wanted: given == wanted,
    "ArnEquals": fnmatchcase,
    "ArnLike": fnmatchcase,
    "Bool": lambda given, wanted: given == wanted,
}


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """What a service asks of another.

    Attributes:
        service: the beginning of its principal, `"events"`.
        source: the ARN of what it acts for: a topic, a rule, an alarm, a log group.
    """

    service: str
    action: str
    resource: str
    source: str

    @property
    def context(self) -> Mapping[str, str]:
        """The condition keys that the service sends, in lower case."""
        own = {"aws:sourcearn": self.source, "aws:sourceaccount": self.source.split(":")[4]}
        if self.action.startswith("kms:"):
            own = {} if self.service == "events" else own
            if self.service.startswith("logs."):
                own = {"kms:encryptioncontext:aws:logs:arn": self.source}
        return {"aws:securetransport": "true", **own}


def admits(policy: Mapping[str, Any], request: ServiceRequest) -> bool:
    """Whether a statement allows a request, and none denies it."""
    effects = {said["Effect"] for said in policy["Statement"] if _is_about(said, request)}
    return effects == {"Allow"}


def _is_about(said: Mapping[str, Any], request: ServiceRequest) -> bool:
    principal = said["Principal"]
    everybody = "*" in (principal, *_list(principal.get("AWS", ()) if isinstance(principal, dict) else ()))
    services = _list(principal.get("Service", ())) if isinstance(principal, dict) else ()
    return (
        (everybody or f"{request.service}.amazonaws.com" in services)
        and any(fnmatchcase(request.action, pattern) for pattern in _list(said["Action"]))
        and any(fnmatchcase(request.resource, pattern) for pattern in _list(said["Resource"]))
        and all(
            _holds(operator, key, wanted, request.context)
            for operator, keys in said.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _holds(operator: str, key: str, wanted: Any, context: Mapping[str, str]) -> bool:
    given = context.get(key.lower())
    return given is not None and any(_OPERATORS[operator](given, each) for each in _list(wanted))


def _list(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
