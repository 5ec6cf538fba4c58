"""Cases of kind `uncertainty`: what may be lost when nobody knows how long recovery takes. Exact, without draws."""

from __future__ import annotations

import re
from math import inf
from typing import Any

import msgspec

from detectors.chain.programme.curve import LossCurve, steady_loss
from detectors.chain.reference.lasting import lasting_of
from detectors.chain.reference.stated import BadCase, Number, at
from detectors.chain.uncertainty import loss_range

_TOLD = ("p50", "p80", "p95")


class UncertaintyCase(msgspec.Struct):
    loss_per_day: Number
    ttr: dict[str, Any]
    tts_days: Number | None = None
    expected: dict[str, Any] | None = None


KIND, TOLERANCE, CASE = "uncertainty", 1e-6, UncertaintyCase


def answers(case: UncertaintyCase) -> dict[str, Any]:
    """`mean`, `prob_any`, `at_mean_ttr`, and quantiles: those asked as `p95`, else P50, P80, P95.

    `tts_days` null: nothing is ever lost.
    """
    with at("ttr"):
        lasting = lasting_of(case.ttr)
    asked = [key for key in case.expected or _TOLD if re.fullmatch(r"p\d{1,2}(\.\d+)?", key)]
    found = loss_range(_curve(case), lasting, [float(key[1:]) / 100 for key in asked])
    return {
        "mean": found.mean,
        **dict(zip(asked, found.quantiles, strict=True)),
        "prob_any": found.any_ratio,
        "at_mean_ttr": found.at_mean,
    }


def _curve(case: UncertaintyCase) -> LossCurve:
    for key in ("loss_per_day", "tts_days"):
        number = getattr(case, key)
        if number is not None and not 0 <= number < inf:
            raise BadCase(f"{key}: is {number}; it must be a number of 0 or more")
    if case.tts_days is None or not case.loss_per_day:
        return LossCurve((0.0,), (0.0,), (0.0,))
    return steady_loss(float(case.tts_days), float(case.loss_per_day))
