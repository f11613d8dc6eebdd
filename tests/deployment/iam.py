"""IAM's arithmetic, as far as Hammer's policies need it: which action and resources a call asks for, and who may.

Actions and resource types are those of the Service Authorization Reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

# Calls whose action has another name than the operation.
_ACTIONS = {
    ("s3", "HeadObject"): "GetObject",
    ("s3", "ListObjectsV2"): "ListBucket",
    ("sns", "PublishBatch"): "Publish",
    ("sqs", "DeleteMessageBatch"): "DeleteMessage",
    ("sqs", "SendMessageBatch"): "SendMessage",
    ("service-quotas", "GetServiceQuota"): "GetServiceQuota",
}
# A transaction asks for the action of each of its items (DynamoDB, "Using IAM with DynamoDB transactions").
_IN_TRANSACTION = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}
_PREFIXES = {
    "elb": "elasticloadbalancing",
    "elbv2": "elasticloadbalancing",
    "service-quotas": "servicequotas",
    "sesv2": "ses",
}
# What AWS services ask of the caller on their own, as soon as it makes another call: it shows in no call.
IMPLIED = {
    "kms:Decrypt": "reading the encrypted bucket, secrets and environment, publishing to the encrypted topics",
    "kms:GenerateDataKey": "writing to the encrypted bucket, publishing to the encrypted topics and queues",
    "logs:CreateLogStream": "Lambda writes the functions' logs for them",
    "logs:PutLogEvents": "Lambda writes the functions' logs for them",
    "sqs:DeleteMessage": "Lambda takes messages off the queues for the functions",
    "sqs:GetQueueAttributes": "Lambda looks how long the queues are for the functions",
    "sqs:ReceiveMessage": "Lambda takes messages off the queues for the functions",
    "sqs:SendMessage": "Lambda hands over dead letters for the functions",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of AWS, as IAM sees it."""

    action: str
    resources: tuple[str, ...]
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)  # condition keys, such as s3:prefix


def call_of(service: str, operation: str, params: Mapping[str, Any], account_id: str, region: str) -> Call:
    """What IAM is asked when an operation is called with these parameters."""
    name = _ACTIONS.get((service, operation), operation)
    action = f"{_PREFIXES.get(service, service)}:{name}"
    context: dict[str, str | Sequence[str]] = {"s3:prefix": str(params.get("Prefix", ""))} if service == "s3" else {}
    if service == "dynamodb" and "Key" in params:
        context["dynamodb:Attributes"] = _attributes(params)
    if "FromEmailAddress" in params:
        context["ses:FromAddress"] = params["FromEmailAddress"]
    return Call(action, tuple(_resources(service, operation, params, account_id, region)), context)


def calls_of(service: str, operation: str, params: Mapping[str, Any], account_id: str, region: str) -> list[Call]:
    """All that IAM is asked: of a transaction each item, and tags that a call gives to what it creates.

    EC2 User Guide, "Grant permission to tag Amazon EC2 resources during creation".
    """
    if operation == "TransactWriteItems":
        return [
            call_of(service, _IN_TRANSACTION[kind], each, account_id, region)
            for item in params["TransactItems"]
            for kind, each in item.items()
        ]
    calls = [call_of(service, operation, params, account_id, region)]
    for each in params.get("TagSpecifications", ()) if service == "ec2" else ():
        resource = f"arn:aws:ec2:{region}:{account_id}:{each['ResourceType']}/*"
        calls.append(Call("ec2:CreateTags", (resource,), {"ec2:CreateAction": operation}))
    return calls


# What an expression of DynamoDB has beside attributes (Developer Guide, expressions).
_NO_ATTRIBUTES = frozenset(
    (
        *("SET", "ADD", "DELETE", "REMOVE", "AND", "OR", "NOT", "IN", "BETWEEN"),
        *("attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size"),
        *("if_not_exists", "list_append"),
    )
)


def _attributes(params: Mapping[str, Any]) -> list[str]:
    """The top-level attributes that a call on one item names (Developer Guide, "Using IAM policy conditions")."""
    names = params.get("ExpressionAttributeNames") or {}
    text = " ".join(str(params.get(f"{kind}Expression", "")) for kind in ("Update", "Condition", "Projection"))
    found = set(re.findall(r"(?<![.:#\w])#?[A-Za-z_]\w*", text)) - _NO_ATTRIBUTES
    return sorted({*params["Key"], *(names.get(name, name) for name in found)})


