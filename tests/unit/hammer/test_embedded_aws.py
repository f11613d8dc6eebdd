"""The demo must never reach a real AWS, whatever the environment it is started in."""

from __future__ import annotations

import pytest

from hammer.embedded_aws import EmbeddedAws, without_other_ways


@pytest.mark.parametrize(
    "name",
    [
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL_EC2",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_ROLE_ARN",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_USE_FIPS_ENDPOINT",
        "BOTO_CONFIG",
        "HAMMER_PROFILE",
        "HTTPS_PROXY",
        "http_proxy",
    ],
)
def test_nothing_else_tells_the_sdk_where_to_go(name: str) -> None:
    assert without_other_ways({name: "elsewhere", "PATH": "/bin"}) == {"PATH": "/bin"}


def test_its_own_environment_is_complete() -> None:
    assert EmbeddedAws("http://127.0.0.1:1", 1).environment("eu-west-1") == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "embedded",
        "AWS_SECRET_ACCESS_KEY": "embedded",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
