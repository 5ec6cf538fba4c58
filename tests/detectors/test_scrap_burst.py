"""Scrap bursts: per unit made, so that neither a stop nor a faster line is one."""

import numpy as np

from collector.readings import NS_PER_S, BatchBuilder, Equipment, Kind, Quality, Series
from detectors.calendar import Calendar
from detectors.detector import Context
from detectors.methods import scrap_burst

CELL = Equipment("acme", "north", "", "press", "cell")
SERIES = {0: Series(CELL, "scrap", "1", Kind.COUNTER), 1: Series(CELL, "good", "1", Kind.COUNTER)}


class Press:
    """Makes and scraps so many a minute; counters go on from where they are."""

    def __init__(self, output_metric: str = "good") -> None:
        options = scrap_burst.Options(output_metric=output_metric)
        self.detector = scrap_burst.build(options, Context(SERIES, Calendar(), "north/press"))
        self.rng, self.minute, self.made, self.scrapped = np.random.default_rng(3), 0, 0.0, 0.0

    def run(self, minutes: int, made: float = 60.0, share: float = 0.03) -> np.ndarray:
        builder = BatchBuilder()
        for _ in range(minutes):
            self.minute += 1
            self.made += made
            self.scrapped += float(self.rng.poisson(made * share))
            at_ns = (1_752_000_000 + 60 * self.minute) * NS_PER_S
            builder.add(1, at_ns, self.made, Quality.GOOD, at_ns)
            builder.add(0, at_ns, self.scrapped, Quality.GOOD, at_ns)
        return np.nan_to_num(self.detector.score(builder.build()).score)

    def explain(self) -> dict:
        return self.detector.explain(0, (1_752_000_000 + 60 * self.minute) * NS_PER_S)


def test_twice_the_usual_scrap_is_told_within_half_an_hour_and_ends_with_it():
    press = Press()
    assert press.run(2000).max() < 1.0
    assert press.run(30, share=0.08).max() >= 1.0
    said = press.explain()
    assert 0.02 < said["usual_scrap_per_unit"] < 0.04
    assert said["units_scrapped_beyond_usual"] > 15
    assert press.run(240)[-1] < 1.0


def test_a_stop_and_a_faster_line_are_no_burst():
    press = Press()
    press.run(1000)
    assert press.run(300, made=0.0).size == 300
    assert press.run(300, made=180.0).max() < 1.0


def test_without_an_output_counter_time_is_the_measure():
    press = Press("")
    assert press.run(1000).max() < 1.0
    assert press.run(60, made=180.0).max() >= 1.0


def test_a_counter_that_restarts_is_no_burst():
    press = Press()
    press.run(1000)
    press.scrapped = 0.0
    assert press.run(60).max() < 1.0
