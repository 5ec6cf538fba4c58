"""Every board holds Grafana's own schemas and the house's habits; every seeded fault is caught."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

import dashboards
from collector.schema import MEASUREMENTS
from dashboards import layout
from dashboards.build import DATA_SOURCE, GREYS
from dashboards.layout import MOST_PANELS, Place, panel_id, panel_modules
from dashboards.render import boards
from tests.dashboards.grafana_schemas import faults

Board = dict[str, Any]
PANELS = panel_modules()


@pytest.fixture(params=boards())
def board(request: pytest.FixtureRequest) -> Board:
    return copy.deepcopy(boards()[request.param])


def test_a_board_holds_grafanas_own_schemas(board):
    assert faults(board) == []


def test_a_board_is_an_overview(board):
    assert 0 < len(board["panels"]) <= MOST_PANELS


def test_panels_do_not_overlap_nor_leave_the_grid(board):
    cells = [
        (x, y)
        for at in (panel["gridPos"] for panel in board["panels"])
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24


def test_every_variable_a_query_uses_is_one_of_the_board(board):
    known = {variable["name"] for variable in board["templating"]["list"]} | {"timeFilter", "__interval"}
    used = {name for query in queries(board) for name in re.findall(r"\$([a-zA-Z_]\w*)", query)}
    assert used <= known


def test_every_query_reads_a_stored_measurement(board):
    stored = {measurement.name for measurement in MEASUREMENTS}
    assert {name for query in queries(board) for name in re.findall(r'FROM "([^"]+)"', query)} <= stored


def queries(board: Board) -> list[str]:
    variables = [one["query"] for one in board["templating"]["list"] if one["type"] == "query"]
    marks = [one["target"]["query"] for one in board["annotations"]["list"]]
    return variables + marks + [target["query"] for panel in board["panels"] for target in panel.get("targets", [])]


def links(board: Board) -> list[str]:
    """The addresses that rows and tiles lead to."""
    configs = [panel["fieldConfig"] for panel in board["panels"] if "fieldConfig" in panel]
    given = [config["defaults"].get("links", []) for config in configs]
    overrides = [override for config in configs for override in config["overrides"]]
    given += [entry["value"] for one in overrides for entry in one["properties"] if entry["id"] == "links"]
    return [link["url"] for listed in given for link in listed]


def test_links_between_boards_keep_time_and_site(board):
    between = [url for url in links(board) if url.startswith("/d/")]
    for url in between:
        assert "${__url_time_range}" in url and "&var-site=${site:percentencode}" in url
    assert {re.split(r"[/?]", url)[2] for url in between} <= {one["uid"] for one in boards().values()}


def test_every_variable_a_link_uses_is_one_of_the_board(board):
    known = {variable["name"] for variable in board["templating"]["list"]}
    used = {name for url in links(board) for name in re.findall(r"\$\{([a-zA-Z]\w*)", url)}
    assert used <= known


def test_a_line_is_one_click_below_the_overview_and_an_alert_one_click_from_its_page():
    urls = links(boards()["plant_overview"])
    assert any("/d/andon-line" in url and "&var-line=" in url for url in urls)
    assert "${board:raw}/alerts/${__value.raw:percentencode}" in urls


def test_the_other_boards_are_one_click_away_with_time_and_choices(board):
    (others,) = board["links"]
    assert others["keepTime"] and others["includeVars"] and others["tags"] == ["andon"] == board["tags"]


def test_every_board_has_the_same_choices(board):
    names = [variable["name"] for variable in board["templating"]["list"]]
    assert names == ["site", "line", "cluster", "board"]


def test_marks_on_time_series_are_read_from_our_own_store(board):
    (alerts,) = board["annotations"]["list"]
    assert alerts["datasource"] == DATA_SOURCE
    columns = {alerts["target"][f"{part}Column"] for part in ("title", "text", "tags", "timeEnd")}
    assert columns == set(re.findall(r'"(\w+)"', alerts["target"]["query"].split(" FROM ")[0]))


def test_no_panel_is_needed_by_anything_else():
    """So that deleting its file and its test removes it. Ids come from names, and a rule may name one."""
    sources = Path(dashboards.__file__).parent.rglob("*.py")
    imports = re.compile(r"^\s*(from dashboards\.panels[. ]|import dashboards\.panels\.)", re.MULTILINE)
    needing = [path.name for path in sources if imports.search(path.read_text())]
    assert needing == [], "only dashboards.layout meets panels, by listing the folder"


def test_panel_ids_are_unique():
    assert len({panel_id(name) for name in PANELS}) == len(PANELS)


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_asks_a_question_and_says_how_to_read_the_answer(name):
    panel = PANELS[name].panel()
    assert panel["title"].endswith("?")
    assert 30 <= len(panel["description"]) <= 130 and panel["description"].endswith(".")


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_stands_on_a_board_that_exists(name):
    assert PANELS[name].PLACES.keys() <= boards().keys()


@pytest.mark.parametrize("name", [name for name in PANELS if "targets" in PANELS[name].panel()])
def test_a_panel_with_data_has_a_unit_a_word_for_no_data_and_our_source(name):
    panel = PANELS[name].panel()
    assert panel["datasource"] == DATA_SOURCE and all(t["datasource"] == DATA_SOURCE for t in panel["targets"])
    defaults, overrides = panel["fieldConfig"]["defaults"], panel["fieldConfig"]["overrides"]
    units = [entry["value"] for override in overrides for entry in override["properties"] if entry["id"] == "unit"]
    assert defaults["noValue"]
    assert defaults.get("unit") or units
    assert "d" not in [defaults.get("unit"), *units], "the unit `d` turns 11.5 days into 1.64 weeks; say `suffix:d`"


@pytest.mark.parametrize("name", [name for name in PANELS if PANELS[name].panel()["type"] == "table"])
def test_a_table_is_sorted_by_columns_it_shows_and_overrides_only_those(name):
    panel = PANELS[name].panel()
    (organize,) = panel["transformations"]
    shown = set(organize["options"]["renameByName"].values())
    assert {entry["displayName"] for entry in panel["options"]["sortBy"]} <= shown
    assert {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]} <= shown
    assert "Time" in organize["options"]["excludeByName"] or "Time" in organize["options"]["renameByName"]


def test_a_colour_is_never_alone(board):
    """Whatever has a colour other than grey has a word of its own, or is a number that differs by itself."""
    for panel in board["panels"]:
        for mapping in mappings(panel):
            if mapping["color"] not in GREYS:
                assert re.search(r"[◆▲▼■◌✖]", mapping["text"]), panel["title"]


def test_words_for_normal_are_grey(board):
    normal = {"quiet", "■ as expected", "■ in time", "● $1"}
    said = [one for panel in board["panels"] for one in mappings(panel) if one["text"] in normal]
    assert all(one["color"] in GREYS for one in said)


def mappings(panel: dict[str, Any]) -> list[dict[str, Any]]:
    config = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
    listed = list(config["defaults"].get("mappings", []))
    for override in config["overrides"]:
        listed += [one for entry in override["properties"] if entry["id"] == "mappings" for one in entry["value"]]
    return [
        result
        for one in listed
        for result in (one["options"].values() if one["type"] == "value" else [one["options"]["result"]])
    ]


def panel_of(board: Board, kind: str) -> dict[str, Any]:
    return next(panel for panel in board["panels"] if panel["type"] == kind)


SEEDED = {
    "an unknown field of the board": lambda b: b.update(titel="Plant"),
    "no schema version": lambda b: b.pop("schemaVersion"),
    "a variable of a kind there is not": lambda b: b["templating"]["list"][0].update(type="querry"),
    "an unknown field of a panel": lambda b: b["panels"][0].update(dataSource={}),
    "a width that is text": lambda b: b["panels"][0]["gridPos"].update(w="6"),
    "an unknown option": lambda b: panel_of(b, "stat")["options"].update(colourMode="value"),
    "an option of the wrong type": lambda b: panel_of(b, "table")["options"].update(showHeader="yes"),
    "an option with a value there is not": lambda b: panel_of(b, "state-timeline")["options"].update(showValue="nevr"),
    "a missing option": lambda b: panel_of(b, "timeseries")["options"].pop("legend"),
    "an unknown field setting": lambda b: panel_of(b, "state-timeline")["fieldConfig"]["defaults"]["custom"].update(
        w=1
    ),
    "a line width that is text": lambda b: panel_of(b, "timeseries")["fieldConfig"]["defaults"]["custom"].update(
        lineWidth="2"
    ),
    "an override of a setting there is not": lambda b: panel_of(b, "table")["fieldConfig"]["overrides"][0][
        "properties"
    ].append({"id": "units", "value": "s"}),
    "an override of the wrong type": lambda b: panel_of(b, "timeseries")["fieldConfig"]["overrides"][0][
        "properties"
    ].append({"id": "custom.fillOpacity", "value": "full"}),
    "a link without an address": lambda b: panel_of(b, "stat")["fieldConfig"]["defaults"]["links"][0].pop("url"),
    "an unknown option of the graph": lambda b: panel_of(b, "nodeGraph")["options"]["nodes"].update(ring=[]),
    "an arc of the graph with a colour that is a number": lambda b: panel_of(b, "nodeGraph")["options"]["nodes"][
        "arcs"
    ][0].update(color=1),
    "a threshold without a colour": lambda b: panel_of(b, "state-timeline")["fieldConfig"]["defaults"]["thresholds"][
        "steps"
    ][0].pop("color"),
}


WHERE = {
    "a missing option": "line",
    "a line width that is text": "line",
    "an override of the wrong type": "line",
    "an unknown option of the graph": "supply_chain",
    "an arc of the graph with a colour that is a number": "supply_chain",
}


@pytest.mark.parametrize("fault", SEEDED)
def test_a_seeded_fault_is_caught(fault):
    broken = copy.deepcopy(boards()[WHERE.get(fault, "plant_overview")])
    assert faults(broken) == []
    SEEDED[fault](broken)
    assert faults(broken)


class PanelNamed:
    def __init__(self, width: int = 1) -> None:
        self.PLACES = {"wall": Place(row=1, position=1, width=width, height=1)}

    def panel(self) -> dict[str, Any]:
        return {"type": "text"}


@pytest.mark.parametrize(
    ("panels", "sentence"),
    [
        ({str(i): PanelNamed() for i in range(13)}, "board wall has 13 panels"),
        ({str(i): PanelNamed(width=13) for i in range(2)}, "row 1: 26 columns of 24"),
    ],
)
def test_a_board_that_is_too_full_is_refused(monkeypatch, panels, sentence):
    monkeypatch.setattr(layout, "panel_modules", lambda: panels)
    with pytest.raises(ValueError, match=sentence):
        layout.panels_of("wall")
