"""`--format markdown`: a comment for a pull request, in GitHub's and GitLab's dialect. Pure.

Names and reasons are untrusted: each stands in a code span, in which neither links nor mentions nor HTML count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hammer.listing.issue import ListedIssue, Listing
from library.documents.text import counted, printable
from library.security_groups.exposure import rule_text

_BYTES_LIMIT = 60_000  # characters: GitHub refuses comments of more than 65,536
_RULES_SHOWN = 10


def pieces(listing: Listing) -> Iterator[str]:
    """The comment: a table of the exposed groups, and what could not be judged."""
    found = listing.open_issues
    yield f"### Hammer: {_summary(len(found), listing)}\n"
    left = _BYTES_LIMIT
    if found:
        yield "\n| severity | group | exposes | status |\n| --- | --- | --- | --- |\n"
    for position, issue in enumerate(found):
        row = _row(issue)
        left -= len(row)
        if left < 0:
            yield f"\nAnd {len(found) - position} more.\n"
            break
        yield row
    if listing.unread:
        yield "\nNot judged, and so not known to be safe:\n\n"
    for position, failed in enumerate(listing.unread):
        where = " ".join(part for part in (failed.account_id, failed.region) if part)
        line = f"- {code(f'{where}: {failed.reason}' if where else failed.reason)}\n"
        left -= len(line)
        if left < 0:
            yield f"- and {len(listing.unread) - position} more\n"
            break
        yield line
    whitelisted = sum(issue.whitelisted for issue in listing.issues)
    if whitelisted:
        yield f"\n{counted(whitelisted, 'more group')} {'is' if whitelisted == 1 else 'are'} exempt.\n"


def _summary(count: int, listing: Listing) -> str:
    asked = "of what was asked for, " if listing.filtered else ""
    if not count and not listing.is_whole:
        return f"{asked}no security group is known to expose a restricted port, but not everything could be judged"
    if not count:
        return f"{asked}no security group exposes a restricted port"
    verb = "exposes" if count == 1 else "expose"
    return f"{asked}{counted(count, 'security group')} {verb} restricted ports"


def _row(issue: ListedIssue) -> str:
    details = issue.details
    where = f"{issue.file}:{issue.line}" if issue.line else ""
    group = [code(issue.group_id)]
    group += [code(details.name)] if details.name and details.name != issue.group_id else []
    group += [code(where)] if where else []
    group += [code(f"{issue.account_id} {details.region}")] if issue.account_id else []
    rules = [code(rule_text(perm)) for perm in details.perms[:_RULES_SHOWN]]
    if len(details.perms) > _RULES_SHOWN:
        rules.append(f"and {len(details.perms) - _RULES_SHOWN} more")
    status = details.status + (f", {issue.verdict}" if issue.verdict else "")
    return f"| {issue.severity} | {'<br>'.join(group)} | {'<br>'.join(rules)} | {status} |\n"


def code(text: str) -> str:
    r"""Untrusted text as a code span that also a table's cell can hold.

    >>> code("a|b"), code("x`y"), code("")
    ('`a\\|b`', '`` x`y ``', '` `')
    """
    shown = printable(" ".join(text.split())) or " "
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{shown}{space}{fence}".replace("|", "\\|")
