"""How long something may last, as a case states it: `lasting_of({"dist": "triangular", "low": 2, ...})`.

Days. All parts of means and quantiles are closed forms, so that answers are exact. Distributions beside those of
`recovery` (log-normal) and `uncertainty` (uniform, normal): fixed, discrete, triangular, exponential, Weibull, gamma.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import exp, inf, isfinite, log, sqrt
from typing import Any, NamedTuple

from scipy.special import gamma as gamma_function
from scipy.special import gammainc, gammaincc, gammainccinv

from detectors.chain.recovery import LogNormal
from detectors.chain.uncertainty import Lasting, Normal, Uniform


class Discrete(NamedTuple):
    """One of `values_d` (rising), each with its chance (they sum to 1)."""

    values_d: tuple[float, ...]
    chances: tuple[float, ...]

    def still_out(self, after_d: float) -> float:
        return sum(chance for d, chance in zip(self.values_d, self.chances, strict=True) if d > after_d)

    def sum_d(self, from_d: float, to_d: float) -> float:
        """A value of exactly 0 days adds nothing to any sum."""
        return sum(d * chance for d, chance in zip(self.values_d, self.chances, strict=True) if from_d < d <= to_d)

    def quantile_d(self, share: float) -> float:
        passed = 0.0
        for d, chance in zip(self.values_d, self.chances, strict=True):
            passed += chance
            if passed >= share - 1e-12:
                return d
        return self.values_d[-1]


class Triangular(NamedTuple):
    """From `low_d` up to the likeliest `mode_d` and down to `high_d`, in straight lines."""

    low_d: float
    mode_d: float
    high_d: float

    def still_out(self, after_d: float) -> float:
        low, mode, high = self
        if after_d <= low:
            return 1.0
        if after_d < mode:
            return 1 - (after_d - low) ** 2 / ((high - low) * (mode - low))
        return (high - after_d) ** 2 / ((high - low) * (high - mode)) if after_d < high else 0.0

    def sum_d(self, from_d: float, to_d: float) -> float:
        return self._sum_to(to_d) - self._sum_to(from_d)

    def quantile_d(self, share: float) -> float:
        low, mode, high = self
        if share * (high - low) <= mode - low:
            return low + sqrt(share * (high - low) * (mode - low))
        return high - sqrt((1 - share) * (high - low) * (high - mode))

    def _sum_to(self, d: float) -> float:
        """The integral of x times the density, from the lowest to `d`."""
        low, mode, high = self
        x = min(max(d, low), mode)
        rising = (2 * x**3 - 3 * low * x**2 + low**3) / (3 * (high - low) * (mode - low)) if mode > low else 0.0
        x = min(max(d, mode), high)
        fall = (
            (3 * high * (x**2 - mode**2) - 2 * (x**3 - mode**3)) / (3 * (high - low) * (high - mode))
            if high > mode
            else 0.0
        )
        return rising + fall


class Weibull(NamedTuple):
    """Survival exp(-(d / scale)^shape); a shape of 1 is the exponential."""

    shape: float
    scale_d: float

    def still_out(self, after_d: float) -> float:
        return exp(-((after_d / self.scale_d) ** self.shape)) if after_d > 0 else 1.0

    def sum_d(self, from_d: float, to_d: float) -> float:
        return self._sum_to(to_d) - self._sum_to(from_d)

    def quantile_d(self, share: float) -> float:
        return float(self.scale_d * (-log(1 - share)) ** (1 / self.shape))

    def _sum_to(self, d: float) -> float:
        order = 1 + 1 / self.shape
        reached = inf if d == inf else (max(d, 0.0) / self.scale_d) ** self.shape
        return float(self.scale_d * gamma_function(order) * gammainc(order, reached))


class Gamma(NamedTuple):
    """The sum of `shape` exponential times of mean `scale_d` (shape need not be whole)."""

    shape: float
    scale_d: float

    def still_out(self, after_d: float) -> float:
        return float(gammaincc(self.shape, max(after_d, 0.0) / self.scale_d))

    def sum_d(self, from_d: float, to_d: float) -> float:
        low, high = (float(gammainc(self.shape + 1, max(d, 0.0) / self.scale_d)) for d in (from_d, to_d))
        return self.shape * self.scale_d * (high - low)

    def quantile_d(self, share: float) -> float:
        return float(self.scale_d * gammainccinv(self.shape, 1 - share))


def lasting_of(stated: Mapping[str, Any]) -> Lasting:
    """The distribution a case states. Raises ValueError, naming what is missing, wrong or unknown."""
    dist = str(stated.get("dist", "")).lower().replace("-", "").replace("_", "")
    if dist not in _MADE:
        raise ValueError(f"dist {stated.get('dist')!r} is not known; known are {', '.join(sorted(_MADE))}")
    return _MADE[dist](stated)


def _number(stated: Mapping[str, Any], *keys: str) -> float | None:
    """The first of these keys that is there."""
    for key in keys:
        value = stated.get(key)
        if value is not None:
            if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
                raise ValueError(f"{key} is {value!r}; it must be a number")
            return float(value)
    return None


def _must(stated: Mapping[str, Any], *keys: str, above: float = -1e-300) -> float:
    number = _number(stated, *keys)
    if number is None:
        raise ValueError(f"{keys[0]} is missing, which {stated['dist']} needs")
    if not number > above:
        raise ValueError(f"{keys[0]} is {number:g}; it must be {'above 0' if above == 0 else '0 or more'}")
    return number


def _fixed(stated: Mapping[str, Any]) -> Lasting:
    return Discrete((_must(stated, "value", "days", "mean"),), (1.0,))


def _uniform(stated: Mapping[str, Any]) -> Lasting:
    low, high = _must(stated, "low", "min"), _must(stated, "high", "max")
    _refuse_falling(low=low, high=high)
    return Uniform(low, high) if high > low else Discrete((low,), (1.0,))


def _normal(stated: Mapping[str, Any]) -> Lasting:
    mean_d, deviation_d = _must(stated, "mean", "mu"), _must(stated, "sd", "std", "sigma")
    return Normal(mean_d, deviation_d) if deviation_d else Discrete((mean_d,), (1.0,))


def _triangular(stated: Mapping[str, Any]) -> Lasting:
    low, mode, high = _must(stated, "low", "min"), _must(stated, "mode", "peak"), _must(stated, "high", "max")
    _refuse_falling(low=low, mode=mode, high=high)
    return Triangular(low, mode, high) if high > low else Discrete((low,), (1.0,))


def _exponential(stated: Mapping[str, Any]) -> Lasting:
    rate = _number(stated, "rate", "lambda")
    mean_d = 1 / rate if rate and rate > 0 else _must(stated, "mean", "scale", above=0)
    return Weibull(1.0, mean_d)


def _weibull(stated: Mapping[str, Any]) -> Lasting:
    return Weibull(_must(stated, "shape", "k", above=0), _must(stated, "scale", above=0))


def _gamma(stated: Mapping[str, Any]) -> Lasting:
    return Gamma(_must(stated, "shape", "k", above=0), _must(stated, "scale", above=0))


def _log_normal(stated: Mapping[str, Any]) -> Lasting:
    """`mu` or `median`, with `sigma`, both of the logarithm; or `mean` and `sd` of the days."""
    sd, mu = _number(stated, "sd", "std"), _number(stated, "mu")
    if sd is not None and mu is None:
        mean_d = _must(stated, "mean", above=0)
        variance = log(1 + (_must(stated, "sd", "std", above=0) / mean_d) ** 2)
        return LogNormal(log(mean_d) - variance / 2, sqrt(variance))
    sigma = _must(stated, "sigma", above=0)
    if mu is None and _number(stated, "median") is None and _number(stated, "mean") is not None:
        return LogNormal(log(_must(stated, "mean", above=0)) - sigma**2 / 2, sigma)
    return LogNormal(mu if mu is not None else log(_must(stated, "median", above=0)), sigma)


def _discrete(stated: Mapping[str, Any]) -> Lasting:
    """`values` with `probs` (any weights); without them all are as likely."""
    values = next((stated[key] for key in ("values", "days", "outcomes") if stated.get(key) is not None), None)
    weights = next(
        (stated[key] for key in ("probs", "probabilities", "weights", "p") if stated.get(key) is not None), None
    )
    if not isinstance(values, list) or not values:
        raise ValueError("values is missing, which discrete needs: a list of days")
    weights = [1.0] * len(values) if weights is None else weights
    if not isinstance(weights, list) or len(weights) != len(values):
        raise ValueError(f"probs must be a list of {len(values)} numbers, one for each of values")
    for key, numbers in (("values", values), ("probs", weights)):
        odd = [
            one for one in numbers if isinstance(one, bool) or not isinstance(one, int | float) or not 0 <= one < inf
        ]
        if odd:
            raise ValueError(f"{key} holds {odd[0]!r}; it must hold numbers of 0 or more")
    total = sum(weights)
    if not total > 0:
        raise ValueError("probs are all 0; at least one must be above it")
    pairs = sorted((float(d), weight / total) for d, weight in zip(values, weights, strict=True))
    return Discrete(tuple(d for d, _ in pairs), tuple(chance for _, chance in pairs))


def _refuse_falling(**edges: float) -> None:
    names = list(edges)
    for low, high in pairwise(names):
        if edges[low] > edges[high]:
            raise ValueError(f"{low} is {edges[low]:g} and {high} {edges[high]:g}; they must rise")


_MADE: dict[str, Callable[[Mapping[str, Any]], Lasting]] = {
    "fixed": _fixed,
    "constant": _fixed,
    "deterministic": _fixed,
    "uniform": _uniform,
    "triangular": _triangular,
    "exponential": _exponential,
    "weibull": _weibull,
    "gamma": _gamma,
    "normal": _normal,
    "gaussian": _normal,
    "lognormal": _log_normal,
    "discrete": _discrete,
    "empirical": _discrete,
}
