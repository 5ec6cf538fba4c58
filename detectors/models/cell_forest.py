"""A cell's forest at work: rows of the cell in, how odd each is out, and which features made it so.

Used alike in training and in detection, so that both see the same rows. No scikit-learn. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.detector import NAN
from detectors.models.forest import Forest
from detectors.models.model import Feature, ForestModel

_FAR = 1e6  # spreads: further off makes no difference to a forest, and float32 holds it
_DISTANCES = 4
_TAME, _RIDGE = 10.0, 0.05  # for the covariance: spreads past which a value weighs no more, and what is added to it
_KNOWN_RATIO = 0.5  # of its features: a row of which no more is known is not judged


class CellForest:
    """Raises ValueError where the model's tables do not fit each other."""

    def __init__(self, model: ForestModel) -> None:
        self.model = model
        self._forest = Forest(model.forest)
        self._mid, self._spread = middle_of(model.features)
        self._relation = np.frombuffer(model.relation, "<f8").reshape(len(model.features), len(model.features))

    def values(self, metrics: Sequence[str], rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The features float64[n, f] of rows float64[n, k] whose columns are these metrics, NaN where unknown."""
        return picked(self.model.features, metrics, rows)

    def seen(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The features as the forest sees them."""
        return standardised(values, self._mid, self._spread)

    def odd(self, seen: NDArray[np.float64]) -> NDArray[np.float64]:
        """How odd each row is, 0 to 1; NaN where half or less is known."""
        is_known = np.isfinite(seen)
        scores = self._forest.scores(columns_of(seen, self._relation))
        scores[is_known.mean(axis=1) <= _KNOWN_RATIO] = NAN
        return scores

    def highest(self) -> float:
        """About the most that any row can score: one that is far out in everything."""
        far = np.array([[_FAR], [-_FAR]]) * np.ones(len(self.model.features))
        return float(self._forest.scores(columns_of(far, self._relation)).max())

    def scaled(self, smooth: float) -> float:
        """A smoothed score as the method tells it: 1.0 is the model's limit, 0 what is usual."""
        return (smooth - self.model.usual) / (self.model.limit - self.model.usual)

    def shares(self, seen: NDArray[np.float64]) -> dict[str, float]:
        """What part of one row's oddity each feature makes: by how much it falls when that one is usual."""
        rows = np.tile(seen, (len(seen) + 1, 1))
        np.fill_diagonal(rows, 0.0)
        scores = self._forest.scores(columns_of(rows, self._relation))
        gains = np.maximum(scores[-1] - scores[:-1], 0.0)
        total = float(gains.sum())
        names = (feature.metric for feature in self.model.features)
        return {name: gain / total if total > 0 else 0.0 for name, gain in zip(names, gains.tolist(), strict=True)}


def columns_of(seen: NDArray[np.float64], relation: NDArray[np.float64]) -> NDArray[np.float32]:
    """What the forest cuts: the features float64[n, f], and four distances of the row as a whole.

    One feature out of twenty that is far out hardly shortens a path, since few cuts are on it. So the greatest and the
    mean distance from usual, and from what the other features let expect, come as columns of their own, as often as
    makes about half of all cuts. Plain sums: a product of matrices differs in its last bits with the number of rows.
    """
    rows = _completed(seen, relation)
    apart = _apart(rows, relation)
    distances = [distance for one in (np.abs(rows), np.abs(apart)) for distance in (one.max(axis=1), _mean(one))]
    columns: NDArray[np.float32] = np.empty((len(rows), width(rows.shape[1])), np.float32)
    columns[:, : rows.shape[1]] = rows
    for place in range(rows.shape[1], columns.shape[1]):
        columns[:, place] = distances[(place - rows.shape[1]) % len(distances)]
    return columns


def _completed(seen: NDArray[np.float64], relation: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows with what the known features let expect in place of the unknown ones."""
    is_known = np.isfinite(seen)
    rows = np.where(is_known, seen, 0.0)
    partly = ~is_known.all(axis=1)
    if partly.any():
        expected = -_apart(rows[partly], relation) / np.diag(relation)
        rows[partly] = np.where(is_known[partly], rows[partly], expected)
    return rows


def _apart(rows: NDArray[np.float64], relation: NDArray[np.float64]) -> NDArray[np.float64]:
    apart = np.zeros_like(rows)
    for feature, weights in enumerate(relation):
        apart += rows[:, feature, None] * weights
    return apart


def width(features: int) -> int:
    """How many columns a forest of so many features cuts."""
    return features + _DISTANCES * max(1, features // _DISTANCES)


def relation_of(seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix that turns features into standardised residuals of the regression of each on all others.

    It is the inverse of the (ridged) covariance, scaled by the root of its diagonal.
    """
    rows = np.clip(np.where(np.isfinite(seen), seen, 0.0), -_TAME, _TAME)
    inverse = np.linalg.inv(np.atleast_2d(np.cov(rows.T)) + _RIDGE * np.eye(rows.shape[1]))
    relation: NDArray[np.float64] = inverse / np.sqrt(np.diag(inverse))
    return relation


def _mean(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    mean = np.zeros(len(rows))
    for column in rows.T:
        mean += column
    mean /= rows.shape[1]
    return mean


def picked(features: Sequence[Feature], metrics: Sequence[str], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The columns of the features; of several series of one name, as after a change of unit, the last that is known."""
    found = np.full((len(values), len(features)), NAN)
    places = {feature.metric: i for i, feature in enumerate(features)}
    for column, metric in enumerate(metrics):
        if metric in places:
            known = np.isfinite(values[:, column])
            found[known, places[metric]] = values[known, column]
    return found


def middle_of(features: Sequence[Feature]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(mid, spread) of the features as columns."""
    return np.array([feature.mid for feature in features]), np.array([feature.spread for feature in features])


def standardised(
    values: NDArray[np.float64], mid: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Each feature in spreads from its middle."""
    seen = (values - mid) / spread
    return np.minimum(np.maximum(seen, -_FAR), _FAR)


def smoothed(scores: Sequence[float], before: float, rows: int) -> list[float]:
    """The exponential mean over about so many rows after each score, going on from `before` (NaN: from nothing).

    A score that is NaN stays one and changes nothing.
    """
    gain, said = 2.0 / (rows + 1.0), []
    for score in scores:
        if math.isnan(score):
            said.append(NAN)
            continue
        before = score if math.isnan(before) else before + gain * (score - before)
        said.append(before)
    return said
