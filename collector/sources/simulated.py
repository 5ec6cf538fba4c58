"""A simulated plant: the messages its gateways publish, and the truth to judge them by.

`Plant.load` reads a scenario file (plant.toml); the same file gives the same bytes on every run, because all chance
comes from its seed and all time from its start. The model itself is in `plant_model/`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path

import msgspec

from collector.readings import NS_PER_S
from collector.sources.plant_model.dialects import Dialect, Json, SparkplugB
from collector.sources.plant_model.faults import NAMES, Fault, LineFaults, Spell, spells
from collector.sources.plant_model.line import Line
from collector.sources.plant_model.scenario import Scenario, ScenarioError, SiteModel, read
from collector.sources.plant_model.truth import FaultSpan, Truth
from collector.sources.recording import Published

__all__ = ["Plant", "Published", "ScenarioError", "Truth"]

_DIALECTS: dict[str, type[Json] | type[SparkplugB]] = {"json": Json, "sparkplug_b": SparkplugB}
_NOT_PARAMETERS = ("site", "line", "start", "duration_s")


class Plant:
    """A scenario that can be played any number of times, each time the same."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._spells = spells(scenario.faults, scenario.utc_ns)
        self._truth: Truth | None = None

    @classmethod
    def load(cls, path: Path) -> Plant:
        """The plant of a scenario file. Raises ScenarioError."""
        return cls(read(path))

    @property
    def start_ns(self) -> int:
        return self._scenario.start_ns

    @property
    def end_ns(self) -> int:
        return self._scenario.end_ns

    def messages(self) -> Iterator[Published]:
        """Everything the plant publishes, in order of true plant time."""
        return heapq.merge(*(self._spoken(site, line) for site, line in self._lines()))

    def truth(self) -> Truth:
        """What really happens from start to end; worked out on the first call."""
        if self._truth is None:
            self._truth = self._lived()
        return self._truth

    def _lines(self) -> list[tuple[SiteModel, Line]]:
        return [(site, self._line(site, index)) for site in self._scenario.sites for index in range(len(site.line))]

    def _line(self, site: SiteModel, index: int) -> Line:
        model = site.line[index]
        own = [one for one in self._spells if (one.fault.site, one.fault.line) == (site.name, model.name)]
        return Line(self._scenario, site.name, model, LineFaults(own))

    def _spoken(self, site: SiteModel, line: Line) -> Iterator[Published]:
        """What one line's gateway publishes: births first, a report every `report_s`, nothing while it is silent."""
        items = [item.name for item in line.model.item]
        dialect: Dialect = _DIALECTS[site.publishes](self._scenario.plant.enterprise, site.name, line.model.name, items)
        alive, before_ns = False, self.start_ns - 1
        for at_ns in range(self.start_ns, self.end_ns, int(line.model.report_s * NS_PER_S)):
            line.advance(at_ns)
            report = line.report()
            for silence in line.faults.silences:
                if before_ns < silence.from_ns <= at_ns and alive:
                    yield from dialect.died(silence.from_ns)
                    alive = False
            before_ns = at_ns
            if line.faults.is_silent(at_ns):
                continue
            stamp_ns = at_ns + line.faults.clock_offset_ns(at_ns)
            yield from (dialect.says if alive else dialect.born)(at_ns, stamp_ns, report)
            alive = True

    def _lived(self) -> Truth:
        lines = [line for _, line in self._lines()]
        for line in lines:
            line.advance(self.end_ns)
            line.finish()
        return Truth(
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            seed=self._scenario.plant.seed,
            stops=tuple(sorted((stop for line in lines for stop in line.stops), key=lambda stop: stop.from_ns)),
            empties=tuple(sorted((one for line in lines for one in line.empties), key=lambda one: one.empty_at_ns)),
            faults=tuple(_span(spell, self.end_ns) for spell in self._spells),
            lines=tuple(line.count for line in lines),
            items=tuple(balance for line in lines for balance in line.balances),
        )


def _span(spell: Spell[Fault], end_ns: int) -> FaultSpan:
    fault = spell.fault
    parameters = {key: value for key, value in msgspec.to_builtins(fault).items() if key not in _NOT_PARAMETERS}
    return FaultSpan(NAMES[type(fault)], fault.site, fault.line, spell.from_ns, min(spell.to_ns, end_ns), parameters)
