"""The plant of `quiet` with its rules, each method scored once: what it said is played to the alert management again.

Input: `quiet_plant` and `quiet_rules`. Output: a `Site`, and the logic of each of its lines.
"""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from collector.config import Document
from collector.readings import Batch, Series
from collector.spool.ledger import Gap
from deploy.bench.quiet_plant import DAY_MIN, Fault, Line, plant
from deploy.bench.quiet_rules import RULES
from detectors.calendar import Calendar, calendar_of
from detectors.detector import Context, Detector, Evidence, Scores, as_scores
from detectors.line import LineLogic
from detectors.settings import AlertSettings, BoundRule, DetectSettings, bound_rules

_BY_READINGS = ("limits", "stuck", "novelty", "cusum", "ewma", "page_hinkley", "rate_limits", "one_class_sgd")
_NOTHING_SAID = as_scores([])


class Played:
    """A method that says minute by minute what it said when it was given whole days at once: the contract of methods
    has it that this is the same. Only for those that judge readings and say nothing at ticks.
    """

    def __init__(self, detector: Detector, said: Scores) -> None:
        self._detector, self._said, self._at = detector, said, 0

    def score(self, batch: Batch) -> Scores:
        start = self._at
        self._at = int(np.searchsorted(self._said.at_ns, batch.at_ns[-1], side="right"))
        return Scores(*(getattr(self._said, name)[start : self._at] for name in Scores.__slots__))

    def tick(self, at_ns: int) -> Scores:
        return _NOTHING_SAID

    def miss(self, gap: Gap) -> None:
        """No gaps here."""

    def subject(self, series: Series) -> str:
        return self._detector.subject(series)

    def explain(self, series: int, at_ns: int) -> Evidence:
        return {}

    def snapshot(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        """Nothing is kept."""


def _said(bound: BoundRule, context: Context, line: Line, first_id: int) -> Scores:
    """What the method of a rule says of a line's week, in order of time."""
    detector = bound.start(context)
    wanted = [first_id + i for i, one in enumerate(line.series) if fnmatch.fnmatchcase(one.metric, bound.rule.metric)]
    parts, minutes = [_NOTHING_SAID], line.values.shape[1]
    for minute in range(0, minutes, DAY_MIN):
        batch = line.batch(first_id, minute, min(minute + DAY_MIN, minutes))
        parts.append(detector.score(batch.take(np.isin(batch.series, wanted))))
    columns = [np.concatenate([getattr(one, name) for one in parts]) for name in Scores.__slots__]
    order = np.argsort(columns[1], kind="stable")
    return Scores(*(column[order] for column in columns))


class Site(NamedTuple):
    """A plant with its rules and what the methods that judge readings said of it, by line and rule."""

    lines: list[Line]
    series: Mapping[int, Series]
    rules: tuple[BoundRule, ...]
    calendar: Calendar
    said: Mapping[tuple[str, str], Scores]


def site_of(planted: tuple[Fault, ...], lines: int, series: int, days: int) -> Site:
    document = Document(Path("quiet.toml"), tomllib.loads(RULES))
    rules, calendar = bound_rules(document), calendar_of(document, "UTC")
    plants = list(plant(lines, series, days, planted))
    everything = dict(enumerate(one for line in plants for one in line.series))
    said, first_id = {}, 0
    for line in plants:
        context = Context(everything, calendar, line.name)
        for bound in rules:
            if bound.rule.method in _BY_READINGS:
                said[line.name, bound.name] = _said(bound, context, line, first_id)
        first_id += len(line.series)
    return Site(plants, everything, rules, calendar, said)


def logic_of(
    site: Site, rules: Sequence[BoundRule], alerts: AlertSettings, shard: str, detect: DetectSettings
) -> LineLogic:
    """Of one line, with what methods said of its readings played."""

    def played(bound: BoundRule) -> BoundRule:
        said = site.said.get((shard, bound.name))
        if said is None:
            return bound
        return replace(bound, start=lambda context: Played(bound.start(context), said))

    context = Context(site.series, site.calendar, shard)
    return LineLogic([played(one) for one in rules], detect, context, alerts)
