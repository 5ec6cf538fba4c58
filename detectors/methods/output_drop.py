"""Output drop: a line makes less than it usually makes, or nothing at all.

Input: COUNTER series. Three rules share one score. The *stop* rule compares the time since the last count with the
usual time between counts, and needs no full window. The *rate* rule compares the rate of the last `window_s` with the
band learned from earlier windows of running. The *slow* rule, a count CUSUM, sums up what is missing of a lasting drop
that no single window shows, and is designed for one false alarm in `false_alarm_d` days of running. A stop restarts the
window, so rate and slow speak of running only (performance, not availability: ISO 22400-2). Output: value and band in
units per hour.

Only planned time counts: after a planned stop or a changeover the line gets `start_up_s`; within a planned stop the
score may stand at a stop, which the engine suppresses; within a changeover it is 0. A series that reports on events
shows a stop by its silence, at ticks; one that reports periodically shows it by a constant value, and its silence is
NaN: unknown. So is what may have been counted within a gap in the readings: its time counts neither as running nor as
standing. Without a calendar a line that stands at night is a stop, which ends with its first count. Bands hang on
product (`product_metric`), shift and hour of the day. With `summed` all counters of the line are one
(`detectors.summed`).

The evidence says what was lost, since when, and the measured cause: a stock of the line that ran empty, or the counter
of the same metric that stopped before it, upstream on the line (`cells_in_order`) or on a line that feeds it (the
chain's map). What began after the stop, or longer before it than `transit_s`, is no cause. While an alert on the first
of them is open, whatever its rule is called, this one is suppressed by it.

Sources: robust limits from median and MAD (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993); Lucas,
Counted Data CUSUM's (1985). It fails for a line whose takt changes by more than the band with products that nobody
names, for a slow drift, which the band follows after half of its memory, in its first windows, and where a window holds
fewer than about ten readings; below three it learns no rate.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from collector.config import NotNegative, Positive, Section
from collector.readings import NS_PER_S, Batch, Kind, Series
from collector.spool.ledger import Gap
from detectors.detector import Cause, Context, Evidence, PerSeries, Scores, as_scores
from detectors.made import line_of
from detectors.output import Judging, OutputRate
from detectors.summed import Summed
from detectors.surroundings import Surroundings, is_stock, usable
from detectors.usual_output import Output

_S_PER_D = 86_400.0
_STARVED_S = 60.0  # a stock that ran empty this long after the last count is still the cause


class Options(Section, frozen=True, kw_only=True):
    """`stop_intervals` usual intervals without a count are a stop; `window_s` should hold five times as many.

    `tolerance_ratio`: the least half width of the band, as a share of its middle. `start_up_s`: from the end of a
    planned stop to the first count. `unknown_after_s`: a periodic series this long without a reading is unknown;
    a third of the window if not given. `drop_ratio` and `false_alarm_d`: the lasting drop that the slow rule is best
    for, and the days of running between two of its false alarms. `transit_s`: how long the buffer before the line lasts
    at most, so how long before it a cause may have begun. `cells_in_order`: the line's cells as material flows.
    `summed`: parallel machines, whose counters together are the line's output; one that is silent makes it unknown.
    `product_metric`: the line's series that names the product; `state_metric`: the one whose states in
    `changeover_states` are no production.
    """

    window_s: Positive = 300.0
    stop_intervals: Annotated[float, msgspec.Meta(ge=2)] = 5.0
    tolerance_ratio: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.2
    start_up_s: NotNegative = 60.0
    unknown_after_s: Positive | None = None
    drop_ratio: Annotated[float, msgspec.Meta(ge=0.1, le=0.9)] = 0.2
    false_alarm_d: Positive = 30.0
    transit_s: NotNegative = 1800.0
    cells_in_order: tuple[str, ...] = ()
    summed: bool = False
    product_metric: str = ""
    state_metric: str = ""
    changeover_states: tuple[str, ...] = ("changeover", "setup", "break", "planned_stop")


class Memory(msgspec.Struct):
    """The snapshot: the counters' own, and what is known around them."""

    counters: bytes
    around: Surroundings
    upstream: bytes
    summed: Summed


def build(options: Options, context: Context) -> OutputDrop:
    return OutputDrop(options, context)


def is_fact(options: Options) -> bool:
    """A stop is counted, not supposed."""
    return True


