"""What DynamoDB leaves of a batch is asked for again, after a pause that grows while nothing comes."""

from __future__ import annotations

from typing import Any, cast

from library.aws.conditional_writes import Items


class Throttled:
    """A client whose batches bring so many items each."""

    def __init__(self, *brings: int) -> None:
        self._brings = list(brings)

    def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803 - as the SDK names its arguments
        keys = RequestItems["issues"]["Keys"]
        number = self._brings.pop(0) if self._brings else len(keys)
        left = {"issues": {"Keys": keys[number:]}} if keys[number:] else {}
        return {"Responses": {"issues": keys[:number]}, "UnprocessedKeys": left}


def test_pauses_grow_while_nothing_comes() -> None:
    slept: list[float] = []
    items = Items(cast(Any, Throttled(0, 0, 0, 1, 0)), "issues", slept.append)
    found = [item["issue_id"] for item in items.get_many("1", ["a", "b", "c"])]
    assert found == ["a", "b", "c"]
    assert slept == [0.1, 0.2, 0.4, 0.1, 0.2]


def test_there_is_no_pause_where_everything_comes() -> None:
    slept: list[float] = []
    assert len(list(Items(cast(Any, Throttled()), "issues", slept.append).get_many("1", map(str, range(250))))) == 250
    assert slept == []
