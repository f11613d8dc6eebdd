"""Documents for a console."""

from __future__ import annotations

from library.documents.document import Bullets, Code, Link, Section, Table, paragraph, plain_text


def test_a_document_as_plain_text() -> None:
    document = (
        Section("", (paragraph("Ask here", ": ", Link("https://wiki.example.com/x"), "."),)),
        Section("Open", (Table(("port", "source"), (("22", "192.0.2.1/32"), ("65535", "::/0"))),)),
        Section("Users", (Bullets(("instance i-1", "instance i-2")), paragraph("Nobody else."))),
        Section("Code", (Code("aws ec2 \\\n    describe"),)),
    )
    assert plain_text(document) == (
        "Ask here: https://wiki.example.com/x.\n\n"
        "Open\n----\n\n"
        "  port   source\n  22     192.0.2.1/32\n  65535  ::/0\n\n"
        "Users\n-----\n\n"
        "  * instance i-1\n  * instance i-2\n\n"
        "Nobody else.\n\n"
        "Code\n----\n\n"
        "  aws ec2 \\\n      describe\n"
    )


def test_what_does_not_print_is_spelled_out() -> None:
    document = (Section("T\x1b[31m", (Table(("a",), (("x\ny",),)), Bullets(("\u202eb",)), paragraph("c\x07"))),)
    assert plain_text(document) == "T\\x1b[31m\n---------\n\n  a\n  x\\ny\n\n  * \\u202eb\n\nc\\x07\n"
