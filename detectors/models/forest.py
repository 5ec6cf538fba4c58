"""A fitted isolation forest as flat arrays: scores batches and single rows without scikit-learn, the same to the bit.

Every tree is laid out as a full binary tree of the forest's depth (the children of node i are 2 i + 1 and 2 i + 2), so
a step down is arithmetic and all trees are walked at once. A branch that ends early goes on to the left.

Source: Liu, Ting and Zhou, Isolation Forest (ICDM 2008): the shorter the mean path to a row, the odder it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

_MANY = 256  # rows from which on walking tree by tree is faster
_FIXED = float(2**40)  # path lengths are summed as whole numbers of 2^-40: a sum is the same in any order
_EULER = 0.5772156649015329
_DEEPEST = 10


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    """A forest as it is stored: the bytes of little-endian columns, and what they mean.

    `feature` uint16 and `threshold` float32 have 2^depth - 1 nodes a tree, `rows` uint16 (training rows that ended in a
    leaf) and `level` uint8 (its depth) 2^depth leaves. A row goes right where its feature is above the threshold.
    """

    trees: int
    depth: int
    sample: int
    features: int
    feature: bytes
    threshold: bytes
    rows: bytes
    level: bytes


class Forest:
    """Raises ValueError where the tables do not fit each other."""

    def __init__(self, tables: Tables) -> None:
        if not (1 <= tables.depth <= _DEEPEST and tables.trees > 0 and tables.sample > 1):
            raise ValueError(f"no forest has {tables.trees} trees of depth {tables.depth} and {tables.sample} samples")
        self._depth, self._trees = tables.depth, tables.trees
        inner, leaves = 2**tables.depth - 1, 2**tables.depth
        self._feature = np.frombuffer(tables.feature, "<u2").reshape(tables.trees, inner).astype(np.intp)
        self._threshold = np.frombuffer(tables.threshold, "<f4").reshape(tables.trees, inner).astype(np.float32)
        rows = np.frombuffer(tables.rows, "<u2").reshape(tables.trees, leaves)
        level = np.frombuffer(tables.level, "u1").reshape(tables.trees, leaves)
        if int(self._feature.max()) >= tables.features:
            raise ValueError("a tree asks for a feature that the model does not have")
        usual = np.array([usual_path(n) for n in range(int(rows.max()) + 1)])
        self._length = np.rint((level + usual[rows]) * _FIXED).astype(np.int64)
        self._root = np.arange(tables.trees) * inner
        self._leaf = np.arange(tables.trees) * leaves - inner
        self._flat = (self._feature.ravel(), self._threshold.ravel(), self._length.ravel())
        self._per_path = 1.0 / (_FIXED * tables.trees * usual_path(tables.sample))

    def scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """How odd each row of float32[n, features] is, 0 to 1: what scikit-learn's `score_samples` says, negated."""
        rows = np.ascontiguousarray(rows, np.float32)
        paths = self._tree_by_tree(rows) if len(rows) >= _MANY else self._all_trees(rows)
        per_path = self._per_path
        return np.array([2.0 ** (-path * per_path) for path in paths.tolist()])

    def _all_trees(self, rows: NDArray[np.float32]) -> NDArray[np.int64]:
        """The summed path lengths, int64[n], of few rows: one step takes all of them down one level of all trees."""
        values, starts = rows.ravel(), (np.arange(len(rows)) * rows.shape[1])[:, None]
        feature, threshold, length = self._flat
        node = np.zeros((len(rows), self._trees), np.intp)
        for _ in range(self._depth):
            at = node + self._root
            columns = feature.take(at, mode="clip")
            columns += starts
            node = _step(node, values.take(columns, mode="clip") > threshold.take(at, mode="clip"))
        paths: NDArray[np.int64] = length.take(node + self._leaf, mode="clip").sum(axis=1)
        return paths

    def _tree_by_tree(self, rows: NDArray[np.float32]) -> NDArray[np.int64]:
        """The same for many rows: one tree's tables stay in the processor's nearest cache."""
        values, starts = rows.ravel(), np.arange(len(rows)) * rows.shape[1]
        paths = np.zeros(len(rows), np.int64)
        for feature, threshold, length in zip(self._feature, self._threshold, self._length, strict=True):
            node = np.zeros(len(rows), np.intp)
            for _ in range(self._depth):
                at = feature.take(node, mode="clip")
                at += starts
                node = _step(node, values.take(at, mode="clip") > threshold.take(node, mode="clip"))
            node -= len(feature)
            paths += length.take(node, mode="clip")
        return paths


def _step(node: NDArray[np.intp], is_right: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The children to go on with, written in place of their parents."""
    node += node
    node += 1
    node += is_right
    return node


def usual_path(rows: int) -> float:
    """The mean path to a row of a random search tree of so many rows (equation 1 of the paper)."""
    if rows <= 2:
        return float(max(rows - 1, 0))
    return 2.0 * (math.log(rows - 1.0) + _EULER) - 2.0 * (rows - 1.0) / rows


def tables_of(fitted: Any, features: int) -> Tables:
    """The tables of a fitted `sklearn.ensemble.IsolationForest` that was trained on all of so many features."""
    trees = [estimator.tree_ for estimator in fitted.estimators_]
    depth = max(1, max(int(tree.max_depth) for tree in trees))
    laid = [_laid_out(tree, depth) for tree in trees]
    feature, threshold, rows, level = (np.concatenate(column) for column in zip(*laid, strict=True))
    return Tables(
        trees=len(trees),
        depth=depth,
        sample=int(fitted.max_samples_),
        features=features,
        feature=feature.astype("<u2").tobytes(),
        threshold=threshold.astype("<f4").tobytes(),
        rows=rows.astype("<u2").tobytes(),
        level=level.astype("u1").tobytes(),
    )


def _laid_out(tree: Any, depth: int) -> Sequence[NDArray[np.generic]]:
    """One tree as the columns of Tables."""
    inner, leaves = 2**depth - 1, 2**depth
    feature, threshold = np.zeros(inner, np.uint16), np.full(inner, np.inf, np.float32)
    rows, level = np.zeros(leaves, np.uint16), np.zeros(leaves, np.uint8)
    waiting = [(0, 0, 0)]  # (node of the fitted tree, its place, its level)
    while waiting:
        node, place, at = waiting.pop()
        if tree.children_left[node] >= 0:
            feature[place], threshold[place] = tree.feature[node], _float32_below(tree.threshold[node])
            waiting.append((tree.children_left[node], 2 * place + 1, at + 1))
            waiting.append((tree.children_right[node], 2 * place + 2, at + 1))
        else:
            leaf = (place + 1 << depth - at) - 1 - inner
            rows[leaf], level[leaf] = tree.n_node_samples[node], at
    return feature, threshold, rows, level


def _float32_below(threshold: float) -> np.float32:
    """The greatest float32 not above a threshold: float32 values are above the one exactly when above the other."""
    near = np.float32(threshold)
    return near if near <= threshold else np.nextafter(near, np.float32(-np.inf))
