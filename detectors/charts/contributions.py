"""What each sensor adds to a statistic of many, as evidence: for `methods/mspc.py` and `methods/one_class_sgd.py`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from detectors.charts import signals
from detectors.detector import Evidence

_TOLD = 3  # sensors in the evidence


def contributions(
    state: signals.Signals, parts: Sequence[float], row: Sequence[float], metrics: Sequence[str]
) -> Evidence:
    """Of the sensors that make most of a statistic, the largest first: share (0 to 1), reading (in its own unit, left
    out where there was none) and usual range (three spreads). `parts`, `row` and `metrics` go by sensor."""
    evidence: Evidence = {}
    shares = signals.shares(np.array(parts))
    middle, spread = signals.usual(state)
    for place in np.argsort(-shares, kind="stable")[:_TOLD].tolist():
        metric, value = metrics[place], row[place]
        evidence[f"{metric}_share_ratio"] = round(float(shares[place]), 3)
        if not math.isnan(value):
            evidence[metric] = value
        low, high = middle[place] - 3.0 * spread[place], middle[place] + 3.0 * spread[place]
        evidence[f"{metric}_usual"] = f"{low:.6g} to {high:.6g}"
    return evidence
