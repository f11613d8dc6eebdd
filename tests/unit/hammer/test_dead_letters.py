"""How `hammer status` counts dead letters: the queues of an account, as SQS lists them and refuses them."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from hammer.status import count_dead_letters

OWN, OTHERS = "hammer-describe-security-groups-dead-letters", "second-describe-security-groups-dead-letters"
GONE = "QueueDoesNotExist"


def url(name: str) -> str:
    return f"https://sqs.eu-west-1.amazonaws.com/123456789012/{name}"


class Queues:
    """An account's SQS: how many messages each queue has, or the code with which it refuses."""

    def __init__(self, **of: int | str) -> None:
        self.client: Any = boto3.client("sqs", region_name="eu-west-1")
        self.stub = Stubber(self.client)
        self.of = {name.replace("_", "-"): value for name, value in of.items()}

    def listed(self, *names: str, first: str = "", then: str = "") -> Queues:
        asked = {"MaxResults": 1000, **({"NextToken": first} if first else {})}
        self.stub.add_response(
            "list_queues", {"QueueUrls": list(map(url, names)), **({"NextToken": then} if then else {})}, asked
        )
        for name in (name for name in names if name.endswith("dead-letters")):
            asked = {"QueueUrl": url(name), "AttributeNames": ["ApproximateNumberOfMessages"]}
            value = self.of[name]
            if isinstance(value, str):
                self.stub.add_client_error("get_queue_attributes", value, expected_params=asked)
            else:
                counted = {"Attributes": {"ApproximateNumberOfMessages": str(value)}}
                self.stub.add_response("get_queue_attributes", counted, asked)
        return self

    def counted(self) -> dict[str, int] | None:
        with self.stub:
            return count_dead_letters(self.client)


def test_every_page_is_read() -> None:
    """SQS gives a token for the next page only to who names a size (API Reference, ListQueues)."""
    queues = Queues(hammer_describe_security_groups_dead_letters=2)
    assert queues.listed("orders", then="more").listed(OWN, first="more").counted() == {OWN: 2}


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", GONE])
def test_the_queues_of_another_deployment_hide_none_of_ones_own(code: str) -> None:
    """Two deployments in one account: the host's policy opens the queues of its own."""
    queues = Queues(hammer_describe_security_groups_dead_letters=2, second_describe_security_groups_dead_letters=code)
    assert queues.listed(OTHERS, OWN).counted() == {OWN: 2}


def test_where_all_are_refused_nothing_is_known() -> None:
    assert Queues(second_describe_security_groups_dead_letters="AccessDenied").listed(OTHERS).counted() is None


def test_where_one_cannot_be_asked_nothing_is_known() -> None:
    queues = Queues(
        hammer_describe_security_groups_dead_letters="InternalError", second_describe_security_groups_dead_letters=0
    )
    assert queues.listed(OTHERS, OWN).counted() is None


def test_an_account_without_any_has_none() -> None:
    assert Queues().listed("orders").counted() == {}
