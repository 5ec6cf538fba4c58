"""Rate limits: a gauge or stock rises or falls faster than it may, or than it ever usually does.

Input: GAUGE and STOCK series. The rate is the change from one reading to the next per minute. With `rise_per_min` or
`fall_per_min` these are the limits, and a side not given has none; without both they are learned: `deviations` of the
usual rate (`detectors.charts.baseline`) on both sides. The score is 1.0 at a limit and in proportion to the distance
from the usual rate (given limits: from 0). Output: value is the rate, low and high its limits, in units per minute.

Source: the rate-of-change test of real-time quality control (IOOS QARTOD, test 7); ISA-18.2 calls these rate-of-change
alarms. It fails for a slow drift, for a coarse scale read often (one step in `least_s` looks steep; raise it), for
learned limits where rare jumps are the rule (they are told until the budget of `arl0` widens the limits), and a change
across a gap counts as spread over it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import msgspec

from collector.config import NotNegative, Positive, Section
from collector.readings import Kind, Series
from detectors.charts import baseline, quiet
from detectors.charts.arithmetic import ONE, Arithmetic, N, cleared
from detectors.columns import PerSeriesColumns, Step
from detectors.detector import NAN, Context, Evidence

_QUIET = slice(3, 3 + quiet.FIELDS)  # after: the value, its rate, the seconds that is of
_BASELINE = slice(_QUIET.stop, _QUIET.stop + baseline.FIELDS)
_LEAST_RATIO = 0.1  # of the usual rate: what falls evenly has no deviation of its own
_S_PER_MIN = 60.0
_STRICTEST = 10_000.0  # times the learned limit: what rests and leaps has leaps of thousands of its deviations


class Options(Section, frozen=True, kw_only=True):
    """`rise_per_min`, `fall_per_min` in the unit of the series per minute, both positive.

    `least_s`: readings that follow each other faster count as this far apart. `deviations`, `arl0` (the budget: at most
    one alarm in so many readings), `memory` and `accept_after`, in readings, are for learned limits alone. `hold_s`: an
    alarm stands at least so long.
    """

    rise_per_min: Positive | None = None
    fall_per_min: Positive | None = None
    least_s: Positive = 1.0
    deviations: Annotated[float, msgspec.Meta(ge=3)] = 8.0
    arl0: Annotated[float, msgspec.Meta(ge=50, le=1e9)] = 20_000.0
    hold_s: NotNegative = 60.0
    memory: Annotated[float, msgspec.Meta(ge=100)] = 2_000.0
    accept_after: Annotated[float, msgspec.Meta(ge=10)] = 2_000.0


def build(options: Options, context: Context) -> PerSeriesColumns:
    return PerSeriesColumns(RateLimits(options), context, frozenset({Kind.GAUGE, Kind.STOCK}))


def is_fact(options: Options) -> bool:
    """Limits that were given are facts, those that were learned are not."""
    return options.rise_per_min is not None or options.fall_per_min is not None


class RateLimits:
    fields = _BASELINE.stop
    carried = _QUIET
    first = baseline.LEARNED_FROM

    def __init__(self, options: Options) -> None:
        self._options = options
        self._is_learned = options.rise_per_min is None and options.fall_per_min is None
        accept_after = options.accept_after if self._is_learned else math.inf
        self._quiet = quiet.Quiet(options.arl0, options.hold_s, accept_after, _STRICTEST)
        self._baseline = baseline.Baseline(options.memory, _LEAST_RATIO)

    def update(self, of: Arithmetic[N], numbers: Sequence[N], elapsed_s: N, value: N) -> Step[N]:
        over_s = of.most(elapsed_s, self._options.least_s)
        rate = (value - numbers[0]) / over_s * _S_PER_MIN  # NaN for the first reading
        low, usual, high = self._limits(of, numbers)
        above, below = (rate - usual) / (high - usual), (usual - rate) / (usual - low)
        worse = of.where(above > below, above, below)
        verdict = self._quiet.judged(of, numbers[_QUIET], worse, elapsed_s)
        learned = self._baseline.learned(of, numbers[_BASELINE], rate, verdict)
        kept = [value, rate, over_s] + verdict.numbers + cleared(of, learned, verdict.is_usual)  # noqa: RUF005
        is_learning = (rate == rate) & (learned[0] == 0.0) & self._is_learned
        return Step(
            kept,
            verdict.score,
            rate,
            _shown(of, low),
            usual,
            _shown(of, high),
            of.where(is_learning, rate, NAN),
        )

    def begin(self, numbers: Sequence[float], first: Sequence[float]) -> Sequence[float]:
        return [*numbers[: _BASELINE.start], *self._baseline.begun(first)]

    def explain(self, series: Series, numbers: Sequence[float], last_ns: int) -> Evidence:
        low, usual, high = self._limits(ONE, numbers)
        said = {"value": numbers[0], "rate_per_min": numbers[1], "over_s": numbers[2], "expected_per_min": usual}
        said |= {"low_per_min": low, "high_per_min": high}
        return {"unit": series.unit, **{name: one for name, one in said.items() if math.isfinite(one)}}

    def _limits(self, of: Arithmetic[N], numbers: Sequence[N]) -> tuple[N, N, N]:
        """Low, usual and high rate per minute; infinite where there is no limit, NaN while learning."""
        if self._is_learned:
            centre, deviation = self._baseline.usual(of, numbers[_BASELINE])
            away = self._options.deviations * self._quiet.strictness(numbers[_QUIET]) * deviation
            return centre - away, centre, centre + away
        none = 0.0 * numbers[0]
        return none - (self._options.fall_per_min or math.inf), none, none + (self._options.rise_per_min or math.inf)


def _shown(of: Arithmetic[N], limit: N) -> N:
    """A limit for the board: NaN where there is none."""
    return of.where((limit > -math.inf) & (limit < math.inf), limit, NAN)
