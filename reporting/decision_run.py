"""What a reporting run does about decisions: labels, what is untold, messages, and whether somebody listens to Slack.

    decisions = DecisionRun(config, services, summary)
    decisions.read_labels(selection)      # before anything is written into a ticket
    decisions.note(issue)                 # for each issue that is read anyway
    ...
    decisions.notify(selection)           # after tickets and messages
    decisions.notify_webhook()            # last: it delays nobody

In JIRA people decide by labels, `hammer-close-now`, `hammer-exempt-7d`, and so on. Who decided, and when, is what the
ticket's history says of the label, never who else may have asked for it: an entry of an app, of an automation, or of
somebody whom `jira.decision_accounts` does not name decides nothing. A label is read before the run writes anything
about the issue into the ticket, so what the ticket said last is what the person saw. The label is taken off and
answered with a comment (`reporting.decision_notifications`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from library.aws.conditional_writes import TIME_TO_LIVE_ATTRIBUTE
from library.aws.decision_messages import ButtonMessage
from library.aws.decision_store import Decisions
from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import UnreadableIssueError
from library.aws.records import ListenerRecords, alert_key
from library.config.models import ASSIGNEE, limits_of, rights_by_name
from library.documents.slack_message import Alert, slack_literal
from library.documents.text import printable
from library.errors import ConflictError
from library.issues.decision_record import TEXT_LIMIT, DecisionKind, Via
from library.issues.decision_rules import (
    SHORTEST_REASON,
    Request,
    Rights,
    Seen,
    exempt_until,
    exposure_digest,
    possible,
)
from library.issues.issue import Issue, Status
from library.issues.times import parse_time
from library.notifications.jira_client import user_ids
from library.notifications.jira_connection import JiraError
from library.notifications.owners import owners_of_issue
from library.notifications.slack_connection import SlackError
from reporting.decision_messages import buttons, decide_command
from reporting.decision_notifications import DecisionNotifications
from reporting.jira import unrecorded_changes
from reporting.plan import channel_digest

if TYPE_CHECKING:
    from library.config import Configuration
    from library.jobs.command_line import Selection
    from library.notifications.jira_client import JiraClient
    from reporting.read import ReportSummary
    from reporting.run import Services


_log = logging.getLogger(__name__)

_LABEL = re.compile(r"hammer-(?:(close-now)|(not-mine)|exempt-([0-9]{1,200})d)")
_MENTION = re.compile(r"\[~(?:accountid:)?([^\]\s]+)\]")
_CHANNEL = re.compile(r"#[^\s#]{1,80}")  # a line of a numbered list begins with "# " in JIRA's markup
_LABEL_IN_KEY = 40  # the issue's item keeps a hundred keys, and a label may have 255 characters
_ONE_BY_ONE = 50
"""Up to as many tickets are read one by one; of more the labels are searched for first, in one request for each 50."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who made an entry of a ticket's history.

    Attributes:
        ids: what tells the author from others (`library.notifications.jira_client.user_ids`).
        rejection: why the entry is no person's; empty: it is.
    """

    ids: frozenset[tuple[str, str]]
    rejection: str = ""

    @property
    def names(self) -> list[str]:
        """By what the configuration may name the author: the account id, or the name. Never the key."""
        return [value for kind, value in sorted(self.ids) if kind != "key"]

    @property
    def by(self) -> str:
        """As whom a decision names the author."""
        return next(iter((*self.names, *dict(self.ids).values())), "somebody unknown")


@dataclass(frozen=True, slots=True)
class LabelEntry:
    """A label that asks for a decision, with the entry of the history that set it.

    Attributes:
        days: of `hammer-exempt-<n>d`; 0: it is none.
        at: when it was set, and at the latest now: JIRA's clock may be ahead.
        entry_id: of the history; empty: no entry says who set it.
        set_at: when it was set by JIRA's clock, as comments have their times.
    """

    label: str
    kind: DecisionKind
    days: int
    author: Author
    at: datetime
    entry_id: str
    set_at: datetime


def wanted_by(label: str) -> tuple[DecisionKind, int] | None:
    """The decision that a label asks for, and its days; None: it asks for none."""
    found = _LABEL.fullmatch(label)
    if found is None:
        return None
    close_now, _, days = found.groups()
    if days is not None:
        return DecisionKind.EXEMPT, int(days)
    return (DecisionKind.CLOSE_NOW if close_now else DecisionKind.NOT_MINE), 0


def label_entries(ticket: Mapping[str, Any], now: datetime) -> list[LabelEntry]:
    """The labels of a ticket that ask for a decision, the one that was set first at the front.

    The ticket has its whole `changelog`. A label of which that says nothing counts as set at `now`.
    """
    labels = (ticket.get("fields") or {}).get("labels") or ()
    found = [
        _entry(label, wanted, ticket, now)
        for label in labels
        if isinstance(label, str) and (wanted := wanted_by(label)) is not None
    ]
    return sorted(found, key=lambda entry: entry.at)


def _entry(label: str, wanted: tuple[DecisionKind, int], ticket: Mapping[str, Any], now: datetime) -> LabelEntry:
    setting: tuple[datetime, Mapping[str, Any]] | None = None
    for history in (ticket.get("changelog") or {}).get("histories") or ():
        at = _time(history.get("created"))
        if at and any(_sets(item, label) for item in history.get("items") or ()) and (not setting or at >= setting[0]):
            setting = at, history
    if setting is None:
        unknown_author = Author(frozenset(), "the ticket's history does not say who set the label")
        return LabelEntry(label, *wanted, unknown_author, now, entry_id="", set_at=now)
    at, history = setting
    entry_id = str(history.get("id") or at.isoformat())
    return LabelEntry(label, *wanted, author_of(history), min(at, now), entry_id, set_at=at)


def _sets(item: Mapping[str, Any], label: str) -> bool:
    before, after = (str(item.get(name) or "").split() for name in ("fromString", "toString"))
    return item.get("field") == "labels" and label in after and label not in before


def author_of(history: Mapping[str, Any]) -> Author:
    """Who made an entry of the history. JIRA Cloud says what kind of account it is; automation leaves metadata."""
    author = history.get("author")
    if not isinstance(author, Mapping):
        return Author(frozenset(), "the ticket's history does not say who set the label")
    ids = user_ids(author)
    if author.get("accountType") not in (None, "atlassian"):
        return Author(ids, "apps and customers of a service desk decide nothing")
    if history.get("historyMetadata"):
        return Author(ids, "automations decide nothing")
    if author.get("active") is False:
        return Author(ids, "the account that set the label is deactivated")
    return Author(ids) if ids else Author(frozenset(), "the ticket's history does not say who set the label")


def _time(text: object) -> datetime | None:
    """A time as JIRA writes it: `2026-11-29T10:00:00.000+0000`."""
    try:
        return parse_time(str(text)) if text else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class DecisionLabels:
    """Reads labels, and carries out what they ask for.

    Attributes:
        notification: the ways to reach people, among them the issues.
        jira: JIRA.
        decided: the issues about which something was decided, or refused. Something may still be to be told of them.
    """

    config: Configuration
    notification: DecisionNotifications
    jira: JiraClient
    decided: list[Issue] = field(default_factory=list)

    def read(self, issues: Iterable[Issue]) -> tuple[list[str], set[tuple[str, str]]]:
        """Carry out what the labels of these issues' tickets ask for.

        Returns:
            What could not be done, one line each; and account and group of the issues whose labels could not be read:
            their tickets must not be written to in this run, or nobody would know what the person saw.
        """
        problems: list[str] = []
        unread: set[tuple[str, str]] = set()
        # Other tooling may have filed one ticket for two groups: a label on it is about the one that is exposed.
        ordered = sorted(issues, key=lambda issue: (issue.status.is_exposed, issue.status is not Status.CLOSED))
        ticketed = {str(issue.jira_details["ticket"]): issue for issue in ordered if issue.jira_details.get("ticket")}
        for key in self._labelled(list(ticketed), problems):
            issue = ticketed[key]
            try:
                self._read_ticket(key, issue)
            except (JiraError, ConflictError, UnreadableIssueError, *AWS_ERRORS) as error:
                problems.append(f"{issue.location}: the labels of {key} could not be read: {explain(error)}")
                unread.add((issue.account_id, issue.issue_id))
        return problems, unread

    def _labelled(self, keys: Sequence[str], problems: list[str]) -> Sequence[str]:
        """The tickets that may have a label. Of few tickets all, which are read one by one with their history."""
        if len(keys) <= _ONE_BY_ONE:
            return keys
        found: list[str] = []
        for start in range(0, len(keys), _ONE_BY_ONE):
            part = keys[start : start + _ONE_BY_ONE]
            try:
                tickets = self.jira.with_keys(part)
            except JiraError as error:
                # JIRA refuses a search that names a ticket which is gone.
                _log.info("tickets are read one by one: %s", error)
                if not error.status:
                    problems.append(f"labels of tickets could not be read: {error}")
                found += part
                continue
            labels = {ticket.key: ticket.labels for ticket in tickets}
            # A ticket that was moved comes with its new key: it is read under the one that is known.
            found += [key for key in part if key not in labels or any(map(wanted_by, labels[key]))]
        return found

    def _read_ticket(self, key: str, issue: Issue) -> None:
        ticket = self.jira.with_history(key)
        for entry in label_entries(ticket, self.notification.now()) if ticket else ():
            fresh = self.notification.table.get(issue.account_id, issue.issue_id)
            if fresh is None:
                return
            self._decide(key, fresh, entry, ticket or {})

    def _decide(self, key: str, issue: Issue, entry: LabelEntry, ticket: Mapping[str, Any]) -> None:
        limits = limits_of(self.config, issue.account_id)
        reason, owner, until = self._fields(key, issue, entry)
        request = Request(
            kind=entry.kind,
            by=entry.author.by,
            via=Via.JIRA,
            at=entry.at,
            seen=self._seen(key, issue, entry),
            rights=self._rights(entry, reason, ticket),
            reason=reason,
            until=until,
            owner=owner,
            key=_request_key(key, issue, entry),
            label=entry.label,
        )
        outcome = Decisions(self.notification.table, self.notification.now).carry_out(
            issue.account_id, issue.issue_id, request, limits
        )
        if outcome is None:
            return
        if outcome.repeated and not any(untold.label == entry.label for untold in outcome.issue.decided.outbox):
            # It was decided and answered; the process ended before it took the label off, or JIRA refused to.
            for problem in self.notification.take_off(key, entry.label):
                _log.info("%s", problem)
        self.decided.append(outcome.issue)
        for problem in self.notification.notify(outcome.issue):
            _log.warning("%s", printable(problem))

    def _seen(self, key: str, issue: Issue, entry: LabelEntry) -> Seen:
        """What the ticket said when the label was set.

        A run that read the labels goes on to write into tickets: what it wrote after the label was set nobody saw.
        A run that broke off may have told another change before the label was set, which is not so any more.
        """
        seen = _seen(issue)
        if not seen.digest:
            return seen
        change = str(issue.jira_details.get("change") or "")
        changed = self.jira.commented_at(key, change) if change else None
        if changed and changed >= entry.set_at:
            return replace(seen, digest="")
        unrecorded = (self.jira.commented_at(key, marker) for marker in unrecorded_changes(issue))
        return replace(seen, digest="") if any(at and at < entry.set_at for at in unrecorded) else seen

    def _rights(self, entry: LabelEntry, reason: str, ticket: Mapping[str, Any]) -> Rights:
        """What the author of a label may do."""
        if entry.author.rejection:
            return Rights(rejection=entry.author.rejection)
        allowed = self.config.jira.decision_accounts
        is_assigned = bool(entry.author.ids & user_ids((ticket.get("fields") or {}).get("assignee")))
        names = entry.author.names
        decides = bool({*names}.intersection(allowed)) or (ASSIGNEE in allowed and is_assigned)
        rights = rights_by_name(self.config, names, decides=decides)
        if entry.kind is DecisionKind.EXEMPT and len(reason) < SHORTEST_REASON and (decides or rights.extends):
            text = f"comment on the ticket why, in {SHORTEST_REASON} characters or more, and set the label again"
            return Rights(rejection=text)
        if not decides and not rights.extends:
            return Rights(rejection="only people whom jira.decision_accounts names may decide")
        return rights

    def _fields(self, key: str, issue: Issue, entry: LabelEntry) -> tuple[str, str, date | None]:
        """Reason, new owner and end, from the author's newest comment and the label."""
        if entry.kind is DecisionKind.CLOSE_NOW or entry.author.rejection:
            return "", "", None
        comment = self.jira.newest_comment(key, entry.author.ids).strip()[:TEXT_LIMIT]
        if entry.kind is DecisionKind.EXEMPT:
            try:
                until = entry.at.date() + timedelta(days=entry.days)
            except OverflowError:
                until = date.max
            return comment, "", until
        return "", self._owner(key, issue, comment), None

    def _owner(self, key: str, issue: Issue, comment: str) -> str:
        """Who gets the issue: whom the comment names, else whom `ticket_owners` names."""
        named = _MENTION.fullmatch(comment)
        name = named[1] if named else comment
        if name and (_CHANNEL.fullmatch(name) or self._is_user(key, name)):
            return name
        return owners_of_issue(self.config, issue).configured.jira_owner

    def _is_user(self, key: str, name: str) -> bool:
        if len(name.split()) > 5:
            return False  # a sentence, which JIRA would find no user by
        try:
            return self.jira.users.assignable(key.rpartition("-")[0], name) is not None
        except JiraError as error:
            if error.may_pass:
                raise
            return False


