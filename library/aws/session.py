"""AWS clients for every account: the main one's own credentials, and an assumed role in each other account.

Making a client of botocore costs more than the calls of a scan target, so there is one for each service and region,
which all accounts share. What a caller gets is an `AccountClient`: it names the account while a call of it is signed,
and the shared client signs with the credentials of the account that is named. Without a name nothing is signed.

Each answer is looked at before botocore parses it: a page that a proxy or a guest network sends in place of AWS's
answer, with status 200, would be read as an answer in which nothing is set. An item of the table would not be there,
and a write that never arrived would count as done.

What botocore reads many times slower is read before it parses, by the same hook (`read_pages`). botocore still signs,
retries, pages, and reads errors and whatever the reader leaves of an answer.

The accounts of an organization, in place of a list of them in the configuration, are asked of AWS Organizations with
the main account's own credentials (`active_accounts`): that must be the management account or a delegated
administrator of any service (Organizations API Reference, ListAccounts).

The management account is left out unless it is named: StackSets put no stack there, whatever their targets are
(CloudFormation API Reference, DeploymentTargets), so that Hammer's roles are missing until somebody makes them by
hand.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.loaders import Loader, create_loader
from botocore.parsers import ResponseParserError

from library.aws.partition import region_of_role
from library.errors import HammerError

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials
    from botocore.model import OperationModel
    from botocore.session import Session as BotocoreSession
    from types_boto3_organizations import OrganizationsClient
    from types_boto3_organizations.type_defs import AccountTypeDef


class SdkSettingsError(HammerError):
    """The SDK cannot use a setting of its own, such as AWS_ENDPOINT_URL."""


@contextmanager
def _settings_errors_told() -> Iterator[None]:
    """Raise SdkSettingsError where the SDK raises a bare ValueError about one of its settings."""
    try:
        yield
    except BotoCoreError:
        raise
    except ValueError as error:
        raise SdkSettingsError(
            "a setting of the AWS SDK, in a variable AWS_… of the environment or in the profile, is wrong: "
            f"{' '.join(str(error).split())}"
        ) from error


def sdk_client(session: BotocoreSession, service: str, region: str | None, config: Config | None = None) -> Any:
    """A client, for which nothing is called yet.

    Raises:
        SdkSettingsError: the environment or the profile has a setting that the SDK cannot use.
    """
    with _settings_errors_told():
        return session.create_client(service, region_name=region, config=config)


def sdk_setting(session: BotocoreSession, name: str) -> Any:
    """A setting of the SDK, as the environment or the profile says; None: neither does.

    Raises:
        SdkSettingsError: it has a value that the SDK cannot use.
    """
    with _settings_errors_told():
        return session.get_config_variable(name)


def sdk_session() -> BotocoreSession:
    """A new session from the standard SDK environment, which rejects answers that are not AWS's.

    The sessions of a process share the SDK's data, once it is read: that of EC2 takes 25 MiB and 0.1 s.
    """
    session = _new_session()
    session.register_component("data_loader", _shared_loader(session.get_config_variable("data_path")))
    return session


@cache
def _shared_loader(search_path: str | None) -> Loader:
    return create_loader(search_path)


# Possessive: a page of nothing but comments must not be tried in every way that they may be put together.
_COMMENTS = rb"(?:<!--(?>.*?-->)\s*+)*+"
_PAGE = re.compile(rb"\s*+" + _COMMENTS + rb"<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_JSON, _XML = "json", ("ec2", "query")
# The root element of an answer is the operation's name and "Response" in both protocols (Smithy, AWS query and EC2).
_XML_ANSWER = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*+(?:<\?xml(?>.*?\?>)\s*+)?+" + _COMMENTS + rb"<(?:[\w.-]+:)?\w+Response\b", re.DOTALL
)
_BEGINNING = 1000  # bytes in which a page shows itself


def role_environment(role_arn: str) -> dict[str, str]:
    """The variables of the environment with which the SDK acts as a role, for an hour (STS API Reference, AssumeRole).

    The credentials of the environment, or of the profile, assume the role.
    """
    session = sdk_session()
    region = session.get_config_variable("region") or region_of_role(role_arn) or None
    client = sdk_client(session, "sts", region)
    answer = client.assume_role(RoleArn=role_arn, RoleSessionName="hammer")
    credentials = answer["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }


PROFILE = "HAMMER_PROFILE"
"""The variable for what `hammer --profile` names: credentials of the environment come before AWS_PROFILE, not before
a profile that a person asks for."""


def _new_session() -> BotocoreSession:
    """A session whose clients raise ResponseParserError where a page came in place of an answer."""
    session = botocore.session.get_session()
    if profile := os.environ.get(PROFILE):
        session.set_config_variable("profile", profile)
    session.register("before-parse", _reject, unique_id="hammer-reject-non-aws-responses")
    return session


def _reject(**response: Any) -> None:
    """Handler of botocore's `before-parse`. Raises ResponseParserError."""
    operation_model: OperationModel = response["operation_model"]
    response_dict = response["response_dict"]
    body = response_dict["body"]
    # An object of S3 comes as a stream, and may well be a page. What is refused by its status is read as an error.
    if response_dict["status_code"] >= 300 or not isinstance(body, bytes):
        return
    beginning = body[:_BEGINNING]
    protocol = operation_model.service_model.resolved_protocol  # the one of several that botocore speaks
    is_foreign_json = protocol == _JSON and beginning.strip() and not beginning.lstrip().startswith(b"{")
    is_foreign_xml = protocol in _XML and not _XML_ANSWER.match(beginning)
    if _PAGE.match(beginning) or is_foreign_json or is_foreign_xml:
        raise ResponseParserError(f"the answer to {operation_model.name} is a page, or none of AWS's: {body[:200]!r}")


