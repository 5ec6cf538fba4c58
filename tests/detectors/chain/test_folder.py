"""A chain's folder is read, or every fault in it is a sentence with file, row and remedy."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from detectors.chain.folder import ChainError, check, load

CASES = Path(__file__).parents[2] / "cases" / "chain"
SITES = Path(__file__).parents[3] / "deploy" / "sites"

NODES = """\
name,kind,equipment,capacity_per_d,time_to_recover_d,demand_per_d,value_per_d
maker,supplier,,50,10,,
other,supplier,,50,12,,
line,line,plant/line,40,2,,
shop,market,,,,20,400
"""
ARCS = """\
source,target,material,quantity_per,lead_time_d,share
maker,line,part,2,5,0.7
other,line,part,2,5,0.3
line,shop,thing,1,1,1
"""
STOCK = """\
node,material,on_hand,series,as_of
line,part,80,plant/line/store:stock_part,2026-03-02T08:00:00+08:00
shop,thing,10,,
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("nodes", NODES), ("arcs", ARCS), ("stock", STOCK)):
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path


def change(folder: Path, table: str, old: str, new: str) -> None:
    path = folder / f"{table}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("site", sorted(path.parent.name for path in SITES.glob("*/chain")))
def test_the_chain_of_a_sample_site_has_no_fault(site: str) -> None:
    assert check(SITES / site / "chain") == []


def test_a_sound_folder_becomes_a_network(folder: Path) -> None:
    (folder / "in_transit.csv").write_text("node,material,quantity,due\nline,part,30,2026-03-03T00:00:00Z\n")
    (folder / "actions.csv").write_text('node,action,covers_d\nline,"Call, then drive",3\n')
    network = load(folder)
    assert network.planned_per_d == {"maker": 28.0, "other": 12.0, "line": 20.0, "shop": 20.0}
    assert network.by_equipment["plant/line"].name == "line"
    stock = network.by_series["plant/line/store:stock_part"]
    assert stock.as_of_ns == 1_772_409_600_000_000_000
    assert stock.in_transit[0].quantity == 30
    assert network.mitigations[0].action == "Call, then drive"
    assert network.places["maker"][0] == 0.0 and network.places["shop"] == (1.0, 0.5)
    assert network.downstream("maker") == ["line", "shop"]


FAULTS = tomllib.loads((CASES / "faults.toml").read_text(encoding="utf-8"))["fault"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["says"])
def test_a_fault_is_named_with_file_row_and_remedy(folder: Path, fault: dict[str, str]) -> None:
    change(folder, fault["table"], fault["old"], fault["new"])
    said = check(folder)
    separator = " " if fault["says"].startswith("row") else ": "
    assert any(one.startswith(f"{folder / fault['table']}.csv{separator}{fault['says']}") for one in said), said
    with pytest.raises(ChainError):
        load(folder)


def test_every_fault_is_said_at_once(folder: Path) -> None:
    change(folder, "nodes", "maker,supplier,,50,10", "maker,supplier,,50,")
    change(folder, "arcs", "0.3", "0.7")
    assert [sentence.split(":")[0] for sentence in check(folder)] == [
        f"{folder}/nodes.csv row 2",
        f"{folder}/arcs.csv row 2",
    ]


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "arcs.csv").unlink()
    assert check(folder) == [f"{folder}/arcs.csv: no such file; create it (columns: detectors/chain/SCHEMA.md)"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ChainError, match=r"no such folder; name one that holds nodes\.csv"):
        load(tmp_path / "nowhere")


def test_a_file_of_another_encoding_is_named(folder: Path) -> None:
    (folder / "nodes.csv").write_bytes("name,kind\nfäb,plant\n".encode("latin-1"))
    assert "nodes.csv: cannot be read" in check(folder)[0]


def test_an_empty_file_lacks_its_columns(folder: Path) -> None:
    (folder / "stock.csv").write_text("")
    assert check(folder) == [f"{folder}/stock.csv: the column `node` is missing; add it to the first line"]


def test_a_delivery_needs_a_stock_to_arrive_in(folder: Path) -> None:
    (folder / "in_transit.csv").write_text("node,material,quantity,due\nline,thing,30,2026-03-03\n")
    assert check(folder) == [
        f"{folder}/in_transit.csv row 2: thing at line has no row in stock.csv to arrive in; add one"
    ]
