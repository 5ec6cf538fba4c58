"""The rows of a dropped table of CSV, and those of them that could not be read, so that they can be read again.

A row is a JSON object of its filled cells by column, all text, with `_file` and `_row` (as a spreadsheet counts) for
whoever refuses it, and `_repeat` where the same row stood before in the file: two rows alike are two events. One that
cannot be read is kept as the file has it, under the first row and where it came from: `rows_again` reads it as the
[[drop]] of its folder says by then.
"""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import msgspec

from collector.config import DropSettings
from collector.errors import AndonError

ORIGIN = "drop:"  # how the topics begin of rows that could not be read; the folder follows
MARKS = ",;\t|"  # what tables are cut at
_DECIMAL_COMMA = re.compile(r"^(\s*[+-]?\d+),(\d+\s*)$")


class UnreadableFile(AndonError):
    """The file as a whole cannot be read; the sentence names it and the remedy."""


class Row(NamedTuple):
    """One message to be; `reason`: why it is none."""

    payload: bytes
    reason: str = ""


class Origin(msgspec.Struct, frozen=True):
    """Where a row that could not be read stood, and how often the same stood before it."""

    file: str
    row: int
    repeat: int = 0


class _Lines:
    """Lines for a reader of CSV, which remembers those it has handed on."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._handed: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._handed.append(line)
        return line

    def handed(self) -> str:
        """What was handed on since it was last asked."""
        text, self._handed = "".join(self._handed), []
        return text


def table_rows(
    lines: Iterable[str], file: str, settings: DropSettings, first: int = 2, repeat: int = 0
) -> Iterator[Row]:
    """The rows of a table whose first line names the columns. Raises UnreadableFile.

    `first`: the number of the first row; `repeat`: how often each stood in the file before.
    """
    seen: Counter[int] = Counter()
    source = _Lines(lines)
    reader = csv.reader(source, delimiter=settings.delimiter, skipinitialspace=True)
    columns = _columns(file, reader, settings)
    head, number = source.handed(), first - 1
    while True:
        number += 1
        try:
            cells, fault = next(reader), ""
            if not cells:
                continue
        except StopIteration:
            return
        except csv.Error as error:
            cells, fault = [], f"{error}: close the quote of its text, or shorten the text"
        text = source.handed()
        fault = fault or _fault(columns, cells, settings.encoding)
        if settings.decimal == ",":
            cells = [_DECIMAL_COMMA.sub(r"\1.\2", cell) for cell in cells]
        digest = zlib.crc32((settings.delimiter.join(cells) or text).encode("utf-8", "surrogateescape"))
        before = repeat + seen[digest]
        seen[digest] += 1
        if fault:
            kept = _kept(Origin(file, number, before), head + text, settings.encoding)
            yield Row(kept, f"{file} row {number}: {fault}")
        else:
            yield Row(_payload(columns, cells, file, number, before))


def rows_again(letter: bytes, topic: str, drops: Sequence[DropSettings]) -> tuple[DropSettings, list[Row]]:
    """What a dead letter of `table_rows` comes to, and the [[drop]] that says so. Raises UnreadableFile."""
    first, _, table = letter.partition(b"\n")
    folder = topic.removeprefix(ORIGIN)
    try:
        origin = msgspec.json.decode(first, type=Origin)
    except msgspec.MsgspecError as error:
        raise UnreadableFile(f"{folder}: no row of a dropped file ({error}): drop the file again") from error
    settings = next((one for one in drops if one.folder == folder and fnmatchcase(origin.file, one.glob)), None)
    if settings is None or settings.format != "csv":
        raise UnreadableFile(
            f"{origin.file} row {origin.row}: no [[drop]] reads it as csv from folder {folder!r}: write one again, or "
            "drop the row again"
        )
    try:
        text = table.decode(codec_of(settings), errors_of(settings))
    except UnicodeError as error:
        raise UnreadableFile(f"{origin.file} row {origin.row}: {_not_encoded(settings.encoding)}") from error
    lines = io.StringIO(text, newline="")
    return settings, list(table_rows(lines, origin.file, settings, origin.row, origin.repeat))


def codec_of(settings: DropSettings) -> str:
    """The encoding as Python names it; UTF-8 with or without the mark that spreadsheets write first."""
    return "utf-8-sig" if settings.encoding == "utf-8" else settings.encoding


def errors_of(settings: DropSettings) -> str:
    """What becomes of bytes that are not of the encoding: kept as they are, where one row is wrong and not the rest."""
    return "strict" if settings.encoding == "utf-16" else "surrogateescape"


def _columns(file: str, reader: Iterator[list[str]], settings: DropSettings) -> Sequence[str]:
    """The names in the first row. Raises UnreadableFile, of the file and once, where rows could not be cut by them."""
    try:
        columns = [name.strip() for name in next(reader)]
    except (StopIteration, csv.Error) as error:
        raise UnreadableFile(f"{file}: its first row names no columns: save it as CSV") from error
    for mark in MARKS.replace(settings.delimiter, ""):
        if sum(name.count(mark) for name in columns) >= len(columns) > 0:
            raise UnreadableFile(
                f"{file}: its first row is cut at {mark!r}, not at {settings.delimiter!r}: correct `delimiter` of its "
                "[[drop]], or save the file with the other one"
            )
    if not columns or not all(name and name.isprintable() for name in columns):
        raise UnreadableFile(
            f"{file}: its first row names no columns: save it as CSV, columns first, in `encoding` of its [[drop]]"
        )
    if len(set(columns)) != len(columns):
        raise UnreadableFile(f"{file}: a column stands twice in its first row: rename one")
    lacking = [name for name in settings.needs if name not in columns]
    if lacking:
        raise UnreadableFile(
            f"{file}: its first row has no column {lacking[0]!r}, only {', '.join(map(repr, columns[:8]))}: name it "
            "there, or correct `delimiter`, `encoding` or `needs` of its [[drop]]"
        )
    return columns


def _fault(columns: Sequence[str], cells: Sequence[str], encoding: str) -> str:
    if len(cells) != len(columns):
        return f"it has {len(cells)} cells, the first row {len(columns)}: quote texts that hold the delimiter"
    if any("\ud800" <= character <= "\udfff" for cell in cells for character in cell):
        return _not_encoded(encoding)
    return ""


def _not_encoded(encoding: str) -> str:
    return f"it is not {encoding}: correct `encoding` of its [[drop]], or save the file as {encoding}"


def _kept(origin: Origin, table: str, encoding: str) -> bytes:
    """A row as the file has it, under the first row and where it stood."""
    return msgspec.json.encode(origin) + b"\n" + table.encode(encoding, "surrogateescape")


def _payload(columns: Sequence[str], cells: Sequence[str], file: str, number: int, before: int) -> bytes:
    said: dict[str, str | int] = {
        column: text.strip() for column, text in zip(columns, cells, strict=True) if text.strip()
    }
    if before:
        said["_repeat"] = before
    return msgspec.json.encode({**said, "_file": file, "_row": number})
