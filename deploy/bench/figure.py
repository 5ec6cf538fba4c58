"""Figures of this machine: what a benchmark measures, its bar, and how it is told (median and spread of the runs).

A benchmark is one module of this folder, found by listing it: `FIGURES` says what it measures, `once()` measures one
run and returns the values in that order. A ratio's two sides are measured inside the same run. Optional: `RUNS` where
three runs last too long, `conditions()`, a sentence on what the figures hold for, `TAKES`, what folder the benchmark
reads, `SIZED`, where a person may say how large a plant it is; with either of these `once` is called with what was
given (`Given`). `once` raises NotMeasured where something is missing, and returns NaN for a single value that could not
be had.
"""

from __future__ import annotations

import importlib
import math
import os
import pkgutil
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import deploy.bench
from collector.errors import AndonError

RUNS = 3


class NotMeasured(AndonError):
    """A benchmark cannot run here; the sentence says what is missing and the remedy."""


class Given(NamedTuple):
    """What a person named: folders of data to read and for results; how many series, for how long, and which seed."""

    data: Path | None = None
    out: Path | None = None
    series: int | None = None
    days: int | None = None
    seed: int | None = None


NOTHING_GIVEN = Given()


class Figure(NamedTuple):
    """One measured quantity. `must` and `aim` are its bars, None where nothing is asked; `at_most`: less is better."""

    name: str
    unit: str
    must: float | None = None
    aim: float | None = None
    at_most: bool = True

    def line(self, values: Sequence[float]) -> str:
        """`name: median 12.3 us, spread 0.4; must <= 20: met`."""
        median, spread = _median_and_spread(values)
        if math.isnan(median):
            return f"{self.name}: not measured"
        said = f"{self.name}: median {readable(median)} {self.unit}, spread {readable(spread)}"
        sign = "<=" if self.at_most else ">="
        bars = [f"{what} {sign} {readable(bar)}: {'met' if met else 'MISSED'}" for what, bar, met in self._bars(median)]
        return "; ".join([said, *bars])

    def facts(self, values: Sequence[float]) -> dict[str, Any]:
        """The same as plain JSON types; null where nothing was measured."""
        median, spread = _median_and_spread(values)
        known = not math.isnan(median)
        return {
            "name": self.name,
            "unit": self.unit,
            "median": median if known else None,
            "spread": spread if known else None,
            "values": [None if math.isnan(value) else value for value in values],
            "at_most": self.at_most,
            "must": self.must,
            "aim": self.aim,
            "met": {what: met for what, _, met in self._bars(median)} if known else {},
        }

    def _bars(self, median: float) -> Iterator[tuple[str, float, bool]]:
        for what, bar in (("must", self.must), ("aim", self.aim)):
            if bar is not None:
                yield what, bar, median <= bar if self.at_most else median >= bar


class Measured(NamedTuple):
    """One benchmark's runs: the values of each figure in the order of the runs."""

    bench: str
    conditions: str
    figures: Sequence[tuple[Figure, Sequence[float]]]

    def lines(self) -> list[str]:
        said = [f"  {figure.line(values)}" for figure, values in self.figures]
        return [f"{self.bench}: {self.conditions}" if self.conditions else self.bench, *said]

    def facts(self) -> dict[str, Any]:
        figures = [figure.facts(values) for figure, values in self.figures]
        return {"bench": self.bench, "conditions": self.conditions, "figures": figures}


def machine() -> str:
    """What these figures were measured on, how fast it is now, and what else it was doing in the last minute."""
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{_turn_ns():.0f} ns a turn of a plain loop, load average {os.getloadavg()[0]:.1f} before"
    )


def names() -> list[str]:
    """The benchmarks this folder offers."""
    found = (module.name for module in pkgutil.iter_modules(deploy.bench.__path__))
    return sorted(name for name in found if hasattr(_module(name), "once"))


def takes_data(name: str) -> bool:
    """Whether the benchmark reads a folder that a person can name."""
    return hasattr(_module(name), "TAKES")


def takes_size(name: str) -> bool:
    """Whether a person can say how large a plant it is, for how long and on which seed."""
    return hasattr(_module(name), "SIZED")


def measure(
    name: str, on_run: Callable[[int, int], None], runs: int | None = None, given: Given = NOTHING_GIVEN
) -> Measured:
    """Runs one benchmark; `on_run(run, of)` is told before each. Raises NotMeasured where it cannot be run."""
    module = _module(name)
    of: int = getattr(module, "RUNS", RUNS) if runs is None else runs
    values: list[Sequence[float]] = []
    for run in range(of):
        on_run(run + 1, of)
        values.append(module.once(given) if takes_data(name) or takes_size(name) else module.once())
    figures = [(figure, [one[i] for one in values]) for i, figure in enumerate(module.FIGURES)]
    return Measured(name, module.conditions() if hasattr(module, "conditions") else "", figures)


def quantile(values: Sequence[float], share_ratio: float) -> float:
    """The smallest value that at least this share of all do not exceed (nearest rank); NaN of none."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share_ratio * len(ordered)) - 1, 0)] if ordered else math.nan


def readable(value: float) -> str:
    """A number as people read it: 50,580 and 12.35, never 5.058e+04."""
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.4g}"


def _turn_ns() -> float:
    """CPU time of one turn of a plain loop: on a busy machine even CPU time is dearer."""
    turns, began_ns = 500_000, time.process_time_ns()
    for _ in range(turns):
        pass
    return (time.process_time_ns() - began_ns) / turns


def _median_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Of the runs that have a value; NaN where none has."""
    known = [value for value in values if not math.isnan(value)]
    return (statistics.median(known), max(known) - min(known)) if known else (math.nan, math.nan)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"deploy.bench.{name}")
