"""What uses a security group, as a value and as a map of the table, and what a network interface belongs to.

Pure. Whatever has a security group has it on a network interface. What an interface belongs to is in its attachment, or
in the description that the service gave it (Amazon EC2 User Guide, "Requester-managed network interfaces").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

_DESCRIPTIONS = (
    ("load balancer", re.compile(r"ELB (?:(?:app|net|gwy)/)?(?P<name>[^/]+)(?:/[0-9a-f]+)?")),
    ("database", re.compile(r"(?P<name>(?:RDS|Redshift|DMS)NetworkInterface)")),
    ("cache", re.compile(r"ElastiCache (?P<name>.+)")),
    ("function", re.compile(r"AWS Lambda VPC ENI-(?P<name>.+?)(?:-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?")),
    ("file system", re.compile(r"EFS mount target for (?P<name>fs-\w+).*")),
    ("container task", re.compile(r"arn:aws[\w-]*:ecs:[^:]*:[0-9]*:(?P<name>attachment/.+)")),
    ("endpoint", re.compile(r"VPC Endpoint Interface (?P<name>vpce-\w+)")),
)
_REQUESTERS = {
    "amazon-elb": "load balancer",
    "amazon-rds": "database",
    "amazon-redshift": "database",
    "amazon-elasticache": "cache",
}
_WITHOUT_A_NAME = "NetworkInterface"
_BALANCER = re.compile(r"ELB (?:(?P<type>app|net|gwy)/)?(?P<key>[^/]+(?:/[0-9a-zA-Z]+)?)")
_BALANCER_TYPES = frozenset({"load_balancer", "network_load_balancer", "gateway_load_balancer"})


class Resource(NamedTuple):
    """What an interface belongs to. The name may be untrusted input.

    Attributes:
        kind: `instance`, `load balancer`, `database`, or what else it is.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class BalancerRef(NamedTuple):
    """The load balancer that an interface belongs to.

    Attributes:
        key: `name/id` of an application, network or gateway load balancer, the name of a classic one.
    """

    key: str
    is_network: bool


def is_attached(interface: Mapping[str, Any]) -> bool:
    """Whether an element of DescribeNetworkInterfaces' answer is attached to something.

    An interface of a task or pod (a branch) can be in use without an attachment of its own.
    """
    attachment = interface.get("Attachment")
    return attachment.get("Status") != "detached" if attachment else interface.get("Status") == "in-use"


def resource_of(interface: Mapping[str, Any]) -> Resource:
    """What an element of DescribeNetworkInterfaces' answer belongs to."""
    if instance_id := instance_id_of(interface):
        return Resource("instance", instance_id)
    interface_id, description = interface["NetworkInterfaceId"], interface.get("Description", "")
    for kind, pattern in _DESCRIPTIONS:
        if found := pattern.fullmatch(description):
            name = found["name"]
            return Resource(kind, interface_id if name.endswith(_WITHOUT_A_NAME) else name)
    kind = _REQUESTERS.get(str(interface.get("RequesterId")), "network interface")
    return Resource(kind, f"{interface_id} ({description})" if description else interface_id)


def instance_id_of(interface: Mapping[str, Any]) -> str:
    """The instance that an interface is attached to, or an empty text."""
    return str((interface.get("Attachment") or {}).get("InstanceId") or "")


def balancer_of(interface: Mapping[str, Any]) -> BalancerRef | None:
    """The load balancer that an interface belongs to.

    An interface that is attached to an instance belongs to none, whatever description its owner gave it: it would
    otherwise count as closed because no listener is known.
    """
    if instance_id_of(interface):
        return None
    described = _BALANCER.fullmatch(interface.get("Description", ""))
    kind = interface.get("InterfaceType")
    if described is None and kind not in _BALANCER_TYPES:
        return None
    is_network = kind == "network_load_balancer" or bool(described and described["type"] == "net")
    return BalancerRef(described["key"] if described else interface["NetworkInterfaceId"], is_network)


@dataclass(frozen=True, slots=True, order=True)
class User:
    """One thing that has the group on a network interface of its own. Its name is untrusted input.

    Attributes:
        kind: `instance`, `load balancer`, `database`, or what else EC2 says it is.
        name: what people call it: an id, a name, or both.
    """

    kind: str
    name: str
    public_addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupUsers:
    """What uses one group.

    Attributes:
        users: sorted by kind and name.
        more: how many users there are beside these.
        tags: those tags of the users that tell an owner, of each that has any; untrusted input.
        unknown: why it could not be read, on one line; empty: `users` and `more` are all there is.
    """

    users: tuple[User, ...] = ()
    more: int = 0
    tags: tuple[Mapping[str, str], ...] = ()
    unknown: str = ""

    def to_item(self) -> dict[str, Any]:
        """The map of the table."""
        return {
            "users": [
                {"kind": user.kind, "name": user.name, "public_addresses": list(user.public_addresses)}
                for user in self.users
            ],
            "more": self.more,
            "tags": [dict(tags) for tags in self.tags],
            "unknown": self.unknown,
        }

    @classmethod
    def from_item(cls, item: object) -> GroupUsers | None:
        """Read what `to_item` wrote. None where there is none, or a map that is none: the next scan writes it anew."""
        if not isinstance(item, Mapping):
            return None
        try:
            return cls(
                users=tuple(
                    User(str(user["kind"]), str(user["name"]), tuple(map(str, user["public_addresses"])))
                    for user in item["users"]
                ),
                more=int(item["more"]),
                tags=tuple({str(key): str(value) for key, value in tags.items()} for tags in item["tags"]),
                unknown=str(item["unknown"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return None
