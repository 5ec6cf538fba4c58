"""Training of a cell's forest: rows of a window in; a model out, or the sentence why there is none.

A model is held against the one in use before it may take its place: a window that is itself out of the ordinary must
not become what is ordinary. scikit-learn is needed here and nowhere else. Pure: its chance comes from the names.

Source: Liu, Ting and Zhou, Isolation Forest (ICDM 2008). The limit is set for a wanted number of alarms a day: the
tail past the 99 % quantile is taken for exponential (peaks over threshold: Pickands, 1975), its scale from the median
of the excesses, which a few odd rows do not move.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.config import Positive, Section
from detectors.detector import NAN
from detectors.models.cell_forest import CellForest, columns_of, middle_of, relation_of, smoothed, standardised
from detectors.models.forest import tables_of
from detectors.models.model import Feature, ForestModel, Lesson

_TREES, _SAMPLE = 100, 256
_MOST_FEATURES = 64
_SPARSE_RATIO = 0.5  # a series known in fewer of the rows is no feature
_CHECKED_RATIO = 0.2  # the window's end, on which a new model must be quiet
_TAIL_RATIO = 0.01
_REACHABLE_RATIO = 0.9  # of the way to the most that a row can score: a limit past it would never be reached
_MOST_ODD_AT_END_RATIO = 0.2
_STEADY_ODD_RATIO, _STEADY_APART = 0.02, 0.2
_MOST_ODD_TO_OLD_RATIO = 0.2
_MOST_APART = 0.6  # Kolmogorov-Smirnov distance of the old model's scores, then and now
_MOST_TROUBLED_RATIO = 0.5
_SECONDS_PER_D = 86_400.0


class ForestOptions(Section, frozen=True, kw_only=True):
    """A row each `every_s`; a value older than `stale_s` is unknown. Scores are smoothed over `smooth_rows` and limited
    for `alarms_per_d` of each cell. `min_rows` and `max_gap_ratio`: what a window of training must have.
    """

    every_s: Positive = 5.0
    stale_s: Positive = 300.0
    smooth_rows: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 12
    alarms_per_d: Positive = 0.1
    min_rows: Annotated[int, msgspec.Meta(ge=100)] = 1000
    max_gap_ratio: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """What is known of a cell: `at_ns` int64[n], `values` float64[n, k], `metrics` and `units` of the k columns.

    `is_troubled` bool[n]: an alert stood on the line. `gap_ratio`: how much of the window is known to be missing.
    """

    metrics: Sequence[str]
    units: Sequence[str]
    at_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    is_troubled: NDArray[np.bool_]
    gap_ratio: float


class Trained(NamedTuple):
    """A model, or None and why (`refused`); `drift` compares with the model in use."""

    model: ForestModel | None
    lesson: Lesson
    drift: str
    refused: str


class _Unfit(Exception):
    """The window is no lesson; the text says why."""


def train(
    rule: str,
    subject: str,
    at_ns: int,
    window: Window,
    wanted: ForestOptions,
    in_use: ForestModel | None,
    *,
    accept: bool = False,
) -> Trained:
    """A model of the window's quiet rows. `accept`: a person says that what is new is the new ordinary.

    The same window gives the same model.
    """
    quiet = ~window.is_troubled
    at, values = window.at_ns[quiet], window.values[quiet]
    features, left_out = _features(window.metrics, window.units, values)
    metrics = {
        "rows": float(len(window.at_ns)),
        "troubled_ratio": float(window.is_troubled.mean()) if len(quiet) else 0.0,
        "gap_ratio": window.gap_ratio,
    }
    span_ns = (int(at[0]), int(at[-1])) if len(at) else (0, 0)
    drift, model, refused = "not compared", None, ""
    try:
        _check_rows(window, features, left_out, wanted)
        names = [feature.metric for feature in features]
        seen = standardised(values[:, [window.metrics.index(name) for name in names]], *middle_of(features))
        model = _fitted(rule, subject, at_ns, features, seen, wanted)
        drift = _compared(in_use, window, quiet, metrics)
        metrics["odd_at_end_ratio"] = _odd_at_end_ratio(model, seen, wanted)
        if not accept:
            _check_drift(metrics)
    except _Unfit as error:
        refused = str(error)
    lesson = Lesson(from_ns=span_ns[0], to_ns=span_ns[1], rows=len(at), left_out=left_out, metrics=metrics)
    if model is None or refused:
        return Trained(None, lesson, drift, refused)
    metrics["limit"], metrics["usual"] = model.limit, model.usual
    return Trained(msgspec.structs.replace(model, lesson=lesson), lesson, drift, "")


def _features(
    metrics: Sequence[str], units: Sequence[str], values: NDArray[np.float64]
) -> tuple[tuple[Feature, ...], dict[str, str]]:
    """The features that the rows offer, and why the other series are none."""
    found: dict[str, Feature] = {}
    left_out: dict[str, str] = {}
    for column, (metric, unit) in enumerate(zip(metrics, units, strict=True)):
        known = values[:, column][np.isfinite(values[:, column])]
        if len(known) < max(1.0, _SPARSE_RATIO * len(values)):
            left_out[metric] = "known in fewer than half of the rows"
        elif known.min() == known.max():
            left_out[metric] = "constant"
        elif len(found) == _MOST_FEATURES:
            left_out[metric] = f"more than {_MOST_FEATURES} features"
        else:
            low, below, mid, above, high = np.quantile(known, (0.005, 0.25, 0.5, 0.75, 0.995)).tolist()
            spread = (above - below) / 1.349 or float(known.std())
            found[metric] = Feature(metric=metric, unit=unit, mid=mid, spread=spread, low=low, high=high)
    return tuple(found.values()), {name: why for name, why in left_out.items() if name not in found}


def _check_rows(window: Window, features: Sequence[Feature], left_out: dict[str, str], wanted: ForestOptions) -> None:
    rows, quiet = len(window.at_ns), int((~window.is_troubled).sum())
    if rows < wanted.min_rows:
        raise _Unfit(f"{rows} rows are too few, {wanted.min_rows} are wanted; wait, or lower `min_rows` of the rule")
    if quiet < max(wanted.min_rows, (1.0 - _MOST_TROUBLED_RATIO) * rows):
        raise _Unfit(f"an alert stood on the line in {rows - quiet} of {rows} rows; wait for a calmer window")
    if window.gap_ratio > wanted.max_gap_ratio:
        raise _Unfit(f"{window.gap_ratio:.0%} of the window is missing (andon ledger); or raise `max_gap_ratio`")
    if not features:
        why = ", ".join(f"{name} is {why}" for name, why in left_out.items()) or "there are no series"
        raise _Unfit(f"no series can be a feature ({why}); check `metric` of the rule")


def _fitted(
    rule: str, subject: str, at_ns: int, features: tuple[Feature, ...], seen: NDArray[np.float64], wanted: ForestOptions
) -> ForestModel:
    """A forest of the rows, with its limit."""
    from sklearn.ensemble import IsolationForest

    sample = min(_SAMPLE, len(seen))
    seed = zlib.crc32(f"{rule}|{subject}".encode())
    forest = IsolationForest(n_estimators=_TREES, max_samples=sample, random_state=seed)
    relation = relation_of(seen)
    columns = columns_of(seen, relation)
    forest.fit(columns)
    unlimited = ForestModel(
        rule=rule,
        subject=subject,
        trained_at_ns=at_ns,
        smooth_rows=wanted.smooth_rows,
        features=features,
        relation=relation.astype("<f8").tobytes(),
        usual=0.0,
        limit=1.0,
        quantiles=(),
        lesson=Lesson(from_ns=0, to_ns=0, rows=0, left_out={}, metrics={}),
        forest=tables_of(forest, columns.shape[1]),
    )
    scores = _scores(unlimited, seen)
    if not len(scores):
        raise _Unfit("no row knows half of its features; check whether the cell's series report together")
    usual = float(np.median(scores))
    highest = usual + _REACHABLE_RATIO * (CellForest(unlimited).highest() - usual)
    limit = min(_limit(scores, wanted.alarms_per_d * wanted.every_s / _SECONDS_PER_D), highest)
    if not limit > usual:
        raise _Unfit("all rows look alike to a forest; check the rule's `metric`")
    quantiles = tuple(np.quantile(scores, np.linspace(0.0, 1.0, 101)).tolist())
    return msgspec.structs.replace(unlimited, usual=usual, limit=limit, quantiles=quantiles)


def _scores(model: ForestModel, seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smoothed scores of rows, without those that cannot be judged."""
    scores = np.array(smoothed(CellForest(model).odd(seen).tolist(), NAN, model.smooth_rows), np.float64)
    known: NDArray[np.float64] = scores[np.isfinite(scores)]
    return known


