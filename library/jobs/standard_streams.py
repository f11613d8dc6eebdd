"""Standard input, output and error: what is closed, and output that nobody takes.

Imports nothing but Python: `hammer --version` uses it, too.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# EIO: a terminal that was closed (POSIX, write), or a disk that fails.
_OUTPUT_ENDED = frozenset({errno.EPIPE, errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_INCOMPLETE = 1


def open_closed_streams() -> None:
    """Open on the null device what the shell closed, as `>&-` does.

    Python has None in its place, and the next file or connection that a program opens would get its number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open until the end


@contextmanager
def output_errors_noted(problems: list[str]) -> Iterator[None]:
    """Go on where output could not be written, and add that to `problems`. The end of the program tells it, too.

    The block does nothing but write output: whatever keeps it from that, such as a pipe that is full and does not
    block, or a file on a server that is away, ends no run.
    """
    try:
        yield
    except OSError as error:
        problems.append(f"the output could not be written: {error.strerror}")


@contextmanager
def output_errors_told() -> Iterator[None]:
    """Write out standard output at the end; where it could not be written, say so in one line and exit with 1."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in _OUTPUT_ENDED:
            raise
        # What is left of the output must not be tried again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno != errno.EPIPE:  # whoever read a pipe and left has enough
            with suppress(OSError):  # standard error may be the same terminal
                print(f"hammer: the output could not be written: {error.strerror}", file=sys.stderr)  # noqa: T201
        sys.exit(_INCOMPLETE)
