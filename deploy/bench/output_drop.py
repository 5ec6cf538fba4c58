"""How soon `output_drop` sees a drop and a stop, and how seldom it calls for nothing: the method itself, simulated.

A counter reports every minute; 20 units a minute are usual, as Poisson counts or as a machine with a takt makes them.
Each of the drops comes to a line of its own, which has run for eight hours before. Run lengths in control are those of
the whole method with all its rules, whatever it had learned; a false alarm is counted once until the score is below
its threshold again. Seeds are fixed. Beside it stand the exact run length of its chart where the usual rate is known
(`detectors.run_length`, from a sum of 0) and the best that any chart of a known rate can do (`best_delay`): where that
is above a bar, no method reaches the bar but by chance.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S, Batch, Equipment, Kind, Quality, Series
from deploy.bench.best_delay import best_mean_delay
from deploy.bench.figure import Figure
from detectors.calendar import Calendar
from detectors.detector import Context, Scores
from detectors.methods import output_drop
from detectors.run_length import poisson_cusum_h, poisson_cusum_k, poisson_run_length

FIGURES = (
    Figure("stopped line: intervals until seen, slowest", "intervals", must=2.0),
    Figure("20 % drop at 20 per interval, designed for ARL0 650: mean delay", "intervals", must=12.0),
    Figure("the same: median delay", "intervals"),
    Figure("the same: average run length in control", "intervals", must=650.0, at_most=False),
    Figure("20 % drop at 20 per interval, designed for ARL0 2000: mean delay", "intervals", aim=12.0),
    Figure("the same: median delay", "intervals"),
    Figure("the same: average run length in control", "intervals", must=2000.0, at_most=False),
    Figure("chart of a known rate, ARL0 650: mean delay", "intervals"),
    Figure("chart of a known rate, ARL0 2000: mean delay", "intervals"),
    Figure("best of all charts of a known rate, ARL0 650: mean delay", "intervals"),
    Figure("best of all charts of a known rate, ARL0 2000: mean delay", "intervals"),
    Figure("takt of 3 s, 20 % drop, designed for 30 d: mean delay", "intervals"),
    Figure("readings of one core", "readings/s"),
)
RUNS = 1

_RATE, _DROP_RATIO, _INTERVAL_S = 20.0, 0.2, 60
_LEARNED, _LINES, _IN_CONTROL, _AFTER = 480, 160, 4000, 80
_SEED = 5
_COUNTER = Series(Equipment("bench", "site", "", "line", "cell"), "good", "1", Kind.COUNTER)


def once() -> Sequence[float]:
    rng = np.random.default_rng(_SEED)
    stops = [_delay(_detector(650), rng, 0.0, takt=takt) for takt in (False, True) for _ in range(_LINES // 16)]
    known = [_known_delay(arl0) for arl0 in (650.0, 2000.0)]
    best = [best_mean_delay(_RATE, _DROP_RATIO, arl0) for arl0 in (650.0, 2000.0)]
    at_650, at_2000 = _drops(rng, 650), _drops(rng, 2000)
    takt = [_delay(_detector(43_200), rng, 1 - _DROP_RATIO, takt=True) for _ in range(_LINES // 16)]
    return (max(stops), *at_650, *at_2000, *known, *best, float(np.mean(takt)), _readings_per_s(rng))


def _drops(rng: np.random.Generator, arl0: float) -> tuple[float, float, float]:
    """Mean and median delay, and the run length in control."""
    delays = [_delay(_detector(arl0), rng, 1 - _DROP_RATIO) for _ in range(_LINES)]
    alarms = sum(_alarms(_detector(arl0), rng) for _ in range(_LINES // 8))
    return float(np.mean(delays)), float(np.median(delays)), _LINES // 8 * _IN_CONTROL / max(alarms, 1)


def _delay(detector: output_drop.OutputDrop, rng: np.random.Generator, left: float, *, takt: bool = False) -> int:
    """Intervals from the first that holds less to the alarm; alarms that stood before do not count."""
    usual = _counts(rng, _RATE, _LEARNED, takt=takt)
    counts = np.concatenate((usual, _counts(rng, _RATE * left, _AFTER, takt=takt)))
    raised = np.flatnonzero(_score(detector, counts)[_LEARNED:] >= 1.0)
    return int(raised[0]) + 1 if len(raised) else _AFTER


def _alarms(detector: output_drop.OutputDrop, rng: np.random.Generator) -> int:
    """How often an alarm began in a long stretch of usual running."""
    alarm = _score(detector, _counts(rng, _RATE, _LEARNED + _IN_CONTROL))[_LEARNED:] >= 1.0
    return int((alarm[1:] & ~alarm[:-1]).sum())


def _counts(rng: np.random.Generator, rate: float, intervals: int, *, takt: bool = False) -> NDArray[np.float64]:
    """Poisson counts, or those of a takt, which differ by how the last unit falls."""
    if takt:
        return np.diff(np.floor(rate * np.arange(intervals + 1) + rng.random()))
    return rng.poisson(rate, intervals).astype(float)


def _score(detector: output_drop.OutputDrop, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    scores = [detector.score(batch) for batch in _batches(counts)]
    said: NDArray[np.float64] = np.nan_to_num(np.concatenate([one.score for one in scores]), nan=0.0)
    return said


def _batches(counts: NDArray[np.float64], readings: int = 1000) -> list[Batch]:
    at_ns = (1_752_000_000 + _INTERVAL_S * np.arange(len(counts), dtype=np.int64)) * NS_PER_S
    series, quality = np.zeros(len(counts), np.int32), np.full(len(counts), Quality.GOOD, np.uint8)
    whole = Batch(series, at_ns, np.cumsum(counts), quality, at_ns)
    return [whole.take(slice(i, i + readings)) for i in range(0, len(counts), readings)]


def _detector(arl0: float) -> output_drop.OutputDrop:
    options = output_drop.Options(
        window_s=12.0 * _INTERVAL_S,
        stop_intervals=2.0,
        drop_ratio=_DROP_RATIO,
        false_alarm_d=arl0 * _INTERVAL_S / 86_400,
    )
    return output_drop.build(options, Context({0: _COUNTER}, Calendar(), "site/line"))


def _known_delay(arl0: float) -> float:
    k, h = poisson_cusum_k(_RATE, _DROP_RATIO), poisson_cusum_h(_RATE, _DROP_RATIO, arl0)
    return poisson_run_length(_RATE * (1 - _DROP_RATIO), k, h)


def _readings_per_s(rng: np.random.Generator) -> float:
    """A counter's readings through the method, in batches of 1,000."""
    batches, detector = _batches(_counts(rng, _RATE, 20_000)), _detector(2000)
    began = time.process_time()
    said: list[Scores] = [detector.score(batch) for batch in batches]
    return sum(map(len, said)) / (time.process_time() - began)
