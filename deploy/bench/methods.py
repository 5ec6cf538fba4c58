"""The light detection methods: speed on many series, memory, and run lengths against published tables.

Every method that judges gauges one by one gets the same readings, in batches of 1,000: normal noise, and a shift of
three deviations on every tenth series in the second half. Run lengths are those of `detectors.run_length`: the largest
difference from tests/cases/control_charts/tables.toml beyond the rounding of what was printed, and of simulated charts.
"""

from __future__ import annotations

import importlib
import math
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from collector.readings import NS_PER_S, Batch, Equipment, Series
from deploy.bench.figure import Figure, NotMeasured
from detectors.calendar import Calendar
from detectors.detector import Context, Detector
from detectors.run_length import (
    cusum_h,
    cusum_run_length,
    ewma_limit,
    ewma_run_length,
    one_sided_cusum_run_length,
    poisson_cusum_h,
    poisson_cusum_k,
    poisson_run_length,
)

_TABLES = Path(__file__).parents[2] / "tests" / "cases" / "control_charts" / "tables.toml"
_METHODS: dict[str, dict[str, float]] = {
    "cusum": {},
    "ewma": {},
    "page_hinkley": {},
    "rate_limits": {},
    "limits": {"low": -6.0, "high": 6.0},
    "stuck": {},
    "silent": {},
}
_SERIES, _TURNS = 1_000, 500
_FEW_SERIES, _FEW_TURNS = 10, 6_000
_LEARNING_RATIO = 0.4  # of the turns are not timed: methods learn from their first 100 readings
_LONG_SERIES, _LONG_TURNS = 2, 20_000
_STEP_NS = 60 * NS_PER_S
_START_NS = 1_750_000_000 * NS_PER_S
_SIMULATED = 40_000  # charts: half a percent of standard error
_ARL0 = 500.0

FIGURES = (
    *(Figure(f"{name}: 1,000 series, one core", "points/s", 300_000, 1_000_000, at_most=False) for name in _METHODS),
    Figure("cusum: 10 series, one core", "points/s"),
    Figure("largest state of a series after 20,000 points", "bytes", 4_096),
    Figure("the same after 40,000, over that after 20,000", "times", 1.01),
    Figure("CUSUM run lengths against tables", "% off", 0.5),
    Figure("EWMA run lengths against tables", "% off", 0.5),
    Figure("Poisson CUSUM run lengths against tables", "% off", 0.5),
    Figure("designed limits: their run length against the wanted one", "% off", 0.5),
    Figure("CUSUM designed for 500, simulated", "% off", 2.0),
    Figure("EWMA designed for 500, simulated", "% off", 2.0),
    Figure("Poisson CUSUM designed for 500, simulated against its exact one", "% off", 2.0),
    Figure("20 counts an interval at ARL0 >= 650: a full stop is seen in", "intervals", 2),
    Figure("20 counts an interval at ARL0 >= 650: a 20 % drop is seen in", "intervals", 12),
    Figure("20 counts an interval at ARL0 >= 2,000: a 20 % drop is seen in", "intervals", None, 12),
)


def once() -> Sequence[float]:
    """One run of everything."""
    speeds = [_points_per_s(_start(name, _SERIES), _SERIES, _TURNS) for name in _METHODS]
    few = _points_per_s(_start("cusum", _FEW_SERIES), _FEW_SERIES, _FEW_TURNS)
    state_bytes, growth = _states()
    return (*speeds, few, state_bytes, growth, *_against_tables(), *_simulated(), *_drops())


def conditions() -> str:
    return "CPU time of one thread; batches of 1,000 readings; methods that have learned; state as in a snapshot"


def _start(name: str, series: int) -> Detector:
    place = Equipment("bench", "site", "", "line", "cell")
    context = Context({i: Series(place, f"gauge_{i}") for i in range(series)}, Calendar(), "site/line")
    module = importlib.import_module(f"detectors.methods.{name}")
    detector: Detector = module.build(module.Options(**_METHODS[name]), context)
    return detector


def _batches(series: int, turns: int) -> Iterator[Batch]:
    """Every series once a minute, whole turns in batches of 1,000 readings."""
    rng = np.random.default_rng(7)
    at_once = 1_000 // series
    ids, quality = np.tile(np.arange(series, dtype=np.int32), at_once), np.zeros(series * at_once, np.uint8)
    for turn in range(0, turns, at_once):
        at_ns = _START_NS + _STEP_NS * np.repeat(np.arange(turn, turn + at_once), series)
        shift = np.where((ids % 10 == 0) & (2 * turn > turns), 3.0, 0.0)
        yield Batch(ids, at_ns, rng.normal(0.0, 1.0, len(ids)) + shift, quality, at_ns)


def _points_per_s(detector: Detector, series: int, turns: int) -> float:
    """Of a detector that has learned, over the rest of its readings."""
    batches = list(_batches(series, turns))
    learning = int(_LEARNING_RATIO * len(batches))
    for batch in batches[:learning]:
        detector.score(batch)
    began_ns = time.process_time_ns()
    for batch in batches[learning:]:
        detector.score(batch)
    return sum(map(len, batches[learning:])) * NS_PER_S / (time.process_time_ns() - began_ns)


