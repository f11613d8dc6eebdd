from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from library.aws.secrets import JiraSecret, SecretError, SecretReader, SlackSecret


class Manager:
    """AWS Secrets Manager with these secrets."""

    def __init__(self, **secrets: str | Exception) -> None:
        self.secrets = secrets

    def get_secret_value(self, SecretId: str) -> dict[str, Any]:  # noqa: N803 - as AWS names it
        found = self.secrets.get(SecretId)
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "x"}}, "GetSecretValue")
        return {"SecretString": found}


def reader(environment: dict[str, str] | None = None, **secrets: str | Exception) -> SecretReader:
    manager: Any = Manager(**secrets)
    return SecretReader(lambda: manager, environment or {})


def test_both_kinds_of_login_to_jira() -> None:
    assert reader(j='{"username": "u", "api_token": "t"}').jira("j") == JiraSecret("u", "t")
    assert reader(j='{"token": " t "}').jira("j") == JiraSecret(token="t")
    assert reader(s='{"api_token": "t"}').slack("s") == SlackSecret("t")


def test_the_environment_replaces_the_secrets_and_aws_is_not_asked() -> None:
    def asked() -> Any:
        raise AssertionError

    secrets = SecretReader(asked, {"HAMMER_JIRA_SECRET": '{"token": "e"}', "HAMMER_SLACK_SECRET": '{"api_token": "f"}'})
    assert secrets.jira("j").token == "e"
    assert secrets.slack("s").api_token == "f"


def test_an_empty_variable_replaces_nothing() -> None:
    assert reader({"HAMMER_JIRA_SECRET": ""}, j='{"token": "t"}').jira("j").token == "t"


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("s3cret", "the secret 'j' in AWS Secrets Manager is not a JSON object"),
        ('["s3cret"]', "the secret 'j' in AWS Secrets Manager is not a JSON object"),
        ("[" * 50_000, "the secret 'j' in AWS Secrets Manager is not a JSON object"),
        ('{"api_token": "s3cret"}', 'must be {"username": …, "api_token": …} for JIRA Cloud or {"token": …}'),
        ('{"token": {"s3cret": 1}}', 'must be {"username": …'),
        (NoCredentialsError(), "could not be read: no AWS credentials were found"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(secret: str | Exception, problem: str) -> None:
    with pytest.raises(SecretError) as raised:
        reader(j=secret).jira("j")
    assert problem in str(raised.value)
    assert "s3cret" not in str(raised.value) + repr(raised.value.__cause__)


def test_a_missing_secret_and_a_wrong_one_of_slack() -> None:
    with pytest.raises(SecretError, match="'s' in AWS Secrets Manager does not exist: create it, or set HAMMER_SLACK"):
        reader().slack("s")
    with pytest.raises(SecretError, match="the environment variable HAMMER_SLACK_SECRET must be"):
        reader({"HAMMER_SLACK_SECRET": "{}"}).slack("s")


def test_no_representation_shows_a_secret() -> None:
    assert "s3cret" not in repr([JiraSecret("u", "s3cret", "s3cret"), SlackSecret("s3cret")])
