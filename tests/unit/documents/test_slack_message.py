from __future__ import annotations

import json

import pytest

from library.documents.slack_message import Alert, Message, compose, plain, slack_literal

APART = "\u200b"


def alerts(count: int, details: int = 1) -> list[Alert]:
    return [
        Alert(
            f"k{n}", "New" if n % 2 else "Changed", f"s{n}", f"line {n}", tuple(f"detail {n}" for _ in range(details))
        )
        for n in range(count)
    ]


def test_one_message_with_its_thread() -> None:
    head, reply = compose("Title", alerts(3), ["a *note*"])
    assert head.text == "Title: 2 changed, 1 new"
    assert [block["text"]["text"] for block in head.blocks] == [
        "*Title: 2 changed, 1 new*",
        "*Changed*\n• line 0\n• line 2",
        "*New*\n• line 1",
        f"_a {APART}*{APART}note{APART}*{APART}_",
    ]
    assert all(block["text"]["verbatim"] for block in head.blocks)
    assert [block["text"]["text"] for block in reply.blocks] == ["s0\ndetail 0", "s1\ndetail 1", "s2\ndetail 2"]
    assert head.keys == reply.keys == {"k0", "k1", "k2"}


def test_without_details_there_is_no_thread() -> None:
    assert len(compose("Title", alerts(3, details=0))) == 1


def test_many_alerts_stay_within_slacks_limits_and_each_is_told() -> None:
    messages = compose("Title", alerts(500, details=400))
    assert messages[0].blocks[-1]["text"]["text"] == "and 480 more, listed in the thread"
    assert frozenset().union(*(message.keys for message in messages)) == {f"k{n}" for n in range(500)}
    assert all(1 <= len(message.blocks) <= 50 for message in messages)
    assert all(len(block["text"]["text"]) <= 3000 for message in messages for block in message.blocks)
    assert all(
        "line" in block["text"]["text"] for block in messages[-1].blocks if "detail" not in block["text"]["text"]
    )


def test_a_line_too_long_for_slack_is_cut() -> None:
    [head] = compose("Title", [Alert("k", "New", "s", "x" * 5000)])
    assert len(head.blocks[1]["text"]["text"]) + len(head.blocks[2]["text"]["text"]) == len("*New*") + 3000


def within_slacks_limits(message: Message) -> None:
    """What Slack is known to refuse a message for, in the encoding in which it is longest."""
    assert len(json.dumps(message.blocks)) <= 13_000
    assert 1 <= len(message.blocks) <= 50
    for block in message.blocks:
        assert 1 <= len(block["text"]["text"].encode("utf-16-le")) / 2 <= 3000
    assert len(message.text) <= 3000


NAMES = {
    "letters": "x",
    "controls": "\x1b",
    "flames": "\U0001f525",
    "marks": "<!channel>",
    "ampersands": "&",
    "effects": "*~`_",
    "quotes": '"\\',
    "umlauts": "ä",
    "right to left": "\u05d0",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize(("count", "details"), [(1, 0), (1, 100), (20, 1), (60, 15)])
def test_no_message_is_longer_than_slack_takes(name: str, count: int, details: int) -> None:
    untrusted = slack_literal(name * 255)
    notified = [
        Alert(f"k{n}", "New" if n % 2 else "Changed", untrusted, f"{untrusted}: {untrusted}", (untrusted,) * details)
        for n in range(count)
    ]
    messages = compose("Title", notified, [name * 255] * 40)
    for message in messages:
        within_slacks_limits(message)
    assert frozenset().union(*(message.keys for message in messages)) == {f"k{n}" for n in range(count)}
    text = messages[0].blocks[-1]["text"]["text"]
    assert text == "_and 35 more such notes_"


def test_what_slack_refuses_in_any_form_is_a_short_text_of_ascii() -> None:
    message = plain("Title", Alert("k", "New", "s", f"sg-1 {slack_literal('*ä*')} &lt;b&gt; " + "x" * 600))
    assert message.blocks == ()
    assert message.keys == {"k"}
    assert message.text.startswith("Title: sg-1 *?* &lt;b&gt; xxx")
    assert len(message.text) == len("Title: ") + 500


def test_details_that_are_too_many_are_counted() -> None:
    [_, reply] = compose("Title", [Alert("k", "New", "s", "line", tuple(f"detail {'x' * 200}" for _ in range(100)))])
    lines = [line for block in reply.blocks for line in block["text"]["text"].splitlines()]
    shown = len(lines) - 2
    assert lines[-1] == f"    and {100 - shown} more lines"
    assert 40 < shown < 60


def texts(message: Message) -> list[str]:
    return [block["text"]["text"] for block in message.blocks]


def test_what_ends_a_message_is_how_many_more_there_are_and_then_its_notes() -> None:
    head = compose("Title", alerts(25), [f"n{number}" for number in range(5)])[0]
    assert texts(head)[-6:] == ["and 5 more, listed in the thread", "_n0_", "_n1_", "_n2_", "_n3_", "_n4_"]
    assert texts(compose("Title", alerts(20), ["n0"])[0])[-2:] == [
        "*New*\n" + "\n".join(f"• line {n}" for n in range(1, 20, 2)),
        "_n0_",
    ]
    six = compose("Title", alerts(1), [f"n{number}" for number in range(6)])[0]
    assert texts(six)[-2:] == ["_n4_", "_and 1 more such notes_"]


@pytest.mark.parametrize(("details", "sections"), [(2997, [2999]), (2998, [3000]), (2999, [1, 2999])])
def test_lines_share_a_section_as_long_as_slack_takes_it(details: int, sections: list[int]) -> None:
    [_, reply] = compose("Title", [Alert("k", "New", "s", "line", ("d" * details,))])
    assert [len(text) for text in texts(reply)] == sections


@pytest.mark.parametrize(("count", "blocks"), [(20, [20]), (21, [20, 1]), (40, [20, 20])])
def test_a_message_of_the_thread_has_twenty_alerts(count: int, blocks: list[int]) -> None:
    _, *replies = compose("Title", alerts(count))
    assert [len(reply.blocks) for reply in replies] == blocks
    assert [reply.text for reply in replies] == [compose("Title", alerts(count))[0].text] * len(replies)
    assert texts(replies[0])[:2] == ["s0\ndetail 0", "s1\ndetail 1"]


def test_an_alert_whose_line_is_not_in_the_message_has_it_in_the_thread() -> None:
    _, first, second = compose("Title", alerts(22))
    assert texts(second) == ["line 20\ndetail 20", "line 21\ndetail 21"]
    assert first.keys == {f"k{n}" for n in range(20)}
    assert second.keys == {"k20", "k21"}


def test_alerts_without_details_are_in_the_thread_only_if_the_message_has_no_room_for_them() -> None:
    _, reply = compose("Title", alerts(22, details=0))
    assert texts(reply) == ["line 20", "line 21"]
    assert reply.keys == {"k20", "k21"}


def test_a_block_is_a_section_of_text_in_which_slack_makes_no_links_of_its_own() -> None:
    [head] = compose("Title", alerts(1, details=0))
    assert head.blocks[0] == {
        "type": "section",
        "text": {"type": "mrkdwn", "text": "*Title: 1 changed*", "verbatim": True},
    }
