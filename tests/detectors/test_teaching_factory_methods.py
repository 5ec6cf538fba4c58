"""The methods on the real capture: true shortages warned of in time, every stop seen, nothing else raised.

The settings are what the rig's description gives: somebody needs 120 s to fetch a refill, the takt is 4 s.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from collector.readings import NS_PER_S, Batch, BatchBuilder, Equipment, Kind, Quality, Series
from detectors.calendar import Calendar
from detectors.detector import Context, Detector
from detectors.methods import output_drop, shortage, silent, stuck
from tests.detectors.playback import play

CAPTURE = Path(__file__).parents[2] / "deploy/sites/teaching_factory/capture.jsonl"
TICK_S = 5
DISPENSERS = ("red", "blue", "green")


class Episode(NamedTuple):
    subject: str
    from_s: float
    to_s: float  # infinite when it lasts to the end


class Rig:
    """The capture as readings of one line, and what really happened in it."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.series: dict[int, Series] = {}
        self._ids: dict[tuple[str, str], int] = {}
        self._rows = BatchBuilder()
        self.fill: dict[str, list[tuple[int, float]]] = {cell: [] for cell in DISPENSERS}
        self.weighed_s: list[int] = []
        for line in lines:
            message = json.loads(line)
            self._take(message["topic"].rsplit("/", 1)[-1], message["payload"], message["at"])
        self.batch: Batch = self._rows.build()

    def _take(self, topic: str, payload: dict[str, Any], at_s: int) -> None:
        if topic.startswith("dispenser_"):
            cell, grams = payload["dispenser"], payload["fill_level_grams"]
            self.fill[cell].append((at_s, grams))
            self._add(cell, "fill_level", at_s, grams, Kind.STOCK, "g")
            self._add(cell, "vibration", at_s, payload["vibration-index"])
            self._add(cell, "recipe", at_s, payload["recipe"])
        elif topic == "temperature":
            self._add(payload["dispenser"], "temperature", at_s, payload["temperature_C"], unit="Cel")
        elif topic == "final_weight":
            self.weighed_s.append(at_s)
            self._add("scale", "bottles", at_s, int(payload["bottle"]), Kind.COUNTER, on_event=True)
            self._add("scale", "final_weight", at_s, payload["final_weight"], unit="g")

    def _add(
        self,
        cell: str,
        metric: str,
        at_s: int,
        value: float,
        kind: Kind = Kind.GAUGE,
        unit: str = "1",
        on_event: bool = False,
    ) -> None:
        number = self._ids.setdefault((cell, metric), len(self._ids))
        place = Equipment("iot1", "teaching_factory", "", "bottling", cell)
        self.series.setdefault(number, Series(place, metric, unit, kind, on_event=on_event))
        self._rows.add(number, at_s * NS_PER_S, float(value), Quality.GOOD, at_s * NS_PER_S)

    @property
    def context(self) -> Context:
        return Context(self.series, Calendar(), "teaching_factory/bottling")

    def emptied_s(self, cell: str) -> list[int]:
        pairs = zip(self.fill[cell], self.fill[cell][1:], strict=False)
        return [at_s for (_, before), (at_s, grams) in pairs if grams == 0.0 < before]

    def refilled_s(self, cell: str) -> list[int]:
        pairs = zip(self.fill[cell], self.fill[cell][1:], strict=False)
        return [at_s for (_, before), (at_s, grams) in pairs if grams > before]

    def stops_s(self, at_least_s: int) -> list[tuple[int, int]]:
        pairs = zip(self.weighed_s, self.weighed_s[1:], strict=False)
        return [(before, after) for before, after in pairs if after - before >= at_least_s]

    def episodes(self, detector: Detector) -> list[Episode]:
        """From the first score of 1.0 and above to the next below, as an alert without delays would live."""
        open_s: dict[str, float] = {}
        closed = []
        for scores in play(detector, self.batch, TICK_S):
            for number, at_ns, score in zip(
                scores.series.tolist(), scores.at_ns.tolist(), scores.score.tolist(), strict=True
            ):
                subject = detector.subject(self.series[number])
                if score >= 1.0:
                    open_s.setdefault(subject, at_ns / NS_PER_S)
                elif score < 1.0 and subject in open_s:
                    closed.append(Episode(subject, open_s.pop(subject), at_ns / NS_PER_S))
        return closed + [Episode(subject, from_s, float("inf")) for subject, from_s in open_s.items()]


