from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.documents.document import Bullets, Code, Document, Section, Table, fitted, paragraph
from library.documents.jira_markup import jira_markup
from library.documents.plain_text import plain_text


def a_document(rows: int) -> Document:
    table = Table(("port", "source"), tuple((str(row), f"192.0.2.{row}/32") for row in range(rows)))
    return (
        Section("", (paragraph("What it is about."),)),
        Section("Open", (table,)),
        Section("Users", (Bullets(tuple(f"instance i-{row}" for row in range(rows // 2))),)),
        Section("To do", (paragraph("Close it."),)),
        Section("Command line", (Code("aws " * rows),), spare=True),
        Section("Terraform", (Code("resource " * rows),), spare=True),
    )


def test_what_fits_is_not_touched() -> None:
    assert fitted(a_document(3), plain_text, 10_000) == plain_text(a_document(3))


@pytest.mark.parametrize(
    ("limit", "left_out"),
    [
        (450, "Left out because the text would be too long: Terraform."),
        (400, "Left out because the text would be too long: Command line; Terraform."),
        (300, "Left out because the text would be too long: Command line; Terraform; 24 rows of tables and lists."),
    ],
)
def test_what_is_left_out_is_named(limit: int, left_out: str) -> None:
    text = fitted(a_document(20 if limit < 400 else 8), jira_markup, limit)
    assert text.rstrip().endswith(left_out)


@given(st.integers(0, 60), st.integers(0, 4000))
def test_no_limit_is_exceeded_and_no_row_is_broken(rows: int, limit: int) -> None:
    text = fitted(a_document(rows), jira_markup, limit)
    assert len(text) <= limit
    if "\n" in text:  # otherwise only the first paragraph is left
        whole = jira_markup(a_document(rows)).splitlines()
        assert [line for line in text.splitlines()[:-1] if line not in whole and not line.startswith("Left out")] == []


def test_plain_text_spells_out_what_does_not_print() -> None:
    document = (Section("T\x1b[31m", (Table(("a",), (("x\ny",),)), Bullets(("\u202eb",)))),)
    assert plain_text(document) == "T\\x1b[31m\n---------\n\n  a\n  x\\ny\n\n  * \\u202eb\n"
