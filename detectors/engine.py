"""The one loop of detection: log -> methods -> alerts -> one commit, the same on one machine and on a fleet.

`run_shard` reads a line's frames, lets pure `ShardLogic` say what follows, and commits position, state and records
together. The three seams (`ShardLog`, `StateStore`, `RecordSink`) are one spool file and one transaction here
(`SpoolShards`, which may take several lines into it); a fleet gives them others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from collector.readings import NS_PER_S, Batch
from collector.spool.frames import Frame, FrameKind, Record
from collector.spool.log import INPUTS
from collector.spool.spool import Spool
from collector.spool.state import ShardState

FRAMES_PER_COMMIT, READINGS_PER_COMMIT = 200, 20_000
_FRAMES_AT_ONCE = 8
_SPAN_PER_COMMIT_NS = 1800 * NS_PER_S  # of event time


class ShardOutput(NamedTuple):
    """A record and the deterministic id under which saying it twice is saying it once."""

    output_id: str
    record: Record


class ShardLogic(Protocol):
    """Pure: no clock, no randomness, no input or output. The same frames give the same records."""

    version: int

    def apply(self, frames: Sequence[Frame]) -> list[ShardOutput]: ...
    def snapshot(self) -> bytes: ...
    def restore(self, state: bytes, version: int) -> None: ...


class ShardLog(Protocol):
    def read(self, shard: str, after: int) -> list[Frame]: ...


class StateStore(Protocol):
    def load(self, shard: str) -> ShardState: ...

    def commit(self, shard: str, after: ShardState, expected_rev: int) -> int:
        """Makes the state and all records emitted since durable together. Raises Fenced."""
        ...


class RecordSink(Protocol):
    def emit(self, shard: str, said: ShardOutput) -> None: ...


def run_shard(shard: str, logic: ShardLogic, log: ShardLog, states: StateStore, sink: RecordSink) -> int:
    """Deals with what is new in one line's log; returns how many frames that was.

    `logic` must stand where `states` stands. Raises Fenced when somebody else moved the line meanwhile.
    """
    before = states.load(shard)
    frames = log.read(shard, before.offset)
    if not frames:
        return 0
    for said in logic.apply(frames):
        sink.emit(shard, said)
    after = ShardState(frames[-1].offset, before.rev + 1, logic.version, logic.snapshot())
    states.commit(shard, after, expected_rev=before.rev)
    return len(frames)


def dealt_with(spool: Spool) -> int:
    """The offset up to which the detectors of every line have said what they had to say; the log's end when all is."""
    heard = spool.log.end()
    for line in spool.log.lines():
        unread = spool.log.read(spool.states.load(line).offset, 1, shard=line, kinds=INPUTS)
        if unread:
            heard = min(heard, unread[0].offset - 1)
    return heard


class SpoolShards:
    """Log, state store and record sink of all lines in one spool: what is emitted waits for its `commit`."""

    def __init__(self, spool: Spool, hears: Callable[[str], Sequence[str]] = lambda shard: ()) -> None:
        """`hears`: the other lines whose batches a line needs."""
        self._spool = spool
        self._hears = hears
        self._waiting: list[tuple[str, ShardOutput]] = []
        self._commits: list[_Commit] = []
        self._taken = (0, 0)  # frames and readings that they, and what is under way, rest on
        self._is_together = False
        self.unfinished: set[str] = set()  # lines whose last `read` left something for the next

    def read(self, shard: str, after: int) -> list[Frame]:
        """As many frames as fit one commit: bounded in readings too, so that a backlog takes no more memory, and in the
        time they pass, so that a line that catches up is seen to move. `unfinished` says whether any were left.
        """
        frames: list[Frame] = []
        readings, is_all = 0, False
        while not is_all and len(frames) < FRAMES_PER_COMMIT and readings < READINGS_PER_COMMIT:
            more = self._next(shard, after)
            frames += more
            readings += sum(len(frame.body) for frame in more if isinstance(frame.body, Batch))
            is_all = len(more) < _FRAMES_AT_ONCE
            after = more[-1].offset if more else after
        taken = _of_one_span(frames)
        self._taken = (self._taken[0] + len(taken), self._taken[1] + readings)
        if is_all and len(taken) == len(frames):
            self.unfinished.discard(shard)
        else:
            self.unfinished.add(shard)
        return taken

    def _next(self, shard: str, after: int) -> list[Frame]:
        """The next frames of a line and of those it hears, in order; fewer than asked for when there are no more."""
        log, others = self._spool.log, self._hears(shard)
        if not others:
            return log.read(after, _FRAMES_AT_ONCE, shard=shard, kinds=INPUTS)
        with self._spool.snapshot():
            frames = log.read(after, _FRAMES_AT_ONCE, shard=shard, kinds=INPUTS)
            for other in others:
                frames += log.read(after, _FRAMES_AT_ONCE, shard=other, kinds=(FrameKind.BATCH,))
        return sorted(frames, key=lambda frame: frame.offset)[:_FRAMES_AT_ONCE]

    def load(self, shard: str) -> ShardState:
        return self._spool.states.load(shard)

    def emit(self, shard: str, said: ShardOutput) -> None:
        self._waiting.append((shard, said))

    def commit(self, shard: str, after: ShardState, expected_rev: int) -> int:
        said, self._waiting = self._waiting, []
        self._commits.append(_Commit(shard, after, expected_rev, said))
        frames, readings = self._taken
        if not self._is_together or frames >= FRAMES_PER_COMMIT or readings >= READINGS_PER_COMMIT:
            self._write()
        return expected_rev + 1

    @contextmanager
    def together(self) -> Iterator[None]:
        """What several lines commit inside is durable at its end, or sooner when it is much: one disk sync for all.

        Each line may be dealt with once inside. When it raises, nobody knows which lines stand where `load` says.
        """
        self._is_together = True
        try:
            yield
        finally:
            self._is_together = False
            self._write()

    def _write(self) -> None:
        """Makes durable what was committed, all of it or nothing."""
        commits, self._commits, self._taken = self._commits, [], (0, 0)
        if not commits:
            return
        with self._spool.transaction():
            for one in commits:
                for of_shard, said in one.said:
                    self._spool.log.say(of_shard, said.output_id, said.record)
                after = one.after
                self._spool.states.commit(one.shard, after.offset, after.version, after.body, one.expected_rev)


class _Commit(NamedTuple):
    """What one line made durable at a time: its state and what it said."""

    shard: str
    after: ShardState
    expected_rev: int
    said: Sequence[tuple[str, ShardOutput]]


def _of_one_span(frames: Sequence[Frame]) -> list[Frame]:
    """The first frames, up to one that lies too long after the first of them."""
    late = (i for i, frame in enumerate(frames) if frame.at_ns - frames[0].at_ns > _SPAN_PER_COMMIT_NS)
    return list(frames[: next(late, len(frames))])
