"""The errors that AWS answers with in the simulation."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

_CLASSES: dict[str, type[ClientError]] = {}


def error_class(code: str) -> type[ClientError]:
    """The exception that a client has under this name."""
    if code not in _CLASSES:
        _CLASSES[code] = type(code, (ClientError,), {})
    return _CLASSES[code]


def client_error(code: str, message: str = "", operation: str = "Simulated") -> ClientError:
    """An error of AWS with this code."""
    response: Any = {"Error": {"Code": code, "Message": message or code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return error_class(code)(response, operation)


def transaction_error(reason: str) -> ClientError:
    """How DynamoDB says why a transaction was not done: a reason for each item (TransactWriteItems)."""
    error = client_error("TransactionCanceledException", operation="TransactWriteItems")
    response: Any = error.response
    response["CancellationReasons"] = [{"Code": "None"}, {"Code": reason}]
    return error
