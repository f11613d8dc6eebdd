"""Messages in Slack: one for each destination, with its thread, of everything that is to be sent there.

Slack answers for a message as a whole, and does not say whether it refuses the channel or the text. So a refused
message is sent again in pages of fewer alerts (`_PAGES`), down to the one alert that cannot be sent, which is tried
once more as a short plain text. A channel that refuses all of that refuses everything, and is not asked again in this
run: it costs at most `_PATIENCE` requests.

`broadcast` does not raise because Slack cannot be reached: it returns what could not be done, one line each.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from library.documents.slack_message import Alert, Message, compose, link, plain, replies, slack_literal
from library.documents.text import and_more, shortened
from library.notifications.owners import owners_of_issue
from library.notifications.slack_connection import (
    SlackDestinationError,
    SlackError,
    SlackMessageRefusedError,
    SlackUnavailableError,
)

if TYPE_CHECKING:
    from library.config import Configuration
    from library.issues.issue import Issue
    from library.notifications.jira_client import JiraClient
    from library.notifications.slack_connection import SlackClient

_LISTED = 5
_PAGES = (20, 5, 1)
_PATIENCE = 6  # refused requests after which a channel that took nothing yet is given up
_MOST_REFUSALS = 20  # refused requests after which a channel is given up whatever it took before
_THREAD_REFUSALS = 3  # refused requests after which a channel that took no answer in a thread gets no more of them

Delivered = Callable[[str, frozenset[str]], None]
"""Called with a destination and the keys of the alerts that were just sent to it."""


Posted = Callable[[Alert, str, str], None]
"""Called with an alert that has buttons, and the channel's id and the time of the message that was sent of it."""


def ignore(destination: str, keys: frozenset[str]) -> None:
    """Takes no notice of what may have been sent."""


