"""PerSeriesColumns: a Detector whose memories of all series are columns, so that many series are judged at once.

Input: batches. They are taken in rounds, the k-th reading of every series in the k-th, so that a round holds no series
twice; a round of many series is computed in columns, one of a few reading by reading. Output: the same Scores either
way, bit for bit, since the statistic's formula is one (`detectors.charts.arithmetic`).

For statistics that judge readings and not the passing of time; others are `detectors.detector.PerSeries`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, NamedTuple, Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S, Batch, Kind, Quality, Series
from collector.spool.ledger import Gap
from detectors.charts.arithmetic import MANY, ONE, Arithmetic, Floats, N
from detectors.detector import NAN, Context, Evidence, Scores, as_scores
from detectors.missed import Missed, concerns

Places = NDArray[np.int64]

_UNMET, _PASSED_OVER = -1, -2
_FIRST_PLACES = 64
_MOST_MODES = 8  # in which what was learned is remembered, besides the present one; those left last
_FEW = 24  # series in a round: below, plain floats are faster than columns


class Step(NamedTuple, Generic[N]):
    """What one reading leads to: the numbers to remember, what is said of it, and what to learn from it.

    `first` is kept until there are enough to begin with; NaN: nothing, as when the series has begun.
    """

    numbers: Sequence[N]
    score: N
    value: N
    expected_low: N
    expected: N
    expected_high: N
    first: N


class ColumnStatistic(Protocol):
    """`fields` numbers, 0 in the beginning, are remembered of a series, and up to `first` values to begin with."""

    fields: int
    first: int

    def update(self, of: Arithmetic[N], numbers: Sequence[N], elapsed_s: N, value: N) -> Step[N]:
        """Scores a reading, then learns from it. `elapsed_s` since the series' last one, NaN for its first."""
        ...

    def begin(self, numbers: Sequence[float], first: Sequence[float]) -> Sequence[float]:
        """The numbers of a series that has enough first values; where these will not do, others are gathered."""
        ...

    def explain(self, series: Series, numbers: Sequence[float], last_ns: int) -> Evidence: ...


@runtime_checkable
class Integrating(Protocol):
    """A ColumnStatistic that counts over time: of its numbers, the one where it is told the seconds that are missing
    between a series' last reading and this, and the one where it keeps the usual seconds between two."""

    hole_and_usual_s: tuple[int, int]


@runtime_checkable
class Carrying(Protocol):
    """A ColumnStatistic of whose numbers those `carried` tell of an alarm, or of what may become one. Readings that
    only teach leave them at 0: no alarm keeps such a reading from being learned, and none goes on after the last."""

    carried: slice


class _Learned(msgspec.Struct, frozen=True):
    """What is known of series, side by side in order of their ids; `first` of all, or of those alone that gather."""

    series: list[int]
    numbers: bytes
    gathered: bytes
    first: bytes


class _Kept(msgspec.Struct, frozen=True):
    """A snapshot: what is known in the present mode and in others; last instants; what is missing of some series."""

    learned: _Learned
    last_ns: bytes
    missed: dict[int, Missed] = {}
    mode: str = ""
    modes: dict[str, _Learned] = {}


