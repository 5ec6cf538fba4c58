"""The two loops of the collector: `ingest` puts what arrives on disk, `drain` carries it on to a store."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from functools import partial
from threading import Event

from collector.clocks.clock import Clock
from collector.config import Site
from collector.decoder import Decoder
from collector.health.counters import Counters
from collector.intake import Columns, Intake
from collector.inventory.booking import booked
from collector.lanes import Lanes, Pace, rows_in
from collector.memory import Memory, keep, recalled
from collector.patience import patiently
from collector.readings import NS_PER_S, Readings
from collector.retention import Retention
from collector.rows import RowEncoder
from collector.sinks.guarded import Guarded
from collector.sinks.sink import Parcel, Sink, SinkRejected, SinkUnavailable
from collector.sources.source import Publishes, Source
from collector.spool.dead import DeadLetter
from collector.spool.frames import Frame, gap_frames, tick_frame
from collector.spool.ledger import Cause
from collector.spool.log_name import name_of
from collector.spool.spool import Spool, SpoolFull
from collector.tally import begin, count_passed, count_taken

GROUP_MESSAGES = 1000
GROUP_WAIT_S = 0.2
CLOCK = "clock"  # the site's time, remembered with every append
_IDLE_S = 0.05
DEFAULT_PACE = Pace()
_SET_BACK_NS = 300 * NS_PER_S  # a clock that stands so far before the last tick was wrong then
_RETRY_FROM_S, _RETRY_TO_S = 0.5, 5.0


def ingest(source: Source, decoder: Decoder, appender: Appender, stop: Event) -> None:
    """Receives, decodes, appends, and only then acknowledges and speaks; ends when told to stop."""
    while not stop.is_set():
        settled_ns = appender.clock.settled_ns()
        delivery = source.receive(GROUP_MESSAGES, GROUP_WAIT_S)
        intake = decoder.decode(
            delivery.messages,
            is_settled=delivery.is_settled,
            is_history=delivery.is_history,
            now_ns=appender.clock.now_ns(),
        )
        intake.gaps.extend(delivery.gaps)
        intake.take_refused(delivery.dead)
        intake.memories.update(delivery.memories)
        if appender.append(intake, decoder.snapshot(), settled_ns if delivery.is_settled else 0, stop):
            delivery.acknowledge()
            if intake.says and isinstance(source, Publishes):
                source.publish(intake.says)


def drain(
    name: str, sink: Sink, spool: Spool, clock: Clock, counters: Counters, stop: Event, pace: Pace = DEFAULT_PACE
) -> None:
    """Carries the log to a store, live first, and moves on only past what is durable there; ends when told to stop."""
    reader, retry_s, guarded = reader_of(name), _RETRY_FROM_S, Guarded(name, sink)
    lanes = Lanes(spool, reader, pace, time.monotonic())
    log = patiently(lambda: _begin(spool, reader, lanes), reader, counters, stop) or ""
    encoder = RowEncoder(spool.series)
    while not stop.is_set():
        frames = patiently(lambda: lanes.next(time.monotonic()), reader, counters, stop)
        if not frames:
            stop.wait(_IDLE_S)
            continue
        parcel = Parcel(frames, spool.series, log=log, settled=lanes.settled(frames), encoder=encoder)
        try:
            refused = _refused(guarded, parcel, name, clock.now_ns())
        except SinkUnavailable as error:
            counters.sink_down(name, str(error))
            stop.wait(error.retry_after_s or retry_s * random.uniform(0.5, 1.0))
            retry_s = min(2 * retry_s, _RETRY_TO_S)
            continue
        retry_s = _RETRY_FROM_S
        counters.sink_up(name, rows_in(frames) - len(refused))
        patiently(partial(_move_on, spool, reader, lanes, frames, refused), reader, counters, stop)
        _tell_backlog(lanes, name, counters)


def reader_of(sink_name: str) -> str:
    """The name of a sink's cursor."""
    return f"sink:{sink_name}"


def _refused(sink: Sink, parcel: Parcel, name: str, now_ns: int) -> list[DeadLetter]:
    """Writes the parcel; the rows the store will never take, as dead letters. Raises SinkUnavailable."""
    try:
        sink.write(parcel)
    except SinkRejected as error:
        return [DeadLetter(reader_of(name), parcel.rows[i], str(error), now_ns) for i in error.indices]
    return []


def _begin(spool: Spool, reader: str, lanes: Lanes) -> str:
    """Opens the reader's tally; returns the name of the log."""
    begin(spool, reader, lanes.behind())
    return name_of(spool)


