"""The historian: carries the log into history, at its own pace and behind its own cursor.

Input: the batches of `spool.log` past the cursor READER. Output: `spool.history`. Its memory is bounded by what one
step takes, however far behind it is; whatever it has not taken yet is safe in the log.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.config import SpoolSettings
from collector.health.counters import Counters
from collector.readings import NS_PER_S, Batch
from collector.spool.frames import FrameKind
from collector.spool.history.tidying import Tidied
from collector.spool.ledger import Cause, Gap
from collector.spool.spool import Spool
from collector.spool.state import Fenced

READER = "history"
EVERY_S = 5.0  # how often a historian that has caught up looks again; the most that history is behind
_STEP_READINGS = 50_000
_STEP_FRAMES = 1024
_FRAMES_AT_ONCE = 8
_DROP_EVERY = 12  # steps: about once a minute
_NS_PER_D = 86_400 * NS_PER_S
_DAMAGED_NOTE = "history on this disk was damaged; what the stores hold is not touched"


class Historian:
    """Owned by one thread, like the spool it works on; only one may work on a spool."""

    def __init__(self, settings: SpoolSettings, counters: Counters) -> None:
        self._settings = settings
        self._counters = counters
        self._steps = 0

    def step(self, spool: Spool) -> int:
        """Takes a portion of the log and tidies a little, in one transaction; how many readings, 0 when it had all.

        Raises Fenced when another process keeps the history of this spool, SpoolFull or SpoolBusy with nothing half
        done.
        """
        after = spool.log.cursor(READER)
        batches, upto, is_all = self._next(spool, after)
        self.keep(spool, batches, after, upto, behind=not is_all)
        return 0 if is_all else sum(map(len, batches))

    def keep(self, spool: Spool, batches: Sequence[Batch], after: int, upto: int, *, behind: bool = False) -> None:
        """Takes batches of the log past `after` and moves the cursor to `upto`; `behind`: there is more to come."""
        tidied = spool.history.tidying.next(behind=behind)
        self._steps += 1
        with spool.transaction():
            if spool.log.cursor(READER) != after:
                raise Fenced("history: another process keeps the history of this spool; stop one `andon collect`")
            spool.history.tidying.write(tidied)
            self._book(spool, tidied)
            taken = spool.history.take(batches)
            if upto > after:
                spool.log.advance(READER, upto)
            if self._steps % _DROP_EVERY == 0:
                self._drop_old(spool)
        self._counters.add("history_taken", taken)
        self._counters.add("history_damaged", sum(lost.readings for lost in tidied.missing))

    def _next(self, spool: Spool, after: int) -> tuple[list[Batch], int, bool]:
        """The batches past an offset, as many as one step takes, up to which offset that is, and whether it is all."""
        batches, readings, frames_read, end = list[Batch](), 0, 0, spool.log.end()
        while readings < _STEP_READINGS and frames_read < _STEP_FRAMES:
            frames = spool.log.read(after, _FRAMES_AT_ONCE, kinds=(FrameKind.BATCH,))
            if not frames:
                return batches, max(after, end), True
            after = frames[-1].offset
            batches += [frame.body for frame in frames if isinstance(frame.body, Batch)]
            readings, frames_read = sum(map(len, batches)), frames_read + len(frames)
        return batches, after, False

    def _drop_old(self, spool: Spool) -> None:
        now_ns = spool.log.clock_ns()
        readings_ns = now_ns - int(self._settings.history_d * _NS_PER_D)
        rollups_ns = now_ns - int(self._settings.rollups_d * _NS_PER_D)
        spool.history.drop_before(readings_ns, rollups_before_ns=rollups_ns)

    def _book(self, spool: Spool, tidied: Tidied) -> None:
        for lost in tidied.missing:
            asset = spool.series[lost.series].name if lost.series else "history"
            gap = Gap(asset, Cause.DAMAGED, lost.from_ns, lost.to_ns, lost.readings, _DAMAGED_NOTE)
            spool.ledger.add(gap)
