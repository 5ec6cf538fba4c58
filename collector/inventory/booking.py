"""Signals of a delivery into the stock books of the spool, inside the transaction that stores the delivery.

Input: `collector.intake.Intake.signals`. Output: the same Intake with the readings, records, dead letters and ledger
entries they came to. Each item of a site has its book in the spool's memory under `stock SITE/inventory/ITEM`, read and
written only when something is heard of it: so book, readings and acknowledgement agree after any kill, and dead letters
that another process replays go into the same books.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from collector.intake import Columns, Intake, Said
from collector.inventory.place_book import MOST_AT_ONCE, MOST_EVENTS, Verdict
from collector.inventory.signals import BomVersion, Level, Movement, Signal
from collector.inventory.statement import Item, bom_record, statement
from collector.inventory.stock_book import StockBook
from collector.readings import NS_PER_S, Readings
from collector.sources.source import Message
from collector.spool.dead import DeadLetter
from collector.spool.frames import Record
from collector.spool.ledger import Cause, Gap
from collector.spool.spool import Spool

MOST_ITEMS = 100_000  # books in a spool; more than any site has, so a sender of endless names cannot fill it
_COUNT = "stock"  # the memory that says how many there are
_REFUSED = {
    Verdict.CONFLICT: "its id stands for something else already: give each count and movement an id of its own",
    Verdict.FULL: "more is open of this item than is kept: close receipts that have arrived, name fewer places",
    Verdict.CROWDED: (
        f"over {MOST_AT_ONCE:,} of this item have the same time: send each with its own, or one with their sum, and "
        "count the item"
    ),
}
REFUSED_NOTE = "counts, movements or orders did not fit what is booked: `andon dead list` has them with the reason"
_NO_ROOM = f"there are {MOST_ITEMS:,} items already: see what the sender puts into the item's name"
_MISSING = "more went out than was there: a receipt, movement or count is missing; count the item"


def booked(spool: Spool, intake: Intake) -> Intake:
    """The delivery with all that its signals came to, of which only those are left that were booked just now.

    Call it inside the transaction that stores the delivery.
    """
    if not intake.signals:
        return intake
    desk = _Desk(spool)
    news = [one for one in intake.signals if desk.take(one.signal, one.message)]
    desk.close()
    return replace(
        intake,
        lots=[*intake.lots, *desk.columns.lots()],
        dead=[*intake.dead, *desk.dead.values()],
        gaps=[*intake.gaps, *desk.gaps],
        signals=news,
        records=[*intake.records, *desk.records],
    )


class _Desk:
    """One delivery at work: the books it has opened, and what came of it so far."""

    def __init__(self, spool: Spool) -> None:
        self.columns = Columns()
        self.dead: dict[Message, DeadLetter] = {}
        self.gaps: list[Gap] = []
        self.records: list[Said] = []
        self._spool = spool
        self._books: dict[Item, StockBook] = {}
        self._received_ns: dict[Item, int] = {}

    def take(self, signal: Signal, message: Message) -> bool:
        """Whether the signal was booked just now."""
        item = Item(signal.enterprise, signal.site, signal.item)
        book = self._books.get(item) or self._opened(item)
        if book is None:
            self._refuse(signal, message, _NO_ROOM)
            return False
        self._books[item], self._received_ns[item] = book, message.received_ns
        try:
            verdict = book.take(signal)
        except ValueError as error:
            self._refuse(signal, message, str(error))
            return False
        if verdict in _REFUSED:
            self._refuse(signal, message, _REFUSED[verdict])
        elif verdict is Verdict.LATE and isinstance(signal, Level | Movement):
            self._refuse(signal, message, _late(signal, book))
        elif verdict is Verdict.COUNTED and isinstance(signal, BomVersion):
            self._say(item, book, bom_record(item, signal))
        return verdict is Verdict.COUNTED

    def close(self) -> None:
        """Says what is new of every item heard of, and keeps its book."""
        for item, book in self._books.items():
            said = statement(item, book)
            self.columns.add(Readings.of(said.readings), self._received_ns[item])
            if said.record is not None:
                self._say(item, book, said.record)
            if said.missing_since_ns:
                at_ns = said.missing_since_ns
                self.gaps.append(Gap(item.path, Cause.STOCK, at_ns, at_ns, 1, _MISSING))
            self._spool.remember(_name(item), msgspec.msgpack.encode(book))

    def _opened(self, item: Item) -> StockBook | None:
        """The book of an item, None where there is no room for one more."""
        kept = self._spool.recall(_name(item))
        if kept:
            return msgspec.msgpack.decode(kept, type=StockBook)
        count = int(self._spool.recall(_COUNT) or 0)
        if count >= MOST_ITEMS:
            return None
        self._spool.remember(_COUNT, b"%d" % (count + 1))
        return StockBook()

    def _refuse(self, signal: Signal, message: Message, why: str) -> None:
        what = f"{type(signal).__name__} of {signal.item}"
        reason = f"topic {message.topic}: {what}: {why}"
        if message not in self.dead:
            topic, payload, received_ns = message
            self.dead[message] = DeadLetter(topic, payload, reason, received_ns)
            self.gaps.append(Gap(topic, Cause.DEAD_LETTER, received_ns, received_ns, 1, REFUSED_NOTE))

    def _say(self, item: Item, book: StockBook, record: Record) -> None:
        book.said += 1
        self.records.append(Said(item.shard, f"{_name(item)}|{book.said}", record))


def _late(signal: Level | Movement, book: StockBook) -> str:
    closed_ns = book.places[signal.place].closed_ns
    return (
        f"it is of {_shown(signal.at_ns)}, and the book is closed up to {_shown(closed_ns)}: its last 7 days are open, "
        f"of a busy place the last {MOST_EVENTS:,} events; count the item"
    )


def _shown(at_ns: int) -> str:
    try:
        return datetime.fromtimestamp(at_ns // NS_PER_S, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{at_ns} ns"


def _name(item: Item) -> str:
    return f"stock {item.path}"
