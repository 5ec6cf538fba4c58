"""The contract of every detection method, its Scores, and the adapter that makes a method from a per-series statistic.

A method is one file in `detectors/methods/`, found by its name. It offers `Options` (a frozen msgspec struct, what a
[[rule]] of site.toml may add) and `build(options, context) -> Detector`; one whose alarms are facts (a stop, silence, a
given limit) says so with `is_fact(options) -> bool`, all others are bound by the alarm budgets. Scoring is pure: time
comes from readings and ticks, never from a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.readings import Batch, Kind, Quality, Series
from collector.spool.ledger import Gap
from detectors.calendar import Calendar
from detectors.flow import Flow
from detectors.missed import concerns

Evidence = dict[str, float | str | bool]
NAN = float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What a method says, as columns of one length n, in order of time.

    `score` float64[n]: 1.0 is the method's own threshold, NaN while warming up. `value` float64[n] is the quantity the
    method judged, in the unit of `expected_low`, `expected`, `expected_high` float64[n] (NaN where it has no band).
    """

    series: NDArray[np.int32]
    at_ns: NDArray[np.int64]
    score: NDArray[np.float64]
    value: NDArray[np.float64]
    expected_low: NDArray[np.float64]
    expected: NDArray[np.float64]
    expected_high: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.series)


class Point(NamedTuple):
    """One row of Scores without its series and time."""

    score: float = NAN
    value: float = NAN
    expected_low: float = NAN
    expected: float = NAN
    expected_high: float = NAN


def as_scores(rows: Sequence[tuple[int, int, Point]]) -> Scores:
    """Scores from (series id, at_ns, point) rows."""
    if not rows:
        return _SILENCE
    series, at_ns, points = zip(*rows, strict=True)
    numbers = np.fromiter(chain.from_iterable(points), np.float64, 5 * len(rows)).reshape(-1, 5)
    return Scores(np.array(series, np.int32), np.array(at_ns, np.int64), *numbers.T)


_SILENCE = Scores(np.array((), np.int32), np.array((), np.int64), *(np.array((), np.float64) for _ in range(5)))


@dataclass(frozen=True, slots=True)
class Context:
    """What a method may know of its line: the series by id, the calendar of planned time, and trained models by id.

    What an id names never changes; `models` gives no bytes where a model is not kept (any more). `rows_ns`: readings
    come as whole rows of a table, so far apart (0: as they do on a line). `taught_to_ns`: those up to this instant only
    teach, since a person says that they are sound; 0 where nobody does.
    """

    series: Mapping[int, Series]
    calendar: Calendar
    line: str  # the shard, `site/line`
    models: Callable[[str], bytes] = lambda model_id: b""
    flow: Flow = field(default_factory=Flow)
    rows_ns: int = 0
    taught_to_ns: int = 0


class Detector(Protocol):
    """Calls come in order of time: `score` for readings, `tick` when the line's clock passes an instant.

    `miss` comes when a gap is known: before the readings that follow where frames were dropped from the log, else after
    the fact.
    """

    def score(self, batch: Batch) -> Scores:
        """Scores each usable reading against what was learned before it, then learns from it.

        Readings not newer than the series' last, NaN and those not of quality GOOD are skipped. How a stretch of
        readings is cut into batches changes nothing.
        """
        ...

    def tick(self, at_ns: int) -> Scores:
        """What the passing of time alone says at `at_ns`; empty for methods that only judge readings."""
        ...

    def miss(self, gap: Gap) -> None:
        """Takes note that readings between the gap's two instants may be missing, of `gap.cell` or of the whole line.

        That stretch is no drop, no stop and nothing to learn from; what is known on both sides of it stays. It ends
        with the gap: silence that goes on is judged. What was heard is not missing, so a gap that is told late, or
        where readings came all the same, changes nothing; and no verdict is taken back for it: rather NaN. A method
        that judges each reading alone passes it over.
        """
        ...

    def subject(self, series: Series) -> str:
        """Whom an alert on this series is about; alerts are keyed by method and subject."""
        ...

    def explain(self, series: int, at_ns: int) -> Evidence:
        """Why the score stands where it stands: plain values whose names wear their units."""
        ...

    def snapshot(self) -> bytes: ...

    def restore(self, state: bytes) -> None: ...


