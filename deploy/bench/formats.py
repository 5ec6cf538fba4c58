"""F1 and F3: what `andon detect-format` recognises without a hint, and whether its rules do what hand-written ones do.

F1 takes the case folders of the formats; those of which most messages cannot be read are the broken ones. F3 compares,
series by series, what the rules written for the samples' messages read with what the samples' own site.toml reads: a
series agrees when one at the same place, of the same kind, has the same times, values and qualities. States may be
listed in another order, so they agree one to one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import NamedTuple

from collector.config import Site, read
from collector.intake import Intake
from collector.readings import Kind, Series
from collector.recognition.proposal import Asked
from collector.recognition.recognise import Recognised, recognise
from collector.recognition.trial import read_by
from collector.sources.simulated import Plant
from collector.sources.source import Message
from deploy.bench.figure import Figure, NotMeasured
from deploy.samples import read_samples

RUNS = 1  # nothing here is a matter of chance
CASES = Path(__file__).parents[2] / "tests" / "cases" / "formats"
SITES = Path(__file__).parents[1] / "sites"
FIGURES = (
    Figure("F1: dialects with 4 cases and a broken one", "dialects", 12, at_most=False),
    Figure("F1: case folders that are not broken", "cases"),
    Figure("F1: recognised without a hint", "ratio", 0.95, 1.0, at_most=False),
    Figure("F3: teaching factory, series that agree", "ratio", 1.0, at_most=False),
    Figure("F3: simulated plant, series that agree", "ratio", 1.0, at_most=False),
    Figure("F3: both, of them under the same metric", "ratio"),
    Figure("F3: both, of them in the same unit", "ratio"),
    Figure("F3: both, series that nobody wrote by hand", "series"),
)
_SAME_OBJECTS = {"json_fields": "json_rules"}  # two ways to write the mapping of one dialect: JSON objects
_CASES_A_DIALECT = 4


class Tried(NamedTuple):
    """One case folder: its format, whether it is the broken kind, and what its messages were taken for."""

    format: str
    case: str
    is_broken: bool
    dialect: str

    @property
    def is_recognised(self) -> bool:
        return self.dialect == _SAME_OBJECTS.get(self.format, self.format)


class Agreement(NamedTuple):
    """How the series by detected rules compare with `hand`, those of the site.toml; `apart` tells each difference."""

    hand: int
    alike: int
    same_metric: int
    same_unit: int
    beyond: int
    apart: Sequence[str]


def once() -> Sequence[float]:
    """All figures in their order."""
    tried = cases()
    whole = [case for case in tried if not case.is_broken]
    factory, plant = teaching_factory(), simulated_plant()
    alike = factory.alike + plant.alike
    return (
        dialects_covered(tried),
        len(whole),
        sum(case.is_recognised for case in whole) / len(whole),
        factory.alike / factory.hand,
        plant.alike / plant.hand,
        (factory.same_metric + plant.same_metric) / alike,
        (factory.same_unit + plant.same_unit) / alike,
        factory.beyond + plant.beyond,
    )


def conditions() -> str:
    return "the teaching factory's line is said with --line, for its topics do not say it; nothing else is"


def cases() -> list[Tried]:
    """Every case folder that is whole, recognised without a hint. Raises NotMeasured where there are none."""
    folders = sorted(path.parent for path in CASES.glob("*/*/expected.json"))
    if not folders:
        raise NotMeasured(f"{CASES}: no case folders; run it from a checkout of the source")
    return [_tried(folder) for folder in folders]


def dialects_covered(tried: Iterable[Tried]) -> int:
    """How many dialects have enough cases, one of them broken."""
    by_format: dict[str, list[bool]] = {}
    for case in tried:
        by_format.setdefault(_SAME_OBJECTS.get(case.format, case.format), []).append(case.is_broken)
    return sum(len(broken) >= _CASES_A_DIALECT and any(broken) for broken in by_format.values())


def teaching_factory() -> Agreement:
    """The real capture. Its line is no part of any topic or message: somebody has to say it."""
    folder = SITES / "teaching_factory"
    return agreement(folder / "site.toml", read_samples([folder / "capture.jsonl"]), line="bottling")


def simulated_plant() -> Agreement:
    folder = SITES / "nev_drive"
    messages = Plant.load(folder / "plant.toml").messages()
    return agreement(folder / "site.toml", [Message(one.topic, one.payload, one.at_ns) for one in messages])


def agreement(site_toml: Path, messages: Sequence[Message], line: str = "") -> Agreement:
    """Reads the messages by the site's own rules and by detected ones, and compares."""
    site = read(site_toml).section("site", Site)
    by_hand = _columns(read_by(site_toml.read_text(encoding="utf-8"), site, messages))
    found = recognise(messages, Asked(site, line))
    detected = _columns(read_by(found.text, site, messages))
    pairs = {series: _partner(series, column, detected) for series, column in by_hand.items()}
    known = {series: other for series, other in pairs.items() if other is not None}
    return Agreement(
        hand=len(by_hand),
        alike=len(known),
        same_metric=sum(series.metric == other.metric for series, other in known.items()),
        same_unit=sum(series.unit == other.unit for series, other in known.items()),
        beyond=len(detected.keys() - set(known.values())),
        apart=list(_apart(pairs)),
    )


def _tried(folder: Path) -> Tried:
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    is_broken = sum("bad" in one for one in expected) > len(expected) / 2
    messages = read_samples([folder / "messages.jsonl"])
    return Tried(folder.parent.name, folder.name, is_broken, _most(recognise(messages, Asked()), messages))


def _most(found: Recognised, messages: Sequence[Message]) -> str:
    """The dialect of most messages."""
    counts = Counter(found.by_topic[message.topic].dialect for message in messages)
    return max(counts, key=counts.__getitem__, default="")


Column = list[tuple[int, float | None, int]]  # time in ns, value (None where it is not known), quality


def _columns(intake: Intake) -> Mapping[Series, Column]:
    """The times, values and qualities of each series, in order of arrival."""
    columns: dict[Series, Column] = {}
    for (series, at_ns, value, quality), _ in intake.readings:
        columns.setdefault(series, []).append((at_ns, None if isnan(value) else value, quality))
    return columns


def _partner(series: Series, column: Column, detected: Mapping[Series, Column]) -> Series | None:
    """The detected series that says the same, one of the same metric first."""
    fitting = [
        other
        for other, theirs in detected.items()
        if (other.equipment, other.kind) == (series.equipment, series.kind)
        and (_is_renamed(column, theirs) if series.kind is Kind.STATE else column == theirs)
    ]
    return min(fitting, key=lambda other: other.metric != series.metric, default=None)


def _is_renamed(column: Column, theirs: Column) -> bool:
    """Whether two columns of states are the same but for the numbers of the states."""
    if [(at_ns, quality) for at_ns, _, quality in column] != [(at_ns, quality) for at_ns, _, quality in theirs]:
        return False
    pairs = {(mine[1], other[1]) for mine, other in zip(column, theirs, strict=True)}
    return len(pairs) == len({mine for mine, _ in pairs}) == len({other for _, other in pairs})


def _apart(pairs: Mapping[Series, Series | None]) -> Iterable[str]:
    for series, other in pairs.items():
        if other is None:
            yield f"{series.name}: no such column at this place"
        elif (series.metric, series.unit, series.states) != (other.metric, other.unit, other.states):
            mine, theirs = (f"{one.metric} [{one.unit}] {' '.join(one.states)}".rstrip() for one in (series, other))
            yield f"{series.name}: by hand {mine}, detected {theirs}"
