"""Why AWS did not do what it was asked, in one line that an operator can act on."""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
)
from botocore.exceptions import (
    ConnectionError as BotocoreConnectionError,
)
from botocore.parsers import ResponseParserError

from library.aws.missing_table import CODE as MISSING_TABLE

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


def error_code(error: Exception) -> str:
    """AWS's code of a client error, empty for any other exception."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def explain(error: Exception, role_arn: str = "") -> str:
    """One line about an AWS failure: what could not be done, why, and what would mend it.

    Args:
        error: what a client raised.
        role_arn: the role that was to be assumed, if one was.
    """
    if isinstance(error, NoCredentialsError):
        return "no AWS credentials were found: set them in the environment, a profile or an instance role"
    if isinstance(error, (BotocoreConnectionError, HTTPClientError)):
        return f"AWS could not be reached: {one_line(error)}"
    if isinstance(error, ResponseParserError):
        return f"what answered for AWS is not understood: {one_line(error):.300}"
    if not isinstance(error, ClientError):
        return one_line(error)
    code, operation = error_code(error), error.operation_name
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


def one_line(error: BaseException) -> str:
    """An exception's text on one line, or its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


AWS_ERRORS = (ClientError, BotoCoreError, ResponseParserError)
"""Everything that a call of a client raises; the last for an answer that is none of AWS's: a proxy's page, say."""
