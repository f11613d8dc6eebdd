"""What happens when somebody presses a button in Slack, or sends a view: from the payload to the decision.

Only the button's value, the fields of the view and the user's id decide. Where the message is, and what it says, only
tells where to answer. A refusal is told to that person alone; a decision is shown by every message of the issue.

Slack wants an answer within 3 seconds, and nothing may be changed before it: `acknowledgement` is pure and says what
the answer carries; `handle` does the rest, after the answer was sent.

Only the user's id says who pressed, and Slack says what is behind it, each time anew (`SlackPeople`): a person who
left, or became a guest, decides nothing from that moment on. Where Slack cannot be asked, nobody may decide.

Sources: Slack, `users.info` (users:read, users:read.email), `usergroups.users.list` (usergroups:read), `auth.test`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from library.aws.decision_messages import ButtonMessage
from library.aws.decision_store import DecisionOutcome, Decisions
from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import UnreadableIssueError
from library.config.models import OWNER, limits_of
from library.documents.text import printable
from library.errors import ConflictError
from library.issues.decision_record import TEXT_LIMIT, DecisionKind, Via
from library.issues.decision_rules import (
    ButtonValue,
    Request,
    Rights,
    is_another_exemption,
    read_button,
    why_not,
    wrong_fields,
)
from library.notifications.owners import owners_of_issue
from library.notifications.slack_connection import SlackError, SlackUserLookupError
from reporting.decision_messages import ACTIONS, KINDS, WITH_VIEW, answer_text, field_of, view_of
from reporting.decision_notifications import DecisionNotifications

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable
    from library.config import Configuration
    from library.issues.issue import Issue
    from library.notifications.jira_client import JiraClient
    from library.notifications.slack_connection import SlackClient, SlackConnection


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

    def rights(
        self, config: Configuration, issue: Issue, presser: Presser, kind: DecisionKind, now: datetime
    ) -> Rights:
        """What somebody may do about an issue who makes this kind of decision. A refusal says why it is nothing.

        Only the list that this decision needs has to be read: a user group of another one may be gone.
        """
        try:
            user = _map(self._connection.read(lambda client: client.users_info(user=presser.user_id)).get("user"))
            if rejection := why_not_a_member(user, presser, self._home(presser)):
                return Rights(rejection=rejection)

            def is_one_of(listed: Sequence[str]) -> bool:
                return self._is_one_of(listed, user, config, issue)

            def is_known_as_one_of(listed: Sequence[str]) -> bool:
                try:
                    return is_one_of(listed)
                except SlackError:
                    return False

            section = config.decisions
            if kind is DecisionKind.RESTORE:
                return Rights(restores=is_one_of(section.allow_restore))
            if kind is not DecisionKind.EXEMPT:
                return Rights(decides=is_one_of(section.allow))
            # Somebody else may exempt it before this is written: then the other list counts.
            if is_another_exemption(issue, now):
                return Rights(extends=is_one_of(section.allow_extend), decides=is_known_as_one_of(section.allow))
            return Rights(decides=is_one_of(section.allow), extends=is_known_as_one_of(section.allow_extend))
        except SlackError as error:
            return Rights(rejection=f"Slack could not be asked who you are ({error}): try again later")

    def _home(self, presser: Presser) -> Workspace:
        """The workspace, or the organization, that the app is installed in: by its token, else by the payload.

        Raises:
            SlackError: Slack could not be asked. The payload may name the workspace of somebody from elsewhere.
        """
        try:
            identity = self._connection.read(lambda client: client.auth_test())
        except SlackUserLookupError:
            # A proxy lets only some methods through. Who somebody is has been asked before, and was answered.
            return presser.team
        home = Workspace(_text(identity.get("team_id")), _text(identity.get("enterprise_id")))
        return home if home.team_id or home.enterprise_id else presser.team

    def _is_one_of(self, listed: Sequence[str], user: Mapping[str, Any], config: Configuration, issue: Issue) -> bool:
        ids = _ids(user)
        if ids.intersection(listed):
            return True
        if OWNER in listed and is_owner(user, deciding_owners(config, issue)):
            return True
        unread: SlackError | None = None
        for group in (entry for entry in listed if _USER_GROUP.fullmatch(entry)):
            try:
                if ids.intersection(self._members(group)):
                    return True
            except SlackError as error:  # a member of another group is one all the same
                unread = unread or error
        if unread:
            raise unread
        return False

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


_log = logging.getLogger(__name__)

_TABLE_ERRORS = (ConflictError, UnreadableIssueError, *AWS_ERRORS)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Press:
    """What somebody wants, read from a payload of Slack's. Texts are untrusted input.

    Attributes:
        value: the button's value, read.
        raw_value: the same, as the button carries it.
        presser: who.
        key: tells this press from every other, also where Slack sends it twice.
        trigger_id: opens a view, within 3 seconds; empty: it opens none.
        location: channel and time of the message; empty: unknown.
        until: as a view has it, or empty.
        submitted: whether a view was sent.
    """

    kind: DecisionKind
    value: ButtonValue
    raw_value: str
    presser: Presser
    key: str
    trigger_id: str = ""
    location: tuple[str, str] = ("", "")
    until: str = ""
    reason: str = ""
    owner: str = ""
    submitted: bool = False

    @property
    def until_date(self) -> date | None:
        """The day that the view names; None: none, or something that is no day."""
        try:
            return date.fromisoformat(self.until) if _DATE.fullmatch(self.until) else None
        except ValueError:
            return None


def read_press(payload: Mapping[str, Any], app_id: str) -> Press | None:
    """Read an envelope's payload; None: it is none of Hammer's. `app_id`: the app's own; empty: unknown."""
    if app_id and payload.get("api_app_id") not in (None, app_id):
        return None
    try:
        if payload.get("type") == "block_actions":
            return _read_button_press(payload)
        if payload.get("type") == "view_submission":
            return _read_view(payload)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        _log.warning("a payload of Slack's is not understood: %s", error)
    return None


