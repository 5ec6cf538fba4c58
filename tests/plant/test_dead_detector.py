"""A killed detector is exactly one alert: by the rules that Grafana runs, and in Alertmanager."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards.alerting import rule_file
from deploy.bench.load import Wire
from tests.plant.alertmanagers import Receiver, alertmanager, alerts
from tests.plant.servers import Running, V2WriteShim, influxdb, influxql, mosquitto
from tests.plant.teaching_factory import Site, ended, wait

pytestmark = pytest.mark.plant

LIMIT_S = 3
SITE = """
[site]
enterprise = "iot1"
name = "rig"

[clock]
lateness_s = 0.2
tick_s = 0.5

[broker]
port = {port}

[[subscribe]]
topic = "rig/{{line}}/{{cell}}"
format = "json_value"

[detect]
tick_s = 0.5
levels_s = 1.0

[[rule]]
method = "limits"
metric = "value"
low = 0.0
high = 100.0

[health]
detection_lag_s = {limit_s}

[[sink]]
name = "influx"
kind = "influx"
url = "{influx}"

[[sink]]
name = "alertmanager"
kind = "alertmanager"
url = "{alertmanager}"
heartbeat = ""
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[tuple[Running, str]]:
    with influxdb(tmp_path / "influx") as running, V2WriteShim(running) as shim:
        influxql(running, 'CREATE DATABASE "andon"')
        yield running, shim.url


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Running]:
    with Receiver() as receiver, alertmanager(tmp_path / "am", receiver.url) as running:
        yield running


def firing(store: Running) -> list[tuple[str, dict[str, str]]]:
    """The instances of Grafana's rules that fire, by rule and labels; no data fires where the rule says so."""
    found = []
    for rule in rule_file("board", 1)["groups"][0]["rules"]:
        series = _asked(store, rule["data"][0])
        threshold = rule["data"][-1]["model"]["conditions"][0]["evaluator"]
        found += [
            (rule["uid"], one.get("tags", {}))
            for one in series
            if _holds(threshold, [row[1] for row in one["values"] if row[1] is not None][-1])
        ]
        if not series and rule["noDataState"] == "Alerting":
            found.append((rule["uid"], {}))
    return found


def _asked(store: Running, data: dict[str, Any]) -> list[dict[str, Any]]:
    window = f"time >= now() - {data['relativeTimeRange']['from']}s"
    query = data["model"]["query"].replace("$timeFilter", window).replace("$__interval", "1s")
    return influxql(store, query, "andon")


def _holds(threshold: dict[str, Any], value: float) -> bool:
    low, *high = threshold["params"]
    return {"gt": value > low, "lt": value < low, "within_range": bool(high) and low < value < high[0]}[
        threshold["type"]
    ]


def test_a_killed_detector_is_one_alert_and_none_when_it_is_back(tmp_path, store, manager):
    running, url = store
    with mosquitto(tmp_path / "broker") as broker:
        site = Site(tmp_path, broker.port)
        site.path.write_text(SITE.format(port=broker.port, influx=url, alertmanager=manager.url, limit_s=LIMIT_S))
        wire = Wire(broker.port, "rig")
        collector, detector = site.start("collect"), site.start("detect")
        with ended(collector):
            wait(lambda: _beats(running, wire), "no beat in the store", 60.0)
            wait(lambda: not firing(running) and not alerts(manager), "not quiet at first", 30.0)
            detector.kill()
            detector.wait(20)
            wait(lambda: bool(firing(running)), "the dead detector is not told", 60.0)
            for _ in range(5):  # some more looks and levels: it stays the one
                wait(lambda: _beats(running, wire), "no beat", 30.0)
                (told,) = firing(running)
                assert told[0] == "andon-critical" and told[1]["kind"] == "detection"
            (there,) = alerts(manager)
            assert there["labels"]["alertname"] == "detection"
            with ended(site.start("detect")):
                wait(lambda: not firing(running) and not alerts(manager), "it does not end", 60.0)
            collector.kill()
            collector.wait(20)


def _beats(store: Running, wire: Wire) -> bool:
    """Publishes a reading, and says whether the store has a beat by now."""
    wire.send([(b"rig/bottling/scale", b"50")])
    return bool(influxql(store, "SELECT * FROM watch_beat WHERE time > now() - 30s", "andon"))
