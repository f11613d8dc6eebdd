"""Who owns the tickets and the alerts of an account, a business unit or a product: `ticket_owners`.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from library.config.fields import ACCOUNT_KEY, TEXT
from library.config.readers import ListOf, MappingOf
from library.config.section import ConfigSection, setting


@dataclass(frozen=True, slots=True)
class Owners:
    """Where an issue is reported to. An empty value: nobody has said.

    Attributes:
        jira_project: the key of the project that gets the ticket.
        jira_owner: who is assigned.
        jira_parent_ticket: the ticket that a new one is linked to.
        slack_owner: `#channels` and users.
    """

    jira_project: str = ""
    jira_owner: str = ""
    jira_parent_ticket: str = ""
    slack_owner: tuple[str, ...] = ()


def _without_blanks(entries: Sequence[str]) -> tuple[str, ...]:
    return tuple(stripped for entry in entries if (stripped := entry.strip()))


class OwnerFields(ConfigSection):
    """What may be said at each level. An empty text or list says nothing: the next level counts."""

    jira_project: str = setting(TEXT, "Key of the JIRA project that gets the tickets.", default="")
    jira_owner: str = setting(TEXT, "JIRA user to whom tickets are assigned.", default="")
    jira_parent_ticket: str = setting(TEXT, "JIRA ticket that new ones are linked to.", default="")
    slack_owner: tuple[str, ...] = setting(
        ListOf(TEXT, _without_blanks), "Slack #channels and users that are told.", default=()
    )


class BusinessUnit(OwnerFields):
    """The owners of a business unit, and of its products."""

    product: Mapping[str, OwnerFields] = setting(
        MappingOf(TEXT, OwnerFields), "Owners by product: the value of its tag.", default={}
    )


class TicketOwners(OwnerFields):
    """The file `ticket_owners`."""

    account: Mapping[str, OwnerFields] = setting(
        MappingOf(ACCOUNT_KEY, OwnerFields), "Owners by account id.", default={}
    )
    bu: Mapping[str, BusinessUnit] = setting(
        MappingOf(TEXT, BusinessUnit), "Owners by business unit: the value of its tag.", default={}
    )

    def resolve(self, account_id: str, bu: str = "", product: str = "") -> Owners:
        """The owners of one issue: field by field the most specific value that is not empty.

        Args:
            account_id: the account that it is in.
            bu: its business unit, or empty.
            product: its product within the business unit, or empty.
        """
        unit = self.bu.get(bu)
        levels = [unit.product.get(product) if unit else None, unit, self.account.get(account_id), self]
        said = [level for level in levels if level is not None]
        return Owners(
            jira_project=_first(level.jira_project for level in said),
            jira_owner=_first(level.jira_owner for level in said),
            jira_parent_ticket=_first(level.jira_parent_ticket for level in said),
            slack_owner=next((level.slack_owner for level in said if level.slack_owner), ()),
        )


def _first(values: Iterable[str]) -> str:
    return next((stripped for value in values if (stripped := value.strip())), "")
