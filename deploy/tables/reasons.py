"""Reasons: of each row with an alarm, the columns that made it and how much of it, as one cell of a table.

Input: the evidence of rows (`detectors.offline.judging`), in which a method of many sensors gives `NAME_share_ratio`.
Output: `pressure 62%; flow 21%`, largest first, in the file's own names; a method of single columns names its one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.detector import Evidence

_SHARE = "_share_ratio"
_LEAST_RATIO = 0.01


def reasons_of(explained: Mapping[int, Evidence], names: Sequence[str], alarm: NDArray[np.bool_]) -> Mapping[int, str]:
    """Of every row with an alarm; between two verdicts the last one's reasons stand."""
    said: dict[int, str] = {}
    last = ""
    for row, is_alarm in enumerate(alarm.tolist()):
        if row in explained:
            last = _told(explained[row], names)
        if is_alarm and last:
            said[row] = last
    return said


def _told(evidence: Evidence, names: Sequence[str]) -> str:
    shares = {name.removesuffix(_SHARE): share for name, share in evidence.items() if name.endswith(_SHARE)}
    known = [(float(share), _named(metric, names)) for metric, share in shares.items()]
    told = [f"{name} {share:.0%}" for share, name in sorted(known, key=lambda one: -one[0]) if share >= _LEAST_RATIO]
    return "; ".join(told) or names[int(float(evidence["series"]))]


def _named(metric: str, names: Sequence[str]) -> str:
    """The file's name of a metric that ends in the number of its column."""
    number = metric.rpartition("_")[2]
    return names[int(number)] if number.isdigit() and int(number) < len(names) else metric