class SlackDelivery:
    """What is sent to one channel.

    Args:
        channel: what Slack takes for the channel or user.
        title: what each message begins with.
        wanted: the alerts for each name under which the channel is known.
        delivered: called after each message, for each of those names.
        notes: what is to be said of the message itself.
        unconfirmed: called like `delivered` after each message that may have arrived and may not.
        last_resort: whether nobody else can be sent what this channel refuses: it is given up later than others.
        refusing: what Slack said of channels that were given up: who is told the same is given up at once.
        posted: called after each message that has buttons.

    Attributes:
        refusals: by key, why an alert could not be sent at all.
        problems: what else could not be sent, one line each.
    """

    def __init__(
        self,
        slack: SlackClient,
        channel: str,
        title: str,
        wanted: Mapping[str, Sequence[Alert]],
        delivered: Delivered,
        notes: Sequence[str] = (),
        unconfirmed: Delivered = ignore,
        *,
        last_resort: bool = False,
        refusing: Container[str] = (),
        posted: Posted | None = None,
    ) -> None:
        self._slack = slack
        self._channel = channel
        self._title = title
        self._wanted = wanted
        self._meant = {name: frozenset(alert.key for alert in alerts) for name, alerts in wanted.items()}
        self._delivered = delivered
        self._notes = notes
        self._unconfirmed = unconfirmed
        self._doubted: set[str] = set()
        self._sent: set[str] = set()
        self._patience = _PATIENCE * (2 if last_resort else 1)
        self._most_refusals = _MOST_REFUSALS * (2 if last_resort else 1)
        self._refusing = refusing
        self._posted = posted
        self._refused = 0
        self._refused_in_thread = 0
        self._last_refusal = SlackMessageRefusedError("")
        self._thread_refusal: SlackMessageRefusedError | None = None
        self.refusals: dict[str, SlackMessageRefusedError] = {}
        self.problems: list[str] = []

    def send(self) -> None:
        """Send all alerts.

        Raises:
            SlackDestinationError: the channel cannot get messages. What is not delivered is in `unsent`.
            SlackError: Slack could not be asked. What was sent until then is delivered.
        """
        alerts = self._alerts()
        together = [alert for alert in alerts if not alert.actions]
        messages = [together] if together else []
        messages += [[alert] for alert in alerts if alert.actions]
        for number, message in enumerate(messages):
            self._send(message, () if number else self._notes)

    def not_notified(self, who: str, *, certain: bool) -> list[str]:
        """What was refused, one line for each reason: all, or the alerts by their keys.

        `who` is whom the channel stands for; `certain`: of what surely did not arrive, or else of what may have.
        """
        by_reason: dict[str, list[str]] = {}
        for key, error in self.refusals.items():
            if error.may_have_arrived is not certain:
                by_reason.setdefault(str(error), []).append(key)
        if len(by_reason) == 1 and not self._sent:
            return [f"{who} was not told: {reason}" for reason in by_reason]
        return [f"{who} was not told of {listed(keys)}: {reason}" for reason, keys in by_reason.items()]

    def for_others(self) -> dict[str, list[Alert]]:
        """What was refused and surely did not arrive, for each name under which the channel is known."""
        return self._for_each_name({key for key, error in self.refusals.items() if not error.may_have_arrived})

    def unsent(self) -> dict[str, list[Alert]]:
        """What was not delivered, for each name under which the channel is known."""
        return self._for_each_name({alert.key for alert in self._alerts()} - self._sent)

    def _for_each_name(self, keys: set[str]) -> dict[str, list[Alert]]:
        found = {name: [alert for alert in alerts if alert.key in keys] for name, alerts in self._wanted.items()}
        return {name: alerts for name, alerts in found.items() if alerts}

    def _alerts(self) -> list[Alert]:
        return list({alert.key: alert for alerts in self._wanted.values() for alert in alerts}.values())

    @property
    def is_given_up(self) -> bool:
        """Whether the channel refused so much that it is not asked again."""
        if self._sent:
            return self._refused >= self._most_refusals
        known = self._refused > 0 and self.rejection in self._refusing
        return known or self._refused >= self._patience

    @property
    def rejection(self) -> str:
        """What Slack said when the channel refused its last message; empty: that it may have arrived, or nothing."""
        return "" if self._last_refusal.may_have_arrived else str(self._last_refusal)

    def _send(self, alerts: Sequence[Alert], notes: Sequence[str]) -> None:
        if self.is_given_up:
            self.refusals |= {alert.key: self._last_refusal for alert in alerts if alert.key not in self._sent}
            return
        try:
            self._send_message(alerts, notes)
        except SlackMessageRefusedError as error:
            if len(alerts) == 1:
                self._send_plain(alerts[0], error)
            else:
                page = next(size for size in _PAGES if size < len(alerts))
                self._send_pages(alerts, page, notes)

    def _send_pages(self, alerts: Sequence[Alert], page: int, notes: Sequence[str] = ()) -> None:
        for start in range(0, len(alerts), page):
            self._send(alerts[start : start + page], () if start else notes)

    def _send_message(self, alerts: Sequence[Alert], notes: Sequence[str]) -> None:
        """Send a message and its thread. Raises SlackMessageRefusedError if the message was refused."""
        head, *thread = compose(self._title, alerts, notes)
        sent = self._post(head)
        if len(alerts) == 1 and alerts[0].actions and self._posted and sent[1]:
            self._posted(alerts[0], *sent)
        self._deliver(head)
        refused: set[str] = set()
        for reply in thread:
            try:
                self._reply(reply, sent)
            except SlackMessageRefusedError:
                refused |= reply.keys
        missing = [alert for alert in alerts if alert.key in refused - self._sent]
        for alert in alerts:
            if alert.key in refused & self._sent:
                self._reply_alone(alert, sent)
        if missing:
            # In messages that show all of their lines, in case it is the thread that is refused.
            self._send_pages(missing, _PAGES[0])

    def _post(self, message: Message, thread: tuple[str, str] | None = None) -> tuple[str, str]:
        try:
            return self._slack.post(self._channel, message.text, message.blocks, thread)
        except SlackError as error:
            if isinstance(error, SlackMessageRefusedError) and thread is None:
                self._refused += 1
                self._last_refusal = error
            if error.may_have_arrived:
                new = message.keys - self._sent - self._doubted
                self._doubted |= new
                self._each_name(self._unconfirmed, new)
            raise

    def _reply(self, reply: Message, sent: tuple[str, str]) -> None:
        """Send a part of a thread. Raises SlackMessageRefusedError if it was refused."""
        if self._thread_refusal and self._refused_in_thread >= _THREAD_REFUSALS:
            raise self._thread_refusal
        try:
            self._post(reply, sent)
        except (SlackMessageRefusedError, SlackDestinationError) as error:
            # There are channels that take messages and no answers to them.
            self._refused_in_thread += 1
            self._thread_refusal = SlackMessageRefusedError(str(error), may_have_arrived=error.may_have_arrived)
            raise self._thread_refusal from None
        except SlackError as error:
            self._not_in_thread(error)
        else:
            self._refused_in_thread = 0
            self._deliver(reply)

    def _reply_alone(self, alert: Alert, sent: tuple[str, str]) -> None:
        """Send the details of one alert, whose line was sent."""
        for reply in replies(self._title, [alert], {alert.key}):
            try:
                self._reply(reply, sent)
            except SlackMessageRefusedError as error:
                self._not_in_thread(error)

    def _send_plain(self, alert: Alert, rejection: SlackMessageRefusedError) -> None:
        if rejection.may_have_arrived or self.is_given_up:
            self.refusals[alert.key] = rejection
            return
        message = plain(self._title, alert)
        try:
            self._post(message)
        except SlackMessageRefusedError as error:
            self.refusals[alert.key] = error
        else:
            self._deliver(message)

    def _deliver(self, message: Message) -> None:
        new = message.keys - self._sent
        self._sent |= new
        self._each_name(self._delivered, new)

    def _each_name(self, delivered: Delivered, keys: frozenset[str]) -> None:
        for name, meant in self._meant.items():
            if keys & meant:
                delivered(name, keys & meant)

    def _not_in_thread(self, error: SlackError) -> None:
        problem = f"{', '.join(self._wanted)}: a part of the thread was not sent: {error}"
        if problem not in self.problems:
            self.problems.append(problem)


