"""Cases of kind `ttr-history`: how long outages last, those that still run censored (Kaplan & Meier 1958)."""

from __future__ import annotations

import re
from statistics import median
from typing import Any

import msgspec

from detectors.chain.recovery import Past, kaplan_meier, recovered_d
from detectors.chain.reference.stated import Number, at


class OutageStated(msgspec.Struct):
    days: Number
    ended: bool = True


class HistoryCase(msgspec.Struct):
    outages: list[OutageStated]
    expected: dict[str, Any] | None = None


_TOLD = ("p80", "p95")

KIND, TOLERANCE, CASE = "ttr-history", 1e-9, HistoryCase


def answers(case: HistoryCase) -> dict[str, Any]:
    """`survival` by the day on which outages ended, `median`, `completed_only_median`, and quantiles: those asked as
    `p95`, else P80 and P95, each the first day with so many recovered (null where there is none).
    """
    outages = []
    for i, one in enumerate(case.outages):
        with at(f"outages[{i}]"):
            outages.append(Past(one.days, one.ended))
    survival = kaplan_meier(outages)
    ended = [one.days_d for one in outages if one.ended]
    asked = [key for key in case.expected or _TOLD if re.fullmatch(r"p\d{1,2}(\.\d+)?", key)]
    return {
        "survival": {str(d): left for d, left in zip(survival.at_d, survival.still_out, strict=True)},
        "median": recovered_d(survival),
        **{key: recovered_d(survival, float(key[1:]) / 100) for key in asked},
        "completed_only_median": median(ended) if ended else None,
    }
