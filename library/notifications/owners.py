"""Who owns a security group: what its tags say, and where that leads.

Pure. Tags are untrusted input, and whoever may tag may name anybody: what is found here is a claim until JIRA or Slack
knows such a user.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

TagSets = Iterable[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Discovered:
    """What the tags say; empty: nothing.

    Attributes:
        owner: a person, by e-mail address or name, or a `#channel`.
        bu: the business unit.
        product: the product.
    """

    owner: str = ""
    bu: str = ""
    product: str = ""


def discover(
    group_tags: Mapping[str, str], user_tags: TagSets, owner_key: str, bu_key: str, product_key: str
) -> Discovered:
    """What the group's own tags say, and for each that they do not, what most of its users' tags say.

    Args:
        group_tags: the group's.
        user_tags: of each instance and interface that uses the group.
        owner_key: the key of the owner's tag; upper and lower case count as the same.
        bu_key: the key of the business unit's tag.
        product_key: the key of the product's tag.
    """
    users = list(user_tags)
    return Discovered(*(_value(group_tags, users, key) for key in (owner_key, bu_key, product_key)))


def _value(group_tags: Mapping[str, str], users: list[Mapping[str, str]], key: str) -> str:
    if own := _tag(group_tags, key):
        return own
    if not users:
        return ""
    counted = Counter(value for tags in users if (value := _tag(tags, key)))
    # Of two that are as frequent, the first in the alphabet: every run must come to the same owner.
    return min(counted, key=lambda value: (-counted[value], value), default="")


def _tag(tags: Mapping[str, str], key: str) -> str:
    """A tag's value without the white space around it; the key in exactly this case counts before any other."""
    if key in tags:
        return tags[key].strip()
    return next((tags[other].strip() for other in sorted(tags) if other.casefold() == key.casefold()), "")


def destinations(
    configured: Iterable[str], discovered: str, default_channel: str, *, tell_configured: bool
) -> tuple[str, ...]:
    """Where an issue is told in Slack: each place once.

    Args:
        configured: `slack_owner`.
        discovered: the owner that the tags name, or empty.
        default_channel: where it goes when there is nobody else.
        tell_configured: whether `slack_owner` hears of it beside a discovered owner.
    """
    wanted = [discovered] if discovered else []
    if tell_configured or not discovered:
        wanted += configured
    return tuple(dict.fromkeys(wanted)) or (default_channel,)
