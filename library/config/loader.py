"""Where a configuration is found, how its files are read, and how they become one value.

`load_configuration` reads a folder or S3; `parse_configuration` is given the files. From the top: which files there
are, and the models that validate what they say; `text.py` reads their JSON and YAML. "Could not read" is never "nothing
there": folder and prefix are listed first, and a file that is listed must be readable.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from library.aws.failures import AWS_ERRORS, explain
from library.aws.session import SdkSettingsError, active_accounts, sdk_client, sdk_session
from library.config.errors import ConfigurationError, Problem, explained, kind, path_text
from library.config.models import (
    ConfigFile,
    Configuration,
    TicketOwners,
    Whitelist,
    public_replacements,
    unknown_accounts,
)
from library.config.text import Mistake, TextError, read_json, without_comments
from library.config.types import Section
from library.documents.text import printable

if TYPE_CHECKING:
    from types_boto3_organizations import OrganizationsClient
    from types_boto3_s3 import S3Client

    from library.aws.session import Sessions

Files = Mapping[str, tuple[str, bytes]]
"""What was read: `config`, `whitelist` and `ticket_owners`, those there are, to file name and content."""

FILES: dict[str, type[Section]] = {"config": ConfigFile, "whitelist": Whitelist, "ticket_owners": TicketOwners}
SUFFIXES = (".json", ".yaml", ".yml")

_LOG = logging.getLogger(__name__)
_S3 = "s3://"
_BYTE_ORDER_MARK = "\ufeff"
# The one key beside the models' that is no mistake, at the top of a file: it tells an editor where the schema is.
_SCHEMA_KEY = "$schema"


def configuration_uri(option: str | None, environment: Mapping[str, str]) -> str:
    """Where the configuration is: what `--config` says, else HAMMER_CONFIG, else `./config`."""
    return option or environment.get("HAMMER_CONFIG") or "./config"


def load_configuration(uri: str, *, s3_client: Callable[[], S3Client] | None = None) -> Configuration:
    """Read and validate a configuration from a folder, or from `s3://bucket/prefix`.

    `s3_client` is called only for a place in S3; None: the standard client.

    Raises:
        ConfigurationError: a file could not be read, or the configuration has mistakes.
    """
    problems: list[Problem] = []
    in_s3 = uri.startswith(_S3)
    files = _files_in_s3(uri, s3_client, problems) if in_s3 else _files_in_folder(uri, problems)
    return _validated(files, problems, uri)


def parse_configuration(files: Files) -> Configuration:
    """Validate a configuration that was read already.

    Raises:
        ConfigurationError: it has mistakes.
    """
    return _validated(files, [], "")


NO_FOLDER = "there is no such folder: name yours with --config, or let `hammer init` write a first one"


def _files_in_folder(uri: str, problems: list[Problem]) -> Files:
    try:
        paths = {path.name: path for path in Path(uri).iterdir()}
    except FileNotFoundError:
        raise ConfigurationError([Problem(uri, "", NO_FOLDER)]) from None
    except NotADirectoryError:
        raise ConfigurationError([Problem(uri, "", "is not a folder: name the one that has it")]) from None
    except (OSError, ValueError) as error:
        raise ConfigurationError([Problem(uri, "", _unreadable(error))]) from error
    files: dict[str, tuple[str, bytes]] = {}
    for stem, name in _chosen(paths, problems):
        try:
            files[stem] = (name, paths[name].read_bytes())
        except OSError as error:
            problems.append(Problem(name, "", _unreadable(error)))
    return files


def _files_in_s3(uri: str, s3_client: Callable[[], S3Client] | None, problems: list[Problem]) -> Files:
    bucket, _, prefix = uri.removeprefix(_S3).partition("/")
    prefix = f"{prefix.rstrip('/')}/".lstrip("/")
    if not bucket:
        raise ConfigurationError([Problem(uri, "", "names no bucket: write s3://bucket/prefix")])
    try:
        client = (s3_client or _standard_s3_client)()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        names = [item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", ())]
    except (*AWS_ERRORS, SdkSettingsError) as error:
        raise ConfigurationError([Problem(uri, "", f"cannot be read: {explain(error)}")]) from error
    files: dict[str, tuple[str, bytes]] = {}
    for stem, name in _chosen(names, problems):
        try:
            files[stem] = (name, client.get_object(Bucket=bucket, Key=f"{prefix}{name}")["Body"].read())
        except AWS_ERRORS as error:
            problems.append(Problem(name, "", f"cannot be read: {explain(error)}"))
    return files


def _standard_s3_client() -> S3Client:
    return sdk_client(sdk_session(), "s3", None)  # type: ignore[no-any-return]


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


def _validated(files: Files, problems: list[Problem], uri: str) -> Configuration:
    """The configuration, unless there are problems, those found before among them."""
    if "config" not in files and not any(Path(problem.file).stem == "config" for problem in problems):
        names = ", ".join(f"config{suffix}" for suffix in SUFFIXES)
        problems.append(Problem(uri or "config", "", f"the file config is missing: one of {names}"))
    parts: dict[str, Any] = {}
    for stem, model in FILES.items():
        if stem in files:
            name, content = files[stem]
            parts[stem], mistakes = _parsed(name, content, model)
            problems += [Problem(name, path_text(location), message) for location, message in mistakes]
    if problems:
        raise ConfigurationError(problems)
    return Configuration.model_construct(**dict(parts.pop("config")), **parts)


def _parsed(name: str, content: bytes, model: type[Section]) -> tuple[Section | None, list[Mistake]]:
    """One file as a value, or None; and the mistakes in it."""
    mistakes: list[Mistake] = []
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
        mistakes += [*unknown_accounts(data), *public_replacements(data)]
    try:
        return model.model_validate(data), mistakes
    except ValidationError as error:
        return None, [*mistakes, *explained(error, model)]


def _decoded(name: str, content: bytes) -> Any:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TextError(f"is not UTF-8: byte {error.start + 1} is wrong") from None
    if text.startswith(_BYTE_ORDER_MARK):
        raise TextError("begins with a byte order mark: save it as UTF-8 without one")
    if name.endswith(".json"):
        return read_json(text)
    from library.config.yaml_text import read_yaml  # noqa: PLC0415 - 5 ms of a cold start, and the sample is JSON

    return read_yaml(text)


_SIMILAR = 0.75  # ratio of difflib: "whitelists" and "white-list" to "whitelist", not "readme" to "config"


def misnamed(
    names: Iterable[str], stems: Collection[str], suffixes: Collection[str]
) -> tuple[dict[str, str], list[str]]:
    """Look at the names in a configuration's folder.

    Args:
        names: of all files in it.
        stems: the names that files of a configuration have, without suffix.
        suffixes: the suffixes that they may have.

    Returns:
        Files whose name resembles that of a file of the configuration, each with the name it resembles; and other files
        of the configuration's formats. Hidden files and copies (`whitelist.json.bak`) are neither.
    """
    there = set(names)
    known = {f"{stem}{suffix}" for stem in stems for suffix in suffixes}
    if there <= known:
        return {}, []
    resembling: dict[str, str] = {}
    others = []
    for name in sorted(there - known):
        is_format = PurePath(name).suffix.lower() in suffixes
        is_copy = not is_format and name.startswith(tuple(known))
        if is_copy or name.startswith("."):
            continue
        similar = get_close_matches(PurePath(name).stem.lower(), stems, n=1, cutoff=_SIMILAR)
        if similar and (is_format or not any(f"{similar[0]}{suffix}" in there for suffix in suffixes)):
            suffix = PurePath(name).suffix.lower()
            resembling[name] = f"{similar[0]}{suffix if suffix in suffixes else '.json'}"
        elif is_format:
            others.append(name)
    return resembling, others


def with_organization(config: Configuration, sessions: Sessions) -> Configuration:
    """The configuration with its accounts known: those of the organization, if it asks for them.

    Raises:
        ClientError, BotoCoreError: the organization could not be read. There is no part of it to go on with.
    """
    if not config.needs_organization:
        return config
    client: OrganizationsClient = sessions.client("organizations")
    return config.with_accounts(
        active_accounts(
            client,
            config.aws.organizational_units,
            ignored=frozenset(config.aws.ignore_accounts),
            named=config.named_accounts,
        )
    )
