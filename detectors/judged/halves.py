"""Settings chosen on one half of the files and judged on the other: what a benchmark is worth on files not seen.

Source: two-fold cross-validation, repeated over random halves (Dietterich, 1998).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SEED = 7


def across_halves(
    points: NDArray[np.float64], silent: NDArray[np.float64], perfect: NDArray[np.float64], halves: int = 20
) -> NDArray[np.float64]:
    """The normalised score of the files outside each half under the setting that was best inside it.

    `points` float64[files, settings] is what each file came to under each setting; `silent` and `perfect`
    float64[files] what the null and the perfect detector come to. Returns float64[halves]: the mean of both ways.
    """
    rng = np.random.default_rng(_SEED)
    said = []
    for _ in range(halves):
        half = np.zeros(len(points), bool)
        half[rng.permutation(len(points))[: len(points) // 2]] = True
        said.append([_elsewhere(points, silent, perfect, chosen) for chosen in (half, ~half)])
    across: NDArray[np.float64] = np.mean(said, axis=1)
    return across


def _elsewhere(
    points: NDArray[np.float64], silent: NDArray[np.float64], perfect: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> float:
    best = int(points[chosen].sum(axis=0).argmax())
    nothing = float(silent[~chosen].sum())
    return 100.0 * (float(points[~chosen, best].sum()) - nothing) / (float(perfect[~chosen].sum()) - nothing)
