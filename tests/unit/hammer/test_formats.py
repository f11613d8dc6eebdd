"""The formats, each over the same list: whole texts, the public schemas, and names that mean harm."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from hammer import __version__
from hammer.formats import Format, render
from hammer.formats.csv_format import COLUMNS, safe_cell
from hammer.formats.report.view import view
from hammer.formats.table_format import console, show
from hammer.listing.controls import Control
from hammer.listing.issue import ChangeSince, ListingSource
from library.issues.history import PastOccurrence
from library.issues.issue import Status, Timestamps
from library.issues.schedule import Waiting
from library.security_groups.exposure import Exposure
from tests.builders.listings import (
    EVERYTHING,
    INTERNET,
    LISTED,
    NOW,
    SSH,
    UNTRUSTED_NAMES,
    a_listed_issue,
    a_listing,
    listing_of_untrusted_names,
    many_issues,
    opened_by,
)
from tests.ocsf_schema import mistakes
from tests.output_shapes import SHAPES
from tests.readme import schema_files

DATA = Path(__file__).parents[2] / "data"
EVERY_KIND = a_listing(
    a_listed_issue(SSH, LISTED, reachability=INTERNET, opened_by=opened_by(), ticket="OPS-1"),
    a_listed_issue(EVERYTHING, group_id="sg-2", region="us-gov-west-1", tags={}),
    a_listed_issue(LISTED, group_id="sg-3", status=Status.WHITELISTED),
    a_listed_issue(group_id="sg-4", status=Status.RESOLVED),
    a_listed_issue(group_id="sg-5", status=Status.CLOSED),
)


def csv_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_a_line_for_each_rule_and_source_and_ends_them_with_cr_and_lf() -> None:
    text = render(Format.CSV, a_listing(a_listed_issue(SSH, LISTED), a_listed_issue(EVERYTHING, group_id="sg-2")))
    assert text.count("\r\n") == text.count("\n") == 4
    rows = csv_rows(text)
    assert [(r["group_id"], r["protocol"], r["from_port"], r["source"], r["prefix_list_id"]) for r in rows] == [
        ("sg-0123456789abcdef0", "tcp", "22", "0.0.0.0/0", ""),
        ("sg-0123456789abcdef0", "tcp", "5432", "8.8.4.0/24", "pl-0123456789abcdef0"),
        ("sg-2", "all", "", "::/0", ""),
    ]
    assert rows[0]["account_id"] == "210987654321"
    assert rows[0]["identified"] == "2026-11-12T03:00:00+00:00"


def test_a_line_of_csv_says_all_that_is_known() -> None:
    issue = a_listed_issue(
        Exposure("udp", 500, 4500, "8.8.4.0/24", "open_partly"),
        status=Status.WHITELISTED,
        opened_by=opened_by(),
        reachability=INTERNET,
        due=NOW,
        ticket="OPS-1",
        exempt_until=date(2027, 1, 1),
        exempt_reason="a test",
        restored="by bo",
        controls=(Control("A", "1"), Control("B", "2")),
        tags={"b": "2", "a": "1"},
    )
    (row,) = csv_rows(render(Format.CSV, a_listing(issue)))
    assert row == {
        "account_id": "210987654321",
        "account_name": "shop",
        "region": "eu-west-1",
        "group_id": "sg-0123456789abcdef0",
        "group_name": "web",
        "vpc_id": "vpc-0123456789abcdef0",
        "issue_status": "whitelisted",
        "severity": "critical",
        "verdict": "internet",
        "group_exposure": "open_partly",
        "protocol": "udp",
        "from_port": "500",
        "to_port": "4500",
        "source": "8.8.4.0/24",
        "prefix_list_id": "",
        "rule_exposure": "open_partly",
        "owner": "ana",
        "opened_by": "arn:aws:iam::210987654321:user/bo",
        "opened_at": "2026-11-12T02:57:00+00:00",
        "identified": "2026-11-12T03:00:00+00:00",
        "reported": "2026-11-12T04:00:00+00:00",
        "due": "2026-11-22T03:00:00+00:00",
        "ticket": "OPS-1",
        "exempt_until": "2027-01-01",
        "exempt_reason": "a test",
        "restored": "by bo",
        "controls": "A/1; B/2",
        "tags": "a=1; b=2",
    }
    bare = a_listed_issue(EVERYTHING, status=Status.OPEN, timestamps=Timestamps())
    (row,) = csv_rows(render(Format.CSV, a_listing(bare)))
    unknown = ("from_port", "to_port", "opened_by", "opened_at", "identified", "reported", "due", "exempt_until")
    assert [row[name] for name in unknown] == [""] * len(unknown)


def test_csv_of_nothing_is_its_header() -> None:
    assert render(Format.CSV, a_listing()) == ",".join(f'"{name}"' for name in COLUMNS) + "\r\n"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        pytest.param("web", "web", id="harmless"),
        pytest.param("=1+1", "'=1+1", id="equals"),
        pytest.param("+1", "'+1", id="plus"),
        pytest.param("-1", "'-1", id="minus"),
        pytest.param("@SUM(1)", "'@SUM(1)", id="at"),
        pytest.param("  =1", "  '=1", id="after blanks"),
        pytest.param("a,=1;-2|@3", "a,'=1;'-2|'@3", id="after separators"),
        pytest.param("\uff1d1", "'\uff1d1", id="full width"),
        pytest.param("\t=1", "\\t=1", id="tab"),
        pytest.param("a\r\n=1", "a\\r\\n=1", id="line ends"),
        pytest.param("a-b 8.8.8.0/24", "a-b 8.8.8.0/24", id="in the middle"),
    ],
)
def test_no_cell_is_a_formula(text: str, cell: str) -> None:
    assert safe_cell(text) == cell


def test_no_untrusted_name_begins_a_cell_or_breaks_a_line_of_csv() -> None:
    text = render(Format.CSV, listing_of_untrusted_names())
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert not [cell for cell in cells if not all(char.isprintable() for char in cell)]
    assert len(text.splitlines()) == 1 + 2 * len(UNTRUSTED_NAMES)


def test_json_of_a_scan_is_what_the_contract_names() -> None:
    listing = a_listing(a_listed_issue(), source=ListingSource.SCAN)
    assert json.loads(render(Format.JSON, listing)) == {
        "scanned": [{"account_id": "210987654321", "region": "eu-west-1", "groups": 21, "whitelisted": 1}],
        "failed": [{"account_id": "210987654321", "region": "us-east-1", "reason": "role missing"}],
        "issues": [
            {
                "account_id": "210987654321",
                "group_id": "sg-0123456789abcdef0",
                "whitelisted": False,
                **a_listed_issue().details.to_item(),
            }
        ],
    }


def test_json_of_the_table_tells_more() -> None:
    listing = a_listing(a_listed_issue(status=Status.WHITELISTED, opened_by=opened_by(), ticket="OPS-1"))
    issue = json.loads(render(Format.JSON, listing))["issues"][0]
    assert {name: issue[name] for name in ("whitelisted", "issue_status", "severity", "owner", "ticket")} == {
        "whitelisted": True,
        "issue_status": "whitelisted",
        "severity": "high",
        "owner": "ana",
        "ticket": "OPS-1",
    }
    assert issue["opened_by"]["principal"] == "arn:aws:iam::210987654321:user/bo"
    assert issue["timestamps"]["identified"] == "2026-11-12T03:00:00+00:00"


def test_jsonl_is_one_object_a_line() -> None:
    lines = render(Format.JSONL, EVERY_KIND).splitlines()
    assert [json.loads(line)["group_id"] for line in lines] == [i.group_id for i in EVERY_KIND.issues]


@pytest.mark.parametrize("output_format", [Format.JSON, Format.JSONL, Format.ASFF, Format.OCSF])
def test_json_formats_are_ascii_and_keep_untrusted_names_as_they_are(output_format: Format) -> None:
    text = render(output_format, listing_of_untrusted_names())
    assert text.isascii()
    for line in text.splitlines() if output_format is Format.JSONL else [text]:
        json.loads(line)


def asff(listing: Any) -> list[dict[str, Any]]:
    return json.loads(render(Format.ASFF, listing))["Findings"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("listing", [EVERY_KIND, listing_of_untrusted_names()], ids=["every kind", "untrusted"])
def test_asff_is_what_security_hub_takes(listing: Any) -> None:
    model = botocore.session.get_session().get_service_model("securityhub").operation_model("BatchImportFindings")
    findings = asff(listing)
    assert model.input_shape is not None
    report = ParamValidator().validate({"Findings": findings}, model.input_shape)
    assert report.generate_report() == ""
    for finding in findings:
        texts = list(texts_of(finding))
        assert all(text.strip() for text in texts)  # NonEmptyString: .*\S.*
        assert len(finding["Title"]) <= 256
        assert len(finding["Description"]) <= 1024
        assert len(json.dumps(finding)) <= 240_000


def texts_of(value: Any) -> Any:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_of(inner)


def test_asff_of_each_status() -> None:
    shown = [
        (f["Compliance"]["Status"], f["RecordState"], f["FindingProviderFields"]["Severity"]["Label"], f["ProductArn"])
        for f in asff(EVERY_KIND)
    ]
    product = "arn:aws:securityhub:eu-west-1:210987654321:product/210987654321/default"
    assert shown == [
        ("FAILED", "ACTIVE", "CRITICAL", product),
        (
            "FAILED",
            "ACTIVE",
            "HIGH",
            "arn:aws-us-gov:securityhub:us-gov-west-1:210987654321:product/210987654321/default",
        ),
        ("WARNING", "ARCHIVED", "MEDIUM", product),
        ("PASSED", "ARCHIVED", "INFORMATIONAL", product),
        ("PASSED", "ARCHIVED", "INFORMATIONAL", product),
    ]


@pytest.mark.parametrize("listing", [EVERY_KIND, listing_of_untrusted_names()], ids=["every kind", "untrusted"])
def test_ocsf_is_compliance_findings_of_1_6(listing: Any) -> None:
    events = json.loads(render(Format.OCSF, listing))
    assert len(events) == len(listing.issues)
    for event in events:
        assert mistakes(event) == []
        assert (event["class_uid"], event["category_uid"], event["metadata"]["version"]) == (2003, 2, "1.6.0")
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]


def test_ocsf_of_each_status() -> None:
    events = json.loads(render(Format.OCSF, EVERY_KIND))
    assert [(e["severity"], e["status"], e["activity_name"], e["compliance"]["status"]) for e in events] == [
        ("Critical", "New", "Update", "Fail"),
        ("High", "New", "Update", "Fail"),
        ("Medium", "Suppressed", "Update", "Warning"),
        ("High", "Resolved", "Close", "Pass"),
        ("High", "Resolved", "Close", "Pass"),
    ]
    assert events[0]["time"] == int(NOW.timestamp() * 1000)


def table(listing: Any) -> str:
    text = io.StringIO()
    show(console(text), listing)
    return text.getvalue()


def test_a_table_in_a_file_cuts_no_cell() -> None:
    name = "a name of very many words " * 20
    text = table(a_listing(a_listed_issue(SSH, LISTED, name=name.strip())))
    assert name.strip() in text
    assert "tcp/5432 from pl-0123456789abcdef0 (8.8.4.0/24)" in text


def test_a_table_shows_untrusted_names_spelled_out() -> None:
    text = table(listing_of_untrusted_names())
    assert all(char.isprintable() for char in text.replace("\n", ""))
    assert "[31mred" in text


@pytest.mark.parametrize("output_format", [Format.ASFF, Format.OCSF])
def test_a_whole_finding_says_all_that_is_known(output_format: Format) -> None:
    known = a_listed_issue(SSH, LISTED, reachability=INTERNET, opened_by=opened_by(), ticket="OPS-1", due=NOW)
    exempt = a_listed_issue(
        EVERYTHING,
        group_id="sg-2",
        status=Status.WHITELISTED,
        exempt_until=date(2027, 1, 1),
        exempt_reason="a test",
        restored="by bo",
        owner="",
        tags={},
    )
    written = json.loads(render(output_format, a_listing(known, exempt)))
    if output_format is Format.OCSF:
        assert {event["metadata"]["product"].pop("version") for event in written} == {__version__}
    assert written == json.loads((DATA / f"listed-issues.{output_format}.json").read_text())


def test_what_is_missing_or_wrong_in_an_event_is_seen() -> None:
    event = json.loads(render(Format.OCSF, EVERY_KIND))[0]
    del event["finding_info"]["uid"]
    event |= {"status_id": 77, "colour": "red", "resources": {}}
    assert mistakes(event) == [
        "compliance_finding.status_id: 77 is none of ['1', '2', '3', '4', '5', '6']",
        "compliance_finding.finding_info.uid is missing",
        "compliance_finding.resources is no list",
        "compliance_finding.colour is not in the schema",
    ]


def test_html_is_one_small_file_that_allows_nothing_but_its_own_style_and_script() -> None:
    page = render(Format.HTML, a_listing(*many_issues(100)))
    assert len(page.encode()) < 300_000
    for tag in ("style", "script"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in page
    assert "default-src &#39;none&#39;" in page
    links = r'(?:src|href)="(?!#|https://(?:[a-z0-9-]+\.console\.aws\.amazon|jira\.example)\.com/)'
    assert re.findall(links, page) == []
    assert not re.search(r"\s(?:style|on[a-z]+)=", page)


def test_html_tells_that_a_group_is_opened_again_and_again_by_whom_and_what_manages_it() -> None:
    past = PastOccurrence(None, NOW - timedelta(days=2), "arn:aws:iam::210987654321:user/<b>ana</b>")
    tags = {"aws:cloudformation:stack-name": "web\x1b"}
    flapping = a_listed_issue(history=(past, past, replace(past, principal="")), opened_by=opened_by("bo"), tags=tags)
    facts = dict(view(flapping, 1, NOW).facts)
    assert facts["Opened again"] == "3 times in 7 days, by arn:aws:iam::210987654321:user/<b>ana</b> and bo"
    assert facts["Managed by"] == "CloudFormation stack web\\x1b: a change by hand will not last"
    assert "user/&lt;b&gt;ana&lt;/b&gt; and bo" in render(Format.HTML, a_listing(flapping))
    one_time = replace(flapping, history=(past,), details=a_listed_issue().details)
    assert {"Opened again", "Managed by"}.isdisjoint(dict(view(one_time, 1, NOW).facts))
    assert "Opened again" not in dict(view(replace(flapping, status=Status.RESOLVED), 1, NOW).facts)


def test_html_tells_what_is_missing_and_what_changed() -> None:
    listing = a_listing(a_listed_issue(), change=ChangeSince(date(2026, 11, 21), 7, 2, 1, 8))
    page = render(Format.HTML, listing)
    text = re.sub("</?span>", "", page)
    assert "Since 2026-11-21: 7 were open then; 2 new, 1 resolved. 8 are open now, 1 of them listed here." in text
    assert "<li>shop (210987654321), us-east-1: role missing</li>" in text
    assert "not the whole picture" not in render(Format.HTML, a_listing(failed=()))


def test_the_json_outputs_have_the_shapes_that_are_documented() -> None:
    listing = a_listing(
        *many_issues(12), a_listed_issue(status=Status.CLOSED, exempt_until=date(2027, 1, 1), opened_by=opened_by())
    )
    SHAPES["issues"].validate_json(render(Format.JSON, listing))
    SHAPES["scan"].validate_json(render(Format.JSON, replace(listing, source=ListingSource.SCAN)))
    for line in render(Format.JSONL, listing).splitlines():
        SHAPES["issue-line"].validate_json(line)


def test_a_list_with_exposures_that_are_due_later_has_the_shape_that_is_documented() -> None:
    issue = a_listed_issue(due=NOW)
    first, second = (Waiting(issue.details.perms[0], due) for due in (NOW + timedelta(days=7), None))
    listing = a_listing(replace(issue, waiting=(first, second)))
    SHAPES["issues"].validate_json(render(Format.JSON, listing))
    SHAPES["issue-line"].validate_json(render(Format.JSONL, listing))


def test_the_schemas_in_the_documents_are_those_of_the_code() -> None:
    assert {path: path.read_text() for path in schema_files()} == schema_files()


def test_each_sarif_result_has_a_file_and_a_line() -> None:
    # "expected a physical location": code scanning refuses the whole file for one result without (codeql-action#1738).
    results = json.loads(render(Format.SARIF, EVERY_KIND))["runs"][0]["results"]
    locations = [result["locations"][0]["physicalLocation"] for result in results]
    assert locations[1] == {
        "artifactLocation": {"uri": "210987654321/us-gov-west-1/sg-2"},
        "region": {"startLine": 1},
    }
    assert len({location["artifactLocation"]["uri"] for location in locations}) == len(results) == 3
