"""The books of a spool: whether everything that was taken in is somewhere.

Input: a spool, its tally (`collector.tally`), its log, dead letters and ledger. Output: `Books`. Two balances
hold, whatever was killed meanwhile:

- messages received = messages read + dead letters (kept, replayed, or dropped from a full spool)
- for each store, readings due = handed on + waiting + dropped unread

What was dropped must be in the ledger. What cannot be found anywhere is `unaccounted`, and not zero only when something
is broken. A message that the broker delivered twice was received twice; its readings are one point in a store.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from collector import tally
from collector.lanes import Lanes, Pace
from collector.pump import reader_of
from collector.spool.ledger import EVERYWHERE, Cause, Gap
from collector.spool.spool import Spool

_KEPT_BEFORE = (Cause.EVICTED, Cause.DAMAGED)
_EVERYTHING = 2**31


class StoreBook(msgspec.Struct, frozen=True, kw_only=True):
    """Readings of one store. Of those `handed_on`, `without_row` have no place there (their quality is in the spool)
    and `refused` are dead letters. `dropped`: they went before the store had them."""

    name: str
    due: int
    handed_on: int
    without_row: int
    refused: int
    waiting: int
    dropped: int
    unaccounted: int


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """Messages received and what they came to, readings and where they are, and what is known to be missing."""

    messages_received: int
    messages_read: int
    dead_lettered: int
    dead_kept: int
    dead_replayed: int
    dead_dropped: int
    dead_unaccounted: int
    readings: int
    stores: Sequence[StoreBook]
    missing: dict[str, int]

    @property
    def is_exact(self) -> bool:
        return not self.dead_unaccounted and not any(store.unaccounted for store in self.stores)


def books_of(spool: Spool, stores: Sequence[str]) -> Books:
    """The books at one instant. Reads what the stores have not been handed yet, so a long backlog takes seconds."""
    with spool.snapshot():
        taken = tally.taken(spool)
        gaps = spool.ledger.read(_EVERYTHING)
        letters = spool.dead.read(_EVERYTHING)
        kept = sum(letter.times for letter in letters if not letter.topic.startswith(reader_of("")))
        dropped = _dropped(gaps, {"dead letters"})
        lost = _dropped(gaps, {*spool.log.shards(), EVERYWHERE})
        return Books(
            messages_received=taken.messages,
            messages_read=taken.messages - taken.dead_lettered,
            dead_lettered=taken.dead_lettered,
            dead_kept=kept,
            dead_replayed=taken.replayed_messages,
            dead_dropped=dropped,
            dead_unaccounted=_beyond(taken.dead_lettered - kept - taken.replayed_messages, dropped),
            readings=taken.readings,
            stores=[_store(spool, name, taken.readings, lost) for name in stores],
            missing=_missing(gaps),
        )


def _store(spool: Spool, name: str, readings: int, dropped: int) -> StoreBook:
    reader = reader_of(name)
    passed = tally.passed(spool, reader)
    behind = Lanes(spool, reader, Pace(), 0.0).behind()
    waiting = tally.readings_in(spool, [*behind, (spool.log.cursor(reader), spool.log.end())])
    due = readings - passed.elsewhere
    gone = due - passed.readings - waiting
    return StoreBook(
        name=name,
        due=due,
        handed_on=passed.readings,
        without_row=passed.without_row,
        refused=passed.refused,
        waiting=waiting,
        dropped=max(0, min(gone, dropped)),
        unaccounted=_beyond(gone, dropped),
    )


def _beyond(gone: int, booked: int) -> int:
    """What is gone beyond what is booked; below zero when there is more than there should be."""
    return min(gone, 0) or max(0, gone - booked)


def _dropped(gaps: Sequence[Gap], assets: Collection[str]) -> int:
    """How much of these assets was kept and is no longer."""
    return sum(gap.missing for gap in gaps if gap.asset in assets and gap.cause in _KEPT_BEFORE)


def _missing(gaps: Sequence[Gap]) -> dict[str, int]:
    """What the ledger says is missing, by cause."""
    causes = {str(cause): 0 for cause in Cause}
    for gap in gaps:
        causes[str(gap.cause)] += gap.missing
    return {cause: missing for cause, missing in causes.items() if missing}
