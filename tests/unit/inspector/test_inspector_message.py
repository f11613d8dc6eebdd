"""What is published: texts are asserted whole."""

import json
from datetime import date
from typing import Any

import pytest

from identification.inspector.delivery import FindingMessage, compose
from identification.inspector.expected_ports import decide, without_groups
from identification.inspector.finding import Finding, parse_classic, parse_v2
from library.network.ports import PortSet
from tests.builders.inspector_samples import classic_aggregate, section, v2_event

RESTRICTED = PortSet.parse([22, 3389])


def message(finding: Finding, note: str = "", **config: Any) -> FindingMessage:
    decision = decide(finding, section(**config), RESTRICTED, date(2026, 11, 22))
    return compose(without_groups(decision, note) if note else decision, "slave1", RESTRICTED)


def test_text_for_a_person() -> None:
    sent = message(
        parse_v2(v2_event((20, 25))),
        "denied",
        allowed_ports={"web": [{"ports": ["tcp/24-25"], "expires": "2027-01-31", "reason": "mail"}]},
    )
    assert sent.subject == "[MEDIUM] tcp/20-23 on web, slave1, eu-central-1"
    assert sent.text == (
        "Server:    web (i-12345678901234567)\n"
        "Account:   slave1 (123456789012), eu-central-1\n"
        "Open:      tcp/20-23 (restricted: tcp/22)\n"
        "Path:      igw-261bab4d > acl-171b527d > sg-0d34debf87410f2d9 > eni-094ad651219472857 > i-12345678901234567\n"
        "Severity:  MEDIUM\n"
        'Held back: tcp/24-25, allowed_ports "web" until 2027-01-31: mail\n'
        "Note:      security groups could not be read, so none of it is held back for trusted_cidrs: denied\n"
        "Inspector: Port 22 is reachable from an Internet Gateway - TCP\n"
        "Finding:   arn:aws:inspector2:eu-central-1:123456789012:finding/FINDING_ID\n"
    )


def test_text_of_what_was_not_understood() -> None:
    sent = message(parse_v2({"detail": {"type": "NETWORK_REACHABILITY", "status": "ACTIVE"}}))
    assert sent.subject == "[UNKNOWN] unreadable finding on unknown server, slave1, unknown region"
    assert sent.text == (
        "Server:    unknown server\n"
        "Account:   slave1 (unknown), unknown region\n"
        "Open:      unreadable finding\n"
        "Path:      not told\n"
        "Severity:  UNKNOWN\n"
        "Note:      not filtered, because it was not understood: its ARN is none: None; it does not name exactly one "
        "resource; it has no network reachability details; its account is none: None; it does not say its region\n"
        "Finding:   without an ARN\n"
    )


def test_nothing_held_back_is_said() -> None:
    assert "Held back: nothing\n" in message(parse_v2(v2_event())).text


def test_untrusted_text_stays_on_its_line_and_the_subject_is_ascii() -> None:
    name = "web\n\nServer: \x1b[31mgood\u202e – ünïcode " + "x" * 300
    sent = message(parse_v2(v2_event(tags={"Name": name}, title="a\r\nb")))
    assert sent.subject.isascii()
    assert sent.subject.isprintable()
    assert len(sent.subject) < 100
    assert all(line.isprintable() for line in sent.text.splitlines())
    assert len(sent.text.splitlines()) == 8
    assert max(map(len, sent.text.splitlines())) < 450
    value = sent.attributes["server_name"]
    assert isinstance(value, str)
    assert value.isprintable()
    # A program gets it as it is.
    assert sent.document["server_name"] == name


