"""Signals: of many sensors the level and the scatter, smoothed, and three statistics of each: for `methods/mspc.py`.

Input: rows of a cell, one after the other. A sensor's reading is told in spreads from its usual level; its exponential
mean is the level signal, the logarithm of the mean distance from that mean the scatter signal. How these lie to each
other is learned as two covariance matrices; their inverses are taken anew now and then. Output: Hotelling's T2 of each
kind of signal, the largest single one, and the largest residual of the regression of one on all others.

Plain sums over arrays whose size is the number of sensors: nothing depends on how many rows come at once.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.detector import NAN

Floats = NDArray[np.float64]

NAMES = ("levels", "level", "level to others", "scatters", "scatter", "scatter to others")
_BEGINS = 32  # readings of a sensor before it is followed; after twice as many its signals teach, after three times
# they are judged
_FAR, _BOUND = 5.0, 4.0  # spreads: beyond the first it is no further off, beyond the second it teaches no more
_NEW = 3.0  # spreads that a change of what has always been constant counts for
_FORGETS = 0.5  # of what is known of such a sensor stays after each block of rows in which it was news
_SCATTER_SLOWER = 2.0  # times as many rows as the level are smoothed over
_LEAST_SCATTER = 0.05  # spreads: what is calmer is told apart no more
_RIDGE = 0.05
_LEAST_SPREAD = 0.15  # of a signal, in spreads of its sensor
_MOST_BLOCKS, _MOST_ALIKE = 125.0, 0.95
_FIRST_REFIT = 64  # rows
_MOST_WARM = 4_000  # rows: who is known for half as many is judged, however long others were taught
_REFITS = 4  # in the warm-up; then once in as many rows


class Signals(msgspec.Struct):
    """Float64 columns as bytes: of k sensors `[_FIELDS, k]`, and `[4, k, k]`: two covariances and their inverses."""

    sensors: int = 0
    rows: int = 0
    refit_at: int = _FIRST_REFIT
    columns: bytearray = msgspec.field(default_factory=bytearray)
    matrices: bytearray = msgspec.field(default_factory=bytearray)


_FIELDS = 12
_COUNT, _MIDDLE, _VARIANCE, _LEVEL, _SCATTER, _LEVEL_USUAL, _SCATTER_USUAL, _LEVEL_SPREAD, _SCATTER_SPREAD = range(9)
_BLOCKS, _LAST_MEAN, _ALIKE = range(9, 12)  # blocks learned, the last one's mean level, how alike two in a row are


class Followed(NamedTuple):
    """Rows with their signals: `readings`, `levels` and `scatters` float64[n, k]."""

    readings: Floats
    levels: Floats
    scatters: Floats


class Statistics(NamedTuple):
    """`values` float64[n, 6] in the order of NAMES, and what each sensor adds to each: float64[n, 6, k]."""

    values: Floats
    parts: Floats


def columns_of(state: Signals) -> Floats:
    return np.frombuffer(state.columns).reshape(_FIELDS, state.sensors)


def usual(state: Signals) -> tuple[Floats, Floats]:
    """(middle, spread) of each sensor's readings."""
    columns = columns_of(state)
    return columns[_MIDDLE], np.sqrt(columns[_VARIANCE])


def shares(parts: Floats) -> Floats:
    """What part of a statistic each sensor makes: float64[..., k] of what each adds to it."""
    made = np.maximum(parts, 0.0)
    total = made.sum(axis=-1, keepdims=True)
    return made / np.where(total > 0.0, total, 1.0)


