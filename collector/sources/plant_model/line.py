"""One simulated line: works unit by unit, stands when it must, and says at any instant what its sensors show.

`advance` moves it through true plant time, `report` reads it. Its chance comes from a seed and its name alone, so a
fault or another line changes nothing it does not touch.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from collector.readings import NS_PER_S
from collector.sources.plant_model.faults import LineFaults
from collector.sources.plant_model.scenario import LineModel, Scenario
from collector.sources.plant_model.sensors import Sensors
from collector.sources.plant_model.store import Shelf, Store
from collector.sources.plant_model.stretches import LineState, stretches
from collector.sources.plant_model.truth import Empty, ItemBalance, LineCount, Stop

LINE_METRICS = ("good", "scrap", "state", "vibration", "temperature")
_BLOCK = 4096
_QUICKEST = 0.2  # of the usual time: no draw makes a unit quicker


class Report(NamedTuple):
    """What a line shows at one instant: `line` in the order of LINE_METRICS, `stocks` in that of its items."""

    line: tuple[int, int, str, float, float]
    stocks: tuple[int, ...]


class Line:
    """A line at `now_ns`, with what has happened so far."""

    def __init__(self, scenario: Scenario, site: str, model: LineModel, faults: LineFaults) -> None:
        seed = np.random.default_rng([scenario.plant.seed, zlib.crc32(f"{site}/{model.name}".encode())])
        pace, scrap, micro, lead, noise = seed.spawn(5)
        self.site, self.model, self.faults = site, model, faults
        self.now_ns = scenario.start_ns
        self.good = self.scrap = 0
        self.stops: list[Stop] = []
        self.store = Store([Shelf(item, item.stock) for item in model.item], faults, normals(lead))
        self.store.open(self.now_ns)
        self._stocks = [f"stock_{item.name}" for item in model.item]
        self._sensors = Sensors(faults, normals(noise), self.now_ns)
        self._pace, self._scrap, self._micro = normals(pace), uniforms(scrap), uniforms(micro)
        self._stretches = stretches(scenario, model.name, faults)
        self._stretch = 0
        self._state, self._why, self._since_ns = LineState.RUNNING, "", self.now_ns
        self._unit_ns = self._unit_left_ns = self._next_unit_ns()
        self._work_to_micro_ns = self._next_work_ns()
        self._micro_until_ns = 0

    def advance(self, to_ns: int) -> None:
        """Moves on to an instant, at most the end of the run."""
        while self.now_ns < to_ns:
            stretch = self._stretches[self._stretch]
            until_ns = min(stretch.to_ns, to_ns)
            if stretch.state is LineState.RUNNING:
                self._work(until_ns)
            else:
                self._be(stretch.state, stretch.why)
                self.now_ns = until_ns
            self.store.receive(until_ns)
            if until_ns == stretch.to_ns:
                self._stretch += 1

    def report(self) -> Report:
        """What the line's sensors show now."""
        running = self._state is LineState.RUNNING
        vibration, temperature = self._sensors.read(self.now_ns, running)
        stocks = [shelf.on_hand for shelf in self.store.shelves]
        if self.faults.stuck:
            stocks = [self._sensors.shown(name, self.now_ns, n) for name, n in zip(self._stocks, stocks, strict=True)]
        return Report((self.good, self.scrap, self._state.value, vibration, temperature), tuple(stocks))

    def finish(self) -> None:
        """Closes what is still open at the end of the run."""
        self._close_stop()
        self.store.close()

    @property
    def count(self) -> LineCount:
        return LineCount(self.site, self.model.name, self.good + self.scrap, self.scrap)

    @property
    def empties(self) -> list[Empty]:
        return [Empty(self.site, self.model.name, *empty) for empty in self.store.empties]

    @property
    def balances(self) -> list[ItemBalance]:
        return [
            ItemBalance(self.site, self.model.name, one.item.name, one.item.stock, one.delivered, one.used, one.on_hand)
            for one in self.store.shelves
        ]

    def _work(self, until_ns: int) -> None:
        """Works from now to `until_ns`, with starving and micro-stops; a unit begun stays on the line."""
        while self.now_ns < until_ns:
            self.store.receive(self.now_ns)
            if self.store.is_short:
                self._be(LineState.STARVED, "starved")
                self.now_ns = min(until_ns, self.store.next_arrival_ns)
            elif self.now_ns < self._micro_until_ns:
                self._be(LineState.MICRO_STOP, "micro_stop")
                self.now_ns = min(until_ns, self._micro_until_ns)
            else:
                self._be(LineState.RUNNING, "")
                worked_ns = min(self._unit_left_ns, until_ns - self.now_ns)
                self.now_ns += worked_ns
                self._unit_left_ns -= worked_ns
                if not self._unit_left_ns:
                    self._finish_unit()

    def _finish_unit(self) -> None:
        if next(self._scrap) < self.faults.scrap_ratio(self.now_ns, self.model.scrap_ratio):
            self.scrap += 1
        else:
            self.good += 1
        self.store.consume(self.now_ns)
        self._work_to_micro_ns -= self._unit_ns
        if self._work_to_micro_ns <= 0:
            shortest_s, longest_s = self.model.micro_stop_from_s, self.model.micro_stop_to_s
            stands_s = shortest_s + (longest_s - shortest_s) * next(self._micro)
            self._micro_until_ns = self.now_ns + int(stands_s * NS_PER_S)
            self._work_to_micro_ns = self._next_work_ns()
        self._unit_ns = self._unit_left_ns = self._next_unit_ns()

    def _next_unit_ns(self) -> int:
        factor = max(_QUICKEST, 1.0 + self.model.takt_spread_ratio * next(self._pace))
        return max(1, int(self.model.takt_s * factor * self.faults.slowdown(self.now_ns) * NS_PER_S))

    def _next_work_ns(self) -> int:
        """Working time to the next micro-stop, exponential."""
        if not self.model.micro_stop_every_s:
            return 1 << 62
        return int(-np.log1p(-next(self._micro)) * self.model.micro_stop_every_s * NS_PER_S)

    def _be(self, state: LineState, why: str) -> None:
        if state is not self._state or why != self._why:
            self._close_stop()
            self._state, self._why, self._since_ns = state, why, self.now_ns

    def _close_stop(self) -> None:
        if self._state is not LineState.RUNNING and self.now_ns > self._since_ns:
            planned = self._state is LineState.PLANNED
            self.stops.append(Stop(self.site, self.model.name, self._since_ns, self.now_ns, self._why, planned))


def normals(rng: np.random.Generator) -> Iterator[float]:
    """Standard normal draws without end."""
    while True:
        yield from rng.standard_normal(_BLOCK).tolist()


def uniforms(rng: np.random.Generator) -> Iterator[float]:
    """Draws from 0 to 1 (1 not among them) without end."""
    while True:
        yield from rng.random(_BLOCK).tolist()
