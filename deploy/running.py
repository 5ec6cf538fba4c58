"""The jobs of a site, each a function of the site and a stop event, wired once for `collect`, `detect`, `chain`,
`board` and the demo, which runs them all in one process.

Every job opens its own spool connection in its own thread. What a gateway need not have installed (the solver, the
board's server) is imported by the job that uses it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event

from collector.clocks.clock import Clock, WallClock
from collector.health.counters import Counters
from collector.historian import EVERY_S as HISTORY_EVERY_S
from collector.historian import READER as HISTORY_READER
from collector.historian import Historian
from collector.lanes import enrol
from collector.memory import recalled
from collector.patience import patiently, work_until
from collector.pump import Appender, drain, ingest, reader_of, remembered_clock_ns
from collector.readings import NS_PER_S
from collector.retention import Retention
from collector.sources.source import Source
from collector.spool.claim import CollectorClaim
from collector.spool.spool import Spool
from deploy.jobs import Jobs
from deploy.own_health import reporting, start_health, start_survey
from deploy.site import SiteFile, Store
from detectors.chain.network import Network

log = logging.getLogger(__name__)

_IDLE_S = 0.05
_WATCHER_S = 5.0


def start_collector(
    jobs: Jobs,
    site: SiteFile,
    clock: Clock,
    counters: Counters,
    stores: Sequence[Store],
    watched: Callable[[Source], Source] = lambda source: source,
) -> None:
    """Starts the ingest loop over the site's broker and one drain per store; `watched` sees what goes to disk."""
    decoder = site.decoder(clock)
    start_health(jobs, site, counters, site.health.collect_port)
    counters.ask(decoder.gauges)
    counters.stored(0, 0, 0, 0)  # known from the first report on, so that its rates are
    readers = [reader_of(store.name) for store in stores]

    def collect(stop: Event) -> None:
        _await_time(clock, stop)
        with CollectorClaim(site.spool_path), site.open_spool() as spool:
            patiently(lambda: _enrol(spool, site, readers), "ingest", counters, stop)
            decoder.restore(recalled(spool))
            retention = Retention(site.spool, counters, detected=site.detects)
            retention.hold_reserve(spool)
            appender = Appender(spool, site.site, clock, int(site.clock.tick_s * NS_PER_S), retention, counters)
            last_ns = remembered_clock_ns(spool) if isinstance(clock, WallClock) else 0
            source = watched(site.source(clock, counters, since_ns=last_ns, recall=spool.recall))
            try:
                ingest(source, decoder, appender, stop)
            finally:
                source.close()

    jobs.start("ingest", collect)
    jobs.start("history", _keeping_history(site, counters))
    for store in stores:
        jobs.start(f"drain {store.name}", _draining(site, store, clock, counters))
    start_survey(jobs, site, counters, clock, [store.name for store in stores])


def _enrol(spool: Spool, site: SiteFile, readers: Sequence[str]) -> None:
    """Whom retention waits for from now on: the stores of site.toml, and the chain only where there is one."""
    with spool.transaction():
        enrol(spool, readers)
        if site.network is None:
            spool.log.enrol([], among="chain")


def start_detection(jobs: Jobs, site: SiteFile, clock: Clock | None = None, counters: Counters | None = None) -> None:
    """Starts the detectors of every line; with `counters`, they watch themselves as a process of their own."""
    from detectors.worker import Detection

    clock, own = clock or WallClock(), counters or Counters(report_every_s=None, process="detection")

    def detect(stop: Event) -> None:
        with site.open_spool() as spool:
            detection = Detection(spool, site.rules, site.detect, site.calendar, alerts=site.alerts, flow=site.flow)
            work_until(stop, reporting(detection.step, site, spool, own, clock), "detection", own, _IDLE_S)

    if counters is not None:
        start_health(jobs, site, counters, site.health.detect_port)
        start_survey(jobs, site, counters, clock, None)
    jobs.start("detect", detect)


