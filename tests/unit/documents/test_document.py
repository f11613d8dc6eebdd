from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.documents.document import (
    Bullets,
    Code,
    Document,
    Section,
    Table,
    fitted,
    jira_markup,
    paragraph,
    plain_text,
)
from library.documents.text import utf16_size


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


SPARE, LONG = "x" * 150, "y" * 40
PARTS: Document = (
    Section("", (paragraph("A flame: \U0001f525."),)),
    Section("Rows", (Bullets(("one", "two", f"three {LONG}")), Table(("a", "b"), (("1", "2"), ("3", "4"))))),
    Section("End", (paragraph("The last of what counts, in a sentence that is longer than any notice of it."),)),
    Section("Terraform", (Code(SPARE),), spare=True),
    Section("Command line", (Code(SPARE),), spare=True),
)
_HEAD = "A flame: \U0001f525.\n"
_END = "\nEnd\n---\n\nThe last of what counts, in a sentence that is longer than any notice of it.\n"
_LEFT_OUT = "\nLeft out because the text would be too long: "
_TERRAFORM = f"\nTerraform\n---------\n\n  {SPARE}\n"
_COMMAND_LINE = f"\nCommand line\n------------\n\n  {SPARE}\n"
_ALL_ROWS = f"\nRows\n----\n\n  * one\n  * two\n  * three {LONG}\n\n  a  b\n  1  2\n  3  4\n"
_TWO_ROWS = "\nRows\n----\n\n  * one\n  * two\n\n  a  b\n  1  2\n  3  4\n"
_ONE_ROW = "\nRows\n----\n\n  * one\n\n  a  b\n  1  2\n"
_NO_ROW = "\nRows\n----\n\n\n\n  a  b\n"
FORMS = [
    _HEAD + _ALL_ROWS + _END + _TERRAFORM + _COMMAND_LINE,
    _HEAD + _ALL_ROWS + _END + _TERRAFORM + _LEFT_OUT + "Command line.\n",
    _HEAD + _ALL_ROWS + _END + _LEFT_OUT + "Terraform; Command line.\n",
    _HEAD + _TWO_ROWS + _END + _LEFT_OUT + "Terraform; Command line; 1 row of tables and lists.\n",
    _HEAD + _ONE_ROW + _END + _LEFT_OUT + "Terraform; Command line; 3 rows of tables and lists.\n",
    _HEAD + _NO_ROW + _END + _LEFT_OUT + "Terraform; Command line; 5 rows of tables and lists.\n",
    _HEAD + _NO_ROW + _LEFT_OUT + "End; Terraform; Command line; 5 rows of tables and lists.\n",
    _HEAD + _LEFT_OUT + "Rows; End; Terraform; Command line; 5 rows of tables and lists.\n",
]
"""What a document is shortened to, the next where one is too long."""


def test_the_first_form_that_fits_is_taken_whatever_the_limit() -> None:
    sizes = [utf16_size(form) for form in FORMS]
    for limit in range(sizes[-1], sizes[0] + 2):
        expected = next(form for form, size in zip(FORMS, sizes, strict=True) if size <= limit)
        assert fitted(PARTS, plain_text, limit) == expected


def test_a_limit_below_the_shortest_form_cuts_its_text() -> None:
    assert fitted(PARTS, plain_text, 20) == "A flame: \U0001f525.\n\nLeft …"
    assert fitted(PARTS, plain_text, 11) == "A flame: …"


def test_a_document_of_headings_alone_is_cut_too() -> None:
    assert fitted((Section("Nothing", ()), Section("At all", ())), plain_text, 10) == "Nothing\n-…"
