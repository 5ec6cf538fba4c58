"""Sums: the two cumulative sums of a CUSUM, and what they say of the level since they last stood at zero.

s = max(0, s + z - k) on each side; an alarm is s >= h. No reading alone counts more than half of h, so that an outlier
is no shift, and a sum stops at one and a half h, so that the alarm ends soon after its cause. Told as a mean: a sum s
over n readings says that these lay k + s/n deviations off, and the mean that n readings need for an alarm is k + h/n.

Sources: Page, Continuous Inspection Schemes (1954); Lucas and Crosier, Robust CUSUM (1982); the estimate of the mean
after Montgomery, Introduction to Statistical Quality Control, chapter 9.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple

from detectors.charts.arithmetic import Arithmetic, N
from detectors.detector import NAN

FIELDS = 6
ZERO = (0.0,) * FIELDS
_MOST = 1.5  # h


def weight(k: float, h: float) -> float:
    """Of an exponential average that looks back as far as a sum does: h / k readings, from a shift of 2 k to its alarm.

    An average of N readings has the weight 2 / (N + 1). At 1.5 the wanted run length holds about (`andon bench charts`)
    on noises that forget within some hundred readings; at 2 it is half of it on a slow walk, at 1 shifts are seen late.
    """
    return 1.5 / (1.0 + h / k)


class Level(NamedTuple, Generic[N]):
    """In deviations from the centre: the mean of the `readings` since the larger sum stood at zero, `over_s` ago, and
    beyond what `limit` (on both sides) such a mean is an alarm. `score` is the larger sum over h.
    """

    numbers: list[N]
    score: N
    mean: N
    limit: N
    readings: N
    over_s: N


class Sums:
    def __init__(self, k: float) -> None:
        self._k = k

    def added(self, of: Arithmetic[N], numbers: Sequence[N], z: N, h: N, elapsed_s: N) -> Level[N]:
        """After a reading `z` deviations off; NaN (the baseline learns) sets back to zero. `numbers` are FIELDS."""
        most = 0.5 * h + self._k
        bounded = of.most(of.least(z, most), -most)
        up, up_n, up_s = self._side(of, numbers[:3], bounded, h, elapsed_s)
        down, down_n, down_s = self._side(of, numbers[3:], -bounded, h, elapsed_s)
        is_up = up >= down
        larger, n = of.where(is_up, up, down), of.where(is_up, up_n, down_n)
        least_n = of.most(n, 1.0)
        mean = self._k + larger / least_n
        mean = of.where(larger > 0.0, of.where(is_up, mean, -mean), bounded)
        score = of.where(z == z, larger / h, NAN)
        kept = [up, up_n, up_s, down, down_n, down_s]
        return Level(kept, score, mean, self._k + h / least_n, n, of.where(is_up, up_s, down_s))

    def run(self, numbers: Sequence[float]) -> tuple[float, float, float]:
        """What the larger sum stands on: the mean, the readings, the seconds."""
        is_up = numbers[0] >= numbers[3]
        total, n, over_s = numbers[:3] if is_up else numbers[3:]
        mean = self._k + total / n if n else 0.0
        return (mean if is_up else -mean), n, over_s

    def _side(self, of: Arithmetic[N], side: Sequence[N], z: N, h: N, elapsed_s: N) -> tuple[N, N, N]:
        total, n, over_s = side
        total = total + (z - self._k)
        is_above = total > 0.0
        return (
            of.where(is_above, of.least(total, _MOST * h), 0.0),
            of.where(is_above, n + 1.0, 0.0),
            of.where(is_above, over_s + elapsed_s, 0.0),
        )
