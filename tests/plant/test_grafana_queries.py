"""Every query of every panel, variable, annotation and rule runs on a real InfluxDB engine (Debian's 1.6.7, behind the
test-only shim), filled by the demos through the real sink: nothing is empty, the right alerts fire, the graph is whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from collector.readings import NS_PER_S
from collector.schema import STATE_OF_LEVEL, AlertLevel
from collector.sinks.influx import Options, build
from collector.sinks.sink import Parcel
from collector.spool.frames import Record, record_frame
from dashboards.alerting import beat_rule, critical_rule, warning_rule
from dashboards.build import GREYS
from dashboards.layout import panel_modules
from dashboards.render import boards
from tests.dashboards.grafana_cells import colours, table_rows
from tests.plant.demo_store import DemoStore, asked, filled
from tests.plant.servers import V2WriteShim, influxdb, influxql

pytestmark = pytest.mark.plant

PANELS = {name: module.panel() for name, module in panel_modules().items()}
ASKING = [name for name, panel in PANELS.items() if "targets" in panel]
TABLES = [name for name, panel in PANELS.items() if panel["type"] == "table"]
PLAYED_S = {"nev_drive": 108 * 60.0, "teaching_factory": 29 * 60.0}
QUIET_S = 55 * 60  # of nev_drive: nothing has happened yet
NOT_THERE = {
    "nev_drive": {"who_stops"},  # in that time a line drops, and stocks last
    "teaching_factory": {"blank_points", "shortcomings", "long_boards"},  # its chain of three suppliers has none
}


class Demos(NamedTuple):
    nev_drive: DemoStore
    teaching_factory: DemoStore
    shim: V2WriteShim


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demos]:
    folder = tmp_path_factory.mktemp("grafana")
    with influxdb(folder) as running, V2WriteShim(running) as shim:
        yield Demos(*(filled(running, shim, folder, name, plant_s) for name, plant_s in PLAYED_S.items()), shim)


CHOICES = {
    "nev_drive": [
        {"site": "nanjing", "line": ".*", "cluster": ".*"},
        {"site": "nanjing", "line": "inverter_1", "cluster": ".*"},
        {"site": "suzhou", "line": "(motor_1|motor_2)", "cluster": "(Suzhou|Nanjing)"},
    ],
    "teaching_factory": [{"site": "teaching_factory", "line": ".*", "cluster": ".*"}],
}
EVERYWHERE = [(name, choice) for name, choices in CHOICES.items() for choice in choices]


def shown(demo: DemoStore, panel: dict[str, Any], choice: dict[str, str], **when: int) -> list[list[dict[str, Any]]]:
    """The answers to a panel's queries."""
    last_s = int(panel["timeFrom"].removesuffix("m")) * 60 if "timeFrom" in panel else None
    return [asked(demo, target["query"], choice, last_s=last_s, **when) for target in panel["targets"]]


@pytest.mark.parametrize(("demo", "choice"), EVERYWHERE, ids=lambda value: value if isinstance(value, str) else "")
def test_no_panel_is_empty(demos, demo, choice):
    empty = set()
    for name in ASKING:
        for series in shown(getattr(demos, demo), PANELS[name], choice):
            if not any(value is not None for one in series for row in one["values"] for value in row[1:]):
                empty.add(name)
    assert empty <= NOT_THERE[demo]


def test_no_column_is_empty_in_every_demo(demos):
    """A field that nobody writes is a column of dashes on every site."""
    asked_for, found = set(), set()
    for name, demo in itertools.product(ASKING, (demos.nev_drive, demos.teaching_factory)):
        for one in itertools.chain(*shown(demo, PANELS[name], CHOICES[demo.database][0])):
            for i, column in enumerate(one["columns"]):
                asked_for.add((name, column))
                found |= {(name, column)} if any(row[i] is not None for row in one["values"]) else set()
    assert asked_for - found == set()


@pytest.mark.parametrize("board", boards())
def test_every_variable_has_its_values_and_every_mark_its_rows(demos, board):
    body, choice = boards()[board], CHOICES["nev_drive"][0]
    found = {
        one["name"]: values(asked(demos.nev_drive, one["query"], choice))
        for one in body["templating"]["list"]
        if one["type"] == "query"
    }
    assert found["site"] == {"nanjing", "suzhou"}
    assert found["line"] == {"inverter_1", "inverter_2"}
    assert {"Suzhou", "Nanjing"} <= found["cluster"]
    for mark in body["annotations"]["list"]:
        (rows,) = asked(demos.nev_drive, mark["target"]["query"], choice)
        assert rows["columns"] == ["time", "title", "text", "tags", "time_end"] and rows["values"]


