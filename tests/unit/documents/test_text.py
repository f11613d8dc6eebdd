"""Text for people."""

from __future__ import annotations

import pytest

from library.documents.text import ascii_only, counted, cut_utf16, flattened, ordinal, printable, shortened, utf16_size

FLAME = "\U0001f525"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("web-prod ä", "web-prod ä", id="what prints stays"),
        pytest.param("a\x1b[31mb\nc", "a\\x1b[31mb\\nc", id="control characters"),
        pytest.param("\u202eb\u200b", "\\u202eb\\u200b", id="direction mark and zero-width space"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("limit", "text"), [(4, "name"), (5, "name"), (3, "na…"), (2, "n…"), (1, "…"), (0, ""), (-1, "")]
)
def test_shortened(limit: int, text: str) -> None:
    assert shortened("name", limit) == text


@pytest.mark.parametrize(
    ("limit", "text"), [(40, "no such \\x1b group"), (8, "no such…"), (18, "no such \\x1b group"), (0, "")]
)
def test_flattened(limit: int, text: str) -> None:
    assert flattened(" no\nsuch   \x1b group\n", limit) == text


@pytest.mark.parametrize(
    ("number", "noun", "plural", "text"),
    [
        (0, "group", "", "0 groups"),
        (1, "group", "", "1 group"),
        (2, "group", "", "2 groups"),
        (1, "policy", "policies", "1 policy"),
        (1200, "policy", "policies", "1,200 policies"),
    ],
)
def test_counted(number: int, noun: str, plural: str, text: str) -> None:
    assert counted(number, noun, plural) == text
    assert plural or counted(number, noun) == text


@pytest.mark.parametrize(
    ("text", "limit", "kept"),
    [
        pytest.param("abcd", 4, "abcd", id="it fits"),
        pytest.param("abcd", 3, "ab…", id="one too many"),
        pytest.param("abcd", 1, "…", id="room for the ellipsis alone"),
        pytest.param("abcd", 0, "", id="no room"),
        pytest.param("abcd", -1, "", id="less than no room"),
        pytest.param(FLAME * 2, 4, FLAME * 2, id="two flames are four"),
        pytest.param(FLAME * 3, 5, FLAME * 2 + "…", id="what is cut ends at a flame"),
        pytest.param(FLAME * 3, 4, FLAME + "…", id="no flame is halved"),
        pytest.param("ab" + FLAME * 2, 5, "ab" + FLAME + "…", id="both kinds"),
        pytest.param("a" + FLAME * 20, 20, "a" + FLAME * 9 + "…", id="many over"),
        pytest.param("a" + FLAME * 20, 21, "a" + FLAME * 9 + "…", id="an odd rest stays empty"),
        pytest.param(FLAME, 1, "…", id="room for less than a flame"),
    ],
)
def test_cut_utf16(text: str, limit: int, kept: str) -> None:
    assert cut_utf16(text, limit) == kept


def test_utf16_size_is_a_count() -> None:
    assert [repr(utf16_size(text)) for text in ("", "web", f"ä{FLAME}")] == ["0", "3", "3"]


def test_ascii_only() -> None:
    assert ascii_only(f"wäb {FLAME}-1\x7f") == "w?b ?-1\x7f"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (20, "20th"),
        (21, "21st"),
        (22, "22nd"),
        (33, "33rd"),
        (112, "112th"),
    ],
)
def test_ordinal(number: int, text: str) -> None:
    assert ordinal(number) == text