Reader = Callable[[bytes, dict[str, Any]], bytes]
"""Takes an answer's body and a dictionary, adds to it what it read, and returns what is left for botocore to parse."""

_reader: ContextVar[Reader | None] = ContextVar("_reader", default=None)


def read_pages(client: Any, operation: str, reader: Reader, pages: Iterator[Any]) -> Iterator[Any]:
    """Pages whose answers with status 200 go through a reader first. Other threads' calls are not affected.

    `operation` is the calls' name in the API, such as `Query`. `pages` makes a call when a page is asked for; the page
    has what the reader adds to the dictionary.
    """
    event = f"before-parse.{client.meta.service_model.service_id.hyphenize()}.{operation}"
    client.meta.events.register(event, _read, unique_id=f"hammer-{event}")
    while True:
        token = _reader.set(reader)
        try:
            page = next(pages, None)
        finally:
            _reader.reset(token)
        if page is None:
            return
        yield page


def _read(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Handler of botocore's event `before-parse`."""
    if (reader := _reader.get()) and response_dict["status_code"] == 200:
        response_dict["body"] = reader(response_dict["body"], customized_response_dict)


# The SDK's own default of 3 attempts gives up within a second of throttling. AWS_MAX_ATTEMPTS and AWS_RETRY_MODE, the
# SDK's own settings, replace these.
_ATTEMPTS = 6
_CONNECT_TIMEOUT_S = 10
_READ_TIMEOUT_S = 60
_CONNECTIONS = 16  # of a client that all accounts share: at least as many as there are threads
# A session may do what both its role's policies and this allow (STS API Reference, AssumeRole, Policy).
_READ_EC2 = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:Describe*","ec2:Get*",'
    '"cloudformation:DescribeStackResources","cloudformation:DescribeStacks","cloudformation:GetTemplate",'
    '"cloudformation:ListStackResources"],"Resource":"*"}]}'
)


