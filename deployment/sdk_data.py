"""Cuts the AWS SDK's data down to what the functions may call: `library.aws.sdk_data` says why.

What they may call is what their IAM policies allow, which the tests hold against every call that is made.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

POLICIES = Path(__file__).with_name("policies")
FUNCTION_POLICIES = (
    "identification-in-account",
    "identification-in-main",
    "immediate-sender-in-main",
    "lookup-events-in-account",
    "organization-in-main",
)

# Where an action of IAM is not an operation of the same name (Service Authorization Reference).
_OPERATIONS = {
    "s3:ListBucket": ("ListObjectsV2",),
    "sns:Publish": ("Publish", "PublishBatch"),
    "sqs:SendMessage": ("SendMessage", "SendMessageBatch"),
}
# The services of the SDK, where IAM's prefix is not the name of one.
_SERVICES = {"elasticloadbalancing": ("elb", "elbv2")}
_SHARED = ("endpoints", "partitions", "sdk-default-configuration", "_retry")
_TYPES = ("endpoint-rule-set-1", "paginators-1", "paginators-1.sdk-extras", "service-2.sdk-extras")


def allowed_operations(policies: Iterable[str] = FUNCTION_POLICIES) -> dict[str, set[str]]:
    """The operations that IAM policies allow, by service; patterns among them do not count."""
    operations: dict[str, set[str]] = {}
    for name in policies:
        for statement in json.loads((POLICIES / f"{name}.json").read_text("utf-8"))["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            for action in actions:
                service, _, operation = action.partition(":")
                for known_as in _SERVICES.get(service, (service,)):
                    operations.setdefault(known_as, set()).update(_OPERATIONS.get(action, (operation,)))
    return operations


def sdk_data(operations: Mapping[str, Iterable[str]]) -> dict[str, bytes]:
    """The files of the cut-down data, by their names below its folder.

    Args:
        operations: the operations to keep, by service. A service that the SDK does not know under the name is left
            out, and so is an operation: then the SDK's own data is read.
    """
    data = Path(str(resources.files("botocore"))) / "data"
    files = {name: _read(data, name) for name in _SHARED}
    services = [service for service in sorted(operations) if (data / service).is_dir()]
    for partition in files["endpoints"]["partitions"]:
        known = partition["services"]
        partition["services"] = {name: known[name] for name in (*services, *_SERVICES) if name in known}
    for service in services:
        version = max(path.name for path in (data / service).iterdir() if path.is_dir())
        folder = f"{service}/{version}"
        files |= {f"{folder}/{name}": _read(data, f"{folder}/{name}") for name in _TYPES}
        files[f"{folder}/service-2"] = _cut(_read(data, f"{folder}/service-2"), operations[service])
    return {
        f"{name}.json": json.dumps(content, separators=(",", ":")).encode()
        for name, content in files.items()
        if content is not None
    }


def _read(data: Path, name: str) -> Any:
    plain, packed = data / f"{name}.json", data / f"{name}.json.gz"
    if packed.is_file():
        return json.loads(gzip.decompress(packed.read_bytes()))
    return json.loads(plain.read_bytes()) if plain.is_file() else None


def _cut(model: dict[str, Any], operations: Iterable[str]) -> dict[str, Any]:
    """A service's model with these operations, the shapes that they use, and no documentation."""
    kept = {name: model["operations"][name] for name in sorted(operations) if name in model["operations"]}
    shapes: dict[str, Any] = {}
    waiting = list(_shapes_in(kept))
    while waiting:
        name = waiting.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            waiting += _shapes_in(shapes[name])
    return model | {"operations": _undocumented(kept), "shapes": _undocumented(shapes)}


def _shapes_in(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("shape"), str):
            yield value["shape"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _shapes_in(each)


def _undocumented(value: Any) -> Any:
    if isinstance(value, dict):
        # Some structures have a member of that name, which is a dictionary.
        return {
            key: _undocumented(each)
            for key, each in value.items()
            if not (key == "documentation" and isinstance(each, str))
        }
    return [_undocumented(each) for each in value] if isinstance(value, list) else value
