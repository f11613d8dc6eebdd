"""The clients of JIRA, Slack and the webhook that a configuration asks for. None is contacted before it is needed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from library.notifications.jira_client import JiraClient
from library.notifications.jira_connection import JiraConnection
from library.notifications.slack_connection import SlackClient, SlackConnection
from library.notifications.webhook import WebhookClient

if TYPE_CHECKING:
    from library.aws.secrets import SecretReader
    from library.config import Configuration


class ChannelClients(NamedTuple):
    """A client for each channel that is on, None for each that is off."""

    jira: JiraClient | None
    slack: SlackClient | None
    webhook: WebhookClient | None


def open_channels(
    config: Configuration,
    secrets: SecretReader,
    sleep: Callable[[float], None],
    before_write: Callable[[], None] = lambda: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> ChannelClients:
    """The clients that a configuration asks for.

    `before_write` is called before each request that changes something; what it raises keeps the request from being
    sent. `sleep` waits so many seconds.
    """
    calls = (sleep, before_write, now)
    jira = JiraConnection(config.jira, lambda: secrets.jira(config.jira.secret), *calls)
    slack = SlackConnection(config.slack, lambda: secrets.slack(config.slack.secret), *calls)
    webhook = WebhookClient(config.webhook, lambda: secrets.webhook(config.webhook.secret), *calls)
    return ChannelClients(
        jira=JiraClient(jira) if config.jira.enabled else None,
        slack=SlackClient(slack, _configured(config)) if config.slack.enabled else None,
        webhook=webhook if config.webhook.is_on else None,
    )


def _configured(config: Configuration) -> frozenset[str]:
    """The destinations that the configuration names, as against those that tags do."""
    owners = config.ticket_owners
    levels = [owners, *owners.account.values(), *owners.bu.values()]
    levels += [product for unit in owners.bu.values() for product in unit.product.values()]
    named = [owner for level in levels for owner in level.slack_owner]
    return frozenset({config.slack.default_channel, config.publishing.slack_channel, *named})
