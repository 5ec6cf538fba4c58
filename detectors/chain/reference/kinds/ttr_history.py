"""Cases of kind `ttr-history`: how long outages last, those that still run censored (Kaplan & Meier 1958)."""

from __future__ import annotations

from statistics import median
from typing import Any

import msgspec

from detectors.chain.recovery import Past, kaplan_meier, median_d
from detectors.chain.reference.stated import Number, at


class OutageStated(msgspec.Struct):
    days: Number
    ended: bool = True


class HistoryCase(msgspec.Struct):
    outages: list[OutageStated]


KIND, TOLERANCE, CASE = "ttr-history", 1e-9, HistoryCase


def answers(case: HistoryCase) -> dict[str, Any]:
    """`survival` by the day on which outages ended, `median` and `completed_only_median` (null where there is none)."""
    outages = []
    for i, one in enumerate(case.outages):
        with at(f"outages[{i}]"):
            outages.append(Past(one.days, one.ended))
    survival = kaplan_meier(outages)
    ended = [one.days_d for one in outages if one.ended]
    return {
        "survival": {str(d): left for d, left in zip(survival.at_d, survival.still_out, strict=True)},
        "median": median_d(survival),
        "completed_only_median": median(ended) if ended else None,
    }