class PerSeriesColumns:
    """Series of other kinds than the given are passed over."""

    def __init__(self, statistic: ColumnStatistic, context: Context, kinds: frozenset[Kind]) -> None:
        self._statistic = statistic
        self._context = context
        self._kinds = kinds
        self._carried = statistic.carried if isinstance(statistic, Carrying) else slice(0)
        self._met: list[int] = []  # series by place
        self._place = np.full(_FIRST_PLACES, _UNMET, np.int64)  # by series id
        self._last_ns, self._numbers, self._gathered, self._first = self._columns(_FIRST_PLACES)
        self._missed: dict[int, Missed] = {}  # by place, of those of whom something is
        self._mode, self._modes = "", dict[str, _Learned]()

    def score(self, batch: Batch) -> Scores:
        usable = (batch.quality == Quality.GOOD) & np.isfinite(batch.value)
        series, at_ns, value = batch.series[usable], batch.at_ns[usable], batch.value[usable]
        place = self._places(series)
        if len(place) and place.min() < 0:
            known = place >= 0
            place, series, at_ns, value = place[known], series[known], at_ns[known], value[known]
        if not len(place):
            return as_scores([])
        judged, is_newer = np.empty((5, len(place))), np.zeros(len(place), np.bool_)
        with np.errstate(all="ignore"):
            for rows in _rounds(place):
                new = rows[at_ns[rows] > self._last_ns[place[rows]]]
                if self._missed:
                    self._tell_holes(place[new], at_ns[new])
                update = self._update_few if len(new) < _FEW else self._update_many
                update(place[new], at_ns[new], value[new], judged, new)
                is_newer[new] = True
                if self._context.taught_to_ns:
                    self._only_teach(place[new], at_ns[new], judged, new)
        if is_newer.all():
            return Scores(series, at_ns, *judged)
        return Scores(series[is_newer], at_ns[is_newer], *judged[:, is_newer])

    def enter(self, mode: str) -> None:
        """From now on goes by what was learned in this mode, and begins anew in one not met lately."""
        if mode == self._mode:
            return
        learned = self._learned()
        gathering = self._first[np.argsort(self._met)][np.frombuffer(learned.gathered, np.int64) > 0]
        self._modes[self._mode] = msgspec.structs.replace(learned, first=gathering.tobytes())
        self._numbers[:], self._gathered[:], self._first[:] = 0.0, 0, 0.0
        if mode in self._modes:
            self._take_up(self._modes.pop(mode))
        self._mode = mode
        while len(self._modes) > _MOST_MODES:
            del self._modes[next(iter(self._modes))]

    def tick(self, at_ns: int) -> Scores:
        """Nothing: only readings are judged."""
        return as_scores([])

    def miss(self, gap: Gap) -> None:
        """Nothing where each reading is judged alone."""
        if not isinstance(self._statistic, Integrating):
            return
        for place, series in enumerate(self._met):
            last_ns = int(self._last_ns[place])
            if gap.to_ns > last_ns and concerns(gap, self._context.series[series]):
                self._missed.setdefault(place, Missed()).add(max(gap.from_ns, last_ns), gap.to_ns)

    def subject(self, series: Series) -> str:
        return series.name

    def explain(self, series: int, at_ns: int) -> Evidence:
        place = int(self._place[series])
        numbers: list[float] = self._numbers[place].tolist()
        return self._statistic.explain(self._context.series[series], numbers, int(self._last_ns[place]))

    def snapshot(self) -> bytes:
        last_ns = self._last_ns[np.argsort(self._met)].tobytes()
        missed = {self._met[place]: own for place, own in sorted(self._missed.items())}
        return msgspec.msgpack.encode(_Kept(self._learned(), last_ns, missed, self._mode, self._modes))

    def restore(self, state: bytes) -> None:
        """Raises msgspec.ValidationError for a memory of another shape."""
        kept = msgspec.msgpack.decode(state, type=_Kept)
        met = kept.learned.series
        count = len(met)
        known = (kept.learned, *kept.modes.values())
        if any(len(one.numbers) != 8 * len(one.series) * self._statistic.fields for one in known):
            raise msgspec.ValidationError("the memory is of another version of this method")
        self._met = list(met)
        self._last_ns, self._numbers, self._gathered, self._first = self._columns(max(count, _FIRST_PLACES))
        self._last_ns[:count] = np.frombuffer(kept.last_ns, np.int64)
        self._place = np.full(max([_FIRST_PLACES, *(one + 1 for one in met)]), _UNMET, np.int64)
        self._place[met] = np.arange(count)
        self._missed = {int(self._place[series]): own for series, own in kept.missed.items()}
        self._mode, self._modes = kept.mode, dict(kept.modes)
        self._take_up(kept.learned)

    def _learned(self) -> _Learned:
        """What is known of all series in the present mode."""
        order = np.argsort(self._met)
        columns = (self._numbers, self._gathered, self._first)
        return _Learned(sorted(self._met), *(column[order].tobytes() for column in columns))

    def _take_up(self, learned: _Learned) -> None:
        """Goes on with what is known of these series; nothing was known of the others."""
        place = self._place[learned.series]
        self._numbers[place] = np.frombuffer(learned.numbers).reshape(-1, self._statistic.fields)
        self._gathered[place] = gathered = np.frombuffer(learned.gathered, np.int64)
        first = np.frombuffer(learned.first).reshape(-1, self._statistic.first)
        self._first[place if len(first) == len(place) else place[gathered > 0]] = first

    def _update_many(self, place: Places, at_ns: Places, value: Floats, judged: Floats, rows: Places) -> None:
        """A round in columns; what is said goes to its rows of `judged`."""
        last_ns = self._last_ns[place]
        elapsed_s = np.where(last_ns > 0, (at_ns - last_ns) / NS_PER_S, NAN)
        numbers = np.ascontiguousarray(self._numbers[place].T)
        step = self._statistic.update(MANY, list(numbers), elapsed_s, value)
        for row, column in zip(numbers, step.numbers, strict=True):
            row[...] = column
        self._numbers[place] = numbers.T
        self._last_ns[place] = at_ns
        for row, column in zip(judged, step[1:6], strict=True):
            row[rows] = column
        gathers = step.first == step.first
        if gathers.any():
            self._gather(place[gathers], step.first[gathers])

    def _update_few(self, place: Places, at_ns: Places, value: Floats, judged: Floats, rows: Places) -> None:
        """The same, reading by reading."""
        columns = (place.tolist(), at_ns.tolist(), value.tolist(), rows.tolist())
        for at, (one, one_ns, one_value, row) in enumerate(zip(*columns, strict=True)):
            last_ns = int(self._last_ns[one])
            elapsed_s = (one_ns - last_ns) / NS_PER_S if last_ns > 0 else NAN
            step = self._statistic.update(ONE, self._numbers[one].tolist(), elapsed_s, one_value)
            self._numbers[one] = step.numbers
            self._last_ns[one] = one_ns
            judged[:, row] = step[1:6]
            if step.first == step.first:
                self._gather(place[[at]], np.array([step.first]))

    def _only_teach(self, place: Places, at_ns: Places, judged: Floats, rows: Places) -> None:
        """Readings of a stretch that a person calls sound raise nothing and leave nothing standing."""
        taught = at_ns <= self._context.taught_to_ns
        if taught.any():
            self._numbers[place[taught], self._carried] = 0.0
            judged[0, rows[taught]] = NAN

    def _tell_holes(self, place: Places, at_ns: Places) -> None:
        """Tells those of whom something is missing how much of it lies before the reading at hand."""
        assert isinstance(self._statistic, Integrating)
        hole, usual = self._statistic.hole_and_usual_s
        for one, now_ns in zip(place.tolist(), at_ns.tolist(), strict=True):
            missed = self._missed.get(one)
            if missed is None:
                continue
            last_ns, missed.usual_ns = int(self._last_ns[one]), float(self._numbers[one, usual]) * NS_PER_S
            hole_ns = missed.within_ns(last_ns, now_ns)
            self._numbers[one, hole] = hole_ns / NS_PER_S if missed.heard(last_ns, now_ns) else 0.0
            missed.forget(now_ns)
            missed.usual_ns = 0.0
            if not missed.spans:
                del self._missed[one]

    def _gather(self, place: Places, value: Floats) -> None:
        """Keeps a first value each; series that have enough begin."""
        self._first[place, self._gathered[place]] = value
        self._gathered[place] += 1
        for one in place[self._gathered[place] == self._statistic.first].tolist():
            self._numbers[one] = self._statistic.begin(self._numbers[one].tolist(), self._first[one].tolist())
            self._gathered[one], self._first[one] = 0, 0.0

    def _places(self, series: NDArray[np.int32]) -> Places:
        """Where the memory of each reading's series stands; below 0 if it is of another kind."""
        if len(series) and series.max() >= len(self._place):
            longer = np.full(2 * int(series.max()) + 2, _UNMET, np.int64)
            longer[: len(self._place)] = self._place
            self._place = longer
        place: Places = self._place[series]
        if len(place) and (place == _UNMET).any():
            for one in np.unique(series[place == _UNMET]).tolist():
                self._meet(one)
            place = self._place[series]
        return place

    def _meet(self, series: int) -> None:
        if self._context.series[series].kind not in self._kinds:
            self._place[series] = _PASSED_OVER
            return
        count = len(self._met)
        if count == len(self._last_ns):
            before = (self._last_ns, self._numbers, self._gathered, self._first)
            self._last_ns, self._numbers, self._gathered, self._first = columns = self._columns(2 * count)
            for column, short in zip(columns, before, strict=True):
                column[:count] = short
        self._place[series] = count
        self._met.append(series)

    def _columns(self, count: int) -> tuple[Places, Floats, Places, Floats]:
        """Empty memories: last_ns, numbers, how many first values, first values."""
        numbers, first = np.zeros((count, self._statistic.fields)), np.zeros((count, self._statistic.first))
        return np.zeros(count, np.int64), numbers, np.zeros(count, np.int64), first


def _rounds(place: Places) -> Iterator[Places]:
    """Rows of one reading per series, the k-th rows of each in the k-th."""
    if len(place) == 1:
        yield np.zeros(1, np.int64)
        return
    order = np.argsort(place, kind="stable")
    ordered = place[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    turn = np.arange(len(place)) - np.repeat(first, np.diff(np.append(first, len(place))))
    by_turn = np.argsort(turn, kind="stable")
    yield from np.split(order[by_turn], np.cumsum(np.bincount(turn))[:-1])