class OutputDrop:
    """A `Detector` of counters that listens to the line's product, state and stocks besides."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        unknown_s = options.unknown_after_s or options.window_s / 3
        judging = Judging(
            options.window_s,
            options.stop_intervals,
            options.tolerance_ratio,
            options.start_up_s,
            unknown_s,
            options.drop_ratio,
            options.false_alarm_d * _S_PER_D,
        )
        self._rate = OutputRate(judging, context.calendar, Surroundings())
        self._counters = PerSeries(self._rate, Output, context, frozenset({Kind.COUNTER}))
        self._upstream = PerSeries(
            OutputRate(judging, context.calendar, Surroundings()), Output, context, frozenset({Kind.COUNTER})
        )
        self._summed = Summed()
        self._unknown_ns = int(unknown_s * NS_PER_S)
        self._telling: dict[int, bool] = {}

    def listens(self, series: Series) -> bool:
        """Series that the rule's own metric leaves out, and that are needed all the same."""
        return self._tells(series) or is_stock(series)

    def score(self, batch: Batch) -> Scores:
        batch = usable(batch)
        there = np.unique(batch.series).tolist()
        for one in there:
            if is_stock(self._context.series[one]):
                rows = batch.series == one
                self._rate.around.note_stock(one, batch.at_ns[rows].tolist(), batch.value[rows].tolist())
        telling = [one for one in there if self._is_telling(one)]
        if not telling:
            return self._judge(batch)
        return self._score_with_what_is_told(batch, telling)

    def hear(self, batch: Batch) -> None:
        """Counters of the lines that feed this one: followed as its own are, and never scored."""
        self._upstream.score(batch)

    def tick(self, at_ns: int) -> Scores:
        return self._counters.tick(at_ns)

    def miss(self, gap: Gap) -> None:
        self._counters.miss(gap)

    def subject(self, series: Series) -> str:
        return f"{line_of(series)}:{series.metric}" if self._options.summed else series.name

    def explain(self, series: int, at_ns: int) -> Evidence:
        evidence = self._counters.explain(series, at_ns)
        evidence |= _as_evidence(self._causes(series, evidence, at_ns))
        if self._options.summed:
            evidence["counters"] = len(self._summed.counters)
        return evidence

    def cause(self, series: int, at_ns: int) -> Cause | None:
        """The first of what had run empty or stopped before this began."""
        found = self._causes(series, self._counters.explain(series, at_ns), at_ns)
        return min(found, key=lambda one: one.since_ns, default=None)

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(
            Memory(self._counters.snapshot(), self._rate.around, self._upstream.snapshot(), self._summed)
        )

    def restore(self, state: bytes) -> None:
        memory = msgspec.msgpack.decode(state, type=Memory)
        self._counters.restore(memory.counters)
        self._rate.around = memory.around
        self._upstream.restore(memory.upstream)
        self._summed = memory.summed

    def _score_with_what_is_told(self, batch: Batch, telling: list[int]) -> Scores:
        """Cut where product or state is told, so that each count is judged by what was known then."""
        rows, done = [], 0
        for at in np.flatnonzero(np.isin(batch.series, telling)).tolist():
            rows.append(self._judge(batch.take(slice(done, at))))
            self._note(self._context.series[int(batch.series[at])], int(batch.at_ns[at]), float(batch.value[at]))
            done = at + 1
        rows.append(self._judge(batch.take(slice(done, None))))
        return _joined(rows)

    def _judge(self, batch: Batch) -> Scores:
        if not self._options.summed:
            return self._counters.score(batch)
        counted = [one for one in np.unique(batch.series).tolist() if self._context.series[one].kind is Kind.COUNTER]
        rows = batch.take(np.isin(batch.series, counted))
        return self._counters.score(self._summed.add(rows, self._context.series, self._unknown_ns))

    def _causes(self, series: int, evidence: Evidence, at_ns: int) -> list[Cause]:
        """The stock that had run empty before this began, and the counter that had stopped, the first of each."""
        began_s = evidence.get("stopped_since_s", evidence.get("slow_since_s"))
        if not isinstance(began_s, float):
            return []
        began_ns = int(began_s * NS_PER_S)
        from_ns, until_ns = began_ns - int(self._options.transit_s * NS_PER_S), began_ns + int(_STARVED_S * NS_PER_S)
        starved = self._rate.around.starved(from_ns, until_ns)
        found = [Cause("shortage", self._context.series[starved[0]].name, starved[1])] if starved else []
        stops = [one for one in self._stops_before(series, began_ns, at_ns) if one.since_ns >= from_ns]
        return [*found, *([min(stops, key=lambda one: (one.since_ns, one.series))] if stops else [])]

    def _stops_before(self, series: int, began_ns: int, at_ns: int) -> list[Cause]:
        """The counters of the same metric before this one that stand still now and began no later."""
        of, order = self._context.series[series], self._options.cells_in_order
        before = order[: order.index(of.equipment.cell)] if of.equipment.cell in order else ()
        own = [one for one in self._counters.memories() if self._context.series[one].equipment.cell in before]
        found = []
        for detector, ids in ((self._counters, own), (self._upstream, list(self._upstream.memories()))):
            for one in ids:
                other, stopped_s = self._context.series[one], detector.explain(one, at_ns).get("stopped_since_s")
                if not isinstance(stopped_s, float) or other.metric != of.metric:
                    continue
                stopped_ns = int(stopped_s * NS_PER_S)
                if stopped_ns < began_ns or (stopped_ns == began_ns and not self._is_circular(of, other)):
                    found.append(Cause("output_drop", other.name, stopped_ns))
        return found

    def _is_circular(self, of: Series, other: Series) -> bool:
        """Whether two lines feed each other: then only what began earlier can be the cause of the other."""
        return line_of(of) != line_of(other) and self._context.flow.feeds(line_of(of), line_of(other))

    def _note(self, series: Series, at_ns: int, value: float) -> None:
        if series.metric == self._options.product_metric:
            self._rate.around.note_product(series, at_ns, value)
        else:
            self._rate.around.note_state(series, at_ns, value, self._options.changeover_states)

    def _is_telling(self, series: int) -> bool:
        known = self._telling.get(series)
        if known is None:
            known = self._telling[series] = self._tells(self._context.series[series])
        return known

    def _tells(self, series: Series) -> bool:
        return bool(series.metric) and series.metric in (self._options.product_metric, self._options.state_metric)


def _as_evidence(causes: list[Cause]) -> Evidence:
    said: Evidence = {}
    for one in causes:
        what = "starved_of" if one.kind == "shortage" else "upstream_stopped"
        since = "starved_since_s" if one.kind == "shortage" else "upstream_stopped_since_s"
        said |= {what: one.series, since: one.since_ns / NS_PER_S}
    return said


def _joined(parts: list[Scores]) -> Scores:
    parts = [part for part in parts if len(part)]
    if not parts:
        return as_scores([])
    return Scores(*(np.concatenate([getattr(part, name) for part in parts]) for name in Scores.__slots__))
