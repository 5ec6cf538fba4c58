"""The teaching factory's capture through collector and detectors, without the wire.

The messages are the teaching factory's real capture, so what is measured is decoding and storing real payloads. Nothing
is published: the wire is not part of these figures.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from collector.clocks.clock import MessageClock
from collector.health.counters import Counters
from collector.pump import Appender, ingest
from collector.readings import NS_PER_S, Batch
from collector.retention import Retention
from collector.sources.replay import ReplaySource
from collector.spool.frames import FrameKind
from collector.spool.spool import Spool
from deploy.bench.figure import Figure
from deploy.site import SiteFile, load_site

_SITE = Path(__file__).parent.parent / "sites" / "teaching_factory"


FIGURES = (
    Figure("collector: decode, append, sync", "readings/s"),
    Figure("collector: messages", "messages/s"),
    Figure("spool: batches on disk", "bytes/reading"),
    Figure("spool: whole file", "bytes/reading"),
    Figure("detectors: four rules, alerts, records", "readings/s"),
)


def once() -> Sequence[float]:
    """One run on a fresh spool."""
    return _collect_and_detect(load_site(_SITE / "site.toml"))


def _collect_and_detect(site: SiteFile) -> Sequence[float]:
    """The figures in their order."""
    from detectors.worker import Detection

    with (
        tempfile.TemporaryDirectory(prefix="andon-bench-") as folder,
        Spool.open(Path(folder) / "spool.sqlite") as spool,
    ):
        began = time.perf_counter()
        messages = _collect(site, spool)
        collected_s = time.perf_counter() - began
        readings, batch_bytes = _stored(spool)
        file_bytes = spool.size_bytes()
        began = time.perf_counter()
        detection = Detection(spool, site.rules, site.detect, site.calendar, flow=site.flow)
        while detection.step():
            pass
        detected_s = time.perf_counter() - began
    return (
        readings / collected_s,
        messages / collected_s,
        batch_bytes / readings,
        file_bytes / readings,
        readings / detected_s,
    )


def _collect(site: SiteFile, spool: Spool) -> int:
    clock, counters, stop = MessageClock(), Counters(report_every_s=None), Event()
    source = ReplaySource(_SITE / "capture.jsonl", clock, stop)
    tick_ns = int(site.clock.tick_s * NS_PER_S)
    appender = Appender(spool, site.site, clock, tick_ns, Retention(site.spool, counters), counters)
    ingest(source, site.decoder(clock), appender, stop)
    return counters.counts["messages_stored"]


def _stored(spool: Spool) -> tuple[int, int]:
    """How many readings the log holds, and how many bytes their batches take."""
    from collector.spool.frames import pack

    frames = spool.log.read(0, 1_000_000, kinds=(FrameKind.BATCH,))
    batches = [frame.body for frame in frames if isinstance(frame.body, Batch)]
    return sum(map(len, batches)), sum(len(pack(batch)) for batch in batches)
