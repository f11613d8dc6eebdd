"""The connection to one JIRA: log in, send requests, and say what went wrong.

A request that changes something is sent once. It is sent again only if it surely did not arrive or was turned away for
its rate. If it may have arrived, `JiraOutcomeUnknownError` is raised, so that the caller looks before it writes again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from jira import JIRA
from jira.exceptions import JIRAError
from requests import Response
from requests.exceptions import RequestException, SSLError

from library.aws.secrets import JiraSecret
from library.config import Jira
from library.documents.text import flattened
from library.errors import HammerError
from library.notifications.connection import NETWORK_LIMIT, Failure, ServiceConnection, never_connected

_TIMEOUT_S = (10.0, 60.0)  # to connect, to answer
_LINK_TYPE = "Relates"
_GATEWAY = "/ex/jira/"  # the path of Atlassian's gateway for scoped tokens; it has no pages for people
_REASON_LIMIT = 300
_LOGIN_REASON_LIMIT = 80
_LOGIN_FAILED = {"AUTHENTICATED_FAILED", "AUTHENTICATION_DENIED", "AUTHORISATION_FAILED"}

_OWN_ERRORS = {"errorMessages", "errors"}
_TEXT_FIELDS = {"body", "comment", "description", "summary"}

# The login, the request's time, somebody else who changes the ticket at the same moment, the rate.
_MAY_PASS = (401, 408, 409, 429)

NOT_OFFERED = (404, 405, 410, 501)
"""What answers a request for something that this JIRA, or a gateway before it, does not offer."""


class JiraError(HammerError):
    """JIRA did not do what it was asked. The text is one line.

    It carries no cause: JIRA's answer has session cookies, which a traceback would print.

    Attributes:
        status: the HTTP status; 0: there was no answer.
        fields: what JIRA said of single fields.
        is_own: whether the answer is JIRA's own. A page of a proxy before it says nothing about a ticket.
    """

    def __init__(
        self, reason: str, status: int = 0, fields: Mapping[str, str] | None = None, *, is_own: bool = False
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.fields = dict(fields or {})
        self.is_own = is_own

    @property
    def may_pass(self) -> bool:
        """Whether the same request may well succeed later."""
        return self.status in (0, *_MAY_PASS) or self.status >= 500 or 300 <= self.status < 400

    @property
    def is_refusal(self) -> bool:
        """Whether JIRA will answer the same to the same request until somebody changes something there."""
        return self.is_own and 400 <= self.status < 500 and self.status not in _MAY_PASS

    @property
    def says_gone(self) -> bool:
        """Whether there is no such ticket any more, or none that JIRA shows to Hammer."""
        return self.is_own and self.status == 404

    @property
    def says_hidden(self) -> bool:
        """Whether JIRA does not show the ticket to Hammer, as one with a security level in Data Center."""
        return self.is_own and self.status == 403

    @property
    def refuses_text(self) -> bool:
        """Whether JIRA may take the same with another text: it names no field, or one that holds text."""
        return self.status in (400, 413, 422) and (not self.fields or bool(_TEXT_FIELDS & self.fields.keys()))


class JiraOutcomeUnknownError(JiraError):
    """JIRA may have done what it was asked."""


class JiraUnavailableError(JiraError):
    """JIRA cannot be used at all in this run: it is not asked again."""


class _RedirectedError(RequestException):
    """A request that was to change something was sent elsewhere."""


class _Client(JIRA):
    """The package's client, taking users by their exact id, and with what it lacks."""

    is_cloud = True
    site = ""

    def _get_user_id(self, user: str | None) -> str | None:
        return user  # not the first of those whom a search for it finds

    def get_json(self, path: str, version: str = "2", **params: Any) -> Any:
        """A resource that the package asks for less directly."""
        return self._get_json(path, params=params, base=f"{{server}}/rest/{{rest_path}}/{version}/{{path}}")

    def edit_labels(self, key: str, changes: Sequence[Mapping[str, str]]) -> None:
        self._session.put(self._get_url(f"issue/{key}"), data=json.dumps({"update": {"labels": changes}}))

    def edit_fields(self, key: str, fields: Mapping[str, Any]) -> None:
        self._session.put(self._get_url(f"issue/{key}"), data=json.dumps({"fields": dict(fields)}))

    def assign(self, key: str, user: Mapping[str, str]) -> None:
        self._session.put(self._get_url(f"issue/{key}/assignee"), data=json.dumps(dict(user)))

    def link(self, inward: str, outward: str) -> None:
        data = {"type": {"name": _LINK_TYPE}, "inwardIssue": {"key": inward}, "outwardIssue": {"key": outward}}
        self._session.post(self._get_url("issueLink"), data=json.dumps(data))


