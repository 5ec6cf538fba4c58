"""A reference case of kind `esri` answered: a plain dict in, the keys of its `expected` out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from detectors.chain.systemic import shocks
from detectors.chain.systemic.cascade import systemic_shares
from detectors.chain.systemic.firms import BadFirms, Firms
from detectors.chain.systemic.impact import impact_of


def answers(case: Mapping[str, Any], way: str | None = None) -> dict[str, Any]:
    """`esri`, `esri_down`, `esri_up`, `iterations` and `h_down`, `h_up` of the case. Raises BadFirms, BadShock."""
    n = len(case["sector"])
    hit = shocks.every_firm(n) if case["scenarios"] is None else shocks.given(case["scenarios"], case["scenarios_up"])
    impact = impact_of(firms_of(case), substitution=case["substitution"])
    found = systemic_shares(impact, hit, tolerance=case["eps"], keep_remaining=True, way=way)
    assert found.remaining is not None
    return {
        "esri": found.share.tolist(),
        "esri_down": found.down.tolist(),
        "esri_up": found.up.tolist(),
        "iterations": found.steps.tolist(),
        "h_down": found.remaining.down.tolist(),
        "h_up": found.remaining.up.tolist(),
    }


def firms_of(case: Mapping[str, Any]) -> Firms:
    """The firms of the case; its sectors are named, ours are indices. Raises BadFirms."""
    place = {name: i for i, name in enumerate(case["essential"]["sectors"])}
    unknown = [name for name in case["sector"] if name not in place]
    if unknown:
        raise BadFirms(f"sector {unknown[0]} is not among those of `essential`")
    supplier, buyer, money = zip(*case["edges"], strict=True) if case["edges"] else ((), (), ())
    return Firms(
        supplier=np.array(supplier),
        buyer=np.array(buyer),
        money=np.array(money),
        sector=np.array([place[name] for name in case["sector"]]),
        essential=np.array(case["essential"]["matrix"]),
        revenue=_column(case["revenue"]),
        costs=_column(case["costs"]),
        weights=_column(case["weights"]),
    )


def _column(values: list[float] | None) -> Any:
    return None if values is None else np.array(values, np.float64)
