"""Stock difference: a stock falls faster, or slower, than what is made of it explains, and goes on doing so.

Input: STOCK series, at a line or booked on the line `inventory`, and COUNTER series of units made and scrapped, of the
lines that use the stock. Each `period_s` what left the stock is compared with units made x bill of materials; the
differences are summed (`detectors.balance`), 1.0 is the decision interval for one false alarm in `false_alarm_d`. The
evidence says since when, how many units, and what it looks like: a leak, use beyond the bill of materials, scrap, or a
wrong count. Value and band are the use per hour, in the stock's unit.

What a unit takes comes from the rule's `per_unit`, else from the chain's map, else it is learned for a stock at a line:
then it is the usual, not the bill, that a difference is one from. An empty stock, a refill and a gap in the readings
are no difference; a rise by a count that was booked as one is.

Source: Hawkins and Olwell, Cumulative Sum Charts (1998). It fails for a stock that is filled while it is used, little
by little; where output is counted long after the component was taken (more than a period, until the sums have evened
out); and for a difference below `tolerance_ratio` of the use.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from collector.config import Positive, Section
from collector.readings import NS_PER_S, Batch, Kind, Series
from collector.schema import INVENTORY_LINE
from collector.spool.ledger import Gap
from detectors.balance import KEPT, TO_JUDGE, Balance, Stretch
from detectors.detector import NAN, Context, Evidence, Point, Scores, as_scores
from detectors.made import Made, counts, line_of
from detectors.missed import concerns
from detectors.quantile import median
from detectors.surroundings import is_stock, usable

_REFILL_RATIO = 0.02  # of the stock, and more than a usual lot: a smaller rise may be a draught on the scale
_COUNTED = "stock_difference"  # what a count differed from the book by
_LOT_GAIN = 0.05
_LEAST_ARL0, _MOST_ARL0 = 50.0, 1e5
_NS_PER_D = 86_400 * NS_PER_S


class Options(Section, frozen=True, kw_only=True):
    """`period_s` should hold several lots of the component, and the time from taking it to counting the unit.

    `tolerance_ratio`: of the use, what is no difference. `output_metric` and `scrap_metric`: globs of the lines'
    counters. `per_unit`: by component (its material, or the stock's series), what one unit made takes.
    """

    period_s: Positive
    tolerance_ratio: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.05
    false_alarm_d: Positive = 30.0
    output_metric: str = "good"
    scrap_metric: str = "scrap"
    per_unit: dict[str, float] = {}


class Compared(msgspec.Struct):
    """What is kept of one stock. `made` and `scrapped` are the totals of its lines when the stretch began."""

    last_ns: int = 0
    stock: float = NAN
    period: int = 0  # of the open stretch, since 1970
    left: float = 0.0
    step: float = 0.0  # the largest in the stretch
    lot: float = 0.0  # that usually leaves at once
    made: dict[str, float] = {}
    scrapped: dict[str, float] = {}
    is_spoiled: bool = False  # the open stretch holds an empty stock, or readings are missing in it
    missing_ns: int = 0
    usual: list[float] = []  # units taken in a unit made, where nobody says how many
    balance: Balance = msgspec.field(default_factory=Balance)
    point: Point = Point()


class Memory(msgspec.Struct):
    stocks: dict[int, Compared] = {}
    made: Made = msgspec.field(default_factory=Made)


def build(options: Options, context: Context) -> StockDifference:
    return StockDifference(options, context)


class StockDifference:
    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        self._period_ns = int(options.period_s * NS_PER_S)
        stretches = options.false_alarm_d * _NS_PER_D / self._period_ns
        self._arl0 = min(max(stretches, _LEAST_ARL0), _MOST_ARL0)
        self._takers: dict[int, dict[str, float]] = {}
        self._memory = Memory()

    def listens(self, series: Series) -> bool:
        return (
            is_stock(series)
            or counts(series, self._options.output_metric)
            or counts(series, self._options.scrap_metric)
            or series.metric == _COUNTED
        )

    def score(self, batch: Batch) -> Scores:
        batch, rows = usable(batch), []
        columns = (batch.series.tolist(), batch.at_ns.tolist(), batch.value.tolist())
        for series_id, at_ns, value in zip(*columns, strict=True):
            series = self._context.series[series_id]
            if series.kind is Kind.STOCK:
                stock = self._memory.stocks.setdefault(series_id, Compared())
                if at_ns > stock.last_ns:
                    self._follow(series_id, stock, at_ns, max(value, 0.0))
                    rows.append((series_id, at_ns, stock.point))
            elif series.metric == _COUNTED:
                self._correct(series, at_ns, value)
            else:
                self._count(series_id, series, at_ns, value)
        return as_scores(rows)

    def hear(self, batch: Batch) -> None:
        batch = usable(batch)
        columns = (batch.series.tolist(), batch.at_ns.tolist(), batch.value.tolist())
        for series_id, at_ns, value in zip(*columns, strict=True):
            self._count(series_id, self._context.series[series_id], at_ns, value)

    def tick(self, at_ns: int) -> Scores:
        """Nothing: without a reading neither side is known to have moved."""
        return as_scores([])

    def miss(self, gap: Gap) -> None:
        for series_id, stock in self._memory.stocks.items():
            if gap.to_ns > stock.last_ns and concerns(gap, self._context.series[series_id]):
                stock.missing_ns = max(stock.missing_ns, gap.to_ns)

    def subject(self, series: Series) -> str:
        return series.name

    def explain(self, series: int, at_ns: int) -> Evidence:
        of, stock = self._context.series[series], self._memory.stocks[series]
        balance = stock.balance
        said: Evidence = {"stock": stock.stock, "stock_unit": of.unit}
        lasting = balance.lasting()
        if lasting:
            units, hours = sum(one.difference for one in lasting), self._period_ns * len(lasting) / 3600 / NS_PER_S
            said |= {
                "looks_like": balance.looks_like(),
                "since_s": balance.since_ns() / NS_PER_S,
                "units_unexplained": units,
                "use_per_h": sum(one.left for one in lasting) / hours,
                "explained_use_per_h": sum(one.explained for one in lasting) / hours,
                "scrap_would_take_units": sum(one.scrapped for one in lasting),
            }
        if balance.is_known:
            said["use_over_explained_ratio"] = balance.ratio()
        if not self._known_takers(series):
            said["per_unit"] = "learned: neither the rule nor the chain's map says what a unit takes"
        return said

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self._memory)

    def restore(self, state: bytes) -> None:
        self._memory = msgspec.msgpack.decode(state, type=Memory)

    def _count(self, series_id: int, series: Series, at_ns: int, value: float) -> None:
        is_scrap = counts(series, self._options.scrap_metric)
        if is_scrap or counts(series, self._options.output_metric):
            self._memory.made.count(series_id, series, at_ns, value, is_scrap=is_scrap)

    def _correct(self, series: Series, at_ns: int, difference: float) -> None:
        """A count found so much more, or less, than was booked: that is no receipt, and it came in one step."""
        for series_id, stock in self._memory.stocks.items():
            is_its = self._context.series[series_id].equipment == series.equipment
            if is_its and at_ns // self._period_ns == stock.period:
                stock.left -= max(difference, 0.0)  # what was missing has left the stock as a fall already
                stock.step = max(stock.step, -difference) if difference < 0 else difference

    def _follow(self, series_id: int, stock: Compared, at_ns: int, amount: float) -> None:
        period = at_ns // self._period_ns
        if not stock.last_ns:
            self._begin(stock, period)
        fall = 0.0 if not stock.last_ns else stock.stock - amount
        is_refill = -fall > max(_REFILL_RATIO * amount, stock.lot)
        if fall > 0:
            stock.lot = stock.lot + _LOT_GAIN * (fall - stock.lot) if stock.lot else fall
        if not is_refill:
            stock.left += fall
            stock.step = max(stock.step, abs(fall))
        stock.is_spoiled |= amount <= 0 or stock.last_ns < stock.missing_ns
        stock.last_ns, stock.stock = at_ns, amount
        if period > stock.period:
            self._close(series_id, stock, at_ns)
            self._begin(stock, period)

    def _begin(self, stock: Compared, period: int) -> None:
        made = self._memory.made
        stock.period, stock.left, stock.step, stock.is_spoiled = period, 0.0, 0.0, False
        stock.made, stock.scrapped = dict(made.units), dict(made.scrapped)

    def _close(self, series_id: int, stock: Compared, at_ns: int) -> None:
        """Judges the stretch that ends with this reading, unless it says nothing."""
        made = self._memory.made
        takers = self._known_takers(series_id) or self._usual_takers(series_id, stock)
        if stock.is_spoiled or not takers:
            return
        units = {line: made.units.get(line, 0.0) - stock.made.get(line, 0.0) for line in takers}
        scraps = {line: made.scrapped.get(line, 0.0) - stock.scrapped.get(line, 0.0) for line in takers}
        explained = sum(units[line] * per for line, per in takers.items())
        scrapped = sum(scraps[line] * per for line, per in takers.items())
        stretch = Stretch(at_ns, stock.left, explained, scrapped, stock.step)
        score = stock.balance.add(stretch, self._options.tolerance_ratio, stock.lot, self._arl0)
        per_h = 3600 * NS_PER_S / self._period_ns
        band = (explained - stretch.within, explained, explained + stretch.within)
        low, middle, high = (max(one, 0.0) * per_h for one in band)
        stock.point = Point(score, stock.left * per_h, low, middle, high) if score == score else Point()

    def _known_takers(self, series_id: int) -> dict[str, float]:
        known = self._takers.get(series_id)
        if known is None:
            series = self._context.series[series_id]
            known = self._context.flow.takers(series)
            names = (series.name, series.equipment.cell, series.metric.removeprefix("stock_"), series.metric)
            own = next((self._options.per_unit[name] for name in names if name in self._options.per_unit), None)
            if own is not None:
                known = dict.fromkeys(known or self._at(series), own)
            self._takers[series_id] = known
        return known

    def _at(self, series: Series) -> tuple[str, ...]:
        """The lines that may use a stock of which no map speaks."""
        if series.equipment.line == INVENTORY_LINE:
            return self._context.flow.heard_by(self._context.line)
        return (line_of(series),)

    def _usual_takers(self, series_id: int, stock: Compared) -> dict[str, float]:
        """What a unit made usually takes, learned; empty until it is known, and for a booked stock."""
        series = self._context.series[series_id]
        line = line_of(series)
        if series.equipment.line == INVENTORY_LINE or stock.is_spoiled:
            return {}
        usual = median(stock.usual) if len(stock.usual) >= TO_JUDGE else 0.0
        units = self._memory.made.units.get(line, 0.0) - stock.made.get(line, 0.0)
        if units > 0:
            stock.usual = [*stock.usual[1 - KEPT :], stock.left / units]
        return {line: usual} if usual > 0 else {}
