"""Shortage: warns when a stock may be empty sooner than somebody can respond.

Input: STOCK series. Use is measured from the stock itself: falls of its lowest level since the last refill are
consumption, gathered in short stretches; a clear rise is a refill. The quantiles of the recent stretches give the time
to empty as an interval; the score is the response time over its early end. Output: value and expected are the median
time to empty in s, low and high its early and late quantile. Stocks booked on the line `inventory` are forecast:
`detectors.stores`.

Source: the reorder point under uncertain demand (Silver, Pyke and Thomas, Inventory and Production Management in Supply
Chains), with measured quantiles in place of a normal distribution.

It fails when use jumps far above anything recent within the response time, when a stock is refilled little by little
below the sensor's noise, when material leaves in lots larger than what the response time uses, and when readings come
more seldom than the response time. What fell within a gap in the readings is no measure of use. A stock that stops
reporting keeps its verdict; `silent` and `gap_s` speak of that.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from collector.config import Positive, Section
from collector.readings import NS_PER_S, Kind, Series
from collector.schema import INVENTORY_LINE
from detectors.calendar import Calendar
from detectors.detector import NAN, Context, Detector, Evidence, PerSeries, Point
from detectors.missed import Missed
from detectors.quantile import median, quantile
from detectors.stores import Stores

HIGHEST_SCORE = 100.0  # what an empty stock scores
_FALLS = 4  # falls that make a stretch: fewer measure the lot, not the rate
_STRETCHES = 30  # the recent past
_WARM_UP = 3  # stretches before the rate is believed
_PAUSE = 5.0  # usual times between falls that make a pause
_REFILL_RATIO = 0.02  # of the stock: a smaller rise may be a draught on the scale
_NOISE_RISES = 12  # usual rises between two readings that noise alone does not reach
_NOISE_GAIN = 0.02


class Options(Section, frozen=True, kw_only=True):
    """`response_s`: from the alert until the refill is in place, as the site states it.

    `early_quantile`: the share of cases in which the stock may be empty even sooner than assumed. Of booked stocks,
    `chance_ratio`: warned is at this chance of being empty within two response times, a lower one warns of more
    and is wrong more often; `used_by`: the line that starves, whose calendar the use follows; `output_metric`: a glob
    of the counters of units made, which explain use where the chain's map says what a unit takes.
    """

    response_s: Positive
    early_quantile: Annotated[float, msgspec.Meta(gt=0, lt=0.5)] = 0.1
    chance_ratio: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.38
    used_by: str = ""
    output_metric: str = "good"


class Stretch(msgspec.Struct, array_like=True):
    """Consumption between two instants: the amount, the seconds of use, the planned seconds of pause within."""

    amount: float = 0.0
    running_s: float = 0.0
    pause_s: float = 0.0
    falls: int = 0


class Stock(msgspec.Struct):
    """What is kept of one stock. `level` is the lowest since the refill: noise cannot raise it."""

    last_ns: int = 0
    readings: int = 0
    stock: float = NAN
    level: float = NAN
    stocked: bool = False  # there was some, once
    noise: float = 0.0  # the mean rise between two readings
    fall_ns: int = 0  # the last fall; 0 before the first after a refill or a gap
    open: Stretch = msgspec.field(default_factory=Stretch)
    stretches: list[Stretch] = []
    use_per_s: tuple[float, float, float] = (0.0, 0.0, 0.0)  # at the early, median and late time to empty
    missed: Missed = msgspec.field(default_factory=Missed)  # since the last fall


def build(options: Options, context: Context) -> Detector:
    """Stocks of a site's inventory are forecast from their bookings and receipts, those on the floor are measured."""
    if context.line.endswith(f"/{INVENTORY_LINE}"):
        return Stores(options.response_s, options.chance_ratio, options.used_by, context, options.output_metric)
    return PerSeries(Shortage(options, context.calendar), Stock, context, frozenset({Kind.STOCK}))


def is_fact(options: Options) -> bool:
    """What is there and what is used are counted."""
    return True


