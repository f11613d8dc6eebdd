"""The project's own files: nothing in them ties it to one machine, and every lock is complete."""

import re
import socket
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))

# Written in two halves, so that this file does not name them.
INDEX_HOSTS = tuple(
    "".join(halves)
    for halves in (
        ("py", "pi.org"),
        ("python", "hosted.org"),
        ("registry.np", "mjs.org"),
        ("deb.deb", "ian.org"),
    )
)
MACHINE_PATH = re.compile(r"(?:(?<=://)|(?<![\w.$~{}*/-]))/(?:work|root|opt/pypi|opt/wheels)/")
PIN = re.compile(r"[a-z0-9._-]+(\[[^]]+\])?==\S+ ")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")
NOT_IN_A_LAMBDA = {"boto3", "jinja2", "jira", "moto", "rich", "slack-sdk", "typer", "watchtower"}


def ignored_names() -> tuple[str, ...]:
    lines = (line.strip() for line in (ROOT / ".gitignore").read_text("utf-8").splitlines())
    return (".git", *(line.rstrip("/") for line in lines if line and not line.startswith("#")))


def project_files(folder: Path, ignored: tuple[str, ...]) -> Iterator[Path]:
    """Yield what would be committed, without asking git: a source archive has none."""
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or any(fnmatch(path.name, pattern) for pattern in ignored):
            continue
        if path.is_dir():
            yield from project_files(path, ignored)
        else:
            yield path


def lines_with(found: re.Pattern[str]) -> list[str]:
    hits = []
    for path in project_files(ROOT, ignored_names()):
        content = path.read_bytes()
        if b"\0" in content:
            continue
        hits += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1)
            if found.search(line)
        ]
    return hits


def test_the_walk_sees_the_project_and_not_what_was_built() -> None:
    seen = {str(path.relative_to(ROOT)) for path in project_files(ROOT, ignored_names())}
    assert {"pyproject.toml", ".ci/run", "requirements/lambda.lock", "tests/unit/test_project.py"} <= seen
    assert not [path for path in seen if path.startswith((".git/", ".venv/")) or "__pycache__" in path]


def test_the_site_leads_to_every_page() -> None:
    """`make site` fails on a page that is left out; it is not run with the tests."""
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    pages = [str(path.relative_to(ROOT / "docs")) for path in sorted((ROOT / "docs").rglob("*.md"))]
    assert [page for page in pages if not re.search(rf"[ :-] {re.escape(page)}$", navigation, re.MULTILINE)] == []


def test_no_file_names_a_package_index() -> None:
    assert lines_with(re.compile("|".join(map(re.escape, INDEX_HOSTS)), re.IGNORECASE)) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert lines_with(MACHINE_PATH) == []


@pytest.mark.parametrize("before", ["", " ", '"', "'", "=", "file://", ":", "("])
def test_a_machine_path_is_recognised(before: str) -> None:
    assert MACHINE_PATH.search(before + "/" + "work/main")


@pytest.mark.parametrize("text", ["net/work/x", "./work/x", "~/work/x", "/working/x", "$HOME/work/x"])
def test_another_path_is_not_one(text: str) -> None:
    assert not MACHINE_PATH.search(text)


def test_there_is_a_lock_for_each_place() -> None:
    assert {lock.stem for lock in LOCKS} == {
        "browser-test",
        "build",
        "checkov",
        "custodian",
        "deployment-test",
        "dev",
        "host",
        "lambda",
        "mutants",
        "policies",
        "site",
    }


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_requirement_is_pinned_and_hashed(lock: Path) -> None:
    text = lock.read_text("utf-8").replace("\\\n", " ")
    requirements = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert requirements
    assert [line.split()[0] for line in requirements if not (PIN.match(line) and HASH.search(line))] == []
    assert "://" not in text


def test_a_lambda_installs_no_more_than_it_needs() -> None:
    text = (ROOT / "requirements" / "lambda.lock").read_text("utf-8")
    names = set(re.findall(r"^([a-z0-9._-]+)==", text, re.MULTILINE))
    assert names == {
        *("botocore", "jmespath", "python-dateutil", "six", "urllib3"),
        *("pydantic", "pydantic-core", "annotated-types", "typing-extensions", "typing-inspection"),
        *("cronsim", "python-json-logger", "pyyaml"),
    }
    assert not names & NOT_IN_A_LAMBDA


def test_a_unit_test_cannot_open_a_socket() -> None:
    with pytest.raises(pytest.fail.Exception, match="must not use a socket"):
        socket.create_connection(("127.0.0.1", 9), timeout=1)
