"""A CSV file column by column: numbers of all, texts of those that may say when. Rows are read many at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from collector.recognition.instants import is_called_time
from deploy.tables.csv_rows import Layout, TableError, chunks_of, number_of
from deploy.tables.dates import is_clock, looks_like_time
from deploy.tables.long_table import tag_and_value
from detectors.offline.table import Floats


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person may say of a file. `columns` and `without` are globs over the names of columns; `time` is one
    name, "" to find it. `step_s` parts rows that have no time.
    """

    time: str = ""
    columns: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    zone: dt.tzinfo = dt.UTC
    step_s: float = 1.0


@dataclass(slots=True)
class Columns:
    """The file column by column; `texts` only of those that may say when, `tags` those of a long table's rows."""

    layout: Layout
    texts: dict[str, list[str]]
    numbers: dict[str, Floats]
    filled: dict[str, int]
    tags: list[str]
    uneven: int = 0


def read_columns(path: Path, layout: Layout, choice: Choice) -> Columns:
    """Reads a file. Raises TableError."""
    texts: dict[str, list[str]] = {name: [] for name in layout.names}
    numbers: dict[str, list[Floats]] = {name: [] for name in layout.names}
    filled = dict.fromkeys(layout.names, 0)
    long, tags = tag_and_value(layout.names), list[str]()
    maybe_time: set[str] = set()
    uneven, width = 0, len(layout.names)
    for i, chunk in enumerate(chunks_of(path, layout)):
        uneven += sum(len(row) != width for row in chunk)
        cells = list(zip_longest(*chunk, fillvalue=""))[:width]
        cells += [("",) * len(chunk)] * (width - len(cells))
        for name, column in zip(layout.names, cells, strict=True):
            read = _numbers(column, layout)
            numbers[name].append(read)
            filled[name] += len(column) - column.count("")
            if i == 0 and _may_say_when(name, column, choice, is_first=name == layout.names[0]):
                maybe_time.add(name)
            if name in maybe_time:
                texts[name] += column
            if long and name == long[0]:
                tags += column
    if not any(map(len, numbers[layout.names[0]])):
        raise TableError(f"{path}: holds no row below the names of its columns; export it again")
    told = {name: texts[name] for name in layout.names if name in maybe_time}
    return Columns(layout, told, {name: np.concatenate(own) for name, own in numbers.items()}, filled, tags, uneven)


def _numbers(cells: Sequence[str], layout: Layout) -> Floats:
    """A column's cells as numbers: all at once where they all are, else one by one; what is not finite says nothing."""
    try:
        found = np.array([float(cell) for cell in cells])
    except ValueError:
        if looks_like_time(cells[0]) and looks_like_time(cells[-1]):
            return np.full(len(cells), np.nan)
        known: dict[str, float] = {}
        for cell in set(cells):
            known[cell] = number_of(cell, layout.decimal)
        found = np.array([known[cell] for cell in cells])
    found[~np.isfinite(found)] = np.nan
    return found


def _may_say_when(name: str, cells: Sequence[str], choice: Choice, *, is_first: bool) -> bool:
    if choice.time:
        return name == choice.time
    return is_first or is_called_time(name) or any(looks_like_time(cell) or is_clock(cell) for cell in cells[:200])
