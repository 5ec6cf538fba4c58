"""kill -9 of `andon chain run` in the midst of its work, again and again: what it says equals the run nobody disturbed,
and the exposures that stand at the end equal a cold recomputation.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector import schema
from collector.spool.frames import FrameKind, Record
from collector.spool.spool import Spool
from detectors.chain.exposure import exposures
from detectors.chain.network import Network
from detectors.chain.recovery_book import RecoveryBook
from detectors.chain.run import READER, SHARD, ChainRun
from detectors.chain.standing import Memory, Standing, note_outages
from tests.plant.servers import mosquitto
from tests.plant.teaching_factory import CAPTURE, Site, ended, wait

pytestmark = pytest.mark.plant

KILLS = 5


def said(spool: Spool) -> list[Record]:
    frames = spool.log.read(0, 1_000_000, kinds=(FrameKind.RECORD,))
    return [frame.body for frame in frames if frame.shard == SHARD and isinstance(frame.body, Record)]


def killed_after(site: Site, offset: int) -> None:
    """Starts the chain and kills it when it has dealt with the log up to an offset."""
    process = site.start("chain run")
    try:
        deadline = time.monotonic() + 60
        with Spool.open(site.loaded.spool_path) as spool:
            while spool.log.cursor(READER) < offset and process.poll() is None:
                assert time.monotonic() < deadline, "the chain does not go on"
                time.sleep(0.001)
    finally:
        process.kill()
        process.wait(20)


def standing_cold(network: Network, memory: Memory) -> dict[str, Any]:
    """The exposures of the last instant that was settled, from programmes built anew."""
    at_ns = max(exposure.at_ns for exposure in memory.settled.values())
    book = RecoveryBook(network)
    note_outages(network, book, Standing(memory.open, memory.recovered))
    alerts = tuple(memory.open[key] for key in sorted(memory.open))
    floor = memory.history.as_of(network, at_ns, alerts)
    return {one.key: one for one in exposures(network, floor, at_ns, book=book)}


def assert_kept_equals_cold(network: Network, spool: Spool) -> None:
    """In small steps once all alerts are heard, so that many end while something is exposed."""
    chain, compared = ChainRun(network), 0
    while chain.step(spool, limit=500 if spool.log.end() - spool.log.cursor(READER) > 500 else 5):
        memory = msgspec.msgpack.decode(spool.recall(READER), type=Memory)
        cold = standing_cold(network, memory) if memory.settled else {}
        assert cold.keys() == memory.settled.keys()
        for key, exposure in memory.settled.items():
            compared += 1
            for name in ("time_to_survive_d", "lost", "lost_p80", "lost_p95", "lost_per_d", "gap_p95_d"):
                assert getattr(exposure, name) == pytest.approx(getattr(cold[key], name), rel=1e-9, abs=1e-9)
    assert compared > 10


@pytest.mark.timeout(400)
def test_kill_9_changes_nothing_that_the_chain_says(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker:
        site = Site(tmp_path, broker.port)
        site.subscribe()
        with ended(site.start("collect"), site.start("detect")):
            assert site.start("replay", str(CAPTURE), "--speed", "max").wait(120) == 0
            wait(site.finished, "the run does not end", 120.0)
    network = site.loaded.network
    assert network is not None
    undisturbed, in_small_steps = tmp_path / "undisturbed.sqlite", tmp_path / "in_small_steps.sqlite"
    with Spool.open(site.loaded.spool_path) as spool:
        spool.checkpoint()
        end = spool.log.end()
    for copy in (undisturbed, in_small_steps):
        shutil.copy(site.loaded.spool_path, copy)
    with Spool.open(undisturbed) as spool:
        chain = ChainRun(network)
        while chain.step(spool):
            pass
        wanted = said(spool)
    for turn in range(1, KILLS + 1):
        killed_after(site, end * turn // (KILLS + 1))
    with Spool.open(site.loaded.spool_path) as spool:
        with ended(site.start("chain run")):
            wait(lambda: len(said(spool)) >= len(wanted), "the chain does not end", 60.0)
        assert said(spool) == wanted
    assert len([record for record in wanted if record.measurement == schema.EXPOSURE.name]) > 40
    with Spool.open(in_small_steps) as spool:
        assert_kept_equals_cold(network, spool)
