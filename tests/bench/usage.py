"""What reading flow logs costs: CPU and memory for objects of a busy VPC, few lines of which are wanted.

One object is read again and again, as if it were many: what counts is the work for a stored byte.
"""

from __future__ import annotations

import gzip
import random
import sys
import time
from io import BytesIO

from identification.flow_logs.evidence import Evidence, Interface
from identification.flow_logs.records import Wanted, packed_address, read_text_object
from library.network.intervals import IntervalSet
from tests.bench.measure import Command, Report

STORED_MB = 2000
SAMPLE_LINES = 200_000
INTERFACES = 200
MAX_CPU_S = 120.0
MAX_MEMORY_MIB = 150.0
_WANTED = "eni-0aa1234567890abcd"
_HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)


def an_object(lines: int = SAMPLE_LINES) -> bytes:
    """A plain-text object in which one of many interfaces is the wanted one."""
    chance = random.Random(1)  # noqa: S311 - a sample, always the same
    rows = [_HEADER]
    for _ in range(lines):
        number = chance.randrange(INTERFACES)
        interface = _WANTED if not number else f"eni-0bb{number:014x}"
        source = ".".join(str(chance.randrange(1, 224)) for _ in range(4))
        sizes = f"{chance.randrange(1, 60)} {chance.randrange(60, 9000)} {1795168800 + chance.randrange(3600)}"
        ports = f"{chance.randrange(1024, 65535)} 22 6"
        rows.append(f"2 123456789012 {interface} {source} 10.0.1.5 {ports} {sizes} 1795172400 ACCEPT OK")
    return gzip.compress("\n".join([*rows, ""]).encode(), 6)


def usage(report: Report) -> None:
    """Read objects for a tenth of a run's limit, in a process of its own, and tell what the whole of it would take."""
    report.heading(f"usage: {STORED_MB:,} MB of stored flow logs, {INTERFACES} interfaces, one of them wanted")
    reading = Command([sys.executable, "-m", "tests.bench.usage"], {})
    report.figure("CPU, s", float(reading.output()), MAX_CPU_S)
    report.figure("memory, MiB", reading.run().memory, MAX_MEMORY_MIB)


def main() -> None:
    """Read objects, and print the seconds of CPU that all of a run's limit would take."""
    data = an_object()
    interface = Interface(_WANTED, addresses=frozenset([packed_address("10.0.1.5")]))
    evidence = Evidence(IntervalSet.of([(22, 22)]))
    number = evidence.number(_WANTED)
    times = max(STORED_MB * 100_000 // len(data), 1)
    begun = time.process_time()
    for _ in range(times):
        read_text_object(
            BytesIO(data), Wanted([_WANTED]), lambda record: evidence.add(record, interface, number), lambda _: None
        )
    took = time.process_time() - begun
    print(took * STORED_MB * 1_000_000 / (times * len(data)))


if __name__ == "__main__":
    main()
