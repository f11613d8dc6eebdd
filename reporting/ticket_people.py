"""Who is assigned to a ticket, who watches it, and what it is linked to."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from library.documents.text import printable
from library.notifications.jira_client import JiraClient
from library.notifications.jira_connection import JiraError, JiraUnavailableError
from library.notifications.jira_users import JiraUser, JiraUserLookupError
from reporting.filing import Filing

_WATCH, _LINK = "watch", "link"


def choose_assignee(jira: JiraClient, filing: Filing, note: Callable[[str], None]) -> tuple[JiraUser | None, list[str]]:
    """Who is assigned, and what the ticket says of those who could not be."""
    project = filing.owners.jira_project
    said: list[str] = []
    # A channel is Slack's business.
    discovered = "" if filing.discovered.startswith("#") else filing.discovered
    for name, where in ((discovered, "The owner tag"), (filing.owners.jira_owner, "ticket_owners")):
        if not name:
            continue
        try:
            user = jira.users.assignable(project, name)
        except JiraUserLookupError as error:
            note(f"no owners in {project}: {error}")
            said.append(f'{where} names "{printable(name)}", whom JIRA does not let Hammer look up.')
            continue
        except JiraUnavailableError:
            raise
        except JiraError as error:
            # The name may be what JIRA fails at, and it must not keep the ticket from being filed.
            note(f"{printable(name)} is not looked up: {error}")
            said.append(f'{where} names "{printable(name)}", whom JIRA could not look up.')
            continue
        if user:
            return user, said
        said.append(f'{where} names "{printable(name)}", to whom JIRA cannot assign tickets of {project}.')
    if said:
        said.append("So nobody is assigned.")
    return None, said


def attend(
    jira: JiraClient,
    key: str,
    wanted: Mapping[str, str],
    assignee: JiraUser | None,
    note: Callable[[str], None],
    problem: Callable[[str], None],
) -> dict[str, str]:
    """Have the configured owner watch where somebody else is assigned, and link to the parent ticket.

    Both may be done twice. What cannot be done is named: the ticket is worth more than they are.

    Returns:
        What the next run is to try again.
    """
    left = {}
    for what, whom in wanted.items():
        try:
            if what == _LINK:
                jira.link(key, whom)
            elif (user := jira.users.assignable(key.rpartition("-")[0], whom)) and user != assignee:
                jira.watch(key, user)
        except JiraUserLookupError as error:
            note(f"no owners in {key.rpartition('-')[0]}: {error}")
        except JiraError as error:
            said = f"linked to {whom}" if what == _LINK else f"watched by {printable(whom)}"
            problem(f"{key} is not {said}: {error}")
            if error.may_pass:
                left[what] = whom
    return left


def attendance(filing: Filing) -> dict[str, str]:
    """Who is to watch a new ticket, and what it is to be linked to."""
    wanted = {_WATCH: filing.owners.jira_owner, _LINK: filing.owners.jira_parent_ticket}
    return {what: whom for what, whom in wanted.items() if whom}
