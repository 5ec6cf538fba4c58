"""Methods on made-up machines that nobody has tuned them to: row by row, as `andon score` judges anybody's tables.

Five kinds of plant (`detectors.judged.machines`), two seeds each, which are others than those the methods were made
with; the first rows teach. Methods of many sensors, and `novelty`, as `andon score` starts them, beside what anybody
does first: the largest z-score past 3, PCA with limits at 99 % of the training rows, scikit-learn's isolation forest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S
from deploy.bench.figure import Figure, NotMeasured
from deploy.score import chosen
from detectors.judged.machines import KINDS, Machine, machine
from detectors.judged.rows import Agreement, agreement
from detectors.offline.judging import judged
from detectors.offline.table import Table

RUNS = 1  # the figures are the same in every run
_SEEDS = (101, 102)
_START_NS = 1_700_000_000 * NS_PER_S
_METHODS = ("mspc", "isolation_forest", "one_class_sgd", "novelty")
_TOLD = ("F1", "false alarm rate (FAR)", "missing alarm rate (MAR)", "area under the ROC curve")

Said = tuple[NDArray[np.float64], NDArray[np.bool_]]


def zscore(given: Machine) -> Said:
    """The largest z-score of the sensors that moved while they taught."""
    z = np.abs(_standardised(given)).max(axis=1)
    return z / 3.0, z > 3.0


def pca(given: Machine) -> Said:
    """Hotelling's T2 over 90 % of the variance and Q of the rest, at 99 % of the training rows."""
    z = _standardised(given)
    taught = z[: given.taught]
    _, size, axes = np.linalg.svd(taught, full_matrices=False)
    kept = int(np.searchsorted(np.cumsum(size**2) / (size**2).sum(), 0.9)) + 1
    along = z @ axes[:kept].T
    t2 = (along**2 / (size[:kept] ** 2 / len(taught))).sum(axis=1)
    q = ((z - along @ axes[:kept]) ** 2).sum(axis=1)
    score = np.maximum(*(one / max(float(np.quantile(one[: given.taught], 0.99)), 1e-12) for one in (t2, q)))
    return score, score > 1.0


def forest(given: Machine) -> Said:
    """scikit-learn's, with its defaults."""
    try:
        from sklearn.ensemble import IsolationForest
    except ImportError as error:
        raise NotMeasured("scikit-learn is missing; install andon[detect]") from error
    fitted = IsolationForest(random_state=0).fit(given.value[: given.taught])
    return -fitted.score_samples(given.value), fitted.predict(given.value) < 0


_SIMPLE: dict[str, Callable[[Machine], Said]] = {"z-score": zscore, "PCA T2 and Q": pca, "scikit-learn forest": forest}

FIGURES = (
    *(
        Figure(f"{name}: {what}", "of 1", at_most=i in (1, 2))
        for name in (*_METHODS, *_SIMPLE)
        for i, what in enumerate(_TOLD)
    ),
    Figure("mspc: incidents found", "of 1", at_most=False),
    Figure("mspc: rows until an incident is found, in the median", "rows"),
    Figure("mspc: F1 over that of the best of the three simple ones", "times", must=1.0, at_most=False),
)


def conditions() -> str:
    return f"means over {len(KINDS)} kinds of machine with {len(_SEEDS)} seeds each; only rows after those that taught"


def once() -> Sequence[float]:
    given = [machine(kind, seed) for kind in KINDS for seed in _SEEDS]
    found = {name: _mean([_agreed(one, method_on(one, name)) for one in given]) for name in _METHODS}
    simple = {name: _mean([_agreed(one, judge(one)) for one in given]) for name, judge in _SIMPLE.items()}
    mspc = found["mspc"]
    figures = [value for one in (*found.values(), *simple.values()) for value in one[:4]]
    return [*figures, mspc.found, mspc.delay, mspc.f1 / max(one.f1 for one in simple.values())]


def method_on(given: Machine, name: str) -> Said:
    """A method as `andon score --train-rows` has it."""
    rows, columns = given.value.shape
    at_ns = _START_NS + NS_PER_S * np.arange(rows, dtype=np.int64)
    table = Table(at_ns, tuple(f"sensor_{i}" for i in range(columns)), given.value)
    method = chosen(name, (), NS_PER_S, given.taught, columns)
    said = judged(table, method.build, taught_rows=given.taught, slot_ns=method.slot_ns, with_series=False)
    return said.score, said.score >= 1.0


def _standardised(given: Machine) -> NDArray[np.float64]:
    taught = given.value[: given.taught]
    spread = taught.std(axis=0)
    moves = spread > 0.0
    away: NDArray[np.float64] = (given.value[:, moves] - taught[:, moves].mean(axis=0)) / spread[moves]
    return away


def _agreed(given: Machine, said: Said) -> Agreement:
    score, alarm = said
    return agreement(given.wrong[given.taught :], alarm[given.taught :], score[given.taught :])


def _mean(found: Sequence[Agreement]) -> Agreement:
    return Agreement(*np.nanmean(np.array(found), axis=0).tolist())
