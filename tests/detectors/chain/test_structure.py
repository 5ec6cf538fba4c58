"""Structure of a chain: what the reference says, what the definitions say by brute force, and what a map gives."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components, shortest_path

from detectors.chain.network import Arc, Network, Node, NodeKind
from detectors.chain.structure.betweenness import betweenness
from detectors.chain.structure.case import answers
from detectors.chain.structure.cuts import Logic
from detectors.chain.structure.measures import articulation, influence, k_core
from detectors.chain.structure.sources import concentration, concentration_of_materials, single_sources
from detectors.chain.structure.supplies import Link, Supplies, supplies, supplies_of
from tests.detectors.chain.reference import FOLDER, case

GRAPHS = sorted(path.stem for path in FOLDER.glob("graph-*.json"))


def random_supplies(seed: int, n: int = 14, links: int = 22) -> Supplies:
    """Links between any two nodes, cycles and repeated links included, of three materials; two nodes sell."""
    rng = np.random.default_rng(seed)
    names = [f"n{i}" for i in range(n)]
    pairs = [rng.choice(n, 2, replace=False) for _ in range(links)]
    made = [Link(names[a], names[b], f"m{rng.integers(3)}", float(rng.random())) for a, b in pairs]
    return supplies(names, made, [i < 2 for i in range(n)])


def chain(*links: tuple[str, str, str], sells: str = "car") -> Supplies:
    names = list(dict.fromkeys(name for a, b, _ in links for name in (a, b)))
    return supplies(names, [Link(a, b, m, 1.0) for a, b, m in links], [name == sells for name in names])


def off_by(mine: Any, theirs: Any) -> float:
    """The largest deviation from what is expected; infinite where it is no number and differs."""
    if isinstance(theirs, dict):
        return max((off_by(mine[key], value) for key, value in theirs.items()), default=0.0)
    if isinstance(theirs, float) and isinstance(mine, float):
        return abs(mine - theirs)
    return 0.0 if mine == theirs else float("inf")


def test_there_are_cases() -> None:
    assert len(GRAPHS) >= 3


@pytest.mark.parametrize("name", GRAPHS)
def test_agrees_with_the_reference(name: str) -> None:
    stated = case(name)
    found = answers(json.loads(json.dumps(stated)))
    assert stated["expected"].keys() <= found.keys()
    assert {key: off_by(found[key], value) for key, value in stated["expected"].items()} == pytest.approx(
        dict.fromkeys(stated["expected"], 0.0), abs=1e-12
    )


def test_two_brands_on_one_wafer_are_cut_and_are_no_articulation() -> None:
    found = chain(("wafer", "x", "wafer"), ("wafer", "y", "wafer"), ("x", "ecu", "mcu"), ("y", "ecu", "mcu"))
    of = supplies([*found.names, "car"], [*_links(found), Link("ecu", "car", "ecu", 1.0)], [False] * 4 + [True])
    assert Logic(of).cut_suppliers() == ["wafer", "ecu"]
    assert Logic(of).shared_sub_suppliers() == {"wafer": [("ecu", "mcu")]}
    assert not articulation(of)[of.names.index("wafer")]


def test_an_input_that_is_not_required_stops_nobody() -> None:
    links = [Link("paint", "car", "paint", 1.0, required=False), Link("motor", "car", "motor", 9.0)]
    of = supplies(["paint", "motor", "car"], links, [False, False, True])
    assert Logic(of).stopped_without(["paint"]) == ["paint"]
    assert Logic(of).cut_suppliers() == ["motor"]
    assert single_sources(of) == {("car", "paint"): "paint", ("car", "motor"): "motor"}


def test_those_who_feed_each_other_stop_when_the_way_in_is_lost() -> None:
    of = chain(("in", "a", "x"), ("a", "b", "y"), ("b", "car", "z"))
    ring = supplies(of.names, [*_links(of), Link("b", "a", "x", 1.0)], of.market.tolist())
    assert Logic(of).stopped_without(["in"]) == ["in", "a", "b", "car"]
    assert Logic(ring).stopped_without(["in"]) == ["in"]  # a is fed by b, which it feeds: nothing proves a stop


@pytest.mark.parametrize("seed", range(20))
def test_what_stops_is_the_least_set_that_the_logic_allows(seed: int) -> None:
    of = random_supplies(seed)
    needs: dict[int, set[int]] = {}
    for need, source in zip(of.need.tolist(), of.source.tolist(), strict=True):
        needs.setdefault(need, set()).add(source)
    for lost in range(len(of)):
        stopped = {lost}
        for _ in of.names:
            stopped |= {of.names.index(of.needs[need][0]) for need, sources in needs.items() if sources <= stopped}
        assert {of.names.index(name) for name in Logic(of).stopped_without([of.names[lost]])} == stopped


@pytest.mark.parametrize("seed", range(20))
def test_without_an_articulation_point_there_are_more_parts(seed: int) -> None:
    of = random_supplies(seed)
    graph = of.undirected.toarray()
    parts = connected_components(graph)[0]
    cut = articulation(of)
    for node in range(len(of)):
        rest = np.delete(np.delete(graph, node, 0), node, 1)
        alone = not graph[node].any()
        assert cut[node] == (connected_components(rest)[0] > parts - alone)


@pytest.mark.parametrize("seed", range(20))
def test_a_k_core_is_what_is_left_when_all_with_fewer_neighbours_go(seed: int) -> None:
    of = random_supplies(seed)
    graph = of.undirected.toarray()
    core = k_core(of)
    for k in range(int(core.max()) + 2):
        left = np.ones(len(of), bool)
        while (few := left & (graph[:, left].sum(axis=1) < k)).any():
            left &= ~few
        assert np.array_equal(core >= k, left)


@pytest.mark.parametrize("seed", range(8))
def test_betweenness_counts_the_shortest_ways(seed: int) -> None:
    of = random_supplies(seed, n=10, links=24)
    away = shortest_path(of.adjacency, unweighted=True)
    ways = _ways(of.adjacency.toarray(), away)
    n = len(of)
    expected = np.zeros(n)
    for start, via, end in product(range(n), repeat=3):
        if len({start, via, end}) == 3 and away[start, via] + away[via, end] == away[start, end] < np.inf:
            expected[via] += ways[start, via] * ways[via, end] / ways[start, end]
    assert betweenness(of).ratio == pytest.approx(expected / ((n - 1) * (n - 2)), abs=1e-12)


def test_a_sample_says_so_and_lies_near() -> None:
    of = random_supplies(3, n=300, links=900)
    exact, sample = betweenness(of), betweenness(of, exact_up_to=100, starts=150)
    assert (exact.sampled, exact.starts) == (False, 300)
    assert (sample.sampled, sample.starts, sample.nodes) == (True, 150, 300)
    assert np.corrcoef(exact.ratio, sample.ratio)[0, 1] > 0.9
    again = betweenness(of, exact_up_to=100, starts=150)
    assert np.array_equal(sample.ratio, again.ratio)
    assert betweenness(of, exact_up_to=100, starts=300).ratio == pytest.approx(exact.ratio, abs=1e-12)


def test_influence_is_the_dense_inverse() -> None:
    of = random_supplies(5)
    n, alpha = len(of), 0.25
    w = np.zeros((n, n))
    np.add.at(w, (of.target, of.source), of.value)
    w /= np.maximum(w.sum(axis=1, keepdims=True), 1e-300)
    expected = alpha / n * np.linalg.solve(np.eye(n) - (1 - alpha) * w.T, np.ones(n))
    assert influence(of, alpha) == pytest.approx(expected, abs=1e-14)
    assert influence(of, 1.0) == pytest.approx(np.full(n, 1 / n))


@pytest.mark.parametrize("alpha", [0.0, -1.0, 1.5])
def test_influence_refuses_a_part_of_labour_that_is_none(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        influence(random_supplies(0), alpha)


def test_nodes_without_a_link_are_measured_too() -> None:
    of = supplies(["a", "b"], [], [True, False])
    assert single_sources(of) == concentration(of) == {}
    assert k_core(of).tolist() == [0, 0]
    assert articulation(of).tolist() == [False, False]
    assert betweenness(of).ratio.tolist() == [0.0, 0.0]
    assert Logic(of).cut_suppliers() == []


def test_a_map_gives_qualified_supplies_at_planned_values() -> None:
    of = supplies_of(dual_sourced())
    assert concentration(of) == pytest.approx({("car", "chip"): 0.75**2 + 0.25**2})
    assert concentration(of, "country")["car", "chip"] == 1.0
    assert concentration_of_materials(of, "division") == pytest.approx({"chip": 0.625})
    assert "late" not in {of.names[i] for i in of.source.tolist()}


def test_without_prices_shares_weigh() -> None:
    network = dual_sourced(price=0.0)
    assert concentration(supplies_of(network)) == pytest.approx({("car", "chip"): 0.5})


def dual_sourced(price: float = 30.0) -> Network:
    """Two makers in one country, one at three times the price for the same share; a third is not qualified yet."""
    nodes = (
        Node(name="car", kind=NodeKind.PLANT, demand_per_d=10.0),
        Node(name="a", kind=NodeKind.SUPPLIER, country="TW", division="39"),
        Node(name="b", kind=NodeKind.SUPPLIER, country="TW", division="38"),
        Node(name="late", kind=NodeKind.SUPPLIER, country="CN", qualified=False),
    )
    arcs = (
        Arc(source="a", target="car", material="chip", share=0.5, price=price),
        Arc(source="b", target="car", material="chip", share=0.5, price=price / 3),
        Arc(source="late", target="car", material="chip", share=0.0, qualified=False),
    )
    return Network(nodes, arcs)


def _links(of: Supplies) -> list[Link]:
    columns = zip(of.source.tolist(), of.target.tolist(), of.need.tolist(), strict=True)
    return [Link(of.names[a], of.names[b], of.needs[need][1], 1.0) for a, b, need in columns]


def _ways(graph: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Shortest ways between all pairs: walks of the length of the distance."""
    ways, power = np.eye(len(graph)), np.eye(len(graph))
    for step in range(1, len(graph)):
        power = power @ graph
        ways = np.where(away == step, power, ways)
    return ways
