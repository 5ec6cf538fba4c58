"""The sink itself: a parcel as one body, halved where the store refuses it, read back now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from collector.readings import Batch
from collector.sinks.influx.options import Options
from collector.sinks.influx.read_back import read_back
from collector.sinks.influx.retention import keeps_ns, sentence
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

    def close(self) -> None:
        self._checked_s = None
        self._store.close()

    def _write(self, parcel: Parcel) -> dict[int, str]:
        """The rows that the store will never take, each with its reason."""
        is_due = self._is_check_due()
        if is_due:
            self._keeps_ns = keeps_ns(self._store, self._options)
        refused = self._too_old(parcel)
        if refused:
            refused |= self._posted([(i, row) for i, row in enumerate(parcel.rows) if i not in refused])
        elif (reason := self._store.post(parcel.body)) is not None:
            refused = self._halved(list(enumerate(parcel.rows)), reason)
        if is_due:
            self._check(parcel, refused)
        return refused

    def _posted(self, rows: Sequence[tuple[int, bytes]]) -> dict[int, str]:
        """Stores what the store takes of these rows; the number and the reason of each that it never will."""
        reason = self._store.post(b"\n".join(row for _, row in rows)) if rows else None
        return {} if reason is None else self._halved(rows, reason)

    def _halved(self, rows: Sequence[tuple[int, bytes]], reason: str) -> dict[int, str]:
        """The same for rows whose body was refused."""
        if len(rows) == 1:
            return {rows[0][0]: reason}
        half = len(rows) // 2
        return self._posted(rows[:half]) | self._posted(rows[half:])

    def _too_old(self, parcel: Parcel) -> dict[int, str]:
        """The rows that the bucket would drop at once, each with its reason."""
        oldest_ns = self._now_ns() - self._keeps_ns
        if not self._keeps_ns or _from_ns(parcel) >= oldest_ns:
            return {}
        reason = sentence(self._options, self._keeps_ns)
        times = (int(row[row.rindex(b" ") :]) for row in parcel.rows)
        return {i: reason for i, at_ns in enumerate(times) if at_ns < oldest_ns}

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
    """The earliest time in a parcel (event time, UTC ns), without making rows of it."""
    batches = (int(frame.body.at_ns.min()) for frame in parcel.frames if isinstance(frame.body, Batch))
    records = (frame.body.at_ns for frame in parcel.frames if isinstance(frame.body, Record))
    return min((*batches, *records))
