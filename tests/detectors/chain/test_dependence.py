"""Import dependence: what the reference says, at face value and looked through, and how long it stands."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.chain.dependence import Dependence, Thresholds, dependence, dependences, persistence
from detectors.chain.look_through import BadShares, contents, look_through
from detectors.chain.network import Arc, Network, Node, NodeKind
from detectors.chain.structure.case import answers
from tests.detectors.chain.reference import FOLDER, case

CDI = sorted(path.stem for path in FOLDER.glob("cdi-*.json"))
LOOK_THROUGH = sorted(path.stem for path in FOLDER.glob("lookthrough-*.json"))


def test_there_are_cases() -> None:
    assert CDI
    assert LOOK_THROUGH


@pytest.mark.parametrize("name", CDI)
def test_indices_agree_with_the_reference(name: str) -> None:
    stated = case(name)
    for mine, product in zip(answers(stated)["products"], stated["products"], strict=True):
        assert mine == pytest.approx(product["expected"], abs=1e-12), product["name"]


@pytest.mark.parametrize("name", LOOK_THROUGH)
def test_look_through_agrees_with_the_reference(name: str) -> None:
    stated = case(name)
    found, expected = answers(stated), stated["expected"]
    assert found["face_value_product"] == pytest.approx(expected["face_value_product"], abs=1e-12)
    for key in ("foreign_value_added_share", "flow_through_foreign"):
        assert {name: found[key][name] for name in expected[key]} == pytest.approx(expected[key], abs=1e-12)


def test_on_a_threshold_is_not_above_it() -> None:
    at = {"A": 1.0, "B": 1.0}  # 0.5, 0.5, 1
    assert not dependence(at, 2.0, 2.0, Thresholds(0.5, 0.4, 0.9)).dependent
    assert not dependence(at, 2.0, 2.0, Thresholds(0.4, 0.5, 0.9)).dependent
    assert not dependence(at, 2.0, 2.0, Thresholds(0.4, 0.4, 1.0)).dependent
    assert dependence(at, 2.0, 2.0, Thresholds(0.4, 0.4, 0.9)).dependent


def test_nothing_bought_abroad_is_no_dependence() -> None:
    assert dependence({}, 0.0, 0.0) == Dependence(0.0, 0.0, None, False)


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
def test_a_purchase_below_nothing_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="TW"):
        dependence({"TW": wrong}, 1.0, 1.0)


def verdicts(*dependent: bool) -> dict[int, Dependence]:
    return {2020 + i: Dependence(1.0, 1.0, None, one) for i, one in enumerate(dependent)}


def test_persistence_is_told_by_year() -> None:
    always, lately = persistence(verdicts(True, True, True)), persistence(verdicts(True, False, True, True))
    assert (always.persistent, always.since, always.longest) == (True, 2020, 3)
    assert (lately.persistent, lately.since, lately.longest, lately.dependent_in) == (False, 2022, 2, 3)
    assert persistence(verdicts(True, False, True, True), ratio=0.75).persistent
    over = persistence(verdicts(True, True, True, False), ratio=0.75)
    assert (over.persistent, over.since, over.longest) == (False, None, 3)
    with pytest.raises(ValueError, match="no period"):
        persistence({})


def test_the_inverse_is_that_of_a_dense_solver_and_origins_add_up() -> None:
    rng = np.random.default_rng(11)
    n = 40
    shares = rng.random((n, n)) * (rng.random((n, n)) < 0.1)
    shares *= rng.uniform(0.1, 0.9, n) / np.maximum(shares.sum(axis=0), 1e-9)
    abroad = rng.random(n) < 0.4
    through = look_through(shares, [str(i) for i in range(n)])
    inverse = np.linalg.inv(np.eye(n) - shares)
    assert through.origin(abroad) == pytest.approx((through.value_added * abroad) @ inverse, abs=1e-12)
    assert through.flow(abroad) == pytest.approx(abroad.astype(float) @ inverse, abs=1e-12)
    assert through.origin(abroad) + through.origin(~abroad) == pytest.approx(np.ones(n), abs=1e-12)


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ([[0.0, 1.2], [0.0, 0.0]], "b buys for 1.2"),
        ([[0.0, -0.1], [0.0, 0.0]], "below 0"),
        ([[0.0, float("nan")], [0.0, 0.0]], "no number"),
        ([[0.0, 1.0], [1.0, 0.0]], "loop"),
        ([[0.0]], "shape"),
    ],
)
def test_shares_that_no_chain_can_have_are_refused(shares: list[list[float]], says: str) -> None:
    with pytest.raises(BadShares, match=says):
        look_through(shares, ["a", "b"])


def board_of_foreign_chips() -> Network:
    """A product of a domestic board (60 of 100), the board half of chips from TW; the maker at home makes a few."""
    nodes = (
        Node(name="product", kind=NodeKind.PLANT, item="product", country="CN", demand_per_d=1.0, value_per_d=40.0),
        Node(name="board", kind=NodeKind.PLANT, item="board", country="CN"),
        Node(name="chip", kind=NodeKind.SUPPLIER, item="chip", country="TW"),
        Node(name="own_chip", kind=NodeKind.SUPPLIER, item="chip", country="CN", capacity_per_d=0.4),
    )
    arcs = (
        Arc(source="board", target="product", material="board", price=60.0),
        Arc(source="chip", target="board", material="chip", price=40.0, share=0.75),
        Arc(source="own_chip", target="board", material="chip", price=40.0, share=0.25),
    )
    return Network(nodes, arcs)


def test_a_product_bought_at_home_is_looked_through() -> None:
    found = contents(board_of_foreign_chips(), "CN")
    product, board = found.by_node["product"], found.by_node["board"]
    assert (product.face_value, product.looked_through) == pytest.approx((0.0, 0.3))
    assert (board.face_value, board.looked_through) == pytest.approx((0.75, 0.5))
    assert product.by_country == pytest.approx({"TW": 0.3})
    assert (product.dependence.dependent, board.dependence.cdi2) == (False, pytest.approx(0.5))
    assert found.without_value == ()
    assert set(found.by_node) == {"product", "board"}


def test_a_map_gives_the_indices_of_each_material() -> None:
    found = dependences(board_of_foreign_chips(), "CN")
    assert found["board"] == Dependence(0.0, 0.0, found["board"].cdi3, False)
    assert found["chip"].cdi1 == 1.0
    assert (found["chip"].cdi2, found["chip"].cdi3) == pytest.approx((0.75, 0.75 / 0.4))
    assert found["chip"].dependent


def test_who_sells_below_cost_adds_nothing_and_is_named() -> None:
    network = board_of_foreign_chips()
    dear = tuple(arc if arc.material == "board" else _at_price(arc, 80.0) for arc in network.arcs)
    found = contents(Network(network.nodes, dear), "CN")
    assert found.without_value == ("board",)
    assert found.by_node["board"].looked_through == pytest.approx(0.75)


def _at_price(arc: Arc, price: float) -> Arc:
    return Arc(source=arc.source, target=arc.target, material=arc.material, share=arc.share, price=price)
