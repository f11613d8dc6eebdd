"""What people see of decisions in Slack and in tickets: messages with buttons, views, comments. Pure.

A message of one issue is a value of the issue as it is (`issue_message`): what is open, what was decided by whom, and
the buttons that are possible now. It is written anew from the issue whenever that changes; nothing is ever read from
a message. Names, reasons and owners are untrusted input and are shown as they are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from library.config.models import limits_of
from library.documents.document import Document, Section, paragraph
from library.documents.slack_message import cut, slack_literal
from library.documents.text import flattened, printable
from library.issues.decision_record import TEXT_LIMIT, Decision, DecisionKind, Via
from library.issues.decision_rules import SHORTEST_REASON, Limits, button_value, exempt_until, pending_close, possible
from library.issues.issue import Issue, Status
from library.issues.names import hammer_options
from library.issues.times import shown_time
from library.security_groups.exposure import rule_text

if TYPE_CHECKING:
    from library.config import Configuration

ACTIONS: Mapping[DecisionKind, str] = {
    DecisionKind.CLOSE_NOW: "hammer_close_now",
    DecisionKind.EXEMPT: "hammer_exempt",
    DecisionKind.NOT_MINE: "hammer_not_mine",
    DecisionKind.RESTORE: "hammer_restore",
}
"""The action ids of the buttons, and the callback ids of the views that two of them open."""

KINDS = {action: kind for kind, action in ACTIONS.items()}
WITH_VIEW = frozenset({DecisionKind.EXEMPT, DecisionKind.NOT_MINE})

_LISTED_EXPOSURES = 10
_LISTED_DECISIONS = 5
_SECTION_LIMIT = 3000  # Block Kit, "Section block"
_SECTION_JSON_LIMIT = 9000  # Slack takes about 13,200 of all blocks (`library.documents.slack_message`)
_ANSWER_LIMIT = 3000  # as many as a section takes
_METADATA_LIMIT = 3000  # Block Kit, "Modal": private_metadata
_SLACK_USER = re.compile(r"[UW][A-Z0-9]{2,}")


@dataclass(frozen=True, slots=True)
class IssueMessage:
    """A message about one issue.

    Attributes:
        text: what notifications show.
        blocks: in Block Kit.
        has_buttons: whether it offers a decision.
    """

    text: str
    blocks: tuple[dict[str, Any], ...]
    has_buttons: bool

    @property
    def digest(self) -> str:
        """Tells apart what it shows at different times."""
        shown = json.dumps([self.text, *self.blocks], sort_keys=True)
        return hashlib.sha256(shown.encode()).hexdigest()[:16]


def issue_message(config: Configuration, issue: Issue, line: str, today: date) -> IssueMessage:
    """The message of an issue as it is now. `line` is that of `library.notifications.broadcast.issue_line`."""
    limits = limits_of(config, issue.account_id)
    kinds = possible(issue, limits, today)
    parts = [line, slack_literal(state_text(issue, limits, today))]
    exposures = issue.details.perms
    if issue.status.is_exposed:
        parts += [f"    {slack_literal(rule_text(exposure))}" for exposure in exposures[:_LISTED_EXPOSURES]]
        if len(exposures) > _LISTED_EXPOSURES:
            parts.append(f"    and {len(exposures) - _LISTED_EXPOSURES} more")
    decided = [decision for decision in issue.decided.decisions if decision.is_done]
    decisions = [_mrkdwn_sentence(decision) for decision in decided[-_LISTED_DECISIONS:]]
    if issue.decided.restore:
        decisions.append(f"{_mrkdwn_sentence(issue.decided.restore.decision)} It is being carried out.")
    blocks: list[dict[str, Any]] = [_section(_with_newest(parts, decisions))]
    if kinds:
        blocks.append(buttons(issue, kinds, extends=exempt_until(issue, today) is not None))
    text = f"{issue.issue_id}: {printable(state_text(issue, limits, today))}"
    return IssueMessage(text, tuple(blocks), bool(kinds))


def _with_newest(parts: Sequence[str], decisions: Sequence[str]) -> str:
    """The parts, and as many of the decisions as a section has room for, the newest first of all."""
    for first in range(len(decisions)):
        text = "\n".join((*parts, *decisions[first:]))
        if _shortened(text) == text:
            return text
    return _shortened("\n".join((*parts, *decisions[-1:])))


def _shortened(text: str) -> str:
    """`mrkdwn` that a section takes, beside buttons, however it is encoded."""
    limit = _SECTION_LIMIT
    while len(json.dumps(found := cut(text, limit))) > _SECTION_JSON_LIMIT:
        limit = limit * 9 // 10
    return found


def state_text(issue: Issue, limits: Limits, today: date) -> str:
    """What an issue is now, in one sentence. Raw text."""
    if not issue.status.is_exposed:
        since = shown_time(issue.timestamps.closed or issue.timestamps.resolved)
        return f"No longer exposed{f', since {since}' if since else ''}."
    if exempt := exempt_until(issue, today):
        return f"Exempt until {exempt.until}."
    if issue.status is Status.WHITELISTED:
        return "Exempt."
    if pending_close(issue):
        return f"Open: remediation closes it at its next run{_condition(issue, limits)}."
    return "Open."


def _condition(issue: Issue, limits: Limits) -> str:
    """What has to change before remediation carries out a decision to close; empty: nothing."""
    if not (limits.remediation_is_on and limits.account_is_remediated):
        return ", once remediation is on here"
    if not any(exposure.status in limits.scope for exposure in issue.details.perms):
        return ", once remediation_scope has what is open"
    return ""


def buttons(issue: Issue, kinds: Sequence[DecisionKind], *, extends: bool) -> dict[str, Any]:
    """The block of buttons for these decisions."""
    texts = {
        DecisionKind.CLOSE_NOW: "Close now",
        DecisionKind.EXEMPT: "Extend the exemption …" if extends else "Exempt …",
        DecisionKind.NOT_MINE: "Not mine …",
        DecisionKind.RESTORE: "Restore",
    }
    confirm = {
        DecisionKind.CLOSE_NOW: "Remediation closes the group at its next run. Access that it takes away ends then.",
        DecisionKind.RESTORE: "The group gets the rules back that it had before Hammer closed it.",
    }
    elements: list[dict[str, Any]] = []
    for kind in kinds:
        button: dict[str, Any] = {
            "type": "button",
            "action_id": ACTIONS[kind],
            "text": _plain(texts[kind]),
            "value": button_value(issue),
        }
        if kind in confirm:
            button["confirm"] = {
                "title": _plain(f"{texts[kind]}?"),
                "text": _plain(confirm[kind]),
                "confirm": _plain("Yes"),
                "deny": _plain("No"),
            }
        if kind is DecisionKind.CLOSE_NOW:
            button["style"] = "danger"
        elements.append(button)
    return {"type": "actions", "block_id": f"hammer_{issue.issue_id}"[:255], "elements": elements}


def view_of(
    kind: DecisionKind, value: str, location: tuple[str, str], issue: Issue, exempt_days: int, today: date
) -> Any:
    """The view that asks for a decision's fields. It carries the button's value, and its message's channel and time."""
    shown = "\n".join(f"• {slack_literal(rule_text(exposure))}" for exposure in issue.details.perms[:_LISTED_EXPOSURES])
    more = len(issue.details.perms) - _LISTED_EXPOSURES
    about = f"{issue.issue_id} in {issue.account_id}, {slack_literal(issue.details.region)}\n{shown}"
    about += f"\nand {more} more" if more > 0 else ""
    is_exempt = kind is DecisionKind.EXEMPT
    reason = {"type": "plain_text_input", "action_id": "reason", "multiline": True, "max_length": TEXT_LIMIT}
    blocks: list[dict[str, Any]] = [_section(about)]
    if is_exempt:
        until = {
            "type": "datepicker",
            "action_id": "until",
            "initial_date": (today + timedelta(days=exempt_days)).isoformat(),
        }
        hint = f"Tomorrow at the earliest, {today + timedelta(days=exempt_days)} at the latest, in UTC."
        blocks.append({**_input("until", "It counts no longer from this day on", until), "hint": _plain(hint)})
        blocks.append(_input("reason", "Why?", {**reason, "min_length": SHORTEST_REASON}))
    else:
        owner = {"type": "plain_text_input", "action_id": "owner", "max_length": TEXT_LIMIT}
        label = "Whose is it? An e-mail address, a name or a #channel"
        blocks += [_input("owner", label, owner), {**_input("reason", "Why?", reason), "optional": True}]
    metadata = json.dumps({"value": value, "channel": location[0], "ts": location[1]})
    return {
        "type": "modal",
        "callback_id": ACTIONS[kind],
        "private_metadata": metadata[:_METADATA_LIMIT],
        "title": _plain("Exempt" if is_exempt else "Not mine"),
        "submit": _plain("Exempt" if is_exempt else "Hand on"),
        "close": _plain("Cancel"),
        "blocks": blocks,
    }


