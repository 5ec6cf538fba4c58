"""The sample site nev_drive: its site.toml reads all that its plant sends, and agrees with it about planned time."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from collector.clocks.clock import PlantClock
from collector.config import Site, read
from collector.decoder import decoder_of
from collector.readings import NS_PER_S, Kind, Quality, Reading
from collector.sources.plant_model.faults import FAULTS
from collector.sources.plant_model.line import LINE_METRICS
from collector.sources.simulated import Plant
from collector.sources.source import Message
from collector.spool.dead import DeadLetter
from collector.spool.ledger import Cause, Gap
from detectors.calendar import calendar_of

FOLDER = Path(__file__).parents[2] / "deploy" / "sites" / "nev_drive"


class Collected(NamedTuple):
    plant: Plant
    messages: int
    readings: dict[str, list[Reading]]  # by series name, in order of arrival
    gaps: list[Gap]
    dead: list[DeadLetter]


@pytest.fixture(scope="module")
def collected() -> Collected:
    plant, document, clock = Plant.load(FOLDER / "plant.toml"), read(FOLDER / "site.toml"), PlantClock()
    decoder = decoder_of(document, document.section("site", Site), clock)
    found = Collected(plant, 0, {}, [], [])
    for at_ns, topic, payload in plant.messages():
        clock.publish_at(at_ns)
        intake = decoder.decode([Message(topic, payload, clock.now_ns())])
        for reading, _ in intake.readings:
            found.readings.setdefault(reading.series.name, []).append(reading)
        found.gaps.extend(intake.gaps)
        found.dead.extend(intake.dead)
    return found


def test_everything_sent_is_read(collected: Collected) -> None:
    assert collected.dead == []
    lines = ("nanjing/inverter_1", "nanjing/inverter_2", "suzhou/motor_1", "suzhou/motor_2")
    cells = {f"{line}/line:{metric}" for line in lines for metric in LINE_METRICS}
    assert cells < collected.readings.keys()
    stocks = collected.readings.keys() - cells
    assert len(stocks) == 16
    assert {collected.readings[name][0].series.kind for name in stocks} == {Kind.STOCK}


def test_both_dialects_count_what_was_made(collected: Collected) -> None:
    for line in collected.plant.truth().lines:
        cell = f"{line.site}/{line.line}/line"
        good, scrap = (collected.readings[f"{cell}:{metric}"][-1].value for metric in ("good", "scrap"))
        assert (good + scrap, scrap) == (line.produced, line.scrapped)


def test_the_silent_gateway_is_in_the_ledger_from_its_last_message_to_its_birth(collected: Collected) -> None:
    (fault,) = (span for span in collected.plant.truth().faults if span.fault == "gateway_silent")
    died, born = (gap for gap in collected.gaps if gap.cause is Cause.DISCONNECTED)
    assert died.asset == born.asset == "nanjing/inverter_2"
    assert died.to_ns == born.from_ns == fault.from_ns
    assert fault.from_ns - died.from_ns <= 10 * NS_PER_S
    assert 0 <= born.to_ns - fault.to_ns < 10 * NS_PER_S


def test_the_jumped_clock_is_flagged_and_in_the_ledger(collected: Collected) -> None:
    assert {gap.cause for gap in collected.gaps} == {Cause.DISCONNECTED, Cause.CLOCK}
    flagged = [r for r in collected.readings["suzhou/motor_1/line:good"] if r.quality == Quality.CLOCK]
    assert len(flagged) == 60


def test_every_kind_of_fault_is_played(collected: Collected) -> None:
    assert {span.fault for span in collected.plant.truth().faults} == set(FAULTS)
    assert {(one.line, one.item) for one in collected.plant.truth().empties} == {
        ("motor_1", "rotor"),  # supplier_late
        ("inverter_1", "igbt_module"),  # supplier_stops
    }


def test_site_and_plant_agree_about_planned_time(collected: Collected) -> None:
    document = read(FOLDER / "site.toml")
    calendar = calendar_of(document, document.section("site", Site).timezone)
    planned = [stop for stop in collected.plant.truth().stops if stop.planned]
    for line in ("inverter_1", "inverter_2", "motor_1", "motor_2"):
        for at_ns in range(collected.plant.start_ns, collected.plant.end_ns, 60 * NS_PER_S):
            told = [stop.why for stop in planned if stop.line == line and stop.from_ns <= at_ns < stop.to_ns]
            assert calendar.planned_stop(line, at_ns) == (told[0] if told else None)
