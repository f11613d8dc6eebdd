"""JIRA, Cloud and Data Center: tickets, their comments, labels, watchers and links.

Both kinds take wiki markup through version 2 of the REST API. They differ in how they name users (`jira_users`) and in
how they are searched (`JiraClient.find`). JIRA says itself which kind it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from library.notifications.jira_connection import NOT_OFFERED, JiraConnection, JiraError
from library.notifications.jira_users import JiraUser, JiraUsers
from library.notifications.jira_workflow import JiraWorkflow, is_done

_OPTIONAL_FIELDS = ("assignee", "components", "duedate", "priority", "security")
_TICKETS_A_SEARCH = 50
# Cloud took the old search away (410); Data Center does not have the new one.
_SEARCHES = {True: (("2", "search/jql"), ("3", "search/jql")), False: (("2", "search"), ("2", "search/jql"))}


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as it is now.

    Attributes:
        done: whether its status is in the category of what is done.
    """

    key: str
    done: bool
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewTicket:
    """A ticket to be filed.

    Attributes:
        project: the project's key.
        title: one line of at most 255 characters.
        body: wiki markup.
        assignee: None: nobody.
        severity: chooses the priority, by `jira.priorities`.
        due: when it is due; None: no due date.
    """

    project: str
    title: str
    body: str
    labels: tuple[str, ...]
    assignee: JiraUser | None = None
    severity: str = ""
    due: date | None = None


@dataclass(frozen=True, slots=True)
class CreatedTicket:
    """A new ticket.

    Attributes:
        left_out: fields that the project's screen does not have, with what JIRA said.
    """

    key: str
    left_out: Mapping[str, str]


