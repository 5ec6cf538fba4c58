"""`andon chain verify|exposure|systemic|export` keep their promises to planners and to those who check us."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from collector.clocks.clock import WallClock
from collector.errors import AndonError
from deploy.chain_closely import closely, curve_of
from deploy.chain_curve_picture import Curve, curve_picture
from deploy.chain_drawing import Drawing, Polygon, Words, box, svg, write
from deploy.chain_exposure import failures
from deploy.chain_layout import apart, layout
from deploy.chain_marks import Level, Risk
from deploy.chain_network_picture import MOST_SHOWN, network_picture
from deploy.chain_png import png
from deploy.chain_systemic import Together, shares
from deploy.chain_why import answer_of
from deploy.cli import app
from detectors.chain.map.folder import load
from detectors.chain.network import Arc, Network, Node, NodeKind
from detectors.chain.programme.scenario import Scenario
from detectors.chain.survive import loss
from tests.detectors.chain.reference import FOLDER as CASES

NEV = Path(__file__).parents[2] / "deploy" / "sites" / "nev_drive" / "chain"
BOTTLING = NEV.parents[1] / "teaching_factory" / "chain"


def andon(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["chain", *map(str, words)])


def told(*words: str | Path) -> Any:
    result = andon(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# --- verify


def copied(to: Path, *names: str) -> Path:
    to.mkdir(exist_ok=True)
    for name in names:
        shutil.copy(CASES / f"{name}.json", to)
    return to


def test_verify_prints_every_deviation_beside_its_tolerance(tmp_path: Path) -> None:
    folder = copied(tmp_path / "cases", "rei-h01-serial", "index-h01", "cdi-h01")
    result = andon("verify", folder)
    assert result.exit_code == 0
    assert "rei-h01-serial  rei    ok" in result.stdout and "tolerance 1e-06" in result.stdout
    assert "3 of 3 cases with known answers agree." in result.stdout


def test_verify_writes_answers_under_the_keys_of_what_is_expected(tmp_path: Path) -> None:
    names = ["rei-h01-serial", "cdi-h01", "index-h01", "lookthrough-h01", "ttr-h01-censored", "unc-h01-uniform-ttr"]
    folder, to = copied(tmp_path / "cases", *names), tmp_path / "answers"
    assert andon("verify", folder, "--answers", to).exit_code == 0
    assert sorted(path.stem for path in to.iterdir()) == sorted(names)
    for name in names:
        stated, mine = (json.loads((folder / f"{name}.json").read_text()) for folder in (CASES, to))
        if "expected" in stated:
            assert mine.keys() == stated["expected"].keys()
        else:
            (of_list,) = mine
            keys = [one["expected"].keys() for one in stated[of_list]]
            assert [one.keys() for one in mine[of_list]] == keys


def test_verify_fails_on_a_wrong_expected_value_and_says_where(tmp_path: Path) -> None:
    folder = copied(tmp_path, "rei-h01-serial", "index-h01")
    stated = json.loads((folder / "rei-h01-serial.json").read_text())
    stated["scenarios"][1]["expected"]["tts"] += 0.5
    (folder / "rei-h01-serial.json").write_text(json.dumps(stated))
    result = andon("verify", folder)
    assert result.exit_code == 1
    assert "MISSED" in result.stdout and "at scenarios[1].tts: " in result.stdout
    assert "1 of 2 cases with known answers agree." in result.stdout


def test_verify_goes_on_after_a_broken_file_and_answers_what_expects_nothing(tmp_path: Path) -> None:
    folder = copied(tmp_path / "cases", "index-h01")
    stated = json.loads((folder / "index-h01.json").read_text())
    del stated["expected"]
    (folder / "index-h01.json").write_text(json.dumps(stated))
    (folder / "broken.json").write_text('{"kind": "rei", "network": {"nodes": 3}, "scenarios": []}')
    result = andon("verify", folder, "--answers", tmp_path / "out")
    assert result.exit_code == 1
    assert f"{folder / 'broken.json'}: network.nodes: expected `array`, got `int`" in result.stdout
    assert "1 answered without any to compare; 1 could not be answered." in result.stdout
    assert json.loads((tmp_path / "out" / "index-h01.json").read_text())["coverage"] == 0.8
    assert not (tmp_path / "out" / "broken.json").exists()


def test_answers_never_fall_on_cases_nor_outside_of_their_folder(tmp_path: Path) -> None:
    folder = copied(tmp_path / "cases", "index-h01")
    before = (folder / "index-h01.json").read_text()
    with pytest.raises(AndonError, match="the cases lie there"):
        raise andon("verify", folder, "--answers", folder).exception or AssertionError
    (folder / "far.json").write_text(json.dumps(json.loads(before) | {"id": "../far"}))
    (folder / "twin.json").write_text(json.dumps(json.loads(before) | {"id": "INDEX-H01"}))
    result = andon("verify", folder, "--answers", tmp_path / "out")
    assert result.exit_code == 1
    assert "'../far' is no file name" in result.stdout and "its answer would be overwritten" in result.stdout
    assert not (tmp_path / "far.json").exists()
    assert (folder / "index-h01.json").read_text() == before


# --- exposure


def test_the_largest_loss_stands_first_and_has_index_one() -> None:
    found = told("exposure", NEV)["failures"]
    assert found[0]["node"] == "mcu_maker" and found[0]["index"] == 1.0
    losses = [one["loss"] for one in found]
    assert losses == sorted(losses, reverse=True)
    assert all((one["first_loss_d"] is None) == (one["loss"] == 0) for one in found)


def test_a_node_looked_at_closely_loses_what_the_table_says() -> None:
    network = load(NEV)
    table = {one.node: one for one in failures(network, lambda done, of: None)}
    for name in ("ntc_maker", "wafer_fab", "igbt_importer_2"):
        close = closely(network, name)
        assert close.loss == table[name].loss
        assert close.curve.loss(close.for_d) == pytest.approx(close.loss, rel=1e-9)
        assert close.time_to_survive_d == table[name].time_to_survive_d
        if close.time_to_survive_d is not None:
            assert close.curve.survives_d == pytest.approx(close.time_to_survive_d, rel=1e-9)


def test_a_curve_is_the_loss_at_every_time() -> None:
    network, shut = load(BOTTLING), Scenario({load(BOTTLING).nodes[0].name: 0.0})
    curve = curve_of(network, shut)
    for for_d in (0.0, 1.0, 7.5, 60.0):
        assert curve.loss(for_d) == pytest.approx(loss(network, shut, for_d), rel=1e-9, abs=1e-9)


def test_a_small_chain_is_also_judged_day_by_day() -> None:
    works = Node(name="works", kind=NodeKind.PLANT, capacity_per_d=10, time_to_recover_d=6, ramp_d=2)
    shop = Node(name="shop", kind=NodeKind.MARKET, demand_per_d=10, value_per_d=100)
    network = Network((works, shop), (Arc(source="works", target="shop", material="x", lead_time_d=3),))
    close = closely(network, "works", day_by_day=True)
    assert (close.time_to_survive_d, close.loss) == (0.0, 600.0)
    phased = close.facts()["phased"]
    assert (phased["first_loss_d"], phased["loss"], phased["horizon_d"]) == (4, pytest.approx(700.0), 11)
    assert any("first loss on day 4, 700 in 11 days" in sentence for sentence in close.sentences())


def test_the_time_to_recover_as_outages_have_it_is_named_beside_the_stated_one() -> None:
    """One outage of the fab's own, of 47 days, two of its class, and 120 stated: `why` says the same."""
    close = closely(load(NEV), "wafer_fab", at_ns=WallClock().now_ns())
    assert close.for_d == 120 and close.learned is not None
    assert close.learned.lost[1] > close.loss > 0
    explained = answer_of(NEV, "mcu_maker").why
    assert explained.recovers == "wafer_fab" and explained.stated_d == 120
    assert close.learned.recovers_d == pytest.approx(explained.recovers_d)
    assert closely(load(NEV), "wafer_fab", for_d=3.0, at_ns=WallClock().now_ns()).learned is None


