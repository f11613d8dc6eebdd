"""What people are told about a change of a group: in its ticket, and its owners in Slack.

Pure. They may never have heard of Hammer, so each text says what happened, what it means, and what they can do.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from library.documents.text import printable
from library.issues.issue import Issue
from library.security_groups.exposure import rule_text
from library.security_groups.group import IngressRule
from remediation.journal_entry import JournalEntry
from remediation.restore_plan import StandIn

_SHOWN_RULES = 20


@dataclass(frozen=True, slots=True)
class ChangeMessage:
    """One thing that happened to a group.

    Attributes:
        heading: what an alert is listed under.
        text: one sentence or two.
        details: more, a sentence each.
    """

    heading: str
    text: str
    details: tuple[str, ...] = ()


def restore_command(issue: Issue, backup: str) -> str:
    """The command that brings a group back to a backup."""
    return (
        f"hammer restore --account {issue.account_id} --region {issue.details.region} "
        f"--group {issue.issue_id} --backup {shlex.quote(backup)}"
    )


def release_command(issue: Issue) -> str:
    """The command that gives a restored group back to automatic remediation."""
    return (
        f"hammer restore --release --account {issue.account_id} --region {issue.details.region} "
        f"--group {issue.issue_id}"
    )


def remediated(
    issue: Issue, bucket: str, backup: str, add: Iterable[IngressRule], revoke: Iterable[IngressRule]
) -> ChangeMessage:
    """A group was remediated."""
    return ChangeMessage(
        "Remediated",
        "Hammer closed the group: its rules that exposed restricted ports were replaced.",
        (*_rules("Revoked", revoke), *_rules("Added", add), *_way_back(issue, bucket, backup)),
    )


def incomplete(issue: Issue, bucket: str, entry: JournalEntry, reason: str) -> ChangeMessage:
    """A change of a group was begun and is not complete."""
    return ChangeMessage(
        "Not complete yet",
        f"Hammer has begun to change the group, and that is not complete yet: {reason}. "
        "The next remediation run that may change the group completes it.",
        (
            "Clients with private addresses (RFC 1918) that had access still have it.",
            *_rules("Revoked so far", entry.closed),
            *_rules("Added so far", entry.added),
            *_way_back(issue, bucket, entry.backup),
        ),
    )


def settled(text: str) -> ChangeMessage:
    """What an earlier run had begun is complete, and Hammer closed nothing."""
    return ChangeMessage(
        "Completed",
        f"Hammer completed a change of the group that an earlier run had begun: {text}. "
        "The rules that it was about to replace had been closed by somebody else, or need not be closed any more.",
    )


def failed(reason: str) -> ChangeMessage:
    """A group could not be remediated."""
    return ChangeMessage("Not remediated", f"Hammer could not close the group and changed nothing: {reason}.")


def stand_ins_text(stand_ins: Iterable[StandIn], unknown: Sequence[str], *, stay: bool) -> Iterable[str]:
    """What becomes of rules that Hammer added for rules that a restore does not bring back, a sentence each.

    Args:
        stand_ins: the rules.
        unknown: the keys of backups that are not understood, so that it is not known what the rules stand in for.
        stay: whether they stay in the group; else the restore revokes them.
    """
    by_missing: dict[tuple[str, ...], list[str]] = {}
    for one in stand_ins:
        missing = tuple(map(rule_text, one.missing))
        by_missing.setdefault(missing, []).append(rule_text(one.rule))
    for missing, rules in by_missing.items():
        what = _some(rules)
        if not missing:
            why = f"cannot be read: {_some(unknown)}. So it is not known which rules they stand in for"
            fate = "stay" if stay else "are revoked"
            yield printable(f"These rules that Hammer added {fate}: {what}. A backup from since {why}.")
        elif stay:
            yield printable(
                f"These rules that Hammer added stay: {what}. They stand in for {_some(missing)}, which Hammer closed "
                "after the backup was written, so that it is not in the backup."
            )
        else:
            yield printable(
                f"These rules that Hammer added are revoked: {what}. They stand in for {_some(missing)}, which is not "
                "in the backup: private clients that have access only over them lose it."
            )


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN_RULES} more" if len(texts) > _SHOWN_RULES else ""
    return ", ".join(texts[:_SHOWN_RULES]) + more


def restored(issue: Issue, bucket: str, source: str, backup: str, who: str, notes: Iterable[str] = ()) -> ChangeMessage:
    """A group was restored. `notes`: what it has otherwise than the backup, a sentence each."""
    before = (f"Backup from before the restore: s3://{bucket}/{backup}",) if backup else ()
    return ChangeMessage(
        "Restored",
        f"{who} restored the group to a backup. Automatic remediation leaves it alone until somebody decides.",
        (
            f"Restored from: s3://{bucket}/{source}",
            *before,
            *notes,
            f"Your security team can let it be remediated again, on Hammer's host: {release_command(issue)}",
        ),
    )


def not_restored(issue: Issue, bucket: str, source: str, reason: str) -> ChangeMessage:
    """A group could not be restored, or not completely."""
    return ChangeMessage(
        "Not restored",
        f"The group could not be restored completely: {reason}. No other run continues the restore.",
        (
            f"Backup: s3://{bucket}/{source}",
            f"Your security team can restore it on Hammer's host: {restore_command(issue, source)}",
        ),
    )


def restore_interrupted(issue: Issue, bucket: str, entry: JournalEntry) -> ChangeMessage:
    """A restore was begun and is not complete."""
    return ChangeMessage(
        "Restore not complete",
        f"A restore of the group by {entry.by or 'somebody'} was interrupted. No other run continues it, and automatic "
        "remediation leaves the group alone until somebody decides.",
        (
            *_rules("Revoked so far", entry.closed),
            *_rules("Added so far", entry.added),
            f"Backup: s3://{bucket}/{entry.restored_from}",
            f"Your security team can complete it on Hammer's host: {restore_command(issue, entry.restored_from)}",
            f"Or let the group be remediated again: {release_command(issue)}",
        ),
    )


def released(who: str) -> ChangeMessage:
    """A restored group is given back to automatic remediation."""
    return ChangeMessage("Released", f"{who} decided that automatic remediation may change the group again.")


def described_rule(rule: IngressRule) -> str:
    """A rule with its description, on one line: `tcp/22 from 0.0.0.0/0 (ssh)`."""
    about = f" ({rule.description})" if rule.description else ""
    return printable(rule_text(rule) + about)


def _way_back(issue: Issue, bucket: str, backup: str) -> Iterable[str]:
    if backup:
        yield f"Backup: s3://{bucket}/{backup}"
        yield f"Your security team can bring it back on Hammer's host: {restore_command(issue, backup)}"


def _rules(what: str, rules: Iterable[IngressRule]) -> Iterable[str]:
    rules = list(rules)
    yield from (f"{what}: {described_rule(rule)}" for rule in rules[:_SHOWN_RULES])
    if len(rules) > _SHOWN_RULES:
        yield f"{what}: {len(rules) - _SHOWN_RULES} more, see the backup"
