"""What is lost as a function of how long a failure lasts (LossCurve), exactly: straight pieces that only get steeper.

`loss_curve` finds every bend. Two tangents of a convex curve meet below it or on a bend, so each programme solved
either confirms a bend or finds a new piece; there is no grid and nothing is interpolated.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise
from math import inf
from typing import NamedTuple

from detectors.chain.programme.model import Loss
from detectors.chain.programme.scenario import Unsolved

_SAME = 1e-9  # of the loss at the bend: two answers that differ less are one
_PIECES = 1000


class LossCurve(NamedTuple):
    """From each of `from_d` on (the first is 0 d) the loss is `at[i]` and rises by `per_d[i]` a day."""

    from_d: tuple[float, ...]
    at: tuple[float, ...]
    per_d: tuple[float, ...]

    def loss(self, for_d: float) -> float:
        """What is lost over `for_d` days."""
        piece = bisect_right(self.from_d, for_d) - 1
        return self.at[piece] + self.per_d[piece] * (for_d - self.from_d[piece])

    @property
    def survives_d(self) -> float:
        """The longest time without loss, infinite for ever."""
        return next((d for d, per_d in zip(self.from_d, self.per_d, strict=True) if per_d > 0), inf)


class _Line(NamedTuple):
    """A tangent: loss = `slope` * days + `base`, touching the curve at `at_d`."""

    at_d: float
    slope: float
    base: float


def steady_loss(survives_d: float, per_d: float) -> LossCurve:
    """Nothing for `survives_d` days, then the same every day."""
    return LossCurve((0.0, survives_d), (0.0, 0.0), (0.0, per_d)) if survives_d else LossCurve((0.0,), (0.0,), (per_d,))


def loss_curve(loss: Callable[[float], Loss]) -> LossCurve:
    """The curve of `loss(for_d)`, which must tell its slope; `loss(inf)` is the rate in the end. Raises Unsolved."""
    last = loss(inf).value
    far = _far(loss, last)
    start = _Line(0.0, 0.0, 0.0)
    lines = sorted({start, far, *_between(loss, start, far, [])}, key=lambda line: (line.slope, line.base))
    pieces = [lines[0]]
    for line in lines[1:]:
        if line.slope - pieces[-1].slope > _SAME * max(last, 1e-300):
            pieces.append(line)
    bends = [0.0, *(_meet(one, two) for one, two in pairwise(pieces))]
    if len(bends) > 1 and bends[1] <= 0:  # it loses from the first moment on
        bends, pieces = bends[1:], pieces[1:]
        bends[0] = 0.0
    at = [max(0.0, piece.slope * d + piece.base) for d, piece in zip(bends, pieces, strict=True)]
    return LossCurve(tuple(bends), tuple(at), tuple(piece.slope for piece in pieces))


def _far(loss: Callable[[float], Loss], last: float) -> _Line:
    """The tangent that holds for ever."""
    for_d = 1.0
    while True:
        line = _tangent(loss, for_d)
        if line.slope >= last * (1 - _SAME):
            return line
        for_d *= 4
        if for_d > 1e12:
            raise Unsolved("what is lost does not settle to a daily rate; run `andon chain check` on the folder")


def _between(loss: Callable[[float], Loss], left: _Line, right: _Line, found: list[_Line]) -> list[_Line]:
    """The pieces between two tangents."""
    waiting = [(left, right)]
    while waiting:
        one, two = waiting.pop()
        meet_d = _meet(one, two)
        if not one.at_d < meet_d < two.at_d:
            continue
        line = _tangent(loss, meet_d)
        there, below = line.slope * meet_d + line.base, one.slope * meet_d + one.base
        if there - below <= _SAME * max(abs(there), abs(two.slope * meet_d), 1e-300):
            continue
        found.append(line)
        if len(found) > _PIECES:
            raise Unsolved(f"what is lost has more than {_PIECES} bends; judge the scenario in parts")
        waiting += [(one, line), (line, two)]
    return found


def _tangent(loss: Callable[[float], Loss], for_d: float) -> _Line:
    value, slope = loss(for_d)
    return _Line(for_d, slope, value - slope * for_d)


def _meet(one: _Line, two: _Line) -> float:
    """Where two tangents have the same loss; infinite where they are parallel."""
    return (one.base - two.base) / (two.slope - one.slope) if two.slope != one.slope else inf
