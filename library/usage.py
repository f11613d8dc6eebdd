"""What uses a security group, as a value.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class User:
    """One thing that has the group on a network interface of its own. Names and tags are hostile text.

    Attributes:
        kind: `instance`, `load balancer`, `database`, or what else EC2 says it is.
        name: what people call it: an id, a name, or both.
        public_addresses: the public addresses of its interfaces.
        tags: the instance's or the interface's.
    """

    kind: str
    name: str
    public_addresses: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """Everything that uses one group.

    Attributes:
        users: sorted by kind and name.
        unknown: why it could not be read, on one line; empty: `users` is all there is.
    """

    users: tuple[User, ...] = ()
    unknown: str = ""
