"""Where a configuration is found, and how its files become one value.

`load_configuration` reads a folder or S3; `parse_configuration` is pure. "Could not read" is never "nothing there":
folder and prefix are listed first, and a file that is listed must be readable.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from library.config.closing import unknown_accounts
from library.config.json_text import read_json
from library.config.models import ConfigFile, Configuration
from library.config.problems import ConfigurationError, Problem, kind, path_text
from library.config.raw import TextError, without_comments
from library.config.ticket_owners import TicketOwners
from library.config.unknown_files import misnamed
from library.config.whitelist import Whitelist
from library.documents.text import printable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from library.config.section import ConfigSection, Mistakes

Files = Mapping[str, tuple[str, bytes]]
"""What was read: `config`, `whitelist` and `ticket_owners`, those there are, to file name and content."""

FILES: dict[str, type[ConfigSection]] = {"config": ConfigFile, "whitelist": Whitelist, "ticket_owners": TicketOwners}
SUFFIXES = (".json", ".yaml", ".yml")

_LOG = logging.getLogger(__name__)
_S3 = "s3://"
_BYTE_ORDER_MARK = "\ufeff"
# The one key beside the models' that is no mistake, at the top of a file: it tells an editor where the schema is.
_SCHEMA_KEY = "$schema"


def configuration_place(option: str | None, environment: Mapping[str, str]) -> str:
    """Where the configuration is: what `--config` says, else HAMMER_CONFIG, else `./config`."""
    return option or environment.get("HAMMER_CONFIG") or "./config"


def load_configuration(place: str, *, s3_client: Callable[[], S3Client] | None = None) -> Configuration:
    """Read and validate a configuration.

    Args:
        place: a folder, or `s3://bucket/prefix`.
        s3_client: makes the client for S3; called only for a place there. None: the standard one.

    Raises:
        ConfigurationError: a file could not be read, or the configuration has mistakes.
    """
    problems: list[Problem] = []
    in_s3 = place.startswith(_S3)
    files = _files_in_s3(place, s3_client, problems) if in_s3 else _files_in_folder(place, problems)
    return _validated(files, problems, place)


def parse_configuration(files: Files) -> Configuration:
    """Validate a configuration that was read already.

    Raises:
        ConfigurationError: it has mistakes.
    """
    return _validated(files, [], "")


def _files_in_folder(place: str, problems: list[Problem]) -> Files:
    try:
        paths = {path.name: path for path in Path(place).iterdir()}
    except FileNotFoundError:
        raise ConfigurationError([Problem(place, "", "there is no such folder")]) from None
    except NotADirectoryError:
        raise ConfigurationError([Problem(place, "", "is not a folder: name the one that has it")]) from None
    except (OSError, ValueError) as error:
        raise ConfigurationError([Problem(place, "", _unreadable(error))]) from error
    files: dict[str, tuple[str, bytes]] = {}
    for stem, name in _chosen(paths, problems):
        try:
            files[stem] = (name, paths[name].read_bytes())
        except OSError as error:
            problems.append(Problem(name, "", _unreadable(error)))
    return files


def _files_in_s3(place: str, s3_client: Callable[[], S3Client] | None, problems: list[Problem]) -> Files:
    # Only a configuration in S3 needs the SDK; it is there wherever one is read from S3.
    from library.aws.failures import AWS_ERRORS, explain  # noqa: PLC0415

    bucket, _, prefix = place.removeprefix(_S3).partition("/")
    prefix = f"{prefix.rstrip('/')}/".lstrip("/")
    if not bucket:
        raise ConfigurationError([Problem(place, "", "names no bucket: write s3://bucket/prefix")])
    try:
        client = (s3_client or _standard_s3_client)()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        names = [item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", ())]
    except AWS_ERRORS as error:
        raise ConfigurationError([Problem(place, "", f"cannot be read: {explain(error)}")]) from error
    files: dict[str, tuple[str, bytes]] = {}
    for stem, name in _chosen(names, problems):
        try:
            files[stem] = (name, client.get_object(Bucket=bucket, Key=f"{prefix}{name}")["Body"].read())
        except AWS_ERRORS as error:
            problems.append(Problem(name, "", f"cannot be read: {explain(error)}"))
    return files


def _standard_s3_client() -> S3Client:
    import boto3  # noqa: PLC0415 - a Lambda does without boto3, and its import is a tenth of a cold start

    return boto3.client("s3")


def _unreadable(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return f"cannot be read: {reason or error}"


def _chosen(names: Iterable[str], problems: list[Problem]) -> Iterator[tuple[str, str]]:
    """The files of a configuration among the names in its folder, as pairs of what it is and its name."""
    there = set(names)
    for stem in FILES:
        found = [f"{stem}{suffix}" for suffix in SUFFIXES if f"{stem}{suffix}" in there]
        if len(found) == 1:
            yield stem, found[0]
        elif found:
            problems.append(Problem(found[0], "", f"is there as {' and '.join(found[1:])} too: keep one of them"))
    resembling, others = misnamed(there, FILES, SUFFIXES)
    problems += [
        Problem(name, "", f"is not a file of a configuration: rename it to {meant}, or move it elsewhere")
        for name, meant in resembling.items()
    ]
    if others:
        _LOG.warning("Not read, because a configuration has no such files: %s", printable(", ".join(others)))


def _validated(files: Files, problems: list[Problem], place: str) -> Configuration:
    """The configuration, unless there are problems, those found before among them."""
    if "config" not in files and not any(Path(problem.file).stem == "config" for problem in problems):
        names = ", ".join(f"config{suffix}" for suffix in SUFFIXES)
        problems.append(Problem(place or "config", "", f"the file config is missing: one of {names}"))
    parts: dict[str, Any] = {}
    for stem, model in FILES.items():
        if stem in files:
            name, content = files[stem]
            parts[stem], mistakes = _parsed(name, content, model)
            problems += [Problem(name, path_text(location), message) for location, message in mistakes]
    if problems:
        raise ConfigurationError(problems)
    return Configuration(**vars(parts.pop("config")), **parts)


def _parsed(name: str, content: bytes, model: type[ConfigSection]) -> tuple[ConfigSection | None, Mistakes]:
    """One file as a value, or None; and the mistakes in it."""
    mistakes: Mistakes = []
    try:
        data = without_comments(_decoded(name, content), mistakes)
    except TextError as error:
        return None, [((), str(error))]
    except RecursionError:
        return None, [((), "is nested too deeply")]
    if not isinstance(data, dict):
        return None, [((), f"must be a section with keys at its top, not {kind(data)}")]
    data.pop(_SCHEMA_KEY, None)
    if model is ConfigFile:
        mistakes += unknown_accounts(data)
    return model.read(data, (), mistakes), mistakes


def _decoded(name: str, content: bytes) -> Any:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TextError(f"is not UTF-8: byte {error.start + 1} is wrong") from None
    if text.startswith(_BYTE_ORDER_MARK):
        raise TextError("begins with a byte order mark: save it as UTF-8 without one")
    if name.endswith(".json"):
        return read_json(text)
    # PyYAML costs 15 ms to import, and most configurations are JSON.
    from library.config.yaml_text import read_yaml  # noqa: PLC0415

    return read_yaml(text)
