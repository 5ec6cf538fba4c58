"""WhileRunning: a chart of gauges judges and learns only while its line is meant to run and does.

Input: the chart's own readings; the calendar; and the line's STATE series of which a state is named in `idle_states`,
whatever the rule's `metric` says. Readings of a planned stop, of such a state, and of the first `settle_s` after either
are passed over: what a machine shows at rest is neither usual nor a fault. So a signal with a level for each does not
count every stop as a shift. Where neither calendar nor state is known, the chart is as without.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S, Batch, Kind, Quality, Series
from collector.spool.ledger import Gap
from detectors.columns import PerSeriesColumns
from detectors.detector import Context, Evidence, Scores

IDLE_STATES = ("changeover", "setup", "break", "planned_stop")


class _Rest(msgspec.Struct):
    """Of the line: what each telling series said last and when; when it last rested, by what was told or planned."""

    idle: dict[int, bool] = {}
    at_ns: dict[int, int] = {}
    rested_ns: int = 0


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
        return series.kind is Kind.STATE and not self._idle_states.isdisjoint(series.states)

    def score(self, batch: Batch) -> Scores:
        runs = self._runs(batch)
        return self._chart.score(batch if runs.all() else batch.take(runs))

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

    def _runs(self, batch: Batch) -> NDArray[np.bool_]:
        """At which rows the line runs, and has for a while; in the order in which they come."""
        runs = np.ones(len(batch), np.bool_)
        telling = [one for one in np.unique(batch.series).tolist() if self._tells(one)]
        cuts = [*np.flatnonzero(np.isin(batch.series, telling)).tolist(), len(batch)]
        begin = 0
        for end in cuts:
            self._mark(runs[begin:end], batch.at_ns[begin:end])
            if end < len(batch):
                self._note(int(batch.series[end]), int(batch.at_ns[end]), float(batch.value[end]), batch.quality[end])
            begin = end
        return runs

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
        if quality != Quality.GOOD or not np.isfinite(value) or at_ns <= self._rest.at_ns.get(series, -1):
            return
        states = self._context.series[series].states
        was = any(self._rest.idle.values())
        self._rest.at_ns[series] = at_ns
        self._rest.idle[series] = 0 <= value < len(states) and states[int(value)] in self._idle_states
        if was or self._rest.idle[series]:
            self._rest.rested_ns = max(self._rest.rested_ns, at_ns)

    def _tells(self, series: int) -> bool:
        known = self._telling.get(series)
        if known is None:
            known = self._telling[series] = self.listens(self._context.series[series])
        return known