class JiraClient:
    """The tickets of one JIRA.

    Args:
        connection: to JIRA.

    Attributes:
        users: its users.
        workflow: closes and reopens tickets.
    """

    def __init__(self, connection: JiraConnection) -> None:
        self._connection = connection
        self.users = JiraUsers(connection)
        self.workflow = JiraWorkflow(connection)
        self._search: tuple[str, str] | None = None

    def check(self) -> None:
        """Raise JiraUnavailableError if JIRA was found to be of no use in this run."""
        self._connection.check()

    def url(self, key: str) -> str:
        """The page of a ticket."""
        return f"{self._connection.settings.server.rstrip('/')}/browse/{key}"

    def find(self, label: str) -> list[Ticket]:
        """The tickets with a label, the newest first. JIRA Cloud may take seconds until it finds a new ticket."""
        return self._found(f'labels = "{label}" ORDER BY created DESC')

    def _found(self, jql: str) -> list[Ticket]:
        searches = [self._search] if self._search else _SEARCHES[self._connection.is_cloud]
        for version, path in searches:
            params = {"jql": jql, "fields": "status,labels", "maxResults": _TICKETS_A_SEARCH}
            try:
                found = self._connection.read(_search(path, version, params))
            except JiraError as error:
                if error.status not in NOT_OFFERED or (version, path) == searches[-1]:
                    raise
            else:
                self._search = version, path
                return found
        raise AssertionError("unreachable")

    def get(self, key: str) -> Ticket | None:
        """A ticket under the key that it has now, or None if there is none any more."""
        try:
            return self._connection.read(lambda client: _ticket(client.issue(key, fields="status,labels").raw))
        except JiraError as error:
            if error.status == 404:
                return None
            raise

    def with_keys(self, keys: Sequence[str]) -> list[Ticket]:
        """Those of these tickets that there are, at most 50. JIRA refuses the search where one of them is gone."""
        return self._found(f"key in ({', '.join(keys)})")

    def with_history(self, key: str) -> dict[str, Any] | None:
        """A ticket as JIRA gives it, with its whole history; None: there is none any more."""
        try:
            ticket: dict[str, Any] = self._connection.read(
                lambda client: dict(client.ask(f"issue/{key}", fields="status,labels,assignee", expand="changelog"))
            )
        except JiraError as error:
            if error.status == 404:
                return None
            raise
        log = ticket.get("changelog") or {}
        histories = list(log.get("histories") or ())
        # JIRA Cloud gives the first hundred entries with the ticket, and all of them a page at a time.
        while len(histories) < int(log.get("total") or 0):
            page = self._connection.read(_history_page(key, len(histories)))
            if not page:
                break
            histories += page
        return {**ticket, "changelog": {"histories": histories}}

    def newest_comment(self, key: str, author_ids: Sequence[str]) -> str:
        """The text of the newest comment that somebody wrote; empty: there is none.

        Args:
            key: the ticket's.
            author_ids: the author's account id, or name and key.
        """

        def newest(client: Any) -> str:
            texts = [
                (str(comment.created), str(comment.body))
                for comment in client.comments(key)
                if _user_ids(getattr(comment, "author", None)) & {*author_ids}
            ]
            return max(texts, default=("", ""))[1]

        return self._connection.read(newest)

    def create(self, ticket: NewTicket) -> CreatedTicket:
        """File a ticket. Fields that the project's screen lacks are left out.

        Raises:
            JiraOutcomeUnknownError: it may have been filed.
            JiraError: it was not filed.
        """
        fields = self._fields(ticket)
        optional = {*_OPTIONAL_FIELDS, *self._connection.settings.fields}
        left_out: dict[str, str] = {}
        while True:
            try:
                return CreatedTicket(self._create(fields), left_out)
            except JiraError as error:
                refused = {name: reason for name, reason in error.fields.items() if name in optional & fields.keys()}
                if refused:
                    left_out |= refused
                    fields = {name: value for name, value in fields.items() if name not in refused}
                    continue
                if missing := sorted(error.fields.keys() - fields.keys()):
                    # Such as a mandatory field: other tickets, in other projects, may not need it.
                    reason = f"{error}: set {', '.join(missing)} in jira.fields, or let the project do without"
                    raise JiraError(reason, error.status, error.fields) from None
                raise

    def _fields(self, ticket: NewTicket) -> dict[str, Any]:
        settings = self._connection.settings
        fields: dict[str, Any] = {
            **settings.fields,
            "project": {"key": ticket.project},
            "issuetype": {"name": settings.issue_type},
            "summary": ticket.title,
            "description": ticket.body,
            "labels": list(ticket.labels),
        }
        if ticket.assignee:
            fields["assignee"] = {"accountId" if self._connection.is_cloud else "name": ticket.assignee.user_id}
        if priority := settings.priorities.of(ticket.severity) or settings.priority:
            fields["priority"] = {"name": priority}
        if settings.due_date and ticket.due:
            fields["duedate"] = ticket.due.isoformat()
        if settings.components:
            fields["components"] = [{"name": name} for name in settings.components]
        if settings.security_level:
            fields["security"] = {"name": settings.security_level}
        return fields

    def _create(self, fields: dict[str, Any]) -> str:
        return self._connection.write(lambda client: str(client.create_issue(fields=fields, prefetch=False).key))

    def watch(self, key: str, user: JiraUser) -> None:
        """Have JIRA notify a user of what happens to a ticket."""
        self._connection.write(lambda client: client.add_watcher(key, user.user_id))

    def assign(self, key: str, user: JiraUser) -> None:
        """Assign a ticket. To do it twice does no harm."""
        whom = {"accountId" if self._connection.is_cloud else "name": user.user_id}
        try:
            self._connection.write(lambda client: client.assign(key, whom))
        except JiraError as error:
            if error.status not in NOT_OFFERED:
                raise
            self._connection.write(lambda client: client.edit_fields(key, {"assignee": whom}))

    def link(self, key: str, parent: str) -> None:
        """Link a ticket to another. JIRA takes the same link twice for one."""
        self._connection.write(lambda client: client.link(key, parent))

    def comment(self, key: str, body: str) -> None:
        """Comment on a ticket. Raises JiraOutcomeUnknownError if it may have been done."""
        self._connection.write(lambda client: client.add_comment(key, body))

    def has_comment(self, key: str, *bodies: str) -> bool:
        """Whether a ticket has one of these comments."""
        wanted = [body.split() for body in bodies]
        return self._connection.read(
            lambda client: any(comment.body.split() in wanted for comment in client.comments(key))
        )

    def edit_labels(self, key: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Add labels to a ticket and remove others."""
        changes = [{"add": label} for label in add] + [{"remove": label} for label in remove]
        self._connection.write(lambda client: client.edit_labels(key, changes))


def _user_ids(user: Any) -> set[str]:
    return {str(getattr(user, name, "")) for name in ("accountId", "name", "key")} - {""}


def _history_page(key: str, start: int) -> Callable[[Any], list[Any]]:
    return lambda client: list(client.ask(f"issue/{key}/changelog", startAt=start, maxResults=100)["values"])


def _search(path: str, version: str, params: Mapping[str, Any]) -> Callable[[Any], list[Ticket]]:
    return lambda client: _tickets(client.ask(path, version, **params))


def _tickets(found: Mapping[str, Any]) -> list[Ticket]:
    """The tickets of a search's answer. Raises KeyError, AttributeError or TypeError if it is no such answer.

    Only where JIRA says so is there no ticket.
    """
    return [_ticket(raw) for raw in found["issues"]]


def _ticket(raw: Mapping[str, Any]) -> Ticket:
    fields = raw.get("fields") or {}
    return Ticket(raw["key"], is_done(fields.get("status")), tuple(fields.get("labels") or ()))
