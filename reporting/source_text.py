"""What a ticket says of where its group is defined: place, change, whether it comes back. Pure.

All of it comes from templates, files and tags: it goes into documents as literal text only.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from library.documents.document import Block, Bullets, Code, Section, paragraph
from library.documents.text import cut_utf16, flattened, printable
from library.issues.issue import Issue
from library.source.location import Kind
from library.source.service import maker_of, managed_by
from library.source.stored import DIFF_LINES, dispute_of, known_locations, source_lines

_LINES_IN_ALERT, _ALERT_LINE = 6, 400


_WHERE_LIMIT, _ADVICE_LIMIT, _PLACES = 160, 320, 3
_OPENS_AGAIN = {
    Kind.CLOUDFORMATION: "change its template, or an update opens the group again",
    Kind.TERRAFORM: "the next apply opens again what is closed in EC2 alone",
    Kind.SERVICE: "it may open again what is closed in EC2 alone",
    Kind.OTHER: "its next deployment may open again what is closed in EC2 alone",
}


@dataclass(frozen=True, slots=True)
class FixLocation:
    """Where a group's rules are changed so that they stay changed. Untrusted text.

    Attributes:
        where: the place, as the object of a sentence: `CloudFormation stack "web"`.
        fix: what to do there, in a sentence.
        is_terraform: whether it is Terraform's.
        is_partial: whether some of the rules have no known place.
    """

    where: str
    fix: str
    is_terraform: bool = False
    is_partial: bool = False

    @property
    def until(self) -> str:
        """What is to be known before a command that changes EC2 alone, without the end of its sentence."""
        return f"Commands change EC2 alone: they help until {self.where} opens the group again"


def fix_location(issue: Issue) -> FixLocation | None:
    """Where to fix an issue's group: where its rules are defined, else what its tags or name tell; None: not known."""
    maker = maker_of(issue.details.tags, issue.details.name, "")
    if maker is not None:
        where, advice = flattened(maker.location.where, _WHERE_LIMIT), flattened(maker.advice, _ADVICE_LIMIT)
        return FixLocation(where, f"Fix it in {where}, which made the group and may open it again: {advice}.")
    locations, is_partial = known_locations(issue)
    if locations:
        named = [_named(kind, where) for kind, where in locations[:_PLACES]]
        more = f" and {len(locations) - _PLACES} more places" if len(locations) > _PLACES else ""
        where = f"{', '.join(named)}{more}"
        again = "; ".join(dict.fromkeys(_OPENS_AGAIN[kind] for kind, _ in locations))
        is_terraform = any(kind is Kind.TERRAFORM for kind, _ in locations)
        return FixLocation(where, f"Fix it in {where}: {again}.", is_terraform, is_partial)
    stack = issue.details.tags.get("aws:cloudformation:stack-name", "")
    if stack:
        where = f'CloudFormation stack "{flattened(stack, _WHERE_LIMIT)}"'
        return FixLocation(where, f"Fix it in {where}: {_OPENS_AGAIN[Kind.CLOUDFORMATION]}.")
    # No tag names Terraform's code; the call that opened the group does name the tool.
    agent = issue.opened_by.user_agent if issue.opened_by is not None else ""
    if managed_by({}, agent) == "Terraform":
        where = "the Terraform code that opened it"
        return FixLocation("Terraform", f"Fix it in {where}: {_OPENS_AGAIN[Kind.TERRAFORM]}.", is_terraform=True)
    return None


def _named(kind: Kind, where: str) -> str:
    where = flattened(where, _WHERE_LIMIT)
    match kind:
        case Kind.CLOUDFORMATION:
            stack, _, resource = where.rpartition("/")
            return f'CloudFormation stack "{stack}", resource {resource}' if stack else f'CloudFormation, "{where}"'
        case Kind.TERRAFORM:
            return f"Terraform, {where}"
    return f"the code of {where}"


def sections(issue: Issue) -> tuple[Section, ...]:
    """The section of a new ticket; none where nobody knows."""
    lines = source_lines(issue)
    if not lines:
        return ()
    return (Section("Where it is defined", (Bullets(lines), *_change(issue))),)


def dispute(issue: Issue) -> tuple[Block, ...]:
    """What a comment on a group that is open again says of a dispute; nothing where there is none."""
    disputed = dispute_of(issue)
    if disputed is None:
        return ()
    return (paragraph(disputed.text), *_change(issue))


def alert_lines(issue: Issue) -> tuple[str, ...]:
    """What the thread of an alert says, as raw text: a dispute, where it is defined, whether it comes back."""
    disputed, lines = dispute_of(issue), source_lines(issue)
    if len(lines) > _LINES_IN_ALERT:
        more = f"{len(lines) - _LINES_IN_ALERT} more rules have a place."
        lines = (*lines[: _LINES_IN_ALERT - 1], more, lines[-1])
    said = (*([disputed.text] if disputed is not None else []), *lines)
    return tuple(cut_utf16(line, _ALERT_LINE) for line in said)


def _change(issue: Issue) -> tuple[Block, ...]:
    """The first lines of the diff, and the commands."""
    source = issue.source
    blocks: list[Block] = [paragraph(str(text)) for text in source.get("before_diff") or ()]
    diff = str(source.get("diff") or "")
    if diff:
        lines = diff.split("\n")[:DIFF_LINES]
        blocks.append(paragraph("The change that belongs there:"))
        blocks.append(Code("\n".join(_shown(line) for line in lines).rstrip("\n")))
        more = int(source.get("diff_lines") or 0) - DIFF_LINES
        if more > 0:
            command = f"hammer source --group {shlex.quote(issue.issue_id)} --format diff"
            blocks.append(paragraph(f"It has {more} more lines; your security team can print them: {command}"))
    commands = [printable(str(command)) for command in source.get("commands") or () if _is_one_command(str(command))]
    if commands:
        blocks += [paragraph("The change of parameters that belongs there:"), Code("\n".join(commands))]
    return tuple(blocks)


def _is_one_command(text: str) -> bool:
    """Whether a stored text is one command of the AWS command line, with every word quoted: people paste it."""
    try:
        words = shlex.split(text)
    except ValueError:  # a quote that is not closed
        return False
    return words[:1] == ["aws"] and shlex.join(words) == text


def _shown(line: str) -> str:
    return "\t".join(printable(part) for part in line.removesuffix("\r").split("\t"))
