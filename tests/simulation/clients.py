"""Clients of AWS, JIRA and Slack that act on the world, one call at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from library.notifications.jira_client import CreatedTicket, JiraClient, NewTicket, Ticket
from library.notifications.jira_connection import JiraError, JiraOutcomeUnknownError
from library.notifications.slack_connection import SlackClient, SlackError
from tests.simulation.ec2 import ELSEWHERE, HOME
from tests.simulation.errors import client_error, error_class
from tests.simulation.transport import PAGED, page

if TYPE_CHECKING:
    from tests.simulation.world import KeptTicket, World

# What a client answers of things that the simulation has none of.
_NOTHING = {
    "describe_instances": "Reservations",
    "describe_internet_gateways": "InternetGateways",
    "describe_listeners": "Listeners",
    "describe_load_balancers": "LoadBalancers",
    "describe_managed_prefix_lists": "PrefixLists",
    "describe_network_acls": "NetworkAcls",
    "describe_network_interfaces": "NetworkInterfaces",
    "describe_route_tables": "RouteTables",
    "describe_security_group_vpc_associations": "SecurityGroupVpcAssociations",
    "describe_subnets": "Subnets",
    "describe_target_groups": "TargetGroups",
    "describe_vpcs": "Vpcs",
}


class _Exceptions:
    def __getattr__(self, name: str) -> Any:
        return error_class(name)


_META = {
    region: SimpleNamespace(
        events=SimpleNamespace(register=lambda *_, **__: None, unregister=lambda *_, **__: None),
        region_name=region,
        service_model=SimpleNamespace(service_id=SimpleNamespace(hyphenize=lambda: "simulated")),
    )
    for region in (HOME, ELSEWHERE)
}


class Client:
    """A client of one service, account and region.

    Args:
        world: the world.
        service: such as `ec2`.
        account_id: the account.
        region: the region.
    """

    exceptions = _Exceptions()

    def __init__(self, world: World, service: str, account_id: str, region: str) -> None:
        self.meta = _META[region]
        self._world = world
        self._service = service
        self._account_id = account_id
        self._region = region

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("_"):
            raise AttributeError(operation)

        def call(**arguments: Any) -> Any:
            return self._world.call(self._service, operation, lambda: self._done(operation, arguments), arguments)

        return call

    def get_paginator(self, operation: str) -> Any:
        """An answer is one page, or, of groups and rules in some histories, two, each a call of its own."""

        def paginate(**arguments: Any) -> Iterator[Any]:
            if not (self._world.is_paged and operation in PAGED):
                yield getattr(self, operation)(**arguments)
                return
            last = ""
            while True:
                answer = getattr(self, operation)(**arguments)
                listed, last = page(answer[PAGED[operation]], last)
                yield {PAGED[operation]: listed}
                if not last:
                    return

        return SimpleNamespace(paginate=paginate)

    def _done(self, operation: str, arguments: dict[str, Any]) -> Any:
        world = self._world
        location: Any = {
            "dynamodb": world.table,
            "s3": world.bucket,
            "ec2": world.ec2.get(self._account_id),
            **world.services,
        }.get(self._service)
        if hasattr(location, operation):
            arguments.pop("TableName", None)
            where = {"region": self._region} if self._service == "ec2" else {}
            return getattr(location, operation)(**arguments, **where)
        if operation in _NOTHING:
            return {_NOTHING[operation]: []}
        if self._service == "service-quotas":
            return {"Quota": {"Value": float(world.ec2[self._account_id].quota)}}
        raise NotImplementedError(f"{self._service}.{operation}")


class Sessions:
    """What hands out clients, in place of `library.aws.session.Sessions`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def role_arn(self, account_id: str) -> str:
        """The role that is assumed in an account."""
        return f"arn:aws:iam::{account_id}:role/hammer"

    def client(self, service: str, account_id: str = "", region: str = "") -> Any:
        """A client."""
        return Client(self._world, service, account_id or self._world.main_account, region or HOME)

    def forget(self, account_id: str, region: str) -> None:
        """Nothing is kept."""