def listed(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    return and_more(names, _LISTED)


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
    return f'{issue.issue_id} "{slack_literal(shortened(issue.details.name, _NAME_LIMIT))}"'


def issue_line(config: Configuration, jira: JiraClient | None, issue: Issue) -> str:
    """An issue's group, place and ticket in one line of Slack's `mrkdwn`."""
    name = config.account_name(issue.account_id)
    account = issue.account_id if name == issue.account_id else f"{name} ({issue.account_id})"
    line = f"{issue_subject(issue)}, {slack_literal(account)}, {slack_literal(issue.details.region)}"
    ticket = str(issue.jira_details.get("ticket") or "")
    return f"{line}, {link(jira.url(ticket), ticket)}" if jira and ticket else line


def destinations_of(config: Configuration, issue: Issue) -> tuple[str, ...]:
    """Where an issue is told in Slack: who was told before, else whom its tags and `ticket_owners` name."""
    reported = issue.slack_details.get("destinations")
    # Whom somebody named in a decision is told from then on. What is no list, somebody else wrote there.
    if isinstance(reported, list | tuple) and reported and not issue.decided.owner:
        return tuple(str(destination) for destination in reported)
    return owners_of_issue(config, issue, ()).destinations(config)


def broadcast(
    slack: SlackClient,
    default_channel: str,
    title: str,
    waiting: Mapping[str, Sequence[Alert]],
    delivered: Delivered,
    unconfirmed: Delivered = ignore,
    posted: Posted | None = None,
) -> Sent:
    """Send each destination one message, with a thread, of all its alerts. The message begins with the title.

    What is meant for a destination that cannot get it, or refuses it for whatever reason, goes to the default channel,
    which is written to last and is told for whom it was. No alert that Slack refuses keeps another from being sent, and
    no destination keeps another from being told.

    `delivered` is called after each message, for each destination that it was meant for; `unconfirmed` after each that
    may have arrived and may not; `posted` after each that has buttons.
    """
    run = _Broadcast(slack, default_channel, title, delivered, unconfirmed, posted)
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
    unconfirmed: Delivered
    posted: Posted | None
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
                self._not_notified(destination, error)
        return channels

    def send(self, channel: str, wanted: Mapping[str, Sequence[Alert]]) -> None:
        """Send a channel what is wanted."""
        delivery = SlackDelivery(
            *(self.slack, channel, self.title, wanted, self.delivered),
            unconfirmed=self.unconfirmed,
            refusing=self.refusing,
            posted=self.posted,
        )
        who = ", ".join(wanted)
        try:
            delivery.send()
        except SlackDestinationError as error:
            self.notes += [f"{destination}: {error}" for destination in wanted]
            self._move(delivery.unsent())
        except SlackError as error:
            self._not_notified(who, error)
        if delivery.is_given_up and delivery.rejection:
            self.refusing.add(delivery.rejection)
        self._move(delivery.for_others())
        self.notes += delivery.not_notified(who, certain=True)
        self.problems += [*delivery.not_notified(who, certain=False), *delivery.problems]

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
            self._not_notified(who, error)
            return
        delivery = SlackDelivery(
            *(self.slack, channel, self.title, wanted, self.delivered, said, self.unconfirmed),
            last_resort=True,
            posted=self.posted,
        )
        try:
            delivery.send()
        except SlackError as error:
            self._not_notified(who, error)
        for certain in (True, False):
            self.problems += delivery.not_notified(who, certain=certain)
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

    def _not_notified(self, who: str, error: SlackError) -> None:
        if isinstance(error, SlackUnavailableError):
            self.unavailable.setdefault(str(error), []).append(who)
        else:
            self.problems.append(f"{who} was not told: {error}")

    def _for_default(self, alerts: Sequence[Alert]) -> dict[str, Sequence[Alert]]:
        """What the default channel is sent, by destination: each alert says for whom it was."""
        meant: dict[str, list[str]] = {}
        for destination, of_it in self.moved.items():
            for alert in of_it:
                meant.setdefault(alert.key, []).append(slack_literal(shortened(destination, _NAME_LIMIT)))

        def addressed(alert: Alert) -> Alert:
            whom = meant.get(alert.key)
            return replace(alert, line=f"{alert.line} (meant for {listed(whom)})") if whom else alert

        wanted = {self.default_channel: alerts, **self.moved} if alerts else self.moved
        return {destination: [addressed(alert) for alert in of_it] for destination, of_it in wanted.items()}