def _limit(scores: NDArray[np.float64], alarms_per_row: float) -> float:
    """The score that a row passes with this probability, by the exponential tail past the 99 % quantile."""
    high = float(np.quantile(scores, 1.0 - _TAIL_RATIO))
    excess = scores[scores > high] - high
    scale = float(np.median(excess)) / math.log(2.0) if len(excess) else 0.0
    return high + scale * math.log(max(_TAIL_RATIO / alarms_per_row, 1.0))


def _compared(in_use: ForestModel | None, window: Window, quiet: NDArray[np.bool_], metrics: dict[str, float]) -> str:
    """What the model in use says of the window, as a sentence and as figures."""
    if in_use is None:
        return "no model to compare with"
    old = CellForest(in_use)
    scores = _scores(in_use, old.seen(old.values(window.metrics, window.values[quiet])))
    metrics["odd_to_old_ratio"] = float((scores >= in_use.limit).mean()) if len(scores) else 1.0
    metrics["apart_from_old"] = _apart(in_use.quantiles, scores) if len(scores) else 1.0
    odd, apart = metrics["odd_to_old_ratio"], metrics["apart_from_old"]
    moved = "steady" if odd <= _STEADY_ODD_RATIO and apart <= _STEADY_APART else "moved"
    return f"{moved}: {odd:.1%} of the rows are odd to the model in use, its scores lie {apart:.2f} apart"


