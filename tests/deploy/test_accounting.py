"""What a store shows of the published messages: every copy, every value that is gone, every second time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from collector.clocks.clock import PlantClock
from collector.config import Site
from collector.decoder import Decoder
from collector.formats import json_fields
from collector.readings import NS_PER_S
from collector.sources.recording import Published
from collector.sources.source import Message
from collector.spool.spool import Spool
from collector.topics import TopicTemplate
from deploy.accounting import Counts, account

START_NS = 1_772_409_600 * NS_PER_S
DATED = {"time": "ts", "fields": {"level": {"kind": "stock"}}}
UNDATED = {"fields": {"level": {"kind": "stock"}}}  # its time is that of receipt


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool.sqlite") as opened:
        yield opened


def decoder(options: dict[str, object]) -> Decoder:
    topic = TopicTemplate("rig/{line}/{cell}")
    form = json_fields.build(msgspec.convert(options, json_fields.Options), Site(enterprise="e", name="rig"), topic)
    return Decoder([(topic, form)], PlantClock())


def message(at_s: int, level: float | str, ts_s: int | None = None) -> Published:
    payload = msgspec.json.encode({"ts": START_NS // NS_PER_S + (at_s if ts_s is None else ts_s), "level": level})
    return Published(START_NS + at_s * NS_PER_S, "rig/line_1/store", payload)


def collect(spool: Spool, options: dict[str, object], *delivered: Published) -> None:
    """Stores messages as the collector does, each received at its own instant."""
    reader = decoder(options)
    for at_ns, topic, payload in delivered:
        intake = reader.decode([Message(topic, payload, at_ns)])
        with spool.transaction():
            spool.log.append(intake.frames(spool.series))
            for letter in intake.dead:
                spool.dead.add(letter)


def later(one: Published, by_s: int) -> Published:
    """The same message delivered again."""
    return one._replace(at_ns=one.at_ns + by_s * NS_PER_S)


def test_what_arrived_once_is_stored_once(spool: Spool) -> None:
    published = [message(0, 5.0), message(10, 4.0), message(20, "much")]
    collect(spool, DATED, *published)
    assert account(published, decoder(DATED), spool) == Counts(3, 2, 1, 0, 0)


def test_what_never_arrived_is_lost(spool: Spool) -> None:
    published = [message(0, 5.0), message(10, 4.0)]
    collect(spool, DATED, published[0])
    assert account(published, decoder(DATED), spool) == Counts(2, 1, 0, 1, 0)


def test_a_copy_at_the_same_time_is_one_point(spool: Spool) -> None:
    published = [message(0, 5.0), message(10, 4.0)]
    collect(spool, DATED, *published, *(later(one, 60) for one in published))
    assert account(published, decoder(DATED), spool) == Counts(2, 2, 0, 0, 0)


def test_a_copy_at_another_time_is_seen_twice(spool: Spool) -> None:
    """Without a time of its own a message takes that of its receipt, so a store shows both copies."""
    published = [message(0, 5.0), message(10, 4.0), message(20, 3.0)]
    collect(spool, UNDATED, *published, later(published[1], 61), later(published[1], 62))
    assert account(published, decoder(UNDATED), spool) == Counts(3, 3, 0, 0, 1)


def test_a_point_at_a_wrong_time_is_lost_and_not_twice(spool: Spool) -> None:
    published = [message(0, 5.0), message(10, 4.0)]
    collect(spool, UNDATED, published[0], later(published[1], 60))
    assert account(published, decoder(UNDATED), spool) == Counts(2, 1, 0, 1, 0)


def test_another_value_at_the_same_time_takes_the_first_ones_place(spool: Spool) -> None:
    published = [message(0, 5.0), message(10, 4.0), message(11, 3.5, ts_s=10)]
    collect(spool, DATED, *published)
    assert account(published, decoder(DATED), spool) == Counts(3, 2, 0, 1, 0)


def test_a_message_stored_with_another_value_is_lost(spool: Spool) -> None:
    published = [message(0, 5.0)]
    collect(spool, DATED, message(0, 5.5))
    assert account(published, decoder(DATED), spool) == Counts(1, 0, 0, 1, 0)


def test_what_no_store_shows_is_looked_up_in_the_spool(spool: Spool) -> None:
    """An hour ahead of the site's clock: quality CLOCK, which makes no row."""
    published = [message(0, 5.0, ts_s=3600), message(10, 4.0, ts_s=3610)]
    collect(spool, DATED, published[0])
    assert account(published, decoder(DATED), spool) == Counts(2, 1, 0, 1, 0)
