"""What a person reads: a group before a change, the difference a plan makes, and what became of it.

Text from an account is spelled out where it does not print, so that nothing in a name can move the cursor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from library.issue import Issue, format_time
from library.security_group import IngressRule
from library.text import printable
from remediation.plan import Plan, Refusal, ports_text


def rule_text(rule: IngressRule) -> str:
    """A rule on one line: `tcp/22 from 0.0.0.0/0 (ssh)`."""
    source = rule.cidr or rule.prefix_list_id or rule.group_id
    about = f" ({printable(rule.description)})" if rule.description else ""
    return f"{ports_text(rule)} from {printable(source)}{about}"


def _order(rule: IngressRule) -> tuple[str, int, int, str]:
    return (rule.protocol, rule.from_port or 0, rule.to_port or 0, rule.cidr or rule.prefix_list_id or rule.group_id)


def difference(before: Sequence[IngressRule], add: Iterable[IngressRule], revoke: Iterable[IngressRule]) -> Text:
    """All rules of a group, one a line: `-` revoked, `+` added, a blank for those that stay."""
    gone = {rule.rule_id for rule in revoke}
    lines = [("-" if rule.rule_id in gone else " ", rule) for rule in before]
    lines += [("+", rule) for rule in add]
    styles = {"-": "red", "+": "green", " ": "dim"}
    text = Text()
    for mark, rule in sorted(lines, key=lambda line: (*_order(line[1])[:3], " -+".index(line[0]), _order(line[1]))):
        text.append(f"  {mark} {rule_text(rule)}\n", style=styles[mark])
    return text


def heading(issue: Issue, account_name: str) -> str:
    """Which group this is about."""
    name = printable(issue.details.name)
    account = (
        f"{issue.account_id} ({printable(account_name)})" if account_name != issue.account_id else issue.account_id
    )
    return f"{issue.issue_id} {name} in {account}, {issue.details.region}, {issue.details.vpc_id}"


def since(issue: Issue) -> str:
    """Since when an issue is known, and its ticket."""
    ticket = printable(str(issue.jira_details.get("ticket") or "no ticket"))
    found, reported = format_time(issue.timestamps.identified), format_time(issue.timestamps.reported)
    return f"{issue.details.status}, found {found or 'unknown'}, reported {reported or 'not yet'}, {ticket}"


def planned(before: Sequence[IngressRule], plan: Plan | Refusal) -> Text:
    """What is to be done, or why nothing."""
    if isinstance(plan, Refusal):
        return Text(f"  nothing to do: {plan.text}\n")
    text = difference(before, plan.add, plan.revoke)
    for note in plan.notes:
        text.append(f"  note: {printable(note)}\n", style="yellow")
    if plan.left:
        text.append(f"  stays exposed, out of remediation_scope: {len(plan.left)} sources\n", style="yellow")
    return text


def place(issue: Issue) -> str:
    """A group in a few words, for one line of many."""
    return f"{issue.issue_id} in {issue.account_id}, {issue.details.region}"