def values(series: list[dict[str, Any]]) -> set[str]:
    return {value for one in series for _, value in one["values"]}


@pytest.mark.parametrize("name", TABLES)
def test_every_heading_of_a_table_is_a_column_of_its_answer(demos, name):
    panel = PANELS[name]
    demo = demos.nev_drive if name not in NOT_THERE["nev_drive"] else demos.teaching_factory
    first, *_ = shown(demo, panel, CHOICES[demo.database][0])[0]
    columns = {"Time", *first["columns"], *first.get("tags", {})} - {"time"}
    (organize,) = panel["transformations"]
    named = organize["options"]["renameByName"].keys() | organize["options"]["excludeByName"].keys()
    assert named == columns


# ---- alerts ----------------------------------------------------------------------------------------------------------

RULES = [critical_rule("board", 1), warning_rule("board", 1), beat_rule()]


def firing(demo: DemoStore, rule: dict[str, Any], *, to_s: int | None = None) -> list[tuple[str, ...]] | str:
    """The label sets for which a rule fires; what its `noDataState` says when there is no data."""
    asks, _, judges = rule["data"]
    window_s = asks["relativeTimeRange"]["from"]
    series = asked(demo, asks["model"]["query"], {}, last_s=window_s, to_s=to_s)
    if not series:
        return str(rule["noDataState"])
    (condition,) = judges["model"]["conditions"]
    return sorted(
        tuple(one.get("tags", {}).values()) for one in series if fires(condition["evaluator"], one["values"][-1][1])
    )


def fires(evaluator: dict[str, Any], newest: float) -> bool:
    low, high = (*evaluator["params"], None)[:2]
    return {"gt": newest > low, "lt": newest < low, "within_range": low < newest < (high or low)}[evaluator["type"]]


def told(demo: DemoStore, level: AlertLevel) -> list[tuple[str, ...]]:
    """Site, line, kind and subject of the alerts that the demo ended with; tags come back in alphabetical order."""
    alerts = [one for one in demo.alerts if one.is_told and one.severity is level]
    return sorted((one.kind, *reversed(one.shard.split("/")), one.subject) for one in alerts)


@pytest.mark.parametrize("demo", PLAYED_S)
def test_each_rule_fires_for_the_alerts_of_its_level_and_no_others(demos, demo):
    at_work = getattr(demos, demo)
    critical, warning = (firing(at_work, rule) for rule in RULES[:2])
    assert critical == told(at_work, AlertLevel.CRITICAL)
    assert warning == told(at_work, AlertLevel.WARNING)


def test_the_demos_end_with_something_to_tell(demos):
    assert told(demos.nev_drive, AlertLevel.CRITICAL) and told(demos.nev_drive, AlertLevel.WARNING)
    assert told(demos.teaching_factory, AlertLevel.CRITICAL)


def test_a_dead_watcher_fires_once_and_changes_no_alert(demos):
    alive, dead_s = firing(demos.nev_drive, RULES[2]), demos.nev_drive.to_s + 3_600
    assert alive == []
    assert [firing(demos.nev_drive, rule, to_s=dead_s) for rule in RULES] == ["KeepLast", "KeepLast", "Alerting"]


def test_the_table_holds_every_open_alert_of_the_site_once(demos):
    (series,) = shown(demos.nev_drive, PANELS["open_alerts"], CHOICES["nev_drive"][0])
    rows = table_rows(PANELS["open_alerts"], series)
    levels = {(row["line"], row["kind"], row["subject"]): row["level"] for row in rows}
    ours = [one for one in demos.nev_drive.alerts if one.is_told and one.shard.startswith("nanjing/")]
    wanted = {(one.shard.split("/")[1], one.kind, one.subject): STATE_OF_LEVEL[one.severity] for one in ours}
    assert levels == wanted and len(rows) == len(wanted)
    assert {row["answer"] for row in rows} == {one.alert_id for one in ours}


MANY = {"site": "s", "line": ".*", "cluster": ".*"}


