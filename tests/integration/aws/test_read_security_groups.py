"""Security groups over HTTP: read from XML where botocore lets us, as dictionaries where it does not."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from library.aws import ec2
from library.aws.ec2 import read_security_groups, security_group_pages
from library.security_groups.group import GroupPage, SecurityGroup
from tests.worlds.emulated_aws import Call, EmulatedAws, Rejection
from tests.worlds.identification_world import MAIN, World

DESCRIBE = "DescribeSecurityGroups"


@pytest.fixture
def client(world: World) -> Any:
    """A client for an account with a few groups."""
    for name, rule in (
        ("a", "tcp/22 from 0.0.0.0/0, 2a00::/16"),
        ("b", "50/-1 from 8.8.8.8/32"),
        ("c", "icmp/-1 from ::/0"),
    ):
        world.group(rule, name=name, account_id=MAIN)
    return world.ec2(MAIN)


@pytest.fixture
def by_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer is written in a way that only botocore reads."""
    monkeypatch.setattr(ec2, "read_answer", lambda _: None)


def groups(client: Any) -> list[SecurityGroup]:
    return [group for page in read_security_groups(client) for group in page.groups]


def answer_with(aws: EmulatedAws, body: str) -> None:
    aws.rewrites.append(lambda call, text: body if call.operation == DESCRIBE else text)


def test_read_by_botocore_the_values_are_the_same(
    client: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(ec2, "parse_page", lambda _: GroupPage((), ()))  # no dictionaries are made
    read = groups(client)
    assert len(read) > 3
    monkeypatch.undo()
    request.getfixturevalue("by_botocore")
    assert groups(client) == read


def test_other_calls_of_the_same_client_get_the_whole_answer(client: Any) -> None:
    before = client.describe_security_groups()["SecurityGroups"]
    pages = read_security_groups(client)
    next(pages)
    assert client.describe_security_groups()["SecurityGroups"] == before
    assert [raw for page in security_group_pages(client) for raw in page] == before
    assert all("IpPermissionsEgress" in raw for raw in before)


def test_pages_follow_each_other(client: Any, aws: EmulatedAws) -> None:
    tokens = iter(["<nextToken>two</nextToken>", ""])

    def page(call: Call, text: str) -> str:
        return (
            text.replace("</securityGroupInfo>", f"</securityGroupInfo>{next(tokens)}")
            if call.operation == DESCRIBE
            else text
        )

    aws.forget()
    aws.rewrites.append(page)
    assert [len(page.groups) > 3 for page in read_security_groups(client)] == [True, True]
    assert [call.parameters.get("NextToken") for call in aws.calls] == [None, "two"]


def test_errors_and_retries_stay_botocores(client: Any, aws: EmulatedAws) -> None:
    aws.forget()
    aws.refuse(DESCRIBE, Rejection("RequestLimitExceeded", 503), times=1)
    assert len(groups(client)) > 3
    aws.forget()
    aws.refuse(DESCRIBE, Rejection("UnauthorizedOperation", 403))
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        groups(client)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<html><body>Please log in</body></html>", id="a proxy's page"),
        pytest.param("<!DOCTYPE html><html><br></html>", id="a page that is no XML"),
        pytest.param("<DescribeSecurityGroupsResponse><securityGroupInfo><item><groupId>sg-1</gro", id="cut short"),
        pytest.param("<DescribeSecurityGroupsResponse/>", id="no list of groups"),
    ],
)
@pytest.mark.parametrize("way", ["XML", "dictionaries"])
def test_what_is_no_answer_is_a_failure_not_an_empty_region(
    client: Any, aws: EmulatedAws, body: str, way: str, request: pytest.FixtureRequest
) -> None:
    if way == "dictionaries":
        request.getfixturevalue("by_botocore")
    answer_with(aws, body)
    with pytest.raises(ResponseParserError):
        groups(client)


def test_a_part_that_botocore_drops_is_noticed(client: Any, aws: EmulatedAws) -> None:
    aws.rewrites.append(
        lambda _, text: text.replace("<cidrIp>0.0.0.0/0</cidrIp>", "<cidrIp>10.0.0.0/8</cidrIp><or>0.0.0.0/0</or>")
    )
    with_rules = [group for group in groups(client) if group.ingress]
    assert with_rules
    assert {group.unreadable for group in with_rules} == {("a rule in the same answer has an unknown part: or",)}
