"""The clients of JIRA, Slack and the webhook that a configuration asks for. None is contacted before it is needed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from library.notifications.jira_client import JiraClient
from library.notifications.jira_connection import JiraConnection
from library.notifications.slack_connection import SlackClient, SlackConnection
from library.notifications.webhook import WebhookClient

if TYPE_CHECKING:
    from library.aws.secrets import SecretReader
    from library.config import Configuration


def _nothing() -> None:
    pass


def _utc_now() -> datetime:
    return datetime.now(UTC)


def open_jira(
    config: Configuration,
    secrets: SecretReader,
    sleep: Callable[[float], None],
    before_write: Callable[[], None] = _nothing,
    now: Callable[[], datetime] = _utc_now,
) -> JiraClient | None:
    """JIRA, or None if it is off.

    Args:
        config: the configuration.
        secrets: give the login.
        sleep: waits so many seconds.
        before_write: called before each request that changes something; what it raises keeps the request from being
            sent.
        now: the clock, in UTC.
    """
    if not config.jira.enabled:
        return None
    return JiraClient(JiraConnection(config.jira, lambda: secrets.jira(config.jira.secret), sleep, before_write, now))


def open_slack(
    config: Configuration,
    secrets: SecretReader,
    sleep: Callable[[float], None],
    before_write: Callable[[], None] = _nothing,
    now: Callable[[], datetime] = _utc_now,
) -> SlackClient | None:
    """Slack, or None if it is off. The arguments are those of `open_jira`."""
    if not config.slack.enabled:
        return None
    connection = SlackConnection(config.slack, lambda: secrets.slack(config.slack.secret), sleep, before_write, now)
    return SlackClient(connection, _configured(config))


def open_webhook(
    config: Configuration,
    secrets: SecretReader,
    sleep: Callable[[float], None],
    before_write: Callable[[], None] = _nothing,
    now: Callable[[], datetime] = _utc_now,
) -> WebhookClient | None:
    """The webhook, or None if it is off. The arguments are those of `open_jira`."""
    if not config.webhook.is_on:
        return None
    return WebhookClient(config.webhook, lambda: secrets.webhook(config.webhook.secret), sleep, before_write, now)


def _configured(config: Configuration) -> frozenset[str]:
    """The destinations that the configuration names, as against those that tags do."""
    owners = config.ticket_owners
    levels = [owners, *owners.account.values(), *owners.bu.values()]
    levels += [product for unit in owners.bu.values() for product in unit.product.values()]
    named = [owner for level in levels for owner in level.slack_owner]
    return frozenset({config.slack.default_channel, config.publishing.slack_channel, *named})
