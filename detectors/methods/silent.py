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
from numpy.typing import NDArray

from collector.config import Positive, Section
from collector.readings import NS_PER_S, Batch, Quality, Series
from collector.schema import INVENTORY_LINE
from collector.spool.ledger import Cause, Gap
from detectors.detector import Context, Evidence, Point, Scores, as_scores
from detectors.missed import Missed, concerns

_UNUSABLE = frozenset({Cause.CLOCK, Cause.DEAD_LETTER})
_UNMET, _NOBODY = -1, -2
_FIRST_SERIES = 64


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
        self._subject = np.full(_FIRST_SERIES, _UNMET, np.int64)  # by series id: which of the words

    def score(self, batch: Batch) -> Scores:
        """Scores nothing by itself: takes note of the newest readings."""
        usable = (batch.quality == Quality.GOOD) & np.isfinite(batch.value)
        subject = self._subjects(batch.series[usable])
        of_words = subject >= 0
        subject, at_ns, series = subject[of_words], batch.at_ns[usable][of_words], batch.series[usable][of_words]
        if len(subject):
            words = list(self._words.values())
            for newest in _newest(subject, at_ns).tolist():
                word = words[subject[newest]]
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
        self._subject = np.full(_FIRST_SERIES, _UNMET, np.int64)

    def _subjects(self, series: NDArray[np.int32]) -> NDArray[np.int64]:
        """Whose word each reading is; negative where it is nobody's."""
        if len(series) and series.max() >= len(self._subject):
            more = np.full(int(series.max()) + 1, _UNMET, np.int64)
            self._subject = np.concatenate((self._subject, more))
        subject = self._subject[series]
        unmet = subject == _UNMET
        if unmet.any():
            for one in dict.fromkeys(series[unmet].tolist()):
                self._subject[one] = self._meet(one)
            subject = self._subject[series]
        return subject

    def _meet(self, series: int) -> int:
        of = self._context.series[series]
        if of.equipment.line == INVENTORY_LINE:
            return _NOBODY
        name = self.subject(of)
        self._words.setdefault(name, LastWord(series))
        return list(self._words).index(name)

    def _judge(self, word: LastWord, at_ns: int) -> Point:
        quiet_s, missed_s = _quiet_s(word, at_ns), word.missed.within_ns(word.last_ns, at_ns) / NS_PER_S
        if quiet_s < self._after_s <= quiet_s + missed_s:
            return Point()  # it may have spoken
        return Point(quiet_s / self._after_s, quiet_s, 0.0, 0.0, self._after_s)


def _newest(subject: NDArray[np.int64], at_ns: NDArray[np.int64]) -> NDArray[np.intp]:
    """The row of each subject's newest reading, the first of those with the same time."""
    if (subject == subject[0]).all():
        return np.array([np.argmax(at_ns)])
    order = np.lexsort((-np.arange(len(at_ns)), at_ns, subject))
    last = np.append(np.flatnonzero(np.diff(subject[order])), len(order) - 1)
    rows: NDArray[np.intp] = order[last]
    return rows


def _quiet_s(word: LastWord, at_ns: int) -> float:
    """Seconds without a reading, those within a gap not counted."""
    return max(at_ns - word.last_ns - word.missed.within_ns(word.last_ns, at_ns), 0) / NS_PER_S
