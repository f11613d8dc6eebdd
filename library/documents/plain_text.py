"""Documents for a console: plain text.

Pure.
"""

from __future__ import annotations

from library.documents.document import Block, Bullets, Code, Document, Link, Paragraph, Table
from library.documents.text import printable


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
        case Paragraph(parts):
            return "".join(part.url if isinstance(part, Link) else printable(part) for part in parts)
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