def field_of(view: Mapping[str, Any], block_id: str) -> str:
    """What a person wrote or chose in a block of a view; empty: nothing."""
    state = view.get("state")
    values = state.get("values") if isinstance(state, Mapping) else None
    block = values.get(block_id) if isinstance(values, Mapping) else None
    for element in block.values() if isinstance(block, Mapping) else ():
        for name in ("value", "selected_date", "selected_user", "selected_channel", "selected_conversation"):
            if isinstance(element, Mapping) and isinstance(element.get(name), str):
                return str(element[name])
    return ""


def sentence(decision: Decision) -> str:
    """Who decided what, when and why, in one or two sentences. Raw text with untrusted input in it."""
    return _sentence(decision, flattened(decision.by, TEXT_LIMIT))


def _sentence(decision: Decision, who: str) -> str:
    said = {
        DecisionKind.CLOSE_NOW: "decided that remediation closes it at its next run",
        DecisionKind.EXEMPT: f"exempted what is open until {decision.until}",
        DecisionKind.NOT_MINE: f"handed it on to {flattened(decision.owner, TEXT_LIMIT)}",
        DecisionKind.RESTORE: "decided to restore the group",
        DecisionKind.END: f"ended the exemption until {decision.until}",
    }[decision.kind]
    where = {Via.CLI: "with hammer", Via.SLACK: "in Slack", Via.JIRA: "in JIRA"}[decision.via]
    reason = f" Reason: {flattened(decision.reason, TEXT_LIMIT)}" if decision.reason else ""
    if decision.is_done:
        return f"{who} {said} ({where}, {shown_time(decision.at)}).{reason}"
    return f"{who} wanted: {decision.kind} ({where}, {shown_time(decision.at)}). It was refused: {decision.rejection}."


def _mrkdwn_sentence(decision: Decision) -> str:
    """The same in `mrkdwn`: a user of Slack's is shown by name, without being notified of it in an edited message."""
    if decision.via is Via.SLACK and _SLACK_USER.fullmatch(decision.by):
        return slack_literal(_sentence(decision, "\x00")).replace(r"\x00", f"<@{decision.by}>", 1)
    return slack_literal(sentence(decision))


def comment(decision: Decision) -> Document:
    """A decision as a comment on the ticket."""
    return (Section("", (paragraph(sentence(decision)),)),)


def decide_command(issue: Issue) -> str:
    """The command with which people decide who have no button."""
    return f"hammer decide <close-now|exempt|not-mine> {hammer_options(issue)}"


def answer_text(text: str) -> str:
    """What Hammer answers one person, without blocks. `text` is raw."""
    return cut(slack_literal(text), _ANSWER_LIMIT)


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, _SECTION_LIMIT), "verbatim": True}}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _input(block_id: str, label: str, element: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "input", "block_id": block_id, "label": _plain(label), "element": dict(element)}
