"""Isolation forests of cells: how fast batches and single rows are scored, how exactly, and what they find.

The rows are those of a simulated cell of eight sensors whose metrics depend on each other; the faults are those of the
simulated plant's machines: wear (vibration up to 2.5 times, growing) and a sensor that stands still at work. Speeds
are per processor second, so that a busy machine tells the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S, Batch, Equipment, Series
from collector.spool.frames import NewModel
from deploy.bench.figure import Figure, NotMeasured
from detectors.calendar import Calendar
from detectors.detector import Context, Detector
from detectors.methods import isolation_forest, one_class_sgd
from detectors.models.forest import Forest, tables_of
from detectors.models.model import ForestModel, pack
from detectors.models.training import ForestOptions, Window, train

FIGURES = (
    Figure("isolation_forest, batches of 1,000 readings", "points/s", must=100_000, aim=300_000, at_most=False),
    Figure("isolation_forest, a line's 5 s at a time", "points/s"),
    Figure("one_class_sgd, batches of 1,000 readings", "points/s"),
    Figure("one row", "us"),
    Figure("one row, scikit-learn", "us"),
    Figure("difference from scikit-learn", "of the score", must=1e-12),
    Figure("state per cell of 8 series", "bytes", must=4096 * 8),
    Figure("its model, kept once", "bytes"),
    Figure("machine faults: average precision", "ratio", at_most=False),
    Figure("machine faults: precision of rows at 1.0", "ratio", at_most=False),
    Figure("machine faults: recall of rows at 1.0", "ratio", at_most=False),
)
_METRICS = ("vibration", "temperature", "current", "pressure", "flow", "speed", "torque", "noise")
_PLACE = Equipment("bench", "plant", "", "line", "mill")
_LINE, _ROWS, _EVERY_NS, _T0_NS = "plant/line", 6_000, 5 * NS_PER_S, 1_750_000_000 * NS_PER_S
Floats = NDArray[np.float64]


def conditions() -> str:
    return "one cell of 8 series, a row each 5 s, 100 trees of 256 rows; a vibration of 2.5 times and a stuck sensor"


def once() -> Sequence[float]:
    """One run: a day's third to learn from, another to score."""
    model = _model()
    body = pack(model)
    context = Context(
        {i: Series(_PLACE, metric) for i, metric in enumerate(_METRICS)}, Calendar(), _LINE, lambda name: body
    )
    batch = _batch(_shown(_ROWS, seed=2))
    scored: list[Detector] = [_taught(context), _taught(context), one_class_sgd.build(one_class_sgd.Options(), context)]
    speeds = [_points_per_s(one, batch, cut) for one, cut in zip(scored, (1000, len(_METRICS), 1000), strict=True)]
    alone_us, theirs_us, apart = _alone()
    return (
        *speeds,
        alone_us,
        theirs_us,
        apart,
        len(scored[0].snapshot()),
        len(body),
        *_found(_taught(context)),
    )


def _model() -> ForestModel:
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise NotMeasured('scikit-learn is not installed: pip install "andon[detect]"') from error
    values = _shown(_ROWS, seed=1)
    at_ns = _T0_NS + np.arange(_ROWS, dtype=np.int64) * _EVERY_NS
    window = Window(_METRICS, ("1",) * len(_METRICS), at_ns, values, np.zeros(_ROWS, np.bool_), 0.0)
    trained = train("isolation_forest", _PLACE.path, 1, window, ForestOptions(), None)
    if trained.model is None:
        raise NotMeasured(f"the model was refused: {trained.refused}")
    return trained.model


def _taught(context: Context) -> isolation_forest.IsolationForest:
    detector = isolation_forest.build(ForestOptions(), context)
    detector.swap(NewModel("isolation_forest", _PLACE.path, "bench", 1))
    return detector


def _shown(rows: int, seed: int) -> Floats:
    """What the eight sensors show: a machine that works and rests, and what depends on it."""
    rng = np.random.default_rng(seed)
    works = ((np.arange(rows) // 120) % 5 != 0).astype(float)
    load = works * (1.0 + 0.1 * np.sin(np.arange(rows) / 300.0)) + 0.03 * rng.normal(size=rows)
    scales = np.array([2.0, 34.0, 12.0, 5.0, 40.0, 1500.0, 80.0, 20.0])
    resting = np.array([0.2, 24.0, 1.0, 1.0, 2.0, 10.0, 1.0, 40.0])
    shown: Floats = resting + load[:, None] * scales * (1.0 + 0.05 * rng.normal(size=(rows, len(_METRICS))))
    shown[:, 0] = (0.2 + 1.8 * works) * (1.0 + 0.12 * rng.normal(size=rows))
    return shown


def _batch(shown: Floats) -> Batch:
    rows, metrics = shown.shape
    at_ns = np.repeat(_T0_NS + np.arange(rows, dtype=np.int64) * _EVERY_NS, metrics)
    series = np.tile(np.arange(metrics, dtype=np.int32), rows)
    return Batch(series, at_ns, shown.ravel(), np.zeros(rows * metrics, np.uint8), at_ns)


def _points_per_s(detector: Detector, batch: Batch, cut: int) -> float:
    began = time.process_time()
    for at in range(0, len(batch), cut):
        detector.score(batch.take(slice(at, at + cut)))
    return len(batch) / (time.process_time() - began)


def _alone() -> tuple[float, float, float]:
    """Microseconds a row: ours, scikit-learn's; and by how much they differ at most."""
    from sklearn.ensemble import IsolationForest

    rows = _shown(2_000, seed=3).astype(np.float32)
    fitted = IsolationForest(n_estimators=100, max_samples=256, random_state=1).fit(rows)
    forest = Forest(tables_of(fitted, rows.shape[1]))
    apart = float(np.abs(forest.scores(rows) + fitted.score_samples(rows)).max())
    return _each_us(forest.scores, rows[:500]), _each_us(fitted.score_samples, rows[:40]), apart


def _each_us(score: Callable[[NDArray[np.float32]], object], rows: NDArray[np.float32]) -> float:
    began = time.process_time()
    for at in range(len(rows)):
        score(rows[at : at + 1])
    return (time.process_time() - began) / len(rows) * 1e6


def _found(detector: Detector) -> tuple[float, float, float]:
    """(average precision, precision and recall at 1.0) of the rows in which a fault holds."""
    from sklearn.metrics import average_precision_score

    shown = _shown(_ROWS, seed=4)
    is_fault = np.zeros(_ROWS, np.bool_)
    for from_row in (1_000, 3_000, 5_000):
        is_fault[from_row : from_row + 360] = True
        shown[from_row : from_row + 360, 0] *= np.linspace(1.0, 2.5, 360)
    is_fault[2_000:2_240], shown[2_000:2_240, 4] = True, shown[2_000, 4]
    scores = detector.score(_batch(shown)).score
    truth, odd = is_fault[: len(scores)], scores >= 1.0
    known = np.isfinite(scores)
    hits = float((odd & truth).sum())
    return (
        float(average_precision_score(truth[known], scores[known])),
        hits / max(float(odd.sum()), 1.0),
        hits / float(truth.sum()),
    )
