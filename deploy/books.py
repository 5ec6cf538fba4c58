"""The books of a spool: whether everything that was taken in is somewhere.

Input: a spool, its tally (`collector.tally`), its log, dead letters and ledger. Output: `Books`. Two balances
hold, whatever was killed meanwhile:

- messages received = messages read (that said something, that said nothing) + dead letters (kept, replayed, or dropped
  from a full spool)
- for each store, readings due = handed on + waiting + dropped unread + damaged

What was dropped is counted for each store in the very transaction that dropped it, and is in the ledger besides. What
cannot be found anywhere is `unaccounted`, and not zero only when something is broken. A message that the broker
delivered twice was received twice; its readings are one point in a store.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from collector import tally
from collector.lanes import unread
from collector.pump import reader_of
from collector.retention import DEAD_LETTERS, DEAD_ROWS
from collector.spool.ledger import Cause, Gap
from collector.spool.spool import Spool

_EVERYTHING = 2**31


class StoreBook(msgspec.Struct, frozen=True, kw_only=True):
    """Readings of one store. Of those `handed_on`, `without_row` have no place there (their quality is in the spool)
    and `refused` are dead letters. What went before the store had it: `dropped` by a full spool, `damaged` on the disk.
    """

    name: str
    due: int
    handed_on: int
    without_row: int
    refused: int
    waiting: int
    dropped: int
    damaged: int
    unaccounted: int


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """Messages received and what they came to, readings and where they are, and what is known to be missing.

    `messages_silent`: those of the read that gave no reading, gap or signal (counted since the tally knows them).
    `dead_rows_dropped`: rows that stores refused and whose letters a full spool dropped; no messages.
    """

    messages_received: int
    messages_read: int
    messages_silent: int
    dead_lettered: int
    dead_kept: int
    dead_replayed: int
    dead_dropped: int
    dead_unaccounted: int
    dead_rows_dropped: int
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
        kept = sum(letter.times for letter in letters if not letter.is_row)
        dropped = _dropped(gaps, DEAD_LETTERS)
        return Books(
            messages_received=taken.messages,
            messages_read=taken.messages - taken.dead_lettered,
            messages_silent=taken.silent,
            dead_lettered=taken.dead_lettered,
            dead_kept=kept,
            dead_replayed=taken.replayed_messages,
            dead_dropped=dropped,
            dead_unaccounted=taken.dead_lettered - kept - taken.replayed_messages - dropped,
            dead_rows_dropped=_dropped(gaps, DEAD_ROWS),
            readings=taken.readings,
            stores=[_store(spool, name, taken.readings) for name in stores],
            missing=_missing(gaps),
        )


def _store(spool: Spool, name: str, readings: int) -> StoreBook:
    reader = reader_of(name)
    passed = tally.passed(spool, reader)
    left = unread(spool, reader)
    waiting = tally.readings_in(spool, left)
    due = readings - passed.elsewhere
    gone = due - passed.readings - waiting - passed.evicted
    damaged = passed.damaged + sum(
        span.readings for after, last in left for span in spool.damage.spans(after + 1, last)
    )
    return StoreBook(
        name=name,
        due=due,
        handed_on=passed.readings,
        without_row=passed.without_row,
        refused=passed.refused,
        waiting=waiting,
        dropped=passed.evicted,
        damaged=max(0, min(gone, damaged)),
        unaccounted=min(gone, 0) or max(0, gone - damaged),
    )


def _dropped(gaps: Sequence[Gap], asset: str) -> int:
    """How much of an asset was kept and went from a full spool."""
    return sum(gap.missing for gap in gaps if gap.asset == asset and gap.cause is Cause.EVICTED)


def _missing(gaps: Sequence[Gap]) -> dict[str, int]:
    """What the ledger says is missing, by cause."""
    causes = {str(cause): 0 for cause in Cause}
    for gap in gaps:
        causes[str(gap.cause)] += gap.missing
    return {cause: missing for cause, missing in causes.items() if missing}
