"""Everything a damaged spool file and its write-ahead file still hold, put into a new file.

Trusts nothing but the seals: every version of every page is searched for rows, whatever SQLite's own structure says of
them; of two versions of a row the newer stays. What is newer than the newest mark, or was dropped on purpose before it,
is left out. What is then missing of the log is lost, and booked. Streams page by page; memory does not grow with the
file.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collector.spool.connection import PAGE_BYTES, SpoolConnection
from collector.spool.damage import Head, head_of
from collector.spool.frames import is_sound
from collector.spool.mark import Mark
from collector.spool.repair import pages
from collector.spool.repair.pages import Cell
from collector.spool.repair.wal import Wal, WalFrame
from collector.spool.tables import TABLES, Table, is_sealed

_BY_WIDTH: dict[int, list[Table]] = defaultdict(list)
for _table in TABLES.values():
    if _table.name != "log":
        _BY_WIDTH[len(_table.columns)].append(_table)
_HEAD_COLUMNS = len(TABLES["log"].columns) - 1
_MOST_PAGES = 1 << 18  # of one row
_NEWEST, _MAIN = 1 << 62, -1  # ages of a page: the place of its frame in the write-ahead file, or the main file


@dataclass(slots=True)
class Finds:
    """What a search came to: the newest mark, and the heads of frames whose body is damaged everywhere, by offset."""

    mark: Mark | None = None
    broken: dict[int, Head] = field(default_factory=dict)
    rows: int = 0


def search(path: Path, into: SpoolConnection) -> Finds:
    """Puts every row found in the spool at `path` into a new one, inside the caller's transaction."""
    found = Finds()
    with _Images(path) as images:
        at, settled = 0, set[Cell]()  # cells of page `at` that need not be looked at in its other versions
        for number, age, page in images:
            if number != at:
                at, settled = number, set()
            for cell in pages.cells(page, number):
                if cell not in settled and (_take(cell, age, images, into, found) or not cell.overflow):
                    settled.add(cell)
    return found


class _Images:
    """All versions of all pages. Pages of the main file are the oldest, then those of the write-ahead file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._pages = path.stat().st_size // PAGE_BYTES
        self._wal = Wal(path.with_name(path.name + "-wal"))
        self._frames: dict[int, list[WalFrame]] = defaultdict(list)
        for frame in self._wal.frames:
            self._frames[frame.page].append(frame)

    def __enter__(self) -> _Images:
        return self

    def __exit__(self, *exc: object) -> None:
        self._wal.close()
        self._file.close()

    def __iter__(self) -> Iterator[tuple[int, int, bytes]]:
        """Every page as (number, age, bytes), page by page."""
        for number in range(1, self._pages + 1):
            yield number, _MAIN, self._of_main(number)
            for frame in self._frames.get(number, ()):
                yield number, frame.place, self._wal.read(frame)
        for number in sorted(one for one in self._frames if one > self._pages):
            for frame in self._frames[number]:
                yield number, frame.place, self._wal.read(frame)

    def page(self, number: int, age: int) -> bytes | None:
        """A page as it was when the write-ahead file had come to frame `age`."""
        for frame in reversed(self._frames.get(number, ())):
            if frame.place <= age:
                return self._wal.read(frame)
        return self._of_main(number) if 0 < number <= self._pages else None

    def payloads(self, cell: Cell, age: int) -> Iterator[bytes]:
        """A row's bytes, as its pages were then, and as they may be after damage to one of them."""
        if not cell.overflow:
            yield cell.local
            return
        for seen_at in dict.fromkeys((age, _NEWEST, _MAIN)):
            payload = self._assembled(cell, seen_at)
            if payload is not None:
                yield payload

    def _assembled(self, cell: Cell, age: int) -> bytes | None:
        parts, size, number = [cell.local], len(cell.local), cell.overflow
        while size < cell.size and len(parts) < _MOST_PAGES:
            page = self.page(number, age)
            if page is None:
                return None
            number, part = pages.overflow(page)
            parts.append(part)
            size += len(part)
        return b"".join(parts)[: cell.size]

    def _of_main(self, number: int) -> bytes:
        return os.pread(self._file.fileno(), PAGE_BYTES, (number - 1) * PAGE_BYTES)


def _take(cell: Cell, age: int, images: _Images, into: SpoolConnection, found: Finds) -> bool:
    """Keeps the row of a cell if it is one of a spool's; whether it was, and whole."""
    try:
        columns = pages.columns(cell.local)
    except (ValueError, OverflowError):
        return False
    head = (cell.rowid, *columns[1:_HEAD_COLUMNS])
    if len(columns) >= _HEAD_COLUMNS and is_sealed("log", head):
        return _take_frame(head, cell, age, images, into, found)
    for payload in images.payloads(cell, age):
        row = _row_of(cell, payload)
        if row is not None:
            _keep(*row, into, found)
            return True
    return False


def _take_frame(
    head: tuple[Any, ...], cell: Cell, age: int, images: _Images, into: SpoolConnection, found: Finds
) -> bool:
    for payload in images.payloads(cell, age):
        try:
            body = pages.last_column(payload)
        except ValueError:
            continue
        if is_sound(body):
            into.execute(TABLES["log"].insert("OR IGNORE"), (*head, body))
            found.rows += 1
            return True
    told = head_of(head)
    if told is not None:
        found.broken[told.offset] = told
    return False


def _row_of(cell: Cell, payload: bytes) -> tuple[Table, tuple[Any, ...]] | None:
    """The table and the row a payload proves to be."""
    try:
        columns = pages.columns(payload)
    except (ValueError, OverflowError):
        return None
    for table in _BY_WIDTH.get(len(columns), ()):
        row = (cell.rowid, *columns[1:]) if table.by_rowid and columns[0] is None else columns
        if is_sealed(table.name, row):
            return table, row
    return None


def _keep(table: Table, row: tuple[Any, ...], into: SpoolConnection, found: Finds) -> None:
    found.rows += 1
    if table.name == "mark":
        mark = Mark(*row[:-1])
        found.mark = mark if found.mark is None or mark.stamp > found.mark.stamp else found.mark
    else:
        into.execute(table.upsert(f"WHERE excluded.stamp > {table.name}.stamp"), row)
