"""Quiet: the alarm hold and the alarm budget of one series' chart.

An alarm stands until `hold_s` have passed without another; what flickers is one alarm. The budget is one alarm in
`arl0` readings: where a series raises more, because it is not what the chart's design assumes, each alarm that ends
makes the chart stricter by a quarter, and `arl0` readings wear that off again, so that in the long run no more than the
budget are raised. An alarm that stands for `accept_after` readings is the new usual: the chart begins anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple

from detectors.charts.arithmetic import Arithmetic, N, Truth

FIELDS = 3
_STEP = 1.25
_MOST = 16.0  # times the limit


class Verdict(NamedTuple, Generic[N]):
    """`score` with the hold; `is_calm` where no alarm stands, `is_usual` where one has stood long enough."""

    numbers: list[N]
    score: N
    is_calm: Truth
    is_usual: Truth


class Quiet:
    """`most`: how many times its limit a chart has to reach at the strictest."""

    def __init__(self, arl0: float, hold_s: float, accept_after: float, most: float = _MOST) -> None:
        self._wear = _STEP ** (-1.0 / arl0)  # the factor of one reading
        self._hold_s = hold_s
        self._accept_after = accept_after
        self._most = most

    def strictness(self, numbers: Sequence[N]) -> N:
        """How many times its limit a chart has to reach. `numbers` are FIELDS."""
        return 1.0 + numbers[0]

    def judged(self, of: Arithmetic[N], numbers: Sequence[N], score: N, elapsed_s: N) -> Verdict[N]:
        """A chart's own score (NaN while it learns) with the hold."""
        _, held_s, standing = numbers
        left_s = of.where(elapsed_s < held_s, held_s - elapsed_s, 0.0)
        is_past, is_held = score >= 1.0, left_s > 0.0
        standing_now = of.where(is_past | is_held, standing + 1.0, 0.0)
        is_over = (standing > 0.0) & (standing_now == 0.0)
        worn = of.most(self.strictness(numbers) * self._wear, 1.0)
        strictness = of.least(of.where(is_over, worn * _STEP, worn), self._most)
        is_usual = standing_now >= self._accept_after
        said = of.where(is_past, score, of.where(is_held, 1.0, score))
        held_s = of.where(is_usual, 0.0, of.where(is_past, self._hold_s, left_s))
        return Verdict(
            [strictness - 1.0, held_s, of.where(is_usual, 0.0, standing_now)], said, standing_now == 0.0, is_usual
        )
