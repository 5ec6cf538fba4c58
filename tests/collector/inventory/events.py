"""Counts, movements and receipts for tests, hours after an instant."""

from __future__ import annotations

from collector.inventory.signals import BomLine, BomVersion, Level, Movement, Receipt, Signal
from collector.inventory.stock_book import StockBook, StockFigures
from collector.readings import NS_PER_S

T0_NS = 1_772_438_400 * NS_PER_S  # 2026-03-02T08:00:00Z
HOUR_NS = 3600 * NS_PER_S


def count(hour: float, quantity: float, id_: str = "", place: str = "", unit: str = "1") -> Level:
    return Level(
        enterprise="e",
        site="nanjing",
        item="igbt",
        place=place,
        id=id_ or f"count {hour}",
        at_ns=at(hour),
        quantity=quantity,
        unit=unit,
    )


def move(
    hour: float, quantity: float, id_: str = "", place: str = "", receipt: str = "", is_void: bool = False
) -> Movement:
    return Movement(
        enterprise="e",
        site="nanjing",
        item="igbt",
        place=place,
        id=id_ or f"move {hour}",
        at_ns=at(hour),
        quantity=quantity,
        receipt=receipt,
        is_void=is_void,
    )


def receipt(hour: float, quantity: float, promised_hour: float, id_: str = "PO 1") -> Receipt:
    return Receipt(
        enterprise="e",
        site="nanjing",
        item="igbt",
        id=id_,
        at_ns=at(hour),
        quantity=quantity,
        promised_ns=at(promised_hour),
        supplier="acme",
    )


def bom(hour: float, version: str, quantity_per: float) -> BomVersion:
    line = BomLine("die", quantity_per)
    return BomVersion(
        enterprise="e",
        site="nanjing",
        item="igbt",
        version=version,
        at_ns=at(hour),
        valid_from_ns=at(hour),
        lines=(line,),
    )


def at(hour: float) -> int:
    return T0_NS + round(hour * HOUR_NS)


def booked(*signals: Signal) -> StockFigures:
    """What a new book makes of signals, each for itself."""
    book = StockBook()
    for signal in signals:
        book.take(signal)
        figures = book.figures()
    return figures
