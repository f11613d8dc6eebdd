"""Changes of a text by position, and the diff of them that `git apply` takes. Pure.

Nothing is written anew: what no edit names stays as it is, byte for byte, with its line ends, tabs and byte order mark.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from library.errors import HammerError

_CONTEXT = 3
_BRACKETS = re.compile(r"(?:[\s{}\[\],:\"']|Resources|AWSTemplateFormatVersion|2010-09-09|\ufeff)*")
_NAME_OR_COMMENT = re.compile(r"\s*(?:[\w\"']+:|#.*)\s*")
_ESCAPES = {"\a": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r"}


@dataclass(frozen=True, slots=True, order=True)
class TextEdit:
    """Replace `text[start:end]` by `new`. Positions count characters."""

    start: int
    end: int
    new: str


class UnpatchableError(HammerError):
    """A source that cannot be changed in place. Says why."""


def new_names(name: str, separator: str, taken: Collection[str], count: int) -> list[str]:
    """Names that are not taken, a name with a number from 2 each.

    >>> new_names("web", "_", {"web", "web_3"}, 2)
    ['web_2', 'web_4']
    """
    numbered = (f"{name}{separator}{number}" for number in itertools.count(2))
    return list(itertools.islice((each for each in numbered if each not in taken), count))


def apply_edits(text: str, edits: Iterable[TextEdit]) -> str:
    """The text with every edit made.

    Raises:
        ValueError: two edits touch the same characters, or one ends before it begins or beyond the text.
    """
    pieces: list[str] = []
    position = 0
    for edit in sorted(edits):
        if not position <= edit.start <= edit.end <= len(text):
            raise ValueError(f"an edit at {edit.start} to {edit.end}, after one that ended at {position}")
        pieces += [text[position : edit.start], edit.new]
        position = edit.end
    return "".join([*pieces, text[position:]])


def line_of(text: str, position: int) -> int:
    """The number of the line, from 1, that a position is in."""
    return text.count("\n", 0, position) + 1


def line_end(text: str) -> str:
    """The line end that most lines of a text have."""
    windows = text.count("\r\n")
    return "\r\n" if windows * 2 > text.count("\n") else "\n"


@dataclass(frozen=True, slots=True)
class Patch:
    """A text and the edits to be made to it.

    Attributes:
        visible: the parts of the text that a diff may show, as positions; None: all of it. Beside them a diff shows
            brackets, and where `git apply` needs a line after a change, one that holds a name or a comment alone.
    """

    before: str
    edits: tuple[TextEdit, ...]
    visible: tuple[tuple[int, int], ...] | None = None

    @property
    def after(self) -> str:
        """The text with the edits made."""
        return apply_edits(self.before, self.edits)


def unified_diff(patches: Mapping[str, Patch]) -> str:
    """A unified diff in the form of git's, of patches by path, relative to the root of the repository."""
    return "".join(_file_diff(path, patch) for path, patch in sorted(patches.items()) if patch.before != patch.after)


def _file_diff(path: str, patch: Patch) -> str:
    old = _lines(patch.before)
    shown = _shown_lines(patch, old)
    pieces = [f"diff --git {_quoted('a/' + path)} {_quoted('b/' + path)}\n"]
    pieces += [f"--- {_header('a/' + path)}\n", f"+++ {_header('b/' + path)}\n"]
    shift = 0  # by how many lines what follows has moved
    for hunk in _hunks(_replacements(patch, old), shown):
        first, last = _with_context(hunk, shown)
        grown = sum(len(part.new) - (part.end - part.start) for part in hunk)
        pieces.append(f"@@ -{_range(first, last)} +{_range(first + shift, last + shift + grown)} @@\n")
        shift += grown
        position = first
        for part in hunk:
            pieces += [_line(" ", line) for line in old[position : part.start]]
            pieces += [_line("-", line) for line in old[part.start : part.end]]
            pieces += [_line("+", line) for line in part.new]
            position = part.end
        pieces += [_line(" ", line) for line in old[position:last]]
    return "".join(pieces)


@dataclass(frozen=True, slots=True)
class _Lines:
    """Replace the lines `start` to `end`, counted from 0, the last excluded, by others."""

    start: int
    end: int
    new: tuple[str, ...]


