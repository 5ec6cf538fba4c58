"""A CSV file as a `Table` of `detectors.offline`, and what had to be decided on the way, in sentences.

Rows may come unsorted, twice, broken or without a time; the table is in order, and `row` says where each row of the
file went. Columns that hold no numbers are left out, and so are those whose names say that they are the answer.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S
from collector.recognition.instants import is_called_time
from collector.recognition.quantity import words_of
from deploy.tables.columns import Choice, Columns, read_columns
from deploy.tables.csv_rows import TableError, layout_of
from deploy.tables.dates import is_clock, is_date_alone
from deploy.tables.instants import START_NS, UNREAD, Instants, Written, clocks_in, instants_in, seconds_in, serials_in
from deploy.tables.long_table import apart, tag_and_value, widened
from deploy.tables.order import in_order
from detectors.offline.table import Floats, Table

_NUMBERS_RATIO = 0.5  # of a column's cells that say something; a column of fewer holds texts
_ANSWERS = re.compile(
    r"(is[ _])?(anomal\w*|outliers?|attacks?|labels?|change_?points?|ground[ _]truth|y_true)([ _].*|\d*)"
    r"|targets?|faults?([ _]?(numbers?|no|nr|id|flag|type|class|label))?|att[ _]?flag|normal/attack",
    re.IGNORECASE,
)
_RUNS = re.compile(r"(simulation|experiment|test)[ _]?(runs?|no|nr|number|id)|run[ _]?(no|nr|number|id)", re.IGNORECASE)
_CLOCKS = ("time", "zeit", "uhrzeit", "hour", "clock", "time of day", "time_of_day")
_DATES = ("date", "datum", "day")
_SECONDS = frozenset(("time", "t", "ts", "timestamp", "s", "sec", "seconds", "time_s", "zeit"))
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
_PER = {"ms": 0.001, "min": 60.0, "minutes": 60.0, "h": 3600.0, "hours": 3600.0}  # seconds, by a word of its name
_NUMBERING = frozenset(
    ("", "index", "unnamed: 0", "row", "row_number", "nr", "no", "no.", "#", "sample", "cycle", "id")
)


@dataclass(frozen=True, slots=True, eq=False)
class CsvTable:
    """`table`, and for each row of the file its number there (-1: it has no time) and its time as it was written."""

    path: Path
    table: Table
    row: NDArray[np.intp]
    written: Sequence[str]
    notices: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.row)


def read_table(path: Path, choice: Choice) -> CsvTable:
    """Reads a file. Raises TableError: no file, no rows, no numbers, a column that is named and not there."""
    columns = read_columns(path, layout_of(path), choice)
    notices: list[str] = []
    when, at_ns, written = _when(path, columns, choice, notices)
    columns, at_ns, written = _wide(columns, at_ns, written, notices)
    names = _measured(path, columns, choice, when, notices)
    value = np.column_stack([columns.numbers[name] for name in names])
    if columns.uneven:
        notices.append(f"rows with more or fewer fields than the others: {columns.uneven}; missing fields say nothing")
    table, row = in_order(at_ns, names, value, notices)
    if not len(table):
        raise TableError(f"{path}: no row has a time that can be read; name another column with --time")
    return CsvTable(path, table, row, written, tuple(f"{path.name}: {notice}" for notice in notices))


def before(taught: CsvTable, judged: CsvTable) -> tuple[CsvTable, int]:
    """The table with the rows of another put before it, and how many those are. Raises TableError.

    Where they are not older they are moved back by whole days, so that the time of day stays what it was.
    """
    missing = [name for name in judged.table.names if name not in taught.table.names]
    if missing:
        raise TableError(
            f"{taught.path}: lacks the column {missing[0]!r} of {judged.path}; leave it out with --without"
        )
    own, other = judged.table, taught.table
    day_ns = 86_400 * NS_PER_S
    late_ns = int(other.at_ns[-1] - own.at_ns[0])
    moved_ns = -(-(late_ns + 1) // day_ns) * day_ns if late_ns >= 0 else 0
    value = other.value[:, [other.names.index(name) for name in own.names]]
    table = Table(np.concatenate([other.at_ns - moved_ns, own.at_ns]), own.names, np.concatenate([value, own.value]))
    row = np.where(judged.row < 0, -1, judged.row + len(other))
    return replace(judged, table=table, row=row), len(other)


def _when(path: Path, columns: Columns, choice: Choice, notices: list[str]) -> tuple[set[str], Instants, Sequence[str]]:
    """The columns that say when, the instants of the rows, and how the file writes them."""
    if choice.time and choice.time not in columns.layout.names:
        raise TableError(f"{path}: no column {choice.time!r}; there is {', '.join(columns.layout.names)}")
    for names, texts in _candidates(columns):
        found = _instants(names, texts, choice)
        if found is not None:
            notices.append(f"time is read from {' and '.join(map(repr, names))} as {found.how}")
            return set(names), found.at_ns, texts
    if choice.time:
        raise TableError(f"{path}: column {choice.time!r} holds no times that can be read; name another with --time")
    count = len(columns.numbers[columns.layout.names[0]])
    step_ns = int(choice.step_s * NS_PER_S)
    notices.append(f"no column says when: rows are taken to be {choice.step_s:g} s apart (--step-s), by their number")
    return set(), START_NS + step_ns * np.arange(count, dtype=np.int64), [str(i) for i in range(count)]


def _candidates(columns: Columns) -> list[tuple[tuple[str, ...], Sequence[str]]]:
    """Columns that may say when, those called so first; a date and a time of day in two columns go together."""
    texts = columns.texts
    dates = [name for name in texts if name.lower() in _DATES or _says(texts[name], is_date_alone)]
    clocks = [name for name in texts if name.lower() in _CLOCKS or _says(texts[name], is_clock)]
    clocks.sort(key=lambda name: not (name.lower() in _CLOCKS or is_called_time(name)))
    alone = sorted(texts, key=lambda name: not is_called_time(name))
    found: list[tuple[tuple[str, ...], Sequence[str]]] = [((name,), texts[name]) for name in alone]
    if dates and clocks and dates[0] != clocks[0]:
        joined = [
            f"{date.strip()} {clock.strip()}" for date, clock in zip(texts[dates[0]], texts[clocks[0]], strict=True)
        ]
        found.insert(0, ((dates[0], clocks[0]), joined))
    return found


def _says(texts: Sequence[str], what: Callable[[str], bool]) -> bool:
    """Whether the first cells that hold something are written so."""
    first = [text for text in texts[:20] if text.strip()]
    return bool(first) and all(map(what, first))


def _instants(names: Sequence[str], texts: Sequence[str], choice: Choice) -> Written | None:
    found = instants_in(names[0], texts, choice.zone)
    if found is not None and (found.at_ns != UNREAD).any():
        return found
    name = names[0]
    is_called_so = bool(choice.time) or is_called_time(name) or name.lower() in (*_SECONDS, *_CLOCKS, *_DATES)
    counted = (serials_in(texts, choice.zone) or clocks_in(texts)) if is_called_so else None
    if counted is not None:
        return counted
    if not (choice.time or name.lower() in _SECONDS or is_called_time(name)):
        return None
    per = next((_PER[word] for word in words_of(name) if word in _PER), 1.0)
    return seconds_in(texts, per, must_be_even=not choice.time and name.lower() not in _SECONDS)


def _wide(
    columns: Columns, at_ns: Instants, written: Sequence[str], notices: list[str]
) -> tuple[Columns, Instants, Sequence[str]]:
    """A long table with a column for each of its tags and a row for each instant; any other as it is."""
    long = tag_and_value(columns.layout.names)
    tags = apart(long[0], columns.tags, columns.numbers) if long else ()
    wide = widened(at_ns, tags, columns.numbers[long[1]]) if long else None
    if long is None or wide is None:
        return columns, at_ns, written
    notices.append(
        f"a row is one value of a tag in {long[0]!r}: they become {len(wide.tags)} columns, a row an instant"
    )
    numbers = {tag: wide.value[:, i] for i, tag in enumerate(wide.tags)}
    filled = {tag: int(np.isfinite(own).sum()) for tag, own in numbers.items()}
    named = columns.layout._replace(names=wide.tags)
    return Columns(named, {}, numbers, filled, [], columns.uneven), wide.at_ns, [written[i] for i in wide.row]


def _measured(path: Path, columns: Columns, choice: Choice, when: set[str], notices: list[str]) -> tuple[str, ...]:
    """The columns to judge. Raises TableError."""
    for glob in (*choice.columns, *choice.without):
        if not fnmatch.filter(columns.layout.names, glob):
            raise TableError(f"{path}: no column fits {glob!r}; there is {', '.join(columns.layout.names)}")
    wanted = [name for name in columns.layout.names if name not in when and _is_wanted(name, choice)]
    chosen = [name for name in wanted if any(fnmatch.fnmatchcase(name, glob) for glob in choice.columns)]
    found = []
    for name in wanted:
        why = "" if name in chosen else _why_not(name, columns)
        if why:
            notices.append(f"column {name!r} is left out: {why}")
        else:
            found.append(name)
    if not found:
        raise TableError(
            f"{path}: no column of numbers is left, read with {_SEPARATORS[columns.layout.delimiter]} between columns "
            f"and {columns.layout.decimal!r} as the decimal mark; export it otherwise, or choose with --column"
        )
    return tuple(found)


def _is_wanted(name: str, choice: Choice) -> bool:
    in_columns = not choice.columns or any(fnmatch.fnmatchcase(name, glob) for glob in choice.columns)
    return in_columns and not any(fnmatch.fnmatchcase(name, glob) for glob in choice.without)


def _why_not(name: str, columns: Columns) -> str:
    """Why a column that nobody asked for is not judged, "" where it is."""
    numbers = columns.numbers[name]
    known = numbers[~np.isnan(numbers)]
    if len(known) < _NUMBERS_RATIO * max(columns.filled[name], 1):
        return "it holds no numbers" if columns.filled[name] else "it is empty"
    if _ANSWERS.fullmatch(name):
        return "its name says that it is the answer (--column takes it all the same)"
    if _RUNS.fullmatch(name):
        return "its name says that it numbers runs (--column takes it all the same)"
    if name.lower() in _NUMBERING and len(known) > 1 and _counts_on(known):
        return "it numbers the rows (--column takes it all the same)"
    return ""


def _counts_on(numbers: Floats) -> bool:
    """Whether each number is one more than that before it, or the first again."""
    return bool(((np.diff(numbers) == 1) | (numbers[1:] == numbers[0])).all() and (np.diff(numbers) == 1).any())
