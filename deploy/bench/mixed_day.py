"""A day of a plant: 190 series at about one reading a second, 16.4 million readings, the same for the same seed.

The mix is what plants send, not what a codec likes. Values: 48 noisy gauges and 36 temperatures rounded as their
sensors round (the noise is 0.5 to 20 steps wide), 30 counters, 22 states, 20 stocks (half of them with a load cell's
noise), 10 set points, 12 floats of single precision as a PLC widens them, 12 floats of full precision. Times, by cell
of five series: 15 cells on the whole second; 15 stamped in ms with jitter, one in a hundred late; 5 that run free,
slower or faster than a second; 3 stamped in us. Eight cells lose readings in bursts, two deliver some out of order,
four series have stretches of bad quality, two of these as NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S, Batch, Quality

SERIES = 190
MINUTES = 1440
FROM_NS = 1_720_656_000 * NS_PER_S  # 2024-07-11 00:00:00 UTC
_CELL = 5
_S = 60  # readings of one series in one minute
_KINDS = np.repeat(
    ("gauge", "temperature", "counter", "state", "stock", "set point", "single", "double"),
    (48, 36, 30, 22, 20, 10, 12, 12),
)
_CLOCKS = np.repeat(("second", "ms", "free", "us"), (15, 15, 5, 3))
Floats = NDArray[np.float64]


class MixedDay:
    """Hands out the day minute by minute, in order; series ids are 1 to SERIES."""

    def __init__(self, seed: int = 20240711) -> None:
        self._rng = rng = np.random.default_rng(seed)
        self._kind = rng.permutation(_KINDS)
        self._clock = np.repeat(rng.permutation(_CLOCKS), _CELL)
        self._step = np.where(
            self._is("temperature"), rng.choice((0.1, 0.1, 0.01), SERIES), rng.choice((0.01, 0.1), SERIES)
        )
        self._noise = self._step * np.exp(rng.uniform(np.log(0.5), np.log(20.0), SERIES))
        self._noise[self._is("temperature")] = rng.uniform(0.03, 0.08, int(self._is("temperature").sum()))
        self._base = rng.uniform(5.0, 90.0, SERIES)
        self._slow = np.zeros(SERIES)
        self._level = np.where(self._is("stock"), 800.0, np.floor(self._base))
        self._per_s = np.exp(rng.uniform(np.log(1 / 30), np.log(1.0), SERIES))  # parts, or portions from a stock
        self._period = 1.0 + rng.normal(0, 4e-4, SERIES // _CELL)
        self._ran_s = rng.uniform(0, 1, SERIES // _CELL)
        self._losing = np.repeat(rng.permutation(SERIES // _CELL) < 8, _CELL)
        self._disorderly = np.repeat(rng.permutation(SERIES // _CELL) < 2, _CELL)
        self._sick = rng.choice(SERIES, 4, replace=False)

    def minute(self, minute: int) -> Batch:
        """The readings of one minute in order of arrival; call with 0, 1, 2, ..."""
        at_ns, value = self._times(minute), self._values(minute)
        quality = np.zeros((_S, SERIES), np.uint8)
        if minute % 240 in range(7):
            quality[:, self._sick] = Quality.BAD
            value[:, self._sick[:2]] = np.nan
        kept = np.ones((_S, SERIES), np.bool_)
        if minute % 10 == 3:
            kept[20:26, self._losing] = False
        series = np.broadcast_to(np.arange(1, SERIES + 1, dtype=np.int32), (_S, SERIES))
        arrived = np.broadcast_to(np.arange(_S)[:, np.newaxis], (_S, SERIES)).copy()
        late = self._disorderly & (self._rng.random((_S, SERIES)) < 0.005)
        arrived[late] += self._rng.integers(1, 20, int(late.sum()))
        order = np.argsort(arrived[kept], kind="stable")
        columns = (series[kept][order], at_ns[kept][order], value[kept][order], quality[kept][order])
        return Batch(*columns, columns[1])

    def _is(self, kind: str) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self._kind == kind
        return found

    def _times(self, minute: int) -> NDArray[np.int64]:
        rng, cells = self._rng, SERIES // _CELL
        clock = self._clock[::_CELL]
        second = np.arange(_S)[:, np.newaxis] + 60 * minute
        at_s = np.broadcast_to(second, (_S, cells)).astype(np.float64)
        jitter_s = np.abs(rng.normal(0, 0.008, (_S, cells))) + (rng.random((_S, cells)) < 0.01) * rng.uniform(0, 0.2)
        free = self._ran_s + np.cumsum(self._period + rng.normal(0, 0.002, (_S, cells)), axis=0)
        self._ran_s = free[-1]
        at_s = np.where(clock == "free", free, np.where(clock == "second", at_s, at_s + jitter_s))
        unit_ns = np.where(clock == "us", 1_000, 1_000_000)
        at_ns = np.rint(at_s * (NS_PER_S // unit_ns)).astype(np.int64) * unit_ns + FROM_NS
        return np.repeat(at_ns, _CELL, axis=1)

    def _values(self, minute: int) -> Floats:
        rng, shape = self._rng, (_S, SERIES)
        white = rng.normal(0, 1, shape)
        slow = self._slow + np.cumsum(rng.normal(0, 0.004, shape), axis=0)
        self._slow = 0.999 * slow[-1]
        analogue = self._base + slow * np.where(self._is("temperature"), 1.0, 4.0) + white * self._noise
        read = np.rint(analogue / self._step) * self._step
        decimals = np.where(self._step < 0.05, 100.0, 10.0)
        value: Floats = np.rint(read * decimals) / decimals
        self._counted(value, rng.random(shape), white)
        single, double = self._is("single"), self._is("double")
        value[:, single] = analogue[:, single].astype(np.float32)
        value[:, double] = analogue[:, double] * 1.0372
        return value

    def _counted(self, value: Floats, chance: Floats, white: Floats) -> None:
        """Counters, states, stocks and set points, which go on from where they stood."""
        counter, stock = self._is("counter"), self._is("stock")
        total = self._level + np.cumsum(chance < self._per_s, axis=0)
        value[:, counter] = total[:, counter]
        drawn = self._level - 2.5 * np.cumsum(chance < self._per_s, axis=0)
        drawn += np.where(drawn < 0, 800.0, 0.0)
        noise = np.where(np.arange(SERIES) % 2, np.rint(0.7 * white), 0.0)
        value[:, stock] = (drawn + noise)[:, stock]
        for kind, changes_per_s, choices in (("state", 1 / 120, 5), ("set point", 1 / 7200, 40)):
            chosen = self._is(kind)
            steps = np.cumsum(chance[:, chosen] < changes_per_s, axis=0) * 3
            value[:, chosen] = (np.floor(self._level[chosen]) + steps) % choices
        self._level = np.where(counter, total[-1], np.where(stock, drawn[-1], value[-1]))
