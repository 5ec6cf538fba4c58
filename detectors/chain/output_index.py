"""How much a chain makes against its base, and of how much of it that is known.

A Laspeyres index: lines weighted by their value added in the base period. A line with no telemetry is not a line with
no output, so the index is over the weight that is covered, and the coverage stands beside it. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import msgspec


class LineOutput(msgspec.Struct, frozen=True):
    """One line: its weight (any unit, value added in the base period), output then and now; None: nobody knows.

    Raises ValueError for a base of nothing, and for numbers below zero or that are none.
    """

    line: str
    weight: float
    base_per_d: float
    now_per_d: float | None

    def __post_init__(self) -> None:
        for name in ("weight", "base_per_d", "now_per_d"):
            number = getattr(self, name)
            if number is not None and not (isfinite(number) and number >= 0):
                raise ValueError(f"{name} of {self.line} is {number}; it must be 0 or more")
        if not self.base_per_d:
            raise ValueError(f"base_per_d of {self.line} is 0; choose a base period in which it ran, or leave it out")


class OutputIndex(msgspec.Struct, frozen=True):
    """`index_ratio` is output over base (1 is as then; None where no line is covered).

    `coverage_ratio` is the part of all weight it speaks for, `silent` are the lines of the rest.
    """

    index_ratio: float | None
    coverage_ratio: float
    silent: tuple[str, ...]


def output_index(lines: Sequence[LineOutput]) -> OutputIndex:
    """The index over the lines whose output is known. Raises ValueError when the lines have no weight at all."""
    total = sum(line.weight for line in lines)
    if not total:
        raise ValueError("the lines of this index weigh nothing; give at least one its value added in the base period")
    known = [(line, line.now_per_d) for line in lines if line.now_per_d is not None]
    covered = sum(line.weight for line, _ in known)
    grown = sum(line.weight * now_per_d / line.base_per_d for line, now_per_d in known)
    silent = tuple(line.line for line in lines if line.now_per_d is None)
    return OutputIndex(grown / covered if covered else None, covered / total, silent)
