"""The file holds whole rows only: after a crash, on a full disk, over many files."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from collector.sinks.lines_file import Options, build
from collector.sinks.sink import SinkUnavailable
from tests.collector.parcels import Point, of_rows, point

ROWS = [b"reading,site=s,metric=m value=1.0 %d" % i for i in range(1, 9)]


class Folder:
    """A folder the file cannot be made in while something else stands there."""

    def __init__(self, folder: Path) -> None:
        self.options: dict[str, Any] = {"path": "out/rows.lp"}
        self._folder, self._away = folder / "out", folder / "away"

    def stored(self) -> list[Point]:
        file = (self._folder if self._folder.is_dir() else self._away) / "rows.lp"
        lines = file.read_bytes().splitlines() if file.exists() else []
        return [point(line) for line in lines if line.startswith(b"reading")]

    def stop(self) -> None:
        if self._folder.exists():
            self._folder.rename(self._away)
        self._folder.write_text("a file where the folder should be")

    def start(self) -> None:
        self._folder.unlink()
        self._away.rename(self._folder)


@contextmanager
def store(folder: Path) -> Iterator[Folder]:
    yield Folder(folder)


def test_a_row_cut_by_a_crash_is_gone_and_comes_again_whole(tmp_path):
    file = tmp_path / "rows.lp"
    file.write_bytes(ROWS[0] + b"\n" + ROWS[1][:10])
    build(Options(path="rows.lp"), tmp_path).write(of_rows([ROWS[1]]))
    assert file.read_bytes().splitlines() == ROWS[:2]


def test_a_file_without_a_whole_row_begins_anew(tmp_path):
    (tmp_path / "rows.lp").write_bytes(b"x" * 200_000)
    build(Options(path="rows.lp"), tmp_path).write(of_rows([ROWS[0]]))
    assert (tmp_path / "rows.lp").read_bytes() == ROWS[0] + b"\n"


def test_a_full_file_is_set_aside_and_none_is_lost(tmp_path):
    two_rows_mb = 2 * (len(ROWS[0]) + 1) / 1e6
    sink = build(Options(path="rows.lp", max_mb=two_rows_mb), tmp_path)
    for row in ROWS:
        sink.write(of_rows([row]))
    files = sorted(tmp_path.glob("rows*.lp"))
    assert [file.name for file in files] == ["rows-000001.lp", "rows-000002.lp", "rows-000003.lp", "rows.lp"]
    assert b"".join(file.read_bytes() for file in files).splitlines() == ROWS


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "free space on that disk"), (errno.EROFS, "name a `path` on a disk that can be written")],
)
def test_a_disk_that_fails_keeps_none_of_the_rows_and_names_the_remedy(tmp_path, monkeypatch, number, remedy):
    sink = build(Options(path="rows.lp"), tmp_path)
    sink.write(of_rows(ROWS[:1]))

    def refuse(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", refuse)
        with pytest.raises(SinkUnavailable, match=f"rows.lp cannot be written .*{remedy}"):
            sink.write(of_rows(ROWS[1:]))
    assert (tmp_path / "rows.lp").read_bytes() == ROWS[0] + b"\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_no_space_on_a_real_device_is_a_sentence(tmp_path):
    (tmp_path / "rows.lp").symlink_to("/dev/full")
    with pytest.raises(SinkUnavailable, match=r"rows\.lp cannot be written"):
        build(Options(path="rows.lp"), tmp_path).write(of_rows(ROWS))


def test_a_folder_without_write_access_is_a_sentence(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(SinkUnavailable, match="give this user write access"):
        build(Options(path="locked/rows.lp"), tmp_path).write(of_rows(ROWS))


def test_a_file_renamed_by_another_program_is_begun_anew(tmp_path):
    sink = build(Options(path="rows.lp"), tmp_path)
    sink.write(of_rows(ROWS[:1]))
    (tmp_path / "rows.lp").rename(tmp_path / "rows.lp.1")
    sink.write(of_rows(ROWS[1:]))
    assert (tmp_path / "rows.lp").read_bytes().splitlines() == ROWS[1:]