class Sessions:
    """Makes clients for any account, with credentials that are cached and renewed before they expire.

    Args:
        main_account_id: the account whose credentials the standard SDK environment gives.
        region: where the main account's table, topics and STS are.
        role_name: the role to assume in every other account.
        external_id: what that role's trust policy asks for; empty: nothing.
        base: the session to start from; None: a new one, from the standard SDK environment.
        read_only: have STS leave of the assumed roles' permissions only those that read EC2.
    """

    def __init__(
        self,
        main_account_id: str,
        region: str,
        role_name: str,
        external_id: str = "",
        base: BotocoreSession | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        self._main_account_id = main_account_id
        self._region = region
        self._role_name = role_name
        self._external_id = external_id
        self._policy = _READ_EC2 if read_only else ""
        self._base = base or sdk_session()
        self._credentials = _AccountCredentials(self._credentials_of)
        self._shared = self._session_of_all_accounts()
        # The making of clients is not safe to share between threads; clients are.
        self._lock = threading.RLock()
        self._clients: dict[tuple[str, str, bool], Any] = {}
        self._assumed: dict[str, DeferredRefreshableCredentials] = {}
        self._config = Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            max_pool_connections=_CONNECTIONS,
            **_retries(self._base),
        )

    def role_arn(self, account_id: str) -> str:
        """The role that is assumed in an account."""
        partition = self._base.get_partition_for_region(self._region)
        return f"arn:{partition}:iam::{account_id}:role/{self._role_name}"

    def client(self, service: str, account_id: str = "", region: str = "") -> Any:
        """A client for the account and region, the main ones where they are empty, safe to use from several threads.

        Nothing is called until the client is.
        """
        if not account_id or account_id == self._main_account_id:
            return self._made(service, region, is_main=True)
        return AccountClient(self._made(service, region, is_main=False), account_id)

    def _made(self, service: str, region: str, *, is_main: bool) -> Any:
        key = (service, region or self._region, is_main)
        with self._lock:
            if key not in self._clients:
                session = self._base if is_main else self._shared
                self._clients[key] = sdk_client(session, service, key[1], self._config)
            return self._clients[key]

    def _session_of_all_accounts(self) -> BotocoreSession:
        session = _new_session()
        # Service models and endpoints are the bulk of a session, and the same for all.
        for shared in ("data_loader", "endpoint_resolver"):
            session.register_component(shared, self._base.get_component(shared))
        provider = _TheseCredentials(self._credentials)
        session.register_component("credential_provider", CredentialResolver([provider]))
        return session

    def _credentials_of(self, account_id: str) -> ReadOnlyCredentials:
        """An account's credentials as they are now. Fetched at the first call, and again shortly before they expire."""
        with self._lock:
            if account_id not in self._assumed:
                self._assumed[account_id] = self._assume(account_id)
            credentials = self._assumed[account_id]
        return credentials.get_frozen_credentials()

    def _assume(self, account_id: str) -> DeferredRefreshableCredentials:
        own = self._base.get_credentials()
        if own is None:
            raise NoCredentialsError
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=self._sts_client,
            source_credentials=own,
            role_arn=self.role_arn(account_id),
            extra_args={
                "RoleSessionName": "hammer",
                **({"ExternalId": self._external_id} if self._external_id else {}),
                **({"Policy": self._policy} if self._policy else {}),
            },
        )
        return DeferredRefreshableCredentials(refresh_using=fetcher.fetch_credentials, method="hammer-assumed-role")

    def _sts_client(self, service: str, **_: Any) -> Any:
        # Called with the credentials to use when those of a role are fetched, in whatever thread that happens: they are
        # those of the main account, with which its own client signs.
        return self._made(service, "", is_main=True)


_account_of_call: ContextVar[str] = ContextVar("_account_of_call", default="")
"""The account of the call that this thread is about to sign; empty: there is no such call."""


@contextmanager
def _calls_of(account_id: str) -> Iterator[None]:
    token = _account_of_call.set(account_id)
    try:
        yield
    finally:
        _account_of_call.reset(token)


class AccountClient:
    """A client of botocore for one account: its operations and paginators, over the client that all accounts share."""

    def __init__(self, client: Any, account_id: str) -> None:
        self._client = client
        self._account_id = account_id

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        if name not in self._client.meta.method_to_api_mapping:
            return attribute

        @wraps(attribute)
        def call(*arguments: Any, **named: Any) -> Any:
            with _calls_of(self._account_id):
                return attribute(*arguments, **named)

        return call

    def get_paginator(self, operation_name: str) -> _AccountPaginator:
        """Botocore's paginator of an operation. Each page is a call for this account."""
        return _AccountPaginator(self._client.get_paginator(operation_name), self._account_id)

    def get_waiter(self, name: str) -> Any:
        """Not to be had: nothing waits for something in another account."""
        raise NotImplementedError(f"a waiter in another account: {name}")


