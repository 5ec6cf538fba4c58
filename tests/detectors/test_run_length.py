"""Run lengths are those of the published tables, and a designed limit gives the run length that was asked for."""

import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.run_length import (
    cusum_h,
    cusum_run_length,
    ewma_limit,
    ewma_run_length,
    one_sided_cusum_run_length,
    poisson_cusum_h,
    poisson_cusum_k,
    poisson_run_length,
)

FILE = Path(__file__).parents[1] / "cases" / "control_charts" / "tables.toml"
TABLES = tomllib.loads(FILE.read_text(encoding="utf-8"))


def values(kind: str) -> list[Any]:
    """(table, shift or rate, printed run length) of every printed value."""
    return [
        pytest.param(table, at, printed, id=f"{table['source']}: {at:g}")
        for table in TABLES[kind]
        for at, printed in zip(table.get("shift") or table["rate"], table["run_length"], strict=True)
    ]


def as_printed(printed: str) -> Any:
    """Up to half of the last digit and a thousandth: the tables were computed on grids."""
    half_digit = 0.5 * 10.0 ** -len(printed.partition(".")[2])
    return pytest.approx(float(printed), abs=half_digit + 0.001 * float(printed))


@pytest.mark.parametrize(("table", "shift", "printed"), values("cusum"))
def test_two_sided_cusum(table, shift, printed):
    run_length = cusum_run_length(table["k"], table["h"], shift, table.get("head_start", 0.0))
    assert run_length == as_printed(printed)
    assert run_length == pytest.approx(float(printed), rel=0.005)


@pytest.mark.parametrize(("table", "shift", "printed"), values("one_sided_cusum"))
def test_one_sided_cusum(table, shift, printed):
    assert one_sided_cusum_run_length(table["k"], table["h"], shift) == as_printed(printed)


@pytest.mark.parametrize(("table", "shift", "printed"), values("ewma"))
def test_ewma(table, shift, printed):
    assert ewma_run_length(table["lambda"], table["L"], shift) == as_printed(printed)


@pytest.mark.parametrize(("table", "rate", "printed"), values("poisson"))
def test_poisson_cusum(table, rate, printed):
    assert poisson_run_length(rate, table["k"], table["h"], falls=table["falls"]) == as_printed(printed)


def test_published_designs():
    for table in TABLES["design"]:
        for arl0, printed in zip(table["arl0"], table["h"], strict=True):
            assert cusum_h(0.5, arl0) == as_printed(printed)


@pytest.mark.parametrize("arl0", [50.0, 370.0, 20_000.0, 1e7])
def test_a_designed_limit_gives_the_wanted_run_length(arl0):
    assert cusum_run_length(0.25, cusum_h(0.25, arl0)) == pytest.approx(arl0, rel=0.005)
    assert ewma_run_length(0.1, ewma_limit(0.1, arl0)) == pytest.approx(arl0, rel=0.005)


def test_a_shewhart_chart_is_an_ewma_without_memory():
    assert ewma_run_length(1.0, 3.0) == pytest.approx(1 / math.erfc(3 / math.sqrt(2)), rel=1e-4)


@pytest.mark.parametrize("chart", [cusum_h, ewma_limit])
@pytest.mark.parametrize("arl0", [1.0, math.nan, 1e12])
def test_run_lengths_nobody_can_have_are_refused(chart, arl0):
    with pytest.raises(ValueError, match="between 2 and 1e9"):
        chart(0.3, arl0)


@pytest.mark.parametrize(("rate", "drop_ratio"), [(20.0, 0.2), (0.5, 0.5), (300.0, 0.1), (20.0, -0.5), (3.0, 0.999)])
def test_a_count_cusum_is_designed_at_least_as_quiet_as_wanted(rate, drop_ratio):
    k, h = poisson_cusum_k(rate, drop_ratio), poisson_cusum_h(rate, drop_ratio, 650.0)
    low, high = sorted((rate, rate * (1 - drop_ratio)))
    assert low < k < high
    falls = drop_ratio > 0
    assert poisson_run_length(rate, k, h, falls=falls) >= 650
    assert poisson_run_length(rate * (1 - drop_ratio), k, h, falls=falls) < 650 / 5


def test_a_stop_is_seen_in_two_intervals_and_a_drop_of_a_fifth_in_twelve():
    """The plant's bar: 20 counts an interval, no more than one false alarm in 650."""
    k, h = poisson_cusum_k(20.0, 0.2), poisson_cusum_h(20.0, 0.2, 650.0)
    assert (k, h) == (18.0, 22.0)
    assert poisson_run_length(1e-9, k, h) == pytest.approx(2.0)
    assert poisson_run_length(16.0, k, h) < 12


def test_impossible_count_charts_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match="rate above 0 and a drop below 1"):
        poisson_cusum_k(0.0, 0.2)
    with pytest.raises(ValueError, match="rate above 0 and a drop below 1"):
        poisson_cusum_k(5.0, 1.0)
    with pytest.raises(ValueError, match="take a longer interval"):
        poisson_cusum_h(0.01, 0.01, 1e6)


def test_simulated_charts_live_as_long_as_designed():
    """40,000 charts: half a percent of standard error, seeded."""
    rng = np.random.default_rng(5)
    h, turns = cusum_h(0.5, 200.0), 0
    up = down = np.zeros(40_000)
    while len(up):
        turns += len(up)
        z = rng.standard_normal(len(up))
        up, down = np.maximum(up + z - 0.5, 0.0), np.maximum(down - z - 0.5, 0.0)
        goes_on = (up < h) & (down < h)
        up, down = up[goes_on], down[goes_on]
    assert turns / 40_000 == pytest.approx(200.0, rel=0.02)
