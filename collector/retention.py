"""What goes when the spool reaches its bounds, so that the collector never stands still for long.

Dead letters beyond their share go first, then delivered frames, then the oldest of history, then the oldest frames,
never what was said about an alert. Whatever goes before its time is booked in the ledger and counted. A full disk has
no room even for deleting; the reserve, a file that is given up then, makes some.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collector.config import SpoolSettings
from collector.health.counters import Counters
from collector.readings import NS_PER_S
from collector.schema import ALERT_EVENT
from collector.spool.connection import WAL_BYTES, SpoolBusy, SpoolUnwritable
from collector.spool.damage import NOTE
from collector.spool.dead import DeadLetter
from collector.spool.eviction import Evicted
from collector.spool.ledger import EVERYWHERE, Cause, Gap
from collector.spool.repair.repair import discard_kept
from collector.spool.spool import Spool, SpoolFull
from collector.tally import count_evicted

DEAD_LETTERS, DEAD_ROWS = "dead letters", "dead rows"  # assets: messages, and rows that a store refused
_AT_ONCE = 500
_LETTERS_AT_ONCE = 50
_LOOK_EVERY = 200  # appends between two looks at size and age
_FULL_RATIO = 0.9
_ALERTS_KEPT = 10_000  # of which the latest is kept, besides those that are not over
_DEAD_RATIO = 0.1  # of the spool, for dead letters
_RESERVE_BYTES = 2 * WAL_BYTES  # folding in the write-ahead file may take as much again
_NS_PER_D = 86_400 * NS_PER_S
_HISTORY_NOTE = "the spool was full: history and rollups end earlier than their ages in site.toml; raise max_mb"
_FULL_NOTE = "the spool was full: the oldest went before every reader had them"


@dataclass(slots=True)
class Retention:
    """Keeps a spool within its size and age; owned by the thread that appends.

    `detected`: detectors run on this spool, so frames are kept until every line's have dealt with them.
    """

    settings: SpoolSettings
    counters: Counters
    detected: bool = True
    _appends: int = 0

    def keep_bounds(self, spool: Spool) -> None:
        """Now and then drops delivered frames that are too old, and makes room before the file is full."""
        self._appends += 1
        if self._appends % _LOOK_EVERY:
            return
        try:
            self._drop_old(spool)
            self._keep_books(spool)
            while self._drop_dead(spool):
                pass
            if spool.size_bytes() > _FULL_RATIO * self._most_bytes:
                self.make_room(spool)
            self.hold_reserve(spool)
        except (SpoolBusy, SpoolUnwritable):
            return  # somebody else writes for long, or nobody can; there is another look
        except SpoolFull:
            self.give_up_reserve(spool)

    def make_room(self, spool: Spool) -> int:
        """Drops a portion of what may go; returns how many entries, 0 when nothing may or the disk gives no room."""
        for _ in range(2):
            try:
                dropped = (
                    self._drop_dead(spool)
                    or self._drop_delivered(spool)
                    or self._drop_history(spool)
                    or self._drop_oldest(spool)
                )
                spool.checkpoint()
                return dropped
            except SpoolFull:
                self.give_up_reserve(spool)
        return 0

    def hold_reserve(self, spool: Spool) -> None:
        """Sets room for deleting aside, a file beside the spool, as soon as the disk has twice as much to spare."""
        path = _reserve(spool.path)
        is_held = path.exists() and path.stat().st_size >= _RESERVE_BYTES
        if is_held or shutil.disk_usage(path.parent).free < 2 * _RESERVE_BYTES:
            return
        try:
            with path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, _RESERVE_BYTES)
            spool.grow_to(self.settings.max_mb)
        except OSError:
            path.unlink(missing_ok=True)

    def give_up_reserve(self, spool: Spool) -> None:
        """Uses the room set aside, and lets the spool grow no more until there is some to set aside again.

        A damaged file that was replaced, and only kept to be looked at, goes with it.
        """
        _reserve(spool.path).unlink(missing_ok=True)
        discard_kept(spool.path)
        spool.grow_no_more()

    @property
    def _most_bytes(self) -> float:
        return self.settings.max_mb * 1e6

    def _drop_old(self, spool: Spool) -> None:
        oldest_ns = spool.log.clock_ns() - int(self.settings.keep_d * _NS_PER_D)
        delivered = spool.log.delivered(detected=self.detected)
        dropped = _AT_ONCE
        while dropped == _AT_ONCE:
            with spool.transaction():
                gone = spool.log.evict_delivered(delivered, _AT_ONCE, before_ns=oldest_ns)
                self._book_unseen(spool, gone)
                dropped = gone.frames

    def _drop_delivered(self, spool: Spool) -> int:
        with spool.transaction():
            delivered = spool.log.delivered(detected=self.detected)
            gone = spool.log.evict_delivered(delivered, _AT_ONCE)
            self._book_unseen(spool, gone)
            return gone.frames

    def _drop_dead(self, spool: Spool) -> int:
        """The oldest dead letters, while there are more than their share."""
        if spool.dead.size_bytes() <= _DEAD_RATIO * self._most_bytes:
            return 0
        with spool.transaction():
            letters = spool.dead.evict_oldest(_LETTERS_AT_ONCE)
            messages = _book_dead(spool, DEAD_LETTERS, [letter for letter in letters if not letter.is_row])
            rows = _book_dead(spool, DEAD_ROWS, [letter for letter in letters if letter.is_row])
        if messages:
            self.counters.evicted("dead_letters", messages)
        if rows:
            self.counters.evicted("dead_rows", rows)
        return len(letters)

    def _drop_history(self, spool: Spool) -> int:
        """The oldest that is kept for boards: its readings first, then its rollups."""
        with spool.transaction():
            gone = spool.history.drop_oldest(_AT_ONCE)
            if gone.readings:
                asset = f"history {gone.what}"
                spool.ledger.add(Gap(asset, Cause.EVICTED, gone.from_ns, gone.to_ns, gone.readings, _HISTORY_NOTE))
        if gone.readings:
            self.counters.evicted(f"history_{gone.what}", gone.readings)
        return gone.readings

    def _drop_oldest(self, spool: Spool) -> int:
        with spool.transaction():
            gone = spool.log.evict_oldest(_AT_ONCE)
            for line, lost in gone.lines.items():
                spool.ledger.add(Gap(line, Cause.EVICTED, lost.from_ns, lost.to_ns, lost.readings, _FULL_NOTE))
            if gone.records:
                said = Gap("spool records", Cause.EVICTED, gone.from_ns, gone.to_ns, gone.records, _FULL_NOTE)
                spool.ledger.add(said)
            self._book_unseen(spool, gone)
            count_evicted(spool, gone)
        if gone.readings:
            self.counters.evicted("readings", gone.readings)
        if gone.records:
            self.counters.evicted("records", gone.records)
        return gone.frames

    def _book_unseen(self, spool: Spool, gone: Evicted) -> None:
        if gone.unseen:
            spool.ledger.add(Gap(EVERYWHERE, Cause.DAMAGED, gone.from_ns, gone.to_ns, gone.unseen, NOTE))

    def _keep_books(self, spool: Spool) -> None:
        """Keeps what is remembered of ended alerts, and the ledger itself, within bounds; counts what was damaged."""
        with spool.transaction():
            spool.log.forget_over(ALERT_EVENT.name, _ALERTS_KEPT, _AT_ONCE)
            spool.ledger.keep_bounds()
        self.counters.set("readings_damaged", spool.ledger.total(Cause.DAMAGED))


def _book_dead(spool: Spool, asset: str, letters: Sequence[DeadLetter]) -> int:
    """Books letters that went; how often they had come."""
    times = [letter.received_ns for letter in letters]
    came = sum(letter.times for letter in letters)
    if letters:
        spool.ledger.add(Gap(asset, Cause.EVICTED, min(times), max(times), came, _FULL_NOTE))
    return came


def _reserve(spool_path: Path) -> Path:
    return spool_path.with_name(spool_path.name + ".reserve")
