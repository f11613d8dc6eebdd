"""AWS failures, in words that an operator can act on."""

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
)

from library.aws.failures import AWS_ERRORS, error_code, explain, one_line

ROLE = "arn:aws:iam::210987654321:role/hammer"


def refused(code: str, operation: str, message: str = "No.") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(
            refused("AccessDenied", "AssumeRole"),
            "role arn:aws:iam::210987654321:role/hammer cannot be assumed: it is missing, or does not trust the main "
            "account, or aws.external_id is not the one it expects (AWS does not tell which)",
            id="role cannot be assumed",
        ),
        pytest.param(
            refused("UnauthorizedOperation", "DescribeSecurityGroups", "You are not\nauthorized."),
            "denied: the role or user may not call DescribeSecurityGroups: An error occurred (UnauthorizedOperation) "
            "when calling the DescribeSecurityGroups operation: You are not authorized.",
            id="denied by EC2",
        ),
        pytest.param(
            refused("AccessDeniedException", "Query"),
            "denied: the role or user may not call Query: An error occurred (AccessDeniedException) when calling the "
            "Query operation: No.",
            id="denied by DynamoDB",
        ),
        pytest.param(
            refused("RequestLimitExceeded", "DescribeSecurityGroups"),
            "throttled: AWS still refused DescribeSecurityGroups after the retries (RequestLimitExceeded)",
            id="throttled",
        ),
        pytest.param(
            refused("InternalError", "DescribeSecurityGroups", "Oops."),
            "An error occurred (InternalError) when calling the DescribeSecurityGroups operation: Oops.",
            id="anything else",
        ),
        pytest.param(
            NoCredentialsError(),
            "no AWS credentials were found: set them in the environment, a profile or an instance role",
            id="no credentials",
        ),
        pytest.param(
            refused("ExpiredTokenException", "Query", "The security token included in the request is expired"),
            "the AWS credentials have expired, or this machine's clock is wrong: log in again, or renew them: An error "
            "occurred (ExpiredTokenException) when calling the Query operation: The security token included in the "
            "request is expired",
            id="expired credentials",
        ),
        pytest.param(
            refused("ExpiredToken", "AssumeRole", "Expired."),
            "the AWS credentials have expired, or this machine's clock is wrong: log in again, or renew them: An error "
            "occurred (ExpiredToken) when calling the AssumeRole operation: Expired.",
            id="a role is to be assumed with expired credentials",
        ),
        pytest.param(
            ProfileNotFound(profile="audit"),
            "The config profile (audit) could not be found: `aws configure list-profiles` lists those that are there",
            id="no such profile",
        ),
        pytest.param(
            EndpointConnectionError(endpoint_url="https://ec2.mars-1.amazonaws.com/"),
            'AWS could not be reached: Could not connect to the endpoint URL: "https://ec2.mars-1.amazonaws.com/"',
            id="no connection",
        ),
        pytest.param(
            ConnectTimeoutError(endpoint_url="https://ec2/"),
            'AWS could not be reached: Connect timeout on endpoint URL: "https://ec2/"',
            id="connect timeout",
        ),
        pytest.param(
            ReadTimeoutError(endpoint_url="https://ec2/"),
            'AWS could not be reached: Read timeout on endpoint URL: "https://ec2/"',
            id="read timeout",
        ),
        pytest.param(ValueError("two\n lines"), "two lines", id="not of AWS"),
        pytest.param(ValueError(), "ValueError", id="without a text"),
    ],
)
def test_explain(error: Exception, text: str) -> None:
    assert explain(error, ROLE) == text


def test_explain_without_a_role() -> None:
    assert explain(refused("AccessDenied", "AssumeRole")).startswith("role of the account cannot be assumed")


def test_error_code() -> None:
    assert error_code(refused("Throttling", "Query")) == "Throttling"
    assert error_code(ClientError({}, "Query")) == ""
    assert error_code(ValueError()) == ""


def test_one_line() -> None:
    assert one_line(RuntimeError(" a\r\n\tb ")) == "a b"


@pytest.mark.parametrize(
    "error", [refused("X", "Y"), NoCredentialsError(), ReadTimeoutError(endpoint_url="https://x/")]
)
def test_every_error_of_a_client_is_named(error: Exception) -> None:
    assert isinstance(error, AWS_ERRORS)