def _read_button_press(payload: Mapping[str, Any]) -> Press | None:
    for action in payload["actions"]:
        kind = KINDS.get(str(action.get("action_id")))
        value = read_button(action.get("value"))
        if kind is None or value is None:
            continue
        presser, container = Presser.of(payload), payload.get("container") or {}
        channel = payload.get("channel") or {}
        location = (str(container.get("channel_id") or channel.get("id") or ""), str(container.get("message_ts") or ""))
        distinguished = (presser.user_id, str(action.get("action_ts") or payload.get("trigger_id")), ACTIONS[kind])
        return Press(
            kind=kind,
            value=value,
            raw_value=str(action["value"]),
            presser=presser,
            key=_key("press", *distinguished),
            trigger_id=str(payload.get("trigger_id") or ""),
            location=location,
        )
    return None


def _read_view(payload: Mapping[str, Any]) -> Press | None:
    view = payload["view"]
    kind = KINDS.get(str(view.get("callback_id")))
    if kind is None or kind not in WITH_VIEW:
        return None
    metadata = _metadata_of(view)
    raw_value = str(metadata.get("value"))
    location = (str(metadata.get("channel") or ""), str(metadata.get("ts") or ""))
    value = read_button(raw_value)
    if value is None:
        return None
    presser = Presser.of(payload)
    fields = {name: field_of(view, name) for name in ("until", "reason", "owner")}
    view_id = str(view.get("id") or json.dumps([raw_value, fields], sort_keys=True))
    key = _key("view", presser.user_id, view_id, *(() if view.get("id") else (str(payload.get("trigger_id")),)))
    return Press(kind, value, raw_value, presser, key, location=location, submitted=True, **fields)


