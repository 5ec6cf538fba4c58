"""What is on its way to the stocks of a map, as of when each was counted (`as_of` of stock.csv): day 0 is that day.

A folder says nothing of today: its stock held on the day of its count, so a delivery due by then is in it or has
failed, and one due later is on its way, however long ago both are. Live, the log's instant decides (`live`). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, inf
from typing import NamedTuple

from msgspec.structs import replace

from collector.readings import NS_PER_S
from detectors.chain.live import days_of_supply_d, with_deliveries, with_stocks
from detectors.chain.network import Network, Stock

_NS_PER_D = 86_400 * NS_PER_S

Place = tuple[str, str]  # (node, material)


class Arrival(NamedTuple):
    """A quantity that arrives on a day after the count; day 1 is the first."""

    day: int
    quantity: float


def arrivals(network: Network) -> Mapping[Place, tuple[Arrival, ...]]:
    """By the place of each stock of which deliveries are told: those that were still to come, the soonest first.

    An empty entry: all that was told had passed when the stock was counted.
    """
    return {(stock.node, stock.material): _to_come(stock) for stock in network.stocks if stock.in_transit}


def as_counted(network: Network) -> Network:
    """The chain with the deliveries that arrive before the stock they are for runs out added to it, and no others."""
    if not any(stock.in_transit for stock in network.stocks):
        return network
    return with_stocks(network, tuple(_as_counted(network, stock) for stock in network.stocks))


def in_time_d(network: Network, stock: Stock) -> float:
    """Days that the deliveries will last that arrive before the stock runs out."""
    there_d = days_of_supply_d(network, stock)
    return days_of_supply_d(network, _as_counted(network, stock)) - there_d if there_d < inf else 0.0


def to_come_d(network: Network, stock: Stock) -> float:
    """Days that all deliveries will last that were still to come, in time or not."""
    coming = replace(stock, on_hand=sum(arrival.quantity for arrival in _to_come(stock)))
    days = days_of_supply_d(network, coming) if coming.on_hand else 0.0
    return days if days < inf else 0.0


def _as_counted(network: Network, stock: Stock) -> Stock:
    return replace(with_deliveries(network, stock, stock.in_transit, stock.as_of_ns), in_transit=())


def _to_come(stock: Stock) -> tuple[Arrival, ...]:
    to_come = ((receipt.due_ns - stock.as_of_ns, receipt.quantity) for receipt in stock.in_transit)
    return tuple(Arrival(floor(in_ns / _NS_PER_D) + 1, quantity) for in_ns, quantity in sorted(to_come) if in_ns > 0)
