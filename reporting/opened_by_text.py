"""Who opened a group, in words: `role deploy, session ana, from 203.0.113.7 with Terraform, 2026-11-22 14:02 UTC`.

Pure. Everything here is hostile text.
"""

from __future__ import annotations

import re

from library.documents.text import flattened
from library.issues.opened_by import OpenedBy
from library.issues.times import shown_time

_LIMIT = 100
_SESSION = re.compile(r"arn:[^:]*:sts::\d*:assumed-role/([^/]+)/(.+)", re.DOTALL)
_IDENTITY = re.compile(r"arn:[^:]*:iam::\d*:(user|role)/(.+)", re.DOTALL)
_ROOT = re.compile(r"arn:[^:]*:iam::(\d*):root")
# What programs say of themselves, and what people call them; the first that is found counts.
_PROGRAMS = (
    ("cloudformation.amazonaws.com", "CloudFormation"),
    ("Terraform", "Terraform"),
    ("Pulumi", "Pulumi"),
    ("Ansible", "Ansible"),
    ("console.amazonaws.com", "the AWS console"),
    ("console.ec2.amazonaws.com", "the AWS console"),
    ("AWS Internal", "an AWS service"),
    ("Mozilla/", "a browser"),
    ("aws-cli", "the AWS command line"),
    ("Boto3", "boto3"),
)


def opened_by_text(opened: OpenedBy) -> str:
    """Who it was, from where, with what and when, on one line."""
    parts = [_who(opened.principal)]
    if opened.source_ip:
        parts.append(f"from {flattened(opened.source_ip, _LIMIT)}")
    text = ", ".join(parts)
    if opened.user_agent:
        text += f" with {_program(opened.user_agent)}"
    return f"{text}, {shown_time(opened.event_time)}"


def _who(principal: str) -> str:
    if found := _SESSION.fullmatch(principal):
        return f"role {flattened(found[1], _LIMIT)}, session {flattened(found[2], _LIMIT)}"
    if found := _IDENTITY.fullmatch(principal):
        return f"{found[1]} {flattened(found[2], _LIMIT)}"
    if found := _ROOT.fullmatch(principal):
        return f"the root user of account {found[1]}"
    return flattened(principal, _LIMIT) or "somebody whom CloudTrail does not name"


def _program(agent: str) -> str:
    return next((name for mark, name in _PROGRAMS if mark in agent), flattened(agent, _LIMIT))
