"""Verdicts as a CSV file: a line for each row of the file that was judged, in its order, under a line of names.

One column:    time,score,expected_low,expected,expected_high,alarm,event
Several:       time,score,alarm,worst,event, then for each column NAME.score,NAME.expected_low,NAME.expected,
               NAME.expected_high,NAME.alarm

`time` is as the file writes it. `score` 1.0 is the method's own threshold, empty where nothing is known yet. Of several
columns, `score` and `alarm` are the row's: the largest of its columns' scores, or the method's own where it judges the
row as a whole; `worst` is the column it was said of, or that shows it best, empty where no column does. `alarm` is 1 as
long as an alarm stands, `event` in its first row alone. Where it was asked for, a last column `reasons` names what made
an alarm (`deploy.tables.reasons`), empty in rows without one.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deploy.tables.csv_table import CsvTable
from detectors.offline.table import Floats
from detectors.offline.verdicts import Verdicts

_ROWS_AT_ONCE = 20_000
_BAND = ("expected_low", "expected", "expected_high")


def write_verdicts(
    path: Path,
    judged: CsvTable,
    verdicts: Verdicts,
    alarm: NDArray[np.bool_],
    taught_rows: int,
    reasons: Mapping[int, str] | None = None,
) -> None:
    """Writes the file; the folder is made when missing. `alarm` is a row's; rows without a time have no verdict.
    `reasons` are those of rows; without them there is no such column.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    names = judged.table.names
    has_series = bool(verdicts.series) and not (verdicts.is_of_cell and len(names) > 1)
    with path.open("w", encoding="utf-8", newline="") as opened:
        told = () if reasons is None else ("reasons",)
        csv.writer(opened, lineterminator="\n").writerow([*_head(names, has_series=has_series), *told])
        for start in range(0, len(judged.row), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            columns = _columns(names, verdicts, alarm, judged.row[rows], taught_rows, has_series=has_series)
            written = _quoted(judged.written[rows])
            more = () if reasons is None else (_quoted([reasons.get(one, "") for one in judged.row[rows].tolist()]),)
            opened.writelines(",".join(line) + "\n" for line in zip(written, *columns, *more, strict=True))


def _head(names: Sequence[str], *, has_series: bool) -> list[str]:
    if len(names) == 1:
        return ["time", "score", *(_BAND if has_series else ()), "alarm", "event"]
    groups = ([f"{name}.{what}" for what in ("score", *_BAND, "alarm")] for name in names if has_series)
    return ["time", "score", "alarm", "worst", "event", *chain.from_iterable(groups)]


def _columns(
    names: Sequence[str],
    verdicts: Verdicts,
    alarm: NDArray[np.bool_],
    row: NDArray[np.intp],
    taught_rows: int,
    *,
    has_series: bool,
) -> Iterator[Iterable[str]]:
    """The cells of some rows of the file, column by column; row -1 is nobody's."""
    score, alarms = _numbers(_at(verdicts.score, row)), _flags((row >= 0) & alarm[row])
    events = _flags((row >= 0) & _begins(alarm)[row])
    if len(names) == 1:
        band = [_numbers(_at(verdicts.series[what][:, 0], row)) for what in _BAND] if has_series else []
        yield from (score, *band, alarms, events)
        return
    yield from (score, alarms)
    yield ["" if at < 0 else _quote(names[at]) for at in np.where(row < 0, -1, verdicts.worst[row])]
    yield events
    for i in range(len(names) if has_series else 0):
        own = _at(verdicts.series["score"][:, i], row)
        yield _numbers(own)
        yield from (_numbers(_at(verdicts.series[what][:, i], row)) for what in _BAND)
        yield _flags((own >= 1.0) & (row >= taught_rows))


def _begins(alarm: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The first row of each alarm."""
    begins: NDArray[np.bool_] = np.diff(alarm.astype(np.int8), prepend=0) == 1
    return begins


def _at(column: Floats, row: NDArray[np.intp]) -> Floats:
    return np.where(row < 0, np.nan, column[row])


def _numbers(column: Floats) -> list[str]:
    return ["" if number != number else f"{number:.9g}" for number in column.tolist()]


def _flags(column: NDArray[np.bool_]) -> list[str]:
    return ["1" if flag else "0" for flag in column.tolist()]


def _quoted(texts: Sequence[str]) -> list[str]:
    return [_quote(text) for text in texts]


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n\r') else text