class JiraConnection(ServiceConnection[Jira, JiraSecret, _Client]):
    """One JIRA. What it does not do raises JiraError; a write that may have arrived, JiraOutcomeUnknownError."""

    # The last four: an answer that the package does not understand, such as the login page of a proxy.
    errors = (JIRAError, RequestException, AttributeError, KeyError, TypeError, ValueError)
    unavailable = JiraUnavailableError

    @property
    def is_cloud(self) -> bool:
        """Whether it is JIRA Cloud. Logs in if nobody did before. Raises JiraError."""
        return self._connected().is_cloud

    @property
    def site(self) -> str:
        """Where people find tickets: `jira.server`. Where that is Atlassian's gateway, what JIRA says of itself."""
        server = self.settings.server.rstrip("/")
        if not self.settings.api_url and _GATEWAY in f"{server}/":
            with suppress(JiraError):
                stated = self._connected().site.rstrip("/")
                return stated if re.fullmatch(r"https?://[^\s<>|]+", stated) else server
        return server

    @property
    def _setting(self) -> str:
        return "jira.api_url" if self.settings.api_url else "jira.server"

    def _connect(self) -> _Client:
        if not self.settings.server:
            raise JiraUnavailableError("JIRA is enabled, but jira.server is empty")
        secret, bundle = self._read_secret(), self.settings.ca_bundle
        self._check_bundle("jira.ca_bundle", bundle)
        login: dict[str, Any] = (
            {"token_auth": secret.token} if secret.token else {"basic_auth": (secret.username, secret.api_token)}
        )
        client = _Client(
            server=self.settings.api_url or self.settings.server,
            options={"rest_api_version": "2", "verify": bundle or True},
            get_server_info=False,
            max_retries=0,  # its own would send again what may have arrived
            timeout=_TIMEOUT_S,
            **login,
        )
        client._session.hooks["response"] += [_check_login, _check_written]
        deployment_type = ""
        try:
            info = client.get_json("serverInfo")
            deployment_type, client.site = info.get("deploymentType"), str(info.get("baseUrl") or "")
        except JIRAError as error:
            if error.status_code not in NOT_OFFERED:
                raise
        client.is_cloud = deployment_type == "Cloud" if deployment_type else not secret.token
        return client

    def _failure(self, error: Exception, *, writes: bool) -> Failure:
        match error:
            case JIRAError():
                return self._refused(error, writes=writes)
            case _RedirectedError():
                status = error.response.status_code if error.response is not None else 0
                reason = f"JIRA answered {status}, a redirect, which is not followed: set {self._setting} to its target"
                return Failure(JiraError(reason, status))
            case RequestException() if not isinstance(error, ValueError):  # which answers that are no JSON are, too
                return self._unreachable(error, writes=writes)
            case _:
                reason = f"JIRA's answer was not understood ({type(error).__name__}): is {self._setting} right?"
                return Failure(JiraOutcomeUnknownError(reason) if writes else JiraError(reason))

    def _refused(self, error: JIRAError, *, writes: bool) -> Failure:
        status, wait_s = error.status_code or 0, self._wait_s(_header(error, "Retry-After"))
        reason = f"JIRA answered {status}: {flattened(error.text or 'nothing', _REASON_LIMIT)}"
        if status == 401:
            down = f"JIRA refused the login (401): check the secret {self.settings.secret!r}"
            return Failure(JiraUnavailableError(down, status), down=down)
        if denied := _denied(error):
            # Data Center asks who failed to log in too often to solve a CAPTCHA: every further try makes it worse.
            down = f"JIRA refused the login ({status}, {denied}): log in as Hammer's user in a browser once, and check "
            down += f"the secret {self.settings.secret!r}"
            return Failure(JiraUnavailableError(down, status), down=down)
        turned_away = status == 429 or (status == 503 and wait_s is not None)
        if writes and status >= 500 and not turned_away:
            # It may be about this one ticket: other tickets are still to be written.
            return Failure(JiraOutcomeUnknownError(reason, status))
        return Failure(
            JiraError(reason, status, _field_errors(error), is_own=_is_own(error)),
            may_repeat=turned_away or status >= 500,
            wait_s=wait_s if turned_away or status >= 500 else None,
            down_after=NETWORK_LIMIT if status >= 500 or status == 429 else 0,
        )

    def _unreachable(self, error: RequestException, *, writes: bool) -> Failure:
        server = self.settings.api_url or self.settings.server
        if isinstance(error, SSLError):
            advice = "not even by jira.ca_bundle" if self.settings.ca_bundle else "set jira.ca_bundle"
            down = f"JIRA at {server} could not be reached: its certificate is not trusted, {advice}"
            return Failure(JiraUnavailableError(down), down_after=NETWORK_LIMIT, down=down)
        unsent = never_connected(error)
        # The exception's own text is not shown: the request's headers carry the login.
        what = "no connection" if unsent else "the connection broke or took too long"
        reason = f"JIRA at {server} could not be reached: {what}"
        if writes and not unsent:
            return Failure(JiraOutcomeUnknownError(reason), down_after=NETWORK_LIMIT)
        return Failure(JiraUnavailableError(reason), may_repeat=True, down_after=NETWORK_LIMIT, down=reason)


