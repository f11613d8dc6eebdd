"""`python -m deployment.build`, which is `make package`: builds all that Terraform deploys, in `dist/`."""

from __future__ import annotations

import argparse
import shutil
import sys
import sysconfig
from pathlib import Path

from deployment.host_bundle import HOST_TARGETS, build_host
from deployment.package import ROOT, TARGETS, PackageError, build_functions


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
