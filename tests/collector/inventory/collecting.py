"""A collector of stock signals on a real spool, for tests; as a program it collects until it is killed.

`python -m tests.collector.inventory.collecting FOLDER` reads FOLDER/in into FOLDER/spool.sqlite, a line per commit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Literal

from collector.clocks.clock import WallClock
from collector.config import DropSettings, Site, SpoolSettings
from collector.decoder import Decoder
from collector.formats import stock_signals
from collector.health.counters import Counters
from collector.memory import recalled
from collector.pump import Appender, ingest
from collector.readings import Batch
from collector.retention import Retention
from collector.sources.drop_folder import DropFolder
from collector.sources.several import Several
from collector.sources.source import Delivery, Message
from collector.spool.frames import FrameKind, Record
from collector.spool.spool import Spool
from collector.topics import TopicTemplate

SITE = Site(enterprise="e", name="nanjing")
TOPIC = TopicTemplate("andon/v1/{site}/{signal}")
MOVEMENTS = DropSettings(folder="in", topic="andon/v1/nanjing/movement", settle_s=0.0)


class Listed:
    """A source of given messages; ends the loop when it is waited for and has none."""

    def __init__(self, messages: Sequence[Message], stop: Event) -> None:
        self._messages = list(messages)
        self._stop = stop

    def receive(self, limit: int, wait_s: float) -> Delivery:
        taken, self._messages = self._messages[:limit], self._messages[limit:]
        if not taken and wait_s:
            self._stop.set()
        return Delivery(taken, lambda: None)

    def close(self) -> None:
        self._messages = []


def decoder(time_unit: Literal["s", "ms"] = "ms") -> Decoder:
    options = stock_signals.Options(time_unit=time_unit)
    return Decoder([(TOPIC, stock_signals.build(options, SITE, TOPIC))], WallClock())


def collect(
    spool: Spool,
    messages: Sequence[Message] = (),
    drops: Sequence[DropSettings] = (),
    *,
    reader: Decoder | None = None,
) -> Counters:
    """Collects until there is nothing more."""
    stop, clock, counted = Event(), WallClock(), Counters(report_every_s=None)
    folders = [DropFolder(one, spool.path.parent, clock, counted, spool.recall) for one in drops]
    appender = Appender(spool, SITE, clock, 10**9, Retention(SpoolSettings(), counted), counted)
    reader = reader or decoder()
    reader.restore(recalled(spool))
    ingest(Several(Listed(messages, stop), folders), reader, appender, stop)
    return counted


def on_hand(spool: Spool, item: str = "igbt") -> float | None:
    """The last figure said of an item of the site."""
    return figures(spool).get(f"nanjing/inventory/{item}:on_hand")


def figures(spool: Spool) -> dict[str, float]:
    """The last value of every series."""
    last: dict[str, float] = {}
    for frame in spool.log.read(0, 1_000_000, kinds=(FrameKind.BATCH,)):
        if isinstance(frame.body, Batch):
            for number, value in zip(frame.body.series.tolist(), frame.body.value.tolist(), strict=True):
                last[spool.series[number].name] = value
    return last


def records(spool: Spool, measurement: str) -> list[Record]:
    bodies = [frame.body for frame in spool.log.read(0, 1_000_000, kinds=(FrameKind.RECORD,))]
    return [body for body in bodies if isinstance(body, Record) and body.measurement == measurement]


class Told:
    """Small deliveries, each told once it is acknowledged; so that a kill falls among them."""

    def __init__(self, drop: DropFolder, tell: Callable[[int], None]) -> None:
        self._drop = drop
        self._tell = tell

    def receive(self, limit: int, wait_s: float) -> Delivery:
        delivery = self._drop.receive(20)

        def acknowledge() -> None:
            delivery.acknowledge()
            self._tell(len(delivery.messages))

        return Delivery(delivery.messages, acknowledge, delivery.gaps, True, delivery.dead, delivery.memories)

    def close(self) -> None:
        """Nothing is open."""


def collect_for_ever(folder: Path) -> None:
    counters, clock = Counters(report_every_s=None), WallClock()
    with Spool.open(folder / "spool.sqlite") as spool:
        appender = Appender(spool, SITE, clock, 10**9, Retention(SpoolSettings(), counters), counters)
        drop = DropFolder(MOVEMENTS, folder, clock, counters, spool.recall)
        ingest(Told(drop, lambda rows: print(rows, flush=True)), decoder(), appender, Event())


if __name__ == "__main__":
    collect_for_ever(Path(sys.argv[1]))
