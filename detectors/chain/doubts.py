"""What of an exposure is not measured now (Doubts): silent lines, stocks read too long ago, and what is left at least.

A last value stands until something better is known, but its interval widens: of a stock everything may have been used
since at 1.1 times the usual rate. Pure.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from collector.readings import NS_PER_S
from detectors.chain.disruption import causes_of_silence, silent_lines
from detectors.chain.floor import Floor
from detectors.chain.live import days_of_supply_d
from detectors.chain.network import Network, Stock
from detectors.chain.output_ratio import MOST_RATIO

STALE_AFTER_D = 1.0  # a stock whose live series was last read longer ago is not known
_NS_PER_D = 86_400 * NS_PER_S


class Doubts(NamedTuple):
    sentences: tuple[str, ...]
    days_of_supply_low_d: float | None
    is_stale: bool


def doubts_of(live: Network, floor: Floor, name: str, material: str, at_ns: int) -> Doubts:
    """What is not measured of a node and the stock of a material at it."""
    said = []
    line_is_silent = name in silent_lines(live, floor)
    if line_is_silent:
        known = floor.output.get(name)
        between = f"; its output lies between {known.low:.2f} and {known.high:.2f} of the usual" if known else ""
        said.append(f"{live.by_name[name].equipment} is silent: its last values stand{between}")
    stocks = held(live, name, material)
    ages_d = {stock.material: _age_d(floor, stock, at_ns) for stock in stocks}
    stale = {what: age_d for what, age_d in ages_d.items() if age_d > STALE_AFTER_D}
    said += [f"the stock of {what} at {name} was last read {age_d:.1f} days ago" for what, age_d in stale.items()]
    uncertain = line_is_silent or bool(stale) or (name, material) in causes_of_silence(live, floor)
    lows = [max(0.0, days_of_supply_d(live, stock) - MOST_RATIO * ages_d[stock.material]) for stock in stocks]
    low_d = min((low for low in lows if low != inf), default=None) if uncertain else None
    return Doubts(tuple(said), low_d, bool(stale))


def cover_d(live: Network, name: str, material: str) -> float | None:
    """Days of supply of a material at a node, None where no stock of it is kept or none is used."""
    days = (days_of_supply_d(live, stock) for stock in held(live, name, material))
    return min((d for d in days if d != inf), default=None)


def held(live: Network, name: str, material: str) -> list[Stock]:
    """The stocks of a material that arrives at a node, else all of what the node makes."""
    arrives = any(arc.material == material for arc in live.arcs_into[name])
    stocks = [stock for stock in live.stocks if stock.node == name and live.is_input(stock) == arrives]
    return [stock for stock in stocks if not arrives or stock.material == material]


def _age_d(floor: Floor, stock: Stock, at_ns: int) -> float:
    seen_ns = floor.seen_ns.get((stock.node, stock.material))
    return (at_ns - seen_ns) / _NS_PER_D if seen_ns is not None else 0.0