def _states() -> tuple[float, float]:
    """Bytes a series of the method that keeps most after 20,000 points, and the most that one grows to 40,000."""
    half = _LONG_SERIES * _LONG_TURNS
    sizes = []
    for name in _METHODS:
        detector, points, size = _start(name, _LONG_SERIES), 0, {}
        for batch in _batches(_LONG_SERIES, 2 * _LONG_TURNS):
            detector.score(batch)
            points += len(batch)
            if points % half == 0:
                size[points] = len(detector.snapshot()) / _LONG_SERIES
        sizes.append((size[half], size[2 * half]))
    return max(before for before, _ in sizes), max(after / before for before, after in sizes)


def _against_tables() -> tuple[float, float, float, float]:
    """The largest difference of each chart from its table, and of designs from what was wanted, in percent."""
    if not _TABLES.exists():
        raise NotMeasured(f"{_TABLES} is missing: run this benchmark from a checkout of the repository")
    tables = tomllib.loads(_TABLES.read_text(encoding="utf-8"))
    sums = [_off_print(*one) for table in tables["cusum"] for one in _cusum_rows(table)]
    sums += [
        _off_print(one_sided_cusum_run_length(table["k"], table["h"], shift), printed)
        for table in tables["one_sided_cusum"]
        for shift, printed in zip(table["shift"], table["run_length"], strict=True)
    ]
    smoothed = [
        _off_print(ewma_run_length(table["lambda"], table["L"], shift), printed)
        for table in tables["ewma"]
        for shift, printed in zip(table["shift"], table["run_length"], strict=True)
    ]
    counts = [
        _off_print(poisson_run_length(rate, table["k"], table["h"], falls=table["falls"]), printed)
        for table in tables["poisson"]
        for rate, printed in zip(table["rate"], table["run_length"], strict=True)
    ]
    designs = [_off(cusum_run_length(k, cusum_h(k, arl0)), arl0) for k in (0.25, 0.5, 1.0) for arl0 in (370.0, 1e4)]
    designs += [_off(ewma_run_length(w, ewma_limit(w, arl0)), arl0) for w in (0.05, 0.1, 0.4) for arl0 in (370.0, 1e4)]
    return max(sums), max(smoothed), max(counts), max(designs)


def _cusum_rows(table: Mapping[str, Any]) -> Iterator[tuple[float, str]]:
    for shift, printed in zip(table["shift"], table["run_length"], strict=True):
        yield cusum_run_length(table["k"], table["h"], shift, table.get("head_start", 0.0)), printed


def _off(value: float, wanted: float) -> float:
    return 100 * abs(value / wanted - 1)


def _off_print(value: float, printed: str) -> float:
    """In percent, beyond half of the last printed digit."""
    half_digit = 0.5 * 10.0 ** -len(printed.partition(".")[2])
    return 100 * max(abs(value - float(printed)) - half_digit, 0.0) / float(printed)


def _simulated() -> tuple[float, float, float]:
    """How far the mean of simulated charts of each kind is from the run length they were designed for, in percent."""
    rng = np.random.default_rng(9)
    h, limit = cusum_h(0.5, _ARL0), ewma_limit(0.1, _ARL0) * math.sqrt(0.1 / 1.9)
    k, counts_h = poisson_cusum_k(20.0, 0.2), poisson_cusum_h(20.0, 0.2, _ARL0)
    turns = cusum_turns = ewma_turns = 0
    up = down = np.zeros(_SIMULATED)
    while len(up):
        cusum_turns += len(up)
        z = rng.standard_normal(len(up))
        up, down = np.maximum(up + z - 0.5, 0.0), np.maximum(down - z - 0.5, 0.0)
        goes_on = (up < h) & (down < h)
        up, down = up[goes_on], down[goes_on]
    smoothed = np.zeros(_SIMULATED)
    while len(smoothed):
        ewma_turns += len(smoothed)
        smoothed = 0.9 * smoothed + 0.1 * rng.standard_normal(len(smoothed))
        smoothed = smoothed[np.abs(smoothed) < limit]
    missing = np.zeros(_SIMULATED)
    while len(missing):
        turns += len(missing)
        missing = np.maximum(missing + k - rng.poisson(20.0, len(missing)), 0.0)
        missing = missing[missing < counts_h]
    exact = poisson_run_length(20.0, k, counts_h)
    lengths = (cusum_turns / _SIMULATED, ewma_turns / _SIMULATED, turns / _SIMULATED)
    return _off(lengths[0], _ARL0), _off(lengths[1], _ARL0), _off(lengths[2], exact)


def _drops() -> tuple[float, float, float]:
    """Intervals until a full stop, and a drop of a fifth, are seen on average."""
    k = poisson_cusum_k(20.0, 0.2)
    h, rare_h = (poisson_cusum_h(20.0, 0.2, arl0) for arl0 in (650.0, 2_000.0))
    return poisson_run_length(1e-9, k, h), poisson_run_length(16.0, k, h), poisson_run_length(16.0, k, rare_h)
