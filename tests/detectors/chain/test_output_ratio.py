"""What a count says of a line's output: the ratio between its bounds, and wider ones for what was not heard."""

from __future__ import annotations

import pytest
from scipy.stats import chi2

from detectors.chain.output_ratio import MOST_RATIO, output_ratio, poisson_bounds


@pytest.mark.parametrize("count", [0, 1, 4, 40, 1300])
def test_the_bounds_are_those_of_garwood_by_chi_square(count: int) -> None:
    low, high = poisson_bounds(count)
    assert low == pytest.approx(chi2.ppf(0.05, 2 * count) / 2 if count else 0.0)
    assert high == pytest.approx(chi2.ppf(0.95, 2 * count + 2) / 2)


def test_more_units_say_the_same_ratio_more_surely() -> None:
    few, many = output_ratio(8, 10), output_ratio(800, 1000)
    assert few.ratio == many.ratio == pytest.approx(0.8)
    assert few.low < many.low < 0.8 < many.high < few.high
    assert many.is_slow and not few.is_slow


def test_nothing_counted_is_nothing_at_least_and_something_at_most() -> None:
    assert output_ratio(0, 100)[:2] == (0.0, 0.0)
    assert output_ratio(0, 100).high == pytest.approx(0.02996, rel=1e-3)  # 3 units of 100


def test_a_line_is_not_believed_to_make_more_than_eleven_tenths() -> None:
    assert output_ratio(300, 100) == (MOST_RATIO, MOST_RATIO, MOST_RATIO)


def test_silence_widens_the_interval_until_nothing_is_known_and_keeps_the_last_value() -> None:
    spans = [output_ratio(90, 100, unheard) for unheard in (0.0, 0.2, 0.6, 1.0)]
    assert all(one.ratio == pytest.approx(0.9) for one in spans)
    widths = [one.high - one.low for one in spans]
    assert widths == sorted(widths) and widths[0] < widths[-1]
    assert spans[-1][1:] == (0.0, MOST_RATIO)


def test_where_nothing_is_usual_nothing_is_known() -> None:
    assert output_ratio(5, 0)[1:] == (0.0, MOST_RATIO)


@pytest.mark.parametrize("wrong", [(-1, 10, 0), (1, -10, 0), (1, 10, 1.5), (float("nan"), 10, 0)])
def test_what_cannot_be_a_count_is_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="below 0"):
        output_ratio(*wrong)
