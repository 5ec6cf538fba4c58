"""Shortage: warned in time, at the measured rate; a refill, a pause and a shaking scale are no shortage."""

import math

import numpy as np
import pytest

from collector.config import ConfigError, Document
from collector.readings import Kind
from detectors.calendar import Calendar
from detectors.methods import shortage
from tests.detectors.played import START_S, Played, series

STOCK = series("fill_level", Kind.STOCK, "g")


def stock(response_s: float = 120.0, calendar: Calendar | None = None) -> Played:
    return Played(shortage, STOCK, calendar, response_s=response_s)


def draw(played: Played, start: float, level: float, use: float, until: float = 0.0, every_s: float = 4.0) -> tuple:
    """Uses `use` at every report from `level` down to `until`: the second after, and the (second, score) rows."""
    rows = []
    while level > until:
        level = max(level - use, until)
        rows.append((start, played.at(start, level)))
        start += every_s
    return start, rows


def first_warning(rows: list) -> float:
    return next((second for second, score in rows if score is not None and score >= 1.0), math.inf)


def test_it_warns_the_response_time_before_the_stock_is_empty():
    played = stock(response_s=120)
    end, rows = draw(played, 0, 800, 8)
    assert end - 4 - first_warning(rows) == pytest.approx(120, abs=8)


def test_it_warns_earlier_when_use_varies():
    rng = np.random.default_rng(7)
    played, second, level, warned = stock(), 0.0, 2000.0, math.inf
    while level > 0:
        level -= float(rng.choice([4.0, 12.0]))
        score = played.at(second, level)
        warned = min(warned, second if score >= 1 else math.inf)
        second += 4
    assert 120 <= second - warned <= 240


def test_the_rate_is_learned_once_and_survives_refills():
    played = stock()
    end, _ = draw(played, 0, 800, 8)
    assert played.at(end + 40, 800) < 0.5
    _, rows = draw(played, end + 44, 800, 8, until=400)
    assert all(score < 1 for _, score in rows)
    assert rows[0][1] == pytest.approx(120 / (800 / 2), rel=0.1)


def test_a_refill_ends_the_warning_and_raises_none():
    played = stock()
    end, rows = draw(played, 0, 800, 8, until=100)
    assert rows[-1][1] >= 1
    assert played.at(end, 790) < 0.5


def test_a_refill_that_leaves_too_little_keeps_the_warning():
    played = stock()
    end, _ = draw(played, 0, 800, 8, until=100)
    assert played.at(end, 160) >= 1


def test_an_empty_stock_stays_at_the_highest_score_until_it_is_refilled():
    played = stock()
    end, _ = draw(played, 0, 800, 8)
    assert {played.at(end + s, 0.0) for s in range(0, 3600, 60)} == {shortage.HIGHEST_SCORE}
    assert played.at(end + 3600, 800) < 1


@pytest.mark.parametrize("level", [300.0, 200.0])
def test_a_standing_line_neither_raises_nor_clears(level):
    played = stock()
    end, rows = draw(played, 0, 800, 8, until=level)
    held = {played.at(end + s, level) for s in range(0, 7200, 4)}
    assert held == {rows[-1][1]}
    assert (rows[-1][1] >= 1) == (level == 200.0)


def test_after_a_pause_the_running_rate_is_what_it_was():
    played = stock()
    end, rows = draw(played, 0, 800, 8, until=500)
    for s in range(0, 3600, 4):
        played.at(end + s, 500)
    _, after = draw(played, end + 3600, 500, 8, until=400)
    assert after[-1][1] == pytest.approx(120 / (400 / 2), rel=0.05)
    assert rows[-1][1] == pytest.approx(120 / (500 / 2), rel=0.05)


def test_the_late_time_to_empty_counts_pauses_and_the_early_does_not():
    played, second, level = stock(), 0.0, 4000.0
    for _ in range(12):
        second, _ = draw(played, second, level, 8, until=level - 160)
        level -= 160
        for _ in range(20):  # as long a pause as the run before
            played.at(second, level)
            second += 4
    said = played.explain(second)
    assert said["time_to_empty_early_s"] == pytest.approx(level / 2, rel=0.1)
    assert said["time_to_empty_late_s"] > 1.5 * said["time_to_empty_early_s"]


def test_lots_at_the_takt_are_a_rate_not_jumps():
    """A unit every 60 s, reported every 10 s: between two units nothing falls."""
    played, level, warned = stock(response_s=1800), 120, None
    for second in range(0, 7200, 10):
        level -= second % 60 == 0
        score = played.at(second, level)
        if warned is None and score is not None and score >= 1:
            warned = level * 60
    assert warned == pytest.approx(1800, rel=0.1)


def test_a_shaking_scale_is_no_use_and_no_refill():
    rng = np.random.default_rng(3)
    played, level, warned = stock(), 1500.0, []
    for i in range(740):
        level = max(1500 - 2.0 * i, 0)
        score = played.at(4 * i, level + float(rng.normal(0, 6)))
        if score is not None and score >= 1:
            warned.append(level)
    assert 60 <= warned[0] <= 120  # 120 s at 0.5 g/s is 60 g
    assert played.explain(3000)["use_per_h"] == pytest.approx(1800, rel=0.25)


def test_a_standing_shaking_scale_learns_no_rate():
    rng = np.random.default_rng(5)
    played = stock()
    scores = [played.at(4 * i, 500 + float(rng.normal(0, 3))) for i in range(3000)]
    assert not any(score >= 1 for score in scores)


def test_a_gap_between_readings_is_neither_pause_nor_refill():
    played = stock()
    end, _ = draw(played, 0, 800, 8, until=600)
    before = played.explain(end)["use_per_h"]
    played.at(end + 4000, 500)
    end, _ = draw(played, end + 4004, 500, 8, until=400)
    assert played.explain(end)["use_per_h"] == pytest.approx(before, rel=0.02)


def test_a_negative_stock_is_an_empty_one():
    played = stock()
    draw(played, 0, 800, 8, until=40)
    assert played.at(5000, -3.0) == shortage.HIGHEST_SCORE


def test_a_stock_that_never_was_any_is_no_shortage():
    played = stock()
    assert all(math.isnan(played.at(4 * i, 0.0)) for i in range(100))


def test_it_is_quiet_until_three_stretches_are_known():
    _, rows = draw(stock(), 0, 80, 8, until=8)
    assert all(math.isnan(score) for _, score in rows)


def test_the_evidence_names_its_units():
    played = stock()
    end, _ = draw(played, 0, 800, 8, until=200)
    said = played.explain(end)
    assert said["stock"] == 200
    assert said["stock_unit"] == "g"
    assert said["use_per_h"] == pytest.approx(7200)
    assert said["time_to_empty_s"] == pytest.approx(100)
    assert said["time_to_empty_early_s"] <= said["time_to_empty_s"] <= said["time_to_empty_late_s"]
    assert said["empty_at_s"] == pytest.approx(START_S + end - 4 + 100)


def test_the_response_time_may_change_over_a_restore():
    before, after = stock(response_s=60), stock(response_s=240)
    end, rows = draw(before, 0, 800, 8, until=300)
    after.detector.restore(before.detector.snapshot())
    assert after.at(end, 300) == pytest.approx(4 * rows[-1][1])


def test_the_response_time_must_be_stated(tmp_path):
    document = Document(tmp_path / "site.toml", {})
    with pytest.raises(ConfigError, match="response_s"):
        document.convert({}, shortage.Options, "rule[0]")
    with pytest.raises(ConfigError, match="early_quantile"):
        document.convert({"response_s": 60, "early_quantile": 0.9}, shortage.Options, "rule[0]")
