"""A spool of schema version 1, which had neither seals nor running totals, brought to the present one."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collector.readings import Batch
from collector.spool.connection import SpoolConnection, spool_error
from collector.spool.damage import NOTE, Span
from collector.spool.dead import DeadLetter, DeadLetters
from collector.spool.frames import FrameKind, is_sound, pack
from collector.spool.ledger import EVERYWHERE, Cause, Gap, Ledger
from collector.spool.mark import Standing
from collector.spool.repair.transfer import copy_readable, unsealed_tables
from collector.spool.tables import TABLES, seal_of

FROM_VERSION = 1
_SAME = {  # tables that only got a seal
    "line": "shard",
    "clock": "one, at_ns",
    "memory": "name, body",
    "shard_state": "shard, offset, rev, version, body",
    "latest": "measurement, key, at_ns, body",
    "series": "id, body",
}


def migrate(path: Path, into: SpoolConnection) -> None:
    """Fills a new, empty spool with what the old one at `path` holds, inside the caller's transaction.

    Frames that are damaged in the old file are left out and booked.
    """
    standing = Standing(into)
    try:
        with closing(sqlite3.connect(path)) as old:
            lost = _copy_log(old, into, standing)
            for table, columns in _SAME.items():
                for row in old.execute(f"SELECT {columns} FROM {table}"):
                    into.execute(TABLES[table].upsert(), standing.sealed(table, *row))
            _copy_cursors(old, into, standing)
            _copy_books(old, into, standing, lost)
        copy_readable(path, into, unsealed_tables(into))
    except sqlite3.Error as error:
        raise spool_error(path, error) from error
    (last,) = into.execute("SELECT coalesce(max(id), 0) FROM series").fetchone()
    standing.move(series_end=last, stamp=standing.mark.stamp + 1)
    standing.write()


def _copy_log(old: sqlite3.Connection, into: SpoolConnection, standing: Standing) -> int:
    """Gives every frame its running total and seal; returns how many frames were damaged.

    What had been evicted between frames that stayed is kept as a span without readings.
    """
    total = lost = 0
    offsets = list[int]()
    for offset, shard, kind, at_ns, output_id, body in old.execute(
        "SELECT offset, shard, kind, at_ns, output_id, body FROM log ORDER BY offset"
    ):
        try:
            readings, packed = _converted(kind, body)
        except (ValueError, zlib.error):
            lost += 1
            continue
        total += readings
        head = (offset, shard, kind, at_ns, at_ns, readings, total, output_id)
        into.execute(TABLES["log"].insert(), (*head, seal_of("log", head), packed))
        offsets.append(offset)
    (last,) = old.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'log'").fetchone()
    standing.move(end_offset=last, end_total=total, gone_offset=offsets[0] - 1 if offsets else last)
    for before, after in pairwise([*offsets, last + 1]):
        if after > before + 1:
            into.execute(TABLES["damaged"].insert(), standing.sealed("damaged", *Span(before + 1, after - 1)))
    return lost


def _copy_cursors(old: sqlite3.Connection, into: SpoolConnection, standing: Standing) -> None:
    for reader, offset in old.execute("SELECT reader, offset FROM cursor"):
        (total,) = into.execute("SELECT coalesce(max(total), 0) FROM log WHERE offset <= ?", (offset,)).fetchone()
        into.execute(TABLES["cursor"].insert(), standing.sealed("cursor", reader, offset, total))


def _copy_books(old: sqlite3.Connection, into: SpoolConnection, standing: Standing, lost: int) -> None:
    ledger, dead = Ledger(into, standing), DeadLetters(into, standing)
    for asset, cause, *rest in old.execute(
        "SELECT asset, cause, from_ns, to_ns, missing, note FROM ledger ORDER BY id"
    ):
        ledger.add(Gap(asset, Cause(cause), *rest))
    for row in old.execute("SELECT topic, payload, reason, received_ns, times FROM dead ORDER BY id"):
        dead.add(DeadLetter(*row))
    if lost:
        ledger.add(Gap(EVERYWHERE, Cause.DAMAGED, 0, 0, lost, f"frames of schema {FROM_VERSION}: {NOTE}"))


def _converted(kind: int, body: bytes) -> tuple[int, bytes]:
    """How many readings a body of the old version holds, and the body as it is stored now. Raises ValueError."""
    if kind != FrameKind.BATCH:
        if not is_sound(body):
            raise ValueError("its checksum differs")
        return 0, body
    batch = _unpacked(zlib.decompress(body))
    return len(batch), pack(batch)


def _unpacked(raw: bytes) -> Batch:
    """Byte-shuffled columns, times as differences."""
    n, at = int.from_bytes(raw[:4], "little"), 4
    columns = []
    for dtype, as_differences in _columns():
        planes = np.frombuffer(raw, np.uint8, n * dtype.itemsize, at).reshape(dtype.itemsize, n)
        values: NDArray[Any] = np.ascontiguousarray(planes.T).view(dtype).reshape(n)
        columns.append(np.cumsum(values, dtype=dtype) if as_differences else values)
        at += n * dtype.itemsize
    return Batch(*columns)


def _columns() -> Iterator[tuple[np.dtype[Any], bool]]:
    for code, as_differences in (("i4", False), ("i8", True), ("f8", False), ("u1", False), ("i8", True)):
        yield np.dtype(code), as_differences
