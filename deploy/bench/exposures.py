"""What every single supplier's failure costs a chain of three tiers, and how long the chain does without it.

1,700 nodes, 1,500 of them suppliers, made from a seed by tests/bench/tiered_networks.py; each supplier is shut for its
own time to recover. Then one alert after the other on the same chain, as the floor changes its stocks.
"""

from __future__ import annotations

import importlib.util
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
from msgspec.structs import replace

import deploy
from collector.schema import AlertLevel
from deploy.bench.figure import Figure, NotMeasured, quantile
from detectors.alerts import Alert, State
from detectors.chain.exposure import exposures
from detectors.chain.floor import OUTPUT_DROP, Floor
from detectors.chain.live import with_stocks
from detectors.chain.network import Network
from detectors.chain.programme.programmes import Programmes
from detectors.chain.survive import Failure, Scenario, single_failures_apart

RUNS = 1
FIGURES = (
    Figure("loss and time to survive of all 1,500 suppliers", "s", must=60, aim=20),
    Figure("the same, CPU time of both processes", "s"),
    Figure("suppliers whose failure is never felt", "of 1,500", at_most=False),
    Figure("change of one stock -> loss and time to survive, p95", "s", must=3, aim=1),
    Figure("output drop -> its whole exposure, with all who stop and when, p95", "s", must=3, aim=1),
    Figure("kept against cold, largest difference", "of the value", must=1e-9, aim=1e-12),
)
_WORKERS = 2
_CHANGES = 40
_AT_NS = 1_700_000_000_000_000_000
_COMPARED = 10


def conditions() -> str:
    return "a connected chain of 1,700 nodes and 4,965 arcs, seed 45; two processes"


def once() -> list[float]:
    network = _generator().three_tier()
    began_s, began_cpu_s = time.perf_counter(), _cpu_s()
    with ProcessPoolExecutor(_WORKERS) as workers:
        judged = _suppliers(network, single_failures_apart(network, workers, _WORKERS))
    lasted_s, cpu_s = time.perf_counter() - began_s, _cpu_s() - began_cpu_s
    unknown = [failure for failure in judged if failure.why_unknown]
    if unknown:
        raise NotMeasured(f"{len(unknown)} failures have no answer; the first says: {unknown[0].why_unknown}")
    never = sum(failure.time_to_survive_d is None for failure in judged)
    changed_s, differs = _following(network)
    return [lasted_s, cpu_s, never, changed_s, _alerted_s(network), differs]


def _cpu_s() -> float:
    """CPU time of this process and of those it has waited for."""
    return sum(os.times()[:4])


def _suppliers(network: Network, failures: list[Failure]) -> list[Failure]:
    return [failure for failure in failures if not network.by_name[failure.node].demand_per_d]


def _following(network: Network) -> tuple[float, float]:
    """Seconds from a stock that moved to the answer, and how far answers are from those of programmes built anew."""
    rng = np.random.default_rng(46)
    programmes = Programmes(network)
    programmes.time_to_survive_d(Scenario())
    stocks, took_s, differs = list(network.stocks), [], [0.0]
    for turn in range(_CHANGES):
        at = int(rng.integers(len(stocks)))
        stocks[at] = replace(stocks[at], on_hand=stocks[at].on_hand * rng.uniform(0, 2))
        now = with_stocks(network, tuple(stocks))
        shut = Scenario({network.nodes[int(rng.integers(len(network.nodes)))].name: 0.0})
        began_s = time.perf_counter()
        programmes.follow(now)
        warm = (programmes.time_to_survive_d(shut), programmes.loss(shut, 30.0))
        took_s.append(time.perf_counter() - began_s)
        if turn % (_CHANGES // _COMPARED) == 0:
            cold = Programmes(now)
            differs.append(max(map(_apart, warm, (cold.time_to_survive_d(shut), cold.loss(shut, 30.0)))))
    return quantile(took_s, 0.95), max(differs)


def _alerted_s(network: Network) -> float:
    """Seconds from an alert on a supplier's line to its exposure, while a tenth of all stocks move each time."""
    rng = np.random.default_rng(47)
    lines = Network(tuple(replace(node, equipment=f"bench/{node.name}") for node in network.nodes), network.arcs)
    lines = with_stocks(lines, network.stocks)
    programmes, took_s = Programmes(lines), []
    programmes.time_to_survive_d(Scenario())
    for _ in range(_CHANGES):
        node = lines.nodes[int(rng.integers(len(lines.nodes)))]
        moved = rng.choice(len(network.stocks), len(network.stocks) // 10, replace=False)
        seen = {(s.node, s.material): s.on_hand * rng.uniform(0, 2) for s in (network.stocks[i] for i in moved)}
        floor = Floor(stock=seen, line_ratio={node.name: rng.uniform(0, 0.9)}, alerts=(_drop(node.equipment),))
        began_s = time.perf_counter()
        (exposure,) = exposures(lines, floor, _AT_NS, programmes)
        took_s.append(time.perf_counter() - began_s)
        if exposure.unknown:
            raise NotMeasured(f"the exposure of {node.name} is unknown: {exposure.why_unknown}")
    return quantile(took_s, 0.95)


def _drop(line: str) -> Alert:
    return Alert(
        key=f"output_drop|{line}",
        kind=OUTPUT_DROP,
        subject=line,
        shard=line,
        series=line,
        severity=AlertLevel.WARNING,
        state=State.UNACKED,
        changed_at_ns=_AT_NS,
    )


def _apart(one: float | None, other: float | None) -> float:
    """The difference of two answers as a part of the larger; infinite where one of them has no end."""
    if one is None or other is None:
        return 0.0 if one is other else float("inf")
    return abs(one - other) / max(abs(one), abs(other), 1e-9)


def _generator() -> ModuleType:
    """tests/bench/tiered_networks.py, which stands beside the packages in the project's folder."""
    path = Path(deploy.__file__).parents[1] / "tests" / "bench" / "tiered_networks.py"
    if not path.is_file():
        raise NotMeasured(f"{path} is missing; run `andon bench exposures` with the project's folder installed")
    spec = importlib.util.spec_from_file_location("tiered_networks", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
