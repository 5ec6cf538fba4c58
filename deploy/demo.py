"""The whole house in one process: broker, plant, collector, detectors, chain and board, over a spool of its own.

`run_demo` publishes a site's recording (or its simulated plant) and, when told `until_end`, waits until everything has
been dealt with and writes the report. Time is the plant's own throughout, so the speed changes nothing in the result.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import msgspec

from collector.clocks.clock import PlantClock
from collector.config import BrokerSettings
from collector.errors import AndonError
from collector.health.counters import Counters
from collector.readings import NS_PER_S
from collector.sources.recording import Published, read_recording
from collector.sources.simulated import Plant
from collector.spool.frames import FrameKind
from collector.spool.spool import Spool
from deploy.audit import make_report
from deploy.broker import demo_broker
from deploy.jobs import Jobs
from deploy.publisher import Pace, Publisher, publish_all
from deploy.report import Report
from deploy.report_page import write_report
from deploy.running import start_board, start_chain, start_collector, start_detection
from deploy.site import SiteFile, load_site
from deploy.witness import Witness
from detectors.chain.run import FLOOR_READER, READER
from detectors.engine import dealt_with

SITES = Path(__file__).parent / "sites"
_STORE_WAIT_S = 30.0
_AFTER_END_TICKS = 2  # the clock runs on a little, so that the last readings are looked at


class DemoError(AndonError):
    """The demo cannot go on; the sentence says why."""


class Playback(NamedTuple):
    """What a demo publishes: the messages in order, how many there are (None: not known), and the plant behind them."""

    messages: Iterator[Published]
    total: int | None
    plant: Plant | None


@dataclass(frozen=True)
class DemoOptions:
    """`speed`: plant seconds per second, None as fast as it goes. `report`: the folder to write to at the end."""

    site: str = "teaching_factory"
    speed: float | None = 60.0
    until_end: bool = False
    report: Path | None = None
    board: bool = True
    board_port: int | None = None
    broker_port: int | None = None


@dataclass
class Progress:
    """Who wants to know how far it is; both may be called often."""

    address: Callable[[str], None] = field(default=lambda _address: None)
    published: Callable[[int, int | None, int], None] = field(default=lambda _count, _total, _at_ns: None)


def sites_available() -> list[str]:
    return sorted(folder.name for folder in SITES.iterdir() if (folder / "site.toml").is_file())


def playback_of(folder: Path) -> Playback:
    """The recording `capture.jsonl` or the simulated plant `plant.toml` of a site's folder. Raises DemoError."""
    if (folder / "capture.jsonl").is_file():
        with (folder / "capture.jsonl").open("rb") as lines:
            total = sum(1 for _ in lines)
        return Playback(read_recording(folder / "capture.jsonl"), total, None)
    if (folder / "plant.toml").is_file():
        plant = Plant.load(folder / "plant.toml")
        return Playback((Published(*message) for message in plant.messages()), None, plant)
    raise DemoError(f"{folder}: neither capture.jsonl nor plant.toml; a demo site needs one of them")


def run_demo(options: DemoOptions, progress: Progress, jobs: Jobs) -> Report | None:
    """Runs until the end, or until `jobs.stop` is set; the report when it ran to the end. Raises AndonError."""
    if options.site not in sites_available():
        raise DemoError(f"no demo site {options.site!r}; there is {', '.join(sites_available())}")
    folder = SITES / options.site
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="andon-demo-")))
        port = stack.enter_context(demo_broker(work, options.broker_port))
        site = _on_demo_broker(load_site(folder / "site.toml", spool_path=work / "spool.sqlite"), port)
        clock, counters, witness = PlantClock(), Counters(), Witness()
        site.open_spool().close()
        start_collector(jobs, site, clock, counters, stores=[], watched=witness.over)
        start_detection(jobs, site)
        if site.network is not None:
            start_chain(jobs, site, site.network)
        if options.board:
            progress.address(start_board(jobs, site, port=options.board_port))
        try:
            playback = playback_of(folder)
            _await(lambda: counters.counts.get("broker_subscriptions", 0) > 0, "the collector did not connect", jobs)
            published = _publish(options, playback, site, clock, witness, progress, jobs)
            if options.until_end and not jobs.stop.is_set():
                _await_everything(site, _end_ns(published, site), jobs)
                return _report(options, site, published, playback.plant)
            jobs.stop.wait()
            return None
        finally:
            jobs.end()


def _on_demo_broker(site: SiteFile, port: int) -> SiteFile:
    broker = BrokerSettings(name=site.broker.name, port=port, client_id=site.broker.client_id)
    return replace(site, brokers=(broker,))


def _publish(
    options: DemoOptions,
    playback: Playback,
    site: SiteFile,
    clock: PlantClock,
    witness: Witness,
    progress: Progress,
    jobs: Jobs,
) -> list[Published]:
    publisher = Publisher(site.broker, site.folder, "demo-plant")
    published: list[Published] = []

    def note(message: Published) -> None:
        published.append(message)
        witness.awaits(message)
        progress.published(len(published), playback.total, message.at_ns)

    def wait_stored() -> None:
        _await(witness.has_all, "messages are not stored", jobs)

    try:
        pace = Pace(options.speed, jobs.stop)
        publish_all(
            playback.messages, publisher, pace, jobs.stop, on_message=note, clock=clock, wait_stored=wait_stored
        )
        if published and not jobs.stop.is_set():
            wait_stored()
            clock.settle(_end_ns(published, site))
    finally:
        publisher.close()
    return published


def _end_ns(published: Sequence[Published], site: SiteFile) -> int:
    last_ns = published[-1].at_ns if published else 0
    return last_ns + int(_AFTER_END_TICKS * site.clock.tick_s * NS_PER_S)


def _await_everything(site: SiteFile, end_ns: int, jobs: Jobs) -> None:
    """Waits until detectors and chain have dealt with the whole log, the tick at `end_ns` included."""
    with site.open_spool() as spool:

        def is_done() -> bool:
            detected = spool.log.clock_ns() >= end_ns and dealt_with(spool) == spool.log.end()
            return detected and (site.network is None or not _left_to_the_chain(spool))

        _await(is_done, "detectors and chain are not done", jobs, wait_s=600.0)


def _left_to_the_chain(spool: Spool) -> bool:
    log = spool.log
    unheard = log.read(log.cursor(READER), 1, kinds=(FrameKind.RECORD,))
    return bool(unheard or log.read(log.cursor(FLOOR_READER), 1, kinds=(FrameKind.BATCH, FrameKind.TICK)))


def _report(options: DemoOptions, site: SiteFile, published: Sequence[Published], plant: Plant | None) -> Report:
    """The report; beside it, for a simulated plant, truth.json: what really happened."""
    truth = plant.truth() if plant else None
    with site.open_spool() as spool:
        report = make_report(options.site, published, site.decoder(PlantClock()), spool, truth)
    if options.report is not None:
        write_report(report, options.report)
        if truth is not None:
            (options.report / "truth.json").write_bytes(msgspec.json.format(msgspec.json.encode(truth), indent=2))
    return report


def _await(done: Callable[[], bool], otherwise: str, jobs: Jobs, wait_s: float = _STORE_WAIT_S) -> None:
    deadline = time.monotonic() + wait_s
    while not done():
        jobs.check()
        if jobs.stop.is_set():
            return
        if time.monotonic() > deadline:
            raise DemoError(f"{otherwise} after {wait_s:.0f} s; see the log above")
        time.sleep(0.002)
