"""Systemic shares agree with every reference case and with the paper's formulas evaluated directly, both ways."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.chain.network import Arc, Network, Node, NodeKind
from detectors.chain.systemic import shocks
from detectors.chain.systemic.cascade import Shares, fastest, systemic_shares
from detectors.chain.systemic.case import answers, firms_of
from detectors.chain.systemic.closed import undamped
from detectors.chain.systemic.firms import BadFirms, Firms
from detectors.chain.systemic.fixed_point import fixed_points
from detectors.chain.systemic.impact import impact_of
from detectors.chain.systemic.money import of_network
from tests.bench.money_networks import money_network

CASES = sorted((Path(__file__).parents[2] / "cases" / "chain").glob("esri-*.json"))
WAYS = ["numpy", pytest.param("numba", marks=pytest.mark.skipif(not find_spec("numba"), reason="numba is missing"))]


def case_of(name: str) -> dict[str, Any]:
    case: dict[str, Any] = json.loads(next(path for path in CASES if path.stem.startswith(name)).read_text())
    return case


def firms_like(n: int, links: int, seed: int, **more: Any) -> Firms:
    return Firms(**money_network(n, links, seed=seed, divisions=6, **more))


class Direct:
    """The paper's formulas on full n x n matrices, one for each essential input: slow and plain."""

    def __init__(self, firms: Firms, substitution: bool) -> None:
        n = len(firms)
        self.n, self.sector, self.substitution = n, firms.sector, substitution
        flows = np.zeros((n, n))
        for i, j, money in zip(firms.supplier, firms.buyer, firms.money, strict=True):
            flows[i, j] += money
        self.sales = flows.sum(axis=1)
        bought, revenue = flows.sum(axis=0), self.sales if firms.revenue is None else firms.revenue
        counted = self.sales if firms.weights is None else firms.weights
        self.weights = counted / counted.sum()
        self.kind = firms.essential[firms.sector[:, None], firms.sector[None, :]]
        self.down, self.up = np.zeros((n, n)), np.zeros((n, n))
        for i, j in zip(*np.nonzero(flows), strict=True):
            of_sector = flows[firms.sector == firms.sector[i], j].sum()
            share = {2: flows[i, j] / of_sector, 1: flows[i, j] / bought[j], 0: 0.0}[int(self.kind[i, j])]
            self.down[i, j] = share * (1.0 if firms.costs is None else bought[j] / firms.costs[j])
            self.up[i, j] = flows[i, j] / revenue[i]
        plain = self.down * (self.kind == 1)
        inputs = [self.down * (self.kind == 2) * (firms.sector == s)[:, None] for s in set(firms.sector)]
        self.inputs = np.array([plain, *inputs])

    def step(self, down: np.ndarray, up: np.ndarray, most: np.ndarray, most_up: np.ndarray) -> tuple[Any, Any]:
        lost = self.short(down) * (1.0 - down)
        left = np.array([most, *(1.0 - lost @ one for one in self.inputs)]).min(axis=0)
        return np.maximum(0.0, left), np.maximum(0.0, np.minimum(most_up, 1.0 - self.up @ (1.0 - up)))

    def short(self, down: np.ndarray) -> np.ndarray:
        if not self.substitution:
            return np.ones(self.n)
        stands = np.array([(down * self.sales)[self.sector == s].sum() for s in self.sector])
        return np.minimum(1.0, self.sales / np.where(stands <= 1e-10, 1.0, stands))

    def cascade(self, lost: np.ndarray, lost_up: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray, int]:
        down, up = 1.0 - lost, 1.0 - lost_up
        most, most_up = down, up
        for steps in range(1, 10_000):
            new_down, new_up = self.step(down, up, most, most_up)
            fall = max((down - new_down).max(), (up - new_up).max())
            down, up = new_down, new_up
            if fall <= tolerance:
                return down, up, steps
        raise AssertionError("no end")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_agrees_with_the_reference(path: Path, way: str) -> None:
    case = json.loads(path.read_text())
    found = answers(case, way)
    for key, expected in case["expected"].items():
        np.testing.assert_allclose(found[key], expected, rtol=0, atol=1e-12, err_msg=key)
    assert found["iterations"] == case["expected"]["iterations"]


