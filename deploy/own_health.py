"""How a process of Andon watches itself: its survey of the spool, its `/metrics` and `/healthz`, its own readings.

Input: a site, the process's counters, its clock. Used by `deploy.running` beside the jobs that do the work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

from collector.clocks.clock import Clock
from collector.health.counters import Counters, report
from collector.health.server import HealthServer
from collector.health.survey import keep_surveying
from collector.spool.spool import Spool
from deploy.jobs import Jobs
from deploy.site import SiteFile


def start_survey(jobs: Jobs, site: SiteFile, counters: Counters, clock: Clock, sinks: Sequence[str] | None) -> None:
    """Measures every few seconds how far the stores are behind, or with None the detectors."""

    def survey(stop: Event) -> None:
        with site.open_spool() as spool:
            keep_surveying(spool, sinks, counters, clock, stop)

    jobs.start(f"survey {counters.process}", survey)


def start_health(jobs: Jobs, site: SiteFile, counters: Counters, port: int) -> str:
    """Starts `/metrics` and `/healthz` at a port of [health]; returns the address, `""` for port 0: nowhere.

    Raises HealthError when it cannot listen there.
    """
    if not port:
        return ""
    server = HealthServer(counters, site.health, site=site.site.name, port=port)

    def stand_by(stop: Event) -> None:
        stop.wait()
        server.stop()

    jobs.start(f"health {counters.process}", stand_by)
    return server.address


def reporting(
    step: Callable[[], int], site: SiteFile, spool: Spool, counters: Counters, clock: Clock
) -> Callable[[], int]:
    """The step, counted, with the process's own readings put into the log when they are due."""

    def counted() -> int:
        done = step()
        counters.add("frames_dealt_with", done)
        report(counters, site.site, spool, clock.now_ns())
        return done

    return counted
