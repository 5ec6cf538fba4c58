"""R5 and the large spool: a full disk, one that takes no writes, and a backlog that nobody waits for at a start.

ANDON_BACKLOG_MB=1000 makes the backlog as large as the issue asks; without it a tenth of that is made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from collector.clocks.clock import WallClock
from collector.config import Site, SpoolSettings
from collector.decoder import Decoder
from collector.health.counters import Counters
from collector.pump import Appender, ingest
from collector.readings import NS_PER_S
from collector.retention import Retention
from collector.sources.source import Delivery, Message
from collector.spool.frames import FrameKind, Record
from collector.spool.ledger import Cause
from collector.spool.spool import Spool
from collector.topics import TopicTemplate
from deploy.bench.append import ready_after_kill
from tests.collector.test_pump import Listed, Numbers, batches
from tests.plant.teaching_factory import wait

pytestmark = pytest.mark.plant

SITE = Site(enterprise="e", name="site")
BACKLOG_BYTES = int(os.environ.get("ANDON_BACKLOG_MB", "100")) * 1_000_000
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a small disk, a file that takes no writes")


class Endless:
    """A source that never runs out of numbered readings and counts what was acknowledged."""

    def __init__(self) -> None:
        self.sent = 0
        self.acknowledged = 0

    def receive(self, limit: int, wait_s: float) -> Delivery:
        time.sleep(0.001)
        sent = self.sent = self.acknowledged + 20  # what was not acknowledged comes again
        messages = [Message("level", f"{i} {i * 0.5}".encode(), NS_PER_S) for i in range(self.acknowledged, sent)]
        return Delivery(messages, lambda: self._note(sent))

    def close(self) -> None:
        """Nothing is held."""

    def _note(self, sent: int) -> None:
        self.acknowledged = sent


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("this machine does not let root mount a small disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def appender(spool: Spool, counters: Counters) -> Appender:
    retention = Retention(SpoolSettings(max_mb=100.0), counters, detected=False)
    retention.hold_reserve(spool)
    return Appender(spool, SITE, WallClock(), NS_PER_S, retention, counters)


def lost(spool: Spool) -> list[tuple[str, Cause]]:
    """Of what and why anything is missing; these readings' own times, which are made up, set aside."""
    return [(gap.asset, gap.cause) for gap in spool.ledger.read() if gap.cause is not Cause.CLOCK]


def decoder() -> Decoder:
    return Decoder([(TopicTemplate("level"), Numbers())], WallClock())


@as_root
def test_a_full_disk_costs_the_oldest_readings_and_no_alert_and_is_said(small_disk: Path) -> None:
    counters, stop = Counters(report_every_s=None), Event()
    said = Record("alert_event", {"site": "site"}, {"title": "short"}, 1, key="a", detail={"state": "acknowledged"})
    with Spool.open(small_disk / "spool.sqlite", max_mb=100.0) as spool:
        with spool.transaction():
            spool.log.enrol(["sink:store"], among="sink:")
            spool.log.say("site/line", "alert|a", said)
        writing = appender(spool, counters)
        (small_disk / "somebody else's").write_bytes(bytes(2_200_000))
        source = Listed([f"{i} {i * 0.37}".encode() for i in range(30_000)], stop, group=4)
        ingest(source, decoder(), writing, stop)
        assert source.acknowledged == 30_000
        assert set(lost(spool)) == {("site/line", Cause.EVICTED)}
        assert sum(map(len, batches(spool))) + spool.ledger.total(Cause.EVICTED) == 30_000
        assert counters.counts["readings_evicted"] == spool.ledger.total(Cause.EVICTED)
        assert [frame.body for frame in spool.log.read(0, 100_000, kinds=(FrameKind.RECORD,))] == [said]
        full_bytes = spool.size_bytes()
        (small_disk / "somebody else's").unlink()
        stop = Event()
        source = Listed([f"{i} {i * 0.37}".encode() for i in range(30_000, 45_000)], stop, group=4)
        ingest(source, decoder(), writing, stop)
        assert spool.size_bytes() > full_bytes, "with room on the disk again it grows again"
        assert sum(map(len, batches(spool))) + spool.ledger.total(Cause.EVICTED) == 45_000


@as_root
def test_a_disk_that_takes_no_writes_is_waited_for(tmp_path: Path) -> None:
    counters, stop, source = Counters(report_every_s=None), Event(), Endless()
    with Spool.open(tmp_path / "spool.sqlite") as spool:
        loop = Thread(target=ingest, args=(source, decoder(), appender(spool, counters), stop))
        loop.start()
        try:
            wait(lambda: source.acknowledged > 100, "nothing was stored", 20.0)
            with read_only(tmp_path):
                wait(lambda: counters.counts.get("ingest_held_up", 0) > 1, "nobody was held up", 20.0)
                stood_at = source.acknowledged
                assert loop.is_alive()
            wait(lambda: source.acknowledged > stood_at + 100, "it does not go on", 20.0)
        finally:
            stop.set()
            loop.join()
        stored = [value for batch in batches(spool) for value in batch.value.tolist()]
        assert stored == [i * 0.5 for i in range(source.acknowledged)]
        assert lost(spool) == []


class read_only:  # noqa: N801 reads as the state of a disk
    """The spool's files in a folder take no writes, from anybody who has them open either."""

    def __init__(self, folder: Path) -> None:
        self._files = [str(folder / name) for name in ("spool.sqlite", "spool.sqlite-wal")]

    def __enter__(self) -> None:
        if not shutil.which("chattr") or subprocess.run(["chattr", "+i", *self._files], check=False).returncode:
            pytest.skip("this file system does not let root write-protect an open file")

    def __exit__(self, *exc: object) -> None:
        subprocess.run(["chattr", "-i", *self._files], check=True)


def test_a_large_backlog_is_ready_at_once_after_a_kill(tmp_path: Path) -> None:
    ready_s, growth_mb = ready_after_kill(tmp_path / "spool.sqlite", BACKLOG_BYTES)
    print(f"{BACKLOG_BYTES / 1e6:.0f} MB: ready in {ready_s:.2f} s, {growth_mb:.0f} MB more memory")
    assert ready_s < 5.0
    assert growth_mb < 50.0
