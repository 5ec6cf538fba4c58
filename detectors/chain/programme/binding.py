"""What holds a chain back while something fails (Binding): the limits on which the least loss hangs, by their duals.

Pure: the dual of each column's bound in, limits in words of the chain out. At a bend of the loss several sets of duals
are right, and one of them is told.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.chain.programme.components import Component
from detectors.chain.programme.rows import Layout

_LEAST_RATIO = 1e-7  # of the dearest; smaller duals are the solver's rounding


class Limit(StrEnum):
    CAPACITY = "capacity"
    FINISHED_STOCK = "finished stock"
    INPUT_STOCK = "input stock"
    SUPPLY = "supply"


class Binding(NamedTuple):
    """`worth_per_d`: what one more day's worth of it saves over the failure (of capacity: a plan's rate on top).

    `what` is the material (or substitute group) of an input stock or a supply, whose maker is `source`.
    """

    limit: Limit
    node: str
    what: str
    source: str
    worth_per_d: float


def bindings(
    part: Component, at: Layout, slopes: NDArray[np.float64], worth_per_d: float, for_d: float
) -> list[Binding]:
    """The limits that bind, the dearest first; `slopes` are the duals of all columns at the least loss a day."""
    saved = (np.maximum(-slopes, 0.0) * worth_per_d).tolist()
    found = [Binding(Limit.CAPACITY, part.names[i], "", "", saved[i] * for_d) for i in range(at.flow)]
    for column, i in enumerate(at.flowing.tolist(), at.flow):
        arc = part.arcs[i]
        found.append(Binding(Limit.SUPPLY, arc.target, arc.material, arc.source, saved[column] * for_d))
    made = part.keeps_made.tolist()
    found += [Binding(Limit.FINISHED_STOCK, part.names[i], "", "", saved[at.drawn + k]) for k, i in enumerate(made)]
    for column, i in enumerate(part.keeps_inputs.tolist(), at.drawn + len(made)):
        node, what = part.needs[i]
        found.append(Binding(Limit.INPUT_STOCK, node, what, "", saved[column]))
    dearest = max((one.worth_per_d for one in found), default=0.0)
    binding = [one for one in found if dearest and one.worth_per_d > _LEAST_RATIO * dearest]
    return sorted(binding, key=lambda one: (-one.worth_per_d, one.limit, one.node, one.what))