def test_all_reference_cases_are_here() -> None:
    assert len(CASES) == 13


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("n", "links", "substitution", "open_ratio", "tolerance"),
    [
        (6, 12, True, 0.0, 1e-9),
        (7, 20, False, 0.3, 1e-2),
        (30, 120, True, 0.2, 1e-9),
        (60, 300, True, 0.0, 1e-2),
        (120, 700, True, 0.1, 1e-4),
        (300, 1500, True, 0.0, 1e-2),
    ],
)
def test_agrees_with_the_formulas_evaluated_directly(
    n: int, links: int, substitution: bool, open_ratio: float, tolerance: float, way: str
) -> None:
    firms = firms_like(n, links, seed=n, open_ratio=open_ratio)
    rng = np.random.default_rng(n)
    few = 4
    lost = np.where(rng.random((few, n)) < 2.0 / n, rng.uniform(0.2, 1.0, (few, n)), 0.0)
    lost[:, rng.integers(0, n)] = 1.0
    lost_up = np.where(rng.random((few, n)) < 0.5, lost, lost / 2)
    found = systemic_shares(
        impact_of(firms, substitution=substitution),
        shocks.given(lost, lost_up),
        tolerance=tolerance,
        keep_remaining=True,
        way=way,
    )
    direct = Direct(firms, substitution)
    assert found.remaining is not None
    for k in range(few):
        down, up, steps = direct.cascade(lost[k], lost_up[k], tolerance)
        np.testing.assert_allclose(found.remaining.down[k], down, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.remaining.up[k], up, rtol=0, atol=1e-12)
        assert found.steps[k] == steps
        assert found.share[k] == pytest.approx(direct.weights @ (1 - np.minimum(down, up)), abs=1e-12)