def test_an_unknown_node_is_a_sentence_with_its_neighbours_in_spelling() -> None:
    with pytest.raises(AndonError, match=r"no such node; is it .*mcu_maker_2"):
        closely(load(NEV), "maker_2")


# --- systemic


@pytest.mark.parametrize("by", list(Together))
def test_everything_that_can_fail_together_is_told(by: Together) -> None:
    network = load(NEV)
    found = shares(network, by)
    labels = {node.name if by is Together.NODE else getattr(node, by) for node in network.nodes} - {""}
    assert {one.name for one in found.shares} == labels
    assert sum(one.nodes for one in found.shares) <= len(network.nodes)
    ratios = [one.share for one in found.shares]
    assert ratios == sorted(ratios, reverse=True) and all(0 <= ratio <= 1 + 1e-12 for ratio in ratios)


def test_chosen_nodes_fail_together() -> None:
    """The firms of a division named one by one lose what the division loses; any two no less than each alone."""
    network = load(NEV)
    division = next(one for one in shares(network, Together.DIVISION).shares if one.nodes > 2)
    members = [node.name for node in network.nodes if node.division == division.name]
    words = [word for name in (*members, members[0]) for word in ("--node", name)]
    found = told("systemic", NEV, *words)
    assert found["chosen"] == members and len(found["shares"]) == 1
    assert found["shares"][0]["share"] == pytest.approx(division.share, abs=1e-12)
    pair = shares(network, Together.NODE, chosen=("ntc_maker", "mcu_maker"))
    alone = {one.name: one.share for one in shares(network, Together.NODE).shares}
    assert pair.shares[0].share >= max(alone["ntc_maker"], alone["mcu_maker"])
    assert any("when ntc_maker, mcu_maker together stop (" in said for said in pair.sentences())


