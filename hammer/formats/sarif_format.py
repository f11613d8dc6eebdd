"""`--format sarif`: for code scanning, with file and line where they are known. Pure.

Source: Static Analysis Results Interchange Format (SARIF) 2.1.0, OASIS; "SARIF support for code scanning" of GitHub's
documentation, for `security-severity` and `partialFingerprints`.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from hammer import __version__
from hammer.listing.issue import ListedIssue, Listing
from library.documents.text import printable
from library.issues.reachability import Severity
from library.security_groups.exposure import rule_text

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}
_SCORES = {Severity.CRITICAL: "9.5", Severity.HIGH: "8.0", Severity.MEDIUM: "5.0", Severity.LOW: "2.0"}
_RULES = tuple(Severity)


def pieces(listing: Listing) -> Iterator[str]:
    """One run, ASCII only: a result for each exposed group, a notification for each failure."""
    results = [_result(issue) for issue in listing.issues if issue.is_group and issue.status.is_exposed]
    failures = [
        {
            "level": "error",
            "message": {"text": " ".join(part for part in (row.account_id, row.region, printable(row.reason)) if part)},
        }
        for row in listing.failed
    ]
    run = {
        "tool": {"driver": {"name": "Hammer", "version": __version__, "rules": [_rule(each) for each in _RULES]}},
        "invocations": [{"executionSuccessful": not failures, "toolExecutionNotifications": failures}],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    yield json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _uri(path: str) -> str:
    """A file as code scanning finds it in the repository: only of a URI with a scheme it takes off the checkout.

    >>> _uri("./net/a b.yaml"), _uri("/home/runner/work/net.yaml")
    ('net/a%20b.yaml', 'file:///home/runner/work/net.yaml')
    """
    uri = quote(posixpath.normpath(path.replace("\\", "/")), errors="surrogateescape")
    return f"file://{uri}" if uri.startswith("/") else uri


def _rule(severity: Severity) -> dict[str, Any]:
    return {
        "id": f"exposed-security-group-{severity}",
        "name": "ExposedSecurityGroup",
        "shortDescription": {"text": f"A security group lets the Internet reach restricted ports ({severity})."},
        "help": {"text": "Narrow the sources of its ingress rules to the networks that need the ports."},
        "defaultConfiguration": {"level": _LEVELS[severity]},
        "properties": {"security-severity": _SCORES[severity], "tags": ["security"]},
    }


def _result(issue: ListedIssue) -> dict[str, Any]:
    details, severity = issue.details, issue.severity
    rules = ", ".join(rule_text(perm) for perm in details.perms)
    key = " ".join([issue.account_id, details.region, issue.group_id])
    # Code scanning refuses the whole file if one result has no file or line: a group in AWS, which has neither, gets a
    # path of its own.
    path = issue.file or f"{issue.account_id}/{details.region}/{printable(issue.group_id)}"
    location: dict[str, Any] = {
        "logicalLocations": [{"fullyQualifiedName": printable(issue.group_id), "kind": "resource"}],
        "physicalLocation": {"artifactLocation": {"uri": _uri(path)}, "region": {"startLine": issue.line or 1}},
    }
    result: dict[str, Any] = {
        "ruleId": f"exposed-security-group-{severity}",
        "ruleIndex": _RULES.index(severity),
        "level": _LEVELS[severity],
        "message": {"text": printable(f"Security group {issue.group_id} is {details.status}: {rules}")},
        "locations": [location],
        "partialFingerprints": {"hammerGroup/v1": hashlib.sha256(key.encode()).hexdigest()},
    }
    if issue.whitelisted:
        result["suppressions"] = [{"kind": "external", "justification": printable(issue.exempt_reason) or "exempt"}]
    return result