def _metadata_of(view: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a view carries, as `view_of` writes it; or the button's value alone, which says all that decides."""
    text = view.get("private_metadata")
    try:
        metadata = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return {"value": text}
    return metadata if isinstance(metadata, Mapping) else {}


def _key(*parts: str) -> str:
    return f"slack:{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:32]}"


def acknowledgement(press: Press | None, config: Configuration, today: date) -> dict[str, Any] | None:
    """What the answer to an envelope carries: what is wrong with a view's fields; None: nothing."""
    if press is None or not press.submitted:
        return None
    limits = limits_of(config, press.value.account_id)
    wrong = wrong_fields(press.kind, limits, today, until=press.until_date, reason=press.reason, owner=press.owner)
    return {"response_action": "errors", "errors": wrong} if wrong else None


@dataclass(frozen=True, slots=True)
class Inbox:
    """Carries out what people press.

    Attributes:
        config: gives the configuration as it is now.
        table: the issues.
        connect: makes a connection to Slack; `True`: one that does not wait long for an answer.
        slack: makes Slack of a connection.
        jira: makes JIRA of a configuration; None: it is off.
        restore: begins to carry out the restore that is decided in an issue, and calls something after it. People are
            told by then. It returns at once.
        now: the clock, in UTC.
    """

    config: Callable[[], Configuration]
    table: IssueTable
    connect: Callable[[bool], SlackConnection]
    slack: Callable[[SlackConnection], SlackClient]
    jira: Callable[[Configuration], JiraClient | None]
    restore: Callable[[Issue, Callable[[], None]], None]
    now: Callable[[], datetime]

    def handle(self, press: Press) -> None:
        """Do what somebody wants, or say why not. What goes wrong is logged, and told to that person."""
        try:
            config = self.config()
            issue = self.table.get(press.value.account_id, press.value.group_id)
        except _TABLE_ERRORS as error:
            self._answer(press, f"It could not be read what the issue is now: {explain(error)}. Try again.")
            return
        if not config.decisions.enabled:
            self._answer(press, "Decisions are off (decisions.enabled).")
            return
        if issue is None or issue.details.region != press.value.region:
            self._answer(press, "There is no such issue any more.")
            return
        people = SlackPeople(self.connect(True))
        request = self._request(press, people.rights(config, issue, press.presser, press.kind, self.now()))
        if press.kind in WITH_VIEW and not press.submitted:
            limits = limits_of(config, issue.account_id)
            if not why_not(issue, request, limits, self.now(), fields=False):
                self._open_view(press, issue, config)
                return
        self._decide(press, request, config)

    def _request(self, press: Press, rights: Rights) -> Request:
        return Request(
            kind=press.kind,
            by=press.presser.user_id,
            via=Via.SLACK,
            at=self.now(),
            seen=press.value.seen,
            rights=rights,
            reason=press.reason[:TEXT_LIMIT],
            until=press.until_date,
            owner=press.owner,
            key=press.key,
        )

    def _open_view(self, press: Press, issue: Issue, config: Configuration) -> None:
        today, days = self.now().date(), config.decisions.exempt_days
        view = view_of(press.kind, press.raw_value, press.location, issue, days, today)
        try:
            self.slack(self.connect(True)).open_view(press.trigger_id, view)
        except SlackError as error:
            _log.warning("no view was opened: %s", error)
            self._answer(press, f"The form could not be opened ({error}). Press again.")

    def _decide(self, press: Press, request: Request, config: Configuration) -> None:
        limits = limits_of(config, press.value.account_id)
        try:
            outcome = Decisions(self.table, self.now).carry_out(
                press.value.account_id, press.value.group_id, request, limits
            )
        except _TABLE_ERRORS as error:
            self._answer(press, f"Nobody knows whether it was recorded: {explain(error)}. Look again.")
            return
        if outcome is None:
            self._answer(press, "There is no such issue any more.")
            return
        if outcome.rejection and not outcome.repeated:
            self._answer(press, f"Not done: {outcome.rejection}.")
        self.follow_up(outcome, press.location, config)

    def follow_up(self, outcome: DecisionOutcome, location: tuple[str, str], config: Configuration) -> None:
        """Do what follows from a decision: a restore, the ticket's comment, the messages."""
        issue = outcome.issue
        if outcome.pending:
            # What messages say is that it was done, so they wait until it was.
            self.restore(issue, lambda: self.show(issue, location, config))
        else:
            self.show(issue, location, config)

    def show(self, issue: Issue, location: tuple[str, str], config: Configuration) -> None:
        """Write the ticket's comment and the messages."""
        try:
            # The message that was pressed may be one of which nobody could record that it was sent.
            if all(location):
                self.notifier(config).messages.add(issue.account_id, issue.issue_id, ButtonMessage(*location))
            issue = self.table.get(issue.account_id, issue.issue_id) or issue
        except _TABLE_ERRORS as error:
            _log.error("%s: its messages are not rewritten yet: %s", issue.location, explain(error))
            return
        for problem in self.notifier(config).notify(issue):
            _log.warning("%s", printable(problem))

    def notifier(self, config: Configuration) -> DecisionNotifications:
        """The ways to reach people."""
        return DecisionNotifications(config, self.table, self.jira(config), self.slack(self.connect(False)), self.now)

    def _answer(self, press: Press, text: str) -> None:
        """Tell the person who pressed, and nobody else.

        By a connection of its own: Slack has a rate for each method, and one that was asked too often for people is
        not asked again. It waits as long as Slack asks it to: nobody would tell that person later.
        """
        channel, ts = press.location
        try:
            self.slack(self.connect(False)).post_ephemeral(channel, press.presser.user_id, answer_text(text))
        except SlackError as error:
            _log.warning("%s could not be told (%s %s): %s", press.presser.user_id, channel, ts, error)
