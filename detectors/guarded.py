"""A method that cannot take its line down: given what its rule is about, and off for what it fails on.

Input: readings, gaps, models and instants from `detectors.watch`. Output: scores, handed to `keep`; and what failed, by
series, or `WHOLE_LINE`. Off lasts until a restart. Pure.
"""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Callable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.readings import Batch, Series
from collector.spool.frames import NewModel
from collector.spool.ledger import Gap
from detectors.detector import Cause, Caused, Context, Evidence, Hearer, Listener, Scores
from detectors.models.taught import Taught
from detectors.settings import BoundRule

log = logging.getLogger(__name__)

WHOLE_LINE = -1  # in place of a series
_MOST_SERIES_OFF = 5  # of one line; when a method fails on more it is the method, and off for the whole line
_UNKNOWN = np.int8(-1)

Failures = Mapping[int, Exception]  # by series, or WHOLE_LINE
Keep = Callable[[Batch | None, Scores], None]


class Guarded:
    """`keep` gets each batch that was scored, none at ticks, with its scores; if it raises, the method failed."""

    def __init__(self, bound: BoundRule, context: Context, keep: Keep) -> None:
        self._name = bound.name
        self._metric = bound.rule.metric
        self._context = context
        detector = self._detector = bound.start(context)
        self.is_taught, self.knows_causes = isinstance(detector, Taught), isinstance(detector, Caused)
        self._keep = keep
        self._off: set[int] = set()
        self._wanted: dict[int, bool] = {}
        self._table = np.array((), np.int8)  # the same by series id, _UNKNOWN where nobody asked yet

    @property
    def is_off(self) -> bool:
        """For the whole line."""
        return WHOLE_LINE in self._off

    def score(self, batch: Batch) -> Failures:
        """Gives the method those readings that its rule is about."""
        if self.is_off:
            return {}
        wanted = self._among(batch.series)
        count = np.count_nonzero(wanted)
        if not count:
            return {}
        return self._ask(batch if count == len(batch) else batch.take(wanted))

    def hear(self, batch: Batch) -> Failures:
        """Gives the method what was read on a line that flows into this one."""
        detector = self._detector
        if self.is_off or not isinstance(detector, Hearer):
            return {}
        return self._try(lambda: detector.hear(batch))

    def miss(self, gap: Gap) -> Failures:
        """Tells the method what is known to be missing."""
        return {} if self.is_off else self._try(lambda: self._detector.miss(gap))

    def swap(self, news: NewModel) -> Failures:
        """Gives the method a new model, or the reason why there is none."""
        detector = self._detector
        if self.is_off or not isinstance(detector, Taught):
            return {}
        return self._try(lambda: detector.swap(news))

    def tick(self, at_ns: int) -> Failures:
        """Lets the method say what the passing of time says."""
        return {} if self.is_off else self._try(lambda: self._keep(None, self._detector.tick(at_ns)))

    def cause(self, series: int, at_ns: int) -> Cause | None:
        """What the verdict on a series comes from, where the method measures that."""
        if self.is_off or not isinstance(self._detector, Caused):
            return None
        try:
            return self._detector.cause(series, at_ns)
        except Exception:
            log.exception("method.failed line=%s rule=%s", self._context.line, self._name)
            return None

    def explain(self, series: int, at_ns: int) -> Evidence:
        try:
            return self._detector.explain(series, at_ns)
        except Exception as error:
            log.exception("method.failed line=%s rule=%s", self._context.line, self._name)
            return {"error": f"{type(error).__name__}: {error}"}

    def subject(self, series: Series) -> str:
        return self._detector.subject(series)

    def faults(self) -> Mapping[str, str]:
        """Why a model is not as it should be, by subject."""
        return self._detector.faults() if isinstance(self._detector, Taught) else {}

    def wants(self, series: int) -> bool:
        """Whether the rule is about a series, and the method not off for it."""
        known = self._wanted.get(series)
        if known is None:
            of = self._context.series[series]
            listens = isinstance(self._detector, Listener) and self._detector.listens(of)
            known = (fnmatch.fnmatchcase(of.metric, self._metric) or listens) and series not in self._off
            self._wanted[series] = known
        return known

    def snapshot(self) -> bytes:
        return self._detector.snapshot()

    def restore(self, state: bytes) -> None:
        """Takes up a snapshot. The state of a method which has changed is dropped, and said to be."""
        try:
            self._detector.restore(state)
        except msgspec.MsgspecError as error:
            log.warning("state.dropped line=%s rule=%s reason=%s", self._context.line, self._name, error)

    def _among(self, series: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which readings the rule is about: what `wants` says, looked up for all at once."""
        try:
            found = self._table[series]
        except IndexError:
            missing = int(series.max()) + 1 - len(self._table)
            self._table = np.append(self._table, np.full(missing, _UNKNOWN))
            found = self._table[series]
        if found.min(initial=0) == _UNKNOWN:
            for one in np.unique(series[found == _UNKNOWN]).tolist():
                self._table[one] = self.wants(one)
            found = self._table[series]
        wanted: NDArray[np.bool_] = found > 0
        return wanted

    def _ask(self, batch: Batch) -> Failures:
        """Scores a batch. When that fails, series by series: those that fail alone are switched off.

        Methods skip repeated readings, so the others can be given theirs again.
        """
        error = self._failure_on(batch)
        if error is None:
            return {}
        series = np.unique(batch.series).tolist()
        if len(series) == 1:
            culprits = {series[0]: error}
        else:
            tried = ((one, self._failure_on(batch.take(batch.series == one))) for one in series)
            culprits = {one: failure for one, failure in tried if failure is not None}
        nobody_stands_out = len(series) > 1 and len(culprits) in (0, len(series))
        if nobody_stands_out or len(self._off) + len(culprits) > _MOST_SERIES_OFF:
            culprits = {WHOLE_LINE: error}
        for one in culprits:
            self._switch_off(one)
        return culprits

    def _failure_on(self, batch: Batch) -> Exception | None:
        """Scores a batch and hands on what was said; the exception if that failed."""
        try:
            self._keep(batch, self._detector.score(batch))
        except Exception as error:
            log.exception("method.failed line=%s rule=%s", self._context.line, self._name)
            return error
        return None

    def _try(self, do: Callable[[], None]) -> Failures:
        try:
            do()
        except Exception as error:
            log.exception("method.failed line=%s rule=%s", self._context.line, self._name)
            self._switch_off(WHOLE_LINE)
            return {WHOLE_LINE: error}
        return {}

    def _switch_off(self, series: int) -> None:
        self._off.add(series)
        self._wanted.pop(series, None)
        self._table = np.array((), np.int8)
