"""One channel's message with its thread, sent so that no alert keeps another from being sent.

Slack answers for a message as a whole. If it refuses one, its alerts are sent in halves, down to the one that cannot be
sent; that one is tried once more as a short plain text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from library.documents.slack_message import Alert, Message, compose, plain, replies
from library.notifications.slack_connection import SlackError, SlackMessageRefusedError

if TYPE_CHECKING:
    from library.notifications.slack_client import SlackClient

_LISTED = 5

Delivered = Callable[[str, frozenset[str]], None]
"""Called with a destination and the keys of the alerts that were just sent to it."""


Posted = Callable[[Alert, str, str], None]
"""Called with an alert that has buttons, and the channel's id and the time of the message that was sent of it."""


def nobody(destination: str, keys: frozenset[str]) -> None:
    """Takes no notice of what may have been sent."""


class Delivery:
    """What is sent to one channel.

    Args:
        slack: Slack.
        channel: what Slack takes for the channel or user.
        title: what each message begins with.
        wanted: the alerts for each name under which the channel is known.
        delivered: called after each message, for each of those names.
        notes: what is to be said of the message itself.
        doubtful: called like `delivered` after each message that may have arrived and may not.
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
        doubtful: Delivered = nobody,
        posted: Posted | None = None,
    ) -> None:
        self._slack = slack
        self._channel = channel
        self._title = title
        self._wanted = wanted
        self._meant = {name: frozenset(alert.key for alert in alerts) for name, alerts in wanted.items()}
        self._delivered = delivered
        self._notes = notes
        self._doubtful = doubtful
        self._posted = posted
        self._doubted: set[str] = set()
        self._sent: set[str] = set()
        self.refusals: dict[str, SlackMessageRefusedError] = {}
        self.problems: list[str] = []

    def send(self) -> None:
        """Send all alerts.

        Raises:
            SlackDestinationError: the channel cannot get messages.
            SlackError: Slack could not be asked. What was sent until then is delivered.
        """
        alerts = list({alert.key: alert for alerts in self._wanted.values() for alert in alerts}.values())
        together = [alert for alert in alerts if not alert.actions]
        messages = [together] if together else []
        messages += [[alert] for alert in alerts if alert.actions]
        for number, message in enumerate(messages):
            self._send(message, () if number else self._notes)

    def not_told(self, who: str, *, surely: bool) -> list[str]:
        """What was refused, one line for each reason: all, or the alerts by their keys.

        Args:
            who: whom the channel stands for.
            surely: of what surely did not arrive, or else of what may have.
        """
        by_reason: dict[str, list[str]] = {}
        for key, error in self.refusals.items():
            if error.may_have_arrived is not surely:
                by_reason.setdefault(str(error), []).append(key)
        if len(by_reason) == 1 and not self._sent:
            return [f"{who} was not told: {reason}" for reason in by_reason]
        return [f"{who} was not told of {_listed(keys)}: {reason}" for reason, keys in by_reason.items()]

    def for_others(self) -> dict[str, list[Alert]]:
        """What surely did not arrive, for each name under which the channel is known."""
        unsent = {key for key, error in self.refusals.items() if not error.may_have_arrived}
        found = {name: [alert for alert in alerts if alert.key in unsent] for name, alerts in self._wanted.items()}
        return {name: alerts for name, alerts in found.items() if alerts}

    def _send(self, alerts: Sequence[Alert], notes: Sequence[str]) -> None:
        try:
            self._send_message(alerts, notes)
        except SlackMessageRefusedError as error:
            if len(alerts) > 1:
                middle = len(alerts) // 2
                self._send(alerts[:middle], notes)
                self._send(alerts[middle:], ())
            else:
                self._send_plain(alerts[0], error)

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
            self._send(missing, ())

    def _post(self, message: Message, thread: tuple[str, str] | None = None) -> tuple[str, str]:
        try:
            return self._slack.post(self._channel, message.text, message.blocks, thread)
        except SlackError as error:
            if error.may_have_arrived:
                new = message.keys - self._sent - self._doubted
                self._doubted |= new
                self._each_name(self._doubtful, new)
            raise

    def _reply(self, reply: Message, sent: tuple[str, str]) -> None:
        try:
            self._post(reply, sent)
        except SlackMessageRefusedError:
            raise
        except SlackError as error:
            self._not_in_thread(error)
        else:
            self._deliver(reply)

    def _reply_alone(self, alert: Alert, sent: tuple[str, str]) -> None:
        """Send the details of one alert, whose line was sent."""
        for reply in replies(self._title, [alert], {alert.key}):
            try:
                self._reply(reply, sent)
            except SlackMessageRefusedError as error:
                self._not_in_thread(error)

    def _send_plain(self, alert: Alert, refusal: SlackMessageRefusedError) -> None:
        if refusal.may_have_arrived:
            self.refusals[alert.key] = refusal
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

    def _each_name(self, told: Delivered, keys: frozenset[str]) -> None:
        for name, meant in self._meant.items():
            if keys & meant:
                told(name, keys & meant)

    def _not_in_thread(self, error: SlackError) -> None:
        problem = f"{', '.join(self._wanted)}: a part of the thread was not sent: {error}"
        if problem not in self.problems:
            self.problems.append(problem)


def _listed(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else ""
    return f"{', '.join(keys[:_LISTED])}{more}"
