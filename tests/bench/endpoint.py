"""AWS from memory, for whole processes: `python -m tests.bench.endpoint GROUPS EXPOSED_PERCENT CONFIGURATION OWNER`.

It answers EC2's security groups (every account and region has the same; of OWNER, if it is not empty), STS, DynamoDB
(a table that takes every write, keeps what is set by key, and lists nothing) and S3 (the configuration, as JSON). It
prints its address and serves until its standard input closes. A GET of `/calls` answers with how often each operation
was called since it was last asked.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from tests.bench.groups import pages

_ASSUMED = (
    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA</AccessKeyId>"
    "<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
    "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
)
_LISTED = (
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>config.json</Key></Contents></ListBucketResult>"
)
_STORED: dict[str, dict[str, Any]] = {
    "GetItem": {"Item": {"searched": {"S": "2999-01-01T00:00:00+00:00"}}},  # what `library.aws.issue_table` asks
    "Query": {"Items": []},
    "BatchGetItem": {"Responses": {}, "UnprocessedKeys": {}},
}
# Reachability's describes: a region with groups and nothing that uses them.
_EMPTY = {
    "DescribeNetworkInterfaces": "networkInterfaceSet",
    "DescribeSubnets": "subnetSet",
    "DescribeVpcs": "vpcSet",
    "DescribeRouteTables": "routeTableSet",
    "DescribeNetworkAcls": "networkAclSet",
    "DescribeInternetGateways": "internetGatewaySet",
    "DescribeManagedPrefixLists": "prefixListSet",
    "DescribeInstances": "reservationSet",
}


_ITEMS: dict[str, dict[str, Any]] = {}
"""What UpdateItem set of each item, by its key: a scan looks whether another one began since it did."""


def _table_answer(operation: str, asked: dict[str, Any]) -> dict[str, Any]:
    """DynamoDB's answer, as far as a scan of a region with new issues needs it."""
    if operation not in ("GetItem", "UpdateItem"):
        return _STORED.get(operation, {})
    key = json.dumps(asked["Key"], sort_keys=True)
    if operation == "GetItem":
        return {"Item": _ITEMS[key]} if key in _ITEMS else _STORED[operation]
    item = _ITEMS.setdefault(key, {})
    for name, value in re.findall(r"(#\w+) = (:v\d+)", asked["UpdateExpression"]):
        item[asked["ExpressionAttributeNames"][name]] = asked["ExpressionAttributeValues"][value]
    return {}


def answer(method: str, path: str, target: str, body: bytes, groups: list[bytes], config: str) -> tuple[str, bytes]:
    """What one request is: the operation's name, and the answer to it."""
    if target:  # DynamoDB
        operation = target.rpartition(".")[2]
        return operation, json.dumps(_table_answer(operation, json.loads(body))).encode()
    if method == "GET":  # S3
        return ("ListObjectsV2", _LISTED.encode()) if "list-type" in path else ("GetObject", config.encode())
    asked = parse_qs(body.decode())
    operation = asked.get("Action", [""])[0]
    if operation == "DescribeSecurityGroups":
        return operation, groups[int(asked.get("NextToken", ["0"])[0])]
    if operation == "AssumeRole":
        return operation, _ASSUMED.encode()
    listed = _EMPTY.get(operation, "nothing")
    return operation, f"<{operation}Response><{listed}/></{operation}Response>".encode()


def main() -> None:
    """Serve."""
    groups, config = pages(int(sys.argv[1]), int(sys.argv[2]), sys.argv[4]), sys.argv[3]
    calls: Counter[str] = Counter()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer: the second of two waits 40 ms for a delayed acknowledgement

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            operation, content = answer(
                self.command, self.path, self.headers["X-Amz-Target"] or "", body, groups, config
            )
            with lock:
                calls[operation] += 1
            self._send(content)

        def do_GET(self) -> None:
            if self.path != "/calls":
                self.headers["Content-Length"] = "0"
                self.do_POST()
                return
            with lock:
                counted = json.dumps(calls)
                calls.clear()
            self._send(counted.encode())

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.0" if body[:1] == b"{" else "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
