"""Builds a zip for each Lambda function; `deployment.build` is the program that calls it.

A zip has the modules that its handler imports, directly or through others, and the dependencies of
`requirements/lambda.lock`, for the Lambda's platform and Python version. botocore is among them, in the version that
the tests ran with: what the runtime brings changes with its region and date, and no longer matters. Of the SDK's data
(17 MB, 400 services) a zip has the operations that the functions' IAM policies allow, where botocore looks for them.

The same sources give the same bytes: files are sorted, times and modes fixed, what an installer notes of itself left
out. Compiled modules hold no time of their source ("unchecked hash", PEP 552) and name no folder of the machine that
builds. They are made where the Python that builds is the function's: `make package PYTHON=python3.13`.
"""

from __future__ import annotations

import ast
import gzip
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

_COMPILE = """
import json, py_compile, sys
folder, *names = json.load(sys.stdin)
for name in names:
    py_compile.compile(
        f"{folder}/{name}", dfile=f"/var/task/{name}", doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
"""


def compiled(sources: Mapping[str, bytes], version: str) -> dict[str, bytes]:
    """The compiled files of modules, by the names that Python looks for; none if this is another Python.

    Sources are by their names in the zip; what is no module is passed over.
    """
    if version != sysconfig.get_python_version():
        return {}
    names = [name for name in sorted(sources) if name.endswith(".py")]
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sources[name])
        subprocess.run(
            [sys.executable, "-I", "-c", _COMPILE],
            input=json.dumps([folder, *names]),
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(Path(folder).rglob("*.pyc"))}


POLICIES = Path(__file__).with_name("policies")
FUNCTION_POLICIES = (
    "filter-in-main",
    "identification-in-account",
    "identification-in-main",
    "immediate-sender-in-main",
    "initiation-in-main",
    "inspector-classic-in-account",
    "lookup-events-in-account",
    "organization-in-main",
)

# Where an action of IAM is not an operation of the same name (Service Authorization Reference).
_OPERATIONS = {
    "dynamodb:ConditionCheckItem": ("TransactWriteItems",),
    "s3:ListBucket": ("ListObjectsV2",),
    "sns:Publish": ("Publish", "PublishBatch"),
    "sqs:SendMessage": ("SendMessage", "SendMessageBatch"),
}
# The services of the SDK, where IAM's prefix is not the name of one.
_SERVICES = {"elasticloadbalancing": ("elb", "elbv2")}
_SHARED = ("endpoints", "partitions", "sdk-default-configuration", "_retry")
_TYPES = ("endpoint-rule-set-1", "paginators-1", "paginators-1.sdk-extras", "service-2.sdk-extras")


