"""What a write that DynamoDB refuses says: which item it was, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from library.aws.conditional_writes import Check, Items
from library.errors import ConflictError

CANCELLED = "Transaction cancelled, please refer cancellation reasons for specific reasons"
TOO_BIG = {"Code": "ValidationError", "Message": "Item size has exceeded the maximum allowed size"}
THROTTLED = {"Code": "ThrottlingError", "Message": "Throughput exceeds the current capacity"}
NONE = {"Code": "None"}
FAILED = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}


def refused(*reasons: dict[str, str]) -> Items:
    class Client:
        def transact_write_items(self, **_: Any) -> None:
            error = {"Code": "TransactionCanceledException", "Message": CANCELLED}
            answer: Any = {"Error": error, "CancellationReasons": list(reasons)}
            raise ClientError(answer, "TransactWriteItems")

    return Items(cast(Any, Client()), "issues")


def update(items: Items) -> None:
    items.update("1", "sg-1", {"status": "open"}, checks=[Check("look#sg-1", "attribute_not_exists(#x)", {})])


def update_together(items: Items) -> None:
    other = {"account_id": "1", "issue_id": "exemption#7", "reason": "known"}
    items.update_together("1", "sg-1", {"status": "open"}, other, condition="#x = :x", values={":x": 1}, only_if="")


@pytest.mark.parametrize(
    ("write", "reasons", "said"),
    [
        (update, (TOO_BIG, NONE), f"sg-1 in 1: {TOO_BIG['Message']}"),
        (update, (NONE, THROTTLED), f"look#sg-1 in 1: {THROTTLED['Message']}"),
        (update_together, (NONE, TOO_BIG), f"exemption#7 in 1: {TOO_BIG['Message']}"),
        (update_together, (FAILED, TOO_BIG), f"sg-1 in 1: {FAILED['Message']}; exemption#7 in 1: {TOO_BIG['Message']}"),
        (update, (NONE, {"Code": "ThrottlingError"}), "look#sg-1 in 1: ThrottlingError"),
        (update, (), CANCELLED),
    ],
)
def test_a_cancelled_transaction_names_each_item_that_cancelled_it_and_why(
    write: Callable[[Items], None], reasons: tuple[dict[str, str], ...], said: str
) -> None:
    with pytest.raises(ClientError) as raised:
        write(refused(*reasons))
    assert raised.value.response["Error"] == {"Code": "TransactionCanceledException", "Message": said}


def test_conditions_that_do_not_hold_are_a_conflict() -> None:
    with pytest.raises(ConflictError, match=r"^sg-1$"):
        update(refused(NONE, FAILED))
