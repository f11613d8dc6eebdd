"""The pure rooms: which modules are changed together, and which tests have to notice it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """Modules (glob patterns) and the tests that are run for each change in them."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


def _modules(package: str, names: str) -> tuple[str, ...]:
    return tuple(f"{package}/{name}.py" for name in names.split())


ROOMS: Mapping[str, Package] = {
    "network": Package(("library/network/*.py",), ("tests/unit/network",)),
    "security_groups": Package(
        _modules("library/security_groups", "clauses exemptions exposure group replacement users"),
        ("tests/unit/security_groups",),
    ),
    "answers": Package(
        ("library/security_groups/ec2_answer.py",),
        ("tests/unit/security_groups",),
    ),
    "issues": Package(("library/issues/*.py",), ("tests/unit/issues",)),
    "documents": Package(("library/documents/*.py",), ("tests/unit/documents",)),
    "reachability": Package(
        _modules("identification/reachability", "network verdict ways"),
        ("tests/unit/reachability",),
    ),
    "use": Package(
        _modules("identification/flow_logs", "classify evidence flow_log records"),
        ("tests/unit/flow_logs",),
    ),
    "inspector": Package(
        _modules(
            "identification/inspector",
            "delivery events expected_ports finding",
        ),
        ("tests/unit/inspector",),
    ),
    "events": Package(
        _modules("identification", "cloudtrail events messages"),
        (
            "tests/unit/identification/test_deliveries.py",
            "tests/unit/identification/test_cloudtrail.py",
            "tests/unit/identification/test_events.py",
            "tests/unit/identification/test_messages.py",
        ),
    ),
    "reporting": Package(
        _modules(
            "reporting",
            "exposure_text finding_text group_text plan remediation_text ticket_facts",
        ),
        ("tests/unit/reporting",),
    ),
    "remediation": Package(
        _modules(
            "remediation",
            "eligibility group_state journal plan restore_plan rules",
        ),
        ("tests/unit/remediation",),
    ),
    "config": Package(
        ("library/config/*.py",),
        ("tests/unit/config", "tests/unit/remediation/test_eligibility.py"),
    ),
    "listings": Package(
        ("hammer/listing/*.py", "hammer/formats/*.py", "hammer/formats/report/*.py", "hammer/status.py"),
        ("tests/unit/hammer",),
    ),
    "small": Package(
        (
            "deployment/cost.py",
            "identification/errors.py",
            "library/aws/failures.py",
            "library/aws/conditional_writes.py",
            "library/aws/partition.py",
            "library/errors.py",
            "library/notifications/owners.py",
        ),
        ("tests/deployment/test_cost.py", "tests/unit/aws", "tests/unit/notifications"),
    ),
}
