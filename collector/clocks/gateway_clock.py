"""One gateway's clock: how far it is off, how it drifts, and whether that is a fault.

Input: messages in order of receipt, each as its time of receipt and its delay, receive minus source (ns). Output: an
`Estimate`, and entries for the ledger while a fault stands. Pure; keeps the last messages and a few hours of medians.

Offset: minus the median delay of the last messages. Drift: the median of all slopes between such medians (Theil 1950,
Sen 1968). Being late is not being slow: a backlog comes in faster than it was made, so its delay falls; a clock that is
behind is behind by the same amount however long it is watched. Being early needs no such care: nothing arrives before
it was sent.

It fails where a source is always late by the same amount (means stamped with their beginning, a slow link): that looks
like a slow clock; raise the limit. A backlog sent newest first is told from a clock only by live messages between.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from collector.readings import NS_PER_S
from collector.spool.ledger import Cause, Gap

LAST = 15  # messages a clock is judged by
_LEAST = 8  # of them, before anything is said
_LATE_LEAST = 13  # before lateness is looked into; then all but a fifth must be late
_END = 5  # messages whose median stands for one end of a stretch of lateness
_SHOWN_NS = NS_PER_S  # for so long at least the delay must have been seen to stay,
_NOISE = 2  # and for so many times what neighbours differ by: shorter, jitter decides
_LONG_NS = 600 * NS_PER_S  # lateness that has not fallen for so long is a clock, even one that stands still
_DRAINING = 0.25  # a backlog loses at least this much delay per second; what loses less stays late
_KNOT_NS = 300 * NS_PER_S
_KNOTS = 64  # medians kept for the drift: over five hours
_LEAST_KNOTS = 4
_LISTEN_NS = 5 * NS_PER_S
_BOOK_NS = 60 * NS_PER_S  # a fault that lasts is booked so often
_BACK = 0.8  # set right below this part of the limit, so that a clock at the limit does not chatter


class Estimate(NamedTuple):
    """A clock against the site's: above 0 it is ahead. `drift_s_per_h` is NaN until it can be told."""

    offset_s: float
    drift_s_per_h: float
    is_wrong: bool


class Moment(NamedTuple):
    """One message: when it was received, and how long its newest reading took."""

    received_ns: int
    delay_ns: int


class _End(NamedTuple):
    """One end of a stretch of lateness: its middle instant, the median delay, and how far delays lie apart."""

    received_ns: int
    delay_ns: int
    spread_ns: int


@dataclass(slots=True)
class _Fault:
    """A clock that is off: since when, as it was told to the ledger, and up to when it is booked."""

    since_ns: int
    offset_ns: int
    note: str
    booked_ns: int


