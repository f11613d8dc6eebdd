"""JIRA's users: who is meant by an e-mail address, a name or an id, and may be assigned.

Cloud knows users by account id and hides their addresses; Data Center knows them by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from library.notifications.jira_connection import NOT_OFFERED, JiraConnection, JiraError

_ACCOUNT_ID = re.compile(r"[A-Za-z0-9:_-]{1,128}")
_USERS_A_SEARCH = 200
_SEARCHES = ("user/assignable/search", "user/search")


class JiraUserLookupError(JiraError):
    """JIRA does not let its users be looked up."""


@dataclass(frozen=True, slots=True)
class JiraUser:
    """A user, by the id that this JIRA takes: account id or name."""

    user_id: str
    name: str


class JiraUsers:
    """Looks users up, each once in a run.

    Args:
        connection: to JIRA.
    """

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
        for path in _SEARCHES:
            params: dict[str, Any] = {"project": project, "maxResults": _USERS_A_SEARCH, **term}
            if path != _SEARCHES[0]:
                del params["project"]
            try:
                return self._connection.read(lambda client, p=path, q=params: _active(client.ask(p, **q)))  # type: ignore[misc]
            except JiraError as error:
                if error.status not in (403, *NOT_OFFERED):
                    raise
                refused = refused or str(error)
        self._refused = f"users cannot be looked up: {refused}"
        raise JiraUserLookupError(self._refused)


def _active(found: Any) -> list[dict[str, Any]]:
    """The users of an answer who are active. Raises TypeError or AttributeError if it holds something else."""
    if not isinstance(found, list):
        raise TypeError(type(found))
    return [raw for raw in found if _id(raw) and raw.get("active", True)]


def _id(raw: Mapping[str, Any]) -> str:
    return str(raw.get("accountId") or raw.get("name") or "")


def _user(raw: Mapping[str, Any]) -> JiraUser:
    return JiraUser(_id(raw), str(raw.get("displayName") or _id(raw)))
