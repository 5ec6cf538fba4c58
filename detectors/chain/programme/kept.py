"""One linear programme kept in HiGHS (Kept): its bounds change from question to question, its matrix hardly ever.

Every solve starts from the same basis, that of the programme as it was built. So an answer depends on the numbers asked
with, never on what was asked before, and a run that was killed and began anew gives the same figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from detectors.chain.programme.scenario import Infeasible, OutOfTime, Unsolved

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

TOLERANCE = 1e-10  # of bounds and reduced costs; amounts are scaled to days, so 1e-10 of a day
TIME_LIMIT_S = 60.0

_REMEDY = "run `andon chain check` on the folder and look at stocks, capacities and demand"
_PERTURBED = "dual_simplex_cost_perturbation_multiplier"
_Status = highspy.HighsModelStatus


@dataclass
class Rows:
    """Minimise `cost @ x` with `row_low <= matrix @ x <= row_high` and `low <= x <= high`."""

    cost: Floats
    matrix: csc_array
    row_low: Floats
    row_high: Floats
    low: Floats
    high: Floats


class Kept:
    """A programme that stays in the solver. Raises Unsolved (Infeasible, OutOfTime) when it has no answer."""

    def __init__(self, rows: Rows, time_limit_s: float = TIME_LIMIT_S) -> None:
        self._time_limit_s = time_limit_s
        self._solver = highspy.Highs()  # type: ignore[no-untyped-call]
        for option, value in _OPTIONS.items():
            self._solver.setOptionValue(option, value)
        self._solver.passModel(_lp(rows))
        self._start: highspy.HighsBasis | None = None

    def start_from_here(self) -> None:
        """Solves as it stands; from now on every solve starts from this basis."""
        self.solve()
        self._start = self._solver.getBasis()
        self._solver.setOptionValue(_PERTURBED, 0.0)  # near a solution it costs more steps than it saves

    def bound(self, columns: Places, low: Floats, high: Floats) -> None:
        """Sets the bounds of these columns."""
        if len(columns):
            self._solver.changeColsBounds(len(columns), columns.astype(np.int32), low, high)

    def price(self, columns: Places, cost: Floats) -> None:
        """Sets the cost of these columns."""
        self._solver.changeColsCost(len(columns), columns.astype(np.int32), cost)

    def solve(self) -> float:
        """The least cost, from the start. Raises Unsolved, saying why; a cost without a lower end is Unsolved, too."""
        if self._start is not None:
            self._solver.clearSolver()  # else it would keep its order of pivots, and the last bits with it
            self._solver.setBasis(self._start)
        return self.go_on()

    def go_on(self) -> float:
        """The least cost, from where the last solve ended."""
        status = self._run()
        if status not in (_Status.kOptimal, _Status.kTimeLimit):  # a start far away can mislead the solver
            self._solver.clearSolver()
            self._solver.setOptionValue(_PERTURBED, 1.0)
            status = self._run()
            self._solver.setOptionValue(_PERTURBED, 0.0)
        if status != _Status.kOptimal:
            raise _why(status, self._time_limit_s)
        return float(self._solver.getInfo().objective_function_value)

    def columns(self) -> Floats:
        """The values of all columns in the last solution."""
        return np.array(self._solver.getSolution().col_value)

    def slopes(self) -> Floats:
        """How the least cost of the last solve changes with each column's binding bound."""
        return np.array(self._solver.getSolution().col_dual)

    def _run(self) -> highspy.HighsModelStatus:
        self._solver.setOptionValue("time_limit", self._solver.getRunTime() + self._time_limit_s)
        self._solver.run()
        return self._solver.getModelStatus()


_OPTIONS: dict[str, bool | int | float | str] = {
    "output_flag": False,
    "threads": 1,
    "solver": "simplex",
    "presolve": "off",  # it would forget the basis
    "simplex_scale_strategy": 0,  # amounts come scaled
    "simplex_dual_edge_weight_strategy": 1,  # Devex: steepest edges are dear to set up at every start
    "primal_feasibility_tolerance": TOLERANCE,
    "dual_feasibility_tolerance": TOLERANCE,
}


def _lp(rows: Rows) -> highspy.HighsLp:
    lp = highspy.HighsLp()
    lp.num_row_, lp.num_col_ = rows.matrix.shape
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = rows.cost, rows.low, rows.high
    lp.row_lower_, lp.row_upper_ = rows.row_low, rows.row_high
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = rows.matrix.indptr
    lp.a_matrix_.index_ = rows.matrix.indices
    lp.a_matrix_.value_ = rows.matrix.data
    return lp


def _why(status: highspy.HighsModelStatus, time_limit_s: float) -> Unsolved:
    has_none = "the chain's linear programme has no answer"
    if status == _Status.kTimeLimit:
        return OutOfTime(f"{has_none}: the solver ran out of time ({time_limit_s:g} s); {_REMEDY}")
    if status in (_Status.kInfeasible, _Status.kUnboundedOrInfeasible):
        return Infeasible(f"{has_none}: its numbers contradict each other (infeasible); {_REMEDY}")
    if status == _Status.kUnbounded:
        return Unsolved(f"{has_none}: it is unbounded; {_REMEDY}")
    return Unsolved(f"{has_none}: the solver says {status.name}; {_REMEDY}")
