"""An EC2 in memory whose answers are old, get lost, or never come: one region's security groups, on a virtual clock.

Writes take effect at once and are never repeated by themselves. Each of the two reads shows the state of `lag` seconds
ago, each with a lag of its own. A call can be made to fail before or after its effect, and somebody can act before it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from library.security_groups.group import IngressRule, RuleKey, parse_permission, rule_key
from remediation.rules import ip_permission_of
from tests.worlds.aws_faults import KilledError

GROUPS, RULES = "DescribeSecurityGroups", "DescribeSecurityGroupRules"
AUTHORIZE, REVOKE = "AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"


@dataclass
class Clock:
    """A time that passes only in sleeps, and by a millisecond for each question and call."""

    time: datetime = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
    slept: float = 0.0

    def now(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.time += timedelta(seconds=seconds)

    def pass_by(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


Fault = Callable[[str, Callable[[], Any]], Any]
"""What happens instead of a call: given the operation's name, and the call."""


def refused(operation: str, call: Callable[[], Any]) -> Any:
    """EC2 refuses it: nothing is done."""
    del call
    raise _error("UnauthorizedOperation", operation, 403)


def lost_before(operation: str, call: Callable[[], Any]) -> Any:
    """Nothing is done, and no answer comes."""
    del operation, call
    raise ReadTimeoutError(endpoint_url="https://ec2.example")


def lost_after(operation: str, call: Callable[[], Any]) -> Any:
    """It is done, and no answer comes."""
    del operation
    call()
    raise ReadTimeoutError(endpoint_url="https://ec2.example")


def repeated(operation: str, call: Callable[[], Any]) -> Any:
    """It is done, the answer is lost, and the SDK makes the call again."""
    del operation
    call()
    try:
        return call()
    except ClientError as error:
        error.response["ResponseMetadata"]["RetryAttempts"] = 1
        raise


def killed_before(operation: str, call: Callable[[], Any]) -> Any:
    del call
    raise KilledError(operation)


def killed_after(operation: str, call: Callable[[], Any]) -> Any:
    call()
    raise KilledError(operation)


State = Mapping[str, tuple[IngressRule, ...]]
"""The rules of each group."""

FAULTS: dict[str, Fault] = {
    fault.__name__: fault for fault in (refused, lost_before, lost_after, repeated, killed_before, killed_after)
}


