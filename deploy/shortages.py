"""The stocks that ran empty and the shortage alerts, judged against each other. Pure; instants are epoch seconds.

An alert is false when its stock is never empty soon after it, unless it was refilled just before it would have been:
soon is within ten minutes, or twice the response time where that is longer; just before is while the alert stood, with
a stock that had gone on falling to what lasts no longer than the response time at the use the alert itself states.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from collector.readings import NS_PER_S, Kind, Series
from deploy.report import Shortage
from detectors.alerts import Alert

RULE = (
    "A shortage alert is false when its stock was never empty within 10 min after it (or twice the response time, "
    "where that is longer), unless it was refilled just before: while the alert stood, and with no more left than "
    "lasts the response time at the use the alert states."
)
_SOON_S = 600.0
_REFILL_RATIO = 0.05  # of the largest stock seen: a smaller rise is no refill

Times = Mapping[Series, tuple[list[float], list[float]]]  # per series: epoch seconds, values, in order of time


class Verdict(NamedTuple):
    """`not_empty`: alerts whose stock was not empty soon after; `false`: those of them that no refill excuses."""

    shortages: list[Shortage]
    not_empty: int
    false: int


class Refill(NamedTuple):
    """A clear rise; `left` is what there was before it."""

    at: float
    left: float


def judge(floor: Times, alerts: Sequence[Alert]) -> Verdict:
    """Every time a stock ran empty with its warning, and how many warnings nothing came of."""
    shortages: list[Shortage] = []
    not_empty = false = 0
    for series, (times, values) in sorted(floor.items()):
        if series.kind is Kind.STOCK:
            raised = [a for a in alerts if a.kind == "shortage" and a.series == series.name and not a.suppressed_by]
            refills = _refills(times, values)
            shortages += [_warned(series.name, at, raised, refills) for at in _empties(times, values)]
            unmet = [alert for alert in raised if not _is_empty_soon(alert, times, values)]
            not_empty += len(unmet)
            false += sum(not any(_is_just_before_empty(refill, alert) for refill in refills) for alert in unmet)
    return Verdict(sorted(shortages, key=lambda one: one.empty_at), not_empty, false)


def _empties(times: Sequence[float], values: Sequence[float]) -> list[float]:
    return [at for (before, after), at in zip(pairwise(values), times[1:], strict=True) if before > 0.0 >= after]


def _refills(times: Sequence[float], values: Sequence[float]) -> list[Refill]:
    least = _REFILL_RATIO * max(values, default=0.0)
    steps = zip(pairwise(values), times[1:], strict=True)
    return [Refill(at, before) for (before, after), at in steps if after - before > least]


def _warned(subject: str, empty_at: float, raised: Iterable[Alert], refills: Sequence[Refill]) -> Shortage:
    """The first alert since the last refill that was raised before the stock was empty."""
    since = max((refill.at for refill in refills if refill.at <= empty_at), default=float("-inf"))
    in_time = [_raised_at(alert) for alert in raised if since <= _raised_at(alert) <= empty_at]
    if not in_time:
        return Shortage(subject, empty_at, None, None)
    return Shortage(subject, empty_at, min(in_time), empty_at - min(in_time))


def _is_empty_soon(alert: Alert, times: Sequence[float], values: Sequence[float]) -> bool:
    """Whether the stock is empty at some reading from the one the alert was raised at until soon after."""
    first = max(bisect_right(times, _raised_at(alert)) - 1, 0)
    return any(value <= 0.0 for value in values[first : bisect_right(times, _soon_after(alert))])


def _is_just_before_empty(refill: Refill, alert: Alert) -> bool:
    use_per_s = _stated(alert, "use_per_h") / 3600
    return (
        _raised_at(alert) <= refill.at <= _soon_after(alert)
        and _stood_at(alert, refill.at)
        and refill.left < _stated(alert, "stock")
        and refill.left <= use_per_s * _stated(alert, "response_s")
    )


def _soon_after(alert: Alert) -> float:
    return _raised_at(alert) + max(_SOON_S, 2.0 * _stated(alert, "response_s"))


def _stood_at(alert: Alert, at: float) -> bool:
    return not alert.resolved_at_ns or at <= alert.resolved_at_ns / NS_PER_S


def _raised_at(alert: Alert) -> float:
    return alert.fired_at_ns / NS_PER_S


def _stated(alert: Alert, name: str) -> float:
    """A number of the alert's evidence, 0 where it states none."""
    return float(alert.evidence.get(name, 0.0))
