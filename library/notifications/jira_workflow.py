"""The statuses of JIRA's tickets, and the transitions that close and reopen them.

Every project may have a workflow of its own. What is done is told by the category of a status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from library.notifications.jira_connection import JiraConnection, JiraError, JiraOutcomeUnknownError

_NONE: Mapping[str, Any] = {}
_PREFERRED_ENDS = ("done", "closed", "resolved")


class JiraCannotReopenError(JiraError):
    """The workflow leads nowhere from the status that the ticket has."""


class JiraCannotCloseError(JiraError):
    """The workflow has no transition that closes the ticket."""


class JiraWorkflow:
    """Closes and reopens tickets.

    Args:
        connection: to JIRA.
    """

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
            raise JiraError(reason, error.status, error.fields) from None

    def reopen(self, key: str) -> None:
        """Bring a ticket back to a status that is not done. Raises JiraCannotReopenError, JiraError."""
        back = [found for found in self._transitions(key) if not is_done(found.get("to") or found)]
        if not back:
            raise JiraCannotReopenError(f"{key} has no transition to a status that is not done")
        back.sort(key=lambda found: _category(found.get("to")) != "new")
        self._take(key, back[0])

    def _transitions(self, key: str) -> list[dict[str, Any]]:
        return self._connection.read(
            lambda client: [dict(found) for found in client.transitions(key, expand="transitions.fields")]
        )

    def _take(self, key: str, transition: Mapping[str, Any], given: Mapping[str, Any] = _NONE) -> None:
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
