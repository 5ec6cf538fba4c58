"""The rows of a CSV file as they stand: encoding, separator, decimal mark and line of names are recognised.

Input: a file. Output: a `Layout` and the rows as texts, many at a time, of which `deploy.tables.csv_table` makes a
table.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from collector.errors import AndonError
from collector.formats.csv import plain_number
from deploy.tables.dates import looks_like_time

Decimal = Literal[".", ","]

_DELIMITERS = (";", "\t", "|", ",", " ")  # the comma late: it may be a decimal mark; blanks also part date and time
_SAMPLE_LINES = 60
_SAMPLE_BYTES = 64 * 1024
_ROWS_AT_ONCE = 50_000
_DECIMAL_COMMA = re.compile(r"\s*[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+([eE][+-]?\d+)?\s*")
_DECIMAL_POINT = re.compile(r"\s*[+-]?(\d+|\d{1,3}(,\d{3})+)\.\d+([eE][+-]?\d+)?\s*")
_THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?\s*")
_MARKS_OF_ORDER = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class _Rows(Protocol):
    """A reader of rows that knows its line."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...


class TableError(AndonError):
    """A file is no table; the sentence names the file, the place and the remedy."""


class Layout(NamedTuple):
    """How a file is written. `names` of its columns, given where the file names none; `head` lines are no data."""

    encoding: str
    delimiter: str
    decimal: Decimal
    names: tuple[str, ...]
    head: int


def layout_of(path: Path) -> Layout:
    """Looks at the first lines of a file. Raises TableError."""
    try:
        with path.open("rb") as opened:
            encoding = _encoding(opened.read(_SAMPLE_BYTES))
        with path.open(encoding=encoding, errors="replace", newline="") as opened:
            lines = list(islice(opened, _SAMPLE_LINES))
    except (OSError, UnicodeError) as error:
        raise TableError(f"{path}: {error}; name a CSV file") from error
    blank = next((i for i, line in enumerate(lines) if _says_something(line)), len(lines))
    sample = [line for line in lines[blank:] if _says_something(line)]
    if not sample:
        raise TableError(f"{path}: holds no row; export it again with at least one column of numbers")
    delimiter = max(_DELIMITERS, key=lambda mark: _readable_cells(sample, mark))
    rows = _split(sample, delimiter)
    decimal: Decimal = "," if _has_decimal_comma(rows, delimiter) else "."
    width = Counter(map(len, rows)).most_common(1)[0][0]
    titles = _titles(rows, width, decimal)
    if not titles:
        return Layout(encoding, delimiter, decimal, tuple(f"column_{i + 1}" for i in range(width)), blank)
    named = max(titles, key=lambda i: (sum(map(bool, rows[i])), -i))  # a line of units, or of a report, holds less
    head = next(i + 1 for i, line in enumerate(lines) if line == sample[titles[-1]])
    return Layout(encoding, delimiter, decimal, _apart(rows[named]), head)


def chunks_of(path: Path, layout: Layout) -> Iterator[list[list[str]]]:
    """The rows that hold something, up to 50,000 at a time. Raises TableError."""
    with path.open(encoding=layout.encoding, errors="replace", newline="") as opened:
        text = islice(opened, layout.head, None)
        reader = _reader((line.replace("\0", "") for line in text), layout.delimiter)
        try:
            while chunk := list(islice(reader, _ROWS_AT_ONCE)):
                yield [row for row in chunk if row and _is_row(row)]
        except csv.Error as error:
            line = layout.head + reader.line_num
            raise TableError(f"{path} line {line}: {error}; correct the line or export the file again") from error


def number_of(text: str, decimal: Decimal) -> float:
    """A cell's number, NaN where it is none. `true` and `on` are 1, `false` and `off` 0."""
    try:
        if decimal == "." and _THOUSANDS.fullmatch(text):
            return float(text.replace(",", ""))
        return float(plain_number(text, decimal))
    except ValueError:
        return _WORDS.get(text.strip().lower(), float("nan"))


_WORDS = {"true": 1.0, "false": 0.0, "on": 1.0, "off": 0.0}


def is_number(text: str, decimal: Decimal) -> bool:
    number = number_of(text, decimal)
    return number == number


def _encoding(sample: bytes) -> str:
    for mark, encoding in _MARKS_OF_ORDER:
        if sample.startswith(mark):
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _says_something(line: str) -> bool:
    return bool(line.strip(" \t\r\n;,|")) and not line.startswith("#")


def _is_row(row: Sequence[str]) -> bool:
    return not row[0].startswith("#") and any(row)


def _split(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    return list(_reader(lines, delimiter))


def _reader(lines: Iterable[str], delimiter: str) -> _Rows:
    """Rows of cells; where blanks part columns, several are one, and those around a line part nothing."""
    if delimiter != " ":
        return csv.reader(lines, delimiter=delimiter)
    return csv.reader((f"{line.strip()}\n" for line in lines), delimiter=" ", skipinitialspace=True)


def _readable_cells(lines: Sequence[str], delimiter: str) -> tuple[int, int]:
    """How many cells a separator makes that are numbers or times, then whether it makes columns at all.

    None where rows differ in length, or a line of names has another length than they.
    """
    rows = _split(lines, delimiter)
    decimal: Decimal = "." if delimiter == "," else ","
    readable = [sum(_is_readable(cell, decimal) for cell in row) for row in rows]
    width, often = Counter(map(len, rows)).most_common(1)[0]
    first = next((i for i, count in enumerate(readable) if count), 0)
    is_even = often >= 0.6 * len(rows) and (not first or any(len(row) == width for row in rows[:first]))
    return (sum(readable) if is_even else 0), (-1 if width == 1 else 0)


def _is_readable(cell: str, decimal: Decimal) -> bool:
    return is_number(cell, decimal) or looks_like_time(cell)


def _has_decimal_comma(rows: Sequence[Sequence[str]], delimiter: str) -> bool:
    """In a file of commas a cell that holds one is quoted; it may be a number in thousands, too."""
    found = [cell for row in rows for cell in row if _DECIMAL_COMMA.fullmatch(cell)]
    if delimiter != ",":
        return bool(found)
    has_point = any(_DECIMAL_POINT.fullmatch(cell) for row in rows for cell in row)
    return not has_point and any(not _THOUSANDS.fullmatch(cell) for cell in found)


def _titles(rows: Sequence[Sequence[str]], width: int, decimal: Decimal) -> list[int]:
    """The leading rows that are no data: the first may hold numbers as names, those after it hold no number at all."""
    found: list[int] = []
    for i, row in enumerate(rows):
        if found and any(_is_readable(cell, decimal) for cell in row):
            break
        if len(row) == width:
            if not _is_title(row, rows[i + 1 :], decimal):
                break
            found.append(i)
    return found


def _is_title(first: Sequence[str], rest: Sequence[Sequence[str]], decimal: Decimal) -> bool:
    """Whether a row names the columns: some cell of it is neither number nor time, most below it are."""
    for i, name in enumerate(first):
        if not name.strip() or _is_readable(name, decimal):
            continue
        below = [row[i] for row in rest if i < len(row) and row[i].strip()]
        if not rest or (below and sum(_is_readable(cell, decimal) for cell in below) >= 0.5 * len(below)):
            return True
    return False


def _apart(names: Sequence[str]) -> tuple[str, ...]:
    """Names of columns, each once."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        plain = name.strip()
        seen[plain] += 1
        found.append(plain if seen[plain] == 1 else f"{plain}_{seen[plain]}")
    return tuple(found)
