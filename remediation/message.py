"""What is told about a change of a group: in its ticket, and to its owners.

Pure.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from library.documents.text import printable
from library.issues.issue import Issue
from library.security_groups.group import IngressRule
from library.security_groups.rule_text import rule_text

_SHOWN_RULES = 20


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that happened to a group.

    Attributes:
        heading: what an alert is listed under.
        text: one sentence.
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
) -> Message:
    """A group was remediated."""
    return Message(
        "Remediated",
        "Hammer closed the group: its rules that exposed restricted ports were replaced.",
        (
            *_rules("Revoked", revoke),
            *_rules("Added", add),
            f"Backup: s3://{bucket}/{backup}",
            f"Back to how it was: {restore_command(issue, backup)}",
        ),
    )


def failed(issue: Issue, bucket: str, backup: str, result: str, reason: str) -> Message:
    """A group could not be remediated."""
    details: tuple[str, ...] = ()
    if backup:
        details = (f"Backup: s3://{bucket}/{backup}", f"Back to how it was: {restore_command(issue, backup)}")
    return Message("Not remediated", f"Hammer did not remediate the group ({result}): {reason}.", details)


def cleared(issue: Issue, text: str) -> Message:
    """What an interrupted run had half done was undone."""
    del issue
    return Message("Undone", f"Hammer was interrupted while it changed the group: {text}.")


def restored(issue: Issue, bucket: str, source: str, backup: str, who: str) -> Message:
    """A group was restored."""
    return Message(
        "Restored",
        f"{who} restored the group to a backup. Automatic remediation leaves it alone until somebody decides.",
        (
            f"Restored from: s3://{bucket}/{source}",
            f"Backup from before the restore: s3://{bucket}/{backup}",
            f"To let it be remediated again: {release_command(issue)}",
        ),
    )


def not_restored(issue: Issue, bucket: str, source: str, reason: str) -> Message:
    """A group could not be restored."""
    return Message(
        "Not restored",
        f"The group could not be restored: {reason}.",
        (f"Backup: s3://{bucket}/{source}", f"Again: {restore_command(issue, source)}"),
    )


def released(issue: Issue, who: str) -> Message:
    """A restored group is given back to automatic remediation."""
    del issue
    return Message("Released", f"{who} decided that automatic remediation may change the group again.")


def described_rule(rule: IngressRule) -> str:
    """A rule with its description, on one line: `tcp/22 from 0.0.0.0/0 (ssh)`."""
    about = f" ({rule.description})" if rule.description else ""
    return printable(rule_text(rule) + about)


def _rules(what: str, rules: Iterable[IngressRule]) -> Iterable[str]:
    rules = list(rules)
    yield from (f"{what}: {described_rule(rule)}" for rule in rules[:_SHOWN_RULES])
    if len(rules) > _SHOWN_RULES:
        yield f"{what}: {len(rules) - _SHOWN_RULES} more, see the backup"
