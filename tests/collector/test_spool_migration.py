"""A spool of the first schema is brought to the present one at its first opening, with all it holds."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

import msgspec
import numpy as np
import pytest

from collector.readings import Batch, Equipment, Series
from collector.spool.dead import DeadLetter
from collector.spool.frames import FrameKind, Tick, pack
from collector.spool.ledger import Cause, Gap
from collector.spool.spool import Spool
from tests.collector.batches import batch, rows_of
from tests.collector.spools import LINE, expected

SERIES = Series(Equipment("iot1", "rig", line="bottling"), "level")
BATCH = batch(*((1, 10**18 + i, i / 3, 0, i) for i in range(50)))
FIRST_SCHEMA = """
CREATE TABLE series (id INTEGER PRIMARY KEY, body BLOB NOT NULL UNIQUE);
CREATE TABLE log (
    offset INTEGER PRIMARY KEY AUTOINCREMENT,
    shard TEXT NOT NULL, kind INTEGER NOT NULL, at_ns INTEGER NOT NULL, body BLOB NOT NULL, output_id TEXT UNIQUE
);
CREATE TABLE line (shard TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE cursor (reader TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE clock (one INTEGER PRIMARY KEY CHECK (one = 1), at_ns INTEGER NOT NULL);
CREATE TABLE memory (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE shard_state (
    shard TEXT PRIMARY KEY, offset INTEGER NOT NULL, rev INTEGER NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE latest (
    measurement TEXT NOT NULL, key TEXT NOT NULL, at_ns INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (measurement, key)
) WITHOUT ROWID;
CREATE TABLE dead (
    id INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL, reason TEXT NOT NULL,
    received_ns INTEGER NOT NULL, times INTEGER NOT NULL DEFAULT 1, digest BLOB NOT NULL UNIQUE
);
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY, asset TEXT NOT NULL, cause TEXT NOT NULL,
    from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL, missing INTEGER NOT NULL, note TEXT NOT NULL
);
PRAGMA user_version = 1;
"""


@pytest.fixture
def old(path: Path) -> Path:
    """A spool as the first version left it: frames 2 and 5 were evicted, frame 4 is damaged."""
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript(FIRST_SCHEMA)
    record = expected(1.0, key="k")
    rows = [
        (1, LINE, FrameKind.BATCH, 5, shuffled(BATCH), None),
        (3, "*", FrameKind.TICK, 6, pack(Tick()), None),
        (4, LINE, FrameKind.BATCH, 7, shuffled(BATCH)[:-9], None),
        (6, LINE, FrameKind.RECORD, 1, pack(record), "expected|1"),
        (7, LINE, FrameKind.BATCH, 9, shuffled(BATCH), None),
    ]
    with connection:
        connection.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)", [_log(row) for row in rows])
        connection.execute("INSERT INTO series VALUES (1, ?)", (msgspec.json.encode(SERIES),))
        connection.execute("INSERT INTO line VALUES (?)", (LINE,))
        connection.execute("INSERT INTO cursor VALUES ('sink:store', 3)")
        connection.execute("INSERT INTO clock VALUES (1, 6)")
        connection.execute("INSERT INTO memory VALUES ('decoder', x'0102')")
        connection.execute("INSERT INTO shard_state VALUES (?, 3, 2, 1, x'03')", (LINE,))
        connection.execute("INSERT INTO latest VALUES ('expected', 'k', 1, ?)", (pack(record),))
        connection.execute("INSERT INTO dead VALUES (9, 't', x'04', 'bad', 8, 3, x'05')")
        connection.execute("INSERT INTO ledger VALUES (4, 'rig', 'seq_gap', 1, 2, 3, 'why')")
    connection.close()
    return path


def _log(row: tuple[object, ...]) -> tuple[object, ...]:
    offset, shard, kind, at_ns, body, output_id = row
    return offset, shard, int(kind), at_ns, body, output_id  # type: ignore[call-overload]


def shuffled(batch: Batch) -> bytes:
    """A batch as the first version packed it."""
    parts = [len(batch).to_bytes(4, "little")]
    for i, column in enumerate(batch.columns):
        values = np.diff(column, prepend=column.dtype.type(0)) if i in (1, 4) else column
        parts.append(np.ascontiguousarray(values).view(np.uint8).reshape(len(batch), values.itemsize).T.tobytes())
    return zlib.compress(b"".join(parts), level=1)


def test_everything_is_taken_over(old: Path) -> None:
    with Spool.open(old) as spool:
        frames = spool.log.read(0, 100)
        assert [frame.offset for frame in frames] == [1, 3, 6, 7]
        assert rows_of(frames[0].body) == rows_of(frames[3].body) == rows_of(BATCH)  # type: ignore[arg-type]
        assert (spool.log.end(), spool.log.cursor("sink:store"), spool.log.clock_ns()) == (7, 3, 6)
        assert (spool.recall("decoder"), spool.states.load(LINE)) == (b"\1\2", (3, 2, 1, b"\3"))
        assert spool.log.latest("expected") == [expected(1.0, key="k")]
        assert dict(spool.series) == {1: SERIES}
        assert spool.dead.read() == [DeadLetter("t", b"\4", "bad", 8, 3)]
        damaged, gap = spool.ledger.read()
        assert gap == Gap("rig", Cause.SEQ_GAP, 1, 2, 3, "why")
        assert (damaged.asset, damaged.cause, damaged.missing) == ("spool", Cause.DAMAGED, 1)


def test_it_goes_on_as_a_new_one(old: Path) -> None:
    with Spool.open(old) as spool:
        with spool.transaction():
            assert spool.series.id_of(SERIES) == 1
            spool.log.advance("sink:store", 7)
            spool.states.commit(LINE, 7, 1, b"on", expected_rev=2)
        with spool.transaction():
            gone = spool.log.evict_delivered(7, 100)
        assert (gone.readings, gone.unseen, spool.log.read(0, 10)) == (100, 0, [])
    with Spool.open(old) as spool:
        assert spool.log.end() == 7


def test_the_old_file_stays_beside_it(old: Path) -> None:
    before = old.read_bytes()
    Spool.open(old).close()
    assert old.with_name(old.name + ".kept").read_bytes() == before
