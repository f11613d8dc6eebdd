"""Errors of the identification Lambdas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from library.errors import HammerError

if TYPE_CHECKING:
    from identification.expected_changes import Lagging


class UnknownAccountError(HammerError):
    """A message or an event is about an account that the configuration does not name. No role is assumed for it."""


class MalformedEventError(HammerError, ValueError):
    """A record is not what the function's event source sends. Lambda retries it, then the dead-letter queue gets it."""


class NotRequestedError(HammerError):
    """A remediation run at once could not be asked for. The look must be repeated."""


class NotShownYetError(HammerError):
    """EC2 does not show yet what calls changed. The look must be repeated; the issues that are certain were written.

    Args:
        groups: the groups, by id.
        changes: how many issues changed nevertheless.
    """

    def __init__(self, groups: Mapping[str, Lagging], changes: int = 0) -> None:
        self.groups = groups
        self.changes = changes
        named = ", ".join(sorted(groups)[:20])
        more = f" and {len(groups) - 20} more" if len(groups) > 20 else ""
        super().__init__(f"EC2 does not show yet what was changed in {named}{more}")
