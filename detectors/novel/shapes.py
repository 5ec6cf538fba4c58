"""Shapes: how unlike every stretch of the recent past the last stretch of a series is, on raw values.

It keeps, for each lag, the squared distance between the last `WIDTH` readings and the same number that came `lag`
readings before; every fourth reading changes each by four terms gained and four lost. The smallest over all lags of at
least `WIDTH` is the left matrix profile: 0 for a shape that has been there, large for one that has not.

Source: Yeh et al., Matrix Profile I (2016), left profile; Zhu et al., Matrix Profile II (2016), the distances along a
diagonal. Raw values instead of normalised ones: in a plant the level is news as well.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

WIDTH = 48
LAGS = 960
_STEP = 4  # readings taken in at once: a call costs as much as a thousand numbers
_AT_ONCE = 4  # steps, a part of WIDTH: many do not fit into the processor's nearest cache
_ROOM = 64 * _STEP  # readings until the past is moved back to the front and the distances are summed anew
_KEPT = LAGS + WIDTH
_FLOAT_BYTES = 8


class Shapes(msgspec.Struct):
    """`past` float64[_KEPT + _ROOM], the newest before `end`; `squares` float64[LAGS], the longest lag first."""

    past: bytearray = msgspec.field(default_factory=lambda: bytearray(_FLOAT_BYTES * (_KEPT + _ROOM)))
    squares: bytearray = msgspec.field(default_factory=lambda: bytearray(_FLOAT_BYTES * LAGS))
    end: int = _KEPT
    count: int = 0


def strangenesses(shapes: Shapes, readings: NDArray[np.float64]) -> list[float]:
    """Takes in readings one after the other; at every fourth, how far the stretch it ends is from its nearest before.

    NaN at the other readings and until two stretches fit in.
    """
    said = [math.nan] * len(readings)
    begin = 0
    while begin < len(readings):
        if shapes.end == _KEPT + _ROOM:
            _move_back(shapes)
        taken = readings[begin : begin + _KEPT + _ROOM - shapes.end]
        waiting = (shapes.end - _KEPT) % _STEP
        np.frombuffer(shapes.past)[shapes.end : shapes.end + len(taken)] = taken
        shapes.end += len(taken)
        steps = (waiting + len(taken)) // _STEP
        first = begin + _STEP - 1 - waiting
        last = shapes.end - (shapes.end - _KEPT) % _STEP - _STEP * steps
        said[first : begin + len(taken) : _STEP] = _profile(shapes, last, steps)
        begin += len(taken)
    return said


def _profile(shapes: Shapes, begin: int, steps: int) -> list[float]:
    """Moves the distances on by so many steps, the first of which takes the readings from `begin` on.

    What a step takes off is what the one `WIDTH` readings before it has added, so a long run computes it once.
    """
    said: list[float] = []
    at_once = _STEP * _AT_ONCE
    is_long = steps * _STEP >= WIDTH
    lately = [_terms(shapes.past, at, _AT_ONCE) for at in range(begin - WIDTH, begin, at_once) if is_long]
    end = begin + _STEP * steps
    for at in range(begin, end, at_once):
        count = min(_AT_ONCE, (end - at) // _STEP)
        gained = _terms(shapes.past, at, count)
        lately.append(gained)
        lost = lately.pop(0) if is_long else _terms(shapes.past, at - WIDTH, count)
        said += _smallest(shapes, _moved(shapes, gained, lost))
    return said


def _moved(shapes: Shapes, gained: NDArray[np.float64], lost: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[steps, LAGS]: the distances after each step."""
    squares = before = np.frombuffer(shapes.squares)
    moved = np.empty_like(gained)
    for now, more, less in zip(moved, gained, lost, strict=False):
        np.add(before, more, out=now)
        np.subtract(now, less, out=now)
        before = now
    squares[:] = before
    return moved


def _smallest(shapes: Shapes, moved: NDArray[np.float64]) -> list[float]:
    """The distance to the nearest stretch after each step, NaN until two fit in."""
    if shapes.count == _KEPT:
        least = moved[:, : LAGS - WIDTH + 1].min(axis=1).tolist()
        return [math.sqrt(one) if one > 0.0 else 0.0 for one in least]
    said = []
    for now in moved:
        shapes.count = min(shapes.count + _STEP, _KEPT)
        lags = shapes.count - WIDTH
        known = now[LAGS - lags : LAGS - WIDTH + 1]
        said.append(math.sqrt(max(float(known.min()), 0.0)) if lags >= WIDTH else math.nan)
    return said


def _terms(past: bytearray, begin: int, steps: int) -> NDArray[np.float64]:
    """float64[steps, LAGS]: the squared distances of a step's readings to those before at each lag, summed.

    Term by term: a library's sum may differ in its last bit with the number of steps.
    """
    strides = (_FLOAT_BYTES * _STEP, _FLOAT_BYTES, _FLOAT_BYTES)
    first = _FLOAT_BYTES * (begin - LAGS)
    before: NDArray[np.float64] = np.ndarray((steps, _STEP, LAGS), np.float64, past, first, strides)
    now: NDArray[np.float64] = np.ndarray((steps, _STEP, 1), np.float64, past, _FLOAT_BYTES * begin, strides)
    apart = before - now
    apart *= apart
    terms: NDArray[np.float64] = apart[:, 0] + apart[:, 1]
    terms += apart[:, 2]
    terms += apart[:, 3]
    return terms


def _move_back(shapes: Shapes) -> None:
    """Makes room, and sums every distance from its terms: what was added and taken off leaves a rest of rounding."""
    past = np.frombuffer(shapes.past)
    past[:_KEPT] = past[-_KEPT:]
    shapes.end = _KEPT
    squares = np.frombuffer(shapes.squares)
    squares[:] = 0.0
    for terms in _terms(shapes.past, _KEPT - WIDTH, WIDTH // _STEP):
        squares += terms
