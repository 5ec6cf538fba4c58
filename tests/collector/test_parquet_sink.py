"""An archive holds every reading once, whatever came twice and whenever it was killed; read back with pyarrow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.dataset as ds
import pytest

from collector.config import ConfigError
from collector.readings import Equipment, Kind, Quality, Series
from collector.sinks.parquet import Options, Parquet, build
from collector.sinks.parquet.journal import Part
from collector.sinks.sink import Parcel, SinkUnavailable
from collector.spool.frames import Frame, batch_frame
from tests.collector.batches import Row, batch
from tests.collector.parcels import BEGIN_NS, HOUR_NS, LOG, Point, at_hour, parcel, points


class Archive:
    """What whoever reads the archive finds in its files, and what its journal keeps until then."""

    def __init__(self, folder: Path) -> None:
        self.options: dict[str, Any] = {"path": "archive"}
        self.root = folder / "archive"
        self._away = folder / "away"

    def stored(self) -> list[Point]:
        waiting = [bundle for part in self.parts() for bundle in Part(part).bundles()]
        kept = [
            Point(bundle.series[number].metric, at_ns, value)
            for bundle in waiting
            for number, at_ns, value in zip(*(column.tolist() for column in bundle.batch.columns[:3]), strict=True)
        ]
        return [Point(row["metric"], row["at"], row["value"]) for row in self.rows()] + kept

    def rows(self) -> list[dict[str, Any]]:
        """All rows of the files, as anybody would read them: folders beginning with `_` are not looked at."""
        if not self.files():
            return []
        table = ds.dataset(self._here, format="parquet").to_table()
        for name in ("at", "received_at"):
            table = table.set_column(table.schema.get_field_index(name), name, table[name].cast("int64"))
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self._here)) for path in self._here.rglob("*.parquet"))

    def parts(self) -> list[Path]:
        return sorted((self._here / "_journal").glob("*.journal"))

    def stop(self) -> None:
        if self.root.exists():
            self.root.rename(self._away)
        self.root.write_text("a file where the folder should be")

    def start(self) -> None:
        self.root.unlink()
        if self._away.exists():
            self._away.rename(self.root)

    @property
    def _here(self) -> Path:
        return self.root if self.root.is_dir() else self._away


@contextmanager
def store(folder: Path) -> Iterator[Archive]:
    yield Archive(folder)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


@contextmanager
def sink_for(archive: Archive, **more: Any) -> Iterator[Parquet]:
    built = build(msgspec.convert({**archive.options, **more}, Options), archive.root.parent)
    try:
        yield built
    finally:
        built.close()


FOUR_HOURS = [at_hour(hour, offset) for offset, hour in enumerate((0, 0, 1, 1, 2, 3), start=1)]


def write(sink: Parquet, frames: Sequence[Frame]) -> None:
    for one in frames:
        sink.write(parcel([one]))


def test_every_hour_becomes_a_file_once_the_next_has_begun(archive):
    with sink_for(archive) as sink:
        write(sink, FOUR_HOURS)
    assert archive.files() == [
        f"rig/2026-09-21/14-{LOG}-1.parquet",
        f"rig/2026-09-21/15-{LOG}-3.parquet",
        f"rig/2026-09-21/16-{LOG}-5.parquet",
    ]
    assert len(archive.rows()) == 20 and len(archive.parts()) == 1
    assert sorted(archive.stored()) == sorted(points([parcel(FOUR_HOURS)]))


SERIES = {
    1: Series(Equipment("e", "Nanjing", "hall 2", "drive", "press"), "force", "kN"),
    2: Series(Equipment("e", "Nanjing", "", "drive", "press"), "state", "1", Kind.STATE, ("run", "stop")),
    3: Series(Equipment("e", "..", "", "l", ""), "count", "1", Kind.COUNTER),
}


def wrote(archive: Archive, *rows: Row) -> list[dict[str, Any]]:
    """The rows of the files after a parcel of these readings, and another of an hour later."""
    later = (1, BEGIN_NS + HOUR_NS, 0.0, 0, BEGIN_NS + 2 * HOUR_NS)
    with sink_for(archive) as sink:
        sink.write(Parcel([batch_frame("s", batch(*rows))._replace(offset=1)], SERIES))
        sink.write(Parcel([batch_frame("s", batch(later))._replace(offset=2)], SERIES))
    return archive.rows()


def test_a_row_says_where_what_when_and_how_good(archive):
    at_ns = BEGIN_NS + 7
    first, second = wrote(archive, (2, at_ns, 1.0, Quality.STALE, at_ns + 1), (1, at_ns, 2.5, 0x80, at_ns + 2))
    place = {"site": "Nanjing", "line": "drive", "cell": "press"}
    assert second == {
        **place, "area": "hall 2", "metric": "force", "unit": "kN", "kind": "gauge", "at": at_ns,
        "received_at": at_ns + 2, "value": 2.5, "text": None, "quality": 0x80,
    }  # fmt: skip
    assert first == {
        **place, "area": "", "metric": "state", "unit": "1", "kind": "state", "at": at_ns,
        "received_at": at_ns + 1, "value": 1.0, "text": "stop", "quality": 1,
    }  # fmt: skip


def test_a_reading_that_came_twice_is_there_once_the_later_one(archive):
    (row,) = wrote(archive, (1, BEGIN_NS, 1.0, 0, BEGIN_NS), (1, BEGIN_NS, 2.0, 0, BEGIN_NS))
    assert row["value"] == 2.0


def test_a_state_without_a_name_and_a_value_that_is_none_are_kept(archive):
    rows = wrote(archive, (2, BEGIN_NS, 7.0, 0, BEGIN_NS), (1, BEGIN_NS, float("inf"), 2, BEGIN_NS))
    assert {(row["value"], row["text"]) for row in rows} == {(7.0, None), (float("inf"), None)}


def test_no_site_gets_out_of_the_archives_folder(archive):
    wrote(archive, (3, BEGIN_NS, 1.0, 0, BEGIN_NS))
    assert archive.files() == ["%2E%2E/2026-09-21/14-log-1.parquet"]


def test_late_readings_make_another_file_of_their_hour(archive):
    late = batch_frame("s", batch((1, BEGIN_NS, 9.0, 0, BEGIN_NS + HOUR_NS)))
    with sink_for(archive) as sink:
        write(sink, [at_hour(0, 1), at_hour(1, 2), late._replace(offset=3), at_hour(2, 4)])
    assert f"rig/2026-09-21/14-{LOG}-2.parquet" in archive.files()
    assert sum(row["at"] < BEGIN_NS + HOUR_NS for row in archive.rows()) == 5


def test_a_journal_that_grew_too_large_becomes_files_before_its_hour_ends(archive):
    frames = [at_hour(0, offset, 100) for offset in range(1, 8)]
    with sink_for(archive, max_mb=0.0001) as sink:
        write(sink, frames)
    assert len(archive.files()) == 6
    assert sorted(archive.stored()) == sorted(points([parcel(frames)]))


# crashes: what is on disk at each instant is taken up by another sink, and the parcel comes again


def torn_at_every_step(archive: Archive, frames: Sequence[Frame]) -> Iterator[Archive]:
    """The archive as a kill leaves it at each step of writing these frames: a copy for each state of its folder."""
    with sink_for(archive) as sink:
        for one in frames:
            sink.write(parcel([one]))
            copy = Archive(archive.root.parent / f"after-{one.offset}")
            shutil.copytree(archive.root, copy.root)
            yield copy


def test_parcels_that_come_again_after_a_kill_double_nothing(archive):
    """A kill after the journal was synced and before the cursor moved: the same frames, and more with them."""
    for copy in torn_at_every_step(archive, FOUR_HOURS):
        with sink_for(copy) as sink:
            sink.write(parcel(FOUR_HOURS))
            sink.write(parcel([at_hour(9, 7)]))
        assert sorted(copy.stored()) == sorted(points([parcel([*FOUR_HOURS, at_hour(9, 7)])]))


def test_a_kill_between_the_files_and_the_end_of_their_part_doubles_nothing(archive):
    with sink_for(archive) as sink:
        write(sink, FOUR_HOURS[:2])
    (part,) = archive.parts()
    before = part.read_bytes()
    with sink_for(archive) as sink:
        write(sink, FOUR_HOURS[2:3])
    files = {name: (archive.root / name).read_bytes() for name in archive.files()}
    part.write_bytes(before)  # the files are there, and the part is not gone yet
    with sink_for(archive) as sink:
        write(sink, FOUR_HOURS[3:])
    assert {name: (archive.root / name).read_bytes() for name in files} == files
    assert sorted(archive.stored()) == sorted(points([parcel(FOUR_HOURS)]))
    assert not part.exists()


def test_an_entry_cut_by_a_kill_is_cut_off_and_comes_again(archive):
    with sink_for(archive) as sink:
        write(sink, FOUR_HOURS[:1])
    (part,) = archive.parts()
    whole = part.read_bytes()
    with sink_for(archive) as sink:
        write(sink, FOUR_HOURS[1:2])
    longer = part.read_bytes()
    for end in range(len(whole), len(longer)):
        part.write_bytes(longer[:end])
        with sink_for(archive) as sink:
            sink.write(parcel(FOUR_HOURS[1:2]))
        assert archive.stored() == points([parcel(FOUR_HOURS[:2])])


def test_damage_in_the_middle_is_set_aside_and_said_and_the_rest_goes_on(archive, caplog):
    with sink_for(archive) as sink:
        write(sink, FOUR_HOURS[:2])
    (part,) = archive.parts()
    raw = bytearray(part.read_bytes())
    second = len(raw) // 2
    raw[second - 20] ^= 0xFF
    part.write_bytes(raw)
    with sink_for(archive) as sink:
        write(sink, FOUR_HOURS[2:])
    assert "archive.damaged file=" in caplog.text
    assert len(list((archive.root / "_journal").glob("*.damaged"))) == 1
    assert set(points([parcel(FOUR_HOURS[2:])])) <= set(archive.stored())


def test_a_kill_at_any_moment_loses_and_doubles_nothing(archive):
    """A process writes and tells each offset once its write has returned; it is killed in the middle of it."""
    for round_ in range(2):
        copy = Archive(archive.root.parent / str(round_))
        copy.root.parent.mkdir()
        command = [sys.executable, "-m", "tests.collector.archiving", str(copy.root.parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told = [int(process.stdout.readline()) for _ in range(20 + 7 * round_)]
            process.kill()
            told += [int(line) for line in process.stdout.read().split("\n")[:-1]]
        frames = [at_hour(offset // 4, offset) for offset in range(1, told[-1] + 2)]
        kept = [one for one in copy.stored() if one.at_ns <= points([parcel(frames)])[-1].at_ns]
        assert set(points([parcel(frames[:-1])])) <= set(kept)
        with sink_for(copy) as sink:
            sink.write(parcel(frames[-1:]))
        assert sorted(copy.stored()) == sorted(points([parcel(frames)]))


def test_a_spool_begun_anew_counts_from_one_again_and_loses_nothing(archive):
    with sink_for(archive) as sink:
        write(sink, FOUR_HOURS)
        sink.write(parcel([at_hour(4, 1)], log="another"))
        sink.write(parcel([at_hour(5, 2)], log="another"))
    assert len(set(archive.stored())) == len(archive.stored()) == 4 * 8


# disks


def test_a_disk_that_fails_keeps_what_it_had_and_names_the_remedy(archive, monkeypatch):
    with sink_for(archive) as sink:
        write(sink, FOUR_HOURS[:1])

        def refuse(handle: int) -> None:
            raise OSError(28, os.strerror(28))

        with monkeypatch.context() as disk:
            disk.setattr(os, "fsync", refuse)
            with pytest.raises(SinkUnavailable, match=r"archive .* cannot be written .*No space .*free space"):
                write(sink, FOUR_HOURS[1:2])
            assert archive.stored() == points([parcel(FOUR_HOURS[:1])])
        write(sink, FOUR_HOURS[1:])
    assert len(archive.stored()) == 24


def test_without_pyarrow_the_start_ends_with_what_to_type(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "collector.sinks.parquet.files", raising=False)
    with pytest.raises(ConfigError, match=r'needs the package pyarrow .*pip install "andon\[archive\]"'):
        build(Options(), tmp_path)
