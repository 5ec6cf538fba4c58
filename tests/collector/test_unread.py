"""Unread: what could not be read is one gap a topic, told to a line's detectors only where nothing else came."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.clocks.clock import WallClock
from collector.config import Site
from collector.decoder import Decoder
from collector.formats import json_fields, json_rules, sparkplug_b
from collector.formats.format import KnowsPlaces
from collector.formats.json_rules import Rule, Value
from collector.readings import NS_PER_S, Equipment
from collector.sources.source import Message
from collector.spool.dead import DeadLetter
from collector.spool.ledger import Cause, Gap
from collector.spool.spool import Spool
from collector.topics import TopicTemplate
from collector.unread import Unread

SITE = Site(enterprise="e", name="north")
TOPIC = "plant/press/cell"


def place_of(topic: str) -> Equipment | None:
    return Equipment("e", "north", line="press", cell="cell") if topic == TOPIC else None


def messages(*seconds: float, topic: str = TOPIC) -> list[Message]:
    return [Message(topic, b"", int(second * NS_PER_S)) for second in seconds]


def letters(*seconds: float, topic: str = TOPIC) -> list[DeadLetter]:
    return [DeadLetter(one.topic, one.payload, "bad", one.received_ns) for one in messages(*seconds, topic=topic)]


def told(gaps: list[Gap]) -> list[tuple[float, float, int, str]]:
    """(from s, to s, missing, line and cell whose detectors hear of it)."""
    return [
        (gap.from_ns / NS_PER_S, gap.to_ns / NS_PER_S, gap.missing, f"{gap.shard} {gap.cell}".strip()) for gap in gaps
    ]


@pytest.fixture
def unread() -> Unread:
    return Unread(place_of)


def test_while_all_can_be_read_there_is_nothing_to_book(unread: Unread) -> None:
    assert unread.gaps(messages(1, 2, 3), []) == []


def test_a_letter_among_good_messages_hides_nothing_from_the_detectors(unread: Unread) -> None:
    assert told(unread.gaps(messages(1, 2, 3), letters(2))) == [(2, 2, 1, "")]


def test_a_topic_of_which_nothing_can_be_read_is_a_gap_of_its_cell(unread: Unread) -> None:
    said = [told(unread.gaps(messages(second), letters(second))) for second in (10, 12, 14, 16)]
    assert said == [[(10, 10, 1, "")], [(12, 12, 1, "")], [(14, 14, 1, "")], [(10, 16, 1, "north/press cell")]]
    assert told(unread.gaps(messages(18), letters(18))) == [(18, 18, 1, "")]
    assert told(unread.gaps(messages(20), [])) == [(16, 18, 0, "north/press cell")]  # the rest, now that it ended
    assert unread.gaps(messages(21), []) == []


def test_a_topic_that_was_silent_for_long_was_not_unreadable_meanwhile(unread: Unread) -> None:
    unread.gaps(messages(1), letters(1))
    assert told(unread.gaps(messages(1000, 1010), letters(1000, 1010))) == [(1000, 1010, 2, "north/press cell")]


def test_a_topic_without_a_place_is_booked_and_told_to_nobody(unread: Unread) -> None:
    came = messages(1, 20, topic="other")
    assert told(unread.gaps(came, letters(1, 20, topic="other"))) == [(1, 20, 2, "")]


@pytest.mark.parametrize(
    ("module", "options", "template", "topic", "place"),
    [
        (json_fields, {}, "plant/{line}/{cell}", "plant/press/a", ("north/press", "a")),
        (json_fields, {"cell": "{dispenser}"}, "plant/{line}", "plant/press", ("north/press", "")),
        (json_fields, {"line": "{machine}"}, "plant/{cell}", "plant/a", None),
        (json_fields, {"area": "hall"}, "plant/{line}/{cell}", "plant/press/a", ("north/press", "a")),
        (json_rules, {}, "plant/#", "plant/rig/a", ("north/rig", "a")),
        (json_rules, {}, "plant/#", "plant/nobody", None),
        (sparkplug_b, {}, "spBv1.0/#", "spBv1.0/north/DDATA/press/a", ("north/press", "a")),
        (sparkplug_b, {"area": "hall"}, "spBv1.0/#", "spBv1.0/north/NDATA/press", ("north/press", "")),
        (sparkplug_b, {}, "spBv1.0/#", "spBv1.0/STATE/host", None),
        (sparkplug_b, {}, "spBv1.0/#", "spBv1.0/north/what", None),
    ],
)
def test_formats_know_whose_readings_a_topic_carries(module, options, template, topic, place) -> None:
    if module is json_fields:
        options = {"fields": {"good": json_fields.Field()}, **options}
    elif module is json_rules:
        options = {"rule": (Rule(topic="plant/rig/{cell}", line="rig", reading=(Value(metric="m", value="v"),)),)}
    form = module.build(module.Options(**options), SITE, TopicTemplate(template))
    assert isinstance(form, KnowsPlaces)
    found = form.place(topic)
    assert (found and (found.shard, found.cell)) == place


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool.sqlite") as opened:
        yield opened


def test_the_ledger_has_one_entry_a_topic_with_every_letter_counted(spool: Spool) -> None:
    options = json_fields.Options(fields={"good": json_fields.Field()})
    template = TopicTemplate("plant/{line}/{cell}")
    decoder = Decoder([(template, json_fields.build(options, SITE, template))], WallClock())
    for second in range(0, 60, 2):
        intake = decoder.decode([Message(topic, b"{oops", second * NS_PER_S) for topic in (TOPIC, "plant/press/b")])
        with spool.transaction():
            for gap in intake.gaps:
                spool.ledger.add(gap)
    booked = {gap.asset: gap for gap in spool.ledger.read()}
    assert set(booked) == {TOPIC, "plant/press/b"}
    assert booked[TOPIC][1:5] == (Cause.DEAD_LETTER, 0, 58 * NS_PER_S, 30)


def test_a_thousand_bad_messages_cost_next_to_nothing_beside_their_letters(spool: Spool) -> None:
    unread, dead = Unread(place_of), letters(*(i / 1000 for i in range(1000)))
    came = messages(*(i / 1000 for i in range(1000)))

    def seconds_for_letters() -> float:
        began = time.process_time()
        with spool.transaction():
            for letter in dead:
                spool.dead.add(letter)
        return time.process_time() - began

    def seconds_for_gaps() -> float:
        began = time.process_time()
        with spool.transaction():
            for gap in unread.gaps(came, dead):
                spool.ledger.add(gap)
        return time.process_time() - began

    assert min(seconds_for_gaps() for _ in range(5)) < 0.5 * min(seconds_for_letters() for _ in range(5))
