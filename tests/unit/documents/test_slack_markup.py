from __future__ import annotations

import pytest

from library.documents.slack_message import cut, link, slack_literal

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
def test_untrusted_text_appears_literally(text: str, mrkdwn: str) -> None:
    assert slack_literal(text) == mrkdwn


def test_a_link_cannot_be_left() -> None:
    assert (
        link("https://jira.example.com/browse/A-1|x>", "A<1") == "<https://jira.example.com/browse/A-1%7Cx%3E|A&lt;1>"
    )


@pytest.mark.parametrize(
    ("mrkdwn", "limit", "kept"),
    [
        pytest.param("abc", 3, "abc", id="it fits"),
        pytest.param("abcd", 3, "ab…", id="it is cut"),
        pytest.param("ab&amp;c", 5, "ab…", id="not in an entity"),
        pytest.param("ab&amp;c", 8, "ab&amp;c", id="a whole entity"),
        pytest.param("a <https://jira.example.com|SEC-1> b", 20, "a …", id="not in a link"),
        pytest.param("\U0001f525" * 4, 8, "\U0001f525" * 4, id="a flame counts twice"),
        pytest.param("\U0001f525" * 4, 7, "\U0001f525" * 3 + "…", id="and is not halved"),
    ],
)
def test_mrkdwn_is_cut(mrkdwn: str, limit: int, kept: str) -> None:
    assert cut(mrkdwn, limit) == kept
