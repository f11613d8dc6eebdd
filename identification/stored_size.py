"""Details cut to what an item of the table has room for.

Pure. An item may have 400 KB, and each local index with all attributes holds a copy of it that counts, too (Amazon
DynamoDB Developer Guide, "Local secondary indexes", limits): with two indexes about 133 KB are left for an issue. What
reporting and remediation keep about it needs room as well.

Anybody who may tag a group or write rules decides how much text there is. An issue that cannot be stored would never be
reported, so what is too long is cut here. What was cut decides nothing: the status and the verdict are of all
exposures, and remediation describes the group again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from library.issues.issue import IssueDetails
from library.security_groups.exposure import Exposure

PERMS_BYTES = 36_000
TAGS_BYTES = 20_000
PATHS_BYTES = 20_000


def truncate_to_item_limit(details: IssueDetails) -> IssueDetails:
    """The details with as many exposures, tags and paths as there is room for. Equal details stay equal.

    The worst exposures are kept, and at least one of each status; `perms_total` then says how many there are.
    """
    perms = _kept(details.perms)
    cut = replace(details, perms=perms, tags=_kept_tags(details.tags))
    if len(perms) < len(details.perms):
        cut = replace(cut, perms_total=len(details.perms))
    if cut.reachability:
        paths = tuple(_while_they_fit(cut.reachability.paths, lambda path: _size(path.to_item()), PATHS_BYTES))
        cut = replace(cut, reachability=replace(cut.reachability, paths=paths))
    return cut


def _kept(perms: tuple[Exposure, ...]) -> tuple[Exposure, ...]:
    first_of_each = {perm.status: perm for perm in reversed(perms)}
    order = sorted(perms, key=lambda perm: (perm not in first_of_each.values(), perm.status != "open_completely"))
    kept = set(_while_they_fit(order, lambda perm: _size(perm._asdict()), PERMS_BYTES))
    return tuple(perm for perm in perms if perm in kept)


def _kept_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    if _size(tags) <= TAGS_BYTES:
        return tags
    # The short ones: a name or an address of an owner is short.
    by_size = sorted(tags, key=lambda key: (_size({key: tags[key]}), key))
    kept = set(_while_they_fit(by_size, lambda key: _size({key: tags[key]}), TAGS_BYTES))
    return {key: value for key, value in tags.items() if key in kept}


def _while_they_fit(values: Iterable[Any], size: Any, room: int) -> Iterable[Any]:
    for value in values:
        room -= size(value)
        if room < 0:
            return
        yield value


def _size(value: Any) -> int:
    """About how many bytes DynamoDB counts for a value: names and texts in UTF-8, and a few for each."""
    if isinstance(value, str):
        return 1 + len(value.encode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return 3 + sum(_size(key) + _size(each) for key, each in value.items())
    if isinstance(value, list | tuple):
        return 3 + sum(map(_size, value))
    return 4
