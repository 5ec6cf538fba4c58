"""The plant of `quiet` with its rules, each method asked once: what it said is played to the alert management again.

Input: `quiet_plant` and `quiet_rules`. Output: a `Site`, and the logic of each of its lines. Methods that judge
readings alone are given whole days at once; the others, which speak at ticks, too, are at work the first time that a
line's logic runs, and what they said is played from then on. The contract of methods has it that this is the same.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from collector.config import Document
from collector.readings import Batch, Series
from collector.spool.ledger import Gap
from deploy.bench.quiet_plant import DAY_MIN, MINUTE_NS, START_NS, Fault, Line, is_planned, plant
from deploy.bench.quiet_rules import site_toml
from detectors.calendar import calendar_of
from detectors.detector import Cause, Caused, Context, Detector, Evidence, Listener, Scores, as_scores
from detectors.guarded import Guarded
from detectors.line import LineLogic
from detectors.settings import AlertSettings, BoundRule, DetectSettings, bound_rules

_BY_READINGS = ("limits", "stuck", "novelty", "cusum", "ewma", "page_hinkley", "rate_limits", "one_class_sgd")
_NOTHING_SAID = as_scores([])
_AT_NIGHT_MIN = 120


class Said(msgspec.Struct):
    """What one method said on one line. `by_minute`: of the readings of each minute; `ticks` in the order of the calls;
    `why`: by series and instant, where it was odd at a tick.
    """

    by_minute: list[Scores] = []
    ticks: list[Scores] = []
    why: dict[tuple[int, int], tuple[Evidence, Cause | None]] = {}


class Recording:
    """A method at work whose words are written down."""

    def __init__(self, detector: Detector, said: Said) -> None:
        self._detector, self._said = detector, said
        self._odd: dict[int, None] = {}
        _take_over(self, detector)

    def score(self, batch: Batch) -> Scores:
        self._said.by_minute.append(self._noted(self._detector.score(batch)))
        return self._said.by_minute[-1]

    def tick(self, at_ns: int) -> Scores:
        scores = self._noted(self._detector.tick(at_ns))
        self._said.ticks.append(scores)
        for series in self._odd:
            cause = self._detector.cause(series, at_ns) if isinstance(self._detector, Caused) else None
            self._said.why[series, at_ns] = self._detector.explain(series, at_ns), cause
        return scores

    def miss(self, gap: Gap) -> None:
        """No gaps here."""

    def subject(self, series: Series) -> str:
        return self._detector.subject(series)

    def explain(self, series: int, at_ns: int) -> Evidence:
        return self._detector.explain(series, at_ns)

    def snapshot(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        """Nothing is kept."""

    def _noted(self, scores: Scores) -> Scores:
        for series, score in zip(scores.series.tolist(), scores.score.tolist(), strict=True):
            if score >= 1.0:
                self._odd[series] = None
            else:
                self._odd.pop(series, None)
        return scores


class Played:
    """A method that says again what it said before."""

    def __init__(self, detector: Detector, said: Said) -> None:
        self._detector, self._said = detector, said
        self._readings, self._ticks = iter(said.by_minute), iter(said.ticks)
        _take_over(self, detector)

    def score(self, batch: Batch) -> Scores:
        return next(self._readings)

    def tick(self, at_ns: int) -> Scores:
        return next(self._ticks, _NOTHING_SAID)

    def miss(self, gap: Gap) -> None:
        """No gaps here."""

    def subject(self, series: Series) -> str:
        return self._detector.subject(series)

    def cause_of(self, series: int, at_ns: int) -> Cause | None:
        return self._said.why.get((series, at_ns), ({}, None))[1]

    def explain(self, series: int, at_ns: int) -> Evidence:
        return self._said.why.get((series, at_ns), ({}, None))[0]

    def snapshot(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        """Nothing is kept."""


def _take_over(player: Recording | Played, detector: Detector) -> None:
    """What only some methods offer, found by name: to hear other series, and to name a cause."""
    if isinstance(detector, Listener):
        player.listens = detector.listens  # type: ignore[union-attr]
    if isinstance(detector, Caused):
        player.cause = player.cause_of if isinstance(player, Played) else detector.cause  # type: ignore[union-attr]


class Site:
    """A plant with its rules; what methods have said so far, by line and rule."""

    def __init__(self, planted: tuple[Fault, ...], lines: int, series: int, days: int, seed: int) -> None:
        two_shifts = [f"l{i}" for i in range(lines) if not is_planned(i, _AT_NIGHT_MIN)]
        document = Document(Path("quiet.toml"), tomllib.loads(site_toml(two_shifts)))
        self.rules, self.calendar = bound_rules(document), calendar_of(document, "UTC")
        self.lines = list(plant(lines, series, days, planted, seed))
        self.series: Mapping[int, Series] = dict(enumerate(one for line in self.lines for one in line.series))
        self.said: dict[tuple[str, str], Said] = {}

    def ask(self, line: Line) -> float:
        """Asks the methods that judge readings alone; the share of their rows that `one_class_sgd` does not judge."""
        context = Context(self.series, self.calendar, line.name)
        for bound in self.rules:
            if bound.rule.method in _BY_READINGS:
                scores = _scores(bound, context, line, self.first_id(line))
                self.said[line.name, bound.name] = Said(_by_minute(scores, line.values.shape[1]))
                if bound.rule.method == "one_class_sgd":
                    unjudged_ratio = float(np.isnan(scores.score).mean())
        return unjudged_ratio

    def first_id(self, line: Line) -> int:
        """The number of a line's first series; the others follow it."""
        return sum(len(one.series) for one in self.lines[: self.lines.index(line)])

    def logic(self, line: Line, rules: Sequence[BoundRule], alerts: AlertSettings, detect: DetectSettings) -> LineLogic:
        """Of one line, with what methods have said played, and the others at work and written down."""

        def heard(bound: BoundRule) -> BoundRule:
            said = self.said.get((line.name, bound.name))
            if said is not None:
                return replace(bound, start=lambda context: Played(bound.start(context), said))
            written = self.said[line.name, bound.name] = Said()
            return replace(bound, start=lambda context: Recording(bound.start(context), written))

        context = Context(self.series, self.calendar, line.name)
        return LineLogic([heard(one) for one in rules], detect, context, alerts)


def _scores(bound: BoundRule, context: Context, line: Line, first_id: int) -> Scores:
    """What the method of a rule says of all that a line shows, in order of time. Raises what the method raises."""
    parts, minutes = [_NOTHING_SAID], line.values.shape[1]
    method = Guarded(bound, context, lambda _batch, scores: parts.append(scores))
    for minute in range(0, minutes, DAY_MIN):
        for failure in method.score(line.batch(first_id, minute, min(minute + DAY_MIN, minutes))).values():
            raise failure
    columns = [np.concatenate([getattr(one, name) for one in parts]) for name in Scores.__slots__]
    order = np.argsort(columns[1], kind="stable")
    return Scores(*(column[order] for column in columns))


def _by_minute(scores: Scores, minutes: int) -> list[Scores]:
    """What is said when the readings of each minute come, which are of its first second."""
    ends = np.searchsorted(scores.at_ns, START_NS + MINUTE_NS * np.arange(1, minutes + 1))
    columns = [np.split(getattr(scores, name), ends[:-1]) for name in Scores.__slots__]
    return [Scores(*one) for one in zip(*columns, strict=True)]
