"""What else is known of a line while its output is judged: the product it makes, a changeover, stocks that are empty.

Input: readings of the line's other series. Output: `Context`-like answers for `detectors.output`, and the measured
cause of a stop. A method that listens so gives `listens`, see `detectors.watch`. Pure; one small entry per series.
"""

from __future__ import annotations

import msgspec
import numpy as np

from collector.readings import Batch, Kind, Quality, Series

_MOST_STOCKS = 32  # of a line; those met first


class Empty(msgspec.Struct):
    """Of one stock: since when it has been empty, 0 when there is some, and its newest reading."""

    since_ns: int = 0
    last_ns: int = 0


class Surroundings(msgspec.Struct):
    """`product` and `changeover` are as last said on the line; `ended_ns` is when the last changeover did."""

    product: str = ""
    product_ns: int = 0
    changeover: bool = False
    changeover_ns: int = 0  # the newest reading
    ended_ns: int = 0
    stocks: dict[int, Empty] = {}

    def note_product(self, series: Series, at_ns: int, value: float) -> None:
        if at_ns > self.product_ns:
            self.product, self.product_ns = _said(series, value), at_ns

    def note_state(self, series: Series, at_ns: int, value: float, idle: tuple[str, ...]) -> None:
        if at_ns <= self.changeover_ns:
            return
        was, self.changeover, self.changeover_ns = self.changeover, _said(series, value) in idle, at_ns
        if was and not self.changeover:
            self.ended_ns = at_ns

    def note_stock(self, series: int, at_ns: list[int], values: list[float]) -> None:
        """Readings of one stock in order of time."""
        stock = self.stocks.get(series)
        if stock is None:
            if len(self.stocks) >= _MOST_STOCKS:
                return
            stock = self.stocks[series] = Empty()
        for instant_ns, value in zip(at_ns, values, strict=True):
            if instant_ns > stock.last_ns:
                stock.last_ns = instant_ns
                stock.since_ns = (stock.since_ns or instant_ns) if value <= 0 else 0

    def starved(self, from_ns: int, until_ns: int) -> tuple[int, int] | None:
        """The stock that ran empty first between two instants and still is, and since when."""
        empty = [
            (stock.since_ns, series) for series, stock in self.stocks.items() if from_ns <= stock.since_ns <= until_ns
        ]
        return (min(empty)[1], min(empty)[0]) if empty else None


def usable(batch: Batch) -> Batch:
    """The readings a method may learn from."""
    return batch.take((batch.quality == Quality.GOOD) & np.isfinite(batch.value))


def is_stock(series: Series) -> bool:
    return series.kind is Kind.STOCK


def _said(series: Series, value: float) -> str:
    """A state's name, else the number."""
    return series.states[int(value)] if 0 <= value < len(series.states) else f"{value:g}"
