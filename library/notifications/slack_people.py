"""Who pressed a button in Slack, and what that person may decide.

Only the user's id says who it is, and Slack says what is behind it, each time anew: a person who left, or became a
guest, decides nothing from that moment on. Where Slack cannot be asked, nobody may decide.

Sources: Slack, `users.info` (users:read, users:read.email), `usergroups.users.list` (usergroups:read), `auth.test`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from library.config.models import OWNER, rights_of
from library.issues.decision_rules import Rights
from library.notifications.owners import owners_of_issue
from library.notifications.slack_connection import SlackError

if TYPE_CHECKING:
    from library.config import Configuration
    from library.issues.issue import Issue
    from library.notifications.slack_connection import SlackConnection

_USER_GROUP = re.compile(r"S[A-Z0-9]{2,}")


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace, and the organization that it belongs to; empty: unknown, or none."""

    team_id: str = ""
    enterprise_id: str = ""


@dataclass(frozen=True, slots=True)
class Presser:
    """Who a payload says pressed, and where. Everything but the user's id can only refuse.

    Attributes:
        user_id: the id of `payload.user`.
        user_team: the workspace that the payload gives for the user; empty: it gives none.
        team: the workspace in which it was pressed.
    """

    user_id: str
    user_team: str
    team: Workspace

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Presser:
        """Read a payload of Slack's. Raises ValueError where it has no user."""
        user, team, enterprise = (_map(payload.get(name)) for name in ("user", "team", "enterprise"))
        if not (user_id := _text(user.get("id"))):
            raise ValueError("the payload names no user")
        within = _text(team.get("enterprise_id")) or _text(enterprise.get("id"))
        return cls(user_id, _text(user.get("team_id")), Workspace(_text(team.get("id")), within))


class SlackPeople:
    """Asks Slack about people."""

    def __init__(self, connection: SlackConnection) -> None:
        self._connection = connection

    def rights(self, config: Configuration, issue: Issue, presser: Presser) -> Rights:
        """What somebody may decide about an issue. A refusal says why it is nothing."""
        try:
            user = _map(self._connection.read(lambda client: client.users_info(user=presser.user_id)).get("user"))
            if rejection := why_not_a_member(user, presser, self._home(presser)):
                return Rights(rejection=rejection)

            def is_one_of(listed: Sequence[str]) -> bool:
                return self._is_one_of(listed, user, config, issue)

            return rights_of(config, is_one_of, decides=is_one_of(config.decisions.allow))
        except SlackError as error:
            return Rights(rejection=f"Slack could not be asked who you are ({error}): try again later")

    def _home(self, presser: Presser) -> Workspace:
        """The workspace, or the organization, that the app is installed in: by its token, else by the payload."""
        try:
            identity = self._connection.read(lambda client: client.auth_test())
        except SlackError:
            # The payload says it, too. Who somebody is has been asked before, and was answered.
            return presser.team
        home = Workspace(_text(identity.get("team_id")), _text(identity.get("enterprise_id")))
        return home if home.team_id or home.enterprise_id else presser.team

    def _is_one_of(self, listed: Sequence[str], user: Mapping[str, Any], config: Configuration, issue: Issue) -> bool:
        ids = _ids(user)
        if ids.intersection(listed):
            return True
        if OWNER in listed and is_owner(user, deciding_owners(config, issue)):
            return True
        groups = [entry for entry in listed if _USER_GROUP.fullmatch(entry)]
        return any(ids.intersection(self._members(group)) for group in groups)

    def _members(self, group: str) -> set[str]:
        answer = self._connection.read(lambda client: client.usergroups_users_list(usergroup=group))
        return {str(member) for member in answer.get("users") or ()}


def why_not_a_member(user: Mapping[str, Any], presser: Presser, home: Workspace) -> str:
    """Why somebody decides nothing, whoever is allowed to; empty: the person is a full member of this workspace.

    `user` is as `users.info` gives the person, `presser` as the payload does; `home` is the workspace that the app is
    installed in.
    """
    if presser.user_id not in _ids(user):
        return "Slack does not say who you are"
    if user.get("deleted"):
        return "your Slack account is deactivated"
    if user.get("is_bot") or user.get("is_workflow_bot") or presser.user_id == "USLACKBOT":
        return "bots decide nothing"
    if user.get("is_restricted") or user.get("is_ultra_restricted"):
        return "guests decide nothing"
    if user.get("is_stranger"):
        return "people of other workspaces decide nothing"
    within = _text(_map(user.get("enterprise_user")).get("enterprise_id")) or _text(user.get("enterprise_id"))
    same_enterprise = bool(home.enterprise_id) and within == home.enterprise_id
    teams = {_text(user.get("team_id")), presser.user_team or home.team_id}
    if not same_enterprise and (not home.team_id or teams != {home.team_id}):
        return "people of other workspaces decide nothing"
    return ""


def is_owner(user: Mapping[str, Any], owners: frozenset[str]) -> bool:
    """Whether somebody is one of these owners: by a confirmed e-mail address, or by the user's id."""
    if _ids(user).intersection(owners):
        return True
    email = _text(_map(user.get("profile")).get("email")).casefold()
    return bool(email) and user.get("is_email_confirmed") is True and email in {name.casefold() for name in owners}


def deciding_owners(config: Configuration, issue: Issue) -> frozenset[str]:
    """Who may decide as the owner: who was named last, else whom tags name, else `ticket_owners`. Untrusted input."""
    owners = owners_of_issue(config, issue)
    if owners.named:
        return frozenset({owners.named})
    return frozenset({*owners.configured.slack_owner, owners.configured.jira_owner} - {""})


def _ids(user: Mapping[str, Any]) -> set[str]:
    return {_text(user.get("id")), _text(_map(user.get("enterprise_user")).get("id"))} - {""}


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
