"""A delivery that is told counts, on its day; one whose date had passed when the stock was counted does not."""

from __future__ import annotations

import pytest

from deploy.chain_closely import closely
from deploy.chain_exposure import failures
from detectors.chain.arrivals import Arrival, arrivals, as_counted, in_time_d
from detectors.chain.network import Arc, Network, Node, NodeKind, Receipt, Stock

DAY_NS = 86_400 * 10**9
COUNTED_NS = 20_000 * DAY_NS


def chain(*told: tuple[float, float]) -> Network:
    """A plant that sells 10 a day, holds 50 of what it is made of, and waits 20 days for more; `told`: (due, units)."""
    maker = Node(name="maker", kind=NodeKind.SUPPLIER, capacity_per_d=20, time_to_recover_d=15)
    plant = Node(name="plant", kind=NodeKind.PLANT, capacity_per_d=10, demand_per_d=10, value_per_d=100)
    coming = tuple(
        Receipt(node="plant", material="part", quantity=units, due_ns=COUNTED_NS + round(due_d * DAY_NS))
        for due_d, units in told
    )
    stock = Stock(node="plant", material="part", on_hand=50, as_of_ns=COUNTED_NS, in_transit=coming)
    arc = Arc(source="maker", target="plant", material="part", lead_time_d=20)
    return Network((maker, plant), (arc,), (stock,))


def test_a_delivery_moves_the_first_day_of_loss_day_by_day() -> None:
    hits = [
        closely(chain(*told), "maker", day_by_day=True).facts()["phased"]["first_loss_d"]
        for told in ([(5.0, 0.0)], [(5.0, 70.0)], [(4.0, 70.0), (9.0, 1000.0)], [(7.0, 70.0)], [(-1.0, 70.0)])
    ]
    assert hits == [6, 13, None, 6, 6]


def test_where_nothing_is_told_the_plan_is_assumed_and_said() -> None:
    assumed, told = (closely(one, "maker", day_by_day=True) for one in (chain(), chain((4.0, 70.0))))
    assert assumed.day_by_day and told.day_by_day
    assert assumed.day_by_day.first_loss_d == 5 + 20 + 1
    assert "    on its way: as planned (assumed) to 1 place" in assumed.sentences()
    assert any("as in_transit.csv says to 1 place, " in said for said in told.sentences())


def test_what_is_lost_though_nothing_fails_is_told_apart() -> None:
    """50 + 70 units last 12 days; what is ordered on day 1 is there on day 21."""
    found = closely(chain((4.0, 70.0)), "maker", day_by_day=True).day_by_day
    assert found and (found.anyway, found.anyway_first_d) == (800.0, 13)
    assert found.loss == 800.0 + 15 * 100.0


def test_without_days_a_delivery_counts_that_arrives_before_the_stock_runs_out() -> None:
    def survives_d(*told: tuple[float, float]) -> float | None:
        return {one.node: one for one in failures(chain(*told), lambda done, of: None)}["maker"].time_to_survive_d

    assert survives_d() == 5.0
    assert survives_d((5.0, 20.0)) == 7.0
    assert survives_d((6.9, 10.0), (5.0, 20.0)) == 8.0  # the first brings it as far as the second
    assert survives_d((5.1, 20.0)) == survives_d((0.0, 20.0)) == survives_d((-3.0, 20.0)) == 5.0
    assert closely(chain((5.0, 20.0)), "maker").time_to_survive_d == 7.0


def test_days_count_from_the_day_the_stock_was_counted() -> None:
    network = chain((21.5, 3.0), (0.5, 1.0), (-2.0, 9.0), (1.0, 2.0))
    assert arrivals(network) == {("plant", "part"): (Arrival(1, 1.0), Arrival(2, 2.0), Arrival(22, 3.0))}
    assert arrivals(chain((-2.0, 9.0))) == {("plant", "part"): ()}
    (stock,) = as_counted(network).stocks
    assert (stock.on_hand, stock.in_transit) == (53.0, ())
    assert in_time_d(network, network.stocks[0]) == pytest.approx(0.3)
