"""A store of 120 parts over 150 days, hour by hour: what is used, what is ordered, and suppliers who come late.

Demand is smooth, seasonal by weekday, intermittent or lumpy; its level drifts and the days of a line have their own
pace. An order is placed at six when stock and what is on its way fall below the reorder point. Its supplier promises an
hour; on time is most often, late is by an exponential time, and half of the late give a new date 18 h before. Nobody
hurries anything, so that a warning changes nothing of what it is judged by. The same seed is the same store.

How hard it is was set by the peers alone, on the stores 101 to 112: days of cover by the calendar reach a precision of
0.52 to 0.57 at a recall of 0.90 there, a fixed minimum stock 0.36 to 0.44.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PARTS, DAYS, LINES, SUPPLIERS = 120, 150, 6, 10
HOURS = DAYS * 24
KINDS = ("smooth", "weekday", "intermittent", "smooth", "weekday", "smooth", "weekday", "lumpy")
_WEEKDAY = np.array([1.4, 1.15, 1.0, 0.9, 0.8, 0.0, 0.0])
_DRIFT_A_WEEK, _PACE_A_DAY = 0.08, 0.1
_ON_TIME, _LATE_H = (0.7, 0.95), (24.0, 120.0)  # of a supplier: the share on time, the mean of what is late
_SAFETY_D, _SAFETY_DEVIATIONS = 0.6, 2.0  # in the reorder point
_LOT_D = (4.0, 9.0)  # days of use in an order
_TOLD = 0.5  # of the late orders, those whose supplier says so 18 h before


class Order(NamedTuple):
    """Hours since the beginning; `arrived_h` may lie past the end.

    At `told_h` the promise becomes `new_promise_h`, at -1 never.
    """

    part: int
    supplier: int
    quantity: int
    ordered_h: int
    promised_h: int
    arrived_h: int
    told_h: int
    new_promise_h: int


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """`stock`, `used`, `demand` int[hours, parts]: on hand at the end of an hour, what left in it, what was wanted."""

    kinds: tuple[str, ...]
    stock: NDArray[np.int64]
    used: NDArray[np.int64]
    demand: NDArray[np.int64]
    orders: tuple[Order, ...]

    def shortages(self, part: int, apart_h: int = 24) -> list[int]:
        """The hours in which a part ran empty; one that was refilled for less than `apart_h` is the same shortage."""
        empty = self.stock[:, part] <= 0
        begins = np.flatnonzero(empty & ~np.concatenate(([False], empty[:-1])))
        return [int(hour) for hour in begins if not empty[max(hour - apart_h, 0) : hour].any()]


def planned() -> NDArray[np.bool_]:
    """The hours of production: two shifts from Monday, the first hour's day, to Friday."""
    hour = np.arange(HOURS)
    of_day, weekday = hour % 24, hour // 24 % 7
    works: NDArray[np.bool_] = (of_day >= 6) & (weekday < 5) & (of_day < 22)
    return works


def store(seed: int) -> Store:
    rng = np.random.default_rng(seed)
    kinds = tuple(KINDS[part % len(KINDS)] for part in range(PARTS))
    demand = _demand(rng, kinds)
    per_d = demand[: 28 * 24].sum(axis=0) / 24.0 + 0.2  # of a day of production, as a planner would know it
    on_time = rng.uniform(*_ON_TIME, SUPPLIERS)
    late_h = rng.uniform(*_LATE_H, SUPPLIERS)
    supplier = rng.integers(0, SUPPLIERS, PARTS)
    lead_d = rng.integers(3, 11, PARTS)
    daily = demand.reshape(DAYS, 24, PARTS).sum(axis=1)
    spread = _SAFETY_DEVIATIONS * daily.std(axis=0) * np.sqrt(lead_d)
    reorder = np.ceil(per_d * (lead_d * 6 / 7 + _SAFETY_D) + spread)
    quantity = np.ceil(per_d * rng.uniform(*_LOT_D, PARTS) + 1).astype(int)
    stock, used = np.zeros((HOURS, PARTS), int), np.zeros((HOURS, PARTS), int)
    on_hand, on_order, orders = (reorder + quantity / 2).astype(int), np.zeros(PARTS, int), []
    due: dict[int, list[Order]] = {}
    for hour in range(HOURS):  # what comes, what is ordered, what is used
        for order in due.pop(hour, ()):
            on_hand[order.part] += order.quantity
            on_order[order.part] -= order.quantity
        if hour % 24 == 6 and hour // 24 % 7 < 6:
            for part in np.flatnonzero(on_hand + on_order < reorder):
                is_late = rng.random() >= on_time[supplier[part]]
                late = rng.exponential(late_h[supplier[part]]) if is_late else rng.uniform(-6, 3)
                promised = hour + 24 * int(lead_d[part]) + int(rng.integers(0, 8))
                arrived = _goods_in(max(promised + round(late), hour + 1))
                told = (
                    (promised - 18, arrived + int(rng.integers(-4, 5)))
                    if is_late and rng.random() < _TOLD
                    else (-1, -1)
                )
                order = Order(int(part), int(supplier[part]), int(quantity[part]), hour, promised, arrived, *told)
                orders.append(order)
                due.setdefault(arrived, []).append(order)
                on_order[part] += order.quantity
        used[hour] = np.minimum(on_hand, demand[hour])
        on_hand = on_hand - used[hour]
        stock[hour] = on_hand
    return Store(kinds, stock, used, demand, tuple(orders))


def _goods_in(hour: int) -> int:
    """The first hour from here on in which goods are taken in: from six to 22, not on Sunday."""
    while not 6 <= hour % 24 < 22 or hour // 24 % 7 == 6:
        hour += 1
    return hour


def _demand(rng: np.random.Generator, kinds: tuple[str, ...]) -> NDArray[np.int64]:
    """What each hour of production would use, were it there."""
    weeks = np.cumsum(rng.normal(0, _DRIFT_A_WEEK, (DAYS // 7 + 1, PARTS)), axis=0)
    pace = rng.lognormal(0, _PACE_A_DAY, (DAYS, LINES))
    day = np.arange(HOURS) // 24
    level = np.exp(weeks[day // 7]) * pace[day][:, np.arange(PARTS) % LINES] * planned()[:, None]
    columns = []
    for part, kind in enumerate(kinds):
        if kind in ("smooth", "weekday"):
            rate = rng.lognormal(1.2, 0.6) * level[:, part]
            columns.append(rng.poisson(rate * (_WEEKDAY[day % 7] if kind == "weekday" else 1.0)))
            continue
        if kind == "intermittent":
            share, size, shape = rng.uniform(0.03, 0.15), rng.uniform(4, 15), 1.5
        else:
            share, size, shape = rng.uniform(0.03, 0.08), rng.uniform(15, 40), 3.0
        sizes = 1 + rng.poisson(rng.gamma(shape, size / shape, HOURS))
        columns.append(sizes * (rng.random(HOURS) < share * level[:, part]))
    return np.column_stack(columns)
