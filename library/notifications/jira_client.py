"""JIRA, Cloud and Data Center: a thin adapter over the `jira` package.

Both take wiki markup through version 2 of the REST API. What differs is how they name users (account ids, names) and
how they are searched, and this module alone knows. Which of them it is, JIRA says itself, else the kind of its secret.

A request that changes something is sent once. Only what surely did not arrive, or was turned away for its rate, is
sent again; of what may have arrived `UnsureError` is raised, so that the caller looks before it writes again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from jira import JIRA
from jira.exceptions import JIRAError
from requests.exceptions import ConnectTimeout, RequestException, SSLError
from urllib3.exceptions import NewConnectionError

from library.aws.secrets import SecretError
from library.documents.text import printable

if TYPE_CHECKING:
    from library.aws.secrets import JiraSecret
    from library.config import Jira

_T = TypeVar("_T")

_ACCOUNT_ID = re.compile(r"[A-Za-z0-9:_-]{1,128}")

_TIMEOUT_S = (10.0, 60.0)  # to connect, to answer
_ATTEMPTS = 5
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 300.0
_FAILURES_UNTIL_DOWN = 3
_LINK_TYPE = "Relates"
_REASON_LIMIT = 300
_OPTIONAL_FIELDS = ("assignee", "priority")
_PREFERRED_ENDS = ("done", "closed", "resolved")
_USERS_A_SEARCH = 200
_TICKETS_A_SEARCH = 50

# What answers a request for something that this JIRA, or a gateway before it, does not offer.
_NOT_OFFERED = (404, 405, 410, 501)
# Cloud took the old search away (410); Data Center does not have the new one.
_SEARCHES = {True: (("2", "search/jql"), ("3", "search/jql")), False: (("2", "search"), ("2", "search/jql"))}
_USER_SEARCHES = ("user/assignable/search", "user/search")


class TicketError(Exception):
    """JIRA did not do what it was asked, in one line.

    It carries no cause: JIRA's answer has session cookies, which a traceback would print.

    Attributes:
        status: the HTTP status; 0: there was no answer.
        fields: what JIRA said of single fields.
    """

    def __init__(self, reason: str, status: int = 0, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.fields = dict(fields or {})

    @property
    def passes(self) -> bool:
        """Whether the same may well succeed later."""
        return self.status in (0, 401, 429) or self.status >= 500


class UnsureError(TicketError):
    """JIRA may have done what it was asked."""


class DownError(TicketError):
    """JIRA cannot be used at all in this run: it is not to be asked again."""


class NoUsersError(TicketError):
    """JIRA does not let its users be looked up."""


class CannotReopenError(TicketError):
    """The workflow leads nowhere from the status that the ticket has."""


@dataclass(frozen=True, slots=True)
class User:
    """A user, by the id that this JIRA takes: account id or name."""

    user_id: str
    name: str


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
class Created:
    """A new ticket.

    Attributes:
        left_out: fields that the project's screen does not have, with what JIRA said.
    """

    key: str
    left_out: Mapping[str, str]


class _Client(JIRA):
    """The package's client, taking users by their exact id, and with what it lacks."""

    is_cloud = True

    def _get_user_id(self, user: str | None) -> str | None:
        return user  # not the first of those whom a search for it finds

    def ask(self, path: str, version: str = "2", **params: Any) -> Any:
        """A resource that the package asks for less directly."""
        return self._get_json(path, params=params, base=f"{{server}}/rest/{{rest_path}}/{version}/{{path}}")

    def edit_labels(self, key: str, changes: Sequence[Mapping[str, str]]) -> None:
        self._session.put(self._get_url(f"issue/{key}"), data=json.dumps({"update": {"labels": changes}}))

    def link(self, inward: str, outward: str) -> None:
        data = {"type": {"name": _LINK_TYPE}, "inwardIssue": {"key": inward}, "outwardIssue": {"key": outward}}
        self._session.post(self._get_url("issueLink"), data=json.dumps(data))


