"""The receipts of one item: what is promised, when, and how much of it has arrived.

The latest word on a receipt holds. A movement that names it is an arrival; one that comes before the announcement
waits for it. Pure, and the same in whatever order and however often the words come.
"""

from __future__ import annotations

from math import fsum

import msgspec

from collector.inventory.place_book import Verdict
from collector.inventory.signals import Movement, Receipt

MOST = 500  # receipts kept, those that have arrived first to go
_MOST_PARTS = 500  # deliveries of one receipt


class Order(msgspec.Struct):
    """The latest `word` on a receipt, None before the first, and what arrived of it, by movement."""

    word: Receipt | None = None
    arrived: dict[str, float] = {}

    @property
    def open_quantity(self) -> float:
        return max(0.0, self.word.quantity - fsum(self.arrived.values())) if self.word else 0.0


class Orders(msgspec.Struct):
    """All receipts of an item by id. `as_of_ns`: the newest word on any of them."""

    by_id: dict[str, Order] = {}
    as_of_ns: int = 0

    def announce(self, receipt: Receipt) -> Verdict:
        order = self.by_id.get(receipt.id)
        if order is None and not self._make_room():
            return Verdict.FULL
        order = self.by_id.setdefault(receipt.id, Order())
        if order.word is not None and _rank(order.word) >= _rank(receipt):
            return Verdict.KNOWN
        order.word = receipt
        self.as_of_ns = max(self.as_of_ns, receipt.at_ns)
        return Verdict.COUNTED

    def arrive(self, movement: Movement) -> None:
        """Notes a delivery, or takes it back."""
        if movement.receipt not in self.by_id and not self._make_room():
            return
        parts = self.by_id.setdefault(movement.receipt, Order()).arrived
        part = f"{movement.place}/{movement.id}"
        if part in parts or len(parts) < _MOST_PARTS:
            parts[part] = 0.0 if movement.is_void else movement.quantity
            self.as_of_ns = max(self.as_of_ns, movement.at_ns)

    def open(self) -> list[Receipt]:
        """What is still on its way, each receipt with the quantity that is, soonest promised first."""
        left = [(order.word, order.open_quantity) for order in self.by_id.values() if order.word]
        words = [msgspec.structs.replace(word, quantity=quantity) for word, quantity in left if quantity > 0]
        return sorted(words, key=lambda word: (word.promised_ns, word.id))

    def _make_room(self) -> bool:
        """Whether there is room for one more; the oldest that is over goes for it."""
        if len(self.by_id) < MOST:
            return True
        over = (id_ for id_, order in self.by_id.items() if not order.open_quantity)
        oldest = min(over, key=lambda id_: word.at_ns if (word := self.by_id[id_].word) else 0, default=None)
        if oldest is None:
            return False
        del self.by_id[oldest]
        return True


def _rank(word: Receipt) -> tuple[int, float, int, str]:
    return (word.at_ns, -word.quantity, word.promised_ns, word.supplier)
