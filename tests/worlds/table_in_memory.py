"""The issue table in memory, below the SDK's clients: for tests that make the same run again and again with one fault.

Most of such a test's time was the emulator reading expressions and copying items. What is asked of the table here is
asked of it elsewhere, too, where the emulator and a second DynamoDB (tests/second_table.py) answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from botocore import xform_name
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from tests.simulation.storage import Table
from tests.worlds.memory_items import clone

_OF_THE_TABLE = ("Table", "Tables", "TimeToLive")
"""What is about the table, and not about its items: the emulator answers."""


@contextmanager
def table_in_memory() -> Iterator[Table]:
    """Calls about items of any table reach this one."""
    table = Table()
    is_deleted = False
    real = BaseClient._make_api_call  # type: ignore[attr-defined]

    def make(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        nonlocal is_deleted
        is_about_items = client.meta.service_model.service_name == "dynamodb" and not operation.endswith(_OF_THE_TABLE)
        is_deleted = is_deleted or operation == "DeleteTable"
        if not is_about_items or is_deleted:
            return real(client, operation, arguments)
        asked = {name: clone(value) for name, value in arguments.items() if name != "TableName"}
        try:
            answer = getattr(table, xform_name(operation))(**asked)
        except ClientError as error:
            # As the class that the client has for this code.
            raise client.exceptions.from_code(error.response["Error"]["Code"])(error.response, operation) from error
        return {**clone(answer), "ResponseMetadata": {"HTTPStatusCode": 200, "RetryAttempts": 0}}

    with patch.object(BaseClient, "_make_api_call", make):
        yield table
