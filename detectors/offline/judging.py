"""A method over a table: anybody's rows through the real contract, one verdict a row.

Input: a `Table`, rows in order of time. Output: `Verdicts`, as long as the table. The method sees what a line would
give it: readings, then a tick at their instant, and ticks through every pause. A method that says nothing at ticks is
given many rows at once, which the contract says changes nothing. What a tick says between two rows stands at the later
one; what is said of a slot of time stands at the last row in it, and holds until the next is judged. No row's verdict
asks whether another follows. To a method that judges slots, what only rises is told as a rate. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from collector.readings import Equipment, Kind, Series
from detectors.calendar import Calendar
from detectors.detector import Context, Detector, Evidence, Scores
from detectors.models.taught import Taught
from detectors.offline.lesson import Models, teach
from detectors.offline.rates import FIRST_ROWS, with_rates
from detectors.offline.table import ROWS_AT_ONCE, Batches, Table, guesses
from detectors.offline.verdicts import Said, Verdicts

Build = Callable[[Context], Detector]
Heard = Callable[[int, int], None]  # (rows done, at_ns)

_PAUSE_STEPS = 3.0  # a pause of more usual steps is lived through tick by tick
_TICKS_IN_PAUSE = 32  # at most: of a long one they lie evenly


def judged(
    table: Table,
    build: Build,
    kinds: Mapping[str, Kind] | None = None,
    *,
    taught_rows: int = 0,
    slot_ns: int = 0,
    with_series: bool = True,
    heard: Heard = lambda rows, at_ns: None,
    explained: dict[int, Evidence] | None = None,
) -> Verdicts:
    """The verdicts of a method that starts afresh. Columns are gauges but for those in `kinds`.

    A method that has nothing to say of these is asked again with what looks like counters, then like stocks.
    The first `taught_rows` only teach; a method whose models are trained apart takes a quarter where none are given.
    `explained` takes in the evidence of each row with an alarm, by row; it costs a call of the method for every row.
    `slot_ns`: the length of the slots that a method of cells judges; 0 for all others.
    """
    given, has_slots = kinds or {}, slot_ns > 0
    rates: tuple[str, ...] = ()
    if has_slots:
        table, rates = with_rates(table, given, taught_rows or FIRST_ROWS)
        given = {**given, **dict.fromkeys(rates, Kind.GAUGE)}
    for guess in guesses(table, given):
        context = _context(table, guess, table.step_ns if has_slots else 0)
        first = build(context)
        is_of_cell = _judges_cells(first, context)
        taught = taught_rows or (max(len(table) // 4, 1) if isinstance(first, Taught) else 0)
        context = replace(context, taught_to_ns=int(table.at_ns[taught - 1]) if taught else 0)
        try:
            said = Said(table, guess, with_series=with_series, has_slots=has_slots)
            if explained is not None:
                explained.clear()
            detector, lesson = _started(table, build, context, taught)
            _play(table, detector, said, heard, may_speak_at_ticks=False, explained=explained)
        except _SpeaksAtTicks:
            said = Said(table, guess, with_series=with_series, has_slots=has_slots)
            if explained is not None:
                explained.clear()
            detector, lesson = _started(table, build, context, taught)
            _play(table, detector, said, heard, may_speak_at_ticks=True, explained=explained)
        if said.anything:
            break
    return replace(said.verdicts(is_of_cell, taught, lesson), rates=rates)


def _started(table: Table, build: Build, context: Context, taught_rows: int) -> tuple[Detector, str]:
    """A fresh method, with its model where it goes by one, and what was wrong with its lesson."""
    models = Models()
    detector = build(replace(context, models=models))
    if not isinstance(detector, Taught):
        return detector, ""
    subject = detector.subject(context.series[0])
    rows = slice(0, taught_rows)
    return detector, teach(detector, subject, context.series, table.at_ns[rows], table.value[rows], models)


class _SpeaksAtTicks(Exception):
    """The method judges the passing of time: it wants a tick at every row."""


def _play(
    table: Table,
    detector: Detector,
    said: Said,
    heard: Heard,
    *,
    may_speak_at_ticks: bool,
    explained: dict[int, Evidence] | None,
) -> None:
    batches = Batches(table)
    row_by_row = may_speak_at_ticks or explained is not None
    for start, end, ticks in _stretches(table, 1 if row_by_row else ROWS_AT_ONCE):
        batch = batches.between(start, end)
        if len(batch):
            scores = detector.score(batch)
            said.hear(scores)
            _explain(detector, scores, said, explained)
        for at_ns in ticks:
            scores = detector.tick(at_ns)
            _explain(detector, scores, said, explained)
            if len(scores) and not may_speak_at_ticks:
                raise _SpeaksAtTicks
            said.hear(scores)
        if end % ROWS_AT_ONCE == 0 or end == len(table):
            said.settle()
            heard(end, int(table.at_ns[end - 1]))


def _explain(detector: Detector, scores: Scores, said: Said, explained: dict[int, Evidence] | None) -> None:
    """Keeps why the most alarmed verdict of a row is an alarm."""
    if explained is None or not (scores.score >= 1.0).any():
        return
    most = int(np.nanargmax(scores.score))
    series, at_ns = int(scores.series[most]), int(scores.at_ns[most])
    explained[said.row_of(at_ns)] = {"series": float(series), **detector.explain(series, at_ns)}


def _stretches(table: Table, rows: int) -> Iterator[tuple[int, int, Sequence[int]]]:
    """(first row, past the last, the ticks after it): cut every so many rows and before every pause."""
    step_ns = table.step_ns
    pauses = (np.flatnonzero(np.diff(table.at_ns) > _PAUSE_STEPS * step_ns) + 1).tolist()
    cuts = sorted({*range(rows, len(table), rows), *pauses, len(table)})
    start = 0
    after_pause = set(pauses)
    for end in cuts:
        last_ns = int(table.at_ns[end - 1])
        ticks = [last_ns]
        if end in after_pause:
            next_ns = int(table.at_ns[end])
            spacing_ns = max(step_ns, (next_ns - last_ns) // _TICKS_IN_PAUSE, 1)
            ticks += range(last_ns + spacing_ns, next_ns, spacing_ns)
        yield start, end, ticks
        start = end


def _context(table: Table, kinds: Sequence[Kind], rows_ns: int) -> Context:
    place = Equipment("table", "table", line="line", cell="cell")
    series = {
        i: Series(place, f"{_plain(name)}_{i}", kind=kind)
        for i, (name, kind) in enumerate(zip(table.names, kinds, strict=True))
    }
    return Context(series, Calendar(), place.shard, rows_ns=rows_ns)


def _plain(name: str) -> str:
    """A column's name without what names of series may not hold."""
    return "".join(one if one.isalnum() else "_" for one in name)


def _judges_cells(detector: Detector, context: Context) -> bool:
    """Whether one subject stands for several columns."""
    return len(context.series) > 1 and len({detector.subject(one) for one in context.series.values()}) == 1
