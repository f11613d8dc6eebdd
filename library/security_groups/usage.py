"""What uses a security group, as a value and as a map of the table.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class User:
    """One thing that has the group on a network interface of its own. Its name is hostile text.

    Attributes:
        kind: `instance`, `load balancer`, `database`, or what else EC2 says it is.
        name: what people call it: an id, a name, or both.
        public_addresses: the public addresses of its interfaces.
    """

    kind: str
    name: str
    public_addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """What uses one group.

    Attributes:
        users: sorted by kind and name.
        more: how many users there are beside these.
        tags: those tags of the users that tell an owner, of each that has any; hostile text.
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
    def from_item(cls, item: object) -> Usage | None:
        """The other way round. None where there is none, or a map that is none: the next scan writes it anew."""
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
