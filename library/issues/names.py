"""What names an issue and what it is about: the grammar of each part, and how a command names it.

Pure. Whoever can write the issue table can write any text into it, and people paste Hammer's commands into a shell:
`Issue.check` holds every item that a job acts on to these grammars, and commands quote each part all the same.
"""

from __future__ import annotations

import re
import shlex
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from library.issues.issue import Issue

# Amazon Resource Names (IAM User Guide): account ids have 12 digits. Region names and the ids of EC2's resources have
# no documented grammar: these are wider than any that there is, and hold nothing that a shell, URL or path minds.
_GRAMMARS = {
    "account_id": re.compile(r"[0-9]{12}"),
    "issue_id": re.compile(r"(sg|finding)-[0-9A-Za-z_-]{1,100}"),
    "region": re.compile(r"[a-z]{2,10}(-[a-z0-9]{1,20}){1,5}"),
    "vpc_id": re.compile(r"[0-9A-Za-z_-]{0,100}"),
    "protocol": re.compile(r"-?[0-9A-Za-z]{1,20}"),
    "prefix_list_id": re.compile(r"(pl-[0-9A-Za-z_-]{1,100})?"),
    # A JIRA of one's own may have another pattern for the keys of projects, still of these characters.
    "ticket": re.compile(r"[A-Za-z][A-Za-z0-9_]*-[0-9]+"),
}
_SHOWN = 80


def check_name(part: str, value: object, where: str = "") -> None:
    """Raise ValueError, naming it, if a value is not what its part of an issue may be.

    `part` is a key of the grammars. The message calls the value `where`, or as the part is named.
    """
    if not isinstance(value, str) or not _GRAMMARS[part].fullmatch(value):
        raise ValueError(f"{where or part} cannot be {ascii(value)[:_SHOWN]}")


def hammer_options(issue: Issue) -> str:
    """The options with which a command of Hammer names an issue's group, for a shell."""
    return location_options(issue.account_id, issue.details.region, issue.issue_id)


def location_options(account_id: str, region: str, group_id: str) -> str:
    """The options with which a command of Hammer names a group, for a shell."""
    account, region, group = map(shlex.quote, (account_id, region, group_id))
    return f"--account {account} --region {region} --group {group}"


def aws_options(issue: Issue) -> str:
    """The options with which the AWS command line names an issue's group, for a shell."""
    return f"--region {shlex.quote(issue.details.region)} --group-id {shlex.quote(issue.issue_id)}"


def required_text(value: object) -> str:
    """A text as a record has it. Raises TypeError on another value."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def whole_number(name: str, value: object) -> int:
    """A number that counts something. Raises ValueError on another value: a write compares it as it is in the table.

    >>> whole_number("revision", 7)
    7
    """
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or value != int(value):
        raise ValueError(f"{name} is no whole number")
    return int(value)
