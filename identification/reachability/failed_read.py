"""Reads that failed: what that leaves unknown, and a note for the scan's coverage."""

from __future__ import annotations

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from library.aws.failures import AWS_ERRORS, error_code, explain

NOT_UNDERSTOOD = (KeyError, TypeError, ValueError)
"""What reading an answer raises that lacks what AWS always sends, or holds what no one expects."""


class FailedReads:
    """Keeps the first failure of each kind of read.

    Attributes:
        reasons: why, by what could not be read. Part of what is stored of an issue, so it has no request's id in it: an
            unchanged group must compare equal.
    """

    # An answer without what AWS always sends is as good as none.
    catches = (*AWS_ERRORS, *NOT_UNDERSTOOD)

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self._notes: dict[str, str] = {}

    def add(self, what: str, error: Exception) -> None:
        """Note that something could not be read."""
        if isinstance(error, ClientError):
            reason = f"{error.operation_name} was refused ({error_code(error)})"
        elif isinstance(error, AWS_ERRORS) and not isinstance(error, ResponseParserError):
            reason = f"AWS could not be reached ({type(error).__name__})"
        else:
            reason = "an answer was not understood"
        self.reasons.setdefault(what, reason)
        self._notes.setdefault(what, f"{what} could not be read: {explain(error)}")

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read and why, one line each."""
        return tuple(self._notes.values())
