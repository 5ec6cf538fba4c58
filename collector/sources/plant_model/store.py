"""The components beside one line: consumed by the bill of materials, ordered at the reorder point, delivered later."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from collector.readings import NS_PER_S
from collector.sources.plant_model.faults import LineFaults
from collector.sources.plant_model.scenario import Item

NEVER_NS = 1 << 62


@dataclass(slots=True)
class Shelf:
    """One item: pieces on hand and on order. `empty_since_ns` is 0 while a unit's need is there."""

    item: Item
    on_hand: int
    on_order: int = 0
    delivered: int = 0
    used: int = 0
    empty_since_ns: int = 0


@dataclass(slots=True)
class Store:
    """The shelves of one line. `empties` gathers (item, empty_at_ns, refilled_at_ns)."""

    shelves: Sequence[Shelf]
    faults: LineFaults
    normal: Iterator[float]  # standard normal draws for the lead times
    empties: list[tuple[str, int, int]] = field(default_factory=list)
    next_arrival_ns: int = NEVER_NS
    _arrivals: list[tuple[int, int]] = field(default_factory=list)  # (when, index of the shelf), a heap

    def open(self, at_ns: int) -> None:
        """Looks over the shelves as they are at the start."""
        for index, shelf in enumerate(self.shelves):
            self._look(index, shelf, at_ns)

    @property
    def is_short(self) -> bool:
        """Whether some item does not suffice for one more unit."""
        return any(shelf.empty_since_ns for shelf in self.shelves)

    def consume(self, at_ns: int) -> None:
        """Takes what one unit needs; it must be there."""
        for index, shelf in enumerate(self.shelves):
            shelf.on_hand -= shelf.item.per_unit
            shelf.used += shelf.item.per_unit
            if shelf.on_hand + shelf.on_order <= shelf.item.reorder_point or shelf.on_hand < shelf.item.per_unit:
                self._look(index, shelf, at_ns)

    def receive(self, at_ns: int) -> None:
        """Puts away every delivery that has come by `at_ns`."""
        while self.next_arrival_ns <= at_ns:
            came_ns, index = heapq.heappop(self._arrivals)
            self.next_arrival_ns = self._arrivals[0][0] if self._arrivals else NEVER_NS
            shelf = self.shelves[index]
            quantity = shelf.item.order_quantity
            shelf.on_hand += quantity
            shelf.on_order -= quantity
            shelf.delivered += quantity
            if shelf.empty_since_ns and shelf.on_hand >= shelf.item.per_unit:
                self.empties.append((shelf.item.name, shelf.empty_since_ns, came_ns))
                shelf.empty_since_ns = 0
            self._look(index, shelf, came_ns)

    def close(self) -> None:
        """Books what is still empty at the end."""
        for shelf in self.shelves:
            if shelf.empty_since_ns:
                self.empties.append((shelf.item.name, shelf.empty_since_ns, 0))

    def _look(self, index: int, shelf: Shelf, at_ns: int) -> None:
        if shelf.on_hand < shelf.item.per_unit and not shelf.empty_since_ns:
            shelf.empty_since_ns = at_ns
        while shelf.on_hand + shelf.on_order <= shelf.item.reorder_point:
            self._order(index, shelf, at_ns)

    def _order(self, index: int, shelf: Shelf, at_ns: int) -> None:
        """Orders once; the lead time is log-normal with the item's mean and relative spread."""
        spread = shelf.item.lead_time_spread_ratio
        sigma = math.sqrt(math.log1p(spread * spread))
        lead_s = shelf.item.lead_time_s * math.exp(sigma * next(self.normal) - sigma * sigma / 2)
        came_ns = self.faults.arrival_ns(shelf.item.name, at_ns + int(lead_s * NS_PER_S))
        shelf.on_order += shelf.item.order_quantity
        heapq.heappush(self._arrivals, (came_ns, index))
        self.next_arrival_ns = self._arrivals[0][0]