@dataclass
class LaggingEc2:
    """The EC2 client of one account and region.

    Attributes:
        lags: how old the answers of the two reads are, in seconds, by operation.
        fault: instead of the call with this number; numbers count the writes only.
        acts: done before the write of this number: what somebody else does.
        made: the writes, in order.
        denies_tags: whether an organization's policy denies tags of rules.
        tags_denial: the message that says so.
        tags: of rules that were added with tags, by their ids.
        is_default_vpc: whether EC2 revokes what it finds and names the rest, rather than revoke nothing.
        watch: called after each write with the operation, and the rules of each group right before and after it.
    """

    clock: Clock
    lags: dict[str, float] = field(default_factory=dict)
    fault: tuple[int, Fault] | None = None
    acts: dict[int, Callable[[], None]] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    is_default_vpc: bool = False
    watch: Callable[[str, State, State], None] = lambda _operation, _before, _after: None
    meta: Any = field(default_factory=lambda: SimpleNamespace(events=_NoEvents()))
    _history: dict[str, list[tuple[datetime, dict[str, IngressRule]]]] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    dead: bool = False
    denies_tags: bool = False
    tags_denial: str = "no policy allows the ec2:CreateTags action"
    tags: dict[str, dict[str, str]] = field(default_factory=dict)

    # What people do, and what is true.

    def create(self, *rules: IngressRule, group_id: str = "") -> str:
        """A group with these rules, long ago."""
        group_id = group_id or f"sg-{next(self._ids):08x}"
        made = {rule_id: rule._replace(rule_id=rule_id) for rule in rules for rule_id in [self._new_id()]}
        self._history[group_id] = [(datetime.min.replace(tzinfo=UTC), made)]
        return group_id

    def rules(self, group_id: str) -> dict[RuleKey, IngressRule]:
        """What is true now."""
        return {rule_key(rule): rule for rule in self._history[group_id][-1][1].values()}

    def add(self, group_id: str, rule: IngressRule) -> None:
        """Somebody adds a rule, if it is not there."""
        if rule_key(rule) not in self.rules(group_id):
            rule_id = self._new_id()
            self._change(group_id, {**self._now(group_id), rule_id: rule._replace(rule_id=rule_id)})

    def remove(self, group_id: str, rule: IngressRule) -> None:
        """Somebody removes a rule, if it is there."""
        found = self.rules(group_id).get(rule_key(rule))
        if found:
            self._change(group_id, {i: r for i, r in self._now(group_id).items() if i != found.rule_id})

    def edit(self, group_id: str, rule: IngressRule, **changed: Any) -> None:
        """Somebody edits a rule in place, if it is there: it keeps its id."""
        found = self.rules(group_id).get(rule_key(rule))
        if found:
            self._change(group_id, {**self._now(group_id), found.rule_id: found._replace(**changed)})

    def catch_up(self) -> None:
        """Time passes until every read shows what is true."""
        self.clock.pass_by(max(self.lags.values(), default=0) + 1)

    # The calls that remediation makes.

    def get_paginator(self, operation: str) -> Any:
        reads: dict[str, Callable[..., Any]] = {
            "describe_security_groups": self._groups,
            "describe_security_group_rules": self._rules,
            "describe_managed_prefix_lists": lambda **_: {"PrefixLists": []},
        }
        return SimpleNamespace(paginate=lambda **arguments: [self._read(reads[operation], arguments)])

    def authorize_security_group_ingress(self, **arguments: Any) -> Any:
        return self._write(AUTHORIZE, lambda: self._authorize(**arguments))

    def revoke_security_group_ingress(self, **arguments: Any) -> Any:
        return self._write(REVOKE, lambda: self._revoke(**arguments))

    def update_security_group_rule_descriptions_ingress(self, **arguments: Any) -> Any:
        return self._write("UpdateSecurityGroupRuleDescriptionsIngress", lambda: self._describe(**arguments))

    def _read(self, read: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        if self.dead:
            raise KilledError("dead")
        self.clock.now()
        return read(**arguments)

    def _write(self, operation: str, call: Callable[[], Any]) -> Any:
        if self.dead:
            raise KilledError("dead")
        number = len(self.made)
        self.made.append(operation)
        if act := self.acts.get(number):
            act()
        self.clock.now()
        before = self._state()
        try:
            if self.fault and self.fault[0] == number:
                return self.fault[1](operation, call)
            return call()
        except KilledError:
            self.dead = True
            raise
        finally:
            self.watch(operation, before, self._state())

    def _groups(self, Filters: Sequence[Any], **_: Any) -> Any:  # noqa: N803
        (group_id,) = Filters[0]["Values"]
        if group_id not in self._history:
            return {"SecurityGroups": []}
        permissions = [
            ip_permission_of(rule) for rule in sorted(self._shown(group_id, GROUPS).values(), key=lambda rule: rule[:4])
        ]
        return {
            "SecurityGroups": [
                {
                    "GroupId": group_id,
                    "GroupName": "web",
                    "VpcId": "vpc-1",
                    "Description": "for the web",
                    "IpPermissions": permissions,
                }
            ]
        }

    def _rules(self, Filters: Sequence[Any], **_: Any) -> Any:  # noqa: N803
        (group_id,) = Filters[0]["Values"]
        if group_id not in self._history:
            return {"SecurityGroupRules": []}
        return {"SecurityGroupRules": [self._listed(group_id, rule) for rule in self._shown(group_id, RULES).values()]}

    def _authorize(
        self,
        GroupId: str,  # noqa: N803
        IpPermissions: Sequence[Mapping[str, Any]],  # noqa: N803
        TagSpecifications: Sequence[Mapping[str, Any]] = (),  # noqa: N803
    ) -> Any:
        if TagSpecifications and self.denies_tags:
            raise _error("UnauthorizedOperation", AUTHORIZE, 403, self.tags_denial)
        new = [rule for permission in IpPermissions for rule in parse_permission(permission)]
        there = self.rules(GroupId)
        if any(rule_key(rule) in there for rule in new):
            raise _error("InvalidPermission.Duplicate", AUTHORIZE)
        made = {rule_id: rule._replace(rule_id=rule_id) for rule in new for rule_id in [self._new_id()]}
        tags = {tag["Key"]: tag["Value"] for each in TagSpecifications for tag in each["Tags"]}
        self.tags |= dict.fromkeys(made, tags)
        self._change(GroupId, {**self._now(GroupId), **made})
        return {"Return": True, "SecurityGroupRules": [self._listed(GroupId, rule) for rule in made.values()]}

    def _revoke(
        self,
        GroupId: str,  # noqa: N803
        SecurityGroupRuleIds: Sequence[str] = (),  # noqa: N803
        IpPermissions: Sequence[Mapping[str, Any]] = (),  # noqa: N803
    ) -> Any:
        now, there = self._now(GroupId), self.rules(GroupId)
        named = [rule for permission in IpPermissions for rule in parse_permission(permission)]
        unknown = [ip_permission_of(rule) for rule in named if rule_key(rule) not in there]
        if not set(SecurityGroupRuleIds) <= now.keys():
            raise _error("InvalidSecurityGroupRuleId.NotFound", REVOKE)
        if unknown and not self.is_default_vpc:
            raise _error("InvalidPermission.NotFound", REVOKE)
        ids = {*SecurityGroupRuleIds, *(there[rule_key(rule)].rule_id for rule in named if rule_key(rule) in there)}
        self._change(GroupId, {i: rule for i, rule in now.items() if i not in ids})
        return {"Return": True, "UnknownIpPermissions": unknown}

    def _describe(self, GroupId: str, IpPermissions: Sequence[Mapping[str, Any]]) -> Any:  # noqa: N803
        there, changed = self.rules(GroupId), dict(self._now(GroupId))
        for permission in IpPermissions:
            for rule in parse_permission(permission):
                rule_id = there[rule_key(rule)].rule_id
                changed[rule_id] = rule._replace(rule_id=rule_id)
        self._change(GroupId, changed)
        return {"Return": True}

    def _listed(self, group_id: str, rule: IngressRule) -> dict[str, Any]:
        tags = [{"Key": key, "Value": value} for key, value in self.tags.get(rule.rule_id, {}).items()]
        return _listed(group_id, rule) | {"Tags": tags}

    def _state(self) -> State:
        return {group_id: tuple(history[-1][1].values()) for group_id, history in self._history.items()}

    def _new_id(self) -> str:
        return f"sgr-{next(self._ids):08x}"

    def _now(self, group_id: str) -> dict[str, IngressRule]:
        return self._history[group_id][-1][1]

    def _change(self, group_id: str, rules: dict[str, IngressRule]) -> None:
        self._history[group_id].append((self.clock.time, rules))

    def _shown(self, group_id: str, operation: str) -> dict[str, IngressRule]:
        until = self.clock.time - timedelta(seconds=self.lags.get(operation, 0))
        return [rules for time, rules in self._history[group_id] if time <= until][-1]


class _NoEvents:
    """The SDK's events, which this client has none of."""

    def register(self, event: str, handler: Any) -> None:
        """Take it."""

    def unregister(self, event: str, handler: Any) -> None:
        """Forget it."""


def _listed(group_id: str, rule: IngressRule) -> dict[str, Any]:
    source = "CidrIpv6" if ":" in rule.cidr else "CidrIpv4"
    return {
        "SecurityGroupRuleId": rule.rule_id,
        "GroupId": group_id,
        "IsEgress": False,
        "IpProtocol": rule.protocol,
        "FromPort": -1 if rule.from_port is None else rule.from_port,
        "ToPort": -1 if rule.to_port is None else rule.to_port,
        source: rule.cidr,
        "Description": rule.description,
    }


def _error(code: str, operation: str, status: int = 400, message: str = "injected") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        operation,
    )


class MemoryBucket:
    """An S3 client of one bucket in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.objects: dict[str, bytes] = {}

    def put_object(self, **arguments: Any) -> None:
        self.objects[arguments["Key"]] = arguments["Body"]

    def get_object(self, Bucket: str, Key: str) -> Any:  # noqa: N803
        del Bucket
        if Key not in self.objects:
            raise _error("NoSuchKey", "GetObject", 404)
        body = self.objects[Key]
        return {"Body": SimpleNamespace(read=lambda: body)}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_objects_v2"
        return SimpleNamespace(
            paginate=lambda Prefix, **_: [  # noqa: N803
                {
                    "Contents": [
                        {"Key": key, "LastModified": self._clock.time} for key in self.objects if key.startswith(Prefix)
                    ]
                }
            ]
        )
