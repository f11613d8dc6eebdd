"""A backup that does not exist: S3 says 404, or 403 to a role that may list some prefixes alone, as the host's."""

from __future__ import annotations

from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from remediation.backups import BackupError, Backups

KEY = "security_groups/123456789012/eu-west-1/sg-1_20261129T080000Z.json"


class Bucket:
    """What a bucket answers about one key."""

    def __init__(self, code: str, listed: list[str] | None) -> None:
        self._code, self._listed = code, listed

    def get_object(self, **_: str) -> Any:
        raise ClientError({"Error": {"Code": self._code, "Message": "no"}}, "GetObject")

    def list_objects_v2(self, **asked: str) -> Any:
        assert asked["Prefix"] == KEY
        if self._listed is None:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectsV2")
        return {"Contents": [{"Key": key} for key in self._listed]} if self._listed else {}


def read(code: str, listed: list[str] | None) -> None:
    Backups(cast(Any, Bucket(code, listed)), "bucket").read(KEY, "sg-1")


@pytest.mark.parametrize(
    ("code", "listed"),
    [("NoSuchKey", None), ("AccessDenied", []), ("AccessDenied", [KEY + ".json"]), ("403", [])],
    ids=["404", "403 and not listed", "403 and another is listed", "a bare 403"],
)
def test_there_is_none(code: str, listed: list[str] | None) -> None:
    with pytest.raises(BackupError, match="there is no backup s3://bucket/security_groups/"):
        read(code, listed)


@pytest.mark.parametrize("listed", [[KEY], None], ids=["it is there", "nobody knows"])
def test_it_may_not_be_read(listed: list[str] | None) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        read("AccessDenied", listed)
