"""The secrets of JIRA, Slack and the webhook, from AWS Secrets Manager or from the environment.

No error here says what a secret holds: they are printed and logged.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from library.aws.failures import AWS_ERRORS, error_code, explain
from library.errors import HammerError

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

JIRA_VARIABLE = "HAMMER_JIRA_SECRET"
SLACK_VARIABLE = "HAMMER_SLACK_SECRET"
WEBHOOK_VARIABLE = "HAMMER_WEBHOOK_SECRET"
_KEY_PREFIX = "whsec_"


class SecretError(HammerError):
    """A secret is missing, cannot be read, or is not what it should be."""


@dataclass(frozen=True, slots=True)
class JiraSecret:
    """How to log in to JIRA: name and API token for Cloud, an access token alone for Data Center."""

    username: str = ""
    api_token: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SlackSecret:
    """How to log in to Slack.

    Attributes:
        app_token: the app-level token for Socket Mode (`xapp-…`), which decisions need; empty: there is none.
    """

    api_token: str = field(repr=False)
    app_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """What the webhook's events are signed with."""

    key: bytes = field(repr=False)


class SecretReader:
    """Reads secrets.

    Args:
        client: makes a client for Secrets Manager in the main account; called only when the environment has no secret.
        environment: `HAMMER_JIRA_SECRET`, `HAMMER_SLACK_SECRET` and `HAMMER_WEBHOOK_SECRET`, where they are set,
            replace the secrets in AWS.
    """

    def __init__(self, client: Callable[[], SecretsManagerClient], environment: Mapping[str, str]) -> None:
        self._client = client
        self._environment = environment

    def jira(self, name: str) -> JiraSecret:
        """JIRA's. Raises SecretError."""
        values, where = self._read(name, JIRA_VARIABLE)
        if values.get("token"):
            return JiraSecret(token=values["token"])
        if values.get("username") and values.get("api_token"):
            return JiraSecret(values["username"], values["api_token"])
        raise SecretError(
            f'{where} must be {{"username": …, "api_token": …}} for JIRA Cloud or {{"token": …}} for Data Center'
        )

    def slack(self, name: str) -> SlackSecret:
        """Slack's. Raises SecretError."""
        values, where = self._read(name, SLACK_VARIABLE)
        if not values.get("api_token"):
            raise SecretError(f'{where} must be {{"api_token": …}}')
        return SlackSecret(values["api_token"], values.get("app_token", ""))

    def webhook(self, name: str) -> WebhookSecret:
        """The webhook's. Raises SecretError.

        A key that begins with `whsec_` is base64 after that, as the libraries of Standard Webhooks take it; any other
        text is its UTF-8 bytes.
        """
        values, where = self._read(name, WEBHOOK_VARIABLE)
        text = values.get("secret", "")
        if not text:
            raise SecretError(f'{where} must be {{"secret": …}}')
        if not text.startswith(_KEY_PREFIX):
            return WebhookSecret(text.encode())
        try:
            key = b64decode(text.removeprefix(_KEY_PREFIX), validate=True)
        except ValueError:
            key = b""
        if not key:
            # Without its cause, which says what could not be read.
            raise SecretError(f"{where} begins with {_KEY_PREFIX}, and what follows is not base64") from None
        return WebhookSecret(key)

    def _read(self, name: str, variable: str) -> tuple[dict[str, str], str]:
        """A secret's texts, and where it was found."""
        if text := self._environment.get(variable, ""):
            return _parsed(text, f"the environment variable {variable}"), f"the environment variable {variable}"
        where = f"the secret {name!r} in AWS Secrets Manager"
        try:
            text = self._client().get_secret_value(SecretId=name).get("SecretString", "")
        except AWS_ERRORS as error:
            if error_code(error) == "ResourceNotFoundException":
                raise SecretError(f"{where} does not exist: create it, or set {variable}") from None
            raise SecretError(f"{where} could not be read: {explain(error)}") from error
        return _parsed(text, where), where


def _parsed(text: str, where: str) -> dict[str, str]:
    try:
        values = json.loads(text)
    except (RecursionError, ValueError):
        values = None
    if not isinstance(values, dict):
        # Without its cause: a JSON error carries the text it could not read.
        raise SecretError(f"{where} is not a JSON object")
    return {str(key): value.strip() for key, value in values.items() if isinstance(value, str)}
