"""A page in place of an answer of AWS is a failure, whatever was asked: never an empty answer, never a write done."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.parsers import ResponseParserError

from library.aws.failures import explain
from library.aws.session import Sessions, sdk_session

MAIN, SLAVE = "123456789012", "210987654321"
PAGE = b"<html><body>Please log in</body></html>"
KEY = {"account_id": {"S": SLAVE}, "issue_id": {"S": "sg-1"}}


class Body:
    """What is left of a raw answer to read."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self._content


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes clients whose every call, and STS's to assume a role, gets the same body with status 200."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")

    def make(service: str, content: bytes, account_id: str = MAIN) -> Any:
        base = sdk_session()
        sessions = Sessions(MAIN, "eu-west-1", "hammer-cloudsec-crossact-id", base=base)
        answer = AWSResponse("https://aws.example.com/", 200, HTTPHeaders(), Body(content))
        made = sessions.client(service, account_id)

        def reply(**_: Any) -> Any:
            return answer

        made.meta.events.register("before-send", reply)
        base.register("before-send", reply)
        return made

    return make


CALLS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "an item is read": ("dynamodb", lambda c: c.get_item(TableName="t", Key=KEY)),
    "items are queried": ("dynamodb", lambda c: c.query(TableName="t", KeyConditionExpression="a = b")),
    "an item is written": ("dynamodb", lambda c: c.put_item(TableName="t", Item=KEY)),
    "an item is updated": ("dynamodb", lambda c: c.update_item(TableName="t", Key=KEY)),
    "an item is deleted": ("dynamodb", lambda c: c.delete_item(TableName="t", Key=KEY)),
    "prefix lists are read": ("ec2", lambda c: c.describe_managed_prefix_lists()),
    "a rule is revoked": ("ec2", lambda c: c.revoke_security_group_ingress(GroupId="sg-1")),
    "load balancers are read": ("elbv2", lambda c: c.describe_load_balancers()),
    "a message is published": ("sns", lambda c: c.publish(TopicArn="arn:aws:sns:eu-west-1:1:t", Message="m")),
    "messages are published": ("sns", lambda c: c.publish_batch(TopicArn="t", PublishBatchRequestEntries=[])),
}


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(PAGE, id="XML"),
        pytest.param(b"<!DOCTYPE html>\n<html><br><p>Please log in</html>", id="no XML"),
        pytest.param(b"\n <!-- a proxy --><HTML lang='en'></HTML>", id="after a comment"),
    ],
)
@pytest.mark.parametrize(("service", "call"), CALLS.values(), ids=CALLS)
def test_a_page_in_place_of_an_answer_is_a_failure(
    client: Callable[..., Any], service: str, call: Callable[[Any], Any], page: bytes
) -> None:
    with pytest.raises(ResponseParserError, match="is a page, or none of AWS's"):
        call(client(service, page))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'<?xml version="1.0"?><status>ok</status>', id="other XML"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"upstream timed out", id="text"),
        pytest.param(b"<!---->" * 140 + b"<status>ok</status>", id="comments without end"),
    ],
)
@pytest.mark.parametrize("name", [name for name, (service, _) in CALLS.items() if service in ("ec2", "elbv2", "sns")])
def test_so_is_anything_but_xml_of_aws_where_aws_answers_in_xml(
    client: Callable[..., Any], name: str, content: bytes
) -> None:
    service, call = CALLS[name]
    with pytest.raises(ResponseParserError, match="is a page, or none of AWS's"):
        call(client(service, content))


def test_so_is_a_page_in_place_of_the_credentials_of_a_role(client: Callable[..., Any]) -> None:
    with pytest.raises(ResponseParserError) as caught:
        client("ec2", PAGE, SLAVE).describe_security_groups()
    assert explain(caught.value) == (
        "what answered for AWS is not understood: the answer to AssumeRole is a page, or none of AWS's: "
        "b'<html><body>Please log in</body></html>'"
    )


def test_text_in_place_of_an_answer_of_the_table_is_a_failure(client: Callable[..., Any]) -> None:
    with pytest.raises(ResponseParserError):
        client("dynamodb", b"upstream timed out").get_item(TableName="t", Key=KEY)


def test_an_object_of_s3_may_be_a_page(client: Callable[..., Any]) -> None:
    body = client("s3", PAGE).get_object(Bucket="backups", Key="page.html")["Body"]
    assert body is not None


def test_an_answer_of_aws_is_taken(client: Callable[..., Any]) -> None:
    assert "Item" not in client("dynamodb", b"{}").get_item(TableName="t", Key=KEY)
    answer = b"<DescribeRegionsResponse><regionInfo/></DescribeRegionsResponse>"
    for head in (b"", b'<?xml version="1.0" encoding="UTF-8"?>\n', b"\xef\xbb\xbf<!-- an emulator -->"):
        assert client("ec2", head + answer).describe_regions()["Regions"] == []
