"""A chain's folder is read, or every fault in it is a sentence with file, row and remedy."""

from __future__ import annotations

import random
import tomllib
from math import inf
from pathlib import Path

import pytest

from collector.readings import NS_PER_S
from detectors.chain.map.folder import ChainError, check, load
from detectors.chain.map.names import Meant
from detectors.chain.map.tables import Demand, Fault, Site, Tables
from detectors.chain.network import Network, NodeKind
from detectors.chain.programme.programmes import Programmes
from detectors.chain.programme.scenario import Scenario
from detectors.chain.structure.cuts import Logic
from detectors.chain.structure.supplies import supplies_of
from tests.bench.chain_networks import random_network, random_tables, write_folder

CASES = Path(__file__).parents[2] / "cases" / "chain"
SITES = Path(__file__).parents[3] / "deploy" / "sites"
DAY_NS = 86_400 * NS_PER_S
MARCH_NS = 1_772_323_200 * NS_PER_S  # 2026-03-01

FOLDER = tomllib.loads((CASES / "folder.toml").read_text(encoding="utf-8"))
FAULTS = tomllib.loads((CASES / "faults.toml").read_text(encoding="utf-8"))["fault"]
SAID_BY = ",audit,2026-03-01,0.9"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The sound folder of `folder.toml`, each row of which says where it is from."""
    for table, text in FOLDER.items():
        head, *rows = text.strip().splitlines()
        lines = [f"{head},source,as_of,confidence", *(row + SAID_BY for row in rows)]
        (tmp_path / f"{table}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def change(folder: Path, table: str, old: str, new: str) -> None:
    path = folder / f"{table}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def errors(folder: Path) -> tuple[str, ...]:
    return check(folder).errors


@pytest.mark.parametrize("site", sorted(path.parent.name for path in SITES.glob("*/chain")))
def test_the_chain_of_a_sample_site_has_no_fault(site: str) -> None:
    checked = check(SITES / site / "chain", MARCH_NS + 10 * DAY_NS)
    assert (checked.errors, checked.warnings) == ((), ())


class TestTheNetwork:
    """What a sound folder becomes."""

    @pytest.fixture
    def network(self, folder: Path) -> Network:
        return load(folder)

    def test_a_node_is_one_capability_with_what_its_site_and_item_say(self, network: Network) -> None:
        line = network.by_name["line"]
        assert (line.site, line.item, line.uom, line.kind) == ("line", "thing", "{pcs}", NodeKind.LINE)
        assert (line.equipment, line.division, line.industry, line.country) == ("plant/line", "38", "3841", "CN")
        assert network.by_equipment["plant/line"] is line
        assert network.by_name["maker:part"].kind is NodeKind.SUPPLIER
        assert network.by_name["shop:thing"].kind is NodeKind.MARKET
        assert network.by_name["depot:glue"].kind is NodeKind.WAREHOUSE

    def test_an_arc_is_a_row_of_sourcing_with_a_line_of_the_bill_of_materials(self, network: Network) -> None:
        arcs = {(arc.source, arc.target, arc.material): arc for arc in network.arcs}
        part = arcs["maker:part", "line", "part"]
        assert (part.quantity_per, part.lead_time_d, part.share, part.price) == (2, 5, 0.7, 3.5)
        assert part.evidence is not None
        assert (part.evidence.table, part.evidence.row, part.evidence.source) == ("sourcing", 2, "audit")
        assert (part.evidence.as_of_ns, part.evidence.confidence) == (MARCH_NS, 0.9)

    def test_scrap_and_another_unit_are_in_the_quantity(self, network: Network) -> None:
        (glue,) = [arc for arc in network.arcs_into["line"] if arc.material == "glue"]
        assert glue.quantity_per == pytest.approx(0.05 / 0.8)  # 50 g in kg, a fifth of it lost

    def test_a_maker_draws_what_its_own_site_keeps_and_the_store_is_supplied(self, network: Network) -> None:
        assert [(arc.source, arc.share) for arc in network.arcs_into["line"] if arc.material == "glue"] == [
            ("depot:glue", 1.0)
        ]
        assert [arc.source for arc in network.arcs_into["depot:glue"]] == ["gluer:glue"]

    def test_lines_of_a_substitute_group_meet_one_need_and_others_are_all_needed(self, network: Network) -> None:
        assert {arc.need for arc in network.arcs_into["line"]} == {
            ("line", "part"),
            ("line", "glue"),
            ("line", "box"),
        }
        assert {arc.material for arc in network.sources("line", "carton")} == {"carton", "crate"}

    def test_the_plan_follows_from_demand_shares_and_quantities(self, network: Network) -> None:
        planned = network.planned_per_d
        assert planned["shop:thing"] == planned["line"] == 20.0
        assert planned["maker:part"] == pytest.approx(28.0)
        assert planned["boxer:crate"] == pytest.approx(20 * 0.25 * 0.5)
        assert network.by_name["shop:thing"].value_per_d == 400

    def test_a_source_under_qualification_carries_nothing(self, network: Network) -> None:
        assert {arc.source: arc.qualified for arc in network.arcs_into["line"] if arc.material == "part"} == {
            "maker:part": True,
            "other:part": True,
            "newcomer:part": False,
        }

    def test_an_energy_cap_limits_what_is_made(self, network: Network) -> None:
        boxer = {node.item: node for node in network.nodes if node.site == "boxer"}
        # 300 kWh a day, 3 a unit: 100 units, 3 of 4 cartons by the usual rates
        assert boxer["carton"].energy_cap_per_d == boxer["carton"].capacity_per_d == pytest.approx(75)
        assert boxer["crate"].energy_cap_per_d == pytest.approx(25)
        assert boxer["crate"].capacity_per_d == 20
        assert network.by_name["line"].energy_cap_per_d == inf

    def test_stocks_hang_on_the_node_that_uses_or_has_them_in_the_units_of_the_item(self, network: Network) -> None:
        held = {(stock.node, stock.material): stock for stock in network.stocks}
        assert held["line", "part"].on_hand == 80
        assert held["line", "part"].as_of_ns == MARCH_NS
        assert network.by_series["plant/line/store:stock_part"] is held["line", "part"]
        assert held["depot:glue", "glue"].on_hand == pytest.approx(3)  # 3,000 g
        (coming,) = held["line", "part"].in_transit
        assert (coming.quantity, coming.due_ns) == (30, MARCH_NS + 2 * DAY_NS)

    def test_actions_outages_and_scenarios_name_nodes(self, network: Network) -> None:
        assert [(one.node, one.material, one.action) for one in network.mitigations] == [
            ("line", "part", "Call, then drive"),
            ("boxer:carton", "", "Work on Sunday"),
            ("boxer:crate", "", "Work on Sunday"),
        ]
        assert [(one.node, one.ended_ns) for one in network.outages] == [
            ("line", MARCH_NS - 8 * DAY_NS),
            ("boxer:crate", None),
        ]
        (quake,) = network.shocks
        assert quake.remaining == {"maker:part": 0.0, "other:part": 0.5}
        assert (quake.for_d, quake.per_y) == (10, 0.1)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["says"])
def test_a_fault_is_named_with_file_row_and_remedy(folder: Path, fault: dict[str, str]) -> None:
    change(folder, fault["table"], fault["old"], fault["new"])
    checked = check(folder, MARCH_NS + DAY_NS)
    said = checked.warnings if fault.get("warning") else checked.errors
    separator = " " if fault["says"].startswith("row") else ": "
    file = fault.get("file", fault["table"])
    assert any(one.startswith(f"{folder / file}.csv{separator}{fault['says']}") for one in said), (said, checked)
    assert len(checked.faults) == fault.get("faults", 1), checked.faults
    if fault.get("warning"):
        assert checked.network is not None
    else:
        with pytest.raises(ChainError):
            load(folder)


def test_stores_that_supply_each_other_are_a_cycle(folder: Path) -> None:
    change(folder, "capabilities", "shop,thing,sell", f"shop,glue,keep,,,,,,shop:glue{SAID_BY}\nshop,thing,sell")
    change(folder, "sourcing", "gluer,line,glue", f"line,shop,glue,1,1,1,,{SAID_BY}\nshop,line,glue")
    way = "depot:glue -> shop:glue -> depot:glue"
    assert errors(folder) == (f"{folder}/sourcing.csv row 5: supply runs in a cycle, {way}; remove one of these rows",)


def test_a_site_needs_no_row_of_sourcing_for_what_it_makes_itself(folder: Path) -> None:
    change(folder, "bom", "thing,part,2", f"crate,carton,2,,,{SAID_BY}\nthing,part,2")
    (arc,) = load(folder).arcs_into["boxer:crate"]
    assert (arc.source, arc.quantity_per, arc.share, arc.lead_time_d) == ("boxer:carton", 2, 1, 0)


def test_a_stock_that_several_nodes_use_needs_a_store(folder: Path) -> None:
    for parent in ("carton", "crate"):
        change(folder, "bom", "thing,part,2", f"{parent},glue,0.1,,,{SAID_BY}\nthing,part,2")
    change(folder, "sourcing", "gluer,line,glue", f"gluer,boxer,glue,1,1,1,,{SAID_BY}\ngluer,line,glue")
    change(folder, "stock", "shop,thing", f"boxer,glue,5,,{SAID_BY}\nshop,thing")
    (said,) = errors(folder)
    assert "stock.csv row 4: glue at boxer is used by boxer:carton, boxer:crate; add a capability of boxer" in said


def test_a_substitute_is_as_essential_as_what_it_replaces(folder: Path) -> None:
    """Structure and exposure ask the same arcs: without its cartons the line has crates, without both nothing."""
    change(folder, "items", "crate,{pcs},,,", "crate,{pcs},1,,")
    network = load(folder)
    assert {arc.essential for arc in network.arcs_into["line"] if arc.need == ("line", "box")} == {2}
    logic = Logic(supplies_of(network))
    for lost, stops in (["boxer:carton"], False), (["boxer:carton", "boxer:crate"], True):
        assert ("line" in logic.stopped_without(lost)) is stops
        shut = Scenario(dict.fromkeys(lost, 0.0))
        assert Programmes(network).lost_per_d(shut) == pytest.approx(400 if stops else 0, abs=1e-6)


def test_every_fault_is_said_at_once(folder: Path) -> None:
    change(folder, "capabilities", "maker,part,make,50,,10", "maker,part,make,0,,")
    change(folder, "sites", "maker,Quanzhou Parts,,CN", "maker,Quanzhou Parts,,XX")
    change(folder, "stock", "{pcs}", "kg")
    assert [sentence.split(":")[0] for sentence in errors(folder)] == [
        f"{folder}/sites.csv row 2",
        f"{folder}/capabilities.csv row 2",
        f"{folder}/capabilities.csv row 2",
        f"{folder}/stock.csv row 2",
    ]


def test_stale_facts_are_said_once_for_each_table_and_the_setting_decides(folder: Path) -> None:
    later = check(folder, MARCH_NS + 400 * DAY_NS, stale_after_d=365)
    assert later.network is not None
    (sites,) = [warning for warning in later.warnings if "sites.csv" in warning]
    age = "`as_of` 2026-03-01 is 400 days old, stale after 365 (and 6 other rows of this table)"
    assert sites == f"{folder}/sites.csv row 2: {age}; look again and date it"
    fresh = check(folder, MARCH_NS + 400 * DAY_NS, stale_after_d=500).warnings
    assert [warning for warning in fresh if "as_of" in warning] == []


def test_a_delivery_whose_date_has_passed_is_said(folder: Path) -> None:
    change(folder, "in_transit", "line,part,30,", f"line,part,20,2026-03-05{SAID_BY}\nline,part,30,")
    assert check(folder, MARCH_NS + 2 * DAY_NS).warnings == ()
    (said,) = check(folder, MARCH_NS + 12 * DAY_NS).warnings
    passed = "`due` 2026-03-03 passed 10 days ago (and 1 other row of this table)"
    remedy = "count the stock anew and remove it, or correct the date; live it counts no more"
    assert said == f"{folder}/in_transit.csv row 3: {passed}; {remedy}"


def test_of_very_many_errors_the_first_are_said_and_the_rest_counted(folder: Path) -> None:
    rows = "".join(f"maker,line,part{i},1,1,1,,{SAID_BY}\n" for i in range(150))
    change(folder, "sourcing", "line,shop,thing", f"{rows}line,shop,thing")
    assert len(errors(folder)) == 150
    with pytest.raises(ChainError, match=r"part99'[^\n]*\n\.\.\. and 50 more; `andon chain check"):
        load(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "bom.csv").unlink()
    assert errors(folder) == (f"{folder}/bom.csv: no such file; create it (columns: detectors/chain/SCHEMA.md)",)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ChainError, match=r"no such folder; name one that holds sites\.csv"):
        load(tmp_path / "nowhere")


def test_a_file_of_another_encoding_is_named(folder: Path) -> None:
    (folder / "sites.csv").write_bytes("id,firm\nfäb,plant\n".encode("latin-1"))
    assert "sites.csv: cannot be read" in errors(folder)[0]


def test_an_empty_file_lacks_its_columns(folder: Path) -> None:
    (folder / "stock.csv").write_text("")
    assert errors(folder) == (f"{folder}/stock.csv: the column `source` is missing; add it to the first line",)


def test_empty_lines_count_as_rows_and_mean_nothing(folder: Path) -> None:
    head, first, *rest = (folder / "demand.csv").read_text().splitlines()
    (folder / "demand.csv").write_text("\n".join([head, "", ",,,,,", first, *rest, "", ""]))
    assert check(folder).tables.demand[0].row == 4


NASTY = (
    "",
    " ",
    "-1",
    "nan",
    "1e999",
    "0",
    "2",
    "line",
    "part",
    "maker",
    "{pcs}",
    "Cel",
    "a,b",
    '"',
    "é",
    "x" * 300,
    "9999-12-31",
)


def test_no_cell_breaks_the_check(folder: Path) -> None:
    """Whatever stands in a cell: an error that is said, or a network."""
    chance = random.Random(20261123)
    for _ in range(60):
        path = folder / f"{chance.choice(sorted(FOLDER))}.csv"
        sound = path.read_text(encoding="utf-8")
        lines = [line.split(",") for line in sound.splitlines()]
        row = chance.randrange(len(lines))
        lines[row][chance.randrange(len(lines[row]))] = chance.choice(NASTY)
        path.write_text("\n".join(",".join(cells) for cells in lines), encoding="utf-8")
        checked = check(folder, MARCH_NS)
        assert (checked.network is None) == bool(checked.errors)
        path.write_text(sound, encoding="utf-8")
    assert check(folder, MARCH_NS).faults == ()


def test_a_name_out_of_thousands_is_still_guessed() -> None:
    sites = Meant("site", [Site(2 + i, "audit", MARCH_NS, 0.9, f"s{i:06}") for i in range(10_000)])
    row = Demand(7, "audit", MARCH_NS, 0.9, "s002999b", "thing", 20)
    (fault,) = sites.unknown([row], "site", [row.site])
    assert fault == Fault("demand", 7, fault.says)
    assert fault.says.startswith("`site`: no site 's002999b' in sites.csv (did you mean s002999?)")


@pytest.mark.parametrize(("firms", "links"), [(6, 8), (40, 300), (600, 3_600)])
def test_a_generated_folder_reads_back_as_it_was_made(tmp_path: Path, firms: int, links: int) -> None:
    made = random_tables(firms, links)
    write_folder(made, tmp_path)
    checked = check(tmp_path, MARCH_NS)
    assert checked.faults == ()
    assert checked.tables == Tables(*made)
    assert checked.network == random_network(firms, links)
    assert len(checked.tables.sites) == firms
