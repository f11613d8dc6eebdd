"""AWS clients for every account: the main one's own credentials, and an assumed role in each other account."""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import NoCredentialsError

from library.aws.foreign_answers import refuse_foreign_answers
from library.aws.sdk_data import sdk_session

if TYPE_CHECKING:
    from botocore.session import Session as BotocoreSession

# The SDK's own default of 3 attempts gives up within a second of throttling. AWS_MAX_ATTEMPTS and AWS_RETRY_MODE, the
# SDK's own settings, replace these.
_ATTEMPTS = 6
_CONNECT_TIMEOUT_S = 10
_READ_TIMEOUT_S = 60
_SESSIONS_KEPT = 64  # of assumed roles; one holds a quarter of a MiB, and its credentials cost a call of STS
# A client is a cycle of few objects that hold several MiB. The collector, which counts objects, comes too late for it.
_PLACES_BETWEEN_COLLECTIONS = 8
# A session may do what both its role's policies and this allow (STS API Reference, AssumeRole, Policy).
_READ_EC2 = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:Describe*","ec2:Get*"],"Resource":"*"}]}'
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
        self._assumed_sessions: OrderedDict[str, BotocoreSession] = OrderedDict()
        # Neither sessions nor the making of clients are safe to share between threads; clients are.
        self._lock = threading.RLock()
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._forgotten = 0
        self._config = Config(connect_timeout=_CONNECT_TIMEOUT_S, read_timeout=_READ_TIMEOUT_S, **_retries(self._base))

    def role_arn(self, account_id: str) -> str:
        """The role that is assumed in an account."""
        partition = self._base.get_partition_for_region(self._region)
        return f"arn:{partition}:iam::{account_id}:role/{self._role_name}"

    def client(self, service: str, account_id: str = "", region: str = "") -> Any:
        """A client, safe to use from several threads. Nothing is called until the client is.

        Args:
            service: such as `"ec2"`.
            account_id: the account; empty: the main one.
            region: the region; empty: the main one.
        """
        key = (service, account_id or self._main_account_id, region or self._region)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._session(key[1]).create_client(
                    service,
                    region_name=key[2],
                    config=self._config,
                )
            return self._clients[key]

    def forget(self, account_id: str, region: str) -> None:
        """Let the clients of an account and region go: one EC2 client holds several MiB."""
        with self._lock:
            for key in [key for key in self._clients if key[1:] == (account_id, region)]:
                self._clients.pop(key).close()  # its connections, too, do not wait for the garbage collector
            self._forgotten += 1
            collects = self._forgotten % _PLACES_BETWEEN_COLLECTIONS == 0
        if collects:
            gc.collect()

    def _session(self, account_id: str) -> BotocoreSession:
        if account_id == self._main_account_id:
            return self._base
        if account_id not in self._assumed_sessions:
            self._assumed_sessions[account_id] = self._assumed(account_id)
            # Targets come account by account: an account that was left long ago does not come again soon.
            if len(self._assumed_sessions) > _SESSIONS_KEPT:
                self._assumed_sessions.popitem(last=False)
        self._assumed_sessions.move_to_end(account_id)
        return self._assumed_sessions[account_id]

    def _assumed(self, account_id: str) -> BotocoreSession:
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
        session = refuse_foreign_answers(botocore.session.get_session())
        # Service models and endpoints are the bulk of a session, and the same for all.
        for shared in ("data_loader", "endpoint_resolver"):
            session.register_component(shared, self._base.get_component(shared))
        session.register_component("credential_provider", CredentialResolver([_AssumedRole(fetcher)]))
        return session

    def _sts_client(self, service: str, **arguments: Any) -> Any:
        # Called when credentials are fetched, in whatever thread that happens.
        with self._lock:
            return self._base.create_client(service, region_name=self._region, config=self._config, **arguments)


class _AssumedRole(CredentialProvider):
    """Credentials of an assumed role: fetched at the first call, and again shortly before they expire."""

    METHOD = "hammer-assumed-role"

    def __init__(self, fetcher: AssumeRoleCredentialFetcher) -> None:
        super().__init__()
        self._fetcher = fetcher

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(refresh_using=self._fetcher.fetch_credentials, method=self.METHOD)


def _retries(session: BotocoreSession) -> dict[str, Any]:
    if session.get_config_variable("max_attempts") is not None:
        return {}
    mode = session.get_config_variable("retry_mode")
    return {
        "retries": {
            "total_max_attempts": _ATTEMPTS,
            "mode": "adaptive" if mode == "adaptive" else "standard",
        }
    }
