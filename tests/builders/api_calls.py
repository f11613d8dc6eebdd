"""CloudTrail's calls for tests, as EventBridge brings them."""

from __future__ import annotations

import itertools
import json
from typing import Any

_ids = itertools.count(1)


def api_call(
    name: str,
    request: Any = None,
    response: Any = None,
    *,
    account_id: str = "210987654321",
    region: str = "eu-west-1",
    by: str = "arn:aws:sts::210987654321:assumed-role/deploy/ana",
    time: str = "2026-11-22T02:59:00Z",
    **detail: Any,
) -> dict[str, Any]:
    """One call."""
    return {
        "version": "0",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ec2",
        "account": account_id,
        "region": region,
        "detail": {
            "eventSource": "ec2.amazonaws.com",
            "eventName": name,
            "eventTime": time,
            "eventID": f"event-{next(_ids)}",
            "sourceIPAddress": "203.0.113.7",
            "userAgent": "Terraform",
            "userIdentity": {"type": "AssumedRole", "arn": by},
            "requestParameters": request,
            "responseElements": response,
            **detail,
        },
    }


def authorized(group_id: str, rule: str = "tcp/22 from 0.0.0.0/0", **other: Any) -> dict[str, Any]:
    """A call that adds one rule of a group."""
    traffic, _, source = rule.partition(" from ")
    protocol, _, port = traffic.partition("/")
    request: dict[str, Any] = {"groupId": group_id, "ipPermissions": {}, "ipProtocol": protocol}
    request |= {"fromPort": int(port), "toPort": int(port)} if port else {}
    if source.startswith("pl-"):
        request["ipPermissions"] = {"items": [{**request, "prefixListIds": {"items": [{"prefixListId": source}]}}]}
        del request["ipProtocol"]
    else:
        request["cidrIp"] = source
    return api_call("AuthorizeSecurityGroupIngress", request, **other)


def revoked(group_id: str, **other: Any) -> dict[str, Any]:
    """A call that takes rules of a group away."""
    return api_call("RevokeSecurityGroupIngress", {"groupId": group_id}, **other)


def in_sqs(*events: Any) -> dict[str, Any]:
    """Events as a batch of SQS; text is a body as it is."""
    return {
        "Records": [
            {
                "messageId": f"m-{number}",
                "eventSource": "aws:sqs",
                "body": event if isinstance(event, str) else json.dumps(event),
            }
            for number, event in enumerate(events)
        ]
    }
