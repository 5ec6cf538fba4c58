"""kill -9 of collector and detectors at 20 random moments, with a real Mosquitto between them and the rig's capture:
what is stored and what is alerted equals the run that nobody disturbed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import pytest

from collector import schema
from collector.clocks.clock import MessageClock
from collector.health.counters import Counters
from collector.readings import NS_PER_S, Series
from collector.sources.recording import Published, read_recording
from collector.spool.frames import FrameKind, Record
from collector.spool.spool import Spool
from deploy.audit import floor_of
from deploy.jobs import Jobs
from deploy.publisher import Publisher
from deploy.running import start_collector
from deploy.shortages import Times
from deploy.site import SiteFile
from tests.plant.servers import mosquitto
from tests.plant.teaching_factory import CAPTURE, Site, ended, subscribed, wait

pytestmark = pytest.mark.plant

KILLS = 20


def readings(spool: Spool) -> Times:
    found = floor_of(spool)
    return {series: columns for series, columns in found.items() if series.equipment.line != schema.SELF_LINE}


def said(spool: Spool) -> list[Record]:
    """Everything the detectors said, without what tells of the processes and not of the plant."""
    bodies = [frame.body for frame in spool.log.read(0, 1_000_000, kinds=(FrameKind.RECORD,))]
    records = [body for body in bodies if isinstance(body, Record) and body.measurement != schema.WATCH_BEAT.name]
    return [record for record in records if record.tags.get("line") != schema.SELF_LINE]


def final_alerts(spool: Spool) -> list[dict[str, object]]:
    return [record.detail for record in spool.log.latest(schema.ALERT_EVENT.name)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Times, list[dict[str, object]], list[Record]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    with mosquitto(folder / "broker") as broker:
        site = Site(folder, broker.port)
        site.subscribe()
        with ended(site.start("collect"), site.start("detect")):
            assert site.start("replay", str(CAPTURE), "--speed", "max").wait(120) == 0
            wait(site.finished, "the undisturbed run does not end", 120.0)
    with Spool.open(site.loaded.spool_path) as spool:
        return readings(spool), final_alerts(spool), said(spool)


def test_the_undisturbed_run_is_whole(undisturbed: tuple[Times, list[dict[str, object]], list[Record]]) -> None:
    stored, alerts, _ = undisturbed
    # 24 of the capture's 13,755 messages repeat another one to the letter: 13,731 are different
    counts = {series.metric: 0 for series in stored}
    for series, (times, _) in stored.items():
        counts[series.metric] += len(times)
    assert counts["bottles"] == counts["cracked"] == 1714
    assert counts["fill_level"] + counts["bottles"] + counts["cracked"] + counts["temperature"] == 13_731
    assert len(alerts) > 40


@pytest.mark.timeout(600)
def test_kill_9_at_random_moments_changes_nothing(
    undisturbed: tuple[Times, list[dict[str, object]], list[Record]], tmp_path: Path
) -> None:
    moments = random.Random(20)
    with mosquitto(tmp_path / "broker") as broker:
        site = Site(tmp_path, broker.port)
        site.subscribe()
        publisher = site.start("replay", str(CAPTURE), "--speed", "500")
        working = {command: site.start(command) for command in ("collect", "detect")}
        with ended(publisher):
            try:
                for _ in range(KILLS):
                    time.sleep(moments.uniform(0.2, 3.0))
                    for command, process in working.items():
                        process.kill()
                        process.wait(20)
                        working[command] = site.start(command)
                assert publisher.wait(240) == 0
                wait(site.finished, "the disturbed run does not end", 120.0)
            finally:
                with ended(*working.values()):
                    pass
    with Spool.open(site.loaded.spool_path) as spool:
        stored, alerts, records = undisturbed
        assert _names(readings(spool)) == _names(stored)
        assert final_alerts(spool) == alerts
        assert said(spool) == records
        assert spool.dead.count() == 0


def _names(found: Times) -> dict[str, tuple[list[float], list[float]]]:
    def name(series: Series) -> str:
        return series.name

    return {name(series): columns for series, columns in found.items()}


def test_a_broker_that_goes_away_midway_loses_nothing(tmp_path: Path) -> None:
    """The broker is killed between two halves and started again: its sessions are gone, what was stored is not."""
    messages = list(read_recording(CAPTURE))[:2000]
    counters, jobs = Counters(), Jobs()
    with mosquitto(tmp_path / "broker") as broker:
        site = Site(tmp_path, broker.port).loaded
        start_collector(jobs, site, MessageClock(), counters, stores=[])
        try:
            subscribed(counters, 1)
            _publish(site, messages[:1000])
            wait(lambda: counters.counts["messages_stored"] == 1000, "the first half is not stored", 30.0)
            broker.kill()
            with mosquitto(tmp_path / "broker", port=broker.port):
                subscribed(counters, 2)
                assert counters.counts["broker_disconnects"] == 1
                _publish(site, messages[1000:])
                wait(lambda: counters.counts["messages_stored"] == 2000, "the second half is not stored", 30.0)
        finally:
            jobs.end()
    with site.open_spool() as spool:
        times = {at for columns in readings(spool).values() for at in columns[0]}
    assert times == {message.at_ns / NS_PER_S for message in messages}


def _publish(site: SiteFile, messages: Sequence[Published]) -> None:
    publisher, stop = Publisher(site.broker, site.folder, "half"), Event()
    for message in messages:
        publisher.publish(message.topic, message.payload, stop)
    publisher.finish(stop)
