"""What a person keeps of a group whose rules are replaced: offered at the terminal, chosen, and recorded.

Pure. The proposals are those that flow logs gave (`identification.flow_logs.keep_proposal`, in the issue's `use`);
none is chosen beforehand, and who only presses Enter keeps nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from library.documents.text import counted
from library.issues.issue import Issue
from library.issues.kept_sources import KeptSource, kept_sources
from library.issues.times import shown_time
from library.issues.use import CAVEAT, SourceClass, use_summary
from library.network.addresses import Network, parse_network
from library.network.ports import protocol_name
from remediation.plan import Plan
from remediation.rules import RuleKey, rule_key

QUESTION = "Keep which of them? numbers, such as 1,3; Enter for none; q(uit):"
"""The question after the proposals."""


def proposals(issue: Issue, plan: Plan) -> tuple[Network, ...]:
    """Whom flow logs propose to keep, as far as the plan replaces a rule that admits all of it."""
    if issue.use is None:
        return ()
    replaced = {rule_key(rule) for rule in plan.revoke}
    admitted = [
        parse_network(rule.cidr)
        for rule in issue.use.rules
        if RuleKey(protocol_name(rule.protocol), rule.from_port, rule.to_port, rule.prefix_list_id or rule.cidr)
        in replaced
    ]
    found: list[Network] = []
    for text in issue.use.keep:
        try:
            network = parse_network(text)
        except ValueError:
            continue  # the table is not believed
        if any(_contains(each, network) for each in admitted):
            found.append(network)
    return tuple(dict.fromkeys(found))


def offer(issue: Issue, offered: Sequence[Network]) -> Iterator[str]:
    """The proposals with their numbers and what is known of each, a line each."""
    if issue.use is None:
        return
    yield f"  flow logs: {use_summary(issue.use, issue.use.until)}"
    working = issue.use.sources(SourceClass.WORKING)
    for number, network in enumerate(offered, 1):
        seen = [each for name, each in working.items() if _contains(network, parse_network(name))]
        admits = f"admits {counted(network.size, 'address', 'addresses')}"
        worked = f", {len(seen)} of them worked, last {shown_time(max(each.last for each in seen))}" if seen else ""
        yield f"  {number}  {network}: {admits}{worked}"
    yield f"  {CAVEAT}"


def chosen(answer: str, offered: Sequence[Network]) -> tuple[Network, ...] | None:
    """The proposals that an answer names by number; None: it is not understood. No number: nobody."""
    numbers = answer.replace(",", " ").split()
    if not all(number.isascii() and number.isdigit() and 1 <= int(number) <= len(offered) for number in numbers):
        return None
    return tuple(dict.fromkeys(offered[int(number) - 1] for number in numbers))


def record(issue: Issue, plan: Plan, keep: Collection[Network], by: str, now: datetime) -> dict[str, Any]:
    """What is written into `remediation_details` before a plan is carried out; nothing where nobody keeps anything.

    Args:
        issue: the issue.
        plan: what is going to be changed: what it replaces nobody keeps any longer.
        keep: what the person keeps in this run.
        by: who that is.
        now: the time in UTC.
    """
    names = set(map(str, keep))
    replaced = {rule_key(rule) for rule in plan.revoke}
    new = {
        rule_key(rule): KeptSource(protocol_name(rule.protocol), rule.from_port, rule.to_port, rule.cidr, by, now)
        for rule in (*plan.add, *plan.relied_on)
        if rule.cidr in names
    }
    old = {
        key: each
        for each in kept_sources(issue)
        if (key := RuleKey(each.protocol, each.from_port, each.to_port, each.cidr)) not in replaced
    }
    if not (new or issue.remediation_details.get("kept")):
        return {}
    return {"kept": [each.to_item(issue.occurrence) for each in (old | new).values()]}


def _contains(outer: Network, inner: Network) -> bool:
    return outer.version == inner.version and outer.first <= inner.first and inner.last <= outer.last
