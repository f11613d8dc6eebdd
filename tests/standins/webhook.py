"""A receiver of Hammer's events, which checks them as Standard Webhooks says, with nothing of Hammer's own code."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from tests.standins.server import Answer, Request, StandIn

SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of a signing key").decode()


class WebhookStandIn(StandIn):
    """The receiver.

    Attributes:
        events: what was taken, in order; an id that was taken before is not taken again.
        repeated: the ids that came again after they were taken.
    """

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []
        self.repeated: list[str] = []
        self.secret = {"secret": SECRET}

    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.method == "POST"]

    def answer(self, request: Request) -> Answer:
        event_id, timestamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        signed = b".".join((event_id.encode(), timestamp.encode(), request.raw))
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        if not hmac.compare_digest(wanted, request.headers["webhook-signature"]):
            return Answer(status=401)
        if event_id in (event["id"] for event in self.events):
            self.repeated.append(event_id)
            return Answer(status=204)
        self.events.append(request.body)
        return Answer(status=204)

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]
