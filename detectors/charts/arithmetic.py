"""One formula for one series and for many: the arithmetic that gives a float and a column the same bits.

Formulas of `detectors.columns` are written once, for N: a float, or float64[n] of n series. They use + - * / and
comparisons, which are exact for both, and what is here. No sum over series, no exp or log: their last bit depends on
how many values are computed at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
N = TypeVar("N", float, Floats)
Truth = bool | Bools


class Arithmetic(Protocol[N]):
    """`least` and `most` of two, of which the second is no NaN; a NaN stays."""

    def where(self, condition: Any, value: N | float, other: N | float) -> N: ...
    def least(self, value: N, other: N | float) -> N: ...
    def most(self, value: N, other: N | float) -> N: ...
    def root(self, value: N) -> N: ...
    def any(self, condition: Any) -> bool: ...


class OfOne:
    def where(self, condition: Any, value: float, other: float) -> float:
        return value if condition else other

    def least(self, value: float, other: float) -> float:
        return other if value > other else value

    def most(self, value: float, other: float) -> float:
        return other if value < other else value

    def root(self, value: float) -> float:
        return math.sqrt(value) if value >= 0.0 else math.nan

    def any(self, condition: Any) -> bool:
        return bool(condition)


class OfMany:
    def where(self, condition: Any, value: Floats | float, other: Floats | float) -> Floats:
        return np.where(condition, value, other)

    def least(self, value: Floats, other: Floats | float) -> Floats:
        return np.minimum(value, other)

    def most(self, value: Floats, other: Floats | float) -> Floats:
        return np.maximum(value, other)

    def root(self, value: Floats) -> Floats:
        return np.sqrt(value)

    def any(self, condition: Any) -> bool:
        return bool(condition.any())


def cleared(of: Arithmetic[N], numbers: Sequence[N], whose: Truth) -> list[N]:
    """The numbers, with those of some series back at 0."""
    kept: list[N] = []
    if not of.any(whose):
        return list(numbers)
    for one in numbers:
        kept.append(of.where(whose, 0.0, one))
    return kept


ONE, MANY = OfOne(), OfMany()
