"""The rows of a component's programme after Simchi-Levi et al., Interfaces 45(5), 2015, per day of the time t it lasts:

    make_j <= sum over sources of flow / quantity_per + drawn_j     for every essential need of j, drawn from its stock
    sum of flow out of i + demand_i - lost_i <= make_i + drawn_i    for every node, drawn from its own stock
    0 <= make_i <= remaining_i * capacity_per_d,   0 <= lost_i <= demand_i,   0 <= drawn <= stock / t

Divided by t like this, whatever a question changes is a bound, and where nothing fails and nothing is drawn the same
basis serves every t: after a failure only its surroundings move. Amounts of a node are divided by its `unit`, so that
they are near 1. A need with one source and no stock has no row and no flow: its source is asked for what is made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from detectors.chain.programme.components import Amounts, Component
from detectors.chain.programme.kept import Places, Rows

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """Which needs have rows, which arcs have flows, and where the columns of each kind begin.

    Columns: make (nodes), flow (arcs of `flowing`), lost (nodes that sell), drawn (finished stocks, input stocks).
    Rows: the needs of `open_needs`, the outputs of all nodes.
    """

    open_needs: Places
    flowing: Places  # arcs
    tied: Places  # arcs
    flow: int
    lost: int
    drawn: int
    end: int

    @property
    def draws(self) -> Places:
        """The columns of what is drawn from stocks."""
        return np.arange(self.drawn, self.end)


def layout(part: Component) -> Layout:
    sources = np.bincount(part.need, minlength=len(part.needs))
    tied = sources == 1
    tied[part.keeps_inputs] = False
    flowing = np.flatnonzero(~tied[part.need])
    flow = len(part.names)
    lost = flow + len(flowing)
    drawn = lost + len(part.selling)
    end = drawn + len(part.keeps_made) + len(part.keeps_inputs)
    return Layout(np.flatnonzero(~tied), flowing, np.flatnonzero(tied[part.need]), flow, lost, drawn, end)


def stock_d(part: Component, amounts: Amounts) -> Floats:
    """All that can be drawn, in days and in the order of the columns."""
    made, inputs = part.keeps_made, part.keeps_inputs
    input_units = part.unit[part.needing[inputs]]
    return np.concatenate([amounts.made[made] / part.unit[made], amounts.inputs[inputs] / input_units])


def capacity_ratio(part: Component, amounts: Amounts) -> Floats:
    """The most that each node makes, in units of its own."""
    return amounts.capacity_per_d / part.unit


def rows(part: Component, at: Layout, cost_of_lost: Floats) -> Rows:
    """The programme at an endless time: nothing can be drawn. `cost_of_lost` is per `unit` of each node that sells."""
    entries = [*_inputs(part, at), *_outputs(part, at)]
    row, column, value = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    needs, nodes = len(at.open_needs), len(part.names)
    demand_ratio = part.demand_per_d / part.unit
    high = np.full(at.end, np.inf)
    high[: at.flow] = capacity_ratio(part, part.amounts)
    high[at.lost : at.drawn] = demand_ratio[part.selling]
    high[at.drawn :] = 0.0
    cost = np.zeros(at.end)
    cost[at.lost : at.drawn] = cost_of_lost
    return Rows(
        cost=cost,
        matrix=coo_array((value, (row, column)), shape=(needs + nodes, at.end)).tocsc(),
        row_low=np.full(needs + nodes, -np.inf),
        row_high=np.concatenate([np.zeros(needs), -demand_ratio]),
        low=np.zeros(at.end),
        high=high,
    )


Entries = tuple[Places, Places, Floats]


def _inputs(part: Component, at: Layout) -> list[Entries]:
    needs, kept = len(at.open_needs), len(part.keeps_made)
    row_of = np.zeros(len(part.needs), np.intp)
    row_of[at.open_needs] = np.arange(needs)
    source, target = part.source[at.flowing], part.target[at.flowing]
    makes = part.unit[source] / (part.per[at.flowing] * part.unit[target])
    inputs = part.keeps_inputs
    return [
        (np.arange(needs), part.needing[at.open_needs], np.ones(needs)),
        (row_of[part.need[at.flowing]], at.flow + np.arange(len(at.flowing)), -makes),
        (row_of[inputs], at.drawn + kept + np.arange(len(inputs)), -np.ones(len(inputs))),
    ]


def _outputs(part: Component, at: Layout) -> list[Entries]:
    first, i, k = len(at.open_needs), np.arange(len(part.names)), np.arange(len(part.selling))
    source, target = part.source[at.tied], part.target[at.tied]
    takes = part.per[at.tied] * part.unit[target] / part.unit[source]
    made = part.keeps_made
    return [
        (first + i, i, -np.ones(len(i))),
        (first + part.source[at.flowing], at.flow + np.arange(len(at.flowing)), np.ones(len(at.flowing))),
        (first + source, target, takes),
        (first + part.selling, at.lost + k, -np.ones(len(k))),
        (first + made, at.drawn + np.arange(len(made)), -np.ones(len(made))),
    ]
