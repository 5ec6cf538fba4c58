"""The chain as it stands on the floor, and the variants of it that `exposure` asks about.

Pure: each function takes a Network and returns another, or a number about it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from msgspec.structs import replace

from collector.readings import NS_PER_S
from detectors.chain.floor import Floor
from detectors.chain.network import Network, Receipt, Stock

_NS_PER_D = 86_400 * NS_PER_S


def on_the_floor(network: Network, floor: Floor, at_ns: int) -> Network:
    """The network with its stocks as they are at `at_ns`: live readings, measured use, deliveries that come in time."""
    return with_stocks(network, tuple(_live(network, stock, floor, at_ns) for stock in network.stocks))


def days_of_supply_d(network: Network, stock: Stock) -> float:
    """How long a stock lasts when nothing arrives, at its own use or else the planned; infinite when none is used."""
    use_per_d = stock.use_per_d or network.planned_use_per_d(stock)
    return stock.on_hand / use_per_d if use_per_d else inf


def in_planned_units(live: Network) -> Network:
    """Stocks restated so that at the planned rate each lasts as long as it does at the measured one."""
    return with_stocks(live, tuple(_restated(live, stock) for stock in live.stocks))


def with_stocks(network: Network, stocks: tuple[Stock, ...]) -> Network:
    """The same chain with other stocks."""
    other = Network(network.nodes, network.arcs, stocks, network.mitigations, network.outages, network.shocks)
    known = {name: getattr(network, name) for name in _OF_SHAPE}
    vars(other).update(known | ({"places": network.places} if "places" in vars(network) else {}))
    return other


# What a Network reckons from its nodes and arcs alone, once: stocks move all day, those never.
# (Its places on a map are for who draws one.)
_OF_SHAPE = ("by_name", "by_equipment", "arcs_into", "arcs_from", "planned_per_d")


def _restated(live: Network, stock: Stock) -> Stock:
    planned_per_d = live.planned_use_per_d(stock) if stock.use_per_d else 0.0
    return replace(stock, on_hand=stock.on_hand * planned_per_d / stock.use_per_d) if planned_per_d else stock


def _live(network: Network, stock: Stock, floor: Floor, at_ns: int) -> Stock:
    place = (stock.node, stock.material)
    if not stock.in_transit and not any(place in told for told in (floor.stock, floor.use_per_d, floor.in_transit)):
        return stock
    seen = replace(
        stock,
        on_hand=max(0.0, floor.stock.get(place, stock.on_hand)),
        use_per_d=floor.use_per_d.get(place, stock.use_per_d),
    )
    return with_deliveries(network, seen, floor.in_transit.get(place, stock.in_transit), at_ns)


def with_deliveries(network: Network, stock: Stock, receipts: Iterable[Receipt], at_ns: int) -> Stock:
    """The stock at `at_ns` with what arrives after that and before it runs out."""
    for receipt in sorted(receipts, key=lambda receipt: receipt.due_ns):
        due_d = (receipt.due_ns - at_ns) / _NS_PER_D
        if 0 < due_d <= days_of_supply_d(network, stock):
            stock = replace(stock, on_hand=stock.on_hand + receipt.quantity)
    return stock
