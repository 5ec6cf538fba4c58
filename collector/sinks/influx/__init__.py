"""InfluxDB through influxdb-client's synchronous writer: one body of line protocol a write, times in ns.

Rows come from `collector.rows`. Only 204 means stored, and from time to time the last point is read back, so that a 204
of something that is no store is found out. A refused body is halved until the rows at fault stand alone: servers tell
of them in different words, and 2.x stores nothing of a body it refuses. Writing a row twice is harmless, it is the same
point. A row older than the bucket's retention is refused here: servers drop it, some behind a 204.

What differs between stores (of which only 1.6.7 was run live, behind a shim for the v2 write path):
- InfluxDB 2: a token in `token_file` that may read and write the bucket; reading goes through its InfluxQL `/query`,
  which needs a DBRP mapping of the bucket's name (2.x has one by itself unless mappings were made by hand).
- InfluxDB 1.8: `bucket` is database/retention-policy; `username`, and its password in `token_file`; or no login.
- InfluxDB 3: `bucket` is the database; a token as in 2. What it keeps is not always told: then set `retention_d`.
- VictoriaMetrics: `write_only` with `retention_d`: it cannot be asked, and answers 204 to points it does not keep.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from collector.config import ConfigError
from collector.readings import Batch
from collector.sinks.influx.read_back import read_back
from collector.sinks.influx.retention import keeps_ns, sentence
from collector.sinks.influx.store import Options, Store, token_in
from collector.sinks.sink import Parcel, SinkRejected, SinkUnavailable
from collector.spool.frames import Record

__all__ = ["Influx", "Options", "build"]

_SEVERAL = 3  # reasons told of one parcel; the rows themselves are all in the dead letters


def build(options: Options, folder: Path) -> Influx:
    """Raises ConfigError where the token cannot be read. Does not need the store to be up."""
    token_file = folder / options.token_file if options.token_file else None
    if token_file:
        token_in(token_file)
    if options.username and not token_file:
        raise ConfigError("`username` needs `token_file`: write that user's password into a file and name it there")
    if options.write_only and options.retention_d is None:
        raise ConfigError(
            "`write_only` needs `retention_d`: a store that is not read cannot be asked how long it keeps points; "
            "set what it keeps (VictoriaMetrics: 30 unless told otherwise), 0 for ever"
        )
    return Influx(options, Store(options, token_file))


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
