"""Whatever Slack answers for one destination, the others are told in the same run, and nobody is asked without end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pytest

from library.documents.slack_message import Alert
from library.notifications.broadcast import Sent, broadcast
from library.notifications.slack_connection import (
    SlackClient,
    SlackDestinationError,
    SlackError,
    SlackMessageRefusedError,
    SlackUnavailableError,
)

DEFAULT = "#hammer"
Answer = Callable[[str, str, bool], Exception | None]
"""Says what Slack raises for a channel, all that a message shows, and whether it is in a thread."""


class Slack:
    """Keeps what it takes, and counts what it is asked."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.taken: list[tuple[str, str]] = []
        self.asked: list[str] = []

    def channel(self, destination: str) -> str:
        return destination

    def post(
        self, channel: str, text: str, blocks: Sequence[Mapping[str, Any]], thread: tuple[str, str] | None = None
    ) -> tuple[str, str]:
        said = "\n".join([text, *(block["text"]["text"] for block in blocks)])
        self.asked.append(channel)
        if error := self._answer(channel, said, thread is not None):
            raise error
        self.taken.append((channel, said))
        return channel, str(len(self.taken))

    def to(self, channel: str) -> str:
        return json.dumps([said for taken, said in self.taken if taken == channel])


def alerts(prefix: str, count: int) -> list[Alert]:
    return [
        Alert(f"{prefix}{n}", "New", f"{prefix}{n}", f"[{prefix}{n}] is open", (f"detail of [{prefix}{n}]",))
        for n in range(count)
    ]


def send(slack: Slack, waiting: Mapping[str, Sequence[Alert]]) -> tuple[Sent, dict[str, set[str]]]:
    delivered_to: dict[str, set[str]] = {}

    def delivered(destination: str, keys: frozenset[str]) -> None:
        assert not delivered_to.setdefault(destination, set()) & keys, "told twice"
        delivered_to[destination] |= keys

    return broadcast(cast("SlackClient", slack), DEFAULT, "Title", waiting, delivered), delivered_to


def refuses(*channels: str, code: str = "some_new_code", may_have_arrived: bool = False) -> Answer:
    return lambda channel, *_: (
        SlackMessageRefusedError(f"Slack answered {code}", may_have_arrived=may_have_arrived)
        if channel in channels
        else None
    )


@pytest.mark.parametrize("count", [1, 2, 20, 45, 400])
def test_a_channel_that_refuses_everything_costs_a_few_requests_and_the_default_channel_is_told(count: int) -> None:
    slack = Slack(refuses("#grid"))
    sent, delivered_to = send(slack, {"#grid": alerts("g", count), "#other": alerts("o", 3)})
    assert sent == Sent(("#grid was not told: Slack answered some_new_code; #hammer is told instead",))
    assert {destination: len(keys) for destination, keys in delivered_to.items()} == {"#grid": count, "#other": 3}
    assert slack.asked.count("#grid") <= 6
    assert all(f"[g{n}]" in slack.to(DEFAULT) for n in range(count))
    assert "[g0] is open (meant for #grid)" in slack.to(DEFAULT)


def test_a_hundred_channels_that_refuse_for_the_same_reason_cost_a_request_each() -> None:
    channels = [f"#grid-{n}" for n in range(100)]
    slack = Slack(refuses(*channels))
    waiting = {channel: alerts(f"{channel}-", 45) for channel in channels} | {"#other": alerts("o", 1)}
    sent, delivered_to = send(slack, waiting)
    assert sent.problems == ()
    assert {len(delivered_to[channel]) for channel in channels} == {45}
    assert delivered_to["#other"] == {"o0"}
    assert sum(asked != DEFAULT for asked in slack.asked) <= 6 + 99 + 2


def test_where_everybody_refuses_nobody_counts_as_told_and_nobody_is_asked_without_end() -> None:
    slack = Slack(refuses("#grid", DEFAULT))
    sent, delivered_to = send(slack, {"#grid": alerts("g", 45), DEFAULT: alerts("d", 45)})
    assert delivered_to == {}
    assert sent.problems == ("#hammer, which slack.default_channel names, was not told: Slack answered some_new_code",)
    assert len(slack.asked) <= 6 + 12