@pytest.fixture(scope="module")
def rig() -> Rig:
    with CAPTURE.open(encoding="utf-8") as lines:
        return Rig(lines)


@pytest.fixture(scope="module")
def shortages(rig: Rig) -> dict[str, list[Episode]]:
    episodes = rig.episodes(shortage.build(shortage.Options(response_s=120), rig.context))
    return {cell: [e for e in episodes if e.subject.endswith(f"/{cell}:fill_level")] for cell in DISPENSERS}


def lead_times_s(rig: Rig, shortages: dict[str, list[Episode]]) -> list[float]:
    """From the start of the episode that is open when the dispenser runs empty; 0 where there is none."""
    return [
        max((empty_s - e.from_s for e in shortages[cell] if e.from_s <= empty_s < e.to_s), default=0.0)
        for cell in DISPENSERS
        for empty_s in rig.emptied_s(cell)
    ]


def test_the_capture_holds_the_shortages_and_stops_it_is_known_for(rig):
    assert [len(rig.emptied_s(cell)) for cell in DISPENSERS] == [4, 10, 14]
    stops = [after - before for before, after in rig.stops_s(56)]
    assert (len(stops), max(stops)) == (12, 66_620)


def test_every_shortage_is_warned_of_a_minute_and_more_before(rig, shortages):
    leads = lead_times_s(rig, shortages)
    assert len(leads) == 28
    assert sum(lead >= 60 for lead in leads) >= 27, leads


def test_a_warning_comes_no_earlier_than_it_helps(rig, shortages):
    assert max(lead_times_s(rig, shortages)) <= 180


def test_hardly_any_shortage_is_false(rig, shortages):
    """False: neither empty nor refilled within ten minutes of the warning."""
    false = [
        episode
        for cell in DISPENSERS
        for episode in shortages[cell]
        if not any(
            episode.from_s <= at_s <= episode.from_s + 600 for at_s in rig.emptied_s(cell) + rig.refilled_s(cell)
        )
    ]
    assert len(false) <= 3, false


def test_no_refill_raises_a_shortage(rig, shortages):
    raised_at_a_rise = [
        (cell, episode.from_s)
        for cell in DISPENSERS
        for episode in shortages[cell]
        if episode.from_s in rig.refilled_s(cell)
    ]
    assert raised_at_a_rise == []


def test_every_stop_is_raised_within_45_s_and_ends_with_the_next_bottle(rig):
    episodes = rig.episodes(output_drop.build(output_drop.Options(), rig.context))
    stops = rig.stops_s(56)
    assert [e for e in episodes if not any(a <= e.from_s <= b for a, b in stops)] == []
    for stopped_s, again_s in stops:
        raised = [e for e in episodes if stopped_s < e.from_s < again_s]
        assert len(raised) == 1
        assert raised[0].from_s - stopped_s <= 45
        assert raised[0].to_s <= again_s + TICK_S


def test_the_rig_is_silent_only_while_it_stands(rig):
    """All it sends comes with a bottle, so its silences lie within its stops."""
    episodes = rig.episodes(silent.build(silent.Options(after_s=60), rig.context))
    stops = rig.stops_s(56)
    assert episodes
    assert all(any(a < e.from_s <= b + TICK_S for a, b in stops) for e in episodes)


def test_no_gauge_of_the_rig_is_stuck(rig):
    assert rig.episodes(stuck.build(stuck.Options(), rig.context)) == []
