"""One dropped file as messages: rows of CSV (`drop_table`), lines, or the file as a whole.

Input: a file that nobody writes any more. Output: `Row`s in its order, each a payload or the reason why it is none.
Only plain files are opened: behind a link may be a file that whoever dropped it may not read.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from collector.config import DropSettings
from collector.sources.drop_table import Row, UnreadableFile, codec_of, errors_of, table_rows

_MB = 1_000_000


def rows_of(path: Path, settings: DropSettings) -> Iterator[Row]:
    """The rows of a file. Raises UnreadableFile, perhaps after some of them."""
    try:
        size_bytes = path.lstat().st_size
        if not size_bytes:
            raise UnreadableFile(f"{path.name}: it is empty: write it again, under another name until it is whole")
        if size_bytes > settings.max_mb * _MB:
            raise UnreadableFile(
                f"{path.name}: over {settings.max_mb:g} MB: split it, or raise `max_mb` of its [[drop]]"
            )
        if settings.format == "csv":
            yield from _csv_together(path, settings) if settings.together else _csv_rows(path, settings)
        elif settings.format == "lines":
            yield from _lines(path)
        else:
            with os.fdopen(opened(path), "rb") as file:
                yield Row(file.read())
    except OSError as error:
        raise UnreadableFile(f"{path.name}: {error.strerror}: give this user read access and drop it again") from error


def opened(path: Path) -> int:
    """A descriptor of a plain file, for reading. Raises UnreadableFile where it is a link or no file, OSError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UnreadableFile(f"{path.name}: it is a link, which is not followed: drop the file itself") from error
        raise
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise UnreadableFile(f"{path.name}: it is no plain file: drop a file")


def _lines(path: Path) -> Iterator[Row]:
    with os.fdopen(opened(path), "rb") as file:
        yield from (Row(line.strip()) for line in file if line.strip())


def _csv_together(path: Path, settings: DropSettings) -> Iterator[Row]:
    """All rows as one list: what belongs together is taken whole or not at all."""
    rows = list(_csv_rows(path, settings))
    for row in rows:
        if row.reason:
            raise UnreadableFile(row.reason)
    yield Row(b"[" + b",".join(row.payload for row in rows) + b"]")


def _csv_rows(path: Path, settings: DropSettings) -> Iterator[Row]:
    with os.fdopen(opened(path), encoding=codec_of(settings), errors=errors_of(settings), newline="") as file:
        try:
            yield from table_rows(file, path.name, settings)
        except UnicodeError as error:
            raise UnreadableFile(
                f"{path.name}: it is not {settings.encoding}: correct `encoding` of its [[drop]], or save it as such"
            ) from error
