"""One item of one site: everything heard of it, reconciled to one figure.

Input: `Signal`s, in any order and any number of times. Output: `StockFigures`, which
`collector.inventory.statement` turns into readings and records. Pure; the book is kept in the spool, so memory is
bounded: places, receipts, versions and the window of `place_book`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import fsum
from typing import NamedTuple

import msgspec

from collector.inventory.orders import Orders
from collector.inventory.place_book import Figure, PlaceBook, Verdict
from collector.inventory.signals import BomVersion, Level, Movement, Receipt, Signal

MOST_PLACES = 100
_MOST_VERSIONS = 50


class Version(msgspec.Struct, array_like=True, frozen=True, order=True):
    """The latest word on a version of the bill of materials."""

    at_ns: int
    digest: str


class StockFigures(NamedTuple):
    """`site` is the sum over all places that were ever counted, `places` each place for itself, `open` what is on its
    way as of `orders_ns`."""

    site: Figure
    places: dict[str, Figure]
    open: Sequence[Receipt]
    orders_ns: int


class StockBook(msgspec.Struct):
    """`told`: what was last said of each figure, by name; `said`: how many records were."""

    unit: str = ""
    places: dict[str, PlaceBook] = {}
    orders: Orders = msgspec.field(default_factory=Orders)
    versions: dict[str, Version] = {}
    told: dict[str, tuple[int, float, int]] = {}
    told_receipts: str = ""
    said: int = 0

    def take(self, signal: Signal) -> Verdict:
        """Books a signal; `figures` afterwards. Raises ValueError, a sentence, where its unit is another."""
        if isinstance(signal, BomVersion):
            return self._take_version(signal)
        if self.unit and signal.unit != self.unit:
            raise ValueError(
                f"{signal.item} is booked in {self.unit!r}, this is in {signal.unit!r}: bring the senders to one unit, "
                "and take back with `void` what was sent in the wrong one"
            )
        verdict = self.orders.announce(signal) if isinstance(signal, Receipt) else self._take_event(signal)
        if verdict is not Verdict.FULL:
            self.unit = "" if self._is_blank() else signal.unit
        return verdict

    def figures(self) -> StockFigures:
        """What all of it comes to now."""
        for place in self.places.values():
            place.fold()
        places = {name: place.figure() for name, place in self.places.items()}
        return StockFigures(_sum(list(places.values())), places, self.orders.open(), self.orders.as_of_ns)

    def is_news(self, name: str, at_ns: int, value: float, quality: int = 0) -> bool:
        """Whether a figure differs from what was last said under its name; it counts as said from now on."""
        if self.told.get(name) == (at_ns, value, quality):
            return False
        self.told[name] = (at_ns, value, quality)
        return True

    def is_news_of_receipts(self, open_: Sequence[Receipt]) -> bool:
        """Likewise of what is on its way."""
        before, self.told_receipts = self.told_receipts, _digest(tuple(open_))
        return self.told_receipts != before

    def last_said(self, name: str) -> float:
        """The figure last said under a name, 0 before the first."""
        return self.told[name][1] if name in self.told else 0.0

    def _is_blank(self) -> bool:
        """Whether all that was ever booked was taken back, so that another unit may begin."""
        return all(place.is_blank for place in self.places.values()) and not self.orders.by_id

    def _take_event(self, signal: Level | Movement) -> Verdict:
        if signal.place not in self.places and len(self.places) >= MOST_PLACES:
            return Verdict.FULL
        verdict = self.places.setdefault(signal.place, PlaceBook()).take(signal)
        if isinstance(signal, Movement) and signal.receipt and verdict in (Verdict.COUNTED, Verdict.LATE):
            self.orders.arrive(signal)
        return verdict

    def _take_version(self, bom: BomVersion) -> Verdict:
        said = Version(bom.at_ns, _digest((bom.valid_from_ns, bom.lines)))
        if bom.version in self.versions and self.versions[bom.version] >= said:
            return Verdict.KNOWN
        self.versions[bom.version] = said
        if len(self.versions) > _MOST_VERSIONS:
            del self.versions[min(self.versions, key=lambda version: self.versions[version])]
        return Verdict.COUNTED


def _sum(places: Sequence[Figure]) -> Figure:
    """A place counts from its first count on; before, its movements are a sum without a beginning."""
    counted = [place for place in places if place.is_counted] or list(places)
    return Figure(
        fsum(place.quantity for place in counted),
        any(place.is_counted for place in counted),
        max((place.as_of_ns for place in counted), default=0),
    )


def _digest(said: object) -> str:
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()
