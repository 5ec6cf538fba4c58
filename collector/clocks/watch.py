"""Whose clock is wrong: readings with a time that cannot be are flagged, and each gateway's clock is watched.

Input: the readings of one line as they arrived, with source time (`at_ns`) and receive time (`received_ns`); the time
of storing is the log's own. Output: the same readings with `Quality.CLOCK` where the time is wrong, entries for the
ledger, gauges. Nothing is rejected here. Pure; the work is per batch, and of a batch only the last messages tell about
the gateway's clock (`collector.clocks.gateway_clock`).

A gateway is whatever shares a clock: a line, unless the caller says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from collector.clocks.clock import Clock, MessageClock, WallClock
from collector.clocks.gateway_clock import LAST, Estimate, GatewayClock, Moment
from collector.readings import NS_PER_S, Batch, Equipment, Quality
from collector.spool.ledger import Cause, Gap

AHEAD_NS = 300 * NS_PER_S  # further ahead of its receipt, a reading's time is wrong
BEHIND_NS = 24 * 3600 * NS_PER_S  # further behind, it is wrong too, unless its sender says that it is history
OLDEST_NS = 946_684_800 * NS_PER_S  # 2000-01-01: older means a clock that was never set, in a recording as well

PlaceOf = Callable[[int], Equipment]

_PAUSE_NS = 600 * NS_PER_S  # as the ledger's: what goes on within it is one entry
_MOST_GATEWAYS = 10_000
_LONG_AGO_NS = -(2**62)  # the year 1823: keeps differences within int64
_NOTHING = int(np.iinfo(np.int64).max)
_HISTORY = np.uint8(Quality.HISTORICAL)
_FIRST = np.zeros(1, np.intp)
_AHEAD_NOTE = "readings more than 5 min ahead of the site's clock, kept out of the detectors: set the device's clock"
_BEHIND_NOTE = (
    "readings more than 24 h behind the site's clock, kept out of the detectors: set the device's clock, "
    "or have it mark history as such"
)


def as_history(batch: Batch) -> Batch:
    """Readings that may be of any time past, for they come from files: those a device would send too late are flagged
    as history, so that they reach the stores and move no live value."""
    delay_ns = batch.received_ns - np.maximum(batch.at_ns, _LONG_AGO_NS)
    return batch.with_quality(np.where(delay_ns > BEHIND_NS, batch.quality | _HISTORY, batch.quality))


class Judged(NamedTuple):
    """Readings with their flags, how many were flagged now, and what to book."""

    batch: Batch
    flagged: int
    gaps: list[Gap]

    @property
    def latest_ns(self) -> int | None:
        """The latest source time that may move the site's clock; None where there is none."""
        at_ns = self.batch.at_ns
        if self.flagged:
            at_ns = at_ns[self.batch.quality != Quality.CLOCK]
        return int(at_ns.max()) if len(at_ns) else None