class GatewayClock:
    """`limit_ns`: a clock that is further off is at fault."""

    def __init__(self, name: str, limit_ns: int) -> None:
        self._name = name
        self._limit_ns = limit_ns
        self._offset_ns: int | None = None
        self._drift = math.nan  # seconds per second
        self._recent: deque[Moment] = deque(maxlen=LAST)
        self._knots: deque[Moment] = deque(maxlen=_KNOTS)
        self._late: _End | None = None  # what the present lateness is compared with
        self._late_from_ns = 0
        self._fault: _Fault | None = None
        self._heard_ns = 0

    def estimate(self) -> Estimate | None:
        """None while too little was heard."""
        if self._offset_ns is None:
            return None
        return Estimate(self._offset_ns / NS_PER_S, self._drift * 3600.0, self._fault is not None)

    def is_worth_hearing(self, least_ns: int, most_ns: int, received_ns: int) -> bool:
        """Whether messages with delays between these two may tell anything new: a clock that is well within the limit
        is listened to only now and then, which costs less where a line sends little at a time.
        """
        is_well = self._fault is None and -self._limit_ns // 2 < least_ns and most_ns < self._limit_ns // 2
        if is_well and 0 <= received_ns - self._heard_ns < _LISTEN_NS:
            return False
        self._heard_ns = received_ns
        return True

    def hear(self, moments: Iterable[Moment]) -> list[Gap]:
        """Takes in messages and judges by the last of them; what to book when a fault begins, lasts or ends."""
        self._recent.extend(moments)
        count = len(self._recent)
        if count < _LEAST:
            return []
        delays = sorted(moment.delay_ns for moment in self._recent)
        median_ns = delays[count // 2]
        if median_ns <= self._limit_ns:
            self._late = None
        elif count < _LATE_LEAST or delays[count // 5] <= self._limit_ns or not self._stays_late():
            return []
        self._offset_ns = -median_ns
        self._note_knot(median_ns)
        return self._booked()

    def _stays_late(self) -> bool:
        """Whether the delay has been seen not to fall: then it is no backlog but the clock."""
        lates = [moment for moment in self._recent if moment.delay_ns > self._limit_ns]
        first, now = _end(lates[:_END]), _end(lates[-_END:])
        if self._late is None:
            self._late, self._late_from_ns = first, first.received_ns
        elapsed_ns = now.received_ns - self._late.received_ns
        fallen_ns = self._late.delay_ns - now.delay_ns
        shown_ns = max(_SHOWN_NS, _NOISE * self._late.spread_ns, _NOISE * now.spread_ns)
        is_long = now.received_ns - self._late_from_ns >= _LONG_NS
        is_tidier = first.spread_ns < self._late.spread_ns // 4
        if not 0 <= elapsed_ns < _LONG_NS or fallen_ns < -self._limit_ns or is_tidier:
            self._late = first  # long ago, or a jump on top of it: compare with what is now from here on
        source_moved = elapsed_ns + fallen_ns >= _SHOWN_NS
        return elapsed_ns >= shown_ns and (source_moved or is_long) and fallen_ns < _DRAINING * elapsed_ns

    def _note_knot(self, median_ns: int) -> None:
        """Keeps a median every few minutes; a jump begins anew, for it is no drift."""
        at_ns = self._recent[len(self._recent) // 2].received_ns
        since_ns = at_ns - self._knots[-1].received_ns if self._knots else _KNOT_NS
        if self._knots and (since_ns < 0 or abs(self._knots[-1].delay_ns - median_ns) > self._limit_ns):
            self._knots.clear()
            self._drift, since_ns = math.nan, _KNOT_NS
        if since_ns >= _KNOT_NS:
            self._knots.append(Moment(at_ns, median_ns))
            if len(self._knots) >= _LEAST_KNOTS:
                self._drift = -_median_slope(self._knots)

    def _booked(self) -> list[Gap]:
        """What the ledger is to hear of the present offset."""
        offset_ns, now_ns = self._offset_ns or 0, self._recent[-1].received_ns
        fault = self._fault
        if fault is None:
            return [self._begin(offset_ns, now_ns)] if abs(offset_ns) > self._limit_ns else []
        if abs(offset_ns) <= _BACK * self._limit_ns:
            self._fault = None
            return [self._gap(fault, now_ns)]
        if abs(offset_ns - fault.offset_ns) > max(self._limit_ns, abs(fault.offset_ns) // 10):
            return [self._begin(offset_ns, now_ns)]
        return [self._gap(fault, now_ns)] if now_ns - fault.booked_ns >= _BOOK_NS else []

    def _begin(self, offset_ns: int, now_ns: int) -> Gap:
        off = (one.received_ns for one in self._recent if abs(one.delay_ns) > self._limit_ns)
        since_ns = next(off, now_ns) if self._fault is None else now_ns
        self._fault = _Fault(since_ns, offset_ns, _note(offset_ns, self._drift), now_ns)
        return self._gap(self._fault, now_ns)

    def _gap(self, fault: _Fault, now_ns: int) -> Gap:
        """The fault as far as it has lasted; the ledger makes one entry of those it is told one after the other."""
        fault.booked_ns = now_ns
        return Gap(self._name, Cause.CLOCK, fault.since_ns, max(fault.since_ns, now_ns), 0, fault.note)


def _end(moments: Sequence[Moment]) -> _End:
    """A few messages in order of receipt as one end of a stretch."""
    delays = sorted(moment.delay_ns for moment in moments)
    middle = len(moments) // 2
    return _End(moments[middle].received_ns, delays[middle], delays[-1] - delays[0])


def _median_slope(knots: Sequence[Moment]) -> float:
    """The Theil-Sen estimate: the median of the slopes between every two of the points."""
    at, delay = np.array(knots, np.float64).T
    first, second = np.triu_indices(len(at), 1)
    return float(np.median((delay[second] - delay[first]) / (at[second] - at[first])))


def _note(offset_ns: int, drift: float) -> str:
    side = "ahead of" if offset_ns > 0 else "behind"
    drifts = "" if math.isnan(drift) else f", drifting {drift * 3600:+.1f} s an hour"
    return f"its clock is {spoken(abs(offset_ns) / NS_PER_S)} {side} the site's{drifts}: set it, have it follow NTP"


def spoken(seconds: float) -> str:
    """A stretch of time as people say it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} d"
