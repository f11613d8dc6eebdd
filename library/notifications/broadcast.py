"""Messages in Slack: one for each destination, with its thread, of everything that is to be sent there.

`broadcast` does not raise because Slack cannot be reached: it returns what could not be done, one line each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from library.documents.slack_message import link, literal
from library.documents.text import shortened
from library.notifications.delivery import Delivered, Delivery, nobody
from library.notifications.owners import destinations, discover
from library.notifications.slack_connection import SlackDestinationError, SlackError

if TYPE_CHECKING:
    from library.config import Configuration
    from library.documents.slack_message import Alert
    from library.issues.issue import Issue
    from library.notifications.jira_client import JiraClient
    from library.notifications.slack_client import SlackClient


_NAME_LIMIT = 80


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of messages.

    Attributes:
        notes: destinations that could not be reached and were told elsewhere, one line each.
        problems: what could not be told at all, one line each.
    """

    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def issue_key(issue: Issue) -> str:
    """Tells one issue from another."""
    return f"{issue.account_id}/{issue.issue_id}"


def issue_subject(issue: Issue) -> str:
    """An issue's group in Slack's `mrkdwn`."""
    return f'{issue.issue_id} "{literal(shortened(issue.details.name, _NAME_LIMIT))}"'


def issue_line(config: Configuration, jira: JiraClient | None, issue: Issue) -> str:
    """An issue's group, place and ticket in one line of Slack's `mrkdwn`."""
    name = config.account_name(issue.account_id)
    account = issue.account_id if name == issue.account_id else f"{name} ({issue.account_id})"
    line = f"{issue_subject(issue)}, {literal(account)}, {literal(issue.details.region)}"
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
    doubtful: Delivered = nobody,
) -> Sent:
    """Send each destination one message, with a thread, of all its alerts.

    What is meant for a destination that cannot get it goes to the default channel, which is written to last. An alert
    that Slack refuses keeps no other from being sent: a message that is refused is sent again in halves.

    Args:
        slack: Slack.
        default_channel: where alerts go that their own destination cannot get.
        title: what each message begins with.
        waiting: the alerts for each destination.
        delivered: called after each message, for each destination that it was meant for.
        doubtful: called like `delivered` after each message that may have arrived and may not.
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
        delivery = Delivery(slack, channel, title, wanted, delivered, doubtful=doubtful)
        try:
            delivery.send()
        except SlackDestinationError as error:
            notes += [f"{destination}: {error}" for destination in wanted]
            stranded |= wanted
        except SlackError as error:
            problems.append(f"{', '.join(wanted)} was not told: {error}")
        who = ", ".join(wanted)
        stranded |= delivery.for_others()
        notes += delivery.not_told(who, surely=True)
        problems += [*delivery.not_told(who, surely=False), *delivery.problems]
    if stranded:
        said = [f"Meant for a destination that cannot be reached. {reason}" for reason in notes]
        problems += _to_default(slack, default_channel, title, stranded, said, (delivered, doubtful))
    return Sent(tuple(f"{reason}; {default_channel} is told instead" for reason in notes), tuple(problems))


def _to_default(
    slack: SlackClient,
    default_channel: str,
    title: str,
    stranded: Mapping[str, Sequence[Alert]],
    said: Sequence[str],
    called: tuple[Delivered, Delivered],
) -> list[str]:
    """Send the default channel what others cannot get. Returns what could not be sent, one line each."""
    delivered, doubtful = called
    who = f"{default_channel}, which slack.default_channel names,"
    try:
        delivery = Delivery(slack, slack.channel(default_channel), title, stranded, delivered, said, doubtful)
    except SlackError as error:
        return [f"{who} was not told: {error}"]
    problems = []
    try:
        delivery.send()
    except SlackError as error:
        problems.append(f"{who} was not told: {error}")
    for surely in (True, False):
        problems += delivery.not_told(who, surely=surely)
    return [*problems, *delivery.problems]