def _request_key(key: str, issue: Issue, entry: LabelEntry) -> str:
    """What tells the request of a label from every other. A ticket that was moved since has another key by now."""
    # Without an entry nobody knows one label from the next: it is answered once a day at most.
    end = f":{entry.label[:_LABEL_IN_KEY]}:{entry.entry_id or entry.at.date()}"
    known = (earlier for earlier in issue.decided.keys if earlier.startswith("jira:") and earlier.endswith(end))
    return next(known, f"jira:{key}{end}")


def _seen(issue: Issue) -> Seen:
    """What the ticket said last: nothing that is open now, where the ticket was not told of it yet."""
    kept, times = issue.jira_details, issue.timestamps
    occurrence = kept.get("occurrence")
    if kept.get("digest"):
        is_notified = kept["digest"] == channel_digest(issue) and (not kept.get("closed") or bool(kept.get("exempt")))
    else:  # other tooling filed it
        is_notified = times.reported is not None and (times.updated is None or times.updated <= times.reported)
    return Seen(
        int(occurrence) if occurrence is not None else issue.occurrence, exposure_digest(issue) if is_notified else ""
    )


BUTTONS_A_RUN = 20
"""How many messages with buttons a run sends to one destination at most; the other issues name the command."""
LABELS_AFTER_THE_END = timedelta(days=7)
"""How long the ticket of a closed issue is still looked at: who decides too late is told so."""
CLOSED_TICKET_PREFIX = "closed-ticket#"
"""Before an issue's id: the id of the record which says that its ticket is still looked at, though it is closed."""