@pytest.mark.parametrize("evil", [(0,), (44,), (0, 44), (0, 1, 2), (3, 4, 5, 6, 30)], ids=str)
@pytest.mark.parametrize("destination", ["#team", DEFAULT])
def test_alerts_that_are_refused_wherever_they_stand_keep_no_other_from_being_told(
    destination: str, evil: tuple[int, ...]
) -> None:
    def answer(_: str, said: str, __: bool) -> Exception | None:
        is_evil = any(f"[t{n}]" in said for n in evil)
        return SlackMessageRefusedError("Slack answered some_new_code") if is_evil else None

    slack = Slack(answer)
    sent, delivered_to = send(slack, {destination: alerts("t", 45)})
    assert delivered_to == {destination: {f"t{n}" for n in range(45)} - {f"t{n}" for n in evil}}
    [problem] = sent.problems
    assert problem.startswith("#hammer, which slack.default_channel names, was not told")
    assert len(slack.asked) < 120


def test_more_refusals_than_a_channel_is_worth_go_to_the_default_channel() -> None:
    def answer(channel: str, said: str, _: bool) -> Exception | None:
        is_evil = channel == "#team" and any(f"[t{n}]" in said for n in range(1, 45, 2))
        return SlackMessageRefusedError("Slack answered some_new_code") if is_evil else None

    slack = Slack(answer)
    sent, delivered_to = send(slack, {"#team": alerts("t", 45)})
    assert sent.problems == ()
    assert delivered_to == {"#team": {f"t{n}" for n in range(45)}}
    assert slack.asked.count("#team") < 45


def test_a_channel_that_takes_no_answers_in_threads_is_told_everything_in_messages() -> None:
    slack = Slack(lambda _, __, in_thread: SlackDestinationError("Slack says restricted_action") if in_thread else None)
    sent, delivered_to = send(slack, {"#team": alerts("t", 45)})
    assert delivered_to == {"#team": {f"t{n}" for n in range(45)}}
    assert sent == Sent((), ("#team: a part of the thread was not sent: Slack says restricted_action",))
    assert len(slack.asked) < 10


def test_a_channel_that_ends_while_it_is_told_costs_only_what_it_was_not_told() -> None:
    taken: list[str] = []

    def answer(channel: str, said: str, in_thread: bool) -> Exception | None:
        if channel != "#team":
            return None
        taken.append(said)
        if len(taken) == 1:
            return SlackMessageRefusedError("Slack answered msg_blocks_too_long")
        return SlackDestinationError("Slack says is_archived") if len(taken) > 3 else None

    slack = Slack(answer)
    sent, delivered_to = send(slack, {"#team": alerts("t", 45)})
    assert sent == Sent(("#team: Slack says is_archived; #hammer is told instead",))
    assert delivered_to == {"#team": {f"t{n}" for n in range(45)}}
    assert "[t0]" not in slack.to(DEFAULT)


def test_what_may_have_arrived_is_not_sent_to_somebody_else_and_is_named() -> None:
    slack = Slack(refuses("#grid", code="500", may_have_arrived=True))
    sent, delivered_to = send(slack, {"#grid": alerts("g", 45), "#other": alerts("o", 3)})
    assert sent == Sent((), ("#grid was not told: Slack answered 500",))
    assert set(delivered_to) == {"#other"}
    assert slack.asked.count("#grid") <= 6
    assert DEFAULT not in slack.asked


def test_a_login_that_slack_refuses_is_named_once() -> None:
    error = SlackUnavailableError("Slack refused the login (token_revoked)")
    slack = Slack(lambda *_: error)
    sent, delivered_to = send(slack, {f"#o{n}": alerts(f"o{n}-", 2) for n in range(9)} | {DEFAULT: alerts("d", 1)})
    assert delivered_to == {}
    assert sent == Sent(
        (), ("#o0, #o1, #o2, #o3, #o4 and 5 more were not told: Slack refused the login (token_revoked)",)
    )


def test_slack_away_for_one_destination_is_named_and_the_others_are_told() -> None:
    slack = Slack(lambda channel, *_: SlackError("no answer", may_have_arrived=True) if channel == "#a" else None)
    sent, delivered_to = send(slack, {"#a": alerts("a", 2), "#b": alerts("b", 2)})
    assert sent == Sent((), ("#a was not told: no answer",))
    assert delivered_to == {"#b": {"b0", "b1"}}


def test_who_is_meant_is_untrusted_and_each_is_named_once() -> None:
    slack = Slack(refuses("<!channel>", "ghost"))
    shared = alerts("s", 1)
    _, delivered_to = send(slack, {"<!channel>": shared, "ghost": shared, DEFAULT: alerts("d", 1)})
    assert "(meant for &lt;!channel&gt;, ghost)" in slack.to(DEFAULT)
    assert "[d0] is open (" not in slack.to(DEFAULT)
    assert set(delivered_to) == {"<!channel>", "ghost", DEFAULT}
