r"""Documents for JIRA: wiki markup, which Data Center and the REST API version 2 of Cloud both take.

Pure. Text is escaped wherever it could begin markup, and nowhere else, so that names stay readable and searchable in
the source too. Atlassian, "Text formatting notation": "\" escapes a special character. The renderer of JIRA takes the
backslash off these characters alone: - # * _ + ? ^ ~ | % { } [ ] ( ) ! @. Others are written as HTML entities.
"""

from __future__ import annotations

import re

from library.documents.document import Block, Bullets, Code, Document, Link, Paragraph, Table
from library.documents.text import printable

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
_ENTITIES = {"\\": "&#92;", ":": "&#58;", ";": "&#59;", ".": "&#46;", "&": "&amp;"}
# Begins where a word does, and gives nothing back: so each word is walked once, however long it is.
_BEFORE_NUMBER = re.compile(r"(?<![A-Za-z0-9_])([A-Za-z0-9_]++)-(?=[0-9])")
_OF_KEYS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
_KEY_AT_START, _KEY_AFTER_UNDERSCORE = (
    re.compile(r"[A-Z][A-Z0-9_]+|.*?_[A-Z][A-Z0-9_]"),
    re.compile(r".*?_[A-Z][A-Z0-9_]"),
)


def literal(text: str) -> str:
    r"""Text as JIRA must be given it to show it as it is, on one line.

    >>> print(literal("[~admin] {color:red}web-prod{color} https://example.com"))
    \[\~admin\] \{color&#58;red\}web-prod\{color\} https&#58;//example.com
    """
    # JIRA reads two backslashes as a new line, so a backslash is an HTML entity, too.
    escaped = _MARKUP.sub(lambda found: _ENTITIES.get(found[0]) or f"\\{found[0]}", printable(text))
    return _BEFORE_NUMBER.sub(lambda found: f"{found[1]}\\-" if _ends_in_key(found[1]) else found[0], escaped)


def _ends_in_key(word: str) -> bool:
    """Whether the end of a word may be a project's key, such as SEC in x_SEC: before a number JIRA makes a link."""
    end = word[len(word.rstrip(_OF_KEYS)) :]
    pattern = _KEY_AT_START if end == word else _KEY_AFTER_UNDERSCORE
    return pattern.match(end) is not None


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
        case Paragraph(parts, label):
            begin = f"*{literal(label)}:* " if label else ""
            return begin + "".join(f"[{part.url}]" if isinstance(part, Link) else literal(part) for part in parts)
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
