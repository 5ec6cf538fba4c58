"""The nouns of the planners' lists: a Row of one of the four lists, its Kind, a chain Leader, and the Settings.

LISTS.md one folder up says in words what the kinds mean.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ListName(StrEnum):
    BLANK_POINTS = "blank points"
    WEAK_LINKS = "weak links"
    SHORTCOMINGS = "shortcomings"
    LONG_BOARDS = "long boards"


class Kind(StrEnum):
    """The rule that found a row."""

    NO_SOURCE = "no_source"
    NO_DOMESTIC_SOURCE = "no_domestic_source"
    NO_TELEMETRY = "no_telemetry"
    SINGLE_SOURCE = "single_source"
    SHARED_SUB_SUPPLIER = "shared_sub_supplier"
    ONE_CLUSTER = "one_cluster"
    CAPACITY_SHORTFALL = "capacity_shortfall"
    ENERGY_CAP = "energy_cap"
    SURPLUS = "surplus"
    SOUGHT_ABROAD = "sought_abroad"


class HomeKind(StrEnum):
    COUNTRY = "country"
    REGION = "region"
    CLUSTER = "cluster"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds of the lists."""

    # Where a source must be to be one's own; "" is the place of that kind where most is sold.
    home: str = ""
    home_kind: HomeKind = HomeKind.COUNTRY
    # A single source is weak while stocks last less than so many times the longer of its time to recover and lead time.
    # 1: the day the stock ends is the day supply is back; more asks for a reserve on top.
    cover_ratio: float = 1.0
    # Makers that can together make more than so many times what is used have a surplus. At 2 each of two makers could
    # carry the chain alone; at 4 they could carry a second chain of the same size with the same reserve.
    surplus_ratio: float = 4.0
    # What the plan may ask of a capacity, as a ratio: above it there is a shortfall. 1 is the capacity itself.
    full_load_ratio: float = 1.0
    # A strength is sought after when buyers abroad take more than this ratio of what they need from home.
    sought_ratio: float = 0.5
    # A small firm stops with a leader when more than this ratio of what it makes ends there: half its work is gone.
    lives_on_ratio: float = 0.5

    def __post_init__(self) -> None:
        for name in ("cover_ratio", "surplus_ratio", "full_load_ratio"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("sought_ratio", "lives_on_ratio"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more and below 1")


Number = float | str | tuple[str, ...]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. `nodes` is what it is about (the source, the makers, the line), `felt_by` who is hit first.

    `evidence`: numbers under names that wear their units. `as_of_ns` (UTC) is the oldest and `confidence` the lowest of
    the rows it rests on, which `facts` names (`sourcing.csv row 84`). `at_stake_per_d`: what the markets that stop
    without `nodes` earn a day. `chains` are the products sold, `clusters` where it lies or is felt, `divisions` the
    industries of `nodes`.
    """

    list: ListName
    kind: Kind
    material: str
    nodes: tuple[str, ...]
    felt_by: tuple[str, ...] = ()
    cause: str
    clears: str
    evidence: dict[str, Number]
    at_stake_per_d: float = 0.0
    as_of_ns: int = 0
    confidence: float = 0.0
    facts: tuple[str, ...] = ()
    chains: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    divisions: tuple[str, ...] = ()


class LivesOn(msgspec.Struct, frozen=True):
    """A small firm's node and the ratio of what it makes that ends at the leader."""

    node: str
    ratio: float


class Leader(msgspec.Struct, frozen=True, kw_only=True):
    """A chain leader (all nodes of one firm with that role) and the small firms beside it.

    `stops_with_it` sell most of what they make to it, in the end; `stopped_by` are those whose failure alone stops
    one of its nodes, with these nodes.
    """

    firm: str
    nodes: tuple[str, ...]
    stops_with_it: tuple[LivesOn, ...]
    stopped_by: dict[str, tuple[str, ...]]
    as_of_ns: int = 0
    chains: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    divisions: tuple[str, ...] = ()
