"""The AWS SDK's data in a function's zip: the operations that it may call, and the same endpoints as the SDK's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.loaders import Loader
from botocore.session import Session as BotocoreSession

from deployment.package import allowed_operations, sdk_data

REGIONS = ("eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1", "eu-north-9")
SERVICES = ("dynamodb", "ec2", "elbv2", "s3", "sns", "sts")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data as it is in a zip, at the place of the SDK's own."""
    folder = tmp_path_factory.mktemp("botocore") / "data"
    for name, content in sdk_data(allowed_operations()).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def cut_down(folder: Path) -> BotocoreSession:
    """A session of a process that has no other data."""
    session = botocore.session.get_session()
    loader = Loader(extra_search_paths=[str(folder)], include_default_search_paths=False)
    session.register_component("data_loader", loader)
    return session


@pytest.fixture(autouse=True)
def no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints as AWS has them."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


def client(session: Any, service: str, region: str) -> Any:
    return session.create_client(service, region_name=region, aws_access_key_id="a", aws_secret_access_key="b")


def test_what_functions_may_call() -> None:
    operations = allowed_operations()
    assert operations["s3"] == {"GetObject", "ListObjectsV2"}
    assert operations["sns"] == {"Publish", "PublishBatch"}
    assert "TransactWriteItems" in operations["dynamodb"]
    assert {"DescribeSecurityGroups", "GetManagedPrefixListEntries"} <= operations["ec2"]
    assert "AuthorizeSecurityGroupIngress" not in operations["ec2"]


def test_it_is_small_and_no_service_of_a_policy_is_missing(folder: Path) -> None:
    assert sum(len(content) for content in sdk_data(allowed_operations()).values()) < 600_000
    here = {path.name for path in folder.iterdir() if path.is_dir()}
    assert here == set(allowed_operations())


@pytest.mark.parametrize("service", SERVICES)
def test_its_operations_are_those_of_the_sdk(folder: Path, service: str) -> None:
    cut = cut_down(folder).get_service_model(service)
    own = botocore.session.get_session().get_service_model(service)
    known = allowed_operations()[service] & set(own.operation_names)
    assert set(cut.operation_names) == known
    for name in known:
        for shape in ("input_shape", "output_shape"):
            assert described(getattr(cut.operation_model(name), shape)) == described(
                getattr(own.operation_model(name), shape)
            )


def described(shape: Any, within: tuple[str, ...] = ()) -> object:
    """A shape with all that is in it."""
    if shape is None or shape.name in within:
        return None
    inner = [described(shape.member, (*within, shape.name))] if shape.type_name == "list" else []
    members = shape.members.items() if shape.type_name == "structure" else ()
    return (
        shape.name,
        shape.type_name,
        shape.serialization,
        inner,
        [(name, described(member, (*within, shape.name))) for name, member in members],
    )


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("service", SERVICES)
def test_endpoints_are_those_of_the_sdk(folder: Path, service: str, region: str) -> None:
    cut, own = cut_down(folder), botocore.session.get_session()
    assert client(cut, service, region).meta.endpoint_url == client(own, service, region).meta.endpoint_url
    assert cut.get_partition_for_region(region) == own.get_partition_for_region(region)
