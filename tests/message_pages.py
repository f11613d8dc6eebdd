"""A ticket, a message in Slack and the daily mail as pages that look as their readers see them, for pictures. Pure.

The words are the product's; only the frames around them are drawn here. JIRA's and Slack's own look is not copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import escape

from hammer.listing.issue import Sort, Wanted, chosen
from hammer.publish import mail_subject, mail_text, object_address
from library.config import Configuration
from library.documents.document import Block, Bullets, Code, Document, Link, Paragraph, Table
from library.security_groups.users import GroupUsers, User
from reporting import group_text
from reporting.ticket_facts import Location, TicketFacts
from tests.builders.config_files import config_with, parse
from tests.builders.judged_issues import NETWORKS, NOW, PORTS, RDP, SSH, issue_of
from tests.builders.listings import a_listing, many_issues
from tests.tutorial_texts import slack_messages, ticket_document

_STYLE = """
body { margin: 0; padding: 24px; background: #eef0f3; color: #1b2430; font: 15px/1.5 system-ui, sans-serif }
main {
  max-width: 900px; margin: 0 auto; background: #fff; border: 1px solid #d7dce2; border-radius: 8px;
  padding: 20px 28px; overflow-wrap: anywhere }
h1 { font-size: 1.3rem; line-height: 1.3; margin: 4px 0 12px }
h2 { font-size: 1.05rem; margin: 18px 0 6px }
p { margin: 0 0 10px }
ul { margin: 0 0 10px; padding-left: 22px }
.dim { color: #55606e; font-size: .875rem }
table { border-collapse: collapse; margin: 0 0 10px; display: block; overflow-x: auto; overflow-wrap: normal }
th, td { border: 1px solid #d7dce2; padding: 4px 10px; text-align: left }
pre {
  background: #f6f7f9; border: 1px solid #d7dce2; border-radius: 6px; padding: 10px 12px;
  white-space: pre-wrap; font-size: .8125rem; margin: 0 0 10px }
.bot { display: grid; grid-template-columns: 40px 1fr; gap: 12px }
.face {
  width: 40px; height: 40px; border-radius: 8px; background: #4a76a8; color: #fff; font-weight: 700;
  display: grid; place-items: center }
code { background: #f6f7f9; border: 1px solid #d7dce2; border-radius: 4px; padding: 1px 4px; font-size: .8125rem }
.thread { border-left: 3px solid #d7dce2; padding-left: 12px; margin-top: 10px }
"""


def _page(title: str, body: str) -> str:
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head += f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body><main>{body}</main></body></html>\n'


def _link(url: str, text: str = "") -> str:
    return f'<a href="{escape(url)}">{escape(text or url)}</a>'


def _block(block: Block) -> str:
    match block:
        case Paragraph(parts, label):
            begin = f"<b>{escape(label)}:</b> " if label else ""
            text = "".join(_link(part.url) if isinstance(part, Link) else escape(part) for part in parts)
            return f"<p>{begin}{text}</p>"
        case Bullets(items):
            return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"
        case Table(header, rows):
            lines = [("th", header), *(("td", row) for row in rows)]
            cells = ("".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) for tag, row in lines)
            return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"
        case Code(text):
            return f"<pre>{escape(text)}</pre>"


def _document(document: Document) -> str:
    parts = (
        (f"<h2>{escape(section.title)}</h2>" if section.title else "") + "".join(map(_block, section.blocks))
        for section in document
    )
    return "".join(parts)


def _mrkdwn(text: str) -> str:
    """Slack's markup as Slack shows it: bold text, code, links and lines. Its three entities are HTML's."""
    text = re.sub(r"<([^|>]+)\|([^>]*)>", r'<a href="\1">\2</a>', text)
    text = re.sub(r"(?<!\w)\*([^*\n]+)\*", r"<b>\1</b>", text)
    text = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", text)
    return text.replace("\n", "<br>")


def ticket_page(title: str, document: Document) -> str:
    """A ticket in JIRA."""
    body = f'<p class="dim">SEC-1 · Task · assigned to ana · reported by Hammer</p><h1>{escape(title)}</h1>'
    return _page("A ticket", body + _document(document))


def tickets_of_verdicts() -> Iterator[tuple[str, str]]:
    """A ticket about a group of each verdict, by the verdict."""
    scope = frozenset({"open_completely", "open_partly"})
    position, closes_at = Location("shop", "210987654321", "eu-west-1"), NOW + timedelta(days=21)
    url = "https://wiki.example.com/exempt"
    for verdict, network in NETWORKS.items():
        public = () if verdict == "internal" else ("54.1.1.1",)
        usage = GroupUsers(() if verdict == "unused" else (User("instance", "i-1 (bastion)", public),))
        facts = TicketFacts(position, PORTS, usage, closes_at, "replace_rule", scope, 21, url)
        issue = issue_of((SSH, RDP), network)
        yield verdict, ticket_page(group_text.summary(issue, position, PORTS), group_text.ticket(issue, facts))


def slack_page(config: Configuration) -> str:
    """A message in a channel without JIRA, with its thread."""
    head, *thread = ("".join(f"<p>{_mrkdwn(text)}</p>" for text in texts) for texts in slack_messages(config))
    said = f'<div><b>Hammer</b> <span class="dim">APP 14:02</span>{head}'
    said += f'<div class="thread"><span class="dim">in the thread</span>{"".join(thread)}</div></div>'
    return _page("A message", f'<div class="bot"><div class="face">H</div>{said}</div>')


def mail_page() -> str:
    """The daily mail."""
    listing = a_listing(*chosen(many_issues(40), Wanted(), Sort.SEVERITY))
    address = object_address("hammer-backup-bucket", f"reports/{listing.generated:%Y-%m-%d}.html", "eu-west-1")
    text = mail_text(listing, address, attached=True)
    lines = "".join(f"<p>{escape(line)}</p>" for line in text.splitlines() if line)
    lines = lines.replace(escape(address), _link(address))  # as mail programs show an address
    to = '<p class="dim">from hammer@example.com to security@example.com · 1 attachment</p>'
    return _page("A mail", f"{to}<h1>{escape(mail_subject(listing))}</h1>{lines}")


def pages() -> dict[str, str]:
    """Each page, by the name of its picture."""
    config = parse(config_with({"whitelisting_procedure_url": "https://wiki.example.com/exemptions"}))
    return {"ticket.png": ticket_page(*ticket_document()), "slack.png": slack_page(config), "mail.png": mail_page()}