def test_the_exact_answer_is_known_to_its_gap_and_what_a_fine_tolerance_comes_to() -> None:
    network = load(BOTTLING)
    exact = {one.name: one for one in shares(network, Together.NODE, exact=True).shares}
    fine = {one.name: one for one in shares(network, Together.NODE, tolerance=1e-12).shares}
    for name, one in exact.items():
        assert one.gap is not None and one.gap < 1e-9
        assert one.share == pytest.approx(fine[name].share, abs=1e-9)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--tolerance", "0"), "--tolerance 0: it is above 0"),
        (("--lost", "2"), "--lost 2: it is the ratio"),
        (("--by", "planet"), "--by planet: it is one of node, region"),
        (("--by", "country", "--picture", "a.svg"), "a picture shows single nodes"),
        (("--node", "bottling", "--picture", "a.svg"), "a picture shows single nodes"),
        (("--node", "bottling", "--by", "firm"), "leave one of the two out"),
        (("--node", "botling"), "--node botling: the map has no such node; did you mean bottling?"),
        (("--picture", "a.pdf"), "a.pdf: a picture is an .svg or a .png"),
    ],
)
def test_a_question_that_cannot_be_is_a_sentence(words: tuple[str, ...], says: str) -> None:
    error = andon("systemic", BOTTLING, *words).exception
    assert isinstance(error, AndonError) and says in str(error)


# --- export


def test_an_export_without_names_holds_none(tmp_path: Path) -> None:
    network = load(NEV)
    sites = list(csv.DictReader((NEV / "sites.csv").open(encoding="utf-8")))
    places = {one[key] for one in sites for key in ("country", "region", "cluster")}
    named = {node.name for node in network.nodes} | {
        one[key] for one in sites for key in ("id", "firm", "title", "gln")
    }
    items = {row["id"] for row in csv.DictReader((NEV / "items.csv").open(encoding="utf-8"))}
    secret = {name for name in named if name} - places - items
    any_name = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in secret))
    assert any_name.search((NEV / "sites.csv").read_text(encoding="utf-8"))
    files = told("export", NEV, "--out", tmp_path, "--anonymous")["files"]
    assert len(files) == 5 and len(secret) > 100
    for file in files:
        text = Path(file).read_text(encoding="utf-8")
        assert not any_name.findall(text), file


def test_an_export_holds_what_the_commands_say(tmp_path: Path) -> None:
    told("export", BOTTLING, "--out", tmp_path)
    whole = json.loads((tmp_path / "chain.json").read_text())
    assert whole["exposure"] == told("exposure", BOTTLING)["failures"]
    assert whole["lists"]["rows"] == told("lists", BOTTLING)["rows"]
    with (tmp_path / "exposure.csv").open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["loss"] or "None" for row in rows] == [str(one["loss"]) for one in whole["exposure"]]


# --- pictures


def fan(count: int) -> Network:
    """So many suppliers of one shop."""
    suppliers = [Node(name=f"s{i}", kind=NodeKind.SUPPLIER, capacity_per_d=1) for i in range(count)]
    shop = Node(name="shop", kind=NodeKind.MARKET, demand_per_d=1, value_per_d=1)
    return Network((*suppliers, shop), tuple(Arc(source=s.name, target="shop", material=s.name) for s in suppliers))


def words_of(drawing: Drawing) -> list[str]:
    return [shape.text for shape in drawing.shapes if isinstance(shape, Words)]


