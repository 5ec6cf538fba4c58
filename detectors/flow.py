"""How the lines of a site hang together: what a unit takes of each component, and which line feeds which.

Input: the chain's Network. Output: `Flow`, a plain value that every method finds in its Context; without a chain it is
empty, and methods do without. A line hears the counters of those that feed it, the inventory of a site those of all its
lines whose needs are known (`detectors.engine` reads their batches with its own).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from collector.readings import Series
from collector.schema import INVENTORY_LINE
from detectors.chain.network import Network


@dataclass(frozen=True)
class Flow:
    """`per_unit`: by line (`site/line`) and component, units of it in one unit that the line makes; a component is
    called by its material, and by the name of the series that measures it. `upstream`: by line, those that feed it.
    """

    per_unit: Mapping[tuple[str, str], float] = field(default_factory=dict)
    upstream: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def heard_by(self, line: str) -> tuple[str, ...]:
        """The other lines whose readings a line needs, sorted."""
        site, _, name = line.partition("/")
        if name == INVENTORY_LINE:
            return tuple(sorted({of for of, _ in self.per_unit if of.startswith(f"{site}/")}))
        return tuple(sorted(set(self.upstream.get(line, ())) - {line}))

    def fed_by(self, line: str) -> tuple[str, ...]:
        """The lines that a line feeds next, sorted."""
        return tuple(sorted(of for of, sources in self.upstream.items() if line in sources and of != line))

    def feeds(self, line: str, other: str) -> bool:
        """Whether what a line makes flows into another, at any distance."""
        waiting, met = [other], {other}
        while waiting:
            for source in self.upstream.get(waiting.pop(), ()):
                if source == line:
                    return True
                if source not in met:
                    met.add(source)
                    waiting.append(source)
        return False

    def takers(self, stock: Series) -> dict[str, float]:
        """The lines that use what a stock series measures, with the units of it in one unit of theirs.

        A stock at a line is used by that line, one of the inventory by every line of its site.
        """
        place = stock.equipment
        at = f"{place.site}/{place.line}"
        names = {stock.name, place.cell} if place.line == INVENTORY_LINE else {stock.name, _material(stock.metric)}
        own = place.line != INVENTORY_LINE
        return {
            line: quantity
            for (line, component), quantity in sorted(self.per_unit.items())
            if component in names and (line == at if own else line.startswith(f"{place.site}/"))
        }


def flow_of(network: Network | None) -> Flow:
    """What the chain's map says of the lines that are watched."""
    if network is None:
        return Flow()
    lines = {node.name: node.equipment for node in network.nodes if node.equipment}
    per_unit = {
        (line, arc.material): arc.quantity_per
        for name, line in lines.items()
        for arc in network.arcs_into[name]
        if arc.qualified
    }
    per_unit |= {
        (lines[stock.node], stock.series): per_unit[lines[stock.node], stock.material]
        for stock in network.stocks
        if stock.series and (lines.get(stock.node, ""), stock.material) in per_unit
    }
    return Flow(per_unit, {line: tuple(_feeding(network, name, lines)) for name, line in lines.items()})


def _feeding(network: Network, name: str, lines: Mapping[str, str]) -> Iterator[str]:
    """The nearest watched lines before a node, through whatever stands between that is not watched."""
    waiting, met = [name], {name}
    while waiting:
        for arc in network.arcs_into[waiting.pop()]:
            if arc.source not in met:
                met.add(arc.source)
                if arc.source in lines:
                    yield lines[arc.source]
                else:
                    waiting.append(arc.source)


def _material(metric: str) -> str:
    """`stock_rotor` measures `rotor`."""
    return metric.removeprefix("stock_")
