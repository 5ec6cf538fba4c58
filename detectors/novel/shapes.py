"""Shapes: how unlike every stretch of the recent past the last stretch of a series is, on raw values.

It keeps, for each lag, the squared distance between the last `WIDTH` readings and the same number that came `lag`
readings before; every fourth reading changes each by four terms gained and four lost. The smallest over all lags of at
least `WIDTH` is the left matrix profile: 0 for a shape that has been there, large for one that has not.

Source: Yeh et al., Matrix Profile I (2016), left profile; Zhu et al., Matrix Profile II (2016), the distances along a
diagonal. Raw values instead of normalised ones: in a plant the level is news as well.
"""

from __future__ import annotations

import math
import struct

import msgspec
import numpy as np
from numpy.typing import NDArray

WIDTH = 48
LAGS = 960
_STEP = 4  # readings taken in at once: a call costs as much as a thousand numbers
_ROOM = 64 * _STEP  # readings until the past is moved back to the front and the distances are summed anew
_KEPT = LAGS + WIDTH
_FLOAT_BYTES = 8
_NUMBER = struct.Struct("=d")


class Shapes(msgspec.Struct):
    """`past` float64[_KEPT + _ROOM], the newest before `end`; `squares` float64[LAGS], the longest lag first."""

    past: bytearray = msgspec.field(default_factory=lambda: bytearray(_FLOAT_BYTES * (_KEPT + _ROOM)))
    squares: bytearray = msgspec.field(default_factory=lambda: bytearray(_FLOAT_BYTES * LAGS))
    end: int = _KEPT
    count: int = 0


def strangeness(shapes: Shapes, value: float) -> float:
    """Takes in a reading; at every fourth, the distance of the stretch it ends to its nearest one before.

    NaN at the other readings and until two stretches fit in.
    """
    if shapes.end == _KEPT + _ROOM:
        _move_back(shapes)
    _NUMBER.pack_into(shapes.past, _FLOAT_BYTES * shapes.end, value)
    shapes.end += 1
    if (shapes.end - _KEPT) % _STEP:
        return math.nan
    squares = np.frombuffer(shapes.squares)
    squares += _terms(shapes.past, shapes.end - _STEP)
    squares -= _terms(shapes.past, shapes.end - _STEP - WIDTH)
    shapes.count = min(shapes.count + _STEP, _KEPT)
    lags = shapes.count - WIDTH
    if lags < WIDTH:
        return math.nan
    return math.sqrt(max(float(squares[LAGS - lags : LAGS - WIDTH + 1].min()), 0.0))


def _terms(past: bytearray, begin: int, rows: int = _STEP) -> NDArray[np.float64]:
    """float64[LAGS]: the squared distances of the readings from `begin` on to those before at each lag, summed."""
    first = _FLOAT_BYTES * (begin - LAGS)
    before: NDArray[np.float64] = np.ndarray((rows, LAGS), np.float64, past, first, (_FLOAT_BYTES, _FLOAT_BYTES))
    now: NDArray[np.float64] = np.ndarray((rows, 1), np.float64, past, _FLOAT_BYTES * begin)
    apart = before - now
    terms: NDArray[np.float64] = np.einsum("ij,ij->j", apart, apart)
    return terms


def _move_back(shapes: Shapes) -> None:
    """Makes room, and sums every distance from its terms: what was added and taken off leaves a rest of rounding."""
    past = np.frombuffer(shapes.past)
    past[:_KEPT] = past[-_KEPT:]
    shapes.end = _KEPT
    np.frombuffer(shapes.squares)[:] = _terms(shapes.past, _KEPT - WIDTH, WIDTH)