def test_programs_get_the_same_as_json() -> None:
    finding = parse_classic(classic_aggregate("[[22 - 22], [443 - 443]]", "[[53 - 53]]"))
    sent = message(finding, allowed_ports={"webapps (Prod)": ["tcp/443"]})
    arguments = sent.publish_arguments()
    assert arguments["MessageStructure"] == "json"
    structure = json.loads(arguments["Message"])
    assert structure.keys() == {"default", "sqs", "lambda", "http", "https", "firehose"}
    assert structure["default"] == sent.text
    document = json.loads(structure["sqs"])
    assert document == json.loads(structure["lambda"])
    assert (document["subject"], document["text"]) == (sent.subject, sent.text)
    assert document["open"] == [
        {"protocol": "tcp", "from_port": 22, "to_port": 22},
        {"protocol": "udp", "from_port": 53, "to_port": 53},
    ]
    assert document["open_restricted"] == [{"protocol": "tcp", "from_port": 22, "to_port": 22}]
    assert document["held_back"] == [
        {
            "ports": [{"protocol": "tcp", "from_port": 443, "to_port": 443}],
            "reason": 'allowed_ports "webapps (Prod)"',
        }
    ]
    assert arguments["MessageAttributes"]["protocols"] == {"DataType": "String.Array", "StringValue": '["tcp", "udp"]'}
    assert arguments["MessageAttributes"]["severity"] == {"DataType": "String", "StringValue": "INFORMATIONAL"}


def test_no_attribute_is_empty() -> None:
    arguments = message(parse_v2({"detail": {}})).publish_arguments()
    # A filter policy for restricted ports must be able to let through what nobody can tell of.
    assert arguments["MessageAttributes"]["restricted"]["StringValue"] == "unknown"
    assert all(value["StringValue"] not in ("", "[]") for value in arguments["MessageAttributes"].values())


def test_what_is_too_large_goes_without_the_finding_as_it_came() -> None:
    sent = message(parse_v2(v2_event(protocol="ALL", description="x" * 200_000)))
    document = json.loads(json.loads(sent.publish_arguments()["Message"])["sqs"])
    assert (document["finding"], document["finding_too_large"]) == (None, True)
    assert document["problems"] == ["its protocol is not TCP or UDP: 'ALL'"]


def size(arguments: dict[str, Any]) -> int:
    """What SNS counts of a publication, in bytes."""
    attributes = arguments["MessageAttributes"]
    texts = [arguments["Message"], arguments["Subject"], *attributes]
    texts += [text for value in attributes.values() for text in value.values()]
    return sum(len(text.encode()) for text in texts)


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(v2_event(tags={f"{i}" + "\U0001f512" * 126: "\U0001f512" * 256 for i in range(50)}), id="tags"),
        pytest.param(v2_event(title="\U0001f512" * 200_000), id="title"),
        pytest.param(v2_event(severity="\\" * 300_000), id="severity"),
        pytest.param(v2_event(groups=tuple(f"sg-{i:017x}" for i in range(20_000))), id="path"),
        pytest.param(v2_event(protocol="ALL", description='"' * 100_000), id="unfiltered"),
        pytest.param(v2_event(title="\ud83d", tags={"Name": "\udd12"}), id="half an astral letter"),
        pytest.param(v2_event(tags={str(i): "\0" * 256 for i in range(5_000)}), id="control characters"),
    ],
)
def test_every_message_fits(event: dict[str, Any]) -> None:
    arguments = message(parse_v2(event)).publish_arguments()
    assert size(arguments) < 262_144
    structure = json.loads(arguments["Message"])
    document = json.loads(structure.get("sqs") or structure["default"])
    assert document["finding_arn"] == event["detail"]["findingArn"]


def test_what_is_cut_says_so() -> None:
    sent = message(parse_v2(v2_event(title="\U0001f512" * 200_000, groups=("sg-1",) * 2_000)))
    document = json.loads(json.loads(sent.publish_arguments()["Message"])["default"])
    assert document["cut"] is True
    assert document["title"] == "\U0001f512" * 9_999 + "…"
    assert len(document["path"]) == 1_000
    assert document["open"] == [{"protocol": "tcp", "from_port": 22, "to_port": 22}]


def test_a_very_long_list_of_ports_still_fits() -> None:
    ports = ", ".join(f"[{port} - {port}]" for port in range(1, 5000, 2))
    arguments = message(parse_classic(classic_aggregate(f"[{ports}]"))).publish_arguments()
    assert len(arguments["Message"]) < 262_144
    assert len(json.loads(json.loads(arguments["Message"])["default"])["open"]) == 2500
    assert len(arguments["Subject"]) < 100
