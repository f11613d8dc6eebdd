"""Messages in Slack: one for each destination, with its thread, of everything that is to be sent there.

`broadcast` does not raise because Slack cannot be reached: it returns what could not be done, one line each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from library.documents.slack_message import link, literal
from library.documents.text import shortened
from library.notifications.delivery import Delivered, Delivery, listed, nobody
from library.notifications.owners import destinations, discover
from library.notifications.slack_connection import SlackDestinationError, SlackError, SlackUnavailableError

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

    What is meant for a destination that cannot get it, or refuses it for whatever reason, goes to the default channel,
    which is written to last and is told for whom it was. No alert that Slack refuses keeps another from being sent, and
    no destination keeps another from being told.

    Args:
        slack: Slack.
        default_channel: where alerts go that their own destination cannot get.
        title: what each message begins with.
        waiting: the alerts for each destination.
        delivered: called after each message, for each destination that it was meant for.
        doubtful: called like `delivered` after each message that may have arrived and may not.
    """
    run = _Broadcast(slack, default_channel, title, delivered, doubtful)
    for channel, wanted in run.channels_of(waiting).items():
        run.send(channel, wanted)
    run.send_default(waiting.get(default_channel, ()))
    return run.sent()


@dataclass(slots=True)
class _Broadcast:
    """What is sent to all destinations, and what came of it.

    Attributes:
        moved: what its own destination cannot get, by destination.
        notes: which destinations that are, and why, one line each.
        problems: what nobody could be told, one line each.
        unavailable: who was not told because Slack cannot be used, by the reason.
        refusing: what Slack said of destinations that refused everything.
    """

    slack: SlackClient
    default_channel: str
    title: str
    delivered: Delivered
    doubtful: Delivered
    moved: dict[str, list[Alert]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unavailable: dict[str, list[str]] = field(default_factory=dict)
    refusing: set[str] = field(default_factory=set)

    def channels_of(self, waiting: Mapping[str, Sequence[Alert]]) -> dict[str, dict[str, Sequence[Alert]]]:
        """The alerts by channel and destination: two names of one user are one channel, which gets one message."""
        channels: dict[str, dict[str, Sequence[Alert]]] = {}
        for destination, alerts in waiting.items():
            if destination == self.default_channel:
                continue
            try:
                channels.setdefault(self.slack.channel(destination), {})[destination] = alerts
            except SlackDestinationError as error:
                self.notes.append(f"{destination}: {error}")
                self._move({destination: alerts})
            except SlackError as error:
                self._not_told(destination, error)
        return channels

    def send(self, channel: str, wanted: Mapping[str, Sequence[Alert]]) -> None:
        """Send a channel what is wanted."""
        delivery = Delivery(
            *(self.slack, channel, self.title, wanted, self.delivered),
            doubtful=self.doubtful,
            refusing=self.refusing,
        )
        who = ", ".join(wanted)
        try:
            delivery.send()
        except SlackDestinationError as error:
            self.notes += [f"{destination}: {error}" for destination in wanted]
            self._move(delivery.unsent())
        except SlackError as error:
            self._not_told(who, error)
        if delivery.is_given_up and delivery.refusal:
            self.refusing.add(delivery.refusal)
        self._move(delivery.for_others())
        self.notes += delivery.not_told(who, surely=True)
        self.problems += [*delivery.not_told(who, surely=False), *delivery.problems]

    def send_default(self, alerts: Sequence[Alert]) -> None:
        """Send the default channel its own alerts, and what others cannot get."""
        wanted = self._for_default(alerts)
        if not wanted:
            return
        who = f"{self.default_channel}, which slack.default_channel names,"
        said = [f"Meant for a destination that cannot be reached. {reason}" for reason in self.notes]
        try:
            channel = self.slack.channel(self.default_channel)
        except SlackError as error:
            self._not_told(who, error)
            return
        delivery = Delivery(
            *(self.slack, channel, self.title, wanted, self.delivered, said, self.doubtful),
            last_resort=True,
        )
        try:
            delivery.send()
        except SlackError as error:
            self._not_told(who, error)
        for surely in (True, False):
            self.problems += delivery.not_told(who, surely=surely)
        self.problems += delivery.problems

    def sent(self) -> Sent:
        """What came of it all."""
        unavailable = [
            f"{listed(who)} {'was' if len(who) == 1 else 'were'} not told: {reason}"
            for reason, who in self.unavailable.items()
        ]
        notes = tuple(f"{reason}; {self.default_channel} is told instead" for reason in self.notes)
        return Sent(notes, (*self.problems, *unavailable))

    def _move(self, alerts: Mapping[str, Sequence[Alert]]) -> None:
        for destination, of_it in alerts.items():
            self.moved.setdefault(destination, []).extend(of_it)

    def _not_told(self, who: str, error: SlackError) -> None:
        if isinstance(error, SlackUnavailableError):
            self.unavailable.setdefault(str(error), []).append(who)
        else:
            self.problems.append(f"{who} was not told: {error}")

    def _for_default(self, alerts: Sequence[Alert]) -> dict[str, Sequence[Alert]]:
        """What the default channel is sent, by destination: each alert says for whom it was."""
        meant: dict[str, list[str]] = {}
        for destination, of_it in self.moved.items():
            for alert in of_it:
                meant.setdefault(alert.key, []).append(literal(shortened(destination, _NAME_LIMIT)))

        def addressed(alert: Alert) -> Alert:
            whom = meant.get(alert.key)
            return replace(alert, line=f"{alert.line} (meant for {listed(whom)})") if whom else alert

        wanted = {self.default_channel: alerts, **self.moved} if alerts else self.moved
        return {destination: [addressed(alert) for alert in of_it] for destination, of_it in wanted.items()}
