r"""What a person is told, as a value: sections of paragraphs, lists, tables and code, written once for every channel.

Pure. Every text in a document is literal: whoever renders one sees to it that nothing in it has a meaning of its own.
Two of its forms are here: plain text, for a console (`plain_text`), and JIRA's wiki markup, which Data Center and the
REST API version 2 of Cloud both take (`jira_markup`). In markup text is escaped wherever it could begin markup, and
nowhere else, so that names stay readable and searchable in the source too. Atlassian, "Text formatting notation": "\"
escapes a special character. The renderer of JIRA takes the backslash off these characters alone: - # * _ + ? ^ ~ | % {
} [ ] ( ) ! @. Others are written as HTML entities.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from library.documents.text import cut_utf16, printable, utf16_size


@dataclass(frozen=True, slots=True)
class Link:
    """The one thing that is not literal: an address out of the configuration, never out of an account."""

    url: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Texts and links, one after the other.

    Attributes:
        label: what the paragraph answers, in front of it; empty: none.
    """

    parts: tuple[str | Link, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list, each entry on one line."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; each row has as many cells as the header."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Lines to copy. They must hold nothing that came from an account but ids and CIDRs."""

    text: str


Block = Paragraph | Bullets | Table | Code


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a document. `title`: its heading; `spare`: whether it goes first when the document is too long."""

    title: str
    blocks: tuple[Block, ...]
    spare: bool = False


Document = tuple[Section, ...]


def paragraph(*parts: str | Link, label: str = "") -> Paragraph:
    """A paragraph of these parts."""
    return Paragraph(parts, label)


def fitted(document: Document, render: Callable[[Document], str], limit: int) -> str:
    """Render a document in at most so many characters, and say at its end what was left out.

    What goes first are spare sections, the last one first, then rows of tables and lists, each whole, then sections
    from the end. Only a limit too small for the first paragraph cuts a text. Characters are counted as JIRA does
    (`utf16_size`).
    """
    text = render(document)
    if utf16_size(text) <= limit:
        return text
    left_out: list[str] = []
    for section in reversed([section for section in document if section.spare]):
        document = tuple(kept for kept in document if kept is not section)
        left_out.insert(0, section.title)
        text = render(_with_notice(document, left_out, 0))
        if utf16_size(text) <= limit:
            return text
    low, high = 0, max([1, *(len(_rows(block)) for section in document for block in section.blocks)])
    while low < high:  # the most rows that fit
        rows = (low + high + 1) // 2
        cut, dropped = _shortened(document, rows)
        if utf16_size(render(_with_notice(cut, left_out, dropped))) <= limit:
            low = rows
        else:
            high = rows - 1
    document, dropped = _shortened(document, low)
    while utf16_size(text := render(_with_notice(document, left_out, dropped))) > limit and len(document) > 1:
        left_out.insert(0, document[-1].title)
        document = document[:-1]
    return cut_utf16(text, limit)


def _rows(block: Block) -> Sequence[object]:
    if isinstance(block, Table):
        return block.rows
    return block.items if isinstance(block, Bullets) else ()


def _shortened(document: Document, rows: int) -> tuple[Document, int]:
    """The document with at most so many rows in each table and list, and how many were left out."""
    dropped = 0
    sections = []
    for section in document:
        blocks: list[Block] = []
        for block in section.blocks:
            dropped += max(len(_rows(block)) - rows, 0)
            if isinstance(block, Table):
                block = replace(block, rows=block.rows[:rows])
            elif isinstance(block, Bullets):
                block = replace(block, items=block.items[:rows])
            blocks.append(block)
        sections.append(replace(section, blocks=tuple(blocks)))
    return tuple(sections), dropped


def _with_notice(document: Document, left_out: Sequence[str], rows: int) -> Document:
    what = [*left_out, *([f"{rows} row{'s' if rows > 1 else ''} of tables and lists"] if rows else [])]
    if not what:
        return document
    notice = Section("", (paragraph(f"Left out because the text would be too long: {'; '.join(what)}."),))
    return (*document, notice)


def plain_text(document: Document) -> str:
    """A document as text, a blank line between blocks."""
    return _joined(document, _plain_title, _plain_block)


def _joined(document: Document, title_of: Callable[[str], str], text_of: Callable[[Block], str]) -> str:
    """The titles and blocks of a document, a blank line between them."""
    parts = []
    for section in document:
        if section.title:
            parts.append(title_of(section.title))
        parts += map(text_of, section.blocks)
    return "\n\n".join(parts) + "\n"


def _plain_title(title: str) -> str:
    return f"{printable(title)}\n{'-' * len(printable(title))}"


def _plain_block(block: Block) -> str:
    match block:
        case Paragraph(parts, label):
            begin = f"{printable(label)}: " if label else ""
            return begin + "".join(part.url if isinstance(part, Link) else printable(part) for part in parts)
        case Bullets(items):
            return "\n".join(f"  * {printable(item)}" for item in items)
        case Table(header, rows):
            cells = [[printable(cell) for cell in row] for row in (header, *rows)]
            widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
            return "\n".join(
                ("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
                for row in cells
            )
        case Code(text):
            return "\n".join(f"  {line}" for line in text.splitlines())


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


def jira_literal(text: str) -> str:
    r"""Text as JIRA must be given it to show it as it is, on one line.

    >>> print(jira_literal("[~admin] {color:red}web-prod{color} https://example.com"))
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
    return _joined(document, lambda title: f"h3. {jira_literal(title)}", _jira_block)


def _jira_block(block: Block) -> str:
    match block:
        case Paragraph(parts, label):
            begin = f"*{jira_literal(label)}:* " if label else ""
            return begin + "".join(f"[{part.url}]" if isinstance(part, Link) else jira_literal(part) for part in parts)
        case Bullets(items):
            return "\n".join(f"* {jira_literal(item)}" for item in items)
        case Table(header, rows):
            lines = ["||" + "||".join(_cell(cell) for cell in header) + "||"]
            lines += ["|" + "|".join(_cell(cell) for cell in row) + "|" for row in rows]
            return "\n".join(lines)
        case Code(text):
            return f"{{noformat}}\n{text}\n{{noformat}}"


def _cell(text: str) -> str:
    # An empty cell would make one of two separators, which is a header's.
    return jira_literal(text) or " "
