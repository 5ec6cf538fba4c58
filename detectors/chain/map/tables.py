"""The rows of a chain folder: one frozen struct for each file, one field for each column (SCHEMA.md one folder up).

Every row remembers its number (as a spreadsheet counts: 2 is the first below the names) and where it is from: it is
Evidence. `reading` makes rows of files, `faults` and `wiring` judge them, `folder` makes a Network of them.
"""

from __future__ import annotations

from enum import StrEnum
from math import inf
from typing import Annotated, ClassVar, NamedTuple

import msgspec

from detectors.chain.network import ESSENTIAL, Evidence

# How a column is written; `reading` knows a reader for each.
Amount = Annotated[float, "a plain number that is not negative"]
Ratio = Annotated[float, "0 to 1"]
Instant = Annotated[int, "ISO 8601, kept as UTC ns"]
Class = Annotated[int, "2, 1 or 0"]


class Does(StrEnum):
    MAKE = "make"
    KEEP = "keep"
    SELL = "sell"


class Role(StrEnum):
    LEADER = "leader"
    SME = "sme"
    OTHER = ""


class Scope(StrEnum):
    """What a scenario hits: all nodes whose field of that name is the target."""

    SITE = "site"
    ITEM = "item"
    FIRM = "firm"
    CLUSTER = "cluster"
    REGION = "region"
    COUNTRY = "country"
    DIVISION = "division"


class Row(Evidence, frozen=True, gc=False):
    """What every table has: `source`, `as_of`, `confidence`."""


class Site(Row, frozen=True, gc=False):
    """One place of one firm: a plant, a workshop, a store, a shop."""

    table: ClassVar[str] = "sites"

    id: str
    firm: str = ""
    title: str = ""
    gln: str = ""
    country: str = ""
    region: str = ""
    cluster: str = ""
    industry: str = ""
    role: Role = Role.OTHER
    energy_kwh_per_unit: Amount = 0.0
    energy_cap_kwh_per_d: Amount = inf
    co2_kg_per_unit: Amount = 0.0


class Item(Row, frozen=True, gc=False):
    table: ClassVar[str] = "items"

    id: str
    uom: str
    title: str = ""
    essential: Class = ESSENTIAL
    hs_code: str = ""
    unit_margin: Amount = 0.0


class Capability(Row, frozen=True, gc=False):
    """What one site does with one item. It becomes a Node."""

    table: ClassVar[str] = "capabilities"

    site: str
    item: str
    does: Does = Does.MAKE
    name: str = ""
    capacity_per_d: Amount = inf
    normal_rate_per_d: Amount = 0.0
    qualified: bool = True
    ramp_d: Amount = 0.0
    time_to_recover_d: Amount = 0.0
    line: str = ""

    @property
    def node(self) -> str:
        return self.name or f"{self.site}:{self.item}"


class BomLine(Row, frozen=True, gc=False):
    table: ClassVar[str] = "bom"

    parent: str
    child: str
    qty_per: Amount
    uom: str = ""
    scrap: Ratio = 0.0
    substitute_group: str = ""


class Sourcing(Row, frozen=True, gc=False):
    """Who supplies whom with what. With each line of the bill of materials that takes the item it becomes an Arc."""

    table: ClassVar[str] = "sourcing"

    from_site: str = msgspec.field(name="from")
    to_site: str = msgspec.field(name="to")
    item: str
    share: Amount = 1.0
    price: Amount = 0.0
    lead_time_d: Amount = 0.0
    moq: Amount = 0.0
    contract_until_ns: Instant = msgspec.field(name="contract_until", default=0)


class Held(Row, frozen=True, gc=False):
    """A stock."""

    table: ClassVar[str] = "stock"

    site: str
    item: str
    on_hand: Amount
    uom: str = ""
    use_per_d: Amount = 0.0
    series: str = ""


class Demand(Row, frozen=True, gc=False):
    table: ClassVar[str] = "demand"

    site: str
    item: str
    per_d: Amount
    uom: str = ""


class Coming(Row, frozen=True, gc=False):
    """A delivery on its way."""

    table: ClassVar[str] = "in_transit"

    site: str
    item: str
    quantity: Amount
    due_ns: Instant = msgspec.field(name="due")
    uom: str = ""


class Standstill(Row, frozen=True, gc=False):
    """An outage of the past, or one that has not ended (`ended` 0)."""

    table: ClassVar[str] = "outages"

    site: str
    began_ns: Instant = msgspec.field(name="began")
    ended_ns: Instant = msgspec.field(name="ended", default=0)
    item: str = ""
    cause: str = ""


class Scenario(Row, frozen=True, gc=False):
    """One part of a scenario: the rows of one name happen together."""

    table: ClassVar[str] = "scenarios"

    name: str
    scope: Scope
    target: str
    title: str = ""
    remaining: Ratio = 0.0
    for_d: Amount = 0.0
    per_y: Amount = 0.0


class Action(Row, frozen=True, gc=False):
    table: ClassVar[str] = "actions"

    site: str
    action: str
    covers_d: Amount
    item: str = ""
    cost: Amount = 0.0


class Tables(NamedTuple):
    """All rows of a folder, each table under the name of its file."""

    sites: tuple[Site, ...] = ()
    items: tuple[Item, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    bom: tuple[BomLine, ...] = ()
    sourcing: tuple[Sourcing, ...] = ()
    stock: tuple[Held, ...] = ()
    demand: tuple[Demand, ...] = ()
    in_transit: tuple[Coming, ...] = ()
    outages: tuple[Standstill, ...] = ()
    scenarios: tuple[Scenario, ...] = ()
    actions: tuple[Action, ...] = ()


KINDS: tuple[type[Row], ...] = (
    Site,
    Item,
    Capability,
    BomLine,
    Sourcing,
    Held,
    Demand,
    Coming,
    Standstill,
    Scenario,
    Action,
)
REQUIRED = ("sites", "items", "capabilities", "bom", "sourcing", "demand")


class Fault(NamedTuple):
    """What is wrong with a row, and the remedy; row 0 is the file itself. A `warning` keeps nobody from going on."""

    table: str
    row: int
    says: str
    warning: bool = False