def test_a_picture_says_every_risk_in_words_and_by_shape() -> None:
    ratios = {"s0": 1.0, "s1": 0.2, "s2": 0.004, "s3": 0.0}
    risks = {name: Risk(ratio, "survives 3 d") for name, ratio in ratios.items()}
    words = words_of(network_picture(fan(5), risks, "A chain", "Note."))
    for said in (
        "high 1.00, survives 3 d",
        "medium 0.20, survives 3 d",
        "low <0.01, survives 3 d",
        "none, survives 3 d",
    ):
        assert words.count(said) == 1
    assert words.count("unknown") == 2  # s4 and the shop
    assert words.count("!") == 2 and words.count("?") == 3  # with the legend
    assert [level for level in Level if sum(text.startswith(f"{level}:") for text in words) != 1] == []


def test_material_flows_from_left_to_right_and_no_box_covers_another() -> None:
    drawing = network_picture(load(NEV), {}, "A chain", "")
    boxes = [shape.points for shape in drawing.shapes if isinstance(shape, Polygon) and len(shape.points) == 4]
    edges = [
        (min(x for x, _ in one), min(y for _, y in one), max(x for x, _ in one), max(y for _, y in one))
        for one in boxes
    ]
    rooms = [one for one in edges if one[2] - one[0] > 40]
    assert len(rooms) == len(load(NEV).nodes)
    for i, one in enumerate(rooms):
        assert one[0] >= 0 and one[2] <= drawing.width and one[1] >= 0 and one[3] <= drawing.height
        for other in rooms[i + 1 :]:
            assert one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]
    network = load(NEV)
    tier = layout([node.name for node in network.nodes], [(arc.source, arc.target) for arc in network.arcs]).tier
    assert all(tier[arc.source] > tier[arc.target] for arc in network.arcs)


def test_rows_stand_as_near_as_their_room_allows() -> None:
    assert apart([0.0, 100.0], [10.0, 10.0]) == [0.0, 100.0]
    assert apart([50.0, 50.0], [10.0, 30.0]) == pytest.approx([40.0, 60.0])
    assert apart([], []) == []


def test_a_large_chain_shows_its_most_exposed_and_says_so() -> None:
    risks = {f"s{i}": Risk(i / 200) for i in range(200)}
    words = words_of(network_picture(fan(200), risks, "A chain", ""))
    assert f"{MOST_SHOWN} of 201 nodes: those that cost most, with their way to a customer." in words
    assert "s199" in words and "s3" not in words and "shop" in words


def test_names_cannot_break_a_picture() -> None:
    nodes = (
        Node(name='a<b>&"c', kind=NodeKind.MARKET, demand_per_d=1, value_per_d=1),
        Node(name="\u6c5f\u82cf", kind=NodeKind.PLANT),
    )
    drawing = network_picture(Network(nodes), {}, "<script>", "&")
    tree = ElementTree.fromstring(svg(drawing))
    texts = [element.text for element in tree.iter() if element.tag.endswith("text")]
    assert 'a<b>&"c' in texts and "\u6c5f\u82cf" in texts
    assert not [element for element in tree.iter() if element.tag.endswith("script")]


def test_curves_name_what_is_survived_and_lost(tmp_path: Path) -> None:
    network = load(NEV)
    curves = [
        Curve(name, curve_of(network, Scenario({name: 0.0})), 30.0)
        for name in ("ntc_maker", "magnet_maker", "sic_maker_2")
    ]
    drawing = curve_picture(curves, "What a failure costs", "")
    words = words_of(drawing)
    assert "never felt" in words and any(text.startswith("survives 7.16 d; ") for text in words)
    ElementTree.fromstring(svg(drawing))


def test_a_png_has_the_size_of_its_drawing_and_is_not_empty(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    shapes = (Polygon(box(10, 10, 30, 20), "#ff0000", "#ff0000"), Words(50, 30, "mcu_maker"))
    write(Drawing(120, 60, "t", shapes), tmp_path / "a.png")
    with image.open(tmp_path / "a.png") as picture:
        assert picture.size == (120, 60)
        assert picture.convert("RGB").getpixel((20, 20)) == (255, 0, 0)
        assert picture.convert("RGB").getpixel((115, 55)) == (255, 255, 255)
    with pytest.raises(AndonError, match="too many for a PNG"):
        png(Drawing(100_000, 100_000, "t", ()))


def test_a_picture_is_drawn_where_the_command_says(tmp_path: Path) -> None:
    for words, file in (((), "risk.svg"), (("--node", load(BOTTLING).nodes[0].name), "curve.svg")):
        assert andon("exposure", BOTTLING, *words, "--picture", tmp_path / file).exit_code == 0
        assert ElementTree.parse(tmp_path / file).getroot().tag.endswith("svg")
    assert andon("systemic", BOTTLING, "--picture", tmp_path / "shares.svg").exit_code == 0
    assert "share " in (tmp_path / "shares.svg").read_text()