class Following:
    """How signals are followed; the lengths are in rows. Nothing is learned but by `learn`."""

    def __init__(self, smooth: int, memory: int, warm: int) -> None:
        self._gain = 2.0 / (smooth + 1.0)
        self._scatter_gain = 2.0 / (_SCATTER_SLOWER * smooth + 1.0)
        self._memory, self._refit_rows = memory, max(warm // _REFITS, 1)
        self._judged_from = min(max(3 * _BEGINS, min(warm, _MOST_WARM) // 2), memory)  # a count goes up to the memory

    def follow(self, state: Signals, rows: Floats) -> Followed:
        """Moves the signals by rows; NaN moves none."""
        columns = columns_of(state)
        level, scatter = columns[_LEVEL], columns[_SCATTER]
        is_known = np.isfinite(rows) & (columns[_COUNT] >= _BEGINS)
        z = np.where(is_known, _standardised(columns, rows), NAN)
        all_known, scatters_known = bool(is_known.all()), is_known & (columns[_VARIANCE] > 0.0)
        levels, scatters = np.empty_like(rows), np.empty_like(rows)
        for i, one in enumerate(z):
            off = one - level
            if not all_known:
                off[~is_known[i]] = 0.0
            level += self._gain * off
            np.abs(off, out=off)
            off -= scatter
            off[~scatters_known[i]] = 0.0
            scatter += self._scatter_gain * off
            levels[i] = level
            np.log(scatter + _LEAST_SCATTER, out=scatters[i])  # row by row: its last bit may hang on an array's length
        return Followed(rows, levels, scatters)

    def statistics(self, state: Signals, followed: Followed) -> Statistics:
        parts = np.empty((len(followed.readings), len(NAMES), state.sensors))
        for i in range(2):
            away, related, inverse = self._away(state, followed, i)
            parts[:, 3 * i] = away * related
            parts[:, 3 * i + 1] = away * away
            parts[:, 3 * i + 2] = related * related / np.diagonal(inverse)
        values = parts.max(axis=2)
        values[:, ::3] = parts[:, ::3].sum(axis=2) / max(state.sensors, 1)
        return Statistics(np.sqrt(np.maximum(values, 0.0)), parts)

    def apart(self, state: Signals, followed: Followed) -> Floats:
        """In spreads, float64[n, 3, k]: level and scatter from usual, the level from what the others let expect."""
        level, related, inverse = self._away(state, followed, 0)
        scatter, _, _ = self._away(state, followed, 1)
        return np.stack((level, scatter, related / np.sqrt(np.diagonal(inverse))), axis=1)

    def _away(self, state: Signals, followed: Followed, i: int) -> tuple[Floats, Floats, Floats]:
        """Of levels (0) or scatters (1): how far they are from usual, the same times the inverse, and the inverse."""
        columns, inverse = columns_of(state), _matrices(state)[2 + i]
        spread = np.maximum(columns[_LEVEL_SPREAD + i], _LEAST_SPREAD) * (1.0 if i else _widened(columns))
        away = (followed[1 + i] - columns[_LEVEL_USUAL + i]) / spread
        away[:, columns[_COUNT] < self._judged_from] = 0.0
        away = _completed(away, np.isnan(followed.readings), inverse)
        return away, (away[:, None, :] * inverse).sum(axis=2), inverse

    def learn(self, state: Signals, followed: Followed) -> None:
        """Takes rows for usual."""
        n, columns, matrices = len(followed.readings), columns_of(state), _matrices(state)
        counts = np.isfinite(followed.readings).sum(axis=0)
        if not n:
            return
        count = np.minimum(columns[_COUNT] + counts, self._memory)
        _learn_readings(columns, followed.readings, 1.0 / np.maximum(count, 1.0))
        is_followed = columns[_COUNT] >= 2 * _BEGINS
        own = np.where(is_followed, 1.0 / np.maximum(count - 2 * _BEGINS, n), 0.0)
        columns[_COUNT] = count
        state.rows += n
        is_pair = is_followed[:, None] & is_followed
        gain = np.maximum(own[:, None], own)  # of the one that is known for a shorter time
        for i, signal in enumerate(followed[1:]):
            usual_now, spread = columns[_LEVEL_USUAL + i], columns[_LEVEL_SPREAD + i]
            most = _BOUND * np.maximum(spread, 0.5)
            off = np.minimum(np.maximum(signal - usual_now, -most), most)
            off[:, own == 0.0] = 0.0
            usual_now += own * off.sum(axis=0)
            spread[:] = np.sqrt(np.maximum(spread * spread * (1.0 - n * own) + own * (off * off).sum(axis=0), 0.0))
            away = off / np.maximum(spread, _LEAST_SPREAD)
            matrices[i] += gain * is_pair * ((away[:, :, None] * away[:, None, :]).sum(axis=0) - n * matrices[i])
            if not i:
                _learn_likeness(columns, away.mean(axis=0), is_followed)
        if state.rows >= state.refit_at:
            _refit(state)
            state.refit_at = state.rows + self._refit_rows

    def accept_new(self, state: Signals, rows: Floats) -> None:
        """A sensor that has always been constant, and changes, is forgotten after some blocks: it is news only once."""
        columns = columns_of(state)
        is_constant = (columns[_VARIANCE] == 0.0) & (columns[_COUNT] >= _BEGINS)
        if not len(rows) or not is_constant.any():
            return
        has_changed = is_constant & (np.isfinite(rows) & (rows != columns[_MIDDLE])).any(axis=0)
        columns[_COUNT, has_changed] *= _FORGETS
        is_new = has_changed & (columns[_COUNT] < 2 * _BEGINS)
        columns[:, is_new] = 0.0
        columns[_SCATTER, is_new] = 1.0


def widen(state: Signals, sensors: int) -> None:
    """Room for more sensors, of which nothing is known; how all of them lie to each other is learned afresh."""
    columns, matrices = np.zeros((_FIELDS, sensors)), np.zeros((4, sensors, sensors))
    columns[_SCATTER] = 1.0
    columns[:, : state.sensors] = columns_of(state)
    matrices[:] = np.eye(sensors)
    matrices[:, : state.sensors, : state.sensors] = _matrices(state)
    state.columns, state.matrices, state.sensors = bytearray(columns.tobytes()), bytearray(matrices.tobytes()), sensors
    state.rows, state.refit_at = 0, _FIRST_REFIT


def _completed(away: Floats, is_unknown: NDArray[np.bool_], inverse: Floats) -> Floats:
    """Signals with what the other sensors let expect in place of the unknown ones."""
    if not is_unknown.any():
        return away
    known = np.where(is_unknown, 0.0, away)
    expected = -(known[:, None, :] * inverse).sum(axis=2) / np.diagonal(inverse)
    completed: Floats = np.where(is_unknown, expected, known)
    return completed


def _standardised(columns: Floats, rows: Floats) -> Floats:
    """Readings in spreads from the usual level."""
    off, spread = rows - columns[_MIDDLE], np.sqrt(columns[_VARIANCE])
    moves = spread > 0.0
    moved = np.minimum(np.maximum(off / np.where(moves, spread, 1.0), -_FAR), _FAR)
    away: Floats = np.where(moves, moved, np.sign(off) * _NEW)
    return away


def _learn_readings(columns: Floats, rows: Floats, gain: Floats) -> None:
    """Moves middle and variance by rows; what is NaN, or far out, moves them no further."""
    middle, variance = columns[_MIDDLE], columns[_VARIANCE]
    is_first = (columns[_COUNT] == 0.0) & (middle == 0.0) & (variance == 0.0)
    if is_first.any():
        known = np.isfinite(rows)
        middle[is_first] = np.where(known.any(axis=0), rows[known.argmax(axis=0), np.arange(rows.shape[1])], 0.0)[
            is_first
        ]
    is_free = (columns[_COUNT] < _BEGINS) | (variance == 0.0)
    most = np.where(is_free, np.inf, _BOUND * np.sqrt(variance))
    off = np.where(np.isfinite(rows), rows - middle, 0.0)
    off = np.minimum(np.maximum(off, -most), most)
    known_rows = np.isfinite(rows).sum(axis=0)
    moved = np.minimum(gain, 1.0 / np.maximum(known_rows, 1)) * off.sum(axis=0)
    share = np.minimum(gain * known_rows, 1.0)
    mean_square = (off * off).sum(axis=0) / np.maximum(known_rows, 1)
    variance += share * (mean_square - variance) - moved * moved
    np.maximum(variance, 0.0, out=variance)
    middle += moved


def _learn_likeness(columns: Floats, mean: Floats, is_followed: NDArray[np.bool_]) -> None:
    """The first autocorrelation of the means of blocks, in which the mean square is about that of the level itself."""
    blocks, last, alike = columns[_BLOCKS], columns[_LAST_MEAN], columns[_ALIKE]
    gain = np.where(is_followed, 1.0 / np.maximum(np.minimum(blocks, _MOST_BLOCKS), 1.0), 0.0)
    off = 0.5 * (mean - last) ** 2  # half the mean square of successive differences: von Neumann (1941)
    alike += np.where(blocks > 0.0, gain * (off - alike), 0.0)
    last[is_followed] = mean[is_followed]
    blocks[is_followed] += 1.0


def _widened(columns: Floats) -> Floats:
    """By how much a limit for the next reading is wider than one for the known past, for each sensor's level, over that
    of the sensor of which most is known: what all have in common is in the limits of the statistics already.

    n independent blocks tell of a normal level what Student's t has at three deviations (Peiser, 1943), and the error
    of the mean itself. A level whose blocks are alike is as if fewer were known: n (1 - r) / (1 + r).
    """
    r = np.minimum(np.maximum(1.0 - columns[_ALIKE], 0.0) + 4.0 / np.maximum(columns[_BLOCKS], 4.0), _MOST_ALIKE)
    independent = np.maximum(columns[_BLOCKS] * (1.0 - r) / (1.0 + r), 1.0)
    widened: Floats = (1.0 + 2.5 / independent) * np.sqrt(1.0 + 1.0 / independent)
    widened /= widened.min(initial=math.inf)
    return widened


def _refit(state: Signals) -> None:
    matrices = _matrices(state)
    for i in range(2):
        size, axes = np.linalg.eigh(matrices[i])  # of pairs known for unlike times: some may be below zero
        matrices[2 + i] = (axes / (np.maximum(size, 0.0) + _RIDGE)) @ axes.T


def _matrices(state: Signals) -> NDArray[np.float64]:
    return np.frombuffer(state.matrices).reshape(4, state.sensors, state.sensors)