def _move_on(spool: Spool, reader: str, lanes: Lanes, frames: Sequence[Frame], refused: Sequence[DeadLetter]) -> None:
    with spool.transaction():
        count_passed(spool, reader, frames, len(refused))
        for letter in refused:
            spool.dead.add(letter)
        lanes.delivered(frames)


def _tell_backlog(lanes: Lanes, name: str, counters: Counters) -> None:
    left, eta_s = lanes.catching_up(time.monotonic())
    counters.set(f"sink_backlog_frames/{name}", left)
    counters.set(f"sink_backlog_eta_s/{name}", int(eta_s) if math.isfinite(eta_s) else -1)


def remembered_clock_ns(spool: Spool) -> int:
    """The site's time at the last append, 0 before the first: where a recording's clock goes on after a restart."""
    return int(spool.recall(CLOCK) or 0)


class Appender:
    """Puts intakes into the spool, each with the formats' memory and the tick that is due, in one transaction."""

    def __init__(
        self, spool: Spool, site: Site, clock: Clock, tick_ns: int, retention: Retention, counters: Counters
    ) -> None:
        self.clock = clock
        self._spool = spool
        self._site = site
        self._tick_ns = tick_ns
        self._retention = retention
        self._counters = counters
        self._ticked_ns = spool.log.clock_ns()
        self._memory = recalled(spool)

    def append(self, intake: Intake, memory: Memory, settled_ns: int, stop: Event) -> bool:
        """True when durable, False when stopped before. A full spool first drops what may go, then waits for room.

        `settled_ns`: the site's time before which nothing is still on its way, 0 when that is not known.
        """
        now_ns = self.clock.now_ns()
        own = Columns()
        own.add(Readings.of(self._counters.due(self._site, now_ns)), now_ns)
        intake.lots.extend(own.lots())
        tick_ns = self._tick_due(settled_ns)
        stored = patiently(lambda: self._write(intake, memory, tick_ns), "ingest", self._counters, stop)
        if stored is None:
            return False
        self._ticked_ns, self._memory = tick_ns or self._ticked_ns, memory
        self._count(stored)
        self._retention.keep_bounds(self._spool)
        return True

    def _tick_due(self, settled_ns: int) -> int:
        """The tick to write now, 0 when none is due. A clock that was set back ticks on from where it stands now.

        One is due as soon as time has passed a multiple of `tick_s`: that is what the detectors wait for.
        """
        if 0 < settled_ns < self._ticked_ns - _SET_BACK_NS:
            return settled_ns
        return settled_ns if self._passed(settled_ns) > self._passed(self._ticked_ns) else 0

    def _passed(self, at_ns: int) -> int:
        """How many multiples of `tick_s` lie before an instant."""
        return (at_ns - 1) // self._tick_ns

    def _count(self, intake: Intake) -> None:
        self._counters.stored(intake.messages, len(intake), len(intake.dead), len(intake.gaps))
        flagged = sum(gap.missing for gap in intake.gaps if gap.cause is Cause.CLOCK)
        if flagged:
            self._counters.add("readings_clock", flagged)
        for name, amount in (("messages_silent", intake.silent), ("values_left_out", intake.left_out.total())):
            if amount:
                self._counters.add(name, amount)

    def _write(self, intake: Intake, memory: Memory, tick_ns: int) -> Intake:
        """What is durable now. Makes room as long as anything may go; raises SpoolFull when nothing may."""
        while intake.holds_anything or tick_ns or memory != self._memory:
            try:
                return self._commit(intake, memory, tick_ns)
            except SpoolFull:
                if not self._retention.make_room(self._spool):
                    raise
        return intake

    def _commit(self, intake: Intake, memory: Memory, tick_ns: int) -> Intake:
        with self._spool.transaction():
            intake = booked(self._spool, intake)
            self._spool.log.append(gap_frames(intake.gaps))  # before the readings that ended them
            self._spool.log.append(intake.frames(self._spool.series))
            for said in intake.records:
                self._spool.log.say(*said)
            count_taken(self._spool, intake)
            for letter in intake.dead:
                self._spool.dead.add(letter)
            for gap in intake.gaps:
                self._spool.ledger.add(gap)
            if tick_ns:
                self._spool.log.append([tick_frame(tick_ns)])
            keep(self._spool, memory, self._memory)
            for name, body in intake.memories.items():
                self._spool.remember(name, body)
            self._spool.remember(CLOCK, b"%d" % self.clock.settled_ns())
        return intake
