"""Clients for many accounts: roles are assumed once, with the external id, and again before they expire."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from library.aws.session import Sessions
from tests.worlds.emulated_aws import Call, EmulatedAws, Rejection
from tests.worlds.identification_world import EXTERNAL_ID, IRELAND, MAIN, OTHER, ROLE, SLAVE, VIRGINIA

THROTTLED = Rejection("RequestLimitExceeded", 503)


@pytest.fixture
def sessions(aws: EmulatedAws) -> Sessions:
    assert aws.calls == []
    return Sessions(MAIN, IRELAND, ROLE, EXTERNAL_ID)


def whose(sessions: Sessions, account_id: str = "", region: str = "") -> Any:
    return sessions.client("sts", account_id, region).get_caller_identity()["Account"]


def assumed(aws: EmulatedAws) -> list[Call]:
    return [call for call in aws.calls if call.operation == "AssumeRole"]


def expiring(after: timedelta) -> Any:
    """Credentials that expire so long after they were given."""

    def rewrite(call: Call, text: str) -> str:
        expiry = (datetime.now(UTC) + after).strftime("%Y-%m-%dT%H:%M:%SZ")
        return re.sub(r"<Expiration>[^<]*", f"<Expiration>{expiry}", text) if call.operation == "AssumeRole" else text

    return rewrite


def test_each_account_is_itself(aws: EmulatedAws, sessions: Sessions) -> None:
    assert [whose(sessions, account_id) for account_id in ("", MAIN, SLAVE, OTHER)] == [MAIN, MAIN, SLAVE, OTHER]
    assert [call.parameters["RoleArn"] for call in assumed(aws)] == [
        f"arn:aws:iam::{SLAVE}:role/{ROLE}",
        f"arn:aws:iam::{OTHER}:role/{ROLE}",
    ]


def test_the_main_accounts_own_credentials_assume_with_the_external_id(aws: EmulatedAws, sessions: Sessions) -> None:
    whose(sessions, SLAVE)
    call = assumed(aws)[0]
    assert (call.assumed, call.region, call.parameters["ExternalId"]) == (False, IRELAND, EXTERNAL_ID)
    assert call.parameters["RoleSessionName"] == "hammer"


def test_no_external_id_is_none(aws: EmulatedAws) -> None:
    whose(Sessions(MAIN, IRELAND, ROLE), SLAVE)
    assert "ExternalId" not in assumed(aws)[0].parameters


@pytest.mark.parametrize(
    ("region", "arn"),
    [
        ("eu-west-1", "arn:aws:iam::210987654321:role/path/hammer"),
        ("cn-north-1", "arn:aws-cn:iam::210987654321:role/path/hammer"),
        ("us-gov-west-1", "arn:aws-us-gov:iam::210987654321:role/path/hammer"),
    ],
)
def test_the_role_is_of_the_regions_partition(region: str, arn: str) -> None:
    assert Sessions(MAIN, region, "path/hammer").role_arn(SLAVE) == arn


def test_making_a_client_calls_nothing(aws: EmulatedAws, sessions: Sessions) -> None:
    sessions.client("ec2", SLAVE, VIRGINIA)
    assert aws.calls == []


def test_a_role_is_assumed_once_for_all_regions_and_services(aws: EmulatedAws, sessions: Sessions) -> None:
    for region in (IRELAND, VIRGINIA, "eu-central-1"):
        sessions.client("ec2", SLAVE, region).describe_security_groups()
        whose(sessions, SLAVE, region)
    assert len(assumed(aws)) == 1
    assert {call.region for call in aws.calls if call.service == "ec2"} == {IRELAND, VIRGINIA, "eu-central-1"}


def test_a_role_is_assumed_once_for_many_threads(aws: EmulatedAws, sessions: Sessions) -> None:
    ready = threading.Barrier(8)

    def work(number: int) -> str:
        ready.wait()
        return str(whose(sessions, SLAVE, (IRELAND, VIRGINIA)[number % 2]))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(8))) == {SLAVE}
    assert len(assumed(aws)) == 1


def test_every_client_is_made_under_the_lock_that_of_sts_too(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STS's is made when credentials are fetched, in whatever thread makes the first call."""
    made: list[tuple[str, bool]] = []
    own = botocore.session.Session.create_client

    def create_client(self: botocore.session.Session, service: str, *arguments: Any, **more: Any) -> Any:
        made.append((service, sessions._lock._is_owned()))  # type: ignore[attr-defined]
        return own(self, service, *arguments, **more)

    monkeypatch.setattr(botocore.session.Session, "create_client", create_client)
    client = sessions.client("ec2", SLAVE)
    assert made == [("ec2", True)]
    client.describe_vpcs()
    assert made == [("ec2", True), ("sts", True)]


def test_accounts_and_threads_share_one_client_of_botocore(sessions: Sessions) -> None:
    with ThreadPoolExecutor(8) as pool:
        clients = list(pool.map(lambda account: sessions.client("ec2", account), [SLAVE, OTHER] * 8))
    assert len({id(client._client) for client in clients}) == 1
    assert sessions.client("ec2", SLAVE, VIRGINIA)._client is not clients[0]._client


