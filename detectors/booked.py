"""What is kept of the stocks of a site and of the promises for them: the memory of `detectors.stores`.

Values only; `detectors.stores` moves them, and its snapshot is the `Memory`. One Item for each stock, one Promise for
each supplier of it, the last receipts of each supplier.
"""

from __future__ import annotations

import msgspec

from detectors.demand import Demand
from detectors.detector import NAN, Point
from detectors.made import Made
from detectors.reconciled import Reconciled
from detectors.supply import Lateness


class Promise(msgspec.Struct):
    """A supplier's soonest open receipt, in s since 1970; `due_s` 0 is none. `again`: its date was put off."""

    due_s: float = 0.0
    quantity: float = 0.0
    again: bool = False
    last_ns: int = 0

    def kept_by(self, supplier: str) -> str:
        """Whose lateness it is: a date that was put off is kept otherwise than a first one."""
        return f"{supplier}, put off" if self.again else supplier


class Item(msgspec.Struct):
    """What is kept of one stock."""

    last_ns: int = 0
    stock: float = NAN
    rise: float = 0.0  # the last one, and when
    rise_ns: int = 0
    hour: int = 0  # since 1970, not yet learned from
    used: float = 0.0  # in that hour
    missing_ns: int = 0  # readings may be missing up to here
    explained: float = 0.0  # by output, in all
    reconciled: Reconciled = msgspec.field(default_factory=Reconciled)
    demand: Demand = msgspec.field(default_factory=Demand)
    point: Point = Point()  # the verdict at the last reading

    @property
    def left(self) -> float:
        """What is really there: without what output says is used and nobody has booked yet."""
        return max(self.stock - self.reconciled.unbooked, 0.0)


class Memory(msgspec.Struct):
    items: dict[int, Item] = {}
    promises: dict[str, dict[str, Promise]] = {}  # by item path and supplier
    lateness: Lateness = msgspec.field(default_factory=Lateness)
    made: Made = msgspec.field(default_factory=Made)

    def promise(self, path: str, supplier: str) -> Promise:
        """What a supplier has promised of the item at a path; a promise of nothing where that is not known."""
        return self.promises.get(path, {}).get(supplier, Promise())

    def open_promises(self, path: str) -> list[tuple[str, Promise]]:
        """What is still to come of the item at a path, by supplier, the soonest first."""
        found = [(by, one) for by, one in self.promises.get(path, {}).items() if one.due_s > 0 and one.quantity > 0]
        return sorted(found, key=lambda one: one[1].due_s)
