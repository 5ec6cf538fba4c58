"""Made-up machines with many sensors and known faults, to judge methods on what nobody has tuned them to.

Each kind has its own physics: a pump test bench, a process with tanks and valves, a server, a bearing, a hydraulic rig.
Input: a kind and a seed. Output: rows, of which the first are free of faults and teach, and which of the others are
wrong. The same seed gives the same machine. Pure.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rng = np.random.Generator


class Machine(NamedTuple):
    """`value` float64[n, k], `wrong` bool[n]; the first `taught` rows are sound. `faults` are the kinds it suffers."""

    kind: str
    value: Floats
    wrong: NDArray[np.bool_]
    taught: int
    faults: tuple[str, ...]


class _Plan(NamedTuple):
    """How many rows, how many of them teach, and how many faults of which length there are."""

    rows: int
    taught: int
    faults: int
    shortest: int
    longest: int
    run: Callable[[int, Rng], Floats]


def machine(kind: str, seed: int) -> Machine:
    plan = _PLANS[kind]
    rng = np.random.default_rng([zlib.crc32(kind.encode()), seed])
    value = plan.run(plan.rows, rng)
    spread = np.maximum(value[: plan.taught].std(axis=0), 1e-9)
    wrong, names = np.zeros(plan.rows, np.bool_), []
    room = (plan.rows - plan.taught) // plan.faults
    for i in range(plan.faults):
        length = int(rng.integers(plan.shortest, plan.longest + 1))
        begin = plan.taught + i * room + int(rng.integers(room // 8, max(room - length, room // 8 + 1)))
        stretch = slice(begin, min(begin + length, plan.rows))
        name = str(rng.choice(list(FAULTS)))
        FAULTS[name](value, stretch, spread, rng)
        wrong[stretch] = True
        names.append(name)
    return Machine(kind, value, wrong, plan.taught, tuple(names))


def _walk(rows: int, rng: Rng, memory: float, scale: float = 1.0) -> Floats:
    """Noise that remembers: its autocorrelation is `memory`, its standard deviation `scale`."""
    steps = rng.normal(0.0, scale * np.sqrt(1.0 - memory**2), rows)
    walk, last = np.empty(rows), float(rng.normal(0.0, scale))
    for i, step in enumerate(steps.tolist()):
        last = memory * last + step
        walk[i] = last
    return walk


def _test_bench(rows: int, rng: Rng) -> Floats:
    """A pump in a closed loop: vibration, current, pressure on a coarse scale, warming water, voltage, flow."""
    load = 1.0 + 0.02 * _walk(rows, rng, 0.9)
    warming = rng.uniform(0.5, 3.0) * (1.0 - np.exp(-np.arange(rows) / (rows * rng.uniform(0.6, 2.0))))
    columns = [
        0.21 + 0.02 * load + rng.normal(0, 0.003, rows),
        0.27 + 0.03 * load + rng.normal(0, 0.004, rows),
        1.2 + 0.8 * load + rng.normal(0, 0.15, rows),
        np.round((0.1 + 0.2 * load + rng.normal(0, 0.25, rows)) / 0.327) * 0.327,
        70.0 + warming + 0.1 * _walk(rows, rng, 0.98),
        25.0 + 0.4 * warming + 0.03 * _walk(rows, rng, 0.99),
        230.0 + 10.0 * _walk(rows, rng, 0.3),
        np.round(32.0 * load + 0.3 * rng.normal(0, 1, rows)),
    ]
    return np.column_stack(columns)


def _process(rows: int, rng: Rng) -> Floats:
    """Six trains of a tank with a pump between two switching levels, flows, and quality that follows slowly."""
    columns = [np.full(rows, 1.0), np.full(rows, 0.0)]  # a spare pump and a bypass that are never used
    for _ in range(6):
        level, pump, low, high = 500.0, 1.0, rng.uniform(300, 450), rng.uniform(600, 800)
        inflow, outflow = rng.uniform(1.0, 3.0), rng.uniform(0.5, 0.9)
        levels, pumps = np.empty(rows), np.empty(rows)
        for i, noise in enumerate(rng.normal(0, 0.2, rows).tolist()):
            pump = 1.0 if level < low else 0.0 if level > high else pump
            level += (pump - outflow * 0.5) * inflow + noise
            levels[i], pumps[i] = level, pump
        flow = inflow * pumps + rng.normal(0, 0.02, rows) + 1e-3
        out = outflow * inflow * (1.0 + 0.02 * _walk(rows, rng, 0.95)) * 0.5
        quality = rng.uniform(5, 9) + 0.2 * _walk(rows, rng, 0.999) + rng.normal(0, 0.01, rows)
        columns += [levels + rng.normal(0, 0.3, rows), 1.0 + pumps, flow, out, quality]
        columns.append(2.5 * flow + 0.1 * np.sqrt(np.maximum(levels, 0.0)) + rng.normal(0, 0.03, rows))
    return np.column_stack(columns)


def _server(rows: int, rng: Rng) -> Floats:
    """Load with a day and bursts; 38 columns that follow it, of which some rest, count errors or are always zero."""
    day = 1.0 + 0.4 * np.sin(2 * np.pi * np.arange(rows) / 1440 + rng.uniform(0, 6))
    bursts = np.convolve((rng.random(rows) < 0.004) * rng.exponential(1.0, rows), np.exp(-np.arange(30) / 8))[:rows]
    load = np.maximum(day + 0.1 * _walk(rows, rng, 0.9) + bursts, 0.0)
    columns = []
    for i in range(38):
        if i % 8 == 7:
            columns.append(np.zeros(rows))
        elif i % 8 == 6:
            columns.append((rng.random(rows) < 0.01) * rng.exponential(0.3, rows))
        else:
            own = rng.uniform(0.2, 1.0)
            columns.append(np.clip(0.1 + 0.2 * own * load + 0.03 * _walk(rows, rng, rng.uniform(0, 0.95)), 0.0, 1.0))
    return np.column_stack(columns)


def _bearing(rows: int, rng: Rng) -> Floats:
    """Vibration of four bearings with heavy tails, speed and oil temperature."""
    speed = 1500.0 + 20.0 * _walk(rows, rng, 0.99)
    columns = [
        0.05 * speed / 1500.0 * np.exp(0.1 * rng.standard_t(4, rows)) * (1 + 0.1 * _walk(rows, rng, 0.9))
        for _ in range(4)
    ]
    return np.column_stack([*columns, speed, 60.0 + 0.02 * (speed - 1500.0) + 1.5 * _walk(rows, rng, 0.998)])


def _rig(rows: int, rng: Rng) -> Floats:
    """A press that repeats its cycle; the set point of its force changes by the product."""
    period = int(rng.integers(40, 80))
    phase = 2 * np.pi * (np.arange(rows) % period) / period
    product = np.repeat(rng.choice([80.0, 100.0, 120.0], rows // 200 + 1), 200)[:rows]
    force = product * np.clip(1.4 * np.sin(phase), 0.0, 1.0)
    columns = [product, force + rng.normal(0, 1.0, rows), 0.3 * force + 5.0 + rng.normal(0, 0.5, rows)]
    columns += [10.0 * np.cos(phase + i) + 0.02 * product + rng.normal(0, 0.3, rows) for i in range(3)]
    columns += [40.0 + 2.0 * _walk(rows, rng, 0.995), 0.05 * force + rng.normal(0, 0.3, rows)]
    columns += [(phase < np.pi).astype(float), np.full(rows, 24.0)]
    return np.column_stack(columns)


def _moving(value: Floats, spread: Floats, rng: Rng) -> int:
    """A column that moves."""
    return int(rng.choice(np.flatnonzero(spread > 1e-6)))


def _shift(value: Floats, rows: slice, spread: Floats, rng: Rng) -> None:
    at = _moving(value, spread, rng)
    value[rows, at] += rng.choice([-1.0, 1.0]) * rng.uniform(2.0, 5.0) * spread[at]


def _apart(value: Floats, rows: slice, spread: Floats, rng: Rng) -> None:
    """Two columns show what they showed at another time: each is as usual, but not together."""
    for at in rng.choice(np.flatnonzero(spread > 1e-6), 2, replace=False).tolist():
        began = int(rng.integers(0, rows.start - (rows.stop - rows.start)))
        value[rows, at] = value[began : began + rows.stop - rows.start, at].copy()


def _restless(value: Floats, rows: slice, spread: Floats, rng: Rng) -> None:
    at = _moving(value, spread, rng)
    value[rows, at] += rng.normal(0.0, rng.uniform(1.5, 3.0) * spread[at], rows.stop - rows.start)


def _drift(value: Floats, rows: slice, spread: Floats, rng: Rng) -> None:
    at = _moving(value, spread, rng)
    value[rows, at] += (
        np.linspace(0.0, rng.choice([-1.0, 1.0]) * rng.uniform(4.0, 8.0), rows.stop - rows.start) * spread[at]
    )


def _swinging(value: Floats, rows: slice, spread: Floats, rng: Rng) -> None:
    at, n = _moving(value, spread, rng), np.arange(rows.stop - rows.start)
    value[rows, at] += rng.uniform(1.5, 3.0) * spread[at] * np.sin(2 * np.pi * n / rng.uniform(8, 40))


def _stuck(value: Floats, rows: slice, spread: Floats, rng: Rng) -> None:
    at = _moving(value, spread, rng)
    value[rows, at] = value[rows.start, at]


def _several(value: Floats, rows: slice, spread: Floats, rng: Rng) -> None:
    """A cause behind many sensors: a valve half closed, a leak, a seized shaft."""
    moving = np.flatnonzero(spread > 1e-6)
    told = rng.choice(moving, max(2, len(moving) // 3), replace=False)
    value[rows, told] += rng.choice([-1.0, 1.0], len(told)) * rng.uniform(1.0, 3.0, len(told)) * spread[told]


def _stop(value: Floats, rows: slice, spread: Floats, rng: Rng) -> None:
    """It stands: most sensors fall to rest."""
    told = rng.random(len(spread)) < 0.7
    rest = value[rows.start, told] - 3.0 * spread[told]
    value[rows, told] = rest + 0.05 * spread[told] * rng.normal(0, 1, (rows.stop - rows.start, int(told.sum())))


FAULTS: dict[str, Callable[[Floats, slice, Floats, Rng], None]] = {
    "shift": _shift,
    "apart": _apart,
    "restless": _restless,
    "drift": _drift,
    "swinging": _swinging,
    "stuck": _stuck,
    "several": _several,
    "stop": _stop,
}
_PLANS = {
    "test_bench": _Plan(1_150, 400, 1, 350, 420, _test_bench),
    "process": _Plan(5_000, 2_000, 4, 60, 300, _process),
    "server": _Plan(5_000, 2_500, 4, 40, 200, _server),
    "bearing": _Plan(3_000, 1_000, 2, 150, 400, _bearing),
    "rig": _Plan(3_000, 1_000, 3, 100, 300, _rig),
}
KINDS = tuple(_PLANS)
