from __future__ import annotations

import pytest

from library.documents.slack_markup import Alert, compose, link, literal

APART = "\u200b"


@pytest.mark.parametrize(
    ("text", "mrkdwn"),
    [
        pytest.param("web-prod_2 a@b.example", "web-prod_2 a@b.example", id="a name stays readable"),
        pytest.param("::/0, arn:aws, 10:30", "::/0, arn:aws, 10:30", id="colons"),
        pytest.param("<!channel> <@U1>", "&lt;!channel&gt; &lt;@U1&gt;", id="mention"),
        pytest.param("<http://evil.example|ok>", "&lt;http://evil.example|ok&gt;", id="link"),
        pytest.param("&lt;!here&gt;", "&amp;lt;!here&amp;gt;", id="escaped mention"),
        pytest.param("*b*", f"{APART}*{APART}b{APART}*{APART}", id="bold"),
        pytest.param("_i_", f"{APART}_{APART}i{APART}_{APART}", id="italic"),
        pytest.param("~s~ `c`", f"{APART}~{APART}s{APART}~{APART} {APART}`{APART}c{APART}`{APART}", id="strike, code"),
        pytest.param(":bomb:", f"{APART}:{APART}bomb:", id="emoji"),
        pytest.param("a\nb\u200b", "a\\nb\\u200b", id="new line and zero-width space"),
    ],
)
def test_hostile_text_appears_literally(text: str, mrkdwn: str) -> None:
    assert literal(text) == mrkdwn


def test_a_link_cannot_be_left() -> None:
    assert (
        link("https://jira.example.com/browse/A-1|x>", "A<1") == "<https://jira.example.com/browse/A-1%7Cx%3E|A&lt;1>"
    )


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