class Shortage:
    def __init__(self, options: Options, calendar: Calendar) -> None:
        self._options = options
        self._calendar = calendar
        self._stretch_s = options.response_s / 8

    def start(self, series: Series) -> Stock:
        return Stock()

    def update(self, series: Series, memory: Stock, at_ns: int, value: float) -> Point:
        amount = max(value, 0.0)  # a scale below its tare, a booking ahead of the delivery: nothing is there
        fall = self._follow(memory, at_ns, amount)
        point = self._judge(memory)
        if memory.last_ns:
            memory.missed.heard(memory.last_ns, at_ns)
        if fall > 0.0:
            self._learn(series, memory, at_ns, fall)
        return point

    def passed(self, series: Series, memory: Stock, at_ns: int) -> Point | None:
        """Nothing: without a reading neither the stock nor its use is known to have changed."""
        return None

    def miss(self, memory: Stock, from_ns: int, to_ns: int) -> None:
        memory.missed.add(from_ns, to_ns)

    def explain(self, series: Series, memory: Stock, at_ns: int) -> Evidence:
        early_s, median_s, late_s = _times_to_empty_s(memory)
        evidence: Evidence = {"stock": memory.stock, "stock_unit": series.unit, "response_s": self._options.response_s}
        if memory.use_per_s[1] > 0:
            evidence |= {
                "use_per_h": memory.use_per_s[1] * 3600,
                "time_to_empty_s": median_s,
                "time_to_empty_early_s": early_s,
                "time_to_empty_late_s": late_s,
                "empty_at_s": memory.last_ns / NS_PER_S + median_s,
            }
        return evidence

    def _follow(self, memory: Stock, at_ns: int, amount: float) -> float:
        """Moves the level to the reading; the amount it fell, 0 at a refill and within the noise."""
        memory.readings += 1
        memory.stocked |= amount > 0
        if memory.readings == 1:
            memory.level = memory.stock = amount
            return 0.0
        rise = min(max(amount - memory.stock, 0.0), 0.05 * amount)
        memory.noise += max(_NOISE_GAIN, 1 / memory.readings) * (rise - memory.noise)
        memory.stock = amount
        gap_s = (at_ns - memory.last_ns) / NS_PER_S
        fall = memory.level - amount
        refilled = -fall > max(_REFILL_RATIO * amount, _NOISE_RISES * memory.noise)
        if refilled or fall > 0:
            memory.level = amount
        if refilled or gap_s > self._options.response_s:
            memory.fall_ns, memory.open = 0, Stretch()
            return 0.0
        return max(fall, 0.0)

    def _judge(self, memory: Stock) -> Point:
        early_s, median_s, late_s = _times_to_empty_s(memory)
        if memory.stocked and memory.level <= 0.0:
            return Point(HIGHEST_SCORE, 0.0, 0.0, 0.0, 0.0)
        if memory.use_per_s[0] <= 0.0:
            return Point()
        score = min(self._options.response_s / early_s, HIGHEST_SCORE)
        return Point(score, median_s, early_s, median_s, late_s)

    def _learn(self, series: Series, memory: Stock, at_ns: int, fall: float) -> None:
        """Adds one fall to the open stretch, and closes that when it is long enough to be a rate."""
        before_ns, memory.fall_ns = memory.fall_ns, at_ns
        missed_ns = memory.missed.within_ns(before_ns, at_ns)
        memory.missed.forget(at_ns)
        if before_ns == 0:
            return
        if missed_ns > 0:  # when it fell is not known, nor whether it was refilled meanwhile
            memory.fall_ns = 0
            return
        stretch, running_s = memory.open, (at_ns - before_ns) / NS_PER_S
        still_s, usual_s = (memory.last_ns - before_ns) / NS_PER_S, _usual_s_between_falls(memory)
        if still_s > _PAUSE * usual_s:
            running_s = max((at_ns - memory.last_ns) / NS_PER_S, usual_s)
            planned_s = self._calendar.planned_s(series.equipment.line, before_ns, at_ns)
            stretch.pause_s += max(planned_s - running_s, 0.0)
        stretch.amount += fall
        stretch.running_s += running_s
        stretch.falls += 1
        if stretch.falls >= _FALLS and stretch.running_s >= self._stretch_s:
            memory.stretches = [*memory.stretches[1 - _STRETCHES :], stretch]
            memory.open = Stretch()
            memory.use_per_s = self._use_per_s(memory.stretches)

    def _use_per_s(self, stretches: list[Stretch]) -> tuple[float, float, float]:
        """The rates of the early, median and late time to empty: early knows no pause, median and late do."""
        if len(stretches) < _WARM_UP:
            return (0.0, 0.0, 0.0)
        running = [stretch.amount / stretch.running_s for stretch in stretches]
        paused = [stretch.amount / (stretch.running_s + stretch.pause_s) for stretch in stretches]
        early = self._options.early_quantile
        return (quantile(running, 1 - early), median(paused), quantile(paused, early))


def _times_to_empty_s(memory: Stock) -> tuple[float, float, float]:
    """Early, median and late; NaN while no rate is known."""
    early, median, late = (memory.level / use if use > 0 else NAN for use in memory.use_per_s)
    return (early, median, late)


def _usual_s_between_falls(memory: Stock) -> float:
    """The median over the recent stretches; infinite while warming up, when no pause can be told."""
    if len(memory.stretches) < _WARM_UP:
        return float("inf")
    return median(stretch.running_s / stretch.falls for stretch in memory.stretches)
