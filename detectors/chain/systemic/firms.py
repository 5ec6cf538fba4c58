"""Who sells to whom for how much: the money flows a cascade runs on, as columns.

`detectors.chain.systemic.money` makes them of a map; `impact` turns them into what each firm depends on.
Source of all definitions: Diem, Borsos, Reisch, Kertesz, Thurner, Sci Rep 12:7719, 2022.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collector.errors import AndonError

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Flags = NDArray[np.bool_]
Places = NDArray[np.intp]  # indices found by numpy
Classes = NDArray[np.uint8]

ESSENTIAL, NON_ESSENTIAL, NO_EFFECT = 2, 1, 0


class BadFirms(AndonError):
    """The columns contradict each other or hold what no firm can have; the sentence names firm or link."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Firms:
    """n firms of m sectors and l links between them; all money in one currency over one period.

    `supplier`, `buyer` (l): firms by index, `money` (l): what the one sells to the other; repeated links add up.
    `sector` (n): index into `essential` (m x m), row the supplier's and column the buyer's sector: 2 essential,
    1 not, 0 no effect in the short term. `revenue` and `costs` (n): all of a firm, also what no link shows: final
    demand and labour; without them a firm's sales and purchases. `weights` (n): what a firm counts; sales by default.
    `labels`: for each kind (region, country, ...) the label of every firm. Raises BadFirms.
    """

    supplier: Ints
    buyer: Ints
    money: Floats
    sector: Ints
    essential: Classes
    revenue: Floats | None = None
    costs: Floats | None = None
    weights: Floats | None = None
    names: tuple[str, ...] = ()
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._take_columns()
        self._refuse_odd_shapes()
        self._refuse_bad_links()
        self._refuse_bad_sectors()
        self._refuse_bad_totals()

    def __len__(self) -> int:
        return len(self.sector)

    @cached_property
    def sales(self) -> Floats:
        """What every firm sells to others, over its links."""
        return np.bincount(self.supplier, self.money, minlength=len(self)).astype(np.float64)

    @cached_property
    def purchases(self) -> Floats:
        """What every firm buys from others, over its links, those of class 0 included."""
        return np.bincount(self.buyer, self.money, minlength=len(self)).astype(np.float64)

    def name(self, firm: int) -> str:
        return self.names[firm] if self.names else f"firm {firm}"

    def _take_columns(self) -> None:
        """Whatever was given as columns becomes an array of its type; what is no whole number is no index."""
        for name, dtype in (("supplier", np.int32), ("buyer", np.int32), ("sector", np.int32), ("essential", np.uint8)):
            object.__setattr__(self, name, _whole(name, getattr(self, name), dtype))
        for name in ("money", "revenue", "costs", "weights"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, np.ascontiguousarray(given, np.float64))

    def _refuse_odd_shapes(self) -> None:
        if not len(self):
            raise BadFirms("there is no firm; give every firm its sector")
        if not len(self.supplier) == len(self.buyer) == len(self.money):
            raise BadFirms(
                f"{len(self.supplier)} suppliers, {len(self.buyer)} buyers and {len(self.money)} amounts; "
                "every link has one of each"
            )
        columns: dict[str, Sequence[str] | Floats | None] = {name: getattr(self, name) for name in _OF_EVERY_FIRM}
        for name, column in {**columns, **self.labels}.items():
            if column is not None and len(column) not in ({0, len(self)} if name == "names" else {len(self)}):
                raise BadFirms(f"{name} has {len(column)} values for {len(self)} firms; give one for each")

    def _refuse_bad_links(self) -> None:
        for name, firm in (("supplier", self.supplier), ("buyer", self.buyer)):
            unknown = np.flatnonzero((firm < 0) | (firm >= len(self)))
            if len(unknown):
                raise BadFirms(f"link {unknown[0]} has {name} {firm[unknown[0]]}; firms are 0 to {len(self) - 1}")
        bad = np.flatnonzero(~(np.isfinite(self.money) & (self.money >= 0)))
        if len(bad):
            who = f"{self.name(self.supplier[bad[0]])} to {self.name(self.buyer[bad[0]])}"
            raise BadFirms(f"link {bad[0]}, {who}, is worth {self.money[bad[0]]}; it must be a number of 0 or more")

    def _refuse_bad_sectors(self) -> None:
        if self.essential.ndim != 2 or self.essential.shape[0] != self.essential.shape[1]:
            raise BadFirms(f"essential has the shape {self.essential.shape}; it has a row and a column for each sector")
        if self.essential.size and self.essential.max() > ESSENTIAL:
            raise BadFirms(
                f"essential holds {self.essential.max()}; a class is 2 (essential), 1 (not) or 0 (no effect)"
            )
        unknown = np.flatnonzero((self.sector < 0) | (self.sector >= len(self.essential)))
        if len(unknown):
            firm = int(unknown[0])
            raise BadFirms(f"{self.name(firm)} is of sector {self.sector[firm]}; there are {len(self.essential)}")

    def _refuse_bad_totals(self) -> None:
        for name, links in (("revenue", self.sales), ("costs", self.purchases), ("weights", None)):
            column: Floats | None = getattr(self, name)
            if column is None:
                continue
            bad = ~(np.isfinite(column) & (column >= 0))
            if links is not None:
                bad |= (column == 0) & (links > 0)
            if bad.any():
                firm = int(np.argmax(bad))
                raise BadFirms(f"{name} of {self.name(firm)} is {column[firm]}; it must be a number above 0")
        counted = self.sales if self.weights is None else self.weights
        if not counted.sum() > 0:
            raise BadFirms("all firms count 0, so no loss can be told; give links with money, or weights")


_OF_EVERY_FIRM = ("revenue", "costs", "weights", "names")


def _whole(name: str, given: ArrayLike, dtype: type[np.int32] | type[np.uint8]) -> NDArray[Any]:
    numbers = np.asarray(given)
    column = np.ascontiguousarray(numbers, dtype)
    if numbers.size and not np.array_equal(column, numbers):
        raise BadFirms(f"{name} holds what is no index or class: {numbers[column != numbers].flat[0]}")
    return column
