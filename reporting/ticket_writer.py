"""Writes texts to JIRA so that it takes them: as long as it allows, and short and plain if it refuses them.

Names and tags of an account are in these texts. JIRA may refuse a character, or a limit may be lower than the
configuration says; that must not keep the ticket from being written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from library.documents.document import Document, fitted
from library.documents.jira_markup import jira_markup
from library.documents.text import ascii_only
from library.issues.issue import Issue
from library.notifications.jira_client import CreatedTicket, JiraClient, NewTicket
from library.notifications.jira_connection import JiraError

_PLAIN_LIMIT = 1500
_REFERENCE = "Reference: "
_T = TypeVar("_T")


class TicketWriter:
    """Files tickets and comments on them.

    Args:
        jira: JIRA.
        limit: the longest text it takes.
        note: told, in one line, that a plain text was written.
        plain: whether to write plain texts at once: JIRA failed at the full ones.
    """

    def __init__(self, jira: JiraClient, limit: int, note: Callable[[str], None], *, plain: bool = False) -> None:
        self._jira = jira
        self._limit = limit
        self._note = note
        self._is_plain = plain

    def create(self, issue: Issue, ticket: NewTicket, document: Document) -> CreatedTicket:
        """File a ticket, with the document as its body. Raises JiraError."""

        def create(body: str, *, plain: bool) -> CreatedTicket:
            title = ascii_only(ticket.title) if plain else ticket.title
            return self._jira.create(replace(ticket, title=title, body=body))

        return self._write(issue, document, create)

    def comment(self, issue: Issue, key: str, document: Document, marker: str, *, resumed: bool) -> None:
        """Comment on a ticket.

        Args:
            issue: the issue.
            key: the ticket.
            document: the text.
            marker: by which the comment is known again: its text is not, for JIRA Cloud gives another back.
            resumed: look whether the last run wrote it.

        Raises:
            JiraError: it could not be done.
        """

        def comment(body: str, *, plain: bool) -> None:
            del plain
            self._jira.comment(key, f"{body.rstrip()}\n\n{_REFERENCE}{marker}\n")

        if not (resumed and self._jira.has_comment(key, marker)):
            self._write(issue, document, comment, kept_free=len(_REFERENCE) + len(marker) + 3)

    def _write(self, issue: Issue, document: Document, write: Callable[..., _T], kept_free: int = 0) -> _T:
        plain = ascii_only(fitted(document, jira_markup, min(self._limit, _PLAIN_LIMIT) - kept_free))
        if self._is_plain:
            return write(plain, plain=True)
        try:
            return write(fitted(document, jira_markup, self._limit - kept_free), plain=False)
        except JiraError as error:
            if not error.refuses_text:
                raise
            self._note(f"{issue.place}: a short plain text was written, because {error}")
            return write(plain, plain=True)