@pytest.fixture(scope="module")
def two_cells(demos, tmp_path_factory) -> DemoStore:
    """A line whose first cell makes nothing while its second, heard a moment later, makes what it should."""
    at_s, folder = 1_700_000_000, tmp_path_factory.mktemp("two_cells")
    for cell, made, score, later_ns in (("press_a", 0.0, 5.0, 0), ("press_b", 100.0, 0.1, 1)):
        tags = {"site": "s", "line": "l1", "cell": cell, "metric": "good", "method": "output_drop"}
        fields = {"value": made, "low": 80.0, "mid": 100.0, "high": 120.0, "score": score}
        write(demos, "two_cells", Record("expected", tags, fields, at_s * NS_PER_S + later_ns), folder)
    return DemoStore(demos.nev_drive.store, "two_cells", at_s - 60, at_s + 60, ())


def test_a_tile_is_as_bad_as_the_worst_cell_of_its_line(two_cells):
    ((tile,),) = shown(two_cells, PANELS["line_tiles"], MANY)
    assert tile["tags"] == {"line": "l1"} and [row[1:] for row in tile["values"]] == [[5.0]]
    assert tile["values"][0][0] == 1_700_000_000 * NS_PER_S, "the instant of its judgement"


def test_each_cell_stands_against_its_own_band(two_cells):
    (series,) = shown(two_cells, PANELS["output_band"], MANY)
    made = {one["tags"]["cell"]: one["values"][0][one["columns"].index("made")] for one in series}
    assert made == {"press_a": 0.0, "press_b": 100.0}


def test_a_stock_that_is_not_used_any_more_has_no_time_to_empty(demos, tmp_path):
    at_s, tags = 1_700_000_000, {"site": "s", "line": "l1", "cell": "store", "metric": "stock", "method": "shortage"}
    used = {"value": 600.0, "low": 500.0, "high": 700.0, "score": 0.5}
    for i, fields in enumerate((used, {"score": 0.0})):
        write(demos, "unused", Record("expected", tags, fields, (at_s + i) * NS_PER_S), tmp_path)
    store = DemoStore(demos.nev_drive.store, "unused", at_s - 60, at_s + 60, ())
    assert shown(store, PANELS["time_to_empty"], MANY, to_s=at_s + 1)[0]
    assert shown(store, PANELS["time_to_empty"], MANY) == [[]]


# ---- worst first -----------------------------------------------------------------------------------------------------

WORST_FIRST = {
    "days_of_cover": lambda row: row["to spare"],
    "stock_out": lambda row: row["empty by"],
    "who_stops": lambda row: row["stops"],
    "time_to_survive": lambda row: -row["short by"],
    "open_alerts": lambda row: -row["level"],
    "time_to_empty": lambda row: row["empty in"],
    "last_heard": lambda row: row["last heard"],
    "scorecard": lambda row: -row["said false"],
    "blank_points": lambda row: -row["at stake a day"],
    "weak_links": lambda row: -row["at stake a day"],
    "shortcomings": lambda row: -row["at stake a day"],
    "long_boards": lambda row: -row["at stake a day"],
}


def test_every_table_has_a_worst():
    assert set(TABLES) <= WORST_FIRST.keys()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_the_worst_first(demos, name):
    demo = demos.teaching_factory if name not in NOT_THERE["teaching_factory"] else demos.nev_drive
    (series,) = shown(demo, PANELS[name], CHOICES[demo.database][0])
    rows = table_rows(PANELS[name], series)
    badness = [WORST_FIRST[name](row) for row in rows]
    assert badness == sorted(badness)
    first = PANELS[name]["options"]["sortBy"][0]["displayName"]
    assert rows[0][first] is not None, "Grafana puts what is not known first, rising"


# ---- the graph -------------------------------------------------------------------------------------------------------


