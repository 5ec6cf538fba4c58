"""Several counters as one, the pace of the day, and one figure of use from two accounts."""

from __future__ import annotations

import numpy as np
import pytest

from collector.readings import NS_PER_S, Batch, BatchBuilder, Equipment, Kind, Quality, Series
from detectors.calendar import Calendar
from detectors.detector import Context
from detectors.methods import output_drop
from detectors.pace import Pace
from detectors.reconciled import Reconciled
from detectors.summed import Summed

SERIES = {one: Series(Equipment("e", "s", "", "line", f"m{one}"), "good", "1", Kind.COUNTER) for one in range(3)}
UNKNOWN_NS = 60 * NS_PER_S


def batch(*rows: tuple[float, int, float]) -> Batch:
    builder = BatchBuilder()
    for second, series, value in rows:
        builder.add(series, int((1_752_000_000 + second) * NS_PER_S), value, Quality.GOOD, 0)
    return builder.build()


def total(*rows: tuple[float, int, float]) -> list[float]:
    return Summed().add(batch(*rows), SERIES, UNKNOWN_NS).value.tolist()


def test_the_total_is_what_all_of_them_made_since_they_were_met() -> None:
    assert total((0, 0, 100), (0, 1, 7), (10, 0, 104), (10, 1, 8)) == [0, 0, 4, 5]


@pytest.mark.parametrize(("before", "after", "units"), [(500.0, 3.0, 3.0), (65_530.0, 4.0, 10.0)])
def test_one_that_restarts_or_wraps_loses_nothing(before: float, after: float, units: float) -> None:
    assert total((0, 0, before), (0, 1, 5), (10, 0, after), (10, 1, 6))[-1] == units + 1


def test_while_one_is_silent_the_total_is_unknown_and_nothing_is_lost() -> None:
    summed = Summed()
    said = summed.add(batch((0, 0, 1), (0, 1, 1), (50, 0, 6), (61, 0, 7), (100, 0, 9)), SERIES, UNKNOWN_NS)
    assert said.value.tolist() == [0, 0, 5]
    assert summed.silent(SERIES, int(1_752_000_100 * NS_PER_S), UNKNOWN_NS) == ["s/line/m1:good"]
    assert summed.add(batch((110, 1, 4)), SERIES, UNKNOWN_NS).value.tolist() == [8 + 3]


def test_a_reading_that_is_not_newer_counts_nothing() -> None:
    assert total((0, 0, 1), (10, 0, 5), (10, 0, 9), (5, 0, 90)) == [0, 4]


def played(silent_from: float = 1e9, stop_from: float = 1e9) -> output_drop.OutputDrop:
    """Two hours of three machines; one goes silent or stops."""
    detector = output_drop.build(output_drop.Options(summed=True), Context(SERIES, Calendar(), "s/line"))
    rows = []
    for second in range(0, 7200, 10):
        for one in range(3):
            if one or second < silent_from:
                rows.append((second, one, min(second, stop_from if one == 0 else 1e9) // 10))
    detector.score(batch(*rows))
    return detector


def test_one_machine_of_three_that_stops_is_a_drop_of_the_line() -> None:
    detector = played(stop_from=6600)
    scores = detector.score(batch((7200, 1, 720), (7200, 2, 720), (7200, 0, 660)))
    assert scores.score[-1] >= 1.0
    assert scores.value[-1] == pytest.approx(720, rel=0.1)
    assert detector.subject(SERIES[0]) == "s/line:good"


def test_one_machine_of_three_that_is_silent_is_unknown_and_no_drop() -> None:
    detector = played(silent_from=6600)
    assert np.isnan(detector.tick(int(1_752_007_300 * NS_PER_S)).score).all()
    assert not len(detector.score(batch((7310, 1, 731), (7310, 2, 731))))


def learned(*ratios: float) -> Pace:
    pace = Pace()
    for day, ratio in enumerate([*ratios, 1.0]):
        for hour in (12, 13):
            for _ in range(4):
                pace.learn(day * 24 + hour, hour, ratio if hour == 12 else 1.0, least=3)
    return pace


def test_an_hour_that_is_slow_day_by_day_has_a_pace_of_its_own() -> None:
    pace = learned(0.6, 0.62, 0.58, 0.6, 0.61)
    assert pace.ratio(12) == pytest.approx(0.6, abs=0.02)
    assert pace.ratio(13) == 1.0
    assert pace.ratio(3) == 1.0


@pytest.mark.parametrize("ratios", [(0.6, 0.6), (0.6, 1.4, 0.9, 1.2, 1.0, 0.8), (1.0, 1.0, 0.1, 1.0, 1.0)])
def test_few_days_chance_and_one_bad_day_are_no_pace(ratios: tuple[float, ...]) -> None:
    assert learned(*ratios).ratio(12) == 1.0


def test_the_pace_of_hours_is_bounded() -> None:
    pace = learned(*[0.5] * 50)
    assert max(len(days) for days in pace.days.values()) <= 6


def test_what_is_booked_and_explained_alike_is_used_once() -> None:
    for first in ("book", "explain"):
        account, used = Reconciled(), 0.0
        for _ in range(20):
            steps = [account.book, account.explain] if first == "book" else [account.explain, account.book]
            used += sum(step(5.0, 100.0) for step in steps)
        assert used == 100.0
        assert account.unbooked == 0.0


def test_a_leak_is_use_and_what_is_booked_at_night_is_known_by_day() -> None:
    leaking = Reconciled()
    assert sum(leaking.book(7.0, 1000.0) + leaking.explain(5.0, 1000.0) for _ in range(10)) == 70.0
    backflushed = Reconciled()
    assert sum(backflushed.explain(5.0, 1000.0) for _ in range(10)) == 50.0
    assert backflushed.unbooked == 50.0
    assert backflushed.book(50.0, 1000.0) == 0.0
    assert backflushed.unbooked == 0.0


def test_an_old_difference_hides_no_new_one_for_long() -> None:
    account = Reconciled()
    account.book(500.0, 20.0)
    assert sum(account.explain(5.0, 20.0) for _ in range(10)) == 30.0
