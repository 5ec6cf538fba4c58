"""Control charts where readings depend on those before: how often they call for nothing, and whether they still see.

Each chart, designed for one false alarm in 20,000 readings, gets series of nine noises of deviation 1: independent, and
first-order autocorrelated, alone or beneath independent noise. What it raises after the first 1,000 readings is told
over what was wanted; then each level moves by three deviations for 180 readings. Seeds are fixed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S, Batch, Equipment, Series
from deploy.bench.figure import Figure
from detectors.calendar import Calendar
from detectors.charts.running import WhileRunning
from detectors.detector import Context
from detectors.methods import cusum, ewma, page_hinkley

RUNS = 1
_ARL0, _SHIFT, _LASTS = 20_000.0, 3.0, 180
_OF_A_KIND, _READINGS, _FROM, _SHIFTED_FROM = 60, 4_000, 1_000, 3_000
_SLOW = "walk of 1,000 readings beneath noise"
_NOISES: dict[str, tuple[float, float]] = {  # autocorrelation of the walk, its share of the variance
    "independent": (0.0, 0.0),
    "alternating": (-0.5, 1.0),
    "autocorrelation 0.5": (0.5, 1.0),
    "autocorrelation 0.9": (0.9, 1.0),
    "autocorrelation 0.98": (0.98, 1.0),
    "half of 0.9": (0.9, 0.5),
    "a fifth of 0.98": (0.98, 0.22),
    "a twentieth of 0.99": (0.99, 0.05),
    _SLOW: (0.999, 0.3),
}
_CHARTS = ("cusum", "ewma", "page_hinkley")
FIGURES = (
    *(Figure(f"{name}: alarms over the wanted, independent readings", "times") for name in _CHARTS),
    *(Figure(f"{name}: the same, worst of seven dependent noises", "times") for name in _CHARTS),
    *(Figure(f"{name}: the same, a {_SLOW}", "times") for name in _CHARTS),
    *(Figure(f"{name}: shifts seen, least of all noises but autocorrelation 0.98", "%") for name in _CHARTS),
)

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]


def once() -> Sequence[float]:
    rng = np.random.default_rng(1)
    calm = np.concatenate([_noise(rng, *kind) for kind in _NOISES.values()], axis=1)
    shifted = calm.copy()
    shifted[_SHIFTED_FROM : _SHIFTED_FROM + _LASTS] += _SHIFT
    alarms, seen = [], []
    for name in _CHARTS:
        stands = _stands(name, calm)
        moved = _stands(name, shifted[: _SHIFTED_FROM + _LASTS])[_SHIFTED_FROM:]
        rises = stands[_FROM:] & ~stands[_FROM - 1 : -1]
        found = (moved & ~stands[_SHIFTED_FROM : _SHIFTED_FROM + _LASTS]).any(axis=0)
        alarms.append(_ARL0 * rises.reshape(len(rises), len(_NOISES), -1).mean(axis=(0, 2)))
        seen.append(100.0 * found.reshape(len(_NOISES), -1).mean(axis=1))
    kinds = list(_NOISES)
    dependent = [i for i, kind in enumerate(kinds) if kind not in ("independent", _SLOW)]
    judged = [i for i, kind in enumerate(kinds) if kind != "autocorrelation 0.98"]
    return (
        *(float(one[0]) for one in alarms),
        *(float(one[dependent].max()) for one in alarms),
        *(float(one[-1]) for one in alarms),
        *(float(one[judged].min()) for one in seen),
    )


def conditions() -> str:
    return f"{_OF_A_KIND} series of each noise, {_READINGS:,} readings each, designed for one alarm in {_ARL0:,.0f}"


def _noise(rng: np.random.Generator, correlation: float, share_ratio: float) -> Floats:
    """Of deviation 1, float64[readings, series]."""
    steps = rng.normal(0.0, np.sqrt(1.0 - correlation * correlation), (_READINGS, _OF_A_KIND))
    walk, last = np.empty_like(steps), rng.normal(size=_OF_A_KIND)
    for i, step in enumerate(steps):
        walk[i] = last = correlation * last + step
    white = rng.normal(size=walk.shape)
    noise: Floats = np.sqrt(share_ratio) * walk + np.sqrt(1.0 - share_ratio) * white
    return noise


def _stands(name: str, values: Floats) -> Truth:
    """Where an alarm stands, of each reading."""
    chart = _chart(name, values.shape[1])
    ids, good = np.arange(values.shape[1], dtype=np.int32), np.zeros(values.shape[1], np.uint8)
    found = np.empty(values.shape, np.bool_)
    for i, row in enumerate(values):
        at_ns = np.full(len(row), 60 * (i + 1) * NS_PER_S, np.int64)
        found[i] = chart.score(Batch(ids, at_ns, row, good, at_ns)).score >= 1.0
    return found


def _chart(name: str, series: int) -> WhileRunning:
    place = Equipment("bench", "site", "", "line", "cell")
    context = Context({i: Series(place, f"gauge_{i}") for i in range(series)}, Calendar(), "site/line")
    if name == "cusum":
        return cusum.build(cusum.Options(arl0=_ARL0, hold_s=0.0), context)
    if name == "ewma":
        return ewma.build(ewma.Options(arl0=_ARL0, hold_s=0.0), context)
    return page_hinkley.build(page_hinkley.Options(arl0=_ARL0, hold_s=0.0), context)