def allowed_operations(policies: Iterable[str] = FUNCTION_POLICIES) -> dict[str, set[str]]:
    """The operations that IAM policies allow, by service; patterns among them do not count."""
    operations: dict[str, set[str]] = {}
    for name in policies:
        for statement in json.loads((POLICIES / f"{name}.json").read_text("utf-8"))["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            for action in actions:
                service, _, operation = action.partition(":")
                for known_as in _SERVICES.get(service, (service,)):
                    operations.setdefault(known_as, set()).update(_OPERATIONS.get(action, (operation,)))
    return operations


def sdk_data(operations: Mapping[str, Iterable[str]]) -> dict[str, bytes]:
    """The files of the cut-down data, by their names below its folder.

    Args:
        operations: the operations to keep, by service. A service that the SDK does not know under the name is left
            out, and so is an operation: then the SDK's own data is read.
    """
    data = Path(str(resources.files("botocore"))) / "data"
    files = {name: _read(data, name) for name in _SHARED}
    services = [service for service in sorted(operations) if (data / service).is_dir()]
    for partition in files["endpoints"]["partitions"]:
        known = partition["services"]
        partition["services"] = {name: known[name] for name in (*services, *_SERVICES) if name in known}
    for service in services:
        version = max(path.name for path in (data / service).iterdir() if path.is_dir())
        folder = f"{service}/{version}"
        files |= {f"{folder}/{name}": _read(data, f"{folder}/{name}") for name in _TYPES}
        files[f"{folder}/service-2"] = _cut(_read(data, f"{folder}/service-2"), operations[service])
    return {
        f"{name}.json": json.dumps(content, separators=(",", ":")).encode()
        for name, content in files.items()
        if content is not None
    }


def _read(data: Path, name: str) -> Any:
    plain, packed = data / f"{name}.json", data / f"{name}.json.gz"
    if packed.is_file():
        return json.loads(gzip.decompress(packed.read_bytes()))
    return json.loads(plain.read_bytes()) if plain.is_file() else None


def _cut(model: dict[str, Any], operations: Iterable[str]) -> dict[str, Any]:
    """A service's model with these operations, the shapes that they use, and no documentation."""
    kept = {name: model["operations"][name] for name in sorted(operations) if name in model["operations"]}
    shapes: dict[str, Any] = {}
    waiting = list(_shapes_in(kept))
    while waiting:
        name = waiting.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            waiting += _shapes_in(shapes[name])
    return model | {"operations": _undocumented(kept), "shapes": _undocumented(shapes)}


def _shapes_in(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("shape"), str):
            yield value["shape"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _shapes_in(each)


def _undocumented(value: Any) -> Any:
    if isinstance(value, dict):
        # Some structures have a member of that name, which is a dictionary.
        return {
            key: _undocumented(each)
            for key, each in value.items()
            if not (key == "documentation" and isinstance(each, str))
        }
    return [_undocumented(each) for each in value] if isinstance(value, list) else value


ROOT = Path(__file__).resolve().parents[1]
LAMBDA_LOCK = ROOT / "requirements" / "lambda.lock"

FUNCTIONS: Mapping[str, str] = {
    "hammer-initiate-security-groups": "identification.initiate_security_groups",
    "hammer-describe-security-groups": "identification.describe_security_groups",
    "hammer-receive-security-group-events": "identification.receive_security_group_events",
    "hammer-filter-inspector-findings": "identification.filter_inspector_findings",
}
"""Each function's name and its handler's module."""

SIZE_LIMIT = 10 * 1024 * 1024  # bytes, of a zip: a fifth of what Lambda takes directly
_PACKAGES = frozenset({"identification", "library"})  # what a function may hold of the project
_TIME = (1980, 1, 1, 0, 0, 0)  # the oldest that a zip can tell
EPOCH = "315532800"
"""The same, as SOURCE_DATE_EPOCH tells it."""
# What pip notes of an installation, and what nothing reads at run time.
_LEFT_OUT_FILES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
_LEFT_OUT_SUFFIXES = frozenset({".pyc", ".pyi", ".typed"})


class PackageError(Exception):
    """Something could not be built, in one line."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a zip is to run.

    Attributes:
        python_version: such as `"3.13"`, as the function's `runtime` says.
        platforms: wheel tags of its platform, the best first. Empty: the machine and interpreter that build.
    """

    python_version: str
    platforms: tuple[str, ...]

    def pip_options(self) -> list[str]:
        """What tells pip to choose for this target."""
        if not self.platforms:
            return []
        tags = [option for platform in self.platforms for option in ("--platform", platform)]
        return [*tags, "--python-version", self.python_version, "--implementation", "cp"]


def linux(machine: str) -> tuple[str, ...]:
    """Wheel tags of Amazon Linux 2023 on a machine, the best first."""
    # The Lambda runtimes from Python 3.12 on are Amazon Linux 2023, which has glibc 2.34.
    return (*(f"manylinux_2_{minor}_{machine}" for minor in (34, 28, 17)), f"manylinux2014_{machine}")


TARGETS: Mapping[str, Target] = {
    "arm64": Target("3.13", linux("aarch64")),
    "x86_64": Target("3.13", linux("x86_64")),
    "here": Target(sysconfig.get_python_version(), ()),
}
"""By the function's architecture. `here` is for tests, which run the zips on this machine."""


def sources_of(module: str, root: Path = ROOT) -> list[Path]:
    """The project's files that a module needs: itself, what it imports, and the data beside that.

    Imports are read from the source, those within functions among them.

    Raises:
        PackageError: there is no such module.
    """
    if _file_of(module, root) is None:
        raise PackageError(f"there is no module {module} to build a function from")
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = _file_of(name, root)
        if name in found or file is None:
            continue
        found[name] = file
        parent = name.rpartition(".")[0]
        waiting += [*_imported(file), *([parent] if parent else [])]
    files = set(found.values())
    for package in {file.parent for file in files if file.name == "__init__.py"}:
        files |= {path for path in package.iterdir() if path.suffix in (".json", ".jsonl")}
    return sorted(files)


def _file_of(module: str, root: Path) -> Path | None:
    path = root.joinpath(*module.split("."))
    if module.partition(".")[0] not in _PACKAGES:
        return None
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _imported(file: Path) -> Iterator[str]:
    """The names that a file imports at run time. `from a import b` may mean the module `a.b`."""
    waiting: list[ast.AST] = [ast.parse(file.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def install(lock: Path, target: Target, folder: Path) -> None:
    """Install a lock's packages into a folder, for a target, from wheels whose hashes the lock names.

    Raises:
        PackageError: pip could not.
    """
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-compile"),
            *("--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", str(folder)),
            *("--requirement", str(lock), *target.pip_options()),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise PackageError(f"the dependencies of {lock.name} could not be installed:\n{done.stderr.strip()}")


def dependencies_in(folder: Path) -> Iterator[Path]:
    """The installed files that running needs: not pip's notes, scripts and what only type checkers read."""
    for path in sorted(folder.rglob("*")):
        left_out = path.name in _LEFT_OUT_FILES or path.suffix in _LEFT_OUT_SUFFIXES
        if path.is_file() and not left_out and path.relative_to(folder).parts[0] != "bin":
            yield path


def _is_sdk_data(path: Path, folder: Path) -> bool:
    return path.relative_to(folder).parts[:2] == ("botocore", "data")


def write_zip(path: Path, files: Mapping[str, bytes | Path]) -> None:
    """Write a zip whose bytes depend on nothing but the names and contents of files, given as bytes or as paths."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system = 3  # Unix, wherever it is built
            entry.external_attr = 0o100644 << 16  # a file that everybody may read, as Lambda asks
            held = files[name]
            content = held if isinstance(held, bytes) else held.read_bytes()
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=9)


def build_functions(folder: Path, target: Target) -> dict[str, Path]:
    """Build the functions' zips.

    Returns:
        The zips, by function name.

    Raises:
        PackageError: a zip could not be built, or is larger than `SIZE_LIMIT`.
    """
    zips: dict[str, Path] = {}
    with tempfile.TemporaryDirectory() as name:
        installed = Path(name)
        install(LAMBDA_LOCK, target, installed)
        dependencies = {
            path.relative_to(installed).as_posix(): path
            for path in dependencies_in(installed)
            if not _is_sdk_data(path, installed)  # `sdk_data` has what a function needs of it
        }
        data = {f"botocore/data/{name}": content for name, content in sdk_data(allowed_operations()).items()}
        for function, module in FUNCTIONS.items():
            own = {path.relative_to(ROOT).as_posix(): path for path in sources_of(module)}
            sources = {name: path.read_bytes() for name, path in (dependencies | own).items()}
            zips[function] = folder / f"{function}.zip"
            write_zip(zips[function], sources | compiled(sources, target.python_version) | data)
            if (size := zips[function].stat().st_size) > SIZE_LIMIT:
                raise PackageError(f"{zips[function].name} has {size:,} bytes; {SIZE_LIMIT:,} are allowed")
    return zips
