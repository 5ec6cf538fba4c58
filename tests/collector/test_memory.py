"""The formats' memory in the spool: it is there after a kill, a small change writes little, older spools are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import msgspec
import pytest

from collector.clocks.clock import WallClock
from collector.config import Site, SpoolSettings
from collector.decoder import Decoder
from collector.health.counters import Counters
from collector.memory import keep, recalled
from collector.pump import Appender
from collector.readings import NS_PER_S, Batch
from collector.retention import Retention
from collector.sources.source import Message
from collector.spool.frames import FrameKind
from collector.spool.spool import Spool
from collector.topics import TopicTemplate
from tests.collector.sparkplug_nodes import Node, new_format, ns

SITE = Site(enterprise="nev", name="any")


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool.sqlite") as opened:
        yield opened


def new_decoder(spool: Spool) -> Decoder:
    """As after a start on this spool."""
    decoder = Decoder([(TopicTemplate("spBv1.0/#"), new_format())], WallClock())
    decoder.restore(recalled(spool))
    return decoder


def stored(spool: Spool) -> int:
    frames = spool.log.read(0, 1000, kinds=(FrameKind.BATCH,))
    return sum(len(frame.body) for frame in frames if isinstance(frame.body, Batch))


def test_what_waits_for_its_turn_is_on_disk_with_the_append_that_took_it_in(spool: Spool, tmp_path: Path) -> None:
    """Sparkplug data is sent at QoS 0: nobody would send it again."""
    counters, node = Counters(report_every_s=None), Node()

    def take_in(into: Spool, messages: list[Message], now_ns: int) -> None:
        decoder = new_decoder(into)
        appender = Appender(
            into, SITE, WallClock(), 5 * NS_PER_S, Retention(SpoolSettings(), counters, detected=False), counters
        )
        assert appender.append(decoder.decode(messages, now_ns=now_ns), decoder.snapshot(), 0, Event())

    births, late, early = node.born(0), node.data(1), node.data(2)
    take_in(spool, [*births, early], ns(2))
    assert stored(spool) == 2
    with Spool.open(tmp_path / "spool.sqlite") as after_a_kill:
        take_in(after_a_kill, [late._replace(received_ns=ns(3))], ns(3))
        assert stored(after_a_kill) == 6
        take_in(after_a_kill, [], ns(9))
        assert (stored(after_a_kill), after_a_kill.ledger.read()) == (6, [])


def test_only_what_changed_is_written(spool: Spool) -> None:
    memory = {f"part {i}": bytes(1000) for i in range(100)}
    with spool.transaction():
        keep(spool, memory, {})
    before = recalled(spool)
    assert before == memory
    changed = {**memory, "part 7": b"other"}
    del changed["part 8"]
    written: list[str] = []
    spool_of_record = _Noting(spool, written)
    with spool.transaction():
        keep(spool_of_record, changed, before)  # type: ignore[arg-type]
    assert written == ["decoder part 7", "-decoder part 8"]
    assert recalled(spool) == changed


class _Noting:
    """A spool that notes what is written through it."""

    def __init__(self, spool: Spool, written: list[str]) -> None:
        self._spool, self._written = spool, written

    def remember(self, name: str, body: bytes) -> None:
        self._written.append(name)
        self._spool.remember(name, body)

    def forget(self, name: str) -> None:
        self._written.append(f"-{name}")
        self._spool.forget(name)


def test_the_memory_of_an_older_spool_is_read_and_the_newer_goes_before_it(spool: Spool) -> None:
    with spool.transaction():
        spool.remember("decoder", msgspec.msgpack.encode({"a": b"old", "b": b"old"}))
    assert recalled(spool) == {"a": b"old", "b": b"old"}
    with spool.transaction():
        keep(spool, {"a": b"new", "b": b"old"}, recalled(spool))
    assert recalled(spool) == {"a": b"new", "b": b"old"}
