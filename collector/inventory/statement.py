"""What is said of an item when its book has changed: readings for everybody, records where dates and names are needed.

Input: a `StockBook`. Output: only what differs from what was last said. Readings stand at
`SITE[/PLACE]/inventory/ITEM`: `on_hand` (kind STOCK), `in_transit`, `stock_difference` (a count less the book at its
time) and `stock_missing` (what went out beyond what was there; `on_hand` is 0 then, and the ledger has it). Of each
supplier's soonest open receipt `next_due/SUPPLIER` (s since 1970) and `next_quantity/SUPPLIER`; 0 where none is open.
`on_hand` is of quality BAD until something was counted: a sum without a beginning is no stock.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import fsum
from typing import NamedTuple

import msgspec

from collector.inventory.place_book import Figure
from collector.inventory.signals import BomVersion, as_name
from collector.inventory.stock_book import StockBook, StockFigures
from collector.readings import NS_PER_S, Equipment, Kind, Quality, Reading, Series
from collector.schema import BOM_VERSION, INVENTORY_LINE, STOCK_RECEIPTS
from collector.spool.frames import Record

_NS_PER_MS = 1_000_000
_DIGITS = 9  # behind the point; more would be noise of adding up


class Item(NamedTuple):
    """Whose stock it is."""

    enterprise: str
    site: str
    name: str

    @property
    def shard(self) -> str:
        return f"{self.site}/{INVENTORY_LINE}"

    @property
    def path(self) -> str:
        return f"{self.shard}/{self.name}"

    def series(self, metric: str, unit: str, kind: Kind, place: str = "") -> Series:
        where = Equipment(self.enterprise, self.site, place, INVENTORY_LINE, self.name)
        return Series(where, metric, unit or "1", kind, on_event=True)


class Statement(NamedTuple):
    """`missing_since_ns`: when more went out than was there, where that is news; else 0."""

    readings: list[Reading]
    record: Record | None
    missing_since_ns: int = 0


def statement(item: Item, book: StockBook) -> Statement:
    """What is new of an item; it counts as said."""
    figures = book.figures()
    readings = [*_on_hand(item, book, "", figures.site)]
    missing_since_ns = 0
    for place, figure in figures.places.items():
        was_missing = book.last_said(f"missing {place}") > 0
        missing = [*_missing(item, book, place, figure)]
        if missing and not was_missing:
            missing_since_ns = figure.as_of_ns
        own = _on_hand(item, book, place, figure) if place else ()
        readings += [*own, *_difference(item, book, place, figure), *missing]
    if not figures.orders_ns:
        return Statement(readings, None, missing_since_ns)
    readings += [*_in_transit(item, book, figures), *_promised(item, book, figures)]
    is_news = book.is_news_of_receipts(figures.open)
    return Statement(readings, _receipts(item, book.unit, figures) if is_news else None, missing_since_ns)


def bom_record(item: Item, bom: BomVersion) -> Record:
    """A version of a bill of materials, kept as the latest word on it; its lines are the detail."""
    return Record(
        BOM_VERSION.name,
        {"site": bom.site, "item": bom.item},
        {"version": bom.version, "valid_from": bom.valid_from_ns // _NS_PER_MS, "components": len(bom.lines)},
        bom.at_ns,
        key=f"{bom.site}|{bom.item}|{bom.version}",
        detail=msgspec.to_builtins(bom),
    )


def _receipts(item: Item, unit: str, figures: StockFigures) -> Record:
    """What is on its way, soonest first; the key is the item, so that the latest word is all of it."""
    open_ = figures.open
    first = open_[0] if open_ else None
    fields: dict[str, float | str | bool | int] = {
        "open": len(open_),
        "in_transit": float(fsum(receipt.quantity for receipt in open_)),
        "next_id": first.id if first else "",
        "next_due": first.promised_ns // _NS_PER_MS if first else 0,
        "next_supplier": first.supplier if first else "",
    }
    detail = {
        "series": item.series("on_hand", unit, Kind.STOCK).name,
        "receipts": [msgspec.to_builtins(receipt) for receipt in open_],
    }
    tags = {"site": item.site, "item": item.name}
    return Record(STOCK_RECEIPTS.name, tags, fields, figures.orders_ns, key=item.path, detail=detail)


def _on_hand(item: Item, book: StockBook, place: str, figure: Figure) -> Iterator[Reading]:
    value = round(max(0.0, figure.quantity), _DIGITS)
    quality = Quality.GOOD if figure.is_counted else Quality.BAD
    if figure.as_of_ns and book.is_news(f"on_hand {place}", figure.as_of_ns, value, quality):
        yield Reading(item.series("on_hand", book.unit, Kind.STOCK, place), figure.as_of_ns, value, quality)


def _in_transit(item: Item, book: StockBook, figures: StockFigures) -> Iterator[Reading]:
    """A gauge, for nothing on its way is no empty stock."""
    quantity = round(fsum(receipt.quantity for receipt in figures.open), _DIGITS)
    if book.is_news("in_transit", figures.orders_ns, quantity):
        yield Reading(item.series("in_transit", book.unit, Kind.GAUGE), figures.orders_ns, quantity)


def _promised(item: Item, book: StockBook, figures: StockFigures) -> Iterator[Reading]:
    """Of each supplier the soonest promise, s since 1970, and its quantity; 0 where nothing of it is open any more."""
    soonest: dict[str, tuple[int, float]] = {}
    for receipt in figures.open:
        soonest.setdefault(as_name(receipt.supplier), (receipt.promised_ns // NS_PER_S, receipt.quantity))
    said = {name.removeprefix("next_due ") for name in book.told if name.startswith("next_due ")}
    for supplier in sorted({*soonest, *said}):
        due_s, quantity = soonest.get(supplier, (0, 0.0))
        for metric, unit, value in (("next_due", "s", float(due_s)), ("next_quantity", book.unit, quantity)):
            name = f"{metric} {supplier}"
            if value != book.last_said(name) and book.is_news(name, figures.orders_ns, value):
                yield Reading(item.series(f"{metric}/{supplier or '-'}", unit, Kind.GAUGE), figures.orders_ns, value)


def _difference(item: Item, book: StockBook, place: str, figure: Figure) -> Iterator[Reading]:
    if figure.difference is not None:
        at_ns, difference = figure.difference[0], round(figure.difference[1], _DIGITS)
        if book.is_news(f"difference {place}", at_ns, difference):
            yield Reading(item.series("stock_difference", book.unit, Kind.GAUGE, place), at_ns, difference)


def _missing(item: Item, book: StockBook, place: str, figure: Figure) -> Iterator[Reading]:
    missing = round(max(0.0, -figure.quantity), _DIGITS) if figure.is_counted else 0.0
    if missing != book.last_said(f"missing {place}") and book.is_news(f"missing {place}", figure.as_of_ns, missing):
        yield Reading(item.series("stock_missing", book.unit, Kind.GAUGE, place), figure.as_of_ns, missing)
