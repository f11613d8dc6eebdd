"""JIRA, Cloud and Data Center: tickets, their comments, labels, watchers, links, statuses and users.

Both kinds take wiki markup through version 2 of the REST API, and JIRA says itself which kind it is. They differ in
how they are searched (`JiraClient.find`) and in how they name users: Cloud by account id, hiding their addresses;
Data Center by name. Every project may have a workflow of its own, so what is done is told by the category of a
status.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from library.issues.times import stored_time
from library.notifications.jira_connection import NOT_OFFERED, JiraConnection, JiraError, JiraOutcomeUnknownError

_ACCOUNT_ID = re.compile(r"[A-Za-z0-9:_-]{1,128}")
_USERS_A_SEARCH = 200


class JiraUserLookupError(JiraError):
    """JIRA does not let its users be looked up."""

    @property
    def may_pass(self) -> bool:
        """False: Hammer's login lacks a permission, or a gateway keeps the search away."""
        return False


@dataclass(frozen=True, slots=True)
class JiraUser:
    """A user, by the id that this JIRA takes: account id or name."""

    user_id: str
    name: str


class JiraUsers:
    """Looks users up, each once in a run."""

    def __init__(self, connection: JiraConnection) -> None:
        self._connection = connection
        self._found: dict[tuple[str, str], JiraUser | None] = {}
        self._refused = ""

    def assignable(self, project: str, name: str) -> JiraUser | None:
        """The one user who is meant by an e-mail address, a name or an id and may be assigned, or None.

        Raises:
            JiraUserLookupError: JIRA does not let its users be looked up.
            JiraError: it could not be asked.
        """
        key = (project, name.casefold())
        if key not in self._found:
            self._found[key] = self._search(project, name)
        return self._found[key]

    def _search(self, project: str, name: str) -> JiraUser | None:
        is_cloud = self._connection.is_cloud
        found = self._listed(project, **{"query" if is_cloud else "username": name})
        for keys in (("accountId", "name"), ("emailAddress",), ("displayName",)):
            exact = [raw for raw in found if name.casefold() in {str(raw.get(key, "")).casefold() for key in keys}]
            if exact:
                return _user(exact[0]) if len(exact) == 1 else None
        # Cloud hides e-mail addresses, yet finds by them: the only user whom an address finds has it.
        if "@" in name and len(found) == 1 and not found[0].get("emailAddress"):
            return _user(found[0])
        # A search for names and addresses does not find account ids.
        if is_cloud and _ACCOUNT_ID.fullmatch(name):
            return next((_user(raw) for raw in self._listed(project, accountId=name) if _id(raw) == name), None)
        return None

    def _listed(self, project: str, **term: str) -> list[dict[str, Any]]:
        """The active users that JIRA finds; those who may be assigned where it tells, else all."""
        if self._refused:
            raise JiraUserLookupError(self._refused)
        refused = ""
        for path, params in (("user/assignable/search", {"project": project, **term}), ("user/search", term)):
            try:
                return self._connection.read(_user_search(path, params))
            except JiraError as error:
                if error.status not in (403, *NOT_OFFERED):
                    raise
                refused = refused or str(error)
        self._refused = f"users cannot be looked up: {refused}"
        raise JiraUserLookupError(self._refused)


def _user_search(path: str, params: Mapping[str, str]) -> Callable[[Any], list[dict[str, Any]]]:
    return lambda client: _active(client.get_json(path, maxResults=_USERS_A_SEARCH, **params))


def _active(found: Any) -> list[dict[str, Any]]:
    """The users of an answer who are active. Raises TypeError or AttributeError if it holds something else."""
    if not isinstance(found, list):
        raise TypeError(type(found))
    return [raw for raw in found if _id(raw) and raw.get("active", True)]


def _id(raw: Mapping[str, Any]) -> str:
    return str(raw.get("accountId") or raw.get("name") or "")


def _user(raw: Mapping[str, Any]) -> JiraUser:
    return JiraUser(_id(raw), str(raw.get("displayName") or _id(raw)))


_PREFERRED_ENDS = ("done", "closed", "resolved")


class JiraCannotReopenError(JiraError):
    """The workflow leads nowhere from the status that the ticket has."""


class JiraCannotCloseError(JiraError):
    """The workflow has no transition that closes the ticket."""