class _AccountPaginator:
    def __init__(self, paginator: Any, account_id: str) -> None:
        self._paginator = paginator
        self._account_id = account_id

    def paginate(self, **arguments: Any) -> Iterator[Any]:
        """The pages, each asked for when it is wanted."""
        pages = iter(self._paginator.paginate(**arguments))
        while True:
            with _calls_of(self._account_id):
                page = next(pages, None)
            if page is None:
                return
            yield page


class _AccountCredentials:
    """What the shared clients take for their credentials: at each signature those of the account of the call."""

    method = "hammer-account-of-the-call"
    account_id = None  # of no single account: no endpoint is made from it

    def __init__(self, credentials_of: Callable[[str], ReadOnlyCredentials]) -> None:
        self._credentials_of = credentials_of

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """The credentials to sign with.

        Raises:
            NoCredentialsError: no `AccountClient` made this call, so it is for no account.
        """
        if not (account_id := _account_of_call.get()):
            raise NoCredentialsError
        return self._credentials_of(account_id)

    @property
    def access_key(self) -> str | None:
        """The key's id, as `get_frozen_credentials` has it: botocore's credentials have this and the next two."""
        return self.get_frozen_credentials().access_key

    @property
    def secret_key(self) -> str | None:
        """The secret."""
        return self.get_frozen_credentials().secret_key

    @property
    def token(self) -> str | None:
        """The session's token."""
        return self.get_frozen_credentials().token

    def get_deferred_property(self, name: str) -> Callable[[], Any]:
        """What botocore asks for a property that need not be known before an endpoint is chosen."""
        return lambda: getattr(self, name, None)


class _TheseCredentials(CredentialProvider):
    METHOD = "hammer-account-of-the-call"

    def __init__(self, credentials: Any) -> None:
        super().__init__()
        self._these = credentials

    def load(self) -> Any:
        return self._these


def _retries(session: BotocoreSession) -> dict[str, Any]:
    if sdk_setting(session, "max_attempts") is not None:
        return {}
    mode = sdk_setting(session, "retry_mode")
    return {
        "retries": {
            "total_max_attempts": _ATTEMPTS,
            "mode": "adaptive" if mode == "adaptive" else "standard",
        }
    }


def active_accounts(
    client: OrganizationsClient,
    units: Iterable[str] = (),
    *,
    ignored: frozenset[str] = frozenset(),
    named: frozenset[str] = frozenset(),
) -> dict[str, str]:
    """Active accounts, ids to names, sorted by id.

    Args:
        client: for AWS Organizations.
        units: only accounts in these units (`ou-…`, or the root `r-…`), or in units within them; empty: all.
        ignored: ids to leave out.
        named: ids not to leave out because they are the management account's.
    """
    wanted = list(units)
    listed = _in_units(client, wanted) if wanted else _everywhere(client)
    names = {account["Id"]: account["Name"] for account in listed if _is_active(account)}
    management = client.describe_organization()["Organization"]["MasterAccountId"]
    left_out = ignored | ({management} - named)
    return {account_id: names[account_id] for account_id in sorted(names.keys() - left_out)}


def _is_active(account: AccountTypeDef) -> bool:
    # `State` takes the place of `Status`, which AWS withdraws in 2026 (Organizations API Reference, Account).
    return (account.get("State") or account.get("Status")) == "ACTIVE"


def _everywhere(client: OrganizationsClient) -> Iterable[AccountTypeDef]:
    for page in client.get_paginator("list_accounts").paginate():
        yield from page["Accounts"]


def _in_units(client: OrganizationsClient, units: Iterable[str]) -> Iterable[AccountTypeDef]:
    waiting = list(units)
    seen: set[str] = set()
    while waiting:
        unit = waiting.pop()
        if unit in seen:
            continue
        seen.add(unit)
        for accounts in client.get_paginator("list_accounts_for_parent").paginate(ParentId=unit):
            yield from accounts["Accounts"]
        for children in client.get_paginator("list_organizational_units_for_parent").paginate(ParentId=unit):
            waiting += [child["Id"] for child in children["OrganizationalUnits"]]
