"""The jobs of a site, each a function of the site and a stop event, wired once for `collect`, `detect`, `chain`,
`board` and the demo, which runs them all in one process.

Every job opens its own spool connection in its own thread. What a gateway need not have installed (the solver, the
board's server) is imported by the job that uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

from collector.clock import Clock
from collector.health import Counters
from collector.pump import MEMORY, Appender, drain, ingest
from collector.readings import NS_PER_S
from collector.sinks.sink import Sink
from collector.sources.mqtt import MqttSource
from collector.spool.retention import Retention
from deploy.crew import Crew
from deploy.site import SiteFile
from detectors.chain.network import Network


def start_collector(
    crew: Crew, site: SiteFile, clock: Clock, counters: Counters, sinks: Sequence[tuple[str, Sink]]
) -> None:
    """Starts the ingest loop over the site's broker and one drain per store."""
    decoder = site.decoder(clock)

    def collect(stop: Event) -> None:
        with site.open_spool() as spool:
            decoder.restore(spool.recall(MEMORY))
            appender = Appender(
                spool, site.site, clock, int(site.clock.tick_s * NS_PER_S), Retention(site.spool), counters
            )
            source = MqttSource(site.broker, decoder.filters, site.folder, clock, counters)
            try:
                ingest(source, decoder, appender, stop)
            finally:
                source.close()

    crew.start("ingest", collect)
    for name, sink in sinks:
        crew.start(f"drain {name}", _draining(site, name, sink, counters))


def start_detection(crew: Crew, site: SiteFile) -> None:
    """Starts the detectors of every line."""
    from detectors.worker import Detection

    def detect(stop: Event) -> None:
        with site.open_spool() as spool:
            Detection(spool, site.rules, site.detect, site.calendar).run(stop)

    crew.start("detect", detect)


def start_chain(crew: Crew, site: SiteFile, network: Network) -> None:
    """Starts the recomputation of the chain's exposure on every change of an alert."""
    from detectors.chain.run import ChainRun

    def follow(stop: Event) -> None:
        with site.open_spool() as spool:
            ChainRun(network).run(spool, stop)

    crew.start("chain", follow)


def start_board(crew: Crew, site: SiteFile, host: str | None = None, port: int | None = None) -> str:
    """Starts the local board; returns its address. Raises AndonError when it cannot listen there."""
    from dashboards.live.app import board_app
    from dashboards.live.door import Door
    from dashboards.live.server import serve

    settings = site.board
    host = host or settings.host
    app = board_app(
        site.spool_path,
        title=site.site.name,
        timezone=site.site.timezone,
        calendar=site.calendar,
        network=site.network,
        door=Door.of_host(host, settings.names),
    )
    board = serve(app, host, settings.port if port is None else port)

    def stand_by(stop: Event) -> None:
        stop.wait()
        board.stop()

    crew.start("board", stand_by)
    return board.address


def _draining(site: SiteFile, name: str, sink: Sink, counters: Counters) -> Callable[[Event], None]:
    def carry(stop: Event) -> None:
        try:
            with site.open_spool() as spool:
                drain(name, sink, spool, counters, stop)
        finally:
            sink.close()

    return carry
