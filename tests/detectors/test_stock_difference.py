"""Stock difference: what leaves a stock beside what output explains, and what the difference looks like."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from collector.readings import NS_PER_S, Batch, BatchBuilder, Equipment, Kind, Quality, Series
from collector.spool.ledger import Cause, Gap
from detectors.calendar import Calendar
from detectors.detector import Context, Evidence
from detectors.flow import Flow
from detectors.methods import stock_difference

START_S, STEP_S, PER_UNIT = 1_751_846_400, 600, 2.0  # a Monday
PRESS = Equipment("acme", "north", "hall", "press", "cell")
STORE = Equipment("acme", "north", "", "inventory", "bolt")
SERIES = {
    0: Series(PRESS, "stock_bolt", "1", Kind.STOCK),
    1: Series(PRESS, "good", "1", Kind.COUNTER),
    2: Series(PRESS, "scrap", "1", Kind.COUNTER),
    3: Series(STORE, "on_hand", "1", Kind.STOCK, on_event=True),
    4: Series(STORE, "stock_difference", "1", on_event=True),
}
FLOW = Flow({("north/press", "bolt"): PER_UNIT})
FROM_H = 60
Extra = Callable[[int, int], float]  # (hour, units scrapped) -> units that leave besides


def at_ns(hour: float) -> int:
    return int((START_S + hour * 3600) * NS_PER_S)


def started(line: str = "north/press", flow: Flow = FLOW, **options: object) -> stock_difference.StockDifference:
    wanted = stock_difference.Options(period_s=3600.0, **options)  # type: ignore[arg-type]
    return stock_difference.build(wanted, Context(SERIES, Calendar(), line, flow=flow))


def week(
    extra: Extra = lambda hour, scrap: 0.0, hours: int = 120, store: bool = False
) -> list[tuple[float, int, float]]:
    """(hour, series, value): 30 units an hour or so in two shifts; scrap in some hours. It takes its parts at once."""
    rows, stock, good, scrap = [], 5000.0, 0.0, 0.0
    for step in range(hours * 6):
        hour = step // 6
        runs = 6 <= hour % 24 < 22
        made = (5 + (hour * 7 + step) % 3) if runs else 0
        bad = 2 if runs and hour % 3 == 0 and step % 2 else 0
        good, scrap = good + made, scrap + bad
        stock -= made * PER_UNIT + (extra(hour, bad) if hour >= FROM_H else 0.0)
        stock = stock + 4000.0 if stock < 600 else stock
        rows += [(step / 6, 1, good), (step / 6, 2, scrap), (step / 6, 3 if store else 0, stock)]
    return rows


def batch(rows: list[tuple[float, int, float]]) -> Batch:
    builder = BatchBuilder()
    for hour, series, value in rows:
        builder.add(series, at_ns(hour), value, Quality.GOOD, at_ns(hour))
    return builder.build()


def first_alarm(
    rows: list[tuple[float, int, float]], detector: stock_difference.StockDifference | None = None
) -> tuple[float, Evidence] | None:
    """The hour of the first score of 1.0, and why."""
    detector = detector or started()
    for row in rows:
        scores = detector.score(batch([row]))
        if len(scores) and scores.score[-1] >= 1.0:
            return row[0], detector.explain(int(scores.series[-1]), int(scores.at_ns[-1]))
    return None


def test_what_output_explains_is_no_difference() -> None:
    assert first_alarm(week()) is None


@pytest.mark.parametrize(
    ("extra", "looks_like"),
    [
        (lambda hour, scrap: 3.0, "leak"),
        (lambda hour, scrap: 4.0 if 6 <= hour % 24 < 22 else 0.0, "unbooked use"),
        (lambda hour, scrap: 8.0 * scrap, "scrap"),
    ],
)
def test_a_lasting_difference_is_told_with_what_it_looks_like(extra: Extra, looks_like: str) -> None:
    alarm = first_alarm(week(extra))
    assert alarm is not None
    hour, said = alarm
    assert FROM_H < hour < FROM_H + 24
    assert looks_like in str(said["looks_like"])
    assert float(said["units_unexplained"]) > 20
    assert abs(float(said["since_s"]) / 3600 - START_S / 3600 - FROM_H) <= 7


def test_a_leak_shows_itself_when_the_line_stands() -> None:
    detector = started()
    detector.score(batch(week(lambda hour, scrap: 3.0, hours=FROM_H + 36)))
    said = detector.explain(0, at_ns(FROM_H + 36))
    assert said["looks_like"] == "leak"


def test_a_jump_is_a_wrong_count() -> None:
    rows = [(hour, one, value - (250 if one == 0 and hour >= FROM_H + 10.5 else 0)) for hour, one, value in week()]
    alarm = first_alarm([row for row in rows if row[0] < FROM_H + 13])
    assert alarm is not None
    assert alarm[1]["looks_like"] == "wrong count"
    assert float(alarm[1]["units_unexplained"]) == pytest.approx(250, rel=0.1)


def test_a_count_that_found_more_than_was_booked_is_a_difference_and_no_receipt() -> None:
    rows = week(store=True)
    found = FROM_H + 10.5
    rows = [(hour, one, value + (300 if one == 3 and hour >= found else 0)) for hour, one, value in rows]
    rows = sorted([*rows, (found, 4, 300.0)])
    detector = started("north/inventory")
    alarm = None
    for row in rows:
        if row[1] in (1, 2):
            detector.hear(batch([row]))
            continue
        scores = detector.score(batch([row]))
        if alarm is None and len(scores) and scores.score[-1] >= 1.0:
            alarm = row[0], detector.explain(3, at_ns(row[0]))
    assert alarm is not None
    assert alarm[1]["looks_like"] == "wrong count"
    assert float(alarm[1]["units_unexplained"]) < 0


def test_without_a_map_the_usual_use_of_a_unit_is_learned() -> None:
    assert first_alarm(week(), started(flow=Flow())) is None
    alarm = first_alarm(week(lambda hour, scrap: 5.0), started(flow=Flow()))
    assert alarm is not None
    assert "learned" in str(alarm[1]["per_unit"])


def test_the_rule_may_say_what_a_unit_takes() -> None:
    assert first_alarm(week(), started(flow=Flow(), per_unit={"stock_bolt": PER_UNIT})) is None
    assert first_alarm(week(), started(flow=Flow(), per_unit={"stock_bolt": 1.5})) is not None


def test_a_counter_that_restarts_and_a_clock_that_steps_back_are_no_difference() -> None:
    rows = week()
    made = next(value for hour, one, value in rows if one == 1 and hour >= 70)
    assert (
        first_alarm([(hour, one, value - (made if one == 1 and hour >= 70 else 0)) for hour, one, value in rows])
        is None
    )
    detector, stepped = started(), started()
    detector.score(batch(week()))
    stepped.score(batch(week()))
    stepped.score(batch([(20.0, 0, 9.0), (21.0, 1, 9.0)]))
    assert detector.snapshot() == stepped.snapshot()


def test_an_empty_stock_explains_nothing() -> None:
    rows = [(hour, one, 0.0 if one == 0 and FROM_H <= hour < FROM_H + 30 else value) for hour, one, value in week()]
    assert first_alarm([row for row in rows if row[0] < FROM_H + 30]) is None


def test_a_refill_within_a_gap_is_no_difference() -> None:
    rows = [row for row in week() if not 60 <= row[0] < 66]
    rows = [(hour, one, value + (30 if one == 0 and hour >= 66 else 0)) for hour, one, value in rows]  # a small refill
    detector = started()
    assert first_alarm([row for row in rows if row[0] < 60], detector) is None
    detector.miss(Gap("north/press", Cause.EVICTED, at_ns(60), at_ns(66), 1, "", "north/press"))
    assert first_alarm([row for row in rows if row[0] >= 66], detector) is None
