"""The two loops of the collector: `ingest` puts what arrives on disk, `drain` carries it on to a store."""

from __future__ import annotations

import logging
import random
from threading import Event

from collector.clock import Clock
from collector.config import Site
from collector.decoder import Decoder, Intake
from collector.health import Counters
from collector.rows import rows
from collector.sinks.sink import Sink, SinkRejected, SinkUnavailable
from collector.sources.source import Source
from collector.spool.dead import DeadLetter
from collector.spool.frames import tick_frame
from collector.spool.retention import Retention
from collector.spool.spool import Spool, SpoolFull

log = logging.getLogger(__name__)

GROUP_MESSAGES = 1000
GROUP_WAIT_S = 0.2
_FRAMES_PER_WRITE = 50
_RETRY_FROM_S, _RETRY_TO_S = 0.5, 30.0
MEMORY = "decoder"


def ingest(source: Source, decoder: Decoder, appender: Appender, stop: Event) -> None:
    """Receives, decodes, appends, and only then acknowledges; ends when told to stop."""
    while not stop.is_set():
        delivery = source.receive(GROUP_MESSAGES, GROUP_WAIT_S)
        intake = decoder.decode(delivery.messages)
        if appender.append(intake, decoder.snapshot(), stop):
            delivery.acknowledge()
            appender.counters.add("messages_stored", len(delivery.messages))


def drain(name: str, sink: Sink, spool: Spool, counters: Counters, stop: Event) -> None:
    """Carries the log to a store, moving the cursor only past what is durable there; ends when told to stop."""
    reader, retry_s = f"sink:{name}", _RETRY_FROM_S
    while not stop.is_set():
        frames = spool.log.read(spool.log.cursor(reader), _FRAMES_PER_WRITE)
        if not frames:
            stop.wait(GROUP_WAIT_S)
            continue
        lines = [line for frame in frames for line in rows(frame, spool.series)]
        refused: list[DeadLetter] = []
        try:
            sink.write(lines)
        except SinkUnavailable as error:
            counters.sink_down(name, str(error))
            stop.wait(error.retry_after_s or retry_s * random.uniform(0.5, 1.0))
            retry_s = min(2 * retry_s, _RETRY_TO_S)
            continue
        except SinkRejected as error:
            refused = [DeadLetter(f"sink:{name}", lines[i], str(error), frames[-1].at_ns) for i in error.indices]
        with spool.transaction():
            for letter in refused:
                spool.dead.add(letter)
            spool.log.advance(reader, frames[-1].offset)
        counters.sink_up(name, len(lines) - len(refused))
        retry_s = _RETRY_FROM_S


class Appender:
    """Puts intakes into the spool, each with the formats' memory and the ticks that are due, in one transaction."""

    def __init__(
        self, spool: Spool, site: Site, clock: Clock, tick_ns: int, retention: Retention, counters: Counters
    ) -> None:
        self._spool = spool
        self._site = site
        self._clock = clock
        self._tick_ns = tick_ns
        self._retention = retention
        self.counters = counters
        self._ticked_ns = spool.log.clock_ns()

    def append(self, intake: Intake, memory: bytes, stop: Event) -> bool:
        """True when durable. A full spool drops what may go, then waits for room; False when stopped meanwhile."""
        now_ns = self._clock.now_ns()
        intake.readings.extend((reading, now_ns) for reading in self.counters.due(self._site, now_ns))
        while True:
            try:
                self._write(intake, memory)
            except SpoolFull as full:
                if self._retention.make_room(self._spool) == 0:
                    self.counters.spool_full(str(full))
                    stop.wait(1.0)
                if stop.is_set():
                    return False
                continue
            self.counters.stored(len(intake.readings), len(intake.dead), len(intake.gaps))
            self._retention.keep_bounds(self._spool)
            return True

    def _write(self, intake: Intake, memory: bytes) -> None:
        tick_ns = self._due_tick()
        if not (intake.readings or intake.dead or intake.gaps or tick_ns):
            return
        with self._spool.transaction():
            self._spool.log.append(intake.frames(self._spool.series))
            for letter in intake.dead:
                self._spool.dead.add(letter)
            for gap in intake.gaps:
                self._spool.ledger.add(gap)
            if tick_ns:
                self._spool.log.append([tick_frame(tick_ns)])
            self._spool.remember(MEMORY, memory)
        self._ticked_ns = tick_ns or self._ticked_ns

    def _due_tick(self) -> int:
        """The instant to tick at now, 0 when none is due."""
        settled_ns = self._clock.settled_ns()
        return settled_ns if settled_ns - self._ticked_ns >= self._tick_ns else 0
