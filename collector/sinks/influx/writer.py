"""The sink itself: a parcel as one body, sifted where the store refuses it, read back now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Sequence

from collector.readings import Batch
from collector.sinks.influx.options import Options
from collector.sinks.influx.read_back import read_back
from collector.sinks.influx.retention import keeps_ns, sentence
from collector.sinks.influx.sieve import Sieve
from collector.sinks.influx.store import Store
from collector.sinks.sink import Parcel, SinkRejected, SinkUnavailable
from collector.spool.frames import Record

_SEVERAL = 3  # reasons told of one parcel; the rows themselves are all in the dead letters


class Influx:
    """A Sink. Connects at the first write, and anew after a failure; then the token is read again."""

    def __init__(
        self,
        options: Options,
        store: Store,
        now_ns: Callable[[], int] = time.time_ns,
        passed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._store = store
        self._now_ns = now_ns
        self._passed_s = passed_s
        self._checked_s: float | None = None
        self._keeps_ns = 0  # how long the bucket keeps a point, 0 for ever

    def write(self, parcel: Parcel) -> None:
        """Stores all rows. Raises SinkRejected once all others are stored, SinkUnavailable to try all again."""
        if not parcel.body:
            return
        try:
            refused = self._write(parcel)
        except SinkUnavailable:
            self.close()
            raise
        if refused:
            reasons = list(dict.fromkeys(refused.values()))
            raise SinkRejected("; ".join(reasons[:_SEVERAL]), list(refused))

    def write_rows(self, rows: Sequence[bytes]) -> None:
        """The same for rows that it refused before."""
        self.write(Parcel.of_rows(rows))

    def close(self) -> None:
        self._checked_s = None
        self._store.close()

    def _write(self, parcel: Parcel) -> dict[int, str]:
        """The rows that the store will never take, each with its reason."""
        is_due = self._is_check_due()
        if is_due:
            self._keeps_ns = keeps_ns(self._store, self._options)
        refused = self._too_old(parcel)
        refused |= self._posted(parcel, refused)
        if is_due:
            self._check(parcel, refused)
        return refused

    def _posted(self, parcel: Parcel, too_old: Container[int]) -> dict[int, str]:
        """Stores the rows that are not too old; those that the store itself refuses."""
        sieve = Sieve(self._store, self._now_ns)
        if too_old:
            sieve.sift([(i, row) for i, row in enumerate(parcel.rows) if i not in too_old])
        elif (reason := self._store.post(parcel.body)) is not None:
            sieve.sift(list(enumerate(parcel.rows)), reason)
        return sieve.refused

    def _too_old(self, parcel: Parcel) -> dict[int, str]:
        """The rows that the bucket would drop at once, each with its reason."""
        oldest_ns = self._now_ns() - self._keeps_ns
        if not self._keeps_ns or _from_ns(parcel) >= oldest_ns:
            return {}
        reason = sentence(self._options, self._keeps_ns)
        return {i: reason for i, row in enumerate(parcel.rows) if _at_ns(row) < oldest_ns}

    def _is_check_due(self) -> bool:
        return self._checked_s is None or self._passed_s() - self._checked_s >= self._options.check_s

    def _check(self, parcel: Parcel, refused: dict[int, str]) -> None:
        """Reads the last stored row back. Raises SinkUnavailable: it is not there, or cannot be read."""
        stored = _last_stored(parcel, refused)
        if stored:
            if not self._options.write_only:
                read_back(self._store, stored)
            self._checked_s = self._passed_s()


def _last_stored(parcel: Parcel, refused: dict[int, str]) -> bytes:
    """The last row that was not refused, `b""` when all were."""
    if not refused:
        return parcel.body.rpartition(b"\n")[2]
    kept = (i for i in reversed(range(len(parcel.rows))) if i not in refused)
    return next((parcel.rows[i] for i in kept), b"")


def _from_ns(parcel: Parcel) -> int:
    """The earliest time in a parcel (event time, UTC ns), where it has frames without making rows of them."""
    if not parcel.frames:
        return min(map(_at_ns, parcel.rows))
    batches = (int(frame.body.at_ns.min()) for frame in parcel.frames if isinstance(frame.body, Batch))
    records = (frame.body.at_ns for frame in parcel.frames if isinstance(frame.body, Record))
    return min((*batches, *records))


def _at_ns(row: bytes) -> int:
    return int(row[row.rindex(b" ") :])
