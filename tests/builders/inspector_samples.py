"""Inspector's samples (tests/data/inspector-*.json, shapes from AWS's API reference), and variations of them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from library.config import Inspector

_DATA = Path(__file__).parents[1] / "data"

ACCOUNT = "123456789012"
V2_GROUP = "sg-0d34debf87410f2d9"
V2_INSTANCE = "i-12345678901234567"


def _read(name: str) -> Any:
    return json.loads((_DATA / name).read_text(encoding="utf-8"))


_V2 = _read("inspector2-event.json")
_CLASSIC = _read("inspector-classic-findings.json")["findings"]
_NOTIFICATION = json.loads(_read("inspector-classic-sns.json")["Records"][0]["Sns"]["Message"])


def v2_event(
    ports: tuple[int, int] = (22, 22),
    protocol: str = "TCP",
    tags: dict[str, str] | None = None,
    *,
    finding_id: str = "FINDING_ID",
    receiver: str = ACCOUNT,
    account: str = ACCOUNT,
    groups: tuple[str, ...] = (V2_GROUP,),
    **detail: Any,
) -> dict[str, Any]:
    """The sample event with other ports, tags or parts of its detail. `receiver` is whose event bus got it."""
    event: dict[str, Any] = copy.deepcopy(_V2)
    event["account"] = receiver
    found = event["detail"]
    found["awsAccountId"] = account
    found["findingArn"] = f"arn:aws:inspector2:eu-central-1:{account}:finding/{finding_id}"
    found["networkReachabilityDetails"]["openPortRange"] = {"begin": ports[0], "end": ports[1]}
    found["networkReachabilityDetails"]["protocol"] = protocol
    steps = found["networkReachabilityDetails"]["networkPath"]["steps"]
    steps[2:3] = [{"componentId": group, "componentType": "AWS::EC2::SecurityGroup"} for group in groups]
    if tags is not None:
        found["resources"][0]["tags"] = tags
    found.update(detail)
    return event


def classic_port() -> dict[str, Any]:
    """The sample finding about one port."""
    finding: dict[str, Any] = copy.deepcopy(_CLASSIC[0])
    return finding


def classic_aggregate(tcp: str = "[]", udp: str = "[]", name: str = "webapps (Prod)") -> dict[str, Any]:
    """The sample finding about several ports, with these."""
    finding: dict[str, Any] = copy.deepcopy(_CLASSIC[1])
    for attribute in finding["attributes"]:
        attribute["value"] = {"TCP_PORTS": tcp, "UDP_PORTS": udp}.get(attribute["key"], attribute["value"])
    finding["assetAttributes"]["tags"] = [{"key": "Name", "value": name}]
    return finding


def classic_with(**attributes: str | None) -> dict[str, Any]:
    """The sample finding about one port with other attributes; None: without it."""
    finding = classic_port()
    kept = [entry for entry in finding["attributes"] if entry["key"] not in attributes]
    changed = [{"key": key, "value": value} for key, value in attributes.items() if value is not None]
    finding["attributes"] = kept + changed
    return finding


def classic_notification(arn: str = "") -> dict[str, Any]:
    """The sample notification, of this finding."""
    return {**_NOTIFICATION, **({"finding": arn} if arn else {})}


def sns(*messages: object) -> dict[str, Any]:
    """An SNS event with a record for each message; a text goes as it is."""
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "Sns": {
                    "Type": "Notification",
                    "Message": message if isinstance(message, str) else json.dumps(message),
                },
            }
            for message in messages
        ]
    }


def section(**values: Any) -> Inspector:
    """The configuration's section `inspector`."""
    return Inspector.model_validate(values)
