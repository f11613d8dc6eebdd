"""Where a list goes: what cannot be written to is found before the work, and named in one line."""

import errno
import os
import tempfile
from pathlib import Path

import pytest
import typer

from hammer.formats import Format
from hammer.listing.issue import Listing
from hammer.output import check_output, write
from tests.builders.listings import listing_of_untrusted_names


def no_s3() -> None:
    raise AssertionError("no place in S3 was named")


def written(listing: Listing, output: Path) -> None:
    write(listing, Format.JSON, str(output), no_s3)  # type: ignore[arg-type]


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_a_folder_that_cannot_be_written_to_is_named_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    location = tmp_path / "report.html"
    with pytest.raises(typer.BadParameter) as refused:
        check_output(str(location))
    assert refused.value.message == f"{location}: cannot write there: Read-only file system"


def test_a_file_that_cannot_be_written_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    location = tmp_path / "report.json"
    with pytest.raises(typer.Exit) as ended:
        written(listing_of_untrusted_names(), location)
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == f"hammer: {location} could not be written: Read-only file system\n"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    written(listing_of_untrusted_names(), link)
    assert link.is_symlink()
    assert target.read_text().startswith("{")


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_file_that_only_some_may_read_stays_so(tmp_path: Path, mode: int) -> None:
    location = tmp_path / "report.json"
    location.touch()
    location.chmod(mode)
    written(listing_of_untrusted_names(), location)
    assert location.stat().st_mode & 0o777 == mode


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        check_output(str(pipe))
        written(listing_of_untrusted_names(), pipe)
        assert os.read(reader, 1) == b"{"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