def start_watcher(jobs: Jobs, site: SiteFile, clock: Clock, counters: Counters) -> None:
    """Starts the watch over the detectors, in a process that is not theirs; where none are meant to run, nothing."""
    from detectors.watcher import Watcher

    def watch(stop: Event) -> None:
        with site.open_spool() as spool:
            limit_s, levels_s = site.health.detection_lag_s, site.detect.levels_s
            watcher = Watcher(spool, site.site.name, limit_s=limit_s, levels_s=levels_s)

            def look() -> int:
                return watcher.step(clock.now_ns(), time.monotonic())

            work_until(stop, look, "watcher", counters, _WATCHER_S)

    if site.detects:
        jobs.start("watcher", watch)


def start_chain(
    jobs: Jobs, site: SiteFile, network: Network, clock: Clock | None = None, counters: Counters | None = None
) -> None:
    """Starts the recomputation of the chain's exposure on every change of an alert; `counters` as in detection."""
    from detectors.chain.run import FLOOR_READER, READER, ChainRun

    clock, own = clock or WallClock(), counters or Counters(report_every_s=None, process="chain")

    def follow(stop: Event) -> None:
        with site.open_spool() as spool:
            with spool.transaction():
                spool.log.enrol([READER, FLOOR_READER], among=READER)
            chain = ChainRun(network, own)
            work_until(stop, reporting(lambda: chain.step(spool), site, spool, own, clock), "chain", own, _IDLE_S)

    if counters is not None:
        start_health(jobs, site, counters, site.health.chain_port)
    jobs.start("chain", follow)


def start_board(jobs: Jobs, site: SiteFile, host: str | None = None, port: int | None = None) -> str:
    """Starts the local board; returns its address. Raises AndonError when it cannot listen there."""
    from dashboards.live.allowed_hosts import AllowedHosts
    from dashboards.live.app import board_app
    from dashboards.live.from_grafana import grafana_of
    from dashboards.live.server import serve

    settings = site.board
    host = host or settings.host
    app = board_app(
        site.spool_path,
        title=site.site.name,
        timezone=site.site.timezone,
        calendar=site.calendar,
        network=site.network,
        allowed=AllowedHosts.of_host(host, settings.names),
        grafana=grafana_of(
            settings.grafana_url,
            site.folder / settings.grafana_key_file if settings.grafana_key_file else None,
            settings.grafana_token_s,
        ),
    )
    board = serve(app, host, settings.port if port is None else port)

    def stand_by(stop: Event) -> None:
        stop.wait()
        board.stop()

    jobs.start("board", stand_by)
    return board.address


def _await_time(clock: Clock, stop: Event) -> None:
    """On a machine that does not know the time yet, everything would look a day ahead: waits until it does."""
    if isinstance(clock, WallClock) and not clock.is_set():
        log.error("clock.unset; waiting until this machine knows the time (start its time service)")
        while not clock.is_set() and not stop.wait(1.0):
            pass


def _keeping_history(site: SiteFile, counters: Counters) -> Callable[[Event], None]:
    """The spool's own history, from which boards draw days and weeks."""

    def keep(stop: Event) -> None:
        with site.open_spool() as spool:
            patiently(partial(_enrol_history, spool), "history", counters, stop)
            historian = Historian(site.spool, counters)
            work_until(stop, lambda: historian.step(spool), "history", counters, HISTORY_EVERY_S)

    return keep


def _enrol_history(spool: Spool) -> None:
    with spool.transaction():
        spool.log.enrol([HISTORY_READER], among=HISTORY_READER)


def _draining(site: SiteFile, store: Store, clock: Clock, counters: Counters) -> Callable[[Event], None]:
    def carry(stop: Event) -> None:
        try:
            with site.open_spool() as spool:
                drain(store.name, store.sink, spool, clock, counters, stop, store.pace)
        finally:
            store.sink.close()

    return carry
