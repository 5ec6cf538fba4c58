"""What the dialects of vendors promise besides their cases: each knows its own messages, and only those."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest

from collector.config import Site
from collector.formats import aveva_vtq, kepware, neuron, siemens_databus, thingsboard, umh, umh_classic
from collector.formats.format import BadPayload
from collector.formats.running_totals import LAST_TIMES, MOST_TOPICS, RunningTotals
from collector.formats.tags import TagRule
from collector.readings import Equipment, Kind, Reading, Series
from collector.sources.source import Message
from collector.topics import TopicTemplate
from tests.contracts.format_cases import cases_of

SITE = Site(enterprise="acme", name="works")
DIALECTS = (aveva_vtq, kepware, neuron, siemens_databus, thingsboard, umh, umh_classic)
NAMES = [dialect.__name__.rsplit(".", 1)[-1] for dialect in DIALECTS]
UNTOLD = {"broken", "all_in_error"}  # holds messages that are none, or empty ones
GENERIC = (
    b'{"temperature": 22.5}',
    b'{"ts": 1720730488000, "good": 17}',
    b'{"timestamp_ms": 1, "value": 2}',
    b"[1, 2]",
)


def messages_of(name: str) -> list[Message]:
    cases = [case for case in cases_of(name) if case.folder.name not in UNTOLD]
    return [message for case in cases for message in case.messages()]


@pytest.mark.parametrize("name", NAMES)
def test_a_dialect_recognises_its_own_messages_and_no_other_does(name: str) -> None:
    own = importlib.import_module(f"collector.formats.{name}")
    others = [dialect for dialect in DIALECTS if dialect is not own]
    for message in messages_of(name):
        assert own.fits(message) > max(other.fits(message) for other in others), message


@pytest.mark.parametrize("payload", [*GENERIC, b"", b"{", b"17", b"\xff", b"[" * 100_000])
def test_what_any_sender_could_have_sent_is_no_dialect(payload: bytes) -> None:
    assert [dialect.fits(Message("plant/press", payload, 0)) for dialect in DIALECTS] == [0.0] * len(DIALECTS)


def test_telemetry_of_thingsboard_without_a_time_is_told_by_its_topic() -> None:
    assert thingsboard.fits(Message("v1/devices/me/telemetry", b'{"temperature": 22.5}', 0)) == 1.0


@pytest.mark.parametrize(
    ("dialect", "topic"),
    [(umh, "umh/v1/other/cologne/hall_1/filling/capper/_historian/x"), (umh_classic, "ia/other/cologne/filling/state")],
)
def test_a_topic_says_the_place_but_never_the_enterprise(dialect: ModuleType, topic: str) -> None:
    form = dialect.build(dialect.Options(), SITE, TopicTemplate("#"))
    place: Equipment = form.place(topic)
    assert (place.enterprise, place.site, place.line) == ("acme", "cologne", "filling")


def test_levels_of_site_toml_come_before_those_of_the_topic() -> None:
    form = umh.build(umh.Options(site="works_1", line="{area}"), SITE, TopicTemplate("umh/v1/#"))
    assert form.place("umh/v1/acme/cologne/press/_historian") == Equipment("acme", "works_1", "press", "press")


def test_tags_that_are_described_but_not_placed_leave_the_place_to_the_topic() -> None:
    options = neuron.Options(tag=(TagRule(name="*.good", kind=Kind.COUNTER),))
    assert neuron.build(options, SITE, TopicTemplate("plant/{line}")).place("plant/press") == Equipment(
        "acme", "works", line="press"
    )


def test_metadata_of_more_points_than_are_remembered_is_refused_and_the_known_ones_stay() -> None:
    form = siemens_databus.build(siemens_databus.Options(), SITE, TopicTemplate("ie/#"))
    form.decode(_metadata("s7c1", 1))
    known = form.snapshot()
    with pytest.raises(BadPayload, match=r"20001 data points with those known, 20000 are remembered: spread"):
        form.decode(_metadata("opc1", siemens_databus.MOST_POINTS))
    assert form.snapshot() == known


def test_a_connector_s_new_metadata_takes_the_place_of_its_old() -> None:
    form = siemens_databus.build(siemens_databus.Options(), SITE, TopicTemplate("ie/#"))
    for _ in range(3):
        form.decode(_metadata("s7c1", siemens_databus.MOST_POINTS - 1))


def test_a_count_older_than_all_that_are_remembered_is_refused_for_it_may_be_a_repeat() -> None:
    totals = RunningTotals()
    for number in range(LAST_TIMES + 1):
        assert totals.is_new("press", number)
    assert not totals.is_new("press", 1)
    with pytest.raises(BadPayload, match=r"topic press: a count older than the last 64"):
        totals.is_new("press", 0)


def test_totals_are_bounded_and_forgotten_by_their_last_use() -> None:
    totals = RunningTotals()
    for number in range(MOST_TOPICS + 10):
        assert totals.is_new("always", number)
        assert totals.is_new(f"topic {number}", 1)
        totals.add(_increment("always"), 0)
        totals.add(_increment(f"metric {number}"), 0)
    assert len(totals.times) == MOST_TOPICS
    assert len(totals.times["always"]) == LAST_TIMES
    assert totals.add(_increment("always"), 0).value == MOST_TOPICS + 11


def _metadata(connector: str, points: int) -> Message:
    topic = f"ie/m/j/simatic/v1/{connector}/dp"
    defined = ",".join(f'{{"name": "n{number}", "id": "{number}"}}' for number in range(points))
    data = f"ie/d/j/simatic/v1/{connector}/dp/r/Press/default"
    collection = f'{{"topic": "{data}", "dataPointDefinitions": [{defined}]}}'
    return Message(topic, f'{{"connections": [{{"dataPoints": [{collection}]}}]}}'.encode(), 0)


def _increment(metric: str) -> Reading:
    return Reading(Series(Equipment("acme", "works"), metric, kind=Kind.COUNTER), 1, 1.0)
