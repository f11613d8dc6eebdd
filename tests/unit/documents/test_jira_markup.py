from __future__ import annotations

from itertools import pairwise

import pytest

from library.documents.document import Bullets, Code, Link, Section, Table, jira_literal, jira_markup, paragraph


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        pytest.param("web-prod_2", "web-prod_2", id="a name stays readable"),
        pytest.param("sg-0a1b2c3d", "sg-0a1b2c3d", id="an id stays readable"),
        pytest.param("ana@example.com", "ana@example.com", id="an address is no mention"),
        pytest.param("tcp 22 (SSH), R&D", "tcp 22 (SSH), R&D", id="brackets and an ampersand"),
        pytest.param("[~admin]", r"\[\~admin\]", id="mention"),
        pytest.param("@all", r"\@all", id="mention with @"),
        pytest.param("[x|http://evil.example]", r"\[x\|http&#58;//evil.example\]", id="link"),
        pytest.param("https://evil.example", "https&#58;//evil.example", id="bare link"),
        pytest.param("mailto:a@b.example", "mailto&#58;a@b.example", id="mail link"),
        pytest.param("SEC-12 and XSEC-3", r"SEC\-12 and XSEC\-3", id="key of a ticket"),
        pytest.param("x_SEC-12 X-1 aSEC-1 10-20", r"x_SEC\-12 X-1 aSEC-1 10-20", id="what JIRA takes for a key"),
        pytest.param("a|b", r"a\|b", id="table cell"),
        pytest.param("||a||", r"\|\|a\|\|", id="table header"),
        pytest.param("{color:red}x{color}", r"\{color:red\}x\{color\}", id="colour"),
        pytest.param("{noformat}", r"\{noformat\}", id="macro"),
        pytest.param("*b* _i_ -s- +u+ ^p^ ~d~", r"\*b\* \_i\_ \-s\- \+u\+ \^p\^ \~d\~", id="text effects"),
        pytest.param("!cat.png!", r"\!cat.png!", id="image"),
        pytest.param("??who??", r"\??who\??", id="citation"),
        pytest.param("a -- b --- c", r"a \-\- b \-\-\- c", id="dashes"),
        pytest.param("h1. x", "h1&#46; x", id="heading"),
        pytest.param("bq. x", "bq&#46; x", id="quotation"),
        pytest.param("# x", r"\# x", id="numbered list"),
        pytest.param(":) ;) (!) (on) (y)", r"&#58;) &#59;) \(\!) \(on) \(y)", id="icons"),
        pytest.param(r"a\b \\ c", "a&#92;b &#92;&#92; c", id="backslash and line break"),
        pytest.param("&lt; &#64;", "&amp;lt; &amp;#64;", id="entity"),
        pytest.param("a\nb\u202ec", "a&#92;nb&#92;u202ec", id="new line and direction mark"),
    ],
)
def test_untrusted_text_appears_literally(text: str, markup: str) -> None:
    assert jira_literal(text) == markup


# What the renderer of JIRA takes a backslash off (its BackslashEscapeRendererComponent); elsewhere readers see it.
TAKEN_OFF = set("-#*_+?^~|%{}[]()!@")


@pytest.mark.parametrize("char", [*map(chr, range(33, 127))], ids=lambda char: f"{ord(char):x}")
def test_no_reader_sees_an_escape(char: str) -> None:
    for text in (char, f"{char} a", f"a {char}b", f"h1{char} ", f":{char}", f"mailto{char}//", f"SEC{char}1", char * 3):
        shown = jira_literal(text)
        assert {following for before, following in pairwise(shown) if before == "\\"} <= TAKEN_OFF


@pytest.mark.parametrize("unit", ["AB_", "AB_a", "a_AB", "A", "AB-1", "_"])
def test_a_long_text_is_walked_once(unit: str) -> None:
    # With a walk for each part of it, this would take hours.
    assert len(jira_literal(unit * 300_000)) >= 300_000


def test_a_document_in_wiki_markup() -> None:
    document = (
        Section("", (paragraph("Ask here, *now*: ", Link("https://wiki.example.com/x")),)),
        Section("A | title", (Table(("a", "b"), (("1|2", ""), ("{x}", "y"))), Bullets(("one", "[two]")))),
        Section("Code", (Code("aws ec2 '[{}]'"),)),
    )
    assert jira_markup(document) == (
        "Ask here, \\*now\\*: [https://wiki.example.com/x]\n\n"
        "h3. A \\| title\n\n"
        "||a||b||\n|1\\|2| |\n|\\{x\\}|y|\n\n"
        "* one\n* \\[two\\]\n\n"
        "h3. Code\n\n"
        "{noformat}\naws ec2 '[{}]'\n{noformat}\n"
    )
