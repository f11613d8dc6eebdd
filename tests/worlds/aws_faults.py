"""Faults at one call of AWS out of a run's many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError


class KilledError(BaseException):
    """The process ended here: nothing of it runs any more."""


Call = Callable[[], Any]
Fault = Callable[[str, Call], Any]
"""What happens instead of a call: given the operation's name, and the call."""


def error(operation: str, call: Call) -> Any:
    del call
    raise ClientError(_answer("AccessDenied", 403), operation)


def throttled(operation: str, call: Call) -> Any:
    del call
    raise ClientError(_answer("RequestLimitExceeded", 503), operation)


def time_out_after_it_was_made(operation: str, call: Call) -> Any:
    del operation
    call()
    raise ReadTimeoutError(endpoint_url="https://aws.example")


def made_twice(operation: str, call: Call) -> Any:
    """What the SDK does when the first answer is lost: the answer to the second is not the first's."""
    del operation
    call()
    try:
        return call()
    except ClientError as error:
        # As the SDK says it of an answer that was not the first: botocore.endpoint.Endpoint._send_request.
        error.response["ResponseMetadata"]["RetryAttempts"] = 1
        raise


def killed_after(operation: str, call: Call) -> Any:
    call()
    raise KilledError(operation)


def outage(operation: str, call: Call) -> Any:
    """From here on nothing can be reached."""
    del operation, call
    raise EndpointConnectionError(endpoint_url="https://aws.example")


FAULTS: dict[str, Fault] = {
    fault.__name__: fault for fault in (error, throttled, time_out_after_it_was_made, made_twice, killed_after, outage)
}


WRITES = ("Authorize", "Put", "Revoke", "Update")
"""How the operations of a run that change something begin."""

# A read that was made is one that was not: these differ from other faults only where something changes.
ONLY_AT_WRITES = (time_out_after_it_was_made, made_twice, killed_after)


def _answer(code: str, status: int) -> Any:
    return {"Error": {"Code": code, "Message": "injected"}, "ResponseMetadata": {"HTTPStatusCode": status}}


@dataclass
class Calls:
    """The calls of a run.

    Attributes:
        made: the operations, in order.
        watch: called after each.
    """

    made: list[str] = field(default_factory=list)
    watch: Callable[[str], None] = lambda _operation: None


@contextmanager
def calls(fault: Fault | None = None, at: int = -1, only: tuple[str, ...] = ("",)) -> Iterator[Calls]:
    """Record the calls of AWS whose names begin so, and let one of them, counted from 0, end in a fault."""
    seen = Calls()
    real = BaseClient._make_api_call  # type: ignore[attr-defined]
    state: dict[str, bool] = {"dead": False, "inside": False}

    def make(client: Any, operation: str, arguments: Any) -> Any:
        if state["dead"]:
            raise KilledError(operation)
        if state["inside"] or not operation.startswith(only):
            return real(client, operation, arguments)
        number = len(seen.made)
        seen.made.append(operation)
        try:
            if fault and (number == at or (fault is outage and number > at)):
                return fault(operation, lambda: real(client, operation, arguments))
            return real(client, operation, arguments)
        except KilledError:
            state["dead"] = True
            raise
        finally:
            if not state["dead"]:
                state["inside"] = True
                try:
                    seen.watch(operation)
                finally:
                    state["inside"] = False

    with patch.object(BaseClient, "_make_api_call", make):
        yield seen