@runtime_checkable
class Listener(Protocol):
    """A Detector that needs other series of its line, too, whatever its rule's `metric` says."""

    def listens(self, series: Series) -> bool: ...


@runtime_checkable
class Hearer(Protocol):
    """A Detector that needs readings of the lines that `Flow.heard_by` names."""

    def hear(self, batch: Batch) -> None:
        """Takes in readings of one other line, in the order in which the log has them; they are never scored."""
        ...


class Cause(NamedTuple):
    """What a verdict comes from: a series, the method (`kind`) whose alerts speak of it, and since when it is so."""

    kind: str
    series: str
    since_ns: int


@runtime_checkable
class Caused(Protocol):
    """A Detector that measures where its verdicts come from. While an alert on the cause is open, its own is hidden."""

    def cause(self, series: int, at_ns: int) -> Cause | None: ...


class Memory(Protocol):
    """What a Statistic keeps of one series: a mutable msgspec struct of bounded size."""

    last_ns: int  # the newest reading; PerSeries sets it after each update


M = TypeVar("M", bound=Memory)


class Statistic(Protocol[M]):
    """One series' judge: settings and formulas. What it learns is in the memory, so a restore keeps new settings."""

    def start(self, series: Series) -> M:
        """The memory of a series never seen before."""
        ...

    def update(self, series: Series, memory: M, at_ns: int, value: float) -> Point:
        """Scores one reading, then learns from it."""
        ...

    def passed(self, series: Series, memory: M, at_ns: int) -> Point | None:
        """What time alone says, None when it says nothing; changes no memory. `at_ns` is never before its readings,
        even those of a device whose clock is fast.
        """
        ...

    def miss(self, memory: M, from_ns: int, to_ns: int) -> None:
        """Readings between two instants may be missing; none of them is before the last reading."""
        ...

    def explain(self, series: Series, memory: M, at_ns: int) -> Evidence: ...


class PerSeries(Generic[M]):
    """A Detector from a statistic kept for every series of the given kinds that it meets.

    `memory` is the struct type the statistic keeps; series of other kinds are passed over.
    """

    def __init__(self, statistic: Statistic[M], memory: type[M], context: Context, kinds: frozenset[Kind]) -> None:
        self._statistic = statistic
        self._context = context
        self._kinds = kinds
        self._memories: dict[int, M] = {}
        self._decoder = msgspec.msgpack.Decoder(dict[int, memory])  # type: ignore[valid-type]

    def score(self, batch: Batch) -> Scores:
        rows: list[tuple[int, int, Point]] = []
        usable = (batch.quality == Quality.GOOD) & np.isfinite(batch.value)
        columns = (batch.series[usable].tolist(), batch.at_ns[usable].tolist(), batch.value[usable].tolist())
        all_series, memories, update = self._context.series, self._memories, self._statistic.update
        for series_id, at_ns, value in zip(*columns, strict=True):
            series = all_series[series_id]
            memory = memories.get(series_id)
            if memory is None:
                if series.kind not in self._kinds:
                    continue
                memory = memories[series_id] = self._statistic.start(series)
            if at_ns > memory.last_ns:
                rows.append((series_id, at_ns, update(series, memory, at_ns, value)))
                memory.last_ns = at_ns
        return as_scores(rows)

    def tick(self, at_ns: int) -> Scores:
        said = (
            (series_id, self._statistic.passed(self._context.series[series_id], memory, max(at_ns, memory.last_ns)))
            for series_id, memory in self._memories.items()
        )
        return as_scores([(series_id, at_ns, point) for series_id, point in said if point is not None])

    def memories(self) -> Mapping[int, M]:
        """What is kept, by series id."""
        return self._memories

    def miss(self, gap: Gap) -> None:
        for series_id, memory in self._memories.items():
            if gap.to_ns > memory.last_ns and concerns(gap, self._context.series[series_id]):
                self._statistic.miss(memory, max(gap.from_ns, memory.last_ns), gap.to_ns)

    def subject(self, series: Series) -> str:
        return series.name

    def explain(self, series: int, at_ns: int) -> Evidence:
        memory = self._memories[series]
        return self._statistic.explain(self._context.series[series], memory, max(at_ns, memory.last_ns))

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self._memories)

    def restore(self, state: bytes) -> None:
        self._memories = self._decoder.decode(state)
