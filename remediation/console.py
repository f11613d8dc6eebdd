"""What a person reads: a group before a change, the difference a plan makes, and what became of it.

Text from an account is spelled out where it does not print, so that nothing in a name can move the cursor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from library.documents.text import counted, printable
from library.issues.issue import Issue
from library.issues.schedule import Skipped
from library.issues.times import shown_time
from library.notifications.owners import IssueOwners
from library.security_groups.exposure import rule_text
from library.security_groups.group import IngressRule, SecurityGroup, rule_key
from library.security_groups.users import GroupUsers
from remediation.backups import Backup
from remediation.notify import described_rule, stand_ins_text
from remediation.plan import Plan
from remediation.remediate import Assessment
from remediation.restore_plan import RestorePlan

_SHOWN_USERS = 10


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
        text.append(f"  {mark} {described_rule(rule)}\n", style=styles[mark])
    return text


def heading(issue: Issue, account_name: str) -> str:
    """Which group this is about."""
    name = printable(issue.details.name)
    account = (
        f"{issue.account_id} ({printable(account_name)})" if account_name != issue.account_id else issue.account_id
    )
    return f"{issue.issue_id} {name} in {account}, {issue.details.region}, {issue.details.vpc_id}"


def heading_of(account_id: str, region: str, group: SecurityGroup) -> str:
    """Which group this is about, of one that was described."""
    return f"{group.group_id} {printable(group.name)} in {account_id}, {region}, {group.vpc_id}"


def since(issue: Issue) -> str:
    """How bad an issue is, whether somebody can connect, since when it is known, and its ticket."""
    ticket = printable(str(issue.jira_details.get("ticket") or "no ticket"))
    found, reported = shown_time(issue.timestamps.identified), shown_time(issue.timestamps.reported)
    severity, verdict = str(issue.details.severity), issue.details.reachability
    judged = f"who can connect: {verdict.verdict}" if verdict else "who can connect was not judged"
    times = f"found {found or 'unknown'}, reported {reported or 'not yet'}"
    return f"{severity}, {judged}, {issue.details.status}, {times}, {ticket}"


HELP = """  y  change this group as shown: it is saved before, and can be restored
  n  leave this group as it is, and go on
  d  show tags, ids of the rules, what is exposed, and the backups
  a  change this group and all that follow, without asking again
  q  stop; what was changed stays changed"""
"""What the answers to the question mean."""
RESTORE_HELP = """  y  change the group as shown: `+` is authorized, `-` revoked. It is saved before, and automatic
     remediation leaves it alone until somebody gives it back with `hammer restore --release`
  n  leave the group as it is
  Another backup: `--backup KEY` with a key of the list above. Rules that others made since stay, unless `--exact`."""
"""The same where a restore is asked for."""


def owner(owners: IssueOwners) -> str:
    """Who owns a group, and who says so."""
    if owners.named:
        by = "whom a decision named" if owners.is_decided else "by the tags"
        return f"  owner: {printable(owners.named)}, {by}"
    configured = owners.configured
    named = dict.fromkeys(name for name in (configured.jira_owner, *configured.slack_owner) if name)
    if named:
        return f"  owner: {printable(', '.join(named))}, by ticket_owners"
    return "  owner: nobody is named"


def details(issue: Issue, seen: Assessment, backups: Sequence[Backup]) -> str:
    """What the first look leaves out: tags, ids of the rules, what is exposed, and the backups that there are."""
    lines = ["  tags: " + (", ".join(f"{k}={v}" for k, v in sorted(issue.details.tags.items())) or "none")]
    for perm in issue.details.perms:
        lines.append(f"  exposed when found: {rule_text(perm)}, {perm.status}")
    if isinstance(seen.planned, Plan):
        lines += [f"  to be revoked: {rule.rule_id} {described_rule(rule)}" for rule in seen.planned.revoke]
    lines += [f"  backup: {backup.key}" for backup in backups] or ["  backup: none yet"]
    return "\n".join(map(printable, lines)) + "\n"


def users_text(users: GroupUsers) -> str:
    """Who uses a group, one a line."""
    if users.unknown:
        return f"  who uses it could not be read: {printable(users.unknown)}"
    if not users.users:
        return "  used by nothing"
    lines = []
    for user in users.users[:_SHOWN_USERS]:
        public = f", public: {', '.join(user.public_addresses)}" if user.public_addresses else ""
        lines.append(f"  used by {user.kind} {printable(user.name)}{public}")
    if more := max(0, len(users.users) - _SHOWN_USERS) + users.more:
        lines.append(f"  used by {more} more")
    return "\n".join(lines)


def planned(seen: Assessment) -> Text:
    """What is to be done, or why nothing."""
    plan, withdrawn = seen.planned, [added.rule for added in seen.withdraw]
    if seen.held is not None and seen.has_work:
        return Text(f"  nothing to do: this run may not complete it: {printable(seen.held.text)}\n")
    if isinstance(plan, Skipped) and not withdrawn:
        return Text(f"  nothing to do: {printable(plan.text)}\n")
    add, revoke = ((), ()) if isinstance(plan, Skipped) else (plan.add, plan.revoke)
    text = difference(seen.observed.rules, add, (*revoke, *withdrawn))
    if withdrawn:
        text.append("  Hammer added some of these for rules that somebody else closed: they are taken away again\n")
    if isinstance(plan, Plan):
        for note in plan.notes:
            text.append(f"  note: {printable(note)}\n", style="yellow")
        if plan.left:
            left = counted(len(plan.left), "source")
            text.append(f"  stays exposed, out of remediation_scope, not due or kept: {left}\n", style="yellow")
    return text


def restore_difference(before: Sequence[IngressRule], plan: RestorePlan, unknown: Sequence[str]) -> Text:
    """What a restore changes. A rule that only gets another description is gone and there again.

    `unknown` are the keys of backups from since that are not understood.
    """
    described = {rule_key(rule) for rule in plan.describe}
    other = [rule for rule in before if rule_key(rule) in described]
    text = difference(before, (*plan.add, *plan.describe), (*plan.revoke, *other))
    if plan.is_empty:
        text.append("  nothing to change: the group is as the backup says\n")
    if plan.kept:
        text.append(f"  {len(plan.kept)} rules made since stay (--exact revokes them)\n", style="yellow")
    revoked = [each for each in plan.stand_ins if each not in plan.kept_stand_ins]
    for stay, stand_ins in ((True, plan.kept_stand_ins), (False, revoked)):
        for sentence in stand_ins_text(stand_ins, unknown, stay=stay):
            text.append(f"  {sentence}\n", style="yellow")
    return text
