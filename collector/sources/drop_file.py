"""One dropped file as messages: rows of CSV, lines, or the file as a whole.

Input: a file that nobody writes any more. Output: `Row`s in its order, each a payload or the reason why it is none.
A row of CSV is a JSON object of its filled cells by column, all text, with `_file` and `_row` (as a spreadsheet counts)
for whoever refuses it, and `_repeat` where the same row stood before in the file: two rows alike are two events.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from collector.config import DropSettings
from collector.errors import AndonError

_MB = 1_000_000
_DECIMAL_COMMA = re.compile(r"^(\s*[+-]?\d+),(\d+\s*)$")


class UnreadableFile(AndonError):
    """The file as a whole cannot be read; the sentence names it and the remedy."""


class Row(NamedTuple):
    """One message to be; `reason`: why it is none."""

    payload: bytes
    reason: str = ""


def rows_of(path: Path, settings: DropSettings) -> Iterator[Row]:
    """The rows of a file. Raises UnreadableFile, perhaps after some of them."""
    try:
        size_bytes = path.stat().st_size
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
            yield Row(path.read_bytes())
    except OSError as error:
        raise UnreadableFile(f"{path.name}: {error.strerror}: give this user read access and drop it again") from error


def _lines(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        yield from (Row(line.strip()) for line in file if line.strip())


def _csv_together(path: Path, settings: DropSettings) -> Iterator[Row]:
    """All rows as one list: what belongs together is taken whole or not at all."""
    rows = list(_csv_rows(path, settings))
    for row in rows:
        if row.reason:
            raise UnreadableFile(row.reason)
    yield Row(b"[" + b",".join(row.payload for row in rows) + b"]")


def _csv_rows(path: Path, settings: DropSettings) -> Iterator[Row]:
    seen: Counter[int] = Counter()
    encoding = "utf-8-sig" if settings.encoding == "utf-8" else settings.encoding
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=settings.delimiter, skipinitialspace=True)
        columns = _columns(path, reader)
        number = 1
        while True:
            number += 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(b"", f"{path.name} row {number}: {error}: correct the file and drop the row again")
                continue
            if cells:
                fault = _fault(columns, cells, settings.encoding)
                if settings.decimal == ",":
                    cells = [_DECIMAL_COMMA.sub(r"\1.\2", cell) for cell in cells]
                told = settings.delimiter.join(cells).encode("utf-8", "surrogateescape")
                digest = zlib.crc32(told)
                yield (
                    Row(told, f"{path.name} row {number}: {fault}")
                    if fault
                    else Row(_payload(columns, cells, path.name, number, seen[digest]))
                )
                seen[digest] += 1


def _columns(path: Path, reader: Iterator[list[str]]) -> Sequence[str]:
    """The names in the first row. Raises UnreadableFile."""
    try:
        columns = [name.strip() for name in next(reader)]
    except (StopIteration, csv.Error) as error:
        raise UnreadableFile(f"{path.name}: its first row names no columns: save it as CSV") from error
    if not columns or not all(name and name.isprintable() for name in columns):
        raise UnreadableFile(
            f"{path.name}: its first row names no columns: save it as CSV, columns first, in `encoding` of its [[drop]]"
        )
    if len(set(columns)) != len(columns):
        raise UnreadableFile(f"{path.name}: a column stands twice in its first row: rename one")
    return columns


def _fault(columns: Sequence[str], cells: Sequence[str], encoding: str) -> str:
    if len(cells) != len(columns):
        return f"it has {len(cells)} cells, the first row {len(columns)}: quote texts that hold the delimiter"
    if any("\ud800" <= character <= "\udfff" for cell in cells for character in cell):
        return f"it is not {encoding}: correct `encoding` of its [[drop]], or save the file as {encoding}"
    return ""


def _payload(columns: Sequence[str], cells: Sequence[str], file: str, number: int, before: int) -> bytes:
    said: dict[str, str | int] = {
        column: text.strip() for column, text in zip(columns, cells, strict=True) if text.strip()
    }
    if before:
        said["_repeat"] = before
    return msgspec.json.encode({**said, "_file": file, "_row": number})