class JiraWorkflow:
    """Closes and reopens tickets."""

    def __init__(self, connection: JiraConnection) -> None:
        self._connection = connection

    def close(self, key: str) -> None:
        """Bring a ticket to a status that is done, by `jira.close_transition` and with `jira.close_fields`.

        Raises:
            JiraError: it could not be done; a field that the transition demands is named.
        """
        configured = self._connection.settings.close_transition
        transitions = self._transitions(key)
        if configured:
            wanted = configured.casefold()
            chosen = [found for found in transitions if wanted in (_name(found), _name(found.get("to")))]
        else:
            chosen = [found for found in transitions if is_done(found.get("to") or found)]
            chosen.sort(key=lambda found: _name(found.get("to")) not in _PREFERRED_ENDS)
        if not chosen:
            names = ", ".join(str(found.get("name")) for found in transitions) or "none"
            what = f"called {configured}" if configured else "to a status that is done"
            raise JiraCannotCloseError(f"{key} has no transition {what}; it has: {names}. Set jira.close_transition")
        self._close_by(key, chosen[0])

    def _close_by(self, key: str, transition: Mapping[str, Any]) -> None:
        configured = self._connection.settings.close_fields
        # JIRA refuses a field that the transition's screen lacks, and projects differ in their screens.
        screen = transition.get("fields")
        shown = {name: value for name, value in configured.items() if screen is None or name in screen}
        try:
            self._take(key, transition, shown)
        except JiraError as error:
            unsent = {name: configured[name] for name in configured.keys() - shown.keys() if name in error.fields}
            if unsent:
                self._take(key, transition, {**shown, **unsent})
                return
            missing = sorted(error.fields.keys() - configured.keys())
            if not missing or isinstance(error, JiraOutcomeUnknownError):
                raise
            reason = f"{error}: set {', '.join(missing)} in jira.close_fields"
            raise JiraError(reason, error.status, error.fields, is_own=True) from None

    def reopen(self, key: str) -> None:
        """Bring a ticket back to a status that is not done. Raises JiraCannotReopenError, JiraError."""
        back = [found for found in self._transitions(key) if not is_done(found.get("to") or found)]
        if not back:
            raise JiraCannotReopenError(f"{key} has no transition to a status that is not done")
        back.sort(key=lambda found: _category(found.get("to")) != "new")
        self._take(key, back[0], {})

    def _transitions(self, key: str) -> list[dict[str, Any]]:
        return self._connection.read(
            lambda client: [dict(found) for found in client.transitions(key, expand="transitions.fields")]
        )

    def _take(self, key: str, transition: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        fields: dict[str, Any] = {}
        resolution = (transition.get("fields") or {}).get("resolution") or {}
        if resolution.get("required") and not resolution.get("hasDefaultValue") and resolution.get("allowedValues"):
            allowed = sorted(resolution["allowedValues"], key=lambda value: _name(value) not in ("done", "fixed"))
            fields["resolution"] = {"name": allowed[0]["name"]}
        fields |= given
        self._connection.write(lambda client: client.transition_issue(key, str(transition["id"]), fields=fields))


def is_done(status: Mapping[str, Any] | None) -> bool:
    """Whether a status, as JIRA gives it, is done: by its category, or by its name where JIRA tells no category."""
    category = _category(status)
    return category == "done" if category else _name(status) in _PREFERRED_ENDS


def _category(status: Mapping[str, Any] | None) -> str:
    return str(((status or {}).get("statusCategory") or {}).get("key", ""))


def _name(thing: Mapping[str, Any] | None) -> str:
    return str((thing or {}).get("name", "")).casefold()


_OPTIONAL_FIELDS = ("assignee", "components", "duedate", "priority", "security")
_TICKETS_A_SEARCH = 50
_PAGES_A_SEARCH = 20
_COMMENTS_A_PAGE = 100
_OWN_REFERENCE = re.compile(r"Reference: (?:(?:decision|cut off) )?[0-9a-f]{16}\s*\Z")
# Cloud took the old search away (410); Data Center does not have the new one.
_SEARCHES = {True: (("2", "search/jql"), ("3", "search/jql")), False: (("2", "search"), ("2", "search/jql"))}


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as it is now.

    Attributes:
        done: whether its status is in the category of what is done.
        created: when, by JIRA's clock; None: JIRA was not asked, or does not tell.
    """

    key: str
    done: bool
    labels: tuple[str, ...] = ()
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewTicket:
    """A ticket to be filed.

    Attributes:
        title: one line of at most 255 characters, JIRA's field `summary`.
        body: wiki markup, its `description`.
        severity: chooses the priority, by `jira.priorities`.
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
    """A new ticket. `left_out`: fields that the project's screen does not have, with what JIRA said."""

    key: str
    left_out: Mapping[str, str]


class JiraClient:
    """The tickets of one JIRA."""

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
        return f"{self._connection.site}/browse/{key}"

    def find(self, label: str) -> list[Ticket]:
        """The tickets with a label, the newest first. JIRA Cloud may take seconds until it finds a new ticket."""
        return self._found(f'labels = "{label}" ORDER BY created DESC')

    def with_keys(self, keys: Sequence[str]) -> list[Ticket]:
        """Those of these tickets that there are, at most 50. JIRA refuses the search where one of them is gone."""
        return self._found(f"key in ({', '.join(keys)})")

    def _found(self, jql: str) -> list[Ticket]:
        searches = [self._search] if self._search else _SEARCHES[self._connection.is_cloud]
        for version, path in searches:
            params = {"jql": jql, "fields": "status,labels,created", "maxResults": _TICKETS_A_SEARCH}
            try:
                found = self._pages(path, version, params)
            except JiraError as error:
                if error.status not in NOT_OFFERED or (version, path) == searches[-1]:
                    raise
            else:
                self._search = version, path
                return found
        raise AssertionError("unreachable")

    def _pages(self, path: str, version: str, params: Mapping[str, Any]) -> list[Ticket]:
        """The tickets of all pages of a search, each once. JIRA may give fewer on a page than it is asked for."""
        found: dict[str, Ticket] = {}
        position: Mapping[str, Any] = {}
        for _ in range(_PAGES_A_SEARCH):
            tickets, position = self._connection.read(_search(path, version, {**params, **position}))
            found |= {ticket.key: ticket for ticket in tickets if ticket.key not in found}
            if not position:
                break
        return list(found.values())

    def get(self, key: str) -> Ticket | None:
        """A ticket under the key that it has now, or None if there is none any more.

        Raises:
            JiraError: `says_hidden` where JIRA does not show it to Hammer.
        """
        try:
            return self._connection.read(lambda client: _ticket(client.issue(key, fields="status,labels").raw))
        except JiraError as error:
            if error.says_gone:
                return None
            raise

    def with_history(self, key: str) -> dict[str, Any] | None:
        """A ticket as JIRA gives it, with its whole history; None: there is none, or none that Hammer may see."""
        try:
            ticket: dict[str, Any] = self._connection.read(
                lambda client: dict(
                    client.get_json(f"issue/{key}", fields="status,labels,assignee", expand="changelog")
                )
            )
        except JiraError as error:
            if error.says_gone or error.says_hidden:
                return None
            raise
        log = ticket.get("changelog") or {}
        histories = list(log.get("histories") or ())
        total = int(log.get("total") or 0)
        if len(histories) < total:
            # JIRA Cloud gives the newest hundred entries with the ticket, and all of them by pages, the oldest first.
            histories = []
            while len(histories) < total and (page := self._connection.read(_history_page(key, len(histories)))):
                histories += page
        return {**ticket, "changelog": {"histories": histories}}

    def newest_comment(self, key: str, author_ids: Set[tuple[str, str]]) -> str:
        """The text of the newest comment of one author, by `user_ids`; empty: there is none.

        Hammer's own comments are nobody's: its login may be a person's. What somebody else edited last is not the
        author's any more, and counts as empty.
        """
        by_author = [
            comment for comment in self._comments(key) if comment.author_ids & author_ids and not comment.is_own
        ]
        first = datetime.min.replace(tzinfo=UTC)
        # As times: Data Center writes them with the server's offset, which is another in summer.
        newest = max(by_author, key=lambda each: (stored_time(each.created) or first, each.created), default=None)
        if newest is None or (newest.editor_ids and not newest.editor_ids & author_ids):
            return ""
        return str(newest.body)

    def commented_at(self, key: str, marker: str) -> datetime | None:
        """When the comment with a marker was written, by JIRA's clock; None: there is none, or JIRA does not tell."""
        times = (stored_time(comment.created) for comment in self._comments(key) if comment.has(marker))
        return min((at for at in times if at), default=None)

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
                    raise JiraError(reason, error.status, error.fields, is_own=True) from None
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

    def has_comment(self, key: str, *markers: str) -> bool:
        """Whether a ticket has a comment with one of these markers, however JIRA renders the rest of its text."""
        return any(comment.has(marker) for comment in self._comments(key) for marker in markers)

    def _comments(self, key: str) -> Iterator[_Comment]:
        """The comments of a ticket; each page is asked for when it is wanted."""
        start = 0
        while True:
            page, is_last = self._connection.read(_comment_page(key, start))
            yield from page
            start += len(page)
            if is_last:
                return

    def edit_labels(self, key: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Add labels to a ticket and remove others."""
        changes = [{"add": label} for label in add] + [{"remove": label} for label in remove]
        self._connection.write(lambda client: client.edit_labels(key, changes))


@dataclass(frozen=True, slots=True)
class _Comment:
    """A comment. `body`: as JIRA gives it; `author_ids`: the `user_ids` of who wrote it.

    `editor_ids`: the same of who changed it last; empty: JIRA does not tell.
    """

    created: str
    body: Any
    author_ids: frozenset[tuple[str, str]]
    editor_ids: frozenset[tuple[str, str]] = frozenset()

    @property
    def is_own(self) -> bool:
        """Whether Hammer wrote it: all that it writes into an issue's ticket ends with a reference."""
        return isinstance(self.body, str) and _OWN_REFERENCE.search(self.body) is not None

    def has(self, marker: str) -> bool:
        """Whether a marker is in it, however JIRA renders the rest of its text."""
        return marker in json.dumps(self.body)


def _comment_page(key: str, start: int) -> Callable[[Any], tuple[list[_Comment], bool]]:
    """A page of a ticket's comments, and whether it is the last. Where JIRA tells no total, a short page is."""
    params = {"startAt": start, "maxResults": _COMMENTS_A_PAGE, "orderBy": "-created"}

    def get_json(client: Any) -> tuple[list[_Comment], bool]:
        found = client.get_json(f"issue/{key}/comment", **params)
        page = [
            _Comment(
                str(comment.get("created") or ""),
                comment["body"],
                user_ids(comment.get("author")),
                user_ids(comment.get("updateAuthor")),
            )
            for comment in found["comments"]
        ]
        is_last = start + len(page) >= int(found["total"]) if "total" in found else len(page) < _COMMENTS_A_PAGE
        return page, is_last or not page

    return get_json


def _history_page(key: str, start: int) -> Callable[[Any], list[Any]]:
    return lambda client: list(client.get_json(f"issue/{key}/changelog", startAt=start, maxResults=100)["values"])


def user_ids(user: Any) -> frozenset[tuple[str, str]]:
    """What tells a user, as JIRA gives one, from others: the account id, or name and key, each with what it is.

    In Data Center somebody's key may be another's name: who was renamed keeps the key, and the name is free again.
    """
    found = user if isinstance(user, Mapping) else {}
    return frozenset((name, str(found[name])) for name in ("accountId", "name", "key") if found.get(name))


def _search(
    path: str, version: str, params: Mapping[str, Any]
) -> Callable[[Any], tuple[list[Ticket], Mapping[str, Any]]]:
    return lambda client: _tickets(client.get_json(path, version, **params))


def _tickets(found: Mapping[str, Any]) -> tuple[list[Ticket], Mapping[str, Any]]:
    """The tickets of a search's answer, and what asks for its next page; empty: it is the last.

    Raises KeyError, AttributeError, TypeError or ValueError if it is no such answer: only where JIRA says so is there
    no ticket.
    """
    tickets = [_ticket(raw) for raw in found["issues"]]
    if token := found.get("nextPageToken"):  # Cloud
        return tickets, {"nextPageToken": token}
    read = int(found.get("startAt") or 0) + len(tickets)
    return tickets, {"startAt": read} if tickets and read < int(found.get("total") or 0) else {}


def _ticket(raw: Mapping[str, Any]) -> Ticket:
    fields = raw.get("fields") or {}
    labels, created = tuple(fields.get("labels") or ()), stored_time(fields.get("created"))
    return Ticket(raw["key"], is_done(fields.get("status")), labels, created)
