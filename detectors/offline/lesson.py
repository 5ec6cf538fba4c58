"""The lesson of a method whose models are trained apart: the first rows of a table, in place of a site's history.

Input: a detector that is `Taught`, and rows. Output: the detector goes on with the model, or the sentence why not. What
`detectors.models` asks of a window holds here, but that a person says the rows are ordinary.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from collector.readings import Series
from collector.spool.frames import NewModel
from detectors.models.model import model_id, pack
from detectors.models.taught import Taught
from detectors.models.training import Window, train

_RULE = "table"


class Models(dict[str, bytes]):
    """Models by id, as a Context asks for them."""

    def __call__(self, name: str) -> bytes:
        return self.get(name, b"")


def teach(
    detector: Taught,
    subject: str,
    series: Mapping[int, Series],
    at_ns: NDArray[np.int64],
    values: NDArray[np.float64],
    models: Models,
) -> str:
    """Trains on rows in order of time, `values` [n, k] of the k series; why that was refused, "" when it was not."""
    window = Window(
        metrics=[series[i].metric for i in range(len(series))],
        units=[series[i].unit for i in range(len(series))],
        at_ns=at_ns,
        values=_filled(values),
        is_troubled=np.zeros(len(at_ns), np.bool_),
        gap_ratio=0.0,
    )
    trained = train(_RULE, subject, int(at_ns[-1]), window, detector.options, None, accept=True)
    if trained.model is None:
        return trained.refused
    body = pack(trained.model)
    name = model_id(_RULE, subject, body)
    models[name] = body
    detector.swap(NewModel(_RULE, subject, name, int(at_ns[-1])))
    return "; ".join(f"{metric} is no feature: {why}" for metric, why in trained.lesson.left_out.items())


def _filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each cell that says nothing as the last that did, as a cell's row has it."""
    last = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))[:, None]))
    filled: NDArray[np.float64] = np.take_along_axis(values, last, axis=0)
    return filled
