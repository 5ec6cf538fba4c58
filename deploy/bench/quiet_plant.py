"""A plant as it is when nothing is wrong, and the faults that can be planted in it: the data of `deploy.bench.quiet`.

Five lines of four cells, each series read once a minute: gauges with autocorrelated noise on a day's and a week's
weather, levels that rise and fall, counters of a takt with minor stops, states, products with levels of their own. Two
of five lines stand at night and on Sunday, and all stand in changeovers. Seeds are fixed; arrays are one line's, by
minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S, Batch, Equipment, Kind, Quality, Series

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]

SITE, CELLS = "quiet", 4
START_NS = 1_772_409_600 * NS_PER_S  # Monday 2026-03-02 00:00 UTC
MINUTE_NS = 60 * NS_PER_S
DAY_MIN = 1440
_PRODUCTS, _CHANGEOVER_MIN = 3, 20
_SETTLED_MIN = 2 * DAY_MIN  # faults come when methods have learned
STATES = {"state": ("running", "changeover", "planned_stop"), "product": ("a", "b", "c")}


@dataclass(frozen=True)
class Fault:
    """Planted from one minute to another, in one series of a line."""

    kind: str
    line: int
    metric: str
    cell: int
    from_min: int
    to_min: int


@dataclass(frozen=True)
class Line:
    """`values` float64[series, minutes] of `series`, in that order."""

    name: str
    series: tuple[Series, ...]
    values: Floats

    def batch(self, first_id: int, from_min: int, to_min: int) -> Batch:
        """The readings of some minutes, in order of time."""
        n, minutes = len(self.series), to_min - from_min
        ids = np.tile(np.arange(first_id, first_id + n, dtype=np.int32), minutes)
        at_ns = START_NS + MINUTE_NS * np.repeat(np.arange(from_min, to_min, dtype=np.int64), n) + NS_PER_S
        value = np.ascontiguousarray(self.values[:, from_min:to_min].T).ravel()
        return Batch(ids, at_ns, value, np.full(len(ids), Quality.GOOD, np.uint8), at_ns)


def plant(lines: int, series: int, days: int, faults: tuple[Fault, ...] = (), seed: int = 5) -> Iterator[Line]:
    """`series` in all, spread over the lines."""
    minutes = days * DAY_MIN
    weather = _weather(np.random.default_rng(seed), minutes)
    for i in range(lines):
        rng = np.random.default_rng((seed, i))
        yield _line(i, series // lines, minutes, weather, rng, [one for one in faults if one.line == i])


def faults(lines: int, days: int, seed: int = 11) -> tuple[Fault, ...]:
    """Forty, eight of each kind, one at a time on a line, while it runs."""
    rng = np.random.default_rng(seed)
    kinds = {"stop": 30, "drop": 240, "shift": 180, "stuck": 180, "spike": 10}
    metrics = {"stop": ("good",), "drop": ("good",)}
    gauges = ("temperature", "vibration", "pressure", "current", "flow")
    order = [list(kinds)[(i + i // lines) % len(kinds)] for i in range(8 * len(kinds))]  # every kind on every line
    free_from = [_SETTLED_MIN] * lines
    found = []
    for i, kind in enumerate(order):
        line = i % lines
        last_min = (days if line % 5 < 3 else min(days, 6)) * DAY_MIN
        slot = (last_min - _SETTLED_MIN) // (len(order) // lines + 1)
        wanted = _SETTLED_MIN + i // lines * slot + int(rng.integers(0, 60))
        minute = _working(line, max(wanted, free_from[line]), kinds[kind])
        free_from[line] = minute + kinds[kind] + 60
        metric = str(rng.choice(metrics.get(kind, gauges)))
        cell = CELLS - 1 if metric == "good" else int(rng.integers(0, CELLS))
        found.append(Fault(kind, line, metric, cell, minute, minute + kinds[kind]))
    return tuple(found)


def is_planned(line: int, minute: int) -> bool:
    """Lines 3 and 4 of each five work two shifts from Monday to Saturday, the others always."""
    if line % 5 < 3:
        return True
    return 360 <= minute % DAY_MIN < 1320 and minute // DAY_MIN % 7 < 6


def _working(line: int, minute: int, lasts_min: int) -> int:
    """The first minute from which a line is meant to run for so long, an hour after it began."""
    while not (is_planned(line, minute - 60) and is_planned(line, minute + lasts_min)):
        minute += 30
    return minute


def _weather(rng: np.random.Generator, minutes: int) -> Floats:
    t = np.arange(minutes) / DAY_MIN
    weather: Floats = (
        15 + 3 * np.sin(2 * np.pi * t / 9) + 5 * np.sin(2 * np.pi * (t - 0.4)) + _ar(rng, minutes, 0.999, 0.8)
    )
    return weather


def _ar(rng: np.random.Generator, minutes: int, rho: float, deviation: float) -> Floats:
    """First-order autocorrelated noise of a given deviation."""
    steps = rng.normal(0.0, deviation * np.sqrt(1 - rho * rho), minutes)
    out, last = np.empty(minutes), rng.normal(0.0, deviation)
    for i in range(minutes):
        last = rho * last + steps[i]
        out[i] = last
    return out


def _line(i: int, series: int, minutes: int, weather: Floats, rng: np.random.Generator, wrong: list[Fault]) -> Line:
    product, changing = _products(rng, minutes)
    planned = np.array([is_planned(i, minute) for minute in range(minutes)])
    running = planned & ~changing
    rows: list[tuple[str, int, str, Kind, Floats]] = []
    good, scrap, stock = _output(rng, running, product, wrong)
    rows += [("good", CELLS - 1, "1", Kind.COUNTER, good), ("scrap", CELLS - 1, "1", Kind.COUNTER, scrap)]
    rows += [("stock_parts", 0, "1", Kind.STOCK, stock), ("product", 0, "1", Kind.STATE, product.astype(float))]
    rows += [("state", 0, "1", Kind.STATE, np.where(running, 0.0, np.where(planned, 1.0, 2.0)))]
    per_cell, names = (series - len(rows)) // CELLS + 1, tuple(_GAUGES)
    for place in range(series - len(rows)):
        cell, number = divmod(place, per_cell)
        kind = names[number % len(names)]
        metric = kind if number < len(names) else f"{kind}_{number // len(names) + 1}"
        clean = _GAUGES[kind](rng, running, product, weather)
        here = [one for one in wrong if (one.metric, one.cell) == (metric, cell)]
        rows.append((metric, cell, "1", Kind.GAUGE, _with_faults(clean, running, here)))
    name = f"l{i}"
    place_of = [Equipment("acme", SITE, "", name, f"c{cell}") for _, cell, *_ in rows]
    told = tuple(
        Series(place_of[k], metric, unit, kind, STATES.get(metric, ()))
        for k, (metric, _, unit, kind, _) in enumerate(rows)
    )
    return Line(f"{SITE}/{name}", told, np.array([values for *_, values in rows]))


def _products(rng: np.random.Generator, minutes: int) -> tuple[NDArray[np.int64], Truth]:
    """The product of each minute, and whether the line is being changed over to it."""
    product, changing, minute = np.zeros(minutes, np.int64), np.zeros(minutes, bool), 0
    while minute < minutes:
        until = minute + int(rng.integers(240, 600))
        product[minute:until] = rng.integers(0, _PRODUCTS)
        if minute:
            changing[minute : minute + _CHANGEOVER_MIN] = True
        minute = until
    return product, changing


def _output(
    rng: np.random.Generator, running: Truth, product: NDArray[np.int64], wrong: list[Fault]
) -> tuple[Floats, Floats, Floats]:
    """Good units and scrap, counted; the stock that they are made from, filled up every four hours."""
    minutes = len(running)
    rate = np.array([18.0, 22.0, 25.0])[product] * running
    minor_stop = rng.random(minutes) < 0.025
    rate = np.where(minor_stop, rate * rng.uniform(0.3, 0.8, minutes), rate)
    for one in wrong:
        if one.metric == "good":
            rate[one.from_min : one.to_min] *= 0.0 if one.kind == "stop" else 0.65
    made = np.diff(np.floor(np.concatenate(([0.0], np.cumsum(rate)))))
    scrapped = rng.binomial(made.astype(int), 0.01).astype(float)
    left, stock = 12_000.0, np.empty(minutes)
    for minute in range(minutes):
        left += (12_000.0 - left) if minute % 240 == 0 else 0.0
        left -= made[minute]
        stock[minute] = left
    return np.cumsum(made), np.cumsum(scrapped), stock


def _with_faults(clean: Floats, running: Truth, wrong: list[Fault]) -> Floats:
    """Shifts are four deviations of the running machine's noise from minute to the hour's mean, spikes twelve."""
    values = clean.copy()
    hourly = np.convolve(clean, np.ones(60) / 60, "same")
    noise = float(np.std((clean - hourly)[running]))
    for one in wrong:
        stretch = slice(one.from_min, one.to_min)
        if one.kind == "stuck":
            values[stretch] = values[one.from_min - 1]
        else:
            values[stretch] += {"shift": 4.0, "spike": 12.0}[one.kind] * noise
    return values


Gauge = Callable[[np.random.Generator, Truth, NDArray[np.int64], Floats], Floats]


def _temperature(rng: np.random.Generator, running: Truth, product: NDArray[np.int64], weather: Floats) -> Floats:
    """Follows the hall, and the machine's heat with an hour's delay; a scale of 0.1."""
    heat, last = np.empty(len(running)), 0.0
    for i, (on, of) in enumerate(zip(running.tolist(), product.tolist(), strict=True)):
        last += ((18.0 + 2.0 * of) * on - last) / 60
        heat[i] = last
    return np.round(18 + 0.4 * (weather - 15) + heat + _ar(rng, len(running), 0.9, 0.25), 1)


def _vibration(rng: np.random.Generator, running: Truth, product: NDArray[np.int64], weather: Floats) -> Floats:
    level = np.where(running, np.array([2.0, 2.3, 2.6])[product], 0.1)
    return np.asarray(level * np.exp(_ar(rng, len(running), 0.6, 0.08)))


def _pressure(rng: np.random.Generator, running: Truth, product: NDArray[np.int64], weather: Floats) -> Floats:
    return 6.0 - 0.1 * running + _ar(rng, len(running), 0.7, 0.04)


def _current(rng: np.random.Generator, running: Truth, product: NDArray[np.int64], weather: Floats) -> Floats:
    level = np.where(running, np.array([40.0, 44.0, 52.0])[product], 3.0)
    return level + rng.normal(0.0, 1.0, len(running)) * (0.2 + 1.3 * running)


def _flow(rng: np.random.Generator, running: Truth, product: NDArray[np.int64], weather: Floats) -> Floats:
    """A filter clogs slowly and is changed once a week."""
    clogged = np.arange(len(running)) % (7 * DAY_MIN) / (7 * DAY_MIN)
    return 120.0 - 4.0 * clogged + rng.normal(0.0, 1.5, len(running)) + _ar(rng, len(running), 0.98, 0.8)


def _humidity(rng: np.random.Generator, running: Truth, product: NDArray[np.int64], weather: Floats) -> Floats:
    return np.round(70.0 - 1.5 * weather + _ar(rng, len(running), 0.995, 2.0), 0)


def _level(rng: np.random.Generator, running: Truth, product: NDArray[np.int64], weather: Floats) -> Floats:
    """A tank that is emptied by use and filled at a fifth."""
    out, last = np.empty(len(running)), 80.0
    for i, on in enumerate(running.tolist()):
        last = 80.0 if last < 20.0 else last - 0.25 * on
        out[i] = last
    return out + rng.normal(0.0, 0.5, len(running))


def _queue(rng: np.random.Generator, running: Truth, product: NDArray[np.int64], weather: Floats) -> Floats:
    """Parts waiting: small whole numbers."""
    waiting = np.maximum(6.0 + _ar(rng, len(running), 0.95, 2.5), 0.0)
    return np.where(running, np.round(waiting), 0.0)


_GAUGES: dict[str, Gauge] = {
    "temperature": _temperature,
    "vibration": _vibration,
    "pressure": _pressure,
    "current": _current,
    "flow": _flow,
    "humidity": _humidity,
    "level": _level,
    "queue": _queue,
}
