"""Reference cases are answered by their conventions, compared honestly, and one that is broken stops no other."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import linprog

from detectors.chain.reference.deviation import furthest
from detectors.chain.reference.lasting import lasting_of
from detectors.chain.reference.registry import kinds
from detectors.chain.reference.verify import NoCases, Verdict, files, judged, verified
from tests.detectors.chain.reference import FOLDER, case

ALL = sorted(path.stem for path in FOLDER.glob("*.json"))


def answers(stated: dict[str, Any]) -> dict[str, Any]:
    verdict = judged(stated, Path("some.json"))
    assert not verdict.trouble, verdict.trouble
    return dict(verdict.answers)


def trouble(stated: dict[str, Any]) -> str:
    return judged(stated, Path("some.json")).trouble


@cache
def plain(name: str) -> Verdict:
    """The verdict of a case as it is."""
    return verified(FOLDER / f"{name}.json")


@pytest.mark.parametrize("name", ALL)
def test_agrees_with_every_reference(name: str) -> None:
    verdict = plain(name)
    assert verdict.agrees and verdict.deviation is not None
    assert verdict.deviation.ratio < 1e-12


def test_all_kinds_have_a_case_and_all_cases_are_here() -> None:
    assert len(ALL) == 32
    assert {case(name)["kind"] for name in ALL} == set(kinds())


@pytest.mark.parametrize("name", ALL)
def test_answers_are_the_same_where_nothing_is_expected_and_nothing_needless_is_stated(name: str) -> None:
    stated = bare(case(name))
    verdict, full = judged(stated), plain(name).answers
    assert verdict.agrees is None and not verdict.trouble
    assert furthest(pruned(verdict.answers, full), full).ratio == 0.0


def bare(stated: Any) -> Any:
    """Without expected values, texts and nulls."""
    if isinstance(stated, dict):
        texts = ("expected", "title", "why", "source", "hand_checked", "tolerance", "tolerance_note")
        return {key: bare(value) for key, value in stated.items() if key not in texts and value is not None}
    return [bare(value) for value in stated] if isinstance(stated, list) else stated


def pruned(mine: Any, like: Any) -> Any:
    if isinstance(mine, dict):
        return {key: pruned(value, like[key]) for key, value in mine.items() if key in like}
    if isinstance(mine, list) and len(mine) == len(like):
        return [pruned(one, other) for one, other in zip(mine, like, strict=True)]
    return mine


@pytest.mark.parametrize("name", ALL)
def test_one_wrong_expected_value_is_found_and_named(name: str) -> None:
    """The first value of every other case, the last of the rest: moved by ten times the tolerance or turned over."""
    stated, last = case(name), ALL.index(name) % 2 == 1
    key = spoil(expectations(stated)[-1 if last else 0], stated.get("tolerance") or 1e-6, last=last)
    verdict = judged(stated)
    assert verdict.agrees is False
    assert verdict.deviation is not None and verdict.deviation.key.endswith(key)


def expectations(stated: dict[str, Any]) -> list[dict[str, Any]]:
    parts = [
        stated,
        *(one for key in ("scenarios", "products") for one in stated.get(key) or () if isinstance(one, dict)),
    ]
    return [part["expected"] for part in parts if "expected" in part]


def spoil(expected: Any, tolerance: float, *, last: bool) -> str:
    """Changes one value within, and says the end of its key."""
    keys = list(expected) if isinstance(expected, dict) else list(range(len(expected)))
    key = keys[-1 if last else 0]
    inner = expected[key]
    if isinstance(inner, dict | list) and inner:
        return spoil(inner, tolerance, last=last)
    if isinstance(inner, bool) or not isinstance(inner, int | float):
        expected[key] = "other" if not isinstance(inner, bool) else not inner
    else:
        expected[key] = inner + 10 * tolerance * max(1.0, abs(inner))
    return str(key) if isinstance(expected, dict) else f"[{key}]"


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("rei-h01-serial", ("network", "nodes", 0, "stock"), 21),
        ("time-h01-serial-leads", ("network", "arcs", 0, "lead"), 3),
        ("esri-r03", ("edges", 0, 2), 1.0),
        ("graph-r01", ("network", "arcs", 0, "from"), "n1_0"),
        ("cdi-h01", ("products", 0, "own_supply"), 26),
        ("mitig-h01-and-trap", ("actions", 0, "cost"), 7),
        ("ttr-h01-censored", ("outages", 2, "ended"), True),
        ("lookthrough-h01", ("input_share", 2, 1), 0.51),
        ("unc-h01-uniform-ttr", ("ttr", "high"), 61),
        ("index-h01", ("lines", 2, "now"), 0),
    ],
)
def test_an_altered_case_misses(name: str, path: tuple[Any, ...], value: object) -> None:
    stated = case(name)
    inner = stated
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert judged(stated).agrees is False


def test_numbers_are_compared_by_size_and_everything_else_exactly() -> None:
    assert furthest(1e-8, 0.0).ratio == pytest.approx(1e-8)
    assert furthest(2_000_001.0, 2_000_000.0).ratio == pytest.approx(5e-7)
    assert furthest({"2": 1.0}, {"2.0": 1.0}).ratio == 0.0
    for mine, theirs in (
        (None, 0.0),
        (True, 1),
        (nan, 1.0),
        (1.0, nan),
        ([1], [1, 2]),
        ({"a": 1}, {"b": 1}),
        ("a", "b"),
    ):
        assert furthest(mine, theirs).ratio == inf, (mine, theirs)
    assert furthest({"a": 1, "b": 2}, {"a": 1}).ratio == inf


def test_a_tolerance_of_the_case_or_of_a_scenario_is_kept() -> None:
    stated = case("rei-h01-serial")
    loss = stated["scenarios"][0]["expected"]
    loss["loss"] *= 1.01
    assert judged(stated).agrees is False
    assert judged(stated | {"tolerance": 0.02}).agrees is True
    stated["scenarios"][0]["tolerance"] = 0.02
    assert judged(stated).agrees is True
    assert "tolerance: is 'wide'" in trouble(stated | {"tolerance": "wide"})


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"kind": "weather"}, "kind: 'weather' is not known; it is one of cdi"),
    ({}, "kind: None is not known"),
    ({"kind": "rei", "scenarios": []}, "object missing required field `network`"),
    (
        {"kind": "rei", "network": {"nodes": [{"id": "a", "stock": "many"}]}, "scenarios": []},
        "network.nodes[0].stock: ",
    ),
    (
        {"kind": "rei", "network": {"nodes": [{"id": "a", "stock": -1}]}, "scenarios": []},
        "network.nodes[0]: on_hand is -1",
    ),
    (
        {"kind": "rei", "network": {"nodes": [{"id": "a"}, {"id": "a"}]}, "scenarios": []},
        "network.nodes: a stands there",
    ),
    (
        {"kind": "rei", "network": {"nodes": [{"id": "a"}], "arcs": [{"from": "a", "to": "b"}]}, "scenarios": []},
        "network.arcs[0]: names b, which is not among the nodes",
    ),
    (
        {"kind": "rei", "network": {"nodes": [{"id": "a"}]}, "scenarios": [{"shut": {"b": 0}, "t": 1}]},
        "scenarios[0].shut: names b",
    ),
    (
        {"kind": "rei", "network": {"nodes": [{"id": "a"}]}, "scenarios": [{"shut": {"a": 0}}]},
        "scenarios[0].t: is missing",
    ),
    ({"kind": "timeline", "network": {"nodes": []}, "horizon": 0, "scenarios": []}, "horizon: a horizon of 0 days"),
    (
        {"kind": "esri", "sector": [1], "essential": {"sectors": [2], "matrix": [[2]]}, "edges": []},
        "sector 1 is not among",
    ),
    ({"kind": "cdi", "products": [{"sources": [{"value": -1, "country": "US"}]}]}, "products[0]: US is -1"),
    ({"kind": "index", "lines": [{"weight": 1, "base": 0, "now": 1}]}, "lines[0]: base_per_d of  is 0"),
    ({"kind": "graph", "network": {"nodes": []}}, "network.nodes: there is none"),
    ({"kind": "index", "lines": []}, "lines: the lines of this index weigh nothing"),
    ({"kind": "ttr-history", "outages": [{"days": -1}]}, "outages[0]: an outage lasted -1 days"),
    (
        {"kind": "lookthrough", "nodes": ["a"], "foreign": [True], "input_share": [[0.1, 1]]},
        "input_share[0]: is not of 1",
    ),
    (
        {"kind": "uncertainty", "loss_per_day": 1, "ttr": {"dist": "cauchy"}},
        "ttr: dist 'cauchy' is not known; known are",
    ),
    ({"kind": "uncertainty", "loss_per_day": 1, "ttr": {"dist": "uniform", "low": 3}}, "ttr: high is missing"),
    ({"kind": "uncertainty", "loss_per_day": 1, "ttr": {"dist": "uniform", "low": 3, "high": 1}}, "they must rise"),
    (
        {
            "kind": "mitigation",
            "network": {"nodes": [{"id": "a"}]},
            "scenarios": [],
            "actions": [{"id": "x", "cost": 1, "changes": [{"node": "a", "field": "colour", "add": 1}]}],
        },
        "actions[0].changes[0].field: colour cannot be changed",
    ),
]


@pytest.mark.parametrize(("stated", "says"), BROKEN)
def test_a_broken_case_is_a_sentence_with_its_key(stated: dict[str, Any], says: str) -> None:
    told = trouble(stated)
    assert told.startswith("some.json: ") and says in told


def test_whole_numbers_may_be_written_with_a_point_and_what_is_null_is_left_out() -> None:
    stated = case("time-h01-serial-leads") | {"horizon": 90.0}
    assert judged(stated).agrees is True
    assert "horizon: is 90.5; it is a number of whole days" in trouble(stated | {"horizon": 90.5})
    stated = case("esri-r01")
    stated["edges"] = [[float(supplier), float(buyer), money] for supplier, buyer, money in stated["edges"]]
    assert judged(stated).agrees is True
    stated = case("rei-h06-partial")
    stated["network"]["arcs"] = None
    assert judged(stated).agrees is True


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '"x"', "null", "\xff\xfe"])
def test_a_file_that_is_no_case_is_told_and_the_rest_runs(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    (tmp_path / "b.json").write_text(json.dumps(case("index-h01")))
    (tmp_path / "INDEX.json").write_text("[]")
    found = [verified(file) for file in files(tmp_path)]
    assert [(verdict.failed, verdict.agrees) for verdict in found] == [(True, None), (False, True)]
    assert str(tmp_path / "a.json") in found[0].trouble


def test_a_folder_without_cases_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NoCases, match="no case"):
            files(folder)


# --- what the conventions say, against evaluations of their own


def programme(network: dict[str, Any], shut: dict[str, float], for_d: float) -> float:
    """The static programme of the conventions written down once more, for a general solver."""
    nodes, arcs = network["nodes"], network.get("arcs", [])
    n, m = len(nodes), len(arcs)
    cost = np.zeros(2 * n + n + m)  # made, sold, lost, shipped
    cost[2 * n : 3 * n] = [node.get("margin") or 0 for node in nodes]
    rows, right, high = [], [], [None] * (3 * n + m)
    for i, node in enumerate(nodes):
        row = np.zeros(3 * n + m)
        row[i], row[n + i] = -1, 1
        row[[3 * n + k for k, arc in enumerate(arcs) if arc["from"] == node["id"]]] = 1
        rows.append(row)
        right.append(node.get("stock") or 0)
        capacity = node.get("capacity")
        left = shut.get(node["id"], 1)
        high[i] = 0 if left == 0 else None if capacity is None else left * capacity * for_d
        for need in {arc["material"] for arc in arcs if arc["to"] == node["id"]}:
            row = np.zeros(3 * n + m)
            row[i] = 1
            for k, arc in enumerate(arcs):
                if arc["to"] == node["id"] and arc["material"] == need:
                    row[3 * n + k] = -1 / arc.get("qty", 1)
            rows.append(row)
            right.append(0)
    sold = np.zeros((n, 3 * n + m))
    sold[np.arange(n), n + np.arange(n)] = sold[np.arange(n), 2 * n + np.arange(n)] = 1
    demand = [(node.get("demand") or 0) * for_d for node in nodes]
    return float(linprog(cost, np.array(rows), right, sold, demand, [(0, one) for one in high]).fun)


def random_network(seed: int) -> dict[str, Any]:
    """Three tiers, two or three markets of which one also feeds another; many fields left out or null."""
    rng = np.random.default_rng(seed)
    nodes: list[dict[str, Any]] = [{"id": f"n{i}"} for i in range(9)]
    for i, node in enumerate(nodes):
        if rng.random() < 0.7:
            node["stock"] = int(rng.integers(0, 90))
        if rng.random() < 0.8:
            node["capacity"] = int(rng.integers(15, 60)) if rng.random() < 0.9 else None
        if i in (0, 1, 3):
            node |= {"demand": int(rng.integers(5, 15)), "margin": int(rng.integers(1, 9))}
    arcs = [
        {"from": f"n{j}", "to": f"n{i}", "material": f"m{int(rng.integers(2))}"}
        | ({"qty": 2} if rng.random() < 0.3 else {})
        for i in range(6)
        for j in rng.choice(np.arange(3 if i < 3 else 6, 6 if i < 3 else 9), 2, replace=False).tolist()
    ]
    return {"nodes": nodes, "arcs": arcs}


@pytest.mark.parametrize("seed", range(12))
def test_losses_are_those_of_the_conventions_whatever_is_left_out(seed: int) -> None:
    rng, network = np.random.default_rng(seed + 100), random_network(seed)
    scenarios = [
        {"shut": {f"n{i}": float(rng.choice([0, 0, 0.4, 1.2])) for i in rng.choice(9, size).tolist()}, "t": float(t)}
        for size, t in ((0, 3), (1, 5), (1, 12.5), (2, 9), (3, 20), (1, 0))
    ]
    told = answers({"kind": "rei", "network": network, "scenarios": scenarios})["scenarios"]
    for mine, stated in zip(told, scenarios, strict=True):
        assert mine["loss"] == pytest.approx(programme(network, stated["shut"], stated["t"]), rel=1e-8, abs=1e-6)
        unpriced = deepcopy(network)
        for node in unpriced["nodes"]:
            node["margin"] = 1
        survives_d = 1e6 if mine["tts"] is None else mine["tts"]
        assert programme(unpriced, stated["shut"], survives_d) == pytest.approx(0, abs=1e-5 * max(1.0, survives_d))
        if mine["tts"] is not None:
            assert programme(unpriced, stated["shut"], survives_d * 1.001 + 1e-3) > 1e-7


def test_a_day_by_day_case_without_leads_is_the_static_one() -> None:
    network = random_network(3)
    scenarios = [{"shut": {"n4": 0, "n7": 0.5}, "t": 8}, {"shut": {"n0": 0}, "t": 8}]
    static = answers({"kind": "rei", "network": network, "scenarios": scenarios})["scenarios"]
    told = answers({"kind": "timeline", "horizon": 8, "network": network, "scenarios": scenarios})["scenarios"]
    assert [one["loss"] for one in told] == pytest.approx([one["loss"] for one in static], rel=1e-8)


def test_the_fast_way_and_the_slow_way_of_one_material_each_keep_what_is_on_them() -> None:
    nodes = [{"id": "shop", "demand": 10, "margin": 1, "capacity": 10}, {"id": "works", "capacity": 0}]
    ways = [
        {"from": "works", "to": "shop", "material": "x", "qty": 2, "lead": lead, "flow": flow}
        for lead, flow in ((2, 8), (5, 12))
    ]
    stated = {
        "kind": "timeline",
        "horizon": 6,
        "network": {"nodes": nodes, "arcs": ways},
        "scenarios": [{"shut": {}, "t": 1}],
    }
    assert answers(stated)["scenarios"] == [{"loss": pytest.approx(60 - (2 * 8 + 5 * 12) / 2), "first_hit": 3}]


def test_a_time_left_out_is_that_of_what_is_shut() -> None:
    stated = bare(case("rei-h04-ford-teaching"))
    for one in stated["scenarios"][1:]:
        del one["t"]
    known = answers(case("rei-h04-ford-teaching"))
    assert pruned(answers(stated), known) == known


def test_upstream_ratios_of_their_own_stand_beside_single_failures() -> None:
    stated = bare(case("esri-r01"))
    n = len(stated["sector"])
    none = answers(stated | {"scenarios_up": [[0.0] * n] * n})
    assert none["esri_up"] == [0.0] * n
    assert none["esri_down"] == answers(stated)["esri_down"]
    assert "scenarios[1]: has 2 ratios" in trouble(stated | {"scenarios": [[1.0] * n, [1.0, 0.0]]})


def test_shares_without_tolerance_go_on_until_nothing_moves() -> None:
    stated = bare(case("esri-h08-ring-revenue"))
    assert answers(stated | {"eps": 0})["esri"] == pytest.approx(answers(stated | {"eps": 1e-15})["esri"], abs=1e-13)


def test_ties_between_outages_that_end_and_those_that_run_count_both_as_at_risk() -> None:
    outages = [{"days": 4, "ended": True}, {"days": 4, "ended": False}, {"days": 4, "ended": True}, {"days": 9.5}]
    told = answers({"kind": "ttr-history", "outages": outages})
    assert told.pop("survival") == {"4": pytest.approx(0.5), "9.5": 0.0}
    assert told == {"median": 4, "p80": 9.5, "p95": 9.5, "completed_only_median": 4}
    running = answers({"kind": "ttr-history", "outages": [{"days": 3, "ended": False}]})
    assert running == {"survival": {}, "median": None, "p80": None, "p95": None, "completed_only_median": None}


@pytest.mark.parametrize("name", ["index", "rei", "exposure_index"])
def test_the_exposure_index_is_a_part_of_the_largest_loss_of_one_node(name: str) -> None:
    stated = deepcopy(case("rei-h04-ford-teaching"))
    singles = [one for one in stated["scenarios"] if len(one["shut"]) == 1]
    largest = max(one["expected"]["loss"] for one in singles)
    for one in stated["scenarios"]:
        one["expected"][name] = one["expected"]["loss"] / largest
    assert {round(one["expected"][name], 3) for one in singles} == {0.0, 0.455, 1.0}
    assert judged(stated).agrees
    singles[-1]["expected"][name] += 1e-4
    assert judged(stated).agrees is False


def test_quantiles_of_a_history_are_the_first_days_with_so_many_recovered() -> None:
    stated = deepcopy(case("ttr-h01-censored"))
    stated["expected"] |= {"p30": 3, "p80": 12, "p95": 12}
    assert judged(stated).agrees
    stated["expected"]["p80"] = 8
    assert judged(stated).agrees is False


def test_an_index_of_silent_lines_says_nothing_and_covers_nothing() -> None:
    told = answers({"kind": "index", "lines": [{"weight": 0.5, "base": 10, "now": None}, {"weight": 1, "base": 2}]})
    assert told == {"index_covered": None, "coverage": 0.0, "index_if_missing_is_zero": 0.0}


def test_setting_and_lowering_are_weighed_set_by_set() -> None:
    stated = bare(case("mitig-h01-and-trap"))
    was = answers(stated)
    same = deepcopy(stated)
    same["actions"][0]["changes"] = [{"node": "igbt-import", "field": "stock", "set": 2000}]
    assert furthest(answers(same), was).ratio < 1e-9
    worse = deepcopy(stated)
    worse["actions"].append(
        {"id": "sell-stock", "cost": 0, "changes": [{"node": "inverter", "field": "stock", "add": -100}]}
    )
    told = answers(worse)
    assert furthest(told["best"], was["best"]).ratio < 1e-9
    assert told["single"][0] == {"id": "sell-stock", "reduction": pytest.approx(-2400.0), "per_cost": None}


def test_a_budget_of_half_a_thousand_affords_what_it_says() -> None:
    stated = bare(case("mitig-h01-and-trap")) | {"budgets": [8.5, 0]}
    best = answers(stated)["best"]
    assert best["0"] == {"risk": pytest.approx(56600.0), "actions": [], "cost": 0}
    assert best["8.5"]["cost"] == 8


DISTRIBUTIONS: list[tuple[dict[str, Any], Any]] = [
    ({"dist": "uniform", "low": 2, "high": 60}, stats.uniform(2, 58)),
    ({"dist": "triangular", "low": 2, "mode": 9, "high": 40}, stats.triang(7 / 38, 2, 38)),
    ({"dist": "triangular", "low": 0, "mode": 0, "high": 40}, stats.triang(0, 0, 40)),
    ({"dist": "exponential", "mean": 21}, stats.expon(0, 21)),
    ({"dist": "exponential", "rate": 0.05}, stats.expon(0, 20)),
    ({"dist": "lognormal", "mu": 2.5, "sigma": 0.6}, stats.lognorm(0.6, 0, np.exp(2.5))),
    ({"dist": "lognormal", "median": 14, "sigma": 0.8}, stats.lognorm(0.8, 0, 14)),
    ({"dist": "log-normal", "mean": 20, "sd": 10}, stats.lognorm(np.sqrt(np.log(1.25)), 0, 20 / np.sqrt(1.25))),
    ({"dist": "weibull", "shape": 1.7, "scale": 18}, stats.weibull_min(1.7, 0, 18)),
    ({"dist": "gamma", "shape": 2.2, "scale": 7}, stats.gamma(2.2, 0, 7)),
    ({"dist": "normal", "mean": 30, "sd": 4}, stats.norm(30, 4)),
]


def test_a_normal_time_is_never_below_nothing() -> None:
    mine, drawn = lasting_of({"dist": "normal", "mean": 2, "sd": 5}), stats.norm(2, 5)
    assert (mine.still_out(-1.0), mine.quantile_d(0.2)) == (1.0, 0.0)
    assert mine.sum_d(0.0, inf) == pytest.approx(quad(lambda d: d * drawn.pdf(d), 0, 60)[0], rel=1e-9)


@pytest.mark.parametrize(("stated", "known"), DISTRIBUTIONS)
def test_every_distribution_is_the_textbook_one(stated: dict[str, Any], known: Any) -> None:
    mine = lasting_of(stated)
    assert [mine.quantile_d(share) for share in (0.05, 0.5, 0.95)] == pytest.approx(
        known.ppf([0.05, 0.5, 0.95]), rel=1e-9
    )
    for d in (0.0, 4.0, 11.0, 55.0, 200.0):
        assert mine.still_out(d) == pytest.approx(known.sf(d), abs=1e-12)
    assert mine.sum_d(0.0, inf) == pytest.approx(known.mean(), rel=1e-9)
    assert mine.sum_d(5.0, 30.0) == pytest.approx(quad(lambda d: d * known.pdf(d), 5, 30, points=[9])[0], rel=1e-7)
    told = answers({"kind": "uncertainty", "tts_days": 10, "loss_per_day": 500, "ttr": stated})
    beyond = quad(known.sf, 10, known.ppf(1 - 1e-13), limit=200)[0]
    assert told["mean"] == pytest.approx(500 * beyond, rel=1e-6)


def test_chances_of_single_values_need_not_sum_to_one() -> None:
    ttr = {"dist": "discrete", "values": [30, 5, 12], "probs": [1, 2, 1]}
    stated = {"kind": "uncertainty", "tts_days": 10, "loss_per_day": 100, "ttr": ttr}
    told = answers(stated | {"expected": {"mean": 550.0, "p50": 0.0, "p75": 200.0, "p95": 2000.0, "prob_any": 0.5}})
    assert told == {"mean": 550.0, "p50": 0.0, "p75": 200.0, "p95": 2000.0, "prob_any": 0.5}
    assert answers({"kind": "uncertainty", "loss_per_day": 100, "ttr": ttr})["mean"] == 0.0


def test_graphs_without_values_weigh_all_links_alike() -> None:
    stated = bare(case("graph-h03-ring"))
    for arc in stated["network"]["arcs"]:
        del arc["value"]
    assert answers(stated)["influence"] == pytest.approx(case("graph-h03-ring")["expected"]["influence"])
    assert answers(stated)["cut_suppliers"] == [f"r{i}" for i in range(6)]


def test_verdicts_of_one_case_do_not_depend_on_others() -> None:
    alone = [verified(FOLDER / f"{name}.json").deviation for name in ("rei-r01", "esri-r01")]
    again: list[Verdict] = [verified(FOLDER / f"{name}.json") for name in ("esri-r01", "rei-r01", "esri-r01")]
    assert [again[1].deviation, again[2].deviation] == alone
    assert not any(one.failed for one in again)
