"""WhileRunning: a chart of gauges judges and learns only while its line is meant to run and does, product by product.

Input: the chart's own readings; the calendar; and the line's STATE series, whatever the rule's `metric` says. Readings
of a planned stop, of one of `idle_states`, and of the first `settle_s` after either are passed over: what a machine
shows at rest is neither usual nor a fault. What is usual is remembered for each mode of the line (`detectors.modes`: a
product, a recipe, a speed), so that a level of its own for each is no shift; the first `settle_s` of a mode are passed
over, too. Where nothing of this is known, the chart is as without.
"""

from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S, Batch, Kind, Quality, Series
from collector.spool.ledger import Gap
from detectors.columns import PerSeriesColumns
from detectors.detector import Context, Evidence, Scores
from detectors.modes import Modes

IDLE_STATES = ("changeover", "setup", "break", "planned_stop")
_LEAST_DWELL_S = 900.0  # on average: a signal that changes more often is a step of a cycle, not a mode


class _Rest(msgspec.Struct):
    """Of the line: what each telling series said last and when; when it last rested, by what was told or planned, or
    its mode changed."""

    idle: dict[int, bool] = {}
    at_ns: dict[int, int] = {}
    rested_ns: int = 0
    mode: str = ""
    modes: Modes = msgspec.field(default_factory=Modes)


class _Kept(msgspec.Struct):
    chart: bytes
    rest: _Rest


class WhileRunning:
    """A Detector, and a `detectors.detector.Listener`."""

    def __init__(
        self, chart: PerSeriesColumns, context: Context, idle_states: tuple[str, ...], settle_s: float
    ) -> None:
        self._chart, self._context = chart, context
        self._idle_states, self._settle_ns = frozenset(idle_states), int(settle_s * NS_PER_S)
        self._line = context.line.partition("/")[2] or context.line
        self._telling: dict[int, bool] = {}
        self._rest = _Rest()

    def listens(self, series: Series) -> bool:
        return series.kind is Kind.STATE

    def score(self, batch: Batch) -> Scores:
        runs, modes = self._runs(batch)
        if len(modes) == 1:
            self._chart.enter(modes[0][1])
            return self._chart.score(batch if runs.all() else batch.take(runs))
        said = []
        for (begin, mode), (end, _) in pairwise([*modes, (len(batch), "")]):
            self._chart.enter(mode)
            said.append(self._chart.score(batch.take(np.flatnonzero(runs[begin:end]) + begin)))
        return _joined(said)

    def tick(self, at_ns: int) -> Scores:
        return self._chart.tick(at_ns)

    def miss(self, gap: Gap) -> None:
        self._chart.miss(gap)

    def subject(self, series: Series) -> str:
        return self._chart.subject(series)

    def explain(self, series: int, at_ns: int) -> Evidence:
        return self._chart.explain(series, at_ns)

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(_Kept(self._chart.snapshot(), self._rest))

    def restore(self, state: bytes) -> None:
        kept = msgspec.msgpack.decode(state, type=_Kept)
        self._chart.restore(kept.chart)
        self._rest = kept.rest

    def _runs(self, batch: Batch) -> tuple[NDArray[np.bool_], list[tuple[int, str]]]:
        """At which rows the line runs, and has for a while; from which row on in which mode; in order of arrival."""
        runs, modes = np.ones(len(batch), np.bool_), [(0, self._rest.mode)]
        telling = [one for one in np.unique(batch.series).tolist() if self._tells(one)]
        cuts = [*np.flatnonzero(np.isin(batch.series, telling)).tolist(), len(batch)] if telling else [len(batch)]
        begin = 0
        for end in cuts:
            self._mark(runs[begin:end], batch.at_ns[begin:end])
            if end < len(batch):
                self._note(int(batch.series[end]), int(batch.at_ns[end]), float(batch.value[end]), batch.quality[end])
                if self._rest.mode != modes[-1][1]:
                    modes.append((end, self._rest.mode))
            begin = end
        return runs, modes

    def _mark(self, runs: NDArray[np.bool_], at_ns: NDArray[np.int64]) -> None:
        """Marks rows between two that tell; all are taken to run until then."""
        is_idle, planned_stop, line = any(self._rest.idle.values()), self._context.calendar.planned_stop, self._line
        if not (is_idle or self._rest.rested_ns) and self._context.calendar.never_stops:
            return
        instants, row = np.unique(at_ns, return_inverse=True)
        answers = np.empty(len(instants), np.bool_)
        for i, one_ns in enumerate(instants.tolist()):
            if is_idle or planned_stop(line, one_ns) is not None:
                self._rest.rested_ns = max(self._rest.rested_ns, one_ns)
                answers[i] = False
            else:
                answers[i] = not self._rest.rested_ns or one_ns - self._rest.rested_ns >= self._settle_ns
        runs[:] = answers[row]

    def _note(self, series: int, at_ns: int, value: float, quality: int) -> None:
        rest = self._rest
        if quality != Quality.GOOD or not np.isfinite(value) or at_ns <= rest.at_ns.get(series, -1):
            return
        states = self._context.series[series].states
        was = any(rest.idle.values())
        rest.at_ns[series] = at_ns
        rest.idle[series] = 0 <= value < len(states) and states[int(value)] in self._idle_states
        if was or rest.idle[series]:
            rest.rested_ns = max(rest.rested_ns, at_ns)
        rest.modes.note(series, at_ns, value)
        if not any(rest.idle.values()):
            self._enter(rest.modes.mode(self._context.calendar, self._line, at_ns, _LEAST_DWELL_S), at_ns)

    def _enter(self, mode: str, at_ns: int) -> None:
        if mode != self._rest.mode and self._rest.mode:  # else it has just been heard of
            self._rest.rested_ns = max(self._rest.rested_ns, at_ns)
        self._rest.mode = mode

    def _tells(self, series: int) -> bool:
        known = self._telling.get(series)
        if known is None:
            known = self._telling[series] = self.listens(self._context.series[series])
        return known


def _joined(said: list[Scores]) -> Scores:
    """Scores one after the other."""
    return Scores(*(np.concatenate([getattr(one, name) for one in said]) for name in Scores.__slots__))