def _resources(  # noqa: PLR0912 - a table of what there is
    service: str, operation: str, params: Mapping[str, Any], account_id: str, region: str
) -> Iterable[str]:
    here = f"{region}:{account_id}"
    if service == "s3":
        key = params.get("Key")
        yield f"arn:aws:s3:::{params['Bucket']}" + (f"/{key}" if key else "")
    elif service == "dynamodb":
        for table in params.get("RequestItems") or [params.get("TableName")]:
            index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
            yield f"arn:aws:dynamodb:{here}:table/{table}{index}"
    elif service == "sqs" and operation != "ListQueues":
        queue = params.get("QueueName") or params["QueueUrl"].rpartition("/")[2]
        yield f"arn:aws:sqs:{here}:{queue}"
    elif service == "cloudformation":
        stack = params.get("StackName", "a-stack/its-id")
        yield stack if stack.startswith("arn:") else f"arn:aws:cloudformation:{here}:stack/{stack}"
    elif service == "sns":
        yield params["TopicArn"]
    elif (service, operation) == ("sts", "AssumeRole"):
        yield params["RoleArn"]
    elif service == "secretsmanager":
        yield f"arn:aws:secretsmanager:{here}:secret:{params['SecretId']}-AbCdEf"
    elif service == "logs":
        yield f"arn:aws:logs:{here}:log-group:{params['logGroupName']}:log-stream:{params.get('logStreamName', '')}"
    elif service == "ec2" and operation.endswith(("SecurityGroupIngress", "RuleDescriptionsIngress")):
        yield f"arn:aws:ec2:{here}:security-group/{params['GroupId']}"
    elif service == "ec2" and operation == "GetManagedPrefixListEntries":
        yield f"arn:aws:ec2:{here}:prefix-list/{params['PrefixListId']}"
    elif service == "sesv2":
        yield f"arn:aws:ses:{here}:identity/{params['FromEmailAddress']}"
    elif service == "securityhub":
        yield from sorted({each["ProductArn"].replace(each["AwsAccountId"], account_id) for each in params["Findings"]})
    elif service == "organizations" and "ParentId" in params:
        kind = "root" if params["ParentId"].startswith("r-") else "ou"
        yield f"arn:aws:organizations::{account_id}:{kind}/o-example/{params['ParentId']}"
    else:
        yield f"arn:aws:rds:{here}:db:*" if service == "rds" else "*"


# AWS answers it whatever the policies say (STS API Reference, GetCallerIdentity), as moto's access control does.
_NEEDS_NO_PERMISSION = frozenset({"sts:GetCallerIdentity"})


def is_allowed(call: Call, policies: Iterable[Mapping[str, Any]]) -> bool:
    """Whether identity policies, all of whose statements allow, allow a call on each of its resources."""
    if call.action in _NEEDS_NO_PERMISSION:
        return True
    statements = [statement for policy in policies for statement in policy["Statement"]]
    return all(any(_allows(statement, call, resource) for statement in statements) for resource in call.resources)


def actions_of(policies: Iterable[Mapping[str, Any]]) -> set[str]:
    """Every action that policies allow."""
    return {action for policy in policies for statement in policy["Statement"] for action in _list(statement["Action"])}


def _allows(statement: Mapping[str, Any], call: Call, resource: str) -> bool:
    assert statement["Effect"] == "Allow"
    return (
        any(fnmatchcase(call.action.lower(), pattern.lower()) for pattern in _list(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in _list(statement["Resource"]))
        and _condition_holds(statement.get("Condition", {}), call)
    )


def _condition_holds(condition: Mapping[str, Any], call: Call) -> bool:
    return all(
        _holds(operator, _list(call.context.get(key, "")), _list(given))
        for operator, keys in condition.items()
        for key, given in keys.items()
    )


def _holds(operator: str, asked: Sequence[str], given: Sequence[str]) -> bool:
    if operator == "ForAllValues:StringNotEquals":
        return not set(asked) & set(given)
    assert operator in {"StringLike", "StringEquals"}, "a condition that this does not know"
    return all(any(fnmatchcase(value, each) for each in given) for value in asked)


def _list(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
