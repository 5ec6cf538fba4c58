"""Every query of every board, variable and rule runs on a real InfluxDB engine and comes back with something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from collector import schema
from collector.readings import NS_PER_S, BatchBuilder, Equipment, Kind, Quality, Series
from collector.schema import STATE_OF_LEVEL, AlertLevel, Measurement
from collector.sinks.influx import Options, build
from collector.sinks.sink import Parcel
from collector.spool.frames import Field, Frame, Record, batch_frame, record_frame
from dashboards.alerting import BETWEEN_WARNING_AND_CRITICAL, critical_rule
from dashboards.layout import panel_modules
from dashboards.panels import open_alerts, time_to_survive
from dashboards.render import boards
from tests.plant.servers import Running, V2WriteShim, influxdb, influxql

pytestmark = pytest.mark.plant

START_S = 1_700_000_000
SPAN_S = 600
LINES = {"nanjing": ("drive", "inverter"), "suzhou": ("motor",)}
ALERTS = {  # (line, kind, subject): levels over time, the last one lasting
    ("drive", "output_drop", "nanjing/drive"): (0.0, STATE_OF_LEVEL[AlertLevel.CRITICAL]),
    ("drive", "shortage", "nanjing/drive/store:stock_igbt"): (1.0, STATE_OF_LEVEL[AlertLevel.WARNING]),
    ("inverter", "shortage", "nanjing/inverter/store:stock_pcb"): (2.0, 2.0),
    ("inverter", "stuck", "nanjing/inverter/line:temperature"): (2.0, 0.0),
}
CHOICES = [
    {"site": "nanjing", "line": ".*"},
    {"site": "nanjing", "line": "drive"},
    {"site": "nanjing", "line": "(drive|inverter)"},
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("grafana")
    with influxdb(folder) as running, V2WriteShim(running) as shim:
        influxql(running, 'CREATE DATABASE "andon"')
        sink = build(Options(url=shim.url), folder)
        for frame, series in plant():
            sink.write(Parcel([frame], series))
        sink.close()
        yield running


def plant() -> Iterator[tuple[Frame, dict[int, Series]]]:
    """Ten minutes of two sites: readings, expectations, alerts, exposures and the beat."""
    for site, lines in LINES.items():
        for line in lines:
            yield readings(site, line)
    for at_s in range(START_S, START_S + SPAN_S, 30):
        yield record(schema.WATCH_BEAT, {}, {"alive": True, "open_alerts": 3.0, "spool_depth": 4.0}, at_s)
        for line in LINES["nanjing"]:
            place = {"site": "nanjing", "line": line, "cell": "line", "metric": "good"}
            band: dict[str, Field] = {"value": 52.0, "low": 48.0, "mid": 55.0, "high": 60.0, "score": 0.2}
            yield record(schema.EXPECTED, {**place, "method": "output_drop"}, band, at_s)
            stock = {**place, "cell": "store", "metric": "stock_igbt", "method": "shortage"}
            empty: dict[str, Field] = {"value": 1_800.0, "low": 1_500.0, "mid": 1_800.0, "high": 2_400.0, "score": 0.5}
            yield record(schema.EXPECTED, stock, empty, at_s)
        for (line, kind, subject), levels in ALERTS.items():
            tags = {"site": "nanjing", "line": line, "kind": kind, "subject": subject}
            level: dict[str, Field] = {"state": levels[at_s >= START_S + SPAN_S // 2], "score": 1.2, "acked": 0}
            yield record(schema.ALERT_STATE, tags, {**level, "shelved": 0, "since": at_s * 1000, "alert_id": "a"}, at_s)
    for node, gap_d in (("Infineon", 4.5), ("Bosch", 0.0)):
        exposure: dict[str, Field] = {"time_to_survive_d": 5.5, "time_to_recover_d": 10.0, "gap_d": gap_d}
        yield record(schema.EXPOSURE, {"node": node, "material": "igbt"}, exposure, START_S)


def readings(site: str, line: str) -> tuple[Frame, dict[int, Series]]:
    builder = BatchBuilder()
    for at_s in range(START_S, START_S + SPAN_S, 5):
        builder.add(1, at_s * NS_PER_S, float(at_s - START_S), Quality.GOOD, 0)
    good = Series(Equipment("nev", site, "", line, "line"), "good", "1", Kind.COUNTER)
    return batch_frame(f"{site}/{line}", builder.build()), {1: good}


def record(stored: Measurement, tags: dict[str, str], fields: dict[str, Field], at_s: int) -> Any:
    assert tags.keys() <= set(stored.tags) and fields.keys() <= set(stored.fields)
    return record_frame("s", Record(stored.name, tags, fields, at_s * NS_PER_S)), {}


def asked(store: Running, query: str, choice: dict[str, str], *, from_s: int = START_S) -> list[dict[str, Any]]:
    """The query as Grafana would send it for a choice of variables and a time range up to the end of the data."""
    within = f"time >= {from_s}s AND time < {START_S + SPAN_S}s"
    sent = query.replace("$timeFilter", within).replace("$__interval", "30s")
    for name, value in choice.items():
        sent = sent.replace(f"${name}", value)
    assert "$__" not in sent
    return influxql(store, sent, "andon")


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: str(choice["line"]))
@pytest.mark.parametrize("name", [name for name, module in panel_modules().items() if "targets" in module.panel()])
def test_no_panel_is_empty(store, name, choice):
    for target in panel_modules()[name].panel()["targets"]:
        series = asked(store, target["query"], choice)
        assert series, f"{name}: nothing to show"
        assert all(any(value is not None for value in row[1:]) for one in series for row in one["values"])


@pytest.mark.parametrize("board", boards())
def test_every_variable_has_its_values(store, board):
    site, line = boards()[board]["templating"]["list"]
    assert values(asked(store, site["query"], {})) == {"nanjing", "suzhou"}
    assert values(asked(store, line["query"], {"site": "nanjing"})) == {"drive", "inverter"}


def values(series: list[dict[str, Any]]) -> set[str]:
    return {value for one in series for _, value in one["values"]}


def test_the_table_holds_every_open_alert_once_and_no_closed_one(store):
    (target,) = open_alerts.panel()["targets"]
    found = {
        (one["tags"]["line"], one["tags"]["kind"], one["tags"]["subject"]): level
        for one in asked(store, target["query"], CHOICES[0])
        for _, level, *_ in one["values"]
    }
    assert found == {key: last for key, (_, last) in ALERTS.items() if last > 0}


def test_every_heading_of_a_table_is_a_column_of_its_answer(store):
    for module in panel_modules().values():
        panel = module.panel()
        if panel["type"] != "table":
            continue
        first, *_ = asked(store, panel["targets"][0]["query"], CHOICES[0])
        columns = {"Time", *first["columns"], *first.get("tags", {})}
        (organize,) = panel["transformations"]
        named = organize["options"]["renameByName"].keys() | organize["options"]["excludeByName"].keys()
        assert named <= columns and columns - {"time"} <= named


def test_the_weakest_link_has_all_its_days(store):
    (target,) = time_to_survive.panel()["targets"]
    gaps = {one["tags"]["node"]: one["values"][0][3] for one in asked(store, target["query"], {})}
    assert gaps == {"Infineon": 4.5, "Bosch": 0}


def test_the_rule_fires_for_every_critical_alert_and_no_other(store):
    data = critical_rule("board", 1)["data"][0]
    window_s = data["relativeTimeRange"]["from"]
    series = asked(store, data["model"]["query"], {}, from_s=START_S + SPAN_S - window_s)
    firing = {
        (one["tags"]["line"], one["tags"]["kind"], one["tags"]["subject"])
        for one in series
        if one["values"][-1][1] > BETWEEN_WARNING_AND_CRITICAL
    }
    assert firing == {key for key, (_, last) in ALERTS.items() if last == STATE_OF_LEVEL[AlertLevel.CRITICAL]}
    assert len(series) == len(ALERTS), "a closed alert is still there, so that it resolves by its value"
