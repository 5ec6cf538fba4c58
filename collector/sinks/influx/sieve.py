"""Which rows of a refused body are at fault, and the proof that it is the rows and not the peer.

A proxy in maintenance, or an `url` that is no store's write path, may answer 400 to everything, and then no row is bad.
So no row is refused on such a peer's word alone: it must take another row of the same parcel, or one of our own, and
once more after the last row that it refused. Else all of the parcel is kept and tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from collector.readings import NS_PER_S
from collector.schema import STORE_PROBE
from collector.sinks.influx.store import Store
from collector.sinks.sink import SinkUnavailable

Numbered = tuple[int, bytes]  # a row and its place in the parcel

_PROBE_EVERY_NS = 60 * NS_PER_S  # probes of one minute are one point
_SAMPLE = 20  # rows of a parcel
_MOST_UNPROVEN = 100  # rows refused in a row: a peer that went bad is not sent a whole parcel row by row


class Sieve:
    """Stores what the store takes of one parcel's rows; `refused`: the others, each with the store's reason."""

    def __init__(self, store: Store, now_ns: Callable[[], int]) -> None:
        self.refused: dict[int, str] = {}
        self._store = store
        self._now_ns = now_ns
        self._rows: Sequence[Numbered] = ()
        self._taken = b""  # the last row that the store has taken
        self._unproven = 0  # rows refused since it took any

    def sift(self, rows: Sequence[Numbered], refused_for: str | None = None) -> None:
        """`refused_for`: why all of them in one body were refused, None when they were not posted yet.

        Raises SinkUnavailable for what `Store.post` does, and when the store does not take good rows either.
        """
        self._rows = rows
        if refused_for is None:
            self._post(rows)
        else:
            self._halve(rows, refused_for)
        if self._unproven:
            self._prove()

    def _post(self, rows: Sequence[Numbered]) -> None:
        reason = self._store.post(b"\n".join(row for _, row in rows)) if rows else None
        if reason is not None:
            self._halve(rows, reason)
        elif rows:
            self._taken, self._unproven = rows[-1][1], 0

    def _halve(self, rows: Sequence[Numbered], reason: str) -> None:
        if len(rows) > 1:
            half = len(rows) // 2
            self._post(rows[:half])
            self._post(rows[half:])
            return
        self.refused[rows[0][0]] = reason
        self._unproven += 1
        if not self._taken or self._unproven >= _MOST_UNPROVEN:
            self._prove()

    def _prove(self) -> None:
        """Raises SinkUnavailable unless the store takes a row now."""
        for row in self._witnesses():
            if (reason := self._store.post(row)) is None:
                self._taken, self._unproven = row, 0
                return
        raise SinkUnavailable(
            f"{self._store.options.url} refuses every row, good ones too ({reason}): is `url` a store's write path, "
            "and does its bucket take new points? Nothing is lost, all is tried again"
        )

    def _witnesses(self) -> Iterator[bytes]:
        """What it has taken before, the same point; else a row of our own, or any of a sample of this parcel.

        A store at its limit of series refuses our own and still takes what it knows.
        """
        if self._taken:
            yield self._taken
            return
        now_ns = self._now_ns()
        yield f"{STORE_PROBE.name} {STORE_PROBE.fields[0]}=1 {now_ns - now_ns % _PROBE_EVERY_NS}".encode()
        yield from (row for _, row in self._rows[:: -(-len(self._rows) // _SAMPLE)])