class Jira(JiraClient):
    """JIRA: one for each run, of the world's tickets. A subclass, so that types tell when the client changes."""

    def __init__(self, world: World) -> None:
        self._world = world
        users: Any = SimpleNamespace(assignable=lambda *_: None)
        workflow: Any = SimpleNamespace(close=self._close, reopen=self._reopen)
        self.users, self.workflow = users, workflow

    def check(self) -> None:
        """JIRA may be used."""

    def url(self, key: str) -> str:
        """The page of a ticket."""
        return f"https://jira.example.com/browse/{key}"

    def find(self, label: str) -> list[Ticket]:
        """The tickets with a label that the search knows by now, the newest first."""
        found: list[Ticket] = self._read(
            lambda: [
                ticket.shown()
                for ticket in reversed(self._world.tickets.values())  # the newest first
                if label in ticket.labels and ticket.found_from <= self._world.now
            ]
        )
        return found

    def get(self, key: str) -> Ticket | None:
        """A ticket."""

        def read() -> Ticket | None:
            found = self._world.ticket(key)
            return found.shown() if found else None

        ticket: Ticket | None = self._read(read)
        return ticket

    def create(self, ticket: NewTicket) -> CreatedTicket:
        """File a ticket. Raises JiraError: the project is archived."""
        key = self._write(lambda: self._world.file_ticket(ticket))
        return CreatedTicket(key, {})

    def watch(self, key: str, user: Any) -> None:
        """Nobody watches."""

    def link(self, key: str, parent: str) -> None:
        """Nothing is linked."""

    def comment(self, key: str, body: str) -> None:
        """Comment on a ticket."""
        self._change(key, lambda ticket: self._world.comment(ticket, body))

    def has_comment(self, key: str, *markers: str) -> bool:
        """Whether a ticket has a comment with one of these markers."""

        def found() -> bool:
            return any(marker in comment for comment in self._there(key).comments for marker in markers)

        return bool(self._read(found))

    def edit_labels(self, key: str, *, add: Any = (), remove: Any = ()) -> None:
        """Change a ticket's labels."""

        def edit(ticket: KeptTicket) -> None:
            ticket.labels = [label for label in ticket.labels if label not in remove] + list(add)

        self._change(key, edit)

    def _close(self, key: str) -> None:
        self._change(key, lambda ticket: ticket.set_status(is_done=True))

    def _reopen(self, key: str) -> None:
        self._change(key, lambda ticket: ticket.set_status(is_done=False))

    def _there(self, key: str) -> KeptTicket:
        ticket = self._world.ticket(key)
        if ticket is None:
            raise JiraError(f"{key} does not exist", 404, is_own=True)
        return ticket

    def _change(self, key: str, change: Callable[[KeptTicket], object]) -> None:
        """Change a ticket, which JIRA refuses where its project is archived."""

        def effect() -> None:
            ticket = self._there(key)
            if ticket.project in self._world.archived:
                raise JiraError(f"{ticket.project} is archived", 400, is_own=True)
            change(ticket)

        self._write(effect)

    def _read(self, effect: Callable[[], Any]) -> Any:
        return self._world.call("jira", "read", effect, refused=lambda: JiraError("the server is down", 503))

    def _write(self, effect: Callable[[], Any]) -> Any:
        return self._world.call(
            "jira",
            "write",
            effect,
            refused=lambda: JiraError("the server is down", 503),
            lost=lambda: JiraOutcomeUnknownError("no answer"),
            can_repeat=False,
        )


class Slack(SlackClient):
    """Slack, of the world's messages."""

    def __init__(self, world: World) -> None:
        self._world = world

    def channel(self, destination: str) -> str:
        """Every destination is there."""
        return destination

    def post(self, channel: str, text: str, blocks: Any, thread: tuple[str, str] | None = None) -> tuple[str, str]:
        """Send a message."""

        def send() -> tuple[str, str]:
            sections = [block["text"]["text"] for block in blocks if "text" in block]
            if thread is None:
                self._world.send(channel, text, sections)
            else:
                self._world.texts.append(("Slack", " ".join(sections)))
            return channel, str(len(self._world.messages))

        def failed(text: str) -> SlackError:
            self._world.has_lost_threads |= thread is not None
            return SlackError(text)

        sent: tuple[str, str] = self._world.call(
            "slack",
            "write",
            send,
            refused=lambda: failed("the server is down"),
            lost=lambda: failed("no answer"),
            can_repeat=False,
        )
        return sent


def throttled(service: str) -> Exception:
    """How a service says that it did not do what it was asked."""
    return client_error("ProvisionedThroughputExceededException" if service == "dynamodb" else "RequestLimitExceeded")