def graph(demo: DemoStore, choice: dict[str, str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    nodes, edges = (
        [dict(zip(one["columns"], row, strict=True)) for one in series for row in one["values"]]
        for series in shown(demo, PANELS["chain_map"], choice)
    )
    return nodes, edges


def orphans(nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> set[str]:
    known = {node["id"] for node in nodes}
    return {edge["id"] for edge in edges if not {edge["source"], edge["target"]} <= known}


@pytest.mark.parametrize(("demo", "choice"), EVERYWHERE, ids=lambda value: value if isinstance(value, str) else "")
def test_no_arc_of_the_graph_leads_nowhere_and_every_node_has_its_place(demos, demo, choice):
    nodes, edges = graph(getattr(demos, demo), choice)
    assert nodes and edges and orphans(nodes, edges) == set()
    assert len({node["id"] for node in nodes}) == len(nodes) and len({edge["id"] for edge in edges}) == len(edges)
    assert all(node["fixedx"] is not None and node["fixedy"] is not None and node["title"] for node in nodes)
    assert len({(node["fixedx"], node["fixedy"]) for node in nodes}) == len(nodes), "two nodes on one spot"
    assert all(0 <= node["arc__at_risk"] <= 1 for node in nodes)
    assert all(node["arc__at_risk"] + node["arc__safe"] == pytest.approx(1) for node in nodes)


def test_an_arc_that_leads_nowhere_would_be_found(demos, tmp_path):
    tags = {"source": "ghost", "target": "shop", "material": "nothing"}
    fields = {"on_map": 1, "id": "ghost|shop|nothing", "risk": 0.0, "share": 1.0, "lead_time_d": 1.0}
    write(demos, "ghost", Record("chain_arc", tags, fields, 1_700_000_000 * NS_PER_S), tmp_path)
    ghosts = DemoStore(demos.nev_drive.store, "ghost", 1_700_000_000, 1_700_000_600, ())
    (edges,) = asked(ghosts, PANELS["chain_map"]["targets"][1]["query"], {"cluster": ".*"})
    found = [dict(zip(edges["columns"], row, strict=True)) for row in edges["values"]]
    assert orphans([{"id": "shop"}], found) == {"ghost|shop|nothing"}


def test_what_has_gone_from_the_map_has_gone_from_the_graph(demos, tmp_path):
    tags = {"node": "old", "kind": "supplier"}
    fields = {"title": "Old", "risk": 0.0, "x": 0.0, "y": 0.0}
    for on_map, at_s in ((1, 0), (0, 60)):
        record = Record("chain_node", tags, {**fields, "on_map": on_map}, (1_700_000_000 + at_s) * NS_PER_S)
        write(demos, "gone", record, tmp_path)
    gone = DemoStore(demos.nev_drive.store, "gone", 1_700_000_000, 1_700_000_600, ())
    query = PANELS["chain_map"]["targets"][0]["query"]
    assert asked(gone, query, {"cluster": ".*"}, to_s=1_700_000_030)
    assert not asked(gone, query, {"cluster": ".*"})


def write(demos: Demos, database: str, record: Record, folder: Any) -> None:
    influxql(demos.nev_drive.store, f'CREATE DATABASE "{database}"')
    sink = build(Options(url=demos.shim.url, bucket=database), folder)
    sink.write(Parcel([record_frame("s", record)], {}))
    sink.close()


# ---- colour ----------------------------------------------------------------------------------------------------------


def painted(demo: DemoStore, panel: dict[str, Any], choice: dict[str, str], **when: int) -> set[str]:
    """Every colour that the values of a panel get."""
    answers = shown(demo, panel, choice, **when)
    if panel["type"] == "table":
        rows = table_rows(panel, answers[0])
        return {colour for row in rows for heading, value in row.items() for colour in colours(panel, heading, value)}
    if panel["type"] == "nodeGraph":
        at_risk = any(row[one["columns"].index("arc__at_risk")] > 0 for one in answers[0] for row in one["values"])
        (red, grey) = (arc["color"] for arc in panel["options"]["nodes"]["arcs"])
        return {red, grey} if at_risk else {grey}
    found = set()
    for one in itertools.chain(*answers):
        for _, *cells in one["values"]:
            for value in cells:
                found |= colours(panel, one.get("tags", {}).get("metric", ""), value)
    return found


OWN = {"lost", "disk", "message_age"}  # written at the end of the demo only


@pytest.mark.parametrize("site", ["nanjing", "suzhou"])
def test_an_all_normal_board_has_no_colour(demos, site):
    choice = {"site": site, "line": ".*", "cluster": ".*"}
    quiet_s = demos.nev_drive.from_s + QUIET_S
    found = {name: painted(demos.nev_drive, PANELS[name], choice, to_s=quiet_s) for name in ASKING if name not in OWN}
    assert {name: colour - set(GREYS) for name, colour in found.items() if colour - set(GREYS)} == {}


def test_a_board_with_alerts_has_colour(demos):
    choice = CHOICES["nev_drive"][0]
    found = {name for name in ASKING if painted(demos.nev_drive, PANELS[name], choice) - set(GREYS)}
    assert {"open_alerts", "open_count", "alert_strip", "line_tiles", "lost"} <= found
    choice = CHOICES["teaching_factory"][0]
    found = {name for name in ASKING if painted(demos.teaching_factory, PANELS[name], choice) - set(GREYS)}
    assert {"chain_map", "who_stops", "open_alerts"} <= found
