"""The calls that change a security group's ingress rules: the only code that changes anything in EC2.

Each call tells three outcomes apart: EC2 carried it out, EC2 refused it, or nobody knows, because the answer was lost.
The SDK repeats a call whose answer was lost, so that "there already" and "not there" may be the call's own doing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
)

from library.aws.failures import AWS_ERRORS, THROTTLED, error_code
from library.security_groups.group import IngressRule, ShapeError, parse_permission, parse_rule
from remediation.permissions import merged, permission_of
from remediation.rule_sets import RuleKey, rule_key

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_ec2.type_defs import IpPermissionTypeDef

# The request never reached AWS.
_NOT_SENT = (
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
)


class ChangeAnswer(StrEnum):
    """What EC2 answered to a change."""

    DONE = "done"
    THERE_ALREADY = "there already"
    NOT_THERE = "not there"
    REFUSED = "refused"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class CallResult:
    """What came of a call.

    Attributes:
        answer: the last answer.
        was_lost: an answer to an earlier attempt of the same call was lost: it may have been carried out.
        rule_ids: the ids of the added rules, by rule, where EC2 told them.
        not_found: the rules to revoke that EC2 did not find, where it revoked the others.
        error: what was raised; None where it was carried out.
    """

    answer: ChangeAnswer
    was_lost: bool = False
    rule_ids: Mapping[RuleKey, str] | None = None
    not_found: frozenset[RuleKey] = frozenset()
    error: Exception | None = None


def authorize(client: EC2Client, group_id: str, permissions: Sequence[IpPermissionTypeDef]) -> CallResult:
    """Add rules, all of them or none."""
    with _attempts(client, "AuthorizeSecurityGroupIngress") as attempts:
        try:
            answer = client.authorize_security_group_ingress(GroupId=group_id, IpPermissions=permissions)
        except AWS_ERRORS as error:
            return _failed(error, attempts)
    return CallResult(ChangeAnswer.DONE, rule_ids=_ids(answer))


def revoke(client: EC2Client, group_id: str, rule_ids: Sequence[str]) -> CallResult:
    """Revoke exactly these rules, all of them or none."""
    with _attempts(client, "RevokeSecurityGroupIngress") as attempts:
        try:
            client.revoke_security_group_ingress(GroupId=group_id, SecurityGroupRuleIds=rule_ids)
        except AWS_ERRORS as error:
            return _failed(error, attempts)
    return CallResult(ChangeAnswer.DONE)


def revoke_unchanged(client: EC2Client, group_id: str, rules: Sequence[IngressRule]) -> CallResult:
    """Revoke rules of one protocol and port range, each with a CIDR or a prefix list, as far as they are still so.

    By what they are, because a rule keeps its id when somebody edits it (ModifySecurityGroupRules): its id would revoke
    whatever it has become. In a default VPC, EC2 revokes those that it finds and names the others; elsewhere it revokes
    all of them or none (EC2 API Reference, RevokeSecurityGroupIngress).
    """
    permissions = [merged(permission_of(rule._replace(description="")) for rule in rules)]
    with _attempts(client, "RevokeSecurityGroupIngress") as attempts:
        try:
            answer = client.revoke_security_group_ingress(GroupId=group_id, IpPermissions=permissions)
        except AWS_ERRORS as error:
            return _failed(error, attempts)
    not_found = frozenset(
        rule_key(rule) for raw in answer.get("UnknownIpPermissions", ()) for rule in parse_permission(raw)
    )
    if not_found.issuperset(map(rule_key, rules)):
        return CallResult(ChangeAnswer.NOT_THERE, attempts.lost_before_last)
    return CallResult(ChangeAnswer.DONE, attempts.lost_before_last, not_found=not_found)


def set_descriptions(client: EC2Client, group_id: str, permissions: Sequence[IpPermissionTypeDef]) -> None:
    """Give existing rules the descriptions that these permissions have. To do it twice changes nothing."""
    client.update_security_group_rule_descriptions_ingress(GroupId=group_id, IpPermissions=permissions)


def _ids(answer: Mapping[str, Any]) -> dict[RuleKey, str]:
    ids = {}
    for raw in answer.get("SecurityGroupRules", ()):
        try:
            rule = parse_rule(raw)
        except ShapeError:
            continue  # the next look tells its id
        ids[rule_key(rule)] = rule.rule_id
    return ids


@dataclass(slots=True)
class _Attempts:
    """The attempts of one call that the SDK made.

    Attributes:
        seen: how many ended.
        lost: whether one of them may have been carried out, although the call as a whole failed.
        lost_before_last: whether one before the last may have been carried out.
    """

    seen: int = 0
    lost: bool = False
    lost_before_last: bool = False


@contextmanager
def _attempts(client: EC2Client, operation: str) -> Iterator[_Attempts]:
    attempts = _Attempts()

    def note(response: Any = None, caught_exception: Exception | None = None, **_: Any) -> None:
        attempts.seen += 1
        attempts.lost_before_last = attempts.lost
        if caught_exception is not None:
            attempts.lost |= not isinstance(caught_exception, _NOT_SENT)
        elif response is not None:
            http, parsed = response
            code = str(parsed.get("Error", {}).get("Code", ""))
            attempts.lost |= http.status_code < 400 or (http.status_code >= 500 and code not in THROTTLED)

    event = f"needs-retry.ec2.{operation}"
    client.meta.events.register(event, note)
    try:
        yield attempts
    finally:
        client.meta.events.unregister(event, note)


def _failed(error: Exception, attempts: _Attempts) -> CallResult:
    if isinstance(error, ClientError):
        metadata = error.response.get("ResponseMetadata", {})
        code = error_code(error)
        was_lost = attempts.lost or metadata.get("RetryAttempts", 0) >= max(attempts.seen, 1)
        if code.endswith(".Duplicate"):
            return CallResult(ChangeAnswer.THERE_ALREADY, was_lost, error=error)
        if code.endswith(".NotFound") and not code.startswith("InvalidGroup"):
            return CallResult(ChangeAnswer.NOT_THERE, was_lost, error=error)
        refused = metadata.get("HTTPStatusCode", 500) < 500 or code in THROTTLED
        return CallResult(
            ChangeAnswer.REFUSED if refused and not was_lost else ChangeAnswer.LOST, was_lost, error=error
        )
    refused = isinstance(error, _NOT_SENT) and not attempts.lost
    return CallResult(ChangeAnswer.REFUSED if refused else ChangeAnswer.LOST, attempts.lost, error=error)
