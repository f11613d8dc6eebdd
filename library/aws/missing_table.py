"""What DynamoDB does not say: which table is missing, and what makes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

CODE = "ResourceNotFoundException"


def name_missing_table(client: DynamoDBClient, table_name: str) -> None:
    """Make every call of a client that fails because its table is missing name the table and say what to do."""

    def explain(parsed: dict[str, Any], **_: Any) -> None:
        error = parsed.get("Error", {})
        # An emulator answers with the same code where an index is missing, which `IssueTable` does without.
        if error.get("Code") == CODE and "index" not in error.get("Message", "").lower():
            error["Message"] = (
                f"there is no table {table_name} in region {client.meta.region_name} of the main account: "
                "secgrp_unrestricted_access.ddb.table_name must name it; deployment/terraform creates it, and in a "
                "sandbox `hammer bootstrap` does"
            )

    client.meta.events.register("after-call.dynamodb", explain, unique_id=f"hammer-missing-table-{table_name}")
