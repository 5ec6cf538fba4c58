"""Silent: says how long a line has sent nothing usable. Silence is not health.

Input: every reading of the line, of any kind; output: one score per tick for the whole line, its age over `after_s`.
Only a reading ends it. It speaks by ticks alone, so it lives on the log's time and needs no clock.

It fails where a line may rightly say nothing: a line that reports only events and stands still looks the same as a cut
cable; there, let it be suppressed by `output_drop`, or give the line a heartbeat. A line that never sent anything is
unknown to it. Source: the dead man's switch of alarm systems (IEC 62682, communication failure as its own condition).
"""

from __future__ import annotations

import msgspec
import numpy as np

from collector.config import Positive, Section
from collector.readings import NS_PER_S, Batch, Quality, Series
from detectors.detector import Context, Evidence, Point, Scores, as_scores


class Options(Section, frozen=True, kw_only=True):
    """`after_s`: several times the line's slowest report."""

    after_s: Positive = 60.0


class LastWord(msgspec.Struct):
    """The newest usable reading of the line, and the first series met, under which the line's score is stored."""

    series: int = -1
    last_ns: int = 0
    last_series: int = -1


def build(options: Options, context: Context) -> Silent:
    return Silent(options, context)


class Silent:
    def __init__(self, options: Options, context: Context) -> None:
        self._after_s = options.after_s
        self._context = context
        self._word = LastWord()

    def score(self, batch: Batch) -> Scores:
        """Scores nothing by itself: takes note of the newest reading."""
        usable = (batch.quality == Quality.GOOD) & np.isfinite(batch.value)
        if usable.any():
            at_ns, series = batch.at_ns[usable], batch.series[usable]
            newest = int(np.argmax(at_ns))
            if self._word.series < 0:
                self._word.series = int(series[0])
            if at_ns[newest] > self._word.last_ns:
                self._word.last_ns, self._word.last_series = int(at_ns[newest]), int(series[newest])
        return as_scores([])

    def tick(self, at_ns: int) -> Scores:
        if self._word.series < 0:
            return as_scores([])
        quiet_s = self._quiet_s(at_ns)
        point = Point(quiet_s / self._after_s, quiet_s, 0.0, 0.0, self._after_s)
        return as_scores([(self._word.series, at_ns, point)])

    def subject(self, series: Series) -> str:
        return self._context.line

    def explain(self, series: int, at_ns: int) -> Evidence:
        return {
            "quiet_s": self._quiet_s(at_ns),
            "after_s": self._after_s,
            "last_reading_at_s": self._word.last_ns / NS_PER_S,
            "last_series": self._context.series[self._word.last_series].name,
        }

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self._word)

    def restore(self, state: bytes) -> None:
        self._word = msgspec.msgpack.decode(state, type=LastWord)

    def _quiet_s(self, at_ns: int) -> float:
        return max(at_ns - self._word.last_ns, 0) / NS_PER_S
