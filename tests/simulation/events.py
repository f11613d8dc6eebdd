"""The way of events: every change of a group is a CloudTrail event, and the deployed functions lead it to the table.

An event comes late, more than once, in any order, or not at all. The queue hands events to the receive function in
batches; what that publishes, at once and with a delay, comes to the describe function, some of it together, and again
and again until it is done, as SQS does it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import identification.describe_security_groups as describe
import identification.receive_security_group_events as receive
from tests.simulation import jobs
from tests.simulation.scheduler import Actor, KilledError
from tests.simulation.storage import EPOCH
from tests.simulation.transport import Unreliable
from tests.simulation.world import MAIN, REGION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.ec2 import Rule
    from tests.simulation.world import World

_VISIBILITY_S = 120.0
_MOST_RECEIVES = 3  # then it is a dead letter, which somebody redrives
_NAME = "hammer-describe-security-groups"
_ENVIRONMENT = {
    "SNS_ARN": f"arn:aws:sns:{REGION}:{MAIN}:{_NAME}",
    "SCAN_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/{MAIN}/{_NAME}",
}
_SOURCES = {"IpRanges": "cidrIpv4", "Ipv6Ranges": "cidrIpv6", "PrefixListIds": "prefixListId"}
_LISTS = {
    "IpRanges": ("ipRanges", "cidrIp"),
    "Ipv6Ranges": ("ipv6Ranges", "cidrIpv6"),
    "PrefixListIds": ("prefixListIds", "prefixListId"),
}


class Events:
    """CloudTrail, EventBridge and the two queues of one world.

    Args:
        world: the world.
        seed: of every choice made here.
        lost: how likely an event never comes.
        latest: within so many seconds an event comes that is not lost.
    """

    def __init__(self, world: World, seed: int, *, lost: float, latest: float) -> None:
        self._world = world
        self._random = Random(seed)  # noqa: S311 - a simulation, not a secret
        self._lost, self._latest = lost, latest
        self._queue: list[Any] = []
        self._targets: list[str] = []
        self._number = 0
        self._unreliable = Unreliable(seed)
        world.watchers.append(self.record)
        world.services |= {"sns": self, "sqs": self}

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Have the handlers work on this world."""
        modules: Any = (receive, describe)
        starts = [module.start for module in modules]
        before = {name: os.environ.get(name) for name in _ENVIRONMENT}
        for module in modules:
            module.start = lambda _: jobs.runtime_of(self._world)
        os.environ |= _ENVIRONMENT
        try:
            yield
        finally:
            for module, start in zip(modules, starts, strict=True):
                module.start = start
            for name, value in before.items():
                del os.environ[name]
                os.environ |= {} if value is None else {name: value}

    def record(
        self, account_id: str, operation: str, group_id: str, added: tuple[Rule, ...], removed: tuple[Rule, ...]
    ) -> None:
        """A call changed a group: send its event, unless it is lost; sometimes twice."""
        call = self._call(operation, group_id, added, removed)
        if call is not None and self._random.random() >= self._lost:
            self._send(account_id, self._world.region_of(account_id, group_id), operation, call)

    def touch_interfaces(self, account_id: str) -> None:
        """A call touched network interfaces, and no group: containers come and go."""
        region = self._world.some_region()
        self._send(account_id, region, "CreateNetworkInterface", {"requestParameters": {"subnetId": "subnet-1"}})

    def _send(self, account_id: str, region: str, operation: str, call: Mapping[str, Any]) -> None:
        self._number += 1
        time = EPOCH + timedelta(seconds=self._world.now)
        detail = {
            "eventSource": "ec2.amazonaws.com",
            "eventName": operation,
            "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventID": f"e-{self._number}",
            "userIdentity": {"arn": f"arn:aws:iam::{account_id}:user/ana"},
            **call,
        }
        event = {"account": account_id, "region": region, "detail": detail}
        for _ in range(self._random.choice((1, 1, 1, 2))):
            at = self._world.now + self._random.choice((1.0, 30.0, self._latest)) * self._random.random()
            self._later(at, f"event {self._number}", lambda: self._arrive(event))

    def _call(
        self, operation: str, group_id: str, added: tuple[Rule, ...], removed: tuple[Rule, ...]
    ) -> dict[str, Any] | None:
        request: dict[str, Any] = {"groupId": group_id}
        if operation == "DeleteSecurityGroup":
            return {"requestParameters": request}
        if operation == "ModifySecurityGroupRules":
            asked = [_edited(rule, number) for number, rule in enumerate(added, 1)]
            request = {"GroupId": group_id, "SecurityGroupRule": asked[0] if len(asked) == 1 else asked}
            return {"requestParameters": {"ModifySecurityGroupRulesRequest": request}}
        changed, key = (added, "securityGroupRuleSet") if added else (removed, "revokedSecurityGroupRuleSet")
        if not changed:
            return None  # of descriptions
        response = {key: {"items": [_answered(rule, group_id) for rule in changed]}}
        tells = self._random.random() < 0.5
        if removed and self._random.random() < 0.7:
            ids = [{"securityGroupRuleId": rule.rule_id} for rule in removed]
            request["securityGroupRuleIds"] = {"items": ids}
        else:
            request["ipPermissions"] = {"items": [_asked(rule) for rule in changed]}
        return {"requestParameters": request, "responseElements": response if tells else {"_return": True}}

    # The queue of events.

    def _arrive(self, event: Any) -> None:
        self._queue.append(event)
        if self._random.random() < 0.5:  # else it waits for the batch window
            self._world.scheduler.sleep(self._random.uniform(0, 5))
        if batch := self._queue[:]:
            self._queue.clear()
            self._receive(batch, 1)

    def _receive(self, batch: list[Any], count: int) -> None:
        records = [_record(f"m-{number}", json.dumps(event), count) for number, event in enumerate(batch)]
        failed = self._handle(receive.lambda_handler, records)
        again = [event for number, event in enumerate(batch) if f"m-{number}" in failed]
        if again:
            at, count = self._again(count)
            self._later(at, "received again", lambda: self._receive(again, count))

    # The topic and the queue of scan targets, as clients call them.

    def publish_batch(self, TopicArn: str, PublishBatchRequestEntries: list[Any]) -> dict[str, Any]:  # noqa: N803
        del TopicArn
        failed = self._unreliable.failed(PublishBatchRequestEntries)
        for entry in _taken(PublishBatchRequestEntries, failed):
            self.asks(entry["Message"], self._world.now + self._random.uniform(0, 3))
        return {"Successful": [], "Failed": failed}

    def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        del QueueUrl
        failed = self._unreliable.failed(Entries)
        for entry in _taken(Entries, failed):
            self.asks(entry["MessageBody"], self._world.now + entry["DelaySeconds"])
        return {"Successful": [], "Failed": failed}

    def asks(self, message: str, at: float) -> None:
        """Have the describe function get a message at a time."""
        self._number += 1
        self._later(at, f"target {self._number}", lambda: self._offer(message))

    def _offer(self, message: str) -> None:
        self._targets.append(message)
        if self._random.random() < 0.5:  # else it waits for the batch window
            self._world.scheduler.sleep(self._random.uniform(0, 2))
        if batch := self._targets[:]:
            self._targets.clear()
            self._describe(batch, 1)

    def _describe(self, batch: list[str], count: int) -> None:
        records = [_record(f"t-{number}", message, count) for number, message in enumerate(batch)]
        failed = self._handle(describe.lambda_handler, records)
        again = [message for number, message in enumerate(batch) if f"t-{number}" in failed]
        if again:
            at, count = self._again(count)
            self._later(at, "described again", lambda: self._describe(again, count))

    def _again(self, count: int) -> tuple[float, int]:
        """When a message comes again, and for which time: a dead letter begins anew when it is redriven."""
        if count < _MOST_RECEIVES:
            return self._world.now + _VISIBILITY_S, count + 1
        self._world.note("   a dead letter, to be redriven")
        return self._world.now + self._unreliable.redriven_after(), 1

    def _handle(self, handler: Callable[[Mapping[str, Any], object], dict[str, Any]], records: list[Any]) -> set[str]:
        """Call a handler. Returns the ids of the messages that come again."""
        everything = {record["messageId"] for record in records}
        try:
            answer = handler({"Records": records}, None)
        except KilledError:
            return everything
        except jobs.MAY_RAISE as error:
            self._world.note(f"failed: {error}")
            return everything
        return {failed["itemIdentifier"] for failed in answer["batchItemFailures"]}

    def _later(self, at: float, name: str, work: Callable[[], object]) -> None:
        def guarded() -> None:
            try:
                work()
            except KilledError:
                self._world.note("killed")
            except Exception as error:  # noqa: BLE001 - whatever no handler may raise ends the simulation
                self._world.note(f"crashed: {error!r}")
                self._world.broken = self._world.broken or f"{name} raised {error!r}"
                self._world.trace = self._world.trace or error

        skew = self._random.uniform(-self._world.skew, self._world.skew)
        self._world.scheduler.add(Actor(name, guarded, at, skew, facts={"begins": at}))