class ClockWatch:
    """The clocks of a site's gateways, owned by the thread that ingests.

    `limit_s`: a gateway whose clock is further off is booked; None where receive times say nothing about clocks.
    `is_recording`: received long after it was made, so only what no clock ever says is flagged as behind.
    """

    def __init__(self, limit_s: float | None, *, is_recording: bool = False) -> None:
        self._limit_ns = None if limit_s is None else int(limit_s * NS_PER_S)
        self._is_recording = is_recording
        self._gateways: dict[str, GatewayClock] = {}
        self._flagged_ns: dict[str, int] = {}  # when an asset's last flagged reading was received

    def judge(self, gateway: str, batch: Batch, *, is_settled: bool, place_of: PlaceOf | None = None) -> Judged:
        """Call it once for the readings of each gateway in a delivery, in order of arrival.

        `is_settled`: nothing sent earlier is still on its way; else lateness says nothing and is left out.
        `place_of`: whose readings a number of `batch.series` is, for the ledger and for the detectors, which are told
        what they miss; without it, the gateway is named and no detector is told.
        """
        if not len(batch):
            return Judged(batch, 0, [])
        delay_ns = batch.received_ns - np.maximum(batch.at_ns, _LONG_AGO_NS)
        least_ns, most_ns = int(delay_ns.min()), int(delay_ns.max())
        judged = Judged(batch, 0, [])
        if least_ns < -AHEAD_NS or most_ns > BEHIND_NS:
            judged = self._flag(gateway, batch, delay_ns, place_of)
        if self._limit_ns is not None:
            clock = self._of(gateway, self._limit_ns)
            if clock.is_worth_hearing(least_ns, most_ns, int(batch.received_ns[-1])):
                judged.gaps.extend(clock.hear(_last_messages(batch, delay_ns, is_settled)))
        return judged

    def estimates(self) -> dict[str, Estimate]:
        """What is known of each gateway's clock; gateways of which too little was heard are left out."""
        told = ((name, clock.estimate()) for name, clock in self._gateways.items())
        return {name: estimate for name, estimate in told if estimate is not None}

    def gauges(self) -> dict[str, int]:
        """The estimates as gauges: `clock_offset_ms/GATEWAY`, `clock_drift_ms_per_h/GATEWAY`, `clocks_wrong`."""
        told = {"clocks_wrong": 0}
        for name, estimate in self.estimates().items():
            told[f"clock_offset_ms/{name}"] = round(estimate.offset_s * 1000.0)
            if not math.isnan(estimate.drift_s_per_h):
                told[f"clock_drift_ms_per_h/{name}"] = round(estimate.drift_s_per_h * 1000.0)
            told["clocks_wrong"] += estimate.is_wrong
        return told

    def own_clock_is_off(self) -> bool:
        """Whether it is rather this machine's: most of at least three gateways are off, and by the same amount."""
        known = self.estimates().values()
        off = sorted(one.offset_s for one in known if one.is_wrong)
        if len(off) < 3 or 2 * len(off) <= len(known) or self._limit_ns is None:
            return False
        return off[-1] - off[0] <= self._limit_ns / NS_PER_S

    def _of(self, gateway: str, limit_ns: int) -> GatewayClock:
        found = self._gateways.get(gateway)
        if found is None:
            if len(self._gateways) >= _MOST_GATEWAYS:
                self._gateways.pop(next(iter(self._gateways)))
            found = self._gateways[gateway] = GatewayClock(gateway, limit_ns)
        return found

    def _flag(self, gateway: str, batch: Batch, delay_ns: NDArray[np.int64], place_of: PlaceOf | None) -> Judged:
        is_known = batch.received_ns > 0
        ahead = (delay_ns < -AHEAD_NS) & is_known
        behind = (delay_ns > BEHIND_NS) & is_known & (batch.quality < _HISTORY)
        if self._is_recording:
            behind &= batch.at_ns < OLDEST_NS
        wrong = ahead | behind
        flags = np.where(wrong, np.uint8(Quality.CLOCK), batch.quality)
        gaps = [
            self._gap(place.path if place else gateway, place, note, received)
            for of, note in ((ahead, _AHEAD_NOTE), (behind, _BEHIND_NOTE))
            for place, received in _by_place(batch, of, place_of)
        ]
        return Judged(batch.with_quality(flags), int(np.count_nonzero(wrong)), gaps)

    def _gap(self, asset: str, place: Equipment | None, note: str, received_ns: list[int]) -> Gap:
        """From the last flagged reading before these, when that is not long ago: what lies between is missing too."""
        first_ns, last_ns = min(received_ns), max(received_ns)
        before_ns = self._flagged_ns.get(asset, 0)
        if len(self._flagged_ns) >= _MOST_GATEWAYS:
            self._flagged_ns.clear()
        self._flagged_ns[asset] = last_ns
        from_ns = before_ns if 0 <= first_ns - before_ns <= _PAUSE_NS else first_ns
        shard, cell = (place.shard, place.cell) if place else ("", "")
        return Gap(asset, Cause.CLOCK, from_ns, last_ns, len(received_ns), note, shard, cell)


def watch_for(clock: Clock, limit_s: float) -> ClockWatch:
    """The watch that a site's clock allows.

    A recording is received years after it was made, a published plant as fast as it goes: there, receive minus source
    is no property of a clock.
    """
    if isinstance(clock, WallClock):
        return ClockWatch(limit_s)
    return ClockWatch(None, is_recording=isinstance(clock, MessageClock))


def _last_messages(batch: Batch, delay_ns: NDArray[np.int64], is_settled: bool) -> list[Moment]:
    """The last messages that say something about a clock, each by its newest reading.

    History says nothing, nor does a reading whose time is that of its receipt, nor lateness while a backlog comes in.
    """
    received_ns = batch.received_ns
    starts = np.concatenate((_FIRST, np.flatnonzero(received_ns[1:] != received_ns[:-1]) + 1))[-LAST:]
    since = starts[0]
    told = delay_ns[since:]
    told = np.where((batch.quality[since:] >= _HISTORY) | (told == 0), _NOTHING, told)
    newest = np.minimum.reduceat(told, starts - since).tolist()
    most_ns = _NOTHING if is_settled else 0
    heard = zip(received_ns[starts].tolist(), newest, strict=True)
    return [Moment(at_ns, delay) for at_ns, delay in heard if delay < most_ns and at_ns > 0]


def _by_place(
    batch: Batch, wrong: NDArray[np.bool_], place_of: PlaceOf | None
) -> Iterable[tuple[Equipment | None, list[int]]]:
    """Where the flagged readings belong, and when they were received."""
    found: dict[Equipment | None, list[int]] = {}
    for number, received_ns in zip(batch.series[wrong].tolist(), batch.received_ns[wrong].tolist(), strict=True):
        found.setdefault(place_of(number) if place_of else None, []).append(received_ns)
    return found.items()
