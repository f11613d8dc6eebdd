"""`python -m deployment.build`, which is `make package`: builds all that Terraform deploys, in `dist/`.

The host's bundle, `hammer-host-<architecture>.zip`, is made here: all that the host needs beside Python itself.

`sources/` has the packages as they are in the repository, so that people and timers run the modules by their names.
`packages/` has the dependencies of `requirements/host.lock`, for the host's platform and Python version. A host that
boots installs nothing from a package index. The same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from deployment.package import (
    EPOCH,
    ROOT,
    TARGETS,
    PackageError,
    Target,
    build_functions,
    dependencies_in,
    install,
    linux,
    write_zip,
)

HOST_LOCK = ROOT / "requirements" / "host.lock"
HOST_TARGETS: Mapping[str, Target] = {
    "arm64": Target("3.11", linux("aarch64")),
    "x86_64": Target("3.11", linux("x86_64")),
}
"""By the instance's architecture. Amazon Linux 2023 has Python 3.11 (user_data.sh.tftpl installs it)."""

_PACKAGES = ("hammer", "identification", "library", "remediation", "reporting")
# Of `deployment`, the host runs these.
_TIMERS = ("deployment/__init__.py", "deployment/run_ended.py", "deployment/systemd_timers.py")


def build_host(folder: Path, architecture: str, target: Target | None = None) -> Path:
    """Build the bundle.

    Args:
        folder: where to put it.
        architecture: of the instance, which the bundle's name tells.
        target: what it shall run on, if that is not the architecture's own of `HOST_TARGETS` (tests run it here).

    Returns:
        The bundle.

    Raises:
        PackageError: it could not be built.
    """
    bundle = folder / f"hammer-host-{architecture}.zip"
    with tempfile.TemporaryDirectory() as name:
        installed = Path(name)
        install(HOST_LOCK, target or HOST_TARGETS[architecture], installed)
        files = {f"packages/{path.relative_to(installed).as_posix()}": path for path in dependencies_in(installed)}
        files |= {f"sources/{path.relative_to(ROOT).as_posix()}": path for path in _sources()}
        write_zip(bundle, files)
    return bundle


def build_wheel(folder: Path) -> Path:
    """Build the distribution's wheel, which is what `pip install` of Hammer installs.

    Raises:
        PackageError: it could not be built.
    """
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "wheel"),
            *("--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)),
        ],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
    )
    if done.returncode:
        raise PackageError(f"the wheel could not be built:\n{done.stderr.strip()}")
    (wheel,) = folder.glob("hammer_security_groups-*.whl")
    return wheel


def _sources() -> Iterator[Path]:
    for package in _PACKAGES:
        yield from (path for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    yield from (ROOT / name for name in _TIMERS)


def main() -> None:
    """Build everything and print the sizes. Exits with 1 when something could not be built."""
    parser = argparse.ArgumentParser(prog="python -m deployment.build", description="Build what is deployed.")
    parser.add_argument("--architecture", choices=TARGETS, default="arm64", help="of the functions (default: arm64)")
    parser.add_argument("--host-architecture", choices=HOST_TARGETS, default="arm64", help="of the host's instance")
    parser.add_argument("--folder", type=Path, default=ROOT / "dist", help="where to put it (default: dist)")
    options = parser.parse_args()
    # What an older version left must not be deployed.
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    try:
        functions = build_functions(options.folder, TARGETS[options.architecture])
        built = [*functions.values(), build_host(options.folder, options.host_architecture)]
    except PackageError as error:
        sys.exit(f"make package: {error}")
    version = TARGETS[options.architecture].python_version
    if version != sysconfig.get_python_version():
        print(  # noqa: T201
            f"without compiled modules, so cold starts take longer: make package PYTHON=python{version} adds them",
            file=sys.stderr,
        )
    for path in built:
        print(f"{path.stat().st_size / 1024:8,.0f} KiB  {path.relative_to(options.folder)}")  # noqa: T201


if __name__ == "__main__":
    main()
