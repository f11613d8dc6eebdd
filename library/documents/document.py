"""What a person is told, as a value: sections of paragraphs, lists, tables and code, written once for every channel.

Pure. Every text in a document is literal: whoever renders one sees to it that nothing in it has a meaning of its own.
The plain text of a document, for a console, is here too.
"""

from __future__ import annotations

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
    parts = []
    for section in document:
        if section.title:
            parts.append(f"{printable(section.title)}\n{'-' * len(printable(section.title))}")
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
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
