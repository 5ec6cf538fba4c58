"""Silent: the line's age, by ticks alone; only a reading ends it."""

import math

import msgspec
import pytest

from collector.readings import NS_PER_S, BatchBuilder, Equipment, Kind, Quality, Series
from collector.schema import INVENTORY_LINE
from detectors.calendar import Calendar
from detectors.detector import Context
from detectors.methods import silent
from tests.detectors.played import START_S, Played, series

GAUGE = series("temperature", Kind.GAUGE, "Cel")


def test_the_score_is_the_age_over_after_s():
    played = Played(silent, GAUGE, after_s=60)
    assert played.at(0, 20.0) is None
    assert [played.tick(s) for s in (0, 30, 60, 90)] == [0.0, 0.5, 1.0, 1.5]


def test_a_quiet_line_never_resolves_until_a_reading_comes():
    played = Played(silent, GAUGE, after_s=60)
    played.at(0, 20.0)
    scores = [played.tick(s) for s in range(60, 90_000, 60)]
    assert min(scores) >= 1.0
    assert scores == sorted(scores)
    played.at(90_000, 20.0)
    assert played.tick(90_005) < 1.0


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.STALE, Quality.CLOCK])
def test_what_cannot_be_used_is_no_sign_of_life(quality):
    played = Played(silent, GAUGE, after_s=60)
    played.at(0, 20.0)
    played.at(50, 20.0, quality)
    played.at(55, math.nan)
    assert played.tick(60) == 1.0


def test_any_series_of_the_line_keeps_it_awake_and_the_subject_is_the_line():
    context = Context({0: GAUGE, 1: series("good", Kind.COUNTER)}, Calendar(), "north/press")
    detector = silent.build(silent.Options(after_s=60), context)
    builder = BatchBuilder()
    builder.add(0, START_S * NS_PER_S, 20.0, 0, 0)
    builder.add(1, (START_S + 50) * NS_PER_S, 1.0, 0, 0)
    detector.score(builder.build())
    said = detector.tick((START_S + 60) * NS_PER_S)
    assert said.score.tolist() == [pytest.approx(10 / 60)]
    assert detector.subject(GAUGE) == "north/press"
    assert detector.explain(0, (START_S + 60) * NS_PER_S) == {
        "quiet_s": 10.0,
        "after_s": 60.0,
        "last_reading_at_s": START_S + 50.0,
        "last_series": "north/press/cell:good",
    }


def test_a_stock_that_stands_still_is_not_silent():
    place = Equipment("e", "north", line=INVENTORY_LINE, cell="igbt")
    played = Played(silent, Series(place, "on_hand", kind=Kind.STOCK, on_event=True), after_s=60)
    played.at(0, 20.0)
    assert played.tick(90_000) is None


def test_a_line_that_never_spoke_is_unknown():
    assert Played(silent, GAUGE).tick(1000) is None


CELLS = {
    0: Series(Equipment("acme", "north", "", "press", "red"), "fill_level", kind=Kind.STOCK),
    1: Series(Equipment("acme", "north", "", "press", "red"), "vibration"),
    2: Series(Equipment("acme", "north", "", "press", "blue"), "fill_level", kind=Kind.STOCK),
}


@pytest.mark.parametrize(
    ("per", "silent_ones"),
    [
        ("line", []),
        ("cell", ["north/press/blue"]),
        ("series", ["north/press/red:fill_level", "north/press/blue:fill_level"]),
    ],
)
def test_a_sensor_that_dies_among_others_is_told_per_cell_or_per_series(per, silent_ones):
    detector = silent.build(silent.Options(after_s=60, per=per), Context(CELLS, Calendar(), "north/press"))
    builder = BatchBuilder()
    for one, last_s in ((0, 10), (2, 10), (1, 100)):
        for second in range(0, last_s + 1, 10):
            builder.add(one, (START_S + second) * NS_PER_S, 1.0, 0, 0)
    detector.score(builder.build())
    said = detector.tick((START_S + 100) * NS_PER_S)
    pairs = zip(said.series.tolist(), said.score.tolist(), strict=True)
    assert [detector.subject(CELLS[one]) for one, score in pairs if score >= 1.0] == silent_ones
    if silent_ones:
        assert detector.explain(2, (START_S + 100) * NS_PER_S)["quiet_s"] == 90.0


def test_an_unknown_per_is_refused():
    with pytest.raises(msgspec.ValidationError, match="enum"):
        msgspec.convert({"per": "plant"}, silent.Options)
