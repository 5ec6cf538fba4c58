"""What a run of cascades hands back, one row for each shock."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from detectors.chain.systemic.firms import Floats, Ints


class Outcome(NamedTuple):
    """Columns of k shocks. `share`, `down`, `up`: the ratio of all production lost; `steps` until rest and the largest
    fall in the last one; `left_down`, `left_up` (k x n): what remains of each firm, where it is kept."""

    share: Floats
    down: Floats
    up: Floats
    steps: Ints
    last_fall: Floats
    left_down: Floats | None
    left_up: Floats | None

    @classmethod
    def empty(cls, k: int, n: int | None) -> Outcome:
        """Room for `k` shocks; with `n` firms, also for what remains of each."""
        left = [None if n is None else np.ones((k, n)) for _ in range(2)]
        return cls(np.zeros(k), np.zeros(k), np.zeros(k), np.zeros(k, np.int32), np.zeros(k), *left)

    def put(self, at: int, down: Floats, up: Floats, weights: Floats, steps: int, last_fall: float) -> None:
        """One shock: what remains of every firm (n) as buyer and as supplier, and how it came to rest."""
        self.share[at] = weights @ (1.0 - np.minimum(down, up))
        self.down[at], self.up[at] = weights @ (1.0 - down), weights @ (1.0 - up)
        self.steps[at], self.last_fall[at] = steps, last_fall
        if self.left_down is not None and self.left_up is not None:
            self.left_down[at], self.left_up[at] = down, up

    def take(self, first: int, part: Outcome) -> None:
        """The rows of `part` from row `first` on."""
        for mine, theirs in zip(self, part, strict=True):
            if mine is not None and theirs is not None:
                mine[first : first + len(theirs)] = theirs
