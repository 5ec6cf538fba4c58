"""Rows that a store refused are offered to it again, after whatever was wrong there was mended.

Input: the letters of topic `sink:NAME` in `spool.dead`, and the sink itself. Output: the rows in the store; their
letters go, and leave the store's tally of refused rows, only once the sink has returned. A crash between the two
stores a row twice, which is the same point.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from collector.errors import AndonError
from collector.pump import reader_of
from collector.sinks.guarded import checked
from collector.sinks.sink import SinkRejected, SinkUnavailable, TakesRows
from collector.spool.dead import DeadLetter
from collector.spool.spool import Spool
from collector.tally import count_resent

_AT_ONCE = 500

Letters = Mapping[int, DeadLetter]  # by id


class Resent(NamedTuple):
    """What came of it: rows that the store has now, rows that it still refuses."""

    stored: int = 0
    still_refused: int = 0


class NotResent(AndonError):
    """The store did not take the rows now; those that it has not taken are all still dead letters."""


def refused_rows(spool: Spool) -> dict[str, int]:
    """How many different rows each store has refused that are kept, by the store's name."""
    topics = (letter.topic for letters in _rows(spool) for letter in letters.values())
    return dict(Counter(topic.removeprefix(reader_of("")) for topic in topics))


def resend_dead(spool: Spool, name: str, store: TakesRows) -> Resent:
    """Offers a store every row it refused, oldest first. Raises NotResent when it takes nothing now."""
    stored = still_refused = 0
    for letters in _rows(spool):
        chosen = {id_: one for id_, one in letters.items() if one.topic == reader_of(name)}
        if not chosen:
            continue
        refused, reason = _offer(store, name, chosen, stored)
        taken = {id_: one for id_, one in chosen.items() if id_ not in refused}
        stored += len(taken)
        still_refused += len(refused)
        _settle(spool, name, taken, refused, reason)
    return Resent(stored, still_refused)


def _rows(spool: Spool) -> Iterator[Letters]:
    """The letters that are rows, in portions, in order of arrival."""
    after = 0
    while portion := spool.dead.after(after, _AT_ONCE):
        after = portion[-1][0]
        yield {id_: letter for id_, letter in portion if letter.is_row}


def _offer(store: TakesRows, name: str, letters: Letters, stored: int) -> tuple[Sequence[int], str]:
    """The ids of those that are refused again, and why."""
    ids = list(letters)
    try:
        store.write_rows([letter.payload for letter in letters.values()])
    except SinkRejected as error:
        return [ids[i] for i in checked(error.indices, len(ids))], str(error)
    except SinkUnavailable as error:
        raise NotResent(f"store {name!r}: {error} ({stored} rows were stored before that; do it again)") from error
    return [], ""


def _settle(spool: Spool, name: str, taken: Letters, refused: Sequence[int], reason: str) -> None:
    """What came again or was dropped meanwhile is left as the collector made it."""
    with spool.transaction():
        now = dict(spool.dead.after(min([*taken, *refused]) - 1, _AT_ONCE))
        gone = {id_: letter for id_, letter in taken.items() if now.get(id_) == letter}
        for id_ in gone:
            spool.dead.remove(id_)
        for id_ in refused:
            spool.dead.amend(id_, reason)
        count_resent(spool, reader_of(name), gone.values())
