r"""Documents for JIRA: wiki markup, which Data Center and the REST API version 2 of Cloud both take.

Pure. Text is escaped with a backslash wherever it could begin markup, and nowhere else, so that names stay readable
and searchable in the source too. Atlassian, "Text formatting notation": "\" escapes a special character.
"""

from __future__ import annotations

import re

from library.documents.document import Block, Bullets, Code, Document, Link, Paragraph, Table
from library.documents.text import printable

_KEY = r"(?<![A-Za-z0-9])[A-Z][A-Z0-9_]+"
_MARKUP = re.compile(
    r"""
    (?P<backslash>\\)
    | [{}\[\]|*]                                        # macro, link, table, bold
    | (?<![A-Za-z0-9])[-_+^~] | [-_+^~](?![A-Za-z0-9])  # text effects begin and end at the edge of a word
    | !(?=\S) | \?(?=\?)                                # image, citation
    | (?<![A-Za-z0-9.])@                                # mention; an e-mail address is none
    | :(?=//|\\\\) | (?<=mailto):                        # address
    | [:;](?=[-()PD|])                                  # face
    | \((?=(?:[ynix/!?+-]|on|off|\*[rgby]?|flag(?:off)?)\))  # icon
    | &(?=\#|[A-Za-z][A-Za-z0-9]*;)                     # entity
    | \A\#                                              # numbered list
    | (?<=\Ah[1-6])\. | (?<=\Abq)\.                     # heading, quotation
    """,
    re.VERBOSE,
)
_ISSUE_KEY = re.compile(rf"({_KEY})-(?=[0-9])")


def literal(text: str) -> str:
    r"""Text as JIRA must be given it to show it as it is, on one line.

    >>> print(literal("[~admin] {color:red}web-prod{color} https://example.com"))
    \[\~admin\] \{color:red\}web-prod\{color\} https\://example.com
    """
    # JIRA reads two backslashes as a new line, so a backslash is escaped as an HTML entity.
    escaped = _MARKUP.sub(lambda found: "&#92;" if found["backslash"] else f"\\{found[0]}", printable(text))
    return _ISSUE_KEY.sub(r"\1\-", escaped)


def jira_markup(document: Document) -> str:
    """A document in wiki markup."""
    parts = []
    for section in document:
        if section.title:
            parts.append(f"h3. {literal(section.title)}")
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block:
        case Paragraph(parts):
            return "".join(f"[{part.url}]" if isinstance(part, Link) else literal(part) for part in parts)
        case Bullets(items):
            return "\n".join(f"* {literal(item)}" for item in items)
        case Table(header, rows):
            lines = ["||" + "||".join(_cell(cell) for cell in header) + "||"]
            lines += ["|" + "|".join(_cell(cell) for cell in row) + "|" for row in rows]
            return "\n".join(lines)
        case Code(text):
            return f"{{noformat}}\n{text}\n{{noformat}}"


def _cell(text: str) -> str:
    # An empty cell would make one of two separators, which is a header's.
    return literal(text) or " "
