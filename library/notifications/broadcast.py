"""Messages in Slack: one for each destination, with its thread, of everything that is to be sent there.

`broadcast` does not raise because Slack cannot be reached: it returns what could not be done, one line each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from library.documents.slack_markup import Alert, compose, link, literal
from library.notifications.owners import destinations, discover
from library.notifications.slack_connection import SlackDestinationError, SlackError

if TYPE_CHECKING:
    from library.config import Configuration
    from library.issues.issue import Issue
    from library.notifications.jira_client import JiraClient
    from library.notifications.slack_client import SlackClient


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of messages.

    Attributes:
        notes: destinations that could not be reached and were told elsewhere, one line each.
        problems: what could not be told at all, one line each.
    """

    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


Delivered = Callable[[str, frozenset[str]], None]
"""Called with a destination and the keys of the alerts that it has just been told."""


def issue_key(issue: Issue) -> str:
    """Tells one issue from another."""
    return f"{issue.account_id}/{issue.issue_id}"


def issue_subject(issue: Issue) -> str:
    """An issue's group in Slack's `mrkdwn`."""
    return f'{issue.issue_id} "{literal(issue.details.name)}"'


def issue_line(config: Configuration, jira: JiraClient | None, issue: Issue) -> str:
    """An issue's group, place and ticket in one line of Slack's `mrkdwn`."""
    account = config.account_name(issue.account_id)
    line = f"{issue_subject(issue)}, {literal(account)}, {issue.details.region}"
    ticket = str(issue.jira_details.get("ticket") or "")
    return f"{line}, {link(jira.url(ticket), ticket)}" if jira and ticket else line


def destinations_of(config: Configuration, issue: Issue) -> tuple[str, ...]:
    """Where an issue is told in Slack: who was told before, else whom its tags and `ticket_owners` name."""
    told = issue.slack_details.get("destinations")
    if told:
        return tuple(str(destination) for destination in told)
    keys = config.secgrp_unrestricted_access.owner_tags
    found = discover(issue.details.tags, (), keys.owner, keys.bu, keys.product)
    owners = config.ticket_owners.resolve(issue.account_id, found.bu, found.product)
    return destinations(
        owners.slack_owner,
        found.owner,
        config.slack.default_channel,
        tell_configured=config.slack.notify_default_owner,
    )


def broadcast(
    slack: SlackClient,
    default_channel: str,
    title: str,
    waiting: Mapping[str, Sequence[Alert]],
    delivered: Delivered,
) -> Sent:
    """Send each destination one message, with a thread, of all its alerts.

    What is meant for a destination that does not exist goes to the default channel, which hears last.

    Args:
        slack: Slack.
        default_channel: where what nobody else can get goes.
        title: what each message begins with.
        waiting: the alerts for each destination.
        delivered: called after each message, for each destination that it was meant for.
    """
    problems: list[str] = []
    # Two names of one user are one channel, which gets one message.
    channels: dict[str, dict[str, Sequence[Alert]]] = {}
    stranded: dict[str, Sequence[Alert]] = {}
    notes: list[str] = []
    for destination, alerts in waiting.items():
        if destination == default_channel:
            stranded[destination] = alerts
            continue
        try:
            channels.setdefault(slack.channel(destination), {})[destination] = alerts
        except SlackDestinationError as error:
            notes.append(f"{destination}: {error}")
            stranded[destination] = alerts
        except SlackError as error:
            problems.append(f"{destination} was not told: {error}")
    for channel, wanted in channels.items():
        try:
            problems += _send(slack, channel, title, wanted, (), delivered)
        except SlackDestinationError as error:
            notes += [f"{destination}: {error}" for destination in wanted]
            stranded |= wanted
        except SlackError as error:
            problems.append(f"{', '.join(wanted)} was not told: {error}")
    if stranded:
        said = [f"Meant for a destination that cannot be reached. {reason}" for reason in notes]
        try:
            problems += _send(slack, slack.channel(default_channel), title, stranded, said, delivered)
        except SlackError as error:
            problems.append(f"{default_channel}, which slack.default_channel names, was not told: {error}")
    return Sent(tuple(f"{reason}; {default_channel} is told instead" for reason in notes), tuple(problems))


def _send(
    slack: SlackClient,
    channel: str,
    title: str,
    wanted: Mapping[str, Sequence[Alert]],
    notes: Sequence[str],
    delivered: Delivered,
) -> list[str]:
    """Send one channel's message and thread. Raises SlackError if not even the first message was sent."""
    alerts = list({alert.key: alert for alerts in wanted.values() for alert in alerts}.values())
    head, *replies = compose(title, alerts, notes)
    meant = {destination: frozenset(alert.key for alert in alerts) for destination, alerts in wanted.items()}
    sent = slack.post(channel, head.text, head.blocks)
    for destination, keys in meant.items():
        delivered(destination, keys & head.keys)
    problems = []
    for reply in replies:
        try:
            slack.post(channel, reply.text, reply.blocks, thread=sent)
        except SlackError as error:
            problems.append(f"{', '.join(wanted)}: a part of the thread was not sent: {error}")
            continue
        for destination, keys in meant.items():
            if new := (keys & reply.keys) - head.keys:
                delivered(destination, new)
    return problems
