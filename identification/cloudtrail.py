"""A call of an API as CloudTrail records it and EventBridge brings it.

Pure. CloudTrail writes one call in several shapes: a list as `{"items": [...]}`, one member in place of a list, names
of parameters that begin with capitals, numbers as text. The readers here take all of them. The shapes, and where they
were seen, are in `tests/data/cloudtrail-events.json`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from identification.errors import MalformedEventError
from library.documents.text import shortened

TEXT_LIMIT = 512
"""Characters of each text that travels with a hint. CloudTrail itself cuts user agents at 1 KB."""

_EC2 = "ec2.amazonaws.com"

GROUP_CALLS = frozenset(
    {
        "AuthorizeSecurityGroupIngress",
        "RevokeSecurityGroupIngress",
        "ModifySecurityGroupRules",
        "CreateSecurityGroup",
        "DeleteSecurityGroup",
    }
)
PREFIX_LIST_CALLS = frozenset({"ModifyManagedPrefixList", "RestoreManagedPrefixListVersion"})
REACHABILITY_CALLS = frozenset(
    {
        "RunInstances",
        "CreateNetworkInterface",
        "ModifyNetworkInterfaceAttribute",
        "AssociateAddress",
        "DisassociateAddress",
        "CreateRoute",
        "ReplaceRoute",
        "DeleteRoute",
        "ReplaceNetworkAclEntry",
        "CreateNetworkAclEntry",
        "DeleteNetworkAclEntry",
        "ModifyVpcBlockPublicAccessOptions",
        "AssociateSecurityGroupVpc",
    }
)


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call of an API, as CloudTrail recorded it.

    Attributes:
        account_id: the event's own account, also where another bus or a service brought it.
        region: the event's own region.
        name: the operation.
        detail: CloudTrail's record. Every text in it is hostile.
    """

    account_id: str
    region: str
    name: str
    detail: Mapping[str, Any]

    @property
    def is_relevant(self) -> bool:
        """Whether it changed groups, or who can reach them. A call that failed changed nothing."""
        if value_of(self.detail, "eventSource") not in (_EC2, None) or value_of(self.detail, "errorCode"):
            return False
        return self.name in GROUP_CALLS | PREFIX_LIST_CALLS | REACHABILITY_CALLS


def parse_call(event: object) -> ApiCall:
    """Read an event of EventBridge.

    Raises:
        MalformedEventError: it is no record of CloudTrail with an account, a region and an operation.
    """
    detail = event.get("detail") if isinstance(event, Mapping) else None
    if not isinstance(event, Mapping) or not isinstance(detail, Mapping):
        raise MalformedEventError(f"not an event of CloudTrail: {event!r:.500}")
    account_id, region, name = event.get("account"), event.get("region"), detail.get("eventName")
    if not isinstance(account_id, str) or not re.fullmatch(r"[0-9]{12}", account_id):
        raise MalformedEventError(f"an event without an account: {event!r:.500}")
    if not isinstance(region, str) or not re.fullmatch(r"[a-z]{2,}(-[a-z0-9]+)+", region):
        raise MalformedEventError(f"an event without a region: {event!r:.500}")
    if not isinstance(name, str) or not name:
        raise MalformedEventError(f"an event without the name of a call: {event!r:.500}")
    return ApiCall(account_id, region, name, detail)


def request_of(call: ApiCall) -> Mapping[str, Any]:
    """The parameters of a call. Newer operations have them nested in `<operation>Request`."""
    parameters = map_of(value_of(call.detail, "requestParameters"))
    nested = value_of(parameters, f"{call.name}Request")
    return nested if isinstance(nested, Mapping) else parameters


def value_of(raw: Mapping[str, Any], name: str) -> Any:
    """A member by its name, whose case differs between operations; None: there is none."""
    if name in raw:
        return raw[name]
    lowered = name.lower()
    return next((value for key, value in raw.items() if key.lower() == lowered), None)


def text_of(raw: Mapping[str, Any], name: str) -> str:
    """A member that is text, or a whole number such as a protocol's; empty: there is none."""
    value = value_of(raw, name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def map_of(value: object) -> Mapping[str, Any]:
    """A value that is a map; an empty one in place of anything else."""
    return value if isinstance(value, Mapping) else {}


def members_of(value: object) -> list[Mapping[str, Any]]:
    """The maps of a list, which may be in a member `items` or `item`, or a single map in place of a list."""
    if isinstance(value, Mapping):
        listed = value_of(value, "items")
        listed = value_of(value, "item") if listed is None else listed
        if listed is None:
            return [value]
        return members_of(listed)
    return [member for member in value if isinstance(member, Mapping)] if isinstance(value, list) else []


def shown(text: str) -> str:
    """Hostile text that any store takes: cut, and without halves of characters."""
    return shortened(text, TEXT_LIMIT).encode("utf-8", "backslashreplace").decode("utf-8")
