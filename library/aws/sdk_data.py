"""The data that the AWS SDK reads before it can make a client, cut down to what Hammer calls.

A Lambda function's zip brings such data beside this module (`deployment/sdk_data.py`). The SDK's own has 700 operations
of EC2 alone, lists 400 services, and takes a quarter of a cold start. Elsewhere the SDK's own is read.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import Loader, create_loader

from library.aws.foreign_answers import refuse_foreign_answers

if TYPE_CHECKING:
    from botocore.session import Session as BotocoreSession

FOLDER = Path(__file__).with_name("sdk_data")


class _CutDown:
    """A loader as botocore's. Data that was not brought along is the SDK's own."""

    def __init__(self, folder: Path) -> None:
        self._brought = Loader(extra_search_paths=[str(folder)], include_default_search_paths=False)
        self._services = {path.name for path in folder.iterdir() if path.is_dir()}

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        if service_name in self._services:
            try:
                return self._brought.load_service_model(service_name, type_name, api_version)
            except (DataNotFoundError, UnknownServiceError):
                pass
        return _sdks_own().load_service_model(service_name, type_name, api_version)

    def load_data(self, name: str) -> Any:
        return self.load_data_with_path(name)[0]

    def load_data_with_path(self, name: str) -> Any:
        try:
            return self._brought.load_data_with_path(name)
        except DataNotFoundError:
            return _sdks_own().load_data_with_path(name)

    def __getattr__(self, name: str) -> Any:
        return getattr(_sdks_own(), name)


@cache
def _sdks_own(search_path: str | None = None) -> Loader:
    return create_loader(search_path)


def sdk_session(folder: Path = FOLDER) -> BotocoreSession:
    """A new session from the standard SDK environment, with the data that was brought along, if any was.

    The sessions of a process share the SDK's own data, once it is read: that of EC2 takes 25 MiB and 0.1 s.
    """
    session = refuse_foreign_answers(botocore.session.get_session())
    own = _sdks_own(session.get_config_variable("data_path"))
    session.register_component("data_loader", _CutDown(folder) if folder.is_dir() else own)
    return session
