"""How far a product depends on imports: three indices (CDI 1 to 3), their verdict, and how long it stands.

Face value looks at who sells; `look_through` at where what they sell comes from. The indices and thresholds are those
of the EU's reviews of strategic dependences (European Commission, SWD(2021) 352; Arjona, Connell, Herghelegiu, 2023).
Pure. Values of one product are in one currency over one period.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import groupby
from math import isfinite

import msgspec

from detectors.chain.network import Arc, Network, NodeKind


class Thresholds(msgspec.Struct, frozen=True):
    """A product is dependent when all three indices lie above these, strictly."""

    cdi1: float = 0.4
    cdi2: float = 0.5
    cdi3: float = 1.0


class Dependence(msgspec.Struct, frozen=True):
    """CDI1: HHI of the foreign countries bought from. CDI2: foreign / all purchases. CDI3: foreign / own supply.

    `cdi3` is None where there is no own supply: then nothing can take the place of imports.
    """

    cdi1: float
    cdi2: float
    cdi3: float | None
    dependent: bool


class Persistence(msgspec.Struct, frozen=True):
    """In how many of the periods looked at a product was dependent, and since which it is without interruption.

    `longest` counts periods in a row; `since` is None when it is not dependent in the last; `persistent`: in at least
    the asked ratio of the periods, the last among them.
    """

    dependent_in: int
    of: int
    longest: int
    since: int | None
    persistent: bool


_DEFAULT = Thresholds()
ALWAYS = 1.0


def dependence(
    foreign: Mapping[str, float], domestic: float, own_supply: float, thresholds: Thresholds = _DEFAULT
) -> Dependence:
    """The indices of one product. `foreign`: purchases by country; `domestic`: other purchases; `own_supply`: what the
    home country makes. Raises ValueError for less than nothing. Without foreign purchases CDI1 is 0."""
    for name, value in {**foreign, "domestic purchases": domestic, "own supply": own_supply}.items():
        if not (isfinite(value) and value >= 0):
            raise ValueError(f"{name} is {value}; it is a number of 0 or more")
    abroad = sum(foreign.values())
    cdi1 = sum((value / abroad) ** 2 for value in foreign.values()) if abroad else 0.0
    cdi2 = abroad / (abroad + domestic) if abroad else 0.0
    cdi3 = abroad / own_supply if own_supply else None
    irreplaceable = cdi3 is None or cdi3 > thresholds.cdi3
    return Dependence(cdi1, cdi2, cdi3, cdi1 > thresholds.cdi1 and cdi2 > thresholds.cdi2 and irreplaceable)


def persistence(by_period: Mapping[int, Dependence], ratio: float = ALWAYS) -> Persistence:
    """How a verdict stands over periods (years, or instants the map is as of), in any order. Raises ValueError on none.

    The default asks for every period: one good year is a proof that there is another way.
    """
    if not by_period:
        raise ValueError("there is no period; persistence is told of one or more")
    verdicts = [(period, by_period[period].dependent) for period in sorted(by_period)]
    runs = [[period for period, _ in run] for dependent, run in groupby(verdicts, lambda each: each[1]) if dependent]
    count = sum(map(len, runs))
    lasts = verdicts[-1][1]
    return Persistence(
        dependent_in=count,
        of=len(verdicts),
        longest=max(map(len, runs), default=0),
        since=runs[-1][0] if lasts else None,
        persistent=lasts and count >= ratio * len(verdicts),
    )


def dependences(network: Network, home: str, thresholds: Thresholds = _DEFAULT) -> dict[str, Dependence]:
    """Every material that somebody takes, at face value: planned purchases of qualified sources by the country of the
    source; own supply is what qualified makers at home could make, in units as the purchases are. In-house supply
    counts as domestic. `home` is a country."""
    foreign: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    domestic: dict[str, float] = defaultdict(float)
    for arc in _bought(network):
        units_per_d = network.planned_per_d[arc.target] * arc.quantity_per * arc.share
        country = network.by_name[arc.source].country
        if country == home:
            domestic[arc.material] += units_per_d
        else:
            foreign[arc.material][country] += units_per_d
    materials = dict.fromkeys(arc.material for arc in _bought(network))
    own = _own_supply(network, home, materials)
    return {m: dependence(foreign[m], domestic[m], own[m], thresholds) for m in materials}


def as_of_ns(network: Network) -> int:
    """The instant (UTC) up to which a map speaks: its newest fact; 0 where it has none."""
    facts = [each.evidence for part in (network.nodes, network.arcs) for each in part]
    return max((fact.as_of_ns for fact in facts if fact is not None), default=0)


def persistences(networks: Iterable[Network], home: str, ratio: float = ALWAYS) -> dict[str, Persistence]:
    """How long the dependence of each material has stood over states of one map, in the order they are as of.

    A material counts over those states that have it; `since` is an instant in ns. Of two states as of one instant the
    later given counts.
    """
    by_material: dict[str, dict[int, Dependence]] = defaultdict(dict)
    for network in networks:
        at_ns = as_of_ns(network)
        for material, found in dependences(network, home).items():
            by_material[material][at_ns] = found
    return {material: persistence(by_period, ratio) for material, by_period in by_material.items()}


def _bought(network: Network) -> Iterable[Arc]:
    """The qualified supplies that come from a maker; what a store passes on was counted when it came in."""
    for arc in network.arcs:
        if arc.qualified and network.by_name[arc.source].kind is not NodeKind.WAREHOUSE:
            yield arc


def _own_supply(network: Network, home: str, materials: Iterable[str]) -> dict[str, float]:
    """Units a day that qualified makers at home could make; those of unstated capacity count with what is planned."""
    own = dict.fromkeys(materials, 0.0)
    makers = {(arc.material, arc.source) for arc in _bought(network)}
    makers |= {(node.item, node.name) for node in network.nodes if node.kind is not NodeKind.WAREHOUSE}
    for material, name in makers:
        node = network.by_name[name]
        if material in own and node.country == home and node.qualified:
            own[material] += node.capacity_per_d if isfinite(node.capacity_per_d) else network.planned_per_d[name]
    return own
