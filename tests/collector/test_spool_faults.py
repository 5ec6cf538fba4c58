"""Every fault of a spool file is one sentence that names the file and the remedy, and loses nothing."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import tempfile
from pathlib import Path

import pytest

from collector.readings import Equipment, Kind, Series
from collector.spool.frames import Record, record_frame
from collector.spool.spool import Spool, SpoolError, SpoolFull
from tests.collector.spools import LINE, append, readings

RED = Series(Equipment("iot1", "rig", line="bottling", cell="red"), "fill_level", "g", Kind.STOCK)


def test_a_full_spool_says_so_loses_nothing_and_takes_more_once_there_is_room(path: Path) -> None:
    with Spool.open(path, max_mb=0.5) as spool:
        big = Record("expected", {}, {"text": "x" * 100_000}, at_ns=1)
        stored = 0
        with pytest.raises(SpoolFull, match=rf"spool {path} is full .*\[spool\] max_mb.*: free space or raise max_mb"):
            while stored < 100:
                stored = append(spool, record_frame(LINE, big))
        assert 0 < stored < 6
        assert [frame.offset for frame in spool.log.read(0, 100)] == list(range(1, stored + 1))
        with spool.transaction():
            assert spool.log.evict_delivered(stored, 2).frames == 2
        assert append(spool, record_frame(LINE, big)) > stored
        assert spool.size_bytes() <= 0.5e6


def test_series_met_while_the_spool_was_full_are_registered_once_there_is_room(path: Path) -> None:
    with Spool.open(path, max_mb=0.5) as spool:
        huge = Record("expected", {}, {"text": "x" * 1_000_000}, at_ns=1)
        with pytest.raises(SpoolFull), spool.transaction():
            spool.series.id_of(RED)
            spool.log.append([record_frame(LINE, huge)])
        with spool.transaction():
            given = spool.series.id_of(RED)
        with Spool.open(path) as other:
            assert other.series[given] == RED


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("not a folder")
    with pytest.raises(SpoolError, match=rf"spool folder {tmp_path}/var: .*; name another in \[spool\] path"):
        Spool.open(tmp_path / "var" / "spool.sqlite")
    with pytest.raises(SpoolError, match="Not a directory; name another"):
        Spool.open(tmp_path / "var" / "deeper" / "spool.sqlite")


def test_a_folder_in_place_of_the_file_is_named(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(SpoolError, match=rf"spool {path} is a folder: name a file in \[spool\] path"):
        Spool.open(path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that takes no files from anybody")
def test_a_folder_that_takes_no_files_is_named() -> None:
    with pytest.raises(SpoolError, match=r"spool /proc/self/spool.sqlite cannot be written.*access to /proc/self"):
        Spool.open(Path("/proc/self/spool.sqlite"))


def test_a_read_only_folder_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        sentence = _sentence_for_a_plain_user(Path(folder) / "spool.sqlite")
        Path(folder).chmod(0o755)
    assert sentence == f"spool {folder}/spool.sqlite cannot be written: give this user write access to {folder}"


def _sentence_for_a_plain_user(path: Path) -> str:
    """What Spool.open says in a process without root's rights, to which no folder is read-only."""
    receive, send = multiprocessing.get_context("fork").Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_open_as_a_plain_user, args=(path, send))
    child.start()
    sentence = str(receive.recv())
    child.join()
    return sentence


def _open_as_a_plain_user(path: Path, send: multiprocessing.connection.Connection) -> None:
    if os.getuid() == 0:
        os.setuid(65534)
    try:
        Spool.open(path)
        send.send("opened")
    except SpoolError as error:
        send.send(str(error))


@pytest.mark.parametrize("times", [1, 100, 1000])
def test_a_file_that_is_no_spool_is_named_and_left_as_it_is(path: Path, times: int) -> None:
    path.parent.mkdir()
    path.write_bytes(b"these are not the bytes of a database" * times)
    with pytest.raises(SpoolError, match=rf"spool {path} is not a sound spool file .*: move it away, or name another"):
        Spool.open(path)
    assert path.read_bytes() == b"these are not the bytes of a database" * times


def test_a_file_of_a_newer_version_is_named_and_left_as_it_is(spool: Spool, path: Path) -> None:
    spool.close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(SpoolError, match=r"a newer version \(schema 99, this one reads 2\): install the version"):
        Spool.open(path)
    assert path.read_bytes() == before


def test_a_spool_that_was_moved_away_is_not_missed(path: Path) -> None:
    with Spool.open(path) as spool:
        append(spool, readings(1), readings(2))
    path.rename(path.with_name("moved.sqlite"))
    with Spool.open(path) as spool:
        assert (spool.log.end(), spool.ledger.read()) == (0, [])
    with Spool.open(path.with_name("moved.sqlite")) as spool:
        assert (spool.log.end(), spool.ledger.read()) == (2, [])


def test_a_busy_spool_is_named(spool: Spool, path: Path) -> None:
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        spool._connection.execute("PRAGMA busy_timeout = 10")  # instead of waiting for half a minute
        with pytest.raises(SpoolError, match=f"spool {path} is in use .database is locked"):
            append(spool, readings(1))
        other.execute("ROLLBACK")
    assert append(spool, readings(1)) == 1