def _check_login(answer: Response, **_: object) -> None:
    """Raise if JIRA took a request for one of nobody. Cloud answers 200 then, and searches find nothing."""
    reasons = _login_reasons(str(answer.headers.get("X-Seraph-LoginReason", "")))
    if answer.ok and "OK" not in reasons and reasons & _LOGIN_FAILED:
        raise JIRAError("the login failed", status_code=answer.status_code, response=answer)


def _login_reasons(header: str) -> set[str]:
    return set(re.split(r"[,\s]+", header))


def _check_written(answer: Response, **_: object) -> None:
    """Raise if a request that was to change something did not reach JIRA, though its answer is no error.

    requests sends a redirected POST on as a GET, which JIRA answers as if nothing was wrong. A proxy answers with its
    page where one has to log in. JIRA answers with JSON, or nothing.
    """
    if answer.request.method == "GET":
        return
    if 300 <= answer.status_code < 400:
        raise _RedirectedError(response=answer)
    if answer.ok and answer.text.strip():
        answer.json()


def _is_own(error: JIRAError) -> bool:
    """Whether an error is JIRA's own: it has messages, of the whole request or of single fields, or says nothing.

    What is between says more: a page, or JSON with other members. A 403 that says nothing may be anybody's.
    """
    is_empty = error.status_code != 403 and (error.response is None or error.response.text.strip() in ("", "{}"))
    return is_empty or not _OWN_ERRORS.isdisjoint(_said(error))


def _said(error: JIRAError) -> dict[str, Any]:
    """The answer to a request that was refused; empty: it is no JSON."""
    try:
        said = error.response.json() if error.response is not None else {}
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _field_errors(error: JIRAError) -> dict[str, str]:
    """What JIRA said of single fields of a request that it refused."""
    errors = _said(error).get("errors")
    if not isinstance(errors, dict):
        return {}
    return {str(name): flattened(str(reason), _REASON_LIMIT) for name, reason in errors.items()}


def _header(error: JIRAError, name: str) -> str:
    return str(error.response.headers.get(name, "")) if error.response is not None else ""


def _denied(error: JIRAError) -> str:
    """Why JIRA takes no login, by the headers of Seraph, its part for logins; empty: it says nothing of that."""
    said = _header(error, "X-Authentication-Denied-Reason")
    reason = _header(error, "X-Seraph-LoginReason")
    if not said and not _login_reasons(reason) & _LOGIN_FAILED:
        return ""
    return flattened(said.partition(";")[0] or reason, _LOGIN_REASON_LIMIT)
