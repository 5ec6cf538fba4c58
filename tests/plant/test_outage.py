"""A live site (wall clock) loses sight of its plant for a while: the floor is healthy, so no line may be blamed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from collector import schema
from collector.clocks.clock import WallClock
from collector.health.counters import Counters
from collector.readings import NS_PER_S
from collector.spool.frames import FrameKind
from collector.spool.ledger import Cause
from collector.spool.spool import Spool
from deploy.jobs import Jobs
from deploy.publisher import Publisher
from deploy.running import start_collector, start_detection
from deploy.site import SiteFile, load_site
from detectors.alerts import State
from tests.plant.servers import mosquitto
from tests.plant.teaching_factory import subscribed, wait

pytestmark = pytest.mark.plant

SITE = """
[site]
enterprise = "e"
name = "plant"
[clock]
lateness_s = 0.5
tick_s = 0.5
[broker]
port = {port}
[[subscribe]]
topic = "plant/{{line}}"
format = "json_fields"
time = "ts"
time_unit = "ms"
[subscribe.fields.level]
[detect]
tick_s = 0.5
levels_s = 0.5
[[rule]]
method = "silent"
severity = "critical"
after_s = 2.5
"""


CUT_OFF = "cut_off:plant/_self/collector:broker_connected"


class Floor:
    """A healthy line: a reading every 0.2 s, whoever listens."""

    def __init__(self, site: SiteFile) -> None:
        self.sent: list[int] = []
        self._publisher = Publisher(site.broker, site.folder, "floor")
        self._stop = Event()
        self._thread = Thread(target=self._work, daemon=True)

    def __enter__(self) -> Floor:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        self._publisher.finish(Event())

    def _work(self) -> None:
        while not self._stop.wait(0.2):
            at_ms = time.time_ns() // 1_000_000
            self._publisher.publish(
                "plant/line", json.dumps({"ts": at_ms, "level": len(self.sent)}).encode(), self._stop
            )
            self.sent.append(at_ms)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteFile]:
    with mosquitto(tmp_path / "broker") as broker:
        (tmp_path / "site.toml").write_text(SITE.format(port=broker.port))
        yield load_site(tmp_path / "site.toml")


def collecting(site: SiteFile) -> tuple[Jobs, Counters]:
    jobs, counters = Jobs(), Counters(report_every_s=0.5)
    start_collector(jobs, site, WallClock(site.clock.lateness_s), counters, stores=[])
    start_detection(jobs, site)
    subscribed(counters, 1)
    return jobs, counters


def stored(spool: Spool) -> set[int]:
    frames = spool.log.read(0, 100_000, kinds=(FrameKind.BATCH,))
    own = [frame.body for frame in frames if not frame.shard.endswith(schema.SELF_LINE)]
    return {at_ns // 1_000_000 for body in own for at_ns in body.at_ns.tolist()}  # type: ignore[union-attr]


def alerts(spool: Spool) -> list[str]:
    return [record.key for record in spool.log.latest(schema.ALERT_EVENT.name)]


def test_a_collector_that_was_away_blames_no_line(site: SiteFile) -> None:
    """Ten seconds without the collector, the broker keeping everything: time waits until the backlog is in."""
    jobs, counters = collecting(site)
    with Floor(site) as floor:
        wait(lambda: counters.counts.get("messages_stored", 0) > 20, "nothing stored", 20.0)
        jobs.end()
        time.sleep(6.0)
        jobs, counters = collecting(site)
        time.sleep(6.0)
    with site.open_spool() as spool:
        wait(lambda: stored(spool) >= set(floor.sent), "the backlog is not in", 20.0)
        jobs.end()
        assert alerts(spool) == []


def test_a_line_that_really_falls_silent_is_still_told(site: SiteFile) -> None:
    jobs, counters = collecting(site)
    with Floor(site):
        wait(lambda: counters.counts.get("messages_stored", 0) > 20, "nothing stored", 20.0)
    with site.open_spool() as spool:
        wait(lambda: bool(alerts(spool)), "no alert", 20.0)
        jobs.end()
        assert alerts(spool)[0].startswith("silent:plant/line@")


def test_an_outage_of_the_broker_is_told_and_booked_and_blames_no_line(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker:
        (tmp_path / "site.toml").write_text(SITE.format(port=broker.port))
        site = load_site(tmp_path / "site.toml")
        jobs, counters = collecting(site)
        with Floor(site):
            wait(lambda: counters.counts.get("messages_stored", 0) > 20, "nothing stored", 20.0)
        broker.kill()
        with site.open_spool() as spool:
            wait(lambda: counters.gauges.get("broker_connected") == 0, "still connected", 10.0)
            clock_ns = spool.log.clock_ns()
            wait(lambda: bool(alerts(spool)), "the outage is not told", 20.0)
            time.sleep(3.0)
            assert spool.log.clock_ns() - clock_ns < NS_PER_S
            assert [key.partition("@")[0] for key in alerts(spool)] == [CUT_OFF]
            with mosquitto(tmp_path / "broker", port=broker.port):
                subscribed(counters, 2)
                wait(lambda: bool(spool.ledger.read()), "nothing booked", 20.0)
                wait(lambda: _state(spool) == State.RTN_UNACKED, "the outage does not clear", 20.0)
                jobs.end()
            (outage,) = spool.ledger.read()
        assert outage.cause is Cause.DISCONNECTED
        assert outage.asset == f"broker 127.0.0.1:{broker.port}"
        assert 3.0 < (outage.to_ns - outage.from_ns) / NS_PER_S < 30.0


def _state(spool: Spool) -> str:
    (record,) = (one for one in spool.log.latest(schema.ALERT_EVENT.name) if one.key.startswith(CUT_OFF))
    return str(record.detail["state"])
