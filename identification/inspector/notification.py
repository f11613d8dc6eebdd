"""What is published of a finding: a subject and a text for a person, the same as JSON, attributes for filter policies.

Pure. SNS, Publish: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html (subject, message structure, size) and
https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html (attributes).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from identification.inspector.expected_ports import FilterDecision
from identification.inspector.finding import Finding
from library.documents.text import printable, shortened
from library.network.ports import PortSet

_SUBJECT_LENGTH = 99  # "less than 100 characters"
_MOST_BYTES = 262_144 - 1_024  # SNS's limit, in bytes of UTF-8, in which subject and attributes count
_ATTRIBUTE_LENGTH = 256
# The entries of a list and a tenth of the letters of a text that are kept when a message is too large, the most first.
_CUTS = (1_000, 100, 10)
_MACHINES = ("sqs", "lambda", "http", "https", "firehose")
_NAME_SHOWN = 100
_LINE_SHOWN = 400


@dataclass(frozen=True, slots=True)
class FindingMessage:
    """What is published of one finding.

    Attributes:
        subject: one line of ASCII.
        text: for a person.
        document: the same for a program, ready for JSON; `finding` in it is the finding as it came, where nothing was
            filtered.
        attributes: name to text, or to a list of texts. None is empty.
    """

    subject: str
    text: str
    document: dict[str, Any]
    attributes: dict[str, str | list[str]]

    def publish_arguments(self) -> dict[str, Any]:
        """The arguments of SNS's Publish but for the topic.

        Subscribers that are programs get the JSON, people (e-mail, SMS) the text. Messages above SNS's size limit omit
        `finding`; if that is not enough, everybody gets the JSON; if that is not enough either, its lists and texts are
        cut, and it says so in `cut`.
        """
        attributes = {
            name: {
                "DataType": "String.Array" if isinstance(value, list) else "String",
                "StringValue": _json(value) if isinstance(value, list) else _utf8(value),
            }
            for name, value in self.attributes.items()
        }
        counted = sum(_size(name, *value.values()) for name, value in attributes.items()) + _size(self.subject)
        return {
            "Subject": self.subject,
            "Message": next(text for text in self._messages() if _size(text) + counted <= _MOST_BYTES),
            "MessageStructure": "json",
            "MessageAttributes": attributes,
        }

    def _messages(self) -> Iterator[str]:
        """The message, then smaller ones, of which the last always fits."""
        yield self._for_each(self.document)
        document = {**self.document, "finding": None, "finding_too_large": self.document["finding"] is not None}
        yield self._for_each(document)
        yield _json({"default": _json(document)})
        for most in _CUTS:
            yield _json(
                {"default": _json({name: _cut(value, most) for name, value in document.items()} | {"cut": True})}
            )

    def _for_each(self, document: dict[str, Any]) -> str:
        return _json({"default": self.text, **dict.fromkeys(_MACHINES, _json(document))})


def compose(decision: FilterDecision, account_name: str, restricted: PortSet) -> FindingMessage:
    """The message about what of a finding is published, and whether a restricted port of it is open."""
    finding = decision.finding
    reached = decision.left & restricted
    account = account_name or finding.account_id or "unknown"
    subject = _subject(
        f"[{finding.severity}] {_short(_what(decision), 40)} on {_server(finding)}, {account}, {_region(finding)}"
    )
    text = "\n".join(_lines(decision, account_name, reached)) + "\n"
    document = {
        "subject": subject,
        "text": text,
        "service": finding.service,
        "finding_arn": finding.arn,
        "type": finding.type,
        "title": finding.title,
        "severity": finding.severity,
        "account_id": finding.account_id,
        "account_name": account_name,
        "region": finding.region,
        "vpc_id": finding.vpc_id,
        "server_id": finding.server_id,
        "server_name": finding.name,
        "tags": dict(finding.tags),
        "path": list(finding.path),
        "filtered": decision.filtered,
        "open": port_list(decision.left),
        "open_restricted": port_list(reached),
        "held_back": [{"ports": port_list(held.ports), "reason": held.reason} for held in decision.held],
        "notes": list(decision.notes),
        "problems": list(finding.problems),
        "finding": None if decision.filtered else finding.raw,
    }
    return FindingMessage(subject, text, document, _attributes(decision, reached))


def _lines(decision: FilterDecision, account_name: str, reached: PortSet) -> Iterator[str]:
    finding = decision.finding
    server = _server(finding)
    account = finding.account_id or "unknown"
    if account_name and account_name != account:
        account = f"{_short(account_name, _NAME_SHOWN)} ({account})"
    restricted = f" (restricted: {_short(str(reached), 100)})" if reached else ""
    yield f"Server:    {server} ({finding.server_id})" if finding.name and finding.server_id else f"Server:    {server}"
    yield f"Account:   {account}, {_region(finding)}"
    yield f"Open:      {_short(_what(decision), _LINE_SHOWN)}{restricted}"
    yield f"Path:      {_short(' > '.join(finding.path), _LINE_SHOWN) or 'not told'}"
    yield f"Severity:  {_short(finding.severity, _NAME_SHOWN)}"
    for held in decision.held:
        yield f"Held back: {_short(str(held.ports), 100)}, {_short(held.reason, _LINE_SHOWN)}"
    if decision.filtered and not decision.held:
        yield "Held back: nothing"
    for note in decision.notes:
        yield f"Note:      {_short(note, _LINE_SHOWN)}"
    if finding.title:
        yield f"Inspector: {_short(finding.title, _LINE_SHOWN)}"
    yield f"Finding:   {_short(finding.arn, _LINE_SHOWN) or 'without an ARN'}"


def _attributes(decision: FilterDecision, reached: PortSet) -> dict[str, str | list[str]]:
    """What filter policies of subscriptions can use. SNS refuses empty ones."""
    finding = decision.finding
    attributes: dict[str, str | list[str]] = {
        "type": finding.type,
        "severity": finding.severity,
        "account_id": finding.account_id,
        "region": finding.region,
        "server_id": finding.server_id,
        "server_name": finding.name,
        "filtered": str(decision.filtered).lower(),
        "restricted": "unknown" if finding.problems else str(bool(reached)).lower(),
        "protocols": [name for name in ("tcp", "udp") if decision.left.protocol(name)],
    }
    return {
        name: _short(value, _ATTRIBUTE_LENGTH) if isinstance(value, str) else value
        for name, value in attributes.items()
        if value
    }


def port_list(ports: PortSet) -> list[dict[str, Any]]:
    """Ports as JSON holds them: `{"protocol": "tcp", "from_port": 80, "to_port": 80}` for each range."""
    return [
        {"protocol": protocol, "from_port": first, "to_port": last}
        for protocol in ("tcp", "udp")
        for first, last in ports.protocol(protocol).spans
    ]


def _what(decision: FilterDecision) -> str:
    if decision.left:
        return str(decision.left)
    return "unreadable finding" if decision.finding.is_about_ports else decision.finding.type


def _server(finding: Finding) -> str:
    return _short(finding.name or finding.server_id or "unknown server", _NAME_SHOWN)


def _region(finding: Finding) -> str:
    return finding.region or "unknown region"


def _short(text: str, length: int) -> str:
    """Untrusted input on one line of bounded length."""
    text = printable(text)
    return shortened(text, length)


def _json(value: object) -> str:
    # Escapes would make twelve bytes of a letter of four, and more in JSON within JSON.
    return _utf8(json.dumps(value, ensure_ascii=False, default=str))


def _utf8(text: str) -> str:
    """The text without lone surrogates, which JSON may hold and no request can."""
    return text.encode(errors="replace").decode()


def _size(*texts: str) -> int:
    return sum(len(text.encode()) for text in texts)


def _cut(value: Any, most: int) -> Any:
    """A document with at most so many entries in each list and map, and ten times as many letters in each text."""
    if isinstance(value, Mapping):
        return {_cut(key, most): _cut(entry, most) for key, entry in islice(value.items(), most)}
    if isinstance(value, list):
        return [_cut(entry, most) for entry in value[:most]]
    return value if not isinstance(value, str) or len(value) <= most * 10 else f"{value[: most * 10 - 1]}…"


def _subject(text: str) -> str:
    """SNS takes ASCII that begins with a letter, a digit or punctuation."""
    text = "".join(char if char.isascii() else "?" for char in printable(text.replace("…", "...")))
    return text if len(text) <= _SUBJECT_LENGTH else f"{text[: _SUBJECT_LENGTH - 3]}..."
