"""Why AWS did not do what it was asked, in one line that an operator can act on.

Pure, but for `name_missing_table`, which makes a client's errors name the table. `chunks` cuts long lists into what one
call of AWS takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError, ProfileNotFound
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

MISSING_TABLE = "ResourceNotFoundException"


def name_missing_table(client: DynamoDBClient, table_name: str) -> None:
    """Make every call of a client that fails because its table is missing name the table and say what to do."""

    def explain(parsed: dict[str, Any], **_: Any) -> None:
        error = parsed.get("Error", {})
        # An emulator answers with the same code where an index is missing, which `IssueTable` does without.
        if error.get("Code") == MISSING_TABLE and "index" not in error.get("Message", "").lower():
            error["Message"] = (
                f"there is no table {table_name} in region {client.meta.region_name} of the main account: "
                "secgrp_unrestricted_access.ddb.table_name must name it; deployment/terraform creates it, and in a "
                "sandbox `hammer bootstrap` does"
            )

    client.meta.events.register("after-call.dynamodb", explain, unique_id=f"hammer-missing-table-{table_name}")


T = TypeVar("T")


def chunks(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The values in their order, at most `size` at a time.

    >>> list(chunks([1, 2, 3], 2))
    [[1, 2], [3]]
    """
    for start in range(0, len(values), size):
        yield values[start : start + size]


ACCESS_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
# What a region that the account has not enabled answers: its key is not known there.
REGION_MAY_BE_OFF = frozenset({"AuthFailure", "InvalidClientTokenId", "OptInRequired", "UnrecognizedClientException"})


# RequestExpired is EC2's, which says the same of a clock that is wrong.
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})


def error_code(error: Exception) -> str:
    """AWS's code of a client error, empty for any other exception."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def explain(error: Exception, role_arn: str = "") -> str:
    """One line about an AWS failure: what could not be done, why, and what would mend it.

    `role_arn` is the role that was to be assumed, if one was.
    """
    if isinstance(error, NoCredentialsError):
        return "no AWS credentials were found: set them in the environment, a profile or an instance role"
    if isinstance(error, ProfileNotFound):
        return f"{one_line(error)}: `aws configure list-profiles` lists those that are there"
    if isinstance(error, (BotocoreConnectionError, HTTPClientError)):
        return f"AWS could not be reached: {one_line(error)}"
    if isinstance(error, ResponseParserError):
        return f"what answered for AWS is not understood: {one_line(error):.300}"
    if not isinstance(error, ClientError):
        return one_line(error)
    code, operation = error_code(error), error.operation_name
    if code in EXPIRED:
        what = "the AWS credentials have expired, or this machine's clock is wrong"
        return f"{what}: log in again, or renew them: {one_line(error)}"
    if operation == "AssumeRole" and code in ACCESS_DENIED:
        return (
            f"role {role_arn or 'of the account'} cannot be assumed: it is missing, or does not trust the main "
            "account, or aws.external_id is not the one it expects (AWS does not tell which)"
        )
    if code in ACCESS_DENIED:
        return f"denied: the role or user may not call {operation}: {one_line(error)}"
    if code in THROTTLED:
        return f"throttled: AWS still refused {operation} after the retries ({code})"
    if code == MISSING_TABLE and (message := error.response["Error"].get("Message", "")):
        return message
    return one_line(error)


# It is another one each time, and only AWS can read it.
_ENCODED = re.compile(r"\s*Encoded authorization failure message: \S+")


def one_line(error: BaseException) -> str:
    """An exception's text on one line, without what AWS encodes for itself, or its type where it has none."""
    return " ".join(_ENCODED.sub("", str(error)).split()) or type(error).__name__


AWS_ERRORS = (ClientError, BotoCoreError, ResponseParserError)
"""Everything that a call of a client raises; the last for an answer that is none of AWS's: a proxy's page, say.

Whatever takes a client, sessions or the issue table raises these where something cannot be read or written. Docstrings
name them only where that means more."""
