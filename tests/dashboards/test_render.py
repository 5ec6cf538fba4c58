"""What is committed under deploy/grafana is what the source says, to the byte."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import pytest

from dashboards import layout
from dashboards.build import FOLDER_TITLE
from dashboards.layout import panel_id, panel_modules
from dashboards.render import Wishes, boards, check, files, render
from detectors.calendar import Shift
from tests.dashboards.grafana_schemas import faults

COMMITTED = Path(__file__).parents[2] / "deploy" / "grafana"


def test_the_committed_files_are_as_rendered():
    assert check(COMMITTED) == []


def test_the_same_source_gives_the_same_bytes(tmp_path):
    render(tmp_path / "a")
    render(tmp_path / "b")
    for name in files():
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda board: board.unlink(), "is missing: render again"),
        (lambda board: board.write_text(board.read_text().replace("10s", "5s")), "change the source instead"),
        (lambda board: board.with_name("mine.json").write_text("{}"), "mine.json is not rendered .*: remove it"),
    ],
)
def test_a_difference_is_told_with_its_remedy(tmp_path, change, sentence):
    render(tmp_path)
    assert check(tmp_path) == []
    change(tmp_path / "dashboards" / "plant_overview.json")
    (said,) = check(tmp_path)
    assert re.search(sentence, said)


def content(name: str) -> dict:
    return json.loads(files()[name])


def test_provisioning_files_agree_with_each_other():
    (source,) = content("provisioning/datasources/andon.yaml")["datasources"]
    (provider,) = content("provisioning/dashboards/andon.yaml")["providers"]
    (group,) = content("provisioning/alerting/andon.yaml")["groups"]
    assert provider["folder"] == group["folder"] == FOLDER_TITLE
    asked = {
        target["datasource"]["uid"]
        for name in files()
        if name.startswith("dashboards/")
        for panel in content(name)["panels"]
        for target in panel.get("targets", [])
    }
    asked |= {data["datasourceUid"] for rule in group["rules"] for data in rule["data"]} - {"__expr__"}
    assert asked == {source["uid"]}


SECRETS = {
    "provisioning/datasources/andon.yaml": {"httpHeaderValue1": "Token $INFLUX_TOKEN"},
    "examples/influxdb_1.yaml": {"password": "$INFLUX_PASSWORD"},
    "examples/influxdb_3.yaml": {"httpHeaderValue1": "Bearer $INFLUX_TOKEN"},
}


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_is_rendered_and_every_store_is_the_same_source(name):
    (source,) = content(name)["datasources"]
    assert source["secureJsonData"] == SECRETS[name]
    assert source["uid"] == content("provisioning/datasources/andon.yaml")["datasources"][0]["uid"]
    assert source["jsonData"]["version"] == "InfluxQL"


SHIFT = Shift(name="early", start=dt.time(8), end=dt.time(16))


def test_a_site_with_shifts_mutes_warnings_by_a_timing_that_is_rendered_too():
    rendered = files(Wishes(timezone="Asia/Shanghai", shifts=[SHIFT]))
    (timing,) = json.loads(rendered["provisioning/alerting/mute_times.yaml"])["muteTimes"]
    assert rendered["provisioning/alerting/andon.yaml"].count(f'"{timing["name"]}"') == 1
    assert "provisioning/alerting/mute_times.yaml" not in files()


def test_a_site_of_its_own_address_is_where_alert_rows_lead():
    board = json.loads(files(Wishes(board_url="https://andon.plant/"))["dashboards/plant_overview.json"])
    (address,) = [one["query"] for one in board["templating"]["list"] if one["name"] == "board"]
    assert address == "https://andon.plant"


def test_the_button_is_off_unless_wished():
    assert "/grafana/acknowledge" not in "".join(files().values())
    board = json.loads(files(Wishes(acknowledges=True))["dashboards/plant_overview.json"])
    assert faults(board) == []
    (action,) = [
        action
        for panel in board["panels"]
        for override in panel.get("fieldConfig", {}).get("overrides", [])
        for entry in override["properties"]
        if entry["id"] == "actions"
        for action in entry["value"]
    ]
    assert action["fetch"]["url"] == "${board:raw}/grafana/acknowledge"
    assert "ack" in {variable["name"] for variable in board["templating"]["list"]}


def test_deleting_a_panels_file_takes_it_off_every_board_and_nothing_else(monkeypatch):
    before = boards()
    left = {name: module for name, module in panel_modules().items() if name != "stock_out"}
    monkeypatch.setattr(layout, "panel_modules", lambda: left)
    gone = {panel["id"] for board in before.values() for panel in board["panels"]} - {
        panel["id"] for board in boards().values() for panel in board["panels"]
    }
    assert gone == {panel_id("stock_out")}