def test_each_call_is_signed_for_its_account_whatever_other_threads_do(aws: EmulatedAws, sessions: Sessions) -> None:
    """Clients are made in one order, called in another, and paginated across calls for other accounts."""
    accounts = [f"{number:012d}" for number in range(100, 140)]
    clients = {account: sessions.client("sts", account) for account in accounts}
    pages = {account: sessions.client("ec2", account).get_paginator("describe_vpcs").paginate() for account in accounts}
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            found = pool.map(lambda account: clients[account].get_caller_identity()["Account"], reversed(accounts))
            assert list(found) == accounts[::-1]
    for account in accounts:
        next(pages[account])
        assert clients[account].get_caller_identity()["Account"] == account


def test_a_call_that_names_no_account_is_not_signed(aws: EmulatedAws, sessions: Sessions) -> None:
    shared = sessions.client("ec2", SLAVE)._client
    for call in (shared.describe_vpcs, lambda: list(shared.get_paginator("describe_vpcs").paginate())):
        with pytest.raises(NoCredentialsError):
            call()
    sessions.client("ec2", SLAVE).describe_vpcs()
    with pytest.raises(NoCredentialsError):
        shared.describe_vpcs()
    assert len(aws.operations("ec2")) == 1


def test_what_listens_to_a_call_sees_the_credentials_of_its_account(sessions: Sessions) -> None:
    seen: list[str] = []

    def listen(request_signer: Any, **_: Any) -> None:
        credentials = request_signer._credentials
        seen.append(credentials.access_key)
        assert (
            credentials.access_key,
            credentials.secret_key,
            credentials.token,
        ) == credentials.get_frozen_credentials()[:3]

    clients = [sessions.client("ec2", account) for account in (SLAVE, OTHER)]
    clients[0].meta.events.register("before-call.ec2.DescribeVpcs", listen)
    for client in clients:
        client.describe_vpcs()
    assert len(set(seen)) == 2


def test_there_is_no_waiter_in_another_account(sessions: Sessions) -> None:
    with pytest.raises(NotImplementedError):
        sessions.client("dynamodb", SLAVE).get_waiter("table_exists")


def test_credentials_are_renewed_before_they_expire(aws: EmulatedAws, sessions: Sessions) -> None:
    aws.rewrites.append(expiring(timedelta(minutes=5)))
    assert whose(sessions, SLAVE) == SLAVE
    aws.rewrites[:] = [expiring(timedelta(hours=1))]
    before = len(assumed(aws))
    assert whose(sessions, SLAVE) == SLAVE
    assert len(assumed(aws)) == before + 1, "five minutes before they expire"
    assert whose(sessions, SLAVE) == SLAVE
    assert len(assumed(aws)) == before + 1, "an hour before they expire"
    assert all(call.parameters["ExternalId"] == EXTERNAL_ID for call in assumed(aws))


def test_a_role_that_is_refused_is_asked_for_again_at_the_next_call(aws: EmulatedAws, sessions: Sessions) -> None:
    aws.refuse("AssumeRole", Rejection("AccessDenied", 403), times=1)
    with pytest.raises(ClientError, match="AccessDenied"):
        whose(sessions, SLAVE)
    assert whose(sessions, SLAVE) == SLAVE


def test_one_account_that_is_refused_does_not_stop_another(aws: EmulatedAws, sessions: Sessions) -> None:
    aws.hooks.append(
        lambda call: Rejection("AccessDenied", 403) if SLAVE in call.parameters.get("RoleArn", "") else None
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        whose(sessions, SLAVE)
    assert whose(sessions, OTHER) == OTHER


@pytest.mark.parametrize(
    ("environment", "attempts"), [({}, 6), ({"AWS_MAX_ATTEMPTS": "2"}, 2), ({"AWS_MAX_ATTEMPTS": "9"}, 9)]
)
@pytest.mark.parametrize("mode", ["", "standard", "legacy"])
def test_attempts(
    aws: EmulatedAws,
    sdk_sleeps: list[float],
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    attempts: int,
    mode: str,
) -> None:
    for name, value in {**environment, **({"AWS_RETRY_MODE": mode} if mode else {})}.items():
        monkeypatch.setenv(name, value)
    aws.refuse("DescribeSecurityGroups", THROTTLED)
    client = Sessions(MAIN, IRELAND, ROLE).client("ec2", SLAVE)
    with pytest.raises(ClientError, match="RequestLimitExceeded"):
        client.describe_security_groups()
    assert aws.operations("ec2") == ["DescribeSecurityGroups"] * attempts
    assert len(sdk_sleeps) == attempts - 1


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    client = Sessions(MAIN, IRELAND, ROLE, base=botocore.session.get_session()).client("ec2", SLAVE)
    with pytest.raises(NoCredentialsError):
        client.describe_vpcs()
