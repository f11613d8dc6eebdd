"""Builds a zip for each Lambda function; `deployment.build` is the program that calls it.

A zip has the modules that its handler imports, directly or through others, and the dependencies of
`requirements/lambda.lock`, for the Lambda's platform and Python version; not boto3, which the runtime brings. The same
sources give the same bytes: files are sorted, times and modes fixed, and what an installer notes of itself left out.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deployment.bytecode import compiled
from deployment.precompiled import precompiled
from deployment.sdk_data import allowed_operations, sdk_data

ROOT = Path(__file__).resolve().parents[1]
LAMBDA_LOCK = ROOT / "requirements" / "lambda.lock"

FUNCTIONS: Mapping[str, str] = {
    "hammer-initiate-security-groups": "identification.initiate_security_groups",
    "hammer-describe-security-groups": "identification.describe_security_groups",
    "hammer-receive-security-group-events": "identification.receive_security_group_events",
    "hammer-filter-inspector-findings": "identification.filter_inspector_findings",
}
"""Each function's name and its handler's module."""

SIZE_LIMIT = 5 * 1024 * 1024  # bytes, of a zip
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

    Args:
        module: its dotted name.
        root: where the packages are.

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
    """The installed files that a function needs."""
    for path in sorted(folder.rglob("*")):
        left_out = path.name in _LEFT_OUT_FILES or path.suffix in _LEFT_OUT_SUFFIXES
        if path.is_file() and not left_out and path.relative_to(folder).parts[0] != "bin":
            yield path


def write_zip(path: Path, files: Mapping[str, bytes | Path]) -> None:
    """Write a zip whose bytes depend on nothing but the files' names and contents.

    Args:
        path: the zip.
        files: names in the zip, to contents, or to files that hold them.
    """
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

    Args:
        folder: where to put them.
        target: what they shall run on.

    Returns:
        The zips, by function name.

    Raises:
        PackageError: a zip could not be built, or is larger than `SIZE_LIMIT`.
    """
    zips: dict[str, Path] = {}
    with tempfile.TemporaryDirectory() as name:
        installed = Path(name)
        install(LAMBDA_LOCK, target, installed)
        dependencies = {path.relative_to(installed).as_posix(): path for path in dependencies_in(installed)}
        data = {f"library/aws/sdk_data/{name}": content for name, content in sdk_data(allowed_operations()).items()}
        for function, module in FUNCTIONS.items():
            own = {path.relative_to(ROOT).as_posix(): path for path in sources_of(module)}
            sources = {name: path.read_bytes() for name, path in (dependencies | own).items()}
            zips[function] = folder / f"{function}.zip"
            made = compiled(sources, target.python_version) | precompiled(sources, module, target.python_version)
            write_zip(zips[function], sources | made | data)
            if (size := zips[function].stat().st_size) > SIZE_LIMIT:
                raise PackageError(f"{zips[function].name} has {size:,} bytes; {SIZE_LIMIT:,} are allowed")
    return zips
