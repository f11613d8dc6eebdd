"""Carries the ticket plan out in JIRA.

What is going to be written is recorded in the issue's item first, as its intent. A run that finds an intent left over
does not know how far the last one came, so it looks before it writes: for the ticket by its label, for a comment by
its marker, for a transition by the ticket's status.

A ticket that may have been filed and is not found yet is looked for during `_MAY_APPEAR`, before another is filed.
One that refuses to be changed, as in an archived project, is left as it is: news gets a new ticket.

Names and tags of an account are in the texts. JIRA may refuse a character, or a limit may be lower than the
configuration says, so what JIRA refuses is written short and plain. Assignees, watchers and links come
last: no ticket fails for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from library.documents.document import Document, fitted, jira_markup
from library.documents.text import ascii_only, printable
from library.issues.issue import Issue
from library.issues.times import format_time, parse_time, stored_time
from library.notifications.change_delivery import PLAIN_LIMIT
from library.notifications.jira_client import (
    CreatedTicket,
    JiraCannotCloseError,
    JiraCannotReopenError,
    JiraClient,
    JiraUser,
    JiraUserLookupError,
    NewTicket,
    Ticket,
)
from library.notifications.jira_connection import JiraError, JiraOutcomeUnknownError, JiraUnavailableError
from reporting.context import TicketContext, texts_for
from reporting.exposure_text import exposure_line
from reporting.group_text import exemption_document, not_watched, with_exemption
from reporting.plan import Step, Update, channel_digest, lasting, state_after_update, state_as_notified, use_notified
from reporting.remediation_text import closing_changed, closing_when, use_comment, waiting_section
from reporting.ticket_facts import TicketFacts

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable

_REFERENCE = "Reference: "
_T = TypeVar("_T")
_WATCH, _LINK = "watch", "link"


def pending_followups(context: TicketContext) -> dict[str, str]:
    """Who is to watch a new ticket, and what it is to be linked to."""
    wanted = {_WATCH: context.owners.jira_owner, _LINK: context.owners.jira_parent_ticket}
    return {what: whom for what, whom in wanted.items() if whom}


LABEL = "hammer"
EXEMPT_LABEL = "whitelisted"
# What earlier runs left in `jira_details` that does not last: what they were about to do, and what only the console
# told.
_OF_EARLIER_RUNS = ("intent", "still", "console")
# JIRA Cloud indexes what it is told shortly afterwards. Only a run that follows a broken one this soon has to wait.
_INDEXED_AFTER = timedelta(seconds=15)
# How long JIRA's index may be late. Nothing is filed in the meantime if a ticket may have been filed before.
_MAY_APPEAR = timedelta(minutes=15)
# How far JIRA's clock may be from the host's. A ticket that is older than an intent by more was not filed for it.
_CLOCKS_DIFFER = timedelta(hours=1)
# In `intent`: whether another ticket may have been filed in place of the one that the item knows.
_REPLACING = "replacing"
# In `still`: since when a second ticket may appear that is to be closed.
_DUPLICATE = "duplicate"
# In `still`, beside it: when what filed the second ticket was begun. An older one is no such ticket.
_FILED_SINCE = "filed_since"
_SEARCH = (_DUPLICATE, _FILED_SINCE)


@dataclass(slots=True)
class Tickets:
    """JIRA, as the reporting job uses it.

    Attributes:
        jira: JIRA.
        table: the issues.
        limit: the longest text it takes.
        now: the clock, in UTC.
        sleep: waits so many seconds.
        notes: what was left out of tickets, one line each.
        problems: what could not be done beside the ticket itself, one line each.
        plain: whether the ticket at hand gets short plain texts: JIRA failed at the full ones.
        marker: by which the comment that the ticket at hand gets is known again.
        unknown_since: when an earlier run may have filed a ticket, of which nobody knows the key; None: it did not.
        is_filing: whether a ticket is being filed.
    """

    jira: JiraClient
    table: IssueTable
    limit: int
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    plain: bool = False
    marker: str = ""
    unknown_since: datetime | None = None
    is_filing: bool = False

    def update(self, step: Step, context: TicketContext) -> dict[str, Any]:
        """Bring an issue's ticket up to date.

        Returns:
            The issue's new `jira_details`, still to be recorded.

        Raises:
            JiraError: it could not be done; the next run goes on from there.
            ConflictError: the issue has a new occurrence.
        """
        update, issue = step.ticket_update, step.issue
        if update is None:
            raise ValueError("there is nothing to tell")
        self.jira.check()
        kept = {name: value for name, value in issue.jira_details.items() if name not in _OF_EARLIER_RUNS}
        intent = {"news": str(update), "occurrence": issue.occurrence, "digest": channel_digest(issue)}
        left_over: Mapping[str, Any] = issue.jira_details.get("intent") or {}
        resumed = bool(left_over) and all(left_over.get(name) == value for name, value in intent.items())
        # The time of the first intent stays: that is when something may have been written.
        since = left_over.get("since") or format_time(self.now())
        self.unknown_since = parse_time(left_over.get("unknown"))
        self.is_filing = False
        self.marker = _marker(step, update)
        unrecorded = _unrecorded_markers(issue)
        markers = list(dict.fromkeys((*unrecorded, self.marker)))
        intent |= {"since": since, "markers": markers, "at_once": step.at_once}
        intent[_REPLACING] = _may_be_replaced(left_over)
        # All that is known stays until it is done: also what is still to be tried, and that only the console told.
        before = {"ticket": None, **issue.jira_details}
        if not resumed or markers != unrecorded:
            unknown = {"unknown": left_over["unknown"]} if self.unknown_since else {}
            self.table.update(issue, {"jira_details": {**before, "intent": {**intent, **unknown}}})
        self.plain = bool(left_over.get("plain"))
        try:
            return self._bring_up_to_date(step, context, kept, left_over, resumed=resumed)
        except JiraOutcomeUnknownError as error:
            intended = {**intent}
            if self.is_filing or self.unknown_since:
                intended["unknown"] = format_time(self.now()) if self.is_filing else left_over["unknown"]
            if error.status == 500 or self.plain:
                # What this issue says may be what JIRA fails at: the next run says less.
                intended["plain"] = True
            self.table.update(issue, {"jira_details": {**before, "intent": intended}})
            raise

    def _bring_up_to_date(
        self, step: Step, context: TicketContext, kept: dict[str, Any], left_over: Mapping[str, Any], *, resumed: bool
    ) -> dict[str, Any]:
        update, issue = step.ticket_update, step.issue
        known = str(kept.get("ticket") or "")
        ticket = self._shown(issue, known) if known else self._find_unrecorded(issue, left_over)
        if update in (Update.EXEMPTION_ENDS, Update.USE):
            if ticket is not None:
                # A run that died after its comment on the use may have been followed by one that told something else.
                may_exist = resumed or update is Update.USE
                self._comment_if_possible(issue, ticket.key, step_document(step, context), resumed=may_exist)
            # Watchers and links that an earlier run could not set are still to be set by the next.
            pending = issue.jira_details.get("still")
            return state_after_update(step, update, kept) | ({"still": pending} if pending else {})
        # Beside the issue's ticket nothing is looked for unless a run went to file another: it may be a copy.
        may_be_replaced = ticket is None or _may_be_replaced(left_over)
        if update is not None and update.ends:
            ended = self._end(step, context, ticket, resumed=resumed)
            if may_be_replaced and (other := self._find_replacement(issue, left_over, known, ticket)):
                ended = self._end(step, context, other, resumed=resumed)
            self._searched_duplicates(issue, known, issue.jira_details.get("still") or {})
            return state_after_update(step, update, kept) | ended
        notified = {
            **state_as_notified(issue, closed=False, at_once=step.at_once),
            "told": [exposure_line(perm) for perm in issue.details.perms],
        }
        key, pending = "", dict(issue.jira_details.get("still") or {})
        other = self._find_replacement(issue, left_over, known, ticket) if may_be_replaced else None
        if other and ticket and not ticket.done:
            # It refused to be changed when the other was filed. By now it may not.
            self._unless_refused(
                f"{ticket.key} is left as it is",
                partial(self._close_duplicate, ticket.key, other.key),
                JiraCannotCloseError,
            )
        if ticket is not None and not other:
            key, filed = self._update_existing(step, ticket, context, resumed=resumed)
            if filed:
                pending = pending_followups(context)
            elif key and shows_otherwise(kept, notified):
                notified["change"] = self.marker
            pending = (
                self._set_followups(key, pending, self._choose_assignee(context)[0] if filed else None)
                if key
                else pending
            )
        if not key:
            if not may_be_replaced:
                # An earlier version did not record that it went to file another, in an intent of this version either.
                other = self._find_replacement(issue, left_over, known, ticket)
            key, assignee = (other.key, None) if other else self._file(step, context)
            if other and {*_unrecorded_markers(issue)} - {self.marker}:
                # The run that filed it was to tell something else.
                self._comment_if_possible(issue, key, _comment_on(step, context), resumed=resumed)
                notified["change"] = self.marker
            pending = self._set_followups(key, pending_followups(context), assignee)
            notified |= {} if other else use_notified(issue)
            if self.unknown_since:
                pending |= {_DUPLICATE: str(format_time(self.now())), _FILED_SINCE: str(left_over.get("since") or "")}
        return lasting(kept) | notified | {"ticket": key} | ({"still": pending} if pending else {})

    def _shown(self, issue: Issue, key: str) -> Ticket | None:
        """The issue's ticket; None: there is none any more, or JIRA does not show it to Hammer."""
        try:
            return self.jira.get(key)
        except JiraError as error:
            if not error.says_hidden:
                raise
            self.notes.append(f"{issue.issue_id}: {key} is not shown to Hammer and is left as it is: {error}")
            return None

    def follow_up(self, issue: Issue) -> dict[str, Any]:
        """Do what the last run could not do beside the ticket itself.

        Returns:
            The issue's new `jira_details`, still to be recorded.
        """
        kept = {name: value for name, value in issue.jira_details.items() if name != "still"}
        wanted = dict(issue.jira_details.get("still") or {})
        key = str(kept.get("ticket"))
        pending = self._set_followups(key, wanted, None)
        if self._searched_duplicates(issue, key, wanted):
            pending = {name: whom for name, whom in pending.items() if name not in _SEARCH}
        return kept | ({"still": pending} if pending else {})

    def _find_unrecorded(
        self, issue: Issue, left_over: Mapping[str, Any], useless: Collection[str] = ()
    ) -> Ticket | None:
        """A ticket of the issue that its item does not know of.

        `useless`: the keys of the ticket that the item knows. Then only open tickets count that may have been filed
        since the intent: closed ones are of older occurrences, and others may be copies that somebody made.
        """
        filing_began = parse_time(left_over.get("since"))

        def may_be_it(ticket: Ticket) -> bool:
            return ticket.key not in useless and not ticket.done and not _is_older(ticket, filing_began)

        def search() -> list[Ticket]:
            found = self.jira.find(label_of(issue))
            return [ticket for ticket in found if not useless or may_be_it(ticket)]

        found = search()
        if not found and filing_began:
            wait = (filing_began + _INDEXED_AFTER - self.now()).total_seconds()
            if wait > 0:
                self.sleep(min(wait, _INDEXED_AFTER.total_seconds()))
                found = search()
        if not found and self.unknown_since and self.now() < self.unknown_since + _MAY_APPEAR:
            until = format_time(self.unknown_since + _MAY_APPEAR)
            raise JiraError(f"a ticket may have been filed and is not found yet: no other is filed before {until}")
        chosen = next((ticket for ticket in found if not ticket.done), found[0] if found else None)
        if chosen and left_over:
            self._close_duplicates(found, chosen.key)
        return chosen

    def _find_replacement(
        self, issue: Issue, left_over: Mapping[str, Any], known: str, ticket: Ticket | None
    ) -> Ticket | None:
        """The ticket that a run filed in place of the one that the item knows (`known`), and did not record."""
        if not (known and left_over):
            return None
        # JIRA finds a ticket that was moved under the key that it has now.
        return self._find_unrecorded(issue, left_over, {known, ticket.key} if ticket else {known})

    def _searched_duplicates(self, issue: Issue, key: str, still: Mapping[str, str]) -> bool:
        """Close other open tickets of the issue, but not those from before what filed them was begun.

        `still`: what is left to be done, the search for a second ticket among it if there may be one.

        Returns:
            Whether none can appear any more.
        """
        since, filing_began = stored_time(still.get(_DUPLICATE)), stored_time(still.get(_FILED_SINCE))
        if since is None:
            return True
        try:
            found = [ticket for ticket in self.jira.find(label_of(issue)) if not _is_older(ticket, filing_began)]
            known = self.jira.get(key) if any(ticket.key != key for ticket in found) else None
            # A ticket that was moved is found under the key that it has now.
            self._close_duplicates(found, known.key if known else key)
        except JiraError as error:
            self.problems.append(f"{issue.location}: whether it has a second ticket is not known: {error}")
            return not error.may_pass
        return self.now() >= since + _MAY_APPEAR

    def _close_duplicates(self, found: Sequence[Ticket], kept: str) -> None:
        """Close the open ones of these tickets but one, with a word."""
        for ticket in found:
            if ticket.done or ticket.key == kept:
                continue
            try:
                self._close_duplicate(ticket.key, kept)
            except JiraUnavailableError:
                raise
            except JiraError as error:
                self.problems.append(f"{ticket.key} is a duplicate of {kept} and could not be closed: {error}")

    def _close_duplicate(self, key: str, kept: str) -> None:
        """Close a ticket beside the one that is kept, with a word. Raises JiraError."""
        what = f"This is a duplicate of {kept}, which goes on."
        # An earlier run may have commented, and not closed it.
        if not self.jira.has_comment(key, what):
            self.jira.comment(key, f"{what} It was filed twice.\n")
        self.jira.workflow.close(key)

    def _update_existing(
        self, step: Step, ticket: Ticket, context: TicketContext, *, resumed: bool
    ) -> tuple[str, bool]:
        """Tell a ticket that there is.

        Returns:
            Its key; empty: it cannot be used any more. And whether the last run filed it, and got no further.
        """
        issue, update = step.issue, step.ticket_update
        unrecorded = _unrecorded_markers(issue)
        takes_back = bool(unrecorded) and update in (Update.CHANGED, Update.CLOSING) and _was_notified(step)
        if takes_back and not self.jira.has_comment(ticket.key, *unrecorded):
            return ticket.key, False  # the runs that were to tell otherwise told nothing
        said = f"{issue.issue_id} gets a new ticket"
        if ticket.done and not self._unless_refused(
            said, lambda: self.jira.workflow.reopen(ticket.key), JiraCannotReopenError
        ):
            return "", False
        if EXEMPT_LABEL in ticket.labels:
            self._edit_labels(ticket.key, remove=[EXEMPT_LABEL])
        if update is Update.NEW and resumed and {*unrecorded} <= {self.marker} and not ticket.done:
            # The last run filed it, and ended before it recorded that. No run was to file it with anything else.
            return ticket.key, True
        text = _comment_on(step, context)
        if not self._unless_refused(
            f"{said}: {ticket.key} cannot be changed",
            lambda: self._comment(issue, ticket.key, text, resumed=resumed),
        ):
            return "", False
        return ticket.key, False

    def _comment_if_possible(self, issue: Issue, key: str, document: Document, *, resumed: bool) -> bool:
        """Comment on a ticket. Returns whether JIRA took it."""
        return self._unless_refused(
            f"{issue.issue_id}: {key} takes no comment", lambda: self._comment(issue, key, document, resumed=resumed)
        )

    def _close(self, issue: Issue, key: str, *, took_comment: bool, resumed: bool) -> None:
        """Close a ticket. One that takes nothing else either, as in an archived project, is left as it is."""
        said = f"{issue.issue_id}: {key} cannot be changed and is left as it is"
        if not took_comment:
            self._unless_refused(said, lambda: self.jira.workflow.close(key), JiraCannotCloseError)
            return
        try:
            self.jira.workflow.close(key)
        except JiraError as error:
            is_refused = error.is_refusal or isinstance(error, JiraCannotCloseError)
            # Its comment may be an earlier run's, from before it was archived.
            if not (is_refused and resumed) or self._takes_its_label(issue, key, said):
                raise

    def _takes_its_label(self, issue: Issue, key: str, said: str) -> bool:
        """Whether a ticket can be changed: it is given the label that it has. `said`: what is noted if it cannot."""
        try:
            self.jira.edit_labels(key, add=[label_of(issue)])
        except JiraError as error:
            if not error.is_refusal:
                raise
            self.notes.append(f"{said}: {error}")
            return "labels" in error.fields  # only its screen has none
        return True

    def _edit_labels(self, key: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Change labels. JIRA may refuse that of a ticket that is closed, which keeps nothing else from being done."""
        said = f"{key}: its labels are left as they are"
        self._unless_refused(said, lambda: self.jira.edit_labels(key, add=add, remove=remove))

    def _unless_refused(self, said: str, call: Callable[[], None], *refusals: type[JiraError]) -> bool:
        """Do what JIRA may refuse, and note that it did, after `said`. `refusals` are refusals here, too.

        Returns:
            Whether it was done.

        Raises:
            JiraError: it failed otherwise.
        """
        try:
            call()
        except JiraError as error:
            if not (error.is_refusal or isinstance(error, refusals)):
                raise
            self.notes.append(f"{said}: {error}")
            return False
        return True

    def _comment(self, issue: Issue, key: str, document: Document, *, resumed: bool) -> None:
        """Comment on a ticket. `resumed`: look whether the last run wrote it.

        A comment is known again by its marker: its text is not, for JIRA Cloud gives another back.
        """

        def comment(body: str, *, plain: bool) -> None:
            del plain
            self.jira.comment(key, f"{body.rstrip()}\n\n{_REFERENCE}{self.marker}\n")

        if not (resumed and self.jira.has_comment(key, self.marker)):
            self._write(issue, document, comment, kept_free=len(_REFERENCE) + len(self.marker) + 3)

    def _write(self, issue: Issue, document: Document, write: Callable[..., _T], kept_free: int = 0) -> _T:
        """Write a text, or a short plain one where JIRA refuses it or failed at it before. Raises JiraError."""
        plain = ascii_only(fitted(document, jira_markup, min(self.limit, PLAIN_LIMIT) - kept_free))
        if self.plain:
            return write(plain, plain=True)
        try:
            return write(fitted(document, jira_markup, self.limit - kept_free), plain=False)
        except JiraError as error:
            if not error.refuses_text:
                raise
            self._note(f"{issue.location}: a short plain text was written, because {error}")
            return write(plain, plain=True)

    def _file(self, step: Step, context: TicketContext) -> tuple[str, JiraUser | None]:
        """File a new ticket. Returns its key and who was meant to get it."""
        issue = step.issue
        project = context.owners.jira_project
        if not project:
            raise JiraError(f"ticket_owners names no jira_project for account {issue.account_id}")
        assignee, said = self._choose_assignee(context)
        facts = replace(context.facts, owner_notes=tuple(said))
        ticket = NewTicket(
            project,
            texts_for(issue).summary(issue, facts.location, facts.restricted),
            body="",
            labels=(LABEL, label_of(issue)),
            assignee=assignee,
            severity=str(issue.details.severity),
            due=facts.closes_at.date() if facts.closes_at else None,
        )

        def create(body: str, *, plain: bool) -> CreatedTicket:
            title = ascii_only(ticket.title) if plain else ticket.title
            return self.jira.create(replace(ticket, title=title, body=body))

        if issue.jira_details.get("ticket"):
            self.table.update(issue, {f"jira_details.intent.{_REPLACING}": True})
        self.is_filing = True
        created = self._write(issue, new_ticket_document(step, facts), create)
        self.notes += [f"{created.key} has no {name}: {reason}" for name, reason in created.left_out.items()]
        return created.key, assignee

    def _choose_assignee(self, context: TicketContext) -> tuple[JiraUser | None, list[str]]:
        """Who is assigned, and what the ticket says of those who could not be."""
        project = context.owners.jira_project
        said: list[str] = []
        # A channel is Slack's business.
        discovered = "" if context.named.startswith("#") else context.named
        for name, where in ((discovered, "The owner tag"), (context.owners.jira_owner, "ticket_owners")):
            if not name:
                continue
            try:
                user = self.jira.users.assignable(project, name)
            except JiraUserLookupError as error:
                self._note(f"no owners in {project}: {error}")
                said.append(f'{where} names "{printable(name)}", whom JIRA does not let Hammer look up.')
                continue
            except JiraUnavailableError:
                raise
            except JiraError as error:
                # The name may be what JIRA fails at, and it must not keep the ticket from being filed.
                self._note(f"{printable(name)} is not looked up: {error}")
                said.append(f'{where} names "{printable(name)}", whom JIRA could not look up.')
                continue
            if user:
                return user, said
            said.append(
                f'{where} names "{printable(name)}", but JIRA has no single user of that name who can be assigned in '
                f"{project}."
            )
        if said:
            said.append("So this ticket has no assignee.")
        return None, said

    def _set_followups(self, key: str, wanted: Mapping[str, str], assignee: JiraUser | None) -> dict[str, str]:
        """Have the configured owner watch where somebody else is assigned, and link to the parent ticket.

        Both may be done twice. What cannot be done is named: the ticket is worth more than they are.

        Returns:
            What the next run is to try again, and the search for a second ticket, which is not done here.
        """
        project, left = key.rpartition("-")[0], dict[str, str]()
        for what, whom in wanted.items():
            try:
                if what in _SEARCH:
                    left[what] = whom
                elif what == _LINK:
                    self.jira.link(key, whom)
                elif (user := self.jira.users.assignable(project, whom)) and user != assignee:
                    self.jira.watch(key, user)
            except JiraUserLookupError as error:
                self._note(f"no owners in {project}: {error}")
            except JiraError as error:
                said = f"linked to {whom}" if what == _LINK else f"watched by {printable(whom)}"
                self.problems.append(f"{key} is not {said}: {error}")
                if error.may_pass:
                    left[what] = whom
        return left

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _end(self, step: Step, context: TicketContext, ticket: Ticket | None, *, resumed: bool) -> dict[str, Any]:
        """Close a ticket. One that is gone or closed already needs no more."""
        issue = step.issue
        if ticket is None:
            return state_as_notified(issue, closed=True)
        if step.ticket_update is Update.EXEMPT and EXEMPT_LABEL not in ticket.labels:
            self._edit_labels(ticket.key, add=[EXEMPT_LABEL])
        if not ticket.done:
            took = self._comment_if_possible(issue, ticket.key, step_document(step, context), resumed=resumed)
            self._close(issue, ticket.key, took_comment=took, resumed=resumed)
        return {**state_as_notified(issue, closed=True), "ticket": ticket.key}


def _marker(step: Step, update: Update) -> str:
    """Tells a comment from all others of a ticket. Every run that goes on with a step comes to the same.

    What flow logs show is said once in an occurrence, whatever else changes before it is recorded that it was.
    """
    issue = step.issue
    what: tuple[object, ...] = (label_of(issue), issue.occurrence, str(update))
    if update is Update.USE and issue.use is not None:
        what = (*what, str(issue.use.verdict))
    else:
        what = (*what, channel_digest(issue), format_time(issue.timestamps.updated), step.at_once, step.reminder_of_end)
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


def _is_older(ticket: Ticket, filing_began: datetime | None) -> bool:
    """Whether a ticket was there before something was begun that may have filed it: then that did not."""
    return filing_began is not None and ticket.created is not None and ticket.created < filing_began - _CLOCKS_DIFFER


def _may_be_replaced(left_over: Mapping[str, Any]) -> bool:
    """Whether the runs that left an intent may have filed another ticket in place of the known one.

    An earlier version did not record it: then they may have.
    """
    return bool(left_over.get(_REPLACING, left_over.get("since")) or left_over.get("unknown"))


def _unrecorded_markers(issue: Issue) -> list[str]:
    """The markers of the texts that runs began to write into an issue's ticket and did not record as written."""
    return [str(marker) for marker in (issue.jira_details.get("intent") or {}).get("markers", ())]


def unrecorded_changes(issue: Issue) -> list[str]:
    """The markers of comments that may say that something else is open than the issue's item has as told."""
    intent = issue.jira_details.get("intent") or {}
    return _unrecorded_markers(issue) if intent.get("news") == Update.CHANGED else []


def _was_notified(step: Step) -> bool:
    """Whether the ticket was told all of this, so far as is recorded."""
    kept, now = step.issue.jira_details, state_as_notified(step.issue, closed=False, at_once=step.at_once)
    return all(kept.get(name) == value for name, value in {"at_once": None, **now}.items())


def shows_otherwise(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a ticket says of another occurrence, or of other exposures, than it did before.

    A decision made before the comment that says so did not know of the change: `change` is that comment's marker.
    """
    return bool(before.get("closed")) or any(before.get(name) != after[name] for name in ("occurrence", "digest"))


def label_of(issue: Issue) -> str:
    """The label by which an issue's tickets are found, in all its occurrences."""
    return f"{LABEL}-{issue.account_id}-{issue.issue_id}"


def describe_action(step: Step, context: TicketContext) -> str:
    """What telling a step comes to in JIRA, on one line, for a dry run."""
    key, owners = printable(str(step.issue.jira_details.get("ticket") or "")), context.owners
    if step.ticket_update and step.ticket_update.ends:
        return f"a comment on {key or 'its ticket'}, which is closed"
    if step.ticket_update in (Update.EXEMPTION_ENDS, Update.USE):
        return f"a comment on {key}"
    if key:
        return f"a comment on {key}" + (
            ", which is reopened if it is closed" if step.ticket_update not in (Update.CHANGED, Update.CLOSING) else ""
        )
    if not owners.jira_project:
        return "no ticket: ticket_owners names no jira_project"
    discovered = "" if context.named.startswith("#") else printable(context.named)
    assignees = " or else ".join(name for name in (discovered, owners.jira_owner) if name)
    return f"a new ticket in {owners.jira_project}, assigned to {assignees or 'nobody'}"


def step_document(step: Step, context: TicketContext) -> Document:
    """What telling a step writes: the body of a new ticket, or a comment. Tickets are filed with the same functions."""
    issue, update = step.issue, step.ticket_update
    if update is Update.EXEMPTION_ENDS:
        return exemption_document(step)
    if update is Update.USE:
        return use_comment(issue, closing_when(step), context.facts.scope)
    if update is Update.NOT_WATCHED:
        return not_watched(issue)
    if update and update.ends:
        return with_exemption(texts_for(issue).ended(issue, exempt=update is Update.EXEMPT), step)
    if update is Update.NEW:
        return new_ticket_document(step, context.facts)
    return _comment_on(step, context)


def new_ticket_document(step: Step, facts: TicketFacts) -> Document:
    """The body of a new ticket: an issue's first, or one in place of a ticket that can no longer be used."""
    return with_exemption(texts_for(step.issue).ticket(step.issue, facts), step)


def _comment_on(step: Step, context: TicketContext) -> Document:
    issue, again = step.issue, step.ticket_update not in (Update.CHANGED, Update.CLOSING)
    closing = closing_changed(issue, context.facts) if step.closing_time_changed and not again else ()
    if step.ticket_update is Update.CLOSING:
        return closing
    notified = issue.jira_details.get("told")
    if {*_unrecorded_markers(issue)} - {_marker(step, step.ticket_update or Update.CHANGED)}:
        notified = None  # it may have been told something else since
    lines = None if notified is None else [str(line) for line in notified]
    days = (0 if step.at_once else context.facts.retention_days) if again and step.closes_at else None
    text = texts_for(issue).changed(issue, days, lines, again=again, scope=context.facts.scope)
    new = () if again else waiting_section(step.waiting, step.retention_days)
    return with_exemption((*text, *new, *closing), step)
