"""What a benchmark says: median and spread of its runs, its bars as met or MISSED, numbers as people read them."""

from __future__ import annotations

import math

import pytest
from typer.testing import CliRunner

from deploy.bench import capture, figure
from deploy.bench.figure import Figure, Measured, NotMeasured, quantile, readable
from deploy.bench.rig import Carried
from deploy.cli import app

NAN = math.nan


@pytest.mark.parametrize(
    ("value", "text"),
    [(50_580.4, "50,580"), (999.6, "1,000"), (999.4, "999.4"), (12.3456, "12.35"), (0.0, "0"), (0.2, "0.2")],
)
def test_numbers_are_told_as_people_read_them(value, text):
    assert readable(value) == text


def test_a_figure_tells_median_spread_and_which_bar_it_keeps():
    cost = Figure("cost", "us", must=20, aim=10)
    assert cost.line([14.0, 12.0, 17.0]) == "cost: median 14 us, spread 5; must <= 20: met; aim <= 10: MISSED"


def test_a_rate_must_reach_its_bar():
    rate = Figure("rate", "readings/s", must=40_000, at_most=False)
    assert rate.line([39_999.0]).endswith("must >= 40,000: MISSED")
    assert rate.line([40_000.0]).endswith("must >= 40,000: met")


def test_a_figure_without_bars_claims_nothing():
    assert Figure("depth", "frames").line([3.0]) == "depth: median 3 frames, spread 0"


def test_a_run_without_a_value_is_left_out_and_none_at_all_is_said():
    rate = Figure("rate", "1/s", must=1)
    assert rate.line([NAN, 2.0, 4.0]).startswith("rate: median 3 1/s, spread 2")
    assert rate.line([NAN, NAN]) == "rate: not measured"


def test_the_same_is_told_in_plain_json_types():
    facts = Figure("cost", "us", must=20, aim=10).facts([14.0, NAN])
    assert facts["median"] == 14.0 and facts["values"] == [14.0, None]
    assert facts["met"] == {"must": True, "aim": False}
    nothing = Figure("cost", "us", must=20).facts([NAN])
    assert nothing["median"] is None and nothing["met"] == {}


def test_a_quantile_is_the_smallest_value_that_the_share_does_not_exceed():
    delays = [float(n) for n in range(1, 101)]
    assert (quantile(delays, 0.99), quantile(delays, 0.5), quantile(delays, 1.0)) == (99.0, 50.0, 100.0)
    assert quantile([3.0], 0.99) == 3.0
    assert math.isnan(quantile([], 0.99))


def test_cost_and_rate_are_per_reading_that_arrived():
    carried = Carried(readings=200_000, cpu_s=2.0, wall_s=4.0, peak_rss_mb=80.0, missing=0)
    assert (carried.cpu_us, carried.per_s) == (10.0, 50_000.0)
    assert math.isnan(Carried(0, 2.0, 4.0, 80.0, 10).cpu_us)


def test_every_module_with_a_run_is_a_benchmark_and_says_what_it_measures():
    offered = figure.names()
    assert {"capture", "bridge", "bridge_latency", "bridge_memory", "bridge_outage"} <= set(offered)
    assert not {"figure", "load", "rig", "store"} & set(offered)


def test_a_benchmark_that_cannot_run_here_says_what_is_missing(monkeypatch):
    def once():
        raise NotMeasured("mosquitto is not installed; as root: apt-get install mosquitto")

    monkeypatch.setattr(capture, "once", once)
    told = CliRunner().invoke(app, ["bench", "capture"])
    assert told.exit_code == 0
    assert "capture: NOT MEASURED: mosquitto is not installed" in told.stdout


def test_runs_are_counted_and_told_in_the_order_of_the_figures(monkeypatch):
    runs = iter([[float(n)] * len(capture.FIGURES) for n in (3, 1, 2)])
    monkeypatch.setattr(capture, "once", lambda: next(runs))
    seen: list[tuple[int, int]] = []
    measured = figure.measure("capture", lambda run, of: seen.append((run, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert isinstance(measured, Measured)
    assert [values for _, values in measured.figures] == [[3.0, 1.0, 2.0]] * len(capture.FIGURES)
