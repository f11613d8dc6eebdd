"""Who reads the logs: the account's own credentials first, then the reader role of the bucket or of the log group."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from identification.flow_logs import read
from identification.flow_logs.read import Access, Budget, LimitReachedError

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


def test_the_budget_counts_nothing_that_is_above_it() -> None:
    budget = Budget(10)
    budget.take(7)
    with pytest.raises(LimitReachedError):
        budget.take(4)
    assert budget.left == 3
    budget.take(3)