@pytest.mark.skipif(not find_spec("numba"), reason="numba is missing")
def test_numba_gives_what_numpy_gives_where_nearly_all_is_touched() -> None:
    impact = impact_of(firms_like(2_000, 16_000, seed=5))
    hit = shocks.every_firm(2_000).part(0, 150)
    one, other = (systemic_shares(impact, hit, way=way) for way in ("numpy", "numba"))
    np.testing.assert_allclose(one.share, other.share, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(one.steps, other.steps)
    assert fastest() == "numba"


def test_a_pool_gives_the_same_in_the_same_order_and_tells_how_far_it_is() -> None:
    impact, hit = impact_of(firms_like(200, 900, seed=3)), shocks.every_firm(200)
    told: list[tuple[int, int]] = []
    with ThreadPoolExecutor(2) as pool:
        spread = systemic_shares(impact, hit, executor=pool, on_progress=lambda done, of: told.append((done, of)))
    np.testing.assert_array_equal(spread.share, systemic_shares(impact, hit).share)
    assert told[0] == (0, 200) and told[-1] == (200, 200)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_each_shock_starts_afresh() -> None:
    impact, hit = impact_of(firms_like(150, 700, seed=4)), shocks.every_firm(150)
    alone = [systemic_shares(impact, hit.part(k, k + 1)).share[0] for k in (149, 0, 75)]
    np.testing.assert_allclose(systemic_shares(impact, hit).share[[149, 0, 75]], alone, rtol=0, atol=1e-13)


def test_regions_fail_together_and_carry_their_names() -> None:
    regions = ["north", "", "south", "north", "south", ""]
    hit = shocks.by_label(regions, 0.5)
    assert hit.names == ("north", "south")
    np.testing.assert_array_equal(hit.lost.toarray(), [[0.5, 0, 0, 0.5, 0, 0], [0, 0, 0.5, 0, 0.5, 0]])
    both = shocks.one_after_another([hit, shocks.together({"first two": [0, 1]}, 6)])
    assert both.names == ("north", "south", "first two") and both.lost.shape == (3, 6)


def test_more_that_fails_never_costs_less() -> None:
    impact = impact_of(firms_like(80, 400, seed=9))
    sets = [list(range(k)) for k in range(1, 30)]
    found = systemic_shares(impact, shocks.together(sets, 80), tolerance=1e-12)
    assert (np.diff(found.share) >= -1e-10).all()
    half = systemic_shares(impact, shocks.together(sets, 80, ratio=0.5), tolerance=1e-12)
    assert (half.share <= found.share + 1e-10).all()


def test_warns_of_a_network_without_final_demand_and_of_no_other() -> None:
    def of(name: str) -> Shares:
        firms = firms_of(case_of(name))
        return systemic_shares(impact_of(firms, substitution=False), shocks.every_firm(len(firms)))

    assert "closed network: all firms" in of("esri-h06").warnings[0]
    assert of("esri-h08").warnings == () and of("esri-h01").warnings == ()


def test_only_those_are_undamped_who_have_no_way_to_final_demand() -> None:
    """0 and 1 sell to each other alone; 2 sells to 1 alone; 3 sells to 4, which sells to nobody."""
    links = [(0, 1, 5.0), (1, 0, 5.0), (2, 1, 1.0), (3, 4, 2.0)]
    firms = firms_of({**case_of("esri-h01"), "edges": links, "sector": [1, 1, 1, 1, 1]})
    assert undamped(impact_of(firms).up).tolist() == [True, True, True, False, False]


@pytest.mark.parametrize("name", ["esri-h06", "esri-h07"])
def test_in_a_closed_ring_the_exact_fixed_point_is_a_total_loss(name: str) -> None:
    firms = firms_of(case_of(name))
    exact = fixed_points(impact_of(firms, substitution=False), shocks.every_firm(3))
    np.testing.assert_allclose(exact.share, 1.0, rtol=0, atol=1e-12)
    assert (exact.gap <= 1e-12).all() and "closed network" in exact.warnings[0]


def test_with_final_demand_the_exact_fixed_point_is_where_small_tolerances_lead() -> None:
    case = case_of("esri-h08")
    exact = fixed_points(impact_of(firms_of(case), substitution=False), shocks.every_firm(3))
    np.testing.assert_allclose(exact.share, case["expected"]["esri"], rtol=0, atol=1e-9)
    assert (exact.gap <= 1e-12).all() and exact.warnings == ()


@pytest.mark.parametrize("open_ratio", [0.05, 0.3])
def test_an_exact_fixed_point_stays_where_it_is_and_no_cascade_passes_it(open_ratio: float) -> None:
    firms = firms_like(100, 600, seed=2, open_ratio=open_ratio)
    impact, hit, direct = impact_of(firms), shocks.every_firm(100, 0.7).part(0, 10), Direct(firms, substitution=True)
    exact = fixed_points(impact, hit)
    near = systemic_shares(impact, hit, tolerance=1e-13, keep_remaining=True)
    assert near.remaining is not None
    np.testing.assert_allclose(exact.remaining.down, near.remaining.down, rtol=0, atol=1e-10)
    np.testing.assert_allclose(exact.remaining.up, near.remaining.up, rtol=0, atol=1e-10)
    for k in range(len(hit)):
        most = 1.0 - hit.lost[[k]].toarray()[0]
        down, up = direct.step(exact.remaining.down[k], exact.remaining.up[k], most, most)
        np.testing.assert_allclose(down, exact.remaining.down[k], rtol=0, atol=1e-13)
        np.testing.assert_allclose(up, exact.remaining.up[k], rtol=0, atol=1e-13)
    assert np.nanmax(exact.gap) <= 1e-10


def test_losses_that_creep_are_known_at_once() -> None:
    """Two firms of a ring lose a thousandth to final demand each turn; a coarse tolerance stops far too early."""
    ring = case_of("esri-h06")
    sales = np.array([12.0, 13.0, 10.0])
    firms = firms_of({**ring, "revenue": (sales * 1.001).tolist(), "costs": [13.1, 10.01, 12.02]})
    impact, hit = impact_of(firms, substitution=False), shocks.every_firm(3, 0.1)
    exact = fixed_points(impact, hit)
    assert (exact.share > systemic_shares(impact, hit, tolerance=1e-2).share).all()
    fine = systemic_shares(impact, hit, tolerance=1e-15)
    np.testing.assert_allclose(exact.share, fine.share, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"money": [10.0, np.nan]}, "link 1, firm 1 to firm 2, is worth nan"),
        ({"money": [-1.0, 1.0]}, "link 0"),
        ({"buyer": [1, 7]}, "link 1 has buyer 7"),
        ({"supplier": [0.5, 1]}, "no index"),
        ({"money": [1.0]}, "1 amounts"),
        ({"sector": [0, 0, 5]}, "firm 2 is of sector 5"),
        ({"essential": [[3]]}, "a class is 2"),
        ({"revenue": [0.0, 1.0, 1.0]}, "revenue of firm 0 is 0.0"),
        ({"costs": [1.0, 1.0]}, "costs has 2 values for 3 firms"),
        ({"weights": [0.0, 0.0, 0.0]}, "count 0"),
        ({"sector": []}, "no firm"),
    ],
)
def test_refuses_what_no_chain_can_have(wrong: dict[str, Any], said: str) -> None:
    right = {"supplier": [0, 1], "buyer": [1, 2], "money": [1.0, 1.0], "sector": [0, 0, 0], "essential": [[2]]}
    assert len(Firms(**right)) == 3
    with pytest.raises(BadFirms, match=said):
        Firms(**{**right, **wrong})


