"""Backups of security groups in the main account's bucket.

An object is what DescribeSecurityGroups gave for the group, with one more key, `hammer`: the group's rules with their
ids and tags, why it was written, and what was going to be changed, so that a restore needs nothing else.

Beside them, under `closing/`, is which rules each change may have closed (`record_closing`). The journal says so too,
but others may be able to write that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from library.aws.failures import error_code
from library.errors import HammerError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_BACKUPS, _CLOSING = "security_groups/", "closing/"
_TIME = "%Y%m%dT%H%M%S.%fZ"


class BackupError(HammerError):
    """A backup is not what was written, or is none."""


@dataclass(frozen=True, slots=True, order=True)
class Backup:
    """Where a backup is, and of when.

    Attributes:
        written: in UTC.
    """

    written: datetime
    key: str


class Backups:
    """The backups in one bucket, in the main account and region."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def write(
        self, account_id: str, region: str, described: Mapping[str, Any], notes: Mapping[str, Any], now: datetime
    ) -> str:
        """Store a group, as DescribeSecurityGroups gave it, with Hammer's notes under the key `hammer`; read it back.

        Returns:
            The key.

        Raises:
            BackupError: what was read back is something else.
            ClientError, BotoCoreError: it could not be written or read.
        """
        key = f"{_folder(account_id, region)}{described['GroupId']}_{now.astimezone(UTC).strftime(_TIME)}.json"
        body = json.dumps({**described, "hammer": notes}, indent=2, sort_keys=True, default=str).encode()
        self._write_new(key, body)
        if self._read(key) != body:
            raise BackupError(f"backup s3://{self.bucket}/{key} reads back as something else")
        return key

    def list(self, account_id: str, region: str, group_id: str) -> list[Backup]:
        """The backups of a group, the newest first."""
        return [*self._listed(f"{_folder(account_id, region)}{group_id}_")]

    def read(self, key: str, group_id: str) -> dict[str, Any]:
        """A backup's object.

        Raises:
            BackupError: there is none with this key, or it is not one of this group.
            ClientError, BotoCoreError: it could not be read.
        """
        try:
            raw = json.loads(self._read(key))
        except ClientError as error:
            if error_code(error) in ("NoSuchKey", "404") or self._is_missing(key, error):
                raise BackupError(f"there is no backup s3://{self.bucket}/{key}") from error
            raise
        except (RecursionError, ValueError) as error:
            raise BackupError(f"s3://{self.bucket}/{key} is not JSON: {error}") from error
        if not isinstance(raw, dict) or raw.get("GroupId") != group_id or "IpPermissions" not in raw:
            raise BackupError(f"s3://{self.bucket}/{key} is not a backup of {group_id}")
        return raw

    def read_own(self, account_id: str, region: str, group_id: str, key: str) -> dict[str, Any]:
        """A backup's object, if its key is one of this very group, account and region.

        Raises:
            BackupError: it is not, or as `read` does.
            ClientError, BotoCoreError: it could not be read.
        """
        if not key:
            raise BackupError("no backup is named")
        if not is_key_of(key, account_id, region, group_id):
            raise BackupError(f"{key[:200]!r} is not a key of a backup of {group_id} in {account_id}, {region}")
        return self.read(key, group_id)

    def _is_missing(self, key: str, error: ClientError) -> bool:
        """Whether a refusal to read an object only means that there is none.

        To a caller who may list the bucket under some prefixes alone, S3 answers 403 for a key that does not exist, as
        GetObject has no prefix (S3 API Reference, GetObject). The host's role is such a caller; its listing tells.
        """
        if error_code(error) not in ("AccessDenied", "403"):
            return False
        try:
            listed = self._client.list_objects_v2(Bucket=self.bucket, Prefix=key)
        except ClientError:
            return False  # nothing is known: the refusal stands
        return all(entry["Key"] != key for entry in listed.get("Contents", ()))

    def record_closing(self, backup: str, rule_ids: Sequence[str]) -> None:
        """Store which rules a change is about to close, or may have closed.

        `backup` is the key of the backup from right before the change. A second call for the same backup replaces what
        the first one stored.

        Raises:
            ClientError, BotoCoreError: it could not be written.
        """
        folder, _, name = backup.removeprefix(_BACKUPS).rpartition("/")
        group_id, _, time = name.partition("_")
        body = json.dumps({"rules": [*rule_ids]}).encode()
        key = f"{_CLOSING}{folder}/{group_id}/{time}"
        if not self._write_new(key, body) and self._read(key) != body:
            self._client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")

    def _write_new(self, key: str, body: bytes) -> bool:
        """Store an object unless there is one with its key. Returns whether it was stored.

        There is one after a retry of a write that had succeeded unseen, too: whose it is, a comparison tells.
        """
        try:
            self._client.put_object(
                Bucket=self.bucket, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*"
            )
        except ClientError as error:
            if error_code(error) != "PreconditionFailed":
                raise
            return False
        return True

    def closed_since(self, account_id: str, region: str, backup: Backup, group_id: str) -> frozenset[str]:
        """The ids of the rules of a group that the changes since a backup closed, or may have closed.

        Raises:
            BackupError: what is stored is not as Hammer writes it.
            ClientError, BotoCoreError: it could not be read.
        """
        found: set[str] = set()
        for stored in self._listed(f"{_CLOSING}{account_id}/{region}/{group_id}/"):
            if stored.written < backup.written:
                continue
            try:
                found.update(map(str, json.loads(self._read(stored.key))["rules"]))
            except (KeyError, TypeError, ValueError) as error:
                raise BackupError(f"{stored.key} does not tell which rules were closed") from error
        return frozenset(found)

    def _listed(self, prefix: str) -> tuple[Backup, ...]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        found = [
            Backup(written_at(entry["Key"]) or entry["LastModified"].astimezone(UTC), entry["Key"])
            for page in pages
            for entry in page.get("Contents", ())
            if entry["Key"].endswith(".json")
        ]
        return tuple(sorted(found, reverse=True))

    def _read(self, key: str) -> bytes:
        return self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read()


def is_key_of(key: str, account_id: str, region: str, group_id: str) -> bool:
    """Whether a key is one of a backup of this very group."""
    return key.startswith(f"{_folder(account_id, region)}{group_id}_")


def is_of_hammer(key: str) -> bool:
    """Whether a key has the form of those that Hammer writes."""
    return written_at(key) is not None


def _folder(account_id: str, region: str) -> str:
    return f"{_BACKUPS}{account_id}/{region}/"


NEVER = datetime.min.replace(tzinfo=UTC)


def order_of(key: str) -> datetime:
    """The time in a key, to sort by; a key without one comes first."""
    return written_at(key) or NEVER


def written_at(key: str) -> datetime | None:
    """The time in a key; None where other tooling wrote it in a way of its own."""
    try:
        return datetime.strptime(re.split("[_/]", key)[-1].removesuffix(".json"), _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
