"""Two linters over the policies that are deployed: `make check-policies`, in an environment of their own.

Both know the Service Authorization Reference: parliament says which action, resource or condition does not fit
another; policy_sentry says, from newer data, whether each action exists and takes the resources that a statement names.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import parliament
from policy_sentry.querying.actions import get_action_data
from policy_sentry.util.arns import does_arn_match

POLICIES = Path(__file__).resolve().parents[1] / "deployment" / "policies"
VALUES = {
    "account_id": "123456789012",
    "bucket": "hammer-backup-bucket",
    "dns_suffix": "amazonaws.com",
    "flow_log_group": "*flow*log*",
    "key_arn": "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "organization_id": "o-exampleorgid",
    "partition": "aws",
    "prefix": "hammer",
    "reader_roles": '["arn:aws:iam::210987654321:role/flow-log-reader"]',
    "region": "eu-west-1",
    "reports_prefix": "reports/",
    "role_name_identification": "hammer-cloudsec-crossact-id",
    "role_name_reporting": "hammer-cloudsec-crossact-ec2",
    "secrets": '["arn:aws:secretsmanager:eu-west-1:123456789012:secret:hammer/jira-??????"]',
    "ses_from_address": "hammer@example.com",
    "table": "hammer-security-groups-unrestricted",
    "table_key_arn": "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
}


def rendered(file: Path) -> dict[str, Any]:
    """A policy as Terraform deploys it."""
    text = file.read_text("utf-8")
    for name, value in VALUES.items():
        text = text.replace(f"${{{name}}}", value)
    document: dict[str, Any] = json.loads(text)
    return document


def of_parliament(policy: dict[str, Any]) -> Iterator[str]:
    """What parliament finds."""
    for finding in parliament.analyze_policy_string(json.dumps(policy)).findings:
        yield f"{finding.issue}: {finding.detail} {finding.location.get('string', '')}"


def of_policy_sentry(policy: dict[str, Any]) -> Iterator[str]:
    """Actions that there are not, and resources that an action does not take."""
    for statement in policy["Statement"]:
        given = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        for action in [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]:
            service, name = action.split(":")
            known = get_action_data(service, name)
            if not known:
                yield f"there is no {action}"
                continue
            takes = {each["resource_arn_format"] for each in known[service]}
            # An action without resource types takes `*` alone; with them, `*` or one of them.
            fits = [arn for arn in given if arn == "*" or any(kind != "*" and _is_of(arn, kind) for kind in takes)]
            if not fits:
                yield f"{action} takes none of {', '.join(given)}, but {', '.join(sorted(takes))}"


def _is_of(arn: str, kind: str) -> bool:
    """Whether an ARN is of a kind. policy_sentry does not know wildcards after a colon, as those of log streams."""
    parts, kinds = arn.split(":"), kind.split(":")
    alike = len(parts) == len(kinds) and all(
        each.startswith("${") or each == part for each, part in zip(kinds, parts, strict=True)
    )
    return alike or bool(does_arn_match(arn, kind))


def main() -> int:
    """Print what is wrong. Returns 1 if anything is."""
    found = [
        f"{file.name}: {line}"
        for file in sorted(POLICIES.glob("*.json"))
        for line in (*of_parliament(rendered(file)), *of_policy_sentry(rendered(file)))
    ]
    print("\n".join(found) or "policies: nothing found")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
