"""The clients of JIRA and Slack that a configuration asks for. Neither is contacted before it is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from library.notifications.jira_client import JiraClient
from library.notifications.jira_connection import JiraConnection
from library.notifications.slack_client import SlackClient
from library.notifications.slack_connection import SlackConnection

if TYPE_CHECKING:
    from library.aws.secrets import SecretReader
    from library.config import Configuration


def _nothing() -> None:
    pass


def open_jira(
    config: Configuration,
    secrets: SecretReader,
    sleep: Callable[[float], None],
    before_write: Callable[[], None] = _nothing,
) -> JiraClient | None:
    """JIRA, or None if it is off.

    Args:
        config: the configuration.
        secrets: give the login.
        sleep: waits so many seconds.
        before_write: called before each request that changes something; what it raises keeps the request from being
            sent.
    """
    if not config.jira.enabled:
        return None
    return JiraClient(JiraConnection(config.jira, lambda: secrets.jira(config.jira.secret), sleep, before_write))


def open_slack(
    config: Configuration,
    secrets: SecretReader,
    sleep: Callable[[float], None],
    before_write: Callable[[], None] = _nothing,
) -> SlackClient | None:
    """Slack, or None if it is off. The arguments are those of `open_jira`."""
    if not config.slack.enabled:
        return None
    return SlackClient(SlackConnection(config.slack, lambda: secrets.slack(config.slack.secret), sleep, before_write))
