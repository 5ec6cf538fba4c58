"""Scrap burst: more units are scrapped than usual, for what is made or for the time that passes.

Input: COUNTER series of scrapped units. With `output_metric` the line's own counter of that name is the measure: scrap
is judged per unit made, so that a standing line scraps nothing and a fast one may scrap more. Without it the measure is
planned time. A count CUSUM for a rise by `rise_ratio` sums what is too much, designed for one false alarm in
`false_alarms_apart` intervals of at least five usual scraps; 1.0 is its decision interval. Value and band are the scrap
rate: units per unit made, or per hour.

Source: Lucas, Counted Data CUSUM's (1985), limits from `detectors.run_length`. It fails while the usual share is not
known (the first forty scraps), and where scrap is booked once a shift: then only the shift is judged.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from collector.config import Positive, Section
from collector.readings import NS_PER_S, Batch, Kind, Series
from collector.spool.ledger import Gap
from detectors.counts import units_since
from detectors.detector import NAN, Context, Evidence, Point, Scores, as_scores
from detectors.missed import Missed, concerns
from detectors.slow_drop import Chart, SlowDrop
from detectors.surroundings import usable

_TO_LEARN = 40.0  # scraps
_MEMORY = 200.0  # scraps that the usual share is learned from
_LONGEST = 4.0  # usual times between two readings; a longer one counts as so long
_MOST_RATIO = 2.0  # of the usual: what a burst counts as when the usual is learned


class Options(Section, frozen=True, kw_only=True):
    rise_ratio: Annotated[float, msgspec.Meta(ge=0.2, le=10)] = 1.0
    false_alarms_apart: Positive = 5000.0
    output_metric: str = ""


class Scrap(msgspec.Struct):
    """What is kept of one counter. The measure is units made or planned s; `share` is scrap per measure."""

    last_ns: int = 0
    value: float = NAN
    measured: float = 0.0  # the line's measure at the last reading
    scrapped: float = 0.0  # all that the share is learned from, fading
    over: float = 0.0
    chart: Chart = msgspec.field(default_factory=Chart)
    missed: Missed = msgspec.field(default_factory=Missed)

    @property
    def share(self) -> float:
        return self.scrapped / self.over if self.scrapped >= _TO_LEARN and self.over > 0 else NAN


class Memory(msgspec.Struct):
    counters: dict[int, Scrap] = {}
    outputs: dict[int, tuple[int, float]] = {}  # newest reading and value of each counter of the output
    made: float = 0.0


def build(options: Options, context: Context) -> ScrapBurst:
    return ScrapBurst(options, context)


class ScrapBurst:
    def __init__(self, options: Options, context: Context) -> None:
        self._output_metric = options.output_metric
        self._context = context
        self._chart = SlowDrop(-options.rise_ratio, options.false_alarms_apart)
        self._memory = Memory()

    def listens(self, series: Series) -> bool:
        return series.kind is Kind.COUNTER and series.metric == self._output_metric

    def score(self, batch: Batch) -> Scores:
        batch, rows = usable(batch), []
        columns = (batch.series.tolist(), batch.at_ns.tolist(), batch.value.tolist())
        for series_id, at_ns, value in zip(*columns, strict=True):
            series = self._context.series[series_id]
            if self.listens(series):
                self._make(series_id, at_ns, value)
            elif series.kind is Kind.COUNTER:
                memory = self._memory.counters.setdefault(series_id, Scrap())
                if at_ns > memory.last_ns:
                    rows.append((series_id, at_ns, self._update(series, memory, at_ns, value)))
        return as_scores(rows)

    def tick(self, at_ns: int) -> Scores:
        """Nothing: scrap that nobody counted is not known."""
        return as_scores([])

    def miss(self, gap: Gap) -> None:
        for series_id, memory in self._memory.counters.items():
            if gap.to_ns > memory.last_ns and concerns(gap, self._context.series[series_id]):
                memory.missed.add(max(gap.from_ns, memory.last_ns), gap.to_ns)

    def subject(self, series: Series) -> str:
        return series.name

    def explain(self, series: int, at_ns: int) -> Evidence:
        memory = self._memory.counters[series]
        per, scale = self._unit()
        said: Evidence = {f"usual_scrap_per_{per}": memory.share * scale} if memory.share > 0 else {}
        if memory.chart.sum > 0:
            said |= {"since_s": memory.chart.began_ns / NS_PER_S, "units_scrapped_beyond_usual": -memory.chart.lost}
        return said

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self._memory)

    def restore(self, state: bytes) -> None:
        self._memory = msgspec.msgpack.decode(state, type=Memory)

    def _make(self, series: int, at_ns: int, value: float) -> None:
        last_ns, before = self._memory.outputs.get(series, (0, value))
        if at_ns > last_ns:
            self._memory.made += units_since(before, value, NAN, NAN)
            self._memory.outputs[series] = (at_ns, value)

    def _update(self, series: Series, memory: Scrap, at_ns: int, value: float) -> Point:
        before, last_ns = memory.value, memory.last_ns
        measured = self._memory.made if self._output_metric else 0.0
        over = measured - memory.measured
        if not self._output_metric and last_ns:
            over = self._context.calendar.planned_s(series.equipment.line, last_ns, at_ns)
        memory.value, memory.last_ns, memory.measured = value, at_ns, measured
        if not last_ns:
            return Point()
        is_hole = memory.missed.heard(last_ns, at_ns)
        if not self._output_metric:  # silence is neither running nor good
            over = min(over, _LONGEST * memory.missed.usual_ns / NS_PER_S)
        memory.missed.forget(at_ns)
        if is_hole or over <= 0:
            return Point()
        scrapped, share = units_since(before, value, NAN, NAN), memory.share
        if share > 0:
            self._chart.add(memory.chart, at_ns, scrapped, share * over, 1.0)
            most = _MOST_RATIO * share * over + 1
            memory.scrapped += min(scrapped, most)
        else:
            memory.scrapped += scrapped
        memory.over += over
        if memory.scrapped > _MEMORY:
            fade = _MEMORY / memory.scrapped
            memory.scrapped, memory.over = memory.scrapped * fade, memory.over * fade
        return self._point(memory, scrapped, over, share)

    def _point(self, memory: Scrap, scrapped: float, over: float, share: float) -> Point:
        if not share > 0:
            return Point()
        scale = self._unit()[1]
        return Point(memory.chart.sum, scrapped / over * scale, 0.0, share * scale, NAN)

    def _unit(self) -> tuple[str, float]:
        """What the rate is per, and the factor from the measure to it."""
        return ("unit", 1.0) if self._output_metric else ("h", 3600.0)