def _taken(entries: list[Any], failed: list[dict[str, Any]]) -> list[Any]:
    """The entries of a batch that are not named as failed."""
    names = {each["Id"] for each in failed}
    return [entry for entry in entries if entry["Id"] not in names]


def _record(name: str, body: str, count: int) -> dict[str, Any]:
    return {
        "messageId": name,
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{MAIN}:{_NAME}",
        "receiptHandle": name,
        "attributes": {"ApproximateReceiveCount": str(count)},
        "body": body,
    }


def _asked(rule: Rule) -> dict[str, Any]:
    """A rule as a request names it."""
    listed, key = _LISTS[rule.kind]
    ports = {} if rule.from_port is None else {"fromPort": rule.from_port, "toPort": rule.to_port}
    return {"ipProtocol": rule.protocol, **ports, listed: {"items": [{key: rule.source}]}}


def _edited(rule: Rule, number: int) -> dict[str, Any]:
    """What a rule is to become, as ModifySecurityGroupRules names it."""
    first, last = (-1, -1) if rule.from_port is None else (rule.from_port, rule.to_port)
    name = {"IpRanges": "CidrIpv4", "Ipv6Ranges": "CidrIpv6", "PrefixListIds": "PrefixListId"}[rule.kind]
    inside = {"IpProtocol": rule.protocol, "FromPort": first, "ToPort": last, name: rule.source}
    return {"SecurityGroupRuleId": rule.rule_id, "tag": number, "SecurityGroupRule": inside}


def _answered(rule: Rule, group_id: str) -> dict[str, Any]:
    """A rule as a response names it."""
    first, last = (-1, -1) if rule.from_port is None else (rule.from_port, rule.to_port)
    return {
        "groupId": group_id,
        "securityGroupRuleId": rule.rule_id,
        "isEgress": False,
        "ipProtocol": rule.protocol,
        "fromPort": first,
        "toPort": last,
        _SOURCES[rule.kind]: rule.source,
    }
