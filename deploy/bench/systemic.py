"""Systemic shares: every single failure of 10,000 firms, and 1,000 chosen ones of 100,000, on two processes.

The networks are random and closed apart from firms that sell to nobody (the harder case), made from a seed by
tests/bench/money_networks.py. Matrices are made, and numba compiles, before the clock starts.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType

import numpy as np

import deploy
from deploy.bench.figure import Figure, NotMeasured
from detectors.chain.systemic.cascade import Shares, fastest, systemic_shares
from detectors.chain.systemic.firms import Firms
from detectors.chain.systemic.fixed_point import fixed_points
from detectors.chain.systemic.impact import Impact, impact_of
from detectors.chain.systemic.shocks import Shocks, every_firm, together

RUNS = 1
FIGURES = (
    Figure("every single failure, 10,000 firms, 80,000 links, tolerance 1e-2", "s", must=60, aim=10),
    Figure("1,000 chosen failures, 100,000 firms, 800,000 links, tolerance 1e-2", "s", must=60, aim=20),
    Figure("most memory of the benchmark and twice its larger worker", "GB", must=4),
    Figure("processor time of a failure, 10,000 firms (two free cores: 12 ms is 60 s in all)", "ms", must=12, aim=2),
    Figure("the same, 100,000 firms (120 ms is 60 s for 1,000)", "ms", must=120, aim=40),
    Figure("numpy alone: processor time of a failure, 10,000 firms", "ms", must=12, aim=2),
    Figure("numpy alone: the same, 100,000 firms", "ms", must=120, aim=40),
    Figure("largest difference of the fastest way from numpy, 10,000 firms", "of the share", must=1e-9, aim=1e-12),
    Figure("steps of a cascade, 10,000 firms, mean", "steps"),
    Figure("exact fixed point, 10,000 firms with final demand, processor time", "s a shock"),
)
_SMALL, _LARGE = (10_000, 80_000), (100_000, 800_000)
_CHOSEN, _EXACT = 1_000, 3
_SAMPLE = {_SMALL[0]: 320, _LARGE[0]: 64}  # failures whose processor time is told
_SEED = 7


def once() -> Sequence[float]:
    """One run of everything; both ways where numba is installed."""
    small, large = _impact(*_SMALL), _impact(*_LARGE)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        walls_s = [
            _wall_s(partial(systemic_shares, impact, executor=pool), impact, shocks)
            for impact, shocks in ((small, every_firm(len(small))), (large, _chosen(len(large), _CHOSEN)))
        ]
    memory_gb = (_peak_kb(resource.RUSAGE_SELF) + 2 * _peak_kb(resource.RUSAGE_CHILDREN)) / 1e6
    fast = [_sampled(impact, fastest()) for impact in (small, large)]
    plain = [_sampled(impact, "numpy") for impact in (small, large)]
    apart = float(np.abs(fast[0][1].share - plain[0][1].share).max())
    sinking, began_ns = _impact(*_SMALL, 0.2), time.process_time_ns()
    fixed_points(sinking, _chosen(_SMALL[0], _EXACT))
    exact_s = (time.process_time_ns() - began_ns) / 1e9 / _EXACT
    return (*walls_s, memory_gb, *(ms for ms, _ in fast + plain), apart, float(fast[0][1].steps.mean()), exact_s)


def conditions() -> str:
    return (
        f"two processes, the fastest way here is {fastest()}; seeds of tests/bench/money_networks.py, chosen by {_SEED}"
    )


@lru_cache(3)
def _impact(n: int, links: int, open_ratio: float = 0.0) -> Impact:
    return impact_of(Firms(**_generator().money_network(n, links, open_ratio=open_ratio)))


def _chosen(n: int, many: int) -> Shocks:
    firms = np.random.default_rng(_SEED).choice(n, many, replace=False)
    return together([[int(firm)] for firm in firms], n)


def _wall_s(shares: Callable[[Shocks], Shares], impact: Impact, shocks: Shocks) -> float:
    """By the clock, after both workers have imported and compiled."""
    shares(_chosen(len(impact), 16))
    began_ns = time.perf_counter_ns()
    shares(shocks)
    return (time.perf_counter_ns() - began_ns) / 1e9


def _sampled(impact: Impact, way: str) -> tuple[float, Shares]:
    """Processor time of a failure in ms, in one process, and what came out."""
    systemic_shares(impact, _chosen(len(impact), 1), way=way)
    picked, began_ns = _chosen(len(impact), _SAMPLE[len(impact)]), time.process_time_ns()
    found = systemic_shares(impact, picked, way=way)
    return (time.process_time_ns() - began_ns) / 1e6 / len(picked), found


def _peak_kb(who: int) -> int:
    return resource.getrusage(who).ru_maxrss


def _generator() -> ModuleType:
    """tests/bench/money_networks.py, which stands beside the packages in the project's folder."""
    path = Path(deploy.__file__).parents[1] / "tests" / "bench" / "money_networks.py"
    if not path.is_file():
        raise NotMeasured(f"{path} is missing; run `andon bench systemic` with the project's folder installed")
    spec = importlib.util.spec_from_file_location("money_networks", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
