"""R11: a short soak in every run, judged as the long one of `make soak` is: nothing grows, the balance is exact.

A minute cannot tell 1 MB/h: there the growth that the slope comes to is bounded instead.
"""

from __future__ import annotations

import pytest

from deploy.bench.soak import FIGURES, PER_S, robust_slope, soak
from tests.plant.servers import need

SOAK_S = 75.0
_MOST_GROWTH_MB = 1.5


@pytest.mark.plant
@pytest.mark.alone
def test_a_steady_load_grows_nothing_and_loses_nothing() -> None:
    need("mosquitto"), need("influxd")
    found = dict(zip((figure.name.removeprefix("R11 ") for figure in FIGURES), soak(SOAK_S), strict=True))
    assert found["messages published"] == SOAK_S * PER_S
    assert found["published and not in the store"] == 0
    assert found["published and not in the log, or twice"] == 0
    assert found["dead letters"] == found["books that are not exact"] == 0
    assert found["descriptors: growth"] <= 0
    assert found["RSS: the same over the run"] < _MOST_GROWTH_MB


def test_a_step_of_the_allocator_is_no_slope_and_a_leak_is_one() -> None:
    at_s = [float(i) for i in range(100)]
    assert robust_slope(at_s, [50.0 + (i > 80) * 4.0 for i in range(100)]) == 0.0
    assert robust_slope(at_s, [50.0 + 0.01 * i + (i % 7 == 0) * 3.0 for i in range(100)]) == pytest.approx(0.01)
