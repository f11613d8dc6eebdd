"""`hammer bootstrap`: the table, the bucket and the topics in the main account, without Terraform.

For emulators and sandboxes. What is there already is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from library.aws.conditional_writes import TABLE_DEFINITION, TIME_TO_LIVE_ATTRIBUTE
from library.aws.failures import error_code
from library.aws.session import Sessions
from library.jobs.command_line import ConfigOption, read_configuration

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client
    from types_boto3_sns import SNSClient

    from library.config import Configuration

# What emulators of DynamoDB answer to an operation that they do not have.
_NOT_SUPPORTED = ("UnknownOperationException", "UnknownOperation", "NotImplemented", "NotImplementedException")

TOPICS = ("hammer-describe-security-groups", "hammer-inspector-findings")


def command(config: ConfigOption = None) -> None:
    """Create the table, the bucket and the topics in the main account. Running it again changes nothing.

    For emulators and sandboxes: deployment/terraform is the way to a real deployment.
    """
    configuration = read_configuration(config)
    aws = configuration.aws
    for line in bootstrap(configuration, Sessions(aws.main_account_id, aws.region, role_name="").client):
        print(line)


def bootstrap(config: Configuration, client: Callable[[str], Any]) -> Iterator[str]:
    """Create what is missing, with clients for the main account and region.

    Yields:
        One line for each resource: what it is, its name, and whether it was created.

    Raises:
        ClientError: something could not be created: the bucket's name is taken by somebody else, say.
    """
    table = config.secgrp_unrestricted_access.table_name
    yield _line("table", table, created=_create_table(client("dynamodb"), table))
    if not _enable_expiry(client("dynamodb"), table):
        yield (
            f"table {table}: this service lacks UpdateTimeToLive, so records that should expire stay; "
            "everything else works"
        )
    if bucket := config.aws.s3_backup_bucket:
        yield _line("bucket", bucket, created=_create_bucket(client("s3"), bucket, config.aws.region))
    for topic in TOPICS:
        yield _line("topic", topic, created=_create_topic(client("sns"), topic))


def _line(kind: str, name: str, *, created: bool) -> str:
    return f"{kind} {name}: {'created' if created else 'already there'}"


def _create_table(client: DynamoDBClient, name: str) -> bool:
    created = True
    try:
        client.create_table(TableName=name, **TABLE_DEFINITION)
    except client.exceptions.ResourceInUseException:
        created = False
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 2, "MaxAttempts": 60})
    return created


def _enable_expiry(client: DynamoDBClient, table: str) -> bool:
    """Have DynamoDB delete records whose time has passed. False: this table service has no time to live."""
    try:
        expiry = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"]
        if expiry == "DISABLED":
            client.update_time_to_live(
                TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": TIME_TO_LIVE_ATTRIBUTE}
            )
    except ClientError as error:
        if error_code(error) not in _NOT_SUPPORTED:
            raise
        return False
    return True


def _create_bucket(client: S3Client, name: str, region: str) -> bool:
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error_code(error) not in ("404", "NoSuchBucket"):
            raise
    else:
        return False
    # us-east-1 is the one region that CreateBucket does not take as a location constraint.
    location: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    client.create_bucket(Bucket=name, ObjectOwnership="BucketOwnerEnforced", **location)
    client.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return True


def _create_topic(client: SNSClient, name: str) -> bool:
    arns = (topic["TopicArn"] for page in client.get_paginator("list_topics").paginate() for topic in page["Topics"])
    if any(arn.rpartition(":")[2] == name for arn in arns):
        return False
    client.create_topic(Name=name)
    return True
