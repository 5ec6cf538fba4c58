"""A damaged frame of a write-ahead file is found out, and the others are proved without it."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from collector.spool.repair.wal import Wal

FRAME_BYTES = 24 + 4096


@pytest.fixture
def wal_path(tmp_path: Path) -> Path:
    """A write-ahead file of some dozen transactions, as a kill leaves it."""
    with sqlite3.connect(tmp_path / "live.db", isolation_level=None) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)")
        rng = random.Random(1)
        for _ in range(20):
            connection.execute("INSERT INTO t (b) VALUES (?)", (rng.randbytes(rng.randrange(20_000)),))
        path = tmp_path / "copy-wal"
        path.write_bytes((tmp_path / "live.db-wal").read_bytes())
    return path


def test_a_sound_file_is_proved_whole(wal_path: Path) -> None:
    wal = Wal(wal_path)
    assert len(wal.frames) == (wal_path.stat().st_size - 32) // FRAME_BYTES > 40
    assert all(frame.is_proved and frame.is_read for frame in wal.frames)
    assert not wal.is_broken


def test_one_changed_byte_costs_one_frame(wal_path: Path) -> None:
    raw, rng = wal_path.read_bytes(), random.Random(2)
    for _ in range(100):
        at = rng.randrange(len(raw))
        wal_path.write_bytes(raw[:at] + bytes([raw[at] ^ rng.randrange(1, 256)]) + raw[at + 1 :])
        wal = Wal(wal_path)
        unproved = [frame.place for frame in wal.frames if not frame.is_proved]
        assert unproved in ([], [(at - 32) // FRAME_BYTES])
        damaged_is_last = unproved == [wal.frames[-1].place]
        assert wal.is_broken or damaged_is_last or not unproved
        wal.close()


def test_what_is_left_of_an_earlier_round_is_no_damage(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "live.db", isolation_level=None) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)")
        for _ in range(30):
            connection.execute("INSERT INTO t (b) VALUES (zeroblob(3000))")
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        connection.execute("INSERT INTO t (b) VALUES (zeroblob(3000))")
        wal = Wal(tmp_path / "live.db-wal")
        assert not wal.is_broken
        assert 0 < sum(frame.is_proved for frame in wal.frames) < len(wal.frames) / 2
        wal.close()


def test_a_cut_file_is_read_up_to_its_last_whole_transaction(wal_path: Path) -> None:
    raw = wal_path.read_bytes()
    commits = [frame.place for frame in Wal(wal_path).frames if frame.is_commit]
    for cut in range(0, len(raw), 1717):
        wal_path.write_bytes(raw[:cut])
        wal = Wal(wal_path)
        whole = (cut - 32) // FRAME_BYTES
        read = [frame.place for frame in wal.frames if frame.is_read]
        assert read == list(range(max((place + 1 for place in commits if place < whole), default=0)))
        assert not wal.is_broken, "what was cut off was never a whole transaction here"
        wal.close()


def test_no_file_has_no_frames(tmp_path: Path) -> None:
    assert Wal(tmp_path / "none").frames == []
