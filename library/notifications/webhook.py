"""The webhook: sends events to one address, signed, each once.

The signature is that of Standard Webhooks (https://www.standardwebhooks.com), for which many languages have a library:
HMAC-SHA256 of `<webhook-id>.<webhook-timestamp>.<body>`, in base64. The time is that of the attempt, so a receiver can
refuse what is old; the id is the event's, so it can drop what comes twice because an answer was lost.

Redirects are not followed: the events would go to an address that nobody configured. The answer's body is not read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import requests
from requests.exceptions import ConnectTimeout, ReadTimeout, RequestException, SSLError

from library.aws.secrets import WebhookSecret
from library.config.models import Webhook
from library.errors import HammerError
from library.notifications.connection import CONTENT_LIMIT, NETWORK_LIMIT, Failure, ServiceConnection, never_connected

if TYPE_CHECKING:
    from library.notifications.webhook_events import EventType, WebhookEvent

_TIMEOUT_S = (10.0, 10.0)  # to connect, to answer
# What is said of the address or the key: it holds for every event.
_OF_THE_ADDRESS = {401: "refuses the signature", 403: "refuses the signature", 404: "is not there", 410: "is gone"}


class WebhookError(HammerError):
    """An event was not taken. The text is one line, without the address' path and without the secret.

    `may_have_arrived`: whether the receiver may have the event all the same.
    """

    may_have_arrived = False


class WebhookUnavailableError(WebhookError):
    """The webhook cannot be used at all in this run: it is not asked again."""


class _AnsweredError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, retry_after: str) -> None:
        super().__init__(f"answered {status}")
        self.status = status
        self.retry_after = retry_after


def signed_headers(event: WebhookEvent, key: bytes, at: datetime) -> dict[str, str]:
    """The headers that sign an event."""
    timestamp = str(int(at.timestamp()))
    signed = b".".join((event.id.encode(), timestamp.encode(), event.body))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": event.id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}


class WebhookClient(ServiceConnection[Webhook, WebhookSecret, bytes]):
    """The webhook. Its client is the key that signs: each event has a connection of its own."""

    errors = (_AnsweredError, RequestException, OSError, ValueError)
    unavailable = WebhookUnavailableError
    _may_have_arrived = False  # by any try of the last event

    def wants(self, event_type: EventType) -> bool:
        """Whether `webhook.events` names this type."""
        return event_type.value in self.settings.events

    def send(self, event: WebhookEvent) -> None:
        """Send an event, again while that may help.

        Raises:
            WebhookError: it was not taken, or may not have been. The same event may be sent again later.
        """

        def post(key: bytes) -> None:
            headers = {"Content-Type": "application/json", "User-Agent": "hammer", "webhook-type": str(event.type)}
            self._post(event.body, headers | signed_headers(event, key, self._now()))

        self._may_have_arrived = False
        try:
            self.write(post)
        except WebhookError as error:
            error.may_have_arrived = self._may_have_arrived
            raise

    def _connect(self) -> bytes:
        self._check_bundle("webhook.ca_bundle", self.settings.ca_bundle)
        return self._read_secret().key

    def _post(self, body: bytes, headers: Mapping[str, str]) -> None:
        with (
            requests.Session() as session,
            session.post(
                self.settings.url,
                data=body,
                headers=dict(headers),
                timeout=_TIMEOUT_S,
                verify=self.settings.ca_bundle or True,
                allow_redirects=False,
                stream=True,  # the body is not read: it may be endless
                auth=_no_login,
            ) as answer,
        ):
            if not 200 <= answer.status_code < 300:
                raise _AnsweredError(answer.status_code, str(answer.headers.get("Retry-After", "")))

    def _failure(self, error: Exception, *, writes: bool) -> Failure:
        match error:
            case _AnsweredError():
                return self._refused(error)
            case SSLError():
                advice = "not even by webhook.ca_bundle" if self.settings.ca_bundle else "set webhook.ca_bundle"
                return self._final(f"could not be reached: its certificate is not trusted, {advice}")
            case ReadTimeout():
                # Not again in this run: each try of each event would cost as long.
                return Failure(self._error("did not answer in time", may_have_arrived=True), down_after=NETWORK_LIMIT)
            case _:
                # The error's own text is not shown: it has the whole address.
                what = "no connection in time" if isinstance(error, ConnectTimeout) else "no connection, or it broke"
                failed = self._error(f"could not be reached: {what}", may_have_arrived=not never_connected(error))
                return Failure(failed, may_repeat=True, down_after=NETWORK_LIMIT)

    def _refused(self, error: _AnsweredError) -> Failure:
        status = error.status
        if 300 <= status < 400:
            return self._final(f"answered {status}, a redirect, which is not followed: set webhook.url to its target")
        if what := _OF_THE_ADDRESS.get(status):
            return self._final(f"answered {status}, it {what}: check webhook.url and the secret of webhook.secret")
        wait_s = self._wait_s(error.retry_after)
        is_busy = status in (408, 425, 429) or status >= 500
        return Failure(
            self._error(f"answered {status}", may_have_arrived=status == 408 or status >= 500),
            may_repeat=is_busy,
            wait_s=wait_s if is_busy else None,
            down_after=NETWORK_LIMIT if is_busy else CONTENT_LIMIT,
        )

    def _final(self, what: str) -> Failure:
        reason = f"the webhook at {self.settings.site} {what}"
        return Failure(WebhookUnavailableError(reason), down=reason)

    def _error(self, what: str, *, may_have_arrived: bool = False) -> WebhookError:
        self._may_have_arrived |= may_have_arrived
        return WebhookError(f"the webhook at {self.settings.site} {what}")


def _no_login(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from adding a login that `~/.netrc` has for the host."""
    return request
