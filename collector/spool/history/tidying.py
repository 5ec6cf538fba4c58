"""What keeps history tidy: small rows of the tail are joined, full buckets folded into chunks, small chunks merged.

`Tidying.next` works out a little of what is due without holding the file; the caller writes it in a short transaction.
What was not written is worked out again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from collector.spool.history.chunk_table import Chunk, Chunks
from collector.spool.history.folding import Folded, fold, full_tier, merge, readable
from collector.spool.history.tail import Missing, Tail, TailRow
from collector.spool.history.taken import BUCKET, Taken
from collector.spool.state import Fenced

_JOINS, _FOLDS, _MERGES = 8, 4, 32  # buckets, buckets and series at a time: a transaction of about 1 MB
_FULLER = 4


@dataclass(slots=True)
class Tidied:
    """What is to change; `joined`: the rows of a bucket that become one row."""

    joined: list[tuple[int, Taken, list[TailRow]]] = field(default_factory=list)
    folded: list[Folded] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)


class Tidying:
    """Owned by the one process that feeds history."""

    def __init__(self, tail: Tail, chunks: Chunks) -> None:
        self._tail = tail
        self._chunks = chunks
        self._perhaps_full: dict[int, None] = {}  # series whose last chunks may be merged; forgotten ones come again

    def next(self, *, behind: bool = False) -> Tidied:
        """A little of what is due; while the historian is `behind`, buckets are folded later, into larger chunks."""
        tidied, tiers = Tidied(), self._full_tiers()
        tidied.folded.append(merge(self._chunks, tiers))
        busy = {tier[0].series // BUCKET for tier in tiers}  # their chunks are changing already
        full = [bucket for bucket in self._tail.full(_FULLER if behind else 1) if bucket not in busy][:_FOLDS]
        for bucket in full:
            tidied.folded.append(fold(self._chunks, self._tail.rows(bucket)))
        for bucket in [one for one in self._tail.scattered() if one not in full][:_JOINS]:
            rows = self._tail.small_rows(bucket)
            tidied.joined.append((bucket, readable(rows, tidied.missing), rows))
        tidied.missing += [lost for folded in tidied.folded for lost in folded.missing]
        return tidied

    def write(self, tidied: Tidied) -> None:
        """Inside the caller's transaction. Raises Fenced when another process has changed any of it meanwhile."""
        for bucket, part, rows in tidied.joined:
            self._remove(rows)
            self._tail.add(bucket, part)
        for folded in tidied.folded:
            self._remove(folded.rows)
            if not self._chunks.delete(folded.gone):
                raise _fenced()
            self._chunks.write(folded.new)
            self._perhaps_full |= dict.fromkeys(chunk.series for chunk in folded.new)

    def _full_tiers(self) -> list[list[Chunk]]:
        """The next series' chunks that are to be merged."""
        found = list[list[Chunk]]()
        while self._perhaps_full and len(found) < _MERGES:
            series, _ = self._perhaps_full.popitem()
            tier = full_tier(self._chunks, series)
            found += [tier] if tier else []
        return found

    def _remove(self, rows: list[TailRow]) -> None:
        if not self._tail.remove(rows):
            raise _fenced()


def _fenced() -> Fenced:
    return Fenced("history: another process keeps the history of this spool; stop one of the two `andon collect`")
