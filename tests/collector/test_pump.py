"""The two loops: what is acknowledged is on disk, what is delivered moves the cursor, and nothing goes missing."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event

import pytest

from collector.clocks.clock import Clock, MessageClock, PlantClock, WallClock
from collector.config import Site, SpoolSettings
from collector.decoder import Decoder
from collector.formats.format import BadPayload, Decoded, Stateless
from collector.health.counters import Counters
from collector.intake import Columns, Intake
from collector.patience import patiently
from collector.pump import Appender, drain, ingest, remembered_clock_ns
from collector.readings import NS_PER_S, Equipment, Quality, Reading, Readings, Series
from collector.retention import Retention
from collector.sinks.sink import Parcel, SinkRejected, SinkUnavailable
from collector.sources.source import Delivery, Message
from collector.spool.frames import Batch, FrameKind, Record, Tick
from collector.spool.ledger import Cause, Gap
from collector.spool.spool import Spool, SpoolFull
from collector.topics import TopicTemplate

SITE = Site(enterprise="e", name="site")
LEVEL = Series(Equipment("e", "site", line="line"), "level")
T0_NS = 1_700_000_000 * NS_PER_S


class Numbers(Stateless):
    """A format of plain `seconds value` payloads."""

    def decode(self, message: Message) -> Decoded:
        try:
            second, value = map(float, message.payload.split())
        except ValueError:
            raise BadPayload(f"topic {message.topic}: not two numbers") from None
        return Decoded(Readings.of([Reading(LEVEL, T0_NS + int(second * NS_PER_S), value)]))


class Listed:
    """A source of given payloads; counts what was acknowledged and stops the loop at the end."""

    def __init__(self, payloads: Sequence[bytes], stop: Event, group: int = 4) -> None:
        self.left = list(payloads)
        self.acknowledged = 0
        self.on_disk_when_acknowledged: list[int] = []
        self.asked_again = 0
        self.is_settled = True
        self.look: Callable[[], int] = lambda: 0
        self._stop = stop
        self._group = group

    def receive(self, limit: int, wait_s: float) -> Delivery:
        taken, self.left = self.left[: self._group], self.left[self._group :]
        if not taken:
            self.asked_again += 1
            if self.asked_again > 1:  # the first empty delivery may still bring a tick
                self._stop.set()
        messages = [Message("level", one, T0_NS) for one in taken]
        return Delivery(messages, lambda: self._note(len(taken)), is_settled=self.is_settled)

    def close(self) -> None:
        self.left = []

    def _note(self, count: int) -> None:
        self.acknowledged += count
        self.on_disk_when_acknowledged.append(self.look())


class Store:
    """A sink that is down for its first calls, refuses given rows, and keeps the rest."""

    def __init__(self, stop: Event, wanted: int, *, down: int = 0, refused: bytes = b"none") -> None:
        self.rows: list[bytes] = []
        self._stop, self._wanted, self._down, self._refused = stop, wanted, down, refused

    def write(self, parcel: Parcel) -> None:
        rows = parcel.rows
        if self._down:
            self._down -= 1
            raise SinkUnavailable("store is down", retry_after_s=0.001)
        bad = [i for i, row in enumerate(rows) if self._refused in row]
        self.rows += [row for i, row in enumerate(rows) if i not in bad]
        if len(self.rows) >= self._wanted:
            self._stop.set()
        if bad:
            raise SinkRejected("field has another type", bad)

    def close(self) -> None:
        self.rows = []


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool.sqlite") as opened:
        yield opened


def payloads(count: int) -> list[bytes]:
    return [f"{i} {i * 0.5}".encode() for i in range(count)]


def take(spool: Spool, source: Listed, stop: Event, clock: Clock | None = None, max_mb: float = 100.0) -> Counters:
    clock, counters = clock or WallClock(), Counters(report_every_s=None)
    decoder = Decoder([(TopicTemplate("level"), Numbers())], clock)
    retention = Retention(SpoolSettings(max_mb=max_mb), counters, detected=False)
    ingest(source, decoder, Appender(spool, SITE, clock, 5 * NS_PER_S, retention, counters), stop)
    return counters


def batches(spool: Spool) -> list[Batch]:
    bodies = [frame.body for frame in spool.log.read(0, 100_000, kinds=(FrameKind.BATCH,))]
    return [body for body in bodies if isinstance(body, Batch)]


def test_acknowledged_means_on_disk(spool: Spool, tmp_path: Path) -> None:
    stop = Event()
    source = Listed(payloads(20), stop)
    with Spool.open(tmp_path / "spool.sqlite") as other:
        source.look = lambda: sum(len(batch) for batch in batches(other))
        take(spool, source, stop)
    assert source.acknowledged == 20
    assert source.on_disk_when_acknowledged[:5] == [4, 8, 12, 16, 20]


def test_a_bad_payload_is_a_dead_letter_acknowledged_and_counted(spool: Spool) -> None:
    stop = Event()
    source = Listed([b"1 1", b"\xff\x00", b"2 2"], stop)
    counters = take(spool, source, stop)
    (letter,) = spool.dead.read()
    assert (letter.topic, letter.payload) == ("level", b"\xff\x00")
    assert "not two numbers" in letter.reason
    assert source.acknowledged == 3
    assert counters.counts["dead_lettered"] == 1
    assert sum(map(len, batches(spool))) == 2


def test_a_gap_is_booked_and_told_in_the_log_before_the_readings_that_ended_it(spool: Spool) -> None:
    retention = Retention(SpoolSettings(), Counters(report_every_s=None))
    appender = Appender(spool, SITE, WallClock(), 5 * NS_PER_S, retention, Counters(report_every_s=None))
    columns = Columns()
    columns.add(Readings.of([Reading(LEVEL, T0_NS, 1.0)]), T0_NS)
    gap = Gap("site/line", Cause.SEQ_GAP, T0_NS - 9, T0_NS, 3, "", "site/line")
    assert appender.append(Intake(1, columns.lots(), [], [gap]), {}, 0, Event())
    assert [frame.kind for frame in spool.log.read(0, 9, shard="site/line")] == [FrameKind.GAP, FrameKind.BATCH]
    assert [(one.asset, one.missing) for one in spool.ledger.read()] == [("site/line", 3)]


def test_a_topic_nobody_reads_is_a_dead_letter_with_the_remedy() -> None:
    decoder = Decoder([(TopicTemplate("level"), Numbers())], WallClock())
    intake = decoder.decode([Message("other/topic", b"1 1", T0_NS)])
    assert intake.dead[0].reason == "no [[subscribe]] reads topic 'other/topic': add one to site.toml"


def test_a_reading_ahead_of_the_clock_is_kept_flagged_and_booked(spool: Spool) -> None:
    stop, clock = Event(), PlantClock()
    clock.settle(T0_NS)
    take(spool, Listed([b"1 1", b"7200 2", b"3 3"], stop), stop, clock)
    (batch,) = batches(spool)
    assert batch.quality.tolist() == [Quality.GOOD, Quality.CLOCK, Quality.GOOD]
    (gap,) = spool.ledger.read()
    assert (gap.asset, gap.cause, gap.missing) == ("site/line", Cause.CLOCK, 1)


def test_a_recording_ticks_by_its_own_time(spool: Spool) -> None:
    stop = Event()
    take(spool, Listed(payloads(40), stop), stop, MessageClock())
    frames = spool.log.read(0, 100)
    ticks = [(frame.at_ns - T0_NS) // NS_PER_S for frame in frames if isinstance(frame.body, Tick)]
    assert ticks == [3, 7, 11, 19, 23, 27, 31, 39]  # at first sight, then once 5, 10, 15, ... s are passed
    assert spool.log.clock_ns() == T0_NS + 39 * NS_PER_S


def test_a_recordings_time_goes_on_after_a_restart_though_nothing_comes_again(spool: Spool) -> None:
    """Killed between the last append and its tick: the next collector writes the tick."""
    stop = Event()
    source = Listed(payloads(40), stop)
    source.is_settled = False
    take(spool, source, stop, MessageClock())
    stop = Event()
    take(spool, Listed([], stop), stop, MessageClock(remembered_clock_ns(spool)))
    assert spool.log.clock_ns() == T0_NS + 39 * NS_PER_S


def test_no_tick_is_written_while_something_may_still_be_on_its_way(spool: Spool) -> None:
    """Cut off or working off a backlog: what was sent earlier comes later, so time must not pass the detectors by."""
    stop = Event()
    source = Listed(payloads(40), stop)
    source.is_settled = False
    take(spool, source, stop, MessageClock())
    assert [frame for frame in spool.log.read(0, 100) if isinstance(frame.body, Tick)] == []
    assert source.acknowledged == 40


def test_a_full_spool_drops_the_oldest_readings_books_them_and_goes_on(tmp_path: Path) -> None:
    stop = Event()
    with Spool.open(tmp_path / "small.sqlite", max_mb=0.4) as spool:
        with spool.transaction():
            spool.log.enrol(["sink:store"], among="sink:")  # a store that was never up is waited for
        source = Listed(payloads(6000), stop, group=2)
        counters = take(spool, source, stop, max_mb=0.4)
        assert source.acknowledged == 6000
        kept = sum(map(len, batches(spool)))
        evicted = [gap for gap in spool.ledger.read() if gap.cause is Cause.EVICTED]
        assert evicted
        assert kept + sum(gap.missing for gap in evicted) == 6000
        assert counters.counts["readings_evicted"] == sum(gap.missing for gap in evicted)
        assert "ingest_held_up" not in counters.counts


def test_delivered_frames_go_first_and_are_not_booked(tmp_path: Path) -> None:
    stop = Event()
    with Spool.open(tmp_path / "small.sqlite", max_mb=0.4) as spool:
        take(spool, Listed(payloads(1500), stop, group=2), stop, max_mb=100.0)
        with spool.transaction():
            spool.log.advance("sink:lines", spool.log.end())
        stop = Event()
        take(spool, Listed(payloads(1500), stop, group=2), stop, max_mb=0.4)
        assert [gap for gap in spool.ledger.read() if gap.cause is Cause.EVICTED] == []


def test_rows_reach_a_store_that_was_down(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    stop = Event()
    take(spool, Listed(payloads(20), stop), stop, MessageClock())
    stop, counters = Event(), Counters()
    store = Store(stop, wanted=20, down=3)
    with caplog.at_level(logging.WARNING):
        drain("store", store, spool, WallClock(), counters, stop)
    assert len(store.rows) == 20
    assert spool.log.cursor("sink:store") == spool.log.end()
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "sink.unavailable sink=store reason='store is down'",
        "sink.available sink=store",
    ]  # one line a change of state, not one a try


def test_a_row_the_store_refuses_is_a_dead_letter_and_the_rest_goes_on(spool: Spool) -> None:
    stop = Event()
    take(spool, Listed(payloads(20), stop), stop, MessageClock())
    stop = Event()
    store = Store(stop, wanted=19, refused=b"value=3.5")
    drain("store", store, spool, WallClock(), Counters(), stop)
    (letter,) = spool.dead.read()
    assert letter.topic == "sink:store"
    assert b"value=3.5" in letter.payload
    assert letter.reason == "field has another type"


def test_own_counters_are_readings_of_their_own_line(spool: Spool) -> None:
    counters = Counters()
    counters.add("readings_stored", 7)
    (reading,) = counters.due(SITE, T0_NS)
    assert reading.series.name == "site/_self/collector:readings_stored"
    assert reading.value == 7.0
    assert counters.due(SITE, T0_NS + NS_PER_S) == []


def test_a_store_that_site_toml_no_longer_names_is_not_waited_for(spool: Spool) -> None:
    with spool.transaction():
        spool.log.enrol(["sink:old", "chain"], among="sink:")
        spool.log.advance("chain", 7)
        spool.log.enrol(["sink:new"], among="sink:")
        spool.log.advance("sink:new", 5)
    assert spool.log.delivered() == 5
    with spool.transaction():
        spool.log.enrol([], among="sink:")
    assert spool.log.delivered() == 7


def test_dead_letters_keep_to_their_share_and_stop_nobody(tmp_path: Path) -> None:
    stop = Event()
    wrong = [f"wrong {i} {'x' * 200}".encode() for i in range(4000)]
    with Spool.open(tmp_path / "small.sqlite", max_mb=1.0) as spool:
        source = Listed(wrong, stop, group=10)
        counters = take(spool, source, stop, max_mb=1.0)
        assert source.acknowledged == 4000
        gone = sum(gap.missing for gap in spool.ledger.read() if gap.asset == "dead letters")
        assert spool.dead.count() + gone == 4000
        assert counters.counts["dead_letters_evicted"] == gone > 0
        assert spool.dead.read(1)[0].payload == wrong[-1]


def test_a_message_that_comes_again_and_again_is_one_dead_letter_counted(spool: Spool) -> None:
    stop = Event()
    take(spool, Listed([b"?"] * 9, stop), stop)
    (letter,) = spool.dead.read()
    assert letter.times == 9


def test_what_an_alert_said_is_never_evicted(tmp_path: Path) -> None:
    stop = Event()
    said = Record("alert_event", {"site": "site"}, {"title": "short"}, T0_NS, key="a")
    with Spool.open(tmp_path / "small.sqlite", max_mb=0.4) as spool:
        with spool.transaction():
            spool.log.enrol(["sink:store"], among="sink:")
            spool.log.say("site/line", "alert|a", said)
        take(spool, Listed(payloads(6000), stop, group=2), stop, max_mb=0.4)
        assert [frame.body for frame in spool.log.read(0, 10_000, kinds=(FrameKind.RECORD,))] == [said]


def test_who_is_held_up_by_a_full_spool_waits_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    stop, counters, tries = Event(), Counters(), iter([SpoolFull("spool is full"), SpoolFull("spool is full"), None])

    def work() -> int:
        trouble = next(tries)
        if trouble is not None:
            stop.wait = lambda _s=0.0: False  # type: ignore[method-assign,assignment]
            raise trouble
        return 3

    with caplog.at_level(logging.WARNING):
        assert patiently(work, "chain", counters, stop) == 3
    assert [record.getMessage() for record in caplog.records] == ["chain.waits reason='spool is full'", "chain.goes_on"]
    assert counters.counts == {"chain_held_up": 2}


def test_who_is_held_up_ends_when_told_to() -> None:
    stop = Event()
    stop.set()

    def work() -> int:
        raise SpoolFull("spool is full")

    assert patiently(work, "chain", Counters(), stop) is None


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="a small disk needs root and mount")
def test_a_full_disk_makes_the_oldest_go_and_loses_nothing_without_saying_so(tmp_path: Path) -> None:
    """The disk, not max_mb, is the limit: deleting needs room too, which the reserve gives."""
    disk, stop = tmp_path / "disk", Event()
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("this machine does not let root mount a small disk")
    try:
        with Spool.open(disk / "spool.sqlite", max_mb=100.0) as spool:
            counters = Counters(report_every_s=None)
            retention = Retention(SpoolSettings(max_mb=100.0), counters, detected=False)
            retention.hold_reserve(spool)
            assert (disk / "spool.sqlite.reserve").exists()
            with spool.transaction():
                spool.log.enrol(["sink:store"], among="sink:")
            decoder = Decoder([(TopicTemplate("level"), Numbers())], WallClock())
            source = Listed([f"{i} {i * 0.37}".encode() for i in range(40_000)], stop, group=2)
            ingest(source, decoder, Appender(spool, SITE, WallClock(), NS_PER_S, retention, counters), stop)
            booked = sum(gap.missing for gap in spool.ledger.read() if gap.cause is Cause.EVICTED)
            assert source.acknowledged == 40_000
            assert booked > 0
            assert sum(map(len, batches(spool))) + booked == 40_000
    finally:
        subprocess.run(["umount", str(disk)], check=True)
