"""boto3 clients whose answers come from lists, page by page, and are checked against the service's model.

For what the emulated AWS lacks. Every answer is one that botocore's Stubber accepts; filters are left to who asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.stub import Stubber

Raw = Mapping[str, Any]
Answer = Sequence[Raw] | Callable[[Mapping[str, str]], Sequence[Raw]]

_MAKE: Any = boto3.client
# Where an answer's list is.
_LISTS = {
    "DescribeNetworkInterfaces": "NetworkInterfaces",
    "DescribeSubnets": "Subnets",
    "DescribeVpcs": "Vpcs",
    "DescribeRouteTables": "RouteTables",
    "DescribeNetworkAcls": "NetworkAcls",
    "DescribeInstances": "Reservations",
    "DescribeSecurityGroups": "SecurityGroups",
    "DescribeManagedPrefixLists": "PrefixLists",
    "GetManagedPrefixListEntries": "Entries",
    "DescribeListeners": "Listeners",
    "DescribeTargetGroups": "TargetGroups",
    "DescribeTargetHealth": "TargetHealthDescriptions",
    "DescribeTargetGroupAttributes": "Attributes",
    "DescribeDBInstances": "DBInstances",
}
_LISTS_OF = {
    ("elbv2", "DescribeLoadBalancers"): "LoadBalancers",
    ("elb", "DescribeLoadBalancers"): "LoadBalancerDescriptions",
    ("elbv2", "DescribeTags"): "TagDescriptions",
    ("elb", "DescribeTags"): "TagDescriptions",
    ("autoscaling", "DescribeTags"): "Tags",
}
_LARGEST_PAGES = {
    "DescribeRouteTables": 100,
    "DescribeLoadBalancers": 400,
    "DescribeTargetGroups": 400,
    "GetManagedPrefixListEntries": 100,
}


class StubbedAws:
    """Gives clients of one account and region.

    Args:
        answers: what there is, by service and operation, such as `"elbv2.DescribeListeners"`; an operation that is not
            there is denied. A function is given the request's parameters as they are sent.
    """

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers = answers
        self._clients: dict[str, Any] = {}
        self.calls: list[str] = []

    def __call__(self, service: str) -> Any:
        if service not in self._clients:
            client = _MAKE(service, region_name="eu-west-1")
            client.meta.events.register(
                f"before-call.{client.meta.service_model.service_id.hyphenize()}",
                lambda model, params, **_: self._answer(client, service, model, params["body"]),
            )
            self._clients[service] = client
        return self._clients[service]

    def counted(self) -> Counter[str]:
        """How often each operation was called."""
        return Counter(self.calls)

    def _answer(self, client: Any, service: str, model: Any, asked: Mapping[str, Any]) -> tuple[AWSResponse, Any]:
        name = f"{service}.{model.name}"
        self.calls.append(name)
        if name not in self._answers:
            denied = {"Error": {"Code": "AccessDenied", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            return AWSResponse("", 403, HTTPHeaders(), None), denied
        answer = self._answers[name]
        items = answer(asked) if callable(answer) else answer
        start = int(asked.get("NextToken") or asked.get("Marker") or 0)
        largest = _LARGEST_PAGES.get(model.name, 1000)
        size = min(int(asked.get("MaxResults") or asked.get("PageSize") or largest), largest)
        key = _LISTS_OF.get((service, model.name)) or _LISTS[model.name]
        body: dict[str, Any] = {key: list(items[start : start + size])}
        if start + size < len(items):
            body["NextMarker" if service.startswith("elb") else "NextToken"] = str(start + size)
        checked = Stubber(client)
        checked.add_response(_snake(model.name), body)
        return AWSResponse("", 200, HTTPHeaders(), None), body | {"ResponseMetadata": {"HTTPStatusCode": 200}}


def _snake(name: str) -> str:
    from botocore import xform_name

    return str(xform_name(name))
