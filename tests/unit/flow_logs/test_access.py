"""Who reads the logs: the account's own credentials first, then the reader role of the bucket or of the log group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from identification.flow_logs import read
from identification.flow_logs.flow_log import LOGS, FlowLog
from identification.flow_logs.read import Access, Budget, LimitReachedError, LogsParts, Part, RefusedError
from identification.flow_logs.records import NEEDED, FlowRecord, Wanted
from identification.flow_logs.run import _rotated

READER = "arn:aws:iam::333333333333:role/logs/reader"


class Fake:
    """Sessions whose clients refuse or answer; remembers how each was made."""

    made: ClassVar[list[tuple[str, ...]]] = []
    answers: ClassVar[dict[str, str]] = {}

    def __init__(self, main_account_id: str, region: str, role_name: str, external_id: str = "") -> None:
        self.role, self.external_id = role_name, external_id

    def client(self, service: str, account_id: str, region: str) -> str:
        self.made.append((service, account_id, region, self.role, self.external_id))
        return self.role


def work(client: str) -> str:
    code = Fake.answers.get(client, "")
    if code:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetObject")
    return f"read by {client}"


@pytest.fixture
def access(monkeypatch: pytest.MonkeyPatch) -> Access:
    monkeypatch.setattr(read, "Sessions", Fake)
    Fake.made, Fake.answers = [], {}
    sessions: Any = Fake("123456789012", "eu-west-1", "own")
    return Access(sessions, "210987654321", "eu-west-1", {"archive": READER}, "a-secret")


def test_own_credentials_come_first(access: Access) -> None:
    assert access.call("s3", "archive", work) == "read by own"
    assert Fake.made == [("s3", "210987654321", "eu-west-1", "own", "")]


def test_the_reader_role_comes_when_they_are_refused(access: Access) -> None:
    Fake.answers = {"own": "AccessDenied"}
    assert access.call("s3", "archive", work) == "read by logs/reader"
    assert Fake.made[1] == ("s3", "333333333333", "eu-west-1", "logs/reader", "a-secret")


@pytest.mark.parametrize(
    ("holder", "answers"),
    [
        ("another-bucket", {"own": "AccessDenied"}),
        ("archive", {"own": "NoSuchBucket"}),
        ("archive", {"own": "AccessDenied", "logs/reader": "AccessDenied"}),
    ],
    ids=["no role", "not refused", "both refused"],
)
def test_what_nobody_may_read_travels_up(access: Access, holder: str, answers: dict[str, str]) -> None:
    Fake.answers = answers
    with pytest.raises(ClientError):
        access.call("s3", holder, work)


class Streams:
    """CloudWatch Logs of one account, with these streams in the group `flows`."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def get_paginator(self, _: str) -> Streams:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [{"logStreams": [{"logStreamName": name} for name in self._names]}]


@pytest.mark.parametrize("own", [True, False])
def test_a_log_group_of_the_same_name_in_the_account_itself_is_another(
    access: Access, monkeypatch: pytest.MonkeyPatch, *, own: bool
) -> None:
    clients = {"own": Streams(), "logs/reader": Streams("eni-1-all")}
    monkeypatch.setattr(Fake, "client", lambda fake, *_: clients[fake.role])
    account = "210987654321" if own else "333333333333"
    access._roles = {account: READER}
    flow_log = FlowLog("fl-1", "vpc-1", LOGS, log_group="flows", log_group_account=account, traffic_type="ALL")
    parts = LogsParts(access, replace(flow_log, names=NEEDED), (), datetime(2026, 11, 29, tzinfo=UTC))
    assert parts._streams_of("eni-1") == ([] if own else ["eni-1-all"])


class Events:
    """Log events in pages, one of which may be refused."""

    def __init__(self, refused_page: int = 0) -> None:
        self._refused_page = refused_page

    def get_paginator(self, _: str) -> Events:
        return self

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        for page in (1, 2):
            if page == self._refused_page:
                raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "FilterLogEvents")
            yield {"events": [{"message": f"eni-1 9.9.9.{page} 10.0.0.1 50000 22 6 30 3000 1 61 ACCEPT OK"}]}


@pytest.mark.parametrize(("refused_page", "found"), [(1, 2), (2, None)], ids=["at first", "in the middle"])
def test_what_was_read_before_a_refusal_is_not_read_again_by_another_role(
    access: Access, monkeypatch: pytest.MonkeyPatch, refused_page: int, found: int | None
) -> None:
    """It would count twice: a connection of 30 packets each way would be one of 60, and at work."""
    clients = {"own": Events(refused_page), "logs/reader": Events()}
    monkeypatch.setattr(Fake, "client", lambda fake, *_: clients[fake.role])
    access._roles = {"333333333333": READER}
    flow_log = FlowLog("fl-1", "vpc-1", LOGS, log_group="flows", log_group_account="333333333333", names=NEEDED)
    parts = LogsParts(access, flow_log, (), datetime(2026, 11, 29, tzinfo=UTC))
    parts._streams = {"eni-1": ["eni-1-all"]}
    records: list[FlowRecord] = []
    with nullcontext() if found else pytest.raises(RefusedError, match="log group flows refuses"):
        parts.read(Part(0, 3600), Wanted(["eni-1"]), Budget(1000), records.append, lambda _: None)
    assert found is None or len(records) == found


def test_the_budget_counts_nothing_that_is_above_it() -> None:
    budget = Budget(10)
    budget.take(7)
    with pytest.raises(LimitReachedError):
        budget.take(4)
    assert budget.left == 3
    budget.take(3)


def test_an_object_that_is_larger_than_a_share_is_read_if_the_run_may_read_as_much() -> None:
    """With many accounts and regions a share may be smaller than any object: one each is read all the same."""
    run = Budget(100)
    account = run.share(4)
    region = account.share(2)
    region.take(60)
    assert (region.left, account.left, run.left) == (0, 0, 40)
    region.has_read = True
    with pytest.raises(LimitReachedError):
        region.take(1)
    with pytest.raises(LimitReachedError):
        run.share(2).take(41)
    assert (run.left, region.most) == (20, 100)


def test_each_hour_another_account_and_region_comes_first() -> None:
    hours = [datetime(2026, 11, 29, hour, 5, tzinfo=UTC) for hour in range(4)]
    assert len({_rotated(["a", "b", "c"], hour)[0] for hour in hours}) == 3
    assert all(sorted(_rotated(["a", "b", "c"], hour)) == ["a", "b", "c"] for hour in hours)
    assert _rotated([], hours[0]) == []
