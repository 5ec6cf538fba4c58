"""Where a store stands in the log: the live lane, and the stretches behind it that still have to go.

A store that comes back after an outage gets what happens now first and the backlog beside it, at a rate of its own, so
that boards are live at once. Each lane moves by the transaction that `collector.pump.drain` makes after a write; all
of it is kept in the spool alone, so a restart goes on where it stood, and retention waits for the backlog too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from collector.readings import Batch
from collector.spool.frames import Frame
from collector.spool.spool import Spool

PARCEL_ROWS = 20_000  # a parcel is closed when it holds as many
_FRAMES_AT_ONCE = 16
_BACKLOG, _MEMORY = ":backlog", "backlog"
_BACKLOG_FRAMES = 1_000  # a live lane further behind than this leaves the rest to the backlog


class Stretch(NamedTuple):
    """The frames after the offset `after` up to and with `last`."""

    after: int
    last: int


_stretches = msgspec.msgpack.Decoder(list[Stretch])


class Pace(NamedTuple):
    """How a store catches up: live first (else strictly in order), and the backlog at so many rows a second beside."""

    live_first: bool = True
    backlog_rows_per_s: float = 50_000.0


class Lanes:
    """The lanes of one reader of a spool; `next` and `delivered` take turns, in one thread."""

    def __init__(self, spool: Spool, reader: str, pace: Pace, now_s: float) -> None:
        self._spool = spool
        self._reader = reader
        self._pace = pace
        self._tokens = Tokens(pace.backlog_rows_per_s, now_s)
        self._backlog_is_next = False
        self._catching_up: tuple[float, int] | None = None  # since when (monotonic s), and how far behind then

    def next(self, now_s: float) -> list[Frame]:
        """The next parcel's frames: of the live lane and of the backlog in turn; none when all is delivered."""
        self._backlog_is_next = not self._backlog_is_next
        frames = self._backlog(now_s) if self._backlog_is_next else []
        return frames or self._live() or ([] if self._backlog_is_next else self._backlog(now_s))

    def delivered(self, frames: Sequence[Frame]) -> None:
        """The frames of one parcel are with the store; inside the caller's transaction."""
        first, last = frames[0].offset, frames[-1].offset
        behind = self.behind()
        if behind and behind[0].after < first <= behind[0].last:
            rest = [Stretch(last, behind[0].last)] if last < behind[0].last else []
            self._keep([*rest, *behind[1:]])
        else:
            self._spool.log.advance(self._reader, last)

    def settled(self, frames: Sequence[Frame]) -> int:
        """At or before this offset all is with the store, or gone, before a parcel of these frames is written."""
        before, behind = frames[0].offset - 1, self.behind()
        return min(before, behind[0].after) if behind and before >= behind[0].last else before

    def catching_up(self, now_s: float) -> tuple[int, float]:
        """How many frames the backlog still holds, and in how many seconds it will be gone at the pace so far."""
        left = sum(last - after for after, last in self.behind())
        if not left:
            self._catching_up = None
            return 0, 0.0
        since_s, left_then = self._catching_up = self._catching_up or (now_s, left)
        gone = left_then - left
        return left, left * (now_s - since_s) / gone if gone > 0 else math.inf

    def _live(self) -> list[Frame]:
        """The next live frames; a live lane that is far behind leaves them to the backlog and leaps to now."""
        after, end = self._spool.log.cursor(self._reader), self._spool.log.end()
        if self._pace.live_first and end - after > _BACKLOG_FRAMES:
            with self._spool.transaction():
                self._keep([*self.behind(), Stretch(after, end)])
                self._spool.log.advance(self._reader, end)
            return []
        return self._parcel(Stretch(after, end))

    def _backlog(self, now_s: float) -> list[Frame]:
        """The next frames of the backlog, oldest first; none when there is none or its rate is used up."""
        while self._tokens.has_any(now_s) and (behind := self.behind()):
            frames = self._parcel(behind[0])
            if frames:
                self._tokens.spend(rows_in(frames))
                return frames
            with self._spool.transaction():  # the rest of this stretch was evicted: the ledger has it
                self._keep(behind[1:])
        return []

    def behind(self) -> list[Stretch]:
        """The stretches of the log that still have to go beside the live lane, oldest first."""
        remembered = self._spool.recall(self._memory)
        return _stretches.decode(remembered) if remembered else []

    def _parcel(self, stretch: Stretch) -> list[Frame]:
        frames: list[Frame] = []
        rows = 0
        for frame in self._frames(stretch):
            frames.append(frame)
            rows += rows_in([frame])
            if rows >= PARCEL_ROWS:
                break
        return frames

    def _frames(self, stretch: Stretch) -> Iterator[Frame]:
        after = stretch.after
        while True:
            frames = self._spool.log.read(after, _FRAMES_AT_ONCE)
            for frame in frames:
                if frame.offset > stretch.last:
                    return
                yield frame
            if len(frames) < _FRAMES_AT_ONCE:
                return
            after = frames[-1].offset

    def _keep(self, behind: list[Stretch]) -> None:
        """Inside a transaction: retention waits for the oldest stretch by a cursor of its own."""
        self._spool.remember(self._memory, msgspec.msgpack.encode(behind))
        if behind:
            self._spool.log.advance(backlog_reader(self._reader), behind[0].after)
        else:
            self._spool.log.enrol([], among=backlog_reader(self._reader))

    @property
    def _memory(self) -> str:
        return f"{_MEMORY} {self._reader}"


def rows_in(frames: Sequence[Frame]) -> int:
    """How many points the frames hold: a batch's readings, one of everything else."""
    return sum(len(frame.body) if isinstance(frame.body, Batch) else 1 for frame in frames)


def enrol(spool: Spool, readers: Sequence[str]) -> None:
    """Makes retention wait for these stores and their backlogs, and forgets all others; inside a transaction."""
    for gone in set(stores(spool)) - set(readers):
        spool.forget(f"{_MEMORY} {gone}")
        spool.forget(f"tally {gone}")
    backlogs = [backlog_reader(one) for one in readers if Lanes(spool, one, Pace(), 0.0).behind()]
    spool.log.enrol([*readers, *backlogs], among="sink:")


def stores(spool: Spool) -> list[str]:
    """The readers that are stores, without the cursors of their backlogs."""
    return [reader for reader in spool.log.readers("sink:") if not reader.endswith(_BACKLOG)]


def unread(spool: Spool, reader: str) -> list[Stretch]:
    """What a store has still to be handed: the stretches of its backlog, and all that follows its cursor."""
    behind = Lanes(spool, reader, Pace(), 0.0).behind()
    return [*behind, Stretch(spool.log.cursor(reader), spool.log.end())]


def backlog_reader(reader: str) -> str:
    """The name of the cursor behind which retention keeps a reader's backlog."""
    return reader + _BACKLOG


class Tokens:
    """A rate: `left` grows by `per_s` every second up to one second's worth; what is spent may overdraw it once."""

    def __init__(self, per_s: float, now_s: float) -> None:
        self._per_s = per_s
        self._left = per_s
        self._at_s = now_s

    def has_any(self, now_s: float) -> bool:
        self._left = min(self._per_s, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        return self._left > 0

    def spend(self, amount: float) -> None:
        self._left -= amount
