"""What a ticket says of where its group is defined: place, change, whether it comes back. Pure.

All of it comes from templates, files and tags: it goes into documents as literal text only.
"""

from __future__ import annotations

import shlex

from library.documents.document import Block, Bullets, Code, Section, paragraph
from library.documents.text import cut_utf16, printable
from library.issues.issue import Issue
from library.source.stored import DIFF_LINES, dispute_of, source_lines

_LINES_IN_ALERT, _ALERT_LINE = 6, 400


def sections(issue: Issue) -> tuple[Section, ...]:
    """The section of a new ticket; none where nobody knows."""
    lines = source_lines(issue)
    if not lines:
        return ()
    return (Section("Where it is defined", (Bullets(lines), *_change(issue))),)


def dispute(issue: Issue) -> tuple[Block, ...]:
    """What a comment on a group that is open again says of a dispute; nothing where there is none."""
    disputed = dispute_of(issue)
    if disputed is None:
        return ()
    return (paragraph(disputed.text), *_change(issue))


def alert_lines(issue: Issue) -> tuple[str, ...]:
    """What the thread of an alert says, as raw text: a dispute, where it is defined, whether it comes back."""
    disputed, lines = dispute_of(issue), source_lines(issue)
    if len(lines) > _LINES_IN_ALERT:
        more = f"{len(lines) - _LINES_IN_ALERT} more rules have a place."
        lines = (*lines[: _LINES_IN_ALERT - 1], more, lines[-1])
    said = (*([disputed.text] if disputed is not None else []), *lines)
    return tuple(cut_utf16(line, _ALERT_LINE) for line in said)


def _change(issue: Issue) -> tuple[Block, ...]:
    """The first lines of the diff, and the commands."""
    source = issue.source
    blocks: list[Block] = [paragraph(str(text)) for text in source.get("before_diff") or ()]
    diff = str(source.get("diff") or "")
    if diff:
        lines = diff.split("\n")[:DIFF_LINES]
        blocks.append(paragraph("The change that belongs there:"))
        blocks.append(Code("\n".join(_shown(line) for line in lines).rstrip("\n")))
        more = int(source.get("diff_lines") or 0) - DIFF_LINES
        if more > 0:
            command = f"hammer source --group {shlex.quote(issue.issue_id)} --format diff"
            blocks.append(paragraph(f"It has {more} more lines: {command}"))
    commands = [printable(str(command)) for command in source.get("commands") or () if _is_one_command(str(command))]
    if commands:
        blocks += [paragraph("The change of parameters that belongs there:"), Code("\n".join(commands))]
    return tuple(blocks)


def _is_one_command(text: str) -> bool:
    """Whether a stored text is one command of the AWS command line, with every word quoted: people paste it."""
    try:
        words = shlex.split(text)
    except ValueError:  # a quote that is not closed
        return False
    return words[:1] == ["aws"] and shlex.join(words) == text


def _shown(line: str) -> str:
    return "\t".join(printable(part) for part in line.removesuffix("\r").split("\t"))