@dataclass(slots=True)
class DecisionRun:
    """One run.

    Attributes:
        unread: account and group of the issues whose tickets must not be written to in this run.
    """

    config: Configuration
    services: Services
    summary: ReportSummary
    unread: set[tuple[str, str]] = field(default_factory=set)
    _untold: dict[tuple[str, str], None] = field(default_factory=dict)

    @property
    def notifier(self) -> DecisionNotifications:
        """The ways to reach people."""
        services = self.services
        return DecisionNotifications(self.config, services.table, services.jira, services.slack, services.now)

    def read_labels(self, selection: Selection) -> None:
        """Carry out what labels of tickets ask for."""
        jira = self.services.jira
        if jira is None or not self._labels_decide:
            return
        labels = DecisionLabels(self.config, self.notifier, jira)
        for account_id in self.config.scanned_accounts():
            self.services.renew()
            try:
                # What cannot be read is named where the issues are read to be reported.
                # Of one that was resolved since the label was set the person is told so, before its ticket is closed;
                # of one that is closed, for some days after it.
                issues = [
                    issue
                    for issue in (
                        *self.services.table.not_closed(account_id, lambda _: None),
                        *self._closed_lately(account_id),
                    )
                    if selection.takes(account_id, issue.details.region, issue.issue_id)
                ]
            except AWS_ERRORS as error:
                self.summary.problem(f"account {account_id}: labels of tickets could not be read: {explain(error)}")
                continue
            problems, unread = labels.read(issues)
            self.unread |= unread
            self.summary.problem(*problems)
            # Issues that are closed are not among those that are read to be reported.
            for issue in (*issues, *labels.decided):
                self.note(issue)

    @property
    def _labels_decide(self) -> bool:
        return self.config.decisions.enabled and self.config.jira.decisions

    def keep_ticket(self, issue: Issue) -> None:
        """Have the labels of an issue's ticket be read for some days, though the issue is closed.

        To be called before the issue is closed. Of an issue that is not closed after all the record changes nothing.

        Raises:
            ClientError, BotoCoreError: the table could not be written.
        """
        ticket = issue.jira_details.get("ticket")
        if not ticket or not self._labels_decide:
            return
        expires = self.services.now() + LABELS_AFTER_THE_END
        sets = {"ticket": str(ticket), TIME_TO_LIVE_ATTRIBUTE: int(expires.timestamp())}
        self.services.table.items.update(issue.account_id, f"{CLOSED_TICKET_PREFIX}{issue.issue_id}", sets)

    def _closed_lately(self, account_id: str) -> list[Issue]:
        """The closed issues whose tickets are still looked at. All closed ones, ever more of them, are never read."""
        table, now = self.services.table, self.services.now().timestamp()
        kept = [
            str(record["issue_id"]).removeprefix(CLOSED_TICKET_PREFIX)
            for record in table.items.with_prefix(account_id, CLOSED_TICKET_PREFIX)
            # DynamoDB deletes a record up to days after it has expired.
            if isinstance(expires := record.get(TIME_TO_LIVE_ATTRIBUTE), Decimal) and expires > now
        ]
        issues = table.get_many(account_id, kept, unreadable=lambda _: None)
        return [issue for issue in issues.values() if issue.status is Status.CLOSED]

    def note(self, issue: Issue) -> None:
        """Remember an issue of which something is still to be told. Called in several threads."""
        if issue.decided.outbox:
            self._untold[issue.account_id, issue.issue_id] = None

    def with_buttons(self, alert: Alert, issue: Issue, number: int) -> Alert:
        """An alert with the buttons that are possible for its issue now; or with the command that does the same.

        `number` is how many alerts with buttons go to the same destinations before it.
        """
        if not self.config.decisions.enabled:
            return alert
        today = self.services.now().date()
        kinds = possible(issue, limits_of(self.config, issue.account_id), today)
        if not kinds:
            return alert
        if not self.notifier.has_buttons or number >= BUTTONS_A_RUN:
            return replace(
                alert, details=(*alert.details, f"    To decide about it: {slack_literal(decide_command(issue))}")
            )
        return replace(alert, actions=buttons(issue, kinds, extends=exempt_until(issue, today) is not None))

    def posted(self, issue: Issue, channel: str, ts: str) -> None:
        """Keep a message with buttons, so that it is rewritten when its issue changes."""
        message = ButtonMessage(channel, ts, self.notifier.message(issue).digest)
        try:
            self.notifier.messages.add(issue.account_id, issue.issue_id, message)
        except (ConflictError, *AWS_ERRORS) as error:
            self.summary.problem(
                f"{issue.location}: its message in Slack is not kept, and stays as it is: {explain(error)}"
            )

    def notify(self, selection: Selection) -> None:
        """Tell what is untold of decisions, rewrite messages, and alert if nobody listens."""
        for issue in self._read_untold():
            self.summary.problem(*self.notifier.notify(issue))
        if not self.config.decisions.enabled or self.services.slack is None or selection.groups:
            return
        for account_id in self.config.scanned_accounts():
            if selection.accounts and account_id not in selection.accounts:
                continue
            self.services.renew()
            try:
                # An issue that is closed is not among those that are read to be reported.
                self.summary.problem(*self.notifier.notify_all(account_id, self.note))
            except (ConflictError, *AWS_ERRORS) as error:
                self.summary.problem(f"account {account_id}: messages in Slack were not rewritten: {explain(error)}")
        try:
            self._alert_if_deaf()
        except AWS_ERRORS as error:
            self.summary.problem(f"whether hammer listen is connected could not be read: {explain(error)}")

    def notify_webhook(self) -> None:
        """Tell the webhook what is untold of decisions."""
        if self.services.webhook is None:
            return
        notification = replace(self.notifier, webhook=self.services.webhook)
        for issue in self._read_untold():
            if issue.decided.outbox:
                self.summary.problem(*notification.notify(issue))

    def _read_untold(self) -> Iterator[Issue]:
        """The issues that were noted, as they are now. One that cannot be read is named."""
        for account_id, group_id in self._untold:
            self.services.renew()
            try:
                issue = self.services.table.get(account_id, group_id)
            except (UnreadableIssueError, *AWS_ERRORS) as error:
                self.summary.problem(f"{group_id} in {account_id}: {explain(error)}")
                continue
            if issue is not None:
                yield issue

    def _alert_if_deaf(self) -> None:
        """Tell the default channel, once, that nobody listens to Slack."""
        slack, now = self.services.slack, self.services.now()
        if slack is None or not slack.has_app_token:
            return
        records = ListenerRecords(self.services.table.items, self.config.aws.main_account_id, self.services.now)
        state = records.read()
        if state.connected is None and state.expected is None:
            records.expect()
            return
        disconnected_reason = state.disconnected_reason(now)
        if not disconnected_reason or state.alerted == alert_key(state):
            return
        channel = self.config.slack.default_channel
        try:
            slack.post(slack.channel(channel), f"{slack_literal(disconnected_reason)}.", ())
        except SlackError as error:
            self.summary.problem(f"{channel} was not told that hammer listen is not connected: {error}")
            return
        records.alerted(state)
