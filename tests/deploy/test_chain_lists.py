"""`andon chain lists`: what it says to people and to programs, with and without names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from collector.errors import AndonError
from deploy.chain_lists import BadSettings, Found, found_in, settings_of
from detectors.chain.lists.lists import By
from detectors.chain.map.folder import ChainError, load

CHAIN = Path(__file__).parents[2] / "deploy" / "sites" / "nev_drive" / "chain"


@pytest.fixture(scope="module")
def plain() -> Found:
    return found_in(CHAIN)


def test_people_read_cause_numbers_date_and_remedy(plain: Found) -> None:
    said = list(plain.sentences())
    at = said.index("  mcu: mcu_maker alone supplies mcu; 12 days of it are there or come in time, 182 days are needed")
    assert said[at + 1].startswith("      days of supply 12 days; on its way 9.585 days;")
    assert said[at + 2] == "      single_source, as of 2026-01-15, confidence 0.8, 7,650,000 a day at stake"
    assert said[at + 3].startswith("      clears when a second source is qualified, or stocks")
    heads = [line for line in said if not line.startswith(" ")]
    assert heads == ["blank points (5)", "weak links (7)", "shortcomings (2)", "long boards (1)", "chain leaders (3)"]


def test_programs_get_rows_leaders_and_structure(plain: Found) -> None:
    told = json.loads(json.dumps(plain.facts()))
    assert (told["home"], len(told["rows"]), len(told["leaders"])) == ("CN", 15, 3)
    assert told["rows"][0]["as_of"] == "2026-01-15"
    assert told["materials"]["separator"]["hhi_cluster"] == 1.0
    assert told["nodes"]["vehicle_plant"]["articulation"] is True
    assert told["betweenness"] == {"sampled": False, "starts": 50, "of": 50}
    assert told["dependence"]["mcu"]["dependent"] is True
    assert told["foreign_content"]["by_node"]["vehicle_plant"]["face_value"] == 0.0
    assert told["foreign_content"]["by_node"]["vehicle_plant"]["looked_through"] > 0.03


def test_earlier_maps_tell_how_long_a_dependence_stands(tmp_path: Path) -> None:
    before = tmp_path / "2025"
    shutil.copytree(CHAIN, before)
    for table in before.iterdir():
        table.write_text(table.read_text(encoding="utf-8").replace(",2026-0", ",2025-0"), encoding="utf-8")
    sites = before / "sites.csv"
    sites.write_text(sites.read_text(encoding="utf-8").replace(",TW,Taichung", ",CN,Taichung"), encoding="utf-8")
    found = found_in(CHAIN, earlier=[before])
    said = list(found.sentences())
    assert "  mcu: in 2 of 2 states of the map, since 2025-03-01" in said
    assert "  mcu_wafer: in 1 of 2 states of the map, since 2026-03-01" in said
    lasting = found.facts()["persistence"]
    assert (lasting["mcu"]["persistent"], lasting["mcu_wafer"]["persistent"]) == (True, False)
    assert lasting["cell"] == {"dependent_in": 0, "of": 2, "longest": 0, "since": None, "persistent": False}


def test_divisions_without_a_row_are_named() -> None:
    grouped = found_in(CHAIN, by="division")
    said = list(grouped.sentences())
    assert "=== 33 Manufacture of Metal Products" in said
    assert said[-1].startswith("Nothing in 06, 07, ")
    assert set(grouped.facts()["groups"]) >= {"06", "33", "46"}


@pytest.mark.parametrize("by", [None, *By])
def test_without_names_no_name_is_said(by: By | None) -> None:
    found = found_in(CHAIN, by=by or "", without_names=True)
    text = "\n".join(found.sentences()) + json.dumps(found.facts())
    nodes = load(CHAIN).nodes
    names = {name for node in nodes for name in (node.name, node.site, node.firm, node.title, node.equipment)} - {""}
    assert [name for name in sorted(names) if name in text] == []


def test_thresholds_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "lists.toml"
    file.write_text("surplus_ratio = 6\n")
    told = found_in(CHAIN, settings=file, home="cluster:Hefei").facts()
    assert (told["settings"]["surplus_ratio"], told["home"]) == (6, "Hefei")
    assert "surplus" not in {row["kind"] for row in told["rows"]}
    assert "dependence" not in told  # a cluster has no imports


@pytest.mark.parametrize(
    ("text", "says"),
    [("surplus = 6\n", "surplus"), ("surplus_ratio = -1\n", "above 0"), ("surplus_ratio 6\n", "lists.toml")],
)
def test_a_wrong_setting_is_named_with_its_file(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "lists.toml"
    file.write_text(text)
    with pytest.raises(BadSettings, match=says):
        settings_of(file)


@pytest.mark.parametrize(("by", "home"), [("country", ""), ("", "planet:CN"), ("", "region:Atlantis")])
def test_what_cannot_be_asked_for_is_refused(by: str, home: str) -> None:
    with pytest.raises(AndonError):
        found_in(CHAIN, by=by, home=home)


def test_a_folder_with_errors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChainError):
        found_in(tmp_path)
