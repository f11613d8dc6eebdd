"""The DynamoDB table as CreateTable takes it: keys, indexes and the attribute that lets items expire.

Terraform makes the same table (deployment/terraform); a test compares the two.
"""

from __future__ import annotations

from typing import Any

STATUS_INDEX = "by_status"  # account_id, status
REGION_INDEX = "by_open_region"  # account_id, open_region: issues that are open or whitelisted

TIME_TO_LIVE_ATTRIBUTE = "expires_at"  # seconds since 1970; DynamoDB deletes the item after it. Issues have none.

TABLE_DEFINITION: dict[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("account_id", "issue_id", "status", "open_region")
    ],
    "KeySchema": [
        {"AttributeName": "account_id", "KeyType": "HASH"},
        {"AttributeName": "issue_id", "KeyType": "RANGE"},
    ],
    "LocalSecondaryIndexes": [
        {
            "IndexName": index,
            "KeySchema": [
                {"AttributeName": "account_id", "KeyType": "HASH"},
                {"AttributeName": attribute, "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
        for index, attribute in ((STATUS_INDEX, "status"), (REGION_INDEX, "open_region"))
    ],
}
"""The table as CreateTable takes it, but for its name."""
