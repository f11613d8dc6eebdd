"""Whose an issue is: whom a decision named, whom tags name, and what `ticket_owners` says.

`owners_of` is the one answer, for tickets, messages, buttons, lists and terminals. Pure. Tags are untrusted input, and
whoever may tag may name anybody: what is found here is a claim until JIRA or Slack knows such a user.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from library.config.models import Configuration, Owners
from library.issues.issue import Issue

TagSets = Iterable[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Discovered:
    """What the tags say; empty: nothing.

    Attributes:
        owner: a person, by e-mail address or name, or a `#channel`.
    """

    owner: str = ""
    bu: str = ""
    product: str = ""


def discover(
    group_tags: Mapping[str, str], user_tags: TagSets, owner_key: str, bu_key: str, product_key: str
) -> Discovered:
    """What the group's own tags say, and for each that they do not, what most of its users' tags say.

    `user_tags` are of each instance and interface that uses the group. Upper and lower case of the keys count as the
    same.
    """
    users = list(user_tags)
    return Discovered(*(_value(group_tags, users, key) for key in (owner_key, bu_key, product_key)))


def _value(group_tags: Mapping[str, str], users: list[Mapping[str, str]], key: str) -> str:
    if own := _tag(group_tags, key):
        return own
    counted = Counter(value for tags in users if (value := _tag(tags, key)))
    # Of two that are as frequent, the first in the alphabet: every run must come to the same owner.
    return min(counted, key=lambda value: (-counted[value], value), default="")


def _tag(tags: Mapping[str, str], key: str) -> str:
    """A tag's value without the white space around it; the key in exactly this case counts before any other."""
    if key in tags:
        return tags[key].strip()
    return next((tags[other].strip() for other in sorted(tags) if other.casefold() == key.casefold()), "")


@dataclass(frozen=True, slots=True)
class IssueOwners:
    """Whose an issue is.

    Attributes:
        named: whom a decision named last, else whom tags name; untrusted input; empty: nobody.
        is_decided: whether a decision named them.
        configured: what `ticket_owners` says for the account, the business unit and the product.
    """

    named: str
    is_decided: bool
    configured: Owners

    @property
    def shown(self) -> str:
        """The one that lists show; empty: nobody."""
        return self.named or next(iter(self.configured.slack_owner), "") or self.configured.jira_owner

    def destinations(self, config: Configuration) -> tuple[str, ...]:
        """Where an issue is notified in Slack: each channel and user once; `slack.default_channel` if nobody is named.

        `slack.notify_default_owner` says whether `slack_owner` is notified beside an owner who is named.
        """
        named = [self.named] if self.named else []
        configured = self.configured.slack_owner if config.slack.notify_default_owner or not named else ()
        return tuple(dict.fromkeys((*named, *configured))) or (config.slack.default_channel,)


def owners_of(
    config: Configuration, account_id: str, tags: Mapping[str, str], user_tags: TagSets = (), *, decided: str
) -> IssueOwners:
    """Whose a group's issue is, by the tags of the group, and those of each instance and interface that uses it.

    Whom a decision named owns it, whatever the tags say.
    """
    keys = config.secgrp_unrestricted_access.owner_tags
    found = discover(tags, user_tags, keys.owner, keys.bu, keys.product)
    configured = config.ticket_owners.resolve(account_id, found.bu, found.product)
    return IssueOwners(decided or found.owner, bool(decided), configured)


def owners_of_issue(config: Configuration, issue: Issue, user_tags: TagSets | None = None) -> IssueOwners:
    """Whose an issue of the table is.

    Without `user_tags` those count that the issue has, if it was read with them.
    """
    if user_tags is None:
        user_tags = issue.used_by.tags if issue.used_by else ()
    return owners_of(config, issue.account_id, issue.details.tags, user_tags, decided=issue.decided.owner)
