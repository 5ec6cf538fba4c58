"""Silent: says how long a line, a cell or a series has sent nothing usable. Silence is not health.

Input: every reading of the line, of any kind; output: one score per tick and subject, its age over `after_s`. Only a
reading ends it. It speaks by ticks alone, so it lives on the log's time and needs no clock.

It fails where somebody may rightly say nothing: equipment that reports only events and stands still looks the same as a
cut cable. There, let `output_drop` suppress it, give the line a heartbeat, or choose with `metric` what reports
periodically. What never sent anything is unknown to it; stocks reckoned from counts and movements (line `inventory`)
may stand still for days and are left out. Source: the dead man's switch of alarm systems (IEC 62682, communication
failure as its own condition).

Readings that we know to have lost are not held against the line: time within a gap does not count, up to its end. Only
messages that came and could not be used are its own silence.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np

from collector.config import Positive, Section
from collector.readings import NS_PER_S, Batch, Quality, Series
from collector.schema import INVENTORY_LINE
from collector.spool.ledger import Cause, Gap
from detectors.detector import Context, Evidence, Point, Scores, as_scores
from detectors.missed import Missed, concerns

_UNUSABLE = frozenset({Cause.CLOCK, Cause.DEAD_LETTER})


class Options(Section, frozen=True, kw_only=True):
    """`after_s`: several times the slowest report. `per`: whose silence counts; a line's others hide a dead sensor."""

    after_s: Positive = 60.0
    per: Literal["line", "cell", "series"] = "line"


class LastWord(msgspec.Struct):
    """A subject's newest usable reading, and the first of its series met, under which its score is stored."""

    series: int
    last_ns: int = 0
    last_series: int = -1
    missed: Missed = msgspec.field(default_factory=Missed)


def build(options: Options, context: Context) -> Silent:
    return Silent(options, context)


def is_fact(options: Options) -> bool:
    """That nothing came is known."""
    return True


class Silent:
    def __init__(self, options: Options, context: Context) -> None:
        self._after_s = options.after_s
        self._per = options.per
        self._context = context
        self._words: dict[str, LastWord] = {}

    def score(self, batch: Batch) -> Scores:
        """Scores nothing by itself: takes note of the newest readings."""
        usable = (batch.quality == Quality.GOOD) & np.isfinite(batch.value)
        at_ns, series = batch.at_ns[usable], batch.series[usable]
        of: dict[str, list[int]] = {}
        for one in dict.fromkeys(series.tolist()):
            if self._context.series[one].equipment.line == INVENTORY_LINE:
                continue
            of.setdefault(self.subject(self._context.series[one]), []).append(one)
        for subject, ids in of.items():
            word = self._words.setdefault(subject, LastWord(ids[0]))
            rows = np.flatnonzero(np.isin(series, ids))
            newest = rows[np.argmax(at_ns[rows])]
            if at_ns[newest] > word.last_ns:
                word.last_ns, word.last_series = int(at_ns[newest]), int(series[newest])
                word.missed.forget(word.last_ns)
        return as_scores([])

    def tick(self, at_ns: int) -> Scores:
        return as_scores([(word.series, at_ns, self._judge(word, at_ns)) for word in self._words.values()])

    def miss(self, gap: Gap) -> None:
        if gap.cause in _UNUSABLE:
            return
        for word in self._words.values():
            if gap.to_ns > word.last_ns and concerns(gap, self._context.series[word.last_series]):
                word.missed.add(max(gap.from_ns, word.last_ns), gap.to_ns)

    def subject(self, series: Series) -> str:
        return {"line": self._context.line, "cell": series.equipment.path, "series": series.name}[self._per]

    def explain(self, series: int, at_ns: int) -> Evidence:
        word = self._words[self.subject(self._context.series[series])]
        return {
            "quiet_s": _quiet_s(word, at_ns),
            "after_s": self._after_s,
            "last_reading_at_s": word.last_ns / NS_PER_S,
            "last_series": self._context.series[word.last_series].name,
        }

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self._words)

    def restore(self, state: bytes) -> None:
        self._words = msgspec.msgpack.decode(state, type=dict[str, LastWord])

    def _judge(self, word: LastWord, at_ns: int) -> Point:
        quiet_s, missed_s = _quiet_s(word, at_ns), word.missed.within_ns(word.last_ns, at_ns) / NS_PER_S
        if quiet_s < self._after_s <= quiet_s + missed_s:
            return Point()  # it may have spoken
        return Point(quiet_s / self._after_s, quiet_s, 0.0, 0.0, self._after_s)


def _quiet_s(word: LastWord, at_ns: int) -> float:
    """Seconds without a reading, those within a gap not counted."""
    return max(at_ns - word.last_ns - word.missed.within_ns(word.last_ns, at_ns), 0) / NS_PER_S