def _replacements(patch: Patch, old: list[str]) -> list[_Lines]:
    """The edits as whole lines: known from the positions, so no lines have to be compared with each other."""
    starts = [0]
    for line in old:
        starts.append(starts[-1] + len(line))
    merged: list[tuple[int, int, list[TextEdit]]] = []
    for edit in sorted(patch.edits):
        first = max(bisect_right(starts, edit.start) - 1, 0)
        last = min(max(bisect_left(starts, edit.end), first + 1), len(old))
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last), [*merged[-1][2], edit])
        else:
            merged.append((first, last, [edit]))
    found: list[_Lines] = []
    for first, last, edits in merged:
        first = min(first, len(old))
        moved = [TextEdit(e.start - starts[first], e.end - starts[first], e.new) for e in edits]
        before = old[first:last]
        after = _lines(apply_edits("".join(before), moved))
        head = _common(before, after)
        tail = _common(before[head:][::-1], after[head:][::-1])
        found.append(_Lines(first + head, last - tail, tuple(after[head : len(after) - tail])))
    return [part for part in found if part.start < part.end or part.new]


def _common(this: list[str], other: list[str]) -> int:
    return next((i for i, (a, b) in enumerate(zip(this, other, strict=False)) if a != b), min(len(this), len(other)))


def is_showable(patch: Patch) -> bool:
    """Whether a diff that `git apply` takes shows nothing but what it may."""
    if patch.visible is None:
        return True
    old = _lines(patch.before)
    shown = _shown_lines(patch, old)
    for part in _replacements(patch, old):
        if not all(shown[part.start : part.end]):
            return False
        after = part.end < len(old) and not shown[part.end]
        if after and not _NAME_OR_COMMENT.fullmatch(old[part.end].rstrip("\r\n")):
            return False
    return True


def _shown_lines(patch: Patch, old: list[str]) -> list[bool]:
    """Of each line, whether a diff may show it."""
    if patch.visible is None:
        return [True] * len(old)
    shown: list[bool] = []
    start = 0
    for line in old:
        hidden, position = "", start
        for first, last in sorted(patch.visible):
            hidden += patch.before[position : max(min(first, start + len(line)), position)]
            position = max(position, min(last, start + len(line)))
        hidden += patch.before[position : start + len(line)]
        shown.append(_BRACKETS.fullmatch(hidden) is not None)
        start += len(line)
    return shown


def _with_context(hunk: list[_Lines], shown: list[bool]) -> tuple[int, int]:
    """The lines that a hunk begins and ends with."""
    first, last = hunk[0].start, hunk[-1].end
    while first and hunk[0].start - first < _CONTEXT and shown[first - 1]:
        first -= 1
    while last < len(shown) and last - hunk[-1].end < _CONTEXT and shown[last]:
        last += 1
    if last == hunk[-1].end < len(shown):
        last += 1  # `git apply` takes a hunk without a line after the change for the end of the file
    return first, last


def _hunks(parts: Iterable[_Lines], shown: list[bool]) -> Iterator[list[_Lines]]:
    """Those whose context would touch, together."""
    hunk: list[_Lines] = []
    for part in parts:
        between = shown[hunk[-1].end : part.start] if hunk else []
        if hunk and (len(between) > 2 * _CONTEXT or not all(between[1:])):
            yield hunk
            hunk = []
        hunk.append(part)
    if hunk:
        yield hunk


def _lines(text: str) -> list[str]:
    r"""Lines with their ends. Only `\n` ends one, as in git: `str.splitlines` knows more characters."""
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _line(sign: str, line: str) -> str:
    return f"{sign}{line}" if line.endswith("\n") else f"{sign}{line}\n\\ No newline at end of file\n"


def _range(start: int, end: int) -> str:
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start if not length else start + 1},{length}"


def _quoted(path: str) -> str:
    """A path as git writes it in a diff: in quotes, as C has them, if it has anything but printable ASCII."""
    if all(" " <= char <= "~" and char not in '"\\' for char in path):
        return path
    written = "".join(
        _ESCAPES.get(char) or (f"\\{char}" if char in '"\\' else char if " " <= char <= "~" else _octal(char))
        for char in path
    )
    return f'"{written}"'


def _octal(char: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))


def _header(path: str) -> str:
    """A path after `---`: a tab ends one with a space in it, as GNU diff and git have it."""
    quoted = _quoted(path)
    return f"{quoted}\t" if " " in quoted and not quoted.startswith('"') else quoted
