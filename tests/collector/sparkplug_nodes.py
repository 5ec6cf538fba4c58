"""Edge nodes for tests: what one publishes from birth to death, counted by itself, and what a format makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from collector.config import Site
from collector.formats.format import BadPayload, Due
from collector.formats.sparkplug_b import Options, SparkplugB, build
from collector.formats.sparkplug_b.payload import Datatype, Metric, Payload, encode
from collector.readings import NS_PER_S, Reading
from collector.sources.source import Message, Saying
from collector.spool.dead import DeadLetter
from collector.spool.ledger import Gap
from collector.topics import TopicTemplate

START_S = 1_772_409_600  # 2026-03-02
REBIRTH_CONTROL = Metric(False, "Device Control/Rebirth", datatype=Datatype.BOOLEAN)


def ns(at_s: float) -> int:
    """UTC ns of a second of the test."""
    return START_S * NS_PER_S + int(at_s * NS_PER_S)


def new_format(**options: object) -> SparkplugB:
    site = Site(enterprise="nev", name="any")
    return build(msgspec.convert(options, Options), site, TopicTemplate("spBv1.0/#"))


@dataclass
class Node:
    """Publishes as group `g`; `device` has the metrics `m0`, `m1`, ... under aliases from 1 on, and with
    `takes_rebirth` one by which it can be asked for its birth."""

    name: str = "n"
    device: str = "d"
    metrics: int = 2
    bd_seq: int = -1
    seq: int = 0
    takes_rebirth: bool = False

    def born(self, at_s: float) -> list[Message]:
        """NBIRTH and the device's DBIRTH."""
        self.bd_seq, self.seq = (self.bd_seq + 1) % 256, 0
        stamp_ms = ns(at_s) // 1_000_000
        own = (Metric(self.bd_seq, "bdSeq", None, stamp_ms, Datatype.INT64),)
        return [self._says("NBIRTH", at_s, own), self.device_born(at_s, *self.declared(at_s))]

    def declared(self, at_s: float) -> list[Metric]:
        """What the device's birth holds."""
        stamp_ms = ns(at_s) // 1_000_000
        own = [Metric(0.0, f"m{i}", i + 1, stamp_ms, Datatype.DOUBLE) for i in range(self.metrics)]
        return [*own, REBIRTH_CONTROL] if self.takes_rebirth else own

    def device_born(self, at_s: float, *metrics: Metric) -> Message:
        """A DBIRTH of these metrics."""
        return self._says("DBIRTH", at_s, metrics)

    def data(self, at_s: float, value: float = 1.0) -> Message:
        """All metrics of the device, by alias."""
        metrics = tuple(Metric(value, "", i + 1, None, Datatype.DOUBLE) for i in range(self.metrics))
        return self._says("DDATA", at_s, metrics)

    def lost(self, count: int = 1) -> None:
        """Messages that never arrive."""
        self.seq = (self.seq + count) % 256

    def died(self, at_s: float, bd_seq: int | None = None) -> Message:
        """The will of the present connection, or of another."""
        metric = Metric(self.bd_seq if bd_seq is None else bd_seq, "bdSeq", datatype=Datatype.INT64)
        return Message(f"spBv1.0/g/NDEATH/{self.name}", encode(Payload(0, None, (metric,))), ns(at_s))

    def device_died(self, at_s: float) -> Message:
        return self._says("DDEATH", at_s, ())

    def _says(self, verb: str, at_s: float, metrics: tuple[Metric, ...]) -> Message:
        payload = encode(Payload(ns(at_s) // 1_000_000, self.seq, metrics))
        self.seq = (self.seq + 1) % 256
        device = f"/{self.device}" if verb.startswith("D") else ""
        return Message(f"spBv1.0/g/{verb}/{self.name}{device}", payload, ns(at_s))


@dataclass
class Heard:
    """Everything a format said, in order."""

    form: SparkplugB
    readings: list[Reading] = field(default_factory=list)
    received_ns: list[int] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    says: list[tuple[int, Saying]] = field(default_factory=list)

    def hear(self, messages: Iterable[Message], *, on_time: bool = True) -> Heard:
        """Each message, and what is due at its time."""
        for message in messages:
            try:
                decoded = self.form.decode(message)
                self.readings += decoded.readings
                self.received_ns += decoded.readings.received_ns
                self.gaps += decoded.gaps
            except BadPayload as bad:
                self.bad.append(str(bad))
            if on_time:
                self.wait(message.received_ns)
        return self

    def wait(self, now_ns: int) -> Due:
        due = self.form.due(now_ns)
        self.readings += due.readings
        self.received_ns += due.readings.received_ns
        self.gaps += due.gaps
        self.dead += due.dead
        self.says += [(now_ns, saying) for saying in due.says]
        return due

    @property
    def missing(self) -> int:
        return sum(gap.missing for gap in self.gaps)

    def values(self, metric: str = "m0") -> list[float]:
        return [reading.value for reading in self.readings if reading.series.metric == metric]
