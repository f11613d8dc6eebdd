"""What uses a security group, as a value.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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
    """Everything that uses one group.

    Attributes:
        users: sorted by kind and name.
        tags: of each instance and each interface that has the group; hostile text.
        unknown: why it could not be read, on one line; empty: `users` is all there is.
    """

    users: tuple[User, ...] = ()
    tags: tuple[Mapping[str, str], ...] = ()
    unknown: str = ""
