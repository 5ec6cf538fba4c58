"""The real capture through the sample site's own rules: every message decodes, every crack has its weighing's time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

import deploy
from collector.clocks.clock import MessageClock
from collector.config import Site, read
from collector.decoder import Decoder, Intake, decoder_of
from collector.memory import Memory
from collector.readings import NS_PER_S, Kind
from collector.sources.source import Message

FOLDER = Path(deploy.__file__).parent / "sites" / "teaching_factory"
LINE = "teaching_factory/bottling"
DISPENSERS = {"red": 1722, "blue": 1720, "green": 1719}
MESSAGES = 13_755
BOTTLES = 1_717
SCALE = {"bottles": Kind.COUNTER, "final_weight": Kind.GAUGE, "cracked": Kind.STATE}


@pytest.fixture(scope="module")
def capture() -> list[dict[str, Any]]:
    lines = (FOLDER / "capture.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line) for line in lines]


@pytest.fixture(scope="module")
def messages(capture: list[dict[str, Any]]) -> list[Message]:
    return [Message(m["topic"], msgspec.json.encode(m["payload"]), m["at"] * NS_PER_S) for m in capture]


@pytest.fixture(scope="module")
def intake(messages: list[Message]) -> Intake:
    return new_decoder().decode(messages)


def new_decoder() -> Decoder:
    document = read(FOLDER / "site.toml")
    return decoder_of(document, document.section("site", Site), MessageClock())


def test_every_message_of_the_capture_decodes(messages: list[Message], intake: Intake) -> None:
    assert len(messages) == MESSAGES
    assert intake.dead == []
    assert intake.gaps == []


def test_the_capture_gives_exactly_the_series_of_the_rig(intake: Intake) -> None:
    temperatures = {"red": 1721, "blue": 1720, "green": 1719}
    expected = Counter({(f"{LINE}/scale:{metric}", "g" if "weight" in metric else "1"): BOTTLES for metric in SCALE})
    for cell, count in DISPENSERS.items():
        expected[f"{LINE}/{cell}:fill_level", "g"] = count
        expected[f"{LINE}/{cell}:vibration", "1"] = count
        expected[f"{LINE}/{cell}:recipe", "1"] = count
        expected[f"{LINE}/{cell}:temperature", "Cel"] = temperatures[cell]
    assert Counter((reading.series.name, reading.series.unit) for reading, _ in intake.readings) == expected


def test_kinds_are_those_that_the_detectors_read(intake: Intake) -> None:
    kinds = {reading.series.metric: reading.series.kind for reading, _ in intake.readings}
    gauges = dict.fromkeys(("vibration", "recipe", "temperature"), Kind.GAUGE)
    assert kinds == {"fill_level": Kind.STOCK, **gauges, **SCALE}
    assert {reading.series.metric for reading, _ in intake.readings if reading.series.on_event} == {"bottles"}


def test_every_crack_message_takes_the_time_of_its_bottles_weighing(
    capture: list[dict[str, Any]], intake: Intake
) -> None:
    weighed: dict[str, int] = {}
    expected = []
    for message in capture:
        payload = message["payload"]
        if "final_weight" in payload:
            weighed[payload["bottle"]] = payload["time"] * NS_PER_S
        elif "is_cracked" in payload:
            expected.append((weighed[payload["bottle"]], float(payload["is_cracked"])))
    cracks = [(r.at_ns, r.value) for r, _ in intake.readings if r.series.metric == "cracked"]
    assert cracks == expected
    assert sum(value for _, value in cracks) == 127


def test_restarts_inside_the_capture_change_nothing(messages: list[Message], intake: Intake) -> None:
    readings = []
    memory: Memory = {}
    for start in range(0, len(messages), 97):
        decoder = new_decoder()
        decoder.restore(memory)
        readings.extend(decoder.decode(messages[start : start + 97]).readings)
        memory = decoder.snapshot()
    assert readings == intake.readings
