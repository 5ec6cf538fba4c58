"""What is committed under deploy/grafana is what the source says, to the byte."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dashboards.build import FOLDER_TITLE
from dashboards.render import check, files, render

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
    board = content("dashboards/plant_overview.json")
    asked = {target["datasource"]["uid"] for panel in board["panels"] for target in panel.get("targets", [])}
    asked |= {data["datasourceUid"] for rule in group["rules"] for data in rule["data"]} - {"__expr__"}
    assert asked == {source["uid"]}


def test_no_secret_is_rendered():
    (source,) = content("provisioning/datasources/andon.yaml")["datasources"]
    assert source["secureJsonData"] == {"httpHeaderValue1": "Token $INFLUX_TOKEN"}
