"""The shapes of the JSON outputs, from which docs/schemas/ is written (`make docs`), and to which tests hold them.

They are here because no command reads them: what people rely on is the schemas.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict  # pydantic takes no other one before Python 3.12

from library.issues.issue import Status
from library.issues.reachability import Severity, Sources, Verdict
from library.issues.use import UseVerdict

_EXACT = ConfigDict(extra="forbid")
_Exposure = Literal["open_completely", "open_partly"]


@with_config(_EXACT)
class Perm(TypedDict):
    """One rule and one of its sources; ports are null where the protocol has none."""

    protocol: str
    from_port: int | None
    to_port: int | None
    cidr: str
    status: _Exposure
    prefix_list_id: NotRequired[str]


@with_config(_EXACT)
class PathShape(TypedDict):
    """The way to one interface and one of its addresses."""

    interface: str
    resource: str
    address: str
    verdict: Verdict
    through: list[str]
    blocked_by: str
    text: str


@with_config(_EXACT)
class ReachabilityShape(TypedDict):
    """Whether somebody out there can connect now."""

    verdict: Verdict
    sources: Sources | None
    severity: Severity
    paths: list[PathShape]
    paths_total: int
    assumptions: list[str]
    unread: list[str]


_UseSource = TypedDict(
    "_UseSource",
    {
        "source": str,
        "class": Literal["working", "talked"],
        "port": int | None,
        "first": str,
        "last": str,
        "connections": int,
        "packets": int,
        "bytes": int,
        "also_admitted_by": NotRequired[list[str]],
    },
)


@with_config(_EXACT)
class UseRuleShape(TypedDict):
    """What came through one rule; `counts` has sources by class."""

    protocol: str
    from_port: int | None
    to_port: int | None
    cidr: str
    prefix_list_id: NotRequired[str]
    counts: dict[str, int]
    sources: list[_UseSource]


_Use = TypedDict(
    "_Use",
    {
        "from": str,
        "until": str,
        "covered": float,
        "verdict": UseVerdict,
        "reason": str,
        "rules": list[UseRuleShape],
        "keep": list[str],
        "keep_note": str,
        "gaps": list[str],
    },
)


@with_config(_EXACT)
class ScanIssue(TypedDict):
    """An issue as `hammer scan --format json` prints it."""

    account_id: str
    group_id: str
    whitelisted: bool
    name: str
    region: str
    vpc_id: str
    status: _Exposure
    tags: dict[str, str]
    perms: list[Perm]
    reachability: NotRequired[ReachabilityShape]
    finding: NotRequired[dict[str, Any]]


@with_config(_EXACT)
class WaitingShape(TypedDict):
    """An exposure that is due later than its issue; `due` is null before people are told of the exposure."""

    protocol: str
    from_port: int | None
    to_port: int | None
    cidr: str
    due: str | None


@with_config(_EXACT)
class FullIssue(ScanIssue):
    """An issue as `hammer issues --format json` and `--format jsonl` print it. Times are ISO 8601 in UTC."""

    account_name: str
    issue_status: Status
    severity: Severity
    owner: str
    exposed_ports: list[str]
    controls: list[str]
    timestamps: dict[str, str | None]
    opened_by: dict[str, str] | None
    ticket: str
    due: str | None
    not_due_yet: NotRequired[list[WaitingShape]]
    restored: str
    exempt_until: str | None
    exempt_reason: str
    use: _Use | None


@with_config(_EXACT)
class ScannedShape(TypedDict):
    """One account and region that was looked at."""

    account_id: str
    region: str
    groups: int
    whitelisted: int


@with_config(_EXACT)
class FailedShape(TypedDict):
    """One account and region that could not be read, and why."""

    account_id: str
    region: str
    reason: str


@with_config(_EXACT)
class ScanOutput(TypedDict):
    """What `hammer scan --format json` prints."""

    scanned: list[ScannedShape]
    failed: list[FailedShape]
    issues: list[ScanIssue]


@with_config(_EXACT)
class IssuesOutput(TypedDict):
    """What `hammer issues --format json` prints."""

    scanned: list[ScannedShape]
    failed: list[FailedShape]
    issues: list[FullIssue]


SHAPES: dict[str, TypeAdapter[Any]] = {
    "scan": TypeAdapter(ScanOutput),
    "issues": TypeAdapter(IssuesOutput),
    "issue-line": TypeAdapter(FullIssue),
}
"""By the name of their schema in docs/schemas/."""


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of each output, by name."""
    return {
        name: {"$schema": "https://json-schema.org/draft/2020-12/schema", **shape.json_schema()}
        for name, shape in SHAPES.items()
    }
