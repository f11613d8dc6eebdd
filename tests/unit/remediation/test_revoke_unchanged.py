"""What EC2's answers to a revoke by properties mean. No call leaves the process: the SDK is given the answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from library.security_groups.group import IngressRule, rule_key
from remediation.change import CallResult, ChangeAnswer, revoke_unchanged

WORLD = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", description="ssh", rule_id="sgr-1")
EIGHT = IngressRule("tcp", 22, 22, cidr="8.0.0.0/8", rule_id="sgr-2")
DONE = (200, "<R><return>true</return></R>")
LOST = (500, "<R><Errors><Error><Code>InternalError</Code><Message>no</Message></Error></Errors></R>")
THROTTLED = (503, "<R><Errors><Error><Code>RequestLimitExceeded</Code><Message>no</Message></Error></Errors></R>")


def without(*cidrs: str) -> tuple[int, str]:
    """In a default VPC: done, but for these."""
    ranges = "".join(f"<item><cidrIp>{cidr}</cidrIp></item>" for cidr in cidrs)
    ports = "<ipProtocol>tcp</ipProtocol><fromPort>22</fromPort><toPort>22</toPort>"
    unknown = f"<item>{ports}<ipRanges>{ranges}</ipRanges></item>"
    return 200, f"<R><return>true</return><unknownIpPermissionSet>{unknown}</unknownIpPermissionSet></R>"


def unknown_as(part: str) -> tuple[int, str]:
    """In a default VPC: done, but for what this names."""
    return 200, f"<R><return>true</return><unknownIpPermissionSet>{part}</unknownIpPermissionSet></R>"


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body


@pytest.fixture(name="client", scope="module")
def _client() -> Any:
    return boto3.Session("testing", "testing", region_name="eu-west-1").client("ec2")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([DONE], CallResult(ChangeAnswer.DONE), id="done"),
        pytest.param(
            [without("0.0.0.0/0")],
            CallResult(ChangeAnswer.DONE, not_found=frozenset({rule_key(WORLD)})),
            id="one was not found",
        ),
        pytest.param([without("0.0.0.0/0", "8.0.0.0/8")], CallResult(ChangeAnswer.NOT_THERE), id="none was found"),
        pytest.param(
            [LOST, without("0.0.0.0/0", "8.0.0.0/8")],
            CallResult(ChangeAnswer.NOT_THERE, was_lost=True),
            id="none was found, perhaps by the call's own doing",
        ),
        pytest.param([THROTTLED, DONE], CallResult(ChangeAnswer.DONE), id="throttled at first"),
        pytest.param(
            [unknown_as("<item><ipProtocol>tcp</ipProtocol></item>")],
            CallResult(ChangeAnswer.NOT_THERE, was_lost=True),
            id="what was not found is in a form that is not understood",
        ),
        pytest.param(
            [without("9.0.0.0/8")],
            CallResult(ChangeAnswer.NOT_THERE, was_lost=True),
            id="what was not found is nothing that was sent",
        ),
    ],
)
def test_an_answer(
    monkeypatch: pytest.MonkeyPatch, client: Any, answers: list[tuple[int, str]], expected: CallResult
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    asked, left = [], iter(answers)

    def answer(request: Any, **_: Any) -> AWSResponse:
        body = request.body if isinstance(request.body, str) else request.body.decode()
        asked.append({name: value for name, value in parse_qsl(body) if "Ip" in name})
        status, text = next(left)
        return AWSResponse(request.url, status, HTTPHeaders(), _Raw(text.encode()))

    client.meta.events.register("before-send.ec2.RevokeSecurityGroupIngress", answer, unique_id="answer")
    try:
        assert revoke_unchanged(client, "sg-1", [WORLD, EIGHT]) == expected
    finally:
        client.meta.events.unregister("before-send.ec2.RevokeSecurityGroupIngress", unique_id="answer")
    assert asked == [
        {
            "IpPermissions.1.IpProtocol": "tcp",
            "IpPermissions.1.FromPort": "22",
            "IpPermissions.1.ToPort": "22",
            "IpPermissions.1.IpRanges.1.CidrIp": "0.0.0.0/0",
            "IpPermissions.1.IpRanges.2.CidrIp": "8.0.0.0/8",
        }
    ] * len(answers)
