"""Cases of kind `esri`: the economic systemic risk index (Diem et al., Sci Rep 12:7719, 2022)."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from detectors.chain.reference.stated import BadCase, Name, Number, at
from detectors.chain.systemic import shocks
from detectors.chain.systemic.cascade import TOLERANCE as PAPER_EPS
from detectors.chain.systemic.cascade import systemic_shares
from detectors.chain.systemic.case import firms_of
from detectors.chain.systemic.impact import impact_of

_KEPT_AT_MOST = 250_000  # shocks times firms whose h_down and h_up are told where nobody asks for them
_SMALLEST = 5e-324  # an eps of 0: until nothing moves at all


class ClassesStated(msgspec.Struct):
    sectors: list[Name]
    matrix: list[list[Number]]


class EsriCase(msgspec.Struct):
    sector: list[Name]
    essential: ClassesStated
    edges: list[tuple[Number, Number, Number]]
    n: Number | None = None
    substitution: bool | None = None
    revenue: list[Number] | None = None
    costs: list[Number] | None = None
    weights: list[Number] | None = None
    scenarios: list[list[Number]] | None = None
    scenarios_up: list[list[Number]] | None = None
    eps: Number | None = None
    expected: dict[str, Any] | None = None


KIND, TOLERANCE, CASE = "esri", 1e-9, EsriCase


def answers(case: EsriCase) -> dict[str, Any]:
    """`esri`, `esri_down`, `esri_up`, `iterations`, and what remains of every firm as `h_down` and `h_up`.

    Without `eps` the paper's 1e-2, without `substitution` with it, as in the paper.
    """
    n = len(case.sector)
    if case.n not in (None, n):
        raise BadCase(f"n: is {case.n}, but sector has {n} firms")
    firms = firms_of(msgspec.to_builtins(case))
    hit = _shocks(case, n)
    asked = {"h_down", "h_up"} & case.expected.keys() if case.expected else len(hit) * n <= _KEPT_AT_MOST
    with at("eps"):
        found = systemic_shares(
            impact_of(firms, substitution=case.substitution is not False),
            hit,
            tolerance=(case.eps or _SMALLEST) if case.eps is not None else PAPER_EPS,
            keep_remaining=bool(asked),
        )
    told: dict[str, Any] = {
        "esri": found.share.tolist(),
        "esri_down": found.down.tolist(),
        "esri_up": found.up.tolist(),
        "iterations": found.steps.tolist(),
    }
    if found.remaining is not None:
        told |= {"h_down": found.remaining.down.tolist(), "h_up": found.remaining.up.tolist()}
    return told


def _shocks(case: EsriCase, n: int) -> shocks.Shocks:
    """`scenarios` null: every firm alone, also where the upstream part has other ratios."""
    for key, rows in (("scenarios", case.scenarios), ("scenarios_up", case.scenarios_up)):
        wrong = [i for i, row in enumerate(rows or ()) if len(row) != n]
        if wrong:
            raise BadCase(
                f"{key}[{wrong[0]}]: has {len((rows or [])[wrong[0]])} ratios for {n} firms; give one for each"
            )
    with at("scenarios"):
        if case.scenarios_up is None:
            return shocks.every_firm(n) if case.scenarios is None else shocks.given(_table(case.scenarios, n))
        lost = np.eye(n) if case.scenarios is None else _table(case.scenarios, n)
        return shocks.given(lost, _table(case.scenarios_up, n))


def _table(rows: list[list[Number]], n: int) -> np.ndarray:
    return np.array(rows, np.float64).reshape(len(rows), n)
