"""Whether somebody can connect through what a group exposes, in words. Pure. Names of resources are hostile text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from library.documents.document import Block, Bullets, paragraph
from library.issues.issue import Issue
from library.issues.reachability import Blocker, Path, Reachability, Verdict
from library.security_groups.usage import Usage

_PATHS = 10
_RULE_OF_ACL = re.compile(r"\b(acl-\w+ rule (?:\d+|\*)) denies")
_ROUTE_TABLE = re.compile(r"\b(route table rtb-\w+)")


def short(issue: Issue) -> str:
    """In a few words, such as `reachable from the Internet now`; empty where it was not judged."""
    reachability = issue.details.reachability
    if reachability is None:
        return ""
    match reachability.verdict:
        case Verdict.INTERNET:
            return "reachable from the Internet now"
        case Verdict.BLOCKED:
            return f"open, but blocked by {_what_blocks(reachability)}"
        case Verdict.INTERNAL:
            return "open, but what uses it has no public address"
        case Verdict.UNUSED:
            return "open, but nothing uses it"
        case Verdict.UNKNOWN:
            return "open, and it is not known who can connect"


def first_line(issue: Issue) -> str:
    """The first line of a ticket: severity, whether it is reachable, and the worst path; empty: not judged."""
    reachability = issue.details.reachability
    if reachability is None:
        return ""
    text = short(issue)
    line = f"{text[0].upper()}{text[1:]}. Severity: {reachability.severity}."
    said = [path.text for path in reachability.paths[:1] if path.text]
    if reachability.verdict is Verdict.UNKNOWN:
        said = list(reachability.unread[:1]) or said
    return " ".join([line, *said])


def paths(issue: Issue, usage: Usage) -> tuple[Block, ...]:
    """Every path with its evidence, the worst first, and what the verdict rests on; nothing where it was not judged."""
    reachability = issue.details.reachability
    if reachability is None or not reachability.paths:
        return ()
    lines = [_path(path, usage) for path in reachability.paths[:_PATHS]]
    if reachability.paths_total > len(lines):
        lines.append(f"and {reachability.paths_total - len(lines)} more")
    said: Sequence[str] = (*reachability.unread, *reachability.assumptions)
    return (Bullets(tuple(lines)), *(paragraph(text) for text in said))


def _path(path: Path, usage: Usage) -> str:
    through = f" Through {' > '.join(path.through)}." if path.through else ""
    return f"{_named(path.resource or path.interface, usage)}: {path.text}{through}"


def _named(resource: str, usage: Usage) -> str:
    """A resource with the name that people know it by: `instance i-1` is `instance i-1 (web)`."""
    return next(
        (
            named
            for user in usage.users
            if (named := f"{user.kind} {user.name}") == resource or named.startswith(f"{resource} (")
        ),
        resource,
    )


def _what_blocks(reachability: Reachability) -> str:
    path = next((path for path in reachability.paths if path.blocked_by), None)
    if path is None:
        return "the network"
    match path.blocked_by:
        case Blocker.NETWORK_ACL:
            found = _RULE_OF_ACL.search(path.text)
            return found[1] if found else "a network ACL"
        case Blocker.ROUTE:
            found = _ROUTE_TABLE.search(path.text)
            return f"{found[1]}, which has no route to the Internet" if found else "its route table"
        case Blocker.BLOCK_PUBLIC_ACCESS:
            return "VPC Block Public Access"
        case Blocker.SECURITY_GROUP:
            return "the security group of its load balancer"
        case Blocker.LISTENER:
            return "its load balancer, which does not listen at these ports"
    return "the network"
