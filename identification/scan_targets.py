"""Scan targets: what a message of the topic asks to look at.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from identification.deliveries import message_of
from identification.errors import MalformedEventError
from identification.expected_changes import ExpectedChange, changes_from_item
from library.issues.opening_calls import OpeningCall, opened_from_item


@dataclass(frozen=True, slots=True)
class ScanTarget:
    """One account and region to look at.

    Attributes:
        group_ids: look at these groups only; empty: at all.
        openings: what events told about who opened these groups, each with the group's id.
        expected: what EC2 must show of groups because of calls, each with the group's id.
    """

    account_id: str
    region: str
    group_ids: tuple[str, ...] = ()
    openings: tuple[tuple[str, OpeningCall], ...] = ()
    expected: tuple[tuple[str, ExpectedChange], ...] = ()


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
    openings = tuple(opened for opened in opened_from_item(message.get("opened")) if _is_group_id(opened[0]))
    expected = tuple(told for told in changes_from_item(message.get("expected")) if _is_group_id(told[0]))
    return ScanTarget(account_id, region, tuple(dict.fromkeys(group_ids)), openings, expected)


def merge(targets: Sequence[ScanTarget]) -> ScanTarget:
    """One target that asks for all that these ask for. They are of one account and region."""
    group_ids = tuple(dict.fromkeys(group_id for target in targets for group_id in target.group_ids))
    openings = tuple(dict.fromkeys(opened for target in targets for opened in target.openings))
    expected = tuple(dict.fromkeys(told for target in targets for told in target.expected))
    whole = not all(target.group_ids for target in targets)
    return replace(targets[0], group_ids=() if whole else group_ids, openings=openings, expected=expected)


def _is_group_id(value: object) -> bool:
    # The table keeps other records under ids that begin otherwise.
    return isinstance(value, str) and value.startswith("sg-")