def test_refuses_shocks_that_cannot_be() -> None:
    with pytest.raises(shocks.BadShock, match=r"loses 1\.2 of firm 1"):
        shocks.given([[0.0, 1.2]])
    with pytest.raises(shocks.BadShock, match="no firm 9"):
        shocks.together([[0, 9]], 3)
    impact = impact_of(firms_like(6, 12, seed=1))
    with pytest.raises(shocks.BadShock, match="on 5 firms"):
        systemic_shares(impact, shocks.every_firm(5))
    with pytest.raises(ValueError, match="above 0"):
        systemic_shares(impact, shocks.every_firm(6), tolerance=0.0)


def test_a_map_becomes_money_flows() -> None:
    """A chip of 3 each and a housing of unknown price go into a drive that sells 10 a day for 500 in all."""
    nodes = (
        Node(name="fab", kind=NodeKind.SUPPLIER, item="chip", country="TW", time_to_recover_d=1),
        Node(name="caster", kind=NodeKind.SUPPLIER, item="housing", country="CN", time_to_recover_d=1),
        Node(name="idle", kind=NodeKind.SUPPLIER, item="chip", country="CN", time_to_recover_d=1),
        Node(name="drives", kind=NodeKind.PLANT, item="drive", demand_per_d=10, value_per_d=500, time_to_recover_d=1),
    )
    arcs = (
        Arc(source="fab", target="drives", material="chip", quantity_per=2, price=3),
        Arc(source="caster", target="drives", material="housing", essential=1),
        Arc(source="idle", target="drives", material="chip", qualified=False, share=0),
    )
    firms = of_network(Network(nodes, arcs))
    assert firms.money.tolist() == [60.0, 10.0]
    assert firms.revenue is not None and firms.revenue.tolist() == [60.0, 10.0, 0.0, 500.0]
    found = systemic_shares(impact_of(firms), shocks.by_label(firms.labels["country"]))
    assert found.names == ("CN", "TW") and found.warnings == ()
    assert found.share[1] == pytest.approx((60 + 500) / 570)
    assert found.down[0] == pytest.approx((10 + 500 * 10 / 70) / 570)
