"""The query of docs/use.md gives the totals that the job works with. An embedded SQL engine runs its text."""

from __future__ import annotations

import sqlite3
from ipaddress import ip_address
from pathlib import Path

from identification.flow_logs.records import FlowRecord
from tests.builders.flow_records import ENI, SSH, evidence_of, refused, talk
from tests.readme import part_of

DOCUMENT = Path(__file__).parents[3] / "docs" / "use.md"
COLUMNS = (
    "interface_id TEXT, srcaddr TEXT, dstaddr TEXT, srcport INT, dstport INT, protocol INT, packets INT, bytes INT, "
    '"start" INT, "end" INT, action TEXT, log_status TEXT'
)


def query() -> str:
    text = part_of(DOCUMENT.read_text("utf-8"), "athena").removeprefix("```sql\n").removesuffix("\n```")
    return text.replace("eni-0123456789abcdef0", ENI).replace("1795168800", "0")


def row(record: FlowRecord) -> tuple[object, ...]:
    ends = (str(ip_address(record.srcaddr)), str(ip_address(record.dstaddr)), record.srcport, record.dstport)
    sizes = (record.packets, record.bytes, record.start, record.end)
    return (record.interface_id, *ends, record.protocol, *sizes, record.action, record.log_status)


def test_the_query_gives_the_same_totals() -> None:
    records = [
        *talk("9.9.9.7", 30, 20, hours_ago=20),
        *talk("9.9.9.7", 30, 40, hours_ago=4),
        *talk("8.8.8.8", 2, 2),
        *refused("8.8.8.8", 22, 23),
        *talk("8.8.8.8", 9, 9, interface="eni-another"),
    ]
    database = sqlite3.connect(":memory:")
    database.execute(f"CREATE TABLE vpc_flow_logs ({COLUMNS})")
    database.executemany("INSERT INTO vpc_flow_logs VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", map(row, records))
    found = database.execute(query()).fetchall()
    database.close()
    accepted = {(line[1] if line[4] == 22 else line[2]): 0 for line in found if line[6] == "ACCEPT"}
    for line in found:
        if line[6] == "ACCEPT":
            accepted[line[1] if line[4] == 22 else line[2]] += line[7]
    evidence = evidence_of([each for each in records if each.interface_id == ENI], (SSH,))
    contacts = {str(ip_address(each.source)): each.packets for each in evidence.contacts(0, 2**31) if each.grade}
    assert accepted == contacts
    assert sum(line[11] for line in found) == len(records) - 2