class TicketDesk:
    """One JIRA. Nothing is asked of it until something is needed.

    Args:
        settings: the section `jira`.
        secret: gives the secret.
        sleep: waits so many seconds.
    """

    def __init__(self, settings: Jira, secret: Callable[[], JiraSecret], sleep: Callable[[float], None]) -> None:
        self._settings = settings
        self._secret = secret
        self._sleep = sleep
        self._client: _Client | None = None
        self._users: dict[tuple[str, str], User | None] = {}
        self._no_users = ""
        self._search: tuple[str, str] | None = None
        self._failures = 0
        self._down = ""

    def check(self) -> None:
        """Raise DownError if JIRA was found to be of no use in this run."""
        if self._down:
            raise DownError(self._down)

    def url(self, key: str) -> str:
        """The page of a ticket."""
        return f"{self._settings.server.rstrip('/')}/browse/{key}"

    def find(self, label: str) -> list[Ticket]:
        """The tickets with a label, the newest first. JIRA Cloud may take seconds until it finds a new ticket."""
        jql = f'labels = "{label}" ORDER BY created DESC'
        searches = [self._search] if self._search else _SEARCHES[self._connected().is_cloud]
        for version, path in searches:
            params = {"jql": jql, "fields": "status,labels", "maxResults": _TICKETS_A_SEARCH}
            try:
                found = self._read(lambda client, v=version, p=path, q=params: client.ask(p, v, **q))  # type: ignore[misc]
            except TicketError as error:
                if error.status not in _NOT_OFFERED or (version, path) == searches[-1]:
                    raise
            else:
                self._search = version, path
                return [_ticket(raw) for raw in found.get("issues", ())]
        raise AssertionError("unreachable")

    def get(self, key: str) -> Ticket | None:
        """A ticket under the key that it has now, or None if there is none any more."""
        try:
            return _ticket(self._read(lambda client: client.issue(key, fields="status,labels").raw))
        except TicketError as error:
            if error.status == 404:
                return None
            raise

    def assignable(self, project: str, name: str) -> User | None:
        """The one user who is meant by an e-mail address, a name or an id and may be assigned, or None.

        Raises:
            NoUsersError: JIRA does not let its users be looked up.
        """
        key = (project, name.casefold())
        if key not in self._users:
            self._users[key] = self._search_user(project, name)
        return self._users[key]

    def create(self, project: str, title: str, body: str, labels: Iterable[str], assignee: User | None) -> Created:
        """File a ticket. Fields that the project's screen lacks are left out.

        Raises:
            UnsureError: it may have been filed.
        """
        fields: dict[str, Any] = {
            "project": {"key": project},
            "issuetype": {"name": self._settings.issue_type},
            "summary": title,
            "description": body,
            "labels": list(labels),
        }
        if assignee:
            fields["assignee"] = {"accountId" if self._connected().is_cloud else "name": assignee.user_id}
        if self._settings.priority:
            fields["priority"] = {"name": self._settings.priority}
        left_out: dict[str, str] = {}
        while True:
            try:
                return Created(self._file(fields), left_out)
            except TicketError as error:
                refused = {name: reason for name, reason in error.fields.items() if name in _OPTIONAL_FIELDS}
                if not refused.keys() & fields.keys():
                    raise
                left_out |= refused
                fields = {name: value for name, value in fields.items() if name not in refused}

    def _file(self, fields: dict[str, Any]) -> str:
        return str(self._write(lambda client: client.create_issue(fields=fields, prefetch=False)).key)

    def watch(self, key: str, user: User) -> None:
        """Have a user told of a ticket."""
        self._write(lambda client: client.add_watcher(key, user.user_id))

    def link(self, key: str, parent: str) -> None:
        """Link a ticket to another. JIRA takes the same link twice for one."""
        self._write(lambda client: client.link(key, parent))

    def comment(self, key: str, body: str) -> None:
        """Comment on a ticket. Raises UnsureError if it may have been done."""
        self._write(lambda client: client.add_comment(key, body))

    def has_comment(self, key: str, body: str) -> bool:
        """Whether a ticket has this comment."""
        comments: Any = self._read(lambda client: client.comments(key))
        return any(_squeezed(comment.body) == _squeezed(body) for comment in comments)

    def edit_labels(self, key: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Add labels to a ticket and remove others."""
        changes = [{"add": label} for label in add] + [{"remove": label} for label in remove]
        self._write(lambda client: client.edit_labels(key, changes))

    def close(self, key: str) -> None:
        """Bring a ticket to a status that is done, by the configured transition where there is one."""
        wanted = self._settings.close_transition.casefold()
        transitions = self._transitions(key)
        if wanted:
            chosen = [found for found in transitions if wanted in (_name(found), _name(found.get("to")))]
        else:
            chosen = [found for found in transitions if _is_done(found.get("to") or found)]
            chosen.sort(key=lambda found: _name(found.get("to")) not in _PREFERRED_ENDS)
        if not chosen:
            names = ", ".join(str(found.get("name")) for found in transitions) or "none"
            what = f"called {self._settings.close_transition}" if wanted else "to a status that is done"
            raise TicketError(f"{key} has no transition {what}; it has: {names}. Set jira.close_transition")
        self._transition(key, chosen[0])

    def reopen(self, key: str) -> None:
        """Bring a ticket back to a status that is not done. Raises CannotReopenError."""
        back = [found for found in self._transitions(key) if not _is_done(found.get("to") or found)]
        if not back:
            raise CannotReopenError(f"{key} has no transition to a status that is not done")
        back.sort(key=lambda found: _category(found.get("to")) != "new")
        self._transition(key, back[0])

    def _transitions(self, key: str) -> list[dict[str, Any]]:
        found: Any = self._read(lambda client: client.transitions(key, expand="transitions.fields"))
        return list(found)

    def _transition(self, key: str, transition: Mapping[str, Any]) -> None:
        fields: dict[str, Any] = {}
        resolution = (transition.get("fields") or {}).get("resolution") or {}
        if resolution.get("required") and not resolution.get("hasDefaultValue") and resolution.get("allowedValues"):
            allowed = sorted(resolution["allowedValues"], key=lambda value: _name(value) not in ("done", "fixed"))
            fields["resolution"] = {"name": allowed[0]["name"]}
        self._write(lambda client: client.transition_issue(key, str(transition["id"]), fields=fields))

    def _search_user(self, project: str, name: str) -> User | None:
        is_cloud = self._connected().is_cloud
        found = self._users_found(project, **{"query" if is_cloud else "username": name})
        for keys in (("accountId", "name"), ("emailAddress",), ("displayName",)):
            exact = [raw for raw in found if name.casefold() in {str(raw.get(key, "")).casefold() for key in keys}]
            if exact:
                return _user(exact[0]) if len(exact) == 1 else None
        # Cloud hides e-mail addresses, yet finds by them: the only user whom an address finds has it.
        if "@" in name and len(found) == 1 and not found[0].get("emailAddress"):
            return _user(found[0])
        # A search for names and addresses does not find account ids.
        if is_cloud and _ACCOUNT_ID.fullmatch(name):
            return next((_user(raw) for raw in self._users_found(project, accountId=name) if _id(raw) == name), None)
        return None

    def _users_found(self, project: str, **term: str) -> list[dict[str, Any]]:
        """The active users whom JIRA finds; those who may be assigned where it tells, else all."""
        if self._no_users:
            raise NoUsersError(self._no_users)
        refused = ""
        for path in _USER_SEARCHES:
            params: dict[str, Any] = {"project": project, "maxResults": _USERS_A_SEARCH, **term}
            if path != _USER_SEARCHES[0]:
                del params["project"]
            try:
                found = self._read(lambda client, p=path, q=params: client.ask(p, **q))  # type: ignore[misc]
                return [raw for raw in found if _id(raw) and raw.get("active", True)]
            except TicketError as error:
                if error.status not in (403, *_NOT_OFFERED):
                    raise
                refused = refused or str(error)
        self._no_users = f"users cannot be looked up: {refused}"
        raise NoUsersError(self._no_users)

    def _connected(self) -> _Client:
        if self._client is None:
            self._client = self._called(self._connect, writes=False)
        return self._client

    def _connect(self) -> _Client:
        if not self._settings.server:
            raise DownError("JIRA is enabled, but jira.server is empty")
        try:
            secret = self._secret()
        except SecretError as error:
            self._down = str(error)
            raise DownError(self._down) from error
        bundle = self._settings.ca_bundle
        if bundle and not Path(bundle).exists():
            self._down = f"jira.ca_bundle names {bundle!r}, which does not exist"
            raise DownError(self._down)
        login: dict[str, Any] = (
            {"token_auth": secret.token} if secret.token else {"basic_auth": (secret.username, secret.api_token)}
        )
        client = _Client(
            server=self._settings.server,
            options={"rest_api_version": "2", "verify": bundle or True},
            get_server_info=False,
            max_retries=0,  # its own would send again what may have arrived
            timeout=_TIMEOUT_S,
            **login,
        )
        told = ""
        try:
            told = client.ask("serverInfo").get("deploymentType")
        except JIRAError as error:
            if error.status_code not in _NOT_OFFERED:
                raise
        client.is_cloud = told == "Cloud" if told else not secret.token
        return client

    def _read(self, call: Callable[[_Client], _T]) -> _T:
        client = self._connected()
        return self._called(lambda: call(client), writes=False)

    def _write(self, call: Callable[[_Client], _T]) -> _T:
        client = self._connected()
        return self._called(lambda: call(client), writes=True)

    def _called(self, call: Callable[[], _T], *, writes: bool) -> _T:
        """Call, again as long as that is safe and may help."""
        self.check()
        for attempt in range(1, _ATTEMPTS + 1):
            last = attempt == _ATTEMPTS
            try:
                answer = call()
            except JIRAError as error:
                status = error.status_code or 0
                turned_away = status == 429 or (status == 503 and _retry_after(error) is not None)
                if (turned_away or (not writes and status >= 500)) and not last:
                    self._sleep(_wait(error, attempt))
                    continue
                raise self._failed(error, status, unsure=writes and status >= 500 and not turned_away) from None
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                # An answer that the package does not understand: a login page of some proxy, say.
                reason = f"JIRA's answer was not understood ({type(error).__name__}): is jira.server right?"
                raise (UnsureError(reason) if writes else TicketError(reason)) from None
            except RequestException as error:
                arrived = not (isinstance(error, (ConnectTimeout, SSLError)) or _never_connected(error))
                if (not writes or not arrived) and not isinstance(error, SSLError) and not last:
                    self._sleep(_FIRST_WAIT_S * 2 ** (attempt - 1))
                    continue
                raise self._unreachable(error, unsure=writes and arrived) from None
            else:
                self._failures = 0
                return answer
        raise AssertionError("unreachable")

    def _failed(self, error: JIRAError, status: int, *, unsure: bool) -> TicketError:
        reason = f"JIRA answered {status}: {_short(error.text or 'nothing')}"
        if status == 401:
            self._down = f"JIRA refused the login (401): check the secret {self._settings.secret!r}"
            return DownError(self._down, status)
        if status >= 500 or status == 429:
            self._failures += 1
            if self._failures >= _FAILURES_UNTIL_DOWN:
                self._down = f"{reason}, {self._failures} times in a row"
        return UnsureError(reason, status) if unsure else TicketError(reason, status, _field_errors(error))

    def _unreachable(self, error: RequestException, *, unsure: bool) -> TicketError:
        what = _kind(error)
        if isinstance(error, SSLError):
            what = "its certificate is not trusted, " + (
                "not even by jira.ca_bundle" if self._settings.ca_bundle else "set jira.ca_bundle"
            )
        reason = f"JIRA at {self._settings.server} could not be reached: {what}"
        self._failures += 1
        if not unsure or self._failures >= _FAILURES_UNTIL_DOWN:
            self._down = reason
            if not unsure:
                return DownError(reason)
        return UnsureError(reason)


def _ticket(raw: Mapping[str, Any]) -> Ticket:
    fields = raw.get("fields") or {}
    return Ticket(raw["key"], _is_done(fields.get("status")), tuple(fields.get("labels") or ()))


def _category(status: Mapping[str, Any] | None) -> str:
    return str(((status or {}).get("statusCategory") or {}).get("key", ""))


def _is_done(status: Mapping[str, Any] | None) -> bool:
    """Whether a status is in the category of what is done; by its name where JIRA tells no category."""
    category = _category(status)
    return category == "done" if category else _name(status) in _PREFERRED_ENDS


def _name(thing: Mapping[str, Any] | None) -> str:
    return str((thing or {}).get("name", "")).casefold()


def _id(raw: Mapping[str, Any]) -> str:
    return str(raw.get("accountId") or raw.get("name") or "")


def _user(raw: Mapping[str, Any]) -> User:
    return User(_id(raw), str(raw.get("displayName") or _id(raw)))


def _field_errors(error: JIRAError) -> dict[str, str]:
    """What JIRA said of single fields of a request that it refused."""
    try:
        errors = error.response.json().get("errors", {}) if error.response is not None else {}
    except (AttributeError, ValueError):
        return {}
    return {str(name): _short(str(reason)) for name, reason in errors.items()} if isinstance(errors, dict) else {}


def _retry_after(error: JIRAError) -> float | None:
    value = error.response.headers.get("Retry-After", "") if error.response is not None else ""
    return float(value) if value.isdigit() else None


def _wait(error: JIRAError, attempt: int) -> float:
    told = _retry_after(error)
    return min(told if told is not None else _FIRST_WAIT_S * 2 ** (attempt - 1), _LONGEST_WAIT_S)


def _never_connected(error: BaseException) -> bool:
    """Whether not even a connection was made, so that the request surely did not arrive."""
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else None
    return isinstance(reason, NewConnectionError)


def _kind(error: RequestException) -> str:
    """What went wrong, without the request: its headers carry the login."""
    if _never_connected(error) or isinstance(error, ConnectTimeout):
        return "no connection"
    return "the connection broke or took too long"


def _short(text: str) -> str:
    squeezed = _squeezed(printable(text.replace("\n", " ")))
    return squeezed if len(squeezed) <= _REASON_LIMIT else squeezed[:_REASON_LIMIT] + "…"


def _squeezed(text: str) -> str:
    return " ".join(text.split())
