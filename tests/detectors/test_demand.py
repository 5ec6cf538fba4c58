"""Demand, supply and cover: the chances they say come true as often as they say."""

import numpy as np
import pytest

from detectors.cover import Due, short_chances, supply_d
from detectors.demand import Demand
from detectors.supply import Lateness

SUNDAY = 6


def learned(days: int, used) -> Demand:
    """A demand after so many days of 16 hours, Monday to Saturday; `used(hour of day, weekday)` of each hour."""
    demand = Demand()
    for day in range(days):
        for hour in range(16):
            if day % 7 != SUNDAY:
                demand.learn(4 + day, used(hour, day % 7))
    return demand


@pytest.mark.parametrize(
    ("busy_ratio", "size"), [(1.0, 3), (0.1, 10), (0.04, 30)], ids=["smooth", "intermittent", "lumpy"]
)
def test_quantiles_of_a_day_hold_what_they_promise(busy_ratio, size):
    rng = np.random.default_rng(8)

    def used(*_: int) -> float:
        return float(rng.random() < busy_ratio) * (1 + rng.poisson(size - 1))

    demand = learned(150, used)
    days = np.array([sum(used() for _ in range(16)) for _ in range(4000)])
    for amount in np.quantile(days[days > 0], [0.3, 0.7, 0.9]):
        (chance,) = demand.chance_of(amount, np.array([1.0]))
        assert chance == pytest.approx((days >= amount).mean(), abs=0.1)


def test_a_weekday_with_more_use_is_learned():
    demand = learned(70, lambda hour, weekday: 4.0 if weekday == 0 else 1.0)
    ratios = demand.weekday_ratios()
    assert ratios[0] > 2 * ratios[2]


def test_an_item_nobody_needs_any_more_fades():
    demand = learned(60, lambda *_: 2.0)
    for day in range(60, 180):
        for _ in range(16):
            demand.learn(4 + day, 0.0)
    assert demand.per_d < 8.0
    assert demand.busy_ratio < 0.1


def test_negative_use_is_none():
    plain, wrong = learned(20, lambda *_: 2.0), learned(20, lambda hour, _: 2.0)
    plain.learn(30, 0.0)
    wrong.learn(30, -500.0)
    assert plain == wrong


def test_a_supplier_is_known_by_its_own_receipts_and_a_new_one_by_all():
    late = Lateness()
    for _ in range(40):
        late.learn("punctual", 0.0)
        late.learn("late", 30.0)
    at_hours = [6.0, 24.0, 48.0]
    punctual, poor, new = (late.arrival_chances(who, 4.0, at_hours)[1] for who in ("punctual", "late", "new"))
    assert poor < 0.2 < new < 0.8 < punctual


def test_of_an_overdue_receipt_only_those_as_late_count():
    late = Lateness()
    for hours in (0.0,) * 30 + (40.0,) * 10:
        late.learn("acme", hours)
    soon, then = late.arrival_chances("acme", -10.0, [6.0, 36.0])
    assert soon < 0.2
    assert then > 0.6


def test_its_memory_is_bounded():
    late = Lateness()
    for i in range(1000):
        late.learn(f"supplier {i}", float(i))
    assert len(late.of) == 200
    assert len(late.all.late_h) == 256


def test_a_receipt_lowers_the_chance_by_when_it_comes():
    demand = learned(60, lambda *_: 2.0)
    spans = np.linspace(0.5, 3.0, 6)
    alone = short_chances(40.0, demand, spans)
    soon, late = (
        short_chances(40.0, demand, spans, [Due(500.0, chances)]) for chances in ([0.95] * 6, [0.0] * 5 + [0.5])
    )
    assert (np.diff(alone) >= 0).all()
    assert soon[-1] < 0.1 < alone[-1]
    assert soon[-1] < late[-1] <= alone[-1]


def test_days_of_supply_have_an_interval_around_the_middle():
    rng = np.random.default_rng(2)
    supply = supply_d(320.0, learned(60, lambda *_: float(rng.poisson(2))))
    assert supply.early_d < supply.median_d < supply.late_d
    assert supply.median_d == pytest.approx(10.0, rel=0.1)


def test_hours_in_which_a_stock_ran_out_leave_the_mean_as_it_is() -> None:
    """A store refilled with some 40 runs out in every third busy hour: what was not there is a fifth of the demand."""
    rng = np.random.default_rng(7)
    wanted = (rng.poisson(rng.gamma(1.5, 8.0, 6400)) * (rng.random(6400) < 0.3)).tolist()
    said, unsaid, truth, left = Demand(), Demand(), Demand(), 40
    for hour, amount in enumerate(wanted):
        used = min(amount, left)
        left -= used
        said.learn(hour // 16, used, ran_out=left == 0)
        unsaid.learn(hour // 16, used)
        truth.learn(hour // 16, amount)
        left = left or int(rng.integers(20, 60))
    assert unsaid.per_d < 0.88 * truth.per_d
    assert said.per_d == pytest.approx(truth.per_d, rel=0.06)


def test_what_was_left_of_a_stock_is_no_lot() -> None:
    demand = Demand()
    for day in range(10):
        for hour in range(16):
            demand.learn(day, 12.0 if hour == 3 else 0.0)
    demand.learn(10, 1.0, ran_out=True)
    assert demand.lot == 12.0
