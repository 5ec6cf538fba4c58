"""An MqttSource beside its counters, and waiting for what it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from collector.clocks.clock import WallClock
from collector.config import BrokerSettings
from collector.health.counters import Counters
from collector.sources.mqtt import MqttSource
from collector.sources.source import Message
from collector.spool.ledger import Gap

FILTERS = ("plant/+",)


class Listening:
    """A source, what it counted, and what it gave so far."""

    def __init__(self, source: MqttSource, counters: Counters) -> None:
        self.source = source
        self.counts = counters.counts
        self.gauges = counters.gauges
        self.messages: list[Message] = []
        self.gaps: list[Gap] = []
        self.is_settled = False

    def receive(self, *, acknowledge: bool = True) -> None:
        """One delivery, kept and acknowledged."""
        delivery = self.source.receive(1000, 0.05)
        self.messages += delivery.messages
        self.gaps += delivery.gaps
        self.is_settled = delivery.is_settled
        if acknowledge:
            delivery.acknowledge()

    def until(
        self, done: Callable[[], bool], otherwise: str, within_s: float = 30.0, *, acknowledge: bool = True
    ) -> None:
        """Receives until it is `done`."""
        deadline = time.monotonic() + within_s
        while not done():
            assert time.monotonic() < deadline, f"{otherwise}: {self.counts}"
            self.receive(acknowledge=acknowledge)

    def counted(self, name: str, times: int = 1) -> None:
        """Receives until `name` was counted so often."""
        self.until(lambda: self.counts.get(name, 0) >= times, f"{name} was not counted {times} times")


@contextmanager
def listening(
    port: int, filters: Sequence[str] = FILTERS, *, folder: Path = Path(), since_ns: int = 0, **settings: Any
) -> Iterator[Listening]:
    counters = Counters()
    broker = BrokerSettings(port=port, **settings)
    source = MqttSource(broker, filters, folder, WallClock(), counters, since_ns=since_ns)
    try:
        yield Listening(source, counters)
    finally:
        source.close()
