"""Scan targets: what a message of the topic asks to look at.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from identification.deliveries import message_of
from identification.errors import MalformedEventError


@dataclass(frozen=True, slots=True)
class ScanTarget:
    """One account and region to look at.

    Attributes:
        group_ids: look at these groups only; empty: at all.
    """

    account_id: str
    region: str
    group_ids: tuple[str, ...] = ()


def parse_target(record: Mapping[str, Any]) -> ScanTarget:
    """Read one record's scan target.

    Raises:
        MalformedEventError: it does not carry an account, a region and, if it names groups, their ids.
    """
    message = message_of(record, "a scan target")
    try:
        account_id, region, group_ids = message["account_id"], message["region"], message.get("group_ids") or []
    except (AttributeError, KeyError, TypeError) as error:
        raise MalformedEventError(f"not a scan target: {message!r:.500}") from error
    texts = [account_id, region] if isinstance(group_ids, list) else [None]
    if not all(isinstance(text, str) and text for text in texts) or not all(map(_is_group_id, group_ids)):
        raise MalformedEventError(f"not a scan target: {message!r:.500}")
    return ScanTarget(account_id, region, tuple(dict.fromkeys(group_ids)))


def merge(targets: Sequence[ScanTarget]) -> ScanTarget:
    """One target that asks for all that these ask for. They are of one account and region."""
    first = targets[0]
    if not all(target.group_ids for target in targets):
        return replace(first, group_ids=())
    return replace(first, group_ids=tuple(dict.fromkeys(name for target in targets for name in target.group_ids)))


def _is_group_id(value: object) -> bool:
    # The table keeps other records under ids that begin otherwise.
    return isinstance(value, str) and value.startswith("sg-")