def _apart(quantiles: Sequence[float], scores: NDArray[np.float64]) -> float:
    """The Kolmogorov-Smirnov distance between a distribution known by its quantiles and some scores, 0 to 1."""
    shares = np.searchsorted(np.sort(scores), np.array(quantiles), side="right") / len(scores)
    return float(np.abs(shares - np.linspace(0.0, 1.0, len(quantiles))).max())


def _odd_at_end_ratio(model: ForestModel, seen: NDArray[np.float64], wanted: ForestOptions) -> float:
    """How much of the window's end is odd to a model of the rest."""
    cut = int(len(seen) * (1.0 - _CHECKED_RATIO))
    early = _fitted(model.rule, model.subject, model.trained_at_ns, model.features, seen[:cut], wanted)
    at_end = _scores(early, seen[cut:])
    return float((at_end >= early.limit).mean()) if len(at_end) else 0.0


def _check_drift(metrics: dict[str, float]) -> None:
    """Whether the window may become what is ordinary."""
    remedy = "look at it; if this is how it runs from now on: `andon train SITE.TOML --accept`"
    if metrics["odd_at_end_ratio"] > _MOST_ODD_AT_END_RATIO:
        odd = f"{metrics['odd_at_end_ratio']:.0%} of the window's last fifth"
        raise _Unfit(f"{odd} is odd to a model of the rest; {remedy}")
    if metrics.get("odd_to_old_ratio", 0.0) > _MOST_ODD_TO_OLD_RATIO:
        raise _Unfit(f"{metrics['odd_to_old_ratio']:.0%} of the window is odd to the model in use; {remedy}")
    if metrics.get("apart_from_old", 0.0) > _MOST_APART:
        raise _Unfit(f"scores of the model in use lie {metrics['apart_from_old']:.2f} from where they lay; {remedy}")
