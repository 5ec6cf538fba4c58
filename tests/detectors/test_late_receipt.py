"""Late receipt: told when a promise has passed by more than is usual of this supplier, and never before."""

from __future__ import annotations

import pytest

from collector.readings import NS_PER_S, Batch, BatchBuilder, Equipment, Kind, Quality, Series
from detectors.calendar import Calendar
from detectors.detector import Context
from detectors.methods import late_receipt

START_S = 1_751_846_400
PLACE = Equipment("acme", "north", "", "inventory", "bolt")
SERIES = {
    0: Series(PLACE, "on_hand", "1", Kind.STOCK, on_event=True),
    1: Series(PLACE, "next_due/swift", "s", on_event=True),
    2: Series(PLACE, "next_quantity/swift", "1", on_event=True),
    3: Series(PLACE, "next_due/slow", "s", on_event=True),
    4: Series(PLACE, "next_quantity/slow", "1", on_event=True),
}
DUE, QUANTITY = {"swift": 1, "slow": 3}, {"swift": 2, "slow": 4}
NOW_H = 60 * 24.0


def at_ns(hour: float) -> int:
    return int((START_S + hour * 3600) * NS_PER_S)


def batch(*rows: tuple[float, int, float]) -> Batch:
    builder = BatchBuilder()
    for hour, series, value in rows:
        builder.add(series, at_ns(hour), value, Quality.GOOD, at_ns(hour))
    return builder.build()


def promise(hour: float, supplier: str, due_h: float, quantity: float = 100.0) -> list[tuple[float, int, float]]:
    return [(hour, QUANTITY[supplier], quantity), (hour, DUE[supplier], START_S + due_h * 3600)]


def learned() -> late_receipt.LateReceipt:
    """Two months in which one supplier came on time, the other up to three days late."""
    detector = late_receipt.build(late_receipt.Options(), Context(SERIES, Calendar(), "north/inventory"))
    rows, stock = [], 3000.0
    for day in range(60):
        for hour in range(24):
            stock -= 3
            rows.append((day * 24 + hour + 0.2, 0, stock))
        supplier = "slow" if day % 2 else "swift"
        due_h = day * 24 + 22 - (24.0 * (day % 7) / 2 if supplier == "slow" else 0)
        rows += promise(day * 24 + 1, supplier, due_h)
        stock += 72
        rows += [(day * 24 + 22.9, 0, stock), (day * 24 + 22.9, DUE[supplier], 0.0)]
    rows.sort(key=lambda row: row[0])
    detector.score(batch(*rows))
    return detector


def asked(supplier: str, late_h: float) -> float:
    detector = learned()
    detector.score(batch(*promise(NOW_H, supplier, NOW_H + 1)))
    return float(detector.tick(at_ns(NOW_H + 1 + late_h)).score[-1])


def test_a_promise_that_has_not_passed_is_not_late() -> None:
    assert asked("swift", -0.5) == 0.0


def test_a_supplier_who_is_often_late_is_waited_for_longer() -> None:
    assert asked("swift", 24.0) >= 1.0 > asked("slow", 24.0)
    assert asked("slow", 240.0) >= 1.0


def test_the_passing_of_time_only_raises_it() -> None:
    detector = learned()
    detector.score(batch(*promise(NOW_H, "slow", NOW_H + 1)))
    scores = [float(detector.tick(at_ns(NOW_H + hour)).score[-1]) for hour in range(0, 300, 10)]
    assert scores == sorted(scores)


def test_it_ends_with_the_arrival_and_with_a_new_date() -> None:
    detector = learned()
    detector.score(batch(*promise(NOW_H, "swift", NOW_H - 100)))
    assert detector.tick(at_ns(NOW_H + 1)).score[-1] >= 1.0
    put_off = detector.score(batch((NOW_H + 2, DUE["swift"], START_S + (NOW_H + 50) * 3600)))
    assert put_off.score[-1] == 0.0
    detector.score(batch(*promise(NOW_H + 3, "swift", NOW_H - 100)))
    arrived = detector.score(batch((NOW_H + 4, 0, 5000.0), (NOW_H + 4, DUE["swift"], 0.0)))
    assert arrived.score[-1] == 0.0
    assert not len(detector.tick(at_ns(NOW_H + 5)))


def test_the_evidence_names_supplier_order_stock_and_when_that_runs_out() -> None:
    detector = learned()
    detector.score(batch(*promise(NOW_H, "swift", NOW_H - 48, quantity=250.0), (NOW_H + 0.5, 0, 300.0)))
    said = detector.explain(1, at_ns(NOW_H + 1))
    assert (said["supplier"], said["quantity"], said["stock"]) == ("swift", 250.0, "north/inventory/bolt")
    assert said["promised_s"] == START_S + (NOW_H - 48) * 3600
    assert said["late_h"] == pytest.approx(49.0)
    assert float(said["later_still_ratio"]) < 0.2
    assert said["on_hand"] == 300.0
    assert NOW_H + 50 < (float(said["empty_at_s"]) - START_S) / 3600 < NOW_H + 200


def test_an_order_long_past_that_nobody_closed_stays_late() -> None:
    assert asked("swift", 10_000.0) >= 1.0
